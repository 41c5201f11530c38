"""A footprint bar as numbers that add up: over trades, over venues, over time.

Everything but the path is order-free, so rows and sums are taken in as trades arrive. The path
(delta extremes, delta since the high and low) and open and close need the tape's order. Prices are
ticks, quantities lots, notionals ticks times lots, all on the asset's grid.
Source: definitions 5.1, 5.2.
"""

from collections.abc import Mapping
from operator import add

from processors.path import Path
from processors.plain import Plain
from processors.trades import Block, Trade

SELL, BUY, UNKNOWN, TRADES_SELL, TRADES_BUY, SELL_NOTIONAL, BUY_NOTIONAL = range(7)

RowValues = list[int]
"""`[sell, buy, unknown, trades_sell, trades_buy, sell_notional, buy_notional]` of one row."""

Edge = tuple[tuple[int, str, int], int]
"""`((event_time_us, member, rank), price)`: a trade's place on the tape and its price."""


class Bar:
    """One bar of one scope.

    `path` is None once the order of its trades is not known any more. `members` says of each feed
    behind the bar for how many microseconds it was there and how many trades it had;
    `first_offset` is the input record that first added to the bar.
    """

    __slots__ = (
        "excluded",
        "first",
        "first_offset",
        "high",
        "last",
        "low",
        "members",
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
        self.first: Edge | None = None
        self.last: Edge | None = None
        self.high: int | None = None
        self.low: int | None = None
        self.path: Path | None = Path()
        self.members: dict[str, tuple[int, int]] = {}
        self.first_offset: int | None = None

    def take(self, block: Block, row_ticks: int) -> None:
        """Add trades; the path is left to the tape."""
        high, low = block.high, block.low
        self.high = high if self.high is None else max(self.high, high)
        self.low = low if self.low is None else min(self.low, low)
        first, last = _place(block.trades[0]), _place(block.trades[-1])
        if self.first is None or first < self.first:
            self.first = first
        if self.last is None or last > self.last:
            self.last = last
        row = low - low % row_ticks
        if high < row + row_ticks and 0 not in block.sides:
            self._take_row(row, block)
        else:
            self._take_rows(row_ticks, block)

    def _take_row(self, row: int, block: Block) -> None:
        """Add trades of one row that all have a side."""
        delta, worth_delta, qty, worth = block.sums()
        buys = block.sides.count(1)
        values = self._row(row)
        values[SELL] += (qty - delta) // 2
        values[BUY] += (qty + delta) // 2
        values[TRADES_SELL] += len(block.sides) - buys
        values[TRADES_BUY] += buys
        values[SELL_NOTIONAL] += (worth - worth_delta) // 2
        values[BUY_NOTIONAL] += (worth + worth_delta) // 2
        self.notional += worth

    def _take_rows(self, row_ticks: int, block: Block) -> None:
        rows, notional = self.rows, self.notional
        for price, qty, side in zip(block.prices, block.qtys, block.sides, strict=True):
            row = price - price % row_ticks
            values = rows.get(row) or self._row(row)
            worth = price * qty
            notional += worth
            if side == 1:
                values[BUY] += qty
                values[TRADES_BUY] += 1
                values[BUY_NOTIONAL] += worth
            elif side == -1:
                values[SELL] += qty
                values[TRADES_SELL] += 1
                values[SELL_NOTIONAL] += worth
            else:
                values[UNKNOWN] += qty
                self.trades_unknown += 1
        self.notional = notional

    def _row(self, row: int) -> RowValues:
        values = self.rows.get(row)
        if values is None:
            values = self.rows[row] = [0, 0, 0, 0, 0, 0, 0]
        return values

    def exclude(self, order_class: str, qty: int) -> None:
        """Count quantity that has no aggressor in the book."""
        self.excluded[order_class] = self.excluded.get(order_class, 0) + qty

    def add(self, other: "Bar") -> None:
        """Add another bar's rows, sums and extremes: over venues or over time; path untouched."""
        rows = self.rows
        for row, values in other.rows.items():
            mine = rows.get(row)
            rows[row] = list(values) if mine is None else list(map(add, mine, values))
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
        self.note_offset(other.first_offset)

    def note_offset(self, offset: int | None) -> None:
        """Remember the first input record that added to the bar."""
        if offset is not None and (self.first_offset is None or offset < self.first_offset):
            self.first_offset = offset

    def note_members(self, members: Mapping[str, tuple[int, int]]) -> None:
        """Add covered time and trades of the feeds behind the bar."""
        for name, (covered_us, trades) in members.items():
            before = self.members.get(name, (0, 0))
            self.members[name] = (before[0] + covered_us, before[1] + trades)

    def then(self, later: "Bar") -> None:
        """Append the bar that follows in time."""
        self.add(later)
        if self.path is None or later.path is None:
            self.path = None
        else:
            self.path = self.path.then(later.path)
        self.note_members(later.members)

    def copy(self) -> "Bar":
        """Return an independent copy."""
        other = Bar()
        other.then(self)
        return other

    @property
    def trades(self) -> int:
        """Trades in the rows of the bar."""
        sums = self.sums()
        return sums[TRADES_SELL] + sums[TRADES_BUY] + self.trades_unknown

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
            sorted(self.excluded.items()),
            self.first,
            self.last,
            self.high,
            self.low,
            self.path,
            sorted(self.members.items()),
            self.first_offset,
        ]

    @staticmethod
    def load(values: Plain) -> "Bar":
        """Return a bar from plain values."""
        bar = Bar()
        rows, bar.trades_unknown, bar.notional, excluded, first, last = values[:6]
        bar.rows = {row[0]: row[1:] for row in rows}
        bar.excluded = dict(excluded)
        bar.first, bar.last = _edge(first), _edge(last)
        bar.high, bar.low, path, members, bar.first_offset = values[6:]
        bar.path = None if path is None else Path.load(path)
        bar.members = {name: (covered_us, trades) for name, (covered_us, trades) in members}
        return bar


def _place(trade: Trade) -> Edge:
    return trade[:3], trade[3]


def _edge(values: Plain) -> Edge | None:
    if values is None:
        return None
    (event_time_us, member, rank), price = values
    return (event_time_us, member, rank), price
