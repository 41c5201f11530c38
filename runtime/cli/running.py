"""How a process of ours starts, is watched and ends."""

import asyncio
import importlib.metadata
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from runtime.metrics import Metrics, serve_metrics
from runtime.settings import Settings


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


@asynccontextmanager
async def stopping_after(seconds: float | None, stop: asyncio.Event) -> AsyncIterator[None]:
    """Set `stop` when so many seconds have passed inside the block; None never does."""
    if seconds is None:
        yield
        return
    timer = asyncio.get_running_loop().call_later(seconds, stop.set)
    try:
        yield
    finally:
        timer.cancel()


@asynccontextmanager
async def metered(settings: Settings, service: str) -> AsyncIterator[Metrics]:
    """Return the metrics of this process, served meanwhile where a port is set."""
    metrics = Metrics()
    metrics.describe_process(service=service, version=importlib.metadata.version("perptape"))
    for folder, path in settings.folders.items():
        metrics.watch_disk(folder, path)
    port, host = settings.metrics_port, settings.metrics_host
    server = serve_metrics(metrics, port, host) if port else None
    try:
        yield metrics
    finally:
        if server is not None:
            await asyncio.to_thread(server.stop)


async def run_until_stopped(work: Callable[[asyncio.Event], Awaitable[None]]) -> bool:
    """Work until done or until a signal sets the event; return whether it was a signal."""
    stop = asyncio.Event()
    interrupted = stop_on_signals(stop)
    await work(stop)
    return interrupted.is_set()
