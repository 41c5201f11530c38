"""Two consecutive pivots of price, and what delta did between them (definitions 5.5)."""

from collections.abc import Sequence
from math import sqrt
from typing import NamedTuple

import msgspec

from processors.divergence.runs import Bar
from processors.measures.pivots import LEFT, RIGHT, is_pivot
from processors.measures.shares import Share

_HALF_BP = 20_000


class DivergenceParams(msgspec.Struct, frozen=True, kw_only=True):
    """What counts as a divergence.

    - `left`, `right`: bars beside a pivot. `min_bars`, `max_bars`: between two pivots.
    - `strength`: k, in standard deviations of a bar's delta; over `sigma_bars` at most and
      `min_samples` at least.
    - `at_extreme`: whether CVD of a pivot is the greatest (of lows the least) in its bar, and not
      that at its close.
    - `reset_daily`: whether both pivots must be of the same day, as CVD of mode `day` asks.
    - `watch_bars`: how long it is followed.
    - `strong_venues`: how many venues, all of them, make it strong.

    Raises:
        ValueError: a value that would make the tests meaningless.
    """

    left: int = LEFT
    right: int = RIGHT
    min_bars: int = 5
    max_bars: int = 60
    strength: Share = (1, 4)
    sigma_bars: int = 100
    min_samples: int = 30
    at_extreme: bool = False
    reset_daily: bool = True
    watch_bars: int = 60
    strong_venues: int = 3

    def __post_init__(self) -> None:
        if self.left < 1 or self.right < 1 or not 1 <= self.min_bars <= self.max_bars:
            raise ValueError("left, right and min_bars must be 1 or more, max_bars not below")
        if self.strength[0] < 0 or self.strength[1] < 1:
            raise ValueError(f"strength must be 0 or more, was {self.strength}")
        if not 2 <= self.min_samples <= self.sigma_bars or self.sigma_bars < self.span:
            raise ValueError("sigma_bars must reach over both pivots, min_samples be 2 or more")
        if self.watch_bars < 1 or self.strong_venues < 1:
            raise ValueError("watch_bars and strong_venues must be 1 or more")

    @property
    def span(self) -> int:
        """How many bars the measure looks at, from before the first pivot to now."""
        return self.left + self.max_bars + self.right + 1


class Pair(NamedTuple):
    """Indexes of two consecutive pivots."""

    first: int
    second: int


def find_pair(bars: Sequence[Bar], sign: int, params: DivergenceParams) -> Pair | None:
    """Return the pivot that the newest bar confirms, with the one before it.

    Args:
        bars: in a row.
        sign: 1 for highs, -1 for lows.
        params: of the pivots.
    """
    prices = prices_of(bars, sign)
    second = len(bars) - 1 - params.right
    if not is_pivot(prices, second, sign, params.left, params.right):
        return None
    for first in range(second - 1, max(params.left, second - params.max_bars) - 1, -1):
        if is_pivot(prices, first, sign, params.left, params.right):
            near = second - first < params.min_bars
            return None if near else Pair(first, second)
    return None


def prices_of(bars: Sequence[Bar], sign: int) -> list[int]:
    """Return the highs (1) or the lows (-1)."""
    return [bar.high for bar in bars] if sign > 0 else [bar.low for bar in bars]


def extends(bars: Sequence[Bar], pair: Pair, sign: int) -> bool:
    """Say whether price went further: by a tick and by half a basis point at least."""
    before, after = (prices_of(bars, sign)[index] for index in pair)
    further = (after - before) * sign
    return further >= 1 and further * _HALF_BP >= before


def beside(bar: Bar, sign: int, params: DivergenceParams) -> int:
    """Return how far the CVD that counts for a pivot lies from that at the close of its bar.

    Raises:
        ValueError: the path of the bar's delta is not known, but asked for.
    """
    if not params.at_extreme:
        return 0
    extreme = bar.most if sign > 0 else bar.least
    if extreme is None:
        raise ValueError("the extremes of CVD are not known over several instruments")
    return extreme - bar.delta


def since(bars: Sequence[Bar], first: int, sign: int, params: DivergenceParams) -> int:
    """Return CVD at the close of the last bar less that of a pivot in an earlier one, in lots."""
    return sum([bar.delta for bar in bars[first + 1 :]]) - beside(bars[first], sign, params)


def change(bars: Sequence[Bar], pair: Pair, sign: int, params: DivergenceParams) -> int:
    """Return CVD of the second pivot less that of the first one, in lots."""
    last = bars[pair.second]
    return since(bars[: pair.second + 1], pair.first, sign, params) + beside(last, sign, params)


def variance(bars: Sequence[Bar]) -> tuple[int, int]:
    """Return the variance of delta over all these bars (not a sample's) as a fraction."""
    deltas = [bar.delta for bar in bars]
    count = len(deltas)
    return count * sum([delta * delta for delta in deltas]) - sum(deltas) ** 2, count * count


def lags(bars: Sequence[Bar], pair: Pair, sign: int, params: DivergenceParams) -> bool:
    """Say whether CVD fell behind by k standard deviations times the root of the bars between.

    Both sides are squared, so that integers are compared.
    """
    behind = -sign * change(bars, pair, sign, params)
    over, per = variance(bars)
    between = pair.second - pair.first
    k, of = params.strength
    return behind >= 0 and (behind * of) ** 2 * per >= k * k * over * between


def sigma(bars: Sequence[Bar]) -> float:
    """Return the standard deviation of delta in lots."""
    over, per = variance(bars)
    return sqrt(over / per)


def is_over(bars: Sequence[Bar], pair: Pair, sign: int, params: DivergenceParams) -> bool:
    """Say whether delta and price have passed both pivots again since the second one."""
    level = prices_of(bars, sign)[pair.second]
    return any(
        (price - level) * sign >= 0
        and since(bars[: index + 1], pair.first, sign, params) * sign > 0
        for index, price in enumerate(prices_of(bars, sign))
        if index > pair.second
    )
