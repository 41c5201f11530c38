"""A venue with the plainest conversation there can be, whose frames a test sends one by one.

Clients say `subscribe <stream>` and `ping`; frames are `{"stream":..., "n":...}`.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Container, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from websockets.asyncio.client import ClientConnection, connect

from runtime.clock import Clock
from simulator import Simulator
from simulator.dialects.base import Frame, Idle, Pings, Reply, RestReply, RestRequest, Session
from simulator.faults import FaultScript
from simulator.model import SimEvent
from simulator.surface import Surface
from tests.simulator.support import DEADLINE_SECONDS, ManualClock, Peer

FEED = "plain.feed"
NOTICE = b'{"event":"notice"}'


class PlainSession:
    def __init__(self) -> None:
        self.keys: set[str] = set()

    def on_client_message(self, text: str, now_us: int) -> Reply:
        verb, _, stream = text.partition(" ")
        if verb == "ping":
            return Reply((b'"pong"',))
        self.keys.add(stream)
        return Reply((b'{"subscribed":"%s"}' % stream.encode(),), (stream,))

    def render(self, frame: Frame) -> bytes:
        return frame.data


class PlainDialect:
    feed = FEED
    idle: Idle | None = None
    pings: Pings | None = None

    def __init__(self) -> None:
        self.clock_offset_us = 0
        self.snapshots = False

    def open(self, path: str, query: str) -> tuple[Session, Reply] | None:
        return (PlainSession(), Reply()) if path == "/ws" else None

    def encode(self, events: Sequence[SimEvent], wanted: Container[str]) -> list[Frame]:
        return []

    def first_frame(self, key: str) -> bytes | None:
        return b'{"stream":"%s","n":0}' % key.encode() if self.snapshots else None

    def restart_books(self) -> list[Frame]:
        return [Frame("a", b'{"stream":"a","n":1}'), Frame("b", b'{"stream":"b","n":1}')]

    def maintenance_notice(self) -> bytes | None:
        return NOTICE

    def keys_of(self, frame: bytes) -> tuple[str, ...]:
        return ()

    def rest(self, request: RestRequest) -> RestReply:
        return RestReply(b'{"offset":%d}' % self.clock_offset_us)

    def metadata_name(self, request: RestRequest) -> str | None:
        return None

    def owns(self, url: str) -> bool:
        return False


class PlainSource:
    """Publishes what it is told to, and asks every 10 ms what is wanted, unless it is quiet."""

    def __init__(self, *, quiet: bool = False) -> None:
        self.dialect = PlainDialect()
        self.quiet = quiet
        self.surface: Surface | None = None

    def dialects(self) -> Mapping[str, PlainDialect]:
        return {FEED: self.dialect}

    async def run(self, surfaces: Mapping[str, Surface], clock: Clock) -> None:
        self.surface = surfaces[FEED]
        while True:
            if self.quiet:
                await asyncio.Event().wait()
            await clock.sleep_until_us(clock.now_us() + 10_000)
            for frame in self.dialect.encode((), self.surface.wanted):
                self.surface.publish(frame)

    def send(self, numbers: Sequence[int], stream: str = "a") -> None:
        assert self.surface is not None
        for number in numbers:
            if stream in self.surface.wanted:
                data = b'{"stream":"%s","n":%d}' % (stream.encode(), number)
                self.surface.publish(Frame(stream, data))


class PlainPeer(Peer):
    """A client that has subscribed; at the end it hangs up without a word."""

    async def subscribe(self, *streams: str) -> None:
        for stream in streams:
            await self.send(f"subscribe {stream}")
            assert await self.json() == {"subscribed": stream}

    async def texts(self) -> list[str]:
        """Return what has been sent so far, valid or not."""
        await asyncio.wait_for(await self.socket.ping(), DEADLINE_SECONDS)
        return [await self.text() for _ in range(len(self.socket.recv_messages.frames))]

    async def numbers(self) -> list[int]:
        return [message["n"] for message in await self.pending()]


@dataclass
class Plain:
    """A running simulator of the plain venue; the session's clock is not the market's."""

    simulator: Simulator
    source: PlainSource
    market: ManualClock
    session: ManualClock
    sockets: list[ClientConnection] = field(default_factory=list)

    @property
    def rest(self) -> str:
        return self.simulator.addresses[FEED][0]

    async def peer(self, *streams: str) -> PlainPeer:
        address = self.simulator.addresses[FEED][1] + "/ws"
        socket = await connect(
            address,
            compression=None,
            proxy=None,
            ping_interval=None,
            max_queue=None,
            close_timeout=0.2,
        )
        self.sockets.append(socket)
        peer = PlainPeer(socket)
        await peer.subscribe(*streams)
        return peer


@asynccontextmanager
async def plain_simulator(
    script: FaultScript | None = None, *, quiet: bool = False
) -> AsyncIterator[Plain]:
    """Serve the plain venue; what peers are left at the end hang up without a word."""
    source, market, session = PlainSource(quiet=quiet), ManualClock(), ManualClock(1_000_000_000)
    async with Simulator([source], clock=market, session_clock=session, faults=script) as simulator:
        plain = Plain(simulator, source, market, session)
        await until(lambda: source.surface is not None)
        try:
            yield plain
        finally:
            for socket in plain.sockets:
                socket.transport.abort()


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop turn until something is so, with a deadline."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not condition():
            await asyncio.sleep(0)


def numbers_of(dropped: Sequence[tuple[str, bytes]]) -> list[int]:
    return [json.loads(data)["n"] for _, data in dropped]
