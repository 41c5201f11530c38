"""The log on Kafka keeps the contract of a log."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from runtime.bus.kafka.bus import KafkaBus
from runtime.bus.protocol import Bus, Outgoing
from schemas.ops import SNAPSHOT_PART_SCHEMA
from schemas.topics import INSTRUMENTS, SNAPSHOTS
from tests.contract.bus_contract import *  # noqa: F403 - every test of the contract
from tests.contract.bus_contract import BusFactory
from tests.contract.rewind_contract import *  # noqa: F403 - every test of this contract
from tests.kafka.topics import SETTINGS, make_topics


@pytest.fixture
async def bus_factory(kafka: str) -> AsyncIterator[BusFactory]:
    name = await make_topics(kafka)
    opened: list[KafkaBus] = []

    async def open_bus() -> Bus:
        opened.append(await KafkaBus.open(name, SETTINGS))
        return opened[-1]

    yield open_bus
    for bus in opened:
        await bus.close()


async def test_records_carry_headers_that_say_what_they_are(kafka: str) -> None:
    bus_name = await make_topics(kafka)
    async with await KafkaBus.open(bus_name, SETTINGS) as bus:
        head = Outgoing(SNAPSHOTS.name, b"3", b"{}", 1, 3)
        part = Outgoing(SNAPSHOTS.name, b"3/a", b"{}", 1, 3, SNAPSHOT_PART_SCHEMA)
        await bus.send([head, part])
        end = (await bus.end_offsets(SNAPSHOTS.name))[3]
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka)
    await consumer.start()
    try:
        consumer.assign([TopicPartition(SNAPSHOTS.name, 3)])
        consumer.seek(TopicPartition(SNAPSHOTS.name, 3), end - 2)
        headers = [dict((await consumer.getone()).headers) for _ in range(2)]
    finally:
        await consumer.stop()
    assert [one["schema"] for one in headers] == [b"snapshot.v1", b"snapshot_part.v1"]
    for one in headers:
        assert one["content-type"] == b"application/json"
        assert one["producer"].startswith(b"perptape/")


@pytest.fixture(name="compaction_seconds")
async def living_topic(bus: Bus) -> AsyncIterator[float]:
    """Let the topic live on meanwhile: Kafka never compacts the newest segment of a partition."""

    async def live_on() -> None:
        while True:
            await asyncio.sleep(0.5)
            await bus.send(
                [
                    Outgoing(INSTRUMENTS.name, b"another", b"{}", 1, partition)
                    for partition in range(INSTRUMENTS.partitions)
                ]
            )

    life = asyncio.create_task(live_on())
    yield 60.0
    life.cancel()
    await asyncio.gather(life, return_exceptions=True)
