"""What the operators over seconds make of a market, in the tables: every record, as it says."""

from collections.abc import Iterator
from typing import Any

import pytest

from schemas.topics import BARS, CVD_STRUCTURE, DEADLETTER, HEATMAP, IMBALANCE, PROFILES, Topic
from sinks.clickhouse.client import Store, open_store
from sinks.clickhouse.migrate import apply
from sinks.clickhouse.sink import ClickHouseSink
from tests.processors.seconds.market import BYBIT, Market, in_turn
from tests.processors.test_toolkit import Run
from tests.sinks.clickhouse import seen, seen_books
from tests.sinks.clickhouse.memory_bus import MemoryBus
from tests.sinks.clickhouse.published import found as rows
from tests.sinks.clickhouse.test_derived import by_content

VIEWS: list[tuple[str, Topic]] = [
    ("bars", BARS),
    ("profiles", PROFILES),
    ("profile_rows", PROFILES),
    ("cvd_candles", CVD_STRUCTURE),
    ("cvd_size_classes", CVD_STRUCTURE),
    ("imbalance", IMBALANCE),
    ("imbalance_bands", IMBALANCE),
    ("order_flow_imbalance", IMBALANCE),
    ("cross_venue_imbalance", IMBALANCE),
    ("heatmap", HEATMAP),
    ("heatmap_columns", HEATMAP),
]
IDENTITIES = {
    BARS: "scope venue symbol rule threshold split day_start_us index",
    PROFILES: "scope venue symbol window window_start_us",
    CVD_STRUCTURE: "bar_start_us",
    IMBALANCE: "step_start_us",
    HEATMAP: "step_start_us row_size",
}


@pytest.fixture(scope="module")
def records() -> dict[Topic, list[Any]]:
    """Return what the operators have sent, by topic, in order."""
    market = Market(75, outages=[(BYBIT, "books", 20, 31)])
    found: dict[Topic, list[Any]] = {topic: [] for topic in IDENTITIES}
    by_name = {topic.name: topic for topic in IDENTITIES}
    for output in Run().feed(in_turn(market.logs())).outputs:
        if output.topic in by_name:
            found[by_name[output.topic]].append(output.record)
    return found


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    opened = open_store(tmp_path_factory.mktemp("store"))
    apply(opened)
    yield opened
    opened.close()


def newest(topic: Topic, records: list[Any]) -> list[Any]:
    latest: dict[object, Any] = {}
    for record in records:
        identity = tuple(getattr(record, name) for name in IDENTITIES[topic].split())
        if identity not in latest or record.revision >= latest[identity].revision:
            latest[identity] = record
    return list(latest.values())


async def test_every_view_shows_the_newest_of_what_the_operators_have_sent(
    store: Store, records: dict[Topic, list[Any]]
) -> None:
    bus = MemoryBus()
    for topic, sent in records.items():
        assert sent, topic.name
        bus.put(topic.name, *sent)
    await ClickHouseSink(bus, store).drain()

    assert bus.log(DEADLETTER.name, 0) == []
    for view, topic in VIEWS:
        module = seen_books if topic in (IMBALANCE, HEATMAP) else seen
        wanted = [
            row for one in newest(topic, records[topic]) for row in getattr(module, view)(one)
        ]
        assert by_content(rows(store, f"SELECT * FROM {view}")) == by_content(wanted), view
    assert len(newest(BARS, records[BARS])) < len(records[BARS])
