"""A store served by a thread of its own, so that clients that block can ask it from a test."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sinks.clickhouse.handles import ReadLimits
from sinks.clickhouse.server import StoreServer


@contextmanager
def serving(store: Path, *, writable: bool, limits: ReadLimits | None = None) -> Iterator[str]:
    """Serve a folder meanwhile; yields the address."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="serving")
    thread.start()
    server = StoreServer(store, writable=writable, limits=limits)
    try:
        asyncio.run_coroutine_threadsafe(server.start(), loop).result()
        yield f"http://127.0.0.1:{server.port}"
    finally:
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
