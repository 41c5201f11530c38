"""The ClickHouse sink: reads the log, inserts blocks, commits what is stored.

Offsets are committed only after all blocks of a range are in, so a crash leads to inserts that are
repeated, never to rows that are missing: repeated blocks are known by their token, and rows that
come again in other blocks are replaced by themselves.
"""

import asyncio
import contextlib
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import msgspec
import structlog

from runtime.bus.protocol import Bus, Consumer, Outgoing, Record, TopicPartition
from runtime.errors import (
    BusError,
    ConfigurationError,
    PayloadError,
    PerptapeError,
    StoreError,
    StoreRejected,
)
from runtime.failpoint import failpoint
from runtime.metrics import Metrics, SinkMetrics
from runtime.worker import in_worker
from schemas.lineage import EPOCH_LIMIT
from schemas.topics import (
    BARS,
    BOOKS,
    CVD_STRUCTURE,
    DEADLETTER,
    HEATMAP,
    IMBALANCE,
    INSTRUMENTS,
    LIQUIDATION_LEVELS,
    PROFILES,
    QUALITY,
    TICKERS,
    TRAPPED,
)
from sinks.clickhouse.batches import SPLITTERS, Block, Insert, Range, split
from sinks.clickhouse.poison import PoisonGauge
from sinks.dead_letters import dead_letter

GROUP = "sink.clickhouse"

# Measured: an insert takes 15 to 25 ms of a core, merges included, whether it has 4 rows or 80. Of
# six assets, books and tickers every second would be a fifth of a core, every ten seconds 3 %.
SLOW_TOPICS = {
    QUALITY.name,
    INSTRUMENTS.name,
    BOOKS.name,
    TICKERS.name,
    LIQUIDATION_LEVELS.name,
    TRAPPED.name,
    BARS.name,
    PROFILES.name,
    CVD_STRUCTURE.name,
    IMBALANCE.name,
    HEATMAP.name,
}
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class SinkSettings:
    """When a range is flushed and how failures are waited out.

    A range of one topic partition is flushed at `flush_rows` rows, at `flush_bytes` of records or
    `linger_seconds` after its first record, whichever comes first; what nobody watches live in the
    store (`SLOW_TOPICS`) after `slow_linger_seconds`, since every insert costs the engine the same
    however little is in it. Blocks of 50,000 rows take half the engine's time of blocks of 10,000,
    most of it in merges. Bars are checked `check_seconds` after the last answer; inserts wait.
    """

    flush_rows: int = 50_000
    flush_bytes: int = 8 * 2**20
    linger_seconds: float = 1.0
    slow_linger_seconds: float = 10.0
    poll_records: int = 500
    poll_seconds: float = 0.2
    first_retry_seconds: float = 0.1
    longest_retry_seconds: float = 5.0
    silence_seconds: float = 30.0
    lag_seconds: float = 5.0
    check_seconds: float = 300.0


class BlockStore(Protocol):
    """Where blocks go: `sinks.clickhouse.client.Store`."""

    def insert(self, table: str, names: Sequence[str], block: bytes, token: str) -> None:
        """Insert one block; StoreRejected or StoreError where it is refused or unclear."""
        ...


