"""The average true range: one rule of what a break does, for all who measure a move by it.

The true range of a bar is max(high, close before) - min(low, close before).

- A bar that is missing, or does not count, has no range: nothing is filled in, and a partial bar
  may have had its extreme unseen (definitions 5.0; 5.8, "partial bars never count").
- After such a break there is no close before: the range is high - low alone, as no difference is
  taken across a gap (5.0, `prev_valid`).
- A bar that counts and in which nothing traded is a real zero bar (5.0): the price stays at the
  close before, the range is 0. Behind a break that close is not known, and the bar has no range.
- The average is over the last bars *of the clock*, and null where fewer than `least` of these have
  a range. So a break costs its own bars and no others, and what was before an outage of hours is
  never held against a move of now (5.10 and 5.12 measure the market of the moment).

Who asks says which bars count. Minutes of one instrument are those in which no trade can be missing
(5.8, 5.10), and all of them have to have a range. Bars of mids are those whose mid was known for
four fifths (as the imbalances over time of 5.6); six of them are enough where 14 take two days and
more (5.12).

State: one integer a bar, and one close.
"""

from typing import NamedTuple

from processors.measures.quadrant import Ratio
from processors.plain import Plain
from schemas.units import US_PER_SECOND

BARS = 14
"""Of which the average is taken, unless said otherwise."""


class Prices(NamedTuple):
    """What a bar came to, in one unit that is an integer."""

    high: int
    low: int
    close: int


class TrueRanges:
    """The true ranges of bars of one length, aligned to the epoch.

    Args:
        seconds: length of a bar.
        bars: of the clock, over which the average is.
        least: how many of them must have a range; all, unless said otherwise.
    """

    def __init__(
        self, seconds: int, bars: int = BARS, least: int | None = None, state: Plain = None
    ) -> None:
        self._us = seconds * US_PER_SECOND
        self._bars = bars
        self._least = bars if least is None else least
        ranges, self._newest, self._close = state or ([], 0, 0)
        self._ranges: list[tuple[int, int]] = [(index, value) for index, value in ranges]

    _newest: int
    _close: int

    def take(self, start_us: int, prices: Prices | None) -> None:
        """Take in a bar that counts, later than the last one.

        Args:
            start_us: its start.
            prices: None where nothing traded in it.
        """
        index = start_us // self._us
        before = self._close if self._ranges and self._newest == index - 1 else None
        if prices is None:
            if before is None:
                return
            prices = Prices(before, before, before)
        high, low, self._close = prices
        if before is not None:
            high, low = max(high, before), min(low, before)
        self._newest = index
        kept = [one for one in self._ranges if one[0] > index - self._bars]
        self._ranges = [*kept, (index, high - low)]

    def average(self, now_us: int) -> Ratio | None:
        """Return the average as the sum of the ranges and their number.

        Args:
            now_us: a time; the bar that it lies in is still open.
        """
        first = now_us // self._us - self._bars
        ranges = [value for index, value in self._ranges if index >= first]
        return (sum(ranges), len(ranges)) if len(ranges) >= self._least else None

    def dump(self) -> Plain:
        """Return everything as plain values for a snapshot."""
        return [[*map(list, self._ranges)], self._newest, self._close]
