"""What one instrument traded at which price, as numbers that add up over time and over venues."""

import json
from operator import add, sub

from processors.measures.rows import coarsen
from processors.plain import Plain
from processors.seconds.columns import Columns


class Profile:
    """Rows `[sell, buy, unknown]` by lower edge, and what else adds up.

    Holds at most `most` rows: beyond, rows are merged into ones twice as high (`step`), as often as
    it takes, so that sums stay exact and the memory bounded. `notional` is ticks times lots.
    `covered_us` is for how long the instrument's trades were covered, `seconds` in how many seconds
    it was listed. `high` and `low` are of everything that was ever added.
    """

    __slots__ = (
        "_most", "covered_us", "high", "low", "notional", "rows", "seconds", "step", "trades",
    )  # fmt: skip

    def __init__(self, step: int, most: int) -> None:
        self._most = most
        self.step = step
        self.rows: dict[int, list[int]] = {}
        self.notional = self.trades = self.covered_us = self.seconds = 0
        self.high: int | None = None
        self.low: int | None = None

    def __bool__(self) -> bool:
        """Say whether the instrument was listed or traded at all."""
        return bool(self.seconds or self.trades)

    @property
    def lots(self) -> tuple[int, int, int]:
        """Sell, buy and unknown lots."""
        if not self.rows:
            return 0, 0, 0
        sell, buy, unknown = map(sum, zip(*self.rows.values(), strict=True))
        return sell, buy, unknown

    def take(self, columns: Columns) -> None:
        """Add trades, at least one."""
        rows, step = self.rows, self.step
        for column, traded in enumerate(columns.traded):
            for price, lots in traded.items():
                edge = price - price % step
                row = rows.get(edge)
                if row is None:
                    row = rows[edge] = [0, 0, 0]
                row[column] += lots
        self.notional += columns.notionals[-1]
        self.trades += columns.size
        self._widen(columns.low, columns.high)
        self._limit()

    def add(self, other: "Profile") -> None:
        """Add another one."""
        rows = self._rows_like(other)
        mine = self.rows
        for edge, row in rows.items():
            own = mine.get(edge)
            mine[edge] = list(row) if own is None else list(map(add, own, row))
        self._add_sums(other, 1)
        if other.low is not None and other.high is not None:
            self._widen(other.low, other.high)
        self._limit()

    def remove(self, other: "Profile") -> None:
        """Take one away that was added; `high` and `low` stay."""
        for edge, row in self._rows_like(other).items():
            left = list(map(sub, self.rows[edge], row))
            if any(left):
                self.rows[edge] = left
            else:
                del self.rows[edge]
        self._add_sums(other, -1)

    def _rows_like(self, other: "Profile") -> dict[int, list[int]]:
        """Bring both to the higher step; return the other's rows at it."""
        if other.step > self.step:
            self.step = other.step
            self.rows = coarsen(self.rows, self.step)
        return other.rows if other.step == self.step else coarsen(other.rows, self.step)

    def _add_sums(self, other: "Profile", sign: int) -> None:
        self.notional += sign * other.notional
        self.trades += sign * other.trades
        self.covered_us += sign * other.covered_us
        self.seconds += sign * other.seconds

    def _widen(self, low: int, high: int) -> None:
        self.low = low if self.low is None else min(self.low, low)
        self.high = high if self.high is None else max(self.high, high)

    def _limit(self) -> None:
        while len(self.rows) > self._most:
            self.step *= 2
            self.rows = coarsen(self.rows, self.step)

    def encode(self) -> bytes:
        """Return it as bytes."""
        return json.dumps(self.dump(), separators=(",", ":")).encode()

    def dump(self) -> Plain:
        """Return it as plain values."""
        sums = [self.notional, self.trades, self.covered_us, self.seconds, self.high, self.low]
        return [self.step, sums, [[edge, *row] for edge, row in sorted(self.rows.items())]]

    @staticmethod
    def load(values: Plain, most: int) -> "Profile":
        """Return a profile from plain values."""
        step, sums, rows = values
        profile = Profile(step, most)
        profile.notional, profile.trades, profile.covered_us, profile.seconds = sums[:4]
        profile.high, profile.low = sums[4:]
        profile.rows = {row[0]: row[1:] for row in rows}
        return profile
