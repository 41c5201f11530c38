"""Some trades of one scope, as columns: sums over any run of them without a loop in Python."""

from collections.abc import Sequence
from functools import cached_property
from itertools import accumulate
from operator import mul
from typing import NamedTuple

from processors.path import Path, path_of
from processors.trades import Trade

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


class Columns:
    """At least one trade, in tape order.

    `lots` and `notionals` are cumulative: entry `n` is over the first `n` trades.
    """

    def __init__(self, trades: Sequence[Trade]) -> None:
        self.size = len(trades)
        self.times, _, _, self.prices, self.qtys, self.sides = zip(*trades, strict=True)
        self.signed = list(map(mul, self.qtys, self.sides))
        self.high, self.low = max(self.prices), min(self.prices)
        self._sided = 0 not in self.sides

    @cached_property
    def lots(self) -> list[int]:
        """Cumulative lots."""
        return list(accumulate(self.qtys, initial=0))

    @cached_property
    def notionals(self) -> list[int]:
        """Cumulative ticks times lots."""
        return list(accumulate(map(mul, self.prices, self.qtys), initial=0))

    @cached_property
    def whole(self) -> Piece:
        """All of them."""
        return self._piece(0, self.size)

    def piece(self, start: int, end: int) -> Piece:
        """Return the sums over the trades `[start, end)`, at least one."""
        return self.whole if end - start == self.size else self._piece(start, end)

    def _piece(self, start: int, end: int) -> Piece:
        prices, signed = self.prices[start:end], self.signed[start:end]
        path = path_of(prices, signed, max(prices), min(prices))
        unknown = (0, 0, 0) if self._sided else self._unknown(start, end)
        sums = (
            end - start,
            sum(self.sides[start:end]),
            unknown[0],
            self.lots[end] - self.lots[start],
            path.delta,
            unknown[1],
            self.notionals[end] - self.notionals[start],
            sum(map(mul, signed, prices)),
            unknown[2],
        )
        return Piece(sums, path, prices[0], prices[-1], self.times[start], self.times[end - 1])

    def _unknown(self, start: int, end: int) -> tuple[int, int, int]:
        """Return number, lots and notional of the trades without a side."""
        places = [place for place in range(start, end) if not self.sides[place]]
        lots = sum([self.qtys[place] for place in places])
        return len(places), lots, sum([self.prices[p] * self.qtys[p] for p in places])

    def part(self, place: int, lots: int, *, begins: bool) -> Piece:
        """Return a part of one trade; only the part that it begins with counts as a trade."""
        price, side, time_us = self.prices[place], self.sides[place], self.times[place]
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
