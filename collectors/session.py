"""One connection's life as a pure state machine: frames and ticks in, batches out.

Everything that ends up in a batch is decided by the receive times handed in, never by when a method
happens to be called, so that a recording played back gives the batches of the live run.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from collectors.venue import (
    Feed,
    Ignored,
    Leaving,
    Message,
    Refused,
    Rejected,
    Stream,
    Subscribed,
    Trades,
)
from schemas.market import DataSource, FeedState, stale_after_us
from schemas.ops import PAYLOAD_LIMIT_BYTES
from schemas.trades import TRADES_SCHEMA, TradeBatch, TradeRow
from schemas.units import US_PER_SECOND

LINGER_US = 20_000
MAX_IGNORED_KINDS = 64
MAX_ROWS = 500
CLOCK_TOLERANCE_US = 500_000
"""How far ahead of our clock an event may be and still move the watermark."""

QUIET_US = 5 * US_PER_SECOND
"""How long after its last trade a stream is called quiet."""

CATCH_UP_US = 60 * US_PER_SECOND
"""After a longer pause (a recording with a hole, a suspended machine) the missed seconds are not
filled with empty batches."""


@dataclass(frozen=True, slots=True)
class Drop:
    """A frame, or an item of one, for the dead letters; `frame` may be its beginning only."""

    reason: str
    detail: str
    frame: bytes
    size_bytes: int
    receive_time_us: int


@dataclass(slots=True)
class Yield:
    """What one step led to: batches to publish, things to drop, and what the engine must know."""

    batches: list[TradeBatch] = field(default_factory=list)
    drops: list[Drop] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    leaving: str | None = None
    trades: int = 0


class _Pending:
    """One stream's rows that wait for the linger to pass, and what it sent before."""

    __slots__ = ("active", "first_us", "last_trade_us", "newest_us", "rows", "sent_us", "sequence")

    def __init__(self) -> None:
        self.rows: list[TradeRow] = []
        self.first_us = 0
        self.newest_us = 0
        self.sent_us = 0
        self.last_trade_us = 0
        self.sequence = 0
        self.active = False


