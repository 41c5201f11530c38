"""OKX v5: trades of linear swaps and of spot, on the `trades` channel.

Source: https://www.okx.com/docs-v5/en/#order-book-trading-market-data-ws-trades-channel (read
through copies of 2026-07-22; changes up to 2026-09-30).

What a reader would trip over:

- Swap sizes are in contracts: a quantity step is `lotSz` contracts of `ctVal * ctMult` coins.
- `trades` merges the fills of one taker order at one price; `trades-all` is on another address,
  and the two must never be added.
- Port 8443 was to be closed on 2026-10-31; the same hosts answer on 443.
- Numbers come as text, so the decoder is told to read integers out of text.
- Swap and spot share one address, so a recorded connection may carry both.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

import msgspec
from msgspec import Struct, field

from collectors import frames, grid
from collectors.grid import Id, Item, Milliseconds
from collectors.venue import (
    Heartbeat,
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
from schemas.trades import TradeRow
from schemas.units import parse_decimal

_CHANNEL = "trades"
_OTHER_TRADES = frozenset({"trades-all", "option-trades"})
_OTHERS = (
    {"books", "books5", "bbo-tbt", "books-l2-tbt", "books50-l2-tbt", "tickers", "mark-price"}
    | {"open-interest", "funding-rate", "index-tickers", "price-limit", "liquidation-orders"}
    | {"instruments", "status"}
)
_IGNORED = frames.ignored({channel: channel for channel in _OTHERS})
_SIDES = {"buy": Side.BUY, "sell": Side.SELL}
_CLASSES = {"0": OrderClass.MARKET, "1": OrderClass.RPI}
_RPI = int(OrderClass.RPI)
_UPGRADE = "64008"


class _AnyTrade(Struct, gc=False, kw_only=True):
    """A trade read carefully."""

    symbol: str = field(name="instId")
    id: int = field(name="tradeId")
    price: str = field(name="px")
    quantity: str = field(name="sz")
    side: str
    time: int = field(name="ts")
    source: str = "0"


class _Trade(_AnyTrade, gc=False, kw_only=True):
    """A clean trade."""

    id: Id = field(name="tradeId")
    side: Literal["buy", "sell"]
    time: Milliseconds = field(name="ts")
    source: Literal["0", "1"] = "0"


class _TradesArg(Struct, gc=False):
    channel: Literal["trades"]
    symbol: str = field(name="instId")


class _Frame(Struct, gc=False):
    """Clean trades of one instrument, normally one."""

    arg: _TradesArg
    data: list[_Trade]


class _Arg(Struct, gc=False):
    channel: str


class _Head(Struct, gc=False):
    """What kind a frame is of; an event may be about a channel and is not of it."""

    arg: _Arg
    event: Literal[""] = ""


_FRAME = msgspec.json.Decoder(_Frame, strict=False)
_HEAD = msgspec.json.Decoder(_Head)


class OkxParser(frames.CarefulParser):
    """Reads the frames of one connection."""

    def __init__(self, streams: Sequence[Stream]) -> None:
        super().__init__(_IGNORED, streams)

    def parse(self, frame: bytes) -> Sequence[Message]:
        """Turn one frame into messages; all its rows are normally of the argument's instrument."""
        if self._skipped_last and (messages := self._skip(frame)):
            return messages
        try:
            message = _FRAME.decode(frame)
            symbol = message.arg.symbol
            stream, prices, quantities = self._lanes[symbol]
            rows: list[TradeRow] = []
            for trade in message.data:
                if trade.symbol != symbol:
                    return self._read_carefully(frame)
                row = (
                    trade.time * 1_000,
                    prices[trade.price],
                    quantities[trade.quantity],
                    1 if trade.side == "buy" else -1,
                    trade.id,
                    0 if trade.source == "0" else _RPI,
                )
                rows.append(row)
            if not frame.isascii():
                frame.decode()  # what was skipped may be no text
        except (ValueError, LookupError, RecursionError):
            return self._read_other(frame)
        return (Trades(stream, rows),) if rows else self._read_carefully(frame)

    def _read_carefully(self, frame: bytes) -> Sequence[Message]:
        return (Heartbeat(),) if frame == b"pong" else super()._read_carefully(frame)

    def _kind(self, frame: bytes) -> str:
        return _HEAD.decode(frame).arg.channel

    def _read(self, document: dict[str, object]) -> Sequence[Message]:
        arg = document.get("arg")
        if "event" in document:
            return (self._read_event(document, arg),)
        channel = arg.get("channel") if isinstance(arg, dict) else None
        if not isinstance(channel, str):
            return (Rejected("unexpected_shape", grid.shown(sorted(document))),)
        if channel in _OTHER_TRADES:
            return (Rejected("wrong_channel", channel),)
        if channel != _CHANNEL:
            return self._ignore(channel)
        return frames.read_rows(document.get("data"), self._read_trade)

    def _read_trade(self, row: object) -> Item:
        try:
            trade = msgspec.convert(row, _AnyTrade, strict=False)
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
            order_class=_CLASSES.get(trade.source, OrderClass.UNKNOWN),
        )

    def _read_event(self, document: dict[str, object], arg: object) -> Message:
        event = document["event"]
        detail = f"{document.get('code')} {document.get('msg')}"
        if event == "subscribe":
            return Subscribed(self._names_in(arg.get("instId") if isinstance(arg, dict) else ""))
        if event == "error":
            return Refused(grid.brief(detail), self._names_in(document.get("msg")))
        if event == "notice" and document.get("code") == _UPGRADE:
            return Leaving(grid.brief(detail))
        known = event in ("notice", "unsubscribe", "channel-conn-count")
        return Ignored(str(event) if known else "other")

    def _names_in(self, text: object) -> tuple[str, ...]:
        """Return the streams whose instrument is a word of the text."""
        found = (self._lanes.get(word) for word in frames.words(text))
        return tuple(lane[0].name for lane in found if lane is not None)


