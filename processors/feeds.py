"""What is known of every feed of one asset: watermark, state, coverage, identity of trades.

This is the only place where a batch header is read. Operators see accepted trades on the asset's
common grid, and ask here how far time has come (`frontier_us`) and who was there (`completeness`).
All of it is a function of the partition's records. Source: definitions 5.0.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import repeat
from typing import NamedTuple

from processors.feed_clock import FeedClock, Hole
from processors.identity import OpaqueIds, SeenIds, SequentialIds
from processors.plain import Plain
from processors.scopes import PERP, SPOT, ScopeKey
from processors.state import State, own_parts
from processors.trades import EXCLUDED, Block, Rows, Trade, columns_of
from processors.units import AssetUnits
from schemas.lineage import Completeness, Status
from schemas.market import (
    CLASS_MASK,
    COVERING_STATES,
    OFF_GRID,
    FeedState,
    OrderClass,
    Scope,
    TradeIds,
    scope_of,
)
from schemas.ops import QualityKind
from schemas.trades import BatchHeader, TradeBatch
from schemas.units import US_PER_DAY, US_PER_SECOND, steps_in

CORRECTION_US = US_PER_DAY
"""How late, by log time, a trade may be and still correct what was final."""

FUTURE_US = 10 * 60 * US_PER_SECOND
"""How far ahead of our clock a trade may claim to be; beyond, it is refused."""


MAX_FEEDS = 256
"""One asset is not traded under more names than this."""


class Excluded(NamedTuple):
    """A trade of an excluded class, in no flow; `notional` is in ticks x lots.

    A price that the venue gave off its grid counts as the tick above it, so that bounds hold.
    """

    time_us: int
    order_class: OrderClass
    qty: int
    notional: int


class Accepted(NamedTuple):
    """The new trades of one batch."""

    member: str
    key: ScopeKey
    aggregate: ScopeKey
    block: Block | None
    excluded: list[Excluded]


class Finding(NamedTuple):
    """Something about the data worth a quality record."""

    kind: QualityKind
    from_us: int
    to_us: int
    times: int
    detail: str


def gap(session: str, hole: tuple[int, int]) -> Finding:
    """Say that a stream was not there for a time, and is again."""
    return Finding(QualityKind.GAP, *hole, 0, f"covered again in session {session}")


class Feed(FeedClock):
    """One instrument of one venue, as its trade batches tell it.

    `tick` is that of its newest batch, in ticks of the asset's grid.
    """

    def __init__(self, venue: str, symbol: str, aggregate: ScopeKey, sequential: bool) -> None:
        super().__init__(venue, symbol, aggregate)
        self.sequential = sequential
        self.ids: SeenIds = SequentialIds() if sequential else OpaqueIds()
        self.tick = 1

    def observe(self, batch: BatchHeader) -> Hole:
        """Take a batch's header in; return the gap that it reveals."""
        before_us = self.watermark_us
        hole = super().observe(batch)
        if self.watermark_us > before_us:
            self.ids.advance(self.watermark_us)
        return hole

    def dump(self) -> Plain:
        """Return everything but the parts as plain values for a snapshot."""
        return [super().dump(), self.ids.dump(), self.tick]

    def load(self, state: Plain, parts: dict[str, bytes] | None = None) -> None:
        """Take the values of `dump` and the parts back."""
        clock, ids, self.tick = state
        super().load(clock)
        self.ids = SequentialIds(ids) if self.sequential else OpaqueIds(ids, parts or {})


class Feeds:
    """All feeds of one asset, and the asset's log time.

    `now_us` is the newest receive time, `newest_us` the newest time of any kind: no frontier lies
    beyond `newest_us - LATENESS_US`, which spares asking for it at every record.
    """

    name = "feeds"

    def __init__(self, units: AssetUnits) -> None:
        self.units = units
        self.now_us = 0
        self.newest_us = 0
        self.members: dict[str, Feed] = {}
        self._scopes: list[tuple[ScopeKey, list[Feed]]] = []

    def accept(self, batch: TradeBatch) -> tuple[Accepted, list[Finding]]:
        """Take one batch in: its time and state, and those of its trades that are new.

        Raises:
            ValueError: the batch cannot be used; nothing of it was taken in.
        """
        factors = (steps_in(batch.tick, self.units.tick), steps_in(batch.lot, self.units.lot))
        feed = self.members.get(f"{batch.venue}:{batch.symbol}")
        sequential = feed.sequential if feed else batch.trade_ids is TradeIds.SEQUENTIAL
        rows = columns_of(batch, factors, sequential) if batch.rows else None
        if feed is None:
            feed = self._add(batch, sequential)
        feed.tick = factors[0]
        self.now_us = max(self.now_us, batch.receive_time_us)
        self.newest_us = max(self.newest_us, batch.receive_time_us, batch.watermark_us)
        hole = feed.observe(batch)
        findings = [] if hole is None else [gap(batch.session, hole)]
        excluded: list[Excluded] = []
        block = None
        if rows is not None:
            span_us = (self.now_us - CORRECTION_US, batch.receive_time_us + FUTURE_US)
            block, more = _take(feed, rows, span_us, excluded)
            findings += more
        return Accepted(feed.name, feed.key, feed.aggregate, block, excluded), findings

    def _add(self, batch: TradeBatch, sequential: bool) -> Feed:
        if len(self.members) >= MAX_FEEDS:
            raise ValueError(f"more than {MAX_FEEDS} feeds of one asset")
        aggregate = PERP if scope_of(batch.kind) is Scope.PERP else SPOT
        feed = Feed(batch.venue, batch.symbol, aggregate, sequential)
        self.members[feed.name] = feed
        return feed

    def scopes(self) -> list[tuple[ScopeKey, list[Feed]]]:
        """Return every scope with the feeds behind it: instruments by name, then the aggregates."""
        feeds = [feed for _, feed in sorted(self.members.items())]
        if sum(len(members) for key, members in self._scopes if key.venue) != len(feeds):
            self._scopes = [(feed.key, [feed]) for feed in feeds]
            for key in sorted({feed.aggregate for feed in feeds}):
                self._scopes.append((key, [feed for feed in feeds if feed.aggregate == key]))
        return self._scopes

    def frontier_us(self, feeds: Iterable[Feed]) -> int:
        """Return the time before which windows over all these feeds are final."""
        return min((feed.frontier_us(self.now_us) for feed in feeds), default=0)

    def snapshot(self) -> State:
        """Return everything, for a snapshot."""
        members = []
        parts: dict[str, bytes] = {}
        for name, feed in self.members.items():
            scope = feed.aggregate.scope.value
            members.append([*feed.key[1:], scope, feed.sequential, feed.dump()])
            for part, content in feed.ids.take_parts().items():
                parts[f"{name}/{part}"] = content
        return State([self.now_us, self.newest_us, members], parts)

    def restore(self, head: Plain, parts: dict[str, bytes]) -> None:
        """Continue from a snapshot."""
        self.now_us, self.newest_us, members = head
        by_member = own_parts(parts)
        for venue, symbol, scope, sequential, values in members:
            feed = Feed(venue, symbol, PERP if scope == PERP.scope else SPOT, sequential)
            feed.load(values, by_member.get(feed.name, {}))
            self.members[feed.name] = feed

    def keeps(self, part: str) -> bool:
        """Say whether a part written earlier is still needed."""
        name, _, piece = part.rpartition("/")
        feed = self.members.get(name)
        return feed is not None and feed.ids.keeps(piece)


