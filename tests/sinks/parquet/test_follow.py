"""Rounds over a store that changes: the files are as the tables, and nothing else is written."""

import asyncio
import errno
import shutil
from pathlib import Path

import pytest

from processors.operator import Output
from runtime.errors import ConfigurationError
from runtime.metrics import Metrics
from schemas.topics import ALERTS, BARS, BOOKS, TRADES, Topic
from schemas.trades import TradeBatch
from schemas.units import US_PER_DAY, US_PER_HOUR
from sinks.clickhouse.access import Reader
from sinks.clickhouse.client import Store
from sinks.clickhouse.migrate import apply
from sinks.clickhouse.sink import ClickHouseSink
from sinks.parquet.datasets import find_datasets
from sinks.parquet.follow import Follower, FollowSettings
from sinks.parquet.parts import list_parts
from sinks.parquet.state import STATE_FILE, State, save_state
from tests.processors.builders import Runner
from tests.sinks.clickhouse.conftest import store
from tests.sinks.clickhouse.markets import ROUGH
from tests.sinks.clickhouse.memory_bus import MemoryBus
from tests.sinks.clickhouse.published import documents, put
from tests.sinks.clickhouse.records import DAY_US, batch, trade
from tests.sinks.parquet.rows import contents, exported, followed, same_as_tables, versions, written

__all__ = ["store"]
FIRST = "trades/date=2026-09-21/asset=BTC/venue=binance/part-00.parquet"


@pytest.fixture(scope="module")
def reader(store: Store) -> Reader:
    return Reader(store, guarded=True, exclusive=False)


@pytest.fixture
def few(store: Store, reader: Reader) -> Store:
    """The store with a handful of trades: two hours, two venues; alone in it."""
    for name in list_parts(reader, find_datasets(reader).values()):
        store.command(f"TRUNCATE TABLE perptape.{name}_log")
    hours = (DAY_US, DAY_US + 5 * US_PER_HOUR)
    batches = [
        batch("BTC", [trade(n, hour + n, n + 1) for n in range(3)], venue)
        for venue in ("binance", "okx")
        for hour in hours
    ]
    put_all(store, *batches)
    return store


