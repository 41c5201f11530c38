"""Exact decimal arithmetic between text, integer grids and each other.

Nothing here touches binary floating point: a price text becomes an integer number of ticks or an
error, never a nearby number.
"""

import re
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache

US_PER_SECOND = 1_000_000
US_PER_MINUTE = 60 * US_PER_SECOND
US_PER_HOUR = 3_600 * US_PER_SECOND
US_PER_DAY = 24 * US_PER_HOUR

_DECIMAL = re.compile(r"\d{1,20}(?:\.\d{1,18})?", re.ASCII)
_QUOTED_BYTES = 40


def parse_decimal(text: str) -> Decimal:
    """Read an unsigned plain decimal: at most 20 digits before and 18 after the point.

    Signs, exponents, `inf`, `nan`, underscores and white space are refused, all of which
    `float()` would take.

    Raises:
        ValueError: the text is not such a number; the message quotes its beginning.
    """
    if not _DECIMAL.fullmatch(text):
        whole = len(text) <= _QUOTED_BYTES
        shown = text if whole else f"{text[:_QUOTED_BYTES]}… ({len(text)} chars)"
        raise ValueError(f"expected a plain decimal number, was {shown!r}")
    return Decimal(text)


def to_steps(text: str, step: Decimal) -> int:
    """Return how many steps of the grid the decimal text is, exactly.

    Raises:
        ValueError: not a plain decimal, or off the grid.
    """
    ratio = Fraction(parse_decimal(text)) / Fraction(step)
    if ratio.denominator != 1:
        raise ValueError(f"{text} is off the grid of {plain(step)}")
    return ratio.numerator


@lru_cache(maxsize=4096)
def steps_in(coarse: str, fine: str) -> int:
    """Return how many `fine` grid steps make one `coarse` step (both decimal text).

    Raises:
        ValueError: `coarse` is not a whole multiple of `fine`.
    """
    ratio = Fraction(Decimal(coarse)) / Fraction(Decimal(fine))
    if ratio.denominator != 1 or ratio < 1:
        raise ValueError(f"{coarse} is not a whole multiple of {fine}")
    return ratio.numerator


def plain(value: Decimal) -> str:
    """Write a decimal without exponent or trailing zeros: the one text form of a number."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def round_half_even(numerator: int, denominator: int) -> int:
    """Divide integers and round half to even, exactly (denominator above zero)."""
    quotient, remainder = divmod(numerator, denominator)
    doubled = 2 * remainder
    if doubled > denominator or (doubled == denominator and quotient & 1):
        quotient += 1
    return quotient
