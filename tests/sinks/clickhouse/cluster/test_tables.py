"""The tables of a cluster on the one server that there is, beside those of a single server."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runtime.errors import ConfigurationError
from schemas import examples
from schemas.migrations import load, parse
from schemas.topics import DEADLETTER, TOPICS
from sinks.clickhouse.access import Reader
from sinks.clickhouse.batches import SPLITTERS
from sinks.clickhouse.client import QueryError, Store, open_store
from sinks.clickhouse.cluster import clustered
from sinks.clickhouse.migrate import apply
from sinks.clickhouse.sink import ClickHouseSink
from sinks.parquet.datasets import Dataset, find_dataset
from tests.sinks.clickhouse.cluster.one_server import ONCE, TWICE, OneServer
from tests.sinks.clickhouse.memory_bus import MemoryBus

PARAMETERS = {
    "conservation_over_time": "(interval_seconds = 300)",
    "cvd_since": "(anchor = '2026-11-21 00:00:00')",
    "merged_bars": "(interval_seconds = 900)",
    "merged_footprint_rows": "(interval_seconds = 900)",
}
DATASETS = ("trades", "footprints", "books", "quality")

Seen = dict[str, tuple[list[str], list[str]]]


def examples_of_all() -> MemoryBus:
    bus = MemoryBus()
    for name in SPLITTERS:
        records = examples.load(TOPICS[name].schema_name).values()
        bus.put(name, *(json.dumps(record).encode() for record in records))
    return bus


def views(store: Store) -> list[str]:
    sql = "SELECT name FROM system.tables WHERE database = 'perptape' AND engine = 'View'"
    return sorted(str(name) + PARAMETERS.get(str(name), "") for (name,) in store.query(sql).rows)


def seen(store: Store) -> Seen:
    """Return what every view answers: its columns and its rows, in any order."""
    answers = {view: store.query(f"SELECT * FROM {view}") for view in views(store)}
    return {view: (one.column_types, sorted(map(str, one.rows))) for view, one in answers.items()}


def datasets(store: Store) -> list[Dataset]:
    reader = Reader(store, guarded=True, exclusive=True)
    return [find_dataset(reader, name) for name in DATASETS]


def physical(store: Store) -> dict[str, int]:
    sql = "SELECT name FROM system.tables WHERE database = 'perptape' AND endsWith(name, '_local')"
    tables = [name for (name,) in store.query(sql).rows]
    return {name: store.query(f"SELECT count() FROM {name}").rows[0][0] for name in tables}


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a single server answers; it is closed before the next one is opened."""
    store = open_store(tmp_path_factory.mktemp("single") / "store")
    apply(store)
    asyncio.run(ClickHouseSink(examples_of_all(), store).drain())
    answers = {"seen": seen(store), "datasets": datasets(store)}
    store.close()
    return answers


@pytest.fixture(scope="module")
def server(single: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[OneServer]:
    opened = OneServer(tmp_path_factory.mktemp("cluster"))
    assert single
    assert len(apply(opened, cluster=ONCE)) == len(load())
    yield opened
    opened.close()


async def test_views_answer_what_they_do_on_a_single_server_also_after_a_repetition(
    server: OneServer, single: dict[str, Any]
) -> None:
    bus = examples_of_all()
    await ClickHouseSink(bus, server).drain()
    first, rows = seen(server), physical(server)
    bus.offsets.clear()
    await ClickHouseSink(bus, server).drain()

    assert first == single["seen"]
    assert sum(1 for _, found in first.values() if found) > 50
    assert physical(server) == rows
    assert sum(rows.values()) > 100
    assert bus.log(DEADLETTER.name, 0) == []


def test_an_export_finds_days_and_keys_in_the_shards(
    server: OneServer, single: dict[str, Any]
) -> None:
    assert datasets(server) == single["datasets"]


def test_the_engine_takes_every_replicated_table_up_to_asking_for_keeper(
    server: OneServer,
) -> None:
    steps = [step for migration in load() for step in migration.steps if "\nENGINE = " in step]
    server.command("CREATE DATABASE elsewhere ENGINE = Atomic")
    server.use("elsewhere")
    try:
        refusals = {server.refusal_of(clustered(step, ONCE)[0]) for step in steps}
        unknown = clustered(steps[0], ONCE)[0].replace("fsync_after_insert", "sync_after_insert")
        other = server.refusal_of(unknown)
    finally:
        server.use("perptape")

    assert len(steps) > 30
    (refusal,) = refusals
    assert refusal.endswith("Can't create replicated table without ZooKeeper. (NO_ZOOKEEPER)")
    assert other.endswith("(UNKNOWN_SETTING)")


def test_a_missing_table_is_made_only_where_the_others_are(server: OneServer) -> None:
    later = [
        *load(),
        parse("9999_later.sql", "-- step: one\nCREATE OR REPLACE VIEW one AS\nSELECT 1"),
    ]

    with pytest.raises(ConfigurationError, match=f"which is of the cluster {ONCE}: run"):
        apply(server, later)
    with pytest.raises(ConfigurationError, match=f"which is of the cluster {ONCE}: run"):
        apply(server, later, cluster="other")
    assert apply(server) == []
    assert "one" not in views(server)


def test_a_store_of_one_server_does_not_become_one_of_a_cluster(
    tmp_path: Path, server: OneServer
) -> None:
    server.command("RENAME DATABASE perptape TO aside")
    try:
        apply(server, load()[:1])
        with pytest.raises(ConfigurationError, match="does not become one of the cluster once"):
            apply(server, load(), cluster=ONCE)
    finally:
        server.command("DROP DATABASE perptape SYNC")
        server.command("RENAME DATABASE aside TO perptape")


def test_no_view_is_refused_over_several_shards(server: OneServer) -> None:
    server.command("DROP DATABASE perptape SYNC")
    apply(server, cluster=TWICE)

    assert len(views(server)) > 60
    for view in views(server):
        assert server.query(f"EXPLAIN SELECT * FROM {view}").rows
    server.command("CREATE TABLE joined_log AS trades_log")
    with pytest.raises(QueryError, match="Double-distributed"):
        server.query("SELECT asset FROM trades_log WHERE asset IN (SELECT asset FROM joined_log)")
