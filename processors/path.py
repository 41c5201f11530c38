"""What needs the order of trades: delta extremes, and delta since the high and the low.

Paths join: that of some trades followed by others is made from the two paths alone. So a batch is
followed once, and then only joined to every bar that it belongs to. Source: definitions 5.2.
"""

from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

from processors.plain import Plain


class Path(NamedTuple):
    """The path over some trades, from delta 0.

    `highest >= 0 >= lowest`: the path starts at 0. `since_high` counts from the last trade that
    touched the high on, without it.
    """

    delta: int = 0
    highest: int = 0
    lowest: int = 0
    high: int | None = None
    low: int | None = None
    since_high: int = 0
    since_low: int = 0

    def then(self, later: "Path") -> "Path":
        """Return the path of these trades followed by later ones."""
        delta, highest, lowest, high, low, since_high, since_low = self
        if later.high is None or later.low is None:
            return self
        if high is None or later.high >= high:
            high, since_high = later.high, later.since_high
        else:
            since_high += later.delta
        if low is None or later.low <= low:
            low, since_low = later.low, later.since_low
        else:
            since_low += later.delta
        return Path(
            delta + later.delta,
            max(highest, delta + later.highest),
            min(lowest, delta + later.lowest),
            high,
            low,
            since_high,
            since_low,
        )

    @staticmethod
    def load(values: Plain) -> "Path":
        """Return a path from plain values, which a path is itself."""
        return Path(*values)


def path_of(prices: Sequence[int], signed: Sequence[int], high: int, low: int) -> Path:
    """Return the path over at least one trade.

    Args:
        prices: of the trades in tape order, in ticks.
        signed: their quantities, above zero for buys and below for sells.
        high: the highest price.
        low: the lowest.
    """
    return path_along(prices, list(accumulate(signed, initial=0)), high, low)


def path_along(prices: Sequence[int], deltas: Sequence[int], high: int, low: int) -> Path:
    """Return the path over at least one trade whose deltas are known.

    Args:
        prices: of the trades in tape order, in ticks.
        deltas: before the first trade, which need not be 0, and after each of them.
        high: the highest price.
        low: the lowest.
    """
    first, last = deltas[0], deltas[-1]
    return Path(
        last - first,
        max(deltas) - first,
        min(deltas) - first,
        high,
        low,
        last - deltas[_after_last(prices, high)],
        last - deltas[_after_last(prices, low)],
    )


def _after_last(values: Sequence[int], value: int) -> int:
    """Return the index after the last place of a value that is there."""
    return len(values) - values[::-1].index(value)
