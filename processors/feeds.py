"""What is known of every feed of one asset: watermark, state, coverage, identity of trades.

This is the only place where a batch header is read. Operators see accepted trades on the asset's
common grid, and ask here how far time has come (`frontier_us`) and who was there (`completeness`).
All of it is a function of the partition's records. Source: definitions 5.0.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from processors.coverage import Coverage
from processors.identity import OpaqueIds, SeenIds, SequentialIds
from processors.plain import Plain
from processors.units import AssetUnits
from schemas.lineage import Completeness, Status
from schemas.market import (
    CLASS_MASK,
    COVERING_STATES,
    EXCLUDED_CLASSES,
    FeedState,
    OrderClass,
    Scope,
    TradeIds,
    scope_of,
)
from schemas.ops import QualityKind
from schemas.trades import TradeBatch
from schemas.units import US_PER_DAY, US_PER_SECOND, steps_in

LATENESS_US = 2 * US_PER_SECOND
"""How far the watermark must have passed a window's end before the window is final."""

TIMEOUT_US = 30 * US_PER_SECOND
"""How long after a window's end a missing feed is waited for."""

CORRECTION_US = US_PER_DAY
"""How late a trade may be and still correct what was final."""

FUTURE_US = 10 * 60 * US_PER_SECOND
"""How far ahead of our clock a trade may claim to be; beyond, it is refused."""

STALE_US = {"hyperliquid": 10 * US_PER_SECOND}
DEFAULT_STALE_US = 5 * US_PER_SECOND

_EXCLUDED = frozenset(int(order_class) for order_class in EXCLUDED_CLASSES)

Trade = tuple[int, str, int, int, int, int]
"""`(event_time_us, member, order, price, qty, side)` on the asset's grid; sorts into tape order."""


class ScopeKey(NamedTuple):
    """Which footprint or series: one instrument, or all perpetuals or all spot of the asset."""

    scope: Scope
    venue: str
    symbol: str


PERP = ScopeKey(Scope.PERP, "", "")
SPOT = ScopeKey(Scope.SPOT, "", "")


class Accepted(NamedTuple):
    """The new trades of one batch: `excluded` holds `(event_time_us, class name, qty)`."""

    member: str
    key: ScopeKey
    aggregate: ScopeKey
    trades: list[Trade]
    excluded: list[tuple[int, str, int]]


class Finding(NamedTuple):
    """Something about the data worth a quality record."""

    kind: QualityKind
    from_us: int
    to_us: int
    times: int
    detail: str


class Feed:
    """One instrument of one venue, as its batches tell it."""

    def __init__(self, venue: str, symbol: str, aggregate: ScopeKey, sequential: bool) -> None:
        self.name = f"{venue}:{symbol}"
        self.key = ScopeKey(Scope.VENUE, venue, symbol)
        self.aggregate = aggregate
        self.stale_us = STALE_US.get(venue, DEFAULT_STALE_US)
        self.sequential = sequential
        self.ids: SeenIds = SequentialIds() if sequential else OpaqueIds()
        self.watermark_us = 0
        self.advanced_us = 0
        self.state = FeedState.DOWN
        self.coverage = Coverage()

    def observe(self, batch: TradeBatch) -> list[Finding]:
        """Take a batch's header in; return gaps that it reveals."""
        findings = []
        hole = self.coverage.observe(
            batch.session, batch.sequence, batch.watermark_us, batch.feed_state in COVERING_STATES
        )
        if hole is not None:
            detail = f"covered again from the start of session {batch.session}"
            findings.append(Finding(QualityKind.GAP, *hole, 0, detail))
        self.state = batch.feed_state
        if batch.watermark_us > self.watermark_us:
            self.watermark_us = batch.watermark_us
            self.advanced_us = batch.receive_time_us
        return findings

    def state_at(self, now_us: int) -> FeedState:
        """Return the feed's state, `stale` when its watermark has stood still for too long."""
        if self.state in COVERING_STATES and now_us - self.advanced_us > self.stale_us:
            return FeedState.STALE
        return self.state

    def frontier_us(self, now_us: int) -> int:
        """Return the time before which windows of this feed are final."""
        return max(self.watermark_us - LATENESS_US, now_us - TIMEOUT_US)

    def dump(self) -> Plain:
        """Return everything as plain values for a snapshot."""
        return [
            self.watermark_us,
            self.advanced_us,
            self.state.value,
            self.ids.dump(),
            self.coverage.dump(),
        ]

    def load(self, state: Plain) -> None:
        """Take the values of `dump` back."""
        self.watermark_us, self.advanced_us, feed_state, ids, coverage = state
        self.state = FeedState(feed_state)
        self.ids = SequentialIds(ids) if self.sequential else OpaqueIds(ids)
        self.coverage = Coverage(coverage)


