"""What a usual minute of liquidations is: P99 of non-overlapping 60 s sums over the last days.

A block is a minute of the clock. It counts for a set of instruments where the liquidation feeds of
all of them were there through it, so that a dead feed lowers no percentile. An instrument with too
few blocks of its own is left out of the set: the sum over the others is a lower bound of the whole,
and better than none for the day that it takes. Where a venue changes how it samples, its earlier
blocks are forgotten: sums across such a break are not compared (definitions 5.9). The percentile is
the nearest rank: the smallest value that 99 % of the blocks do not exceed.

State: two 64-bit sums per block and instrument, 161 kB an instrument for 7 days. Hours that are
over are parts of the snapshot. A percentile is worked out when asked for (some milliseconds), once
a minute at most for the same instruments.
"""

from array import array
from collections.abc import Iterator, Sequence

import msgspec

from processors.liquidation.tally import SIDES
from processors.plain import Plain
from processors.seconds.presence import stream_of
from processors.seconds.second import MemberSecond
from schemas.liquidations import LiquidatedSide
from schemas.units import US_PER_MINUTE, round_half_even

HOUR = 60
DAY = 24 * HOUR
UNKNOWN = -1

Hour = dict[str, tuple["array[int]", "array[int]"]]
"""Sums by instrument, one per minute, long and short; `UNKNOWN` where the feed was not there."""


class Baseline:
    """The blocks of one asset, in hundredths of USD.

    Args:
        days: how long they count.
        least_blocks: with fewer there is no percentile.
        per_cent: ticks x lots in one hundredth of the quote.
    """

    def __init__(self, days: int, least_blocks: int, per_cent: int) -> None:
        self._blocks, self._least, self._per_cent = days * DAY, least_blocks, per_cent
        self._hours: dict[int, Hour] = {}
        self._minute = 0
        self._open: dict[str, list[int]] = {}
        self._since: dict[str, int] = {}
        self._fresh: dict[str, bytes] = {}
        self._known: dict[tuple[LiquidatedSide, tuple[str, ...]], int | None] = {}

    def take(self, member: MemberSecond, sums: Sequence[int]) -> None:
        """Take in what one instrument told in one second, long and short, in ticks x lots.

        Every instrument of a second before any of the next; `close` goes before the first.
        """
        stream = stream_of(member, "liquidation_stream")
        if stream is None:
            return
        block = self._open.setdefault(member.name, [0, 0, 0])
        block[0] += sums[0]
        block[1] += sums[1]
        block[2] += stream.complete

    def close(self, start_us: int) -> None:
        """Close the block that is over when a second begins, and hours with it."""
        minute = start_us // US_PER_MINUTE
        if minute == self._minute:
            return
        for name, (long, short, seconds) in sorted(self._open.items()):
            if seconds == 60:
                self._put(name, *(round_half_even(one, self._per_cent) for one in (long, short)))
        hour = self._minute // HOUR
        if minute // HOUR != hour and hour in self._hours:
            self._fresh[str(hour)] = _encode(self._hours[hour])
        self._minute = minute
        self._open.clear()
        self._known.clear()
        for old in [one for one in self._hours if not self.keeps(str(one))]:
            del self._hours[old]
            self._fresh.pop(str(old), None)

    def restart(self, name: str) -> None:
        """Forget the blocks of an instrument up to the open one: it counts differently now."""
        self._since[name] = self._minute + 1
        self._open.pop(name, None)
        self._known.clear()
        for number, hour in self._hours.items():
            self._mask(number, hour)

    def _mask(self, number: int, hour: Hour) -> None:
        """Make what is before an instrument's last restart unknown."""
        for name in hour.keys() & self._since.keys():
            for place in range(min(HOUR, self._since[name] - number * HOUR)):
                hour[name][0][place] = hour[name][1][place] = UNKNOWN

    def _put(self, name: str, long: int, short: int) -> None:
        hour = self._hours.setdefault(self._minute // HOUR, {})
        if name not in hour:
            hour[name] = (array("q", [UNKNOWN] * HOUR), array("q", [UNKNOWN] * HOUR))
        hour[name][0][self._minute % HOUR] = long
        hour[name][1][self._minute % HOUR] = short

    def p99(self, names: Sequence[str], side: LiquidatedSide) -> int | None:
        """Return the percentile of the sum over instruments, None with too few blocks.

        Those that have too few by themselves are left out.

        Args:
            names: the instruments, sorted.
            side: the liquidated one.
        """
        key = (side, tuple(names))
        if key not in self._known:
            behind = key[1]
            if len(behind) > 1:
                behind = tuple(name for name in behind if self.p99((name,), side) is not None)
            values = sorted(self._sums(behind, SIDES.index(side)))
            enough = len(values) >= self._least
            self._known[key] = values[-(-99 * len(values) // 100) - 1] if enough else None
        return self._known[key]

    def _sums(self, names: tuple[str, ...], side: int) -> Iterator[int]:
        """Yield the sums of the blocks that all of the instruments were there in."""
        first = self._minute - self._blocks
        for number, hour in self._hours.items():
            if not names or any(name not in hour for name in names):
                continue
            skipped = max(0, first - number * HOUR)
            columns = [hour[name][side][skipped:] for name in names]
            yield from (sum(row) for row in zip(*columns, strict=True) if min(row) >= 0)

    # --- state

    def take_parts(self) -> dict[str, bytes]:
        """Return the hours that were closed since the last call."""
        fresh, self._fresh = self._fresh, {}
        return fresh

    def dump(self) -> Plain:
        """Return what is not in the parts: the block and the hour that are open."""
        current = self._hours.get(self._minute // HOUR, {})
        return [self._minute, self._open, self._since, _encode(current).decode()]

    def load(self, state: Plain, parts: dict[str, bytes]) -> None:
        """Take the values of `dump` and the parts back, without those written after it."""
        self._minute, self._open, self._since, current = state
        now = self._minute // HOUR
        for number in sorted(int(name) for name in parts if self.keeps(name) and int(name) < now):
            hour = self._hours[number] = _decode(parts[str(number)])
            self._mask(number, hour)
        if hour := _decode(current):
            self._hours[now] = hour

    def keeps(self, part: str) -> bool:
        """Say whether an hour has a block that counts."""
        return (int(part) + 1) * HOUR > self._minute - self._blocks


def _encode(hour: Hour) -> bytes:
    return msgspec.json.encode({name: [list(row) for row in hour[name]] for name in sorted(hour)})


def _decode(text: str | bytes) -> Hour:
    decoded = msgspec.json.decode(text, type=dict[str, tuple[list[int], list[int]]])
    return {name: (array("q", long), array("q", short)) for name, (long, short) in decoded.items()}
