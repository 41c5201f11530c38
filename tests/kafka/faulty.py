"""Brokers that tests may break, buses on them, and how what they hold is checked."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from deploy.kafka import Cluster
from runtime.bus.kafka.bus import KafkaBus
from runtime.bus.kafka.settings import KafkaSettings, brokers_of, client_options
from runtime.bus.kafka.topics import TopicAdmin, open_admin
from runtime.bus.protocol import Consumer, Outgoing, Record, Sender
from runtime.errors import BusError
from schemas.topics import DEADLETTER, EPOCHS, TRADES, Topic
from tests.kafka.broker import needs_kafka

LOGIN = ("tape", "not-a-secret")
FEW = {topic.name: topic for topic in (TRADES, DEADLETTER, EPOCHS)}
"""A registry that is made fast."""

HASTY = KafkaSettings(segment_seconds=0.001, session_seconds=6, send_timeout_seconds=3)
SAFE = HASTY.model_copy(update={"replication": 3, "min_insync_replicas": 2})
PATIENCE_SECONDS = 60.0
NO_RETENTION = {"log.initial.task.delay.ms": "86400000"}
"""Records of long ago are kept; a broker would look for them half a minute after its start."""

NOW_US = time.time_ns() // 1000

_RUNNING = pytest.StashKey[Cluster]()


@pytest.fixture
def fragile_kafka(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    """One broker, with a second listener that wants TLS and a login; made whole after the test.

    It is one for all files of the session that import this.
    """
    stash = request.config.stash
    if _RUNNING not in stash:
        needs_kafka()
        folder = tmp_path_factory.mktemp("fragile")
        cluster = Cluster(folder, sasl=LOGIN, tls=True, properties=NO_RETENTION)
        cluster.start()
        request.config.add_cleanup(lambda: cluster.stop(patience_seconds=0))
        stash[_RUNNING] = cluster
    yield stash[_RUNNING]
    stash[_RUNNING].start()


@contextlib.asynccontextmanager
async def administered(
    address: str, settings: KafkaSettings = HASTY, topics: Mapping[str, Topic] = FEW
) -> AsyncIterator[TopicAdmin]:
    options = client_options(brokers_of(f"kafka://{address}"), settings)
    async with open_admin(options, settings, topics) as admin:
        yield admin


@contextlib.asynccontextmanager
async def opened(
    address: str, settings: KafkaSettings = HASTY, topics: Mapping[str, Topic] = FEW
) -> AsyncIterator[KafkaBus]:
    """Make the topics and open a bus."""
    async with administered(address, settings, topics) as admin:
        await admin.apply()
    async with await KafkaBus.open(f"kafka://{address}", settings, topics=topics) as bus:
        yield bus


@contextlib.asynccontextmanager
async def raw_admin(address: str) -> AsyncIterator[AIOKafkaAdminClient]:
    """Give a client of somebody else."""
    client = AIOKafkaAdminClient(bootstrap_servers=address)
    await client.start()
    try:
        yield client
    finally:
        await client.close()


async def alter(address: str, topic: str, values: Mapping[str, str]) -> None:
    """Give a topic these settings, and no others, as somebody else would."""
    async with raw_admin(address) as client:
        resource = ConfigResource(ConfigResourceType.TOPIC, topic, dict(values))
        await client.alter_configs([resource])


async def foreign(address: str, topic: str, value: bytes | None, **more: Any) -> None:
    """Write a record as a producer that is not ours."""
    producer = AIOKafkaProducer(bootstrap_servers=address, acks="all")
    await producer.start()
    try:
        await producer.send_and_wait(topic, value, partition=0, **more)
    finally:
        await producer.stop()


def record(number: int, partition: int = 0, size: int = 0, topic: str = TRADES.name) -> Outgoing:
    """Return the record of a number; its value begins with it."""
    value = b"%08d" % number + b"." * size
    return Outgoing(topic, b"BTC", value, NOW_US + number, partition)


def numbers(records: Iterable[Record]) -> dict[int, list[int]]:
    """Return the numbers of records by partition, in the order they were read."""
    found: dict[int, list[int]] = {}
    for one in records:
        found.setdefault(one.partition, []).append(int((one.value or b"")[:8]))
    return found


def unrepeated(numbers: Iterable[int]) -> list[int]:
    """Return each number where it came first: those who send again repeat themselves."""
    return list(dict.fromkeys(numbers))


async def send_until_there(bus: Sender, records: Sequence[Outgoing]) -> int:
    """Send the same records until the log has them; return how often that failed."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        for failures in range(10_000):
            try:
                await bus.send(records)
            except BusError:
                await asyncio.sleep(0.2)
            else:
                return failures
    raise AssertionError("not reached")


async def everything(bus: KafkaBus, topic: str = TRADES.name, since: Any = None) -> list[Record]:
    """Read a topic from its beginning, or from these offsets, to its end."""
    consumer = await bus.consumer([topic])
    for partition, offset in enumerate(since or []):
        consumer.seek(topic, partition, offset)
    found: list[Record] = []
    ends = await bus.end_offsets(topic)
    async with asyncio.timeout(PATIENCE_SECONDS):
        while any(consumer.position(topic, number) < end for number, end in enumerate(ends)):
            found += await consumer.poll(1000, 1.0)
    await consumer.close()
    return found


async def polled(consumer: Consumer, enough: Callable[[list[Record]], bool]) -> list[Record]:
    """Poll until that is enough."""
    found: list[Record] = []
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not enough(found):
            found += await consumer.poll(1000, 0.2)
    return found


class Took:
    """How long something took, in seconds and in seconds of the processor."""

    def __enter__(self) -> "Took":
        self._began, self._worked = time.monotonic(), time.process_time()
        return self

    def __exit__(self, *error: object) -> None:
        self.seconds = time.monotonic() - self._began
        self.busy = time.process_time() - self._worked
