"""The flow form of exhaustion: a rate that has fallen from its peak at the extreme (5.8)."""

from collections import deque
from itertools import islice
from typing import NamedTuple

from processors.measures.quadrant import Ratio
from processors.measures.shares import Share
from processors.measures.true_range import Prices, TrueRanges
from processors.plain import Plain
from processors.seconds.columns import Columns
from schemas.units import US_PER_SECOND

BAR_SECONDS = 60
"""Length of the bars whose true ranges are taken."""


class Spent(NamedTuple):
    """A side that is exhausted. Rates are ticks times lots; the average range is a ratio."""

    rate: int
    peak: int
    extreme: int
    distance: int
    average_range: Ratio


class Flow:
    """The last seconds of one instrument without a break, and its last true ranges.

    Args:
        rate_seconds: over how long a rate is taken.
        peak_seconds: over how long its peak and the extreme of the price are.
        share: what the rate may be of its peak.
        atr: how many bars, and what share of their mean true range the price may be off.
    """

    def __init__(
        self, rate_seconds: int, peak_seconds: int, share: Share, atr: tuple[int, Share]
    ) -> None:
        self._share, self._atr_share = share, atr[1]
        self._rate_seconds = rate_seconds
        self._peak_us = peak_seconds * US_PER_SECOND
        self._sums: deque[tuple[int, int]] = deque(maxlen=rate_seconds)
        self._rates: deque[tuple[int, int]] = deque(maxlen=peak_seconds)
        self._prices: deque[tuple[int, int]] = deque(maxlen=peak_seconds)
        self._atr_bars = atr[0]
        self._ranges = TrueRanges(BAR_SECONDS, atr[0])
        self._next_us = 0
        self._last_price: int | None = None
        self._quiet_until_us = {1: 0, -1: 0}

    def take(self, start_us: int, columns: Columns | None) -> None:
        """Take the next second in.

        Args:
            start_us: its start.
            columns: of its trades; None where the stream was not there all the time.
        """
        if columns is None or start_us != self._next_us:
            self._clear()
        self._next_us = start_us + US_PER_SECOND
        if columns is None:
            return
        self._sums.append(columns.aggressor_notional)
        if columns.size:
            self._prices.append((columns.high, columns.low))
            self._last_price = columns.prices[-1]
        elif self._last_price is not None:
            self._prices.append((self._last_price, self._last_price))
        if len(self._sums) == self._rate_seconds:
            self._rates.append(
                (sum([one[0] for one in self._sums]), sum([one[1] for one in self._sums]))
            )

    def _clear(self) -> None:
        self._sums.clear()
        self._rates.clear()
        self._prices.clear()
        self._last_price = None

    def add_bar(self, start_us: int, prices: Prices | None) -> None:
        """Let a complete bar count for the true range; one without trades has no prices."""
        self._ranges.take(start_us, prices)

    def spent(self, side: int, now_us: int) -> Spent | None:
        """Return what shows that a side is exhausted since this second; None where it is not."""
        full = len(self._rates) == self._rates.maxlen and len(self._prices) == self._prices.maxlen
        if not full or now_us < self._quiet_until_us[side]:
            return None
        column = 0 if side > 0 else 1
        rate = self._rates[-1][column]
        peak = max([one[column] for one in self._rates])
        if not peak or rate * self._share[1] > peak * self._share[0]:
            return None
        average = self._ranges.average(now_us)
        if average is None:
            return None
        extreme, distance = self._distance(side)
        if distance * average[1] * self._atr_share[1] > average[0] * self._atr_share[0]:
            return None
        self._quiet_until_us[side] = now_us + self._peak_us
        return Spent(rate, peak, extreme, distance, average)

    def _distance(self, side: int) -> tuple[int, int]:
        """Return the extreme, and how far off it the price was at most in the last seconds."""
        newest = islice(self._prices, len(self._prices) - self._rate_seconds, None)
        if side > 0:
            high = max([one[0] for one in self._prices])
            return high, high - min([one[1] for one in newest])
        low = min([one[1] for one in self._prices])
        return low, max([one[0] for one in newest]) - low

    # --- state

    def dump(self) -> Plain:
        """Return everything as plain values."""
        rows = [list(one) for one in (self._sums, self._rates, self._prices)]
        quiet = [self._quiet_until_us[1], self._quiet_until_us[-1]]
        return [*rows, self._ranges.dump(), self._next_us, self._last_price, *quiet]

    def load(self, state: Plain) -> None:
        """Take the values of `dump` back."""
        for kept, rows in zip((self._sums, self._rates, self._prices), state[:3], strict=True):
            kept.extend((first, other) for first, other in rows)
        self._ranges = TrueRanges(BAR_SECONDS, self._atr_bars, state=state[3])
        self._next_us, self._last_price = state[4:6]
        self._quiet_until_us = {1: state[6], -1: state[7]}
