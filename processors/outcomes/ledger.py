"""The newest outcomes of one kind, in order, and what of them is written once.

A week of entries that is over is a part of the snapshot, named by its number; what has been pushed
out by newer ones is not in it. State: at most `most` outcomes, about 100 bytes each.
"""

import json
from collections import deque
from typing import NamedTuple

from processors.outcomes.course import Point
from processors.plain import Plain
from schemas.units import US_PER_DAY

US_PER_WEEK = 7 * US_PER_DAY


class Result(NamedTuple):
    """One outcome whose horizons are over; entries do not go back in time."""

    entry_us: int
    points: tuple[Point, ...]


class Ledger:
    """The newest results of one kind.

    Args:
        most: how many are held.
    """

    def __init__(self, most: int) -> None:
        self._results: deque[Result] = deque(maxlen=most)
        self._fresh: dict[str, bytes] = {}

    def add(self, result: Result) -> None:
        """Take one more in."""
        if self._results:
            week = self._results[-1].entry_us // US_PER_WEEK
            if result.entry_us // US_PER_WEEK != week:
                self._fresh[str(week)] = json.dumps(self._of(week), separators=(",", ":")).encode()
        self._results.append(result)

    @property
    def results(self) -> list[Result]:
        """All that are held, oldest first."""
        return list(self._results)

    def _of(self, week: int) -> list[Result]:
        return [one for one in self._results if one.entry_us // US_PER_WEEK == week]

    # --- state

    def take_parts(self) -> dict[str, bytes]:
        """Return the weeks closed since the last call."""
        fresh, self._fresh = self._fresh, {}
        return fresh

    def dump(self) -> Plain:
        """Return how many there are, and those of the open week."""
        if not self._results:
            return [0, []]
        return [len(self._results), self._of(self._results[-1].entry_us // US_PER_WEEK)]

    def load(self, state: Plain, parts: dict[str, bytes]) -> None:
        """Take the values of `dump` and the parts back."""
        count, current = state
        if not count:
            return
        newest = current[-1][0] // US_PER_WEEK
        weeks = sorted(int(name) for name in parts if int(name) < newest)
        rows = [row for week in weeks for row in json.loads(parts[str(week)])] + current
        for entry_us, points in rows[-count:]:
            self._results.append(Result(entry_us, tuple(Point(*point) for point in points)))

    def keeps(self, part: str) -> bool:
        """Say whether a week still has results that are held."""
        return bool(self._results) and int(part) >= self._results[0].entry_us // US_PER_WEEK
