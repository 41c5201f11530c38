"""A consumer of the embedded log: positions in memory, committed offsets in the file."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import structlog

from runtime.bus.log_file import OFFSET_MASK
from runtime.bus.log_members import Membership
from runtime.bus.log_read import Place, read_page, read_positions
from runtime.bus.log_writer import Store
from runtime.bus.protocol import Rebalance, Record, TopicPartition
from runtime.errors import BusError, ConfigurationError

if TYPE_CHECKING:
    from runtime.bus.embedded import EmbeddedBus

_logger = structlog.get_logger(__name__)


class EmbeddedConsumer:
    """`runtime.bus.protocol.Consumer` on the embedded log; made by `EmbeddedBus.consumer`.

    Nobody assigns partitions: each consumer reads exactly those it was opened with, and two of the
    same group that overlap both read the overlap.
    """

    def __init__(
        self,
        bus: "EmbeddedBus",
        numbers: Mapping[TopicPartition, int],
        positions: dict[TopicPartition, int],
        group: str | None,
        rebalance: Rebalance | None = None,
        member: Membership | None = None,
    ) -> None:
        self._bus = bus
        self._member = member
        self._numbers = numbers
        self._positions = positions
        self._group = group
        self._untold = rebalance
        self._topics = frozenset(topic for topic, _ in numbers)
        self._order = list(numbers)
        self._ends: dict[TopicPartition, int] = {}
        self._paused: set[TopicPartition] = set()
        self._news = asyncio.Event()
        self._closed = False

    async def poll(self, max_records: int, timeout_seconds: float) -> list[Record]:
        """Return the next records, at least one unless the time is out.

        Raises:
            BusError: the log cannot be read.
            ConfigurationError: `max_records` is below one.
        """
        if max_records < 1:
            raise ConfigurationError(f"max_records must be at least 1, was {max_records}")
        if self._untold is not None:
            untold, self._untold = self._untold, None
            await untold.assigned(frozenset(self._numbers))
        records = await self._read(max_records)
        if records or timeout_seconds <= 0:
            return records
        self._bus.await_news(self._news, self._topics)
        try:
            async with asyncio.timeout(timeout_seconds):
                return await self._wait_and_read(max_records)
        except TimeoutError:
            return []
        finally:
            self._bus.forget_news(self._news)

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Store, durably, the next offset to read of each partition.

        Raises:
            BusError: not stored.
            ConfigurationError: no group, an unknown partition or a negative offset.
        """
        if self._group is None:
            raise ConfigurationError("a consumer without a group cannot commit")
        for place, offset in offsets.items():
            _check_offset(place, offset)
        self._check_open()
        positions = {self._bus.number(*place): offset for place, offset in offsets.items()}
        if positions:
            await self._bus.store(Store(self._group, positions))

    async def committed(self, topic: str, partition: int) -> int | None:
        """Return the group's next offset to read, or None where it never committed."""
        number, group = self._bus.number(topic, partition), self._group
        if group is None:
            return None
        return (await self._bus.read(lambda c: read_positions(c, group))).get(number)

    def seek(self, topic: str, partition: int, offset: int) -> None:
        """Read this partition from `offset` on at the next poll."""
        place = self._own(topic, partition)
        _check_offset(place, offset)
        self._positions[place] = offset

    def position(self, topic: str, partition: int) -> int:
        """Return the offset that the next poll would read first."""
        return self._positions[self._own(topic, partition)]

    def left(self, topic: str, partition: int) -> int | None:
        """Return how many records are known to be left to read, None before the first poll."""
        place = self._own(topic, partition)
        end = self._ends.get(place)
        return None if end is None else max(0, end - self._positions[place])

    def pause(self, topic: str, partition: int) -> None:
        """Read nothing more of this partition until `resume`."""
        self._paused.add(self._own(topic, partition))

    def resume(self, topic: str, partition: int) -> None:
        """Read on in a partition that was paused."""
        self._paused.discard(self._own(topic, partition))

    async def close(self) -> None:
        """Give the consumer's resources back; nothing is committed."""
        self._closed = True
        self._news.set()
        if self._member is not None:
            self._member.leave()

    async def _wait_and_read(self, max_records: int) -> list[Record]:
        """Read whenever there may be news, until there are."""
        while True:
            self._news.clear()
            records = await self._read(max_records)
            if records:
                return records
            await self._news.wait()

    async def _read(self, max_records: int) -> list[Record]:
        self._check_open()
        before = dict(self._positions)
        places = [
            Place(*place, self._numbers[place], before[place])
            for place in self._order
            if place not in self._paused
        ]
        limit = self._bus.settings.poll_bytes
        page = await self._bus.read(lambda c: read_page(c, places, max_records, limit))
        self._ends.update(page.ends)
        # A seek while the page was being read wins over what was read.
        moved = {place for place, offset in before.items() if self._positions[place] != offset}
        for place, offset in page.positions.items():
            if place not in moved:
                self._positions[place] = offset
        if page.records:
            self._turn(page.records[-1])
            self._report_losses(page.records, before)
        if not moved:
            return page.records
        return [record for record in page.records if (record.topic, record.partition) not in moved]

    def _turn(self, last: Record) -> None:
        """Begin the next poll after the partition that this one ended with."""
        cut = self._order.index((last.topic, last.partition)) + 1
        self._order = self._order[cut:] + self._order[:cut]

    def _report_losses(
        self, records: Iterable[Record], before: Mapping[TopicPartition, int]
    ) -> None:
        """Log where retention was faster than this consumer."""
        expected = dict(before)
        for record in records:
            place = (record.topic, record.partition)
            if place not in expected or self._bus.compacted(record.topic):
                continue
            lost = record.offset - expected.pop(place)
            if lost:
                _logger.warning(
                    "log_retention_passed_consumer",
                    topic=record.topic,
                    partition=record.partition,
                    offset=record.offset,
                    lost_records=lost,
                    group=self._group,
                )

    def _own(self, topic: str, partition: int) -> TopicPartition:
        if (topic, partition) not in self._numbers:
            raise ConfigurationError(f"this consumer does not read {topic} partition {partition}")
        return topic, partition

    def _check_open(self) -> None:
        if self._closed:
            raise BusError("the consumer is closed")


def _check_offset(place: TopicPartition, offset: int) -> None:
    if not 0 <= offset <= OFFSET_MASK:
        raise ConfigurationError(f"{place[0]} partition {place[1]}: there is no offset {offset}")