def put_all(store: Store, *batches: TradeBatch, epoch: int = 7) -> None:
    """Store trades as a log of their own, which comes before that of a lower epoch."""
    bus = MemoryBus(epoch)
    bus.put(TRADES.name, *batches)
    asyncio.run(ClickHouseSink(bus, store).drain())


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_files_are_as_the_tables_while_a_market_with_late_trades_and_revisions_flows(
    store: Store, reader: Reader, tmp_path: Path
) -> None:
    batches = ROUGH.but(seconds=260).batches()
    bus, follow = MemoryBus(), Follower(tmp_path)
    run = Runner()
    slices = 2
    for number in range(slices):
        part = batches[number * len(batches) // slices : (number + 1) * len(batches) // slices]
        before: list[Output] = list(run.outputs)
        run.feed(part)
        bus.put(TRADES.name, *part)
        for output in run.outputs[len(before) :]:
            bus.put(output.topic, output.record)
        asyncio.run(ClickHouseSink(bus, store).drain())

        followed(follow, reader)

        assert same_as_tables(store, reader, tmp_path) > 100
    revisions = store.query("SELECT count() > uniqExact(bar_start) FROM footprints_log").rows
    assert revisions == [(1,)]


def test_a_round_without_news_writes_nothing_nor_does_a_restart(
    few: Store, reader: Reader, tmp_path: Path
) -> None:
    follow = followed(Follower(tmp_path), reader)
    state = (tmp_path / STATE_FILE).stat().st_ino
    before = versions(tmp_path)
    assert len(before) == 4

    followed(follow, reader)
    followed(Follower(tmp_path), reader)

    assert versions(tmp_path) == before
    assert (tmp_path / STATE_FILE).stat().st_ino == state


def test_without_its_state_all_is_compared_and_nothing_written(
    few: Store, reader: Reader, tmp_path: Path
) -> None:
    followed(Follower(tmp_path), reader)
    before = versions(tmp_path)
    (tmp_path / STATE_FILE).write_bytes(b"\x00")
    metrics = Metrics()

    followed(Follower(tmp_path, metrics=metrics.parquet), reader)

    assert versions(tmp_path) == before
    labels = {"dataset": "trades", "result": "unchanged"}
    assert metrics.registry.get_sample_value("perptape_parquet_files_total", labels) == 4


def test_rows_delivered_again_and_merged_parts_write_nothing(
    few: Store, reader: Reader, tmp_path: Path
) -> None:
    follow = followed(Follower(tmp_path), reader)
    before = versions(tmp_path)
    few.command("INSERT INTO perptape.trades_log SELECT * FROM perptape.trades_log LIMIT 5")
    few.command("OPTIMIZE TABLE perptape.trades_log FINAL")

    followed(follow, reader)

    assert versions(tmp_path) == before


@pytest.mark.parametrize("restarted", [False, True])
def test_only_files_of_what_came_are_written_however_old_it_is(
    few: Store, reader: Reader, tmp_path: Path, restarted: bool
) -> None:
    follow = followed(Follower(tmp_path), reader)
    before = versions(tmp_path)
    late = DAY_US + 30_000_000
    last_year = DAY_US - 365 * US_PER_DAY
    put_all(few, batch("BTC", [trade(9, late)]), batch("ETH", [trade(1, last_year)]), epoch=6)

    followed(Follower(tmp_path) if restarted else follow, reader)

    eth = "trades/date=2025-09-21/asset=ETH/venue=binance/part-00.parquet"
    assert written(before, tmp_path) == {FIRST, eth}
    assert same_as_tables(few, reader, tmp_path) == 14


def test_a_revision_in_the_place_of_a_row_is_written(
    few: Store, reader: Reader, tmp_path: Path
) -> None:
    follow = followed(Follower(tmp_path), reader)
    before = versions(tmp_path)
    few.command(
        "INSERT INTO perptape.trades_log SELECT * REPLACE (revision + 1 AS revision, "
        "qty_lots + 1 AS qty_lots) FROM perptape.trades_log "
        "WHERE venue = 'binance' AND event_time < '2026-09-21 01:00:00' LIMIT 1"
    )

    followed(follow, reader)

    assert written(before, tmp_path) == {FIRST}
    assert same_as_tables(few, reader, tmp_path) == 12


@pytest.mark.parametrize(
    ("topic", "dataset", "time"),
    [(BARS, "bars", "bar_start"), (ALERTS, "alerts", "event_time")],
    ids=["bars", "alerts"],
)
def test_a_revision_that_moves_a_row_to_another_hour_takes_it_out_of_its_file(
    few: Store, reader: Reader, tmp_path: Path, topic: Topic, dataset: str, time: str
) -> None:
    first = next(documents(topic, "MOVES"))
    asyncio.run(put(few, topic, first))
    follow = followed(Follower(tmp_path), reader)
    (before,) = (tmp_path / dataset).rglob("*.parquet")
    few.command(
        f"INSERT INTO perptape.{dataset}_log SELECT * REPLACE (revision + 1 AS revision, "
        f"if(toHour({time}) > 12, {time} - INTERVAL 2 HOUR, {time} + INTERVAL 2 HOUR) AS {time}) "
        f"FROM perptape.{dataset}_log"
    )

    followed(follow, reader)

    (after,) = (tmp_path / dataset).rglob("*.parquet")
    assert after != before
    assert same_as_tables(few, reader, tmp_path) == 13


def test_a_file_whose_rows_are_gone_is_removed_but_not_one_of_an_hour_without_rows(
    few: Store, reader: Reader, tmp_path: Path
) -> None:
    put_all(few, batch("BTC", [trade(1, DAY_US + 10 * US_PER_HOUR)]), epoch=6)
    few.command("OPTIMIZE TABLE perptape.trades_log FINAL")
    follow = followed(Follower(tmp_path), reader)
    hour_5 = "toHour(event_time) = 5"
    few.command(
        f"ALTER TABLE perptape.trades_log DELETE WHERE {hour_5} OR venue = 'okx' "
        "SETTINGS mutations_sync = 1"
    )

    followed(follow, reader)

    place = "trades/date=2026-09-21/asset=BTC"
    assert set(versions(tmp_path)) == {
        FIRST,
        f"{place}/venue=binance/part-05.parquet",
        f"{place}/venue=okx/part-05.parquet",
        f"{place}/venue=binance/part-10.parquet",
    }


def test_files_of_rows_that_the_store_drops_with_age_stay_as_they_are(
    few: Store, reader: Reader, tmp_path: Path
) -> None:
    asyncio.run(put(few, BOOKS, next(documents(BOOKS, "AGED"))))
    for changed in ("second_start + 1 AS second_start", "'AGED9' AS asset"):
        few.command(
            f"INSERT INTO perptape.books_log SELECT * REPLACE ({changed}) FROM perptape.books_log"
        )
    few.command("OPTIMIZE TABLE perptape.books_log FINAL")
    follow = followed(Follower(tmp_path), reader)
    before = contents(tmp_path / "books")
    few.command(
        "ALTER TABLE perptape.books_log DELETE WHERE asset = 'AGED9' OR second_start = "
        "(SELECT max(second_start) FROM perptape.books_log) SETTINGS mutations_sync = 1"
    )
    assert few.query("SELECT count() FROM books_log FINAL").rows == [(1,)]

    followed(follow, reader)
    followed(Follower(tmp_path), reader)

    assert len(before) == 2
    assert contents(tmp_path / "books") == before


def test_an_export_makes_the_files_of_the_sink(few: Store, reader: Reader, tmp_path: Path) -> None:
    exported(reader, "trades", tmp_path)
    before = versions(tmp_path)

    followed(Follower(tmp_path), reader)
    (tmp_path / "other").mkdir()
    followed(Follower(tmp_path / "other"), reader)

    assert versions(tmp_path / "other").keys() == before.keys()
    assert not written(before, tmp_path) - {f"other/{name}" for name in before}
    assert contents(tmp_path / "other" / "trades") == contents(tmp_path / "trades")


def test_a_file_that_is_damaged_or_missing_is_made_again_once_all_is_compared(
    few: Store, reader: Reader, tmp_path: Path
) -> None:
    followed(Follower(tmp_path), reader)
    before = contents(tmp_path / "trades")
    first, second, *_ = sorted(before)
    (tmp_path / "trades" / first).write_bytes(b"PAR1 no more")
    (tmp_path / "trades" / second).unlink()
    (tmp_path / STATE_FILE).unlink()

    followed(Follower(tmp_path), reader)

    assert contents(tmp_path / "trades") == before


def test_a_dataset_whose_folder_was_removed_is_made_again_at_the_next_start(
    few: Store, reader: Reader, tmp_path: Path
) -> None:
    followed(Follower(tmp_path), reader)
    before = contents(tmp_path / "trades")
    shutil.rmtree(tmp_path / "trades")

    followed(Follower(tmp_path), reader)

    assert contents(tmp_path / "trades") == before


def test_a_column_more_has_files_written_again(few: Store, reader: Reader, tmp_path: Path) -> None:
    followed(Follower(tmp_path), reader)
    before = versions(tmp_path)
    few.command("ALTER TABLE perptape.trades_log ADD COLUMN more UInt8 DEFAULT 7")
    try:
        followed(Follower(tmp_path), reader)
        assert written(before, tmp_path) == set(before)
        assert same_as_tables(few, reader, tmp_path) == 12
    finally:
        few.command("ALTER TABLE perptape.trades_log DROP COLUMN more")


def test_a_round_that_breaks_off_leaves_whole_files_and_is_made_up_for(
    few: Store, reader: Reader, tmp_path: Path
) -> None:
    follow = Follower(tmp_path, settings=FollowSettings(limit_rows=1))
    steps = follow.round(reader)
    for _ in range(3):
        next(steps)
    assert {path.name for path in files_in(tmp_path)} == {STATE_FILE, ".unfinished"}
    steps.close()

    assert files_in(tmp_path) == [tmp_path / STATE_FILE]
    followed(follow, reader)
    assert same_as_tables(few, reader, tmp_path) == 12


def test_what_a_killed_process_left_unfinished_is_removed_at_the_start(
    few: Store, reader: Reader, tmp_path: Path
) -> None:
    (tmp_path / "books").mkdir()
    (tmp_path / "books" / ".unfinished").write_bytes(b"half a file")

    followed(Follower(tmp_path), reader)

    assert not (tmp_path / "books" / ".unfinished").exists()


def test_a_full_disk_leaves_the_files_of_before_and_is_made_up_for(
    few: Store, reader: Reader, tmp_path: Path
) -> None:
    follow = followed(Follower(tmp_path), reader)
    before = contents(tmp_path / "trades")
    put_all(few, batch("BTC", [trade(9)]), epoch=6)
    (tmp_path / "trades" / ".unfinished").symlink_to("/dev/full")

    with pytest.raises(OSError, match="No space left") as caught:
        followed(follow, reader)

    assert caught.value.errno == errno.ENOSPC
    assert contents(tmp_path / "trades") == before
    followed(follow, reader)
    assert same_as_tables(few, reader, tmp_path) == 13


def test_a_table_that_cannot_be_read_does_not_hold_up_the_others(
    few: Store, reader: Reader, tmp_path: Path
) -> None:
    asyncio.run(put(few, BOOKS, next(documents(BOOKS, "HELD"))))
    metrics = Metrics()
    follow = Follower(tmp_path, metrics=metrics.parquet)
    steps = follow.round(reader)
    next(steps)
    few.command("DETACH TABLE perptape.books_log")
    try:
        list(steps)
    finally:
        few.command("ATTACH TABLE perptape.books_log")

    assert len(versions(tmp_path)) == 4
    assert follow.pending == 1
    assert metrics.registry.get_sample_value("perptape_parquet_failures_total", {"kind": "refused"})
    followed(follow, reader)
    assert same_as_tables(few, reader, tmp_path) == 13


def test_old_days_come_to_their_turn_after_the_newest_however_short_a_round_is(
    few: Store, reader: Reader, tmp_path: Path
) -> None:
    days = 3 + len(find_datasets(reader))
    old = [trade(1, DAY_US - day * US_PER_DAY, day) for day in range(1, days)]
    put_all(few, batch("OLD", old), epoch=6)
    follow = Follower(tmp_path, settings=FollowSettings(round_seconds=0.0))

    list(follow.round(reader))
    left, before = follow.pending, versions(tmp_path)
    put_all(few, batch("BTC", [trade(20)]), epoch=5)
    list(follow.round(reader))

    assert left > 0
    assert FIRST in before
    assert FIRST in written(before, tmp_path)
    assert follow.pending == 0
    assert same_as_tables(few, reader, tmp_path) == 12 + len(old) + 1


def test_a_folder_of_another_store_is_refused(few: Store, reader: Reader, tmp_path: Path) -> None:
    save_state(tmp_path, State(store="another"))

    with pytest.raises(ConfigurationError, match="filled from another store"):
        followed(Follower(tmp_path), reader)

    assert not versions(tmp_path)


def test_a_store_that_is_made_anew_under_way_is_another_one(
    few: Store, reader: Reader, tmp_path: Path
) -> None:
    follow = Follower(tmp_path)
    next(follow.round(reader))
    few.command("DROP DATABASE perptape SYNC")
    apply(few)

    with pytest.raises(ConfigurationError, match="filled from another store"):
        followed(follow, reader)

    assert not versions(tmp_path)
