"""One web-socket connection as the simulator sees it: its queue, its times and its end."""

import asyncio
from collections import deque
from dataclasses import dataclass

from aiohttp import WSMsgType, web

from runtime.clock import Clock
from schemas.units import US_PER_SECOND
from simulator.dialects.base import ABORT, Idle, Pings, Session
from simulator.faults import MAX_THROTTLE_MESSAGES

QUEUE_FRAMES = 4096


@dataclass(frozen=True, slots=True)
class _Close:
    code: int


@dataclass(frozen=True, slots=True)
class _Ping:
    """A protocol ping that waits its turn."""


@dataclass(frozen=True, slots=True)
class Pong:
    """The answer to a protocol ping."""

    data: bytes


_Item = bytes | _Close | _Ping | Pong


class Client:
    """One web-socket connection with its bounded queue.

    Where the queue overflows the connection is cut, like a venue does with a slow reader.
    `half_open` says that nothing is sent any more and nothing is heard; `gone` is set once such
    a connection has ended.
    """

    def __init__(
        self,
        socket: web.WebSocketResponse,
        transport: asyncio.Transport | None,
        session: Session,
        clock: Clock,
    ) -> None:
        now_us = clock.now_us()
        self.session = session
        self.keys: set[str] = set()
        self.opened_us = now_us
        self.sent_us = self.received_us = self.ponged_us = self.pinged_us = now_us
        self.half_open = False
        self.gone = asyncio.Event()
        self._clock = clock
        self._socket = socket
        self._transport = transport
        self._queue: asyncio.Queue[_Item] = asyncio.Queue(QUEUE_FRAMES)
        self._closing = False
        self._roomy = asyncio.Event()
        self._roomy.set()
        self._heard_us: deque[int] = deque(maxlen=MAX_THROTTLE_MESSAGES + 1)

    @property
    def open(self) -> bool:
        """Whether the connection is neither closing nor half-open."""
        return not self._closing and not self.half_open

    def offer(self, item: _Item) -> None:
        """Queue something to be sent; nothing more once the connection is being closed."""
        if not self.open:
            return
        try:
            self._queue.put_nowait(item)
        except asyncio.QueueFull:
            self.abort()
            return
        if isinstance(item, bytes):
            self.sent_us = self._clock.now_us()
        if self._queue.qsize() > QUEUE_FRAMES // 2:
            self._roomy.clear()

    async def write(self) -> None:
        """Send what is queued until the connection ends."""
        while True:
            item = await self._queue.get()
            if self._queue.qsize() <= QUEUE_FRAMES // 2:
                self._roomy.set()
            if self.half_open:
                continue
            if isinstance(item, bytes):
                await self._socket.send_frame(item, WSMsgType.TEXT)
            elif isinstance(item, _Close):
                await self._socket.close(code=item.code)
                return
            elif isinstance(item, Pong):
                await self._socket.pong(item.data)
            else:
                await self._socket.ping()

    async def room(self) -> None:
        """Wait until at most half the queue is taken."""
        await self._roomy.wait()

    def close(self, code: int) -> None:
        """End the connection after what is queued, or at once for code 1006."""
        if code == ABORT:
            self.abort()
        else:
            self.offer(_Close(code))
            self._closing = True

    def hear(self, now_us: int) -> None:
        """Note that the client sent something."""
        self._heard_us.append(now_us)

    def heard_within(self, messages: int, seconds: float, now_us: int) -> bool:
        """Say whether the client sent more than so many messages within the last seconds."""
        if len(self._heard_us) <= messages:
            return False
        return now_us - self._heard_us[-messages - 1] < seconds * US_PER_SECOND

    def idle_us(self, idle: Idle, now_us: int) -> int:
        """Return for how long nothing that counts has passed."""
        if idle.counts_received:
            return now_us - max(self.sent_us, self.received_us)
        return now_us - self.sent_us

    def keep_pinging(self, pings: Pings, now_us: int) -> None:
        """Send a protocol ping where one is due; cut a connection that answers none."""
        patience_seconds = pings.every_seconds + pings.patience_seconds
        if now_us - self.ponged_us > patience_seconds * US_PER_SECOND:
            self.abort()
        elif now_us - self.pinged_us >= pings.every_seconds * US_PER_SECOND:
            self.pinged_us = now_us
            self.offer(_Ping())

    def abort(self) -> None:
        """Cut the connection."""
        self._closing = True
        self._roomy.set()
        self.gone.set()
        if self._transport is not None:
            self._transport.abort()

    def fall_silent(self) -> None:
        """Become half-open: what is queued is not sent either."""
        self.half_open = True
        self._roomy.set()

    def look(self) -> None:
        """Note where the other side has hung up on a half-open connection."""
        if self._transport is None or self._transport.is_closing():
            self.gone.set()

    async def finish(self) -> None:
        """Answer the client's close frame; a half-open one waits until the client hangs up."""
        if self.half_open:
            self.look()
            await self.gone.wait()
        else:
            await self._socket.close(drain=False)
