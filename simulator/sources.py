"""What feeds the simulator: anything that knows some feeds and publishes their frames."""

import asyncio
from collections.abc import Mapping
from typing import Protocol

from runtime.clock import Clock
from simulator.catalogue import FEEDS
from simulator.dialects import make_dialect
from simulator.dialects.base import Dialect
from simulator.market import ScriptedMarket
from simulator.model import SimEvent
from simulator.surface import Surface

BATCH_EVENTS = 1000


class Source(Protocol):
    """Publishes the frames of the feeds it knows."""

    def dialects(self) -> Mapping[str, Dialect]:
        """Return a dialect for each feed that this source supplies."""
        ...

    async def run(self, surfaces: Mapping[str, Surface], clock: Clock) -> None:
        """Publish until there is nothing more."""
        ...


class ScriptedSource:
    """Publishes a scripted market in the time of the clock.

    Args:
        market: begins at its own `start_us`; what lies before the clock's now comes at once.
        feeds: which of the market's feeds are served.
        tick_us: how long events are gathered, at least, before they are sent.
    """

    def __init__(
        self, market: ScriptedMarket, *, feeds: tuple[str, ...] = FEEDS, tick_us: int = 2_000
    ) -> None:
        self.market = market
        self._feeds = feeds
        self._tick_us = tick_us

    def dialects(self) -> Mapping[str, Dialect]:
        """Return a dialect for each feed, listing the market's instruments."""
        return {feed: make_dialect(feed, self.market.instruments(feed), {}) for feed in self._feeds}

    async def run(self, surfaces: Mapping[str, Surface], clock: Clock) -> None:
        """Publish for ever."""
        while True:
            if self._publish(surfaces, clock.now_us()):
                # A backlog must not keep the sockets from being served.
                await asyncio.sleep(0)
            else:
                due_us = max(self.market.next_us(), clock.now_us() + self._tick_us)
                await clock.sleep_until_us(due_us)

    def _publish(self, surfaces: Mapping[str, Surface], now_us: int) -> bool:
        """Publish what is due and say whether more may be."""
        events = self.market.events(now_us, BATCH_EVENTS)
        by_feed: dict[str, list[SimEvent]] = {feed: [] for feed in self._feeds}
        for event in events:
            if event.instrument.feed in by_feed:
                by_feed[event.instrument.feed].append(event)
        for feed, mine in by_feed.items():
            surface = surfaces[feed]
            for frame in surface.dialect.encode(mine, surface.wanted):
                surface.publish(frame)
        return len(events) == BATCH_EVENTS
