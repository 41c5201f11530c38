"""OKX v5 swaps and spot: prints, chained books, states of swaps, closings by instrument type.

Source: the venue sheet, sections 2 to 8. Sizes of swaps are in contracts. That a stream of states
(best prices, mark price, funding and so on) begins with the newest one is not in the sheet.
"""

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import replace

import msgspec

from schemas.units import US_PER_SECOND
from simulator.dialects import okx_rest, okx_session
from simulator.dialects.base import Frame, Idle, Reply, RestReply, RestRequest
from simulator.dialects.okx_books import OkxBook
from simulator.dialects.okx_metadata import family
from simulator.dialects.okx_perpetuals import (
    CHANNELS,
    OkxLiquidations,
    OkxPerpetual,
    whole_closings,
)
from simulator.dialects.okx_trades import OkxTrades, fill_frames, print_frame
from simulator.model import (
    SimBookUpdate,
    SimEvent,
    SimInstrument,
    SimLiquidation,
    SimTicker,
    SimTop,
    SimTrade,
)

NO_DATA = 4004
KEEP_ALIVE_US = 60 * US_PER_SECOND
_LIQUIDATIONS = "liquidation-orders:SWAP"
_UPGRADE = {
    "event": "notice",
    "code": "64008",
    "msg": "The connection will soon be closed for a service upgrade. Please reconnect.",
    "connId": "50000000",
}


class _Listed(msgspec.Struct):
    instId: str  # noqa: N815 - the venue's own name
    uly: str = ""


class _Instruments(msgspec.Struct):
    data: list[_Listed]


