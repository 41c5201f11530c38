"""Bybit v5: linear perpetuals and spot.

Sources: https://bybit-exchange.github.io/docs/v5/ (docs of 2026-07-24), ws/connect, market/
instrument, market/recent-trade, market/history-fund-rate, rate-limit. What comes over the sockets
is read in the modules beside this one.

What a reader would trip over:

- One acknowledgement answers a whole request and names no topics; `already subscribed` is a
  success. At most 10 topics a request (spot refuses more).
- Scaled coins carry their factor in front (`1000PEPE`) or behind (`SHIB1000`).
- Compression must be off (the engine's default).
- The book that REST gives has the ids of another stream: to get a snapshot is to subscribe anew.
- Trade ids have no order, and REST gives the newest trades only: 1,000, on spot 60.
"""

import re
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from functools import partial
from operator import itemgetter
from urllib.parse import quote

import msgspec
from msgspec import Struct, field

from collectors import frames, grid
from collectors.grid import Item, Lane
from collectors.messages import Message, Rejected, TickerValues
from collectors.venue import (
    BookRule,
    Call,
    Chain,
    Channel,
    Found,
    Gap,
    Limits,
    LiquidationRule,
    Plan,
    Poll,
    Request,
    Stream,
)
from collectors.venues.bybit import wire
from collectors.venues.bybit.parser import BybitParser
from schemas.instruments import Instrument, make_instrument
from schemas.liquidations import LiquidationUnit, PriceKind, SamplingClass
from schemas.market import Kind, TradeIds

DEPTH = 200
"""Levels a side of the books; the venue has 1, 50, 200 and 1000 and pushes these every 100 ms."""

_PREFIXES = {
    Channel.TRADES: "publicTrade",
    Channel.BOOK: f"orderbook.{DEPTH}",
    Channel.TOP: "orderbook.1",
    Channel.LIQUIDATIONS: "allLiquidation",
    Channel.TICKER: "tickers",
}
_SPOT_CHANNELS = (Channel.TRADES, Channel.BOOK, Channel.TOP)
_PAGES = 50
_SETTLED_EVERY_SECONDS = 600.0
_NOT_CRYPTO = frozenset({"commodity", "stock", "forex", "xstocks"})


class _Listing(Struct):
    """One row of `instruments-info`; linear and spot name their lot differently."""

    symbol: str
    status: str
    base: str = field(name="baseCoin")
    quote: str = field(name="quoteCoin")
    price_filter: dict[str, object] = field(name="priceFilter")
    lot_filter: dict[str, object] = field(name="lotSizeFilter")
    contract: str = field(name="contractType", default="")
    group: str = field(name="symbolType", default="")


class _RecentTrade(wire.AnyTrade, gc=False, kw_only=True):
    """One row of `recent-trade`; its id is that of the stream."""

    time: int = field(name="time")
    symbol: str = field(name="symbol")
    side: str = field(name="side")
    quantity: str = field(name="size")
    price: str = field(name="price")
    id: str = field(name="execId")
    is_block: bool = field(name="isBlockTrade", default=False)
    is_rpi: bool = field(name="isRPITrade", default=False)


class _Settled(Struct):
    """One row of `funding/history`."""

    symbol: str
    rate: str = field(name="fundingRate")
    time: str = field(name="fundingRateTimestamp")


class _History(Struct):
    settled: list[_Settled] = field(name="list")


class _Page(Struct):
    rows: list[msgspec.Raw] = field(name="list")
    cursor: str = field(name="nextPageCursor", default="")


class _Answer(Struct):
    code: int = field(name="retCode")
    message: str = field(name="retMsg", default="")
    result: msgspec.Raw = msgspec.Raw(b"{}")


_LISTING = msgspec.json.Decoder(_Listing)
_RECENT_TRADE = msgspec.json.Decoder(_RecentTrade, strict=False)
_HISTORY = msgspec.json.Decoder(_History)
_PAGE = msgspec.json.Decoder(_Page)
_ANSWER = msgspec.json.Decoder(_Answer)

_LIMITS = Limits(
    streams_per_connection=200,  # 21,000 characters of topics are about 700
    names_per_request=10,
    control_interval_seconds=0.1,
    connect_interval_seconds=1.4,  # 500 in 5 minutes, for both feeds
    rest_weight=200,  # of 600, for both
    rest_seconds=5.0,
    # Timed out, too many visits, an error of theirs, too many of the address.
    busy=re.compile(rb'"retCode":\s*100(?:00|06|16|18)\b'),
    denied_seconds=600.0,  # 403 is said for too many requests as well
)

