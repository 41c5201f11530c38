"""The stages as processes of their own over one log: `collect`, `process`, `sink ...`."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from rich.console import Console

from runtime.bus.protocol import Bus
from runtime.cli.market import Market, open_market
from runtime.cli.parts import (
    alert_receiver,
    engine_params,
    make_collector,
    make_host,
    make_webhook,
    open_bus,
    open_sink,
)
from runtime.cli.running import metered, run_until_stopped, stopping_after
from runtime.cli.stages import stage
from runtime.clock import SystemClock
from runtime.errors import ConfigurationError
from runtime.metrics import Metrics
from runtime.settings import EMBEDDED, Settings

FAUST, PLAIN = "faust", "plain"


def feeds_of(venues: list[str]) -> str | None:
    """Return the default feeds of these venues as the setting `feeds`; None where none is named.

    Raises:
        ConfigurationError: there is no such venue.
    """
    feeds = stage("collectors.registry").all_feeds().values()
    known = sorted({feed.venue for feed in feeds})
    for venue in venues:
        if venue not in known:
            raise ConfigurationError(f"unknown venue {venue!r}; there are: {', '.join(known)}")
    names = [feed.name for feed in feeds if feed.default and feed.venue in venues]
    return ",".join(names) or None


async def run_collect(
    settings: Settings, console: Console, *, simulated: bool, speed: float, seconds: float | None
) -> bool:
    """Collect into the log; return whether a signal ended it."""

    async def work(stop: asyncio.Event) -> None:
        async with (
            open_market(settings, simulated=simulated, speed=speed) as market,
            _service(settings, "collect", console) as (bus, metrics),
            stopping_after(seconds, stop),
        ):
            await _collect(settings, bus, market, metrics, stop)

    return await run_until_stopped(work)


async def _collect(
    settings: Settings, bus: Bus, market: Market, metrics: Metrics, stop: asyncio.Event
) -> None:
    await make_collector(settings, bus, market, metrics).run(stop)


async def run_process(
    settings: Settings, console: Console, host: str | None, seconds: float | None
) -> bool:
    """Run the operators on the partitions that the group gives; return whether a signal ended it.

    Args:
        settings: of this process.
        console: where it says what it does.
        host: `faust` or `plain`; by default Faust on Kafka and plain on the embedded log.
        seconds: to stop after.

    Raises:
        ConfigurationError: Faust on the embedded log.
    """
    chosen = host or (PLAIN if settings.bus == EMBEDDED else FAUST)
    if chosen == FAUST and settings.bus == EMBEDDED:
        raise ConfigurationError("the host faust needs Kafka: --bus kafka://host:port")

    async def work(stop: asyncio.Event) -> None:
        async with _service(settings, "process", console) as (bus, metrics):
            runner = make_host(settings, bus, metrics)
            if chosen == FAUST:
                runner = _faust_host(settings, bus, metrics)
            async with stopping_after(seconds, stop):
                await runner.run(stop)

    return await run_until_stopped(work)


def _faust_host(settings: Settings, bus: Bus, metrics: Metrics) -> Any:
    return stage("processors.app").FaustHost(
        settings.bus,
        settings.kafka,
        bus,
        engine_params(settings),
        metrics=metrics.processor,
    )


async def run_sink(settings: Settings, console: Console, seconds: float | None) -> bool:
    """Fill the ClickHouse store from the log; return whether a signal ended it."""

    async def work(stop: asyncio.Event) -> None:
        async with (
            _service(settings, "sink", console) as (bus, metrics),
            open_sink(settings, bus, metrics) as sink,
            stopping_after(seconds, stop),
        ):
            await sink.run(stop)

    return await run_until_stopped(work)


async def run_webhook(settings: Settings, console: Console, seconds: float | None) -> bool:
    """Post the alerts of the log; return whether a signal ended it.

    Raises:
        ConfigurationError: no address, or no secret to sign with.
    """
    alert_receiver(settings)  # what is wrong with it is said before a log is made

    async def work(stop: asyncio.Event) -> None:
        async with _service(settings, "webhook", console) as (bus, metrics):
            sink = make_webhook(settings, bus, metrics, SystemClock())
            async with stopping_after(seconds, stop):
                await sink.run(stop)

    return await run_until_stopped(work)


async def run_migrate(settings: Settings, console: Console) -> None:
    """Apply what is missing to the store.

    Raises:
        ConfigurationError: an applied file has changed, or the store is of a later version.
        StoreError: the store is away or refuses.
    """
    client = stage("sinks.clickhouse.client")
    store = await asyncio.to_thread(client.open_store, settings.stored_in)
    try:
        applied = await asyncio.to_thread(stage("sinks.clickhouse.migrate").apply, store)
    finally:
        await asyncio.to_thread(store.close)
    console.print("\n".join(applied) or "the tables are of this version", highlight=False)


@asynccontextmanager
async def _service(
    settings: Settings, name: str, console: Console
) -> AsyncIterator[tuple[Bus, Metrics]]:
    """Open the log and serve the metrics of one process."""
    async with metered(settings, name) as metrics, open_bus(settings, metrics) as bus:
        where = settings.log if settings.bus == EMBEDDED else settings.bus
        console.print(f"[bold]perptape {name}[/] on {where}   Stop: Ctrl-C", highlight=False)
        yield bus, metrics
