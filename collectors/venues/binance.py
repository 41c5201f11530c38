"""Binance: trades of USD-M perpetuals and of spot.

Source: https://developers.binance.com/docs/derivatives/usds-margined-futures/websocket-market-streams
and https://github.com/binance/binance-spot-api-docs (read through copies up to 2026-10-23).

What a reader would trip over:

- `aggTrade` lives on the `/market` route and `trade`, which is not documented there, on `/public`;
  on the wrong route a subscription is acknowledged and then silent.
- `aggTrade` merges what one price and side took within 100 ms, with RPI fills and without
  insurance-fund and ADL fills; so the two USD-M feeds are variants and must not run together.
- Since 2026-06-30 streams may carry COIN-M (`st` 2); those are left out.
"""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Generic, Literal, TypeVar

import msgspec
from msgspec import Struct, field

from collectors import frames, grid
from collectors.grid import EARLIEST_US, LATEST_US, Id, Item, Milliseconds, Time
from collectors.venue import (
    Ignored,
    Leaving,
    Limits,
    Message,
    Plan,
    Refused,
    Rejected,
    Request,
    Stream,
    Subscribed,
    Trades,
)
from schemas.instruments import Instrument, make_instrument
from schemas.market import Kind, OrderClass, Side, TradeIds

T = TypeVar("T")

_CLASSES = {
    "MARKET": OrderClass.MARKET,
    "RPI": OrderClass.RPI,
    "INSURANCE_FUND": OrderClass.INSURANCE,
    "ADL": OrderClass.ADL,
}
_FAST_CLASSES = {"MARKET": int(OrderClass.MARKET), "RPI": int(OrderClass.RPI)}
_CHANNELS = ("trade", "aggTrade")
_SAME = (
    "bookTicker", "blockTrade", "kline", "continuous_kline", "forceOrder", "contractInfo",
    "compositeIndex", "assetIndexUpdate", "avgPrice",
)  # fmt: skip
_IGNORED = frames.ignored(
    {event: event for event in _SAME}
    | {f"depth{levels}": "depth" for levels in ("", "Update", 5, 10, 20)}
    | {"markPriceUpdate": "markPrice", "24hrTicker": "ticker", "24hrMiniTicker": "miniTicker"}
    | {"1hTicker": "ticker", "4hTicker": "ticker", "1dTicker": "ticker"}
)


class _Trade(Struct, gc=False, kw_only=True):
    """What every trade has; the rest differs by stream and by how it is read."""

    symbol: str = field(name="s")
    price: str = field(name="p")
    quantity: str = field(name="q")
    buyer_is_maker: bool = field(name="m")


class _Aggregate(_Trade, gc=False, kw_only=True):
    """A clean merged trade of USD-M."""

    event: Literal["aggTrade"] = field(name="e")
    id: Id = field(name="a")
    time: Milliseconds = field(name="T")
    margin: Literal[1] = field(name="st", default=1)
    order_type: ClassVar[str] = "MARKET"


class _Fill(_Trade, gc=False, kw_only=True):
    """A clean raw fill of USD-M."""

    event: Literal["trade"] = field(name="e")
    id: Id = field(name="t")
    time: Milliseconds = field(name="T")
    margin: Literal[1] = field(name="st", default=1)
    order_type: str = field(name="X")


class _SpotTrade(_Trade, gc=False, kw_only=True):
    """A clean spot trade; what is no time in microseconds is one in milliseconds."""

    event: Literal["trade"] = field(name="e")
    id: Id = field(name="t")
    time: Time = field(name="T")
    margin: Literal[1] = field(name="st", default=1)
    order_type: ClassVar[str] = "MARKET"


class _AnyTrade(_Trade, kw_only=True):
    """A trade read carefully, of any stream."""

    event: str = field(name="e")
    time: int = field(name="T")
    aggregate_id: int | None = field(name="a", default=None)
    trade_id: int | None = field(name="t", default=None)
    order_type: str = field(name="X", default="")
    margin: int = field(name="st", default=1)


class _Combined(Struct, Generic[T], gc=False):
    """The envelope of a combined stream."""

    data: T


class _Event(Struct, gc=False):
    event: str = field(name="e", default="")


class _Head(_Event, gc=False):
    """What kind a frame is of; spot book frames carry no event and are known by their stream."""

    stream: str = ""
    data: _Event | None = None


_HEAD = msgspec.json.Decoder(_Head)
_Decode = Callable[[bytes], _Combined[_Aggregate] | _Combined[_Fill] | _Combined[_SpotTrade]]