class Feeds:
    """All feeds of one asset, and the asset's log time.

    `now_us` is the newest receive time, `newest_us` the newest time of any kind: no frontier lies
    beyond `newest_us - LATENESS_US`, which spares asking for it at every record.
    """

    def __init__(self, units: AssetUnits) -> None:
        self.units = units
        self.now_us = 0
        self.newest_us = 0
        self.members: dict[str, Feed] = {}
        self._scopes: list[tuple[ScopeKey, list[Feed]]] = []
        self._listed: list[bool] = []

    def accept(self, batch: TradeBatch) -> tuple[Accepted, list[Finding]]:
        """Take one batch in: its time and state, and those of its trades that are new.

        Raises:
            ValueError: the batch's grid is finer than the asset's; nothing was taken in.
        """
        price_factor = steps_in(batch.tick, self.units.tick)
        qty_factor = steps_in(batch.lot, self.units.lot)
        name = f"{batch.venue}:{batch.symbol}"
        feed = self.members.get(name)
        if feed is None:
            aggregate = PERP if scope_of(batch.kind) is Scope.PERP else SPOT
            sequential = batch.trade_ids is TradeIds.SEQUENTIAL
            feed = self.members[name] = Feed(batch.venue, batch.symbol, aggregate, sequential)
        self.now_us = max(self.now_us, batch.receive_time_us)
        self.newest_us = max(self.newest_us, batch.receive_time_us, batch.watermark_us)
        findings = feed.observe(batch)
        accepted = Accepted(name, feed.key, feed.aggregate, [], [])
        if batch.rows:
            findings += self._take(feed, batch, accepted, (price_factor, qty_factor))
        return accepted, findings

    def _take(
        self, feed: Feed, batch: TradeBatch, into: Accepted, factors: tuple[int, int]
    ) -> list[Finding]:
        price_factor, qty_factor = factors
        name, trades, add = into.member, into.trades, feed.ids.add
        oldest = max(feed.watermark_us - CORRECTION_US, feed.ids.floor_us())
        newest = batch.receive_time_us + FUTURE_US
        order, sequential = batch.sequence << 20, feed.sequential
        repeated = refused = 0
        first_refused = last_refused = 0
        for event_time_us, price, qty, side, trade_id, flags in batch.rows:
            order += 1
            if not oldest <= event_time_us <= newest:
                refused += 1
                first_refused = first_refused or event_time_us
                last_refused = event_time_us
            elif not add(trade_id, event_time_us):
                repeated += 1
            elif flags and flags & CLASS_MASK in _EXCLUDED:
                order_class = OrderClass(flags & CLASS_MASK).name.lower()
                into.excluded.append((event_time_us, order_class, qty * qty_factor))
            else:
                rank = int(trade_id) if sequential else order
                trades.append(
                    (event_time_us, name, rank, price * price_factor, qty * qty_factor, side)
                )
        findings = []
        if repeated:
            times = (batch.rows[0][0], batch.rows[-1][0])
            findings.append(
                Finding(QualityKind.DUPLICATE, *times, repeated, "trade id seen before")
            )
        if refused:
            detail = "outside of the 24 h that can be corrected or ahead of our clock"
            span = (first_refused, last_refused)
            findings.append(Finding(QualityKind.TOO_LATE, *span, refused, detail))
        return findings

    def scopes(self) -> list[tuple[ScopeKey, list[Feed]]]:
        """Return every scope with the feeds behind it: instruments by name, then the aggregates.

        Feeds that are no longer listed are not expected anywhere.
        """
        listed = [feed.state is not FeedState.NOT_LISTED for feed in self.members.values()]
        if listed != self._listed:
            self._listed = listed
            feeds = [
                feed
                for _, feed in sorted(self.members.items())
                if feed.state is not FeedState.NOT_LISTED
            ]
            self._scopes = [(feed.key, [feed]) for feed in feeds]
            for key in sorted({feed.aggregate for feed in feeds}):
                self._scopes.append((key, [feed for feed in feeds if feed.aggregate == key]))
        return self._scopes

    def frontier_us(self, feeds: Iterable[Feed]) -> int:
        """Return the time before which windows over all these feeds are final."""
        return min((feed.frontier_us(self.now_us) for feed in feeds), default=0)

    def dump(self) -> Plain:
        """Return everything as plain values for a snapshot."""
        members = [
            [
                feed.key.venue,
                feed.key.symbol,
                feed.aggregate.scope.value,
                feed.sequential,
                feed.dump(),
            ]
            for _, feed in sorted(self.members.items())
        ]
        return [self.now_us, self.newest_us, members]

    def load(self, state: Plain) -> None:
        """Take the values of `dump` back."""
        self.now_us, self.newest_us, members = state
        for venue, symbol, scope, sequential, values in members:
            aggregate = PERP if scope == PERP.scope else SPOT
            feed = Feed(venue, symbol, aggregate, sequential)
            feed.load(values)
            self.members[feed.name] = feed


def completeness(
    feeds: Sequence[Feed],
    window: tuple[int, int],
    now_us: int,
    covered: dict[str, int] | None = None,
) -> Completeness:
    """Say who stands behind a window `[start_us, end_us)`.

    Args:
        feeds: the members of the scope.
        window: start and end in microseconds.
        now_us: log time, for the feeds' states.
        covered: covered microseconds per member where they are known already; otherwise they are
            taken from the feeds' coverage.
    """
    start_us, end_us = window
    if covered is None:
        covered = {feed.name: feed.coverage.within(start_us, end_us) for feed in feeds}
    expected = sorted(covered)
    complete = [name for name in expected if covered[name] >= end_us - start_us]
    partial = [name for name in expected if 0 < covered[name] < end_us - start_us]
    if expected and len(complete) == len(expected):
        status = Status.COMPLETE
    elif complete or partial:
        status = Status.PARTIAL
    else:
        status = Status.GAP
    return Completeness(
        status=status,
        venues_expected=expected,
        venues_complete=complete,
        venues_partial=partial,
        coverage_ms={name: covered[name] // 1000 for name in expected},
        feed_states={feed.name: feed.state_at(now_us) for feed in feeds},
    )
