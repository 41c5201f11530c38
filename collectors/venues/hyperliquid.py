"""Hyperliquid: trades of the perpetuals of the first dex.

Source: https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/websocket/subscriptions
(as measured on 2026-09-24).

What a reader would trip over:

- One coin that does not exist closes the whole connection without a word: subscribe only to names
  out of `meta`, in their own case.
- The first frame of a subscription repeats old trades and does not say so.
- The smallest price step depends on the price; on the wire every price is a multiple of
  `10^-(6 - szDecimals)`, and that fixed grid is our tick.
- `kPEPE` is a thousand PEPE.
- `tid` is a hash: unique together with time and coin, and without order.
"""

import re
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
from schemas.market import Kind, Side, TradeIds
from schemas.trades import TradeRow
from schemas.units import plain

_CHANNEL = "trades"
_OTHERS = {"l2Book", "l2", "bbo", "candle", "allMids", "activeAssetCtx", "activeSpotAssetCtx"} | {
    "allDexsAssetCtxs",
    "fastAssetCtxs",
    "post",
    "notification",
}
_IGNORED = frames.ignored({channel: channel for channel in _OTHERS})
_SIDES = {"B": Side.BUY, "A": Side.SELL}
_PRICE_DECIMALS = 6
_THOUSANDS = re.compile(r"k([A-Z][A-Z0-9]+)")
_COIN = re.compile(r'\\?"coin\\?"\s*:\s*\\?"([^"\\]+)')


class _AnyTrade(Struct, gc=False, kw_only=True):
    """A trade read carefully."""

    coin: str
    side: str
    price: str = field(name="px")
    quantity: str = field(name="sz")
    time: int
    id: int = field(name="tid")


class _Trade(_AnyTrade, gc=False, kw_only=True):
    """A clean trade."""

    side: Literal["A", "B"]
    time: Milliseconds
    id: Id = field(name="tid")


class _Frame(Struct, gc=False):
    """Clean trades, normally of one coin."""

    channel: Literal["trades"]
    data: list[_Trade]


class _Head(Struct, gc=False):
    """What kind a frame is of."""

    channel: str


_FRAME = msgspec.json.Decoder(_Frame)
_HEAD = msgspec.json.Decoder(_Head)


class HyperliquidParser(frames.CarefulParser):
    """Reads the frames of one connection."""

    def __init__(self, streams: Sequence[Stream]) -> None:
        super().__init__(_IGNORED, streams)

    def parse(self, frame: bytes) -> Sequence[Message]:
        """Turn one frame into messages; all its rows are normally of one coin."""
        if self._skipped_last and (messages := self._skip(frame)):
            return messages
        try:
            data = _FRAME.decode(frame).data
            coin = data[0].coin
            stream, prices, quantities = self._lanes[coin]
            rows: list[TradeRow] = []
            for trade in data:
                if trade.coin != coin:
                    return self._read_carefully(frame)
                row = (
                    trade.time * 1_000,
                    prices[trade.price],
                    quantities[trade.quantity],
                    1 if trade.side == "B" else -1,
                    trade.id,
                    0,
                )
                rows.append(row)
            if not frame.isascii():
                frame.decode()  # what was skipped may be no text
        except (ValueError, LookupError, RecursionError):
            return self._read_other(frame)
        return (Trades(stream, rows),)

    def _kind(self, frame: bytes) -> str:
        return _HEAD.decode(frame).channel

    def _read(self, document: dict[str, object]) -> Sequence[Message]:
        channel, data = document.get("channel"), document.get("data")
        if channel != _CHANNEL:
            return self._read_answer(channel, data)
        return frames.read_rows(data, self._read_trade)

    def _read_trade(self, row: object) -> Item:
        try:
            trade = msgspec.convert(row, _AnyTrade)
        except ValueError as error:
            return Rejected("unexpected_shape", grid.brief(error))
        return grid.read_row(
            self._lanes,
            trade.coin,
            time_us=trade.time * 1_000,
            price=trade.price,
            quantity=trade.quantity,
            side=_SIDES.get(trade.side),
            trade_id=trade.id,
        )

    def _read_answer(self, channel: object, data: object) -> Sequence[Message]:
        if not isinstance(channel, str):
            return (Rejected("unexpected_shape", f"channel is {grid.shown(channel)}"),)
        if channel == "pong":
            return (Heartbeat(),)
        if channel == "error":
            return (self._read_error(str(data)),)
        if channel == "subscriptionResponse" and isinstance(data, dict):
            return (self._read_response(data),)
        return self._ignore(channel)

    def _read_error(self, words: str) -> Message:
        names = self._names(_COIN.findall(words))
        if words.startswith("Already subscribed"):
            return Subscribed(names)
        return Refused(grid.brief(words), names)

    def _read_response(self, data: dict[str, object]) -> Message:
        subscription = data.get("subscription")
        if data.get("method") != "subscribe" or not isinstance(subscription, dict):
            return Ignored("reply")
        if subscription.get("type") != _CHANNEL:
            return Ignored("reply")
        return Subscribed(self._names([str(subscription.get("coin"))]))

    def _names(self, coins: Sequence[str]) -> tuple[str, ...]:
        return tuple(self._lanes[coin][0].name for coin in coins if coin in self._lanes)


