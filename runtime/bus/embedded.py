"""The log of a single machine: every topic in one SQLite file, shared by any number of processes.

What survives: after `kill -9`, every send that returned, with either setting. After power loss,
with `synchronous="FULL"` (the default) every send that returned; with `NORMAL` the sends since the
last checkpoint may be missing, but what is there is whole and in order.

SQLite runs in worker threads only. A bus belongs to the event loop that opened it.
"""

import asyncio
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from runtime.bus.embedded_consumer import EmbeddedConsumer
from runtime.bus.log_append import Entry
from runtime.bus.log_file import EmbeddedBusSettings, LogFile, explain, open_log
from runtime.bus.log_members import Membership
from runtime.bus.log_read import Readers, read_ends, read_offset_at, read_oldest, read_positions
from runtime.bus.log_writer import Append, Job, Store, Writer
from runtime.bus.protocol import Outgoing, Rebalance, TopicPartition
from runtime.errors import BusError, ConfigurationError, PayloadError
from runtime.metrics import BusMetrics
from schemas.topics import TOPICS, Topic, partition_of
from schemas.units import US_PER_SECOND

__all__ = ["EmbeddedBus", "EmbeddedBusSettings"]

_READER_THREADS = 4
_INT64 = 1 << 63
_partition_of = lru_cache(maxsize=4096)(partition_of)
Result = TypeVar("Result")


