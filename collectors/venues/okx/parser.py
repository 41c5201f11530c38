"""Reads OKX's frames: which channel a frame is of is known by its first bytes.

A frame begins `{"arg":{"channel":"books",...` and is then decoded as what that channel's frames
are. A key before it costs a look at the head alone. What is not clean is read the careful way.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

import msgspec

from collectors import frames, grid
from collectors.grid import Item
from collectors.messages import (
    Heartbeat,
    Ignored,
    Leaving,
    Message,
    Refused,
    Rejected,
    Subscribed,
    Trades,
)
from collectors.venue import Stream
from collectors.venues.okx import rows, wire
from schemas.instruments import Instrument
from schemas.market import OrderClass
from schemas.trades import TradeRow

_OTHER_TRADES = frozenset({"trades-all", "option-trades"})
_OTHERS = {
    wire.BOOKS,
    "books5",
    wire.TOPS,
    "books-l2-tbt",
    "books50-l2-tbt",
    "books-rpi",
    "books-elp",
} | {"tickers", "price-limit", wire.LIQUIDATIONS, "instruments", "status", *rows.TICKERS}
_IGNORED = frames.ignored({channel: channel for channel in _OTHERS})
_CHANNELS = _OTHERS | _OTHER_TRADES | {wire.TRADES}

_TRADES_LETTER = ord("t")
_KIND_AT = 19
_KIND = slice(_KIND_AT, 26)
"""What tells the channels apart in a frame that begins `{"arg":{"channel":"`: only that of trades
(and tickers, which are of no use) has this first letter."""

_RPI = int(OrderClass.RPI)
_UPGRADE = "64008"
_decode_trades = wire.TRADE_FRAMES.decode


class OkxParser(frames.CarefulParser):
    """Reads the frames of one connection.

    Args:
        streams: what the connection carries; of the channels that are not among them only trades
            are read.
        carried: every instrument of the run by OKX's name, which this adds its own to: one stream
            has the liquidations of all.
    """

    def __init__(self, streams: Sequence[Stream], carried: dict[str, Instrument]) -> None:
        self._streams: dict[str, dict[str, Stream]] = {wire.TRADES: {}}
        for stream in streams:
            channel, symbol = wire.argument(stream).values()
            self._streams.setdefault(channel, {})[symbol] = stream
            if stream.instrument is not None:
                carried[stream.instrument.venue_symbol] = stream.instrument
        self._carried = carried
        unused = {kind: what for kind, what in _IGNORED.items() if kind not in self._streams}
        super().__init__(unused, streams)
        self._by_head = {f'{name}",'[:7].encode(): name for name in _WAYS if name in self._streams}

    def parse(self, frame: bytes) -> Sequence[Message]:
        """Turn one frame into messages; trades, mostly one of one instrument, are read here."""
        try:
            if frame[_KIND_AT] != _TRADES_LETTER and (messages := self._read_data(frame)):
                return messages
            message = _decode_trades(frame)
            symbol = message.arg.symbol
            stream, prices, quantities = self._lanes[symbol]
            found: list[TradeRow] = []
            counts = None
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
                found.append(row)
                if (count := trade.count) != 1:
                    counts = (count,) if len(message.data) == 1 else _counts(message.data)
            if not frame.isascii():
                frame.decode()  # what was skipped may be no text
        except (ValueError, LookupError, RecursionError):
            return self._read_other(frame)
        return (Trades(stream, found, counts),) if found else self._read_carefully(frame)

    def _read_data(self, frame: bytes) -> Sequence[Message]:
        """Read a frame that is not of trades; nothing where its head says that it is."""
        kind = self._by_head.get(frame[_KIND])
        if kind is None:
            try:
                kind = self._kind(frame)
            except (ValueError, RecursionError):
                return self._read_carefully(frame)
            if kind == wire.TRADES:
                return ()
            if kind not in _WAYS or kind not in self._streams:
                return self._ignored.get(kind) or self._read_carefully(frame)
        return self._take(kind, frame) or self._read_carefully(frame)

    def _take(self, kind: str, frame: bytes) -> Sequence[Message]:
        """Read a frame the fast way of its channel; nothing where it is not clean."""
        try:
            if not frame.isascii():
                frame.decode()
            return _WAYS[kind](self, kind, frame)
        except (ValueError, LookupError, RecursionError):
            return ()

    def _read_other(self, frame: bytes) -> Sequence[Message]:
        return self._read_data(frame) or self._read_carefully(frame)

    def _take_books(self, name: str, frame: bytes) -> Sequence[Message]:
        message = wire.BOOK_FRAMES.decode(frame)
        if message.arg.channel != name:
            return ()
        stream = self._streams[name][message.arg.symbol]
        whole = message.action == rows.SNAPSHOT
        return [rows.book(stream, row, snapshot=whole) for row in message.data]

    def _take_tops(self, name: str, frame: bytes) -> Sequence[Message]:
        message = wire.TOP_FRAMES.decode(frame)
        if message.arg.channel != name:
            return ()
        stream = self._streams[name][message.arg.symbol]
        return [rows.top(stream, row) for row in message.data]

    def _take_values(self, name: str, frame: bytes) -> Sequence[Message]:
        message = rows.TICKERS[name].frames.decode(frame)
        if message.arg.channel != name:
            return ()
        return [self._value(name, row) for row in message.data]

    def _value(self, name: str, row: wire.Values) -> Message:
        stream = self._streams[name].get(row.symbol)
        if stream is None or stream.instrument is None:
            return Rejected("unknown_symbol", grid.shown(row.symbol))
        return rows.TICKERS[name].values(stream, stream.instrument, row)

    def _read_carefully(self, frame: bytes) -> Sequence[Message]:
        return (Heartbeat(),) if frame == b"pong" else super()._read_carefully(frame)

    def _kind(self, frame: bytes) -> str:
        return wire.HEAD.decode(frame).arg.channel

    def _name(self, document: dict[str, object]) -> str:
        stream = self._stream(document)
        return stream.name if stream is not None else ""

    def _read(self, document: dict[str, object]) -> Sequence[Message]:
        channel, _ = _argument(document)
        if "event" in document:
            return (self._read_event(document),)
        if channel is None:
            return (Rejected("unexpected_shape", grid.shown(sorted(document))),)
        if channel in _OTHER_TRADES:
            return (Rejected("wrong_channel", channel),)
        way = _CAREFUL_WAYS.get(channel) if channel in self._streams else None
        return self._ignore(channel) if way is None else way(self, channel, document)

    def _read_trades(self, _: str, document: dict[str, object]) -> Sequence[Message]:
        counts: dict[str, list[int]] = {}

        def read(row: object) -> Item:
            try:
                trade = msgspec.convert(row, wire.AnyTrade, strict=False)
            except ValueError as error:
                return Rejected("unexpected_shape", grid.brief(error))
            item = rows.read_trade(self._lanes, trade)
            if isinstance(item, tuple):
                counts.setdefault(item[0].name, []).append(trade.count)
            return item

        messages = frames.read_rows(document.get("data"), read)
        return [_with_counts(message, counts) for message in messages]

    def _read_books(self, _: str, document: dict[str, object]) -> Sequence[Message]:
        stream = self._stream(document)
        action = document.get("action")
        if action not in (rows.SNAPSHOT, rows.UPDATE):
            return (Rejected("unexpected_shape", f"book of action {grid.shown(action)}"),)
        build = partial(rows.book, snapshot=action == rows.SNAPSHOT)
        return _each(document, lambda row: rows.read_book(stream, row, build))

    def _read_tops(self, _: str, document: dict[str, object]) -> Sequence[Message]:
        stream = self._stream(document)
        return _each(document, lambda row: rows.read_book(stream, row, rows.top))

    def _read_values(self, name: str, document: dict[str, object]) -> Sequence[Message]:
        def read(row: object) -> Message:
            try:
                values = msgspec.convert(row, rows.TICKERS[name].row, strict=False)
            except ValueError as error:
                return Rejected("unexpected_shape", grid.brief(error))
            return self._value(name, values)

        return _each(document, read)

    def _read_liquidations(self, _: str, document: dict[str, object]) -> Sequence[Message]:
        data = document.get("data")
        stream = self._stream(document)
        if not isinstance(data, list):
            return (Rejected("unexpected_shape", f"data is no list, was {grid.shown(data)}"),)
        if stream is None:
            return (rows.OTHER_LIQUIDATIONS,)
        return rows.read_liquidations(stream, data, self._carried)

    def _stream(self, document: dict[str, object]) -> Stream | None:
        channel, symbol = _argument(document)
        return self._streams.get(channel or "", {}).get(symbol or "")

    def _read_event(self, document: dict[str, object]) -> Message:
        event = document["event"]
        detail = f"{document.get('code')} {document.get('msg')}"
        if event == "subscribe":
            stream = self._stream(document)
            return Subscribed(() if stream is None else (stream.name,))
        if event == "error":
            return Refused(grid.brief(detail), self._names_in(document.get("msg")))
        if event == "notice" and document.get("code") == _UPGRADE:
            return Leaving(grid.brief(detail))
        known = event in ("notice", "unsubscribe", "channel-conn-count")
        return Ignored(str(event) if known else "other")

    def _names_in(self, text: object) -> tuple[str, ...]:
        """Return the streams of what the text names, of the channel that it names if any."""
        words = frames.words(text)
        channels = [word for word in words if word in _CHANNELS] or self._streams
        found = (self._streams.get(name, {}).get(word) for name in channels for word in words)
        return tuple(stream.name for stream in found if stream is not None)


_WAYS: dict[str, Callable[[OkxParser, str, bytes], Sequence[Message]]] = {
    wire.BOOKS: OkxParser._take_books,
    wire.TOPS: OkxParser._take_tops,
    **dict.fromkeys(rows.TICKERS, OkxParser._take_values),
}
_CAREFUL_WAYS: dict[str, Callable[[OkxParser, str, dict[str, object]], Sequence[Message]]] = {
    wire.TRADES: OkxParser._read_trades,
    wire.BOOKS: OkxParser._read_books,
    wire.TOPS: OkxParser._read_tops,
    wire.LIQUIDATIONS: OkxParser._read_liquidations,
    **dict.fromkeys(rows.TICKERS, OkxParser._read_values),
}
"""Not of the instance: with bound methods it would be a cycle, and a parser with all that it
remembers would stay until the cycle collector comes by."""


def _argument(document: dict[str, object]) -> tuple[str | None, str | None]:
    """Return the channel of a frame and what of it: an instrument, an index or a type."""
    arg = document.get("arg")
    if not isinstance(arg, dict):
        return None, None
    channel, symbol = arg.get("channel"), arg.get("instId") or arg.get("instType")
    return (
        channel if isinstance(channel, str) else None,
        symbol if isinstance(symbol, str) else None,
    )


def _with_counts(message: Message, counts: Mapping[str, Sequence[int]]) -> Message:
    """Say of trades how many fills each is, where any is more than one."""
    if not isinstance(message, Trades):
        return message
    found = tuple(counts[message.stream.name])
    return Trades(message.stream, message.rows, found if max(found) > 1 else None)


def _counts(trades: Iterable[wire.AnyTrade]) -> tuple[int, ...]:
    """Say how many fills each trade is."""
    return tuple([trade.count for trade in trades])


def _each(document: dict[str, object], read: Callable[[object], Message]) -> Sequence[Message]:
    data = document.get("data")
    if not isinstance(data, list):
        return (Rejected("unexpected_shape", f"data is no list, was {grid.shown(data)}"),)
    return [read(row) for row in data] or (Ignored("no_data"),)
