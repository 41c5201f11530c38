"""`perptape up`: the whole pipeline in one process."""

import asyncio
import importlib.metadata
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from rich.console import Console

from runtime.cli.embedded import (
    Market,
    Pipeline,
    open_log,
    open_sink,
    serve_store,
    simulated_market,
)
from runtime.cli.stages import stage
from runtime.clock import SystemClock
from runtime.metrics import Metrics, serve_metrics
from runtime.settings import Settings

EXAMPLE = "SELECT * FROM footprint_bars LIMIT 5"


async def run_up(
    settings: Settings,
    console: Console,
    *,
    simulated: bool,
    speed: float,
    seed: int,
    show: str | None,
    seconds: float | None,
) -> bool:
    """Run until interrupted or for `seconds`; return whether it was interrupted."""
    stop = asyncio.Event()
    interrupted = stop_on_signals(stop)
    if simulated:
        async with simulated_market(settings, seed, speed) as market:
            await _run(settings, console, market, stop, show=show, seconds=seconds)
    else:
        market = Market({}, SystemClock())
        await _run(settings, console, market, stop, show=show, seconds=seconds)
    return interrupted.is_set()


def stop_on_signals(stop: asyncio.Event) -> asyncio.Event:
    """Set `stop` on SIGINT and SIGTERM; the returned event tells that it was one of them."""
    interrupted = asyncio.Event()

    def on_signal() -> None:
        interrupted.set()
        stop.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, on_signal)
    return interrupted


async def _run(
    settings: Settings,
    console: Console,
    market: Market,
    stop: asyncio.Event,
    *,
    show: str | None,
    seconds: float | None,
) -> None:
    metrics = Metrics()
    metrics.describe_process(service="up", version=importlib.metadata.version("perptape"))
    async with (
        open_log(settings, metrics) as bus,
        open_sink(settings, bus, metrics) as sink,
        serve_store(settings) as port,
        _serve_metrics(settings, metrics),
    ):
        pipeline = Pipeline(settings, bus, sink, market, metrics)
        _say_where(settings, console, port)
        helpers = []
        if show is not None:
            helpers.append(asyncio.create_task(_show(show, settings, console)))
        if seconds is not None:
            helpers.append(asyncio.create_task(stop_after(seconds, stop)))
        try:
            await pipeline.run(stop)
        finally:
            for helper in helpers:
                helper.cancel()
            await asyncio.gather(*helpers, return_exceptions=True)
    counts = f"{pipeline.host.trades:,} trades on the tape"
    console.print(f"stopped: {counts}; everything collected is stored in {settings.store}")


@asynccontextmanager
async def _serve_metrics(settings: Settings, metrics: Metrics) -> AsyncIterator[None]:
    server = serve_metrics(metrics, settings.metrics_port) if settings.metrics_port else None
    try:
        yield
    finally:
        if server is not None:
            await asyncio.to_thread(server.stop)


async def _show(asset: str, settings: Settings, console: Console) -> None:
    await stage("sinks.terminal.watch").watch(asset, settings.store, console=console)


async def stop_after(seconds: float, stop: asyncio.Event) -> None:
    """Set `stop` when the time is over."""
    await asyncio.sleep(seconds)
    stop.set()


def _say_where(settings: Settings, console: Console, port: int) -> None:
    console.print(
        f"[bold]perptape[/] is collecting {', '.join(settings.assets)}. "
        f"Log: {settings.log}   Store: {settings.store or settings.clickhouse_url}"
    )
    if port:
        where = f"http://127.0.0.1:{port} (read-only, ClickHouse's HTTP interface)"
        console.print(f'SQL: {where}   or: perptape query "{EXAMPLE}"', highlight=False)
    console.print("Ladder: perptape watch BTC   Stop: Ctrl-C", highlight=False)
