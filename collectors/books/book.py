"""One order book as a pure state machine: updates, snapshots and time in; a book or none out.

A book is either what the venue's is, or it says that it may not be used and needs a snapshot. It
never guesses: any hole, crossed prices that stay, a level off the grid or a silent stream makes it
invalid until a snapshot has come (in the stream) or was aligned (fetched).
"""

from collections import deque

from collectors.books.chains import FOLLOWS, Verdict, follows_snapshot
from collectors.books.levels import Side
from collectors.grid import INT64_MAX, Steps
from collectors.messages import BookUpdate, Level, Top
from collectors.venue import BookRule, Chain
from schemas.books import ASK_COVERED, BANDS_BP, BID_COVERED, BookBand, BookState
from schemas.instruments import Instrument
from schemas.units import US_PER_SECOND

KEPT_UPDATES = 1024
"""Updates kept to align a snapshot with: at 100 ms more than a minute and a half."""

SPARE_UPDATES = 64
"""Updates kept of a book that needs no snapshot: one that is then asked for is hardly older than
that. All of them would be most of what a collector remembers."""

CROSSED_US = US_PER_SECOND
"""Crossed prices that stay longer mean that something was missed."""

SET_BACK = 5
"""So many messages in a row that are older than what was heard, each newer than the one before, are
not late: the venue's clock was set back. To call them repeated would keep the book of before as it
is for as long as the clock was wrong."""

REFRESH_US = 3600 * US_PER_SECOND
REFRESH_SHARE = 0.5
"""A fetched snapshot knows a span of prices. Once the best price has used up this share of it, or
after an hour, a new one is wanted; the book stays valid meanwhile."""


