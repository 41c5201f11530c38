"""Every query of the dashboards through the stock client, sync and async, packed in turn.

The blocking client asks of the market, the async one of the examples.
"""

import asyncio
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import clickhouse_connect
import pytest
from clickhouse_connect.driver.asyncclient import AsyncClient
from clickhouse_connect.driver.client import Client

from deploy.grafana.macros import fill
from tests.deploy.grafana_rules import store_queries, variable_queries
from tests.deploy.grafana_store import EXAMPLES_END_MS, EXAMPLES_START_MS, START_MS
from tests.sinks.clickhouse.http.conftest import SECONDS, Path

ENCODINGS = ("lz4", "zstd", "gzip", False)
MARKET = (START_MS, START_MS + SECONDS * 1000)
EXAMPLES = (EXAMPLES_START_MS, EXAMPLES_END_MS)

Rows = list[tuple[Any, ...]]


def asked(path: Path, span: tuple[int, int]) -> list[tuple[str, Rows]]:
    """Return every query with its values put in, and what the engine itself answers."""
    queries = []
    values: dict[str, dict[str, list[str]]] = {}
    for page, name, sql in variable_queries():
        offered = values.setdefault(page, {})
        queries.append(fill(sql, *span, offered))
        offered[name] = [str(value) for (value,) in path.engine.query(queries[-1]).rows]
    for page, _, target in store_queries():
        queries.append(fill(target["rawSql"], *span, values[page]))
    answers = [(sql, path.engine.query(sql).rows) for sql in dict.fromkeys(queries)]
    assert len(answers) > 70
    assert sum(1 for _, rows in answers if rows) > 40
    return answers


@pytest.fixture(scope="module")
def clients(path: Path) -> Iterator[list[Client]]:
    opened = [
        clickhouse_connect.get_client(**server(path), compress=encoding) for encoding in ENCODINGS
    ]
    yield opened
    for client in opened:
        client.close()


def server(path: Path) -> dict[str, Any]:
    where = urlsplit(path.address)
    return {"host": where.hostname, "port": where.port, "database": "perptape", "tz_mode": "aware"}


def same(ours: Rows, theirs: Rows) -> bool:
    """Compare answers; rows that a query leaves in any order may come in another."""
    return ours == theirs or sorted(map(str, ours)) == sorted(map(str, theirs))


def test_the_blocking_client_answers_what_the_engine_does(
    path: Path, clients: list[Client]
) -> None:
    for number, (sql, rows) in enumerate(asked(path, MARKET)):
        client = clients[number % len(clients)]
        assert same([tuple(row) for row in client.query(sql).result_rows], rows), sql


async def test_the_async_client_answers_what_the_engine_does(
    path: Path,
) -> None:
    opened: list[AsyncClient] = [
        await clickhouse_connect.get_async_client(**server(path), compress=encoding)
        for encoding in ENCODINGS
    ]
    queries = await asyncio.to_thread(asked, path, EXAMPLES)
    turns = [queries[number :: len(opened)] for number in range(len(opened))]

    async def ask(client: AsyncClient, turn: list[tuple[str, Rows]]) -> int:
        for sql, rows in turn:
            found = await client.query(sql)
            assert same([tuple(row) for row in found.result_rows], rows), sql
        return len(turn)

    try:
        counts = await asyncio.gather(*map(ask, opened, turns))
    finally:
        for client in opened:
            await client.close()

    assert sum(counts) == len(queries)


async def test_the_async_client_is_told_the_code_of_an_error(path: Path) -> None:
    client = await clickhouse_connect.get_async_client(**server(path))
    try:
        with pytest.raises(clickhouse_connect.driver.exceptions.DatabaseError) as caught:
            await client.query("SELECT nothing FROM trades")
    finally:
        await client.close()

    assert caught.value.code == 47


async def test_the_async_client_writes_packed_with_a_token(path: Path) -> None:
    names = ["venue", "symbol", "tick", "lot"]
    for encoding in ENCODINGS:
        client = await clickhouse_connect.get_async_client(**server(path), compress=encoding)
        try:
            for _ in range(2):
                await client.insert(
                    "instruments_log",
                    [["async", f"{encoding}-USDT", 1, 1]],
                    column_names=names,
                    settings={"insert_deduplication_token": f"async {encoding}"},
                )
        finally:
            await client.close()

    sql = "SELECT symbol FROM instruments_log WHERE venue = 'async' ORDER BY symbol"
    found = [symbol for (symbol,) in path.engine.query(sql).rows]
    assert found == sorted(f"{encoding}-USDT" for encoding in ENCODINGS)
