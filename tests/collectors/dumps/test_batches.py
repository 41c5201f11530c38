"""Files as the batches of feeds: cut at minutes, covered as far as they go, merged by time."""

from pathlib import Path

from collectors.dumps.batches import jobs_of
from collectors.dumps.groups import groups_of
from collectors.dumps.market import Asked
from processors.operators.footprint import FootprintParams
from processors.rebuild import Rebuild
from processors.units import AssetUnits, units_of
from schemas.footprints import FootprintBar
from schemas.lineage import Status
from schemas.market import DataSource, FeedState, Kind
from schemas.trades import TradeBatch
from tests.collectors.dumps.files import AGGREGATES, DAY_US, batches, held, put

MINUTE_US = 60_000_000
ASKED = Asked(venue="binance", kind=Kind.SPOT, symbol="LTCUSDT")


def units_for(batch: TradeBatch) -> AssetUnits:
    found = units_of(batch, {})
    assert found is not None
    return found


def bars_of(made: list[FootprintBar]) -> dict[tuple[str, int, int], Status]:
    return {
        (bar.scope.value, bar.interval_seconds, (bar.bar_start_us - DAY_US) // MINUTE_US): (
            bar.completeness.status
        )
        for bar in made
        if bar.row_size == "10" or bar.row_size.endswith("5")
    }


def test_a_named_day_is_a_session_without_holes_from_midnight_to_midnight(tmp_path: Path) -> None:
    one = held(put(tmp_path, "BTCUSDT-aggTrades-2025-06-21.zip", AGGREGATES))
    made = batches(one)
    assert [batch.sequence for batch in made] == list(range(len(made)))
    assert {batch.source for batch in made} == {DataSource.DUMP}
    marks = [batch.watermark_us for batch in made]
    assert marks == sorted(marks)
    assert (marks[0], marks[-1]) == (DAY_US, DAY_US + 1440 * MINUTE_US)
    assert [(len(batch.rows), batch.watermark_us) for batch in made if batch.rows] == [
        (2, DAY_US + MINUTE_US),
        (1, DAY_US + 2 * MINUTE_US),
    ]
    rebuild = Rebuild("BTC", units_for(made[2]), FootprintParams(), 1)
    found = bars_of([bar for batch in made for bar in rebuild.take(batch)])
    assert set(found.values()) == {Status.COMPLETE}
    assert sum(interval == 60 for _, interval, _ in found) == 2 * 1440
    assert found["perp", 86_400, 0] is Status.COMPLETE


def test_a_file_without_a_day_covers_first_trade_to_last(tmp_path: Path) -> None:
    text = (
        "time,price,qty,side,id\n"
        "1750464030000,83,1,buy,1\n1750464090000,83,1,buy,2\n1750464150000,83,1,sell,3\n"
    )
    made = batches(held(put(tmp_path, "a.csv", text), ASKED))
    first = next(batch for batch in made if batch.rows)
    rebuild = Rebuild("LTC", units_for(first), FootprintParams(), 1)
    bars = [bar for batch in made for bar in rebuild.take(batch)]
    found = {
        (bar.bar_start_us - DAY_US) // MINUTE_US: bar.completeness.coverage_ms["binance:LTC-USDT"]
        for bar in bars
        if bar.interval_seconds == 60
    }
    assert found == {0: 30_000, 1: 60_000, 2: 30_000}
    assert {bar.interval_seconds for bar in bars} == {60, 300, 900, 3600, 14_400, 86_400}
    assert made[-1].feed_state is FeedState.DOWN


def test_files_of_two_venues_are_one_job_in_the_order_of_time(tmp_path: Path) -> None:
    text = "id,timestamp,price,volume,side\n1,1750464000500,104000,1.5,sell\n"
    files = [
        held(put(tmp_path, "BTCUSDT-aggTrades-2025-06-21.zip", AGGREGATES)),
        held(put(tmp_path, "BTCUSDT_2025-06-21.csv.gz", text)),
    ]
    (job,) = jobs_of(files)
    times = [batch.receive_time_us for batch in batches(*job)]
    assert times == sorted(times)
    assert [batch.venue for batch in batches(*job)[:2]] == ["binance", "bybit"]


def test_days_are_read_one_by_one_and_other_days_together() -> None:
    days = [Path(f"BTCUSDT-trades-2025-06-{day}.zip") for day in (21, 22)]
    assert groups_of([*days, Path("x.csv")]) == [[days[0]], [days[1]], [Path("x.csv")]]
    shifted = [Path(f"BTC-USDT-SWAP-trades-2025-06-{day}.zip") for day in (21, 22)]
    assert groups_of(shifted) == [shifted]
    assert groups_of([*days, shifted[0]]) == [[shifted[0], days[0]], [days[1]]]


def test_a_hole_between_files_is_not_covered(tmp_path: Path) -> None:
    parts = (
        "time,price,qty,side,id\n1750464000000,83,1,buy,1\n1750464060000,83,1,buy,2\n",
        "time,price,qty,side,id\n1750464090000,83,1,buy,9\n1750464150000,83,1,buy,10\n",
    )
    files = [held(put(tmp_path, f"{n}.csv", text), ASKED) for n, text in enumerate(parts)]
    (job,) = jobs_of(files)
    made = batches(*job)
    first = next(batch for batch in made if batch.rows)
    rebuild = Rebuild("LTC", units_for(first), FootprintParams(), 1)
    found = {
        (bar.bar_start_us - DAY_US) // MINUTE_US: bar.completeness.coverage_ms["binance:LTC-USDT"]
        for batch in made
        for bar in rebuild.take(batch)
        if bar.interval_seconds == 60
    }
    assert found == {0: 60_000, 1: 30_000, 2: 30_000}
