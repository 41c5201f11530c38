"""Our Native encoding, read back by the engine."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from sinks.clickhouse.client import Store
from sinks.clickhouse.native import (
    Column,
    block,
    column,
    empty_block,
    header,
    repeated,
    scaled,
    strings,
)


def stored(store: Store, table: str, columns: list[Column], rows: int) -> list[tuple[Any, ...]]:
    fields = ", ".join(f"`{item.name}` {item.type}" for item in columns)
    store.command(f"CREATE TABLE {table} ({fields}) ENGINE = MergeTree ORDER BY tuple()")
    store.insert(table, [item.name for item in columns], block(columns, rows), token=table)
    return store.query(f"SELECT * FROM {table}").rows


@pytest.mark.parametrize(
    ("type_", "given", "read"),
    [
        ("Int64", [-(2**63), 2**63 - 1], None),
        ("UInt64", [0, 2**64 - 1], None),
        ("UInt32", [0, 2**32 - 1], None),
        ("Float64", [0.5, -1e300], None),
        ("Bool", [True, False], None),
        ("String", ["", "ü€ 'quoted'\n\x00"], None),
        ("String", ["x" * 127, "y" * 300], None),
        ("LowCardinality(String)", ["a", "ü"], None),
        ("Nullable(Int64)", [None, 3], None),
        ("Nullable(Float64)", [None, 0.25], None),
        ("Nullable(Bool)", [None, True], None),
        ("Array(Int64)", [[], [1, -2]], None),
        ("Array(String)", [["a", ""], []], None),
        ("Array(Nullable(Float64))", [[None, 1.5], []], None),
        ("Map(String, Int64)", [{"a": 1, "b": 2}, {}], None),
        ("Map(String, String)", [{}, {"a": "b"}], None),
        ("Enum8('buy' = 1, 'sell' = -1)", [1, -1], ["buy", "sell"]),
        (
            "Decimal(38, 18)",
            [scaled("0.000000000000000001"), -(10**37)],
            [Decimal("1e-18"), Decimal("-1e19")],
        ),
        (
            "DateTime64(6, 'UTC')",
            [0, 1_790_000_000_123_456],
            [datetime(1970, 1, 1, tzinfo=UTC), datetime(2026, 9, 21, 14, 13, 20, 123456, UTC)],
        ),
    ],
)
def test_a_value_comes_back_as_it_was(
    store: Store,
    request: pytest.FixtureRequest,
    type_: str,
    given: list[Any],
    read: list[Any] | None,
) -> None:
    table = f"scratch_{request.node.callspec.indices['type_']}"

    rows = stored(store, table, [column("value", type_, given)], len(given))

    assert [row[0] for row in rows] == (read or given)


@pytest.mark.parametrize(
    "texts", [[], ["12", "34"], ["12", "345"], ["", ""], ["aü", "bc"], ["x" * 128, "y" * 128]]
)
def test_texts_joined_at_once_are_the_bytes_of_each_one(texts: list[str]) -> None:
    each = b"".join(column("text", "String", [text]).data for text in texts)
    assert strings(texts) == each


def test_repeated_values_fill_their_runs(store: Store) -> None:
    columns = [
        repeated("text", "LowCardinality(String)", ["a", "b", "a"], [2, 0, 1]),
        repeated("number", "UInt32", [1, 2, 3], [2, 0, 1]),
    ]

    assert stored(store, "scratch_runs", columns, 3) == [("a", 1), ("a", 1), ("a", 3)]


def test_more_than_256_different_texts_take_wider_indexes(store: Store) -> None:
    texts = [f"text {n}" for n in range(300)]

    rows = stored(store, "scratch_wide", [column("t", "LowCardinality(String)", texts)], 300)

    assert [row[0] for row in rows] == texts


@pytest.mark.parametrize("text", ["1e", "", "0.0000000000000000001", "nan"])
def test_a_grid_that_has_no_18_decimals_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="decimal"):
        scaled(text)


def test_a_number_that_does_not_fit_is_refused() -> None:
    with pytest.raises(OverflowError):
        column("value", "Int64", [2**63])


def test_the_head_of_an_empty_answer_becomes_a_block_without_rows() -> None:
    data = b"\x01\x05asset\x05Int64"

    assert header(data) == [("asset", "Int64")]
    assert empty_block(data) == b"\x01\x00\x05asset\x05Int64"
