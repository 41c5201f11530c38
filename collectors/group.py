"""One plan, held open by one connection or two: connect, take over before the end, begin again.

The group owns the session. Its connections come and go; while one is there the session goes on.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec
import structlog

from collectors.calls import Calls
from collectors.connection import ConnectGate, Connection, ConnectionStats, SilentError
from collectors.meter import FeedMeter
from collectors.outbox.outbox import Outbox
from collectors.recorded.introduction import Introduction
from collectors.rest import OnFrame, RestClient
from collectors.session.answers import call_key
from collectors.session.line import Line
from collectors.session.memory import Memory
from collectors.session.opening import open_line
from collectors.session.outcome import Drop, Outcome
from collectors.session.session import Session
from collectors.venue import Feed, Plan, Request
from runtime.backoff import Backoff
from runtime.clock import Clock
from runtime.errors import RateLimited, RefusedError, TransportError
from runtime.recordings import FrameKind, RecordedFrame
from schemas.instruments import Instrument
from schemas.ops import QualityEvent, QualityKind

HEALTHY_SECONDS = 60
REFUSED_SECONDS = 300.0
TAKE_OVER_SECONDS = 30.0
"""How long a second connection may take to deliver everything before the first is closed anyway."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all groups of a feed share."""

    feed: Feed
    outbox: Outbox
    clock: Clock
    rest: RestClient
    gate: ConnectGate
    meter: FeedMeter
    backoff: Callable[[], Backoff]
    linger_us: int
    shared: object
    instruments: Sequence[Instrument]
    on_listed: Callable[[], None]
    on_frame: OnFrame | None = None


