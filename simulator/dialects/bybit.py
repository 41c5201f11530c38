"""Bybit v5 linear and spot: prints, books, best prices, liquidations and tickers.

Source: the venue sheet, sections 2-6 and 8. All books are pushed every 100 ms, best prices alone
as they change.
"""

from collections import deque
from collections.abc import Container, Mapping, Sequence
from itertools import groupby, islice

import msgspec

from schemas.market import Side
from simulator.dialects import bybit_liquidations, bybit_metadata, bybit_trades
from simulator.dialects.base import Frame, Idle, Json, Reply, RestReply, RestRequest
from simulator.dialects.bybit_books import DEPTHS, PUSH_DELAY_US, BybitBook
from simulator.dialects.bybit_liquidations import GatheredLiquidations
from simulator.dialects.bybit_session import BybitSession
from simulator.dialects.bybit_tickers import MAX_SETTLEMENTS, BybitTicker
from simulator.model import (
    SimBookUpdate,
    SimEvent,
    SimInstrument,
    SimLiquidation,
    SimTicker,
    SimTop,
    SimTrade,
)

MAX_ROWS = 1024
MAX_RECENT = 1000
MAX_SPOT_RECENT = 60
_WHOLE = ("200", "1000")
"""Depths that hold a whole book of the scripted market."""
_IDLE_SECONDS = 600.0
_PAGE = 500
_MOST_DIGITS = 14
_LAST_MS = 2**62


class _Topic(msgspec.Struct):
    topic: str = ""


class _Listed(msgspec.Struct):
    symbol: str


class _List(msgspec.Struct):
    list: list[_Listed]


class _InstrumentsInfo(msgspec.Struct):
    result: _List


class _Symbol:
    """What one symbol has sent so far; its newest prints are kept for REST."""

    def __init__(self, instrument: SimInstrument) -> None:
        self.instrument = instrument
        self.book = BybitBook(instrument)
        self.ticker = BybitTicker(instrument)
        self.prints: deque[SimTrade] = deque(maxlen=MAX_RECENT)
        self._last_ticks = 0

    def remember(self, trade: SimTrade) -> str:
        """Keep a print and return its tick direction."""
        before = self._last_ticks or trade.price_ticks
        self._last_ticks = trade.price_ticks
        self.prints.append(trade)
        if trade.price_ticks == before:
            direction = "ZeroPlusTick" if trade.side is Side.BUY else "ZeroMinusTick"
        else:
            direction = "PlusTick" if trade.price_ticks > before else "MinusTick"
        self.ticker.take_trade(trade, direction)
        return direction


