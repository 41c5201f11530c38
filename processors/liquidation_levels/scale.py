"""A number that only shrinks, by which many others are worth less and less.

Positions fade with time and with every fall of open interest, all by the same share. So they are
kept in units whose worth shrinks, and a fall costs one multiplication instead of thousands.

The worth is `mantissa / 2^exponent` with a mantissa of 61 to 62 bits, rounded down at each step: a
relative error below 2^-60 a step, 10^-11 after ten years of minutes. It never underflows; units of
later positions grow longer instead, by one bit per halving.
"""

from decimal import Decimal, localcontext
from functools import lru_cache

from processors.plain import Plain
from schemas.units import round_half_even

BITS = 62
GUARD_BITS = 20
"""A lot is worth 2^20 units at the beginning, so that shares of a lot are kept, too."""


@lru_cache(maxsize=64)
def faded(minutes: int, half_life_minutes: int) -> tuple[int, int]:
    """Return 2^(-minutes / half life) as a ratio with 62 bits; 0 once it is smaller than that.

    Decimals are computed alike on every machine, the floats of a mathematics library are not.
    """
    with localcontext() as context:
        context.prec = 40
        share = Decimal(2) ** (Decimal(-minutes) / half_life_minutes)
        return int(share * (1 << BITS)), 1 << BITS


class Scale:
    """What one unit is worth now, in lots."""

    def __init__(self, state: Plain = None) -> None:
        self._mantissa: int
        self._exponent: int
        self._mantissa, self._exponent = state or (1 << BITS, BITS)

    def shrink(self, numerator: int, denominator: int) -> None:
        """Let everything be worth less.

        Args:
            numerator: above zero: what is worth nothing has to be forgotten instead.
            denominator: not below the numerator.
        """
        mantissa = self._mantissa
        shift = max(0, denominator.bit_length() - numerator.bit_length())
        mantissa = (mantissa * numerator << shift) // denominator
        self._exponent += shift
        while mantissa < 1 << (BITS - 1):
            mantissa <<= 1
            self._exponent += 1
        while mantissa > 1 << BITS:
            mantissa >>= 1
            self._exponent -= 1
        self._mantissa = mantissa

    def units(self, numerator: int, denominator: int) -> int:
        """Return how many units so many lots are now, the nearest (half to even)."""
        up = numerator << (self._exponent + GUARD_BITS)
        return round_half_even(up, denominator * self._mantissa)

    def worth(self, units: int, numerator: int = 1, denominator: int = 1) -> int:
        """Return units times a factor in lots, rounded once (half to even)."""
        worth, per = self.ratio()
        return round_half_even(units * worth * numerator, per * denominator)

    def ratio(self) -> tuple[int, int]:
        """Return what one unit is worth in lots, as a ratio."""
        return self._mantissa, 1 << (self._exponent + GUARD_BITS)

    def dump(self) -> Plain:
        """Return everything as plain values for a snapshot."""
        return [self._mantissa, self._exponent]
