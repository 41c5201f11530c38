"""Alerts: rules over what the operators before have sent (definitions 5.15)."""

import random
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from processors.alerts.parse import default_rules
from processors.alerts.rules import AlertRule, Comparison
from processors.operators.alerts import AlertOperator
from processors.seconds.second import Second
from schemas.alerts import ALERTS_TOPIC, Alert, AlertKind, Severity
from schemas.cascades import CascadeState
from schemas.context import MarketContext
from schemas.events import EventKind, EventSide, EventState, FlowEvent
from schemas.lineage import Status
from schemas.market import FeedState, Scope
from schemas.units import US_PER_SECOND
from tests.processors.alerts.builders import (
    NAMES,
    NOON_US,
    alerts,
    at,
    cascade,
    cluster,
    completeness,
    context,
    flow_event,
    liquidations,
    operator,
    rule,
)
from tests.processors.operators.footprint_bars import bar
from tests.processors.seconds.builders import (
    ASSET,
    BINANCE,
    BYBIT,
    UNITS,
    plainly,
    run,
    run_with_restarts,
)

SPOT_EVENT: dict[str, Any] = {"scope": Scope.SPOT, "venue": "", "symbol": ""}
FUNDING: dict[str, Any] = {
    "source": "context",
    "field": "instruments.predicted.rate_8h",
    "comparison": Comparison.ABOVE,
    "threshold": 0.0005,
}
LONGS: dict[str, Any] = {
    "source": "liquidations",
    "where": {"interval_seconds": 60},
    "field": "series[composition=all].long.obs_usd_cents",
    "comparison": Comparison.AT_LEAST,
    "threshold": 100,
}


def told(given: AlertRule, *seconds: Second) -> list[Alert]:
    return alerts(run(operator(given), seconds))


def test_an_alert_of_an_event_says_everything_there_is_to_say() -> None:
    (output,) = operator(rule(name="prints", severity=Severity.WARNING)).on_second(
        at(0, flow_event())
    )
    assert (output.topic, output.key, output.timestamp_us) == (
        ALERTS_TOPIC,
        ASSET,
        NOON_US + US_PER_SECOND,
    )
    (alert,) = alerts([output])
    assert alert.key == "prints|binance:BTC-USDT-PERP|large_print:BTC:1|observed"
    assert (alert.rule, alert.kind, alert.severity) == ("prints", AlertKind.EVENT, Severity.WARNING)
    assert (alert.event_id, alert.state) == ("large_print:BTC:1", "observed")
    assert (alert.scope, alert.venue, alert.symbol) == (Scope.VENUE, *BINANCE)
    assert alert.evidence == ["large_print:BTC:1:observed", "trades:binance:BTC-USDT-PERP:1-9"]
    assert alert.methods == ["large_print/1.1.0"]
    assert alert.method == "alerts/1.0.0"
    assert alert.status is Status.COMPLETE
    assert alert.completeness.coverage_ms == {NAMES[0]: 1000}
    assert alert.completeness.feed_states == {NAMES[0]: FeedState.LIVE}
    assert alert.event_time_us == NOON_US + US_PER_SECOND
    assert (alert.field, alert.value, alert.threshold) == ("", None, None)
    assert alert.suppressed == {}
    assert alert.message == (
        "BTC binance BTC-USDT-PERP: large print observed buy; worth $1,200,000; "
        "from 60,000.5; to 60,010"
    )


CHOICES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"kinds": ("large_print",)}, {"kind": EventKind.ABSORPTION}),
    ({"forms": ("usd_100000",)}, {"form": "usd_50000"}),
    ({"states": ("observed", "confirmed")}, {"state": EventState.FAILED}),
    ({"sides": ("buy",)}, {"side": EventSide.SELL}),
    ({"venues": ("binance", "okx")}, {"venue": "bybit"}),
    ({"venues": ("binance",)}, SPOT_EVENT),
    ({"scopes": (Scope.VENUE,)}, SPOT_EVENT),
    ({"where": {"form": "usd_100000"}}, {"form": "usd_50000"}),
    (
        {"field": "values.usd_cents", "comparison": Comparison.ABOVE, "threshold": 10_000_000},
        {"values": {"usd_cents": 10_000_000}},
    ),
    (
        {"field": "values.usd_cents", "comparison": Comparison.BELOW, "threshold": 10**12},
        {"values": {"usd_cents": None}},
    ),
]