class EmbeddedBus:
    """`runtime.bus.protocol.Bus` on an SQLite file in WAL mode; made by `open`.

    A send that is cancelled before its transaction begins is not appended; one that is cancelled
    later is, although its caller does not learn the offsets.
    """

    def __init__(
        self, log: LogFile, connection: sqlite3.Connection, metrics: BusMetrics | None
    ) -> None:
        self._log = log
        self._metrics = metrics
        self._loop = asyncio.get_running_loop()
        self._readers = Readers(log)
        self._threads = ThreadPoolExecutor(_READER_THREADS, "perptape-log-reader")
        self._places = asyncio.Semaphore(log.settings.waiting_sends)
        self._waiting: dict[asyncio.Event, frozenset[str]] = {}
        self._writer = Writer(log, connection, self._foreign_change)
        self._closed = False

    @classmethod
    async def open(
        cls,
        directory: Path | str,
        *,
        settings: EmbeddedBusSettings | None = None,
        topics: Mapping[str, Topic] = TOPICS,
        clock: Callable[[], float] = time.time,
        metrics: BusMetrics | None = None,
    ) -> Self:
        """Open the log in a directory, creating both where they do not exist.

        Args:
            directory: holds `log.sqlite3` and SQLite's files beside it; a local disk.
            settings: how it is written and what is kept.
            topics: the registry.
            clock: seconds since 1970, for age and epoch.
            metrics: where sends are counted.

        Raises:
            ConfigurationError: not a directory, not our file, a newer format, or other partitions.
            BusError: the disk is full or failing, or the file stays locked.
        """
        chosen = settings or EmbeddedBusSettings()
        opened = await asyncio.to_thread(open_log, Path(directory), chosen, topics, clock)
        return cls(*opened, metrics)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    @property
    def epoch(self) -> int:
        """Minutes from 2020-01-01 to the creation of the log, below 2**24."""
        return self._log.epoch

    @property
    def settings(self) -> EmbeddedBusSettings:
        """What the log was opened with."""
        return self._log.settings

    async def send(self, records: Sequence[Outgoing]) -> list[int]:
        """Append records in order, durably, and return their offsets; all or none are appended.

        Raises:
            BusError: nothing was appended.
            ConfigurationError: an unknown topic or partition; nothing was appended.
            PayloadError: a record is too large or its time beyond 64 bits; nothing was appended.
        """
        entries = [self._entry(record) for record in records]
        if not entries:
            return []
        size = sum(len(entry.key) + len(entry.value or b"") for entry in entries)
        started = self._loop.time()
        job = Append(entries, size)
        async with self._places:
            self._submit(job)
            offsets = await asyncio.wrap_future(job.answer)
        topics = {record.topic for record in records}
        for event, wanted in self._waiting.items():
            if not wanted.isdisjoint(topics):
                event.set()
        if self._metrics is not None:
            self._metrics.sent(records, self._loop.time() - started)
        return offsets

    async def consumer(
        self,
        topics: Sequence[str],
        *,
        group: str | None = None,
        partitions: Sequence[int] | None = None,
        rebalance: Rebalance | None = None,
    ) -> EmbeddedConsumer:
        """Open a consumer at its group's committed offsets, otherwise at the oldest record.

        Raises:
            ConfigurationError: an unknown topic or partition, or none at all; the group is just
                being set back.
            BusError: the committed offsets cannot be read.
        """
        chosen: list[TopicPartition] = [
            (name, number)
            for name in topics
            for number in (
                range(self._topic(name).partitions) if partitions is None else partitions
            )
        ]
        if not chosen:
            raise ConfigurationError("a consumer needs at least one topic and one partition")
        numbers = {place: self.number(*place) for place in chosen}
        member = None
        if group is not None and partitions is None:
            member = Membership(self._log.path.parent, group)
        positions = await self.read(lambda connection: _starts(connection, numbers, group))
        return EmbeddedConsumer(self, numbers, positions, group, rebalance, member)

    async def end_offsets(self, topic: str) -> list[int]:
        """Return, per partition, the offset that the next record will get."""
        self._topic(topic)
        return await self.read(lambda connection: read_ends(connection, topic))

    async def offsets_at(self, topic: str, time_us: int) -> list[int]:
        """Return, per partition, the first offset appended at a time or later; else the end."""
        ends, time_s = await self.end_offsets(topic), time_us // US_PER_SECOND
        numbers = [self.number(topic, partition) for partition in range(len(ends))]
        return await self.read(
            lambda connection: [
                read_offset_at(connection, number, end, time_s)
                for number, end in zip(numbers, ends, strict=True)
            ]
        )

    async def set_positions(self, group: str, offsets: Mapping[TopicPartition, int]) -> None:
        """Commit for a group that nobody works in.

        Raises:
            BusError: not stored.
            ConfigurationError: somebody works in the group; nothing was stored.
        """
        alone = Membership(self._log.path.parent, group, alone=True)
        try:
            numbers = {self.number(*place): offset for place, offset in offsets.items()}
            await self.store(Store(group, numbers))
        finally:
            alone.leave()

    async def close(self) -> None:
        """Finish what was sent and close the log; consumers of it then raise BusError."""
        if self._closed:
            return
        self._closed = True
        for event in self._waiting:
            event.set()
        await asyncio.to_thread(self._shut_down)

    def _shut_down(self) -> None:
        self._writer.close()
        self._threads.shutdown()
        self._readers.close()

    # What consumers use of the bus.

    def number(self, topic: str, partition: int) -> int:
        """Return the log's number of a topic partition.

        Raises:
            ConfigurationError: there is no such partition.
        """
        count = self._topic(topic).partitions
        if not 0 <= partition < count:
            raise ConfigurationError(f"{topic} has partitions 0 to {count - 1}, not {partition}")
        return self._log.numbers[topic, partition]

    def compacted(self, topic: str) -> bool:
        """Say whether holes between offsets are normal in a topic."""
        return self._topic(topic).cleanup == "compact"

    async def store(self, job: Store) -> None:
        """Have a group's positions written and wait until they are durable.

        Raises:
            BusError: not stored.
        """
        async with self._places:
            self._submit(job)
            await asyncio.wrap_future(job.answer)

    async def read(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        """Run reading work in a worker thread.

        Raises:
            BusError: the log is closed or cannot be read.
        """
        self._check_open()
        try:
            return await self._loop.run_in_executor(self._threads, self._readers.run, work)
        except sqlite3.Error as error:
            raise explain(error, self._log.path, "reading") from error

    def await_news(self, event: asyncio.Event, topics: frozenset[str]) -> None:
        """Have an event set whenever one of these topics may have new records."""
        self._waiting[event] = topics
        self._writer.watch(True)

    def forget_news(self, event: asyncio.Event) -> None:
        """Undo `await_news`."""
        self._waiting.pop(event, None)
        self._writer.watch(bool(self._waiting))

    def _submit(self, job: Job) -> None:
        self._check_open()
        self._writer.submit(job)

    def _foreign_change(self) -> None:
        """Wake every poll, called on the writer's thread."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake_all)

    def _wake_all(self) -> None:
        for event in self._waiting:
            event.set()

    def _check_open(self) -> None:
        if self._closed:
            raise BusError(f"{self._log.path}: the log is closed")

    def _topic(self, name: str) -> Topic:
        topic = self._log.topics.get(name)
        if topic is None:
            raise ConfigurationError(
                f"unknown topic {name!r}; the registry has {', '.join(sorted(self._log.topics))}"
            )
        return topic

    def _entry(self, record: Outgoing) -> Entry:
        """Check a record so completely that the transaction it shares cannot fail because of it."""
        topic = self._topic(record.topic)
        partition = record.partition
        if partition is None:
            partition = _partition_of(record.key, topic.partitions)
        size, limit = len(record.key) + len(record.value or b""), self._log.settings.record_bytes
        if size > limit:
            raise PayloadError(
                "oversized", f"{record.topic}: a record of {size} bytes, limit {limit}"
            )
        if not -_INT64 <= record.timestamp_us < _INT64:
            raise PayloadError("invalid_time", f"{record.topic}: {record.timestamp_us} us")
        number = self._log.numbers.get((record.topic, partition))
        if number is None:
            number = self.number(record.topic, partition)
        compacted = topic.cleanup == "compact"
        return Entry(number, compacted, record.timestamp_us, record.key, record.value)


def _starts(
    connection: sqlite3.Connection, numbers: Mapping[TopicPartition, int], group: str | None
) -> dict[TopicPartition, int]:
    """Return where a new consumer begins: where its group was, otherwise at the oldest record."""
    stored = {} if group is None else read_positions(connection, group)
    return {
        place: stored[number] if number in stored else read_oldest(connection, number)
        for place, number in numbers.items()
    }
