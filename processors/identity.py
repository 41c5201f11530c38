"""Recognise a trade that was counted before, in bounded memory.

Two rules, chosen by what a venue's ids promise. Sequential ids are kept as a few intervals, so a
whole day costs next to nothing and a late trade is always told from a repeated one. Opaque ids are
remembered for five minutes of venue time; what is older cannot be proven new and is
refused. Source: definitions 5.0 (identity), reliability notes on collectors.
"""

from bisect import bisect_right
from collections.abc import Sequence
from typing import Protocol

from processors.journal import Journal
from processors.plain import Plain
from schemas.units import US_PER_MINUTE, US_PER_SECOND

MAX_INTERVALS = 50_000
"""Above this the lowest holes of a sequential stream are taken as closed."""

OPAQUE_HORIZON_US = 5 * US_PER_MINUTE
BUCKET_US = 10 * US_PER_SECOND
MAX_OPAQUE_IDS = 300_000
"""Above this the oldest bucket of opaque ids is forgotten early, and the horizon with it."""

TradeId = int | str


class SeenIds(Protocol):
    """The memory of one instrument's trade ids."""

    def add(self, trade_id: TradeId, event_time_us: int) -> bool:
        """Remember an id; False when it was there already."""
        ...

    def add_all(
        self, trade_ids: Sequence[TradeId], times_us: Sequence[int], span_us: tuple[int, int]
    ) -> bool:
        """Remember a batch of ids at once; False, with none remembered, where `add` must decide.

        Args:
            trade_ids: the ids.
            times_us: their venue times.
            span_us: the first and the last of the times.
        """
        ...

    def advance(self, watermark_us: int) -> None:
        """Let time move on: forget what need not be remembered any more."""
        ...

    def floor_us(self) -> int:
        """Return the venue time before which a trade cannot be told from a repeated one."""
        ...

    def take_parts(self) -> dict[str, bytes]:
        """Return the finished pieces of a snapshot since the last call."""
        ...

    def dump(self) -> Plain:
        """Return what is not in the parts, as plain lists."""
        ...

    def keeps(self, part: str) -> bool:
        """Say whether a part is still needed."""
        ...


class SequentialIds:
    """Ids that grow with time, as sorted disjoint intervals `[start, end]`."""

    def __init__(self, state: Plain = None) -> None:
        starts, ends = state if state else ([], [])
        self._starts: list[int] = list(starts)
        self._ends: list[int] = list(ends)

    def add(self, trade_id: TradeId, event_time_us: int) -> bool:
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

    def add_all(
        self, trade_ids: Sequence[TradeId], times_us: Sequence[int], span_us: tuple[int, int]
    ) -> bool:
        """Remember a batch that continues the newest interval without a hole."""
        first, ends = trade_ids[0], self._ends
        if not ends or first != ends[-1] + 1:
            return False
        if trade_ids != tuple(range(first, first + len(trade_ids))):
            return False
        ends[-1] += len(trade_ids)
        return True

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
            if len(ends) > MAX_INTERVALS:
                self._close_lowest_hole()
        return True

    def _close_lowest_hole(self) -> None:
        self._ends[0] = self._ends[1]
        del self._starts[1], self._ends[1]

    def advance(self, watermark_us: int) -> None:
        """Forget nothing: intervals cost no memory."""

    def floor_us(self) -> int:
        """Return 0: intervals reach back as far as the stream does."""
        return 0

    def take_parts(self) -> dict[str, bytes]:
        """Return nothing: all of it is in `dump`."""
        return {}

    def dump(self) -> Plain:
        """Return `[starts, ends]`."""
        return [self._starts, self._ends]

    def keeps(self, part: str) -> bool:
        """Return False: there are no parts."""
        return False


class OpaqueIds:
    """Ids without order, remembered in buckets of venue time.

    The feed's watermark decides what is forgotten, so that one trade with a time in the future does
    not push the horizon ahead of the others. Holds `MAX_OPAQUE_IDS` and a bucket at most.
    """

    def __init__(self, state: Plain = None, parts: dict[str, bytes] | None = None) -> None:
        self._buckets: dict[int, set[TradeId]] = {}
        self._count = 0
        self._first = 0
        self._journal = Journal()
        if state:
            self._first = state[0]
            for rows in self._journal.load(state[1], parts or {}):
                for event_time_us, trade_id in rows:
                    if event_time_us // BUCKET_US >= self._first:
                        self._remember(event_time_us // BUCKET_US, [trade_id])

    def add(self, trade_id: TradeId, event_time_us: int) -> bool:
        """Remember an id with its venue time; False when it was there already."""
        if not self._remember(event_time_us // BUCKET_US, [trade_id]):
            return False
        self._journal.add([(event_time_us, trade_id)])
        return True

    def add_all(
        self, trade_ids: Sequence[TradeId], times_us: Sequence[int], span_us: tuple[int, int]
    ) -> bool:
        """Remember a batch of which every id is new and belongs to the same bucket."""
        bucket = span_us[0] // BUCKET_US
        if span_us[1] // BUCKET_US != bucket:
            return False
        if not self._remember(bucket, trade_ids):
            return False
        self._journal.add(list(zip(times_us, trade_ids, strict=True)))
        return True

    def _remember(self, bucket: int, trade_ids: Sequence[TradeId]) -> bool:
        ids = self._buckets.get(bucket)
        if ids is None:
            ids = self._buckets[bucket] = set()
        fresh = set(trade_ids)
        if len(fresh) != len(trade_ids) or not ids.isdisjoint(fresh):
            return False
        ids |= fresh
        self._count += len(fresh)
        if self._count > MAX_OPAQUE_IDS and len(self._buckets) > 1:
            self._forget(min(self._buckets) + 1)
        return True

    def advance(self, watermark_us: int) -> None:
        """Forget the ids from more than five minutes before the watermark."""
        first = (watermark_us - OPAQUE_HORIZON_US) // BUCKET_US
        if first > self._first:
            self._forget(first)

    def _forget(self, first: int) -> None:
        self._first = max(self._first, first)
        for bucket in [b for b in self._buckets if b < first]:
            self._count -= len(self._buckets.pop(bucket))
        self._journal.forget(self.floor_us())

    def floor_us(self) -> int:
        """Return the start of the oldest bucket that is still remembered whole."""
        return self._first * BUCKET_US

    def take_parts(self) -> dict[str, bytes]:
        """Return the pieces of the journal filled since the last call."""
        return self._journal.take_parts()

    def dump(self) -> Plain:
        """Return `[first bucket, journal]`."""
        return [self._first, self._journal.dump()]

    def keeps(self, part: str) -> bool:
        """Say whether a piece of the journal is still needed."""
        return self._journal.keeps(part)
