"""One value a second over long rolling windows: exact sums, z-scores, and parts of snapshots.

A measure between -1 and 1 is held in units of 1e-9 (`NANO`): integer sums of values and squares are
exact however long they roll, so a restored state continues to the bit, and a measure that did not
move has a deviation of exactly 0.

Holds 8 bytes per second and measure, and the taker volume as whole numbers. Closed minutes are the
parts of a snapshot.
"""

import json
from array import array
from collections.abc import MutableSequence, Sequence
from math import sqrt

from processors.plain import Plain
from schemas.units import round_half_even

NANO = 1_000_000_000
MINUTE = 60

_ABSENT = -(1 << 62)
"""In a slot whose second has no value."""


def nano(difference: int, total: int) -> int:
    """Return a ratio in units of 1e-9, rounded half to even (total above zero)."""
    return round_half_even(difference * NANO, total)


class Track:
    """The values of the last seconds, each in the slot of its second, with their sums.

    Args:
        slots: one per second of the window, of any content.
    """

    def __init__(self, slots: MutableSequence[int]) -> None:
        self._slots = slots
        for index in range(len(slots)):
            slots[index] = _ABSENT
        self.second = 0
        self.count = self.total = self.squares = 0

    def put(self, second: int, value: int | None) -> None:
        """Set the value of a second after the last; those that are left out have none."""
        window = len(self._slots)
        for passed in range(max(self.second + 1, second - window + 1), second + 1):
            self._clear(passed % window)
        self.second = second
        if value is not None:
            self._slots[second % window] = value
            self.count += 1
            self.total += value
            self.squares += value * value

    def _clear(self, index: int) -> None:
        value = self._slots[index]
        if value != _ABSENT:
            self._slots[index] = _ABSENT
            self.count -= 1
            self.total -= value
            self.squares -= value * value

    @property
    def last(self) -> int | None:
        """The value of the last second, None where it has none."""
        value = self._slots[self.second % len(self._slots)]
        return None if value == _ABSENT else value

    def score(self, min_samples: int) -> float | None:
        """Return how many standard deviations the last value lies above the mean of the window.

        The window is that which ends with it, the deviation that of the population. None below the
        least number of values, where the last second has none, and where the deviation is 0.
        """
        value = self.last
        variance = self.count * self.squares - self.total * self.total
        if value is None or self.count < min_samples or not variance:
            return None
        return (self.count * value - self.total) / sqrt(variance)


Row = list[int | None]


class History:
    """The taker volume (`price ticks * lots`) and the tracked measures of one instrument.

    Args:
        flow_seconds: the window of the volume.
        score_seconds: the window of the measures.
        measures: how many.
    """

    def __init__(self, flow_seconds: int, score_seconds: int, measures: int) -> None:
        self.flow = Track([_ABSENT] * flow_seconds)
        self.measures = [Track(array("q", bytes(8 * score_seconds))) for _ in range(measures)]
        self._kept_minutes = -(-max(flow_seconds, score_seconds) // MINUTE) + 1
        self._second = 0
        self._minute: list[Row] = []
        self._fresh: dict[str, bytes] = {}

    def put(self, second: int, flow: int | None, measures: Sequence[int | None]) -> None:
        """Take the values of a second after the last."""
        if second // MINUTE != self._second // MINUTE and self._minute:
            self._fresh[str(self._second // MINUTE)] = json.dumps(
                self._minute, separators=(",", ":")
            ).encode()
            self._minute = []
        self._minute.append([second, flow, *measures])
        self._put(second, flow, measures)

    def _put(self, second: int, flow: int | None, measures: Sequence[int | None]) -> None:
        self._second = second
        self.flow.put(second, flow)
        for track, value in zip(self.measures, measures, strict=True):
            track.put(second, value)

    def take_parts(self) -> dict[str, bytes]:
        """Return the minutes closed since the last call."""
        fresh, self._fresh = self._fresh, {}
        return fresh

    def keeps(self, part: str) -> bool:
        """Say whether a closed minute still reaches into a window."""
        minute = self._second // MINUTE
        return minute - self._kept_minutes <= int(part) < minute

    def dump(self) -> Plain:
        """Return what is not in the parts."""
        return [self._second, self._minute]

    def load(self, state: Plain, parts: dict[str, bytes]) -> None:
        """Continue from the values of `dump` and the parts."""
        self._second, self._minute = state
        second = self._second
        for minute in sorted(int(part) for part in parts if self.keeps(part)):
            self._put_all(json.loads(parts[str(minute)]))
        self._put_all(self._minute)
        self._second = second

    def _put_all(self, rows: Plain) -> None:
        for second, flow, *measures in rows:
            self._put(second, flow, measures)
