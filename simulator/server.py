"""The venues' servers on loopback: one port, one prefix a feed, REST and web sockets, faults."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Self

from aiohttp import WSMsgType, web

from runtime.clock import Clock
from runtime.errors import ConfigurationError, TransportError
from schemas.units import US_PER_SECOND
from simulator.catalogue import SAME_SURFACE
from simulator.client import Client, Pong
from simulator.dialects.base import Reply, RestRequest, Session
from simulator.fault_log import Applied
from simulator.fault_player import FaultPlayer
from simulator.faults import Fault, FaultScript, Refuse
from simulator.sources import Source
from simulator.surface import Surface
from simulator.timeline import Timeline

MAX_MESSAGE_BYTES = 2**20
_CLOSE_SECONDS = 1.0


class Simulator:
    """Serves every feed of its sources; an async context manager.

    After the start, `addresses` maps a feed to its REST and web-socket base addresses, to which
    the paths of the real venue are appended. `binance.usdm-fills` shares those of `binance.usdm`.

    Args:
        sources: what is served; no feed may come from two of them.
        clock: the time of the market.
        host: where to listen.
        port: where to listen, 0 for any free port.
        session_clock: the time of pings, idle rules and message limits; by default the market's.
            Real time is right for it where the market's runs faster.
        faults: what goes wrong, and when; `apply` adds to it.

    Raises:
        ConfigurationError: a feed comes from two sources, or a fault's from none.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        clock: Clock,
        session_clock: Clock | None = None,
        faults: FaultScript | None = None,
    ) -> None:
        self.addresses: dict[str, tuple[str, str]] = {}
        self._sources = sources
        self._host = host
        self._port = port
        self._clock = clock
        self._session_clock = session_clock or clock
        self._market = Timeline(clock)
        self._session = Timeline(self._session_clock)
        self._surfaces: dict[str, Surface] = {}
        for source in sources:
            for feed, dialect in source.dialects().items():
                if feed in self._surfaces:
                    raise ConfigurationError(f"{feed} comes from two sources")
                self._surfaces[feed] = Surface(dialect, self._market, self._session)
        self._player = FaultPlayer(self._surface, self._market, faults)
        self._tasks: list[asyncio.Task[None]] = []
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        """Listen and start the sources.

        Raises:
            TransportError: the port cannot be had.
        """
        app = web.Application(client_max_size=MAX_MESSAGE_BYTES)
        for feed, surface in self._surfaces.items():
            prefix = feed.replace(".", "-")
            app.router.add_route("*", f"/{prefix}/{{path:.*}}", _handler(self, surface))
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=_CLOSE_SECONDS)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self._port)
        try:
            await site.start()
        except OSError as error:
            await self._runner.cleanup()
            raise TransportError(f"cannot listen on {self._host}:{self._port}: {error}") from error
        self._set_addresses(self._runner.addresses[0][1])
        self._player.start()
        runs = [source.run(self._surfaces, self._clock) for source in self._sources]
        runs += [self._keep(), self._market.run(), self._session.run()]
        self._tasks = [asyncio.create_task(run) for run in runs]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop the sources, cut all connections and close the port.

        Raises:
            PayloadError: a recording broke off (unless another error is on its way).
        """
        for task in self._tasks:
            task.cancel()
        results = await asyncio.gather(*self._tasks, return_exceptions=True)
        self._player.stop()
        for surface in self._surfaces.values():
            surface.drop()
        if self._runner is not None:
            await self._runner.cleanup()
        for result in results:
            if error is None and isinstance(result, Exception):
                raise result

    async def played(self) -> None:
        """Wait until all recordings are played; returns only on an error with a scripted market.

        Raises:
            PayloadError: a recording broke off.
        """
        sources = self._tasks[: len(self._sources)]
        if sources:
            done, _ = await asyncio.wait(sources, return_when=asyncio.FIRST_EXCEPTION)
            for task in done:
                task.result()

    @property
    def applied(self) -> Sequence[Applied]:
        """The faults that have begun so far, in that order."""
        return self._player.applied

    def apply(self, fault: Fault) -> Applied:
        """Let one more fault happen, its times counted from now; return the record of it.

        Raises:
            ConfigurationError: its feed is not served, or there were 10,000 faults before.
        """
        return self._player.apply(fault)

    def lift(self, applied: Applied) -> None:
        """End a fault before its time; what it holds back goes on."""
        self._player.lift(applied)

    def drop_connections(self, feed: str) -> int:
        """Cut all connections of a feed and return how many there were."""
        return self._surface(feed).drop()

    def silence(self, feed: str, stream: str = "*", silent: bool = True) -> None:
        """Stop (or resume) sending a stream, `*` being all; pings and replies go on.

        `stream` is the venue's name of it: `btcusdt@aggTrade`, `publicTrade.BTCUSDT`,
        `trades:BTC-USDT-SWAP`, `trades:BTC`.
        """
        self._surface(feed).silence(stream, silent)

    def refuse(self, feed: str, refusing: bool = True) -> None:
        """Answer (or stop answering) handshakes and REST calls of a feed with 503."""
        self._surface(feed).refusing = refusing

    def inject(self, feed: str, data: bytes) -> None:
        """Send bytes, valid or not, as a text frame to all clients of a feed."""
        self._surface(feed).inject(data)

    async def subscribed(self, feed: str, streams: Sequence[str] = ()) -> None:
        """Wait until each of these streams has a client, or any stream where none is named."""
        await self._surface(feed).subscribed(streams)

    async def handle(self, surface: Surface, request: web.Request) -> web.StreamResponse:
        """Serve one REST call or one web-socket connection."""
        self._market.advance()
        if surface.refusing or surface.full:
            raise web.HTTPServiceUnavailable
        path = "/" + request.match_info["path"]
        handshake = request.headers.get("Upgrade", "").lower() == "websocket"
        refuse = surface.requests.refusal(path, handshake=handshake)
        if refuse is not None:
            return _refusal(refuse)
        if not handshake:
            return await self._answer(surface, request, path)
        opened = surface.dialect.open(path, request.query_string)
        if opened is None:
            raise web.HTTPNotFound
        return await self._converse(surface, request, *opened)

    async def _answer(self, surface: Surface, request: web.Request, path: str) -> web.Response:
        body = await request.read()
        right = surface.dialect.rest(RestRequest(request.method, path, request.query_string, body))
        reply = await surface.requests.disturb(path, right)
        if reply is None:
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=504)  # reaches nobody
        return web.Response(
            body=reply.body,
            status=reply.status,
            headers=reply.headers,
            content_type="application/json",
            charset="utf-8",
        )

    async def _converse(
        self, surface: Surface, request: web.Request, session: Session, reply: Reply
    ) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(
            # A half-open connection does not answer a close frame.
            autoclose=False,
            autoping=False,
            compress=False,
            max_msg_size=MAX_MESSAGE_BYTES,
            timeout=_CLOSE_SECONDS,
        )
        await socket.prepare(request)
        client = Client(socket, request.transport, session, surface.clock)
        surface.add(client)
        writer = asyncio.create_task(client.write())
        try:
            await surface.apply(client, reply)
            # The peer may go away in the middle of a send: that is how connections end.
            with suppress(ConnectionError):
                await self._listen(surface, client, socket)
            await client.finish()
        finally:
            surface.remove(client)
            writer.cancel()
            with suppress(asyncio.CancelledError, ConnectionError):
                await writer
        return socket

    async def _listen(
        self, surface: Surface, client: Client, socket: web.WebSocketResponse
    ) -> None:
        async for message in socket:
            if not surface.hear(client):
                continue
            now_us = surface.clock.now_us()
            if message.type is WSMsgType.TEXT:
                await surface.answer(client, message.data, now_us)
            elif message.type is WSMsgType.PING:
                surface.pong(client, Pong(message.data))
            elif message.type is WSMsgType.PONG:
                client.ponged_us = now_us

    async def _keep(self) -> None:
        while True:
            await self._session_clock.sleep_until_us(self._session_clock.now_us() + US_PER_SECOND)
            for surface in self._surfaces.values():
                surface.keep()

    def _surface(self, feed: str) -> Surface:
        name = SAME_SURFACE.get(feed, feed)
        if name not in self._surfaces:
            raise ConfigurationError(f"the simulator does not serve {feed}")
        return self._surfaces[name]

    def _set_addresses(self, port: int) -> None:
        for feed in self._surfaces:
            place = f"{self._host}:{port}/{feed.replace('.', '-')}"
            self.addresses[feed] = (f"http://{place}", f"ws://{place}")
        for feed, shared in SAME_SURFACE.items():
            if shared in self.addresses:
                self.addresses[feed] = self.addresses[shared]


def _refusal(refuse: Refuse) -> web.Response:
    headers = {}
    if refuse.retry_after_seconds is not None:
        headers["Retry-After"] = str(refuse.retry_after_seconds)
    return web.Response(
        body=refuse.body, status=refuse.status, headers=headers, content_type="application/json"
    )


def _handler(
    simulator: Simulator, surface: Surface
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def handle(request: web.Request) -> web.StreamResponse:
        return await simulator.handle(surface, request)

    return handle
