"""The embedded pipeline: collectors, processors and sinks over one log, in one process."""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from runtime.bus.embedded import EmbeddedBus, EmbeddedBusSettings
from runtime.cli.stages import stage
from runtime.clock import Clock, SystemClock, WarpedClock
from runtime.errors import TransportError
from runtime.metrics import Metrics
from runtime.recordings import RecordedFrame
from runtime.settings import EVERYTHING, Settings
from schemas.topics import BOOKS, DAY_SECONDS, LIQUIDATIONS, TICKERS

SIMULATOR_SECONDS = 20.0
"""How long the simulated venues may take to start, and to end."""

KEPT_SECONDS = {BOOKS.name: 3_600, TICKERS.name: DAY_SECONDS, LIQUIDATIONS.name: DAY_SECONDS}
"""How long the embedded log keeps what is read at once or not at all. Books are most of what is
collected, about a megabyte a second for six assets."""


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
    kept = EmbeddedBusSettings(retention_seconds=KEPT_SECONDS)
    counts = metrics.bus if metrics else None
    bus = await EmbeddedBus.open(settings.log, settings=kept, metrics=counts)
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
    """Serve a scripted market on loopback, in a process of its own, and return where it is.

    Raises:
        ConfigurationError: an asset that the scripted market does not have.
        TransportError: the process ended, or says nothing.
    """
    for asset in _simulated(settings):
        stage("simulator.catalogue").instrument("binance.usdm", asset)
    start_us, anchor_ns = SystemClock().now_us(), time.monotonic_ns()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "simulator", "--seed", str(seed), "--speed", str(speed)),
        *("--assets", ",".join(_simulated(settings))),
        *("--start-us", str(start_us), "--anchor-ns", str(anchor_ns)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is for us; it ends when its standard input does
    )
    try:
        yield Market(await _addresses(process), WarpedClock(start_us, speed, anchor_ns))
    finally:
        if process.stdin is not None:
            process.stdin.close()
        try:
            async with asyncio.timeout(SIMULATOR_SECONDS):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


async def _addresses(process: asyncio.subprocess.Process) -> dict[str, tuple[str, str]]:
    line = b""
    if process.stdout is not None:
        try:
            async with asyncio.timeout(SIMULATOR_SECONDS):
                line = await process.stdout.readline()
        except TimeoutError:
            line = b""
    if not line:
        raise TransportError("the simulated venues did not start")
    return {feed: (rest, socket) for feed, (rest, socket) in json.loads(line).items()}


def _simulated(settings: Settings) -> tuple[str, ...]:
    """Return the assets of the scripted market that are wanted."""
    listed: tuple[str, ...] = stage("simulator.catalogue").LISTED_ASSETS
    return listed if EVERYTHING in settings.assets else tuple(settings.assets)


def collector_settings(
    settings: Settings, market: Market, on_frame: Callable[[RecordedFrame], None] | None = None
) -> Any:  # collectors.feed_runner.CollectorSettings
    """Return what is collected, from where, as the settings say."""
    return stage("collectors.collector").CollectorSettings(
        assets=settings.assets,
        quotes=settings.quotes,
        addresses=market.addresses,
        linger_us=settings.linger_ms * 1000,
        connections=2 if settings.redundant else 1,
        refresh_seconds=settings.refresh_seconds,
        on_frame=on_frame,
    )


class Pipeline:
    """Collectors, processors and sink as three tasks, stopped in the order in which data flows."""

    def __init__(
        self, settings: Settings, bus: EmbeddedBus, sink: Any, market: Market, metrics: Metrics
    ) -> None:
        feeds = stage("collectors.registry").choose_feeds(settings.feeds)
        spool = stage("collectors.outbox.spool").Spool(settings.spool, settings.spool_bytes)
        self.collector = stage("collectors.collector").Collector(
            feeds,
            collector_settings(settings, market),
            bus,
            market.clock,
            metrics.collector,
            spool,
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
