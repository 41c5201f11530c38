"""The simulated venues' events as normalized batches, without sockets: what collectors would write.

Every stream writes a record each step, with what came in it; time and state go on in empty ones.
Venues tell as they do over sockets: times in milliseconds, of Binance's liquidations the largest of
a second, of Bybit's and OKX's the bankruptcy price, of OKX's and Hyperliquid's not surely all.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any, NamedTuple

from schemas.books import (
    ASK_COVERED,
    BANDS_BP,
    BID_COVERED,
    BOOKS_SCHEMA,
    TOP_LEVELS,
    BookBand,
    BookBatch,
    BookState,
    TopChange,
)
from schemas.liquidations import (
    LIQUIDATIONS_SCHEMA,
    LiquidationBatch,
    LiquidationRow,
    LiquidationUnit,
    PriceKind,
    SamplingClass,
)
from schemas.market import FeedState, Kind, OrderClass, TradeIds
from schemas.tickers import TICKERS_SCHEMA, TickerBatch
from schemas.topics import BOOKS, LIQUIDATIONS, TICKERS, TRADES
from schemas.trades import TRADES_SCHEMA, BatchHeader, TradeBatch, TradeRow
from schemas.units import US_PER_SECOND, plain
from simulator.dialects.binance_forced import ForcedOrders
from simulator.dialects.okx_perpetuals import whole_closings
from simulator.ladder import BookCopy, Ladder
from simulator.model import (
    SimBookUpdate,
    SimEvent,
    SimInstrument,
    SimLiquidation,
    SimTicker,
    SimTop,
    SimTrade,
)

DELAY_US = 40_000
SKEW_US = {"hyperliquid": 2 * US_PER_SECOND}
USUAL_SKEW_US = US_PER_SECOND // 2
_WHOLE = 10_000


class Told(NamedTuple):
    """How a venue tells of liquidations."""

    price: PriceKind
    unit: LiquidationUnit
    sampling: SamplingClass


TOLD = {
    "binance.usdm": Told(
        PriceKind.FILL_AVERAGE, LiquidationUnit.ORDER, SamplingClass.MAX_PER_SECOND
    ),
    "bybit.linear": Told(PriceKind.BANKRUPTCY, LiquidationUnit.ORDER, SamplingClass.ALL),
    "okx.swap": Told(PriceKind.BANKRUPTCY, LiquidationUnit.ORDER, SamplingClass.INCOMPLETE),
    "hyperliquid.perp": Told(
        PriceKind.FILL_AVERAGE, LiquidationUnit.FILL, SamplingClass.INCOMPLETE
    ),
}


class Record(NamedTuple):
    """A batch and its topic."""

    topic: str
    batch: BatchHeader


class Outage(NamedTuple):
    """A venue that is away in `[from_us, until_us)`, all its streams with it."""

    venue: str
    from_us: int
    until_us: int


def name_of(feed: str, asset: str) -> str:
    """Return the instrument as records name it: `venue:symbol`."""
    venue, market = feed.split(".")
    quote = "USDC" if venue == "hyperliquid" else "USDT"
    return f"{venue}:{asset}-{quote}" + ("" if market == "spot" else "-PERP")


class Instrument:
    """All streams of one instrument: what came since their last records, and their records."""

    def __init__(self, listed: SimInstrument, books_from_us: int = 0) -> None:
        self.listed = listed
        self._books_from_us = books_from_us
        self.name = name_of(listed.feed, listed.asset)
        self.venue, self.symbol = self.name.split(":")
        self.spot = listed.feed.endswith(".spot")
        self._lot = plain(listed.lot * listed.contract)
        self._book = BookCopy()
        self._tops: list[TopChange] = []
        self._trades: list[TradeRow] = []
        self._liquidations: list[SimLiquidation] = []
        self._forced = ForcedOrders()
        self._ticker: SimTicker | None = None
        self._sequence = 0
        self._session = 0
        self._away = False
        self._watermark_us = 0

    def take(self, event: SimEvent) -> None:
        """Take one event in."""
        if isinstance(event, SimTrade):
            flags = int(OrderClass.BLOCK if event.block else OrderClass.MARKET)
            time_us = event.time_ms * 1000
            self._trades.append(
                (
                    time_us,
                    event.price_ticks,
                    event.qty_lots,
                    int(event.side),
                    event.print_id,
                    flags,
                )
            )
        elif isinstance(event, SimBookUpdate):
            self._book.apply(event)
        elif isinstance(event, SimTop):
            self._tops.append((event.time_us, *event.bid, *event.ask))
        elif isinstance(event, SimLiquidation):
            self._liquidations.append(event)
        else:
            self._ticker = event

    def records(self, end_us: int, away: bool) -> Iterator[Record]:
        """Yield the records of a step; one of each stream as the venue goes, none while it is away.

        Args:
            end_us: the end of the step.
            away: whether the venue is away.
        """
        if away and self._away:
            self._forget()
            return
        if self._away:
            self._session, self._sequence = self._session + 1, 0
        self._away = away
        if away:
            self._forget()
        else:
            self._watermark_us = end_us - SKEW_US.get(self.venue, USUAL_SKEW_US)
        header = self._header(end_us, FeedState.DOWN if away else FeedState.LIVE)
        yield Record(TRADES.name, self._trade_batch(header))
        if end_us > self._books_from_us:
            yield Record(BOOKS.name, self._book_batch(header, end_us, not away))
        if not self.spot:
            yield Record(LIQUIDATIONS.name, self._liquidation_batch(header, end_us))
            yield Record(TICKERS.name, self._ticker_batch(header))
        self._sequence += 1
        self._forget()

    def _forget(self) -> None:
        self._trades, self._liquidations, self._tops = [], [], []

    def _header(self, end_us: int, state: FeedState) -> dict[str, Any]:
        item = self.listed
        return {
            "venue": self.venue,
            "kind": Kind.SPOT if self.spot else Kind.LINEAR_PERPETUAL,
            "symbol": self.symbol,
            "venue_symbol": item.symbol,
            "asset": item.asset,
            "quote": item.quote,
            "session": f"{item.feed}/{self._session}",
            "sequence": self._sequence,
            "receive_time_us": end_us + DELAY_US,
            "watermark_us": self._watermark_us,
            "feed_state": state,
        }

    def _trade_batch(self, header: Mapping[str, Any]) -> TradeBatch:
        return TradeBatch(
            schema=TRADES_SCHEMA,
            tick=plain(self.listed.tick),
            lot=self._lot,
            stream="trades",
            trade_ids=TradeIds.SEQUENTIAL,
            rows=self._trades,
            **header,
        )

    def _book_batch(self, header: Mapping[str, Any], end_us: int, valid: bool) -> BookBatch:
        book = self._book
        valid = valid and bool(len(book.bids)) and bool(len(book.asks))
        bids = list(book.bids.top(TOP_LEVELS)) if valid else []
        asks = list(book.asks.top(TOP_LEVELS)) if valid else []
        return BookBatch(
            schema=BOOKS_SCHEMA,
            tick=plain(self.listed.tick),
            lot=self._lot,
            stream="book",
            event_time_us=book.time_us or end_us,
            update_id=book.number,
            book_epoch=1,
            book_valid=valid,
            book_state=BookState.LIVE if valid else BookState.DOWN,
            bids=bids,
            asks=asks,
            bands=bands_of(book.bids, book.asks) if valid else [],
            bid_levels=len(book.bids),
            ask_levels=len(book.asks),
            top_stream="book",
            top_epoch=1,
            tops=self._tops,
            **header,
        )

    def _liquidation_batch(self, header: Mapping[str, Any], end_us: int) -> LiquidationBatch:
        told = TOLD[self.listed.feed]
        return LiquidationBatch(
            schema=LIQUIDATIONS_SCHEMA,
            lot=self._lot,
            stream="liquidations",
            price_kind=told.price,
            unit=told.unit,
            sampling_class=told.sampling,
            method="simulated",
            rows=self._rows(told, self._told(end_us)),
            **header,
        )

    def _told(self, end_us: int) -> Sequence[SimLiquidation]:
        """Return the liquidations that the venue tells of in this step."""
        if self.listed.feed == "okx.swap":
            return [
                one for one in whole_closings(self._liquidations) if isinstance(one, SimLiquidation)
            ]
        if self.listed.feed != "binance.usdm":
            return self._liquidations
        told = []
        for one in self._liquidations:
            told += [due for _, due in self._forced.due(one.time_us)]
            self._forced.take(one)
        return told + [due for _, due in self._forced.due(end_us)]

    def _rows(self, told: Told, found: Iterable[SimLiquidation]) -> list[LiquidationRow]:
        rows: list[LiquidationRow] = []
        seen: dict[tuple[int, str, int, int], int] = {}
        for one in found:
            average = told.price is PriceKind.FILL_AVERAGE
            ticks = one.price_ticks if average else one.bankruptcy_ticks
            price = self.listed.price_text(ticks)
            what = (one.time_us // 1000 * 1000, price, one.qty_lots, 1 if one.long else -1)
            seen[what] = seen.get(what, -1) + 1
            rows.append((*what, seen[what], 0))
        return rows

    def _ticker_batch(self, header: Mapping[str, Any]) -> TickerBatch:
        ticker = self._ticker
        if ticker is None:
            return TickerBatch(schema=TICKERS_SCHEMA, stream="ticker", **header)
        item = self.listed
        return TickerBatch(
            schema=TICKERS_SCHEMA,
            stream="ticker",
            mark_price=plain(ticker.mark),
            mark_time_us=ticker.time_us,
            index_price=plain(ticker.index),
            index_time_us=ticker.time_us,
            funding_rate=plain(ticker.funding_rate),
            funding_time_us=ticker.next_funding_us,
            funding_interval_seconds=ticker.interval_hours * 3600,
            funding_seen_us=ticker.time_us,
            open_interest=plain(ticker.open_interest_lots * item.lot * item.contract),
            open_interest_time_us=ticker.time_us,
            **header,
        )


def bands_of(bids: Ladder, asks: Ladder) -> list[BookBand]:
    """Sum both sides of a book inside the bands around mid."""
    mid_2 = bids.best()[0] + asks.best()[0]
    both = zip(_sums(bids, mid_2), _sums(asks, mid_2), BANDS_BP, strict=True)
    return [
        (width, bid[0], ask[0], bid[1], ask[1], BID_COVERED * bid[2] | ASK_COVERED * ask[2])
        for bid, ask, width in both
    ]


def _sums(side: Ladder, mid_2: int) -> list[tuple[int, int, bool]]:
    """Return lots, ticks times lots, and whether the side reaches the edge, of every band."""
    levels = side.top(len(side))
    prices = [abs(2 * ticks - mid_2) for ticks, _ in levels]
    lots = [0, *accumulate(level[1] for level in levels)]
    products = [0, *accumulate(ticks * many for ticks, many in levels)]
    found = []
    for width in BANDS_BP:
        inside = bisect_right(prices, mid_2 * width // _WHOLE)
        covered = prices[-1] * _WHOLE >= mid_2 * width
        found.append((lots[inside], products[inside], covered))
    return found


@dataclass
class Tape:
    """The records of some instruments, step by step.

    Attributes:
        instruments: whose.
        outages: which venues are away when.
        books_from_us: from when on there are book streams.
    """

    instruments: Iterable[SimInstrument]
    outages: Sequence[Outage] = ()
    books_from_us: int = 0
    _known: dict[tuple[str, str], Instrument] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        for listed in self.instruments:
            self._known[listed.feed, listed.asset] = Instrument(listed, self.books_from_us)

    def step(self, events: Iterable[SimEvent], end_us: int) -> Iterator[Record]:
        """Take the events of a step in and yield its records."""
        for event in events:
            self._known[event.instrument.feed, event.instrument.asset].take(event)
        away = {out.venue for out in self.outages if out.from_us < end_us <= out.until_us}
        for instrument in self._known.values():
            yield from instrument.records(end_us, instrument.venue in away)
