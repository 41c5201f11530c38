"""Alerts in the store: every field comes back, and a key that is delivered again is one row."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from schemas import examples
from schemas.alerts import ALERTS_SCHEMA, Alert
from schemas.topics import ALERTS
from schemas.units import US_PER_SECOND
from sinks.clickhouse.client import Store
from sinks.clickhouse.sink import ClickHouseSink
from tests.sinks.clickhouse.memory_bus import MemoryBus

EXAMPLES = [msgspec.convert(one, Alert) for one in examples.load(ALERTS_SCHEMA).values()]


async def put(store: Store, *alerts: Alert) -> None:
    bus = MemoryBus()
    bus.put(ALERTS.name, *alerts)
    await ClickHouseSink(bus, store).drain()


def rows(store: Store, asset: str) -> list[dict[str, Any]]:
    sql = "SELECT * FROM alerts WHERE asset = {asset:String} ORDER BY event_time, key"
    table = store.query(sql, {"asset": asset})
    return [dict(zip(table.column_names, row, strict=True)) for row in table.rows]


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
async def test_an_alert_is_read_back_with_everything_it_says(store: Store, number: int) -> None:
    asset = f"ALERT{number}"
    alert = msgspec.structs.replace(EXAMPLES[number], asset=asset)
    await put(store, alert)
    (row,) = rows(store, asset)
    wanted = msgspec.to_builtins(alert)
    wanted |= wanted.pop("completeness") | {"status": wanted["status"]}
    wanted["event_time"] = datetime.fromtimestamp(alert.event_time_us / US_PER_SECOND, UTC)
    absent = {"schema", "method", "params", "inputs", "event_time_us"}
    assert row == {name: value for name, value in wanted.items() if name not in absent}


async def test_a_key_that_comes_again_is_one_row_and_the_newest(store: Store) -> None:
    first = msgspec.structs.replace(EXAMPLES[0], asset="TWICE")
    newer = msgspec.structs.replace(first, revision=first.revision + 1, message="once more")
    other = msgspec.structs.replace(first, key="another")
    await put(store, first, newer, first, other)
    assert [(row["key"], row["message"]) for row in rows(store, "TWICE")] == [
        ("another", first.message),
        (first.key, "once more"),
    ]
