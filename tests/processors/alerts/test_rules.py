"""Rules as files: what they may say, and how a wrong one is told."""

import pytest

from processors.alerts.parse import default_rules, parse_rules
from processors.alerts.quiet import quiet_hours
from processors.alerts.rules import AlertParams, AlertRule, Comparison
from schemas.alerts import Severity
from schemas.market import Scope
from schemas.units import US_PER_MINUTE
from tests.processors.alerts.builders import rule

WHOLE = """
[[rules]]
name = "night-1_a"
label = "big sells"
source = "event"
severity = "critical"
kinds = ["large_print", "absorption"]
forms = ["usd_100000"]
states = ["observed", "confirmed"]
sides = ["sell"]
where = { tick = "0.01", scope = "venue" }
field = "values.usd_cents"
comparison = "above"
threshold = 1_000_000.5
assets = ["BTC", "ETH"]
venues = ["okx"]
scopes = ["venue"]
quiet_hours = ["22:00-06:00", "12:00-12:30"]
cooldown_seconds = 0
most_per_hour = 5
allow_partial = true
provisional = true
"""


def test_a_file_may_say_every_field() -> None:
    assert parse_rules(WHOLE).rules == (
        AlertRule(
            name="night-1_a",
            label="big sells",
            source="event",
            severity=Severity.CRITICAL,
            kinds=("large_print", "absorption"),
            forms=("usd_100000",),
            states=("observed", "confirmed"),
            sides=("sell",),
            where={"tick": "0.01", "scope": "venue"},
            field="values.usd_cents",
            comparison=Comparison.ABOVE,
            threshold=1_000_000.5,
            assets=("BTC", "ETH"),
            venues=("okx",),
            scopes=(Scope.VENUE,),
            quiet_hours=("22:00-06:00", "12:00-12:30"),
            cooldown_seconds=0,
            most_per_hour=5,
            allow_partial=True,
            provisional=True,
        ),
    )
    assert len(AlertRule.__struct_fields__) == 20 == WHOLE.count(" = ") - 2  # two inside `where`


def test_what_a_rule_does_not_say_is_as_defined_in_5_15() -> None:
    (bare,) = parse_rules('[[rules]]\nname = "a"\nsource = "event"\n').rules
    assert (bare.cooldown_seconds, bare.most_per_hour) == (60, 60)
    assert not bare.allow_partial
    assert not bare.provisional
    assert bare.severity is Severity.INFO


def test_a_file_without_rules_is_no_rule() -> None:
    assert parse_rules("# nothing\n") == AlertParams()


def test_the_rules_that_are_shipped_can_be_used_and_have_severities() -> None:
    rules = default_rules().rules
    assert len(rules) >= 10
    assert {rule.severity for rule in rules} == set(Severity)
    assert {rule.source for rule in rules} >= {"event", "cascade", "cluster", "context"}


VALUE = 'source = "context"\ncomparison = "above"\nthreshold = 1\nfield = '
WRONG = [
    ('source = "events"', "source: 'events' is none of event, cascade"),
    ('source = "event"\ncolour = "red"', "Object contains unknown field `colour`"),
    ('source = "event"\nlabel = "a\\nb"', "label: must be one line of at most 80 characters"),
    ('source = "event"\nseverity = "loud"', "severity: Invalid enum value 'loud'"),
    ('source = "event"\nkinds = ["large"]', "kinds: 'large' is none of large_print, absorption"),
    ('source = "cascade"\nkinds = ["x"]', "kinds: cascade has none"),
    ('source = "cascade"\nforms = ["x"]', "forms: cascade has none"),
    ('source = "cascade"\nstates = ["on"]', "states: 'on' is none of idle, building, active"),
    ('source = "cluster"\nstates = ["on"]', "states: cluster has none"),
    ('source = "cluster"\nsides = ["buy"]', "sides: 'buy' is none of long, short"),
    ('source = "event"\nwhere = { sise = 1 }', "where: FlowEvent has no sise; it has asset"),
    (
        'source = "event"\nwhere = { side = "up" }',
        "where: side is never 'up', but one of buy, sell",
    ),
    ('source = "event"\nwhere = { is_final = "no" }', "where: is_final is never 'no', but one of"),
    ('source = "event"\nthreshold = 5', "field: a condition is field, comparison and threshold"),
    ('source = "event"\nfield = "start_us"', "comparison: a condition is field, comparison and"),
    ('source = "context"', "field: context is no event; say which value is compared"),
    (VALUE + '"instruments..x"', "field: 'instruments..x' is no path"),
    (
        VALUE + '"instruments.predicted.rate"',
        "field: FundingRate has no rate; it has rate_interval",
    ),
    (VALUE + '"instruments.predicted.rate_interval"', "field: rate_interval is no number"),
    (VALUE + '"is_final"', "field: is_final is no number"),
    (VALUE + '"instruments"', "field: instruments is no number"),
    (VALUE + '"perp.funding_rate_8h"', "field: perp is a list: say which of it, as in perp[field"),
    (VALUE + '"perp[of=all].funding_rate_8h"', "field: AggregateContext has no of; it has compos"),
    (VALUE + '"perp[composition].funding_rate_8h"', "field: [composition] does not read field="),
    (VALUE + '"book_flow[a=b].obi"', "field: book_flow is no list: nothing to choose from"),
    (VALUE + '"as_of_us.x"', "field: there is nothing named x: it is inside no record"),
    ('source = "context"\nfield = "as_of_us"\ncomparison = "over"', "comparison: Invalid enum"),
    (
        'source = "context"\nfield = "as_of_us"\ncomparison = "above"\nthreshold = inf',
        "threshold: must be finite",
    ),
    ('source = "event"\nassets = "BTC"', "assets: Expected `array`, got `str`"),
    ('source = "event"\nscopes = ["all"]', "scopes[0]: Invalid enum value 'all'"),
    ('source = "event"\nvenues = [1]', "venues[0]: Expected `str`, got `int`"),
    ('source = "event"\nquiet_hours = ["24:00-01:00"]', "quiet_hours: '24:00-01:00' does not read"),
    ('source = "event"\nquiet_hours = ["8-9"]', "quiet_hours: '8-9' does not read HH:MM-HH:MM"),
    ('source = "event"\nquiet_hours = ["08:00-08:00"]', "quiet_hours: '08:00-08:00' ends where"),
    ('source = "event"\ncooldown_seconds = -1', "cooldown_seconds: must be 0 or more, was -1"),
    ('source = "event"\ncooldown_seconds = 1.5', "cooldown_seconds: Expected `int`, got `float`"),
    ('source = "event"\nmost_per_hour = 0', "most_per_hour: must be 1 to 1000, was 0"),
    ('source = "event"\nmost_per_hour = 1001', "most_per_hour: must be 1 to 1000, was 1001"),
    ('source = "event"\nallow_partial = "yes"', "allow_partial: Expected `bool`, got `str`"),
    ('source = "event"\nprovisional = 1', "provisional: Expected `bool`, got `int`"),
]


