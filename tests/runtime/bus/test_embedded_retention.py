"""What the embedded log forgets, when, and how that shows."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from runtime.bus.embedded import EmbeddedBus, EmbeddedBusSettings
from runtime.bus.log_file import FILE_NAME
from runtime.bus.protocol import Outgoing
from schemas.topics import DAY_SECONDS, INSTRUMENTS, QUALITY, TRADES

DEADLINE_SECONDS = 60.0
START = 1_800_000_000.0


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


Opener = Callable[[EmbeddedBusSettings], Awaitable[EmbeddedBus]]


@pytest.fixture
async def open_bus(tmp_path: Path, clock: Clock) -> AsyncIterator[Opener]:
    opened: list[EmbeddedBus] = []

    async def opener(settings: EmbeddedBusSettings) -> EmbeddedBus:
        opened.append(await EmbeddedBus.open(tmp_path, settings=settings, clock=clock))
        return opened[-1]

    yield opener
    for bus in opened:
        await bus.close()


def records(count: int, *, size: int = 10, topic: str = TRADES.name) -> list[Outgoing]:
    return [Outgoing(topic, b"BTC", b"%0*d" % (size, n), n, 0) for n in range(count)]


async def oldest(bus: EmbeddedBus, topic: str = TRADES.name) -> int:
    consumer = await bus.consumer([topic], partitions=[0])
    return consumer.position(topic, 0)


async def eventually(
    bus: EmbeddedBus, wanted: Callable[[int], bool], topic: str = TRADES.name
) -> None:
    """Wait until the oldest offset is as wanted."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not wanted(found := await oldest(bus, topic)):
        assert time.monotonic() < deadline, f"the oldest offset is still {found}"


async def test_records_above_the_topics_age_go_and_younger_stay(
    open_bus: Opener, clock: Clock
) -> None:
    bus = await open_bus(EmbeddedBusSettings(maintenance_seconds=0.01))
    await bus.send(records(300))
    clock.now += 4 * DAY_SECONDS
    await bus.send(records(5))
    clock.now += 4 * DAY_SECONDS
    await eventually(bus, lambda found: found >= 300)
    consumer = await bus.consumer([TRADES.name])
    assert [r.offset for r in await consumer.poll(100, 0)] == [300, 301, 302, 303, 304]


async def test_offsets_go_on_after_everything_was_removed_and_the_log_reopened(
    open_bus: Opener, clock: Clock
) -> None:
    bus = await open_bus(EmbeddedBusSettings(maintenance_seconds=0.01))
    await bus.send(records(50))
    clock.now += 8 * DAY_SECONDS
    await eventually(bus, lambda found: found == 50)
    await bus.close()
    bus = await open_bus(EmbeddedBusSettings())
    assert await bus.send(records(2)) == [50, 51]


async def test_an_override_of_the_age_wins_over_the_registry(
    open_bus: Opener, clock: Clock
) -> None:
    settings = EmbeddedBusSettings(
        maintenance_seconds=0.01, retention_seconds={TRADES.name: None, QUALITY.name: 60}
    )
    bus = await open_bus(settings)
    await bus.send(records(3) + records(3, topic=QUALITY.name))
    clock.now += 3_600
    await bus.send(records(1, topic=QUALITY.name))
    await eventually(bus, lambda found: found == 3, QUALITY.name)
    clock.now += 1_000 * DAY_SECONDS
    await eventually(bus, lambda found: found == 4, QUALITY.name)
    assert await oldest(bus) == 0


async def test_the_oldest_records_go_when_a_partition_is_too_large(open_bus: Opener) -> None:
    bus = await open_bus(EmbeddedBusSettings(maintenance_seconds=0.01, partition_bytes=100_300))
    await bus.send(records(200, size=2_000))
    # 50 records of 2,003 bytes fit.
    await eventually(bus, lambda found: found == 150)
    await bus.send(records(10, size=2_000))
    await eventually(bus, lambda found: found == 160)


async def test_the_newest_record_stays_however_large_it_is(open_bus: Opener) -> None:
    bus = await open_bus(EmbeddedBusSettings(maintenance_seconds=0.01, partition_bytes=1_000))
    await bus.send(records(3, size=50_000))
    await eventually(bus, lambda found: found == 2)
    consumer = await bus.consumer([TRADES.name])
    assert [r.offset for r in await consumer.poll(10, 0)] == [2]


