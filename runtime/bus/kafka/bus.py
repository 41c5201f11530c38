"""The log on Apache Kafka: `runtime.bus.protocol.Bus` with aiokafka."""

import asyncio
import importlib.metadata
from collections.abc import Mapping, Sequence
from functools import lru_cache
from types import TracebackType
from typing import Any, Self

from aiokafka import TopicPartition
from aiokafka.errors import (
    CommitFailedError,
    IllegalGenerationError,
    RebalanceInProgressError,
    UnknownMemberIdError,
)

from runtime.bus.kafka.clients import Consumer
from runtime.bus.kafka.connection import reach
from runtime.bus.kafka.consumer import KafkaConsumer
from runtime.bus.kafka.epochs import read_epoch
from runtime.bus.kafka.failures import APPLY, explained
from runtime.bus.kafka.producer import KafkaSender
from runtime.bus.kafka.settings import KafkaSettings, brokers_of, client_options
from runtime.bus.kafka.topics import open_admin, refuse
from runtime.bus.protocol import Outgoing, Rebalance
from runtime.bus.protocol import TopicPartition as Place
from runtime.errors import BusError, ConfigurationError, PayloadError
from runtime.metrics import BusMetrics
from schemas.topics import TOPICS, Topic, partition_of

FETCH_BYTES = 8 * 2**20
"""What is fetched at once from all partitions; a consumer holds about twice that."""

PARTITION_FETCH_BYTES = 2 * 2**20
HEARTBEAT_SECONDS = 1.0
"""How soon a member hears that its group divides partitions anew; nobody works meanwhile."""

POLL_SECONDS = 300.0
"""A member that has not polled for so long leaves its group to the others."""

SETTLE_SECONDS = 2.0
"""How long topics that differ are looked at: brokers hear late of what was applied just now."""

CLOSE_SECONDS = 5.0
GROUP_SECONDS = 10.0
"""How much longer than a session a member waits for its group: the others may take that long."""

MEMBERS_LEFT = (
    CommitFailedError,
    UnknownMemberIdError,
    IllegalGenerationError,
    RebalanceInProgressError,
)
"""What a commit from outside a group is refused with while it has members."""

_INT64 = 2**63
_partition_of = lru_cache(maxsize=4096)(partition_of)


