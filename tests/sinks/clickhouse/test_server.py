"""The embedded store over HTTP, through the clients that people use."""

import asyncio
import gzip
import json
import os
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import clickhouse_connect
import pytest
from clickhouse_connect.driver.exceptions import DatabaseError

from runtime.errors import ConfigurationError
from schemas.topics import FOOTPRINTS, TRADES
from sinks.clickhouse.access import open_reader
from sinks.clickhouse.client import Store, open_store
from sinks.clickhouse.handles import ReadLimits
from sinks.clickhouse.server import StoreServer
from sinks.clickhouse.sink import ClickHouseSink
from tests.sinks.clickhouse.memory_bus import MemoryBus
from tests.sinks.clickhouse.records import bar, batch, price_rows, trade

INVALID_USAGE_OF_INPUT = 477


@pytest.fixture
async def server(store: Store) -> AsyncIterator[StoreServer]:
    assert store.path is not None
    serving = StoreServer(store.path, limits=ReadLimits(rows=5000, handles=2))
    await serving.start()
    yield serving
    await serving.stop()


async def fill(store: Store, asset: str) -> None:
    bus = MemoryBus()
    bus.put(TRADES.name, batch(asset, [trade(1), trade(2)]))
    bus.put(FOOTPRINTS.name, bar(asset, price_rows()))
    await ClickHouseSink(bus, store).drain()


async def ask(server: StoreServer, sql: str, **parameters: Any) -> list[Any]:
    def query() -> list[Any]:
        client = clickhouse_connect.get_client(
            host="127.0.0.1", port=server.port, database="perptape"
        )
        try:
            return list(client.query(sql, parameters=parameters).result_rows)
        finally:
            client.close()

    return await asyncio.to_thread(query)


async def get(
    server: StoreServer, headers: dict[str, str] | None = None, **arguments: str
) -> tuple[int, dict[str, str], str]:
    address = f"http://127.0.0.1:{server.port}/"
    async with (
        aiohttp.ClientSession() as session,
        session.get(address, params=arguments, headers=headers) as response,
    ):
        return response.status, dict(response.headers), await response.text()


async def test_the_stock_client_reads_views(store: Store, server: StoreServer) -> None:
    await fill(store, "HTTP")

    trades = await ask(
        server, "SELECT price, qty FROM trades WHERE asset = {asset:String}", asset="HTTP"
    )
    bars = await ask(
        server, "SELECT vah, delta_since_high FROM footprint_bars WHERE asset = 'HTTP'"
    )

    assert sorted(trades) == [
        (Decimal("65000.1"), Decimal("0.011")),
        (Decimal("65000.2"), Decimal("0.012")),
    ]
    assert bars == [(Decimal(65_010), None)]
    assert await ask(server, "SELECT price FROM trades WHERE asset = 'NOBODY'") == []


async def test_the_async_client_reads_and_cannot_write(store: Store, server: StoreServer) -> None:
    await fill(store, "ASYNC")
    client = await clickhouse_connect.get_async_client(host="127.0.0.1", port=server.port)
    try:
        answer = await client.query("SELECT trade_id FROM trades WHERE asset = 'ASYNC' ORDER BY 1")
        with pytest.raises(DatabaseError, match="READONLY"):
            await client.command("DROP TABLE trades_log")
    finally:
        await client.close()

    assert [tuple(row) for row in answer.result_rows] == [("2",), ("3",)]


async def test_a_plain_get_answers_json(store: Store, server: StoreServer) -> None:
    await fill(store, "PLAINGET")
    sql = "SELECT asset, min(price) AS low FROM trades WHERE asset = {a:String} GROUP BY asset"

    status, headers, text = await get(server, query=sql, default_format="JSON", param_a="PLAINGET")

    assert (status, headers["X-ClickHouse-Format"]) == (200, "JSON")
    assert headers["Content-Type"].startswith("application/json")
    assert json.loads(text)["data"] == [{"asset": "PLAINGET", "low": 65000.1}]


async def test_a_format_in_the_query_wins(server: StoreServer) -> None:
    _, headers, text = await get(server, query="SELECT 1 AS a FORMAT CSVWithNames;")

    assert (headers["X-ClickHouse-Format"], text) == ("CSVWithNames", '"a"\n1\n')


