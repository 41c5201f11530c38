"""The sink over a store that comes and goes, a folder that fails, and beside others."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from structlog.typing import EventDict

from runtime.errors import ConfigurationError, StoreError
from runtime.metrics import Metrics
from schemas.topics import TRADES
from sinks.clickhouse.access import Reader, open_beside
from sinks.clickhouse.client import Store, open_store
from sinks.clickhouse.handles import ReadLimits
from sinks.clickhouse.server import StoreServer
from sinks.parquet.files import alone_in
from sinks.parquet.plan import Asked
from sinks.parquet.sink import ParquetSettings, ParquetSink
from tests.sinks.clickhouse.conftest import store
from tests.sinks.clickhouse.published import put
from tests.sinks.clickhouse.records import batch, trade
from tests.sinks.parquet.rows import exported, same_as_tables, versions

__all__ = ["store"]
FAST = ParquetSettings(
    round_seconds=0.05, first_retry_seconds=0.01, longest_retry_seconds=0.02, tick_seconds=0.02
)
DEADLINE_SECONDS = 60.0


class Served:
    """The module's store behind its own HTTP server, which can be stopped and started."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._server: StoreServer | None = None

    async def start(self) -> None:
        self._server = StoreServer(self._path, limits=ReadLimits(handles=1))
        await self._server.start()

    async def stop(self) -> None:
        if self._server is not None:
            await self._server.stop()
        self._server = None

    def open(self) -> Reader:
        if self._server is None:
            raise StoreError("it is away")
        address = f"http://127.0.0.1:{self._server.port}"
        return Reader(open_store(address), guarded=True, exclusive=False)


def said_in(logs: list[EventDict]) -> list[str]:
    """Return what the sink logged, in order."""
    return [line["event"] for line in logs if line["event"].startswith("parquet_")]


def has_more(out: Path, count: int) -> bool:
    return len(versions(out)) > count


@pytest.fixture
async def served(store: Store) -> AsyncIterator[Served]:
    assert store.path is not None
    server = Served(store.path)
    yield server
    await server.stop()


@asynccontextmanager
async def running(sink: ParquetSink) -> AsyncIterator[None]:
    stop = asyncio.Event()
    task = asyncio.create_task(sink.run(stop))
    try:
        yield
    finally:
        stop.set()
        await task


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not true():
            await asyncio.sleep(0.01)


async def test_a_store_that_is_away_is_waited_for_and_said_once(
    store: Store, served: Served, tmp_path: Path
) -> None:
    metrics = Metrics()
    failures = metrics.parquet.failures.labels("store")._value
    turns = metrics.parquet.turns._value
    await put(store, TRADES, batch("AWAY", [trade(1)]))
    with capture_logs() as logs:
        async with running(
            ParquetSink(served.open, tmp_path, settings=FAST, metrics=metrics.parquet)
        ):
            await until(lambda: failures.get() >= 3)
            assert turns.get() > 0, "it lives while it waits"
            await served.start()
            await until(lambda: len(said_in(logs)) >= 2)
            assert len(versions(tmp_path)) == 1
            await served.stop()
            failed = failures.get()
            await until(lambda: failures.get() >= failed + 2)
            await put(store, TRADES, batch("BACK", [trade(2)]))
            await served.start()
            await until(lambda: len(said_in(logs)) >= 4)

    assert said_in(logs) == ["parquet_store_away", "parquet_store_back"] * 2
    assert len(versions(tmp_path)) == 2
    assert metrics.parquet.complete._value.get() > 0


async def test_a_folder_that_cannot_be_written_is_said_once_and_shows_in_its_health(
    store: Store, served: Served, tmp_path: Path
) -> None:
    metrics = Metrics()
    failures = metrics.parquet.failures.labels("folder")._value
    await put(store, TRADES, batch("FULL", [trade(1)]))
    await served.start()
    (tmp_path / "trades").mkdir()
    (tmp_path / "trades" / "date=2026-09-21").write_text("in the way")
    with capture_logs() as logs:
        async with running(
            ParquetSink(served.open, tmp_path, settings=FAST, metrics=metrics.parquet)
        ):
            await until(lambda: failures.get() >= 1)
            turns = metrics.parquet.turns._value.get()
            await until(lambda: failures.get() >= 4)
            assert metrics.parquet.turns._value.get() == turns
            (tmp_path / "trades" / "date=2026-09-21").unlink()
            await until(
                lambda: bool(versions(tmp_path)) and metrics.parquet.complete._value.get() > 0
            )

    assert said_in(logs) == ["parquet_folder_unwritable", "parquet_folder_writable"]


async def test_rows_are_in_files_within_a_round_while_others_come(
    store: Store, served: Served, tmp_path: Path
) -> None:
    await served.start()
    await put(store, TRADES, batch("FLOW", [trade(9)]))
    ((assets,),) = store.query("SELECT uniqExact(asset) FROM trades_log").rows
    async with running(ParquetSink(served.open, tmp_path, settings=FAST)):
        await until(partial(has_more, tmp_path, assets - 1))
        for number in range(3):
            before = len(versions(tmp_path))
            await put(store, TRADES, batch(f"FLOW{number}", [trade(number)]))
            await until(partial(has_more, tmp_path, before))

    own = Reader(store, guarded=True, exclusive=False)
    assert same_as_tables(store, own, tmp_path) >= 3


async def test_a_folder_has_one_sink_and_no_export_beside_it(
    store: Store, served: Served, tmp_path: Path
) -> None:
    own = Reader(store, guarded=True, exclusive=False)
    metrics = Metrics().parquet
    second = ParquetSink(served.open, tmp_path, settings=FAST)
    async with (
        asyncio.timeout(DEADLINE_SECONDS),
        running(ParquetSink(served.open, tmp_path, settings=FAST, metrics=metrics)),
    ):
        await until(lambda: metrics.turns._value.get() > 0)
        with pytest.raises(ConfigurationError, match="another export or sink writes to"):
            await second.run(asyncio.Event())
        with pytest.raises(ConfigurationError, match="another export or sink writes to"):
            exported(own, "trades", tmp_path, Asked())

    async with asyncio.timeout(DEADLINE_SECONDS):
        with (
            alone_in(tmp_path, shared=True),
            pytest.raises(ConfigurationError, match="another export or sink writes to"),
        ):
            await second.run(asyncio.Event())


def test_a_folder_that_no_process_serves_is_left_alone(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no process serves the store in"):
        open_beside(tmp_path)

    assert not list(tmp_path.iterdir())
