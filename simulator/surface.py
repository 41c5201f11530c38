"""One feed's clients: what each is subscribed to, what waits for it, and when it must go."""

import asyncio
from collections.abc import Container, Iterable
from dataclasses import dataclass

from aiohttp import WSMsgType, web

from runtime.clock import Clock
from schemas.units import US_PER_SECOND
from simulator.dialects.base import ABORT, Dialect, Frame, Idle, Pings, Reply, Session
from simulator.dialects.binance import MICROSECOND

QUEUE_FRAMES = 4096
MAX_CLIENTS = 1024
EVERY_STREAM = "*"


@dataclass(frozen=True, slots=True)
class _Close:
    code: int


@dataclass(frozen=True, slots=True)
class _Ping:
    """A protocol ping that waits its turn."""


@dataclass(frozen=True, slots=True)
class _Pong:
    data: bytes


_Item = bytes | _Close | _Ping | _Pong


class Client:
    """One web-socket connection with its bounded queue.

    Where the queue overflows the connection is cut, like a venue does with a slow reader.
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
        self.sent_us = self.received_us = self.ponged_us = self.pinged_us = now_us
        self._clock = clock
        self._socket = socket
        self._transport = transport
        self._queue: asyncio.Queue[_Item] = asyncio.Queue(QUEUE_FRAMES)
        self._closing = False
        self._roomy = asyncio.Event()
        self._roomy.set()

    def offer(self, item: _Item) -> None:
        """Queue something to be sent; nothing more once the connection is being closed."""
        if self._closing:
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
            if isinstance(item, bytes):
                await self._socket.send_frame(item, WSMsgType.TEXT)
            elif isinstance(item, _Close):
                await self._socket.close(code=item.code)
                return
            elif isinstance(item, _Pong):
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

    def pong(self, data: bytes) -> None:
        """Answer a protocol ping after what is queued."""
        self.offer(_Pong(data))

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
        if self._transport is not None:
            self._transport.abort()


class Surface:
    """All clients of one feed, indexed by stream.

    `refusing` answers every handshake and REST call with 503. `clock` is the time of the
    connections (pings, idle rules), which need not be the market's.
    """

    def __init__(self, dialect: Dialect, clock: Clock) -> None:
        self.dialect = dialect
        self.clock = clock
        self.refusing = False
        self._clients: set[Client] = set()
        self._by_key: dict[str, set[Client]] = {}
        self._silenced: set[str] = set()
        self._subscribed = asyncio.Condition()

    @property
    def wanted(self) -> Container[str]:
        """The streams that some client is subscribed to."""
        return self._by_key.keys()

    @property
    def full(self) -> bool:
        """Whether no further client is taken."""
        return len(self._clients) >= MAX_CLIENTS

    def add(self, client: Client) -> None:
        """Take in a client."""
        self._clients.add(client)

    def remove(self, client: Client) -> None:
        """Forget a client."""
        self._clients.discard(client)
        self._index(client, set())

    async def apply(self, client: Client, reply: Reply) -> None:
        """Do what a reply says: messages, first frames, the end."""
        for message in reply.messages:
            client.offer(message)
        self._index(client, set(client.session.keys))
        for key in reply.subscribed:
            data = self.dialect.first_frame(key)
            if data is not None and not self._is_silent(key):
                client.offer(client.session.render(Frame(key, data)))
        if reply.close is not None:
            client.close(reply.close)
        if reply.subscribed:
            async with self._subscribed:
                self._subscribed.notify_all()

    def publish(self, frame: Frame) -> None:
        """Send a frame to the clients of its stream."""
        if not self._is_silent(frame.key):
            for client in tuple(self._by_key.get(frame.key, ())):
                client.offer(client.session.render(frame))

    def inject(self, data: bytes) -> None:
        """Send bytes to every client, whatever it subscribed to."""
        for client in tuple(self._clients):
            client.offer(data)

    def silence(self, stream: str, silent: bool) -> None:
        """Stop or resume a stream, `*` being all, while everything else goes on."""
        if silent:
            self._silenced.add(stream)
        else:
            self._silenced.discard(stream)

    def drop(self) -> int:
        """Cut all connections and return how many there were."""
        clients = tuple(self._clients)
        for client in clients:
            client.abort()
        return len(clients)

    def keep(self) -> None:
        """Ping where the venue pings, and end connections that have been silent too long."""
        now_us = self.clock.now_us()
        for client in tuple(self._clients):
            idle, pings = self.dialect.idle, self.dialect.pings
            if idle is not None and client.idle_us(idle, now_us) >= idle.seconds * US_PER_SECOND:
                client.close(idle.code)
            if pings is not None:
                client.keep_pinging(pings, now_us)

    async def subscribed(self, keys: Iterable[str]) -> None:
        """Wait until each of these streams has a client, or any stream where none is named."""
        needed = set(keys)
        async with self._subscribed:
            await self._subscribed.wait_for(
                lambda: needed <= self._by_key.keys() and bool(self._by_key)
            )

    async def room(self) -> None:
        """Wait until every client's queue has room."""
        for client in tuple(self._clients):
            await client.room()

    def _is_silent(self, key: str) -> bool:
        if not self._silenced:
            return False
        return EVERY_STREAM in self._silenced or key.removesuffix(MICROSECOND) in self._silenced

    def _index(self, client: Client, keys: set[str]) -> None:
        for key in keys - client.keys:
            self._by_key.setdefault(key, set()).add(client)
        for key in client.keys - keys:
            clients = self._by_key[key]
            clients.discard(client)
            if not clients:
                del self._by_key[key]
        client.keys = keys
