"""Binance USD-M and spot: URL streams and SUBSCRIBE, routes that acknowledge and stay silent.

Source: the venue sheet, sections 2-10. What a client gets wrong is acknowledged like everything
else: the wrong route, upper-case names, unknown symbols. So are the streams that the simulator
does not send: of the books it has `@depth@100ms` and `@bookTicker`, of mark prices `@markPrice@1s`.
"""

from collections.abc import Container, Mapping, Sequence
from dataclasses import replace
from urllib.parse import parse_qs, unquote

import msgspec

from simulator.dialects import binance_metadata
from simulator.dialects.base import Frame, Pings, Reply, RestReply, RestRequest
from simulator.dialects.binance_forced import ForcedOrders
from simulator.dialects.binance_frames import (
    aggregate,
    best_prices,
    fills,
    forced_order,
    futures_depth,
    mark_price,
    spot_depth,
    stamp,
)
from simulator.dialects.binance_rest import BinanceRest, UsedWeight
from simulator.dialects.binance_session import MICROSECOND, PATH, BinanceSession, route_of
from simulator.dialects.binance_symbol import BinanceSymbol
from simulator.model import (
    SimBookUpdate,
    SimEvent,
    SimInstrument,
    SimLiquidation,
    SimTicker,
    SimTop,
    SimTrade,
)

__all__ = ["MICROSECOND", "BinanceDialect", "route_of"]

_EXCHANGE_INFO = "exchangeInfo"


class _Combined(msgspec.Struct):
    stream: str = ""


