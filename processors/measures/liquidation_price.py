"""At which price an isolated linear position is liquidated (definitions 5.11, trap 16).

    long:  P = E (1 - 1/L) / (1 - m - f)        short:  P = E (1 + 1/L) / (1 + m + f)

with entry E, leverage L, maintenance rate m and close fee f. The rule of thumb E (1 -+ 1/L) leaves
the maintenance margin out and is twice too far away at 100x. Cross margin, hedges and added margin
make any such price wrong: it is an estimate.
"""

from fractions import Fraction

from schemas.liquidations import LiquidatedSide

PPM = 1_000_000


def liquidation_ratio(side: LiquidatedSide, leverage: int, margin_ppm: int) -> tuple[int, int]:
    """Return liquidation price over entry price as a ratio.

    Args:
        side: of the position.
        leverage: above 1 (a long that borrows nothing is never liquidated).
        margin_ppm: maintenance rate and close fee together, in millionths.
    """
    sign = int(side)
    return (leverage - sign) * PPM, leverage * (PPM - sign * margin_ppm)


def liquidation_price(
    entry: int | Fraction, side: LiquidatedSide, leverage: int, margin_ppm: int
) -> Fraction:
    """Return the liquidation price, exactly, in the unit of the entry."""
    return entry * Fraction(*liquidation_ratio(side, leverage, margin_ppm))


def survives_entry(leverage: int, margin_ppm: int) -> bool:
    """Say whether a position is not liquidated the moment it is opened."""
    return margin_ppm * leverage < PPM
