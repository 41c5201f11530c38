"""The time a feed was really there: disjoint intervals of venue time.

Two batches of one session with neighbouring sequence numbers cover the time between their
watermarks, if the feed was there at the first of them. So a lost batch and a reconnect leave a gap,
and the order in which batches arrive leaves none.
"""

from bisect import bisect_left, bisect_right
from operator import itemgetter

from processors.plain import Plain
from schemas.units import US_PER_DAY

KEPT_US = 2 * US_PER_DAY
"""How long before the newest gap, or before now without one, intervals are kept.

The bars before a pause are closed when it is over, however long it was.
"""

MAX_INTERVALS = 4096
"""Above this the oldest intervals are forgotten; bars of that age are final already."""

MAX_SESSIONS = 4
MAX_RUNS = 64

_start = itemgetter(0)
_end = itemgetter(1)

Run = list[int]
"""`[first sequence, first watermark, last sequence, last watermark, 1 if covering on]`."""


class Coverage:
    """Intervals `[start_us, end_us]`, sorted, of one feed.

    Of the newest `MAX_SESSIONS` sessions it remembers the newest `MAX_RUNS` runs of batches without
    a hole, so that a batch that comes out of order still closes the hole it left.
    """

    def __init__(self, state: Plain = None) -> None:
        intervals, sessions = state if state else ([], [])
        self._intervals: list[list[int]] = [list(interval) for interval in intervals]
        self._sessions: dict[str, list[Run]] = {
            session: [list(run) for run in runs] for session, runs in sessions
        }

    def observe(
        self, session: str, sequence: int, watermark_us: int, covering: bool
    ) -> tuple[int, int] | None:
        """Take in one batch header; return the interval that turned out not to be covered."""
        covering = covering and watermark_us > 0
        runs = self._sessions.get(session)
        if runs is None:
            runs = self._sessions[session] = []
            if len(self._sessions) > MAX_SESSIONS:
                del self._sessions[next(iter(self._sessions))]
        if runs and runs[-1][2] == sequence - 1:
            return self._extend(runs[-1], watermark_us, covering)
        return self._place(runs, sequence, watermark_us, covering)

    def _extend(self, run: Run, watermark_us: int, covering: bool) -> tuple[int, int] | None:
        hole = None
        if run[4]:
            self._cover(run[3], max(run[3], watermark_us))
        elif covering:
            hole = self._begin(watermark_us)
        run[2:] = [run[2] + 1, watermark_us, int(covering)]
        return hole

    def _place(
        self, runs: list[Run], sequence: int, watermark_us: int, covering: bool
    ) -> tuple[int, int] | None:
        """Take in a batch that does not continue the newest run."""
        index = bisect_right(runs, sequence, key=_start)
        if index and sequence <= runs[index - 1][2]:
            return None
        hole = None
        if index and runs[index - 1][2] == sequence - 1:
            hole = self._extend(runs[index - 1], watermark_us, covering)
            index -= 1
        else:
            hole = self._begin(watermark_us) if covering else None
            runs.insert(index, [sequence, watermark_us, sequence, watermark_us, int(covering)])
        if index + 1 < len(runs) and runs[index + 1][0] == sequence + 1:
            if covering:
                self._cover(watermark_us, max(watermark_us, runs[index + 1][1]))
            runs[index][2:] = runs.pop(index + 1)[2:]
        if len(runs) > MAX_RUNS:
            del runs[0]
        return hole

    def _begin(self, watermark_us: int) -> tuple[int, int] | None:
        """Begin to cover at a watermark; return the gap since the newest time covered before."""
        newest_us = self._intervals[-1][1] if self._intervals else watermark_us
        self._cover(watermark_us, watermark_us)
        return (newest_us, watermark_us) if watermark_us > newest_us else None

    def _cover(self, start_us: int, end_us: int) -> None:
        intervals = self._intervals
        if intervals and intervals[-1][0] <= start_us <= intervals[-1][1]:
            intervals[-1][1] = max(intervals[-1][1], end_us)
            return
        first = bisect_left(intervals, start_us, key=_end)
        last = bisect_right(intervals, end_us, key=_start)
        if first < last:
            start_us = min(start_us, intervals[first][0])
            end_us = max(end_us, intervals[last - 1][1])
        intervals[first:last] = [[start_us, end_us]]
        oldest_us = intervals[-2:][0][1] - KEPT_US
        while intervals[0][1] < oldest_us or len(intervals) > MAX_INTERVALS:
            del intervals[0]

    def within(self, start_us: int, end_us: int) -> int:
        """Return how many microseconds of `[start_us, end_us)` are covered."""
        covered = 0
        for first, last in reversed(self._intervals):
            if last <= start_us:
                break
            covered += max(0, min(last, end_us) - max(first, start_us))
        return covered

    def first_within(self, start_us: int, end_us: int) -> int | None:
        """Return the first covered microsecond of `[start_us, end_us)`, None without any."""
        index = bisect_right(self._intervals, start_us, key=_end)
        if index < len(self._intervals):
            first_us = max(start_us, self._intervals[index][0])
            return first_us if first_us < end_us else None
        return None

    def dump(self) -> Plain:
        """Return everything as plain values for a snapshot."""
        return [self._intervals, list(self._sessions.items())]
