"""Hyperliquid's frames: trades, books, best prices, contexts and the answers to requests.

Source: https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/websocket/subscriptions
(as measured on 2026-09-24). Every frame but those of the explorer is `{"channel":..,"data":..}`;
where a frame begins so, six bytes at one place tell which decoder to try.
"""

import re
from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec

from collectors import frames, grid
from collectors.grid import EARLIEST_US, LATEST_US
from collectors.messages import (
    BookUpdate,
    Heartbeat,
    Ignored,
    Message,
    Refused,
    Rejected,
    Subscribed,
    TickerValues,
    Top,
    Trades,
)
from collectors.venue import Channel, Stream
from collectors.venues.hyperliquid.liquidations import Explorer, Join
from collectors.venues.hyperliquid.shapes import (
    BOOK_FRAME,
    CONTEXT_FRAME,
    HEAD,
    TOP_FRAME,
    BestPrices,
    Book,
    CoinContext,
    Level,
    Response,
)
from collectors.venues.hyperliquid.trades import TRADE_FRAME, reader
from schemas.instruments import Instrument
from schemas.market import ANOTHER_ORDER
from schemas.trades import TradeRow
from schemas.units import parse_decimal, plain

TYPES = {
    Channel.TRADES: "trades",
    Channel.BOOK: "l2Book",
    Channel.TOP: "bbo",
    Channel.TICKER: "activeAssetCtx",
    Channel.LIQUIDATIONS: "explorerTxs",
}
"""The venue's word for a subscription; but for the explorer it is that of the frames too."""

FUNDING_SECONDS = 3600
MAX_LEVELS = 20_000
"""A side with more is no book."""
MAX_QUANTITY = 1e15
"""A level with as much is none; well above what the cheapest coin shows."""

T = TypeVar("T")
_OTHERS = {"l2", "candle", "allMids", "activeSpotAssetCtx", "allDexsAssetCtxs", "fastAssetCtxs"}
_IGNORED = frames.ignored(
    {word: word for word in {*TYPES.values(), *_OTHERS, "post", "notification"}}
)
_TYPE = re.compile(r'\\?"type\\?"\s*:\s*\\?"([^"\\]+)')
_COIN = re.compile(r'\\?"coin\\?"\s*:\s*\\?"([^"\\]+)')
_HINTS = {"l2Book": b"l2Book", "bbo": b'bbo","', "activeAssetCtx": b"active"}
_EXPLORER_HINT = b'"type"'
"""What stands at this place in the explorer's frames: `[{"action":{"type":...`."""
_ERROR_CHARACTERS = 2_000
_NO_QUANTITY = Rejected("invalid_quantity", "a level's quantity is no number of ours")


