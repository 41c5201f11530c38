"""The rows of tables as Parquet files: the same rows, whole files, again without a change."""

import asyncio
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from runtime.errors import ConfigurationError, StoreError
from schemas.units import US_PER_HOUR
from sinks.clickhouse.access import Reader
from sinks.clickhouse.client import Store, open_store
from sinks.clickhouse.handles import ReadLimits
from sinks.clickhouse.server import StoreServer
from sinks.parquet.datasets import find_dataset
from sinks.parquet.export import export
from sinks.parquet.files import PartitionFile, alone_in, path_of
from sinks.parquet.plan import Asked, Partition
from tests.sinks.clickhouse.records import DAY_US
from tests.sinks.parquet.conftest import MINUTES
from tests.sinks.parquet.rows import DAY, NEXT_DAY, contents, exported, read

WITHOUT_DAYS = {"backfills", "instruments", "sink_positions"}
WITHOUT_EXAMPLES = {"reconciliations"}


def a_partition(asset: str) -> Partition:
    return Partition(DAY_US + 2 * US_PER_HOUR, asset, "", 1, "")


def test_every_table_is_exported_with_every_row_and_value(
    filled: Store, reader: Reader, tmp_path: Path
) -> None:
    tables = filled.query(
        "SELECT name FROM system.tables WHERE database = 'perptape' AND endsWith(name, '_log')"
    ).rows
    names = {table.removesuffix("_log") for (table,) in tables} - WITHOUT_DAYS - WITHOUT_EXAMPLES
    assert len(names) >= 28
    for name in sorted(names):
        dataset = find_dataset(reader, name)
        columns = ", ".join(f"`{column}`" for column, _ in dataset.columns)

        done = exported(reader, name, tmp_path)

        there = filled.query(f"SELECT {columns} FROM {dataset.table} FINAL").rows
        assert there, name
        assert done.rows == len(there)
        in_files = read(filled, tmp_path / name, columns)
        assert sorted(map(repr, in_files)) == sorted(map(repr, there)), name


def test_ids_and_decimals_are_those_of_the_table(
    filled: Store, reader: Reader, tmp_path: Path
) -> None:
    exported(reader, "trades", tmp_path, Asked(assets=("BTC",)))

    rows = read(
        filled, tmp_path, "venue, trade_id, toDecimalString(price_ticks * tick, 18), lot, side"
    )

    assert len(rows) == 4 * MINUTES  # the batch that came twice is there once
    assert ("okx", "1", "65000.000000000000000000", Decimal("0.001"), "buy") in rows
    assert ("binance", "4", "65000.300000000000000000", Decimal("0.001"), "buy") in rows


def test_files_lie_by_day_asset_and_venue(reader: Reader, tmp_path: Path) -> None:
    exported(reader, "trades", tmp_path, Asked(assets=("BTC",)))

    assert set(contents(tmp_path)) == {
        f"trades/date={day}/asset=BTC/venue={venue}/part-00.parquet"
        for day in (DAY, NEXT_DAY)
        for venue in ("binance", "okx")
    }


def test_files_are_compressed_and_their_row_groups_bounded(reader: Reader, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="Parquet files need pyarrow")
    done = exported(reader, "trades", tmp_path, Asked(assets=("BTC",)), limit_rows=3)

    assert done.path is not None
    groups = [
        parquet.ParquetFile(done.path).metadata.row_group(number)
        for number in range(parquet.ParquetFile(done.path).num_row_groups)
    ]

    assert [group.num_rows for group in groups] == [3, 1]
    assert {group.column(0).compression for group in groups} == {"ZSTD"}


@pytest.mark.parametrize("limit_rows", [1, 2, 3, 100])
def test_rows_are_the_same_in_whatever_pieces_they_are_asked_for(
    filled: Store, reader: Reader, tmp_path: Path, limit_rows: int
) -> None:
    exported(reader, "trades", tmp_path, Asked(assets=("BTC",)), limit_rows)

    ids = read(filled, tmp_path, "venue, toDate(event_time), trade_id")
    assert len(ids) == len(set(ids)) == 4 * MINUTES


