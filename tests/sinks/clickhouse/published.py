"""The published examples as records of an asset of one's own, stored by the sink."""

import json
from typing import Any

import msgspec

from schemas import examples
from schemas.topics import Topic
from sinks.clickhouse.client import Store
from sinks.clickhouse.sink import ClickHouseSink, SinkSettings
from tests.sinks.clickhouse.memory_bus import MemoryBus


def published(topic: Topic, asset: str) -> list[Any]:
    return [
        msgspec.json.decode(json.dumps({**record, "asset": asset}), type=topic.record)
        for record in examples.load(topic.schema_name).values()
    ]


async def put(store: Store, topic: Topic, *records: Any, flush_rows: int = 50_000) -> MemoryBus:
    bus = MemoryBus()
    bus.put(topic.name, *records)
    await ClickHouseSink(bus, store, settings=SinkSettings(flush_rows=flush_rows)).drain()
    return bus


def rows(store: Store, sql: str, **parameters: Any) -> list[dict[str, Any]]:
    table = store.query(sql, parameters)
    return [dict(zip(table.column_names, row, strict=True)) for row in table.rows]
