"""The store's figures: trades a second and on disk, dashboards over a day, an hour of footprints.

Records go through the sink's own code into the embedded engine: trades of a day of six assets on
four venues, their final footprints from the operator, and minutes of the simulated market for all
other tables. The footprints' goal is an answer within 100 ms for one hour of one asset.

    python -m benchmarks store --trades 1000000
"""

import os
import tempfile
from pathlib import Path

import msgspec

from benchmarks import store_market, store_pages, store_rates
from benchmarks.store_load import EPOCH, Loader, Size, sizes, wait_for_merges
from benchmarks.store_trades import day_of_trades
from processors.operators.footprint import FootprintParams
from processors.rebuild import Rebuild
from processors.units import DEFAULT_UNITS
from runtime.memory import relax_cycle_collection
from schemas.topics import FOOTPRINTS, TRADES
from schemas.trades import TradeBatch
from sinks.clickhouse.client import Store, open_store
from sinks.clickhouse.migrate import apply

TRADES_IN_ALL = int(os.environ.get("PERPTAPE_BENCH_TRADES", "10000000"))
BATCH = max(1, min(50, TRADES_IN_ALL // 20_000))
"""Trades a record: fewer where there are few, or a record would last for minutes."""

BLOCK_ROWS, BLOCK_BARS = 50_000, 2_000
RATE_TRADES = 1_000_000
ROUNDS = 5
WANTED_MS = 100.0

_decode = msgspec.json.Decoder(TradeBatch).decode
_encode = msgspec.json.encode
_SINCE = f"bar_start >= fromUnixTimestamp64Milli({store_pages.SPANS['1 h'][0]})"
_HOUR = f"SELECT * FROM footprint_rows WHERE interval_seconds = 60 AND {_SINCE}"  # noqa: S608
_HOURS = {
    "BTC, over perpetuals, 10 dollar rows": "asset = 'BTC' AND scope = 'perp' AND row_size = 10",
    "BTC, every venue and over them, 10 dollar rows": "asset = 'BTC' AND row_size = 10",
    "BTC, everything": "asset = 'BTC'",
    "all six assets, everything": "1",
}


def fill(store: Store) -> None:
    """Store the day's trades and footprints; print what it took."""
    trades = Loader(store, TRADES.name, BLOCK_ROWS)
    bars = Loader(store, FOOTPRINTS.name, BLOCK_BARS)
    made: dict[str, Rebuild] = {}
    for asset, values in day_of_trades(TRADES_IN_ALL, BATCH):
        with trades.cost.watching():
            trades.put(values)
            wait_for_merges(store)
        rebuild = made.setdefault(
            asset, Rebuild(asset, DEFAULT_UNITS[asset], FootprintParams(), EPOCH)
        )
        found = [_encode(bar) for value in values for bar in rebuild.take(_decode(value))]
        with bars.cost.watching():
            bars.put(found)
            wait_for_merges(store)
    for loader in (trades, bars):
        with loader.cost.watching():
            loader.flush()
            wait_for_merges(store)
    if trades.rows != sum(one.trades for one in made.values()):
        raise RuntimeError("the operator took other trades than the table")
    for what, loader in (("trades", trades), ("footprints", bars)):
        print(f"{loader.rows:,} {what} at {loader.rows / loader.cost.whole:,.0f} rows/s of a core")


def print_sizes(found: dict[str, Size]) -> None:
    """Print what each table takes."""
    print(f"{'table':<28}{'rows':>12}{'MB':>9}{'bytes a row':>13}{'raw':>8}{'parts':>7}")
    for table, size in sorted(found.items()):
        print(
            f"{table:<28}{size.rows:>12,}{size.compressed_bytes / 1e6:>9,.1f}"
            f"{size.row_bytes:>13,.1f}{size.raw_bytes / max(size.rows, 1):>8,.0f}{size.parts:>7}"
        )


def print_market(market: store_market.Market) -> None:
    """Print what a second of the market is in the log, and a day of BTC in the tables."""
    seconds = store_market.SECONDS
    print(f"{seconds} s of the simulated market at recorded rates; BTC with all that is made of it")
    print(
        f"of a core: {market.engine_seconds / seconds:.1%} for the operators of BTC,"
        f" {market.collector_seconds / seconds:.1%} for sessions of six assets and their simulator"
    )
    print(f"{'topic':<34}{'records/s':>11}{'bytes/s':>10}{'of six: records/s':>19}{'bytes/s':>11}")
    for topic, (records, size) in sorted(market.one_asset.items()):
        line = f"{topic:<34}{records / seconds:>11.2f}{size / seconds:>10,.0f}"
        if topic in market.all_assets:
            whole, all_size = market.all_assets[topic]
            line += f"{whole / seconds:>19.2f}{all_size / seconds:>11,.0f}"
        print(line)
    print_sizes(market.tables)


def print_hours(store: Store) -> None:
    """Print how long an hour of footprint rows takes."""
    count = store_pages.count_ms(store, "footprints_log")
    print(f"one hour of minutes as rows, wanted {WANTED_MS:.0f} ms; count() {count:.1f} ms")
    for what, where in _HOURS.items():
        sql = f"{_HOUR} AND {where}"
        rows = store.query(f"SELECT count() FROM ({sql})").rows[0][0]  # noqa: S608  # ours
        spent, used = store_pages.typical([store_pages.timed(store, sql) for _ in range(ROUNDS)])
        print(
            f"{what:<48}{rows:>9,} rows{spent:>8.0f} ms, {used:.0f} ms of processors,"
            f" {spent / count:.0f} times count()"
        )


def run(folder: Path) -> None:
    """Measure and print everything."""
    store = open_store(folder)
    apply(store)
    relax_cycle_collection()
    store_rates.compare(store, min(RATE_TRADES, TRADES_IN_ALL))
    print()
    print_market(store_market.load(store))
    for table in ("trades_log", "footprints_log"):
        store.command(f"TRUNCATE TABLE perptape.{table}")
    print(f"\n{store_market.fill_day(store):,} rows copied to fill a day of BTC")
    fill(store)
    print_sizes({table: size for table, size in sizes(store).items() if size.rows > 10_000})
    print()
    print_hours(store)
    print()
    store_pages.print_slowest(store, store_pages.ask_all(store))
    store.close()


def main() -> None:
    """Print the tables."""
    with tempfile.TemporaryDirectory(
        prefix="perptape-bench-", ignore_cleanup_errors=True
    ) as folder:
        run(Path(folder) / "store")


if __name__ == "__main__":
    main()
