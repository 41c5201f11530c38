"""Whether a minute ends a directional move, from the bars of one scope.

State: the closes of one move and the last ranges.
"""

from processors.plain import Plain
from schemas.footprints import FootprintBar
from schemas.units import US_PER_MINUTE


class Moves:
    """The last bars, one a minute; a bar without a price, or one that is missing, begins anew.

    Args:
        bars: length of a move.
        threshold: how large it must be at least, in average true ranges, as a ratio.
        ranges: bars of which the average is taken.
    """

    def __init__(self, bars: int, threshold: tuple[int, int], ranges: int) -> None:
        self._bars = bars
        self._threshold = threshold
        self._count = ranges
        self._next_us = 0
        self._closes: list[int] = []
        self._ranges: list[int] = []

    def take(self, bar: FootprintBar | None) -> int | None:
        """Take the bar of the next minute in; return the direction it ends a move of.

        0 without a move, None while it is not known. A move is one whose bar has a delta of the
        same sign: a rise into selling opens no longs.
        """
        if bar is None:
            self._closes = []
            return None
        high, low, close = bar.high_ticks, bar.low_ticks, bar.close_ticks
        if high is None or low is None or close is None:
            self._closes = []
            return None
        if bar.bar_start_us != self._next_us:
            self._closes = []
        if self._closes:
            high, low = max(high, self._closes[-1]), min(low, self._closes[-1])
        self._next_us = bar.bar_start_us + US_PER_MINUTE
        self._closes = [*self._closes[-self._bars :], close]
        self._ranges = [*self._ranges[1 - self._count :], high - low]
        return self._direction(bar.delta_lots)

    def _direction(self, delta: int) -> int | None:
        if len(self._closes) <= self._bars or len(self._ranges) < self._count:
            return None
        moved = self._closes[-1] - self._closes[0]
        least, per = self._threshold
        if abs(moved) * per * self._count < least * sum(self._ranges) or moved * delta <= 0:
            return 0
        return 1 if moved > 0 else -1

    def dump(self) -> Plain:
        """Return everything as plain values for a snapshot."""
        return [self._next_us, self._closes, self._ranges]

    def load(self, state: Plain) -> None:
        """Take the values of `dump` back."""
        self._next_us, self._closes, self._ranges = state
