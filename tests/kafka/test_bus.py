"""The log on Kafka keeps the contract of a log."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from runtime.bus.kafka.bus import KafkaBus
from runtime.bus.protocol import Bus, Outgoing
from schemas.topics import INSTRUMENTS
from tests.contract.bus_contract import *  # noqa: F403 - every test of the contract
from tests.contract.bus_contract import BusFactory
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
