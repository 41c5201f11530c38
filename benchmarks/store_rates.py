"""How fast trades become rows: the sink by size of record and block, beside the engine alone.

The log of the table lives in one day, so every block is one insert. `prepared` sends blocks that
were made before: what the engine takes alone, the limit. Merges go on beside the inserts, on the
same cores; the figure lasts to the end of the last one.
"""

from collections.abc import Sequence

from benchmarks.store_load import Loader, wait_for_merges
from benchmarks.store_trades import day_of_trades
from schemas.topics import TRADES
from sinks.clickhouse.client import Store

WAYS = ((50, 10_000), (50, 50_000), (5, 50_000))
"""Trades a record, rows a block."""

WANTED = 300_000
_HEAD = (
    f"{'trades a record':>15}{'rows a block':>14}{'rows/s':>11}{'prepared':>11}{'ratio':>7}"
    f"{'decode':>9}{'encode':>9}{'engine':>9}{'on the clock':>15}"
)


def records(trades: int, batch: int) -> list[bytes]:
    """Return records of one asset, the busiest."""
    found: list[bytes] = []
    for asset, hour in day_of_trades(3 * trades, batch):
        if asset != "BTC" or len(found) * batch >= trades:
            break
        found += hour
    return found[: trades // batch]


def compare(store: Store, trades: int) -> None:
    """Print the table; the trades are removed again."""
    print(f"{trades:,} trades into trades_log, fsync on, to the end of merges, wanted {WANTED:,}/s")
    print("rows a second of processor time; microseconds of it a row; rows a second on the clock")
    print(_HEAD)
    made: dict[int, list[bytes]] = {}
    for batch, rows in WAYS:
        if batch not in made:
            made = {batch: records(trades, batch)}
        _line(store, made[batch], batch, rows)


def _line(store: Store, values: Sequence[bytes], batch: int, rows: int) -> None:
    whole = Loader(store, TRADES.name, rows, keep=True)
    with whole.cost.watching():
        whole.put(values)
        whole.flush()
        wait_for_merges(store)
    _empty(store, whole.rows)
    alone = Loader(store, TRADES.name, rows)
    with alone.cost.watching():
        for block in whole.kept:
            alone.insert(block)
        wait_for_merges(store)
    _empty(store, alone.rows)
    cost = whole.cost
    pace, limit = whole.rows / cost.whole, alone.rows / alone.cost.whole
    stages = (1e6 * spent / whole.rows for spent in (cost.decode, cost.encode, cost.engine))
    print(
        f"{batch:>15}{rows:>14,}{pace:>11,.0f}{limit:>11,.0f}{pace / limit:>7.2f}"
        + "".join(f"{stage:>9.2f}" for stage in stages)
        + f"{whole.rows / cost.elapsed:>15,.0f}"
    )


def _empty(store: Store, rows: int) -> None:
    ((found,),) = store.query("SELECT count() FROM trades_log").rows
    if found != rows:
        raise RuntimeError(f"{found} of {rows} rows are in the table")
    # A token that the table has seen would be passed over.
    store.command("TRUNCATE TABLE perptape.trades_log")
