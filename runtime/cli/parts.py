"""The parts of a pipeline, made as the settings say; commands put them together."""

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from runtime.bus.embedded import EmbeddedBus, EmbeddedBusSettings
from runtime.bus.log_look import is_log
from runtime.bus.protocol import Bus
from runtime.cli.alert_rules import load_alert_rules
from runtime.cli.market import Market
from runtime.cli.stages import stage
from runtime.clock import Clock, SystemClock
from runtime.errors import BusError
from runtime.metrics import Metrics
from runtime.recordings import RecordedFrame
from runtime.settings import EMBEDDED, Settings
from schemas.topics import (
    BARS,
    BOOKS,
    DAY_SECONDS,
    HEATMAP,
    IMBALANCE,
    LIQUIDATIONS,
    PROFILES,
    TICKERS,
)

KEPT_SECONDS = {
    BOOKS.name: 3_600,
    TICKERS.name: DAY_SECONDS,
    LIQUIDATIONS.name: DAY_SECONDS,
    BARS.name: 3_600,
    PROFILES.name: 3_600,
    IMBALANCE.name: 3_600,
    HEATMAP.name: 3_600,
}
"""How long the embedded log keeps what is read at once or not at all. Books are most of what is
collected, about a megabyte a second for six assets; bars, profiles, imbalance and heat maps, which
the store keeps, are together half as much."""


WORK_OFF_SECONDS = 10.0
"""For how long, at the stop, a part may work off what was collected."""

HELD_SECONDS = 10.0
"""How long a store that somebody has open is waited for: `doctor` may just be looking at it."""

LEASE_SHARE = 0.9
"""How much of the session time a round may take, before the group may give its partitions away."""


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
    return engine.EngineParams(
        toolkit=settings.toolkit,
        footprint=params,
        units=grids,
        alerts=load_alert_rules(settings.alert_rules),
    )


def there_is_a_log(settings: Settings) -> bool:
    """Say whether a log was ever made; a cluster is taken to be there."""
    return settings.bus != EMBEDDED or is_log(settings.log)


@asynccontextmanager
async def open_bus(
    settings: Settings, metrics: Metrics | None = None, *, partition_bytes: int | None = None
) -> AsyncIterator[Bus]:
    """Open the log, embedded or Kafka, and close it in the end.

    Args:
        settings: where it is.
        metrics: where to count.
        partition_bytes: how much a partition of an embedded log may hold, if not the usual.

    Raises:
        ConfigurationError: the log is not what it must be; the message says what to do.
        BusError: it cannot be reached.
    """
    counts = metrics.bus if metrics else None
    bus: Bus
    if settings.bus == EMBEDDED:
        kept = EmbeddedBusSettings(retention_seconds=KEPT_SECONDS)
        if partition_bytes is not None:
            kept = dataclasses.replace(kept, partition_bytes=partition_bytes)
        bus = await EmbeddedBus.open(settings.log, settings=kept, metrics=counts)
    else:
        kafka = stage("runtime.bus.kafka.bus").KafkaBus
        bus = await kafka.open(settings.bus, settings.kafka, metrics=counts)
    try:
        yield bus
    finally:
        await bus.close()


@asynccontextmanager
async def open_sink(
    settings: Settings, bus: Bus, metrics: Metrics | None = None, clock: Clock | None = None
) -> AsyncIterator[Any]:
    """Open and migrate the store, and return the sink that fills it from the log.

    With metrics it also asks every five minutes whether the bars of the last hour add up, by the
    market's clock.
    """
    client = stage("sinks.clickhouse.client")
    opening = partial(client.open_store, settings.stored_in, patience_seconds=HELD_SECONDS)
    store = await asyncio.to_thread(opening)
    try:
        await asyncio.to_thread(stage("sinks.clickhouse.migrate").apply, store)
        now_us = (clock or SystemClock()).now_us
        count = partial(stage("sinks.clickhouse.conservation").count_broken_bars, store, now_us)
        yield stage("sinks.clickhouse.sink").ClickHouseSink(
            bus,
            store,
            metrics=metrics.sink if metrics else None,
            broken_bars=count if metrics else None,
        )
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