@pytest.mark.parametrize(("fields", "other"), CHOICES, ids=[str(fields) for fields, _ in CHOICES])
def test_a_rule_takes_what_it_names_and_leaves_the_rest(
    fields: dict[str, Any], other: dict[str, Any]
) -> None:
    assert len(told(rule(**fields), at(0, flow_event()))) == 1
    assert told(rule(**fields), at(0, flow_event(**other))) == []


def test_a_rule_on_other_assets_is_silent() -> None:
    assert told(rule(assets=("ETH", "SOL")), at(0, flow_event())) == []
    assert len(told(rule(assets=("ETH", "BTC")), at(0, flow_event()))) == 1


def test_what_is_not_final_counts_only_on_request() -> None:
    early = msgspec.structs.replace(flow_event(), is_final=False)
    assert told(rule(), at(0, early)) == []
    (alert,) = told(rule(provisional=True), at(0, early))
    assert not alert.is_final


def test_a_state_is_told_once_however_often_it_is_repeated() -> None:
    one = operator(rule(source="cascade"))
    seconds = [at(60 * n, cascade(CascadeState.ACTIVE)) for n in range(3)]
    (alert,) = alerts(run(one, seconds))
    assert alert.key == f"r|perp|cascade:BTC:{NOON_US}:long|active"
    assert alert.completeness == completeness()
    assert alert.message == (
        "BTC all perpetuals: cascade active long; liquidated in 60 s $5,210,400; move -84.2 bp; "
        "last 63,512.4"
    )
    (second,) = alerts(run(one, [at(180, cascade(CascadeState.PEAKED))]))
    assert second.state == "peaked"


def test_a_state_that_came_in_the_cooldown_is_told_when_it_is_over() -> None:
    states = [CascadeState.BUILDING, *[CascadeState.ACTIVE] * 3]
    moments = (0, 20, 60, 120)
    found = told(
        rule(source="cascade", cooldown_seconds=60),
        *(at(moment, cascade(state)) for moment, state in zip(moments, states, strict=True)),
    )
    assert [(alert.state, alert.event_time_us - NOON_US) for alert in found] == [
        ("building", US_PER_SECOND),
        ("active", 61 * US_PER_SECOND),
    ]
    assert found[1].suppressed == {}


def test_what_was_held_back_is_told_with_the_next_alert_of_the_rule() -> None:
    prints = [flow_event(id=f"p{n}") for n in range(4)]
    found = told(rule(cooldown_seconds=60), at(0, *prints[:3]), at(60, prints[3]))
    assert [alert.event_id for alert in found] == ["p0", "p3"]
    assert found[1].suppressed == {"cooldown": 2}
    assert found[1].message.endswith(" (2 held back: cooldown 2)")


def test_rules_do_not_cool_one_another_down_and_keep_their_order() -> None:
    one = operator(rule(name="b", cooldown_seconds=60), rule(name="a", cooldown_seconds=60))
    found = alerts(run(one, [at(0, flow_event()), at(1, flow_event(id="2"))]))
    assert [(alert.rule, alert.event_id) for alert in found] == [
        ("b", "large_print:BTC:1"),
        ("a", "large_print:BTC:1"),
    ]


def test_quiet_hours_are_those_of_the_market() -> None:
    quiet = rule(quiet_hours=("12:00-12:01",))
    found = told(quiet, at(58, flow_event(id="1")), at(59, flow_event(id="2")))
    assert [(alert.event_id, alert.suppressed) for alert in found] == [("2", {"quiet_hours": 1})]


