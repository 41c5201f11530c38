"""Collect from several feeds at once into one log."""

import asyncio
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import aiohttp
import structlog

from collectors.catalogue import choose_instruments, fetch_instruments
from collectors.connection import ConnectGate, Connection, ConnectionStats, OnFrame
from collectors.meter import FeedMeter
from collectors.outbox import Outbox
from collectors.venue import Feed, Plan
from runtime.backoff import Backoff
from runtime.bus.protocol import Sender
from runtime.clock import Clock
from runtime.errors import PayloadError, RateLimited, RefusedError, TransportError
from runtime.metrics import CollectorMetrics, Metrics
from runtime.recordings import RecordedFrame
from schemas.instruments import Instrument

FIRST_RETRY_SECONDS = 0.5
LONGEST_RETRY_SECONDS = 30.0
REFUSED_RETRY_SECONDS = 300.0

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class CollectorSettings:
    """What to collect, from where.

    `addresses` maps a feed to `(rest_url, ws_url)` instead of its own; `on_frame` sees every frame.
    """

    assets: Sequence[str]
    quotes: Sequence[str]
    addresses: Mapping[str, tuple[str, str]]
    linger_us: int = 20_000
    on_frame: OnFrame | None = None


class Collector:
    """Runs every connection of the given feeds.

    A feed whose instruments cannot be had is asked again until they can; the others run meanwhile.
    """

    def __init__(
        self,
        feeds: Sequence[Feed],
        settings: CollectorSettings,
        bus: Sender,
        clock: Clock,
        metrics: CollectorMetrics | None = None,
    ) -> None:
        self._feeds = feeds
        self._settings = settings
        self._clock = clock
        self._metrics = metrics or Metrics().collector
        self._random = random.Random()  # noqa: S311  # jitter, not secrets
        self.outbox = Outbox(bus, self._backoff())
        self.connections: dict[str, ConnectionStats] = {}
        self.problems: dict[str, str] = {}

    def _backoff(self) -> Backoff:
        return Backoff(FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS, self._random.random)

    async def run(self, stop: asyncio.Event) -> None:
        """Collect until told to stop, then send what is left."""
        async with aiohttp.ClientSession(headers={"User-Agent": "perptape"}) as http:
            sender = asyncio.create_task(self.outbox.run())
            feeds = [asyncio.create_task(self._run_feed(feed, http)) for feed in self._feeds]
            stopped = asyncio.create_task(stop.wait())
            done, _ = await asyncio.wait(
                [sender, stopped, *feeds], return_when=asyncio.FIRST_COMPLETED
            )
            for task in (stopped, *feeds):
                task.cancel()
            await asyncio.gather(stopped, *feeds, return_exceptions=True)
            sender.cancel()
            await asyncio.gather(sender, return_exceptions=True)
        for task in done - {stopped}:
            task.result()
        await self.outbox.flush()

    def _recorded(self, url: str, body: bytes) -> None:
        if self._settings.on_frame is not None:
            now_us = self._clock.now_us()
            self._settings.on_frame(RecordedFrame(now_us, "rest", "http", url, body))

    async def _run_feed(self, feed: Feed, http: aiohttp.ClientSession) -> None:
        rest_url, ws_url = self._settings.addresses.get(feed.name, (feed.rest_url, feed.ws_url))
        instruments = await self._instruments(feed, rest_url, http)
        self.outbox.put_instruments(instruments, self._clock.now_us())
        streams = [stream for instrument in instruments for stream in feed.streams(instrument)]
        gate = ConnectGate(feed.limits.connect_interval_seconds)
        meter = FeedMeter(self._metrics, feed)
        async with asyncio.TaskGroup() as group:
            for number, plan in enumerate(feed.plan(streams)):
                connection = self._connection(feed, plan, (number, ws_url), (gate, meter))
                group.create_task(connection.run())

    def _connection(
        self,
        feed: Feed,
        plan: Plan,
        place: tuple[int, str],
        shared: tuple[ConnectGate, FeedMeter],
    ) -> Connection:
        number, ws_url = place
        gate, meter = shared
        connection = Connection(
            feed,
            plan,
            number=number,
            ws_url=ws_url,
            outbox=self.outbox,
            clock=self._clock,
            backoff=self._backoff(),
            gate=gate,
            meter=meter,
            linger_us=self._settings.linger_us,
            on_frame=self._settings.on_frame,
        )
        self.connections[f"{feed.name}/{number}"] = connection.stats
        return connection

    async def _instruments(
        self, feed: Feed, rest_url: str, http: aiohttp.ClientSession
    ) -> list[Instrument]:
        """Ask until the feed lists something that is wanted."""
        backoff = self._backoff()
        while True:
            try:
                listed = await fetch_instruments(feed, rest_url, http, self._recorded)
                chosen = choose_instruments(listed, self._settings.assets, self._settings.quotes)
                if chosen:
                    self.problems.pop(feed.name, None)
                    return chosen
                problem = f"none of {', '.join(self._settings.assets)} is listed"
                delay = REFUSED_RETRY_SECONDS
            except RateLimited as error:
                problem, delay = str(error), error.retry_after_seconds or backoff.next_seconds()
            except (TransportError, PayloadError) as error:
                problem, delay = str(error), backoff.next_seconds()
            except RefusedError as error:
                problem, delay = str(error), REFUSED_RETRY_SECONDS
            self.problems[feed.name] = problem
            _log.warning("no_instruments", feed=feed.name, problem=problem, retry_in_seconds=delay)
            await asyncio.sleep(delay)
