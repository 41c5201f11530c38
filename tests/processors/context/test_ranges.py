"""Average true range of mids, second by second."""

import random
from collections.abc import Sequence

from processors.context.ranges import BARS, AverageRange
from tests.processors.context.builders import at
from tests.processors.seconds.builders import plainly


def fed(mids: Sequence[int | None], least: int = 1) -> AverageRange:
    """Feed mids of the seconds from noon on to bars of ten seconds."""
    bars = AverageRange(10, least)
    for number, mid2 in enumerate(mids):
        bars.take(at(number), mid2)
        bars = AverageRange(10, least, plainly(bars.dump()))
    return bars


def test_a_range_reaches_back_to_the_close_before_it() -> None:
    up = [100] * 5 + [110] * 5
    assert fed(up).value() == (10, 1)
    assert fed(up + [125] * 10).value() == (10 + 15, 2)
    assert fed(up + [90] * 10).value() == (10 + 20, 2)


def test_a_bar_counts_when_its_last_second_is_over() -> None:
    assert fed([100] * 9).value() is None
    assert fed([100] * 10).value() == (0, 1)
    assert fed([100] * 10, least=2).value() is None


def test_a_bar_with_too_little_known_has_no_range_and_breaks_the_chain() -> None:
    eight = [None] * 2 + [100] * 8
    assert fed(eight).value() == (0, 1)
    seven: list[int | None] = [None] * 3 + [100] * 7
    assert fed(seven).value() is None
    assert fed([50] * 10 + seven + [200] * 10).value() == (0, 2)


def test_a_jump_ends_the_bar_and_breaks_the_chain() -> None:
    bars = fed([100] * 10)
    bars.take(at(15), 300)
    for number in range(40, 50):
        bars.take(at(number), 500)
    assert bars.value() == (0, 2)


def test_the_average_is_of_the_last_bars_alone() -> None:
    chance = random.Random(3)
    mids = [chance.randrange(1000, 1200) for _ in range(400)]
    ranges = []
    for start in range(0, 400, 10):
        prices = mids[start : start + 10] + mids[max(0, start - 1) : start]
        ranges.append(max(prices) - min(prices))
        if start // 10 in (5, 20, 39):
            kept = ranges[-BARS:]
            assert fed(mids[: start + 10]).value() == (sum(kept), len(kept))