class BybitDialect:
    """Linear perpetuals (`bybit.linear`) or spot (`bybit.spot`)."""

    pings = None
    idle = Idle(_IDLE_SECONDS, 1000)

    def __init__(
        self, feed: str, instruments: Sequence[SimInstrument], metadata: Mapping[str, bytes]
    ) -> None:
        self.feed = feed
        self.clock_offset_us = 0
        self._spot = feed == "bybit.spot"
        self._category = "spot" if self._spot else "linear"
        self._metadata = metadata
        self._states = {item.symbol: _Symbol(item) for item in instruments}
        self._symbols = set(self._states)
        for body in metadata.values():
            listed = msgspec.json.decode(body, type=_InstrumentsInfo).result.list
            self._symbols.update(item.symbol for item in listed)
        self._sessions = 0
        self._liquidations = GatheredLiquidations()
        self._now_us = 0

    def open(self, path: str, query: str) -> tuple[BybitSession, Reply] | None:
        """Begin a conversation."""
        if path != f"/v5/public/{self._category}":
            return None
        self._sessions += 1
        return BybitSession(self._spot, self._symbols, self._sessions), Reply()

    def encode(self, events: Sequence[SimEvent], wanted: Container[str]) -> list[Frame]:
        """Write the topics of prints, books, tickers and liquidations."""
        frames: list[Frame] = []
        for (sort, symbol), group in groupby(events, key=_run_of):
            if sort is SimTrade:
                prints = [event for event in group if isinstance(event, SimTrade)]
                frames += self._pass_time(prints[0].time_us, wanted)
                frames += self._prints(symbol, prints, wanted)
                self._now_us = prints[-1].time_us
                continue
            for event in group:
                frames += self._pass_time(event.time_us, wanted)
                frames += self._frames(self._states[symbol], event, wanted)
        return frames

    def first_frame(self, key: str) -> bytes | None:
        """Begin books and tickers with a snapshot; trades and liquidations are not replayed."""
        kind, *middle, symbol = key.split(".")
        state = self._states.get(symbol)
        if state is None:
            return None
        if kind == "orderbook":
            return state.book.snapshot(middle[0], key, self.clock_offset_us)
        return state.ticker.snapshot(self.clock_offset_us) if kind == "tickers" else None

    def restart_books(self) -> list[Frame]:
        """Begin the ids again: every topic of a book has a snapshot with the id 1."""
        frames = []
        for symbol, state in self._states.items():
            state.book.restart()
            for depth in DEPTHS:
                key = f"orderbook.{depth}.{symbol}"
                if (data := self.first_frame(key)) is not None:
                    frames.append(Frame(key, data))
        return frames

    def maintenance_notice(self) -> bytes | None:
        """Say nothing: interruptions are announced on another socket, the short ones nowhere."""
        return None

    def keys_of(self, frame: bytes) -> tuple[str, ...]:
        """Read the topic."""
        try:
            topic = msgspec.json.decode(frame, type=_Topic).topic
        except msgspec.DecodeError:
            return ()
        return (topic,) if topic else ()

    def rest(self, request: RestRequest) -> RestReply:
        """Serve the instruments (linear ones in pages), recent trades, tickers and funding."""
        calls = {
            "/v5/market/instruments-info": self._instruments_info,
            "/v5/market/recent-trade": self._recent_trades,
            "/v5/market/tickers": self._tickers,
            "/v5/market/funding/history": self._funding_history,
        }
        if request.path not in calls:
            return RestReply(b'{"retCode":10017,"retMsg":"Route not found."}', 404)
        if request.argument("category") != self._category:
            return self._answer(10001, "params error: category", {})
        return calls[request.path](request)

    def metadata_name(self, request: RestRequest) -> str | None:
        """Name the instruments of a category."""
        if request.path != "/v5/market/instruments-info":
            return None
        return f"instruments-info:{request.argument('category')}"

    def owns(self, url: str) -> bool:
        """Tell the category from the path or the query."""
        mine = f"/v5/public/{self._category}" in url or f"category={self._category}" in url
        return not url or ("bybit" in url and mine)

    def _pass_time(self, now_us: int, wanted: Container[str]) -> list[Frame]:
        """Push the liquidations that are due."""
        self._now_us = now_us
        frames = []
        for push_us, symbol, liquidations in self._liquidations.due(now_us):
            if (key := f"allLiquidation.{symbol}") in wanted:
                rows = bybit_liquidations.rows(liquidations, self.clock_offset_us)
                frames.append(Frame(key, self._envelope(key, rows, push_us)))
        return frames

    def _prints(
        self, symbol: str, prints: Sequence[SimTrade], wanted: Container[str]
    ) -> list[Frame]:
        state, key = self._states[symbol], f"publicTrade.{symbol}"
        directions = [state.remember(trade) for trade in prints]
        if key not in wanted:
            return []
        rows = [
            (trade.time_us, row)
            for trade, direction in zip(prints, directions, strict=True)
            for row in bybit_trades.rows(trade, direction, self.clock_offset_us)
        ]
        frames = []
        for start in range(0, len(rows), MAX_ROWS):
            part = rows[start : start + MAX_ROWS]
            joined = ",".join(row for _, row in part)
            frames.append(Frame(key, self._envelope(key, joined, part[-1][0])))
        return frames

    def _frames(self, state: _Symbol, event: SimEvent, wanted: Container[str]) -> list[Frame]:
        match event:
            case SimBookUpdate():
                return self._book(state, event, wanted) + self._ticker(state, event, wanted)
            case SimTop():
                state.book.take_top(event)
                state.ticker.take_top(event)
                key = f"orderbook.1.{event.instrument.symbol}"
                data = state.book.best_prices(key, self.clock_offset_us) if key in wanted else None
                return [Frame(key, data)] if data is not None else []
            case SimTicker():
                state.ticker.take_ticker(event)
            case SimLiquidation():
                self._liquidations.take(event)
        return []

    def _book(self, state: _Symbol, update: SimBookUpdate, wanted: Container[str]) -> list[Frame]:
        symbol, offset_us = update.instrument.symbol, self.clock_offset_us
        window = state.book.window() if f"orderbook.50.{symbol}" in wanted else None
        state.book.apply(update)
        frames = []
        if window is not None:
            key = f"orderbook.50.{symbol}"
            frames.append(Frame(key, state.book.window_delta(key, window, offset_us)))
        for depth in _WHOLE:
            if (key := f"orderbook.{depth}.{symbol}") in wanted:
                frames.append(Frame(key, state.book.delta(key, update, offset_us)))
        return frames

    def _ticker(self, state: _Symbol, update: SimBookUpdate, wanted: Container[str]) -> list[Frame]:
        """Push the ticker with each update of the book, which is every 100 ms."""
        changed = state.ticker.refresh(update.time_us)
        key = f"tickers.{update.instrument.symbol}"
        if not changed or key not in wanted:
            return []
        return [Frame(key, state.ticker.push(changed, self.clock_offset_us))]

    def _envelope(self, key: str, rows: str, time_us: int) -> bytes:
        ts = (time_us + PUSH_DELAY_US + self.clock_offset_us) // 1000
        if self._spot:
            head = f'{{"topic":"{key}","ts":{ts},"type":"snapshot","data":['
        else:
            head = f'{{"topic":"{key}","type":"snapshot","ts":{ts},"data":['
        return f"{head}{rows}]}}".encode()

    def _instruments_info(self, request: RestRequest) -> RestReply:
        recorded = self._metadata.get(f"instruments-info:{self._category}")
        if recorded is not None and not request.argument("cursor"):
            return RestReply(recorded)
        instruments = [state.instrument for state in self._states.values()]
        listed = [] if recorded is not None else bybit_metadata.listed(instruments, spot=self._spot)
        return self._answer(0, "OK", self._page(listed, request))

    def _page(self, listed: list[Json], request: RestRequest) -> Json:
        if self._spot:
            return {"category": "spot", "list": listed}
        start = _number(request, "cursor", 0)
        end = start + _number(request, "limit", _PAGE)
        cursor = str(end) if end < len(listed) else ""
        return {"category": "linear", "list": listed[start:end], "nextPageCursor": cursor}

    def _recent_trades(self, request: RestRequest) -> RestReply:
        """Answer the newest fills, newest first."""
        state = self._states.get(request.argument("symbol"))
        if state is None:
            return self._answer(10001, "Not supported symbols", {})
        most = MAX_SPOT_RECENT if self._spot else MAX_RECENT
        fills = (
            bybit_trades.recent(trade, number, self.clock_offset_us)
            for trade in reversed(state.prints)
            for number in reversed(range(len(trade.fills)))
        )
        rows = list(islice(fills, min(most, _number(request, "limit", _PAGE))))
        return self._answer(0, "OK", {"category": self._category, "list": rows})

    def _tickers(self, request: RestRequest) -> RestReply:
        wanted = request.argument("symbol")
        listed = [
            state.ticker.fields() | state.ticker.best_fields()
            for symbol, state in self._states.items()
            if wanted in ("", symbol)
        ]
        if not listed:
            return self._answer(10001, "Not supported symbols", {})
        return self._answer(0, "OK", {"category": self._category, "list": listed})

    def _funding_history(self, request: RestRequest) -> RestReply:
        """Answer the settled rates, newest first; a start without an end is refused."""
        state = self._states.get(request.argument("symbol"))
        if state is None or self._spot:
            return self._answer(10001, "Not supported symbols", {})
        start_ms, end_ms = _number(request, "startTime", 0), _number(request, "endTime", 0)
        if start_ms and not end_ms:
            return self._answer(10001, "params error: endTime is missing", {})
        settled = state.ticker.settlements(start_ms, end_ms or _LAST_MS)
        most = min(MAX_SETTLEMENTS, _number(request, "limit", MAX_SETTLEMENTS))
        return self._answer(0, "OK", {"category": self._category, "list": settled[:most]})

    def _answer(self, code: int, message: str, result: Json) -> RestReply:
        body = {"retCode": code, "retMsg": message, "result": result, "retExtInfo": {}}
        time = (self._now_us + self.clock_offset_us) // 1000
        return RestReply(msgspec.json.encode(body | {"time": time}))


def _number(request: RestRequest, name: str, default: int) -> int:
    """Read a number from the query; nonsense counts as not given."""
    text = request.argument(name)
    return int(text) if text.isdecimal() and len(text) < _MOST_DIGITS else default


def _run_of(event: SimEvent) -> tuple[type[SimEvent], str]:
    return type(event), event.instrument.symbol