class HyperliquidParser(frames.CarefulParser):
    """Reads the frames of one connection.

    Args:
        streams: what it carries; frames of other channels are ignored.
        join: where trades are looked up by their transaction; None where nobody asks.
    """

    def __init__(self, streams: Sequence[Stream], join: Join | None) -> None:
        wanted = {TYPES[stream.channel] for stream in streams} | {"trades"}
        super().__init__({kind: _IGNORED[kind] for kind in _IGNORED if kind not in wanted}, streams)
        self._note: Callable[[bytes], None] | None = None
        if join is not None:
            self._note = join.waiting.append
            join.lanes.update(self._lanes)
        self._streams: dict[tuple[Channel, str], tuple[Stream, Instrument]] = {}
        self._explorer: Explorer | None = None
        for stream in streams:
            if stream.instrument is not None:
                place = (stream.channel, stream.instrument.venue_symbol)
                self._streams[place] = (stream, stream.instrument)
            elif join is not None:
                self._explorer = Explorer(stream, join)
        self._hints = {_HINTS[word]: _TYPED[word] for word in wanted & _HINTS.keys()}
        if self._explorer is not None:
            self._hints[_EXPLORER_HINT] = HyperliquidParser._parse_transactions

    def parse(self, frame: bytes) -> Sequence[Message]:
        """Turn one frame into messages; what stands after `{"channel":"` hints at its kind."""
        try:
            if frame[12:13] == b"t":
                return self._parse_trades(frame)
            return self._hints[frame[12:18]](self, frame)
        except (ValueError, LookupError, RecursionError):
            return self._read_other(frame)

    def _parse_trades(self, frame: bytes) -> Sequence[Message]:
        data = TRADE_FRAME.decode(frame).data
        coin = data[0].coin
        stream, prices, quantities = self._lanes[coin]
        rows: list[TradeRow] = []
        before = data[0].transaction
        for trade in data:
            if trade.coin != coin:
                return self._read_carefully(frame)
            row = (
                trade.time * 1_000,
                prices[trade.price],
                quantities[trade.quantity],
                1 if trade.side == "B" else -1,
                trade.id,
                0 if trade.transaction == before else ANOTHER_ORDER,
            )
            before = trade.transaction
            rows.append(row)
        _check_text(frame)
        if self._note is not None:
            self._note(frame)
        return (Trades(stream, rows),)

    def _parse_book(self, frame: bytes) -> Sequence[Message]:
        data = BOOK_FRAME.decode(frame).data
        _check_text(frame)
        return (self._book(data),)

    def _parse_top(self, frame: bytes) -> Sequence[Message]:
        data = TOP_FRAME.decode(frame).data
        _check_text(frame)
        return (self._top(data),)

    def _parse_context(self, frame: bytes) -> Sequence[Message]:
        data = CONTEXT_FRAME.decode(frame).data
        _check_text(frame)
        return (self._context(data),)

    def _parse_transactions(self, frame: bytes) -> Sequence[Message]:
        return self._explorer.parse(frame) if self._explorer is not None else ()

    def _kind(self, frame: bytes) -> str:
        return HEAD.decode(frame).channel

    def _read_other(self, frame: bytes) -> Sequence[Message]:
        """Read what did not begin as usual, or was not clean."""
        try:
            kind = self._kind(frame)
            if kind in _TYPED and kind not in self._ignored:
                return _TYPED[kind](self, frame)
        except (ValueError, LookupError, RecursionError):
            return self._read_carefully(frame)
        return self._ignored.get(kind) or self._read_carefully(frame)

    def _read_carefully(self, frame: bytes) -> Sequence[Message]:
        if self._explorer is not None and frame.lstrip()[:1] == b"[":
            return self._explorer.parse_carefully(frame)
        messages = super()._read_carefully(frame)
        if self._note is not None and isinstance(messages[0], Trades):
            self._note(frame)
        return messages

    def _name(self, document: dict[str, object]) -> str:
        data = document.get("data")
        return f"{document.get('channel')}:{data.get('coin') if isinstance(data, dict) else ''}"

    def _read(self, document: dict[str, object]) -> Sequence[Message]:
        channel = document.get("channel")
        if not isinstance(channel, str):
            return (Rejected("unexpected_shape", f"channel is {grid.shown(channel)}"),)
        if channel in self._ignored or channel not in _KINDS:
            return self._ignore(channel)
        return _KINDS[channel](self, document.get("data"))

    def _book(self, book: Book) -> Message:
        found = self._streams.get((Channel.BOOK, book.coin))
        if found is None:
            return _unknown(book.coin)
        if max(map(len, book.levels)) > MAX_LEVELS:
            return Rejected("oversized", f"more than {MAX_LEVELS} levels a side", found[0])
        bids, asks = map(_levels, book.levels)
        if bids is None or asks is None:
            return _NO_QUANTITY.of(found[0])
        if not _is_time(book.time):
            return _no_time(book.time).of(found[0])
        return BookUpdate(found[0], True, book.time * 1_000, book.time, bids, asks)

    def _top(self, top: BestPrices) -> Message:
        found = self._streams.get((Channel.TOP, top.coin))
        if found is None:
            return _unknown(top.coin)
        levels = _levels([level for level in top.levels if level is not None])
        if levels is None:
            return _NO_QUANTITY.of(found[0])
        if not _is_time(top.time):
            return _no_time(top.time).of(found[0])
        bid, ask = (
            None if level is None else (level.price, level.quantity) for level in top.levels
        )
        return Top(found[0], top.time * 1_000, top.time, bid, ask)

    def _context(self, data: CoinContext) -> Message:
        found = self._streams.get((Channel.TICKER, data.coin))
        if found is None:
            return _unknown(data.coin)
        stream, instrument = found
        context = data.context
        try:
            mark, oracle = (
                grid.coin_price(instrument, text) if text else None
                for text in (context.mark, context.oracle)
            )
        except ValueError as error:
            return Rejected("invalid_price", grid.brief(error), stream)
        try:
            coins = context.open_interest
            coins = grid.coin_quantity(instrument, coins) if coins else None
        except ValueError as error:
            return Rejected("invalid_quantity", grid.brief(error), stream)
        try:
            rate = _rate(context.funding) if context.funding else None
        except ValueError as error:
            return Rejected("unexpected_shape", grid.brief(error), stream)
        return TickerValues(
            stream=stream,
            instrument=instrument,
            event_time_us=0,
            mark_price=mark,
            index_price=oracle,
            funding_rate=rate,
            funding_interval_seconds=None if rate is None else FUNDING_SECONDS,
            open_interest=coins,
        )

    def _read_error(self, words: str) -> Message:
        names = self._known(_TYPE.findall(words), _COIN.findall(words))
        if words.startswith("Already subscribed"):
            return Subscribed(names)
        if words.startswith("Already unsubscribed"):
            return Ignored("reply")
        return Refused(grid.brief(words), names)

    def _read_response(self, data: object) -> Message:
        try:
            response = msgspec.convert(data, Response)
        except ValueError as error:
            return Rejected("unexpected_shape", grid.brief(error))
        asked = response.subscription
        names = self._known([asked.type], [asked.coin] if asked.coin else [])
        return Subscribed(names) if names and response.method == "subscribe" else Ignored("reply")

    def _known(self, types: Sequence[str], coins: Sequence[str]) -> tuple[str, ...]:
        """Name the streams of this connection among all that these words may mean."""
        names = [*types, *(f"{word}:{coin}" for word in types for coin in coins)]
        return tuple(name for name in dict.fromkeys(names) if name in self._named)


