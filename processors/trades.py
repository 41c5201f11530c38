"""Trades on the asset's grid: checked, scaled, as columns and as the tuples that operators see."""

from collections.abc import Sequence
from typing import NamedTuple

from schemas.market import CLASS_MASK, EXCLUDED_CLASSES, Side
from schemas.trades import TradeBatch

Trade = tuple[int, str, int, int, int, int]
"""`(event_time_us, member, rank, price, qty, side)` on the asset's grid; sorts into tape order."""

EXCLUDED = frozenset(int(order_class) for order_class in EXCLUDED_CLASSES)

_SIDES = frozenset(int(side) for side in Side)
_LIMIT = 1 << 62
"""Above every number that makes sense; products and sums are exact at any size."""


class Rows(NamedTuple):
    """A batch's rows as columns. `plain` says that no row is of an excluded class."""

    times: Sequence[int]
    ranks: Sequence[int]
    prices: Sequence[int]
    qtys: Sequence[int]
    sides: Sequence[int]
    ids: Sequence[int | str]
    flags: Sequence[int]
    plain: bool


def checked(batch: TradeBatch, factors: tuple[int, int], sequential: bool) -> Rows:
    """Return a batch's rows on the asset's grid.

    Args:
        batch: with at least one row.
        factors: how many of the asset's ticks and lots make one of the batch's.
        sequential: whether the trade ids order the trades; otherwise their place in the batch does.

    Raises:
        ValueError: a number that no trade can have.
    """
    times, prices, qtys, sides, ids, flags = zip(*batch.rows, strict=True)
    if factors[0] != 1:
        prices = tuple([price * factors[0] for price in prices])
    if factors[1] != 1:
        qtys = tuple([qty * factors[1] for qty in qtys])
    if not _SIDES.issuperset(sides):
        raise ValueError(f"a side must be 1, -1 or 0, was one of {sorted(set(sides))[:10]}")
    ranks: Sequence[int] = range(batch.sequence << 20, (batch.sequence << 20) + len(times))
    if sequential:
        if set(map(type, ids)) != {int}:
            ids = tuple(map(int, ids))
        ranks = ids
    for name, values, least in (
        ("time", times, 0),
        ("price", prices, 1),
        ("quantity", qtys, 1),
        ("trade id", ranks, 0),
    ):
        if min(values) < least or max(values) >= _LIMIT:
            raise ValueError(f"a {name} of a trade is below {least} or above 2**62")
    classes = {flag & CLASS_MASK for flag in set(flags)}
    return Rows(times, ranks, prices, qtys, sides, ids, flags, EXCLUDED.isdisjoint(classes))
