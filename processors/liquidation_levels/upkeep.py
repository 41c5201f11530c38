"""What every minute does to estimated positions, whatever they are estimated for.

They fade, are closed in proportion where open interest falls, and grow only where it rises. What
could not be judged is counted. Source: definitions 5.11.
"""

from processors.context.minutes import Minute
from processors.liquidation_levels.positions import Positions
from processors.liquidation_levels.scale import faded
from processors.plain import Plain
from schemas.lineage import Status
from schemas.units import US_PER_MINUTE


class Upkeep:
    """Positions, and since when they are kept.

    Args:
        positions: what is kept.
        half_life_minutes: of a position about which nothing is known.
    """

    def __init__(self, positions: Positions, half_life_minutes: int) -> None:
        self.positions = positions
        self._half_life = half_life_minutes
        self.start_us = 0
        self._next_us = 0
        self.skipped = 0

    def turn(self, minute: Minute) -> dict[str, str]:
        """Let a minute pass; return why what happened in it is not known, empty where it is."""
        if not self.start_us:
            self.start_us = self._next_us = minute.start_us
        minutes = (minute.start_us - self._next_us) // US_PER_MINUTE + 1
        self._next_us = minute.start_us + US_PER_MINUTE
        self.positions.turn(minute.start_us)
        self._shrink(*faded(minutes, self._half_life))
        nulls = reasons(minute)
        self.skipped += minutes - 1 + bool(nulls)
        move = minute.move
        if move.venues and move.end < move.start:
            self._shrink(move.end, move.start)
        return nulls

    def _shrink(self, numerator: int, denominator: int) -> None:
        if numerator:
            self.positions.scale.shrink(numerator, denominator)
        else:
            self.positions.clear()

    def dump(self) -> Plain:
        """Return everything but the parts as plain values for a snapshot."""
        return [self.start_us, self._next_us, self.skipped, self.positions.dump()]

    def load(self, state: Plain, parts: dict[str, bytes]) -> None:
        """Take the values of `dump` and the parts back."""
        self.start_us, self._next_us, self.skipped, positions = state
        self.positions.load(positions, parts)


def reasons(minute: Minute) -> dict[str, str]:
    """Say why a minute cannot be judged.

    Without rows a rise of open interest has no place; without trades of a quiet market it has none
    either, but then nothing is unknown about the price.
    """
    nulls = {}
    if not minute.move.venues:
        nulls["change_lots"] = "no_open_interest_at_both_ends"
    bar = minute.bar
    if bar is None or bar.completeness.status is Status.GAP:
        nulls["bar"] = "no_bar_of_the_minute" if bar is None else "gap"
    elif "rows" in bar.null_reasons:
        nulls["bar"] = bar.null_reasons["rows"]
    return nulls