class _Listing(Struct):
    """One entry of the universe."""

    name: str
    size_decimals: int = field(name="szDecimals")
    is_delisted: bool = field(name="isDelisted", default=False)


class _Meta(Struct):
    universe: list[msgspec.Raw]


_LISTING = msgspec.json.Decoder(_Listing)
_META = msgspec.json.Decoder(_Meta)


def _instrument(listing: _Listing) -> Instrument | None:
    """Put one coin on its fixed grids.

    Raises:
        ValueError: its size decimals are none.
    """
    if listing.is_delisted:
        return None
    if not 0 <= listing.size_decimals <= _PRICE_DECIMALS:
        raise ValueError(f"szDecimals {listing.size_decimals} of {listing.name}")
    thousands = _THOUSANDS.fullmatch(listing.name)
    return make_instrument(
        venue="hyperliquid",
        kind=Kind.LINEAR_PERPETUAL,
        venue_symbol=listing.name,
        asset=thousands[1] if thousands else listing.name,
        quote="USDC",
        venue_tick=plain(Decimal(1).scaleb(listing.size_decimals - _PRICE_DECIMALS)),
        venue_lot=plain(Decimal(1).scaleb(-listing.size_decimals)),
        multiplier=Decimal(1_000 if thousands else 1),
    )


_LIMITS = Limits(
    streams_per_connection=200,  # 1,000 an address, over at most 10 connections
    names_per_request=1,
    control_interval_seconds=0.05,  # 2,000 a minute and address
    connect_interval_seconds=2.5,  # 30 a minute
)


@dataclass(slots=True, eq=False)
class HyperliquidFeed:
    """Perpetuals of the first dex; see `collectors.venue.Feed` for what each method promises."""

    name: str = "hyperliquid.perp"
    venue: str = "hyperliquid"
    kind: Kind = Kind.LINEAR_PERPETUAL
    default: bool = True
    rest_url: str = "https://api.hyperliquid.xyz"
    ws_url: str = "wss://api.hyperliquid.xyz"
    limits: Limits = _LIMITS
    ping: str | None = '{"method":"ping"}'
    ping_seconds: float = 20.0
    skew_us: int = 2_000_000
    trade_ids: TradeIds = TradeIds.OPAQUE
    replays_history: bool = True

    def instruments(self) -> Generator[Request, bytes, list[Instrument]]:
        """List the coins that are not delisted."""
        body = yield Request("/info", method="POST", body=b'{"type":"meta"}')
        universe = frames.decode_body(body, _META).universe
        return frames.read_instruments(universe, _LISTING, _instrument)

    def streams(self, instrument: Instrument) -> tuple[Stream, ...]:
        """Name channel and coin."""
        return (Stream(f"{_CHANNEL}:{instrument.venue_symbol}", instrument),)

    def plan(self, streams: Sequence[Stream]) -> list[Plan]:
        """Spread coins over connections."""
        return frames.spread(streams, self.limits.streams_per_connection, "/ws")

    def subscribe(self, streams: Sequence[Stream]) -> list[str]:
        """Ask for one coin a message, as it must be."""
        return [
            msgspec.json.encode(
                {
                    "method": "subscribe",
                    "subscription": {"type": _CHANNEL, "coin": stream.instrument.venue_symbol},
                }
            ).decode()
            for stream in streams
        ]

    def parser(self, streams: Sequence[Stream]) -> HyperliquidParser:
        """Return a parser for one connection."""
        return HyperliquidParser(streams)

    def owns(self, url: str) -> bool:
        """Know the public host and the one of its own page."""
        hosts = ("api.hyperliquid.xyz", "api-ui.hyperliquid.xyz")
        return frames.is_at(url, hosts, ("/ws", "/info"))


FEEDS = (HyperliquidFeed(),)
