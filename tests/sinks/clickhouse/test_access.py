"""Reading a store from another process, from its folder, and when there is none."""

import asyncio
import csv
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.errors import ConfigurationError, StoreError
from schemas.topics import TRADES
from sinks.clickhouse.access import open_reader
from sinks.clickhouse.client import QueryError, open_store
from sinks.clickhouse.migrate import apply
from sinks.clickhouse.query import Format, run_query
from sinks.clickhouse.sink import ClickHouseSink
from tests.sinks.clickhouse.memory_bus import MemoryBus
from tests.sinks.clickhouse.records import batch, trade

OWNER = """
import asyncio, sys
from pathlib import Path
from sinks.clickhouse.client import open_store
from sinks.clickhouse.server import StoreServer

async def main(path, serve):
    store = open_store(path)
    server = StoreServer(path)
    if serve:
        await server.start()
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    if serve:
        await server.stop()
    store.close()

asyncio.run(main(Path(sys.argv[1]), sys.argv[2] == "serve"))
"""
SQL = "SELECT price, qty, side FROM trades WHERE asset = 'READ' ORDER BY trade_id"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("folder") / "store"
    store = open_store(path)
    apply(store)
    bus = MemoryBus()
    bus.put(TRADES.name, batch("READ", [trade(1), trade(3)]))
    asyncio.run(ClickHouseSink(bus, store).drain())
    store.close()
    return path


@pytest.fixture
def owner(folder: Path, request: pytest.FixtureRequest) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", OWNER, str(folder), request.param]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
        process.communicate("\n", timeout=60)


@pytest.mark.parametrize("owner", ["serve"], indirect=True)
def test_a_store_that_another_process_serves_is_read_through_it(
    owner: subprocess.Popen[str], folder: Path
) -> None:
    address = json.loads((folder / "server.json").read_text())
    assert address["pid"] == owner.pid

    reader = open_reader(folder)
    try:
        table = reader.query(SQL + ";")
    finally:
        reader.close()

    assert table.column_names == ["price", "qty", "side"]
    assert [str(row[0]) for row in table.rows] == ["65000.100000000000", "65000.300000000000"]


@pytest.mark.parametrize("owner", ["serve"], indirect=True)
def test_a_server_is_read_at_its_address(owner: subprocess.Popen[str], folder: Path) -> None:
    assert owner.poll() is None
    port = json.loads((folder / "server.json").read_text())["port"]

    rows = list(csv.reader(run_query(f"http://127.0.0.1:{port}", SQL, "csv").splitlines()))

    assert [row[0] for row in rows] == ["price", "65000.1", "65000.3"]
    with pytest.raises(QueryError):
        run_query(f"http://127.0.0.1:{port}", "INSERT INTO trades_log SELECT 1")


def test_a_server_that_is_away_is_named_without_its_password() -> None:
    with pytest.raises(StoreError, match=r"http://127\.0\.0\.1:9 does not answer") as caught:
        open_reader("http://reader:not-a-secret@127.0.0.1:9")
    assert "not-a-secret" not in str(caught.value)


@pytest.mark.parametrize("owner", ["hold"], indirect=True)
def test_a_store_that_another_process_holds_names_that_process(
    owner: subprocess.Popen[str], folder: Path
) -> None:
    with pytest.raises(
        ConfigurationError, match=rf"in use by another perptape \(pid {owner.pid}\)"
    ):
        open_reader(folder)


@pytest.mark.parametrize("owner", ["hold"], indirect=True)
def test_a_store_that_is_held_for_a_moment_is_waited_for(
    owner: subprocess.Popen[str], folder: Path
) -> None:
    assert owner.stdin is not None
    threading.Timer(0.5, print, ("",), {"file": owner.stdin, "flush": True}).start()
    open_store(folder, patience_seconds=60).close()


def test_a_folder_is_read_alone_and_a_stale_address_is_passed_over(folder: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    stale = folder / "server.json"
    stale.write_text(json.dumps({"host": "127.0.0.1", "port": 9, "pid": gone.pid}))

    reader = open_reader(folder)
    try:
        rows = reader.query(SQL).rows
        empty = reader.query("SELECT price FROM trades WHERE asset = {a:String}", {"a": "NO"})
        for bad in ("INSERT INTO trades_log SELECT 1", "SELECT file('/etc/hostname')"):
            with pytest.raises(QueryError):
                reader.query(bad)
    finally:
        reader.close()
        stale.unlink()

    assert len(rows) == 2
    assert (empty.column_names, empty.column_types) == (["price"], ["Decimal(38, 12)"])


def test_json_has_exact_numbers(folder: Path) -> None:
    text = run_query(folder, SQL, "json")

    assert '"price":65000.1,"qty":0.011,"side":"sell"' in text
    assert len(json.loads(text)) == 2
    big = run_query(folder, "SELECT toDecimal256('12345678901234567890123456789012.5', 3)", "json")
    assert "12345678901234567890123456789012.5}" in big


def test_csv_has_a_header(folder: Path) -> None:
    sql = "SELECT 'a,\"b\"' AS t, [1, 2] AS l, NULL AS n, toDateTime64(1.5, 6, 'UTC') AS at"

    rows = list(csv.reader(run_query(folder, sql, "csv").splitlines()))

    assert rows == [["t", "l", "n", "at"], ['a,"b"', "[1,2]", "", "1970-01-01T00:00:01.500000Z"]]


def test_a_table_shows_names_and_values(folder: Path) -> None:
    text = run_query(folder, SQL)

    assert "price" in text
    assert "65000.3" in text
    assert text.endswith("2 rows\n")


@pytest.mark.parametrize("form", ["table", "json", "csv"])
def test_an_sql_error_is_one_line_of_the_engine(folder: Path, form: Format) -> None:
    with pytest.raises(QueryError, match="Unknown expression identifier `nothing`") as caught:
        run_query(folder, "SELECT nothing FROM trades", form)

    assert "\n" not in str(caught.value)


def test_a_missing_or_empty_folder_says_how_a_store_is_made(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="make demo"):
        open_reader(tmp_path / "nothing")
    with pytest.raises(ConfigurationError, match="make demo"):
        open_reader(tmp_path)

    unmigrated = open_store(tmp_path / "unmigrated")
    unmigrated.command("CREATE DATABASE other ENGINE = Atomic")
    unmigrated.close()
    with pytest.raises(ConfigurationError, match="holds no data"):
        open_reader(tmp_path / "unmigrated")


def test_a_second_folder_in_one_process_is_refused_in_plain_words(
    folder: Path, tmp_path: Path
) -> None:
    first = open_store(folder)
    try:
        with pytest.raises(ConfigurationError, match="cannot be opened"):
            open_store(tmp_path / "other")
    finally:
        first.close()
