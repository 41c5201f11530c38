"""Setup 4: breakout with delta (definitions 5.13)."""

import pytest

from processors.setups.breakout import Box, box_of
from processors.setups.candle import Candle
from processors.setups.params import DEFAULT, SetupParams
from schemas.lineage import Status
from schemas.setups import SetupKind, SetupRecord
from tests.processors.setups.sent import structure
from tests.processors.setups.story import PRICE, Bar, Story, minute_of, path, told

KIND = SetupKind.BREAKOUT_WITH_DELTA
EACH = pytest.mark.parametrize(
    ("sign", "seconds"), [(1, 60), (-1, 60), (1, 300), (-1, 300)], ids=str
)
HALF = 1_000
"""Half of a range, and of each bar's own: ATR is 2,000, the width 1 ATR."""
HIGH, LOW = PRICE + HALF, PRICE - HALF
BREAK = HIGH + 200
"""A tenth of an ATR above it; a close has to be beyond."""
FIRST = 21
"""The bar that breaks out: twenty are a range, and one is before them."""
PARAMS = SetupParams(range_bars=20, delta_bars=20)


def bars(count: int) -> dict[int, Bar]:
    """Return bars that touch both edges in turn; deltas 1 to 20, over and over."""
    return {
        place: Bar(
            (PRICE, HIGH, LOW, PRICE) if place % 2 else (PRICE, HIGH - 501, LOW + 501, PRICE),
            delta=place % 20 + 1,
        )
        for place in range(count)
    }


def story(sign: int = 1, seconds: int = 60, *, cvd: int | None = 1) -> Story:
    """Return a range, and a bar that leaves it with all that confirms it."""
    made = Story(sign, seconds)
    made.bars = bars(FIRST)
    for place in range(FIRST, FIRST + 30):
        made.bars[place] = Bar((BREAK, BREAK + 900, BREAK + 100, BREAK + 500), delta=1)
    made.bars[FIRST] = Bar((PRICE, BREAK + 900, PRICE, BREAK + 1), delta=18, stacks=1)
    last = (FIRST + 1) * seconds // 60
    for place in range(last - 6, last + 12):
        value = None if cvd is None else sign * cvd * place
        made.told[place * 60 + 59] = [structure(place, value)]
    return made


def found(made: Story, last: int, params: SetupParams = PARAMS) -> list[SetupRecord]:
    return told(made, made.until(last), kind=KIND, params=params)


@EACH
def test_the_whole_life_of_one_that_completes(sign: int, seconds: int) -> None:
    made = story(sign, seconds)
    armed, triggered, confirmed, over = found(made, FIRST + 20)
    assert [one.state.value for one in (armed, triggered, confirmed, over)] == [
        *("armed", "triggered", "confirmed", "completed")
    ]
    assert minute_of(armed) == FIRST * seconds / 60
    assert minute_of(triggered) == minute_of(confirmed) == (FIRST + 1) * seconds / 60
    edges = sorted((made.price(HIGH), made.price(LOW)))
    values = triggered.values
    assert [values["range_low_ticks"], values["range_high_ticks"]] == edges
    assert values["delta_lots"] == 18 * sign
    assert values["delta_percentile_lots"] == 18 * sign  # the 18th of 20: P90
    assert triggered.limit_ticks == made.price(HIGH)
    assert triggered.evidence[0].startswith("bar:venue:")
    assert confirmed.values["cvd_change_lots"] == sign * seconds // 60
    assert minute_of(over) == (FIRST + 21) * seconds / 60
    atr = values["atr_ticks"]
    assert isinstance(atr, float)
    assert HALF - 502 < atr / 2 < HALF


@EACH
def test_both_sides_are_armed_by_the_same_range_and_disarmed_without_one(
    sign: int, seconds: int
) -> None:
    made = story(sign, seconds)
    assert path(found(made, FIRST - 1)) == ["armed"]
    wide = {n: Bar((PRICE, HIGH + 9_000, LOW - 9_000, PRICE)) for n in range(FIRST, FIRST + 1)}
    made.bars |= wide
    made.bars |= {
        place: Bar((PRICE, PRICE + 50, PRICE - 50, PRICE)) for place in range(FIRST + 1, FIRST + 30)
    }
    seen = found(made, FIRST + 29)
    assert path(seen)[:2] == ["armed", "expired"]
    assert seen[1].reason == "no_range"


def test_by_default_a_range_is_60_bars_and_the_percentile_of_240() -> None:
    made = story()
    made.bars = bars(241)
    made.bars[241] = Bar((PRICE, BREAK + 900, PRICE, BREAK + 1), delta=18, stacks=1)
    made.told = {n * 60 + 59: [structure(n, n)] for n in range(238, 243)}
    assert path(found(made, 241, SetupParams())) == ["armed", "triggered", "confirmed"]
    made.bars[241].delta = 17
    assert path(found(made, 241, SetupParams())) == ["armed", "triggered"]
    assert path(found(made, 60, SetupParams())) == ["armed"]
    assert found(made, 59, SetupParams()) == []


def test_a_close_has_to_be_beyond_a_tenth_of_an_atr() -> None:
    made = story()
    [*_, triggered] = found(made, FIRST)
    atr = triggered.values["atr_ticks"]
    assert atr is not None
    edge = HIGH + int(atr / 10)
    for close, broken in ((edge, False), (edge + 1, True)):
        made.bars[FIRST] = Bar((PRICE, edge + 5, PRICE, close), delta=18, stacks=1)
        assert ("triggered" in path(found(made, FIRST))) == broken


