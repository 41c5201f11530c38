"""Trades of an official file to final footprints, and into tables, in processor time of one core.

A synthetic day of one busy perpetual in Binance's aggTrades format. Beside it, in the same run: the
least that anybody must do with such a file, which is to read it and split its lines. Processor
time, as others may use the machine; the engine's own threads are in the figure of the tables.
"""

import os
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from collectors.dumps.batches import job_batches
from collectors.dumps.held import Held, hold, identity_of
from collectors.dumps.market import Asked
from processors.operators.footprint import FootprintParams
from processors.rebuild import Rebuild
from processors.units import DEFAULT_UNITS
from runtime.memory import relax_cycle_collection
from schemas.footprints import FootprintBar
from sinks.clickhouse.backfill.admission import admit
from sinks.clickhouse.backfill.load import store_job
from sinks.clickhouse.client import open_store
from sinks.clickhouse.migrate import apply

NAME = "BTCUSDT-aggTrades-2025-06-21.csv"
TRADES = int(os.environ.get("PERPTAPE_BENCH_TRADES", "2000000"))
START_MS, DAY_MS = 1_750_464_000_000, 86_400_000
HEAD = "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker\n"


def write_day(path: Path, trades: int) -> None:
    """Write a day at the pace of ten million trades, whose price walks by a tick now and then."""
    rng = random.Random(1)  # noqa: S311  # the same file every time
    tenths = 1_040_000
    with path.open("w") as file:
        file.write(HEAD)
        for number in range(trades):
            tenths += rng.choice((-1, 0, 0, 0, 0, 1))
            time_ms = START_MS + number * DAY_MS // 10_000_000
            qty = int(rng.expovariate(0.02)) + 1
            maker = "true" if rng.random() < 0.5 else "false"
            file.write(
                f"{number + 1},{tenths // 10}.{tenths % 10},{qty / 1000:.3f},"
                f"{2 * number},{2 * number + 1},{time_ms},{maker}\n"
            )


def _split(path: Path) -> float:
    started = time.process_time()
    with path.open() as file:
        for line in file:
            line.rstrip("\n").split(",")
    return time.process_time() - started


def _timed(work: Callable[[], object]) -> tuple[float, object]:
    started = time.process_time()
    made = work()
    return time.process_time() - started, made


def _bars(held: Held) -> list[FootprintBar]:
    rebuild = Rebuild("BTC", DEFAULT_UNITS["BTC"], FootprintParams(), 1)
    bars = [bar for batch in job_batches([held]) for bar in rebuild.take(batch)]
    if rebuild.trades != TRADES:
        raise RuntimeError(f"{rebuild.trades} of {TRADES} trades were taken")
    return bars


def _store(folder: Path, held: Held, bars: list[FootprintBar]) -> float:
    store = open_store(folder)
    apply(store)
    streams = {(held.market.venue, held.instrument.symbol): held.market.stream}
    started = time.process_time()
    admitted = admit(bars, {}, [])
    loaded = store_job(store, job_batches([held]), admitted, streams, base_seconds=60, epoch=1)
    spent = time.process_time() - started
    store.close()
    if loaded.trades != TRADES:
        raise RuntimeError(f"{loaded.trades} of {TRADES} trades were stored")
    return spent


def run() -> dict[str, float]:
    """Return the seconds of each part."""
    with tempfile.TemporaryDirectory(prefix="perptape-bench-") as name:
        folder = Path(name)
        path = folder / NAME
        write_day(path, TRADES)
        relax_cycle_collection()
        split = _split(path)
        read, held = _timed(lambda: hold(path, identity_of(path), Asked(), {}, folder / "columns"))
        if not isinstance(held, Held):
            raise TypeError("nothing was read")
        started = time.process_time()
        bars = _bars(held)
        made = time.process_time() - started
        stored = _store(folder / "store", held, bars)
        return {"split": split, "read": read, "bars": made, "stored": stored}


def main() -> None:
    """Print the table."""
    seconds = run()
    floor = seconds["split"]
    finals = seconds["read"] + seconds["bars"]
    whole = finals + seconds["stored"]
    print(f"{TRADES:,} trades, processor seconds; ratio to reading and splitting the lines")
    for what, spent in (
        ("read and split the lines", floor),
        ("read, checked, on disk as columns", seconds["read"]),
        ("to final footprints", finals),
        ("trades and footprints in tables", whole),
    ):
        pace = TRADES / spent
        print(f"{what:36} {spent:7.1f} s {pace:12,.0f} trades/s {spent / floor:6.1f}x")


if __name__ == "__main__":
    main()
