"""Binance's parser: trades the fast way, the other kinds by the name at their head.

A frame begins with the name of its stream, `{"stream":"btcusdt@depth@100ms","data":...`: eleven
bytes and then the name. That only says what to try; the typed decoder and then the careful way say
what the frame is, by symbol and event, so frames of other speeds and years are read as well.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any
from zlib import crc32

import msgspec

from collectors import frames, grid
from collectors.grid import EARLIEST_US, LATEST_US, Item
from collectors.messages import (
    Ignored,
    Leaving,
    Message,
    Refused,
    Rejected,
    Subscribed,
    Top,
    Trades,
)
from collectors.venue import Channel, Stream
from collectors.venues.binance import values, wire
from schemas.market import OrderClass, Side

_CLASSES = {
    "MARKET": OrderClass.MARKET,
    "RPI": OrderClass.RPI,
    "INSURANCE_FUND": OrderClass.INSURANCE,
    "ADL": OrderClass.ADL,
}
_FAST_CLASSES = {"MARKET": int(OrderClass.MARKET), "RPI": int(OrderClass.RPI)}
_TRADES = ("trade", "aggTrade")
_SAME = (
    "blockTrade", "kline", "continuous_kline", "compositeIndex", "assetIndexUpdate", "avgPrice",
    "rpiDepth",
)  # fmt: skip
_IGNORED = frames.ignored(
    {event: event for event in _SAME}
    | {f"depth{levels}": "depth" for levels in ("", 5, 10, 20)}
    | {"24hrTicker": "ticker", "24hrMiniTicker": "miniTicker"}
    | {"1hTicker": "ticker", "4hTicker": "ticker", "1dTicker": "ticker"}
)
_HEAD = b'{"stream":"'
_NAME_AT = len(_HEAD)
_FIRST_RENEWAL = 1_000_000
_EMPTY: Sequence[Message] = ()
_Reader = Callable[["BinanceParser", bytes], Sequence[Message]]


def renewal_ids(name: str) -> tuple[int, int]:
    """Number the two requests that begin a stream anew, by its name alone.

    They lie above the numbers of `subscribe`, so that a reply says what it is about.
    """
    first = _FIRST_RENEWAL + 2 * crc32(name.encode())
    return first, first + 1


class BinanceParser(frames.CarefulParser):
    """Reads the frames of one connection.

    Args:
        kind: how the product tells its trades.
        streams: what the connection carries.
        names_per_request: how `subscribe` cut the names into requests.
    """

    def __init__(
        self, kind: wire.TradeKind, streams: Sequence[Stream], names_per_request: int
    ) -> None:
        carried = values.by_channel(streams)
        absent = [other for other in wire.OTHER_KINDS if other.channel not in carried]
        unused = {other.event: other.ignored for other in absent}
        if kind.is_spot:
            unused["contractInfo"] = "contractInfo"
        super().__init__(_IGNORED | frames.ignored(unused), streams)
        self._kind_of_trades = kind
        self._decode = kind.decode
        self._requests = frames.requests(streams, names_per_request)
        self._released: set[str] = set()
        for stream in streams:
            released, renewed = map(str, renewal_ids(stream.name))
            self._released.add(released)
            self._requests[renewed] = (stream.name,)
        self._tops = carried.get(Channel.TOP, {})
        self._others: dict[str, tuple[wire.OtherKind, Callable[[Any], Message]]] = {}
        # Not bound: a parser that holds its own methods is a cycle, and stays with all that it
        # remembers until the cycle collector comes by.
        readers: dict[Channel, _Reader] = {Channel.TRADES: BinanceParser._expect_trade}
        for other in wire.OTHER_KINDS:
            if other.channel in carried:
                build = partial(values.BUILDERS[other.channel], carried[other.channel])
                self._others[other.event] = (other, build)
                readers[other.channel] = _typed(other.decode, build)
        readers[Channel.TOP] = BinanceParser._read_best
        self._readers = {
            _HEAD + stream.name.encode(): readers[stream.channel]
            for stream in streams
            if stream.instrument is not None
        }

    def parse(self, frame: bytes) -> Sequence[Message]:
        """Turn one frame into messages; one dictionary lookup a number on the fast way."""
        if self._skipped_last:
            reader = self._readers.get(frame[: frame.find(b'"', _NAME_AT)], BinanceParser._skip)
            if messages := reader(self, frame):
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

    def _read_other(self, frame: bytes) -> Sequence[Message]:
        reader = self._readers.get(frame[: frame.find(b'"', _NAME_AT)], BinanceParser._skip)
        return reader(self, frame) or self._read_carefully(frame)

    def _expect_trade(self, frame: bytes) -> Sequence[Message]:
        self._skipped_last = False
        return _EMPTY

    def _read_best(self, frame: bytes) -> Sequence[Message]:
        """Read the best bid and ask, which come as often as all other frames together."""
        self._skipped_last = True
        try:
            best = wire.decode_best(frame).data
            stream, _ = self._tops[best.symbol]
            time = best.matched
            time_us = time if time >= EARLIEST_US else time * 1_000
            bid, ask = best.bid_quantity, best.ask_quantity
            if not frame.isascii():
                frame.decode()
        except (ValueError, LookupError, RecursionError):
            return self._read_carefully(frame)
        if time_us >= LATEST_US:
            return self._read_carefully(frame)
        bid_level = (best.bid, bid) if bid else None
        ask_level = (best.ask, ask) if ask else None
        return (Top(stream, time_us, best.id, bid_level, ask_level),)

    def _kind(self, frame: bytes) -> str:
        head = wire.HEAD.decode(frame)
        event = head.event if head.data is None else head.data.event
        return _kind(event, head.stream)

    def _name(self, document: dict[str, object]) -> str:
        return str(document.get("stream", ""))

    def _read(self, document: dict[str, object]) -> Sequence[Message]:
        data, stream = document.get("data", document), document.get("stream")
        if not isinstance(data, dict):
            return (Rejected("unexpected_shape", f"data is {grid.shown(data)}"),)
        event = data.get("e")
        if event == "serverShutdown":
            return (Leaving("serverShutdown"),)
        if event in _TRADES:
            return frames.gather([self._read_trade(data)])
        if event is None and stream is None:
            return (self._read_reply(document),)
        kind = _kind(str(event or ""), str(stream or ""))
        if kind in _TRADES:
            return (Rejected("unexpected_shape", f"no event in {grid.shown(stream)}"),)
        if kind == "contractInfo" and not self._kind_of_trades.is_spot:
            return (values.read_listing(data),)
        return (self._read_data(kind, data),) if kind in self._others else self._ignore(kind)

    def _read_data(self, kind: str, data: dict[str, object]) -> Message:
        other, build = self._others[kind]
        try:
            typed = msgspec.convert(data, other.type, strict=other.is_strict)
        except ValueError as error:
            return values.fault(other.channel, data) or Rejected(
                "unexpected_shape", grid.brief(error)
            )
        return build(typed)

    def _read_trade(self, data: dict[str, object]) -> Item:
        try:
            trade = msgspec.convert(data, wire.AnyTrade)
        except ValueError as error:
            return Rejected("unexpected_shape", grid.brief(error))
        kind = self._kind_of_trades
        if trade.event != kind.channel:
            return Rejected("wrong_channel", f"{trade.event} of {grid.shown(trade.symbol)}")
        if trade.margin != 1:
            return Ignored("coin_margined")
        order_type = trade.order_type if kind.has_order_types else "MARKET"
        if order_type == "NA":
            return Ignored("no_fill")
        trade_id = trade.aggregate_id if trade.event == "aggTrade" else trade.trade_id
        return grid.read_row(
            self._lanes,
            trade.symbol,
            time_us=wire.microseconds(trade.time) if kind.is_spot else trade.time * 1_000,
            price=trade.price,
            quantity=trade.quantity,
            side=Side.SELL if trade.buyer_is_maker else Side.BUY,
            trade_id=-1 if trade_id is None else trade_id,
            order_class=_CLASSES.get(order_type, OrderClass.UNKNOWN),
        )

    def _read_reply(self, document: dict[str, object]) -> Message:
        number = str(document.get("id"))
        names = self._requests.get(number, ())
        error = document.get("error", document)
        if isinstance(error, dict) and "code" in error and "msg" in error:
            return Refused(grid.brief(f"{error['code']} {error['msg']}"), names)
        if "result" in document:
            told = document["result"] is not None or number in self._released
            return Ignored("reply") if told else Subscribed(names)
        if "lastUpdateId" in document:
            return Ignored("depth_snapshot")
        return Rejected("unexpected_shape", grid.shown(sorted(document)))


def _typed(
    decode: Callable[[bytes], wire.Combined[Any]], build: Callable[[Any], Message]
) -> _Reader:
    """Return what reads the frames of one channel."""

    def read(parser: BinanceParser, frame: bytes) -> Sequence[Message]:
        parser._skipped_last = True
        try:
            data = decode(frame).data
            if not frame.isascii():
                frame.decode()
        except (ValueError, RecursionError):
            return parser._read_carefully(frame)
        return (build(data),)

    return read


def _kind(event: str, stream: str) -> str:
    """Name a frame's kind: its event, or, where that says too little, its channel.

    The channel is `depth20` in `btcusdt@depth20@100ms`: whole books have the event of changes.
    """
    channel = stream.partition("@")[2].partition("@")[0]
    return event if event and (event != "depthUpdate" or channel in ("", "depth")) else channel
