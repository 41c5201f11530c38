"""Making the topics of the registry on a cluster, and telling where they differ from it.

`apply` creates what is missing and sets what may be changed. Partitions and replication are never
changed: other partitions would send an asset's later records elsewhere than its earlier ones.
"""

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import for_code

from runtime.bus.kafka.failures import explained
from runtime.bus.kafka.settings import KafkaSettings
from runtime.errors import BusError, ConfigurationError
from schemas.lineage import EPOCH_LIMIT, epoch_at
from schemas.ops import Epoch
from schemas.topics import EPOCHS, Topic

COMMAND = "perptape topics apply"
SEGMENT_BYTES = 64 * 2**20
EPOCH_KEY = b"log"
_TOPIC_SOURCE = 1
"""The number that a broker gives settings that were made for the topic itself."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Where a topic on the cluster is not what the registry says."""

    topic: str
    what: str
    wanted: str
    found: str
    mendable: bool = True

    def __str__(self) -> str:
        return f"{self.topic}: {self.what} is {self.found}, wanted {self.wanted}"


@dataclass(frozen=True, slots=True)
class _Found:
    partitions: int
    replication: int
    config: dict[str, str]
    own: frozenset[str]


def config_of(topic: Topic, settings: KafkaSettings) -> dict[str, str]:
    """Return the settings of a topic on the cluster."""
    config = {
        "cleanup.policy": topic.cleanup,
        "max.message.bytes": str(topic.most_bytes + 2**16),  # room for headers and the batch's own
        "min.insync.replicas": str(settings.min_insync_replicas),
    }
    if topic.cleanup == "compact":
        # Segments are closed by the times in them, which must therefore move on.
        config["message.timestamp.type"] = "LogAppendTime"
        config["segment.bytes"] = str(SEGMENT_BYTES)
        config["segment.ms"] = str(int(settings.segment_seconds * 1000))
    else:
        config["message.timestamp.type"] = "CreateTime"
        kept = topic.retention_seconds
        config["retention.ms"] = str(-1 if kept is None else kept * 1000)
    return config


