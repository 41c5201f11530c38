"""Recognise a trade that was counted before, in bounded memory.

Two rules, chosen by what a venue's ids promise. Sequential ids are kept as a few intervals, so a
whole day costs next to nothing and a late trade is always told from a repeated one. Opaque ids are
remembered for five minutes of venue time; what is older cannot be proven new and is
refused. Source: definitions 5.0 (identity), reliability notes on collectors.
"""

from bisect import bisect_right
from typing import Protocol

from processors.plain import Plain
from schemas.units import US_PER_MINUTE

MAX_INTERVALS = 50_000
"""Above this the lowest holes of a sequential stream are taken as closed."""

OPAQUE_HORIZON_US = 5 * US_PER_MINUTE
MAX_OPAQUE_IDS = 300_000
"""Above this the oldest minute of opaque ids is forgotten early, and the horizon with it."""


class SeenIds(Protocol):
    """The memory of one instrument's trade ids."""

    def add(self, trade_id: int | str, event_time_us: int) -> bool:
        """Remember an id; False when it was there already."""
        ...

    def floor_us(self) -> int:
        """Return the venue time before which a trade cannot be told from a repeated one."""
        ...

    def dump(self) -> Plain:
        """Return the memory as plain lists for a snapshot."""
        ...


class SequentialIds:
    """Ids that grow with time, as sorted disjoint intervals `[start, end]`."""

    def __init__(self, state: Plain = None) -> None:
        starts, ends = state if state else ([], [])
        self._starts: list[int] = list(starts)
        self._ends: list[int] = list(ends)

    def add(self, trade_id: int | str, event_time_us: int) -> bool:
        """Remember an id; False when it was there already. O(1) for ids in order."""
        number = int(trade_id)
        ends = self._ends
        if not ends or number > ends[-1] + 1:
            self._starts.append(number)
            ends.append(number)
            if len(ends) > MAX_INTERVALS:
                self._close_lowest_hole()
            return True
        if number == ends[-1] + 1:
            ends[-1] = number
            return True
        return self._insert(number)

    def _insert(self, number: int) -> bool:
        starts, ends = self._starts, self._ends
        index = bisect_right(starts, number) - 1
        if index >= 0 and number <= ends[index]:
            return False
        touches_left = index >= 0 and ends[index] + 1 == number
        touches_right = index + 1 < len(starts) and starts[index + 1] - 1 == number
        if touches_left and touches_right:
            ends[index] = ends[index + 1]
            del starts[index + 1], ends[index + 1]
        elif touches_left:
            ends[index] = number
        elif touches_right:
            starts[index + 1] = number
        else:
            starts.insert(index + 1, number)
            ends.insert(index + 1, number)
        return True

    def _close_lowest_hole(self) -> None:
        self._ends[0] = self._ends[1]
        del self._starts[1], self._ends[1]

    def floor_us(self) -> int:
        """Return 0: intervals reach back as far as the stream does."""
        return 0

    def dump(self) -> Plain:
        """Return `[starts, ends]`."""
        return [self._starts, self._ends]


class OpaqueIds:
    """Ids without order, remembered with their venue time in buckets of a minute."""

    def __init__(self, state: Plain = None) -> None:
        self._buckets: dict[int, set[tuple[int, int | str]]] = {}
        self._count = 0
        self._newest = 0
        self._floor = 0
        if state:
            self._floor = state[0]
            for event_time_us, trade_id in state[1]:
                self.add(trade_id, event_time_us)

    def add(self, trade_id: int | str, event_time_us: int) -> bool:
        """Remember an id with its venue time; False when it was there already."""
        minute = event_time_us // US_PER_MINUTE
        if minute > self._newest:
            self._newest = minute
            self._forget(minute - OPAQUE_HORIZON_US // US_PER_MINUTE)
        bucket = self._buckets.get(minute)
        if bucket is None:
            bucket = self._buckets[minute] = set()
        before = len(bucket)
        bucket.add((event_time_us, trade_id))
        if len(bucket) == before:
            return False
        self._count += 1
        if self._count > MAX_OPAQUE_IDS and len(self._buckets) > 1:
            self._forget(min(self._buckets) + 1)
        return True

    def _forget(self, first_kept_minute: int) -> None:
        self._floor = max(self._floor, first_kept_minute * US_PER_MINUTE)
        for minute in [m for m in self._buckets if m < first_kept_minute]:
            self._count -= len(self._buckets.pop(minute))

    def floor_us(self) -> int:
        """Return the start of the oldest minute that is still remembered whole."""
        return self._floor

    def dump(self) -> Plain:
        """Return `[floor_us, [[event_time_us, id], ...]]` in a fixed order."""
        rows = sorted(
            (row for bucket in self._buckets.values() for row in bucket),
            key=lambda row: (row[0], str(row[1])),
        )
        return [self._floor, rows]
