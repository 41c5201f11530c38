"""Which changed bars are to be sent again, and when: every product at its own pace.

A second for base bars, 5 seconds for base bars in coarser rows, a sixtieth of the interval for
wider bars, between 5 seconds and a minute.
"""

from collections.abc import Sequence

from processors.plain import Plain
from processors.scopes import ScopeKey, scope_key
from schemas.units import US_PER_MINUTE, US_PER_SECOND


class Lane:
    """The changed windows `(scope, bar start)` of one interval, in some row sizes.

    Bounded by the bars that can still change: those of a day and a few more.
    """

    __slots__ = ("_windows", "due_us", "factors", "interval_us", "pace_us")

    def __init__(self, interval_us: int, factors: tuple[int, ...], pace_us: int) -> None:
        self.interval_us = interval_us
        self.factors = factors
        self.pace_us = pace_us
        self._windows: set[tuple[ScopeKey, int]] = set()
        self.due_us = 0

    def __contains__(self, window: tuple[ScopeKey, int]) -> bool:
        return window in self._windows

    def add(self, key: ScopeKey, time_us: int) -> None:
        """Note that the bar around a time has changed."""
        self._windows.add((key, time_us - time_us % self.interval_us))

    def discard(self, key: ScopeKey, start_us: int) -> None:
        """Forget a bar: it was sent just now."""
        self._windows.discard((key, start_us))

    def take_due(self, now_us: int) -> list[tuple[ScopeKey, int]]:
        """Return what has changed if the time has come; the next time is a pace later."""
        if now_us < self.due_us:
            return []
        self.due_us = now_us - now_us % self.pace_us + self.pace_us
        windows, self._windows = self._windows, set()
        return sorted(windows)

    def waiting(self) -> list[tuple[ScopeKey, int]]:
        """Return what has changed, due or not, and leave it waiting."""
        return sorted(self._windows)

    def dump(self) -> Plain:
        """Return everything as plain values."""
        return [self.due_us, [[*key, start_us] for key, start_us in sorted(self._windows)]]

    def load(self, state: Plain) -> None:
        """Take the values of `dump` back."""
        self.due_us = state[0]
        self._windows = {(scope_key(row), row[3]) for row in state[1]}


class Lanes:
    """The lanes of one operator: base rows, coarser rows, then every wider interval.

    All are asked at every record, and every pace is a multiple of the first: when another lane is
    due, so is the first. So what is still waiting in the first lane is waiting in all of them.
    """

    def __init__(self, base_us: int, wide_us: Sequence[int], factors: tuple[int, ...]) -> None:
        self.base = Lane(base_us, factors[:1], US_PER_SECOND)
        self.coarse = Lane(base_us, factors[1:], 5 * US_PER_SECOND)
        self.wide = [Lane(interval, factors, wide_pace_us(interval)) for interval in wide_us]
        self._all = [self.base, self.coarse, *self.wide]

    def changed(self, key: ScopeKey, start_us: int) -> None:
        """Note that a base bar has changed, and with it every wider bar around it."""
        if (key, start_us) not in self.base:
            for lane in self._all:
                lane.add(key, start_us)

    def take_due(self, now_us: int) -> list[tuple[Lane, list[tuple[ScopeKey, int]]]]:
        """Return the lanes that are due with what has changed in them."""
        if now_us < self.base.due_us:
            return []
        return [(lane, lane.take_due(now_us)) for lane in self._all]

    def waiting(self) -> list[tuple[Lane, list[tuple[ScopeKey, int]]]]:
        """Return the lanes with what has changed in them, due or not, and leave it waiting."""
        return [(lane, lane.waiting()) for lane in self._all]

    def dump(self) -> Plain:
        """Return everything as plain values."""
        return [lane.dump() for lane in self._all]

    def load(self, state: Plain) -> None:
        """Take the values of `dump` back."""
        for lane, values in zip(self._all, state, strict=True):
            lane.load(values)


def wide_pace_us(interval_us: int) -> int:
    """Return how often a provisional wider bar is sent at most: a multiple of a second."""
    pace_us = min(max(interval_us // 60, 5 * US_PER_SECOND), US_PER_MINUTE)
    return pace_us - pace_us % US_PER_SECOND
