"""Average true range of mids, second by second."""

import random
from collections.abc import Sequence

from processors.context.ranges import AverageRange
from processors.measures.quadrant import Ratio
from processors.measures.true_range import BARS
from tests.processors.context.builders import at
from tests.processors.seconds.builders import plainly


def fed(mids: Sequence[int | None], least: int = 1) -> AverageRange:
    """Feed mids of the seconds from noon on to bars of ten seconds."""
    bars = AverageRange(10, least)
    for number, mid2 in enumerate(mids):
        bars.take(at(number), mid2)
        bars = AverageRange(10, least, plainly(bars.dump()))
    return bars


def average(mids: Sequence[int | None], least: int = 1) -> Ratio | None:
    """Return the average at the end of these seconds."""
    return fed(mids, least).average(at(len(mids)))


def test_a_range_reaches_back_to_the_close_before_it() -> None:
    up = [100] * 5 + [110] * 5
    assert average(up) == (10, 1)
    assert average(up + [125] * 10) == (10 + 15, 2)
    assert average(up + [90] * 10) == (10 + 20, 2)


def test_a_bar_counts_when_its_last_second_is_over() -> None:
    assert average([100] * 9) is None
    assert average([100] * 10) == (0, 1)
    assert average([100] * 10, least=2) is None


def test_a_bar_with_too_little_known_has_no_range_and_breaks_the_chain() -> None:
    eight = [None] * 2 + [100] * 8
    assert average(eight) == (0, 1)
    seven: list[int | None] = [None] * 3 + [100] * 7
    assert average(seven) is None
    assert average([50] * 10 + seven + [200] * 10) == (0, 2)


def test_a_jump_ends_the_bar_and_breaks_the_chain() -> None:
    bars = fed([100] * 10)
    bars.take(at(15), 300)
    for number in range(40, 50):
        bars.take(at(number), 500)
    assert bars.average(at(50)) == (0, 2)


def test_the_average_is_of_the_last_bars_alone() -> None:
    chance = random.Random(3)
    mids = [chance.randrange(1000, 1200) for _ in range(400)]
    ranges = []
    for start in range(0, 400, 10):
        prices = mids[start : start + 10] + mids[max(0, start - 1) : start]
        ranges.append(max(prices) - min(prices))
        if start // 10 in (5, 20, 39):
            kept = ranges[-BARS:]
            assert average(mids[: start + 10]) == (sum(kept), len(kept))
