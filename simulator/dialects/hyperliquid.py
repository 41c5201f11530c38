"""Hyperliquid's two markets: trades replayed, whole books at two paces, contexts without a time.

Source: the venue sheet, sections 1 to 7. The explorer, another host at the venue, is served under
`/explorer/ws` of the perpetuals. That books, best prices and contexts begin with the newest state
is not in the sheet. A delisted coin is acknowledged: empty books, one old trade, a context of
nulls and zeros. At the venue one address serves both markets; here each knows its own coins.
Contexts of spot coins are acknowledged and silent.
"""

from collections import deque
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import replace

import msgspec

from simulator.dialects import hyperliquid_info
from simulator.dialects.base import Frame, Idle, Reply, RestReply, RestRequest
from simulator.dialects.hyperliquid_books import PUSHES, HyperliquidBook, Push, empty_book
from simulator.dialects.hyperliquid_contexts import DEAD, HyperliquidContext, context_frame
from simulator.dialects.hyperliquid_liquidations import (
    FILLER_EVERY_US,
    HyperliquidLiquidations,
    filler_frame,
    liquidation_frame,
)
from simulator.dialects.hyperliquid_session import (
    EMPTY_EXPLORER_KEY,
    EXPLORER_KEY,
    HyperliquidSession,
)
from simulator.dialects.hyperliquid_spot import SILENT_PAIRS
from simulator.dialects.hyperliquid_trades import DELISTED_ROW, rows_of, taker_of, trades_frame
from simulator.model import (
    SimBookUpdate,
    SimEvent,
    SimInstrument,
    SimLiquidation,
    SimTicker,
    SimTop,
    SimTrade,
)

REPLAYED_ROWS = 30
_SILENT_SECONDS = 60.0
_BLOCK_US = 70_000
_DELISTED = str(hyperliquid_info.DELISTED["name"])


class _CoinData(msgspec.Struct):
    coin: str = ""
    s: str = ""
    i: str = ""
    fast: bool = False


class _Data(msgspec.Struct):
    channel: str = ""
    data: msgspec.Raw = msgspec.Raw(b"null")


