"""The course of price after one event: its return and excursions after each horizon.

Prices are final one-minute bars of one instrument. The entry is the close of the first minute that
ends at the event or after it: what was found inside a minute could be acted upon then. Returns are
close over entry; excursions are over the highs and lows of the minutes since. A minute that is
missing or not complete leaves excursions unknown from then on, and a return only where it ends it.
All are in hundredths of a basis point, rounded half to even.
"""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from processors.plain import Plain
from schemas.lineage import Status
from schemas.outcomes import HORIZONS_MINUTES, Outcome, OutcomeAt, OutcomeOf
from schemas.units import US_PER_MINUTE, round_half_even

PER_UNIT = 1_000_000
"""Hundredths of a basis point in one."""


class Minute(NamedTuple):
    """A complete minute of one instrument; high and low are its close where nothing traded."""

    high: int
    low: int
    close: int


class Point(NamedTuple):
    """One horizon that is over: hundredths of basis points, seen by the side of the event."""

    gain: int | None
    adverse: int | None
    favourable: int | None


NOTHING = Point(None, None, None)


class Kind(NamedTuple):
    """Which events are counted together; `sign` is 1 for longs."""

    of: OutcomeOf
    seconds: int
    sign: int


class Course(msgspec.Struct, kw_only=True):
    """One event that is followed. `kind` is None for a random time, which is seen by longs.

    `entry` is None before `entry_us`, and where that minute was not complete.
    """

    id: str
    kind: Kind | None
    name: str
    event_us: int
    entry_us: int = 0
    entry: int | None = None
    high: int = 0
    low: int = 0
    gap: bool = False
    dropped: bool = False
    points: list[Point] = []

    @property
    def over(self) -> bool:
        """Whether all horizons are."""
        return len(self.points) == len(HORIZONS_MINUTES)

    def take(self, end_us: int, minute: Minute | None, *, missed: bool) -> bool:
        """Let a minute close; say whether a horizon is over with it.

        Args:
            end_us: of the minute.
            minute: of its instrument, None where it is not complete.
            missed: whether minutes before it are missing.
        """
        if not self.entry_us:
            return self._enter(end_us, minute)
        if minute is None or missed:
            self.gap = True
        if minute is not None:
            self.high, self.low = max(self.high, minute.high), min(self.low, minute.low)
        before = len(self.points)
        while not self.over and (due_us := self._due_us()) <= end_us:
            self.points.append(self._point(minute if due_us == end_us else None))
        return len(self.points) > before

    def drop(self) -> None:
        """End it before its time: too many are followed."""
        self.dropped = True
        self.points += [NOTHING] * (len(HORIZONS_MINUTES) - len(self.points))

    def _enter(self, end_us: int, minute: Minute | None) -> bool:
        self.entry_us = end_us
        if minute is None:
            self.points = [NOTHING] * len(HORIZONS_MINUTES)
            return True
        self.entry = self.high = self.low = minute.close
        return False

    def _due_us(self) -> int:
        return self.entry_us + HORIZONS_MINUTES[len(self.points)] * US_PER_MINUTE

    def _point(self, minute: Minute | None) -> Point:
        up, down = self._share(self.high), -self._share(self.low)
        sign = 1 if self.kind is None else self.kind.sign
        gain = None if minute is None else sign * self._share(minute.close)
        if self.gap:
            return Point(gain, None, None)
        return Point(gain, down, up) if sign > 0 else Point(gain, up, down)

    def _share(self, price: int) -> int:
        """Return how far a price is from the entry."""
        entry = self.entry or 1
        return round_half_even(PER_UNIT * (price - entry), entry)

    def told(self) -> Outcome:
        """Return what is known by now."""
        return Outcome(
            event_id=self.id,
            event_time_us=self.event_us,
            entry_time_us=self.entry_us,
            entry_ticks=self.entry,
            at=[
                self._at(minutes, point)
                for minutes, point in zip(HORIZONS_MINUTES, self.points, strict=False)
            ],
        )

    def _at(self, minutes: int, point: Point) -> OutcomeAt:
        reason = ""
        if point.gain is None:
            reason = "too_many_open" if self.dropped else "price_missing"
        elif point.adverse is None:
            reason = "gap"
        gain, adverse, favourable = map(basis_points, point)
        return OutcomeAt(minutes, gain, adverse, favourable, reason)

    @property
    def status(self) -> Status:
        """How much of what is over is known."""
        known = [value is not None for point in self.points for value in point]
        if all(known):
            return Status.COMPLETE
        return Status.PARTIAL if any(known) else Status.GAP


def basis_points(hundredths: int | None) -> float | None:
    """Return hundredths of a basis point in basis points."""
    return None if hundredths is None else hundredths / 100


def dump_courses(courses: Sequence[Course]) -> Plain:
    """Return courses as plain values."""
    return msgspec.to_builtins(list(courses))


def load_courses(state: Plain) -> list[Course]:
    """Take the values of `dump_courses` back."""
    return msgspec.convert(state, list[Course])
