"""Tables and views from nothing, again, half, and after somebody changed a file."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.errors import ConfigurationError, StoreError
from schemas.migrations import load, parse
from sinks.clickhouse.client import Store, open_store
from sinks.clickhouse.migrate import apply


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(tmp_path / "store")
    yield opened
    opened.close()


def names(store: Store) -> set[str]:
    return {row[0] for row in store.query("SELECT name FROM system.tables").rows}


def test_an_empty_store_gets_all_files_once_and_in_order(empty: Store) -> None:
    applied = apply(empty)

    assert applied == sorted(applied)
    assert applied == [migration.name for migration in load()]
    assert {"trades_log", "trades", "footprint_rows", "cvd", "quality"} <= names(empty)
    assert apply(empty) == []
    assert empty.query("SELECT count() FROM schema_migrations").rows == [(len(applied),)]


def test_every_table_of_derived_records_says_what_was_measured(empty: Store) -> None:
    apply(empty)

    found = empty.query(
        "SELECT name, comment FROM system.tables WHERE database = 'perptape' AND comment != ''"
    ).rows
    assert {"bars_log", "profiles_log", "cvd_structure_log", "imbalance_log", "heatmap_log"} <= {
        name for name, _ in found
    }
    assert all(" bytes a row" in comment for _, comment in found)


def test_a_file_that_broke_off_is_applied_again_from_its_start(empty: Store) -> None:
    files = load()
    half = dataclasses.replace(files[0], name="0000_half.sql", steps=files[0].steps[:1])
    apply(empty, [half])
    empty.command("TRUNCATE TABLE schema_migrations")

    assert apply(empty) == [migration.name for migration in files]


def test_a_store_from_before_the_raw_and_toolkit_tables_gets_them(empty: Store) -> None:
    before = [migration for migration in load() if migration.name < "0006"]
    apply(empty, before)
    empty.command(
        "INSERT INTO instruments_log (venue, symbol, tick, lot) VALUES ('okx', 'A', 1, 1)"
    )

    assert apply(empty) == [migration.name for migration in load() if migration not in before]
    assert empty.query("SELECT venue FROM instruments").rows == [("okx",)]
    assert {"books", "liquidations", "tickers", "events", "cascades", "trapped"} <= names(empty)


def test_a_changed_file_is_named(empty: Store) -> None:
    files = load()
    apply(empty, files)
    changed = [dataclasses.replace(files[0], checksum="other"), *files[1:]]

    with pytest.raises(ConfigurationError, match=files[0].name):
        apply(empty, changed)


def test_a_store_of_a_newer_version_is_refused(empty: Store) -> None:
    files = load()
    apply(empty, [*files, parse("9999_later.sql", "-- step: nothing\nSELECT 1")])

    with pytest.raises(ConfigurationError, match=r"9999_later\.sql"):
        apply(empty, files)


def test_everything_lives_in_an_atomic_database(empty: Store) -> None:
    apply(empty)

    rows = empty.query("SELECT engine FROM system.databases WHERE name = 'perptape'").rows

    assert rows == [("Atomic",)]


def test_every_log_table_knows_tokens_and_is_durable() -> None:
    steps = [step for migration in load() for step in migration.steps if "ENGINE" in step]

    assert len(steps) >= 18
    for step in steps:
        assert "non_replicated_deduplication_window = 1000" in step
        assert "fsync_after_insert = 1, fsync_part_directory = 1" in step


def test_a_file_is_cut_at_its_step_lines() -> None:
    migration = parse(
        "a.sql", "-- about\n\n-- step: one\nSELECT 1\n-- why\n\n-- step: two\nSELECT 2\n"
    )

    assert migration.steps == ("SELECT 1\n-- why", "SELECT 2")


def test_where_all_is_there_nothing_is_made_so_that_no_right_to_it_is_needed(
    empty: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply(empty)

    def refuse(sql: str) -> None:
        raise StoreError(f"not enough privileges: {sql}")

    monkeypatch.setattr(empty, "command", refuse)
    assert apply(empty) == []
    with pytest.raises(StoreError, match="privileges"):
        apply(empty, [*load(), parse("9999_later.sql", "-- step: nothing\nSELECT 1")])
