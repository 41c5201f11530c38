"""Collect from several feeds at once into one log."""

import asyncio
import random
import time
from collections.abc import Mapping, Sequence

import aiohttp

from collectors.connection import ConnectionStats
from collectors.feed_runner import CollectorSettings, FeedRunner
from collectors.outbox.outbox import Outbox
from collectors.outbox.spool import Spool
from collectors.venue import Feed
from runtime.backoff import Backoff
from runtime.bus.protocol import Sender
from runtime.clock import Clock
from runtime.memory import collect_cycles
from runtime.metrics import CollectorMetrics, Metrics
from schemas.units import US_PER_SECOND

FIRST_RETRY_SECONDS = 0.5
LONGEST_RETRY_SECONDS = 30.0
TICK_SECONDS = 0.01
SET_BACK_US = US_PER_SECOND
COLLECT_SECONDS = 60.0
"""How often to look for cycles after connections have ended: the web-socket library leaves some of
each, and the cycle collector by itself comes by once in hours."""

FLUSH_SECONDS = 10.0
"""How long to try, at the end, to send what is left; the rest stays in the spool."""

__all__ = ["Collector", "CollectorSettings"]


class Collector:
    """Runs every connection of the given feeds.

    Args:
        feeds: what to collect from.
        settings: what to collect.
        bus: the log.
        clock: where receive times come from.
        metrics: what is counted.
        spool: where records go while the log is away.
    """

    def __init__(
        self,
        feeds: Sequence[Feed],
        settings: CollectorSettings,
        bus: Sender,
        clock: Clock,
        metrics: CollectorMetrics | None = None,
        spool: Spool | None = None,
    ) -> None:
        self._clock = clock
        self._random = random.Random()  # noqa: S311  # jitter, not secrets
        self.outbox = Outbox(bus, self._backoff(), spool)
        self._metrics = counts = metrics or Metrics().collector
        self.runners = [
            FeedRunner(feed, settings, self.outbox, clock, counts, self._backoff) for feed in feeds
        ]

    def _backoff(self) -> Backoff:
        return Backoff(FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS, self._random.random)

    @property
    def connections(self) -> Mapping[str, ConnectionStats]:
        """What the connections of each group have done, by `feed/number`."""
        return {name: one.stats for runner in self.runners for name, one in runner.groups.items()}

    @property
    def problems(self) -> Mapping[str, str]:
        """Why feeds have no instruments, by feed."""
        return {runner.feed.name: runner.problem for runner in self.runners if runner.problem}

    async def run(self, stop: asyncio.Event) -> None:
        """Collect until told to stop, then send what is left."""
        try:
            await self._collect(stop)
        finally:
            try:
                await self.outbox.flush(FLUSH_SECONDS)
            finally:
                self.outbox.close()  # whatever the log says, and however often we are told to end

    async def _collect(self, stop: asyncio.Event) -> None:
        async with aiohttp.ClientSession(headers={"User-Agent": "perptape"}) as http:
            sender = asyncio.create_task(self.outbox.run())
            ticker = asyncio.create_task(self._tick())
            feeds = [asyncio.create_task(runner.run(http)) for runner in self.runners]
            stopped = asyncio.create_task(stop.wait())
            done, _ = await asyncio.wait(
                [sender, ticker, stopped, *feeds], return_when=asyncio.FIRST_COMPLETED
            )
            for task in (stopped, *feeds):
                task.cancel()
            await asyncio.gather(stopped, *feeds, return_exceptions=True)
            for task in (ticker, sender):  # time passes until the last socket is closed
                task.cancel()
            await asyncio.gather(ticker, sender, return_exceptions=True)
        for task in done - {stopped}:
            task.result()

    async def _tick(self) -> None:
        """Let time pass for every session, connected or not."""
        last_us = self._clock.now_us()
        collected, connects = time.monotonic(), 0
        while True:
            await asyncio.sleep(TICK_SECONDS)
            now = time.monotonic()
            if now - collected > COLLECT_SECONDS:
                before, connects = connects, sum(one.connects for one in self.connections.values())
                collected = now
                if connects != before:
                    collect_cycles()
            now_us = self._clock.now_us()
            if now_us < last_us - SET_BACK_US:
                # What is due is due by receive time: sessions of before would wait for hours.
                for runner in self.runners:
                    runner.give_up(f"our clock was set back by {(last_us - now_us) / 1e6:.0f} s")
            last_us = now_us
            for runner in self.runners:
                runner.tick(now_us)
            self._metrics.spooled.set(self.outbox.spooled)
            self._metrics.dropped.set(self.outbox.dropped)
