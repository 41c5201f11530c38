"""A receiver on loopback that answers as it is told, and alerts to send to it."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from aiohttp import web

from runtime.bus.embedded import EmbeddedBus, EmbeddedBusSettings
from runtime.bus.protocol import Outgoing
from schemas import examples
from schemas.alerts import ALERTS_SCHEMA, Alert
from schemas.ops import DeadLetter
from schemas.topics import ALERTS, DEADLETTER
from schemas.units import US_PER_SECOND
from sinks.webhook.client import Receiver
from sinks.webhook.sink import WebhookSink

SECRET = "correct horse battery staple"  # noqa: S105  # of the test alone
TOKEN = "T0KEN-IN-THE-PATH"  # noqa: S105  # likewise
DEADLINE_SECONDS = 60.0
BUS = EmbeddedBusSettings(synchronous="NORMAL")
EXAMPLE = msgspec.convert(next(iter(examples.load(ALERTS_SCHEMA).values())), Alert)

Answer = int | tuple[int, dict[str, str]] | None
"""A status, with headers, or None for no answer at all."""


@dataclass
class Post:
    """One request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes
    at: float

    @property
    def key(self) -> str:
        return self.headers["Perptape-Key"]


@dataclass
class Loopback:
    """What a running receiver has seen; `answers` are given one after the other, then 200."""

    port: int = 0
    answers: list[Answer] = field(default_factory=list)
    posts: list[Post] = field(default_factory=list)
    over: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hooks/{TOKEN}?to=desk"

    def told(self, timeout_seconds: float = 10.0) -> Receiver:
        return Receiver(self.url, SECRET, timeout_seconds)

    @property
    def keys(self) -> list[str]:
        return [post.key for post in self.posts]

    async def handle(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.posts.append(Post(request.path_qs, dict(request.headers), body, time.monotonic()))
        answer = self.answers.pop(0) if self.answers else 200
        if answer is None:
            await self.over.wait()
            return web.Response()
        status, headers = answer if isinstance(answer, tuple) else (answer, {})
        return web.Response(status=status, headers=headers, text="x" * 100_000)


@asynccontextmanager
async def listening(*answers: Answer, port: int = 0) -> AsyncIterator[Loopback]:
    """Run a receiver meanwhile."""
    seen = Loopback(answers=list(answers))
    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", seen.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    seen.port = runner.addresses[0][1]
    try:
        yield seen
    finally:
        seen.over.set()
        await runner.cleanup()


@asynccontextmanager
async def log(folder: Path) -> AsyncIterator[EmbeddedBus]:
    async with await EmbeddedBus.open(folder / "log", settings=BUS) as bus:
        yield bus


def alert(key: str, age_seconds: float = 0.0, **changes: object) -> Alert:
    """Return an alert that is so old."""
    time_us = int((time.time() - age_seconds) * US_PER_SECOND)
    fields = {"key": key, "event_time_us": time_us, **changes}
    return msgspec.structs.replace(EXAMPLE, **fields)


async def put(bus: EmbeddedBus, *alerts: Alert | bytes) -> list[bytes]:
    """Append alerts, all of one asset; return what was written."""
    values = [one if isinstance(one, bytes) else msgspec.json.encode(one) for one in alerts]
    await bus.send([Outgoing(ALERTS.name, b"BTC", value, 1) for value in values])
    return values


async def letters(bus: EmbeddedBus) -> list[DeadLetter]:
    reader = await bus.consumer([DEADLETTER.name])
    records = await reader.poll(100, 0)
    return [msgspec.json.decode(record.value or b"", type=DeadLetter) for record in records]


@asynccontextmanager
async def running(*sinks: WebhookSink) -> AsyncIterator[None]:
    """Run sinks meanwhile; each must end by itself when told to."""
    stop = asyncio.Event()
    tasks = [asyncio.create_task(sink.run(stop)) for sink in sinks]
    try:
        yield
    finally:
        stop.set()
        async with asyncio.timeout(DEADLINE_SECONDS):
            await asyncio.gather(*tasks)


async def until(condition: Callable[[], bool | Awaitable[bool]]) -> None:
    """Wait for something to become true."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while True:
            found = condition()
            if found if isinstance(found, bool) else await found:
                return
            await asyncio.sleep(0.005)


async def committed(bus: EmbeddedBus, wanted: Sequence[int]) -> None:
    """Wait until the group has committed so many records in all."""

    async def reached() -> bool:
        reader = await bus.consumer([ALERTS.name], group="sink.webhook")
        try:
            found = [await reader.committed(ALERTS.name, n) for n in range(ALERTS.partitions)]
        finally:
            await reader.close()
        return [one for one in found if one is not None] == list(wanted)

    await until(reached)
