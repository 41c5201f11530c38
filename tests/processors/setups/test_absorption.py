"""Setup 1: absorption at a known level (definitions 5.13, 5.7)."""

import pytest

from processors.measures.levels import LevelKind
from schemas.events import EventSide
from schemas.lineage import Status
from schemas.setups import SetupKind, SetupRecord
from tests.processors.known_levels import level
from tests.processors.setups.sent import WIDTH, candidate
from tests.processors.setups.story import (
    DOWN,
    KEY,
    NAME,
    PRICE,
    Bar,
    Story,
    closes,
    minute_of,
    path,
    told,
)

KIND = SetupKind.ABSORPTION_AT_LEVEL
EACH = pytest.mark.parametrize(
    ("sign", "seconds"), [(1, 60), (-1, 60), (1, 300), (-1, 300)], ids=str
)
AWAY = PRICE + 20_000
"""Out of reach of the level, by 33 bp."""
AT = 5
"""The bar that comes to the level."""
LEVEL = level(PRICE, kind=LevelKind.PRIOR_VAL)


def story(sign: int = 1, seconds: int = 60) -> Story:
    """Return bars far above the level, and at it from bar `AT` on."""
    made = Story(sign, seconds)
    made.bars = {place: closes(AWAY) for place in range(AT)}
    return made


def absorbed(made: Story, at: int | None = None, level_at: int | None = PRICE) -> int:
    """Let sells be absorbed some seconds into bar `AT` + 1; return when the sellers have faded.

    The candidate's rate is 600.00 dollars in ten seconds; one lot a second is 60.00 in one.
    """
    second = (AT + 1) * made.seconds + 5 if at is None else at
    where = None if level_at is None else made.price(level_at)
    made.told[second] = [candidate(second, made.sign, made.price(PRICE), level=where)]
    for later in range(second + 1, second + 11):
        made.trades[later] = [(PRICE, 1, -1)] if later <= second + 5 else []
    return second + 10


def found(made: Story, last: int) -> list[SetupRecord]:
    return told(made, made.until(last), made.levels(LEVEL), kind=KIND)


@EACH
def test_a_close_near_a_level_arms_and_one_far_from_it_disarms(sign: int, seconds: int) -> None:
    made = story(sign, seconds)
    made.bars |= {AT: closes(PRICE + 2_990), AT + 1: closes(PRICE + 5_990), AT + 2: closes(AWAY)}
    armed, over = found(made, AT + 3)[:2]
    assert (armed.state.value, over.state.value, over.reason) == ("armed", "expired", "left_level")
    assert armed.event_time_us == armed.armed_time_us
    assert minute_of(armed) == (AT + 1) * seconds / 60
    assert minute_of(over) == (AT + 3) * seconds / 60
    assert (armed.level_low_ticks, armed.scope, armed.venues) == (
        made.price(PRICE),
        KEY.scope,
        [NAME],
    )
    assert armed.evidence == ["level:prior_val:p"]
    assert over.triggered_time_us is None
    assert armed.id == over.id


def test_5_bp_arm_and_more_do_not_10_bp_hold_and_more_do_not() -> None:
    for close, states in (
        (PRICE + 3_001, ["armed"]),
        (PRICE + 3_003, []),
        (PRICE - 1, []),
    ):
        made = story()
        made.bars |= {AT: closes(close), AT + 1: closes(close)}
        assert path(found(made, AT + 1)) == states
    for close, states in ((PRICE + 6_006, ["armed"]), (PRICE + 6_008, ["armed", "expired"])):
        made = story()
        made.bars |= {AT: closes(PRICE + 9), AT + 1: closes(close)}
        assert path(found(made, AT + 1)) == states


@EACH
def test_the_whole_life_of_one_that_completes(sign: int, seconds: int) -> None:
    made = story(sign, seconds)
    faded = absorbed(made)
    made.bars[AT + 2] = Bar(delta=9, stacks=1)
    seen = found(made, AT + 1 + 20)
    assert path(seen) == ["armed", "triggered?", "triggered", "confirmed", "completed"]
    armed, early, firm, confirmed, over = seen
    assert early.event_time_us == firm.event_time_us == firm.triggered_time_us
    assert minute_of(early) == (faded + 1) / 60
    assert firm.revision > early.revision
    assert (early.id, early.reason, early.previous_state) == (firm.id, "faded", armed.state)
    assert early.price_ticks is None  # nothing traded in that second
    assert minute_of(confirmed) == (AT + 3) * seconds / 60
    assert minute_of(over) == (AT + 2 + 20) * seconds / 60
    assert over.reason == "time"
    width = 2 * made.price(PRICE) // 10_000
    assert firm.limit_ticks == made.price(PRICE) - sign * width
    assert firm.values["candidate_usd_cents"] == 5
    assert firm.values["rate_now_usd_cents"] == 5 * PRICE // 1_000
    assert (confirmed.values["delta_lots"], confirmed.values["stacks"]) == (9 * sign, 1)
    assert firm.evidence == [f"absorption:{(AT + 1) * seconds + 5}:{sign}", "level:prior_poc:p"]
    assert confirmed.evidence[-1].startswith("bar:venue:binance:BTC-USDT-PERP:")
    assert confirmed.evidence[-1].endswith(":300") == (seconds == 300)