def test_only_the_days_and_assets_asked_for_are_exported(reader: Reader, tmp_path: Path) -> None:
    day = date.fromisoformat(NEXT_DAY)

    first = exported(reader, "trades", tmp_path / "until", Asked(until_day=day, assets=("BTC",)))
    second = exported(reader, "trades", tmp_path / "from", Asked(from_day=day, assets=("BTC",)))
    none = exported(reader, "trades", tmp_path / "none", Asked(assets=("NONE",)))

    assert (first.rows, second.rows, none.rows) == (2 * MINUTES, 2 * MINUTES, 0)
    assert all(DAY in name for name in contents(tmp_path / "until"))
    assert all(NEXT_DAY in name for name in contents(tmp_path / "from"))


def test_a_second_export_changes_nothing(reader: Reader, tmp_path: Path) -> None:
    exported(reader, "footprints", tmp_path)
    before = contents(tmp_path)

    exported(reader, "footprints", tmp_path)

    assert before
    assert contents(tmp_path) == before


def test_an_export_that_is_broken_off_leaves_whole_files_only(
    reader: Reader, tmp_path: Path
) -> None:
    exported(reader, "trades", tmp_path, Asked(assets=("BTC",)))
    before = contents(tmp_path)
    (first, *_, last) = sorted(before)
    (tmp_path / first).unlink()
    (tmp_path / last).write_bytes(b"of an earlier export")
    steps = export(
        reader, find_dataset(reader, "trades"), Asked(assets=("BTC",)), tmp_path, limit_rows=1
    )

    next(steps)
    hidden = [name for name in contents(tmp_path) if name.endswith(".unfinished")]
    steps.close()

    assert len(hidden) == 1
    left = contents(tmp_path)
    assert set(left) == set(before) - {first}
    assert (tmp_path / last).read_bytes() == b"of an earlier export"
    exported(reader, "trades", tmp_path, Asked(assets=("BTC",)))
    assert contents(tmp_path) == before


def test_an_answer_that_broke_off_is_no_file(tmp_path: Path) -> None:
    file = PartitionFile(tmp_path, a_partition("BTC"))

    with pytest.raises(StoreError, match="broke off"):
        file.write(b"\xff\xff\xff\xff\x10\x00")
    file.discard()

    assert not contents(tmp_path)


def test_a_folder_has_one_export_of_a_dataset_at_a_time(reader: Reader, tmp_path: Path) -> None:
    with (
        alone_in(tmp_path / "trades"),
        pytest.raises(ConfigurationError, match="another export"),
    ):
        exported(reader, "trades", tmp_path)


def test_an_unknown_dataset_is_refused_with_those_there_are(reader: Reader) -> None:
    with pytest.raises(ConfigurationError, match=r"no dataset 'candles'; there are: alerts, bars"):
        find_dataset(reader, "candles")


def test_names_cannot_leave_the_folder(tmp_path: Path) -> None:
    path = path_of(tmp_path, a_partition("../../x"))

    assert path == tmp_path / f"date={DAY}/asset=..%2F..%2Fx/venue=/part-02.parquet"


async def test_a_store_that_another_process_serves_gives_the_same_files(
    filled: Store, reader: Reader, tmp_path: Path
) -> None:
    assert filled.path is not None
    serving = StoreServer(filled.path, limits=ReadLimits(handles=1))
    await serving.start()

    def over_http() -> None:
        served = Reader(
            open_store(f"http://127.0.0.1:{serving.port}"), guarded=True, exclusive=False
        )
        exported(served, "footprints", tmp_path / "http")
        served.close()

    try:
        await asyncio.to_thread(over_http)
    finally:
        await serving.stop()

    exported(reader, "footprints", tmp_path / "own")
    assert contents(tmp_path / "http") == contents(tmp_path / "own")