def make_collector(settings: Settings, bus: Bus, market: Market, metrics: Metrics) -> Any:
    """Return the collector of the chosen feeds, with its spool."""
    feeds = stage("collectors.registry").choose_feeds(settings.feeds)
    spool = stage("collectors.outbox.spool").Spool(settings.spool, settings.spool_bytes)
    return stage("collectors.collector").Collector(
        feeds, collector_settings(settings, market), bus, market.clock, metrics.collector, spool
    )


def make_host(settings: Settings, bus: Bus, metrics: Metrics) -> Any:
    """Return the host of the operators that runs on any bus."""
    lent = None if settings.bus == EMBEDDED else LEASE_SHARE * settings.kafka.session_seconds
    return stage("processors.host").BusHost(
        bus,
        engine_params(settings),
        stage("processors.partitions").HostSettings(lease_seconds=lent),
        metrics.processor,
    )


def alert_receiver(settings: Settings) -> Any:  # sinks.webhook.client.Receiver
    """Return where alerts are posted to.

    Raises:
        ConfigurationError: no address, or no secret to sign with.
    """
    return stage("sinks.webhook.client").Receiver(
        settings.alert_webhook_url.get_secret_value(),
        settings.alert_webhook_secret.get_secret_value(),
        settings.alert_webhook_timeout_seconds,
    )


def make_webhook(settings: Settings, bus: Bus, metrics: Metrics, clock: Clock) -> Any:
    """Return the sink that posts alerts; their age is taken by the market's clock.

    Raises:
        ConfigurationError: no address, or no secret to sign with.
    """
    receiver, sink = alert_receiver(settings), stage("sinks.webhook.sink")
    bounds = sink.WebhookSettings(oldest_seconds=settings.alert_webhook_oldest_seconds)
    return sink.WebhookSink(bus, receiver, settings=bounds, clock=clock, metrics=metrics.webhook)


class Pipeline:
    """Collectors, processors and sinks as tasks, stopped in the order in which data flows.

    Alerts are posted where an address is set.
    """

    def __init__(
        self, settings: Settings, bus: Bus, sink: Any, market: Market, metrics: Metrics
    ) -> None:
        self.collector = make_collector(settings, bus, market, metrics)
        self.host = make_host(settings, bus, metrics)
        self.sink = sink
        self.webhook: Any = None
        if settings.alert_webhook_url.get_secret_value():
            self.webhook = make_webhook(settings, bus, metrics, market.clock)

    async def run(self, stop: asyncio.Event) -> None:
        """Work until told to stop; a part that fails stops the others and is raised.

        Each part behind the collectors gets `WORK_OFF_SECONDS` for what those before it have sent;
        `left` is how many records wait in the log after that, for the next start.
        """
        self.left = 0
        runs: list[Callable[[asyncio.Event], Any]] = [
            self.collector.run,
            self.host.run,
            self.sink.run,
            *([self.webhook.run] if self.webhook is not None else []),
        ]
        stops = [asyncio.Event() for _ in runs]
        tasks = [asyncio.create_task(run(event)) for run, event in zip(runs, stops, strict=True)]
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait([stopped, *tasks], return_when=asyncio.FIRST_COMPLETED)
        well = not any(task.done() for task in tasks)
        stopped.cancel()
        failures: list[BaseException | None] = []
        behind = {tasks[1]: self.host, tasks[2]: self.sink}
        for task, event in zip(tasks, stops, strict=True):
            if task in behind and well:
                self.left += await _work_off(behind[task], task)
            event.set()
            failures += await asyncio.gather(task, return_exceptions=True)
        for failure in failures:
            if failure is not None:
                raise failure


async def _work_off(part: Any, task: asyncio.Task[Any]) -> int:
    """Wait until a part has worked off what it can read; return how many records it has not."""
    left = 1
    with contextlib.suppress(TimeoutError, BusError):
        async with asyncio.timeout(WORK_OFF_SECONDS):
            while not task.done() and (left := await part.left()):
                await asyncio.wait([task], timeout=0.05)
    return left
