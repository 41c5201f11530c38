"""Where a directional move ends."""

import random
from itertools import pairwise

import pytest

from processors.liquidation_levels.moves import Moves
from schemas.footprints import FootprintBar
from schemas.lineage import Status
from tests.processors.liquidation_levels.builders import Range, bar
from tests.processors.seconds.builders import plainly

BUYING, SELLING = {10_000: (1, 5)}, {10_000: (5, 1)}


def moves() -> Moves:
    """Return moves of two bars that are 1.5 ranges (of four bars) long."""
    return Moves(2, (3, 2), 4)


def made(minute: int, close: int, traded: dict[int, tuple[int, int]] = BUYING) -> FootprintBar:
    return bar(minute, traded, Range(close + 50, close - 50, close))


def directions(*bars: FootprintBar | None) -> list[int | None]:
    found = moves()
    taken = []
    for one in bars:
        taken.append(found.take(one))
        again = moves()
        again.load(plainly(found.dump()))
        found = again
    return taken


@pytest.mark.parametrize(
    ("closes", "traded", "expected"),
    [
        ([1000, 1000, 1075, 1150], BUYING, 0),  # ranges of 100, 100, 125, 125: 169 is needed
        ([1000, 1000, 1100, 1200], BUYING, 1),  # 100, 100, 150, 150: 187.5
        ([1000, 1000, 900, 800], SELLING, -1),
        ([1000, 1000, 1100, 1200], SELLING, 0),
        ([1000, 1000, 900, 800], BUYING, 0),
        ([1000, 1000, 1000, 1000], BUYING, 0),
    ],
)
def test_a_move_is_long_enough_and_its_takers_agree(
    closes: list[int], traded: dict[int, tuple[int, int]], expected: int
) -> None:
    bars = [made(minute, close, traded) for minute, close in enumerate(closes)]
    assert directions(*bars) == [None, None, None, expected]


def test_exactly_the_threshold_is_a_move() -> None:
    flat = [bar(minute, BUYING, Range(1000 + 4 * step, 1000, 1000 + 3 * step))
            for minute, step in ((0, 0), (1, 10), (2, 10), (3, 10))]  # fmt: skip
    assert directions(*flat)[-1] == 0
    # Ranges 0, 40, 40, 40 are 30 on average: 45 is needed, from the close of the second bar on.
    last = [bar(3, BUYING, Range(1_070, 1_030, price)) for price in (1_074, 1_075)]
    assert directions(*flat[:3], last[0])[-1] == 0
    assert directions(*flat[:3], last[1])[-1] == 1


def test_a_bar_without_price_or_a_missing_one_begins_a_move_anew() -> None:
    """Two closes and four true ranges have to be there again."""
    bars: list[FootprintBar | None] = [made(minute, 1000 + 200 * minute) for minute in range(12)]
    assert directions(*bars)[3:] == [1] * 9
    for gap in (None, bar(6, {}, status=Status.GAP), bar(6, {}, status=Status.PARTIAL)):
        broken = directions(*bars[:6], gap, *bars[7:])
        assert broken[6:11] == [None, None, None, None, 1]
    assert directions(*bars[:6], *bars[7:])[6:10] == [None, None, None, 1]


def test_a_quiet_minute_is_a_real_zero_bar() -> None:
    """Definitions 5.0: its price is the close before, and it has no delta."""
    bars: list[FootprintBar | None] = [made(minute, 1000 + 200 * minute) for minute in range(8)]
    assert directions(*bars[:6], bar(6, {}), bars[7])[5:] == [1, 0, 1]
    assert directions(bar(0, {}), *bars[1:])[:5] == [None, None, None, None, 1]


def test_ranges_from_before_a_long_outage_are_not_held_against_a_move() -> None:
    """A wild market, away for hours, and then a calm one that moves by its own standards."""
    wild = [made(minute, 1000 + 5000 * (minute % 2)) for minute in range(8)]
    calm = [made(minute, 1000 + 200 * minute) for minute in range(500, 505)]
    assert directions(*wild, *calm)[-5:] == [None, None, None, 1, 1]


def test_a_direction_is_that_of_the_last_bars_alone() -> None:
    chance = random.Random(4)
    closes = [1000]
    for _ in range(2000):
        closes.append(closes[-1] + chance.randrange(-120, 121))
    bars = [made(minute, close) for minute, close in enumerate(closes)]
    found = directions(*bars)
    ranges = [100] + [max(50 + b, a) - min(b - 50, a) for a, b in pairwise(closes)]
    for index in range(3, len(closes)):
        moved, needed = (
            closes[index] - closes[index - 2],
            sum(ranges[index - 3 : index + 1]) * 3 / 8,
        )
        assert found[index] == (1 if moved >= needed else 0)
    assert 20 < found.count(1) < 1000
