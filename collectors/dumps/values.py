"""Columns of text to columns of integers, exactly, and fast because most texts come again.

Prices and quantities become steps of the finest decimal place seen so far; how many places that
are goes with every block, so that finer numbers later on cost nothing. A text is converted once:
a day of a busy market has some ten thousand different prices.
"""

import re
from collections.abc import Callable, Sequence
from typing import TypeVar

from schemas.units import parse_decimal

MAX_CACHED = 500_000
MAX_PLACES = 12
_LIMIT = 1 << 62
_WHOLE = re.compile(r"\d{1,19}", re.ASCII)

Value = TypeVar("Value")


class Steps(dict[str, int]):
    """Decimal texts as steps of the last of `places` decimal places; converts what is missing."""

    def __init__(self) -> None:
        super().__init__()
        self.places = 0

    def __missing__(self, text: str) -> int:
        """Convert a text; one with more places makes all that follows finer.

        Raises:
            ValueError: not a plain decimal, or beyond all bounds.
            FinerError: `places` has grown: what the block had so far is to be converted again.
        """
        parse_decimal(text)
        whole, _, fraction = text.partition(".")
        fraction = fraction.rstrip("0")
        if len(fraction) > self.places:
            if len(fraction) > MAX_PLACES:
                raise ValueError(f"{text} has more than {MAX_PLACES} decimal places")
            self.places = len(fraction)
            self.clear()
            raise FinerError
        value = int(whole + fraction.ljust(self.places, "0"))
        if value >= _LIMIT:
            raise ValueError(f"{text} is beyond all bounds")
        if len(self) >= MAX_CACHED:
            self.clear()
        self[text] = value
        return value

    def column(self, texts: Sequence[str]) -> list[int]:
        """Convert a column, all of it to the same number of places."""
        while True:
            try:
                return list(map(self.__getitem__, texts))
            except FinerError:
                continue


class FinerError(Exception):
    """A number has more decimal places than any before it."""


def whole_numbers(texts: Sequence[str]) -> list[int]:
    """Read a column of ids.

    Raises:
        ValueError: one of them is not a whole number.
    """
    numbers = list(map(int, texts))
    if not "".join(texts).isdecimal():  # int() takes signs, spaces and underscores
        raise ValueError("expected whole numbers")
    return numbers


def whole_number(text: str) -> int:
    """Read one id.

    Raises:
        ValueError: it is not a whole number.
    """
    if not _WHOLE.fullmatch(text):
        raise ValueError(f"expected a whole number, was {text[:40]!r}")
    return int(text)


def first_wrong(texts: Sequence[str], convert: Callable[[str], Value]) -> tuple[int, str]:
    """Return the place of the first text that cannot be converted, and why."""
    for place, text in enumerate(texts):
        try:
            convert(text)
        except (ValueError, KeyError) as error:
            return place, str(error) if isinstance(error, ValueError) else f"was {text[:40]!r}"
    return 0, "cannot be read"