def test_a_cluster_is_told_where_it_is_large_enough() -> None:
    large = rule(
        source="cluster", field="obs_usd_cents", comparison=Comparison.AT_LEAST, threshold=500
    )
    found = told(large, at(0, cluster(1, 499)), at(1, cluster(2, 500)), at(2, cluster(2, 500)))
    assert [(alert.event_id, alert.state, alert.value) for alert in found] == [
        ("cluster:2", "", 500)
    ]
    assert found[0].evidence == ["cluster:2"]
    assert told(rule(source="cluster", sides=("long",)), at(0, cluster(1, 5))) == []


# --- values


def test_a_value_is_told_when_it_crosses_and_again_after_it_was_back() -> None:
    rates = [0.0004, 0.0006, 0.0007, 0.0005, 0.0006]
    seconds = [at(60 * n, context({NAMES[1]: rate})) for n, rate in enumerate(rates)]
    found = told(rule(**FUNDING), *seconds)
    assert [(alert.value, alert.event_time_us) for alert in found] == [
        (0.0006, NOON_US + 61 * US_PER_SECOND),
        (0.0006, NOON_US + 241 * US_PER_SECOND),
    ]
    first = found[0]
    lane = "context:BTC:bybit:BTC-USDT-PERP:instruments.predicted.rate_8h"
    assert first.event_id == f"{lane}:{NOON_US + 61 * US_PER_SECOND}"
    assert first.key == f"r|bybit:BTC-USDT-PERP|{first.event_id}|above"
    assert (first.kind, first.state, first.field) == (AlertKind.VALUE, "above", FUNDING["field"])
    assert (first.threshold, first.scope, first.venue) == (0.0005, Scope.VENUE, "bybit")
    assert first.evidence == [f"context:BTC:{NOON_US + US_PER_SECOND}"]
    assert first.message == (
        "BTC bybit BTC-USDT-PERP: context instruments.predicted.rate_8h 0.0600 %, above 0.0500 %"
    )


def test_a_null_is_no_answer_and_ends_nothing() -> None:
    rates = [0.0006, None, 0.0006]
    seconds = [at(60 * n, context({NAMES[0]: rate})) for n, rate in enumerate(rates)]
    assert len(told(rule(**FUNDING), *seconds)) == 1
    assert told(rule(**FUNDING), at(0, context({NAMES[0]: None}))) == []


def test_each_instrument_has_a_crossing_of_its_own() -> None:
    seconds = [
        at(0, context({NAMES[0]: 0.001, NAMES[1]: 0.0})),
        at(60, context({NAMES[0]: 0.001, NAMES[1]: 0.001})),
    ]
    found = told(rule(**FUNDING), *seconds)
    assert [alert.venue for alert in found] == ["binance", "bybit"]
    only = told(rule(**FUNDING, venues=("bybit",)), *seconds)
    assert [alert.venue for alert in only] == ["bybit"]


def test_a_crossing_in_quiet_hours_is_told_when_they_end_if_it_still_holds() -> None:
    quiet = rule(**FUNDING, quiet_hours=("12:00-12:02",))
    holds = [at(60 * n, context({NAMES[0]: 0.001})) for n in range(4)]
    (alert,) = told(quiet, *holds)
    assert alert.event_time_us == NOON_US + 121 * US_PER_SECOND
    assert alert.event_id.endswith(f":{NOON_US + US_PER_SECOND}")
    assert alert.suppressed == {}
    over = [*holds[:2], at(120, context({NAMES[0]: 0.0}))]
    assert told(quiet, *over) == []


def test_records_of_other_windows_are_not_mixed_up() -> None:
    seconds = [
        at(0, liquidations(500, interval=1)),
        at(1, liquidations(99, common=500)),
        at(2, liquidations(100)),
    ]
    (alert,) = told(rule(**LONGS, label="longs gone"), *seconds)
    assert (alert.value, alert.event_time_us) == (100, NOON_US + 3 * US_PER_SECOND)
    assert alert.message == "BTC all perpetuals: longs gone $1, at least $1"
    assert (alert.scope, alert.venue, alert.symbol) == (Scope.PERP, "", "")


