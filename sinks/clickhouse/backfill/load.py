"""Store what files have: their trades first, then their bars, then that they are done.

What is broken off in between is loaded again by the next run: trades replace themselves, and bars
are there only when their trades are.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from runtime.failpoint import failpoint
from schemas.footprints import FootprintBar
from schemas.lineage import revision_of
from schemas.topics import FOOTPRINTS, TRADES
from schemas.trades import TradeBatch, TradeRow
from schemas.units import US_PER_SECOND
from sinks.clickhouse.backfill.admission import minutes_of
from sinks.clickhouse.backfill.tables import known_trades
from sinks.clickhouse.batches import Insert
from sinks.clickhouse.client import Store
from sinks.clickhouse.native import block, column
from sinks.clickhouse.rows import TEXT, TIME, Piece, Source
from sinks.clickhouse.rows_footprints import footprint_pieces
from sinks.clickhouse.rows_trades import pieces_of
from sinks.clickhouse.sink import BlockStore

BLOCK_ROWS = 50_000
BLOCK_BARS = 2_000
_encode = msgspec.json.encode


class LoadedFile(msgspec.Struct, frozen=True, kw_only=True):
    """One row of `backfills_log`, without its revision."""

    file: str
    size_bytes: int
    sha256: str
    format: str
    asset: str
    venue: str
    symbol: str
    stream: str
    session: str
    from_time: int
    to_time: int
    trades: int
    skipped: int


_FILE_TYPES = {
    "file": "String",
    "size_bytes": "Int64",
    "sha256": "String",
    "session": "String",
    "from_time": TIME,
    "to_time": TIME,
    "trades": "Int64",
    "skipped": "Int64",
}


@dataclass(slots=True)
class Blocks:
    """Pieces on their way into the store, a block at a time for each table partition."""

    store: BlockStore
    topic: str
    limit: int
    rows: int = 0

    def put(self, pieces: Iterable[Piece]) -> None:
        """Store pieces, in order."""
        waiting: dict[int, list[Piece]] = {}
        for piece in pieces:
            held = waiting.setdefault(piece.part, [])
            held.append(piece)
            if sum(len(one.rows) for one in held) >= self.limit:
                self._insert(waiting.pop(piece.part))
        for held in waiting.values():
            self._insert(held)

    def _insert(self, pieces: list[Piece]) -> None:
        built = Insert(f"dump/{self.topic}", pieces).build()
        self.store.insert(built.table, built.names, built.data, built.token)
        self.rows += built.rows


@dataclass(frozen=True, slots=True)
class Loaded:
    """How much was stored."""

    trades: int
    bars: int


def store_job(
    store: Store,
    batches: Iterable[TradeBatch],
    bars: Sequence[FootprintBar],
    streams: Mapping[tuple[str, str], str],
    *,
    base_seconds: int,
    epoch: int,
) -> Loaded:
    """Store the admitted bars of a job, and the trades behind those of single instruments.

    Args:
        store: migrated.
        batches: all trades of the job.
        bars: as admitted.
        streams: whose trades they are, by venue and symbol.
        base_seconds: the interval of base bars.
        epoch: leads the revisions of the trades.

    Raises:
        ConfigurationError: there are trades of another stream; nothing was stored.
        StoreError: the store is away or refuses; the same job may be stored again.
    """
    minutes = minutes_of(bars, base_seconds)
    base_us = base_seconds * US_PER_SECOND
    assets = {(bar.venue, bar.symbol): bar.asset for bar in bars}
    known = {
        key: known_trades(store, (assets[key], *key), starts, base_us, streams[key])
        for key, starts in minutes.items()
    }
    trades = Blocks(store, TRADES.name, BLOCK_ROWS)
    trades.put(_trade_pieces(batches, minutes, known, base_us, epoch))
    failpoint("backfill_before_bars")
    made = Blocks(store, FOOTPRINTS.name, BLOCK_BARS)
    made.put(
        piece
        for number, bar in enumerate(bars)
        for piece in footprint_pieces(_encode(bar), Source(epoch, 0, number))
    )
    return Loaded(trades.rows, made.rows)


def _trade_pieces(
    batches: Iterable[TradeBatch],
    minutes: Mapping[tuple[str, str], set[int]],
    known: Mapping[tuple[str, str], set[str]],
    base_us: int,
    epoch: int,
) -> Iterable[Piece]:
    for number, batch in enumerate(batches):
        key = (batch.venue, batch.symbol)
        rows = _wanted(batch.rows, minutes.get(key, set()), known.get(key, set()), base_us)
        if rows:
            changed = batch if rows is batch.rows else msgspec.structs.replace(batch, rows=rows)
            yield from pieces_of(changed, Source(epoch, 0, number))


def _wanted(
    rows: list[TradeRow], minutes: set[int], known: set[str], base_us: int
) -> list[TradeRow]:
    """Return the rows of these base bars that are not there yet."""
    if not rows or not minutes:
        return []
    times = [row[0] for row in rows]
    starts = {time_us - time_us % base_us for time_us in (min(times), max(times))}
    if len(starts) == 1 and not known:
        return rows if starts <= minutes else []
    return [
        row for row in rows if row[0] - row[0] % base_us in minutes and str(row[4]) not in known
    ]


def note_loaded(store: Store, files: Sequence[LoadedFile], epoch: int) -> None:
    """Remember that files are loaded."""
    names = LoadedFile.__struct_fields__
    values = zip(*map(msgspec.structs.astuple, files), strict=True)
    columns = [
        column(name, _FILE_TYPES.get(name, TEXT), list(found))
        for name, found in zip(names, values, strict=True)
    ]
    columns.append(column("revision", "UInt64", [revision_of(epoch, 0)] * len(files)))
    token = "/".join(("backfills", str(epoch), *(one.sha256 for one in files)))
    written = [one.name for one in columns]
    store.insert("backfills_log", written, block(columns, len(files)), token)
