"""A store filled from a log on disk, and what is in it: for tests of copies of stores."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console

from processors.asset import EngineParams
from processors.host import BusHost
from runtime.bus.embedded import EmbeddedBus
from runtime.bus.protocol import Outgoing
from runtime.cli.replay import run_replay
from runtime.settings import Settings, load_settings
from schemas.topics import TRADES
from schemas.trades import TradeBatch
from sinks.clickhouse.client import Store, open_store
from sinks.clickhouse.migrate import apply
from sinks.clickhouse.sink import ClickHouseSink

TABLES_SQL = """
SELECT name FROM system.tables
WHERE database = 'perptape' AND engine LIKE '%MergeTree'
    AND name != 'sink_positions_log'
ORDER BY name
"""
VIEWS_SQL = """
SELECT name, create_table_query FROM system.tables
WHERE database = 'perptape' AND engine = 'View' ORDER BY name
"""

Content = dict[str, tuple[Any, ...]]


def settings_of(folder: Path, store: str = "store") -> Settings:
    """Return the settings of a desk in a folder, without a server."""
    options: dict[str, object] = {"store": folder / store, "log": folder / "log"}
    return load_settings(**options, bus="embedded", clickhouse_url="")


def play(settings: Settings, recording: Path, *, keep_log: bool = False) -> None:
    """Replay a recording into the log and the store of these settings."""
    said(
        lambda console: run_replay(
            settings, console, [recording], format=None, venue=None, kinds=[], keep_log=keep_log
        )
    )


@contextmanager
def opened(path: Path) -> Iterator[Store]:
    """Open a store meanwhile: the engine admits one directory at a time."""
    store = open_store(path)
    try:
        apply(store)
        yield store
    finally:
        store.close()


def content(path: Path) -> Content:
    """Return how many rows every table has for its readers, and a hash of them all.

    When a row was stored is no part of it.
    """
    with opened(path) as store:
        names = [str(row[0]) for row in store.query(TABLES_SQL).rows]
        return {name: store.query(_hashed(store, name)).rows[0] for name in names}


def views(path: Path) -> dict[str, object]:
    """Return how many rows every view answers, of those with parameters how they are written."""
    with opened(path) as store:
        found = store.query(VIEWS_SQL).rows
        return {
            name: text if "{" in text else len(store.query(f"SELECT * FROM {name}").rows)
            for name, text in found
        }


def _hashed(store: Store, table: str) -> str:
    rows = store.query(
        "SELECT name FROM system.columns WHERE database = 'perptape' AND table = {table:String}"
        " AND name NOT IN ('stored_time', 'applied_time') ORDER BY position",
        {"table": table},
    ).rows
    columns = ", ".join(f"`{row[0]}`" for row in rows)
    return f"SELECT count(), sum(cityHash64(toString(tuple({columns})))) FROM {table} FINAL"


async def work_off(folder: Path, batches: Sequence[TradeBatch], store: Path | None) -> None:
    """Send trades to the log, have them worked off, and store what there is of both."""
    async with await EmbeddedBus.open(folder / "log") as bus:
        await bus.send(
            [
                Outgoing(TRADES.name, b"BTC", msgspec.json.encode(one), one.receive_time_us)
                for one in batches
            ]
        )
        host = BusHost(bus, EngineParams())
        await host.drain()
        await host.close()
        if store is not None:
            await sink(bus, store)


async def sink(bus: EmbeddedBus, path: Path) -> None:
    """Store what the group has not stored yet."""
    store = open_store(path)
    try:
        apply(store)
        await ClickHouseSink(bus, store).drain()
    finally:
        store.close()


async def sink_on(folder: Path, store: str) -> None:
    """Have a sink go on with the log of a folder, into a store there."""
    async with await EmbeddedBus.open(folder / "log") as bus:
        await sink(bus, folder / store)


def said(work: Any) -> str:
    """Run a command's work with a console and return what it said."""
    out = StringIO()
    asyncio.run(work(Console(file=out, width=200)))
    return out.getvalue()
