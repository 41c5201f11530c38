"""The embedded pipeline: collectors, processors and sinks over one log, in one process."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from runtime.bus.embedded import EmbeddedBus
from runtime.cli.stages import stage
from runtime.clock import Clock, SystemClock
from runtime.metrics import Metrics
from runtime.settings import Settings
from schemas.units import US_PER_SECOND


@dataclass(frozen=True, slots=True)
class Market:
    """Where live data comes from: addresses instead of the venues' own, and its clock."""

    addresses: Mapping[str, tuple[str, str]]
    clock: Clock


def engine_params(settings: Settings) -> Any:  # processors.engine.EngineParams
    """Return the operators' parameters as the settings say."""
    engine = stage("processors.engine")
    units = stage("processors.units")
    footprint = stage("processors.operators.footprint")
    grids = {
        asset: units.AssetUnits(tick=grid.tick, lot=grid.lot, row_size=grid.row_size)
        for asset, grid in settings.grids.items()
    }
    params = footprint.FootprintParams(interval_seconds=settings.base_interval_seconds)
    return engine.EngineParams(footprint=params, units=grids)


@asynccontextmanager
async def open_log(
    settings: Settings, metrics: Metrics | None = None
) -> AsyncIterator[EmbeddedBus]:
    """Open the embedded log and close it in the end."""
    bus = await EmbeddedBus.open(settings.log, metrics=metrics.bus if metrics else None)
    try:
        yield bus
    finally:
        await bus.close()


@asynccontextmanager
async def open_sink(
    settings: Settings, bus: EmbeddedBus, metrics: Metrics | None = None
) -> AsyncIterator[Any]:
    """Open and migrate the store, and return the sink that fills it from the log."""
    client = stage("sinks.clickhouse.client")
    target = settings.clickhouse_url or settings.store
    store = await asyncio.to_thread(client.open_store, target)
    try:
        await asyncio.to_thread(stage("sinks.clickhouse.migrate").apply, store)
        counts = metrics.sink if metrics else None
        yield stage("sinks.clickhouse.sink").ClickHouseSink(bus, store, metrics=counts)
    finally:
        await asyncio.to_thread(store.close)


@asynccontextmanager
async def serve_store(settings: Settings) -> AsyncIterator[int]:
    """Serve the embedded store read-only while it is open here; yields the port, 0 if not ours."""
    if settings.clickhouse_url:
        yield 0
        return
    server = stage("sinks.clickhouse.server").StoreServer(settings.store, port=settings.http_port)
    await server.start()
    try:
        yield server.port
    finally:
        await server.stop()


@asynccontextmanager
async def simulated_market(settings: Settings, seed: int, speed: float) -> AsyncIterator[Market]:
    """Serve a scripted market on loopback and return where it is."""
    clock_module = stage("runtime.clock")
    start_us = SystemClock().now_us()
    clock = clock_module.WarpedClock(start_us, speed) if speed != 1 else SystemClock()
    market = stage("simulator.market").ScriptedMarket(
        seed, assets=tuple(settings.assets), start_us=start_us - 2 * US_PER_SECOND
    )
    source = stage("simulator.sources").ScriptedSource(market)
    simulator = stage("simulator.server").Simulator(
        [source], clock=clock, session_clock=SystemClock()
    )
    async with simulator:
        yield Market(simulator.addresses, clock)


class Pipeline:
    """Collectors, processors and sink as three tasks, stopped in the order in which data flows."""

    def __init__(
        self, settings: Settings, bus: EmbeddedBus, sink: Any, market: Market, metrics: Metrics
    ) -> None:
        feeds = stage("collectors.registry").choose_feeds(settings.feeds)
        collector = stage("collectors.collector")
        self.collector = collector.Collector(
            feeds,
            collector.CollectorSettings(
                assets=settings.assets,
                quotes=settings.quotes,
                addresses=market.addresses,
                linger_us=settings.linger_ms * 1000,
            ),
            bus,
            market.clock,
            metrics.collector,
        )
        self.host = stage("processors.host").EmbeddedHost(bus, engine_params(settings))
        self.sink = sink

    async def run(self, stop: asyncio.Event) -> None:
        """Work until told to stop; a part that fails stops the others and is raised."""
        stops = [asyncio.Event() for _ in range(3)]
        runs: list[Callable[[asyncio.Event], Any]] = [
            self.collector.run,
            self.host.run,
            self.sink.run,
        ]
        tasks = [asyncio.create_task(run(event)) for run, event in zip(runs, stops, strict=True)]
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait([stopped, *tasks], return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        failures: list[BaseException | None] = []
        for task, event in zip(tasks, stops, strict=True):
            event.set()
            failures += await asyncio.gather(task, return_exceptions=True)
        for failure in failures:
            if failure is not None:
                raise failure
