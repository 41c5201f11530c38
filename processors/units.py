"""The common grids of an asset: what lets integers of different venues be added.

A venue's tick and lot must be whole multiples of the asset's `tick` and `lot`; every price and
quantity inside the operators is an integer on these.
"""

from collections.abc import Mapping
from decimal import Decimal
from math import ceil

import msgspec

from schemas.trades import BatchHeader, TradeBatch
from schemas.units import plain, steps_in


class AssetUnits(msgspec.Struct, frozen=True, kw_only=True):
    """The grids of one asset as decimal text: `tick`, `row_size` (quote), `lot` (base coin).

    Raises:
        ValueError: `row_size` is no multiple of `tick`, or 1 quote or a hundredth of it cannot be
            said exactly in ticks, or ticks times lots.
    """

    tick: str
    lot: str
    row_size: str

    def __post_init__(self) -> None:
        for steps in (self.row_ticks, self.price_denominator, self.notional_per_cent):
            if steps < 1:
                raise ValueError(f"no grid: {self}")

    @property
    def row_ticks(self) -> int:
        """The height of a footprint row in ticks."""
        return steps_in(self.row_size, self.tick)

    @property
    def price_denominator(self) -> int:
        """How many ticks make one unit of quote (the tick is a power of ten)."""
        return steps_in("1", self.tick)

    @property
    def notional_per_cent(self) -> int:
        """How many units of `ticks * lots` make one hundredth of the quote."""
        step = Decimal(self.tick) * Decimal(self.lot)
        return steps_in("0.01", plain(step))


DEFAULT_UNITS = {
    "BTC": AssetUnits(tick="0.001", lot="0.00000001", row_size="10"),
    "ETH": AssetUnits(tick="0.0001", lot="0.00000001", row_size="0.5"),
    "SOL": AssetUnits(tick="0.00001", lot="0.00000001", row_size="0.05"),
    "BNB": AssetUnits(tick="0.0001", lot="0.00000001", row_size="0.1"),
    "XRP": AssetUnits(tick="0.000001", lot="0.000001", row_size="0.001"),
    "DOGE": AssetUnits(tick="0.0000001", lot="0.000001", row_size="0.0001"),
}
"""Row sizes of definitions 5.2; grids finer than any venue's of these assets."""


def units_of(batch: BatchHeader, known: Mapping[str, AssetUnits]) -> AssetUnits | None:
    """Return the grids of a batch's asset: known ones, else by its first trade; None before that.

    Args:
        batch: of any topic.
        known: by settings or by what the store has; they come before the built-in ones.

    Raises:
        ValueError: its first trade cannot be.
    """
    units = known.get(batch.asset) or DEFAULT_UNITS.get(batch.asset)
    if units is not None or not isinstance(batch, TradeBatch) or not batch.rows:
        return units
    tick, lot = Decimal(batch.tick), Decimal(batch.lot)
    if tick <= 0 or lot <= 0 or batch.rows[0][1] <= 0:
        raise ValueError("tick, lot and price must be above zero")
    return fallback_units(batch.rows[0][1] * tick, tick, lot)


def fallback_units(price: Decimal, tick: Decimal, lot: Decimal) -> AssetUnits:
    """Choose grids for an asset that settings do not name, from its first trade.

    The row is one basis point of the price, rounded down to 1, 2 or 5 times a power of ten, then
    up to whole ticks of the trade's venue: a row without a tick of its own could never trade.
    Coins that trade in lots of 10 or more are counted in hundredths, others to 8 places.
    """
    basis_point = price / 10_000
    decade = Decimal(1).scaleb(basis_point.adjusted())
    leading = max(step for step in (1, 2, 5) if step * decade <= basis_point)
    return AssetUnits(
        tick="0.000000000001",
        lot="0.01" if lot >= 10 else "0.00000001",
        row_size=plain(tick * ceil(leading * decade / tick)),
    )
