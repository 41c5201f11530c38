"""A footprint bar as numbers that add up: over trades, over venues, over time.

Everything but the path is order-free, so rows and sums are taken in as trades arrive. The path
(delta extremes, delta since the high and low) and open and close need the tape's order. Prices are
ticks, quantities lots, notionals ticks times lots, all on the asset's grid.
Source: definitions 5.1, 5.2.
"""

from collections.abc import Iterable, Sequence

from processors.feeds import Trade
from processors.plain import Plain

SELL, BUY, UNKNOWN, TRADES_SELL, TRADES_BUY, SELL_NOTIONAL, BUY_NOTIONAL = range(7)

RowValues = list[int]
"""`[sell, buy, unknown, trades_sell, trades_buy, sell_notional, buy_notional]` of one row."""

OrderKey = tuple[int, str, int]
"""`(event_time_us, member, order)`: a trade's place on the tape."""


class Path:
    """What needs the order of trades: delta extremes and delta since the high and the low.

    `delta_max >= 0 >= delta_min`: the path starts at 0. `since_high` counts from the last trade
    that touched the high on, without it.
    """

    __slots__ = ("delta", "high", "highest", "low", "lowest", "since_high", "since_low")

    def __init__(self) -> None:
        self.delta = self.highest = self.lowest = self.since_high = self.since_low = 0
        self.high: int | None = None
        self.low: int | None = None

    def fold(self, trades: Iterable[Trade]) -> None:
        """Follow trades that come in tape order after all those folded before."""
        delta, highest, lowest = self.delta, self.highest, self.lowest
        since_high, since_low, high, low = self.since_high, self.since_low, self.high, self.low
        for _, _, _, price, qty, side in trades:
            signed = qty * side
            delta += signed
            since_high += signed
            since_low += signed
            if delta > highest:
                highest = delta
            elif delta < lowest:
                lowest = delta
            if high is None or price >= high:
                high, since_high = price, 0
            if low is None or price <= low:
                low, since_low = price, 0
        self.delta, self.highest, self.lowest = delta, highest, lowest
        self.since_high, self.since_low, self.high, self.low = since_high, since_low, high, low

    def copy(self) -> "Path":
        """Return an independent copy."""
        other = Path()
        for name in Path.__slots__:
            setattr(other, name, getattr(self, name))
        return other

    def then(self, later: "Path") -> "Path":
        """Return the path of this bar followed by a later one."""
        joined = Path()
        joined.delta = self.delta + later.delta
        joined.highest = max(self.highest, self.delta + later.highest)
        joined.lowest = min(self.lowest, self.delta + later.lowest)
        if later.high is None or later.low is None:
            joined.high, joined.low = self.high, self.low
            joined.since_high = self.since_high + later.delta
            joined.since_low = self.since_low + later.delta
            return joined
        touches_high = self.high is None or later.high >= self.high
        joined.high = later.high if touches_high else self.high
        joined.since_high = later.since_high if touches_high else self.since_high + later.delta
        touches_low = self.low is None or later.low <= self.low
        joined.low = later.low if touches_low else self.low
        joined.since_low = later.since_low if touches_low else self.since_low + later.delta
        return joined

    def dump(self) -> list[int | None]:
        """Return the path as plain values."""
        return [getattr(self, name) for name in Path.__slots__]

    @staticmethod
    def load(values: Sequence[int | None]) -> "Path":
        """Return a path from plain values."""
        path = Path()
        for name, value in zip(Path.__slots__, values, strict=True):
            setattr(path, name, value)
        return path


