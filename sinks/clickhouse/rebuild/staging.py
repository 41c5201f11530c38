"""Tables beside the real ones, for what was worked off anew; the filled as those are.

They are of this run only: whatever an earlier one has left is removed first.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from sinks.clickhouse.client import Store

TRADES, BARS, ADMITTED = "rebuild_trades", "rebuild_footprints", "rebuild_admitted"
STAGED = {"trades_log": TRADES, "footprints_log": BARS}
_MADE_LIKE = {TRADES: "trades_log", BARS: "footprints_log", ADMITTED: "footprints_log"}


class Staging:
    """A store to the sink: rows of trades and bars go beside, all others nowhere.

    Args:
        store: migrated.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def insert(self, table: str, names: Sequence[str], block: bytes, token: str) -> None:
        """Insert one block beside the table that it is for.

        Raises:
            StoreRejected: the engine refuses what is in the block.
            StoreError: the store is away, or the answer was unclear.
        """
        if table in STAGED:
            self._store.insert(STAGED[table], names, block, token)


@contextmanager
def staging(store: Store) -> Iterator[Staging]:
    """Make the tables, and remove them in the end.

    Raises:
        StoreError: the store refuses.
    """
    _remove(store)
    for table, model in _MADE_LIKE.items():
        store.command(f"CREATE TABLE {table} AS {model}")
    try:
        yield Staging(store)
    finally:
        _remove(store)


def _remove(store: Store) -> None:
    for table in _MADE_LIKE:
        store.command(f"DROP TABLE IF EXISTS {table} SYNC")