class BinanceParser(frames.CarefulParser):
    """Reads the frames of one connection."""

    def __init__(self, feed: "BinanceFeed", streams: Sequence[Stream]) -> None:
        super().__init__(_IGNORED, streams)
        self._feed = feed
        self._decode = feed.decode
        self._requests = frames.requests(streams, feed.limits.names_per_request)

    def parse(self, frame: bytes) -> Sequence[Message]:
        """Turn one frame into messages; one dictionary lookup a number on the fast way."""
        if self._skipped_last and (messages := self._skip(frame)):
            return messages
        try:
            trade = self._decode(frame).data
            stream, prices, quantities = self._lanes[trade.symbol]
            time = trade.time
            time_us = time if time >= EARLIEST_US else time * 1_000
            row = (
                time_us,
                prices[trade.price],
                quantities[trade.quantity],
                -1 if trade.buyer_is_maker else 1,
                trade.id,
                _FAST_CLASSES[trade.order_type],
            )
            if not frame.isascii():
                frame.decode()  # what was skipped may be no text
        except (ValueError, LookupError, RecursionError):
            return self._read_other(frame)
        return (Trades(stream, [row]),) if time_us < LATEST_US else self._read_carefully(frame)

    def _kind(self, frame: bytes) -> str:
        head = _HEAD.decode(frame)
        event = head.event if head.data is None else head.data.event
        return event or _channel(head.stream)

    def _read(self, document: dict[str, object]) -> Sequence[Message]:
        data, stream = document.get("data", document), document.get("stream")
        if not isinstance(data, dict):
            return (Rejected("unexpected_shape", f"data is {grid.shown(data)}"),)
        event = data.get("e")
        if event == "serverShutdown":
            return (Leaving("serverShutdown"),)
        if event in _CHANNELS:
            return frames.gather([self._read_trade(data)])
        if event is None and stream is None:
            return (self._read_reply(document),)
        kind = str(event or _channel(str(stream)))
        if kind in _CHANNELS:
            return (Rejected("unexpected_shape", f"no event in {grid.shown(stream)}"),)
        return self._ignore(kind)

    def _read_trade(self, data: dict[str, object]) -> Item:
        try:
            trade = msgspec.convert(data, _AnyTrade)
        except ValueError as error:
            return Rejected("unexpected_shape", grid.brief(error))
        if trade.event != self._feed.channel:
            return Rejected("wrong_channel", f"{trade.event} of {grid.shown(trade.symbol)}")
        if trade.margin != 1:
            return Ignored("coin_margined")
        order_type = trade.order_type if self._feed.has_order_types else "MARKET"
        if order_type == "NA":
            return Ignored("no_fill")
        trade_id = trade.aggregate_id if trade.event == "aggTrade" else trade.trade_id
        micro = self._feed.kind is Kind.SPOT and trade.time >= EARLIEST_US
        return grid.read_row(
            self._lanes,
            trade.symbol,
            time_us=trade.time if micro else trade.time * 1_000,
            price=trade.price,
            quantity=trade.quantity,
            side=Side.SELL if trade.buyer_is_maker else Side.BUY,
            trade_id=-1 if trade_id is None else trade_id,
            order_class=_CLASSES.get(order_type, OrderClass.UNKNOWN),
        )

    def _read_reply(self, document: dict[str, object]) -> Message:
        names = self._requests.get(str(document.get("id")), ())
        error = document.get("error", document)
        if isinstance(error, dict) and "code" in error and "msg" in error:
            return Refused(grid.brief(f"{error['code']} {error['msg']}"), names)
        if "result" in document:
            return Subscribed(names) if document["result"] is None else Ignored("reply")
        if "lastUpdateId" in document:
            return Ignored("depth_snapshot")
        return Rejected("unexpected_shape", grid.shown(sorted(document)))


def _channel(stream: str) -> str:
    """Return the channel in the name of a stream, `depth20` of `btcusdt@depth20@100ms`."""
    return stream.partition("@")[2].partition("@")[0]


class _Listing(Struct):
    """One symbol of `exchangeInfo`; words that we do not know are no error."""

    symbol: str
    status: str
    base: str = field(name="baseAsset")
    quote: str = field(name="quoteAsset")
    filters: list[dict[str, object]]
    contract: str = field(name="contractType", default="")
    underlying: str = field(name="underlyingType", default="COIN")
    is_spot: bool = field(name="isSpotTradingAllowed", default=True)


class _Listings(Struct):
    symbols: list[msgspec.Raw]


_LISTING = msgspec.json.Decoder(_Listing)
_LISTINGS = msgspec.json.Decoder(_Listings)


def _step(listing: _Listing, kind: str, name: str) -> str:
    """Return a step out of the symbol's filters.

    Raises:
        ValueError: it is not there.
    """
    for one in listing.filters:
        step = one.get(name)
        if one.get("filterType") == kind and isinstance(step, str):
            return step
    raise ValueError(f"{listing.symbol} has no {name}")


