"""Bybit v5: trades of linear perpetuals and of spot.

Source: https://bybit-exchange.github.io/docs/v5/websocket/public/trade (docs of 2026-07-24).

What a reader would trip over:

- One acknowledgement answers a whole request and names no topics; `already subscribed` is a
  success. At most 10 topics a request (spot refuses more).
- Block trades (`BT`) are negotiated off the book; RPI fills took liquidity that no book showed.
- Scaled coins carry their factor in front (`1000PEPE`) or behind (`SHIB1000`).
- Compression must be off (the engine's default).
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote

import msgspec
from msgspec import Struct, field

from collectors import frames, grid
from collectors.grid import Item, Milliseconds, OpaqueId
from collectors.venue import (
    Heartbeat,
    Ignored,
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
from schemas.trades import TradeRow

_TOPIC = "publicTrade."
_OTHERS = (
    "orderbook", "tickers", "kline", "allLiquidation", "liquidation", "insurance", "priceLimit",
    "adlAlert",
)  # fmt: skip
_IGNORED = frames.ignored({kind: kind for kind in _OTHERS})
_SIDES = {"Buy": Side.BUY, "Sell": Side.SELL}
_BLOCK, _RPI = int(OrderClass.BLOCK), int(OrderClass.RPI)
_PAGES = 50
_NOT_CRYPTO = frozenset({"commodity", "stock", "forex", "xstocks"})


class _AnyTrade(Struct, gc=False, kw_only=True):
    """A trade read carefully."""

    time: int = field(name="T")
    symbol: str = field(name="s")
    side: str = field(name="S")
    quantity: str = field(name="v")
    price: str = field(name="p")
    id: str = field(name="i")
    is_block: bool = field(name="BT", default=False)
    is_rpi: bool = field(name="RPI", default=False)

    @property
    def order_class(self) -> OrderClass:
        """A block trade is one whatever else it is."""
        if self.is_block:
            return OrderClass.BLOCK
        return OrderClass.RPI if self.is_rpi else OrderClass.MARKET


class _Trade(_AnyTrade, gc=False, kw_only=True):
    """A clean trade."""

    time: Milliseconds = field(name="T")
    side: Literal["Buy", "Sell"] = field(name="S")
    id: OpaqueId = field(name="i")


class _Frame(Struct, gc=False):
    """Clean trades of one topic."""

    topic: str
    data: list[_Trade]


class _Head(Struct, gc=False):
    """What kind a frame is of."""

    topic: str


_FRAME = msgspec.json.Decoder(_Frame)
_HEAD = msgspec.json.Decoder(_Head)


class BybitParser(frames.CarefulParser):
    """Reads the frames of one connection."""

    def __init__(self, feed: "BybitFeed", streams: Sequence[Stream]) -> None:
        super().__init__(_IGNORED, streams)
        self._symbols = {stream.name: stream.instrument.venue_symbol for stream in streams}
        self._requests = frames.requests(streams, feed.limits.names_per_request)

    def parse(self, frame: bytes) -> Sequence[Message]:
        """Turn one frame into messages; all its rows are normally of the topic's symbol."""
        if self._skipped_last and (messages := self._skip(frame)):
            return messages
        try:
            message = _FRAME.decode(frame)
            symbol = self._symbols[message.topic]
            stream, prices, quantities = self._lanes[symbol]
            rows: list[TradeRow] = []
            for trade in message.data:
                if trade.symbol != symbol:
                    return self._read_carefully(frame)
                row = (
                    trade.time * 1_000,
                    prices[trade.price],
                    quantities[trade.quantity],
                    1 if trade.side == "Buy" else -1,
                    trade.id,
                    _BLOCK if trade.is_block else _RPI if trade.is_rpi else 0,
                )
                rows.append(row)
        except (ValueError, LookupError, RecursionError):
            return self._read_other(frame)
        # What was skipped may be no text, and an id must be printable, however it is escaped.
        clean = frame.isascii() and b"\\" not in frame and b"\x7f" not in frame
        return (Trades(stream, rows),) if rows and clean else self._read_carefully(frame)

    def _kind(self, frame: bytes) -> str:
        return _HEAD.decode(frame).topic.partition(".")[0]

    def _read(self, document: dict[str, object]) -> Sequence[Message]:
        topic = document.get("topic")
        if topic is None:
            return (self._read_reply(document),)
        if not isinstance(topic, str) or not topic.startswith(_TOPIC):
            return self._ignore(str(topic).partition(".")[0])
        return frames.read_rows(document.get("data"), self._read_trade)

    def _read_trade(self, row: object) -> Item:
        try:
            trade = msgspec.convert(row, _AnyTrade)
        except ValueError as error:
            return Rejected("unexpected_shape", grid.brief(error))
        return grid.read_row(
            self._lanes,
            trade.symbol,
            time_us=trade.time * 1_000,
            price=trade.price,
            quantity=trade.quantity,
            side=_SIDES.get(trade.side),
            trade_id=trade.id,
            order_class=trade.order_class,
        )

    def _read_reply(self, document: dict[str, object]) -> Message:
        detail, operation = str(document.get("ret_msg")), document.get("op")
        if detail == "pong" or operation == "pong":
            return Heartbeat()
        success = document.get("success")
        if not isinstance(success, bool) or not isinstance(operation, str):
            return Rejected("unexpected_shape", grid.shown(sorted(document)))
        names = self._requests.get(str(document.get("req_id")), ())
        named = tuple(word for word in frames.words(detail) if word in self._symbols)
        if success or "already subscribed" in detail:
            return Subscribed(named or names) if operation == "subscribe" else Ignored("reply")
        return Refused(grid.brief(detail), named or names)


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


