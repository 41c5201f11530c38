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

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

import msgspec
from msgspec import Struct, field

from collectors import frames, grid
from collectors.frames import Item, Shape
from collectors.grid import Id, Microseconds, Milliseconds
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

_MICROSECONDS_FROM = 10**14

_CLASSES = {
    "MARKET": OrderClass.MARKET,
    "RPI": OrderClass.RPI,
    "INSURANCE_FUND": OrderClass.INSURANCE,
    "ADL": OrderClass.ADL,
}
_FAST_CLASSES = {"MARKET": int(OrderClass.MARKET), "RPI": int(OrderClass.RPI)}
_CHANNELS = ("trade", "aggTrade")
_OTHERS = (
    "depth", "bookTicker", "kline", "markPrice", "forceOrder", "miniTicker", "ticker",
    "blockTrade", "rpiDepth", "contractInfo", "continuousKline",
)  # fmt: skip


class _Trade(Protocol):
    """What the fast way reads of a trade; each shape below has it."""

    symbol: str
    id: int
    price: str
    quantity: str
    time: int
    buyer_is_maker: bool
    order_type: str


class _Frame(Protocol):
    """A combined frame."""

    data: _Trade


_NAMES = {"s": "symbol", "a": "id", "t": "id", "p": "price", "q": "quantity", "T": "time"}
_NAMES |= {"m": "buyer_is_maker", "X": "order_type"}
_TYPES = {"E": int, "a": Id, "t": Id, "f": int, "l": int, "m": bool, "M": bool, "st": Literal[1]}


def _shape(event: object, wire: str, time: object = Milliseconds) -> Shape[_Frame]:
    """Make the shape of a combined frame; without `X` the stream has market fills only."""
    types = {**_TYPES, "e": event, "T": time}
    trade = frames.record(wire, _NAMES, types, {"X": "MARKET"})
    combined = msgspec.defstruct("Combined", [("stream", str), ("data", trade)], gc=False)
    decoder: msgspec.json.Decoder[_Frame] = msgspec.json.Decoder(combined)
    time_scale = 1 if time is Microseconds else 1_000
    return Shape(decoder.decode, frames.keys(combined, trade), 0, time_scale)


_AGGREGATES = (
    _shape(Literal["aggTrade"], "e E a s p q nq f l T m st"),
    _shape(Literal["aggTrade"], "e E a s p q f l T m"),  # before 2025-12-31
)
_FILLS = (
    _shape(Literal["trade"], "e E T s t p q X m st"),
    _shape(Literal["trade"], "e E T s t p q X m"),  # before 2026-06-30
)
_SPOT_TRADES = (
    _shape(Literal["trade"], "e E s t p q T m M", Microseconds),
    _shape(Literal["trade"], "e E s t p q T m M"),  # without timeUnit
)


class _AnyTrade(Struct, gc=False):
    """A trade read carefully: what we use of it, in any shape that any of the streams had."""

    event: str = field(name="e")
    symbol: str = field(name="s")
    price: str = field(name="p")
    quantity: str = field(name="q")
    time: int = field(name="T")
    buyer_is_maker: bool = field(name="m")
    aggregate_id: int | None = field(name="a", default=None)
    trade_id: int | None = field(name="t", default=None)
    order_type: str = field(name="X", default="")
    margin: int = field(name="st", default=1)


