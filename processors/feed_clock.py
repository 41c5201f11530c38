"""One stream of one instrument, as the headers of its batches tell it: time, state, coverage.

Source: definitions 5.0 (watermark, finality, completeness).
"""

from processors.coverage import Coverage
from processors.plain import Plain
from processors.scopes import ScopeKey
from schemas.market import COVERING_STATES, FeedState, Scope, stale_after_us
from schemas.trades import BatchHeader
from schemas.units import US_PER_SECOND

LATENESS_US = 2 * US_PER_SECOND
"""How far the watermark must have passed a window's end before the window is final."""

TIMEOUT_US = 30 * US_PER_SECOND
"""How long after a window's end a missing feed is waited for."""

MAX_CHANGES = 64
"""So many changes of a feed's state are remembered, for those who ask how it was."""

Hole = tuple[int, int] | None
"""The interval that turned out not to be covered."""


class FeedClock:
    """How far a stream has come, and how it is.

    `began_us` is the lowest watermark, `watermark_us` the highest, `advanced_us` when that came.
    """

    def __init__(self, venue: str, symbol: str, aggregate: ScopeKey) -> None:
        self.name = f"{venue}:{symbol}"
        self.key = ScopeKey(Scope.VENUE, venue, symbol)
        self.aggregate = aggregate
        self.stale_us = stale_after_us(venue)
        self.began_us = 0
        self.watermark_us = 0
        self.advanced_us = 0
        self.session = ""
        self.sequence = -1
        self.state = FeedState.DOWN
        self.coverage = Coverage()
        self._changes: list[tuple[int, FeedState]] = []

    @property
    def listed(self) -> bool:
        """Whether the venue still has the instrument."""
        return self.state is not FeedState.NOT_LISTED

    def observe(self, batch: BatchHeader) -> Hole:
        """Take a batch's header in; return the gap that it reveals."""
        state, receive_us = batch.feed_state, batch.receive_time_us
        hole = self.coverage.observe(
            batch.session, batch.sequence, batch.watermark_us, state in COVERING_STATES
        )
        if batch.session != self.session or batch.sequence > self.sequence:
            self.session, self.sequence = batch.session, batch.sequence
            if state is not self.state:
                self.state = state
                self._changes.append((receive_us, state))
                if len(self._changes) > MAX_CHANGES:
                    del self._changes[0]
        first_us = batch.watermark_us or receive_us
        self.began_us = min(self.began_us or first_us, first_us)
        if batch.watermark_us > self.watermark_us:
            self.watermark_us = batch.watermark_us
            self.advanced_us = receive_us
        return hole

    def state_at(self, now_us: int) -> FeedState:
        """Return the feed's state, `stale` when its watermark has stood still for too long."""
        if self.state in COVERING_STATES and now_us - self.advanced_us > self.stale_us:
            return FeedState.STALE
        return self.state

    def was(self, at_us: int) -> FeedState:
        """Return what the venue's state was at a time; `down` before the first batch."""
        state = FeedState.DOWN
        for changed_us, changed in self._changes:
            if changed_us > at_us:
                break
            state = changed
        return state

    def frontier_us(self, now_us: int) -> int:
        """Return the time before which windows of this feed are final."""
        patience_us = TIMEOUT_US if self.listed else LATENESS_US
        return max(self.watermark_us - LATENESS_US, now_us - patience_us)

    def dump(self) -> Plain:
        """Return everything as plain values for a snapshot."""
        return [
            self.began_us,
            self.watermark_us,
            self.advanced_us,
            self.session,
            self.sequence,
            self.state.value,
            self.coverage.dump(),
            [[at_us, state.value] for at_us, state in self._changes],
        ]

    def load(self, state: Plain) -> None:
        """Take the values of `dump` back."""
        self.began_us, self.watermark_us, self.advanced_us = state[:3]
        self.session, self.sequence = state[3:5]
        self.state = FeedState(state[5])
        self.coverage = Coverage(state[6])
        self._changes = [(at_us, FeedState(value)) for at_us, value in state[7]]
