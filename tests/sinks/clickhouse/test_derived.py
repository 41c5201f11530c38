"""Tables of derived records: every field in its column, the newest revision, and dead letters."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from schemas.bars import BarClose
from schemas.ops import DeadLetter
from schemas.profiles import ProfileWindow
from schemas.topics import BARS, CVD_STRUCTURE, DEADLETTER, HEATMAP, IMBALANCE, PROFILES, Topic
from sinks.clickhouse.client import Store
from tests.sinks.clickhouse import flat
from tests.sinks.clickhouse.published import found as rows
from tests.sinks.clickhouse.published import published, put

TABLES: list[tuple[str, Topic, Callable[[Any], list[flat.Flat]]]] = [
    ("bars_log", BARS, flat.bar),
    ("profiles_log", PROFILES, flat.profile),
    ("cvd_structure_log", CVD_STRUCTURE, flat.cvd_series),
    ("convictions_log", CVD_STRUCTURE, flat.convictions),
    ("imbalance_log", IMBALANCE, flat.imbalance),
    ("imbalance_scopes_log", IMBALANCE, flat.imbalance_scopes),
    ("heatmap_log", HEATMAP, flat.heatmap),
]
TOPICS = [BARS, PROFILES, CVD_STRUCTURE, IMBALANCE, HEATMAP]
PLACE = {"log_partition", "log_offset"}


def by_content(found: list[flat.Flat]) -> list[flat.Flat]:
    return sorted(found, key=lambda row: repr(sorted((name, plain(row[name])) for name in row)))


def plain(value: Any) -> Any:
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value.normalize() if isinstance(value, Decimal) else value


@pytest.mark.parametrize(("table", "topic", "wanted"), TABLES, ids=[row[0] for row in TABLES])
async def test_every_field_is_in_its_column(
    store: Store, table: str, topic: Topic, wanted: Callable[[Any], list[flat.Flat]]
) -> None:
    asset = f"FIELDS_{table}"
    records = published(topic, asset)
    await put(store, topic, *records)

    found = rows(store, f"SELECT * FROM {table} WHERE asset = '{asset}'")

    offsets = {row["log_offset"] for row in found}
    assert offsets == set(range(len(records)))
    without = [{name: row[name] for name in row.keys() - PLACE} for row in found]
    expected = [row for record in records for row in wanted(record)]
    assert by_content(without) == by_content(expected)


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.schema_name)
async def test_a_record_of_another_schema_version_is_a_dead_letter(
    store: Store, topic: Topic
) -> None:
    asset = f"LATER_{topic.schema_name}"
    record = published(topic, asset)[0]
    later = msgspec.structs.replace(record, schema=topic.schema_name.replace(".v1", ".v2"))

    bus = await put(store, topic, later, record)

    (letter,) = (
        msgspec.json.decode(found.value or b"", type=DeadLetter)
        for found in bus.log(DEADLETTER.name, 0)
    )
    assert letter.reason == "unknown_schema"
    tables = [table for table, of, _ in TABLES if of is topic]
    for table in tables:
        found = rows(store, f"SELECT DISTINCT log_offset FROM {table} WHERE asset = '{asset}'")
        assert found == [{"log_offset": 1}]


@pytest.mark.parametrize(("table", "topic", "_"), TABLES, ids=[row[0] for row in TABLES])
async def test_what_comes_again_in_another_cut_is_there_once(
    store: Store, table: str, topic: Topic, _: object
) -> None:
    asset = f"AGAIN_{table}"
    records = published(topic, asset)
    await put(store, topic, *records)
    query = f"SELECT * FROM {table} FINAL WHERE asset = '{asset}'"
    once = by_content(rows(store, query))

    await put(store, topic, *records, flush_rows=1)

    assert once
    assert by_content(rows(store, query)) == once


async def test_a_final_bar_replaces_what_it_was_before_and_stays(store: Store) -> None:
    final = published(BARS, "BAR_LIFE")[0]
    early = msgspec.structs.replace(
        final, is_final=False, closed_by=BarClose.OPEN, buy_lots=1, revision=final.revision - 9
    )
    later = msgspec.structs.replace(early, buy_lots=2, revision=final.revision - 5)
    query = "SELECT is_final, buy_lots FROM bars_log FINAL WHERE asset = 'BAR_LIFE'"

    await put(store, BARS, early, flush_rows=1)
    assert rows(store, query) == [{"is_final": False, "buy_lots": 1}]
    await put(store, BARS, early, later, final, flush_rows=1)
    await put(store, BARS, later, flush_rows=1)

    assert rows(store, query) == [{"is_final": True, "buy_lots": 140_500_000}]


async def test_bars_of_two_days_and_two_thresholds_are_not_one(store: Store) -> None:
    one = published(BARS, "IDENTITIES")[0]
    day_us = 86_400_000_000
    tomorrow = {
        name: getattr(one, name) + day_us for name in ("day_start_us", "bar_start_us", "bar_end_us")
    }
    others = [
        msgspec.structs.replace(one, threshold="12"),
        msgspec.structs.replace(one, split=True),
        msgspec.structs.replace(one, index=5),
        msgspec.structs.replace(one, **tomorrow),
    ]
    await put(store, BARS, one, *others)

    assert len(rows(store, "SELECT 1 FROM bars_log FINAL WHERE asset = 'IDENTITIES'")) == 5


def changed(record: Any, **changes: Any) -> Any:
    return msgspec.structs.replace(record, **changes)


def of_profiles() -> list[Any]:
    one = published(PROFILES, "IDENTITY_profiles_log")[1]
    return [
        one,
        changed(one, window=ProfileWindow.SESSION),
        changed(one, window_start_us=one.window_start_us - 1),
        changed(one, symbol="BTC-USDC-PERP"),
    ]


def of_cvd_structure() -> list[Any]:
    one = published(CVD_STRUCTURE, "IDENTITY_cvd_structure_log")[0]
    return [one, changed(one, bar_start_us=one.bar_end_us)]


def of_imbalance() -> list[Any]:
    one = published(IMBALANCE, "IDENTITY_imbalance_log")[0]
    both = [one.instruments[0], changed(one.instruments[0], symbol="BTC-USDC-PERP")]
    return [changed(one, instruments=both), changed(one, step_start_us=one.step_start_us + 1)]


def of_heatmap() -> list[Any]:
    one = published(HEATMAP, "IDENTITY_heatmap_log")[1]
    both = [one.columns[0], changed(one.columns[0], symbol="BTC-USDC-PERP")]
    return [
        changed(one, columns=both),
        changed(one, row_size="10"),
        changed(one, step_start_us=one.step_start_us + 1),
    ]


@pytest.mark.parametrize(
    ("table", "topic", "records", "count"),
    [
        ("profiles_log", PROFILES, of_profiles(), 4),
        ("cvd_structure_log", CVD_STRUCTURE, of_cvd_structure(), 8),
        ("imbalance_log", IMBALANCE, of_imbalance(), 4),
        ("heatmap_log", HEATMAP, of_heatmap(), 4),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_what_differs_in_any_part_of_its_identity_is_kept(
    store: Store, table: str, topic: Topic, records: list[Any], count: int
) -> None:
    await put(store, topic, *records)

    asset = f"IDENTITY_{table}"
    found = rows(store, f"SELECT count() AS n FROM {table} FINAL WHERE asset = '{asset}'")

    assert found == [{"n": count}]