def test_a_bar_without_enough_delta_is_never_confirmed() -> None:
    made = story()
    made.bars[FIRST] = Bar((PRICE, BREAK + 900, PRICE, BREAK + 1), delta=17, stacks=1)
    made.bars[FIRST + 1] = Bar((BREAK, BREAK, BREAK, BREAK), delta=99, stacks=1)
    assert path(found(made, FIRST + 20)) == ["armed", "triggered", "expired"]


@EACH
def test_a_stack_may_come_with_the_next_bar_and_not_later(sign: int, seconds: int) -> None:
    for place, confirmed in ((FIRST + 1, True), (FIRST + 2, False)):
        made = story(sign, seconds)
        made.bars[FIRST] = Bar((PRICE, BREAK + 900, PRICE, BREAK + 1), delta=18, counter_stacks=1)
        made.bars[place] = Bar((BREAK, BREAK, BREAK, BREAK + 1), delta=1, stacks=1)
        seen = found(made, place)
        assert ("confirmed" in path(seen)) == confirmed
        if confirmed:
            assert minute_of(seen[-1]) == (FIRST + 2) * seconds / 60


@EACH
def test_cvd_that_does_not_rise_confirms_nothing(sign: int, seconds: int) -> None:
    for cvd in (0, -1):
        assert path(found(story(sign, seconds, cvd=cvd), FIRST + 1)) == ["armed", "triggered"]


@EACH
def test_an_unknown_cvd_or_percentile_suspends_where_it_alone_decides(
    sign: int, seconds: int
) -> None:
    last = found(story(sign, seconds, cvd=None), FIRST)[-1]
    assert (last.state.value, last.reason) == ("suspended", "cvd_unknown")
    assert last.null_reasons["cvd_change_lots"] == "cvd_unknown"
    last = found(story(sign, seconds), FIRST, SetupParams(range_bars=20, delta_bars=22))[-1]
    assert (last.state.value, last.reason) == ("suspended", "too_few_bars")
    assert last.null_reasons["delta_percentile_lots"] == "too_few_bars"
    made = story(sign, seconds, cvd=None)
    made.bars[FIRST] = Bar((PRICE, BREAK + 900, PRICE, BREAK + 1), delta=18)
    assert path(found(made, FIRST + 1)) == ["armed", "triggered"]


@EACH
def test_a_close_back_inside_within_5_bars_invalidates(sign: int, seconds: int) -> None:
    for place, close, invalid in (
        (FIRST + 1, HIGH, True),
        (FIRST + 5, HIGH, True),
        (FIRST + 5, HIGH + 1, False),
        (FIRST + 6, HIGH, False),
    ):
        made = story(sign, seconds)
        made.bars[place] = Bar((BREAK, BREAK, close, close), delta=1)
        seen = found(made, place)
        assert ("invalidated" in path(seen)) == invalid
        if invalid:
            assert seen[-1].reason == "back_inside"


@EACH
def test_two_bars_in_a_row_without_delta_invalidate(sign: int, seconds: int) -> None:
    for weak, at in (
        ((1, 2), 2),
        ((4, 5), 5),
        ((1, 3), None),
        ((5, 6), None),
    ):
        made = story(sign, seconds)
        for place in weak:
            made.bars[FIRST + place] = Bar((BREAK, BREAK, BREAK, BREAK), delta=0)
        seen = found(made, FIRST + 8)
        ended = [one for one in seen if one.state.value == "invalidated"]
        assert [minute_of(one) for one in ended] == (
            [] if at is None else [(FIRST + at + 1) * seconds / 60]
        )
        assert {one.reason for one in ended} <= {"no_delta"}


@EACH
def test_a_partial_bar_suspends_in_every_state(sign: int, seconds: int) -> None:
    for place, stacks, states in (
        (FIRST, 1, ["armed", "suspended"]),
        (FIRST + 1, 0, ["armed", "triggered", "suspended"]),
        (FIRST + 1, 1, ["armed", "triggered", "confirmed", "suspended"]),
    ):
        made = story(sign, seconds)
        made.bars[FIRST] = Bar((PRICE, BREAK + 900, PRICE, BREAK + 1), delta=18, stacks=stacks)
        made.bars[place] = Bar(status=Status.PARTIAL)
        assert path(found(made, place)) == states


def candles(*ranges: tuple[int, int]) -> list[Candle]:
    return [
        Candle(n, n + 1, high, low, (high + low) // 2, 0, 0, 0, 0, 0)
        for n, (high, low) in enumerate(ranges)
    ]


def test_a_range_is_at_most_6_atr_wide() -> None:
    """Sixty bars of 10 ticks each: ATR is 10, plus what two bars jump."""
    still = [(10, 0)] * 14
    for high, wide in ((60, Box(60, 0, 140)), (61, None)):
        found = box_of(
            candles((high, high - 10), (10, 0), (high, high - 10), (10, 0), *still), DEFAULT
        )
        assert found == wide


def test_each_side_is_touched_twice() -> None:
    """Within 2.5 ticks of an edge; bars that follow one another are one touch."""
    still = [(9, 1), (9, 1)] * 7  # the last fourteen: ATR 8, touches within 2
    two = candles((14, 5), (9, 1), (14, 5), (9, 1), *still)
    assert box_of(two, DEFAULT) == Box(14, 1, 112)
    one = candles((14, 5), (14, 5), (9, 1), (9, 1), *still)
    assert box_of(one, DEFAULT) is None
    near = candles((14, 5), (9, 1), (12, 5), (9, 1), *still)
    assert box_of(near, DEFAULT) == Box(14, 1, 112)
    far = candles((14, 5), (9, 1), (11, 5), (9, 1), *still)
    assert box_of(far, DEFAULT) is None
