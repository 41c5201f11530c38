"""What each frame of Bybit's sockets means.

A book or ticker is known by its topic, which comes first as a rule; whatever else comes is tried as
trades. Each is read in one pass. Where the topic of a book does not come first, or anything else is
unusual, the careful way decides.

- Best prices come as snapshots only since 2025-03-20; a change of them in older recordings says
  nothing by itself and is refused.
- A ticker that gave the open interest of one side is not read for that of both any more: its
  changes may have only the latter, and halving it is the coarser answer to the same question.
"""

from collections.abc import Callable, Mapping, Sequence

import msgspec

from collectors import frames, grid
from collectors.grid import Item
from collectors.messages import (
    BookUpdate,
    Heartbeat,
    Ignored,
    LiquidationItem,
    Liquidations,
    Message,
    Refused,
    Rejected,
    Subscribed,
    TickerValues,
    Top,
    Trades,
)
from collectors.venue import Channel, Stream
from collectors.venues.bybit import wire
from schemas.instruments import Instrument
from schemas.market import OrderClass
from schemas.trades import TradeRow

_TRADES = "publicTrade"
_OTHERS = (
    "orderbook", "tickers", "kline", "allLiquidation", "liquidation", "insurance", "priceLimit",
    "adlAlert",
)  # fmt: skip
_IGNORED = frames.ignored({kind: kind for kind in _OTHERS})
_UNCHANGED = (Ignored("ticker_unchanged"),)
"""The answer to a ticker with nothing of ours; its best prices change all the time."""
_BLOCK, _RPI = int(OrderClass.BLOCK), int(OrderClass.RPI)
_TOP = Channel.TOP
_HEAD_BYTES = len(b'{"topic":"......')
"""So much of a frame tells a book and a ticker; what begins otherwise may be trades."""


def _carried(streams: Sequence[Stream], channel: Channel) -> dict[str, tuple[Stream, Instrument]]:
    return {
        one.name: (one, one.instrument)
        for one in streams
        if one.instrument is not None and one.channel is channel
    }


