"""Two signs with dead zones make a quadrant (definitions 5.12).

A value in a dead zone (strictly below its edge) has no direction; both need one for a quadrant.
Edges are ratios of integers and compared by cross-multiplication.
"""

from schemas.context import BookFlow, PriceInterest

Ratio = tuple[int, int]
"""`(numerator, denominator)`, the latter above zero."""

_PRICE_INTEREST = {
    (1, 1): PriceInterest.NEW_LONGS,
    (1, -1): PriceInterest.SHORT_COVERING,
    (-1, 1): PriceInterest.NEW_SHORTS,
    (-1, -1): PriceInterest.LONG_CLOSING,
}
_BOOK_FLOW = {
    (1, 1): BookFlow.ALIGNED_BID,
    (-1, -1): BookFlow.ALIGNED_OFFER,
    (1, -1): BookFlow.SELLING_INTO_BIDS,
    (-1, 1): BookFlow.BUYING_INTO_OFFERS,
}


def direction(value: int, dead: Ratio, unit: Ratio) -> int:
    """Return the sign of a value, 0 where it is smaller than `dead` times `unit`."""
    if abs(value) * dead[1] * unit[1] < dead[0] * unit[0]:
        return 0
    return (value > 0) - (value < 0)


def price_interest(
    price_change: int, atr: Ratio, interest: tuple[int, int], dead: tuple[Ratio, Ratio]
) -> PriceInterest:
    """Name the quadrant of a price change and a change of open interest.

    Args:
        price_change: in any unit.
        atr: average true range in the same unit.
        interest: open interest in base coin at the start, and its change.
        dead: the edge of the dead zone in ATRs, and in shares of the open interest.
    """
    start, change = interest
    signs = direction(price_change, dead[0], atr), direction(change, dead[1], (start, 1))
    return _PRICE_INTEREST.get(signs, PriceInterest.NEUTRAL)


def book_flow(obi: Ratio, cvd: Ratio, dead: Ratio) -> BookFlow:
    """Name the quadrant of book imbalance and normalised CVD.

    Args:
        obi: imbalance as a ratio in [-1, 1].
        cvd: CVD over its usual size.
        dead: the edge of both dead zones.
    """
    signs = direction(obi[0], dead, (obi[1], 1)), direction(cvd[0], dead, (cvd[1], 1))
    return _BOOK_FLOW.get(signs, BookFlow.NEUTRAL)
