"""Percentiles over a trailing window of time, by nearest rank.

P(q) of n samples is the smallest of them that at least `q * n` samples do not exceed. It is null
below a least number of samples (definitions 5.0, first bar).

- `TrailingPercentile` is exact and holds every sample as three 64-bit integers: for measures that
  are taken every few seconds. 8,640 samples (24 h at 10 s) are 207 kB.
- `TrailingTail` is for a great many samples of which only the large ones matter. It counts all of
  them, and those from a floor on in buckets that are 1/128 wide: a value counts as equal to others
  of its bucket, within 0.8 % of it. Its window moves in steps of a slot. At most 128 buckets per
  doubling above the floor are in a slot, in practice some hundred.

Both hand closed periods out as parts for snapshots, named by the number of the period.
"""

import json
from array import array
from bisect import bisect_left, insort

from processors.measures.shares import Share
from processors.plain import Plain

_FINE_BITS = 7


class TrailingPercentile:
    """The exact percentile of the samples in `(now - window, now]`.

    Args:
        window_us: how long a sample counts.
        share: which percentile, e.g. (95, 100).
        min_samples: below, there is none.
        period_us: how much time is in a part.
    """

    def __init__(
        self, window_us: int, share: Share, min_samples: int, period_us: int = 3_600_000_000
    ) -> None:
        self._window_us = window_us
        self._share = share
        self._min_samples = max(1, min_samples)
        self._period_us = period_us
        self._times = array("q")
        self._values = array("q")
        self._ordered = array("q")
        self._open_from = 0
        self._newest_us = 0
        self._fresh: dict[str, bytes] = {}

    @property
    def samples(self) -> int:
        """How many samples are held."""
        return len(self._times)

    def add(self, time_us: int, value: int) -> None:
        """Take one more sample in; times do not fall."""
        held = len(self._times)
        if self._open_from < held:
            period = self._times[self._open_from] // self._period_us
            if time_us // self._period_us != period:
                self._fresh[str(period)] = self._encode(self._open_from)
                self._open_from = held
        self._times.append(time_us)
        self._values.append(value)
        insort(self._ordered, value)
        self._newest_us = time_us

    def at(self, now_us: int) -> int | None:
        """Return the percentile of what is in the window now, None where that is too little."""
        self._drop(now_us - self._window_us)
        count = len(self._ordered)
        if count < self._min_samples:
            return None
        rank = -(-self._share[0] * count // self._share[1])
        return self._ordered[rank - 1]

    def _drop(self, until_us: int) -> None:
        """Forget samples up to a time."""
        if not self._times or self._times[0] > until_us:
            return
        gone = bisect_left(self._times, until_us + 1)
        for value in self._values[:gone]:
            del self._ordered[bisect_left(self._ordered, value)]
        del self._times[:gone]
        del self._values[:gone]
        self._open_from = max(0, self._open_from - gone)

    # --- state

    def _encode(self, first: int) -> bytes:
        rows = list(zip(self._times[first:], self._values[first:], strict=True))
        return json.dumps(rows, separators=(",", ":")).encode()

    def take_parts(self) -> dict[str, bytes]:
        """Return the periods closed since the last call."""
        fresh, self._fresh = self._fresh, {}
        return fresh

    def dump(self) -> Plain:
        """Return the samples of the open period."""
        return [
            self._newest_us,
            self._times[0] if self._times else 0,
            list(self._times[self._open_from :]),
            list(self._values[self._open_from :]),
        ]

    def load(self, state: Plain, parts: dict[str, bytes]) -> None:
        """Take the values of `dump` and the parts back, without those written after it."""
        self._newest_us, oldest_us, times, values = state
        rows = [
            row
            for name in sorted(parts, key=int)
            if self.keeps(name) and int(name) < self._newest_us // self._period_us
            for row in json.loads(parts[name])
            if row[0] >= oldest_us
        ]
        self._open_from = len(rows)
        self._times = array("q", [row[0] for row in rows] + times)
        self._values = array("q", [row[1] for row in rows] + values)
        self._ordered = array("q", sorted(self._values))

    def keeps(self, part: str) -> bool:
        """Say whether a period still has samples that count."""
        return (int(part) + 1) * self._period_us > self._newest_us - self._window_us


def bucket_of(value: int) -> int:
    """Return the number of the bucket of a value above zero; buckets are in order of value."""
    shift = max(0, value.bit_length() - _FINE_BITS - 1)
    return (shift << _FINE_BITS) + (value >> shift)


def bucket_floor(bucket: int) -> int:
    """Return the least value of a bucket."""
    shift = max(0, (bucket >> _FINE_BITS) - 1)
    return (bucket - (shift << _FINE_BITS)) << shift


class TrailingTail:
    """The upper percentile of a great many samples over the last slots.

    Args:
        slots: how many slots, with the open one, are the window.
        slot_us: how long a slot is.
        share: which percentile, e.g. (999, 1000).
        min_samples: below, there is none.
        floor: smaller values are only counted.
    """

    def __init__(
        self, slots: int, slot_us: int, share: Share, min_samples: int, floor: int
    ) -> None:
        self._kept = slots
        self._slot_us = slot_us
        self._share = share
        self._min_samples = max(1, min_samples)
        self._floor = floor
        self._slots: dict[int, tuple[int, dict[int, int]]] = {}
        self._newest = 0
        self._above: dict[int, int] = {}
        self._found: int | None = None
        self.samples = 0
        self._fresh: dict[str, bytes] = {}

    def add(self, time_us: int, values: list[int], smaller: int = 0) -> None:
        """Take samples in, all of one time; times do not fall.

        Args:
            time_us: when.
            values: of the samples.
            smaller: how many more there are whose values are below the floor.
        """
        self.move(time_us)
        added = len(values) + smaller
        if not added:
            return
        self._found = None
        total, counts = self._slots.get(self._newest, (0, {}))
        self._slots[self._newest] = (total + added, counts)
        self.samples += added
        for value in [value for value in values if value >= self._floor]:
            bucket = bucket_of(value)
            counts[bucket] = counts.get(bucket, 0) + 1
            self._above[bucket] = self._above.get(bucket, 0) + 1

    def move(self, time_us: int) -> None:
        """Let time move on: close the slot that is over, forget those that left the window."""
        slot = time_us // self._slot_us
        if slot == self._newest:
            return
        if self._newest in self._slots:
            self._fresh[str(self._newest)] = self._encode(self._newest)
        self._newest = slot
        self._found = None
        for old in [kept for kept in self._slots if kept <= slot - self._kept]:
            total, counts = self._slots.pop(old)
            self.samples -= total
            for bucket, count in counts.items():
                self._above[bucket] -= count
                if not self._above[bucket]:
                    del self._above[bucket]

    def reached_by(self, value: int) -> bool | None:
        """Say whether a value, from the floor on, is at or above the percentile; None if unknown.

        At least `q * n` samples do not exceed it exactly if at most `(1 - q) * n` do.
        """
        if self.samples < self._min_samples:
            return None
        return bucket_of(value) >= self._bucket()

    def threshold(self) -> int | None:
        """Return the least value of the percentile's bucket, None where it is below the floor."""
        if self.samples < self._min_samples or not self._bucket():
            return None
        return max(bucket_floor(self._bucket()), self._floor)

    def _bucket(self) -> int:
        """Return the percentile's bucket, 0 where it is below the floor."""
        if self._found is None:
            rest = (self._share[1] - self._share[0]) * self.samples
            reaching = 0
            self._found = 0
            for bucket in sorted(self._above, reverse=True):
                reaching += self._above[bucket]
                if reaching * self._share[1] > rest:
                    self._found = bucket
                    break
        return self._found

    # --- state

    def _encode(self, slot: int) -> bytes:
        total, counts = self._slots[slot]
        return json.dumps([total, sorted(counts.items())], separators=(",", ":")).encode()

    def take_parts(self) -> dict[str, bytes]:
        """Return the slots closed since the last call."""
        fresh, self._fresh = self._fresh, {}
        return fresh

    def dump(self) -> Plain:
        """Return the open slot."""
        total, counts = self._slots.get(self._newest, (0, {}))
        return [self._newest, total, sorted(counts.items())]

    def load(self, state: Plain, parts: dict[str, bytes]) -> None:
        """Take the values of `dump` and the parts back."""
        self._newest, total, rows = state
        stored = {int(name): json.loads(part) for name, part in parts.items() if self.keeps(name)}
        stored = {slot: content for slot, content in stored.items() if slot < self._newest}
        if total:
            stored[self._newest] = [total, rows]
        self._slots = {slot: (stored[slot][0], dict(stored[slot][1])) for slot in sorted(stored)}
        self.samples = sum(total for total, _ in self._slots.values())
        self._above, self._found = {}, None
        for _, counts in self._slots.values():
            for bucket, count in counts.items():
                self._above[bucket] = self._above.get(bucket, 0) + count

    def keeps(self, part: str) -> bool:
        """Say whether a slot is still in the window."""
        return self._newest - self._kept < int(part)
