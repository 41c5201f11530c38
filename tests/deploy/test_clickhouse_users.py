"""deploy/clickhouse/users.xml: what each user may do, asked of the engine with these rights."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

from deploy.grafana.macros import fill
from runtime.errors import StoreError
from schemas.migrations import load, parse
from schemas.topics import TRADES
from sinks.clickhouse.client import Store
from sinks.clickhouse.migrate import apply
from sinks.clickhouse.sink import ClickHouseSink
from tests.deploy.clickhouse_user import USERS, opened_as
from tests.deploy.grafana_rules import dashboards, store_queries, variable_queries
from tests.sinks.clickhouse.memory_bus import MemoryBus
from tests.sinks.clickhouse.records import DAY_US, batch, trade

DENIED, READONLY = r"\(ACCESS_DENIED\)", r"\(READONLY\)"
TABLES = (
    "CREATE TABLE perptape.mine (a Int8) ENGINE = MergeTree ORDER BY a",
    "ALTER TABLE perptape.trades_log DELETE WHERE 1",
    "DROP TABLE perptape.trades_log",
    "TRUNCATE TABLE perptape.trades_log",
    "CREATE DATABASE mine ENGINE = Atomic",
)
ELSEWHERE = (
    "SELECT * FROM file('/etc/hostname', 'LineAsString')",
    "SELECT * FROM url('http://127.0.0.1:9/', 'CSV')",
    "SELECT * FROM remote('127.0.0.1:9', system.one)",
    "SELECT name FROM system.users",
    "CREATE USER other",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the tables as `admin`, which needs no right beyond its own for any migration."""
    path = tmp_path_factory.mktemp("users")
    store = opened_as("admin", path)
    try:
        assert len(apply(store)) == len(load())
        for sql in ELSEWHERE:
            with pytest.raises(StoreError, match=DENIED):
                store.command(sql)
    finally:
        store.close()
    return path


@pytest.fixture(scope="module")
def filled(folder: Path) -> Path:
    """Fill a table as `ingest`, which can make, change and remove none."""
    bus = MemoryBus()
    bus.put(TRADES.name, batch("USERS", [trade(1), trade(2)]))
    store = opened_as("ingest", folder)
    try:
        assert apply(store) == []
        asyncio.run(ClickHouseSink(bus, store).drain())
        for sql in (*TABLES, *ELSEWHERE):
            with pytest.raises(StoreError, match=DENIED):
                store.command(sql)
        with pytest.raises(StoreError, match=DENIED):
            apply(store, [*load(), parse("9999.sql", f"-- step: a\n{TABLES[0]}")])
    finally:
        store.close()
    return folder


@pytest.fixture(scope="module")
def reader(filled: Path) -> Iterator[Store]:
    store = opened_as("grafana", filled)
    store.use("perptape")
    yield store
    store.close()


def test_grafana_reads_what_was_stored_and_asks_everything_of_its_dashboards(
    reader: Store,
) -> None:
    assert reader.query("SELECT count() FROM trades").rows == [(2,)]
    span = (DAY_US // 1000, DAY_US // 1000 + 60_000)
    names = {
        page: {name: ["60"] for p, name, _ in variable_queries() if p == page}
        for page in dashboards()
    }
    queries = [(page, target["rawSql"]) for page, _, target in store_queries()]
    queries += [(page, sql) for page, _, sql in variable_queries()]

    assert len(queries) > 80
    for page, sql in queries[::4]:
        assert reader.query(fill(sql, *span, names[page])).column_names


@pytest.mark.parametrize(
    "sql", [*TABLES, *ELSEWHERE, "INSERT INTO trades_log SELECT * FROM trades_log"]
)
def test_grafana_changes_nothing_and_reads_nothing_else(reader: Store, sql: str) -> None:
    with pytest.raises(StoreError, match=f"{DENIED}|{READONLY}"):
        reader.command(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "SET readonly = 0",
        "SET readonly = 2",
        "SET max_memory_usage = 0",
        "SELECT 1 SETTINGS max_rows_to_read = 0",
        "SELECT 1 SETTINGS max_threads = 64",
    ],
)
def test_grafana_cannot_change_its_limits(reader: Store, sql: str) -> None:
    with pytest.raises(StoreError, match=READONLY):
        reader.command(sql)


def test_the_limits_of_grafana_are_in_force(reader: Store) -> None:
    sql = (
        "SELECT name, value FROM system.settings WHERE name IN ('readonly', 'max_execution_time',"
        " 'max_memory_usage', 'max_rows_to_read', 'max_result_rows', 'result_overflow_mode')"
    )
    assert dict(reader.query(sql).rows) == {
        "readonly": "1",  # 2 would let a reader change settings, and read files of the host
        "max_execution_time": "20",
        "max_memory_usage": "2000000000",
        "max_rows_to_read": "500000000",
        "max_result_rows": "1000000",
        "result_overflow_mode": "throw",
    }
    with pytest.raises(StoreError, match="TOO_MANY_ROWS"):
        reader.command("SELECT count() FROM numbers(500000001)")


def test_a_reader_may_change_one_limit_within_a_bound_where_a_server_allows_it() -> None:
    root = ElementTree.parse(USERS).getroot()  # noqa: S314  # our own file
    changeable = root.findall(".//changeable_in_readonly/..")
    config = ElementTree.parse(USERS.with_name("config.xml"))  # noqa: S314  # our own file

    assert [(one.tag, one.findtext("max")) for one in changeable] == [("max_execution_time", "60")]
    replaces = "access_control_improvements/settings_constraints_replace_previous"
    assert config.findtext(replaces) == "true"
    assert [one.findtext("profile") for one in root.iterfind("users/*")].count("reader") == 1