@EACH
def test_a_candidate_at_a_level_arms_by_itself_and_the_bar_holds_it(
    sign: int, seconds: int
) -> None:
    made = story(sign, seconds)
    made.bars |= {place: closes(AWAY) for place in range(AT, AT + 40)}
    absorbed(made)
    seen = found(made, AT + 1)
    assert path(seen) == ["armed?", "triggered?", "armed", "triggered"]
    assert seen[0].reason == "candidate"


@EACH
def test_a_close_below_the_band_invalidates_at_any_time(sign: int, seconds: int) -> None:
    for place, states in (
        (AT + 1, ["armed", "triggered?", "invalidated"]),
        (AT + 4, ["armed", "triggered?", "triggered", "confirmed", "invalidated"]),
    ):
        made = story(sign, seconds)
        absorbed(made)
        made.bars[AT + 2] = Bar(delta=9, stacks=1)
        limit = made.price(PRICE) - sign * (2 * made.price(PRICE) // 10_000)
        lost = made.price(limit) - 1  # mirrored back: stories are written for longs
        made.bars[place] = Bar((PRICE, PRICE, lost, lost))
        seen = found(made, place)
        assert path(seen) == states
        assert (seen[-1].reason, seen[-1].price_ticks) == ("close_beyond", limit - sign)
        made.bars[place] = Bar((PRICE, PRICE, lost, lost + 1))
        assert "invalidated" not in path(found(made, place))


@EACH
def test_one_that_is_not_confirmed_expires_after_20_bars(sign: int, seconds: int) -> None:
    made = story(sign, seconds)
    absorbed(made)
    made.bars[AT + 5] = Bar(delta=9, stacks=1)  # the fourth bar is too late
    seen = found(made, AT + 30)
    assert path(seen)[:4] == ["armed", "triggered?", "triggered", "expired"]
    assert minute_of(seen[3]) == (AT + 2 + 20) * seconds / 60
    assert path(seen)[4:] == ["armed"]  # the level is still there


@pytest.mark.parametrize(
    ("bars", "confirmed"),
    [
        ([Bar(delta=1, stacks=1)], True),
        ([Bar(delta=0, stacks=1)], False),
        ([Bar(delta=-1, stacks=1)], False),
        ([Bar(delta=1, counter_stacks=1)], False),
        ([Bar(delta=1, imbalances=2)], False),
        ([Bar(delta=1, imbalances=2), Bar(delta=1, imbalances=2)], True),
        ([Bar(delta=-1, imbalances=2), Bar(), Bar(delta=1, imbalances=2)], True),
        ([Bar(delta=1, imbalances=2), Bar(), Bar(delta=1, imbalances=1)], False),
        ([Bar(delta=1, imbalances=2), Bar(), Bar(), Bar(delta=1, imbalances=2)], False),
        ([Bar(), Bar(), Bar(delta=1, stacks=1)], True),
    ],
)
def test_what_confirms_is_delta_with_a_stack_or_two_bars_of_imbalances(
    bars: list[Bar], confirmed: bool
) -> None:
    made = story()
    absorbed(made)
    made.bars |= {AT + 2 + place: one for place, one in enumerate(bars)}
    assert ("confirmed" in path(found(made, AT + 8))) == confirmed


def test_rows_that_are_not_published_leave_stacks_to_confirm() -> None:
    made = story()
    absorbed(made)
    made.bars[AT + 2] = Bar(delta=1, stacks=1, imbalances=None)
    confirmed = found(made, AT + 2)[-1]
    assert confirmed.state.value == "confirmed"
    assert confirmed.values["imbalances"] is None
    assert confirmed.null_reasons["imbalances"] == "rows_not_published"


@pytest.mark.parametrize("sign", [1, -1])
def test_a_trade_below_the_band_drops_the_candidate(sign: int) -> None:
    for price, triggered in ((PRICE - WIDTH - 2, False), (PRICE - WIDTH + 2, True)):
        made = story(sign)
        faded = absorbed(made)
        made.trades[faded - 3] = [(price, 1, 1)]
        assert ("triggered?" in path(found(made, AT + 2))) == triggered


def test_the_rate_has_to_fall_to_half_and_is_of_ten_seconds_after_the_candidate() -> None:
    made = story()
    faded = absorbed(made)
    for second in range(faded - 9, faded + 60):
        made.trades[second] = [(PRICE, 1, -1)]  # 600.00 dollars in ten seconds: all of it
    assert "triggered?" not in path(found(made, AT + 3))
    made.trades |= {one: [(PRICE, 1, 1)] for one in range(faded + 20, faded + 25)}
    triggered = next(one for one in found(made, AT + 3) if one.state.value == "triggered")
    assert minute_of(triggered) == (faded + 25) / 60


def test_a_minute_after_the_candidate_it_is_too_late() -> None:
    """Two lots a second: with the eighth second without, ten seconds have four, of ten."""
    for calm, triggered in ((43, True), (44, False)):
        made = story()
        faded = absorbed(made)
        for second in range(faded - 9, faded + calm):
            made.trades[second] = [(PRICE, 1, -1), (PRICE, 1, -1)]
        assert ("triggered?" in path(found(made, AT + 3))) == triggered


def test_a_candidate_that_is_at_no_level_or_of_buyers_does_nothing() -> None:
    made = story()
    made.bars |= {place: closes(AWAY) for place in range(AT, AT + 9)}
    faded = absorbed(made, level_at=None)
    assert found(made, AT + 2) == []
    other = candidate(faded - 10, -1, PRICE, level=PRICE)
    assert other.side is EventSide.BUY
    made.told[faded - 10] = [other]
    assert found(made, AT + 2) == []


@pytest.mark.parametrize("sign", [1, -1])
def test_a_pivot_of_the_bars_is_a_level_too(sign: int) -> None:
    made = Story(sign)
    made.bars = {place: closes(AWAY) for place in range(30)} | {3: closes(PRICE)}
    absorbed(made, 10 * 60 + 5, level_at=None)
    seen = told(made, made.until(11), kind=KIND)
    assert path(seen)[:2] == ["armed?", "triggered?"]
    assert seen[0].level_low_ticks == made.price(PRICE)
    assert seen[0].evidence[1].startswith(f"level:pivot:pivot:{NAME}:")


@EACH
def test_what_is_found_with_the_last_second_of_a_bar_is_said_once(sign: int, seconds: int) -> None:
    """A record of the same second and identity would have no greater revision."""
    for lost, states in (
        (Bar(), ["armed", "triggered"]),
        (Bar((PRICE, PRICE, PRICE - 9_000, PRICE - 9_000)), ["armed", "triggered?", "invalidated"]),
        (Bar(status=Status.PARTIAL), ["armed", "triggered?", "suspended"]),
    ):
        made = story(sign, seconds)
        last = (AT + 2) * seconds - 1
        absorbed(made, last - 10)
        made.bars[AT + 1] = lost
        seen = found(made, AT + 1)
        assert path(seen) == states
        assert len({(one.id, one.state, one.revision) for one in seen}) == len(seen)


@EACH
@pytest.mark.parametrize("status", [Status.PARTIAL, Status.GAP])
def test_a_partial_bar_suspends_in_every_state(sign: int, seconds: int, status: Status) -> None:
    for place, states in (
        (AT + 1, ["armed", "triggered?", "suspended"]),
        (AT + 2, ["armed", "triggered?", "triggered", "suspended"]),
        (AT + 3, ["armed", "triggered?", "triggered", "confirmed", "suspended"]),
    ):
        made = story(sign, seconds)
        absorbed(made)
        made.bars[AT + 2] = Bar(delta=9, stacks=1)
        made.bars[place] = Bar(status=status, quiet=status is Status.GAP)
        seen = found(made, place)
        assert path(seen) == states
        assert (seen[-1].reason, seen[-1].status) == ("bar_partial", Status.PARTIAL)


def test_a_partial_second_after_the_candidate_suspends_at_once() -> None:
    made = story()
    faded = absorbed(made)
    made.there[faded - 4] = DOWN
    seen = found(made, AT + 1)
    assert path(seen)[:2] == ["armed", "suspended"]
    assert (seen[1].reason, minute_of(seen[1])) == ("trades_partial", (faded - 3) / 60)


def test_a_hole_in_the_seconds_suspends() -> None:
    made = story()
    absorbed(made)
    seconds = made.until(AT + 3)
    del seconds[(AT + 2) * 60 + 7]
    seen = told(made, seconds, made.levels(LEVEL), kind=KIND)
    assert path(seen)[:4] == ["armed", "triggered?", "triggered", "suspended"]
    assert (seen[3].reason, minute_of(seen[3])) == ("gap", AT + 2 + 9 / 60)
