"""Records into the store by the sink's own code, timed by stage."""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from runtime.bus.protocol import Record
from sinks.clickhouse.batches import Block, Range, split
from sinks.clickhouse.client import Store

EPOCH = 1
_LOOK_SECONDS = 0.02
_MERGE_SECONDS = 120.0


@dataclass
class Cost:
    """Processor seconds of this thread by stage, and of the engine's own threads.

    Others may use the machine, so the clock says little; `elapsed` is on the clock all the same.
    """

    decode: float = 0.0
    encode: float = 0.0
    insert: float = 0.0
    threads: float = 0.0
    elapsed: float = 0.0

    @property
    def engine(self) -> float:
        """Seconds of the engine: inserts with their sync, and merges."""
        return self.insert + self.threads

    @property
    def whole(self) -> float:
        """Seconds of all of it on one core."""
        return self.decode + self.encode + self.engine

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Count what other threads of this process use, and the clock."""
        began = time.perf_counter(), time.process_time() - time.thread_time()
        yield
        self.elapsed += time.perf_counter() - began[0]
        self.threads += time.process_time() - time.thread_time() - began[1]


@dataclass
class Loader:
    """Takes the records of one topic in and stores them in blocks of so many rows and more.

    Attributes:
        rows: stored so far.
        kept: the blocks that were stored, where they are to be kept.
    """

    store: Store
    topic: str
    block_rows: int
    keep: bool = False
    rows: int = 0
    cost: Cost = field(default_factory=Cost)
    kept: list[Block] = field(default_factory=list)
    _offset: int = 0

    def __post_init__(self) -> None:
        self._range = Range((self.topic, 0), 0.0)

    def put(self, values: Iterable[bytes]) -> None:
        """Store records; what does not fill a block waits."""
        for value in values:
            self._take(Record(self.topic, 0, self._offset, 0, b"", value))
            self._offset += 1
            if self._range.rows >= self.block_rows:
                self.flush()

    def _take(self, record: Record) -> None:
        started = time.thread_time()
        self._range.add(record, split(record, EPOCH))
        self.cost.decode += time.thread_time() - started

    def flush(self) -> None:
        """Store what waits."""
        for insert in self._range.inserts():
            started = time.thread_time()
            block = insert.build()
            self.cost.encode += time.thread_time() - started
            self.insert(block)
            if self.keep:
                self.kept.append(block)
        self._range = Range((self.topic, 0), 0.0)

    def insert(self, block: Block) -> None:
        """Store one block."""
        started = time.thread_time()
        self.store.insert(block.table, block.names, block.data, block.token)
        self.cost.insert += time.thread_time() - started
        self.rows += block.rows


def wait_for_merges(store: Store) -> None:
    """Return when no merge has run for a moment.

    Raises:
        TimeoutError: merges go on for minutes.
    """
    quiet, deadline = 0, time.monotonic() + _MERGE_SECONDS
    while quiet < 3:
        running = store.query("SELECT count() FROM system.merges").rows[0][0]
        quiet = 0 if running else quiet + 1
        if time.monotonic() > deadline:
            raise TimeoutError("merges do not end")
        time.sleep(_LOOK_SECONDS)


@dataclass(frozen=True)
class Size:
    """What a table takes on disk."""

    rows: int
    compressed_bytes: int
    raw_bytes: int
    parts: int

    @property
    def row_bytes(self) -> float:
        """Bytes of a row on disk."""
        return self.compressed_bytes / self.rows if self.rows else 0.0


def sizes(store: Store) -> dict[str, Size]:
    """Return what each table of ours takes, merged as far as it is now."""
    answer = store.query(
        "SELECT table, sum(rows), sum(data_compressed_bytes), sum(data_uncompressed_bytes), count()"
        " FROM system.parts WHERE active AND database = 'perptape' GROUP BY table"
    )
    return {str(row[0]): Size(*map(int, row[1:])) for row in answer.rows}
