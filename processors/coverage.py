"""The time a feed was really there: disjoint intervals of venue time.

A session covers from the watermark of its first batch to that of its newest, less what lies between
two batches whose sequence numbers have a hole. A reconnect therefore leaves a gap between the last
watermark of the old session and the first of the new one.
"""

from processors.plain import Plain
from schemas.units import US_PER_DAY

KEPT_US = 2 * US_PER_DAY
MAX_INTERVALS = 4096
"""Above this the oldest intervals are forgotten; bars of that age are final already."""


class Coverage:
    """Intervals `[start_us, end_us]`, sorted, of one feed."""

    def __init__(self, state: Plain = None) -> None:
        self._intervals: list[list[int]] = []
        self._session = ""
        self._sequence = -1
        self._covering = False
        self._missing: dict[int, list[int]] = {}
        if state:
            intervals, self._session, self._sequence, self._covering, missing = state
            self._intervals = [list(interval) for interval in intervals]
            self._missing = {int(key): list(value) for key, value in missing.items()}

    def observe(
        self, session: str, sequence: int, watermark_us: int, covering: bool
    ) -> tuple[int, int] | None:
        """Take in one batch header; return the interval that turned out not to be covered."""
        last_us = self._intervals[-1][1] if self._intervals else None
        hole = None
        if session != self._session:
            self._session, self._missing = session, {}
            hole = (last_us, watermark_us) if last_us is not None and covering else None
            self._open(watermark_us, covering)
        elif sequence <= self._sequence:
            self._heal(sequence)
            return None
        elif not self._covering or last_us is None:
            hole = (last_us, watermark_us) if last_us is not None and covering else None
            self._open(watermark_us, covering)
        elif sequence > self._sequence + 1:
            hole = (last_us, watermark_us)
            for lost in range(self._sequence + 1, min(sequence, self._sequence + 65)):
                self._missing[lost] = [last_us, watermark_us]
            self._open(watermark_us, covering)
        else:
            self._intervals[-1][1] = max(last_us, watermark_us)
            self._covering = covering
        self._sequence = sequence
        return hole if hole and hole[1] > hole[0] else None

    def _open(self, watermark_us: int, covering: bool) -> None:
        self._covering = covering
        if covering:
            last = self._intervals[-1][1] if self._intervals else 0
            self._intervals.append([max(watermark_us, last), max(watermark_us, last)])
            oldest = watermark_us - KEPT_US
            while len(self._intervals) > 1 and (
                self._intervals[0][1] < oldest or len(self._intervals) > MAX_INTERVALS
            ):
                del self._intervals[0]

    def _heal(self, sequence: int) -> None:
        hole = self._missing.pop(sequence, None)
        if hole is None or hole in self._missing.values():
            return
        for index, interval in enumerate(self._intervals[:-1]):
            if interval[1] == hole[0] and self._intervals[index + 1][0] == hole[1]:
                interval[1] = self._intervals[index + 1][1]
                del self._intervals[index + 1]
                return

    def within(self, start_us: int, end_us: int) -> int:
        """Return how many microseconds of `[start_us, end_us)` are covered."""
        covered = 0
        for first, last in reversed(self._intervals):
            if last <= start_us:
                break
            covered += max(0, min(last, end_us) - max(first, start_us))
        return covered

    def dump(self) -> Plain:
        """Return everything as plain values for a snapshot."""
        missing = {str(sequence): hole for sequence, hole in self._missing.items()}
        return [self._intervals, self._session, self._sequence, self._covering, missing]
