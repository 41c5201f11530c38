"""Who was there: over one window that is being filled, and over windows that roll.

Source: definitions 5.0 (completeness, constant composition).
"""

from collections.abc import Iterable, Sequence
from typing import Literal

from processors.plain import Plain
from processors.seconds.second import MemberSecond, Second, StreamSecond
from schemas.lineage import Completeness, Status
from schemas.market import FeedState, Scope
from schemas.units import US_PER_MINUTE, US_PER_SECOND

StreamName = Literal["trade_stream", "book_stream", "liquidation_stream", "ticker_stream"]


def stream_of(member: MemberSecond, name: StreamName) -> StreamSecond | None:
    """Return one of an instrument's streams, None where it has none or is not listed any more."""
    stream: StreamSecond | None = getattr(member, name)
    return None if stream is None or stream.state is FeedState.NOT_LISTED else stream


def members_of(second: Second, scope: Scope, stream: StreamName) -> list[MemberSecond]:
    """Return the instruments of all perpetuals, or all spot, that have such a stream, by name."""
    return [
        member
        for member in second.members.values()
        if member.aggregate.scope is scope and stream_of(member, stream) is not None
    ]


class Window:
    """Who was there in one window, from its first second to its last.

    Args:
        stream: the stream that counts.
    """

    def __init__(self, stream: StreamName, state: Plain = None) -> None:
        self._stream: StreamName = stream
        self.seconds: int
        self.seconds, covered, states = state or (0, {}, {})
        self._covered: dict[str, int] = dict(covered)
        self._states: dict[str, FeedState] = {name: FeedState(s) for name, s in states.items()}

    def add(self, second: Second) -> None:
        """Take one more second in; a second that is missing counts with `skip`."""
        self.seconds += 1
        for name, member in second.members.items():
            stream = stream_of(member, self._stream)
            if stream is not None:
                self._covered[name] = self._covered.get(name, 0) + stream.covered_us
                self._states[name] = stream.state

    def skip(self, seconds: int) -> None:
        """Count seconds in which nobody was there."""
        self.seconds += seconds

    def record(self, names: Iterable[str]) -> Completeness:
        """Say who of these instruments stands behind the window so far."""
        span_us = self.seconds * US_PER_SECOND
        expected = sorted(name for name in names if name in self._covered)
        complete = [name for name in expected if self._covered[name] >= span_us]
        partial = [name for name in expected if 0 < self._covered[name] < span_us]
        return Completeness(
            status=status_of(expected, complete, partial),
            venues_expected=expected,
            venues_complete=complete,
            venues_partial=partial,
            coverage_ms={name: self._covered[name] // 1000 for name in expected},
            feed_states={name: self._states[name] for name in expected},
        )

    def dump(self) -> Plain:
        """Return everything as plain values for a snapshot."""
        states = {name: state.value for name, state in self._states.items()}
        return [self.seconds, self._covered, states]


class MinuteWindow:
    """Who was there in the minute that is being filled; seconds that are missing count.

    Args:
        stream: the stream that counts.
    """

    def __init__(self, stream: StreamName, state: Plain = None) -> None:
        self._stream: StreamName = stream
        self._next_us: int
        window, self._next_us = state or (None, 0)
        self._window = Window(stream, window)

    def take(self, second: Second) -> None:
        """Take one second in; the first one of a minute begins anew."""
        minute_us = second.start_us - second.start_us % US_PER_MINUTE
        if self._next_us <= minute_us:
            self._window = Window(self._stream)
        missed_us = second.start_us - max(minute_us, self._next_us)
        self._window.skip(missed_us // US_PER_SECOND)
        self._window.add(second)
        self._next_us = second.end_us

    def record(self, names: Iterable[str]) -> Completeness:
        """Say who of these instruments stands behind the minute so far."""
        return self._window.record(names)

    def dump(self) -> Plain:
        """Return everything as plain values for a snapshot."""
        return [self._window.dump(), self._next_us]


def status_of(
    expected: Sequence[str], complete: Sequence[str], partial: Sequence[str] = ()
) -> Status:
    """Return the completeness of a window that so many instruments were expected in."""
    if expected and len(complete) == len(expected):
        return Status.COMPLETE
    return Status.PARTIAL if complete or partial else Status.GAP


class Presence:
    """Since when each instrument's stream has been there without a break, for rolling windows.

    Args:
        stream: the stream that counts.
    """

    def __init__(self, stream: StreamName, state: Plain = None) -> None:
        self._stream: StreamName = stream
        self._next_us: int
        since, self._next_us = state or ({}, 0)
        self._since_us: dict[str, int | None] = dict(since)

    def take(self, second: Second) -> None:
        """Take one second in."""
        jumped = second.start_us != self._next_us
        self._next_us = second.end_us
        for name, member in second.members.items():
            stream = stream_of(member, self._stream)
            if stream is None:
                self._since_us.pop(name, None)
            elif not stream.complete:
                self._since_us[name] = None
            elif jumped or self._since_us.get(name) is None:
                self._since_us[name] = second.start_us

    @property
    def expected(self) -> list[str]:
        """The instruments that have such a stream, by name."""
        return sorted(self._since_us)

    def complete_since(self, start_us: int) -> list[str]:
        """Return the instruments that were there from a time on until now: the constant ones."""
        return sorted(
            name
            for name, since_us in self._since_us.items()
            if since_us is not None and since_us <= start_us
        )

    def dump(self) -> Plain:
        """Return everything as plain values for a snapshot."""
        return [self._since_us, self._next_us]
