"""Migrations and the sink through the HTTP client: tokens, replacement, errors."""

import asyncio

import pytest

from runtime.bus.protocol import Record
from runtime.errors import StoreError, StoreRejected
from schemas.migrations import load
from schemas.topics import DEADLETTER, TRADES
from sinks.clickhouse.batches import Block, Range, split
from sinks.clickhouse.client import QueryError, Store, open_store
from sinks.clickhouse.migrate import apply
from sinks.clickhouse.sink import ClickHouseSink
from tests.sinks.clickhouse.http.conftest import DEADLINE_SECONDS, Path
from tests.sinks.clickhouse.memory_bus import MemoryBus
from tests.sinks.clickhouse.records import batch, trade


def logs(store: Store) -> dict[str, int]:
    """Return how many rows every table holds, replaced ones included."""
    sql = "SELECT name FROM system.tables WHERE database = 'perptape' AND endsWith(name, '_log')"
    names = [name for (name,) in store.query(sql).rows]
    return {name: store.query(f"SELECT count() FROM {name}").rows[0][0] for name in names}


def block(asset: str, count: int = 3, lot: str = "0.001") -> Block:
    bus = MemoryBus()
    bus.put(TRADES.name, batch(asset, [trade(n) for n in range(count)], lot=lot))
    ((record,),) = (log for log in bus.logs.values() if log)
    assert isinstance(record, Record)
    held = Range((record.topic, record.partition), 0.0)
    held.add(record, split(record, 7))
    (insert,) = held.inserts()
    return insert.build()


def send(store: Store, one: Block, token: str) -> None:
    store.insert(one.table, one.names, one.data, token)


def rows_of(store: Store, asset: str, final: str = "") -> int:
    sql = f"SELECT count() FROM trades_log {final} WHERE asset = '{asset}'"
    return int(store.query(sql).rows[0][0])


def test_all_tables_are_made_through_http(path: Path) -> None:
    assert path.applied == [migration.name for migration in load()]
    assert apply(path.remote) == []
    assert apply(path.engine) == []


def test_the_whole_log_again_in_the_same_cut_adds_no_row_to_any_table(path: Path) -> None:
    before = logs(path.remote)
    path.bus.offsets.clear()

    again = ClickHouseSink(path.bus, path.remote).drain()
    asyncio.run(asyncio.wait_for(again, DEADLINE_SECONDS))

    assert logs(path.remote) == before == logs(path.engine)
    assert sum(1 for count in before.values() if count) > 25
    assert sum(before.values()) > 1000


def test_a_block_has_no_target_but_its_table(path: Path) -> None:
    sql = "SELECT DISTINCT engine FROM system.tables WHERE database = 'perptape'"

    assert {engine for (engine,) in path.engine.query(sql).rows} == {"ReplacingMergeTree", "View"}


def test_the_same_token_adds_nothing_and_another_is_replaced_by_final(path: Path) -> None:
    one = block("TOKENS")
    for _ in range(3):
        send(path.remote, one, one.token)
    assert rows_of(path.engine, "TOKENS") == 3

    send(path.remote, one, "another")
    assert rows_of(path.engine, "TOKENS") == 6
    assert rows_of(path.engine, "TOKENS", "FINAL") == 3

    send(path.engine, one, one.token)  # in process it is the same token
    assert rows_of(path.engine, "TOKENS") == 6


def test_other_content_under_a_known_token_is_not_stored(path: Path) -> None:
    send(path.remote, block("SAMETOKEN", 3), "one token")
    send(path.remote, block("SAMETOKEN", 5), "one token")

    assert rows_of(path.engine, "SAMETOKEN") == 3  # why a sink's token names what is in the block


def test_a_refused_block_and_a_refused_query_say_so_with_the_code_of_the_engine(
    path: Path,
) -> None:
    with pytest.raises(StoreRejected, match=r"^Code: 469\. .*\(VIOLATED_CONSTRAINT\)$"):
        send(path.remote, block("REFUSED", lot="0"), "refused")
    one = block("CUT")
    with pytest.raises(StoreRejected, match=r"^Code: 33\. .*\(CANNOT_READ_ALL_DATA\)$"):
        path.remote.insert(one.table, one.names, one.data[:-5], "cut")
    with pytest.raises(StoreError, match=r"^Code: 60\. .*\(UNKNOWN_TABLE\)$") as unclear:
        path.remote.insert("nothing", one.names, one.data, "nothing")
    assert not isinstance(unclear.value, StoreRejected)
    with pytest.raises(QueryError, match=r"^Code: 47\. .*\(UNKNOWN_IDENTIFIER\)$"):
        path.remote.query("SELECT nothing FROM trades")
    with pytest.raises(StoreError, match=r"^Code: 62\. .*\(SYNTAX_ERROR\)$"):
        path.remote.command("CREATE TABLE ((")
    assert rows_of(path.engine, "REFUSED") + rows_of(path.engine, "CUT") == 0


async def test_a_record_that_the_store_refuses_is_found_among_good_ones(path: Path) -> None:
    bus = MemoryBus()
    lots = ["0" if n == 5 else "0.001" for n in range(9)]
    bus.put(TRADES.name, *(batch("FOUND", [trade(n)], lot=lot) for n, lot in enumerate(lots)))

    await asyncio.wait_for(ClickHouseSink(bus, path.remote).drain(), DEADLINE_SECONDS)

    assert len(bus.log(DEADLETTER.name, 0)) == 1
    assert rows_of(path.engine, "FOUND", "FINAL") == 8


def test_nobody_at_the_address_is_said_in_one_line(path: Path) -> None:
    with pytest.raises(StoreError, match=r"^the store at http://127\.0\.0\.1:9 does not answer: "):
        open_store("http://127.0.0.1:9")