def test_values_told_apart_by_window_and_composition_cross_apart() -> None:
    both = {**LONGS, "where": {}, "field": "series.long.obs_usd_cents"}
    seconds = [
        at(0, liquidations(500, interval=1, common=500)),
        at(1, liquidations(500, common=500)),
        at(2, liquidations(500, common=500)),
    ]
    found = told(rule(**both), *seconds)
    assert len({alert.event_id for alert in found}) == len(found) == 4


def test_final_footprint_bars_can_be_watched() -> None:
    wanted = rule(
        source="bar",
        field="delta_lots",
        comparison=Comparison.AT_MOST,
        threshold=-4,
        where={"interval_seconds": 60, "scope": "venue"},
    )
    second = at(59)
    second.bars = [bar(0, delta=-4)]
    (alert,) = alerts(operator(wanted).on_second(second))
    assert alert.value == -4
    assert alert.evidence[0].startswith("bar:venue:")


# --- partial inputs


def test_partial_inputs_make_a_notice_and_no_alert() -> None:
    partial = cascade(CascadeState.ACTIVE, completeness=completeness([NAMES[1]]))
    (notice,) = told(rule(source="cascade"), at(0, partial), at(60, partial))
    assert notice.kind is AlertKind.DATA_QUALITY
    assert notice.key == f"data_quality|r|perp|cascade:BTC:{NOON_US}:long|active"
    assert notice.status is Status.PARTIAL
    assert notice.completeness.venues_partial == [NAMES[1]]
    assert notice.message.startswith(
        "partial data (bybit:BTC-USDT-PERP), not alerted: BTC all perpetuals: cascade active long;"
    )


def test_a_rule_may_allow_partial_inputs() -> None:
    partial = cascade(CascadeState.ACTIVE, completeness=completeness([NAMES[1]]))
    (alert,) = told(rule(source="cascade", allow_partial=True), at(0, partial))
    assert (alert.kind, alert.status) == (AlertKind.EVENT, Status.PARTIAL)


def test_the_alert_follows_a_notice_once_the_inputs_are_whole() -> None:
    seconds = [
        at(0, liquidations(500, missing=[NAMES[0]])),
        at(60, liquidations(500)),
        at(120, liquidations(500)),
    ]
    found = told(rule(**LONGS, cooldown_seconds=600), *seconds)
    assert [alert.kind for alert in found] == [AlertKind.DATA_QUALITY, AlertKind.VALUE]
    assert found[0].event_id == found[1].event_id


def test_notices_have_a_cooldown_of_their_own() -> None:
    partial = [flow_event(id=f"p{n}", status=Status.PARTIAL) for n in range(3)]
    found = told(
        rule(cooldown_seconds=60),
        at(0, *partial[:2]),
        at(1, flow_event(id="whole")),
        at(60, partial[2]),
    )
    assert [(alert.event_id, alert.suppressed) for alert in found] == [
        ("p0", {}),
        ("whole", {}),
        ("p2", {"cooldown": 1}),
    ]


def test_an_event_whose_stream_was_not_there_says_for_how_long_it_was() -> None:
    given = flow_event(status=Status.PARTIAL, venues_expected=NAMES)
    (notice,) = told(rule(), at(0, given, down=[BYBIT]))
    assert notice.completeness.coverage_ms == {NAMES[0]: 1000, NAMES[1]: 0}
    assert notice.completeness.feed_states[NAMES[1]] is FeedState.DOWN
    assert "partial data (bybit:BTC-USDT-PERP)" in notice.message


def test_an_instrument_is_partial_where_its_own_feed_was_and_not_by_another() -> None:
    record = context({NAMES[0]: 0.001, NAMES[1]: 0.001}, missing=[NAMES[1]])
    found = told(rule(**FUNDING), at(0, record))
    assert [(alert.kind, alert.status, alert.venue) for alert in found] == [
        (AlertKind.VALUE, Status.COMPLETE, "binance"),
        (AlertKind.DATA_QUALITY, Status.PARTIAL, "bybit"),
    ]
    assert found[0].completeness.venues_expected == [NAMES[0]]


