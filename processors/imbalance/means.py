"""Time-weighted imbalance per bar (definitions 5.6, TW-OBI).

The integral of a measure over the time in which it was known, over that time: from one book to the
next the first one stands. A second that the book's stream did not cover wholly counts as unknown.
The integrals are integers (1e-9 times microseconds).
"""

from collections.abc import Sequence

from processors.imbalance.history import NANO
from processors.plain import Plain
from schemas.imbalance import TimeWeighted
from schemas.units import US_PER_SECOND


class Means:
    """The open bar of one instrument.

    Args:
        measures: their names.
        bar_seconds: how long a bar is; bars are aligned to 1970.
        valid_percent: how much of a bar a measure must be known for.
    """

    def __init__(
        self, measures: Sequence[str], bar_seconds: int, valid_percent: int, state: Plain = None
    ) -> None:
        self._measures = measures
        self._bar_us = bar_seconds * US_PER_SECOND
        self._valid_percent = valid_percent
        self._start_us: int
        self._integrals: list[int]
        self._valid_us: list[int]
        nothing = [0] * len(measures)
        self._start_us, self._integrals, self._valid_us = state or (-1, nothing, [*nothing])

    def begin(self, time_us: int) -> list[TimeWeighted]:
        """Let a second begin; return the means of the bar before, if time jumped over its end."""
        start_us = time_us - time_us % self._bar_us
        ended = self._ended() if 0 <= self._start_us < start_us else []
        self._start_us = start_us
        return ended

    def end(self, time_us: int) -> list[TimeWeighted]:
        """Let the second end; return the means of the bar that ends with it, if one does."""
        return self._ended() if time_us % self._bar_us == 0 else []

    def add(self, span_us: int, values: Sequence[int | None]) -> None:
        """Let the measures have had these values for a time, all of it in the open bar."""
        for index, value in enumerate(values):
            if value is not None:
                self._integrals[index] += value * span_us
                self._valid_us[index] += span_us

    def _ended(self) -> list[TimeWeighted]:
        found = []
        for measure, integral, valid_us in zip(
            self._measures, self._integrals, self._valid_us, strict=True
        ):
            enough = valid_us * 100 >= self._valid_percent * self._bar_us
            obi = integral / (valid_us * NANO) if enough else None
            found.append(TimeWeighted(self._start_us, measure, obi, valid_us // 1000))
        self._start_us = -1
        self._integrals = [0] * len(self._measures)
        self._valid_us = [0] * len(self._measures)
        return found

    def dump(self) -> Plain:
        """Return everything as plain values for a snapshot."""
        return [self._start_us, self._integrals, self._valid_us]