async def test_a_slow_consumer_goes_on_at_the_oldest_record_and_the_loss_is_logged(
    open_bus: Opener, clock: Clock
) -> None:
    bus = await open_bus(EmbeddedBusSettings(maintenance_seconds=0.01))
    await bus.send(records(20))
    slow = await bus.consumer([TRADES.name], group="slow")
    assert len(await slow.poll(5, 0)) == 5
    clock.now += 8 * DAY_SECONDS
    await bus.send(records(4))
    await eventually(bus, lambda found: found == 20)
    assert slow.position(TRADES.name, 0) == 5
    with capture_logs() as lines:
        assert [r.offset for r in await slow.poll(10, 0)] == [20, 21, 22, 23]
    assert slow.position(TRADES.name, 0) == 24
    [line] = lines
    assert (line["event"], line["lost_records"]) == ("log_retention_passed_consumer", 15)
    with capture_logs() as lines:
        assert await slow.poll(10, 0) == []
    assert lines == []


async def test_a_consumer_of_an_emptied_partition_moves_to_its_end(
    open_bus: Opener, clock: Clock
) -> None:
    bus = await open_bus(EmbeddedBusSettings(maintenance_seconds=0.01))
    await bus.send(records(20))
    consumer = await bus.consumer([TRADES.name])
    clock.now += 8 * DAY_SECONDS
    await eventually(bus, lambda found: found == 20)
    assert await consumer.poll(10, 0) == []
    assert consumer.position(TRADES.name, 0) == 20


async def test_sends_go_on_between_the_slices_of_a_long_removal(
    open_bus: Opener, clock: Clock
) -> None:
    bus = await open_bus(EmbeddedBusSettings(maintenance_seconds=0.01, slice_seconds=0.0))
    await bus.send(records(20_000))
    clock.now += 8 * DAY_SECONDS
    found = set()
    deadline = time.monotonic() + DEADLINE_SECONDS
    while (at := await oldest(bus)) < 20_000:
        assert time.monotonic() < deadline
        found.add(at)
        await bus.send(records(1))
    assert len(found - {0}) > 3, "no send came through while records were being removed"


async def test_a_compacted_topic_ignores_age_and_size(open_bus: Opener, clock: Clock) -> None:
    bus = await open_bus(
        EmbeddedBusSettings(
            maintenance_seconds=0.01, partition_bytes=10, retention_seconds={QUALITY.name: 1}
        )
    )
    keys = [f"K{n}".encode() for n in range(20)]
    await bus.send([Outgoing(INSTRUMENTS.name, key, b"v" * 100, 1, 0) for key in keys])
    await bus.send(records(1, topic=QUALITY.name))
    clock.now += 1_000 * DAY_SECONDS
    await eventually(bus, lambda found: found == 1, QUALITY.name)
    consumer = await bus.consumer([INSTRUMENTS.name])
    assert [r.key for r in await consumer.poll(100, 0)] == keys


async def test_a_tombstone_can_be_seen_for_its_time_and_then_goes(
    open_bus: Opener, clock: Clock
) -> None:
    bus = await open_bus(EmbeddedBusSettings(maintenance_seconds=0.01, tombstone_seconds=3_600))
    topic = INSTRUMENTS.name
    await bus.send([Outgoing(topic, b"gone", b"{}", 1, 0), Outgoing(topic, b"kept", b"{}", 1, 0)])
    await bus.send([Outgoing(topic, b"gone", None, 2, 0)])
    consumer = await bus.consumer([topic])
    assert [(r.offset, r.key, r.value) for r in await consumer.poll(10, 0)] == [
        (1, b"kept", b"{}"),
        (2, b"gone", None),
    ]
    clock.now += 3_602
    deadline = time.monotonic() + DEADLINE_SECONDS
    while True:
        again = await bus.consumer([topic])
        if [r.key for r in await again.poll(10, 0)] == [b"kept"]:
            break
        assert time.monotonic() < deadline, "the tombstone is still there"
    assert again.position(topic, 0) == 3
    assert (await bus.end_offsets(topic))[0] == 3


async def test_a_key_may_change_many_times_without_the_log_growing(
    open_bus: Opener, tmp_path: Path
) -> None:
    bus = await open_bus(EmbeddedBusSettings(wal_bytes=2**20))
    for number in range(60):
        value = b"%0100000d" % number
        await bus.send([Outgoing(INSTRUMENTS.name, b"state", value, number, 0)])
    await bus.close()
    assert (tmp_path / FILE_NAME).stat().st_size < 1_500_000


async def test_two_buses_that_both_maintain_remove_each_record_once(
    open_bus: Opener, clock: Clock
) -> None:
    settings = EmbeddedBusSettings(maintenance_seconds=0.01, partition_bytes=50_000)
    one, other = await open_bus(settings), await open_bus(settings)
    await asyncio.gather(*(bus.send(records(100, size=1_000)) for bus in (one, other) * 3))
    # 49 records of 1,003 bytes fit; the sizes would drift if a removal were counted twice.
    await eventually(one, lambda found: found == 551)
    clock.now += 8 * DAY_SECONDS
    await eventually(other, lambda found: found == 600)
    await one.send(records(49, size=1_000))
    await eventually(one, lambda found: found == 600)