class OkxDialect:
    """Swaps (`okx.swap`) or spot (`okx.spot`)."""

    pings = None
    idle = Idle(30.0, NO_DATA)

    def __init__(
        self, feed: str, instruments: Sequence[SimInstrument], metadata: Mapping[str, bytes]
    ) -> None:
        self.feed = feed
        self.clock_offset_us = 0
        self._swap = feed != "okx.spot"
        self._symbols = {item.symbol for item in instruments}
        self._indices = {family(item) for item in instruments}
        for body in metadata.values():
            listed = msgspec.json.decode(body, type=_Instruments).data
            self._symbols.update(item.instId for item in listed)
            self._indices.update(item.uly for item in listed if item.uly)
        self._sessions = 0
        self._books = {item.symbol: OkxBook(item) for item in instruments}
        self._trades = {item.symbol: OkxTrades() for item in instruments}
        self._perpetuals = {item.symbol: OkxPerpetual(item) for item in instruments if self._swap}
        self._states = {
            perpetual.key(channel): (perpetual, channel)
            for perpetual in self._perpetuals.values()
            for channel in CHANNELS
        }
        self._liquidations = OkxLiquidations()
        self._changed_us: dict[str, int] = {}
        self._looked_us = 0
        self._rest = okx_rest.OkxRest(
            "SWAP" if self._swap else "SPOT",
            tuple(instruments),
            metadata,
            books=self._books,
            trades=self._trades,
            perpetuals=self._perpetuals,
        )

    def open(self, path: str, query: str) -> tuple[okx_session.OkxSession, Reply] | None:
        """Begin a conversation."""
        route = okx_session.PATHS.get(path)
        if route is None:
            return None
        self._sessions += 1
        session = okx_session.OkxSession(route, self._symbols, self._indices, self._sessions)
        return session, Reply()

    def encode(self, events: Sequence[SimEvent], wanted: Container[str]) -> list[Frame]:
        """Write events, and keep-alives of books to which nothing has happened for a minute."""
        frames: list[Frame] = []
        for event in whole_closings(events):
            now_us = event.time_us
            frames.extend(self._keep_alive(now_us, wanted))
            if self.clock_offset_us:
                event = replace(event, time_us=now_us + self.clock_offset_us)
            frames.extend(self._write(event, now_us, wanted))
        return frames

    def first_frame(self, key: str) -> bytes | None:
        """Begin books with a snapshot, closings with a backlog, states with the newest one."""
        if key == _LIQUIDATIONS:
            return self._liquidations.backlog()
        if key in self._states:
            perpetual, channel = self._states[key]
            return perpetual.frame(channel)
        channel, _, symbol = key.partition(":")
        book = self._books.get(symbol)
        if book is None or channel not in ("books", "bbo-tbt"):
            return None
        return book.snapshot() if channel == "books" else book.best()

    def restart_books(self) -> list[Frame]:
        """Let the ids of the next updates be lower, chained to the newest ones; no frame tells."""
        for book in self._books.values():
            book.restart()
        return []

    def maintenance_notice(self) -> bytes | None:
        """Announce a service upgrade."""
        return msgspec.json.encode(_UPGRADE)

    def keys_of(self, frame: bytes) -> tuple[str, ...]:
        """Read the argument of a data frame."""
        return okx_session.keys_of(frame)

    def rest(self, request: RestRequest) -> RestReply:
        """Serve instruments, books, trades, funding and open interest."""
        return self._rest.answer(request)

    def metadata_name(self, request: RestRequest) -> str | None:
        """Name the instruments of a type."""
        return okx_rest.metadata_name(request) or None

    def owns(self, url: str) -> bool:
        """Swaps and spot share their hosts; instrument names tell them apart."""
        return not url or "okx" in url

    def _write(self, event: SimEvent, now_us: int, wanted: Container[str]) -> Iterator[Frame]:
        match event:
            case SimTrade():
                return self._write_trade(event, wanted)
            case SimBookUpdate():
                self._changed_us[event.instrument.symbol] = now_us
                return self._write_update(event, wanted)
            case SimTop():
                return self._write_top(event, wanted)
            case SimTicker():
                return self._write_ticker(event, now_us, wanted)
            case SimLiquidation():
                return self._write_liquidation(event, wanted)

    def _write_trade(self, trade: SimTrade, wanted: Container[str]) -> Iterator[Frame]:
        symbol = trade.instrument.symbol
        self._trades[symbol].add(trade)
        if self._swap:
            self._liquidations.take_trade(trade)
        if (key := f"trades:{symbol}") in wanted:
            yield Frame(key, print_frame(trade))
        if (key := f"trades-all:{symbol}") in wanted:
            for data in fill_frames(trade):
                yield Frame(key, data)

    def _write_update(self, update: SimBookUpdate, wanted: Container[str]) -> Iterator[Frame]:
        book = self._books[update.instrument.symbol]
        previous_id = book.apply(update)
        if (key := f"books:{update.instrument.symbol}") in wanted:
            yield Frame(key, book.update(update, previous_id))

    def _write_top(self, top: SimTop, wanted: Container[str]) -> Iterator[Frame]:
        book = self._books[top.instrument.symbol]
        book.take_top(top)
        key = f"bbo-tbt:{top.instrument.symbol}"
        if key in wanted and (data := book.best()) is not None:
            yield Frame(key, data)

    def _write_ticker(
        self, ticker: SimTicker, now_us: int, wanted: Container[str]
    ) -> Iterator[Frame]:
        perpetual = self._perpetuals[ticker.instrument.symbol]
        for channel in perpetual.take(ticker, now_us):
            key = perpetual.key(channel)
            if key in wanted and (data := perpetual.frame(channel)) is not None:
                yield Frame(key, data)

    def _write_liquidation(
        self, closing: SimLiquidation, wanted: Container[str]
    ) -> Iterator[Frame]:
        data = self._liquidations.take(closing)
        if _LIQUIDATIONS in wanted:
            yield Frame(_LIQUIDATIONS, data)

    def _keep_alive(self, now_us: int, wanted: Container[str]) -> Iterator[Frame]:
        if now_us - self._looked_us < US_PER_SECOND:
            return
        self._looked_us = now_us
        for symbol, changed_us in self._changed_us.items():
            if now_us - changed_us >= KEEP_ALIVE_US:
                self._changed_us[symbol] = now_us
                if (key := f"books:{symbol}") in wanted:
                    time_us = now_us + self.clock_offset_us
                    yield Frame(key, self._books[symbol].keep_alive(time_us))