_BOOK = BookRule(Chain.CONSECUTIVE, depth=DEPTH)

_LIQUIDATIONS = LiquidationRule(
    price_kind=PriceKind.BANKRUPTCY,
    # A row has the executed size of one liquidation order at its position's bankruptcy price: its
    # fills had prices of their own, and a large position is closed in more than one step.
    unit=LiquidationUnit.ORDER,
    sampling_class=SamplingClass.ALL,
    method="allLiquidation",
)


@dataclass(slots=True, eq=False)
class BybitFeed:
    """One category of Bybit; see `collectors.venue.Feed` for what each method promises.

    `channels` are what it has, `recent_trades` how many trades REST gives.
    """

    name: str
    kind: Kind
    category: str
    lot: str
    channels: tuple[Channel, ...]
    recent_trades: int
    liquidations: LiquidationRule | None
    limits: Limits = _LIMITS
    venue: str = "bybit"
    default: bool = True
    rest_url: str = "https://api.bybit.com"
    ws_url: str = "wss://stream.bybit.com"
    ping: str | None = '{"op":"ping"}'
    ping_seconds: float = 20.0
    skew_us: int = 500_000
    trade_ids: TradeIds = TradeIds.OPAQUE
    gapless_ids: bool = False
    replays_history: bool = False
    book: BookRule = _BOOK

    def instruments(self) -> Generator[Request, bytes, list[Instrument]]:
        """Page through what trades, a thousand at a time; spot comes in one page."""
        path = f"/v5/market/instruments-info?category={self.category}&status=Trading&limit=1000"
        rows: list[msgspec.Raw] = []
        cursor = ""
        for _ in range(_PAGES):
            # The cursor comes percent-encoded; encoding it once more would break it.
            body = yield Request(f"{path}&cursor={quote(cursor, safe='%')}" if cursor else path)
            page = frames.decode_body(_result(body), _PAGE)
            rows += page.rows
            if page.cursor in ("", cursor):
                return frames.read_instruments(rows, _LISTING, self._instrument)
            cursor = page.cursor
        frames.refuse_body(f"more than {_PAGES} pages of instruments")

    def _instrument(self, listing: _Listing) -> Instrument | None:
        perpetual = listing.contract == "LinearPerpetual"
        if listing.status != "Trading" or listing.group in _NOT_CRYPTO:
            return None
        if self.kind is not Kind.SPOT and not perpetual:
            return None
        asset, multiplier = grid.unscaled(listing.base)
        return make_instrument(
            venue=self.venue,
            kind=self.kind,
            venue_symbol=listing.symbol,
            asset=asset,
            quote=listing.quote,
            venue_tick=str(listing.price_filter.get("tickSize")),
            venue_lot=str(listing.lot_filter.get(self.lot)),
            multiplier=multiplier,
        )

    def streams(self, instruments: Sequence[Instrument]) -> list[Stream]:
        """Name the topics of each instrument: five on linear, three on spot."""
        return [_stream(channel, one) for one in instruments for channel in self.channels]

    def plan(self, streams: Sequence[Stream]) -> list[Plan]:
        """Spread topics over connections of the category."""
        path = f"/v5/public/{self.category}"
        return frames.spread(streams, self.limits.streams_per_connection, path)

    def subscribe(self, streams: Sequence[Stream]) -> list[str]:
        """Number the requests from one; some acknowledgements repeat the number."""
        requests = frames.requests(streams, self.limits.names_per_request)
        return [_request(number, "subscribe", names) for number, names in requests.items()]

    def resubscribe(self, stream: Stream) -> list[str]:
        """Leave a topic and come back, for a new snapshot; the second request has its name."""
        names = (stream.name,)
        return [
            _request(f"-{stream.name}", "unsubscribe", names),
            _request(stream.name, "subscribe", names),
        ]

    def parser(self, streams: Sequence[Stream], shared: object) -> BybitParser:
        """Return a parser for one connection."""
        numbered = frames.requests(streams, self.limits.names_per_request)
        named = {one.name: (one.name,) for one in streams}
        return BybitParser(streams, numbered | named)

    def memory(self) -> object:
        """Return nothing: no two connections have to know of each other."""
        return None

    def snapshot(self, stream: Stream) -> Call | None:
        """Return nothing: snapshots come in the stream."""
        return None

    def polls(self, instruments: Sequence[Instrument]) -> list[Poll]:
        """Ask for the rate of the last settlement, which no topic carries; spot has none."""
        if Channel.TICKER not in self.channels:
            return []
        path = f"/v5/market/funding/history?category={self.category}&limit=1&symbol="
        streams = (_stream(Channel.TICKER, one) for one in instruments)
        return [
            Poll(
                stream,
                Call(Request(path + quote(one.venue_symbol)), partial(_read_settled, stream, one)),
                _SETTLED_EVERY_SECONDS,
            )
            for one, stream in zip(instruments, streams, strict=True)
        ]

    def missed(self, gap: Gap) -> Generator[Request, bytes, Found] | None:
        """Ask for the newest trades, which is all that there is."""
        instrument = gap.stream.instrument
        return self._newest(gap, instrument) if instrument is not None else None

    def _newest(self, gap: Gap, one: Instrument) -> Generator[Request, bytes, Found]:
        """Fetch what lies in a gap.

        It is whole if the answer begins strictly before the last trade that is known: an answer
        that begins in the same millisecond may have been cut off between two trades of it. And it
        must reach the first trade after the gap, or REST lags behind the stream.
        """
        path = f"/v5/market/recent-trade?category={self.category}&symbol={quote(one.venue_symbol)}"
        body = yield Request(f"{path}&limit={self.recent_trades}")
        lanes = grid.lanes([gap.stream])
        page = frames.decode_body(_result(body), _PAGE)
        items = [_read_recent(lanes, row) for row in reversed(page.rows)]
        rows = sorted((item[1] for item in items if isinstance(item, tuple)), key=itemgetter(0))
        whole = (
            bool(rows)
            and len(rows) == len(items)
            and rows[0][0] < gap.from_us
            and rows[-1][0] >= gap.to_us
        )
        return Found([row for row in rows if gap.from_us <= row[0] <= gap.to_us], whole)

    def owns(self, url: str) -> bool:
        """Know the global hosts; the category is in the path or the query."""
        return frames.is_at(
            url, ("stream.bybit.com",), (f"/v5/public/{self.category}",)
        ) or frames.is_at(
            url,
            ("api.bybit.com", "api.bytick.com"),
            ("/v5/market/",),
            {"category": self.category},
        )