class HyperliquidDialect:
    """Perpetuals of the first dex (`hyperliquid.perp`), or spot (`hyperliquid.spot`)."""

    pings = None
    idle = Idle(_SILENT_SECONDS, 1000, counts_received=False)

    def __init__(
        self, feed: str, instruments: Sequence[SimInstrument], metadata: Mapping[str, bytes]
    ) -> None:
        self.feed = feed
        self.clock_offset_us = 0
        self._instruments = tuple(instruments)
        self._spot = feed.endswith(".spot")
        self._assets = {item.symbol: number for number, item in enumerate(instruments)}
        self._dead = SILENT_PAIRS if self._spot else (_DELISTED,)
        self._coins = {*self._assets, *self._dead}
        for body in metadata.values():
            self._coins.update(hyperliquid_info.names_in(body))
        coins = (*self._assets, *self._dead)
        self._recent = {coin: deque[str](maxlen=REPLAYED_ROWS) for coin in coins}
        if not self._spot:
            self._recent[_DELISTED].append(DELISTED_ROW)
        self._books = {item.symbol: HyperliquidBook(item) for item in instruments}
        self._contexts = {item.symbol: HyperliquidContext(item) for item in instruments}
        self._liquidations = HyperliquidLiquidations()
        self._slots: dict[str, int] = {}
        self._now_us = 0
        self._block = 0
        self._block_rows: dict[str, list[str]] = {}
        self._info = hyperliquid_info.HyperliquidInfo(
            self._instruments,
            metadata,
            spot=self._spot,
            books=self._books,
            contexts=self._contexts,
            rows=self._recent,
            liquidations=self._liquidations,
        )

    def open(self, path: str, query: str) -> tuple[HyperliquidSession, Reply] | None:
        """Begin a conversation with the market's address or the explorer's."""
        explorer = path == "/explorer/ws" and not self._spot
        if path != "/ws" and not explorer:
            return None
        return HyperliquidSession(self._coins, explorer=explorer), Reply()

    def encode(self, events: Sequence[SimEvent], wanted: Container[str]) -> list[Frame]:
        """Write events, trades in one frame a coin and block, and what the clock pushes."""
        for event in events:
            if isinstance(event, SimLiquidation):
                # The wallet in the prints is the owner's, so the closing has to be known first.
                self._liquidations.take(event)
        frames: list[Frame] = []
        for event in events:
            frames.extend(self._advance(event.time_us, wanted))
            if self.clock_offset_us:
                event = replace(event, time_us=event.time_us + self.clock_offset_us)
            frames.extend(self._write(event, wanted))
        frames.extend(self._end_block(wanted))
        return frames

    def first_frame(self, key: str) -> bytes | None:
        """Replay the newest trades, without a word that they are old; else the newest state."""
        if key == EMPTY_EXPLORER_KEY:
            return b"[]"
        kind, _, coin = key.partition(":")
        if kind == "trades":
            rows = self._recent.get(coin)
            return trades_frame(rows) if rows else None
        if coin in self._dead:
            return self._first_of_dead(kind, coin)
        if coin not in self._books:
            return None
        book = self._books[coin]
        if kind == "bbo":
            return book.best()
        if kind == "activeAssetCtx":
            return self._contexts[coin].frame()
        push = next((push for push in PUSHES if push.kind == kind), None)
        return book.frame(push, self._now_us) if push is not None and book.copy.time_us else None

    def restart_books(self) -> list[Frame]:
        """Do nothing: books have no ids."""
        return []

    def maintenance_notice(self) -> bytes | None:
        """Say nothing: the venue announces no disconnects."""
        return None

    def keys_of(self, frame: bytes) -> tuple[str, ...]:
        """Read channel and coin of a data frame; a bare array is the explorer's."""
        if frame.startswith(b"["):
            return (EXPLORER_KEY,)
        try:
            key = _key_of(msgspec.json.decode(frame, type=_Data))
        except msgspec.DecodeError:
            return ()
        return (key,) if key else ()

    def rest(self, request: RestRequest) -> RestReply:
        """Serve `POST /info`."""
        return self._info.answer(request)

    def metadata_name(self, request: RestRequest) -> str | None:
        """Name the metadata of a market; recordings keep the answer, not the question."""
        meta = request.body.startswith(b"{") and b'"universe"' in request.body
        if request.path != "/info" or not meta:
            return None
        return "spotMeta" if b'"tokens"' in request.body else "meta"

    def owns(self, url: str) -> bool:
        """Market and explorer are on hosts of one domain."""
        return not url or "hyperliquid" in url

    def _advance(self, now_us: int, wanted: Container[str]) -> Iterator[Frame]:
        """End the block of trades and push what the clock has come to."""
        if now_us // _BLOCK_US != self._block:
            self._block = now_us // _BLOCK_US
            yield from self._end_block(wanted)
        self._now_us = now_us + self.clock_offset_us
        for push in PUSHES:
            time_us = self._passed(push.kind, push.every_us, now_us)
            if time_us is not None:
                yield from self._push(push, time_us, wanted)
        time_us = self._passed(EXPLORER_KEY, FILLER_EVERY_US, now_us)
        if time_us is not None and EXPLORER_KEY in wanted:
            slot = self._slots[EXPLORER_KEY]
            yield Frame(EXPLORER_KEY, filler_frame(slot, time_us, self._instruments))

    def _push(self, push: Push, time_us: int, wanted: Container[str]) -> Iterator[Frame]:
        for coin, book in self._books.items():
            if (key := f"{push.kind}:{coin}") in wanted and book.copy.time_us:
                yield Frame(key, book.frame(push, time_us))
        for coin in self._dead:
            if (key := f"{push.kind}:{coin}") in wanted:
                yield Frame(key, empty_book(coin, push, time_us))

    def _passed(self, kind: str, every_us: int, now_us: int) -> int | None:
        """Return the venue's time of the newest push, None where it was before."""
        slot = now_us // every_us
        before = self._slots.get(kind)
        self._slots[kind] = slot
        if before is None or slot == before:
            return None
        return slot * every_us + self.clock_offset_us

    def _write(self, event: SimEvent, wanted: Container[str]) -> Iterator[Frame]:
        coin = event.instrument.symbol
        key, data = "", None
        match event:
            case SimTrade():
                self._take_trade(event)
            case SimBookUpdate():
                self._books[coin].copy.apply(event)
            case SimTop():
                key, data = f"bbo:{coin}", self._take_top(event)
            case SimTicker():
                self._contexts[coin].take(event)
                key, data = f"activeAssetCtx:{coin}", self._contexts[coin].frame()
            case SimLiquidation():
                key, data = EXPLORER_KEY, self._tell(event)
        if data is not None and key in wanted:
            yield Frame(key, data)

    def _take_top(self, top: SimTop) -> bytes | None:
        book = self._books[top.instrument.symbol]
        self._contexts[top.instrument.symbol].take_top(top)
        return book.best() if book.take_top(top) else None

    def _tell(self, closing: SimLiquidation) -> bytes | None:
        coin = closing.instrument.symbol
        if not self._liquidations.tell(closing.order_tag, self._contexts[coin].mark):
            return None
        return liquidation_frame(closing, self._assets[coin], self._instruments)

    def _take_trade(self, trade: SimTrade) -> None:
        coin = trade.instrument.symbol
        self._liquidations.take_trade(trade)
        self._contexts[coin].take_trade(trade)
        taker = self._liquidations.victim_of(trade.order_tag) or taker_of(trade)
        rows = tuple(rows_of(trade, taker))
        self._recent[coin].extend(rows)
        self._block_rows.setdefault(coin, []).extend(rows)

    def _end_block(self, wanted: Container[str]) -> Iterator[Frame]:
        for coin, rows in self._block_rows.items():
            if (key := f"trades:{coin}") in wanted:
                yield Frame(key, trades_frame(rows))
        self._block_rows.clear()

    def _first_of_dead(self, kind: str, coin: str) -> bytes | None:
        if kind == "activeAssetCtx" and not self._spot:
            return context_frame(coin, DEAD)
        push = next((push for push in PUSHES if push.kind == kind), None)
        return None if push is None else empty_book(coin, push, self._now_us)


def _key_of(message: _Data) -> str:
    channel = message.channel
    if channel == "trades":
        rows = msgspec.json.decode(message.data, type=list[_CoinData])
        return f"trades:{rows[0].coin}" if rows else ""
    if channel not in ("l2Book", "bbo", "activeAssetCtx", "candle"):
        return ""
    data = msgspec.json.decode(message.data, type=_CoinData)
    if channel == "candle":
        return f"candle{data.i}:{data.s}"
    kind = "l2BookFast" if data.fast else channel
    return f"{kind}:{data.coin}" if data.coin else ""