def test_a_cluster_that_a_venue_missed_a_part_of_is_partial() -> None:
    (notice,) = told(rule(source="cluster"), at(0, cluster(1, 5, partial=[NAMES[0]])))
    assert notice.kind is AlertKind.DATA_QUALITY
    assert notice.status is notice.completeness.status is Status.PARTIAL
    assert notice.completeness.venues_partial == [NAMES[0]]
    assert "partial data (binance:BTC-USDT-PERP), " in notice.message


# --- state


def chances(seed: int) -> Sequence[Second]:
    """Return an hour of records that make rules speak, be silent, wait and count."""
    chance = random.Random(seed)
    seconds = []
    for number in range(0, 3600, 5):
        rates = {name: chance.choice([None, 0.0004, 0.0007]) for name in NAMES}
        missing = chance.choice([[], [], [NAMES[0]]])
        records: list[FlowEvent | MarketContext | Any] = [
            flow_event(id=f"p{number}", status=chance.choice(list(Status))),
            cascade(chance.choice(list(CascadeState)), completeness=completeness(missing)),
            context(rates, final=number % 60 == 0, missing=missing),
            liquidations(chance.choice([None, 0, 10**9]), missing=missing),
            cluster(number, chance.choice([1, 10**9])),
        ]
        seconds.append(at(number, *chance.sample(records, chance.randrange(5))))
    return seconds


def every_rule() -> AlertOperator:
    return operator(
        *default_rules().rules,
        rule(name="all-events"),
        rule(name="cooled", cooldown_seconds=300, quiet_hours=("12:10-12:30",)),
        rule(name="few", source="cascade", most_per_hour=3, allow_partial=True),
        rule(name="funding", **FUNDING, provisional=True, cooldown_seconds=60),
    )


@pytest.mark.parametrize("seed", range(3))
def test_restarts_change_no_alert_byte_for_byte(seed: int) -> None:
    seconds = chances(seed)
    whole = [msgspec.json.encode(alert) for alert in alerts(run(every_rule(), seconds))]
    again = alerts(run_with_restarts(every_rule, seconds, seed))
    assert [msgspec.json.encode(alert) for alert in again] == whole
    assert len(whole) > 300


def test_no_key_is_sent_twice_over_restarts() -> None:
    keys = [alert.key for alert in alerts(run_with_restarts(every_rule, chances(7), 7))]
    assert len(set(keys)) == len(keys)


def test_a_rule_that_was_changed_begins_anew_and_the_others_go_on() -> None:
    kept, changed = rule(name="kept"), rule(name="changed")
    before = operator(changed, kept)
    assert len(before.on_second(at(0, flow_event()))) == 2
    other = operator(kept, rule(name="changed", label="other"), rule(name="new"))
    other.restore(plainly(before.snapshot().head), {})
    found = alerts(other.on_second(at(1, flow_event())))
    assert [alert.rule for alert in found] == ["changed", "new"]


def test_the_hash_of_parameters_covers_rule_and_units() -> None:
    def params(given: AlertRule) -> str:
        (alert,) = told(given, at(0, flow_event()))
        return alert.params

    assert params(rule()) == params(rule())
    assert params(rule()) != params(rule(cooldown_seconds=1))
    other = AlertOperator(ASSET, msgspec.structs.replace(UNITS, row_size="2"), _only(rule()))
    (alert,) = alerts(other.on_second(at(0, flow_event())))
    assert alert.params != params(rule())


def _only(given: AlertRule) -> Any:
    return msgspec.structs.replace(default_rules(), rules=(given,))


def test_without_rules_nothing_is_said() -> None:
    assert run(operator(), [at(0, flow_event(), cascade(CascadeState.ACTIVE))]) == []
