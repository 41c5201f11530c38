"""How a bar ended at its high and its low (definitions 5.3).

Each function takes the rows and returns a pair `(high, low)`. The low is the mirror image of the
high: buys and sells change places and rows are read upwards from the lowest. A bar without rows
has nothing to say, so both are None.
"""

from itertools import pairwise
from typing import NamedTuple

from processors.measures.rows import Ladder, ratio


class Extremes(NamedTuple):
    """A yes or no at the high and at the low; None where the bar has no rows."""

    high: bool | None
    low: bool | None


class Ratios(NamedTuple):
    """A number at the high and at the low; None where it is undefined."""

    high: float | None
    low: float | None


def unfinished(ladder: Ladder, u1: int = 0, u2: int = 0) -> Extremes:
    """Say whether both sides traded at the extreme, so that the auction there did not finish.

    High: buy > u1 and sell > u2 on the highest row; low: sell > u1 and buy > u2 on the lowest, so
    that u1 always limits the aggressor that made the extreme. Only rows of one tick say much: with
    wide rows nearly every extreme is unfinished.
    """
    if not ladder.size:
        return Extremes(None, None)
    return Extremes(
        high=ladder.buy[-1] > u1 and ladder.sell[-1] > u2,
        low=ladder.sell[0] > u1 and ladder.buy[0] > u2,
    )


def zero_print(ladder: Ladder) -> Extremes:
    """Say whether exactly one side traded at the extreme and the other is zero.

    A row of trades with unknown side alone has no zero print: neither side is known.
    """
    if not ladder.size:
        return Extremes(None, None)
    return Extremes(
        high=bool(ladder.buy[-1]) != bool(ladder.sell[-1]),
        low=bool(ladder.buy[0]) != bool(ladder.sell[0]),
    )


def exhaustion(ladder: Ladder, rows: int = 3, share: tuple[int, int] = (1, 2)) -> Extremes:
    """Say whether the pushing side dried up into the extreme.

    High: over `rows` adjacent rows from the highest downwards `buy` rises strictly, and the highest
    has at most `share` of the last of them; low likewise upwards with `sell`. A bar with fewer
    rows has no such print.
    """
    if not ladder.size:
        return Extremes(None, None)
    return Extremes(
        high=_dries_up(ladder.buy[::-1][:rows], rows, share),
        low=_dries_up(ladder.sell[:rows], rows, share),
    )


def _dries_up(inwards: list[int], rows: int, share: tuple[int, int]) -> bool:
    """Test the quantities from the extreme inwards."""
    if len(inwards) < rows:
        return False
    rising = all(outer < inner for outer, inner in pairwise(inwards))
    return rising and inwards[0] * share[1] <= share[0] * inwards[-1]


def ratio_pair(ladder: Ladder) -> Ratios:
    """Return buy[second-highest] / buy[highest] and sell[second-lowest] / sell[lowest].

    None with fewer than two rows, or where nothing is there to divide by.
    """
    if ladder.size < 2:
        return Ratios(None, None)
    return Ratios(
        high=ratio(ladder.buy[-2], ladder.buy[-1]),
        low=ratio(ladder.sell[1], ladder.sell[0]),
    )