class BinanceDialect:
    """USD-M futures (`binance.usdm`) or spot (`binance.spot`)."""

    idle = None

    def __init__(
        self, feed: str, instruments: Sequence[SimInstrument], metadata: Mapping[str, bytes]
    ) -> None:
        self.feed = feed
        self.futures = feed == "binance.usdm"
        self.pings = Pings(180.0, 600.0) if self.futures else Pings(20.0, 60.0)
        self.clock_offset_us = 0
        self._suffixes = ("",) if self.futures else ("", MICROSECOND)
        self._metadata = metadata
        self._symbols = {
            item.symbol: BinanceSymbol(item, futures=self.futures) for item in instruments
        }
        self._rest = BinanceRest(self._symbols, futures=self.futures)
        self._weight = UsedWeight()
        self._forced = ForcedOrders()
        self._now_us = 0

    def open(self, path: str, query: str) -> tuple[BinanceSession, Reply] | None:
        """Begin a conversation; the address may name the first streams."""
        match = PATH.fullmatch(path)
        if match is None or (match["route"] and not self.futures):
            return None
        arguments = parse_qs(query)
        session = BinanceSession(self.feed, match, arguments)
        joined = arguments.get("streams", [""])[0] or unquote(match["names"] or "")
        return session, session.subscribe([name for name in joined.split("/") if name])

    def encode(self, events: Sequence[SimEvent], wanted: Container[str]) -> list[Frame]:
        """Write the streams of prints, books, best prices, forced orders and mark prices."""
        frames: list[Frame] = []
        for event in events:
            self._now_us = event.time_us
            for push_us, liquidation in self._forced.due(event.time_us):
                frames += self._forced_frames(liquidation, push_us, wanted)
            frames += self._frames(event, wanted)
        return frames

    def first_frame(self, key: str) -> bytes | None:
        """Streams begin with what comes next."""
        return None

    def keys_of(self, frame: bytes) -> tuple[str, ...]:
        """Read the stream's name off a combined frame."""
        try:
            name = msgspec.json.decode(frame, type=_Combined).stream
        except msgspec.DecodeError:
            return ()
        return (name, name + MICROSECOND) if name else ()

    def restart_books(self) -> list[Frame]:
        """Let the update ids jump, of which the venue says nothing."""
        for symbol in self._symbols.values():
            symbol.restart()
        return []

    def maintenance_notice(self) -> bytes | None:
        """Announce the end of a spot connection; futures end without a word."""
        if self.futures:
            return None
        time = stamp(self._now_us + self.clock_offset_us)
        return (
            f'{{"stream":"!serverShutdown","data":{{"e":"serverShutdown","E":{time}}}}}'
        ).encode()

    def rest(self, request: RestRequest) -> RestReply:
        """Serve recorded bodies, the exchange information (spot: of one symbol), the market."""
        headers = self._weight.spend(request, self._now_us)
        name = self.metadata_name(request)
        if name is not None and name in self._metadata:
            return RestReply(self._metadata[name], headers=headers)
        if name == _EXCHANGE_INFO:
            return replace(self._exchange_info(request), headers=headers)
        self._rest.offset_us = self.clock_offset_us
        return replace(self._rest.answer(request), headers=headers)

    def metadata_name(self, request: RestRequest) -> str | None:
        """Name the exchange information, or the snapshot of a book as `depth:<symbol>`."""
        root = "/fapi/v1/" if self.futures else "/api/v3/"
        if request.method != "GET" or not request.path.startswith(root):
            return None
        match request.path.removeprefix(root):
            case "exchangeInfo":
                return _EXCHANGE_INFO
            case "depth":
                return f"depth:{request.argument('symbol')}"
            case _:
                return None

    def owns(self, url: str) -> bool:
        """Tell futures hosts from spot hosts."""
        futures = "//fstream" in url or "//fapi" in url
        return not url or ("binance" in url and futures == self.futures)

    def _exchange_info(self, request: RestRequest) -> RestReply:
        instruments = [symbol.instrument for symbol in self._symbols.values()]
        if self.futures:
            return RestReply(_json(binance_metadata.futures(instruments)))
        wanted = request.argument("symbol")
        listed = [item for item in instruments if wanted in ("", item.symbol)]
        if not listed:
            return RestReply(b'{"code":-1121,"msg":"Invalid symbol."}', 400)
        return RestReply(_json(binance_metadata.spot(listed)))

    def _frames(self, event: SimEvent, wanted: Container[str]) -> list[Frame]:
        symbol = self._symbols[event.instrument.symbol]
        match event:
            case SimTrade():
                symbol.remember(event)
                return self._prints(event, wanted)
            case SimBookUpdate():
                return self._depth(event, symbol.apply(event), wanted)
            case SimTop():
                return self._best_prices(event, symbol.take_top(event), wanted)
            case SimLiquidation():
                self._forced.take(event)
                return []
            case SimTicker():
                symbol.take_ticker(event)
                key = f"{event.instrument.symbol.lower()}@markPrice@1s"
                payload = mark_price(event, self.clock_offset_us) if key in wanted else ""
                return [_frame(key, payload)] if payload else []

    def _prints(self, trade: SimTrade, wanted: Container[str]) -> list[Frame]:
        frames: list[Frame] = []
        name, offset_us = trade.instrument.symbol.lower(), self.clock_offset_us
        for suffix in self._suffixes:
            micros = bool(suffix)
            if (key := f"{name}@aggTrade{suffix}") in wanted:
                row = aggregate(trade, futures=self.futures, micros=micros, offset_us=offset_us)
                frames.append(_frame(key, row))
            if (key := f"{name}@trade{suffix}") in wanted:
                rows = fills(trade, futures=self.futures, micros=micros, offset_us=offset_us)
                frames += [_frame(key, row) for row in rows]
        return frames

    def _depth(
        self, update: SimBookUpdate, ids: tuple[int, int, int], wanted: Container[str]
    ) -> list[Frame]:
        frames: list[Frame] = []
        for suffix in self._suffixes:
            key = f"{update.instrument.symbol.lower()}@depth@100ms{suffix}"
            if key not in wanted:
                continue
            if self.futures:
                payload = futures_depth(update, ids, self.clock_offset_us)
            else:
                micros = bool(suffix)
                payload = spot_depth(update, ids, micros=micros, offset_us=self.clock_offset_us)
            frames.append(_frame(key, payload))
        return frames

    def _best_prices(self, top: SimTop, update_id: int, wanted: Container[str]) -> list[Frame]:
        name, offset_us = top.instrument.symbol.lower(), self.clock_offset_us
        keys = [f"{name}@bookTicker{suffix}" for suffix in self._suffixes]
        if not any(key in wanted for key in keys):
            return []
        payload = best_prices(top, update_id, futures=self.futures, offset_us=offset_us)
        return [_frame(key, payload) for key in keys if key in wanted]

    def _forced_frames(
        self, liquidation: SimLiquidation, push_us: int, wanted: Container[str]
    ) -> list[Frame]:
        payload = forced_order(liquidation, push_us, self.clock_offset_us)
        keys = (f"{liquidation.instrument.symbol.lower()}@forceOrder", "!forceOrder@arr")
        return [_frame(key, payload) for key in keys if key in wanted]


def _frame(key: str, payload: str) -> Frame:
    name = key.removesuffix(MICROSECOND)
    return Frame(key, f'{{"stream":"{name}","data":{payload}}}'.encode())


def _json(body: object) -> bytes:
    return msgspec.json.encode(body)
