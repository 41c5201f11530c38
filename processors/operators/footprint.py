"""Footprint bars of one asset: per instrument, over all perpetuals and over all spot.

Base bars (1 minute) are made from trades; wider bars and coarser rows are exact merges of them.
A bar is provisional while open (see `processors.footprint.lanes` for how often), final once the
watermark of every expected feed has passed its end by two seconds or thirty seconds have gone by,
and corrected when a trade comes later still. Source: definitions 5.0 (finality, completeness),
5.1 to 5.3.
"""

import hashlib
from bisect import bisect_left
from collections.abc import Iterator, Sequence

import msgspec

from processors.feed_clock import LATENESS_US
from processors.feeds import Accepted, Feed, Feeds
from processors.footprint.lanes import Lane, Lanes
from processors.footprint.ledger import HELD_US, Ledger
from processors.footprint.record import Recorder, Window
from processors.footprint.writer import Moment, Writer
from processors.measures.imbalance import ImbalanceParams
from processors.operator import Cause, Output
from processors.plain import Plain
from processors.scopes import ScopeKey, scope_key
from processors.state import State, own_parts
from processors.trades import Block
from processors.units import AssetUnits
from schemas.units import US_PER_DAY, US_PER_SECOND

Members = Sequence[Feed]
Changed = Sequence[tuple[Lane, Sequence[tuple[ScopeKey, int]]]]


class FootprintParams(msgspec.Struct, frozen=True, kw_only=True):
    """What decides the numbers: base interval, wider ones, coarser rows, imbalance rules."""

    interval_seconds: int = 60
    wide_seconds: tuple[int, ...] = (300, 900, 3600, 14_400, 86_400)
    row_factors: tuple[int, ...] = (1, 5, 25)
    imbalance: ImbalanceParams = ImbalanceParams()


def params_hash(*structs: msgspec.Struct) -> str:
    """Name a set of parameters by the beginning of its hash."""
    return hashlib.blake2b(msgspec.json.encode(structs), digest_size=6).hexdigest()