class KafkaBus:
    """Made by `open`; belongs to the event loop that opened it.

    A send is acknowledged by all replicas in sync. A consumer with a group and without partitions
    is a member of that group.
    """

    def __init__(
        self,
        options: Mapping[str, Any],
        settings: KafkaSettings,
        topics: Mapping[str, Topic],
        epoch: int,
        reader: Consumer,
        metrics: BusMetrics | None,
    ) -> None:
        self._options = options
        self._settings = settings
        self._topics = topics
        self._epoch = epoch
        self._reader = reader
        self._metrics = metrics
        self._loop = asyncio.get_running_loop()
        producer = f"perptape/{importlib.metadata.version('perptape')}"
        self._sender = KafkaSender(
            options,
            settings.send_timeout_seconds,
            lambda record: topics[record.topic].headers(producer, record.schema_name),
        )
        self._consumers: set[KafkaConsumer] = set()
        self._closed = False

    @classmethod
    async def open(
        cls,
        bus: str,
        settings: KafkaSettings,
        *,
        topics: Mapping[str, Topic] = TOPICS,
        metrics: BusMetrics | None = None,
    ) -> Self:
        """Connect, and see that the topics are what the registry says.

        Args:
            bus: `kafka://host:port,host:port`.
            settings: how to connect.
            topics: the registry.
            metrics: where sends are counted.

        Raises:
            ConfigurationError: no such address, wrong credentials, or topics that differ.
            BusError: no broker answers.
        """
        options = client_options(brokers_of(bus), settings)
        async with open_admin(options, settings, topics) as admin:
            refuse(await admin.differences(SETTLE_SECONDS), bus)
        epoch = await read_epoch(options, settings.send_timeout_seconds)
        if epoch is None:
            raise ConfigurationError(f"the topics have no epoch; run: {APPLY} --bus {bus}")
        reader = Consumer(**await reach(options), enable_auto_commit=False)
        opened = cls(options, settings, topics, epoch.epoch, reader, metrics)
        try:
            with explained(bus):
                await reader.start()
            await opened._sender.start()
        except BaseException:
            await opened.close()
            raise
        return opened

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
        """When the topics were made, in minutes from 2020-01-01, below 2**24."""
        return self._epoch

    async def send(self, records: Sequence[Outgoing]) -> list[int]:
        """Append records, in order inside each partition, durably, and return their offsets.

        Raises:
            BusError: not all were appended; the same records may be sent again.
            ConfigurationError: an unknown topic or partition; nothing was appended.
            PayloadError: a record is too large or has no possible time; nothing was appended.
        """
        if self._closed:
            raise BusError("the bus is closed")
        placed = [(record, self._partition(record)) for record in records]
        if not placed:
            return []
        started = self._loop.time()
        offsets = await self._sender.send(placed)
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
    ) -> KafkaConsumer:
        """Open a consumer at its group's committed offsets, otherwise at the oldest record.

        Raises:
            ConfigurationError: an unknown topic or partition, or none at all; a second member of a
                group under the one name of this process.
            BusError: the group cannot be joined, or its offsets not be read.
        """
        if self._closed:
            raise BusError("the bus is closed")
        chosen = [
            (name, self._check(name, number))
            for name in topics
            for number in (
                range(self._topic(name).partitions) if partitions is None else partitions
            )
        ]
        if not chosen:
            raise ConfigurationError("a consumer needs at least one topic and one partition")
        member = group is not None and partitions is None
        if member:
            self._check_name(group)
        timeout_seconds = self._settings.send_timeout_seconds
        client = await self._client(group, member)
        consumer = KafkaConsumer(client, group, rebalance, self._topics, timeout_seconds)
        try:
            if member:
                await consumer.join(topics, self._settings.session_seconds + timeout_seconds)
            else:
                await consumer.assign(chosen)
            if self._closed:
                raise BusError("the bus is closed")
        except BaseException:
            await consumer.close()
            raise
        self._consumers = {one for one in self._consumers if not one.closed} | {consumer}
        return consumer

    def _check_name(self, group: str | None) -> None:
        """Refuse two members of one name: each would drive the other out, again and again."""
        others = (one for one in self._consumers if one.member and not one.closed)
        if self._settings.instance and any(one.group == group for one in others):
            raise ConfigurationError(
                f"this process is in the group {group} already, as {self._settings.instance}: "
                "a second member needs another setting kafka.instance"
            )

    async def _client(self, group: str | None, member: bool) -> Consumer:
        settings = self._settings
        named = member and settings.instance
        return Consumer(
            settings.session_seconds + GROUP_SECONDS if member else None,
            **await reach(self._options),
            group_id=group,
            group_instance_id=f"{group}.{settings.instance}" if named else None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            session_timeout_ms=int(settings.session_seconds * 1000),
            heartbeat_interval_ms=int(min(HEARTBEAT_SECONDS, settings.session_seconds / 5) * 1000),
            max_poll_interval_ms=int(POLL_SECONDS * 1000),
            fetch_max_wait_ms=settings.fetch_wait_ms,
            fetch_max_bytes=FETCH_BYTES,
            max_partition_fetch_bytes=PARTITION_FETCH_BYTES,
        )

    async def end_offsets(self, topic: str) -> list[int]:
        """Return, per partition, the offset that the next record will get.

        Raises:
            BusError: the cluster does not answer.
            ConfigurationError: an unknown topic.
        """
        count = self._topic(topic).partitions
        if self._closed:
            raise BusError("the bus is closed")
        places = [TopicPartition(topic, number) for number in range(count)]
        with explained(f"asking for the end of {topic}"):
            ends = await self._reader.ends(places, self._settings.send_timeout_seconds)
        return [ends[place] for place in places]

    async def offsets_at(self, topic: str, time_us: int) -> list[int]:
        """Return, per partition, the first offset of a record of a time or later; else the end.

        Raises:
            BusError: the cluster does not answer.
            ConfigurationError: an unknown topic.
        """
        ends = await self.end_offsets(topic)
        times = {TopicPartition(topic, number): time_us // 1000 for number in range(len(ends))}
        with explained(f"asking for times of {topic}"):
            async with asyncio.timeout(self._settings.send_timeout_seconds):
                found = await self._reader.offsets_for_times(times)
        return [
            ends[place.partition] if at is None else int(at.offset)
            for place, at in ((place, found.get(place)) for place in times)
        ]

    async def set_positions(self, group: str, offsets: Mapping[Place, int]) -> None:
        """Commit for a group that nobody works in; the broker refuses it otherwise.

        Raises:
            BusError: not stored.
            ConfigurationError: somebody works in the group; nothing was stored.
        """
        client, seconds = await self._client(group, False), self._settings.send_timeout_seconds
        consumer = KafkaConsumer(client, group, None, self._topics, seconds)
        try:
            await consumer.assign((name, self._check(name, number)) for name, number in offsets)
            await consumer.commit(offsets)
        except BusError as error:
            if not isinstance(error.__cause__, MEMBERS_LEFT):
                raise
            raise ConfigurationError(
                f"somebody works in the group {group}: stop that first (after a kill it takes "
                f"{self._settings.session_seconds:.0f} s until the brokers know)"
            ) from error
        finally:
            await consumer.close()

    async def close(self) -> None:
        """Finish what was sent and close every connection; consumers of it then raise BusError."""
        if self._closed:
            return
        self._closed = True
        await asyncio.gather(
            *(consumer.close() for consumer in self._consumers),
            self._sender.close(),
            self._reader.leave(CLOSE_SECONDS),
        )

    def _partition(self, record: Outgoing) -> int:
        topic = self._topic(record.topic)
        size = len(record.key) + len(record.value or b"")
        if size > topic.most_bytes:
            raise PayloadError(
                "oversized",
                f"{topic.name}: a record of {size:,} bytes, where {topic.most_bytes:,} are allowed",
            )
        if not 0 <= record.timestamp_us < _INT64:
            raise PayloadError("invalid_time", f"{topic.name}: {record.timestamp_us} us")
        if record.partition is None:
            return _partition_of(record.key, topic.partitions)
        return self._check(topic.name, record.partition)

    def _check(self, name: str, partition: int) -> int:
        count = self._topic(name).partitions
        if not 0 <= partition < count:
            raise ConfigurationError(f"{name} has partitions 0 to {count - 1}, not {partition}")
        return partition

    def _topic(self, name: str) -> Topic:
        topic = self._topics.get(name)
        if topic is None:
            raise ConfigurationError(
                f"unknown topic {name!r}; the registry has {', '.join(sorted(self._topics))}"
            )
        return topic
