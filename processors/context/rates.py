"""Funding of perpetuals as records: predicted, settled, and weighted over venues.

Source: definitions 5.12, trap 18.
"""

from collections.abc import Iterable
from fractions import Fraction

from processors.context.instrument import Instrument
from processors.context.positioning import usd_of
from processors.measures.funding import parse_signed, rate_8h, rate_annual, weighted_rate
from processors.units import AssetUnits
from schemas.context import FundingRate
from schemas.units import US_PER_SECOND

LONGEST_SECONDS = 8 * 3600
"""How long a rate without a known interval counts, while the venue is there."""


def predicted(one: Instrument, end_us: int) -> tuple[FundingRate | None, str]:
    """Return the rate that a venue expects, or why there is none.

    Venues send it when it changes, so it stands for up to an interval while the stream is there;
    otherwise for two polls. After the settlement that it was for it is no prediction any more.
    """
    rate = one.ticker.predicted
    if rate is None:
        return None, "never_seen"
    if rate.due_us is not None and rate.due_us <= end_us:
        return None, "settled_since"
    if not one.is_young(rate.time_us, end_us):
        longest_us = (rate.interval_seconds or LONGEST_SECONDS) * US_PER_SECOND
        if not one.streaming:
            return None, "older_than_two_polls"
        if end_us - rate.time_us > longest_us:
            return None, "older_than_its_interval"
    return _record(rate.text, rate.interval_seconds, rate.due_us, end_us - rate.time_us), ""


def settled(one: Instrument) -> FundingRate | None:
    """Return the rate that was paid last; its interval is the one that held before it was paid."""
    rate = one.ticker.settled
    if rate is None:
        return None
    return _record(rate.text, one.ticker.interval_before(rate.time_us), rate.time_us, None)


def _record(
    text: str, interval_seconds: int | None, settlement_us: int | None, age_us: int | None
) -> FundingRate:
    hours = per_8h = annual = None
    if interval_seconds is not None:
        rate = parse_signed(text)
        hours = interval_seconds / 3600
        per_8h = float(rate_8h(rate, interval_seconds))
        annual = float(rate_annual(rate, interval_seconds))
    return FundingRate(
        rate_interval=text,
        interval_h=hours,
        rate_8h=per_8h,
        rate_annual=annual,
        settlement_time_us=settlement_us,
        age_us=age_us,
    )


def over_venues(
    instruments: Iterable[Instrument], units: AssetUnits, end_us: int
) -> tuple[float | None, list[str]]:
    """Return the rate per 8 hours weighted by open interest in dollars, and who is behind it."""
    behind: list[tuple[str, Fraction, Fraction]] = []
    for one in instruments:
        rate, usd = one.ticker.predicted, usd_of(one, units, end_us)
        found, _ = predicted(one, end_us)
        if found is None or rate is None or rate.interval_seconds is None or not usd:
            continue
        behind.append((one.name, rate_8h(parse_signed(rate.text), rate.interval_seconds), usd))
    mean = weighted_rate((rate, usd) for _, rate, usd in behind)
    return None if mean is None else float(mean), [name for name, _, _ in behind]
