"""Minutes of the simulated market through collectors and operators into the tables; then a day.

The market brings frames at the recorded rates (`market_flow`). Records of all six assets are
counted by topic; those of BTC go through the engine and, with what it makes, into the store. What
that takes a second is the base of the sizing in `deploy/README.md`.

For queries of a day, the first five minutes are copied by the engine, moved in time, so that the
tables of BTC (whose key begins with the asset) have as many rows as a day brings. Trades and
footprints are not copied: those are made for the whole day.
"""

import asyncio
import re
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from benchmarks.load_inside import Forgetful, Inside
from benchmarks.market_flow import START_US
from benchmarks.store_load import Loader, Size, sizes
from benchmarks.store_trades import DAY_START_US, DAY_US
from processors.asset import EngineParams
from processors.engine import SIDES, Engine
from runtime.bus.protocol import Outgoing
from schemas.topics import INSTRUMENTS, TRADES
from sinks.clickhouse.batches import SPLITTERS
from sinks.clickhouse.client import Store

SECONDS = 320
PIECE_US = 300_000_000
"""What is copied: the rest of the time lets the last windows close."""

ASSET = b"BTC"
_BLOCK_ROWS = 50_000
_WHOLE = {"trades_log", "footprints_log", "instruments_log"}
_TIMES = {"profiles_log": "until_time"}
"""Tables whose partition is not by the time of the row's end."""

_COLUMN = re.compile(r"\((\w+)\)")


@dataclass
class Kept(Forgetful):
    """A log that counts the bytes of all records and keeps those of one asset, in order."""

    by_topic: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    kept: list[tuple[str, bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    async def send(self, records: Sequence[Outgoing]) -> list[int]:
        """Count, and keep what is of the asset."""
        for record in records:
            value = record.value or b""
            self.by_topic[record.topic].append(len(value))
            if record.key == ASSET and record.topic in SPLITTERS:
                self.kept.append((record.topic, value))
        return await super().send(records)


@dataclass
class Market:
    """What the minutes brought: records and bytes by topic, of all assets and of BTC alone.

    `collector_seconds` is processor time for all assets, the simulated venues' own included,
    `engine_seconds` that of BTC's operators and the encoding of what they make.
    """

    collector_seconds: float
    engine_seconds: float
    all_assets: dict[str, tuple[int, int]]
    one_asset: dict[str, tuple[int, int]]
    tables: dict[str, Size]


def load(store: Store) -> Market:
    """Run the market into an empty store."""
    log = Kept()
    started = time.thread_time()
    inside = Inside(speed=1, log=log)
    asyncio.run(inside.pass_seconds(SECONDS))
    collected = time.thread_time()
    values = _worked_off(log.kept)
    worked_off = time.thread_time()
    for topic, found in values.items():
        if topic in SPLITTERS:
            _store(store, topic, found)
    listed = [msgspec.json.encode(one) for one in inside.instruments]
    _store(store, INSTRUMENTS.name, listed)
    for table in sizes(store):
        store.command(f"OPTIMIZE TABLE perptape.{table} FINAL")
    return Market(
        collected - started,
        worked_off - collected,
        {topic: (len(found), sum(found)) for topic, found in log.by_topic.items()},
        {topic: (len(found), sum(map(len, found))) for topic, found in values.items()},
        sizes(store),
    )


def _worked_off(kept: Sequence[tuple[str, bytes]]) -> dict[str, list[bytes]]:
    """Return the records by topic, with those that the operators make of them."""
    values: dict[str, list[bytes]] = defaultdict(list)
    engine = Engine(EngineParams(), 1)
    for topic, value in kept:
        offset = len(values[topic])
        values[topic].append(value)
        if topic == TRADES.name or topic in SIDES:
            for output in engine.process(topic, 0, offset, value):
                values[output.topic].append(msgspec.json.encode(output.record))
    return values


def _store(store: Store, topic: str, values: Sequence[bytes]) -> None:
    loader = Loader(store, topic, _BLOCK_ROWS)
    loader.put(values)
    loader.flush()


def fill_day(store: Store) -> int:
    """Copy the first minutes over the whole day; return how many rows there are more."""
    before = sum(size.rows for size in sizes(store).values())
    for table, column in _copied(store).items():
        store.command(_copies(store, table, column))
    return sum(size.rows for size in sizes(store).values()) - before


def _copied(store: Store) -> dict[str, str]:
    """Return the tables that are copied, each with its column of time."""
    answer = store.query(
        "SELECT name, partition_key FROM system.tables"
        " WHERE database = 'perptape' AND endsWith(name, '_log') AND total_rows > 0"
    )
    found = {str(name): _COLUMN.search(str(key)) for name, key in answer.rows}
    return {
        name: _TIMES.get(name, column[1])
        for name, column in found.items()
        if column is not None and name not in _WHOLE
    }


def _copies(store: Store, table: str, column: str) -> str:
    answer = store.query(
        "SELECT name, type FROM system.columns WHERE database = 'perptape' AND default_kind = ''"
        " AND table = {table:String} ORDER BY position",
        {"table": table},
    )
    columns = {str(name): str(type_) for name, type_ in answer.rows}
    moved = [_moved(name, type_) for name, type_ in columns.items()]
    first = (START_US - DAY_START_US) // PIECE_US
    return (
        f"INSERT INTO perptape.{table} ({', '.join(columns)}) SELECT {', '.join(moved)}"  # noqa: S608  # ours
        f" FROM perptape.{table} AS said ARRAY JOIN range({DAY_US // PIECE_US}) AS piece"
        f" WHERE piece != {first} AND said.{column} >= fromUnixTimestamp64Micro({START_US})"
        f" AND said.{column} < fromUnixTimestamp64Micro({START_US + PIECE_US})"
        " SETTINGS optimize_on_insert = 0, max_insert_block_size = 100000,"
        " min_insert_block_size_bytes = 67108864"
    )


def _moved(name: str, type_: str) -> str:
    shift = f"toIntervalMicrosecond({PIECE_US} * toInt64(piece) - {START_US - DAY_START_US})"
    if type_.startswith(("DateTime64", "Nullable(DateTime64")):
        return f"said.{name} + {shift}"
    if name == "id" or name.endswith("_id"):
        return f"concat(said.{name}, '-', toString(piece))" if type_ == "String" else f"said.{name}"
    return f"said.{name}"
