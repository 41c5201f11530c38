"""Setup 2: delta divergence at a level (definitions 5.13, 5.5, 5.8)."""

import pytest

from schemas.events import EventState
from schemas.lineage import Status
from schemas.market import Scope
from schemas.setups import SetupKind, SetupRecord
from tests.processors.known_levels import level
from tests.processors.operators.footprint_bars import key
from tests.processors.seconds.builders import BYBIT
from tests.processors.setups.sent import divergence, exhaustion
from tests.processors.setups.story import (
    KEY,
    PERP,
    PRICE,
    Bar,
    Story,
    closes,
    minute_of,
    path,
    told,
)

KIND = SetupKind.DELTA_DIVERGENCE
EACH = pytest.mark.parametrize(
    ("sign", "seconds"), [(1, 60), (-1, 60), (1, 300), (-1, 300)], ids=str
)
ONE = pytest.mark.parametrize("sign", [1, -1])
AT = 5
"""The bar with the pivot; it is known at the close of bar `KNOWN`."""
KNOWN = AT + 3
LOW = PRICE - 2_000


def story(sign: int = 1, seconds: int = 60, *, low: int = LOW) -> Story:
    """Return flat bars, one of which has a low."""
    made = Story(sign, seconds)
    made.bars[AT] = Bar((PRICE, PRICE, low, PRICE))
    return made


def end(made: Story, place: int) -> int:
    """Return the second that a bar ends with."""
    return (place + 1) * made.seconds - 1


def diverging(made: Story, place: int = KNOWN) -> Story:
    made.told[end(made, place)] = [divergence(end(made, place), made.sign)]
    return made


def found(made: Story, last: int, at: int = LOW) -> list[SetupRecord]:
    return told(made, made.until(last), made.levels(level(at)), kind=KIND)


@EACH
def test_a_pivot_near_a_level_arms_when_it_is_known(sign: int, seconds: int) -> None:
    made = story(sign, seconds)
    assert found(made, KNOWN - 1) == []
    [armed] = found(made, KNOWN)
    assert (armed.state.value, armed.reason) == ("armed", "pivot")
    assert minute_of(armed) == (KNOWN + 1) * seconds / 60
    assert armed.values == {"pivot_ticks": made.price(LOW)}
    assert armed.level_low_ticks == made.price(LOW)
    assert not armed.provisional


@ONE
def test_10_bp_from_a_level_arm_and_more_do_not(sign: int) -> None:
    for away, states in ((5_990, ["armed"]), (6_010, [])):
        assert path(found(story(sign), KNOWN, LOW + away)) == states
        assert path(found(story(sign), KNOWN, LOW - away)) == states


@EACH
def test_the_whole_life_of_one_that_completes(sign: int, seconds: int) -> None:
    made = diverging(story(sign, seconds))
    made.told[end(made, KNOWN + 5)] = [exhaustion(end(made, KNOWN + 5), sign)]
    armed, triggered, confirmed, over = found(made, KNOWN + 20)
    assert path([armed, triggered, confirmed, over]) == [
        *("armed", "triggered", "confirmed", "completed")
    ]
    assert armed.event_time_us == triggered.event_time_us
    assert triggered.previous_state is armed.state
    assert (triggered.values["venues_agree"], triggered.values["strong"]) == (2, 0)
    assert triggered.values["cvd_change_lots"] == 7 * sign
    assert triggered.evidence[-1] == f"delta_divergence:0:{sign}"
    assert confirmed.reason == "exhaustion_sequence"
    assert confirmed.evidence[-1] == f"exhaustion:{end(made, KNOWN + 5)}:{sign}"
    assert minute_of(over) == (KNOWN + 21) * seconds / 60


@pytest.mark.parametrize(
    ("agree", "strong", "triggers"), [(1, 0, False), (2, 0, True), (1, 1, True)]
)
def test_two_venues_or_all_of_three_have_to_agree(agree: int, strong: int, triggers: bool) -> None:
    made = story()
    last = end(made, KNOWN)
    made.told[last] = [divergence(last, 1, agree=agree, strong=strong)]
    assert ("triggered" in path(found(made, KNOWN))) == triggers


def test_divergences_of_one_venue_and_of_the_other_side_do_nothing() -> None:
    made = story()
    last = end(made, KNOWN)
    made.told[last] = [divergence(last, 1, key=KEY), divergence(last, -1)]
    assert path(found(made, KNOWN)) == ["armed"]


def test_a_divergence_without_an_armed_level_does_nothing() -> None:
    made = diverging(story())
    assert found(made, KNOWN + 2, LOW + 9_000) == []


@EACH
def test_exhaustion_has_to_come_within_5_bars_and_after_it(sign: int, seconds: int) -> None:
    for place, confirmed in ((KNOWN, False), (KNOWN + 1, True), (KNOWN + 6, False)):
        made = diverging(story(sign, seconds))
        made.told.setdefault(end(made, place), []).append(exhaustion(end(made, place), sign, "bar"))
        seen = found(made, KNOWN + 20)
        assert ("confirmed" in path(seen)) == confirmed
        assert seen[-1].state.value == ("completed" if confirmed else "expired")


