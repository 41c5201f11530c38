"""Times of a column as microseconds; the unit is told by the number of digits and must not change.

From 2001 to 2286 a time has 10 digits in seconds, 13 in milliseconds, 16 in microseconds and 19 in
nanoseconds, so that a wrong unit cannot pass for a right one.
"""

from collections.abc import Sequence
from enum import Enum

from schemas.units import US_PER_SECOND


class TimeUnit(Enum):
    """A unit of time: its name, and how many digits a time of these years has in it."""

    SECONDS = ("seconds", 10)
    MILLISECONDS = ("milliseconds", 13)
    MICROSECONDS = ("microseconds", 16)
    NANOSECONDS = ("nanoseconds", 19)


_BY_DIGITS = {unit.value[1]: unit for unit in TimeUnit}


class TimeReader:
    """Reads the time columns of one file.

    Args:
        allowed: the units that the format has; seconds may have a fraction.
    """

    def __init__(self, allowed: Sequence[TimeUnit]) -> None:
        self._allowed = allowed
        self._unit: TimeUnit | None = None

    def column(self, texts: Sequence[str]) -> list[int]:
        """Convert a column.

        Raises:
            ValueError: a time is none, or is of another unit.
        """
        if self._unit is None:
            self.one(texts[0])
        unit = self._unit
        if unit is TimeUnit.SECONDS:
            return list(map(self.one, texts))
        right_length = unit is not None and set(map(len, texts)) == {unit.value[1]}
        if not right_length or not "".join(texts).isdecimal():
            return list(map(self.one, texts))
        numbers = list(map(int, texts))
        return [number * 1000 for number in numbers] if unit is TimeUnit.MILLISECONDS else numbers

    def one(self, text: str) -> int:
        """Convert one time; the first decides of which unit the file is.

        Raises:
            ValueError: it is none, or of another unit.
        """
        whole, _, fraction = text.partition(".")
        if not (whole.isascii() and whole.isdecimal()):
            raise ValueError(f"expected a time, was {text[:40]!r}")
        unit = _BY_DIGITS.get(len(whole))
        if unit is None:
            raise ValueError(f"{text[:40]} is no time of these years in any unit")
        if unit not in self._allowed:
            names = " or ".join(one.value[0] for one in self._allowed)
            raise ValueError(f"{text} is in {unit.value[0]}, expected {names}")
        self._unit = self._unit or unit
        if unit is not self._unit:
            was, now = self._unit.value[0], unit.value[0]
            raise ValueError(f"{text} is in {now}, the lines before are in {was}")
        if unit is TimeUnit.SECONDS:
            if fraction and not (fraction.isascii() and fraction.isdecimal()):
                raise ValueError(f"expected a time, was {text[:40]!r}")
            return int(whole) * US_PER_SECOND + int(fraction[:6].ljust(6, "0"))
        if fraction:
            raise ValueError(f"expected a whole time, was {text[:40]!r}")
        return int(whole) * (1000 if unit is TimeUnit.MILLISECONDS else 1)
