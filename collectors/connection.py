"""Keep one connection to a venue open and read: the same for every venue.

Connects, subscribes, pings, notices silence, backs off with jitter and connects again, for ever.
What is read goes through a `Session`; what a session yields goes to the outbox.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import structlog
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI

from collectors.meter import FeedMeter
from collectors.outbox import Outbox
from collectors.session import Session, Yield
from collectors.venue import Feed, Plan
from runtime.backoff import Backoff
from runtime.clock import Clock
from runtime.errors import ConfigurationError, RefusedError, TransportError
from runtime.recordings import FrameKind, RecordedFrame
from schemas.ops import QualityEvent, QualityKind

OPEN_TIMEOUT_SECONDS = 10
IDLE_PING_SECONDS = 2
"""A connection that has been silent this long is asked whether it is there."""

DEAD_SECONDS = 10
"""A connection that has been silent this long, pings included, is given up."""

SILENT_SECONDS = 60
"""A connection that is alive but without a single trade this long is on a dead route."""

HEALTHY_SECONDS = 60
REFUSED_SECONDS = 300
TICK_SECONDS = 0.01

MAX_FRAME_BYTES = 64 * 2**20
"""What is read at all; beyond it the connection is closed. A feed's own limit is far below: such a
frame is set aside unread and the connection stays."""

_REFUSALS = {
    403: "access denied, by rate or by location",
    418: "this address is banned for a while",
    451: "not served to this location (geo-block)",
}

_log = structlog.get_logger(__name__)

OnFrame = Callable[[RecordedFrame], None]
"""Sees everything that happens on a connection, e.g. a recorder."""


@dataclass(slots=True)
class ConnectionStats:
    """What a connection has done so far; read for metrics and by `doctor`."""

    state: str = "starting"
    connects: int = 0
    frames: int = 0
    trades: int = 0
    rejected: dict[str, int] = field(default_factory=dict)
    detail: str = ""


class Connection:
    """One connection: a plan of a feed, held open.

    Args:
        feed: the product.
        plan: the path and the streams.
        number: its number among the feed's connections.
        ws_url: where, instead of the feed's own address.
        outbox: where batches go.
        clock: where receive times come from.
        backoff: delays between tries.
        gate: entered for every attempt; spaces attempts over the process.
        meter: counts what happens.
        linger_us: how long trades wait to share a batch.
        on_frame: sees every frame.
    """

    def __init__(
        self,
        feed: Feed,
        plan: Plan,
        *,
        number: int,
        ws_url: str,
        outbox: Outbox,
        clock: Clock,
        backoff: Backoff,
        gate: "ConnectGate",
        meter: FeedMeter,
        linger_us: int,
        on_frame: OnFrame | None = None,
    ) -> None:
        self._feed = feed
        self._plan = plan
        self._name = f"{feed.name}/{number}"
        self._url = ws_url + plan.path
        self._recorded_url = feed.ws_url + plan.path
        self._outbox = outbox
        self._clock = clock
        self._backoff = backoff
        self._gate = gate
        self._meter = meter
        self._linger_us = linger_us
        self._on_frame = on_frame
        self._known_us: dict[str, int] = {}
        self._session: Session | None = None
        self.stats = ConnectionStats()

    async def run(self) -> None:
        """Stay connected until cancelled."""
        while True:
            started = asyncio.get_running_loop().time()
            delay = None
            try:
                await self._gate.enter()
                await self._once()
            except RefusedError as error:
                delay = REFUSED_SECONDS * 1.0
                self._note("refused", str(error), QualityKind.REFUSED)
            except TransportError as error:
                self._note("down", str(error), QualityKind.DISCONNECTED)
            except asyncio.CancelledError:
                self._close_session()
                raise
            self._close_session()
            if asyncio.get_running_loop().time() - started > HEALTHY_SECONDS:
                self._backoff.reset()
            await self._wait(delay if delay is not None else self._backoff.next_seconds())

    async def _wait(self, seconds: float) -> None:
        """Wait while the streams go on to say, every second, that they are down."""
        until = asyncio.get_running_loop().time() + seconds
        while asyncio.get_running_loop().time() < until:
            await asyncio.sleep(min(0.2, seconds))
            if self._session is not None:
                self._take(self._session.on_tick(self._clock.now_us()))

    async def _once(self) -> None:
        async with self._open() as socket:
            opened_us = self._clock.now_us()
            session = Session(
                self._feed,
                self._plan.streams,
                f"{self._name}@{opened_us}",
                opened_us,
                self._known_us,
                linger_us=self._linger_us,
            )
            self._session = session
            self._record("connect", opened_us)
            self.stats.connects += 1
            if self.stats.connects > 1:
                self._meter.reconnects.inc()
            self._meter.connected.inc()
            self._note("connected", self._url, QualityKind.CONNECTED)
            keeper = asyncio.create_task(self._keep(socket, session))
            try:
                await self._subscribe(socket)
                await self._read(socket, session)
            except ConnectionClosed as error:
                raise TransportError(f"closed by the venue: {error}") from error
            finally:
                self._meter.connected.dec()
                keeper.cancel()
                (ended,) = await asyncio.gather(keeper, return_exceptions=True)
            if isinstance(ended, Exception):
                raise ended

    @asynccontextmanager
    async def _open(self) -> AsyncIterator[ClientConnection]:
        try:
            socket = await connect(
                self._url,
                compression=None,
                max_size=MAX_FRAME_BYTES,
                open_timeout=OPEN_TIMEOUT_SECONDS,
                ping_interval=None,
                close_timeout=1,
            )
        except InvalidURI as error:
            raise ConfigurationError(f"{self._url} is not a web-socket address") from error
        except InvalidStatus as error:
            status = error.response.status_code
            if status in _REFUSALS:
                venue = self._feed.venue
                raise RefusedError(f"{venue}: {_REFUSALS[status]} (HTTP {status})") from error
            raise TransportError(f"handshake answered with HTTP {status}") from error
        except (OSError, InvalidHandshake, EOFError, TimeoutError) as error:
            raise TransportError(f"cannot connect: {error or type(error).__name__}") from error
        try:
            yield socket
        finally:
            await socket.close()

    async def _subscribe(self, socket: ClientConnection) -> None:
        for payload in self._feed.subscribe(self._plan.streams):
            await socket.send(payload)
            await asyncio.sleep(self._feed.limits.control_interval_seconds)

    async def _read(self, socket: ClientConnection, session: Session) -> None:
        now_us, stats, on_frame = self._clock.now_us, self.stats, self._on_frame
        meter = self._meter
        while True:
            frame = await socket.recv(decode=False)
            receive_us = now_us()
            stats.frames += 1
            meter.messages.inc()
            if on_frame is not None:
                on_frame(RecordedFrame(receive_us, self._name, "recv", self._recorded_url, frame))
            out = session.on_frame(frame, receive_us)
            self._take(out)
            if out.leaving is not None:
                raise TransportError(f"the venue announced to close: {out.leaving}")

    def _take(self, out: Yield) -> None:
        self.stats.trades += out.trades
        if out.batches:
            self._outbox.put_batches(out.batches)
            for batch in out.batches:
                self._meter.batch(batch)
        if out.drops:
            self._outbox.put_drops(self._name, out.drops)
            for drop in out.drops:
                self.stats.rejected[drop.reason] = self.stats.rejected.get(drop.reason, 0) + 1
                self._meter.rejected(drop.reason)
        for refused in out.refused:
            self._note("refused", refused.detail, QualityKind.REFUSED)

    async def _keep(self, socket: ClientConnection, session: Session) -> None:
        """Tick the session; ping a silent venue; close what is dead."""
        loop = asyncio.get_running_loop()
        pinged = loop.time()
        heard_us, heard_at = session.heard_us, loop.time()
        traded_us, traded_at = session.last_trade_us, loop.time()
        while True:
            await asyncio.sleep(TICK_SECONDS)
            now = loop.time()
            self._take(session.on_tick(self._clock.now_us()))
            if session.heard_us != heard_us:
                heard_us, heard_at = session.heard_us, now
            if session.last_trade_us != traded_us:
                traded_us, traded_at = session.last_trade_us, now
            idle = now - heard_at > IDLE_PING_SECONDS and now - pinged > IDLE_PING_SECONDS
            if idle or now - pinged > self._feed.ping_seconds:
                pinged = now
                await self._ping(socket, session)
            if now - heard_at > DEAD_SECONDS or now - traded_at > SILENT_SECONDS:
                what = (
                    "nothing heard" if now - heard_at > DEAD_SECONDS else "no trade on any stream"
                )
                self._note("stale", what, QualityKind.STALE)
                await socket.close(code=1000, reason="silent")
                return

    async def _ping(self, socket: ClientConnection, session: Session) -> None:
        try:
            if self._feed.ping is not None:
                await socket.send(self._feed.ping)
                return
            pong = await socket.ping()
        except ConnectionClosed:
            return  # the reader sees the same and says so
        asyncio.ensure_future(pong).add_done_callback(
            lambda done: (
                None
                if done.cancelled() or done.exception()
                else session.on_heartbeat(self._clock.now_us())
            )
        )

    def _record(self, kind: FrameKind, now_us: int) -> None:
        if self._on_frame is not None:
            self._on_frame(RecordedFrame(now_us, self._name, kind, self._recorded_url, b""))

    def _close_session(self) -> None:
        if self._session is not None:
            self._record("close", self._clock.now_us())
            self._take(self._session.on_close(self._clock.now_us()))
            self._known_us = self._session.newest_by_symbol_us

    def _note(self, state: str, detail: str, kind: QualityKind) -> None:
        """Log a change of state, and put it beside the data."""
        self.stats.state, self.stats.detail = state, detail
        level = "info" if kind is QualityKind.CONNECTED else "warning"
        getattr(_log, level)(state, connection=self._name, detail=detail)
        now_us = self._clock.now_us()
        for asset in sorted({stream.instrument.asset for stream in self._plan.streams}):
            event = QualityEvent(
                kind=kind,
                venue=self._feed.venue,
                symbol="",
                asset=asset,
                stream=self._name,
                session="",
                from_us=now_us,
                to_us=now_us,
                count=1,
                detail=detail[:500],
                log_time_us=now_us,
            )
            self._outbox.put_quality(event)


class ConnectGate:
    """Spaces connection attempts: one at a time, `interval_seconds` apart."""

    def __init__(self, interval_seconds: float) -> None:
        self._interval = interval_seconds
        self._next = 0.0

    async def enter(self) -> None:
        """Return when the next attempt may be made."""
        loop = asyncio.get_running_loop()
        start = max(self._next, loop.time())
        self._next = start + self._interval
        await asyncio.sleep(start - loop.time())