async def test_ping_and_a_compressed_body_are_answered(server: StoreServer) -> None:
    address = f"http://127.0.0.1:{server.port}"
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{address}/ping") as response:
            assert await response.text() == "Ok.\n"
        async with session.post(
            address, data=gzip.compress(b"SELECT 41 + 1"), headers={"Content-Encoding": "gzip"}
        ) as response:
            assert await response.text() == "42\n"


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO trades_log SELECT * FROM trades_log",
        "CREATE TABLE t (a Int8) ENGINE = Memory",
        "DROP TABLE trades_log",
        "SET readonly = 0",
        "SELECT 1 SETTINGS max_threads = 7",
        "SELECT file('/etc/hostname')",
        "SELECT * FROM file('/etc/hostname', 'LineAsString')",
        "SELECT * FROM url('http://127.0.0.1:1/', 'CSV')",
        "SELECT 1 INTO OUTFILE '/tmp/never'",
        "SET readonly = 2",
        "SELECT 1 SETTINGS readonly = 2",
        "INSERT INTO FUNCTION file('/tmp/never', 'CSV') SELECT 1",
        "SELECT * FROM remote('127.0.0.1:1', system.one)",
        "SELECT * FROM s3('http://127.0.0.1:1/a.csv')",
        "SELECT * FROM executable('true', 'CSV', 'a Int8')",
        "SELECT 1 WHERE 1 IN (SELECT * FROM url('http://127.0.0.1:1/', 'CSV'))",
        "DESCRIBE TABLE url('http://127.0.0.1:1/', 'CSV')",
        "CREATE TEMPORARY TABLE t (a Int8)",
        "ALTER TABLE trades_log DELETE WHERE 1",
        "TRUNCATE TABLE trades_log",
        "DETACH TABLE trades_log",
        "KILL QUERY WHERE 1",
        "SYSTEM STOP MERGES",
        "USE system",
    ],
)
async def test_a_reader_can_neither_write_nor_leave_the_store(
    server: StoreServer, sql: str
) -> None:
    with pytest.raises(DatabaseError, match="READONLY") as caught:
        await ask(server, sql)

    assert caught.value.code == 164


async def test_settings_of_the_request_are_not_taken(server: StoreServer) -> None:
    status, headers, _ = await get(server, query="SELECT 1", max_threads="7")
    assert (status, headers["X-ClickHouse-Exception-Code"]) == (403, "164")

    status, _, _ = await get(
        server, query="SELECT 1", output_format_json_quote_64bit_integers="0", session_id="x"
    )
    assert status == 200


async def test_a_query_has_no_input_of_its_own(server: StoreServer) -> None:
    with pytest.raises(DatabaseError, match="input") as caught:
        await ask(server, "SELECT * FROM input('a Int8')")

    assert caught.value.code == INVALID_USAGE_OF_INPUT


@pytest.mark.parametrize("readonly", ["0", "2"])
async def test_what_is_decided_is_not_lifted_by_an_argument(
    server: StoreServer, readonly: str
) -> None:
    lifted: dict[str, Any] = {
        "readonly": readonly,
        "max_result_rows": "0",
        "max_execution_time": "0",
    }
    names = ("readonly", "max_result_rows", "max_execution_time")
    sql = "SELECT " + ", ".join(f"getSetting('{name}')" for name in names)

    assert (await get(server, query=sql, **lifted))[2] == "1\t5000\t30\n"
    _, headers, _ = await get(server, query="SELECT * FROM numbers(5001)", **lifted)
    assert headers["X-ClickHouse-Exception-Code"] == "396"
    status, _, _ = await get(server, query="SELECT 1", max_threads="7", **lifted)
    assert status == 403
    for body in (
        b"INSERT INTO trades_log FORMAT Native\n",
        b"DROP TABLE trades_log",
        b"; SELECT 2",
    ):
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"http://127.0.0.1:{server.port}/", params=lifted, data=body) as response,
        ):
            assert response.status == 403