class BybitParser(frames.CarefulParser):
    """Reads the frames of one connection.

    Args:
        streams: what it carries, each of one instrument.
        requests: which streams each request to subscribe named.
    """

    def __init__(self, streams: Sequence[Stream], requests: Mapping[str, tuple[str, ...]]) -> None:
        super().__init__(_IGNORED, streams)
        self._trades = {lane[0].name: (symbol, *lane) for symbol, lane in self._lanes.items()}
        self._books = _carried(streams, Channel.BOOK) | _carried(streams, Channel.TOP)
        self._tickers = _carried(streams, Channel.TICKER)
        self._liquidations = _carried(streams, Channel.LIQUIDATIONS)
        self._prefixes = {name.rpartition(".")[0] for name in self._named}
        self._requests = dict(requests)
        self._with_single: set[str] = set()
        """Symbols whose tickers gave the open interest of one side."""

    def parse(self, frame: bytes) -> Sequence[Message]:
        """Turn one frame into messages; all rows of trades are normally of the topic's symbol."""
        read = _READERS.get(frame[:_HEAD_BYTES])
        if read is not None:
            return self._read_no_trades(frame, read)
        try:
            message = wire.TRADE_FRAME.decode(frame)
            symbol, stream, prices, quantities = self._trades[message.topic]
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

    def _read_no_trades(
        self, frame: bytes, read: Callable[["BybitParser", bytes], Sequence[Message]]
    ) -> Sequence[Message]:
        """Read what begins as a book or a ticker does."""
        if not frame.isascii() or b"\\" in frame:
            return self._read_other(frame)
        try:
            return read(self, frame) or self._read_carefully(frame)
        except (ValueError, LookupError, RecursionError):
            return self._read_other(frame)

    def _take_book(self, frame: bytes) -> Sequence[Message]:
        return self._read_book(wire.BOOK_FRAME.decode(frame))

    def _take_ticker(self, frame: bytes) -> Sequence[Message]:
        return self._read_ticker(wire.TICKER_FRAME.decode(frame))

    def _read_book(self, found: wire.BookFrame) -> Sequence[Message]:
        """Read a book or the best prices; nothing comes of what does not belong in the topic.

        Raises:
            LookupError: the topic is not carried.
        """
        stream, instrument = self._books[found.topic]
        book, whole = found.data, found.type == "snapshot"
        if book.symbol != instrument.venue_symbol:
            return ()
        time_us, update_id = found.time * 1_000, book.update_id
        if stream.channel is not _TOP:
            return (BookUpdate(stream, whole, time_us, update_id, book.bids, book.asks),)
        if not whole:
            return ()
        bid, ask = (side[0] if side else None for side in (book.bids, book.asks))
        if any(level is not None and not level[1] for level in (bid, ask)):
            shown = f"{grid.shown(bid)} and {grid.shown(ask)}"
            return (Rejected("invalid_quantity", f"expected quantities, was {shown}", stream),)
        return (Top(stream, time_us, update_id, bid, ask),)

    def _read_ticker(self, found: wire.TickerFrame) -> Sequence[Message]:
        """Read what a ticker has of ours; nothing comes of what does not belong in the topic.

        Raises:
            LookupError: the topic is not carried.
        """
        stream, instrument = self._tickers[found.topic]
        if found.data.symbol != instrument.venue_symbol:
            return ()
        time_us = found.time * 1_000
        if time_us and not grid.EARLIEST_US <= time_us < grid.LATEST_US:
            return (Rejected("invalid_time", f"ts was {grid.shown(found.time)}", stream),)
        self._choose_interest(found)
        values, flaws = wire.read_ticker(instrument, found.data)
        rejected = [one.of(stream) for one in flaws]
        if not values:
            return rejected or _UNCHANGED
        read = TickerValues(stream=stream, instrument=instrument, event_time_us=time_us, **values)
        return (read, *rejected)

    def _choose_interest(self, found: wire.TickerFrame) -> None:
        """Drop the open interest of both sides where the venue gives that of one."""
        ticker = found.data
        if ticker.single_interest:
            self._with_single.add(ticker.symbol)
        elif found.type == "snapshot":
            self._with_single.discard(ticker.symbol)
        if ticker.symbol in self._with_single:
            ticker.both_interest = None

    def _kind(self, frame: bytes) -> str:
        topic = wire.HEAD.decode(frame).topic
        return "" if topic.rpartition(".")[0] in self._prefixes else topic.partition(".")[0]

    def _name(self, document: dict[str, object]) -> str:
        return str(document.get("topic", ""))

    def _read(self, document: dict[str, object]) -> Sequence[Message]:
        if document.get("topic") is None:
            return (self._read_reply(document),)
        topic = str(document["topic"])
        kind, _, _ = topic.partition(".")
        if kind == _TRADES:
            return frames.read_rows(document.get("data"), self._read_trade)
        if topic in self._liquidations:
            return self._read_liquidations(topic, document.get("data"))
        if topic in self._tickers or topic in self._books:
            return self._read_whole(topic, document)
        if topic.rpartition(".")[0] in self._prefixes:
            return (Rejected("unknown_symbol", grid.shown(topic)),)
        return self._ignore(kind)

    def _read_trade(self, row: object) -> Item:
        try:
            trade = msgspec.convert(row, wire.AnyTrade)
        except ValueError as error:
            return Rejected("unexpected_shape", grid.brief(error))
        return wire.read_trade(self._lanes, trade)

    def _read_whole(self, topic: str, document: dict[str, object]) -> Sequence[Message]:
        is_ticker = topic in self._tickers
        try:
            if is_ticker:
                read = self._read_ticker(msgspec.convert(document, wire.TickerFrame, strict=False))
            else:
                read = self._read_book(msgspec.convert(document, wire.BookFrame, strict=False))
        except ValueError as error:
            reason = "unexpected_shape" if is_ticker else wire.flaw_of_book(document)
            return (Rejected(reason, grid.brief(error)),)
        return read or (Rejected("unexpected_shape", f"does not belong in {topic}"),)

    def _read_liquidations(self, topic: str, data: object) -> Sequence[Message]:
        if not isinstance(data, list):
            return (Rejected("unexpected_shape", f"data is no list, was {grid.shown(data)}"),)
        stream, instrument = self._liquidations[topic]
        rows: list[LiquidationItem] = []
        rejected: list[Rejected] = []
        for row in data:
            item = wire.read_liquidation(instrument, row)
            if isinstance(item, Rejected):
                rejected.append(item)
            else:
                rows.append(item)
        if not rows:
            return rejected or (Ignored("no_liquidations"),)
        return (Liquidations(stream, instrument, rows), *rejected)

    def _read_reply(self, document: dict[str, object]) -> Message:
        detail, operation = str(document.get("ret_msg")), document.get("op")
        if detail == "pong" or operation == "pong":
            return Heartbeat()
        success = document.get("success")
        if not isinstance(success, bool) or not isinstance(operation, str):
            return Rejected("unexpected_shape", grid.shown(sorted(document)))
        if operation == "unsubscribe":
            return Ignored("reply")  # what counts is the answer to the request that follows it
        names = self._requests.get(str(document.get("req_id")), ())
        named = tuple(word for word in frames.words(detail) if word in self._named)
        if success or "already subscribed" in detail:
            return Subscribed(named or names) if operation == "subscribe" else Ignored("reply")
        return Refused(grid.brief(detail), named or names)


_READERS: dict[bytes, Callable[[BybitParser, bytes], Sequence[Message]]] = {
    b'{"topic":"orderb': BybitParser._take_book,
    b'{"topic":"ticker': BybitParser._take_ticker,
}
"""Not of the instance: with bound methods it would be a cycle, and a parser with all that it
remembers would stay until the cycle collector comes by."""
