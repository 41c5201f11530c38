"""One connection to a venue, from its opening to its end: subscribe, read, ping, notice silence.

What is read goes to its group, which owns the session. A connection does not come back; its group
opens another one.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from collectors.session.line import Line
from collectors.silence import Silence
from collectors.socket import open_socket
from collectors.venue import Feed, Stream
from runtime.errors import TransportError

IDLE_PING_SECONDS = 2
"""A connection that has been silent this long is asked whether it is there."""

DEAD_SECONDS = 10
"""A connection that has been silent this long, pings included, is given up."""

ACKNOWLEDGE_SECONDS = 15
"""What was asked for and is not acknowledged this long after it was asked is not delivered."""

CHECK_SECONDS = 0.25
MAX_RENEWALS = 200
"""Streams begun anew on one connection; OKX counts 480 requests an hour, two for each."""


class SilentError(TransportError):
    """The venue is there, and does not deliver what was asked for."""


@dataclass(slots=True)
class ConnectionStats:
    """What the connections of one group have done; read for metrics and by `doctor`."""

    state: str = "starting"
    connects: int = 0
    frames: int = 0
    trades: int = 0
    rejected: dict[str, int] = field(default_factory=dict)
    detail: str = ""


class Host(Protocol):
    """What a connection tells its group."""

    def now_us(self) -> int:
        """Return the time that frames are stamped with."""
        ...

    def up(self, number: int) -> Line:
        """Take a connection that was opened into the session."""
        ...

    def frame(self, number: int, frame: bytes, receive_us: int) -> None:
        """Take a frame in."""
        ...

    def pong(self, number: int) -> None:
        """Note that the venue answered a ping of the protocol."""
        ...

    def down(self, number: int) -> None:
        """Take a connection that ended out of the session."""
        ...


class Connection:
    """One connection.

    Args:
        feed: the product.
        url: where.
        number: its number inside its group.
        host: its group, which says what to subscribe to once it is up.

    Attributes:
        opened_at: event-loop time of its opening, None before.
        leaving: set once another connection should take over.
    """

    def __init__(self, feed: Feed, url: str, number: int, host: Host) -> None:
        self._feed = feed
        self._url = url
        self.number = number
        self._host = host
        self._messages: asyncio.Queue[str] = asyncio.Queue(2 * MAX_RENEWALS)
        self._line: Line | None = None
        self._renewals = 0
        self._failure: TransportError | None = None
        """Why we closed it ourselves."""
        self.opened_at: float | None = None
        self.leaving = asyncio.Event()

    @property
    def is_ready(self) -> bool:
        """Whether everything that was asked for is delivered."""
        return self._line is not None and self._line.ready

    def lacks(self, streams: Iterable[Stream]) -> bool:
        """Say whether it is up and did not ask for one of these."""
        line = self._line
        return line is not None and not all(stream.name in line.asked for stream in streams)

    def begin_anew(self, stream: Stream) -> None:
        """Unsubscribe from a stream and subscribe to it again."""
        self._renewals += 1
        if self._renewals > MAX_RENEWALS or self._messages.full():
            self.leaving.set()  # a new connection is the shorter way, and venues count requests
            return
        for message in self._feed.resubscribe(stream):
            self._messages.put_nowait(message)

    def give_up(self, why: str) -> None:
        """End the connection for a reason of ours."""
        self._failure = self._failure or TransportError(why)

    async def run(self) -> None:
        """Serve until the connection ends.

        Raises:
            TransportError: it could not be made, it broke, or the venue is silent.
            RefusedError: the venue does not serve this address.
            asyncio.CancelledError: it is not wanted any more.
        """
        async with open_socket(self._feed.venue, self._url) as socket:
            self.opened_at = asyncio.get_running_loop().time()
            self._line = line = self._host.up(self.number)
            messages = self._feed.subscribe(tuple(line.asked.values()))
            keeper = asyncio.create_task(self._keep(socket, line, len(messages)))
            writer = asyncio.create_task(self._write(socket, messages))
            try:
                await self._read(socket)
            except ConnectionClosed as error:
                raise self._failure or TransportError(f"closed by the venue: {error}") from error
            finally:
                keeper.cancel()
                writer.cancel()
                self._failure = None  # it holds what holds this connection: a cycle
                self._host.down(self.number)
                await asyncio.gather(keeper, writer, return_exceptions=True)

    async def _write(self, socket: ClientConnection, messages: Sequence[str]) -> None:
        """Send our messages as far apart as the venue asks for."""
        pause = self._feed.limits.control_interval_seconds
        try:
            for payload in messages:
                await socket.send(payload)
                await asyncio.sleep(pause)
            while True:
                await socket.send(await self._messages.get())
                await asyncio.sleep(pause)
        except ConnectionClosed:
            return  # the reader sees the same and says so

    async def _read(self, socket: ClientConnection) -> None:
        now_us, take, number = self._host.now_us, self._host.frame, self.number
        while True:
            frame = await socket.recv(decode=False)
            take(number, frame, now_us())

    async def _keep(self, socket: ClientConnection, line: Line, asked: int) -> None:
        """Ping a silent venue; close what is dead or does not deliver what was asked for."""
        loop = asyncio.get_running_loop()
        opened = pinged = heard_at = loop.time()
        heard_us = line.heard_us
        patience = ACKNOWLEDGE_SECONDS + asked * self._feed.limits.control_interval_seconds
        silence = Silence(line)
        while self._failure is None:
            await asyncio.sleep(CHECK_SECONDS)
            now = loop.time()
            if line.heard_us != heard_us:
                heard_us, heard_at = line.heard_us, now
            idle = min(now - heard_at, now - pinged) > IDLE_PING_SECONDS
            if idle or now - pinged > self._feed.ping_seconds:
                pinged = now
                await self._ping(socket)
            lifetime = self._feed.limits.lifetime_seconds
            if lifetime is not None and now - opened > lifetime:
                self.leaving.set()
            why = silence.look(now) or self._undelivered(line, now - opened > patience)
            if now - heard_at > DEAD_SECONDS:
                why = f"nothing heard for {now - heard_at:.0f} seconds"
            if why:
                self._failure = SilentError(why)
        await socket.close(code=1000)

    @staticmethod
    def _undelivered(line: Line, patience_is_over: bool) -> str:
        missing = line.unacknowledged if patience_is_over else []
        return f"{len(missing)} streams not acknowledged: {missing[0]}" if missing else ""

    async def _ping(self, socket: ClientConnection) -> None:
        try:
            if self._feed.ping is not None:
                await socket.send(self._feed.ping)
                return
            pong = await socket.ping()
        except ConnectionClosed:
            return  # the reader sees the same and says so
        asyncio.ensure_future(pong).add_done_callback(
            lambda done: (
                None if done.cancelled() or done.exception() else self._host.pong(self.number)
            )
        )


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
