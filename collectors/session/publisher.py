"""When the lanes of a session publish, and what every header says: watermark and feed state."""

from collections.abc import Mapping, Sequence
from operator import itemgetter

from collectors.session.findings import Findings
from collectors.session.lanes.base import CLOCK_TOLERANCE_US, Header, Lane
from collectors.session.outcome import Outcome
from collectors.venue import Feed
from schemas.market import COVERING_STATES, FeedState, stale_after_us
from schemas.units import US_PER_SECOND

QUIET_US = 5 * US_PER_SECOND
"""How long after its last item a lane is called quiet."""

CATCH_UP_US = 60 * US_PER_SECOND
"""After a longer pause (a recording with a hole, a suspended machine) the missed seconds are not
filled with empty records."""

SUMMARY_US = 10 * US_PER_SECOND

_by_due = itemgetter(0)


class Publisher:
    """Publishes the lanes of one session.

    Attributes:
        heard_us: when the venue was last heard from.
        newest_us: the venue's time of the newest item.
        watermark_us: nothing earlier is expected any more; never falls.
        down: whether no connection is left.
    """

    def __init__(
        self,
        feed: Feed,
        session: str,
        opened_us: int,
        lanes: Sequence[Lane],
        findings: Findings,
        forced: Mapping[str, FeedState],
    ) -> None:
        self._feed = feed
        self._session = session
        self._lanes = lanes
        self._findings = findings
        self._stale_us = stale_after_us(feed.venue)
        self.newest_us = 0
        self._due_us = 0
        self._forced = forced
        self._states: dict[Lane, FeedState] = {}
        self.heard_us = opened_us
        self.watermark_us = 0
        self.down = False

    def hear(self, lane: Lane, items: int, event_us: int, receive_us: int) -> None:
        """Count one message of a lane; the venue's clock (0: not given) moves the watermark.

        Late are items: a message without any (a best price, the same again) is not.
        """
        if not event_us:
            lane.tally.heard(items, None)
            return
        lane.tally.heard(items, receive_us - event_us)
        self.newest_us = max(self.newest_us, min(event_us, receive_us + CLOCK_TOLERANCE_US))
        if items and event_us < self.watermark_us:
            lane.tally.note_late(self.watermark_us - event_us)

    def activate(self, lane: Lane, now_us: int, out: Outcome) -> None:
        """Start a lane: its first record is empty and says from when on it is covered."""
        if not lane.active:
            lane.active = True
            self.flush(lane, now_us, out)
            self.note_due(lane)

    def send_full(self, lane: Lane, now_us: int, out: Outcome) -> None:
        """Send at once what is too much to wait."""
        while lane.overfull:
            self.flush(lane, now_us, out)
        self.note_due(lane)

    def note_due(self, lane: Lane) -> None:
        """Remember when a lane that took something in is due."""
        due_us = lane.due_us()
        if due_us and (due_us < self._due_us or not self._due_us):
            self._due_us = due_us

    def pass_time(self, now_us: int, out: Outcome) -> None:
        """Send what is due, in the order in which it became so."""
        while self._due_us and self._due_us <= now_us:
            for due_us, lane in sorted(self._dues(), key=_by_due):
                if due_us > now_us:
                    break
                behind = not lane.pending_us and now_us - due_us > CATCH_UP_US
                self.flush(lane, now_us if behind else due_us, out)
            self._due_us = min((due_us for due_us, _ in self._dues()), default=0)

    def tell_forced(self, now_us: int, out: Outcome) -> None:
        """Say what is forced of lanes that never started, every second.

        Most venues do not acknowledge a stream of an instrument that they do not list.
        """
        for lane in self._lanes if self._forced else ():
            waiting = not lane.active and lane.instrument.symbol in self._forced
            if waiting and now_us - lane.sent_us >= US_PER_SECOND:
                self.flush(lane, now_us, out)

    def _dues(self) -> list[tuple[int, Lane]]:
        return [(due_us, lane) for lane in self._lanes if (due_us := lane.due_us())]

    def go_down(self, now_us: int, out: Outcome) -> None:
        """Send what waits, then say of every lane that it is down."""
        for lane in self._lanes:
            while lane.active and lane.pending_us and lane.has_rows:
                self.flush(lane, now_us, out)
        self.down = True
        for lane in self._lanes:
            if lane.active:
                self.flush(lane, now_us, out)
            while lane.has_rows:  # fetched, of a stream that was never acknowledged
                self.flush(lane, now_us, out)

    def flush(self, lane: Lane, now_us: int, out: Outcome) -> None:
        """Publish a lane's record of this moment."""
        if not self.down:
            seen_us = max(self.newest_us, min(self.heard_us, now_us))
            self.watermark_us = max(self.watermark_us, seen_us - self._feed.skew_us)
        state = self._state(lane, now_us)
        before = self._states.get(lane, FeedState.LIVE)
        self._states[lane] = state
        if (state in COVERING_STATES) is not (before in COVERING_STATES):
            out.events.append(self._findings.state(lane, before, state, now_us))
        tally = lane.tally
        if now_us - tally.since_us >= SUMMARY_US:
            lag_us = now_us - self.watermark_us if self.watermark_us else None
            out.events.append(self._findings.summary(lane, tally.summary(now_us, state, lag_us)))
            tally.start(now_us)
        out.batches.append(lane.build(self._header(lane, state, now_us), now_us))
        lane.sequence += 1
        lane.sent_us = now_us

    def _header(self, lane: Lane, state: FeedState, now_us: int) -> Header:
        instrument = lane.instrument
        ahead_us = lane.ahead_us - now_us
        return {
            "schema": lane.schema,
            "venue": instrument.venue,
            "kind": instrument.kind,
            "symbol": instrument.symbol,
            "venue_symbol": instrument.venue_symbol,
            "asset": instrument.asset,
            "quote": instrument.quote,
            "session": self._session,
            "sequence": lane.sequence,
            "receive_time_us": now_us,
            "watermark_us": self.watermark_us,
            "feed_state": state,
            "clock_skew_us": ahead_us if ahead_us > CLOCK_TOLERANCE_US else 0,
        }

    def _state(self, lane: Lane, now_us: int) -> FeedState:
        if self.down:
            return FeedState.DOWN
        forced = self._forced.get(lane.instrument.symbol)
        if forced is not None:
            return forced
        if now_us - self.heard_us > self._stale_us:
            return FeedState.STALE
        return FeedState.LIVE if now_us - lane.item_us <= QUIET_US else FeedState.QUIET