def _stream(channel: Channel, instrument: Instrument) -> Stream:
    return Stream(f"{_PREFIXES[channel]}.{instrument.venue_symbol}", channel, instrument)


def _request(number: str, operation: str, names: Sequence[str]) -> str:
    return msgspec.json.encode({"req_id": number, "op": operation, "args": names}).decode()


def _result(body: bytes) -> bytes:
    """Unwrap the answer of a REST call.

    Raises:
        PayloadError: it is none, or a refusal.
    """
    answer = frames.decode_body(body, _ANSWER)
    if answer.code != 0:
        frames.refuse_body(grid.brief(f"retCode {answer.code}: {answer.message}"))
    return bytes(answer.result)


def _read_recent(lanes: dict[str, Lane], row: msgspec.Raw) -> Item:
    try:
        return wire.read_trade(lanes, _RECENT_TRADE.decode(row))
    except (ValueError, RecursionError) as error:
        return Rejected("unexpected_shape", grid.brief(error))


def _read_settled(stream: Stream, instrument: Instrument, body: bytes) -> Sequence[Message]:
    """Read the rate of the last settlement; an instrument that is new has none.

    Raises:
        PayloadError: the answer cannot be read.
    """
    settled = frames.decode_body(_result(body), _HISTORY).settled
    if not settled:
        return ()
    newest = settled[0]
    if newest.symbol != instrument.venue_symbol:
        frames.refuse_body(f"expected {instrument.venue_symbol}, was {grid.shown(newest.symbol)}")
    try:
        rate, time_us = wire.read_rate(newest.rate), wire.read_time_us(newest.time)
    except ValueError as error:
        frames.refuse_body(grid.brief(error))
    return (
        TickerValues(
            stream=stream,
            instrument=instrument,
            event_time_us=0,
            settled_funding_rate=rate,
            settled_funding_time_us=time_us,
        ),
    )


FEEDS = (
    BybitFeed(
        "bybit.linear",
        Kind.LINEAR_PERPETUAL,
        "linear",
        lot="qtyStep",
        channels=tuple(_PREFIXES),
        recent_trades=1_000,
        liquidations=_LIQUIDATIONS,
    ),
    BybitFeed(
        "bybit.spot",
        Kind.SPOT,
        "spot",
        lot="basePrecision",
        channels=_SPOT_CHANNELS,
        recent_trades=60,
        liquidations=None,
    ),
)