class ClickHouseSink:
    """Stores every record of the log's data topics.

    Args:
        bus: the log; its epoch leads the revisions of trades, instruments and quality.
        store: migrated; used from one worker thread only while the sink runs.
        settings: thresholds and delays.
        metrics: where to count; None counts for nobody.
        broken_bars: counts bars that do not add up, in the worker thread; None asks nobody.
        sleep: waits between attempts.
        monotonic: seconds of any origin, for lingering.
    """

    def __init__(
        self,
        bus: Bus,
        store: BlockStore,
        *,
        settings: SinkSettings | None = None,
        metrics: SinkMetrics | None = None,
        broken_bars: Callable[[], int] | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        if not 0 <= bus.epoch < EPOCH_LIMIT:
            raise ConfigurationError(f"the log's epoch {bus.epoch} is not below {EPOCH_LIMIT}")
        self._bus = bus
        self._store = store
        self._settings = settings or SinkSettings()
        self._metrics = metrics or Metrics().sink
        self._broken_bars = broken_bars
        self._sleep = sleep
        self._monotonic = monotonic
        self._ranges: dict[TopicPartition, Range] = {}
        self._stored: dict[TopicPartition, int] = {}
        self._poison = PoisonGauge()
        self._members: tuple[Consumer, ThreadPoolExecutor] | None = None
        self._places: frozenset[TopicPartition] = frozenset()
        self._stop = asyncio.Event()
        self._next_lag = 0.0
        self._next_check = monotonic() + self._settings.check_seconds

    async def run(self, stop: asyncio.Event) -> None:
        """Store what comes until `stop`, then store what was read.

        Raises:
            PoisonError: most records cannot be stored.
        """
        self._stop = stop
        async with self._session() as (consumer, worker):
            while not stop.is_set():
                try:
                    await self._step(consumer, worker)
                    await self._measure_lag(consumer)
                    await self._check(worker)
                except BusError as error:
                    _log.warning("sink_log_unreadable", error=str(error))
                    await self._sleep(self._settings.longest_retry_seconds)
                except StoreError:  # raised only once we are to stop
                    break
            try:
                await self._flush(consumer, worker, list(self._ranges))
            except (BusError, StoreError) as error:
                _log.warning("sink_stopped_unflushed", error=str(error))

    async def drain(self) -> None:
        """Store everything up to the end that the log has now; not while `run` runs.

        Raises:
            BusError: the log does not deliver up to its end.
            PoisonError: most records cannot be stored.
        """
        self._stop = asyncio.Event()
        async with self._session() as (consumer, worker):
            ends = await self._ends()
            heard = self._monotonic()
            while missing := [key for key, end in ends.items() if self._at(consumer, key) < end]:
                if await self._step(consumer, worker):
                    heard = self._monotonic()
                elif self._monotonic() - heard > self._settings.silence_seconds:
                    raise BusError(f"nothing more comes from {missing[0]} before its end")
            await self._flush(consumer, worker, list(self._ranges))
            if self._stored:
                raise BusError("everything is stored, but the offsets could not be committed")

    async def left(self) -> int:
        """Return how many records are not read yet, of the partitions that are ours; while running.

        Raises:
            BusError: the log cannot be read.
        """
        if self._members is None:
            return 0
        consumer, ends = self._members[0], await self._ends()
        return sum(max(0, ends[place] - consumer.position(*place)) for place in self._places)

    # What the consumer tells, inside its poll.

    async def assigned(self, places: frozenset[TopicPartition]) -> None:
        """Store what comes of these partitions from now on."""
        self._places |= places

    async def revoked(self, places: frozenset[TopicPartition]) -> None:
        """Store and commit what was read of these partitions; whoever gets them goes on there.

        What cannot be stored now is read again by them.
        """
        self._places -= places
        if self._members is not None:
            try:
                await self._flush(*self._members, [key for key in self._ranges if key in places])
            except (BusError, StoreError) as error:
                _log.warning("sink_gave_up_unflushed", error=str(error))
        for topic, partition in places:
            self._ranges.pop((topic, partition), None)
            self._stored.pop((topic, partition), None)
            self._metrics.lag.remove(topic, str(partition))

    @contextlib.asynccontextmanager
    async def _session(self) -> AsyncIterator[tuple[Consumer, ThreadPoolExecutor]]:
        self._places = frozenset()
        consumer = await self._bus.consumer(list(SPLITTERS), group=GROUP, rebalance=self)
        worker = ThreadPoolExecutor(1, thread_name_prefix="clickhouse-insert")
        self._members = (consumer, worker)
        try:
            yield consumer, worker
        finally:
            self._members = None
            self._ranges.clear()
            self._stored.clear()
            worker.shutdown(wait=False, cancel_futures=True)
            await consumer.close()

    def _at(self, consumer: Consumer, key: TopicPartition) -> int:
        return consumer.position(*key) if key in self._places else 0

    async def _measure_lag(self, consumer: Consumer) -> None:
        now = self._monotonic()
        if now < self._next_lag or self._stop.is_set():
            return
        self._next_lag = now + self._settings.lag_seconds
        ends = await self._ends()
        for topic, partition in self._places:
            lag = ends[topic, partition] - consumer.position(topic, partition)
            self._metrics.lag.labels(topic, str(partition)).set(lag)

    async def _check(self, worker: ThreadPoolExecutor) -> None:
        """Ask for broken bars now and then; what cannot be answered is not known."""
        now = self._monotonic()
        if self._broken_bars is None or now < self._next_check or self._stop.is_set():
            return
        try:
            found: float = await in_worker(worker, self._broken_bars)
        except PerptapeError as error:
            _log.warning("sink_check_failed", error=str(error))
            found = math.nan
        self._next_check = self._monotonic() + self._settings.check_seconds
        self._metrics.broken_bars.set(found)

    async def _ends(self) -> dict[TopicPartition, int]:
        return {
            (topic, partition): end
            for topic in SPLITTERS
            for partition, end in enumerate(await self._bus.end_offsets(topic))
        }

    async def _step(self, consumer: Consumer, worker: ThreadPoolExecutor) -> int:
        """Read once, store what is due and return how many records were read."""
        records = await consumer.poll(self._settings.poll_records, self._settings.poll_seconds)
        for record in records:
            key = await self._take(record)
            if self._is_full(self._ranges[key]):
                await self._flush(consumer, worker, [key])
        now = self._monotonic()
        due = [
            key
            for key, held in self._ranges.items()
            if now - held.since_seconds >= self._linger(key[0])
        ]
        if due:
            await self._flush(consumer, worker, due)
        return len(records)

    def _linger(self, topic: str) -> float:
        slow = topic in SLOW_TOPICS
        return self._settings.slow_linger_seconds if slow else self._settings.linger_seconds

    def _is_full(self, held: Range) -> bool:
        limits = self._settings
        return held.rows >= limits.flush_rows or held.size_bytes >= limits.flush_bytes

    async def _take(self, record: Record) -> TopicPartition:
        key = (record.topic, record.partition)
        held = self._ranges.setdefault(key, Range(key, self._monotonic()))
        try:
            pieces = split(record, self._bus.epoch)
            self._poison.good()
        except PayloadError as error:
            pieces = []
            await self._bury(record, error.reason, error.detail)
        held.add(record, pieces)
        return key

    async def _flush(
        self, consumer: Consumer, worker: ThreadPoolExecutor, keys: Iterable[TopicPartition]
    ) -> None:
        """Insert these ranges and commit them; a failed commit is made up for at the next."""
        for key in keys:
            held = self._ranges[key]
            for insert in held.inserts():
                await self._insert(worker, insert, held.records)
            self._stored[key] = held.next_offset
            del self._ranges[key]
        failpoint("sink_before_commit")
        try:
            await consumer.commit(self._stored)
        except BusError as error:
            _log.warning("sink_commit_failed", error=str(error))
        else:
            self._stored = {}

    async def _insert(
        self, worker: ThreadPoolExecutor, insert: Insert, records: Mapping[int, Record]
    ) -> None:
        """Insert, in halves where something in the block is refused, down to the record."""
        try:
            await self._send(worker, await in_worker(worker, insert.build))
        except (StoreRejected, PayloadError) as error:
            if len(insert.pieces) > 1:
                for half in insert.halves():
                    await self._insert(worker, half, records)
                return
            record = records[insert.pieces[0].source.offset]
            if isinstance(error, PayloadError):
                await self._bury(record, error.reason, error.detail)
            else:
                await self._bury(record, "refused_by_store", str(error))

    async def _send(self, worker: ThreadPoolExecutor, block: Block) -> None:
        """Insert one block, the same one again until the answer is clear."""
        started = time.perf_counter()
        delay = self._settings.first_retry_seconds
        while True:
            failpoint("sink_before_insert")
            try:
                await in_worker(
                    worker, self._store.insert, block.table, block.names, block.data, block.token
                )
                break
            except StoreRejected:
                self._metrics.failures.labels("refused").inc()
                raise
            except StoreError as error:
                self._metrics.failures.labels("unclear").inc()
                _log.warning("sink_insert_failed", table=block.table, error=str(error))
                if self._stop.is_set():
                    raise
                await self._sleep(delay)
                delay = min(2 * delay, self._settings.longest_retry_seconds)
        failpoint("sink_after_insert")
        self._metrics.rows.labels(block.table).inc(block.rows)
        self._metrics.insert_seconds.labels(block.table).observe(time.perf_counter() - started)

    async def _bury(self, record: Record, reason: str, detail: str) -> None:
        """Send a record to the dead letters, durably, before anything else goes on."""
        letter = dead_letter(record, reason, detail)
        outgoing = Outgoing(
            DEADLETTER.name,
            letter.origin.encode(),
            msgspec.json.encode(letter),
            record.timestamp_us,
        )
        while True:
            try:
                await self._bus.send([outgoing])
                break
            except BusError as error:
                _log.warning("sink_deadletter_failed", error=str(error))
                if self._stop.is_set():
                    raise
                await self._sleep(self._settings.longest_retry_seconds)
        self._metrics.deadletters.labels(reason).inc()
        _log.warning("sink_record_unusable", origin=letter.origin, reason=reason, detail=detail)
        self._poison.bad(f"{letter.origin}: {detail}")
