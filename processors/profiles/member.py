"""All profiles of one instrument.

Trades go into the open step alone; when it closes it is added to the windows, whose sums are made
again from closed steps and closed days after a restart.
"""

from collections.abc import Mapping

from processors.plain import Plain
from processors.profiles.history import History
from processors.profiles.params import (
    COMPOSITES,
    SPANS_US,
    US_PER_FOUR_HOURS,
    ProfileParams,
)
from processors.profiles.profile import Profile
from processors.scopes import ScopeKey, scope_key
from processors.seconds.presence import stream_of
from processors.seconds.second import MemberSecond
from schemas.market import FeedState
from schemas.profiles import ProfileWindow
from schemas.units import US_PER_DAY, US_PER_SECOND


class MemberProfiles:
    """One instrument: the open step, the windows that it adds to, and what they are summed from.

    Holds a day of steps and 29 days, encoded: about 10 kB a day for 300 rows, 200 kB for the steps.
    """

    def __init__(
        self, key: ScopeKey, aggregate: ScopeKey, row_ticks: int, params: ProfileParams
    ) -> None:
        self.key = key
        self.aggregate = aggregate
        self.state = FeedState.DOWN
        self._row_ticks = row_ticks
        self._most = params.max_rows
        self.step = self._empty()
        self.four_hours = self._empty()
        self.session = self._empty()
        spans_us = [SPANS_US[window] for window in COMPOSITES]
        step_us = params.step_seconds * US_PER_SECOND
        self.steps = History(step_us, [US_PER_DAY], row_ticks, self._most)
        self.days = History(US_PER_DAY, spans_us, row_ticks, self._most)

    def _empty(self) -> Profile:
        return Profile(self._row_ticks, self._most)

    def take(self, member: MemberSecond) -> None:
        """Take one second in."""
        stream = stream_of(member, "trade_stream")
        if stream is not None:
            self.step.covered_us += stream.covered_us
            self.step.seconds += 1
            self.state = stream.state
        if member.trades:
            self.step.take(member.columns)

    def begin(self, start_us: int) -> None:
        """Open the step that starts then, and the windows that start with it or before it."""
        self.steps.begin(start_us)
        self.days.begin(start_us - start_us % US_PER_DAY)

    def close_step(self, start_us: int) -> None:
        """Close the open step."""
        if self.step:
            self.steps.put(start_us, self.step)
            self.four_hours.add(self.step)
            self.session.add(self.step)
            self.step = self._empty()

    def end_four_hours(self) -> None:
        """Begin a window of four hours anew."""
        self.four_hours = self._empty()

    def close_day(self, start_us: int) -> None:
        """Add the session to the composites; it stays until it is ended."""
        if self.session:
            self.days.put(start_us, self.session)

    def end_session(self) -> None:
        """Begin a session anew."""
        self.session = self._empty()

    @property
    def gone(self) -> bool:
        """Whether nothing is known of it any more."""
        return not (self.session or len(self.days))

    def profile(self, window: ProfileWindow, *, day_closed: bool = False) -> Profile:
        """Return all of a window so far, as a copy.

        Args:
            window: which one.
            day_closed: whether the session is in the composites already.
        """
        total = self._empty()
        for part in self._parts_of(window, day_closed):
            total.add(part)
        return total

    def _parts_of(self, window: ProfileWindow, day_closed: bool) -> list[Profile]:
        match window:
            case ProfileWindow.SESSION:
                return [self.session, self.step]
            case ProfileWindow.FOUR_HOURS:
                return [self.four_hours, self.step]
            case ProfileWindow.ROLLING_24H:
                return [self.steps.sums[0], self.step]
        days = self.days.sums[COMPOSITES.index(window)]
        return [days] if day_closed else [days, self.session, self.step]

    # --- state

    def dump(self) -> Plain:
        """Return what is in no part."""
        return [self.key, self.aggregate, self.state.value, self.step.dump()]

    @staticmethod
    def load(
        values: Plain,
        open_us: int,
        parts: tuple[Mapping[int, bytes], Mapping[int, bytes]],
        row_ticks: int,
        params: ProfileParams,
    ) -> "MemberProfiles":
        """Return a member from the values of `dump`, its closed steps and its closed days."""
        key, aggregate, state, step = values
        member = MemberProfiles(scope_key(key), scope_key(aggregate), row_ticks, params)
        member.state = FeedState(state)
        member.step = Profile.load(step, params.max_rows)
        steps, days = parts
        member.steps.load(open_us, dict(steps))
        member.days.load(open_us - open_us % US_PER_DAY, dict(days))
        member.four_hours = member.steps.since(open_us - open_us % US_PER_FOUR_HOURS)
        member.session = member.steps.since(open_us - open_us % US_PER_DAY)
        return member
