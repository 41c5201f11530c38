"""A file of trades read whole into columns of integers on disk, before anything is done with it.

What was read is checked to its last line, so that nothing of a broken file goes any further; and
it is read only once, as text costs more than all that follows.
"""

import hashlib
import json
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from pathlib import Path
from typing import BinaryIO, cast

from collectors.dumps.errors import DumpError
from collectors.dumps.layout import Layout, layout_of
from collectors.dumps.market import Asked, Contracts, Market, market_of
from collectors.dumps.names import Named, Span, read_name
from collectors.dumps.parquet import ParquetTable
from collectors.dumps.reader import Chunk, ChunkReader
from collectors.dumps.text import line_blocks
from schemas.instruments import Instrument
from schemas.market import TradeIds
from schemas.trades import TradeRow

Progress = Callable[[int], None]
"""Called with the number of trades read so far."""

_HASH_BLOCK_BYTES = 2**20


@dataclass(frozen=True, slots=True)
class Identity:
    """What a file is known by: its name, size and content."""

    name: str
    size_bytes: int
    sha256: str

    @property
    def session(self) -> str:
        """The session of its trades in the tables."""
        return f"dump/{self.name}/{self.sha256[:12]}"


def identity_of(path: Path) -> Identity:
    """Hash a file.

    Raises:
        DumpError: it cannot be read, or is not what the checksum beside it says.
    """
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(_HASH_BLOCK_BYTES):
                digest.update(block)
        size_bytes = path.stat().st_size
    except OSError as error:
        raise DumpError(path, 0, f"cannot be read: {error.strerror or error}") from error
    beside = path.with_name(path.name + ".CHECKSUM")
    if beside.is_file():
        expected = beside.read_text("utf-8", "replace").split()[:1]
        if expected != [digest.hexdigest()]:
            raise DumpError(path, 0, f"the content is not what {beside.name} says: get it again")
    return Identity(path.name, size_bytes, digest.hexdigest())


@dataclass(frozen=True, slots=True)
class _Place:
    """Where one chunk is on disk, and on which decimal places."""

    offset: int
    rows: int
    price_places: int
    qty_places: int


@dataclass(slots=True)
class Held:
    """One file's trades, checked and on disk.

    `span` is the time that the file covers: what its name says, else from the first trade to the
    last. `is_named` says which. `first_id` and `last_id` are of ids that count.
    """

    identity: Identity
    layout: Layout
    market: Market
    store: Path
    span: Span = (0, 0)
    is_named: bool = False
    trades: int = 0
    skipped: int = 0
    first_us: int = 0
    last_us: int = 0
    price_places: int = 0
    qty_places: int = 0
    first_id: int | None = None
    last_id: int | None = None
    _chunks: list[_Place] = field(default_factory=list)

    @property
    def trade_ids(self) -> TradeIds:
        """What the ids promise."""
        return self.layout.format.trade_ids

    def write(self, chunk: Chunk, out: BinaryIO) -> None:
        """Put a chunk on disk."""
        self.skipped += chunk.skipped
        rows = len(chunk.times)
        if not rows:
            return
        first_us, last_us = min(chunk.times), max(chunk.times)
        self.first_us = min(self.first_us, first_us) if self.trades else first_us
        self.last_us = max(self.last_us, last_us)
        self.trades += rows
        self.price_places = max(self.price_places, chunk.price_places)
        self.qty_places = max(self.qty_places, chunk.qty_places)
        self._chunks.append(_Place(out.tell(), rows, chunk.price_places, chunk.qty_places))
        for column in (chunk.times, chunk.prices, chunk.qtys):
            array("q", column).tofile(out)
        array("b", chunk.sides).tofile(out)
        array("b", chunk.flags).tofile(out)
        if self.trade_ids is TradeIds.SEQUENTIAL:
            ids = array("q", cast("Sequence[int]", chunk.ids))
            self.first_id = ids[0] if self.first_id is None else self.first_id
            self.last_id = ids[-1]
            ids.tofile(out)
        else:
            out.write(json.dumps(chunk.ids).encode() + b"\n")

    def rows(self) -> Iterator[list[TradeRow]]:
        """Yield the trades, a chunk of them at a time in the order of time, all on one grid."""
        with self.store.open("rb") as file:
            for place in self._chunks:
                yield self._read(file, place)

    def _read(self, file: BinaryIO, place: _Place) -> list[TradeRow]:
        file.seek(place.offset)

        def numbers(code: str) -> list[int]:
            column = array(code)
            column.fromfile(file, place.rows)
            return column.tolist()

        times = numbers("q")
        prices = _scaled(numbers("q"), self.price_places - place.price_places)
        qtys = _scaled(numbers("q"), self.qty_places - place.qty_places)
        sides, flags = numbers("b"), numbers("b")
        is_sequential = self.trade_ids is TradeIds.SEQUENTIAL
        ids = numbers("q") if is_sequential else json.loads(file.readline())
        rows = list(zip(times, prices, qtys, sides, ids, flags, strict=True))
        rows.sort(key=itemgetter(0))
        return rows

    @property
    def instrument(self) -> Instrument:
        """The instrument on the grid that the file has."""
        return self.market.instrument(self.price_places, self.qty_places)


def _scaled(steps: list[int], places: int) -> list[int]:
    return [step * 10**places for step in steps] if places else steps


def hold(
    path: Path,
    identity: Identity,
    asked: Asked,
    contracts: Contracts,
    store: Path,
    progress: Progress | None = None,
) -> Held:
    """Read a file whole.

    Args:
        path: the file.
        identity: what it is known by.
        asked: what options say of it.
        contracts: sizes of contracts, where quantities are in them.
        store: where its columns go; made anew.
        progress: told how far it is.

    Raises:
        ConfigurationError: options are missing or wrong.
        DumpError: the file cannot be used; with the line.
    """
    named = read_name(path)
    layout, chunks = _open(path, asked, named)
    market = market_of(path, layout, named, asked, contracts)
    held = Held(identity, layout, market, store)
    with store.open("wb") as out:
        for chunk in chunks:
            held.write(chunk, out)
            if progress is not None:
                progress(held.trades)
    if not held.trades:
        raise DumpError(path, 0, "there is no trade in it")
    held.is_named = named.span is not None
    held.span = named.span or (held.first_us, held.last_us)
    return held


def _open(path: Path, asked: Asked, named: Named) -> tuple[Layout, Iterator[Chunk]]:
    if path.suffix == ".parquet":
        table = ParquetTable(path)
        layout = layout_of(path, table.names, named, asked.format)
        reader = ChunkReader(path, layout, named.span)
        return layout, (reader.convert(number, columns) for number, columns in table.columns())
    blocks = line_blocks(path)
    first = next(blocks, None)
    if first is None:
        raise DumpError(path, 0, "the file is empty")
    layout = layout_of(path, first[1][0].split(","), named, asked.format)
    return layout, ChunkReader(path, layout, named.span).read(_again(first, blocks))


def _again(
    first: tuple[int, list[str]], blocks: Iterator[tuple[int, list[str]]]
) -> Iterator[tuple[int, list[str]]]:
    yield first
    yield from blocks
