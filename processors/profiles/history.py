"""Sums over windows that roll in steps: of closed steps, encoded, of one instrument.

A window of length `span` holds, while a step is open, that step and the closed ones before it that
lie in the last `span` up to its end. A step that leaves is taken away again, which is exact.
"""

import json
from collections.abc import Sequence

from processors.profiles.profile import Profile


class History:
    """The closed steps of one length that the longest of some windows still needs.

    Holds `span / unit` encoded profiles, about 25 bytes for each row that traded in them.

    Args:
        unit_us: length of a step.
        spans_us: lengths of the windows, multiples of it.
        row_ticks: the asset's row.
        most: rows that a profile may have.
    """

    def __init__(self, unit_us: int, spans_us: Sequence[int], row_ticks: int, most: int) -> None:
        self._unit_us = unit_us
        self._spans_us = spans_us
        self._row_ticks = row_ticks
        self._most = most
        self._units: dict[int, bytes] = {}
        self._extremes: dict[int, tuple[int, int]] = {}
        self._starts = [0 for _ in spans_us]
        self._fresh: dict[int, bytes] = {}
        self.sums = [Profile(row_ticks, most) for _ in spans_us]

    def __len__(self) -> int:
        return len(self._units)

    def put(self, start_us: int, profile: Profile) -> None:
        """Add the step that has just closed; it is in no window's past."""
        self._fresh[start_us] = encoded = profile.encode()
        self._hold(start_us, encoded, profile)
        for total in self.sums:
            total.add(profile)

    def _hold(self, start_us: int, encoded: bytes, profile: Profile) -> None:
        self._units[start_us] = encoded
        if profile.low is not None and profile.high is not None:
            self._extremes[start_us] = (profile.low, profile.high)

    def begin(self, start_us: int) -> None:
        """Open the step that starts then: what lies before its windows leaves them."""
        for place, span_us in enumerate(self._spans_us):
            since_us = start_us + self._unit_us - span_us
            leaving = [at for at in self._units if self._starts[place] <= at < since_us]
            self._starts[place] = since_us
            if leaving:
                self._leave(place, leaving)
        oldest_us = min(self._starts)
        for kept in (self._units, self._extremes):
            for at in [at for at in kept if at < oldest_us]:
                del kept[at]

    def _leave(self, place: int, leaving: Sequence[int]) -> None:
        total = self.sums[place]
        if total.step > self._row_ticks:
            self._sum_up(place)  # what made it coarse may have left
            return
        for at in leaving:
            total.remove(self._unit(at))
        total.low, total.high = self._range(place)

    def _range(self, place: int) -> tuple[int | None, int | None]:
        since_us = self._starts[place]
        kept = [pair for at, pair in self._extremes.items() if at >= since_us]
        if not kept:
            return None, None
        lows, highs = zip(*kept, strict=True)
        return min(lows), max(highs)

    def _unit(self, start_us: int) -> Profile:
        return Profile.load(json.loads(self._units[start_us]), self._most)

    def _sum_up(self, place: int) -> None:
        self.sums[place] = self.since(self._starts[place])

    def since(self, start_us: int) -> Profile:
        """Return the sum of the closed steps from a time on."""
        total = Profile(self._row_ticks, self._most)
        for at in self._units:
            if at >= start_us:
                total.add(self._unit(at))
        return total

    def take_parts(self) -> dict[int, bytes]:
        """Return the steps closed since the last call that are still needed, by start."""
        fresh = {at: encoded for at, encoded in self._fresh.items() if at in self._units}
        self._fresh = {}
        return fresh

    def keeps(self, start_us: int) -> bool:
        """Say whether a step is still needed."""
        return start_us in self._units

    def load(self, open_us: int, parts: dict[int, bytes]) -> None:
        """Continue with these closed steps while the one that starts at `open_us` is open."""
        self._starts = [open_us + self._unit_us - span_us for span_us in self._spans_us]
        for at, encoded in sorted(parts.items()):
            if min(self._starts) <= at < open_us:
                self._hold(at, encoded, Profile.load(json.loads(encoded), self._most))
        for place in range(len(self.sums)):
            self._sum_up(place)
