"""The log on Apache Kafka: `runtime.bus.protocol.Bus` with aiokafka."""

import asyncio
import importlib.metadata
from collections.abc import Mapping, Sequence
from functools import lru_cache
from types import TracebackType
from typing import Any, Self

from aiokafka import AIOKafkaConsumer, TopicPartition

from runtime.bus.kafka.consumer import KafkaConsumer
from runtime.bus.kafka.failures import explained
from runtime.bus.kafka.producer import KafkaSender
from runtime.bus.kafka.settings import KafkaSettings, brokers_of, client_options
from runtime.bus.kafka.topics import COMMAND, open_admin, read_epoch
from runtime.bus.protocol import Outgoing, Rebalance
from runtime.errors import BusError, ConfigurationError, PayloadError
from runtime.metrics import BusMetrics
from schemas.topics import TOPICS, Topic, partition_of

FETCH_BYTES = 8 * 2**20
"""What is fetched at once from all partitions; a consumer holds about twice that."""

PARTITION_FETCH_BYTES = 2 * 2**20
_partition_of = lru_cache(maxsize=4096)(partition_of)


class KafkaBus:
    """Made by `open`; belongs to the event loop that opened it.

    A send is acknowledged by all replicas in sync. A consumer with a group and without partitions
    is a member of that group.
    """

    def __init__(
        self,
        options: dict[str, Any],
        settings: KafkaSettings,
        topics: Mapping[str, Topic],
        epoch: int,
        reader: AIOKafkaConsumer,
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
        headers = {name: topic.headers(producer) for name, topic in topics.items()}
        most_bytes = max(topic.most_bytes for topic in topics.values()) + 2**16
        self._sender = KafkaSender(options, settings.send_timeout_seconds, headers, most_bytes)
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
            differences = await admin.differences()
        if differences:
            more = f" (and {len(differences) - 1} more)" if len(differences) > 1 else ""
            raise ConfigurationError(f"topic {differences[0]}{more}; run: {COMMAND} --bus {bus}")
        epoch = await read_epoch(options)
        if epoch is None:
            raise ConfigurationError(f"the topics have no epoch; run: {COMMAND} --bus {bus}")
        reader = AIOKafkaConsumer(**options, enable_auto_commit=False)
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
            PayloadError: a record is too large; nothing was appended.
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
            ConfigurationError: an unknown topic or partition, or none at all.
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
        consumer = KafkaConsumer(self._client(group, member), group, rebalance)
        try:
            if member:
                await consumer.join(topics)
            else:
                await consumer.assign(chosen)
        except BaseException:
            await consumer.close()
            raise
        self._consumers = {one for one in self._consumers if not one.closed} | {consumer}
        return consumer

    def _client(self, group: str | None, member: bool) -> AIOKafkaConsumer:
        settings = self._settings
        instance = f"{group}.{settings.instance}" if member and settings.instance else None
        return AIOKafkaConsumer(
            **self._options,
            group_id=group,
            group_instance_id=instance,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            session_timeout_ms=int(settings.session_seconds * 1000),
            heartbeat_interval_ms=int(min(3.0, settings.session_seconds / 5) * 1000),
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
            ends = await self._reader.end_offsets(places)
        return [ends[place] for place in places]

    async def close(self) -> None:
        """Finish what was sent and close every connection; consumers of it then raise BusError."""
        if self._closed:
            return
        self._closed = True
        await asyncio.gather(*(consumer.close() for consumer in self._consumers))
        await self._sender.close()
        await self._reader.stop()

    def _partition(self, record: Outgoing) -> int:
        topic = self._topic(record.topic)
        size = len(record.key) + len(record.value or b"")
        if size > topic.most_bytes:
            raise PayloadError(
                "record_too_large",
                f"{topic.name}: a record of {size:,} bytes, where {topic.most_bytes:,} are allowed",
            )
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
