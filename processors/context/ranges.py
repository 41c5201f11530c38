"""Average true range of one instrument's mid over bars of one length.

Mids are looked at once a second, so a bar's range is that of its seconds. Source: definitions 5.12
(dead zone of the price), 5.0 (no difference across a gap).
"""

from processors.measures.quadrant import Ratio
from processors.plain import Plain
from schemas.units import US_PER_SECOND

BARS = 14
"""Of which the average is taken."""

VALID_SHARE = (4, 5)
"""A bar whose mid was known for less of its seconds has no range."""


class AverageRange:
    """The average true range over the last bars; null until there are enough.

    Bars are aligned to the epoch. The range before which there was no bar (or one with too little
    known) is that of the bar alone. Prices are twice the mid in ticks, so that they are integers.

    Args:
        seconds: length of a bar.
        least: bars that an average needs.
    """

    def __init__(self, seconds: int, least: int, state: Plain = None) -> None:
        self._us = seconds * US_PER_SECOND
        self._seconds = seconds
        self._least = least
        self._bar: list[int]
        self._before: list[int] | None
        self._ranges: list[int]
        self._bar, self._before, self._ranges = state or ([0, 0, 0, 0, 0], None, [])

    def take(self, start_us: int, mid2: int | None) -> None:
        """Take the mid at the end of a second in, None where there is none."""
        index = start_us // self._us
        if index != self._bar[0]:
            self._close()
            self._bar = [index, 0, 0, 0, 0]
        bar = self._bar
        if mid2 is not None:
            if not bar[4]:
                bar[1] = bar[2] = mid2
            elif mid2 > bar[1]:
                bar[1] = mid2
            elif mid2 < bar[2]:
                bar[2] = mid2
            bar[3] = mid2
            bar[4] += 1
        if (start_us + US_PER_SECOND) % self._us == 0:
            self._close()
            self._bar = [index + 1, 0, 0, 0, 0]

    def _close(self) -> None:
        index, high, low, close, known = self._bar
        if known * VALID_SHARE[1] < VALID_SHARE[0] * self._seconds:
            return
        if self._before is not None and self._before[0] == index - 1:
            high, low = max(high, self._before[1]), min(low, self._before[1])
        self._ranges.append(high - low)
        del self._ranges[:-BARS]
        self._before = [index, close]

    def value(self) -> Ratio | None:
        """Return the average as a ratio, in half ticks."""
        if len(self._ranges) < self._least:
            return None
        return sum(self._ranges), len(self._ranges)

    def dump(self) -> Plain:
        """Return everything as plain values for a snapshot."""
        return [list(self._bar), self._before, list(self._ranges)]