class TopicAdmin:
    """Looks at and changes the topics of a cluster; made by `open_admin`.

    Args:
        client: connected.
        options: what every client is made with.
        settings: replication and what must be in sync.
        topics: the registry.
    """

    def __init__(
        self,
        client: AIOKafkaAdminClient,
        options: dict[str, Any],
        settings: KafkaSettings,
        topics: Mapping[str, Topic],
    ) -> None:
        self._client = client
        self._options = options
        self._settings = settings
        self._topics = topics

    async def differences(self) -> list[Difference]:
        """Return where the cluster differs from the registry, in the registry's order.

        Raises:
            BusError: the cluster does not answer.
            ConfigurationError: it will not have us.
        """
        found = await self._found()
        return [
            difference
            for topic in self._topics.values()
            for difference in self._compare(topic, found.get(topic.name))
        ]

    async def apply(self) -> list[Difference]:
        """Create and set what differs; return what was found to differ before.

        Raises:
            BusError: the cluster does not answer, or refuses.
            ConfigurationError: a topic has other partitions or another replication.
        """
        found = await self._found()
        differences = await self.differences()
        for difference in differences:
            if not difference.mendable:
                raise ConfigurationError(f"{difference}: that cannot be changed in place")
        missing = [topic for name, topic in self._topics.items() if name not in found]
        if missing:
            await self._create(missing)
        changed = {one.topic for one in differences} - {topic.name for topic in missing}
        if changed:
            await self._alter({name: found[name] for name in changed})
        if EPOCHS.name in self._topics:
            await self._begin_epoch({topic.name for topic in missing})
        return differences

    def _compare(self, topic: Topic, found: _Found | None) -> list[Difference]:
        if found is None:
            return [Difference(topic.name, "the topic", "there", "missing")]
        fixed = (
            ("partitions", topic.partitions, found.partitions),
            ("replication", self._settings.replication, found.replication),
        )
        differences = [
            Difference(topic.name, what, str(wanted), str(is_), mendable=False)
            for what, wanted, is_ in fixed
            if wanted != is_
        ]
        for name, wanted in config_of(topic, self._settings).items():
            is_now = found.config.get(name, "")
            if is_now != wanted:
                differences.append(Difference(topic.name, name, wanted, is_now))
        return differences

    async def _found(self) -> dict[str, _Found]:
        with explained("asking for the topics"):
            names = set(await self._client.list_topics()) & set(self._topics)
            if not names:
                return {}
            described = await self._client.describe_topics(sorted(names))
            configs = await self._configs(sorted(names))
        found = {}
        for topic in described:
            partitions = topic["partitions"]
            values = configs[topic["topic"]]
            found[topic["topic"]] = _Found(
                partitions=len(partitions),
                replication=min(len(one["replicas"]) for one in partitions),
                config={name: value for name, (value, _) in values.items()},
                own=frozenset(name for name, (_, own) in values.items() if own),
            )
        return found

    async def _configs(self, names: list[str]) -> dict[str, dict[str, tuple[str, bool]]]:
        resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
        answers = await self._client.describe_configs(resources)
        configs: dict[str, dict[str, tuple[str, bool]]] = {}
        for answer in answers:
            for code, message, _, name, entries in answer.resources:
                _check(code, message, name)
                configs[name] = {
                    entry[0]: (entry[1] or "", entry[3] == _TOPIC_SOURCE) for entry in entries
                }
        return configs

    async def _create(self, topics: list[Topic]) -> None:
        wanted = [
            NewTopic(
                topic.name,
                topic.partitions,
                self._settings.replication,
                topic_configs=config_of(topic, self._settings),
            )
            for topic in topics
        ]
        with explained("creating topics"):
            answer = await self._client.create_topics(wanted)
        for name, code, message, *_ in answer.topic_errors:
            _check(code, message, name)

    async def _alter(self, found: Mapping[str, _Found]) -> None:
        """Set what the registry says; what else was set for a topic stays as it is."""
        resources = []
        for name, topic in found.items():
            kept = {key: topic.config[key] for key in topic.own}
            wanted = config_of(self._topics[name], self._settings)
            resources.append(ConfigResource(ConfigResourceType.TOPIC, name, kept | wanted))
        with explained("changing topics"):
            answers = await self._client.alter_configs(resources)
        for answer in answers:
            for code, message, _, name in answer.resources:
                _check(code, message, name)

    async def _begin_epoch(self, made: set[str]) -> None:
        """Begin an epoch for a new log, and for one that lost a topic that it had."""
        before = await read_epoch(self._options)
        known = set(before.topics) if before else set()
        if before is not None and not known & made and known >= set(self._topics):
            return
        now = time.time()
        epoch = epoch_at(now)
        if before is not None:
            later = max(epoch, before.epoch + 1) if known & made else before.epoch
            epoch = min(later, EPOCH_LIMIT - 1)
        record = Epoch(epoch=epoch, created_us=int(now * 1e6), topics=sorted(self._topics))
        producer = AIOKafkaProducer(**self._options, acks="all")
        with explained("writing the epoch"):
            await producer.start()
            try:
                await producer.send_and_wait(EPOCHS.name, msgspec.json.encode(record), EPOCH_KEY)
            finally:
                await producer.stop()


async def read_epoch(options: dict[str, Any]) -> Epoch | None:
    """Return the newest epoch that is on record, None where there is none.

    Raises:
        BusError: it cannot be read.
    """
    place = TopicPartition(EPOCHS.name, 0)
    consumer = AIOKafkaConsumer(**options, enable_auto_commit=False)
    newest: Epoch | None = None
    with explained("reading the epoch"):
        await consumer.start()
        try:
            consumer.assign([place])
            await consumer.seek_to_beginning(place)
            end = (await consumer.end_offsets([place]))[place]
            while await consumer.position(place) < end:
                fetched = await consumer.getmany(place, timeout_ms=1000)
                for record in fetched.get(place, []):
                    if record.value is not None:
                        newest = msgspec.json.decode(record.value, type=Epoch)
        except msgspec.MsgspecError as error:
            raise BusError(f"{EPOCHS.name}: not an epoch: {error}") from error
        finally:
            await consumer.stop()
    return newest


def _check(code: int, message: str | None, name: str) -> None:
    if code:
        raise BusError(f"{name}: {for_code(code).__name__}: {message or 'refused'}")


@asynccontextmanager
async def open_admin(
    options: dict[str, Any], settings: KafkaSettings, topics: Mapping[str, Topic]
) -> AsyncIterator[TopicAdmin]:
    """Connect to the cluster for looking at its topics."""
    client = AIOKafkaAdminClient(**options)
    with explained(",".join(options["bootstrap_servers"])):
        try:
            await client.start()
        except BaseException:
            await client.close()
            raise
    try:
        yield TopicAdmin(client, options, settings, topics)
    finally:
        await client.close()
