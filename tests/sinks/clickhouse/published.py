"""The published examples on their way through the sink: what was sent beside what is stored."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec

from schemas import examples
from schemas.topics import Topic
from sinks.clickhouse.client import Store
from sinks.clickhouse.sink import ClickHouseSink, SinkSettings
from tests.sinks.clickhouse.memory_bus import MemoryBus

Document = dict[str, Any]
CENT = Decimal("0.01")


def documents(topic: Topic, prefix: str) -> Iterator[Document]:
    """Yield the examples of a topic, each with an asset of its own: prefix and number."""
    for number, record in enumerate(examples.load(topic.schema_name).values()):
        yield {**record, "asset": f"{prefix}{number}"}


def published(topic: Topic, asset: str) -> list[Any]:
    """Return the examples of a topic as records, all of one asset."""
    return [
        msgspec.json.decode(json.dumps({**record, "asset": asset}), type=topic.record)
        for record in examples.load(topic.schema_name).values()
    ]


async def put(store: Store, topic: Topic, *records: Any, flush_rows: int = 50_000) -> MemoryBus:
    """Store records, or documents of such, as one log, and return it."""
    bus = MemoryBus()
    values = (json.dumps(one).encode() if isinstance(one, dict) else one for one in records)
    bus.put(topic.name, *values)
    await ClickHouseSink(bus, store, settings=SinkSettings(flush_rows=flush_rows)).drain()
    return bus


async def stored(store: Store, topic: Topic, record: Document) -> None:
    """Store one record."""
    await put(store, topic, record)


def found(store: Store, sql: str, **parameters: Any) -> list[Document]:
    """Return rows by the names of their columns."""
    table = store.query(sql, parameters)
    return [dict(zip(table.column_names, row, strict=True)) for row in table.rows]


def one(store: Store, sql: str, **parameters: Any) -> Document:
    """Return the only row."""
    (row,) = found(store, sql, **parameters)
    return row


def of_asset(store: Store, table: str, record: Document, final: str = "FINAL") -> Document:
    """Return the only row of a record's asset in a table; `final` is empty for a view."""
    return one(
        store,
        f"SELECT * FROM {table} {final} WHERE asset = {{asset:String}}",
        asset=record["asset"],
    )


def when(time_us: int | None) -> datetime | None:
    """Return a time as the store answers it."""
    if time_us is None:
        return None
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=time_us)


def times(value: Any, tick: str) -> Any:
    """Return steps of a grid as an exact number; null stays null."""
    return None if value is None else value * Decimal(tick)


def side(value: int) -> str:
    """Return the word for a liquidated side."""
    return {1: "long", -1: "short"}[value]


def inputs(record: Document) -> Document:
    """Return the columns that a record's input ranges become."""
    topics, partitions, first, last = (
        list(column) for column in zip(*record["inputs"], strict=True)
    )
    return {
        "inputs_topic": topics,
        "inputs_partition": partitions,
        "inputs_first_offset": first,
        "inputs_last_offset": last,
    }


def check(row: Document, record: Document, expected: Mapping[str, Any], *elsewhere: str) -> None:
    """Compare a row with a record, field by field.

    A field is in the column of its name, with the same value, unless `expected` says what its
    columns are; fields that are not in this row are `elsewhere` or have their columns expected.
    """
    plain = {
        name: value
        for name, value in record.items()
        if name not in {"schema", "inputs", *elsewhere} and name not in expected
    }
    wanted = {**plain, **expected, **(inputs(record) if "inputs" in record else {})}
    assert {name: row.get(name, "no such column") for name in wanted} == wanted
