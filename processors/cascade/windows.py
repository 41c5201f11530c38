"""What one instrument told of one liquidated side over the last 10 and 60 seconds.

Rows of one time are one episode: fills of one transaction share its time, and so do few orders. The
rows say no account, so that no better grouping is known over venues; a gap rule would make one
episode of a whole cascade on a feed that tells all. Holds the episodes of two minutes.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import chain

from processors.plain import Plain
from schemas.units import US_PER_MINUTE, US_PER_SECOND

Episode = tuple[int, int]
"""`(time_us, notional)`, in ticks x lots."""

TEN_SECONDS_US = 10 * US_PER_SECOND


class LiquidationWindow:
    """Sums over `[end - 10 s, end)` and `[end - 60 s, end)`, and the minute before them."""

    __slots__ = ("_last", "_middle", "_past", "_recent", "l10", "l60")

    def __init__(self, state: Plain = None) -> None:
        past, middle, recent = state or ([], [], [])
        self._past: deque[Episode] = deque((at, told) for at, told in past)
        self._middle: deque[Episode] = deque((at, told) for at, told in middle)
        self._recent: deque[Episode] = deque((at, told) for at, told in recent)
        self.l10 = sum(told for _, told in self._recent)
        self.l60 = self.l10 + sum(told for _, told in self._middle)

    @property
    def episodes60(self) -> int:
        """How many episodes the last minute has."""
        return len(self._recent) + len(self._middle)

    def take(self, time_us: int, notional: int) -> None:
        """Add a row, not earlier than the last one."""
        recent = self._recent
        if recent and recent[-1][0] == time_us:
            recent[-1] = (time_us, recent[-1][1] + notional)
        else:
            recent.append((time_us, notional))
        self.l10 += notional
        self.l60 += notional

    def advance(self, end_us: int) -> None:
        """Let the windows end at a time, later than everything in them."""
        recent, middle, past = self._recent, self._middle, self._past
        while recent and recent[0][0] < end_us - TEN_SECONDS_US:
            self.l10 -= recent[0][1]
            middle.append(recent.popleft())
        while middle and middle[0][0] < end_us - US_PER_MINUTE:
            self.l60 -= middle[0][1]
            past.append(middle.popleft())
        while past and past[0][0] < end_us - 2 * US_PER_MINUTE:
            past.popleft()

    def episodes(self) -> Iterator[Episode]:
        """Yield the episodes of the last minute, in order."""
        return chain(self._middle, self._recent)

    def episodes_since(self, start_us: int) -> int:
        """Return how many episodes there were from a time of the last ten seconds on."""
        return sum(1 for time_us, _ in self._recent if time_us >= start_us)

    def onset(self, limit: int, from_us: int) -> int | None:
        """Return when the sum over 60 s first passed a limit, None where it did not.

        Args:
            limit: in ticks x lots; a sum equal to it does not pass.
            from_us: not before; at most a minute before the end of the windows.
        """
        window: deque[Episode] = deque()
        total = 0
        for time_us, told in chain(self._past, self._middle, self._recent):
            window.append((time_us, told))
            total += told
            while window[0][0] <= time_us - US_PER_MINUTE:
                total -= window.popleft()[1]
            if time_us >= from_us and total > limit:
                return time_us
        return None

    def dump(self) -> Plain:
        """Return everything as plain values for a snapshot."""
        return [list(self._past), list(self._middle), list(self._recent)]


def greatest_l10(episodes: Iterable[Episode], end_us: int) -> int:
    """Return the greatest sum over ten whole seconds of the minute that ends at a time."""
    seconds = [0] * 60
    for time_us, told in episodes:
        seconds[(time_us - end_us + US_PER_MINUTE) // US_PER_SECOND] += told
    return max(sum(seconds[first : first + 10]) for first in range(51))
