"""Trades of one second as columns, each made once, when the first operator asks for it.

What an operator wants of the trades of a second is nearly always a sum, an extreme or a path over
them. From columns those come without a loop in Python, and what several operators want is worked
out for the first of them alone. Nobody changes what is handed out here.

Cost: about 0.1 us a trade for the columns themselves and 0.05 us for each that is made of them.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import accumulate
from operator import mul
from typing import NamedTuple

from processors.measures.sweeps import breaks, per_sweep
from processors.trades import Trade


class Traded(NamedTuple):
    """Lots by price: what sellers and what buyers took, and what has no side."""

    sells: Mapping[int, int]
    buys: Mapping[int, int]
    unknown: Mapping[int, int]


class Volume(NamedTuple):
    """Sums over trades with a side: lots, and ticks times lots."""

    lots: int
    notional: int


class Columns:
    """The trades of one scope in one second, in tape order.

    Columns without the word are as long as the tape. Those that are cumulative begin with 0: entry
    n is over the first n trades.

    Args:
        trades: in tape order; there may be none.
    """

    def __init__(self, trades: Sequence[Trade]) -> None:
        self.trades = trades
        self.size = len(trades)
        columns = tuple(zip(*trades, strict=True)) or ((),) * 6
        self.times: Sequence[int]
        self.ranks: Sequence[int]
        self.prices: Sequence[int]
        self.qtys: Sequence[int]
        self.sides: Sequence[int]
        self.times, _, self.ranks, self.prices, self.qtys, self.sides = columns

    @cached_property
    def high(self) -> int:
        """The highest price; there must be a trade."""
        return max(self.prices)

    @cached_property
    def low(self) -> int:
        """The lowest price; there must be a trade."""
        return min(self.prices)

    @cached_property
    def sided(self) -> bool:
        """Whether every trade has a side."""
        return 0 not in self.sides

    @cached_property
    def lots(self) -> list[int]:
        """Cumulative lots."""
        return list(accumulate(self.qtys, initial=0))

    @cached_property
    def deltas(self) -> list[int]:
        """Cumulative lots, those of sellers below zero."""
        return list(accumulate(map(mul, self.qtys, self.sides), initial=0))

    @cached_property
    def notionals(self) -> list[int]:
        """Cumulative ticks times lots."""
        return list(accumulate(map(mul, self.prices, self.qtys), initial=0))

    @cached_property
    def delta_notionals(self) -> list[int]:
        """Cumulative ticks times lots, those of sellers below zero."""
        signed = map(mul, self.qtys, self.sides)
        return list(accumulate(map(mul, self.prices, signed), initial=0))

    @cached_property
    def volume(self) -> Volume:
        """What traded with a side."""
        if self.sided:
            return Volume(self.lots[-1], self.notionals[-1])
        sided = [
            (lots, trade[3] * lots) for trade in self.trades if trade[5] and (lots := trade[4])
        ]
        return Volume(sum([lots for lots, _ in sided]), sum([worth for _, worth in sided]))

    @property
    def aggressor_notional(self) -> tuple[int, int]:
        """What buyers and what sellers took, in ticks times lots."""
        volume, delta = self.volume.notional, self.delta_notionals[-1]
        return (volume + delta) // 2, (volume - delta) // 2

    @property
    def unknown_notional(self) -> int:
        """What was taken by nobody knows whom, in ticks times lots."""
        return self.notionals[-1] - self.volume.notional

    @cached_property
    def traded(self) -> Traded:
        """What traded at which price."""
        sells, buys, unknown = (defaultdict[int, int](int) for _ in range(3))
        by_side = (unknown, buys, sells)  # 0, 1 and, counted from the end, -1
        for price, lots, side in zip(self.prices, self.qtys, self.sides, strict=True):
            by_side[side][price] += lots
        return Traded(dict(sells), dict(buys), dict(unknown))

    # --- of one instrument

    @cached_property
    def sweeps(self) -> list[int]:
        """The index of the first fill of every sweep (`processors.measures.sweeps`)."""
        return breaks(self.times, self.sides, self.ranks)

    @cached_property
    def sweep_notionals(self) -> list[int]:
        """Ticks times lots of every sweep."""
        return per_sweep(self.notionals, self.sweeps)

    def sweep_span(self, place: int) -> tuple[int, int]:
        """Return the first fill of a sweep, and the one after its last."""
        begun = self.sweeps
        return begun[place], begun[place + 1] if place + 1 < len(begun) else self.size