class _Listing(Struct):
    """One row of `instruments`; old ones have no family and no category."""

    symbol: str = field(name="instId")
    state: str
    tick: str = field(name="tickSz")
    lot: str = field(name="lotSz")
    base: str = field(name="baseCcy", default="")
    quote: str = field(name="quoteCcy", default="")
    family: str = field(name="instFamily", default="")
    underlying: str = field(name="uly", default="")
    category: str = field(name="instCategory", default="")
    contract_type: str = field(name="ctType", default="")
    contract_value: str = field(name="ctVal", default="")
    contract_multiplier: str = field(name="ctMult", default="")
    contract_currency: str = field(name="ctValCcy", default="")


class _Answer(Struct):
    code: str
    message: str = field(name="msg", default="")
    data: list[msgspec.Raw] = []


_LISTING = msgspec.json.Decoder(_Listing)
_ANSWER = msgspec.json.Decoder(_Answer)

_LIMITS = Limits(
    streams_per_connection=100,
    names_per_request=50,  # 64 KB of channels a connection
    control_interval_seconds=0.5,  # 480 requests an hour
    connect_interval_seconds=0.5,  # 3 a second
)


@dataclass(slots=True, eq=False)
class OkxFeed:
    """Linear swaps or spot; see `collectors.venue.Feed` for what each method promises."""

    name: str
    kind: Kind
    instrument_type: str
    limits: Limits = _LIMITS
    venue: str = "okx"
    default: bool = True
    rest_url: str = "https://openapi.okx.com"
    ws_url: str = "wss://ws.okx.com"
    ping: str | None = "ping"
    ping_seconds: float = 20.0
    skew_us: int = 500_000
    trade_ids: TradeIds = TradeIds.SEQUENTIAL
    replays_history: bool = False

    def instruments(self) -> Generator[Request, bytes, list[Instrument]]:
        """List what is live: linear swaps on crypto, or spot pairs."""
        body = yield Request(f"/api/v5/public/instruments?instType={self.instrument_type}")
        answer = frames.decode_body(body, _ANSWER)
        if answer.code != "0":
            frames.refuse_body(grid.brief(f"code {answer.code}: {answer.message}"))
        return frames.read_instruments(answer.data, _LISTING, self._instrument)

    def _instrument(self, listing: _Listing) -> Instrument | None:
        if listing.state != "live" or listing.category not in ("", "1"):
            return None
        spot = self.kind is Kind.SPOT
        base, quote, unit = listing.base, listing.quote, Decimal(1)
        if not spot:
            base, _, quote = (listing.family or listing.underlying).partition("-")
            if listing.contract_type != "linear" or listing.contract_currency != base:
                return None
            unit = parse_decimal(listing.contract_value)
            unit *= parse_decimal(listing.contract_multiplier)
        return make_instrument(
            venue=self.venue,
            kind=self.kind,
            venue_symbol=listing.symbol,
            asset=base,
            quote=quote,
            venue_tick=listing.tick,
            venue_lot=listing.lot,
            unit=unit,
        )

    def streams(self, instrument: Instrument) -> tuple[Stream, ...]:
        """Name channel and instrument, as OKX does with two words of one argument."""
        return (Stream(f"{_CHANNEL}:{instrument.venue_symbol}", instrument),)

    def plan(self, streams: Sequence[Stream]) -> list[Plan]:
        """Spread channels over public connections."""
        return frames.spread(streams, self.limits.streams_per_connection, "/ws/v5/public")

    def subscribe(self, streams: Sequence[Stream]) -> list[str]:
        """Ask for many at once; each is acknowledged by itself."""
        return [
            msgspec.json.encode(
                {
                    "id": str(number),
                    "op": "subscribe",
                    "args": [
                        {"channel": _CHANNEL, "instId": one.instrument.venue_symbol}
                        for one in batch
                    ],
                }
            ).decode()
            for number, batch in enumerate(
                frames.batches(streams, self.limits.names_per_request), 1
            )
        ]

    def parser(self, streams: Sequence[Stream]) -> OkxParser:
        """Return a parser for one connection."""
        return OkxParser(streams)

    def owns(self, url: str) -> bool:
        """Know the hosts of all regions at any port; REST says which type it asked for."""
        return frames.is_at(
            url, ("ws.okx.com", "wseea.okx.com", "wsus.okx.com"), ("/ws/v5/public",)
        ) or frames.is_at(
            url,
            ("openapi.okx.com", "www.okx.com", "eea.okx.com", "us.okx.com"),
            ("/api/v5/",),
            {"instType": self.instrument_type},
        )


FEEDS = (
    OkxFeed("okx.swap", Kind.LINEAR_PERPETUAL, "SWAP"),
    OkxFeed("okx.spot", Kind.SPOT, "SPOT"),
)