class Group:
    """One plan of a feed.

    Args:
        around: what it shares with the feed's other groups.
        plan: the path and the streams.
        name: `feed/number`.
        ws_url: the address that the path is appended to; "" for the venue's own.
        connections: 2 for a redundant pair.
    """

    def __init__(
        self, around: Surroundings, plan: Plan, name: str, ws_url: str, connections: int = 1
    ) -> None:
        self._around = around
        self.plan = plan
        self.name = name
        self._recorded_url = plan.at or around.feed.ws_url + plan.path
        self._url = ws_url + plan.path if ws_url else self._recorded_url
        self._wanted = connections
        self.memory = Memory()
        self._connections: dict[int, Connection] = {}
        self._numbers = 0
        self._calls = Calls(
            around.rest,
            around.backoff,
            on_answer=self._on_answer,
            on_failure=self._on_failure,
            on_limited=self._on_limited,
        )
        self.session: Session | None = None
        self.stats = ConnectionStats()

    def now_us(self) -> int:
        """Return the time that frames are stamped with."""
        return self._around.clock.now_us()

    async def run(self) -> None:
        """Stay connected until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                for _ in range(self._wanted):
                    tasks.create_task(self._hold())
        finally:
            await self._calls.close()

    def tick(self, now_us: int) -> None:
        """Let time pass."""
        if self.session is not None:
            self._take(self.session.on_tick(now_us))

    def ask_for_all(self) -> None:
        """Replace connections that did not ask for what was not listed when they were opened."""
        listed = self.memory.listed(self.plan.streams)
        for connection in self._connections.values():
            if connection.lacks(listed):
                connection.leaving.set()

    def give_up(self, why: str) -> None:
        """End the connections for a reason of ours; others are opened."""
        for connection in self._connections.values():
            connection.give_up(why)

    async def _hold(self) -> None:
        """Keep one connection up: begin again when it ends, take over before it does."""
        backoff = self._around.backoff()
        while True:
            connection = self._new_connection()
            running = await self._start(connection)
            connection, delay = await self._serve(connection, running)
            opened_at = connection.opened_at
            if opened_at is not None and _now() - opened_at > HEALTHY_SECONDS:
                backoff.reset()
            elif opened_at is not None:
                self._around.on_listed()  # it may have asked for what is not listed any more
            await asyncio.sleep(backoff.next_seconds() if delay is None else delay)

    async def _start(self, connection: Connection) -> asyncio.Task[None]:
        await self._around.gate.enter()
        return asyncio.create_task(self._run(connection))

    async def _run(self, connection: Connection) -> None:
        """Serve a connection; it is known by its number for as long."""
        self._connections[connection.number] = connection
        try:
            await connection.run()
        finally:
            del self._connections[connection.number]

    async def _serve(
        self, connection: Connection, running: asyncio.Task[None]
    ) -> tuple[Connection, float | None]:
        """Serve until there is no connection any more; return the last one, and how long to wait.

        A connection that is to leave is kept until another one delivers everything.
        """
        taking_over = running
        try:
            while True:
                leaving = asyncio.create_task(connection.leaving.wait())
                try:
                    await asyncio.wait({running, leaving}, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    leaving.cancel()
                if running.done():
                    return connection, self._sort(running)
                successor = self._new_connection()
                taking_over = await self._start(successor)
                if await self._until_ready(successor, taking_over, running):
                    self._note("rotated", "another connection took over", QualityKind.ROTATED)
                    await _end(running)
                    connection, running = successor, taking_over
                else:
                    await _end(taking_over)
                    await asyncio.wait({running}, timeout=TAKE_OVER_SECONDS)
                    connection.leaving.clear()
        finally:
            await _end(running)
            await _end(taking_over)

    async def _until_ready(
        self,
        successor: Connection,
        taking_over: asyncio.Task[None],
        running: asyncio.Task[None],
    ) -> bool:
        """Wait for a successor; False if it failed and the one before it is still there."""
        until = _now() + TAKE_OVER_SECONDS
        while _now() < until and not taking_over.done():
            if self._delivers(successor) or (running.done() and successor.opened_at is not None):
                return True
            await asyncio.sleep(0.05)
        return not taking_over.done() and successor.opened_at is not None

    def _delivers(self, successor: Connection) -> bool:
        """Say whether all streams are there, and every book that the one before it has."""
        session = self.session
        return session is not None and successor.is_ready and session.has_books(successor.number)

    def _sort(self, ended: asyncio.Task[None]) -> float | None:
        """Note why a connection ended; return how long to stay away where the venue says so."""
        error = ended.exception() if not ended.cancelled() else None
        if isinstance(error, RateLimited):
            self._note("rate_limited", str(error), QualityKind.RATE_LIMITED)
            return error.retry_after_seconds
        if isinstance(error, RefusedError):
            self._note("refused", str(error), QualityKind.REFUSED)
            return REFUSED_SECONDS
        if isinstance(error, TransportError) or error is None:
            silent = isinstance(error, SilentError)
            kind = QualityKind.STALE if silent else QualityKind.DISCONNECTED
            self._note("down", str(error or "closed"), kind)
            return None
        raise error

    def _new_connection(self) -> Connection:
        self._numbers += 1
        return Connection(self._around.feed, self._url, self._numbers, self)

    def up(self, number: int) -> Line:
        """Take a connection that was opened into the session, or begin a new one with it."""
        now_us = self.now_us()
        around = self._around
        self._record(number, "connect", now_us, self._introduction())
        self.session, outs = open_line(
            self.session,
            around.feed,
            self.plan.streams,
            self.name,
            number,
            now_us,
            instruments=around.instruments,
            memory=self.memory,
            shared=around.shared,
            linger_us=around.linger_us,
        )
        for out in outs:
            self._take(out)
        self.stats.connects += 1
        if self.stats.connects > 1:
            around.meter.reconnects.inc()
        around.meter.connected.inc()
        self._note("connected", self._url, QualityKind.CONNECTED)
        return self.session.line(number)

    def down(self, number: int) -> None:
        """Take a connection that ended out of the session."""
        now_us = self.now_us()
        self._around.meter.connected.dec()
        self._record(number, "close", now_us)
        if self.session is not None:
            self._take(self.session.detach(number, now_us))

    def frame(self, number: int, frame: bytes, receive_us: int) -> None:
        """Take a frame in."""
        around = self._around
        self.stats.frames += 1
        around.meter.messages.inc()
        if around.on_frame is not None:
            name = f"{self.name}~{number}"
            around.on_frame(RecordedFrame(receive_us, name, "recv", self._recorded_url, frame))
        if self.session is not None:
            out = self.session.on_frame(frame, receive_us, number)
            if out.leaving is not None:
                self._note("leaving", out.leaving, QualityKind.LEAVING)
                self._connections[number].leaving.set()
            self._take(out)

    def pong(self, number: int) -> None:
        """Note that the venue answered a ping of the protocol."""
        now_us = self.now_us()
        self._record(number, "pong", now_us)
        if self.session is not None:
            self.session.on_heartbeat(now_us, number)

    def awaits(self, key: str) -> bool:
        """Say whether the answer to a REST call is of use now."""
        return self.session is not None and not self.session.is_down and self.session.awaits(key)

    def answer(self, key: str, body: bytes, now_us: int) -> None:
        """Take the answer to a REST call in, if it is of use."""
        if self.session is not None and self.awaits(key):
            self._take(self.session.on_answer(key, body, now_us))

    def _take(self, out: Outcome) -> None:
        around = self._around
        self.stats.trades += out.trades
        if out.batches:
            around.outbox.put_batches(out.batches)
            around.meter.batches(out.batches)
        self._set_aside(out.drops)
        for event in out.events:
            around.outbox.put_quality(event)
            around.meter.event(event)
        for refused in out.refused:
            self._tell("refused", refused.detail, QualityKind.REFUSED)
            around.on_listed()  # what is not listed any more is refused
        for resubscribe in out.resubscribes:
            self._connections[resubscribe.line].begin_anew(resubscribe.stream)
        for ask in out.asks:
            self._calls.make(ask)
        if out.listed:
            around.on_listed()

    def _set_aside(self, drops: Sequence[Drop]) -> None:
        if not drops:
            return
        self._around.outbox.put_drops(self.name, drops)
        for drop in drops:
            self.stats.rejected[drop.reason] = self.stats.rejected.get(drop.reason, 0) + 1
            self._around.meter.rejected(drop.reason)

    def _on_answer(self, request: Request, body: bytes) -> None:
        now_us = self.now_us()
        self._around.rest.record(request, "http", now_us, body)
        self.answer(call_key(request), body, now_us)

    def _on_failure(self, request: Request, detail: str) -> None:
        now_us = self.now_us()
        self._around.rest.record(request, "failed", now_us, detail.encode())
        if self.session is not None:
            self._take(self.session.on_failure(call_key(request), detail, now_us))

    def _on_limited(self, detail: str) -> None:
        self._tell("rate_limited", detail, QualityKind.RATE_LIMITED)

    def _introduction(self) -> bytes:
        """Say what the session is of, so that a recording can be played back as it was."""
        introduction = Introduction(
            feed=self._around.feed.name,
            group=self.name,
            forced=self.memory.forced,
            streams=[stream.name for stream in self.plan.streams],
            instruments=list(self._around.instruments),
            linger_us=self._around.linger_us,
        )
        return msgspec.json.encode(introduction)

    def _record(self, number: int, kind: FrameKind, now_us: int, data: bytes = b"") -> None:
        if self._around.on_frame is not None:
            name = f"{self.name}~{number}"
            self._around.on_frame(RecordedFrame(now_us, name, kind, self._recorded_url, data))

    def _note(self, state: str, detail: str, kind: QualityKind) -> None:
        """Tell of a change of state."""
        self.stats.state, self.stats.detail = state, detail
        self._tell(state, detail, kind)

    def _tell(self, what: str, detail: str, kind: QualityKind) -> None:
        """Log what happened, and put it beside the data."""
        usual = kind in (QualityKind.CONNECTED, QualityKind.ROTATED)
        (_log.info if usual else _log.warning)(what, connection=self.name, detail=detail)
        now_us = self.now_us()
        assets = {one.asset for one in self._around.instruments}
        named = {stream.instrument.asset for stream in self.plan.streams if stream.instrument}
        for asset in sorted(named or assets):
            event = QualityEvent(
                kind=kind,
                venue=self._around.feed.venue,
                symbol="",
                asset=asset,
                stream=self.name,
                session="",
                from_us=now_us,
                to_us=now_us,
                count=1,
                detail=detail[:500],
                log_time_us=now_us,
            )
            self._around.outbox.put_quality(event)


def _now() -> float:
    return asyncio.get_running_loop().time()


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
