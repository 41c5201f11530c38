"""Who was there from any second of a day until now, at the price of one sum per instrument.

Many windows that begin at different moments are open at once. Instead of one count for each, totals
since the day began are kept; a window remembers those at its beginning, and the difference is its
own. Source: definitions 5.0 (completeness).
"""

from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from processors.plain import Plain
from processors.scopes import ScopeKey, scope_key
from processors.seconds.presence import status_of, stream_of
from processors.seconds.second import Second
from schemas.lineage import Completeness
from schemas.market import FeedState, Scope


class Total(NamedTuple):
    """For how long an instrument's trades were covered, and in how many seconds it was listed."""

    covered_us: int = 0
    seconds: int = 0


Totals = Mapping[str, Total]
"""By instrument; one such mapping never changes."""

_NONE = Total()


class Attendance:
    """Running totals of every instrument since the day began; as many as there are instruments."""

    def __init__(self, state: Plain = None) -> None:
        totals, aggregates, states = state or ({}, {}, {})
        self.totals: Totals = {name: Total(*total) for name, total in totals.items()}
        self._aggregates = {name: scope_key(key) for name, key in aggregates.items()}
        self._states = {name: FeedState(value) for name, value in states.items()}

    def begin(self) -> None:
        """Begin a day."""
        self.totals, self._aggregates, self._states = {}, {}, {}

    def take(self, second: Second) -> None:
        """Add one second; `totals` is a new mapping after it."""
        totals = dict(self.totals)
        for name, member in second.members.items():
            stream = stream_of(member, "trade_stream")
            if stream is not None:
                covered_us, seconds = totals.get(name, _NONE)
                totals[name] = Total(covered_us + stream.covered_us, seconds + 1)
                self._aggregates[name] = member.aggregate
                self._states[name] = stream.state
        self.totals = totals

    def names(self, key: ScopeKey) -> list[str]:
        """Return the instruments of a scope that were listed today, by name."""
        if key.scope is Scope.VENUE:
            name = f"{key.venue}:{key.symbol}"
            return [name] if name in self.totals else []
        return sorted(name for name, of in self._aggregates.items() if of == key)

    def covered(self, names: Collection[str], span_us: int) -> bool:
        """Say whether there are any and all were there for this long, since the day began."""
        return bool(names) and all(self.totals[name].covered_us >= span_us for name in names)

    def since(self, before: Totals, names: Iterable[str], span_us: int) -> Completeness:
        """Say who stands behind a window that began with the totals `before`."""
        covered = {}
        for name in names:
            covered_us, seconds = self.totals[name]
            earlier = before.get(name, _NONE)
            if seconds > earlier.seconds:
                covered[name] = covered_us - earlier.covered_us
        return completeness(covered, self._states, span_us)

    def dump(self) -> Plain:
        """Return everything as plain values for a snapshot."""
        states = {name: state.value for name, state in self._states.items()}
        return [self.totals, self._aggregates, states]


def completeness(
    covered_us: Mapping[str, int], states: Mapping[str, FeedState], span_us: int
) -> Completeness:
    """Return who stands behind a window.

    Args:
        covered_us: of the instruments that were expected in it, for how long they were there.
        states: how they were at its end.
        span_us: length of the window.
    """
    expected = sorted(covered_us)
    complete = [name for name in expected if covered_us[name] >= span_us]
    partial = [name for name in expected if 0 < covered_us[name] < span_us]
    return Completeness(
        status=status_of(expected, complete, partial),
        venues_expected=expected,
        venues_complete=complete,
        venues_partial=partial,
        coverage_ms={name: covered_us[name] // 1000 for name in expected},
        feed_states={name: states[name] for name in expected},
    )
