"""Footprint rows: the grid, the dense ladder of one bar, and merging rows into coarser ones.

A row starts at `floor(price / step) * step`, anchored at price 0, and covers `[row, row + step)`.
Rounding to nearest is never used: it makes other rows (definitions 5.4, sensitivity).
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

SELL, BUY, UNKNOWN = 0, 1, 2
"""Where a keyed row holds its quantities: `[sell, buy, unknown, ...]`, with any sums after them."""


class Ladder(NamedTuple):
    """The rows of one bar, dense from its lowest to its highest traded row, upwards.

    Entry `i` covers `[low + i * step, low + (i + 1) * step)`. A row in between that nothing traded
    on is there with zeros; outside there is no row. A bar without trades has no entries. Prices
    are in ticks, quantities in lots; `unknown` counts towards totals and never towards delta.
    """

    low: int
    step: int
    sell: list[int]
    buy: list[int]
    unknown: list[int]

    @property
    def size(self) -> int:
        """Number of rows."""
        return len(self.sell)

    @property
    def sell_total(self) -> int:
        """Sell lots of the bar."""
        return sum(self.sell)

    @property
    def buy_total(self) -> int:
        """Buy lots of the bar."""
        return sum(self.buy)

    @property
    def total(self) -> int:
        """All lots of the bar: buy + sell + unknown."""
        return sum(self.sell) + sum(self.buy) + sum(self.unknown)

    @property
    def delta(self) -> int:
        """Buy less sell lots of the bar."""
        return sum(self.buy) - sum(self.sell)

    def totals(self) -> list[int]:
        """Return buy + sell + unknown of every row."""
        return [s + b + u for s, b, u in zip(self.sell, self.buy, self.unknown, strict=True)]

    def deltas(self) -> list[int]:
        """Return buy - sell of every row."""
        return [b - s for s, b in zip(self.sell, self.buy, strict=True)]

    def row(self, index: int) -> int:
        """Return the lower edge of a row in ticks; at `size`, the upper edge of the highest."""
        return self.low + index * self.step


def floor_row(price_ticks: int, step: int) -> int:
    """Return the row that a price falls into."""
    return price_ticks - price_ticks % step


def ratio(numerator: int, denominator: int) -> float | None:
    """Divide for reporting, correctly rounded; None where the denominator is zero."""
    return numerator / denominator if denominator else None


def dense(rows: Mapping[int, Sequence[int]], step: int) -> Ladder:
    """Lay keyed rows out as a ladder.

    Args:
        rows: the traded rows, in any order, by lower edge in ticks; `[sell, buy, unknown, ...]`.
        step: row size in ticks; every key is a multiple of it.

    Raises:
        ValueError: a key is not on the grid of `step`.
    """
    if not rows:
        return Ladder(0, step, [], [], [])
    low = min(rows)
    size = (max(rows) - low) // step + 1
    sell, buy, unknown = [0] * size, [0] * size, [0] * size
    for row, values in rows.items():
        if row % step:
            raise ValueError(f"row {row} is not a multiple of the row size {step}")
        index = (row - low) // step
        sell[index], buy[index], unknown[index] = values[SELL], values[BUY], values[UNKNOWN]
    return Ladder(low, step, sell, buy, unknown)


def coarsen(rows: Mapping[int, Sequence[int]], step: int) -> dict[int, list[int]]:
    """Merge keyed rows into rows of `step` ticks, adding every column.

    Exact wherever `step` is a multiple of the size the rows have now, since both grids are anchored
    at price 0. The columns may be any sums (quantities, counts, notionals).
    """
    merged: dict[int, list[int]] = {}
    for row, values in rows.items():
        key = row - row % step
        into = merged.get(key)
        if into is None:
            merged[key] = list(values)
        else:
            for column, value in enumerate(values):
                into[column] += value
    return merged