@ONE
def test_in_five_minutes_both_may_come_within_one_bar(sign: int) -> None:
    """Not in the same minute, and not before."""
    for minute, confirmed in ((0, False), (1, False), (2, True), (4, True)):
        made = story(sign, 300)
        first = KNOWN * 300 + 59
        made.told[first + 60] = [divergence(first + 60, sign)]
        at = first + 60 * minute
        made.told.setdefault(at, []).append(exhaustion(at, sign))
        seen = found(made, KNOWN + 1)
        assert path(seen) == ["armed", "triggered", *["confirmed"] * confirmed]
        assert {one.event_time_us for one in seen} == {seen[0].event_time_us}


def test_which_exhaustion_confirms() -> None:
    for form, whose, confirmed in (
        ("bar", PERP, True),
        ("sequence", KEY, True),
        ("flow", KEY, False),
        ("bar", key(BYBIT), False),
    ):
        made = diverging(story())
        at = end(made, KNOWN + 1)
        made.told[at] = [exhaustion(at, 1, form, whose), exhaustion(at, -1)]
        assert ("confirmed" in path(found(made, KNOWN + 1))) == confirmed


@EACH
def test_it_is_invalidated_with_the_divergence(sign: int, seconds: int) -> None:
    for before in (False, True):
        made = diverging(story(sign, seconds))
        if before:
            made.told[end(made, KNOWN + 1)] = [exhaustion(end(made, KNOWN + 1), sign)]
        at = end(made, KNOWN + 2)
        made.told[at] = [divergence(at, sign, EventState.INVALIDATED)]
        seen = found(made, KNOWN + 2)
        assert path(seen) == [
            *("armed", "triggered"),
            *["confirmed"] * before,
            "invalidated",
        ]
        assert seen[-1].reason == "cvd_beyond"


def test_what_ends_the_divergence_otherwise_ends_it_too() -> None:
    for state, confirmed, wanted in (
        (EventState.SUSPENDED, False, "suspended"),
        (EventState.EXPIRED, False, "expired"),
        (EventState.EXPIRED, True, "completed"),
    ):
        made = diverging(story())
        if confirmed:
            made.told[end(made, KNOWN + 1)] = [exhaustion(end(made, KNOWN + 1), 1)]
        at = end(made, KNOWN + 2)
        made.told[at] = [divergence(at, 1, state)]
        last = found(made, KNOWN + 2)[-1]
        assert (last.state.value, last.reason) == (wanted, f"divergence_{state.value}")
        assert (last.status is Status.PARTIAL) == (state is EventState.SUSPENDED)


def test_in_five_minutes_one_that_is_over_again_does_not_trigger() -> None:
    made = story(1, 300)
    first = KNOWN * 300 + 59
    made.told[first] = [divergence(first, 1)]
    made.told[first + 60] = [divergence(first + 60, 1, EventState.INVALIDATED)]
    assert path(found(made, KNOWN)) == ["armed"]
    del made.told[first + 60]
    assert path(found(made, KNOWN)) == ["armed", "triggered"]


@EACH
def test_it_is_armed_for_20_bars_or_to_a_pivot_elsewhere(sign: int, seconds: int) -> None:
    armed, over = found(story(sign, seconds), KNOWN + 21)
    assert (over.state.value, over.reason) == ("expired", "no_divergence")
    assert minute_of(over) - minute_of(armed) == 20 * seconds / 60
    made = story(sign, seconds)
    made.bars[AT + 6] = Bar((PRICE, PRICE, LOW - 20_000, PRICE))
    over = found(made, KNOWN + 6)[1]
    assert (over.state.value, over.reason) == ("expired", "pivot_elsewhere")
    made.bars[AT + 6] = Bar((PRICE, PRICE, LOW - 5, PRICE))
    assert path(found(made, KNOWN + 6)) == ["armed"]


@EACH
def test_a_partial_bar_suspends_in_every_state(sign: int, seconds: int) -> None:
    for place, states in (
        (KNOWN + 1, ["armed", "triggered", "suspended"]),
        (KNOWN + 2, ["armed", "triggered", "confirmed", "suspended"]),
    ):
        made = diverging(story(sign, seconds))
        made.told[end(made, KNOWN + 1)] = [exhaustion(end(made, KNOWN + 1), sign)]
        made.bars[place] = Bar(status=Status.PARTIAL)
        assert path(found(made, place)) == states
    made = story(sign, seconds)
    made.bars[KNOWN + 1] = Bar(status=Status.GAP, quiet=True)
    assert path(found(made, KNOWN + 1)) == ["armed", "suspended"]


def test_a_divergence_over_some_of_the_venues_says_so() -> None:
    made = story()
    last = end(made, KNOWN)
    event = divergence(last, 1)
    partial = type(event)(
        **{name: getattr(event, name) for name in event.__struct_fields__}
        | {"status": Status.PARTIAL, "venues": ["a", "b"], "venues_expected": ["a", "b", "c"]}
    )
    made.told[last] = [partial]
    triggered = found(made, KNOWN)[-1]
    assert triggered.status is Status.PARTIAL
    assert (triggered.venues, triggered.venues_expected) == (["a", "b"], ["a", "b", "c"])
    assert triggered.scope is Scope.VENUE


def test_bars_that_make_no_pivot_arm_nothing() -> None:
    made = Story()
    made.bars = {place: closes(PRICE + place) for place in range(12)}
    assert found(made, 11) == []