async def test_an_error_has_the_code_and_the_message_of_the_engine(server: StoreServer) -> None:
    status, headers, text = await get(server, query="SELECT nothing FROM trades")

    assert (status, headers["X-ClickHouse-Exception-Code"]) == (404, "47")
    assert text.startswith("Code: 47. DB::Exception: Unknown expression identifier `nothing`")
    assert text.count("\n") == 1


async def test_a_result_is_limited(server: StoreServer) -> None:
    with pytest.raises(DatabaseError) as caught:
        await ask(server, "SELECT * FROM numbers(5001)")

    assert caught.value.code == 396


async def test_another_host_name_is_refused(server: StoreServer) -> None:
    status, _, _ = await get(server, {"Host": "rebound.example"}, query="SELECT 1")

    assert status == 403


async def test_more_requests_than_may_wait_are_turned_away(store: Store) -> None:
    assert store.path is not None
    serving = StoreServer(store.path, limits=ReadLimits(handles=1, waiting=2))
    await serving.start()
    try:
        answers = await asyncio.gather(*(get(serving, query="SELECT sleep(0.2)") for _ in range(8)))
    finally:
        await serving.stop()

    codes = [status for status, _, _ in answers]
    assert set(codes) == {200, 503}
    assert codes.count(200) >= 2


async def test_the_address_is_written_while_it_serves(store: Store) -> None:
    assert store.path is not None
    serving = StoreServer(store.path)
    await serving.start()
    address = json.loads((store.path / "server.json").read_text())
    reader = open_reader(store.path)  # of our own process: must not wait for our own loop
    assert reader.query("SELECT 1 AS a").rows == [(1,)]
    reader.close()
    await serving.stop()

    assert address == {"host": "127.0.0.1", "port": serving.port, "pid": os.getpid()}
    assert not (store.path / "server.json").exists()


async def test_a_port_in_use_and_a_public_address_are_refused(
    store: Store, server: StoreServer, tmp_path: Path
) -> None:
    assert store.path is not None
    with pytest.raises(ConfigurationError, match="choose another port"):
        await StoreServer(store.path, port=server.port).start()
    with pytest.raises(ConfigurationError, match="loopback"):
        await StoreServer(tmp_path, host="0.0.0.0").start()  # noqa: S104
    assert (store.path / "server.json").exists()


async def test_a_sink_writes_over_http_with_the_same_tokens(store: Store) -> None:
    assert store.path is not None
    serving = StoreServer(store.path, writable=True)
    await serving.start()
    remote = await asyncio.to_thread(open_store, f"http://127.0.0.1:{serving.port}")
    try:
        bus = MemoryBus()
        bus.put(TRADES.name, batch("REMOTE", [trade(1)]), batch("REMOTE", [trade(2)], lot="0"))
        await ClickHouseSink(bus, remote).drain()
        bus.offsets.clear()
        await ClickHouseSink(bus, remote).drain()
    finally:
        await asyncio.to_thread(remote.close)
        await serving.stop()

    assert store.query("SELECT count() FROM trades_log WHERE asset = 'REMOTE'").rows == [(1,)]
    assert len(bus.log("md.ops.deadletter.v1", 0)) == 2


async def test_views_with_parameters_are_read_through_the_stock_client(
    store: Store, server: StoreServer
) -> None:
    await fill(store, "PARAMETERS")

    sql = "SELECT minutes, sell_qty FROM merged_bars(interval_seconds = {seconds:UInt32})"
    bars = await ask(server, f"{sql} WHERE asset = 'PARAMETERS'", seconds=900)
    rows = await ask(
        server,
        "SELECT row_price FROM merged_footprint_rows(interval_seconds = 900)"
        " WHERE asset = 'PARAMETERS' ORDER BY row_price",
    )
    since = "SELECT count() FROM cvd_since(anchor = {anchor:DateTime64(6)})"
    steps = await ask(server, f"{since} WHERE asset = 'PARAMETERS'", anchor="2026-09-21 00:00:00")

    assert bars == [(1, Decimal("0.018"))]
    assert rows == [(Decimal(65_000),), (Decimal(65_010),), (Decimal(65_020),)]
    assert steps == [(0,)]
    for view in ("conservation", "venue_comparison", "data_quality"):
        assert await ask(server, f"SELECT * FROM {view} WHERE asset = 'PARAMETERS'") == []
