"""Tell possible values of a ticker from impossible ones, before anything is computed from them.

A venue that sends nonsense for one field has not lost the others: what cannot be is taken out of
the record, the rest stays. Whoever keeps last good values then sees them age.
Source: definitions 5.12, 5.14.
"""

from collections.abc import Callable
from typing import NamedTuple

import msgspec

from processors.measures.funding import parse_signed
from schemas.tickers import TickerBatch
from schemas.units import US_PER_DAY, US_PER_MINUTE, parse_decimal

EARLIEST_US = 14_610 * US_PER_DAY
"""2010-01-01: nothing was traded for coins before; a time in 1970 is in another unit, or 0."""

FUTURE_US = 10 * US_PER_MINUTE
"""How far ahead of its receipt an observation may claim to be; beyond, its time means nothing."""

LONGEST_INTERVAL_SECONDS = 7 * 86_400
"""No venue settles funding less often; a settlement is due within that time, too."""


class Refused(NamedTuple):
    """A field that was taken out, and why."""

    field: str
    reason: str


class Checked(NamedTuple):
    """A record without what cannot be."""

    ticker: TickerBatch
    refused: list[Refused]


def check_ticker(ticker: TickerBatch) -> Checked:
    """Take impossible values out of a ticker; a record without any is returned as it is.

    Refused are prices that are not above zero, open interest below zero, rates beyond 1 in size,
    texts that are no plain decimals, and times that are missing, before 2010 or further ahead of
    the receipt than `FUTURE_US` (a settlement: than `LONGEST_INTERVAL_SECONDS`). A value whose own
    time is refused goes with it.
    """
    latest_us = ticker.receive_time_us + FUTURE_US
    due_us = ticker.receive_time_us + LONGEST_INTERVAL_SECONDS * 1_000_000
    reasons = {
        "mark_price": _value(ticker.mark_price, _price, ticker.mark_time_us, latest_us),
        "index_price": _value(ticker.index_price, _price, ticker.index_time_us, latest_us),
        "open_interest": _value(
            ticker.open_interest, _interest, ticker.open_interest_time_us, latest_us
        ),
        "funding_rate": _value(ticker.funding_rate, _rate, ticker.funding_seen_us, latest_us),
        "funding_time_us": _time(ticker.funding_time_us, due_us),
        "funding_interval_seconds": _interval(ticker.funding_interval_seconds),
        "settled_funding_rate": _value(
            ticker.settled_funding_rate, _rate, ticker.settled_funding_time_us, latest_us
        ),
    }
    refused = [Refused(field, reason) for field, reason in reasons.items() if reason]
    if not refused:
        return Checked(ticker, refused)
    without = dict.fromkeys((field for field, _ in refused))
    return Checked(msgspec.structs.replace(ticker, **without), refused)


def _value(text: str | None, judge: Callable[[str], str], time_us: int | None, to_us: int) -> str:
    """Return why a value cannot be, empty where it can; one that is not there is no fault."""
    if text is None:
        return ""
    try:
        reason = judge(text)
    except ValueError:
        return "not_a_decimal"
    if reason:
        return reason
    return "no_time" if time_us is None else _time(time_us, to_us)


def _price(text: str) -> str:
    return "" if parse_signed(text) > 0 else "not_above_zero"


def _interest(text: str) -> str:
    if text.startswith("-"):
        parse_signed(text)
        return "below_zero"  # of zero, too: it has no sign
    parse_decimal(text)
    return ""


def _rate(text: str) -> str:
    return "beyond_one" if abs(parse_signed(text)) > 1 else ""


def _interval(seconds: int | None) -> str:
    if seconds is None or 0 < seconds <= LONGEST_INTERVAL_SECONDS:
        return ""
    return "no_interval"


def _time(time_us: int | None, latest_us: int) -> str:
    if time_us is None or EARLIEST_US <= time_us <= latest_us:
        return ""
    return "time_before_2010" if time_us < EARLIEST_US else "time_in_the_future"
