"""Funding rates on one scale (definitions 5.12).

Rates are fractions per interval, positive where longs pay. Everything is exact; a float is made
where a rate is published.
"""

from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction

from schemas.units import parse_decimal

SECONDS_8H = 8 * 3600
SECONDS_A_YEAR = 8760 * 3600


def parse_signed(text: str) -> Decimal:
    """Read a plain decimal that may be below zero.

    Raises:
        ValueError: it is none; a plus sign is refused like exponents and blanks are.
    """
    return -parse_decimal(text[1:]) if text.startswith("-") else parse_decimal(text)


def rate_8h(rate: Decimal, interval_seconds: int) -> Fraction:
    """Return what a rate per interval is per 8 hours."""
    return Fraction(rate) * SECONDS_8H / interval_seconds


def rate_annual(rate: Decimal, interval_seconds: int) -> Fraction:
    """Return what a rate per interval adds up to in 8760 hours, without compounding."""
    return Fraction(rate) * SECONDS_A_YEAR / interval_seconds


def weighted_rate(rates: Iterable[tuple[Fraction, Fraction]]) -> Fraction | None:
    """Return the mean of `(rate, weight)`; None where nothing weighs anything."""
    total, weight = Fraction(0), Fraction(0)
    for rate, weighs in rates:
        total += rate * weighs
        weight += weighs
    return total / weight if weight else None
