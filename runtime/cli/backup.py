"""`perptape backup` and `restore`: the store copied by its engine, and made of a copy."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

from rich.console import Console

from runtime.bus.protocol import TopicPartition
from runtime.bus.set_back import Rewindable
from runtime.cli.lag import STORE, lags
from runtime.cli.parts import open_bus, there_is_a_log
from runtime.cli.stages import stage
from runtime.clock import SystemClock
from runtime.errors import ConfigurationError
from runtime.settings import Settings

MIB = 2**20


async def run_backup(settings: Settings, console: Console, name: str, base: str | None) -> None:
    """Note how far the sink is, then copy the store.

    Raises:
        ConfigurationError: there is no store, it is in use, or a backup of that name is there.
        BusError: the log cannot be read; nothing was copied.
        StoreError: the engine could not copy it.
    """
    backup = stage("sinks.clickhouse.backup")
    place = backup.Place(settings.stored_in, name)
    async with _opened(settings, place) as store:
        if not await asyncio.to_thread(backup.has_database, store):
            raise ConfigurationError(f"the store {settings.store_name} holds no data")
        found = await _committed(settings)
        if found is not None:
            positions = stage("sinks.clickhouse.positions")
            epoch, offsets = found
            now_us = SystemClock().now_us()
            await asyncio.to_thread(stage("sinks.clickhouse.migrate").apply, store)
            noted = positions.Positions(epoch, now_us, offsets)
            await asyncio.to_thread(positions.note, store, noted)
        copied = await asyncio.to_thread(backup.back_up, store, place, base)
    where = "" if found is not None else "; without positions, as there is no log here"
    console.print(
        f"{copied.files:,} files, {copied.size_bytes / MIB:,.1f} MiB in the backup {name}{where}",
        highlight=False,
    )


async def run_restore(settings: Settings, console: Console, name: str) -> None:
    """Make a store of a backup, and bring its tables to this version.

    Raises:
        ConfigurationError: there is a database already, no such backup, or a newer one.
        StoreError: the engine could not restore it.
    """
    backup = stage("sinks.clickhouse.backup")
    place = backup.Place(settings.stored_in, name)
    async with _opened(settings, place, new=True) as store:
        copied = await asyncio.to_thread(backup.restore, store, place)
        applied = await asyncio.to_thread(stage("sinks.clickhouse.migrate").apply, store)
        noted = await asyncio.to_thread(stage("sinks.clickhouse.positions").noted, store)
    console.print(
        f"{copied.files:,} files, {copied.size_bytes / MIB:,.1f} MiB restored from {name}"
        + (f"; tables brought to this version: {', '.join(applied)}" if applied else ""),
        highlight=False,
    )
    if noted is not None and noted.offsets:
        console.print("what came after it: perptape sink rewind, then start the sink")


@asynccontextmanager
async def _opened(settings: Settings, place: Any, *, new: bool = False) -> AsyncIterator[Any]:
    """Open the store for copies; a folder without one is only made to restore into."""
    target = settings.stored_in
    if isinstance(target, Path) and not new and not (target / "metadata").is_dir():
        raise ConfigurationError(f"there is no store in {target}")
    opening = stage("sinks.clickhouse.client").open_store
    store = await asyncio.to_thread(opening, target, options=place.options)
    try:
        yield store
    finally:
        await asyncio.to_thread(store.close)


async def _committed(settings: Settings) -> tuple[int, dict[TopicPartition, int]] | None:
    """Return the log's epoch and what the sink has committed; None where there is no log."""
    async with existing_bus(settings) as bus:
        if bus is None:
            return None
        found = await lags(bus, STORE)
        known = {
            (lag.topic, lag.partition): lag.committed for lag in found if lag.committed is not None
        }
        return bus.epoch, known


@asynccontextmanager
async def existing_bus(settings: Settings) -> AsyncIterator[Rewindable | None]:
    """Open the log, but make none where there is none."""
    if not there_is_a_log(settings):
        yield None
        return
    async with open_bus(settings) as bus:
        yield cast(Rewindable, bus)