@dataclass(slots=True, eq=False)
class BinanceFeed:
    """One of Binance's trade streams; see `collectors.venue.Feed` for what each method promises."""

    name: str
    kind: Kind
    default: bool
    channel: str
    has_order_types: bool
    decode: _Decode
    rest_url: str
    listing_path: str
    ws_url: str
    ws_path: str
    hosts: frozenset[str]
    routes: tuple[str, ...]
    limits: Limits
    venue: str = "binance"
    ping: str | None = None
    ping_seconds: float = 20.0
    skew_us: int = 500_000
    trade_ids: TradeIds = TradeIds.SEQUENTIAL
    replays_history: bool = False

    def instruments(self) -> Generator[Request, bytes, list[Instrument]]:
        """List what trades: crypto perpetuals, or all spot pairs."""
        body = yield Request(self.listing_path)
        return frames.read_instruments(
            frames.decode_body(body, _LISTINGS).symbols, _LISTING, self._instrument
        )

    def _instrument(self, listing: _Listing) -> Instrument | None:
        wanted = (
            listing.is_spot
            if self.kind is Kind.SPOT
            else listing.contract == "PERPETUAL" and listing.underlying == "COIN"
        )
        if not wanted or listing.status != "TRADING":
            return None
        asset, multiplier = grid.unscaled(listing.base)
        return make_instrument(
            venue=self.venue,
            kind=self.kind,
            venue_symbol=listing.symbol,
            asset=asset,
            quote=listing.quote,
            venue_tick=_step(listing, "PRICE_FILTER", "tickSize"),
            venue_lot=_step(listing, "LOT_SIZE", "stepSize"),
            multiplier=multiplier,
        )

    def streams(self, instrument: Instrument) -> tuple[Stream, ...]:
        """Name the stream; it must be lower case (upper case is acknowledged and silent)."""
        return (Stream(f"{instrument.venue_symbol.lower()}@{self.channel}", instrument),)

    def plan(self, streams: Sequence[Stream]) -> list[Plan]:
        """Spread streams over connections of this feed's route."""
        return frames.spread(streams, self.limits.streams_per_connection, self.ws_path)

    def subscribe(self, streams: Sequence[Stream]) -> list[str]:
        """Number the requests from one; the parser knows by the number what was acknowledged."""
        return [
            msgspec.json.encode(
                {"method": "SUBSCRIBE", "params": [stream.name for stream in batch], "id": number}
            ).decode()
            for number, batch in enumerate(
                frames.batches(streams, self.limits.names_per_request), 1
            )
        ]

    def parser(self, streams: Sequence[Stream]) -> BinanceParser:
        """Return a parser for one connection."""
        return BinanceParser(self, streams)

    def owns(self, url: str) -> bool:
        """Know the hosts, and on USD-M the route; before 2026-04-23 there were no routes."""
        return frames.is_at(url, self.hosts, self.routes)


_SPOT_HOSTS = frozenset(
    {"stream.binance.com", "data-stream.binance.vision", "data-api.binance.vision"}
    | {f"api{which}.binance.com" for which in ("", "1", "2", "3", "4", "-gcp")}
)
USDM = BinanceFeed(
    name="binance.usdm",
    kind=Kind.LINEAR_PERPETUAL,
    default=True,
    channel="aggTrade",
    has_order_types=False,
    decode=msgspec.json.Decoder(_Combined[_Aggregate]).decode,
    rest_url="https://fapi.binance.com",
    listing_path="/fapi/v1/exchangeInfo",
    ws_url="wss://fstream.binance.com",
    ws_path="/market/stream",
    hosts=frozenset({"fstream.binance.com", "fapi.binance.com"}),
    routes=("/market/", "/stream", "/ws", "/fapi/"),
    limits=Limits(
        streams_per_connection=200,  # of 1024
        names_per_request=100,  # 200 were accepted
        control_interval_seconds=0.3,  # of 10 a second, spot 5 with our pongs
        connect_interval_seconds=1.1,  # spot: 300 in 5 minutes
    ),
)
USDM_FILLS = replace(
    USDM,
    name="binance.usdm-fills",
    default=False,
    channel="trade",
    has_order_types=True,
    decode=msgspec.json.Decoder(_Combined[_Fill]).decode,
    ws_path="/public/stream",
    routes=("/public/", "/stream", "/ws", "/fapi/"),
)
SPOT = BinanceFeed(
    name="binance.spot",
    kind=Kind.SPOT,
    default=True,
    channel="trade",
    has_order_types=False,
    decode=msgspec.json.Decoder(_Combined[_SpotTrade]).decode,
    rest_url="https://api.binance.com",
    listing_path="/api/v3/exchangeInfo",
    ws_url="wss://stream.binance.com:9443",
    ws_path="/stream?timeUnit=MICROSECOND",
    hosts=_SPOT_HOSTS,
    routes=("/stream", "/ws", "/api/"),
    limits=USDM.limits,
)
FEEDS = (USDM, USDM_FILLS, SPOT)