class Session:
    """One connection's life.

    Args:
        feed: the product it is connected to.
        streams: what it subscribes to.
        session: its name, unique among all connections of the log.
        opened_us: when it was opened.
        known_us: per symbol, the venue time of the newest trade of earlier sessions; a feed that
            replays history gives only what is newer.
        linger_us: how long rows wait for more of their stream.
    """

    def __init__(
        self,
        feed: Feed,
        streams: Sequence[Stream],
        session: str,
        opened_us: int,
        known_us: Mapping[str, int] | None = None,
        *,
        linger_us: int = LINGER_US,
    ) -> None:
        self._feed = feed
        self._parser = feed.parser(streams)
        self._streams = {stream.name: stream for stream in streams}
        self._pending = {stream.name: _Pending() for stream in streams}
        self._session = session
        self._opened_us = opened_us
        self._known_us = dict(known_us or {})
        self._linger_us = linger_us
        self._watermark_us = 0
        self._newest_us = 0
        self._heard_us = opened_us
        self._down = False
        self._stale_us = stale_after_us(feed.venue)
        self.last_trade_us = opened_us
        self.ignored: dict[str, int] = {}

    @property
    def heard_us(self) -> int:
        """When the venue was last heard from."""
        return self._heard_us

    @property
    def newest_by_symbol_us(self) -> dict[str, int]:
        """Per symbol, the venue time of the newest trade, for the next session."""
        newest = dict(self._known_us)
        for name, pending in self._pending.items():
            symbol = self._streams[name].instrument.symbol
            newest[symbol] = max(newest.get(symbol, 0), pending.newest_us)
        return newest

    def on_frame(self, frame: bytes, receive_us: int) -> Yield:
        """Take one frame in."""
        out = self.on_tick(receive_us)
        self._heard_us = max(self._heard_us, receive_us)
        limit = self._feed.limits.max_frame_bytes
        if len(frame) > limit:
            detail = f"expected at most {limit} bytes, was {len(frame)}"
            out.drops.append(
                Drop("oversized", detail, frame[:PAYLOAD_LIMIT_BYTES], len(frame), receive_us)
            )
            return out
        for message in self._parser.parse(frame):
            if type(message) is Trades:
                self._on_trades(message, receive_us, out)
            else:
                self._on_other(message, frame, receive_us, out)
        return out

    def on_heartbeat(self, now_us: int) -> None:
        """Note that the venue was heard from outside of any frame (a web-socket pong)."""
        self._heard_us = max(self._heard_us, now_us)

    def _on_other(self, message: Message, frame: bytes, receive_us: int, out: Yield) -> None:
        match message:
            case Subscribed(names):
                for name in names or self._pending:
                    self._activate(name, receive_us, out)
            case Rejected(reason, detail):
                out.drops.append(Drop(reason, detail, frame, len(frame), receive_us))
            case Refused():
                out.refused.append(message)
            case Leaving(detail):
                out.leaving = detail
            case Ignored(what):
                self._count_ignored(what)
            case _:
                pass  # a heartbeat was noted with the frame itself

    def _count_ignored(self, what: str) -> None:
        if what in self.ignored or len(self.ignored) < MAX_IGNORED_KINDS:
            self.ignored[what] = self.ignored.get(what, 0) + 1

    def _on_trades(self, message: Trades, receive_us: int, out: Yield) -> None:
        rows = message.rows
        pending = self._pending[message.stream.name]
        if self._feed.replays_history and not pending.newest_us:
            rows = self._without_history(message.stream, rows)
        self._activate(message.stream.name, receive_us, out)
        if not rows:
            return
        newest = max(row[0] for row in rows)
        pending.newest_us = max(pending.newest_us, newest)
        self._newest_us = max(self._newest_us, min(newest, receive_us + CLOCK_TOLERANCE_US))
        self.last_trade_us = pending.last_trade_us = receive_us
        out.trades += len(rows)
        if not pending.rows:
            pending.first_us = receive_us
        pending.rows += rows
        while len(pending.rows) >= MAX_ROWS:
            rest = pending.rows[MAX_ROWS:]
            pending.rows = pending.rows[:MAX_ROWS]
            self._flush(message.stream, pending, receive_us, out)
            pending.rows, pending.first_us = rest, receive_us

    def _activate(self, name: str, now_us: int, out: Yield) -> None:
        """Start a stream: its first batch is empty and says from when on it is covered."""
        pending = self._pending.get(name)
        if pending is not None and not pending.active:
            pending.active = True
            self._flush(self._streams[name], pending, now_us, out)

    def _without_history(self, stream: Stream, rows: list[TradeRow]) -> list[TradeRow]:
        known_us = self._known_us.get(stream.instrument.symbol)
        oldest = known_us if known_us else self._opened_us - self._feed.skew_us
        return [row for row in rows if row[0] >= oldest]

    def on_tick(self, now_us: int) -> Yield:
        """Let time pass: send what has waited long enough, and a word every second."""
        out = Yield()
        for name, pending in self._pending.items():
            if pending.rows:
                due_us = pending.first_us + self._linger_us
                if now_us >= due_us:
                    self._flush(self._streams[name], pending, due_us, out)
            while pending.active and not pending.rows and now_us >= pending.sent_us + US_PER_SECOND:
                behind_us = now_us - pending.sent_us > CATCH_UP_US
                due_us = now_us if behind_us else pending.sent_us + US_PER_SECOND
                self._flush(self._streams[name], pending, due_us, out)
        return out

    def on_close(self, now_us: int) -> Yield:
        """Send what is left, then say that every stream is down."""
        out = Yield()
        for name, pending in self._pending.items():
            if pending.rows:
                self._flush(self._streams[name], pending, now_us, out)
        self._down = True
        for name, pending in self._pending.items():
            if pending.active:
                self._flush(self._streams[name], pending, now_us, out)
        return out

    def _state(self, pending: _Pending, now_us: int) -> FeedState:
        if self._down:
            return FeedState.DOWN
        if now_us - self._heard_us > self._stale_us:
            return FeedState.STALE
        return FeedState.LIVE if now_us - pending.last_trade_us <= QUIET_US else FeedState.QUIET

    def _flush(self, stream: Stream, pending: _Pending, now_us: int, out: Yield) -> None:
        if not self._down:
            seen_us = max(self._newest_us, min(self._heard_us, now_us))
            self._watermark_us = max(self._watermark_us, seen_us - self._feed.skew_us)
        rows, pending.rows = pending.rows, []
        ahead_us = max((row[0] for row in rows), default=0) - now_us
        instrument = stream.instrument
        out.batches.append(
            TradeBatch(
                schema=TRADES_SCHEMA,
                venue=instrument.venue,
                kind=instrument.kind,
                symbol=instrument.symbol,
                venue_symbol=instrument.venue_symbol,
                asset=instrument.asset,
                quote=instrument.quote,
                session=self._session,
                sequence=pending.sequence,
                receive_time_us=now_us,
                watermark_us=self._watermark_us,
                feed_state=self._state(pending, now_us),
                clock_skew_us=ahead_us if ahead_us > CLOCK_TOLERANCE_US else 0,
                tick=instrument.tick,
                lot=instrument.lot,
                stream=stream.name,
                trade_ids=self._feed.trade_ids,
                source=DataSource.STREAM,
                rows=rows,
            )
        )
        pending.sequence += 1
        pending.sent_us = now_us