class BinanceParser(frames.CarefulParser[_Frame]):
    """Reads the frames of one connection."""

    def __init__(self, feed: "BinanceFeed", streams: Sequence[Stream]) -> None:
        super().__init__(feed.shapes, grid.lanes(streams))
        self._feed = feed
        self._requests = frames.requests(streams, feed.limits.names_per_request)

    def parse(self, frame: bytes) -> Sequence[Message]:
        """Turn one frame into messages; one dictionary lookup a number on the fast way."""
        decode, lanes, frame_keys, _, time_scale = self._fast
        try:
            trade = decode(frame).data
            stream, prices, quantities = lanes[trade.symbol]
            row = (
                trade.time * time_scale,
                prices[trade.price],
                quantities[trade.quantity],
                -1 if trade.buyer_is_maker else 1,
                trade.id,
                _FAST_CLASSES[trade.order_type],
            )
        except (ValueError, LookupError, RecursionError):
            return self._read_carefully(frame)
        if frame.count(b":") != frame_keys:
            return self._read_carefully(frame)
        return (Trades(stream, [row]),)

    def _read(self, document: dict[str, object]) -> Sequence[Message]:
        data = document.get("data", document)
        if not isinstance(data, dict):
            return (Rejected("unexpected_shape", f"data is {grid.shown(data)}"),)
        event = data.get("e")
        if event == "serverShutdown":
            return (Leaving("serverShutdown"),)
        if event in _CHANNELS:
            return frames.gather([self._read_trade(data)])
        if event is None and "stream" not in document:
            return (self._read_reply(document),)
        return (_ignore(event, document.get("stream")),)

    def _read_trade(self, data: dict[str, object]) -> Item:
        try:
            trade = msgspec.convert(data, _AnyTrade)
        except ValueError as error:
            return Rejected("unexpected_shape", grid.brief(error))
        if trade.event != self._feed.channel:
            return Rejected("wrong_channel", f"{trade.event} of {grid.shown(trade.symbol)}")
        if trade.margin != 1:
            return Ignored("coin_margined")
        if trade.order_type == "NA":
            return Ignored("no_fill")
        lane = self._lanes.get(trade.symbol)
        if lane is None:
            return Rejected("unknown_symbol", grid.shown(trade.symbol))
        trade_id = trade.aggregate_id if trade.event == "aggTrade" else trade.trade_id
        micro = self._feed.kind is Kind.SPOT and trade.time > _MICROSECONDS_FROM
        row = grid.read_row(
            lane,
            time_us=trade.time if micro else trade.time * 1_000,
            price=trade.price,
            quantity=trade.quantity,
            side=Side.SELL if trade.buyer_is_maker else Side.BUY,
            trade_id=-1 if trade_id is None else trade_id,
            order_class=self._class_of(trade.order_type),
        )
        return row if isinstance(row, Rejected) else (lane[0], row)

    def _class_of(self, order_type: str) -> OrderClass:
        """Only raw USD-M fills say their class; other streams carry nothing but market fills."""
        if not self._feed.has_order_types:
            return OrderClass.MARKET
        return _CLASSES.get(order_type, OrderClass.UNKNOWN)

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


def _ignore(event: object, stream: object) -> Message:
    """Name a frame that is no trade; spot book frames carry no event and are known by stream."""
    kind = str(event) if event is not None else str(stream).rpartition("@")[2]
    if event is None and kind in _CHANNELS:
        return Rejected("unexpected_shape", f"no event in {grid.shown(stream)}")
    matches = [other for other in _OTHERS if kind.startswith(other)]
    return Ignored(matches[0] if matches else "other")


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
    shapes: tuple[Shape[_Frame], ...]
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
    shapes=_AGGREGATES,
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
    shapes=_FILLS,
    ws_path="/public/stream",
    routes=("/public/", "/stream", "/ws", "/fapi/"),
)
SPOT = BinanceFeed(
    name="binance.spot",
    kind=Kind.SPOT,
    default=True,
    channel="trade",
    has_order_types=False,
    shapes=_SPOT_TRADES,
    rest_url="https://api.binance.com",
    listing_path="/api/v3/exchangeInfo",
    ws_url="wss://stream.binance.com:9443",
    ws_path="/stream?timeUnit=MICROSECOND",
    hosts=_SPOT_HOSTS,
    routes=("/stream", "/ws", "/api/"),
    limits=USDM.limits,
)
FEEDS = (USDM, USDM_FILLS, SPOT)