_TYPED: dict[str, Callable[[HyperliquidParser, bytes], Sequence[Message]]] = {
    "trades": HyperliquidParser._parse_trades,
    "l2Book": HyperliquidParser._parse_book,
    "bbo": HyperliquidParser._parse_top,
    "activeAssetCtx": HyperliquidParser._parse_context,
}
_KINDS: dict[str, Callable[[HyperliquidParser, object], Sequence[Message]]] = {
    "trades": lambda parser, data: frames.read_rows(data, reader(parser._lanes)),
    "l2Book": lambda parser, data: _convert(data, Book, parser._book),
    "bbo": lambda parser, data: _convert(data, BestPrices, parser._top),
    "activeAssetCtx": lambda parser, data: _convert(data, CoinContext, parser._context),
    "pong": lambda _, __: (Heartbeat(),),
    "error": lambda parser, data: (parser._read_error(str(data)[:_ERROR_CHARACTERS]),),
    "subscriptionResponse": lambda parser, data: (parser._read_response(data),),
}
"""Not of the instance: with bound methods it would be a cycle, and a parser with all that it
remembers would stay until the cycle collector comes by."""


def _convert(data: object, kind: type[T], read: Callable[[T], Message]) -> Sequence[Message]:
    """Read what stands in a frame as its decoder would."""
    try:
        value = msgspec.convert(data, kind, strict=False)
    except ValueError as error:
        return (Rejected("unexpected_shape", grid.brief(error)),)
    return (read(value),)


def _check_text(frame: bytes) -> None:
    """Look at what the decoder skipped, which may be no text.

    Raises:
        ValueError: it is none.
    """
    if not frame.isascii():
        frame.decode()


def _levels(side: Sequence[Level]) -> list[tuple[str, float]] | None:
    """Write one side as a book takes it; None where a quantity is none (the text may say `nan`)."""
    levels = [(level.price, level.quantity) for level in side]
    return levels if all(0.0 <= quantity < MAX_QUANTITY for _, quantity in levels) else None


def _is_time(milliseconds: int) -> bool:
    return EARLIEST_US <= milliseconds * 1_000 < LATEST_US


def _rate(text: str) -> str:
    """Write a rate, which may be below zero.

    Raises:
        ValueError: it is no plain decimal.
    """
    rate = parse_decimal(text.removeprefix("-"))
    return plain(-rate if rate and text.startswith("-") else rate)


def _unknown(coin: str) -> Rejected:
    return Rejected("unknown_symbol", grid.shown(coin))


def _no_time(milliseconds: int) -> Rejected:
    return Rejected("invalid_time", f"expected 2009 to 2099, was {grid.shown(milliseconds)}")
