"""Making the topics of the registry on a cluster, and telling where they differ from it.

`apply` creates what is missing and sets what may be changed. Partitions and replication are never
changed: other partitions would send an asset's later records elsewhere than its earlier ones.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from aiokafka.admin import NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    KafkaError,
    NoError,
    TopicAlreadyExistsError,
    UnknownTopicOrPartitionError,
    for_code,
)

from runtime.bus.kafka.clients import Admin
from runtime.bus.kafka.connection import reach
from runtime.bus.kafka.epochs import begin_epoch
from runtime.bus.kafka.failures import APPLY, explained
from runtime.bus.kafka.settings import KafkaSettings
from runtime.errors import BusError, ConfigurationError
from schemas.topics import EPOCHS, Topic

SEGMENT_BYTES = 64 * 2**20
SETTLE_SECONDS = 10.0
"""How long a broker may take to hear of a change that the controller has made."""

RETRY_SECONDS = 0.1
FIXED = "that cannot be changed in place: delete the topic, or have it as it is"
_ANY_TIME = str(2**63 - 1)
_TOPIC_SOURCE = 1
"""The number that a broker gives settings that were made for the topic itself."""

T = TypeVar("T")


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
    """A topic on the cluster; `own` are the settings that were made for it itself."""

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
        # Event time may be any: of a recording, of a market faster than ours, of a venue whose
        # clock is wrong. By default a broker refuses what is an hour ahead of its own clock.
        config["message.timestamp.before.max.ms"] = _ANY_TIME
        config["message.timestamp.after.max.ms"] = _ANY_TIME
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
        client: Admin,
        options: Mapping[str, Any],
        settings: KafkaSettings,
        topics: Mapping[str, Topic],
    ) -> None:
        self._client = client
        self._options = options
        self._settings = settings
        self._topics = topics

    async def differences(self, settle_seconds: float = 0.0) -> list[Difference]:
        """Return where the cluster differs from the registry, in the registry's order.

        Args:
            settle_seconds: how long to look again before a difference is believed.

        Raises:
            BusError: the cluster does not answer.
            ConfigurationError: it will not have us.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + settle_seconds
        while True:
            differences = self._compare(await self._found())
            if not differences or loop.time() >= deadline:
                return differences
            await asyncio.sleep(RETRY_SECONDS)

    async def apply(self) -> list[Difference]:
        """Create and set what differs; return what was found to differ before.

        Raises:
            BusError: the cluster does not answer, or refuses.
            ConfigurationError: a topic has other partitions or another replication, or the cluster
                does not allow what is wanted.
        """
        found = await self._found()
        differences = self._compare(found)
        for difference in differences:
            if not difference.mendable:
                raise ConfigurationError(f"topic {difference}; {FIXED}")
        missing = [topic for name, topic in self._topics.items() if name not in found]
        if missing:
            await self._create(missing)
        changed = {one.topic for one in differences} & set(found)
        if changed:
            await self._alter({name: found[name] for name in changed})
        if differences:
            await self._settle()
        if EPOCHS.name in self._topics:
            made = {topic.name for topic in missing}
            seconds = self._settings.send_timeout_seconds
            await begin_epoch(self._options, seconds, made, set(self._topics))
        return differences

    async def _settle(self) -> None:
        left = await self.differences(SETTLE_SECONDS)
        if left:
            raise BusError(f"topic {left[0]}, after it was changed; somebody else changes it back?")

    def _compare(self, found: Mapping[str, _Found]) -> list[Difference]:
        return [
            difference
            for topic in self._topics.values()
            for difference in self._compare_topic(topic, found.get(topic.name))
        ]

    def _compare_topic(self, topic: Topic, found: _Found | None) -> list[Difference]:
        if found is None:
            return [Difference(topic.name, "the topic", "there", "missing")]
        wanted = self._settings.replication
        differences = []
        if found.partitions != topic.partitions:
            counts = str(topic.partitions), str(found.partitions)
            differences.append(Difference(topic.name, "partitions", *counts, mendable=False))
        if found.replication < wanted:  # there are more while a broker is being replaced
            counts = str(wanted), str(found.replication)
            differences.append(Difference(topic.name, "replication", *counts, mendable=False))
        return differences + [
            Difference(topic.name, name, value, found.config.get(name, "not known"))
            for name, value in config_of(topic, self._settings).items()
            if found.config.get(name) != value
        ]

    async def _found(self) -> dict[str, _Found]:
        # Never asked for by name while they may be missing: a broker could make them at that.
        names = set(await self._ask("listing the topics", self._client.list_topics))
        wanted = sorted(names & set(self._topics))
        if not wanted:
            return {}
        described = await self._ask(
            "describing the topics", lambda: self._client.describe_topics(wanted)
        )
        configs = await self._configs(wanted)
        found = {}
        for topic in described:
            name, partitions = topic["topic"], topic["partitions"]
            if not partitions or name not in configs:
                continue  # it was deleted just now
            found[name] = _Found(
                partitions=len(partitions),
                replication=min(len(one["replicas"]) for one in partitions),
                config={key: value for key, (value, _) in configs[name].items()},
                own=frozenset(key for key, (_, own) in configs[name].items() if own),
            )
        return found

    async def _configs(self, names: list[str]) -> dict[str, dict[str, tuple[str, bool]]]:
        resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
        answers = await self._ask(
            "describing the topics", lambda: self._client.describe_configs(resources)
        )
        configs: dict[str, dict[str, tuple[str, bool]]] = {}
        for answer in answers:
            for code, message, _, name, entries in answer.resources:
                if for_code(code) is UnknownTopicOrPartitionError:
                    continue
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
        answer = await self._ask("creating topics", lambda: self._client.create_topics(wanted))
        for name, code, message, *_ in answer.topic_errors:
            if for_code(code) is not TopicAlreadyExistsError:  # somebody else applies them as well
                _check(code, message, name)

    async def _alter(self, found: Mapping[str, _Found]) -> None:
        """Set what the registry says; what else was set for a topic stays as it is."""
        resources = []
        for name, topic in found.items():
            kept = {key: topic.config[key] for key in topic.own}
            wanted = config_of(self._topics[name], self._settings)
            resources.append(ConfigResource(ConfigResourceType.TOPIC, name, kept | wanted))
        answers = await self._ask("changing topics", lambda: self._client.alter_configs(resources))
        for answer in answers:
            for code, message, _, name in answer.resources:
                _check(code, message, name)

    async def _ask(self, what: str, request: Callable[[], Awaitable[T]]) -> T:
        """Ask a broker; another one where that one is going away."""
        with explained(what):
            async with asyncio.timeout(self._settings.send_timeout_seconds):
                while True:
                    try:
                        return await request()
                    except KafkaError as error:
                        if not error.retriable:
                            raise
                    await asyncio.sleep(RETRY_SECONDS)


def _check(code: int, message: str | None, name: str) -> None:
    error = for_code(code)
    if error is not NoError:
        with explained(f"topic {name}"):
            raise error(message or "refused")


@asynccontextmanager
async def open_admin(
    options: Mapping[str, Any], settings: KafkaSettings, topics: Mapping[str, Topic]
) -> AsyncIterator[TopicAdmin]:
    """Connect to the cluster for looking at its topics.

    Raises:
        ConfigurationError: it will not have us.
        BusError: no broker answers.
    """
    client = Admin(**await reach(options))
    try:
        with explained(", ".join(options["bootstrap_servers"])):
            await client.start()
        yield TopicAdmin(client, options, settings, topics)
    finally:
        await client.close()


def refuse(differences: list[Difference], bus: str) -> None:
    """Raise where topics differ, naming the first and the command that mends it.

    Raises:
        ConfigurationError: of one line.
    """
    if not differences:
        return
    fixed = [one for one in differences if not one.mendable]
    first = (fixed or differences)[0]
    more = f" (and {len(differences) - 1} more)" if len(differences) > 1 else ""
    cure = f"{FIXED}; then run" if fixed else "run"
    raise ConfigurationError(f"topic {first}{more}; {cure}: {APPLY} --bus {bus}")
