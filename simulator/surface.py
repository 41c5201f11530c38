"""One feed's clients: what each is subscribed to, what waits for it, and when it must go."""

import asyncio
from collections.abc import Container, Iterable
from functools import partial

from schemas.units import US_PER_SECOND
from simulator.client import Client, Pong
from simulator.dialects.base import Dialect, Frame, Reply
from simulator.fault_connections import ConnectionFaults
from simulator.fault_frames import Chain, Flight
from simulator.fault_log import Applied
from simulator.fault_requests import RequestFaults
from simulator.faults import EVERY_STREAM, Maintenance, stream_of
from simulator.timeline import Timeline

MAX_CLIENTS = 1024
MAX_LATE_PONGS = 4096


class Surface:
    """All clients of one feed, indexed by stream.

    Frames pass the `chain` of faults on their way to the clients, `requests` are the faults of
    handshakes and REST calls. `refusing` answers all of these with 503.

    Args:
        dialect: what the venue says.
        market: the time in which frames are published.
        session: the time of the connections (pings, idle rules), which need not be the market's.
    """

    def __init__(self, dialect: Dialect, market: Timeline, session: Timeline) -> None:
        self.dialect = dialect
        self.clock = session.clock
        self.refusing = False
        self.chain = Chain(market, _deliver)
        self.requests = RequestFaults(session.clock)
        self._market = market
        self._session = session
        self._connections = ConnectionFaults(session)
        # In the order in which they connected.
        self._clients: dict[Client, None] = {}
        self._by_key: dict[str, set[Client]] = {}
        self._silenced: set[str] = set()
        self._late_pongs = 0
        self._subscribed = asyncio.Condition()

    @property
    def wanted(self) -> Container[str]:
        """The streams that some client is subscribed to.

        What is due in the market's time happens first: a source asks before it makes frames, and
        a restart of the books between making and publishing them would undo their order.
        """
        self._market.advance()
        return self._by_key.keys()

    @property
    def full(self) -> bool:
        """Whether no further client is taken."""
        return len(self._clients) >= MAX_CLIENTS

    def add(self, client: Client) -> None:
        """Take in a client."""
        self._clients[client] = None

    def remove(self, client: Client) -> None:
        """Forget a client."""
        self._clients.pop(client, None)
        self._index(client, set())

    async def answer(self, client: Client, text: str, now_us: int) -> None:
        """Do what a client's message leads to."""
        client.received_us = now_us
        await self.apply(client, client.session.on_client_message(text, now_us))

    async def apply(self, client: Client, reply: Reply) -> None:
        """Do what a reply says: messages, first frames, the end."""
        self._market.advance()
        for message in reply.messages:
            if b"pong" in message:
                self.pong(client, message)
            else:
                client.offer(message)
        self._index(client, set(client.session.keys))
        self._connections.meet(client)
        for key in reply.subscribed:
            data = self.dialect.first_frame(key)
            if data is not None and not self._is_silent(key):
                self.chain.push(Flight(Frame(key, data), (client,)))
        if reply.close is not None:
            client.close(reply.close)
        if reply.subscribed:
            async with self._subscribed:
                self._subscribed.notify_all()

    def publish(self, frame: Frame) -> None:
        """Send a frame to the clients of its stream."""
        clients = self._by_key.get(frame.key)
        if clients and not self._is_silent(frame.key):
            self.chain.push(Flight(frame, tuple(clients)))

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

    def strike(self, applied: Applied) -> None:
        """Begin a fault of connections."""
        planned = isinstance(applied.fault, Maintenance)
        self._connections.begin(applied, tuple(self._clients), self._notice() if planned else None)

    def hear(self, client: Client) -> bool:
        """Note a message or ping of a client and say whether it is to be answered."""
        self._connections.hear(client, self.clock.now_us())
        return client.open

    def pong(self, client: Client, answer: bytes | Pong) -> None:
        """Answer a ping after what is queued; late where a fault says so.

        Where too many answers wait it is lost.
        """
        delay_us = self._connections.pong_delay_us(client)
        if delay_us == 0:
            client.offer(answer)
        elif self._late_pongs < MAX_LATE_PONGS:
            self._late_pongs += 1
            due_us = self.clock.now_us() + delay_us
            self._session.at(due_us, partial(self._pong_late, client, answer))

    def drop(self) -> int:
        """Cut all connections and return how many there were."""
        clients = tuple(self._clients)
        for client in clients:
            client.abort()
        return len(clients)

    def keep(self) -> None:
        """Ping where the venue pings, and end connections that have been silent too long."""
        now_us = self.clock.now_us()
        clients = tuple(self._clients)
        self._connections.keep(clients, now_us)
        idle, pings = self.dialect.idle, self.dialect.pings
        for client in clients:
            if client.half_open:
                client.look()
                continue
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

    def _pong_late(self, client: Client, answer: bytes | Pong) -> None:
        self._late_pongs -= 1
        client.offer(answer)

    def _notice(self) -> Frame | None:
        data = self.dialect.maintenance_notice()
        if data is None:
            return None
        # Where it comes as a stream of its own, each connection receives it in its framing.
        keys = self.dialect.keys_of(data)
        return Frame(keys[0] if keys else "", data)

    def _is_silent(self, key: str) -> bool:
        if not self._silenced:
            return False
        return EVERY_STREAM in self._silenced or stream_of(key) in self._silenced

    def _index(self, client: Client, keys: set[str]) -> None:
        for key in keys - client.keys:
            self._by_key.setdefault(key, set()).add(client)
        for key in client.keys - keys:
            clients = self._by_key[key]
            clients.discard(client)
            if not clients:
                del self._by_key[key]
        client.keys = keys


def _deliver(flight: Flight) -> None:
    for client in flight.clients:
        client.offer(client.session.render(flight.frame))