class FootprintOperator:
    """All footprint bars of one asset."""

    name = "footprint"

    def __init__(self, asset: str, units: AssetUnits, params: FootprintParams) -> None:
        self._base_us = params.interval_seconds * US_PER_SECOND
        wide_us = [seconds * US_PER_SECOND for seconds in params.wide_seconds]
        self._ledger = Ledger(self._base_us, wide_us, units.row_ticks)
        self._lanes = Lanes(self._base_us, wide_us, params.row_factors)
        recorder = Recorder(asset, units, params.imbalance, params_hash(units, params))
        self._writer = Writer(recorder, self._ledger, params.row_factors)
        self._next_close: dict[ScopeKey, int] = {}
        self._earliest_close = 0
        self._late: set[tuple[ScopeKey, int]] = set()

    # --- trades in

    def on_batch(self, batch: Accepted, cause: Cause) -> list[Output]:
        """Take the new trades of one batch into their bars; nothing is sent before time moves."""
        for start_us, part in self._by_bar(batch):
            self._ledger.take(start_us, part, cause.offset)
            for key in (batch.key, batch.aggregate):
                self._lanes.changed(key, start_us)
                if start_us < self._next_close.get(key, 0):
                    self._late.add((key, start_us))
        return []

    def _by_bar(self, batch: Accepted) -> Iterator[tuple[int, Accepted]]:
        trades = batch.block.trades if batch.block is not None else []
        excluded = batch.excluded
        if trades and not excluded:
            start_us = self._ledger.floor(trades[0][0])
            if trades[-1][0] < start_us + self._base_us:
                yield start_us, batch
                return
        times = [trade[0] for trade in trades] + [one.time_us for one in excluded]
        starts = {self._ledger.floor(time_us) for time_us in times}
        for start_us in sorted(starts):
            end_us = start_us + self._base_us
            first, last = bisect_left(trades, (start_us,)), bisect_left(trades, (end_us,))
            part = [one for one in excluded if start_us <= one.time_us < end_us]
            block = Block(trades[first:last]) if first < last else None
            yield start_us, batch._replace(block=block, excluded=part)

    # --- time moves on

    def on_time(self, feeds: Feeds, cause: Cause) -> list[Output]:
        """Close the bars that are over; send provisional and corrected ones that are due."""
        moment = Moment(feeds.now_us, cause)
        if self._late:
            self._note_late(feeds)
        outputs = self._close_due(feeds, moment) if self._may_close(feeds) else []
        return outputs + self._send_all(self._lanes.take_due(feeds.now_us), feeds, moment)

    def may_settle(self, feeds: Feeds) -> bool:
        """Say whether bars may be over, or closed ones changed: if not, all is provisional."""
        return bool(self._late) or self._may_close(feeds)

    def _may_close(self, feeds: Feeds) -> bool:
        new_scope = len(feeds.scopes()) > len(self._next_close)
        return new_scope or feeds.newest_us - LATENESS_US >= self._earliest_close

    def waiting(self, feeds: Feeds, cause: Cause) -> list[Output]:
        """Return the bars that have changed since they were sent; nothing changes by it."""
        moment = Moment(feeds.now_us, cause)
        return self._send_all(self._lanes.waiting(), feeds, moment, in_advance=True)

    def _send_all(
        self, changed: Changed, feeds: Feeds, moment: Moment, *, in_advance: bool = False
    ) -> list[Output]:
        outputs: list[Output] = []
        scopes = dict(feeds.scopes()) if changed else {}
        for lane, windows in changed:
            for key, start_us in windows:
                window = Window(key, lane.interval_us, start_us)
                outputs += self._send(lane, scopes[key], window, moment, in_advance=in_advance)
        return outputs

    def _note_late(self, feeds: Feeds) -> None:
        """Make known which closed bars the trades of this batch have changed."""
        scopes = dict(feeds.scopes())
        for key, start_us in sorted(self._late):
            self._ledger.correct(key, scopes[key], start_us)
        self._late.clear()

    def _close_due(self, feeds: Feeds, moment: Moment) -> list[Output]:
        outputs: list[Output] = []
        for key, members in feeds.scopes():
            frontier_us = feeds.frontier_us(members)
            start_us = self._next_close.get(key)
            if start_us is None:
                if frontier_us < min(feed.began_us for feed in members):
                    continue  # what was sent before its first record may still come
                start_us = self._first_bar(members)
            resumed_us = self._ledger.floor(min(frontier_us, feeds.now_us) - US_PER_DAY)
            if start_us < resumed_us:
                outputs += self._skip(key, members, (start_us, resumed_us), moment)
                start_us = resumed_us
            self._next_close[key] = start_us
            while start_us + self._base_us <= frontier_us:
                outputs += self._close(key, members, start_us, moment)
                start_us += self._base_us
        if len(self._next_close) == len(feeds.scopes()):
            closed_us = min(self._next_close.values())
            self._earliest_close = closed_us + self._base_us
            self._ledger.archive(min(closed_us, feeds.now_us - HELD_US))
            self._writer.forget(self._ledger.oldest_kept_us())
        return outputs

    def _first_bar(self, members: Members) -> int:
        """Return the first bar of a scope: that of its first trade or watermark."""
        first_us = min(feed.began_us for feed in members)
        traded = self._ledger.traded({feed.name for feed in members})
        start_us = self._ledger.floor(min([first_us, *traded]))
        return max(start_us, self._ledger.archived_until_us)

    def _skip(
        self, key: ScopeKey, members: Members, span: tuple[int, int], moment: Moment
    ) -> list[Output]:
        """Close what was open when a day or more without records began.

        These are the base bars up to the last one with trades, and the wider bars around it that
        end within the span. The bars after them are left out: nobody was there. The record that
        ends the pause has no trade that is as old as the span.
        """
        start_us, resumed_us = span
        outputs: list[Output] = []
        names = {feed.name for feed in members}
        traded_us = [at for at in self._ledger.traded(names) if start_us <= at < resumed_us]
        if traded_us:
            for base_us in range(start_us, traded_us[-1] + self._base_us, self._base_us):
                outputs += self._close(key, members, base_us, moment)
            start_us = traded_us[-1] + self._base_us
        for lane in self._lanes.wide:
            end_us = start_us + -start_us % lane.interval_us
            if start_us < end_us <= resumed_us:
                outputs += self._close_wide(lane, key, members, end_us, moment)
        return outputs

    def _close(
        self, key: ScopeKey, members: Members, start_us: int, moment: Moment
    ) -> list[Output]:
        end_us = self._next_close[key] = start_us + self._base_us
        self._ledger.close(key, members, start_us)
        bar = self._ledger.base(key, members, start_us)
        window = Window(key, self._base_us, start_us)
        outputs = self._writer.final(window, members, bar, moment)
        self._lanes.base.discard(key, start_us)
        self._lanes.coarse.discard(key, start_us)
        for lane in self._lanes.wide:
            if end_us % lane.interval_us == 0:
                outputs += self._close_wide(lane, key, members, end_us, moment)
        return outputs

    def _close_wide(
        self, lane: Lane, key: ScopeKey, members: Members, end_us: int, moment: Moment
    ) -> list[Output]:
        window = Window(key, lane.interval_us, end_us - lane.interval_us)
        bar = self._ledger.wide(key, members, window[1:3], end_us)
        lane.discard(key, window.start_us)
        return self._writer.final(window, members, bar, moment)

    def _send(
        self, lane: Lane, members: Members, window: Window, moment: Moment, *, in_advance: bool
    ) -> list[Output]:
        """Send a bar that has changed: provisional while it is open, otherwise as a correction."""
        key, start_us = window.key, window.start_us
        next_close = self._next_close.get(key, 0)
        closed = window.end_us <= next_close
        if closed and lane is self._lanes.coarse:
            return []  # the base lane corrects all row sizes at once
        if lane.interval_us == self._base_us:
            bar = self._ledger.base(key, members, start_us)
        else:
            bar = self._ledger.wide(key, members, window[1:3], next_close)
        if closed:
            return self._writer.corrected(window, members, bar, moment, in_advance=in_advance)
        return self._writer.provisional(window, members, bar, lane.factors, moment)

    # --- state

    def snapshot(self) -> State:
        """Return the open bars; held trades and archived bars go out as parts."""
        ledger = self._ledger.snapshot()
        head = {
            "ledger": ledger.head,
            "lanes": self._lanes.dump(),
            "writer": self._writer.dump(),
            "next_close": [[*key, start_us] for key, start_us in self._next_close.items()],
            "earliest_close": self._earliest_close,
        }
        return State(head, ledger.parts)

    def restore(self, head: Plain, parts: dict[str, bytes]) -> None:
        """Continue from a snapshot."""
        self._ledger.restore(head["ledger"], own_parts(parts))
        self._lanes.load(head["lanes"])
        self._writer.load(head["writer"])
        self._next_close = {scope_key(row): row[3] for row in head["next_close"]}
        self._earliest_close = head["earliest_close"]

    def keeps(self, part: str) -> bool:
        """Say whether a part written earlier is still needed."""
        return self._ledger.keeps(part)
