"""The streams beside the trades: who is there, and what of a batch can be used.

A batch that cannot be true is refused whole, by name, and changes nothing. A batch that was seen
before (sent again after a failure) changes nothing either: inside a session sequence numbers only
grow, and the log keeps their order.
"""

from collections.abc import Sequence
from decimal import ROUND_HALF_EVEN, Decimal
from operator import gt, lt

from processors.feed_clock import FeedClock
from processors.feeds import FUTURE_US, MAX_FEEDS, Finding, gap
from processors.plain import Plain
from processors.scopes import PERP, SPOT
from processors.seconds.second import BookView, Liquidation
from processors.trades import MAX_PRICE, MAX_QTY
from processors.units import AssetUnits
from schemas.books import TOP_LEVELS, BookBatch, BookLevel
from schemas.liquidations import LiquidatedSide, LiquidationBatch
from schemas.market import Scope, scope_of
from schemas.trades import BatchHeader
from schemas.units import US_PER_DAY, parse_decimal, steps_in

EARLIEST_US = 14_610 * US_PER_DAY
"""2010-01-01: a time before is in another unit, or none."""

MOST_NOTIONAL = Decimal(10) ** 12
"""In quote: one liquidation is not larger."""

MAX_SESSIONS = 8


class SideStreams:
    """One topic's streams of one asset.

    `now_us` is the newest receive time, `first_us` the oldest.

    Args:
        name: of the topic's dataset; names the state.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.now_us = 0
        self.first_us = 0
        self.members: dict[str, FeedClock] = {}
        self._sequences: dict[str, int] = {}

    def observe(self, batch: BatchHeader) -> tuple[FeedClock, list[Finding]] | None:
        """Take a checked batch's header in; None where it was seen before.

        Raises:
            ValueError: one name too many.
        """
        name = f"{batch.venue}:{batch.symbol}"
        feed = self.members.get(name)
        if feed is None:
            if len(self.members) >= MAX_FEEDS:
                raise ValueError(f"more than {MAX_FEEDS} {self.name} streams of one asset")
            aggregate = PERP if scope_of(batch.kind) is Scope.PERP else SPOT
            feed = self.members[name] = FeedClock(batch.venue, batch.symbol, aggregate)
        session = f"{name}/{batch.session}"
        if batch.sequence <= self._sequences.get(session, -1):
            return None
        self._remember(session, batch.sequence)
        receive_us = batch.receive_time_us
        self.now_us = max(self.now_us, receive_us)
        self.first_us = min(self.first_us or receive_us, receive_us)
        hole = feed.observe(batch)
        return feed, [] if hole is None else [gap(batch.session, hole)]

    def _remember(self, session: str, sequence: int) -> None:
        self._sequences.pop(session, None)
        self._sequences[session] = sequence
        if len(self._sequences) > MAX_SESSIONS * max(1, len(self.members)):
            del self._sequences[next(iter(self._sequences))]

    def dump(self) -> Plain:
        """Return everything as plain values for a snapshot."""
        members = [
            [feed.key.venue, feed.key.symbol, feed.aggregate.scope.value, feed.dump()]
            for feed in self.members.values()
        ]
        return [self.now_us, self.first_us, members, self._sequences]

    def load(self, state: Plain) -> None:
        """Take the values of `dump` back."""
        self.now_us, self.first_us, members, self._sequences = state
        for venue, symbol, scope, values in members:
            feed = FeedClock(venue, symbol, PERP if scope == PERP.scope else SPOT)
            feed.load(values)
            self.members[feed.name] = feed


def check_time(batch: BatchHeader, time_us: int) -> None:
    """Refuse a time that no event of this batch can have.

    Raises:
        ValueError: it lies before 2010, or ten minutes after we received the batch.
    """
    if not EARLIEST_US <= time_us <= batch.receive_time_us + FUTURE_US:
        raise ValueError(f"time {time_us} in a batch received at {batch.receive_time_us}")


def book_view(batch: BookBatch, units: AssetUnits) -> BookView:
    """Return a book record as operators see it.

    Raises:
        ValueError: it is crossed, out of order, or has a number that no book can have.
    """
    tick, lot = steps_in(batch.tick, units.tick), steps_in(batch.lot, units.lot)
    if batch.book_valid:
        if batch.event_time_us:
            check_time(batch, batch.event_time_us)
        _check_side("bids", batch.bids, tick, lot, descending=True)
        _check_side("asks", batch.asks, tick, lot, descending=False)
        if batch.bids and batch.asks and batch.bids[0][0] >= batch.asks[0][0]:
            raise ValueError(f"crossed book: bid {batch.bids[0][0]}, ask {batch.asks[0][0]} ticks")
        if min(map(min, batch.bands), default=0) < 0:
            raise ValueError("a band below zero")
    for top in batch.tops:
        check_time(batch, top[0])
        if min(top) < 0 or max(top[1], top[3]) * tick >= MAX_PRICE:
            raise ValueError(f"best prices {top[1:]}")
    return BookView(
        time_us=batch.event_time_us or batch.receive_time_us,
        epoch=(batch.session, batch.book_epoch),
        valid=batch.book_valid,
        state=batch.book_state,
        bids=batch.bids,
        asks=batch.asks,
        bands=batch.bands,
        top_epoch=(batch.session, batch.top_epoch),
        tops=batch.tops,
        tick_factor=tick,
        lot_factor=lot,
    )


def _check_side(
    name: str, levels: Sequence[BookLevel], tick: int, lot: int, *, descending: bool
) -> None:
    if not levels:
        return
    prices, qtys = zip(*levels, strict=True)
    if len(levels) > TOP_LEVELS or not all(map(gt if descending else lt, prices, prices[1:])):
        raise ValueError(f"{name} out of order, double, or more than {TOP_LEVELS}")
    low, high = sorted((prices[0], prices[-1]))
    if low <= 0 or min(qtys) <= 0:
        raise ValueError(f"{name} with a price or quantity that is not above zero")
    if high * tick >= MAX_PRICE or max(qtys) * lot >= MAX_QTY:
        raise ValueError(f"{name} beyond all bounds")


def liquidations_of(batch: LiquidationBatch, units: AssetUnits) -> list[Liquidation]:
    """Return the rows of a batch as operators see them.

    A price between two ticks (an average of fills) can only make the notional no whole number of
    ticks x lots; it is rounded to one, half to even.

    Raises:
        ValueError: a row has a number that no liquidation can have.
    """
    lot = steps_in(batch.lot, units.lot)
    if not batch.rows:
        return []
    per_quote = 100 * units.notional_per_cent
    found = []
    for time_us, price, qty, side, _, flags in batch.rows:
        check_time(batch, time_us)
        quote = parse_decimal(price) * qty * Decimal(batch.lot)
        if not 0 < quote < MOST_NOTIONAL or not 0 < qty * lot < MAX_QTY:
            raise ValueError(f"liquidation of {qty} lots at {price[:40]}")
        found.append(
            Liquidation(
                time_us,
                LiquidatedSide(side),
                qty * lot,
                int((quote * per_quote).to_integral_value(ROUND_HALF_EVEN)),
                price,
                batch.price_kind,
                batch.sampling_class,
                flags,
            )
        )
    return found
