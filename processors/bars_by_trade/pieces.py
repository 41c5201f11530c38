"""Runs of the trades of one scope in one second, summed up without a loop in Python."""

from collections.abc import Iterator
from typing import NamedTuple

from processors.path import Path, path_along, path_of
from processors.seconds.columns import Columns

Sums = tuple[int, ...]

(
    TRADES, TRADES_DELTA, TRADES_UNKNOWN,
    LOTS, DELTA, UNKNOWN,
    NOTIONAL, NOTIONAL_DELTA, NOTIONAL_UNKNOWN,
) = range(9)  # fmt: skip
"""Places in `Sums`: all, buys less sells, those without a side; of trades, lots, ticks x lots."""


class Piece(NamedTuple):
    """Trades that follow one another, at least one, summed up."""

    sums: Sums
    path: Path
    open: int
    close: int
    first_us: int
    last_us: int


class Pieces:
    """The trades of one scope in one second, at least one, for all its series.

    A piece that several series ask for is summed up once.

    Args:
        columns: the trades.
        block: so many trades are looked at together.
    """

    def __init__(self, columns: Columns, block: int) -> None:
        self.columns = columns
        self._block = block
        self._known: dict[tuple[int, int], Piece] = {}

    def blocks(self) -> Iterator[tuple[int, int]]:
        """Yield the blocks `[start, end)`."""
        size = self.columns.size
        for start in range(0, size, self._block):
            yield start, min(start + self._block, size)

    def piece(self, start: int, end: int) -> Piece:
        """Return the sums over the trades `[start, end)`, at least one."""
        piece = self._known.get((start, end))
        if piece is None:
            piece = self._known[start, end] = self._sum_up(start, end)
        return piece

    def _sum_up(self, start: int, end: int) -> Piece:
        columns = self.columns
        prices = columns.prices[start:end]
        path = path_along(prices, columns.deltas[start : end + 1], max(prices), min(prices))
        unknown = (0, 0, 0) if columns.sided else self._unknown(start, end)
        sums = (
            end - start,
            sum(columns.sides[start:end]),
            unknown[0],
            columns.lots[end] - columns.lots[start],
            path.delta,
            unknown[1],
            columns.notionals[end] - columns.notionals[start],
            columns.delta_notionals[end] - columns.delta_notionals[start],
            unknown[2],
        )
        times = columns.times
        return Piece(sums, path, prices[0], prices[-1], times[start], times[end - 1])

    def _unknown(self, start: int, end: int) -> tuple[int, int, int]:
        """Return number, lots and notional of the trades without a side."""
        columns = self.columns
        trades = [trade for trade in columns.trades[start:end] if not trade[5]]
        lots = sum([trade[4] for trade in trades])
        return len(trades), lots, sum([trade[3] * trade[4] for trade in trades])

    def part(self, place: int, lots: int, *, begins: bool) -> Piece:
        """Return a part of one trade; only the part that it begins with counts as a trade."""
        columns = self.columns
        price, side, time_us = columns.prices[place], columns.sides[place], columns.times[place]
        signed = lots * side
        sums = (
            int(begins),
            side if begins else 0,
            int(begins and not side),
            lots,
            signed,
            0 if side else lots,
            lots * price,
            signed * price,
            0 if side else lots * price,
        )
        path = path_of((price,), (signed,), price, price)
        return Piece(sums, path, price, price, time_us, time_us)