class Bar:
    """One bar of one scope.

    `path` is None once the order of its trades is not known any more. `covered` holds the covered
    microseconds per member, taken when the bar closed.
    """

    __slots__ = (
        "covered",
        "excluded",
        "first",
        "high",
        "last",
        "low",
        "notional",
        "path",
        "rows",
        "trades_unknown",
    )

    def __init__(self) -> None:
        self.rows: dict[int, RowValues] = {}
        self.trades_unknown = 0
        self.notional = 0
        self.excluded: dict[str, int] = {}
        self.first: tuple[OrderKey, int] | None = None
        self.last: tuple[OrderKey, int] | None = None
        self.high: int | None = None
        self.low: int | None = None
        self.path: Path | None = Path()
        self.covered: dict[str, int] = {}

    def take(self, trades: Sequence[Trade], row_ticks: int) -> None:
        """Add trades in any order; the path is left to `Path.fold`."""
        rows = self.rows
        notional = self.notional
        for _, _, _, price, qty, side in trades:
            row = price - price % row_ticks
            values = rows.get(row)
            if values is None:
                values = rows[row] = [0, 0, 0, 0, 0, 0, 0]
            worth = price * qty
            notional += worth
            if side == 1:
                values[1] += qty
                values[4] += 1
                values[6] += worth
            elif side == -1:
                values[0] += qty
                values[3] += 1
                values[5] += worth
            else:
                values[2] += qty
                self.trades_unknown += 1
        self.notional = notional
        self._take_extremes(trades)

    def _take_extremes(self, trades: Sequence[Trade]) -> None:
        prices = [trade[3] for trade in trades]
        high, low = max(prices), min(prices)
        self.high = high if self.high is None else max(self.high, high)
        self.low = low if self.low is None else min(self.low, low)
        first, last = min(trades), max(trades)
        if self.first is None or first[:3] < self.first[0]:
            self.first = (first[:3], first[3])
        if self.last is None or last[:3] > self.last[0]:
            self.last = (last[:3], last[3])

    def exclude(self, order_class: str, qty: int) -> None:
        """Count quantity that has no aggressor in the book."""
        self.excluded[order_class] = self.excluded.get(order_class, 0) + qty

    def add(self, other: "Bar") -> None:
        """Add another bar's rows, sums and extremes: over venues or over time; path untouched."""
        rows = self.rows
        for row, values in other.rows.items():
            mine = rows.get(row)
            if mine is None:
                rows[row] = list(values)
            else:
                for index, value in enumerate(values):
                    mine[index] += value
        self.trades_unknown += other.trades_unknown
        self.notional += other.notional
        for order_class, qty in other.excluded.items():
            self.exclude(order_class, qty)
        if other.high is not None and other.low is not None:
            self.high = other.high if self.high is None else max(self.high, other.high)
            self.low = other.low if self.low is None else min(self.low, other.low)
        if other.first is not None and (self.first is None or other.first < self.first):
            self.first = other.first
        if other.last is not None and (self.last is None or other.last > self.last):
            self.last = other.last

    def then(self, later: "Bar") -> None:
        """Append the bar that follows in time."""
        self.add(later)
        if self.path is None or later.path is None:
            self.path = None
        else:
            self.path = self.path.then(later.path)
        for member, covered in later.covered.items():
            self.covered[member] = self.covered.get(member, 0) + covered

    def copy(self) -> "Bar":
        """Return an independent copy."""
        other = Bar()
        other.then(self)
        return other

    def sums(self) -> RowValues:
        """Return the column sums over all rows."""
        if not self.rows:
            return [0, 0, 0, 0, 0, 0, 0]
        return [sum(column) for column in zip(*self.rows.values(), strict=True)]

    def dump(self) -> Plain:
        """Return the bar as plain values."""
        return [
            sorted([row, *values] for row, values in self.rows.items()),
            self.trades_unknown,
            self.notional,
            self.excluded,
            self.first,
            self.last,
            self.high,
            self.low,
            None if self.path is None else self.path.dump(),
            self.covered,
        ]

    @staticmethod
    def load(values: Plain) -> "Bar":
        """Return a bar from plain values."""
        bar = Bar()
        rows, bar.trades_unknown, bar.notional, bar.excluded, first, last = values[:6]
        bar.rows = {row[0]: row[1:] for row in rows}
        bar.first, bar.last = _edge(first), _edge(last)
        bar.high, bar.low, path, bar.covered = values[6:]
        bar.path = None if path is None else Path.load(path)
        return bar


def _edge(values: Plain) -> tuple[OrderKey, int] | None:
    if values is None:
        return None
    (event_time_us, member, order), price = values
    return (event_time_us, member, order), price