class _Page(Struct):
    listings: list[msgspec.Raw] = field(name="list")
    cursor: str = field(name="nextPageCursor", default="")


class _Answer(Struct):
    code: int = field(name="retCode")
    message: str = field(name="retMsg", default="")
    result: msgspec.Raw = msgspec.Raw(b"{}")


_LISTING = msgspec.json.Decoder(_Listing)
_PAGE = msgspec.json.Decoder(_Page)
_ANSWER = msgspec.json.Decoder(_Answer)

_LIMITS = Limits(
    streams_per_connection=200,  # 21,000 characters of topics are about 700
    names_per_request=10,
    control_interval_seconds=0.1,
    connect_interval_seconds=0.7,  # 500 in 5 minutes
)


@dataclass(slots=True, eq=False)
class BybitFeed:
    """One category of Bybit; see `collectors.venue.Feed` for what each method promises."""

    name: str
    kind: Kind
    category: str
    lot: str
    limits: Limits = _LIMITS
    venue: str = "bybit"
    default: bool = True
    rest_url: str = "https://api.bybit.com"
    ws_url: str = "wss://stream.bybit.com"
    ping: str | None = '{"op":"ping"}'
    ping_seconds: float = 20.0
    skew_us: int = 500_000
    trade_ids: TradeIds = TradeIds.OPAQUE
    replays_history: bool = False

    def instruments(self) -> Generator[Request, bytes, list[Instrument]]:
        """Page through what trades, a thousand at a time; spot comes in one page."""
        path = f"/v5/market/instruments-info?category={self.category}&status=Trading&limit=1000"
        rows: list[msgspec.Raw] = []
        cursor = ""
        for _ in range(_PAGES):
            # The cursor comes percent-encoded; encoding it once more would break it.
            body = yield Request(f"{path}&cursor={quote(cursor, safe='%')}" if cursor else path)
            answer = frames.decode_body(body, _ANSWER)
            if answer.code != 0:
                frames.refuse_body(grid.brief(f"retCode {answer.code}: {answer.message}"))
            page = frames.decode_body(bytes(answer.result), _PAGE)
            rows += page.listings
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

    def streams(self, instrument: Instrument) -> tuple[Stream, ...]:
        """Name the trade topic."""
        return (Stream(f"{_TOPIC}{instrument.venue_symbol}", instrument),)

    def plan(self, streams: Sequence[Stream]) -> list[Plan]:
        """Spread topics over connections of the category."""
        path = f"/v5/public/{self.category}"
        return frames.spread(streams, self.limits.streams_per_connection, path)

    def subscribe(self, streams: Sequence[Stream]) -> list[str]:
        """Number the requests from one; some acknowledgements repeat the number."""
        return [
            msgspec.json.encode(
                {"req_id": str(number), "op": "subscribe", "args": [one.name for one in batch]}
            ).decode()
            for number, batch in enumerate(
                frames.batches(streams, self.limits.names_per_request), 1
            )
        ]

    def parser(self, streams: Sequence[Stream]) -> BybitParser:
        """Return a parser for one connection."""
        return BybitParser(self, streams)

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


FEEDS = (
    BybitFeed("bybit.linear", Kind.LINEAR_PERPETUAL, "linear", "qtyStep"),
    BybitFeed("bybit.spot", Kind.SPOT, "spot", "basePrecision"),
)
