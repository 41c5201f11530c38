"""Average true range of one instrument's mid over bars of one length.

Mids are looked at once a second, so a bar's range is that of its seconds. Source: definitions 5.12
(dead zone of the price).
"""

from processors.measures.quadrant import Ratio
from processors.measures.true_range import BARS, Prices, TrueRanges
from processors.plain import Plain
from schemas.units import US_PER_SECOND

VALID_SHARE = (4, 5)
"""A bar whose mid was known for less of its seconds does not count."""


class AverageRange:
    """Bars of mids, and their true ranges; prices are twice the mid in ticks, so integers.

    Args:
        seconds: length of a bar.
        least: bars that an average needs.
    """

    def __init__(self, seconds: int, least: int, state: Plain = None) -> None:
        self._us = seconds * US_PER_SECOND
        self._seconds = seconds
        self._bar: list[int]
        self._bar, ranges = state or ([0, 0, 0, 0, 0], None)
        self._ranges = TrueRanges(seconds, BARS, least, ranges)

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
        self._ranges.take(index * self._us, Prices(high, low, close))

    def average(self, now_us: int) -> Ratio | None:
        """Return the average as a ratio, in half ticks."""
        return self._ranges.average(now_us)

    def dump(self) -> Plain:
        """Return everything as plain values for a snapshot."""
        return [list(self._bar), self._ranges.dump()]
