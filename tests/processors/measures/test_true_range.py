"""The average true range, and what a break does to it (definitions 5.0, 5.8, 5.10, 5.12)."""

import random

import pytest

from processors.measures.quadrant import Ratio
from processors.measures.true_range import BARS, Prices, TrueRanges
from schemas.units import US_PER_MINUTE
from tests.processors.seconds.builders import NOON_SECOND, plainly

NOON_MINUTE = NOON_SECOND // 60
Bar = tuple[int, int, int] | None | str
"""High, low and close; None where nothing traded; a word for a bar that does not count."""


def average(bars: dict[int, Bar], now: int, count: int = 3, least: int | None = None) -> object:
    """Return the average so many minutes after noon, with a restart after every bar."""
    ranges = TrueRanges(60, count, least)
    for minute, bar in bars.items():
        if not isinstance(bar, str):
            prices = None if bar is None else Prices(*bar)
            ranges.take((NOON_MINUTE + minute) * US_PER_MINUTE, prices)
        ranges = TrueRanges(60, count, least, plainly(ranges.dump()))
    return ranges.average((NOON_MINUTE + now) * US_PER_MINUTE)


FIRST, UP, DOWN = (110, 100, 105), (130, 120, 125), (90, 80, 85)


@pytest.mark.parametrize(
    ("bars", "expected"),
    [
        ([FIRST, FIRST, FIRST], (30, 3)),
        ([FIRST, UP, UP], (10 + 25 + 10, 3)),  # from the close of 105 up to 130
        ([FIRST, DOWN, DOWN], (10 + 25 + 10, 3)),
        ([FIRST, None, UP], (10 + 0 + 25, 3)),  # a zero bar keeps the close
    ],
)
def test_a_range_reaches_to_the_close_before(bars: list[Bar], expected: Ratio) -> None:
    assert average(dict(enumerate(bars)), 3) == expected


def test_the_average_is_of_bars_that_are_over() -> None:
    bars: dict[int, Bar] = dict.fromkeys(range(3), FIRST)
    ranges = TrueRanges(60, 3)
    for minute in bars:
        ranges.take((NOON_MINUTE + minute) * US_PER_MINUTE, Prices(*FIRST))
    now_us = (NOON_MINUTE + 3) * US_PER_MINUTE
    assert ranges.average(now_us) == ranges.average(now_us + US_PER_MINUTE - 1) == (30, 3)
    assert ranges.average(now_us + US_PER_MINUTE) is None


@pytest.mark.parametrize("missing", [{}, {1: "partial"}])
def test_no_difference_is_taken_across_a_break(missing: dict[int, Bar]) -> None:
    bars: dict[int, Bar] = {0: FIRST, **missing, 2: UP, 3: UP, 4: UP}
    assert average(bars, 5) == (10 + 10 + 10, 3)


def test_a_break_costs_its_own_bar_and_all_are_asked_for_unless_said_otherwise() -> None:
    bars: dict[int, Bar] = {0: FIRST, 1: FIRST, 3: UP, 4: UP}
    assert average(bars, 4) is None
    assert average(bars, 4, least=2) == (10 + 10, 2)
    assert average(bars, 5, least=2) == (10 + 10, 2)


def test_what_was_before_an_outage_is_forgotten_with_the_clock() -> None:
    bars: dict[int, Bar] = {0: UP, 1: UP, 600: FIRST}
    assert average(bars, 601, least=1) == (10, 1)
    assert average({0: UP, 1: UP}, 5, least=1) is None


def test_nothing_traded_behind_a_break_is_no_price() -> None:
    assert average({0: FIRST, 2: None, 3: FIRST}, 4, least=1) == (10, 1)
    assert average({0: None}, 1, least=1) is None


def test_the_average_is_what_plain_lists_say() -> None:
    chance = random.Random(5)
    closes: dict[int, int] = {}
    expected: dict[int, int] = {}
    ranges = TrueRanges(60, least=1)
    for minute in range(2000):
        now_us = (NOON_MINUTE + minute + 1) * US_PER_MINUTE
        kind = chance.choice(["traded"] * 5 + ["quiet", "away"])
        before = closes.get(minute - 1)
        if kind == "traded":
            low = chance.randrange(1000)
            high, close = low + 9, low + chance.randrange(10)
            ends = [high, low] if before is None else [high, low, before]
            expected[minute], closes[minute] = max(ends) - min(ends), close
            ranges.take(now_us - US_PER_MINUTE, Prices(high, low, close))
        elif kind == "quiet":
            if before is not None:
                expected[minute], closes[minute] = 0, before
            ranges.take(now_us - US_PER_MINUTE, None)
        last = [expected[one] for one in range(minute - BARS + 1, minute + 1) if one in expected]
        assert ranges.average(now_us) == ((sum(last), len(last)) if last else None)
        assert len(ranges.dump()[0]) <= BARS
