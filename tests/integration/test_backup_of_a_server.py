"""A backup over HTTP: asked for by name, waited for, on the server's disk `backups`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from runtime.cli.backup import run_backup, run_restore
from runtime.errors import ConfigurationError
from runtime.settings import Settings
from schemas.topics import TRADES
from sinks.clickhouse.backup import DISK, Place, restore
from sinks.clickhouse.client import open_store
from sinks.clickhouse.migrate import apply
from sinks.clickhouse.server import StoreServer
from tests.integration.stored import settings_of
from tests.sinks.clickhouse.published import put
from tests.sinks.clickhouse.records import batch, trade


async def asked(settings: Settings, name: str, *, back: bool = False) -> str:
    out = StringIO()
    console = Console(file=out, width=200)
    await (
        run_restore(settings, console, name) if back else run_backup(settings, console, name, None)
    )
    return out.getvalue()


async def test_a_server_is_asked_by_name_and_restored_from_it(tmp_path: Path) -> None:
    options = {
        f"storage_configuration.disks.{DISK}.type": "local",
        f"storage_configuration.disks.{DISK}.path": f"{tmp_path}/backups/",
        "backups.allowed_disk": DISK,
    }
    store = open_store(tmp_path / "store", options=options)
    try:
        apply(store)
        await put(store, TRADES, batch("BTC", [trade(1), trade(2)]))
        async with serving(tmp_path) as settings:
            await back_up_twice(tmp_path, settings)
        store.command("DROP DATABASE perptape SYNC")
        # Ours serves no engine without the database: past it, but from the same disk.
        assert restore(store, Place(settings.stored_in, "monday")).files > 0
        assert store.query("SELECT count() FROM perptape.trades").rows == [(2,)]
    finally:
        store.close()


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[Settings]:
    server = StoreServer(folder / "store", writable=True)
    await server.start()
    try:
        address = f"http://127.0.0.1:{server.port}"
        yield settings_of(folder).model_copy(update={"clickhouse_url": address})
    finally:
        await server.stop()


async def back_up_twice(folder: Path, settings: Settings) -> None:
    assert "in the backup monday; without positions" in await asked(settings, "monday")
    assert (folder / "backups" / "monday" / ".backup").is_file()
    with pytest.raises(ConfigurationError, match="there is a backup of that name already"):
        await asked(settings, "monday")
    with pytest.raises(ConfigurationError, match="a backup is named by letters"):
        await asked(settings, "../monday")
    with pytest.raises(ConfigurationError, match="there is a database perptape already"):
        await asked(settings, "monday", back=True)