class Book:
    """One instrument's book on one connection.

    Attributes:
        state: whether it may be used, and if not, why.
        epoch: how often it was built anew.
        last_id: the venue's id of the last update in it.
        event_time_us: the venue's time of that.
        heard_us: when its stream was last heard, at first when it was asked for.
        gaps, repeated: counts since the start.
    """

    def __init__(self, rule: BookRule, instrument: Instrument, prices: Steps | None = None) -> None:
        self._rule = rule
        self._fetched = rule.chain.is_fetched
        self._follows = FOLLOWS[rule.chain]
        steps = prices if prices is not None else Steps(instrument.venue_tick)
        scale = 1 / float(instrument.venue_lot)
        self.bids = Side(1, steps, scale, rule.depth)
        self.asks = Side(-1, steps, scale, rule.depth)
        self.state = BookState.NO_SNAPSHOT
        self.epoch = 0
        self.last_id = 0
        self.event_time_us = 0
        self.heard_us = 0
        self.gaps = 0
        self.repeated = 0
        self._newest_us = 0
        self._older = 0
        self._oldest_us = 0
        self._top: Top | None = None
        self._held = False
        """Whether the levels are of one point in the venue's stream, valid or crossed."""
        self._aligned = True
        self._crossed_us = 0
        self._synced_us = 0
        self._spans = (0, 0)
        self._recent: deque[BookUpdate] = deque(maxlen=KEPT_UPDATES)

    @property
    def valid(self) -> bool:
        """Whether the book is the venue's."""
        return self.state is BookState.LIVE

    @property
    def needs_snapshot(self) -> bool:
        """Whether only a snapshot helps; a fetched one needs an update to be aligned with."""
        return not self._held and not self.is_mute

    @property
    def is_mute(self) -> bool:
        """Whether no snapshot can be aligned, since the stream has not said anything (again)."""
        return self._fetched and not self._held and not self._recent

    def wants_refresh(self, now_us: int) -> bool:
        """Say whether a newer fetched snapshot would widen what is known."""
        if not (self._fetched and self.valid):
            return False
        if now_us - self._synced_us > REFRESH_US:
            return True
        return any(
            span and side.keys[-1] - (side.deepest or 0) < span * REFRESH_SHARE
            for side, span in zip((self.bids, self.asks), self._spans, strict=True)
            if side.keys
        )

    def take(self, update: BookUpdate, receive_us: int) -> bool:
        """Take an update of the stream in; return whether anything about the book changed."""
        self.heard_us = receive_us
        newest_us = self._note_time(update.event_time_us)
        if update.snapshot:
            changed = self._take_whole(update, newest_us)
        elif self._held:
            changed = self._take_change(update)
        else:
            if self._fetched:
                self._keep(update)
            return False
        if changed:
            self._check_crossed(receive_us)
        return changed

    def take_snapshot(self, snapshot: BookUpdate, receive_us: int) -> bool:
        """Take a fetched snapshot in and apply what came after it; return whether it could be."""
        follow = self._following(snapshot)
        if follow is None:
            return False
        if not self._held:
            self.epoch += 1
        if not self._fill(snapshot):
            return True
        self._synced_us = receive_us
        self._aligned = bool(follow)
        for update in follow:
            if not self._apply(update):
                return True
        self._check_crossed(receive_us)
        self._set_floors(snapshot)
        return True

    def touch(self, top: Top) -> bool:
        """Put newer best prices on a book that only has snapshots; return whether it changed."""
        self._top = top
        if not self._held or top.event_time_us < self.event_time_us:
            return False
        try:
            self._touch(self.bids, self.asks, top.bid)
            self._touch(self.asks, self.bids, top.ask)
        except ValueError:
            self.invalidate(BookState.BAD_LEVEL)
        self.event_time_us = top.event_time_us
        return True

    @staticmethod
    def _touch(side: Side, other: Side, level: Level | None) -> None:
        """Make a level the best of its side; what it would cross is gone."""
        if level is not None:
            key = side.key_of(level)
            side.cut_through(key)
            other.cut_through(-key - 1)
            side.put(level)

    def invalidate(self, state: BookState) -> None:
        """Stop using the book until a snapshot comes."""
        self.state = state
        self._held = False
        self.bids.clear()
        self.asks.clear()

    def pass_time(self, now_us: int, moved_us: int) -> None:
        """Notice what only time tells: prices that stay crossed, a stream that fell silent.

        Of a book that is well, what it no longer needs is forgotten.

        Args:
            now_us: receive time.
            moved_us: when the instrument was last seen to trade or to change its best price.
        """
        if self.state is BookState.CROSSED and now_us - self._crossed_us > CROSSED_US:
            self.gaps += 1
            self.invalidate(BookState.GAP)
        silent_us = int(self._rule.silent_seconds * US_PER_SECOND)
        moves = self._rule.always_moves or moved_us > self.heard_us + US_PER_SECOND
        if self._held and moves and now_us - self.heard_us > silent_us:
            self.invalidate(BookState.SILENT)
            self._recent.clear()  # a fetched snapshot is of use once the stream says something
        if self.valid and self._aligned and not self.wants_refresh(now_us):
            while len(self._recent) > SPARE_UPDATES:
                self._recent.popleft()

    def bands(self) -> list[BookBand]:
        """Return the depth inside each band around mid; none where there is no mid.

        Sums that no book can have mean that a level is none: the book is invalid after it.
        """
        bid, ask = self.bids.best, self.asks.best
        if bid is None or ask is None:
            return []
        mid_2 = bid[0] + ask[0]
        bid_lots, bid_products, bid_covered = self.bids.bands(mid_2)
        ask_lots, ask_products, ask_covered = self.asks.bands(mid_2)
        if max(bid_products[-1], ask_products[-1], bid_lots[-1], ask_lots[-1]) > INT64_MAX:
            self.invalidate(BookState.BAD_LEVEL)
            return []
        return [
            (
                width,
                bid_lots[number],
                ask_lots[number],
                bid_products[number],
                ask_products[number],
                BID_COVERED * bid_covered[number] | ASK_COVERED * ask_covered[number],
            )
            for number, width in enumerate(BANDS_BP)
        ]

    def _note_time(self, event_time_us: int) -> int:
        """Return the newest time heard before; notice that the venue's clock was set back."""
        before_us = self._newest_us
        if event_time_us >= before_us:
            self._newest_us, self._older, self._oldest_us = event_time_us, 0, 0
            return before_us
        if event_time_us > self._oldest_us:
            self._older, self._oldest_us = self._older + 1, event_time_us
        if self._older < SET_BACK:
            return before_us
        self._newest_us, self._older, self._oldest_us = event_time_us, 0, 0
        self._top = None
        self._recent.clear()
        self.invalidate(BookState.GAP)
        return 0

    def _take_whole(self, update: BookUpdate, newest_us: int) -> bool:
        at = (self.event_time_us, self.last_id)
        same = self._held and at == (update.event_time_us, update.last_id)
        if same or update.event_time_us < newest_us:
            # Older than what was heard, even if that could not be applied: ids that began anew
            # since might by chance go on from it.
            self.repeated += 1
            return False
        if not self._held or self._rule.chain is not Chain.SNAPSHOTS:
            self.epoch += 1
        self._fill(update)
        if self._top is not None and self._top.event_time_us > update.event_time_us:
            self.touch(self._top)
        return True

    def _take_change(self, update: BookUpdate) -> bool:
        verdict = self._verdict(update)
        if verdict is Verdict.REPEATED:
            self.repeated += 1
            return False
        if verdict is Verdict.GAP:
            self.gaps += 1
            self._recent.clear()
            self.invalidate(BookState.GAP)
        if self._fetched:
            self._recent.append(update)
        if verdict is Verdict.APPLY:
            self._aligned = True
            self._apply(update)
        return True

    def _verdict(self, update: BookUpdate) -> Verdict:
        """Say what to do with an update; before one fits the snapshot, it has to fit two things.

        The kept updates go on without a hole, whatever the snapshot holds of them already; else a
        snapshot from before a restart of the ids could be gone on from by chance.
        """
        if self._aligned:
            return self._follows(update, (self.last_id, self.event_time_us))
        if self._recent:
            last = self._recent[-1]
            verdict = self._follows(update, (last.last_id, last.event_time_us))
            if verdict is not Verdict.APPLY:
                return verdict
        verdict = follows_snapshot(self._rule.chain, update, self.last_id)
        if verdict is Verdict.REPEATED:
            self._recent.append(update)
        return verdict

    def _keep(self, update: BookUpdate) -> None:
        """Keep an update for a snapshot to come; what came before a hole is of no use."""
        if self._recent:
            last = self._recent[-1]
            verdict = self._follows(update, (last.last_id, last.event_time_us))
            if verdict is Verdict.REPEATED:
                self.repeated += 1
                return
            if verdict is Verdict.GAP:
                self._recent.clear()
        self._recent.append(update)

    def _following(self, snapshot: BookUpdate) -> list[BookUpdate] | None:
        """Return the kept updates that come after a snapshot; None where there is a hole between.

        That none is kept is no hole: the next update has to fit.
        """
        follow: list[BookUpdate] = []
        for update in self._recent:
            if not follow:
                verdict = follows_snapshot(self._rule.chain, update, snapshot.last_id)
                if verdict is Verdict.GAP:
                    return None
                if verdict is Verdict.REPEATED:
                    continue
            follow.append(update)
        return follow

    def _fill(self, update: BookUpdate) -> bool:
        try:
            self.bids.replace(update.bids)
            self.asks.replace(update.asks)
        except ValueError:
            self.invalidate(BookState.BAD_LEVEL)
            return False
        self.last_id = update.last_id
        self.event_time_us = update.event_time_us
        self.state = BookState.LIVE
        self._held = True
        self._crossed_us = 0
        return True

    def _apply(self, update: BookUpdate) -> bool:
        try:
            self.bids.apply(update.bids)
            self.asks.apply(update.asks)
        except ValueError:
            self.invalidate(BookState.BAD_LEVEL)
            return False
        self.last_id = update.last_id
        self.event_time_us = update.event_time_us
        return True

    def _check_crossed(self, now_us: int) -> None:
        if not self._held:
            return
        bid, ask = self.bids.keys, self.asks.keys
        if bid and ask and bid[-1] >= -ask[-1]:
            if self.state is not BookState.CROSSED:
                self._crossed_us = now_us
            self.state = BookState.CROSSED
        else:
            self.state = BookState.LIVE

    def _set_floors(self, snapshot: BookUpdate) -> None:
        """Note down to where the snapshot was complete: beyond, only what changed is known."""
        if not self._held:
            return
        spans = []
        for side, levels in ((self.bids, snapshot.bids), (self.asks, snapshot.asks)):
            whole = self._rule.snapshot_levels is None or len(levels) < self._rule.snapshot_levels
            side.floor = None if whole or not levels else side.key_of(levels[-1])
            best = side.keys[-1] if side.keys else 0
            spans.append(best - side.floor if side.floor is not None else 0)
        self._spans = (spans[0], spans[1])