@pytest.mark.parametrize(("text", "why"), WRONG, ids=[why for _, why in WRONG])
def test_a_wrong_rule_is_named_with_its_field_in_one_line(text: str, why: str) -> None:
    fine = '[[rules]]\nname = "fine"\nsource = "event"\n'
    with pytest.raises(ValueError, match="rule 'bad', ") as failure:
        parse_rules(f'{fine}[[rules]]\nname = "bad"\n{text}\n')
    assert str(failure.value).startswith(f"rule 'bad', {why}")
    assert "\n" not in str(failure.value)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[[rules]", "no TOML: "),
        ('[[rule]]\nname = "a"\n', "nothing is known of 'rule': rules begin with [[rules]]"),
        ("rules = 5\n", "rules: each begins with [[rules]]"),
        ('[[rules]]\nsource = "event"\n', "rule number 1, Object missing required field `name`"),
        ('[[rules]]\nname = "A b"\nsource = "event"\n', "rule 'A b', name: 'A b' is not made of"),
        ('[[rules]]\nname = ""\nsource = "event"\n', "rule '', name: '' is not made of"),
        (2 * '[[rules]]\nname = "a"\nsource = "event"\n', "rule 'a': the name is there twice"),
        (
            "".join(f'[[rules]]\nname = "r{n}"\nsource = "event"\n' for n in range(201)),
            "at most 200 rules, were 201",
        ),
    ],
)
def test_a_wrong_file_says_what_is_wrong(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=r"\w") as failure:
        parse_rules(text)
    assert str(failure.value).startswith(why)


@pytest.mark.parametrize(
    ("comparison", "below", "equal", "over"),
    [("above", 0, 0, 1), ("at_least", 0, 1, 1), ("below", 1, 0, 0), ("at_most", 1, 1, 0)],
)
def test_a_comparison_says_what_it_is_called(
    comparison: str, below: int, equal: int, over: int
) -> None:
    compared = rule(field="start_us", comparison=Comparison(comparison), threshold=10)
    assert [compared.holds(n) for n in (9, 10, 11)] == [bool(n) for n in (below, equal, over)]
    assert not compared.holds(None)


@pytest.mark.parametrize(
    ("hours", "inside", "outside"),
    [
        ("22:00-06:00", ("22:00", "23:59", "00:00", "05:59"), ("06:00", "21:59", "12:00")),
        ("12:00-12:30", ("12:00", "12:29"), ("11:59", "12:30", "00:00")),
    ],
)
def test_quiet_hours_have_their_beginning_and_not_their_end(
    hours: str, inside: tuple[str, ...], outside: tuple[str, ...]
) -> None:
    quiet = quiet_hours(hours)

    def held(of_day: str) -> list[bool]:
        hour, minute = map(int, of_day.split(":"))
        at_us = (60 * hour + minute) * US_PER_MINUTE
        return [quiet.hold(day * 1440 * US_PER_MINUTE + at_us) for day in (0, 19_700)]

    assert [held(moment) for moment in inside] == [[True, True]] * len(inside)
    assert [held(moment) for moment in outside] == [[False, False]] * len(outside)
