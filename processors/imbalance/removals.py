"""How much of what goes from one side of a book was pulled rather than traded (definitions 5.6).

A decrease is the size of a price in one book less that in the next, near the touch of the first.
Traded is what aggressors took at that price within the tolerance around the time of the next book.
A lot that traded explains one decrease only, the earliest: the definition read literally would
count it again for each decrease that its time is near to, and call pulled size traded.

A decrease is settled once every trade that may explain it is known, so those of the last
`time_tol_ms` of a second are counted with the next second.

Holds two sums per second of the window, the decreases that are not settled, and the trades of the
last two tolerances.
"""

from collections import deque
from collections.abc import Iterable

from processors.plain import Plain

Taken = dict[int, list[list[int]]]
"""What aggressors took, by price: `[event_time_us, lots]` in order of time."""

Decrease = tuple[int, int, int]
"""`(event_time_us, price, lots)` that a price has less than in the book before."""


class Removals:
    """One side of one book, over a rolling window; `waiting` are decreases that are not settled.

    Args:
        seconds: the window.
        tolerance_us: how far apart a trade and a decrease may be, both ends included.
    """

    def __init__(self, seconds: int, tolerance_us: int, state: Plain = None) -> None:
        self._seconds = seconds
        self._tolerance_us = tolerance_us
        sums, waiting, taken = state or ([], [], [])
        self._sums: deque[tuple[int, int]] = deque((removed, traded) for removed, traded in sums)
        self._removed = sum(removed for removed, _ in self._sums)
        self._traded = sum(traded for _, traded in self._sums)
        self.waiting: list[Decrease] = [(at, price, lots) for at, price, lots in waiting]
        self._taken: Taken = {price: [list(one) for one in trades] for price, trades in taken}

    def reset(self) -> None:
        """Forget everything."""
        self._sums.clear()
        self._removed = self._traded = 0
        self.waiting, self._taken = [], {}

    def end_second(self, end_us: int, decreases: Iterable[Decrease], taken: Taken) -> None:
        """Take the next second in.

        Args:
            end_us: its end.
            decreases: of its books, in order of time.
            taken: of its trades, those that hit this side, at least those at the prices of the
                decreases and of `waiting`, and all of the last two tolerances; only read.
        """
        settled_us = end_us - self._tolerance_us
        fallen = [*self.waiting, *decreases]
        known: Taken = {}
        for price in dict.fromkeys(price for _, price, _ in fallen):
            if price in taken or price in self._taken:
                new = [one.copy() for one in taken.get(price, ())]
                known[price] = self._taken.get(price, []) + new
        removed = traded = 0
        self.waiting = []
        for decrease in fallen:
            time_us, price, lots = decrease
            if time_us >= settled_us:
                self.waiting.append(decrease)
                continue
            removed += lots
            if price in known:
                traded += self._explain(time_us, lots, known[price])
        self._hold(settled_us - self._tolerance_us, known, taken)
        self._add(removed, traded)

    def _hold(self, first_us: int, known: Taken, taken: Taken) -> None:
        """Keep what is left of the trades from a time on, for decreases still to come.

        That is within this second, as two tolerances are: no trade held before is needed longer.
        """
        self._taken = {}
        for price, trades in {**taken, **known}.items():
            if trades[-1][0] >= first_us:
                left = [one.copy() for one in trades if one[0] >= first_us and one[1]]
                if left:
                    self._taken[price] = left

    def _explain(self, time_us: int, lots: int, trades: list[list[int]]) -> int:
        """Use trades near a decrease up; return how much of it they explain."""
        first_us, last_us = time_us - self._tolerance_us, time_us + self._tolerance_us
        left = lots
        for trade in trades:
            if trade[0] > last_us or not left:
                break
            if trade[0] >= first_us:
                used = min(left, trade[1])
                trade[1] -= used
                left -= used
        return lots - left

    def _add(self, removed: int, traded: int) -> None:
        self._sums.append((removed, traded))
        self._removed += removed
        self._traded += traded
        if len(self._sums) > self._seconds:
            gone_removed, gone_traded = self._sums.popleft()
            self._removed -= gone_removed
            self._traded -= gone_traded

    def sums(self) -> tuple[int, int] | None:
        """Return what was removed and what of it was traded; None until the window is filled."""
        if len(self._sums) < self._seconds:
            return None
        return self._removed, self._traded

    def dump(self) -> Plain:
        """Return everything as plain values for a snapshot."""
        return [list(self._sums), self.waiting, list(self._taken.items())]
