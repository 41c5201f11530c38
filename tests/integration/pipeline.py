"""The whole pipeline in one process, for tests: simulator, collectors, log, engine, chDB."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from collectors.collector import Collector, CollectorSettings
from collectors.registry import choose_feeds
from processors.asset import EngineParams
from processors.host import BusHost
from runtime.bus.embedded import EmbeddedBus
from runtime.clock import Clock


@dataclass
class Run:
    """What was collected, still open for questions."""

    bus: EmbeddedBus
    collector: Collector
    host: BusHost

    @property
    def trades(self) -> int:
        """Trades taken from sockets so far."""
        return sum(stats.trades for stats in self.collector.connections.values())


async def collect(
    bus: EmbeddedBus,
    addresses: Mapping[str, tuple[str, str]],
    clock: Clock,
    *,
    feeds: Sequence[str],
    assets: Sequence[str],
    until: Callable[[Run], bool],
    seconds: float = 240,
) -> Run:
    """Run collectors and processors until a condition holds, then let the log be worked off."""
    settings = CollectorSettings(assets=assets, quotes=("USDT", "USDC"), addresses=addresses)
    collector = Collector(choose_feeds(feeds), settings, bus, clock)
    host = BusHost(bus, EngineParams())
    run = Run(bus, collector, host)
    stop_collecting, stop_processing = asyncio.Event(), asyncio.Event()
    collecting = asyncio.create_task(collector.run(stop_collecting))
    processing = asyncio.create_task(host.run(stop_processing))
    try:
        async with asyncio.timeout(seconds):
            while not until(run):
                for task in (collecting, processing):
                    if task.done():
                        task.result()
                await asyncio.sleep(0.05)
    finally:
        stop_collecting.set()
        await collecting
        stop_processing.set()
        await processing
    await host.drain()
    await host.close()
    return run