def _take(
    feed: Feed, rows: Rows, span_us: tuple[int, int], excluded: list[Excluded]
) -> tuple[Block | None, list[Finding]]:
    """Take the new ones of a batch's trades; those of excluded classes are put apart."""
    oldest_us, newest_us = max(span_us[0], feed.ids.floor_us()), span_us[1]
    # The columns are equally long: `zip` need not look again.
    columns = (rows.times, repeat(feed.name), rows.ranks, rows.prices, rows.qtys, rows.sides)
    trades: list[Trade] = list(zip(*columns))  # noqa: B905
    in_order = sorted(trades)
    first_us, last_us = in_order[0][0], in_order[-1][0]
    in_time = oldest_us <= first_us and last_us <= newest_us
    if rows.plain and in_time and feed.ids.add_all(rows.ids, rows.times, (first_us, last_us)):
        known = (rows.prices, rows.qtys, rows.sides) if in_order == trades else None
        return Block(in_order, known), []
    in_order, findings = _take_singly(feed, rows, trades, (oldest_us, newest_us), excluded)
    return Block(in_order) if in_order else None, findings


def _take_singly(
    feed: Feed,
    rows: Rows,
    trades: list[Trade],
    span_us: tuple[int, int],
    excluded: list[Excluded],
) -> tuple[list[Trade], list[Finding]]:
    """Take trades one by one: some were seen before, are refused, or are of an excluded class."""
    repeated: list[int] = []
    refused: list[int] = []
    taken = []
    for trade, trade_id, flags in zip(trades, rows.ids, rows.flags, strict=True):
        time_us = trade[0]
        if not span_us[0] <= time_us <= span_us[1]:
            refused.append(time_us)
        elif not feed.ids.add(trade_id, time_us):
            repeated.append(time_us)
        elif flags & CLASS_MASK in EXCLUDED:
            price = trade[3] + (rows.tick if flags & OFF_GRID else 0)
            order_class = OrderClass(flags & CLASS_MASK)
            excluded.append(Excluded(time_us, order_class, trade[4], price * trade[4]))
        else:
            taken.append(trade)
    why = f"outside of [{span_us[0]}, {span_us[1]}], the time in which trades can be taken"
    findings = [
        Finding(kind, min(times), max(times), len(times), detail)
        for kind, times, detail in (
            (QualityKind.DUPLICATE, repeated, "trade id seen before"),
            (QualityKind.TOO_LATE, refused, why),
        )
        if times
    ]
    return sorted(taken), findings


def completeness(
    feeds: Sequence[Feed],
    window: tuple[int, int],
    now_us: int,
    members: Mapping[str, tuple[int, int]],
) -> Completeness:
    """Say who stands behind a window `[start_us, end_us)`.

    A member that is there is called `live` if it traded in the window and `quiet` if not.

    Args:
        feeds: the feeds of the scope.
        window: start and end in microseconds.
        now_us: log time, for the states of feeds that are not there.
        members: covered microseconds and number of trades of each member.
    """
    span_us = window[1] - window[0]
    expected = sorted(members)
    complete = [name for name in expected if members[name][0] >= span_us]
    partial = [name for name in expected if 0 < members[name][0] < span_us]
    if expected and len(complete) == len(expected):
        status = Status.COMPLETE
    elif complete or partial:
        status = Status.PARTIAL
    else:
        status = Status.GAP
    states = {}
    for feed in feeds:
        if feed.name in members:
            covered_us, trades = members[feed.name]
            state = feed.state_at(now_us)
            if covered_us >= span_us or (covered_us and state in COVERING_STATES):
                state = FeedState.LIVE if trades else FeedState.QUIET
            elif state in COVERING_STATES:
                state = FeedState.DOWN  # it is there again now, but was not in this window
            states[feed.name] = state
    return Completeness(
        status=status,
        venues_expected=expected,
        venues_complete=complete,
        venues_partial=partial,
        coverage_ms={name: members[name][0] // 1000 for name in expected},
        feed_states=states,
    )
