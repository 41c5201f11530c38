"""Trades on the asset's grid: checked, scaled, as columns and as the tuples that operators see."""

from collections.abc import Sequence
from itertools import repeat
from operator import mul
from typing import Annotated, Literal, NamedTuple

from msgspec import Meta

from processors.path import Path, path_of
from schemas.market import CLASS_MASK, EXCLUDED_CLASSES
from schemas.trades import TradeBatch

Trade = tuple[int, str, int, int, int, int]
"""`(event_time_us, member, rank, price, qty, side)` on the asset's grid; sorts into tape order."""

EXCLUDED = frozenset(int(order_class) for order_class in EXCLUDED_CLASSES)

MAX_PRICE = 1 << 60
MAX_QTY = 1 << 53
"""In ticks and lots of the asset: beyond what can be traded, so that sums stay within 64 bits."""

_Natural = Annotated[int, Meta(ge=0, lt=1 << 62)]
_Positive = Annotated[int, Meta(gt=0)]
_Side = Literal[-1, 0, 1]
_CheckedRow = tuple[_Natural, _Positive, _Positive, _Side, _Natural | str, _Natural]


class CheckedBatch(TradeBatch, frozen=True, kw_only=True):
    """A trade batch whose decoder refuses numbers that no trade can have."""

    rows: list[_CheckedRow]  # type: ignore[assignment]  # the same, within bounds


class Rows(NamedTuple):
    """A batch's rows as columns. `plain` says that no row is of an excluded class.

    `tick` is how many of the asset's ticks make one of the batch's.
    """

    times: Sequence[int]
    ranks: Sequence[int]
    prices: Sequence[int]
    qtys: Sequence[int]
    sides: Sequence[int]
    ids: Sequence[int | str]
    flags: Sequence[int]
    plain: bool
    tick: int


def columns_of(batch: TradeBatch, factors: tuple[int, int], sequential: bool) -> Rows:
    """Return a batch's rows on the asset's grid.

    Args:
        batch: with at least one row.
        factors: how many of the asset's ticks and lots make one of the batch's.
        sequential: whether the trade ids order the trades; otherwise their place in the batch does.

    Raises:
        ValueError: a sequential id is not a number, or a price or quantity is beyond all bounds.
    """
    times, prices, qtys, sides, ids, flags = zip(*batch.rows, strict=True)
    if factors[0] != 1:
        prices = tuple(map(mul, prices, repeat(factors[0])))
    if factors[1] != 1:
        qtys = tuple(map(mul, qtys, repeat(factors[1])))
    if max(prices) >= MAX_PRICE or max(qtys) >= MAX_QTY:
        raise ValueError(f"price {max(prices)} or quantity {max(qtys)} beyond all bounds")
    ranks: Sequence[int] = range(batch.sequence << 20, (batch.sequence << 20) + len(times))
    if sequential:
        if set(map(type, ids)) != {int}:
            ids = tuple(map(int, ids))
        ranks = ids
    plain = all(flag & CLASS_MASK not in EXCLUDED for flag in set(flags))
    return Rows(times, ranks, prices, qtys, sides, ids, flags, plain, factors[0])


Columns = Sequence[Sequence[int]]


class Block:
    """Some trades of one instrument in tape order, as tuples and as columns; at least one.

    What several operators ask for is worked out once. `columns` are the prices, quantities and
    sides of the trades where they are known already.
    """

    __slots__ = ("_path", "_sums", "high", "low", "prices", "qtys", "sides", "signed", "trades")

    def __init__(self, trades: list[Trade], columns: Columns | None = None) -> None:
        self.trades = trades
        known: Columns = tuple(zip(*trades, strict=True))[3:] if columns is None else columns
        self.prices, self.qtys, self.sides = known
        self.high, self.low = max(self.prices), min(self.prices)
        self.signed = list(map(mul, self.qtys, self.sides))
        self._sums: tuple[int, int, int, int] | None = None
        self._path: Path | None = None

    def path(self) -> Path:
        """Return the path over these trades alone."""
        if self._path is None:
            self._path = path_of(self.prices, self.signed, self.high, self.low)
        return self._path

    def sums(self) -> tuple[int, int, int, int]:
        """Return delta, delta times price, volume, volume times price of trades with a side."""
        if self._sums is None:
            prices, signed = self.prices, self.signed
            sided = list(map(abs, signed)) if 0 in signed else self.qtys
            self._sums = (
                sum(signed),
                sum(map(mul, signed, prices)),
                sum(sided),
                sum(map(mul, sided, prices)),
            )
        return self._sums
