"""`perptape sink parquet` as a user meets it, and killed."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from schemas.topics import TRADES
from sinks.clickhouse.access import Reader
from sinks.clickhouse.client import Store, open_store
from sinks.clickhouse.handles import ReadLimits
from sinks.clickhouse.migrate import apply
from sinks.clickhouse.server import StoreServer
from sinks.parquet.follow import Follower
from sinks.parquet.state import STATE_FILE
from tests.cli.program import run
from tests.sinks.clickhouse.published import put
from tests.sinks.clickhouse.records import batch, trade
from tests.sinks.parquet.rows import followed, same_as_tables, versions

VENUES = ("binance", "bybit", "okx")
FAILPOINTS = {"export_before_rename:3": 2, "parquet_before_state:2": 3}
"""Where it is killed, and how many files there are then."""


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Store]:
    """A store of three files, in a process (this one) that serves it."""
    store = open_store(tmp_path / "data" / "store")
    try:
        apply(store)
        await put(store, TRADES, *(batch("BTC", [trade(1)], venue) for venue in VENUES))
        server = StoreServer(tmp_path / "data" / "store", limits=ReadLimits(handles=1))
        await server.start()
        yield store
        await server.stop()
    finally:
        store.close()


async def sink(folder: Path, seconds: float, **environment: str) -> tuple[int, str]:
    words = ("sink", "parquet", "--out", "out", "--store", "data/store", "--seconds", str(seconds))
    done = await asyncio.to_thread(run, folder, *words, **environment)
    return done.returncode, done.stdout + done.stderr


async def test_killed_at_any_point_it_leaves_whole_files_and_the_next_start_makes_the_rest(
    served: Store, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    for name, files in FAILPOINTS.items():
        code, said = await sink(tmp_path, 30, PERPTAPE_FAILPOINT=name)
        assert code == -9, said
        assert len(versions(out)) == files

    own = Reader(served, guarded=True, exclusive=False)
    before = versions(out)
    followed(Follower(out), own)

    assert versions(out) == before, "all of them were complete"
    assert same_as_tables(served, own, out) == len(VENUES)
    there = sorted(path.name for path in out.rglob("*") if path.is_file())
    assert there == [STATE_FILE, *["part-00.parquet"] * len(VENUES)]


def test_without_a_process_that_serves_the_store_it_waits_and_says_so(tmp_path: Path) -> None:
    done = run(tmp_path, "sink", "parquet", "--out", "out", "--seconds", "1")

    assert done.returncode == 0
    assert done.stderr.count("parquet_store_away") == 1
    assert "no process serves the store in data/store" in done.stderr
    assert not (tmp_path / "data").exists(), "it never makes a store"
