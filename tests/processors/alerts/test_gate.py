"""When an alert may go: by the market's time, each key once, and what was held back is told."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from processors.alerts.gate import REMEMBERED, Gate
from processors.alerts.rules import AlertRule
from schemas.units import US_PER_DAY, US_PER_MINUTE, US_PER_SECOND
from tests.processors.alerts.builders import NOON_US, rule


def asked(gate: Gate, *moments: tuple[float, str]) -> list[dict[str, int] | None]:
    """Ask for keys so many seconds after noon."""
    return [gate.ask(key, NOON_US + int(at * US_PER_SECOND)) for at, key in moments]


def test_a_key_goes_once() -> None:
    assert asked(Gate(rule()), (0, "a"), (1, "a"), (2, "b"), (86_400, "a")) == [{}, None, {}, None]


def test_nothing_goes_before_the_cooldown_is_over_to_the_microsecond() -> None:
    gate = Gate(rule(cooldown_seconds=60))
    assert asked(gate, (0, "a"), (59.999_999, "b"), (60, "c")) == [{}, None, {"cooldown": 1}]


def test_the_cooldown_runs_from_the_last_alert_that_went() -> None:
    gate = Gate(rule(cooldown_seconds=60))
    assert asked(gate, (0, "a"), (50, "b"), (61, "c"), (119, "d"), (121, "e")) == [
        {}, None, {"cooldown": 1}, None, {"cooldown": 1},
    ]  # fmt: skip


def test_only_so_many_go_in_any_hour() -> None:
    gate = Gate(rule(most_per_hour=2))
    found = asked(gate, (0, "a"), (600, "b"), (3599, "c"), (3600, "d"), (4199, "e"), (4200, "f"))
    assert found == [{}, {}, None, {"rate_limit": 1}, None, {"rate_limit": 1}]


def test_quiet_hours_are_silent_over_midnight() -> None:
    gate = Gate(rule(quiet_hours=("22:00-06:00",)))
    hour = 3600
    found = asked(
        gate, (10 * hour - 1, "a"), (10 * hour, "b"), (18 * hour - 1, "c"), (18 * hour, "d")
    )
    assert found == [{}, None, None, {"quiet_hours": 2}]


def test_each_of_several_quiet_hours_counts() -> None:
    gate = Gate(rule(quiet_hours=("00:00-01:00", "12:00-12:01")))
    assert asked(gate, (0, "a"), (60, "b")) == [None, {"quiet_hours": 1}]


def test_what_is_offered_again_goes_when_it_may_and_is_not_counted_as_held_back() -> None:
    gate = Gate(rule(cooldown_seconds=60))
    assert asked(gate, (0, "a"), (10, "b"), (20, "b"), (30, "c"), (60, "b"), (120, "d")) == [
        {}, None, None, None, {"cooldown": 1}, {},
    ]  # fmt: skip


def test_what_was_told_as_held_back_may_still_go_later_and_takes_nothing_off_the_count() -> None:
    gate = Gate(rule(cooldown_seconds=60))
    found = asked(gate, (0, "a"), (10, "b"), (60, "c"), (70, "d"), (120, "b"), (180, "e"))
    assert found == [{}, None, {"cooldown": 1}, None, {"cooldown": 1}, {}]


def test_reasons_are_counted_apart() -> None:
    gate = Gate(rule(cooldown_seconds=60, most_per_hour=1, quiet_hours=("12:50-12:55",)))
    minute = 60
    found = asked(gate, (0, "a"), (30, "b"), (50 * minute, "c"), (56 * minute, "d"), (3600, "e"))
    assert found[-1] == {"cooldown": 1, "quiet_hours": 1, "rate_limit": 1}


def test_the_memory_of_keys_is_bounded_and_keeps_what_is_still_seen() -> None:
    gate = Gate(rule(most_per_hour=1000))
    for number in range(3 * REMEMBERED):
        gate.ask("again", NOON_US)
        gate.ask(f"key {number}", NOON_US + number * US_PER_DAY)
    assert len(gate.dump()[1]) == REMEMBERED
    assert gate.ask("again", NOON_US + 4 * REMEMBERED * US_PER_DAY) is None


RULES = st.builds(
    rule,
    cooldown_seconds=st.sampled_from([0, 60]),
    most_per_hour=st.integers(1, 3),
    quiet_hours=st.sampled_from([(), ("12:10-12:20",)]),
)


@settings(deadline=None, derandomize=True)
@given(RULES, st.lists(st.tuples(st.integers(0, 900), st.sampled_from("abcdef"))))
def test_a_gate_goes_on_where_a_snapshot_was_taken(
    given_rule: AlertRule, steps: list[tuple[int, str]]
) -> None:
    one, other, now_us = Gate(given_rule), Gate(given_rule), NOON_US
    for seconds, key in steps:
        now_us += seconds * US_PER_SECOND
        assert other.ask(key, now_us) == one.ask(key, now_us)
        assert other.dump() == one.dump()
        other = Gate(given_rule, json.loads(json.dumps(other.dump())))


@settings(deadline=None, derandomize=True)
@given(RULES, st.lists(st.tuples(st.integers(0, 900), st.sampled_from("abcdefghij"))))
def test_bounds_hold_and_everything_is_sent_or_counted(
    given_rule: AlertRule, steps: list[tuple[int, str]]
) -> None:
    gate, now_us = Gate(given_rule), NOON_US
    sent: list[int] = []
    keys: set[str] = set()
    asked_for: set[str] = set()
    told = 0
    for seconds, key in steps:
        now_us += seconds * US_PER_SECOND
        asked_for.add(key)
        counts = gate.ask(key, now_us)
        if counts is not None:
            assert key not in keys
            assert not (sent and now_us - sent[-1] < given_rule.cooldown_seconds * US_PER_SECOND)
            sent.append(now_us)
            keys.add(key)
            told += sum(counts.values())
            in_hour = [at for at in sent if at > now_us - 60 * US_PER_MINUTE]
            assert len(in_hour) <= given_rule.most_per_hour
    pending = sum(gate.dump()[2].values())
    assert len(asked_for) - len(keys) <= told + pending <= len(asked_for)
