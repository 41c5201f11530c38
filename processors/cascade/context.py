"""Open interest and resting depth of an instrument, as far as they are known in a second."""

from collections.abc import Iterable, Mapping

from processors.context.ticker import lots_of
from processors.seconds.second import MemberSecond
from schemas.books import ASK_COVERED, BID_COVERED
from schemas.units import US_PER_SECOND


def interest_of(
    perps: Iterable[MemberSecond], lot: str, end_us: int, age_seconds: int
) -> tuple[dict[str, int], dict[str, int]]:
    """Return open interest in lots where it is young enough, and its age in microseconds anywhere.

    It is not younger than its receipt: a venue's clock that is ahead makes nothing fresh.

    Args:
        perps: the instruments.
        lot: of the asset.
        end_us: the time it is.
        age_seconds: what is older is not known.
    """
    lots: dict[str, int] = {}
    ages: dict[str, int] = {}
    for member in perps:
        ticker = member.ticker
        if ticker is None or ticker.open_interest is None or ticker.open_interest_time_us is None:
            continue
        observed_us = min(ticker.open_interest_time_us, ticker.receive_time_us)
        ages[member.name] = max(0, end_us - observed_us)
        if ages[member.name] <= age_seconds * US_PER_SECOND:
            lots[member.name] = lots_of(ticker.open_interest, lot)
    return lots, ages


def depth_of(perps: Iterable[MemberSecond], sign: int, band_bp: int) -> dict[str, int]:
    """Return the lots that rest in the way of a move, where the book is known to the band's edge.

    Args:
        perps: the instruments.
        sign: 1 for a rise (asks are in its way), -1 for a fall (bids are).
        band_bp: half width of the band around mid.
    """
    covered, column = (ASK_COVERED, 2) if sign > 0 else (BID_COVERED, 1)
    return {
        member.name: band[column] * member.book.lot_factor
        for member in perps
        if member.book is not None
        for band in member.book.bands
        if band[0] == band_bp and band[5] & covered
    }


def change(start: Mapping[str, int], now: Mapping[str, int]) -> tuple[float | None, list[str]]:
    """Return the relative change of the sum over what is known both times, and its names."""
    names = sorted(start.keys() & now.keys())
    before = sum(start[name] for name in names)
    if not before:
        return None, names
    return (sum(now[name] for name in names) - before) / before, names
