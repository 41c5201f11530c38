"""Numbers as a ladder writes them: short, aligned, and never a zero for something that is not."""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from schemas.units import US_PER_SECOND

_SECONDS_PER_MINUTE = 60
_SECONDS_PER_HOUR = 3600
_SECONDS_PER_DAY = 86_400
UNKNOWN = "?"

_UNITS = ((Decimal(10**9), "billion"), (Decimal(10**6), "million"), (Decimal(1000), "thousand"))
_DECIMALS = ((Decimal(100), 0), (Decimal(10), 1), (Decimal(1), 2))


@dataclass(frozen=True, slots=True)
class Quantities:
    """One unit and number of decimals for all quantities of a picture."""

    unit: Decimal
    word: str
    decimals: int

    @classmethod
    def fitting(cls, largest: Decimal) -> "Quantities":
        """Choose so that the largest quantity has three or four digits."""
        unit, word = next(((u, w) for u, w in _UNITS if largest >= 10 * u), (Decimal(1), ""))
        scaled = largest / unit
        decimals = next((places for limit, places in _DECIMALS if scaled >= limit), 3)
        return cls(unit, word, decimals)

    def plain(self, value: Decimal | None) -> str:
        """Write a quantity; `?` where it is not known."""
        return UNKNOWN if value is None else f"{value / self.unit:,.{self.decimals}f}"

    def cell(self, value: Decimal, nothing: str) -> str:
        """Write a quantity without separators; `nothing` for a true zero, 0 for less than shown."""
        return f"{value / self.unit:.{self.decimals}f}" if value else nothing

    def signed(self, value: Decimal | None) -> str:
        """Write a difference with its sign; zero has none."""
        if value is None:
            return UNKNOWN
        return f"{value / self.unit:+,.{self.decimals}f}" if value else "0"


def headline(value: Decimal | None) -> str:
    """Write a difference that stands alone, whole in its own unit: `+12,043`, `-0.512`."""
    if value is None:
        return UNKNOWN
    size = abs(value)
    decimals = next((places for limit, places in _DECIMALS if size >= limit), 3)
    return f"{value:+,.{decimals}f}" if value else "0"


def decimals_of(step: Decimal) -> int:
    """Return how many decimals the multiples of a step need."""
    exponent = step.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def price_text(price: Decimal, decimals: int) -> str:
    """Write a price with thousands separated."""
    return f"{price:,.{decimals}f}"


def exact_text(value: Decimal) -> str:
    """Write a decimal without trailing zeros, thousands separated."""
    return price_text(value, decimals_of(value))


def interval_text(seconds: int) -> str:
    """Write an interval: `15s`, `5m`, `4h`, `1d`."""
    for size, letter in (
        (_SECONDS_PER_DAY, "d"),
        (_SECONDS_PER_HOUR, "h"),
        (_SECONDS_PER_MINUTE, "m"),
    ):
        if seconds % size == 0:
            return f"{seconds // size}{letter}"
    return f"{seconds}s"


def bar_time(start_us: int, interval_seconds: int) -> str:
    """Write a bar's start in UTC, as finely as its interval needs."""
    if interval_seconds % _SECONDS_PER_DAY == 0:
        return _utc(start_us).strftime("%m-%d")
    pattern = "%H:%M" if interval_seconds % _SECONDS_PER_MINUTE == 0 else "%H:%M:%S"
    return _utc(start_us).strftime(pattern)


def moment(time_us: int) -> str:
    """Write a time in UTC to the second."""
    return _utc(time_us).strftime("%Y-%m-%d %H:%M:%S UTC")


def _utc(time_us: int) -> datetime:
    return datetime.fromtimestamp(time_us // US_PER_SECOND, UTC)
