"""Which of the positions opened in directional moves are under water, row by row."""

from collections.abc import Sequence

import msgspec

from processors.context.polls import Polls
from processors.liquidation_levels.positions import Held
from processors.liquidation_levels.scale import Scale
from processors.units import AssetUnits
from schemas.liquidations import LiquidatedSide
from schemas.trapped import TrappedRow

BP = 10_000
LONG_LANE, SHORT_LANE = 0, 1
LANES = (LiquidatedSide.LONG, LiquidatedSide.SHORT)


class TrappedParams(msgspec.Struct, frozen=True, kw_only=True):
    """What decides who is trapped; all of it our own defaults.

    A minute ends a move where the price has gone `move_atr` average true ranges (of `atr_bars`
    minutes) in `move_bars` minutes. Positions fade with the half-life and are taken to be closed
    once they have lost `lost_bp`: at 2000 even the lowest leverage of the liquidation levels is.

    Raises:
        ValueError: a number that cannot be.
    """

    move_bars: int = 5
    move_atr: tuple[int, int] = (3, 2)
    atr_bars: int = 14
    half_life_minutes: int = 1440
    kept_days: int = 7
    lost_bp: int = 2_000
    most_rows: int = 1_000
    polls: Polls = Polls()

    def __post_init__(self) -> None:
        if min(self.move_bars, self.half_life_minutes, self.kept_days, self.most_rows) < 1:
            raise ValueError("expected bars, half life, days and rows above zero")
        if self.atr_bars < 2:
            raise ValueError(f"expected a range of two bars or more, was {self.atr_bars}")
        if self.move_atr[0] < 0 or self.move_atr[1] < 1:
            raise ValueError(f"expected a ratio of natural numbers, was {self.move_atr}")
        if not 0 < self.lost_bp < BP:
            raise ValueError(f"expected a loss below all of it, was {self.lost_bp} bp")


def lost_rows(low: int, high: int, row_ticks: int, lost_bp: int) -> tuple[int, int]:
    """Return from which row longs, and up to which shorts, have lost so much at these prices.

    Entries count as at the edge of the row that has lost least, so all of the row has.
    """
    longs_from = -(-low * BP // (BP - lost_bp))
    shorts_to = high * BP // (BP + lost_bp) - row_ticks + 1
    return longs_from, shorts_to


def is_under_water(lane: int, row: int, row_ticks: int, price: int) -> bool:
    """Say whether all of a row is on the losing side of a price."""
    return row > price if lane == LONG_LANE else row + row_ticks <= price


def trapped_rows(
    held: Sequence[Held], scale: Scale, price: int, interest: int | None, units: AssetUnits
) -> list[TrappedRow]:
    """Return the rows under water that are worth a cent.

    Args:
        held: everything, by lane and row.
        scale: what units are worth.
        price: the present one, in ticks.
        interest: open interest in lots, None where it is not known.
        units: of the asset.
    """
    per_cent, row_ticks = units.notional_per_cent, units.row_ticks
    found = []
    for lane, row, count, since_us in held:
        if not is_under_water(lane, row, row_ticks, price):
            continue
        usd = scale.worth(count, price, per_cent)
        lost = scale.worth(count, abs(2 * row + row_ticks - 2 * price), 2 * per_cent)
        share = scale.worth(count) / interest if interest else None
        if usd:
            found.append(TrappedRow(row, LANES[lane], usd, lost, share, since_us))
    return found
