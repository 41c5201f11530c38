"""What holds for all topics beside trades, bars and CVD: cuts, keys, other versions, poison."""

import msgspec
import pytest

from schemas.ops import DeadLetter
from schemas.topics import (
    BOOKS,
    CASCADES,
    CONTEXT,
    DEADLETTER,
    EVENTS,
    LIQUIDATION_FLOW,
    LIQUIDATION_LEVELS,
    LIQUIDATIONS,
    TICKERS,
    TRAPPED,
    Topic,
)
from sinks.clickhouse.batches import SPLITTERS
from sinks.clickhouse.client import Store
from sinks.clickhouse.sink import ClickHouseSink, SinkSettings
from tests.sinks.clickhouse.published import Document, documents, found, put

VIEWS = {
    BOOKS: ("books", "book_bands"),
    LIQUIDATIONS: ("liquidations",),
    TICKERS: ("tickers",),
    EVENTS: ("events", "event_states"),
    CASCADES: ("cascades", "cascade_states", "cascade_venues"),
    LIQUIDATION_FLOW: ("liquidation_flow", "liquidation_clusters"),
    CONTEXT: ("context", "open_interest", "funding", "quadrants"),
    LIQUIDATION_LEVELS: ("liquidation_levels", "liquidation_level_rows"),
    TRAPPED: ("trapped", "trapped_rows"),
}
EACH = pytest.mark.parametrize("topic", VIEWS, ids=lambda topic: topic.schema_name)
KEYS = [
    ("books", "venue = 'okx'", "second_start"),
    ("book_bands", "venue = 'okx'", "second_start"),
    ("liquidations", "venue = 'okx'", "event_time"),
    ("tickers", "venue = 'okx'", "second_start"),
    ("events", "kind = 'absorption'", "start_time"),
    ("event_states", "kind = 'absorption'", "start_time"),
    ("cascades", "liquidated_side = 'long'", "start_time"),
    ("cascade_states", "liquidated_side = 'long'", "start_time"),
    ("cascade_venues", "liquidated_side = 'long'", "start_time"),
    ("liquidation_flow", "interval_seconds = 60", "window_start"),
    ("liquidation_clusters", "liquidated_side = 'long'", "start_time"),
    ("context", "asset != ''", "minute_start"),
    ("open_interest", "scope = 'venue'", "minute_start"),
    ("funding", "scope = 'venue'", "minute_start"),
    ("quadrants", "scope = 'perp'", "minute_start"),
    ("liquidation_levels", "asset != ''", "minute_start"),
    ("liquidation_level_rows", "asset != ''", "minute_start"),
    ("trapped", "asset != ''", "minute_start"),
    ("trapped_rows", "asset != ''", "minute_start"),
]


def answers(store: Store, topic: Topic, prefix: str) -> list[list[str]]:
    """Return what the views say of the assets with a prefix, in an order of its own."""
    return [
        sorted(
            str(row)
            for row in found(store, f"SELECT * FROM {view} WHERE startsWith(asset, '{prefix}')")
        )
        for view in VIEWS[topic]
    ]


@EACH
async def test_records_that_come_again_in_another_cut_change_no_answer(
    store: Store, topic: Topic
) -> None:
    prefix = f"CUT_{topic.schema_name}_"
    bus = await put(store, topic, *documents(topic, prefix))
    first = answers(store, topic, prefix)

    for flush_rows in (1, 2, 5):
        bus.offsets.clear()
        settings = SinkSettings(flush_rows=flush_rows)
        await ClickHouseSink(bus, store, settings=settings).drain()

    assert answers(store, topic, prefix) == first
    assert all(first)


@EACH
async def test_another_major_version_is_a_dead_letter(store: Store, topic: Topic) -> None:
    prefix = f"NEXT_{topic.schema_name}_"
    newer = topic.schema_name[:-1] + "2"
    records = [{**record, "schema": newer} for record in documents(topic, prefix)][:1]
    good = list(documents(topic, f"{prefix}GOOD_"))

    bus = await put(store, topic, *good, *records, *good)

    (letter,) = bus.log(DEADLETTER.name, 0)
    read = msgspec.json.decode(letter.value or b"", type=DeadLetter)
    assert read.reason == "unknown_schema"
    assert read.detail == f"expected schema {topic.schema_name}, was {newer}"
    assert all(answers(store, topic, f"{prefix}GOOD_"))


def beyond(record: Document, topic: Topic) -> Document:
    """Return the record with a number that no column holds."""
    name = "sequence" if "sequence" in record else "revision"
    if topic is LIQUIDATIONS:
        row = record["rows"][0]
        return {**record, "rows": [[*row[:2], 2**63, *row[3:]]]}
    return {**record, name: 2**64}


@EACH
async def test_what_no_column_holds_is_a_dead_letter_and_the_rest_is_stored(
    store: Store, topic: Topic
) -> None:
    prefix = f"LARGE_{topic.schema_name}_"
    good = list(documents(topic, prefix))
    bad = {**beyond(good[0], topic), "asset": f"{prefix}BAD", "symbol": "OTHER"}

    bus = await put(store, topic, *good, bad, *good)

    letters = [
        msgspec.json.decode(letter.value or b"", type=DeadLetter)
        for letter in bus.log(DEADLETTER.name, 0)
    ]
    # One for each table that cannot have it, all of the one record.
    assert {letter.origin for letter in letters} == {f"{topic.name}/10/{len(good)}"}
    assert {letter.reason for letter in letters} <= {"unstorable", "undecodable"}
    assert all(answers(store, topic, prefix))


@pytest.mark.parametrize(("view", "where", "column"), KEYS, ids=[key[0] for key in KEYS])
async def test_filters_on_a_view_reach_partitions_and_key(
    store: Store, view: str, where: str, column: str
) -> None:
    topic = next(topic for topic, views in VIEWS.items() if view in views)
    await put(store, topic, *documents(topic, "PLAN"))

    plan = "\n".join(
        row[0]
        for row in store.query(
            f"EXPLAIN indexes = 1 SELECT * FROM {view}"
            f" WHERE asset = 'PLAN0' AND {where} AND {column} >= '2026-11-21 00:00:00'"
        ).rows
    )

    assert "FINAL: 1" in plan
    key = plan.split("PrimaryKey", 1)[1]
    assert "asset in ['PLAN0', 'PLAN0']" in key
    assert f"{column} in [" in key
    assert where.split(" ", 1)[0] in key
    partitions = plan.split("Min-Max", 1)[1].split("PrimaryKey", 1)[0]
    assert "Condition: true" not in partitions


def test_every_topic_with_data_is_stored() -> None:
    assert {topic.name for topic in VIEWS} <= set(SPLITTERS)
