"""What every log must do: import everything from here beside a `bus_factory` fixture.

`bus_factory` is called for a bus and called again for a second look at the same log; it closes
whatever it opened. The log may be full of other tests' records: each test marks its own and uses
groups of its own.
"""

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable

import pytest

from runtime.bus.protocol import Bus, Outgoing, Record
from runtime.errors import BusError, ConfigurationError
from schemas.lineage import EPOCH_LIMIT
from schemas.topics import DEADLETTER, INSTRUMENTS, QUALITY, TRADES, partition_of
from tests.contract.bus_helpers import (
    DEADLINE_SECONDS,
    QUIET_SECONDS,
    at_end,
    numbers,
    outgoing,
    polls,
    read_numbers,
    read_to_end,
)

BusFactory = Callable[[], Awaitable[Bus]]


@pytest.fixture
async def bus(bus_factory: BusFactory) -> Bus:
    return await bus_factory()


@pytest.fixture
def compaction_seconds() -> float:
    """How long a log may take to forget superseded values; a binding may allow more."""
    return 10.0


@pytest.fixture
def mark() -> str:
    return uuid.uuid4().hex


async def test_records_of_a_partition_come_in_the_order_they_were_sent(bus: Bus, mark: str) -> None:
    consumer = await at_end(bus)
    await bus.send([outgoing(mark, number) for number in range(20)])
    await bus.send([outgoing(mark, number) for number in range(20, 40)])
    assert await read_numbers(consumer, mark, 40) == list(range(40))


async def test_a_record_comes_back_with_its_key_time_and_bytes(bus: Bus, mark: str) -> None:
    consumer = await at_end(bus)
    value = mark.encode() + bytes(range(256))
    [offset] = await bus.send([Outgoing(TRADES.name, b"SOL", value, 1_700_000_000_123_000)])
    [record] = await consumer.poll(10, DEADLINE_SECONDS)
    assert record == Record(
        TRADES.name, partition_of(b"SOL", 12), offset, 1_700_000_000_123_000, b"SOL", value
    )


@pytest.mark.parametrize("key", ["BTC", "ETH", "SOL", "1000PEPE", ""])
async def test_a_key_goes_to_its_murmur2_partition(bus: Bus, mark: str, key: str) -> None:
    consumer = await at_end(bus)
    await bus.send([outgoing(mark, 0, key=key)])
    [record] = await consumer.poll(10, DEADLINE_SECONDS)
    assert record.partition == partition_of(key.encode(), TRADES.partitions)


async def test_a_named_partition_wins_over_the_key(bus: Bus, mark: str) -> None:
    consumer = await at_end(bus)
    await bus.send([outgoing(mark, partition, partition=partition) for partition in (7, 11)])
    found: list[Record] = []
    for seconds in polls():
        found += await consumer.poll(10, seconds)
        if len(found) == 2:
            break
    assert {(record.partition, record.value) for record in found} == {
        (7, f"{mark}:7".encode()),
        (11, f"{mark}:11".encode()),
    }


async def test_send_returns_offsets_in_the_order_of_its_records(bus: Bus, mark: str) -> None:
    ends = await bus.end_offsets(TRADES.name)
    offsets = await bus.send([outgoing(mark, n, partition=n % 2) for n in range(6)])
    assert offsets == [ends[0], ends[1], ends[0] + 1, ends[1] + 1, ends[0] + 2, ends[1] + 2]


async def test_records_are_read_at_the_offsets_that_send_returned(bus: Bus, mark: str) -> None:
    consumer = await at_end(bus)
    offsets = await bus.send([outgoing(mark, n, partition=3) for n in range(5)])
    found: list[Record] = []
    for seconds in polls():
        found += await consumer.poll(10, seconds)
        if len(found) == 5:
            break
    assert [record.offset for record in found] == offsets


async def test_sending_nothing_returns_no_offsets(bus: Bus) -> None:
    assert await bus.send([]) == []


@pytest.mark.parametrize(
    "bad",
    [
        Outgoing("md.norm.unheard_of.v1", b"BTC", b"{}", 0),
        Outgoing(TRADES.name, b"BTC", b"{}", 0, partition=12),
        Outgoing(TRADES.name, b"BTC", b"{}", 0, partition=-1),
    ],
    ids=["unknown topic", "partition too high", "partition below zero"],
)
async def test_nothing_of_a_batch_with_a_bad_address_is_appended(
    bus: Bus, mark: str, bad: Outgoing
) -> None:
    before = await bus.end_offsets(TRADES.name)
    with pytest.raises(ConfigurationError):
        await bus.send([outgoing(mark, 0), bad, outgoing(mark, 1)])
    assert await bus.end_offsets(TRADES.name) == before


async def test_a_consumer_of_an_unknown_topic_is_refused(bus: Bus) -> None:
    with pytest.raises(ConfigurationError, match=r"md\.norm\.unheard_of\.v1"):
        await bus.consumer(["md.norm.unheard_of.v1"])


async def test_the_ends_of_an_unknown_topic_are_refused(bus: Bus) -> None:
    with pytest.raises(ConfigurationError, match=r"md\.norm\.unheard_of\.v1"):
        await bus.end_offsets("md.norm.unheard_of.v1")


async def test_a_group_resumes_where_it_committed(bus: Bus, mark: str) -> None:
    first = await at_end(bus, group=mark)
    offsets = await bus.send([outgoing(mark, n, partition=2) for n in range(10)])
    assert len(await read_numbers(first, mark, 10)) == 10
    await first.commit({(TRADES.name, 2): offsets[4]})
    await first.close()
    second = await bus.consumer([TRADES.name], group=mark, partitions=[2])
    assert second.position(TRADES.name, 2) == offsets[4]
    assert await read_numbers(second, mark, 6) == [4, 5, 6, 7, 8, 9]


async def test_what_was_read_but_not_committed_comes_again(bus: Bus, mark: str) -> None:
    end = (await bus.end_offsets(TRADES.name))[2]
    first = await bus.consumer([TRADES.name], group=mark, partitions=[2])
    await first.commit({(TRADES.name, 2): end})
    await bus.send([outgoing(mark, n, partition=2) for n in range(3)])
    assert await read_numbers(first, mark, 3) == [0, 1, 2]
    await first.close()
    second = await bus.consumer([TRADES.name], group=mark, partitions=[2])
    assert await read_numbers(second, mark, 3) == [0, 1, 2]


async def test_groups_do_not_see_each_others_commits(bus: Bus, mark: str) -> None:
    one = await bus.consumer([TRADES.name], group=f"{mark}-one", partitions=[0])
    other = await bus.consumer([TRADES.name], group=f"{mark}-other", partitions=[0])
    await one.commit({(TRADES.name, 0): 5})
    assert await one.committed(TRADES.name, 0) == 5
    assert await other.committed(TRADES.name, 0) is None
    await other.commit({(TRADES.name, 0): 9})
    assert await one.committed(TRADES.name, 0) == 5


async def test_a_commit_touches_only_the_partitions_it_names(bus: Bus, mark: str) -> None:
    consumer = await bus.consumer([TRADES.name], group=mark)
    await consumer.commit({(TRADES.name, 0): 5, (TRADES.name, 1): 6})
    await consumer.commit({(TRADES.name, 1): 4})
    assert await consumer.committed(TRADES.name, 0) == 5
    assert await consumer.committed(TRADES.name, 1) == 4
    assert await consumer.committed(TRADES.name, 2) is None


async def test_seek_goes_back_and_forward(bus: Bus, mark: str) -> None:
    consumer = await at_end(bus)
    offsets = await bus.send([outgoing(mark, n, partition=5) for n in range(6)])
    assert await read_numbers(consumer, mark, 6) == [0, 1, 2, 3, 4, 5]
    consumer.seek(TRADES.name, 5, offsets[1])
    assert await read_numbers(consumer, mark, 5) == [1, 2, 3, 4, 5]
    consumer.seek(TRADES.name, 5, offsets[0])
    consumer.seek(TRADES.name, 5, offsets[4])
    assert await read_numbers(consumer, mark, 2) == [4, 5]


async def test_position_follows_polls_and_seeks(bus: Bus, mark: str) -> None:
    consumer = await at_end(bus)
    offsets = await bus.send([outgoing(mark, n, partition=5) for n in range(3)])
    assert consumer.position(TRADES.name, 5) == offsets[0]
    await read_numbers(consumer, mark, 3)
    assert consumer.position(TRADES.name, 5) == offsets[2] + 1
    consumer.seek(TRADES.name, 5, offsets[1])
    assert consumer.position(TRADES.name, 5) == offsets[1]


async def test_what_is_left_is_known_after_a_poll(bus: Bus, mark: str) -> None:
    consumer = await at_end(bus)
    await bus.send([outgoing(mark, n, partition=5) for n in range(9)])
    found = await consumer.poll(3, DEADLINE_SECONDS)
    assert len(found) == 3
    assert consumer.left(TRADES.name, 5) == 6
    await read_numbers(consumer, mark, 6)
    assert consumer.left(TRADES.name, 5) == 0
    consumer.seek(TRADES.name, 5, found[1].offset)
    assert consumer.left(TRADES.name, 5) == 8


async def test_a_paused_partition_waits_and_the_others_go_on(bus: Bus, mark: str) -> None:
    consumer = await at_end(bus)
    consumer.pause(TRADES.name, 5)
    position = consumer.position(TRADES.name, 5)
    await bus.send([outgoing(mark, n, partition=n % 2 * 5) for n in range(6)])
    assert await read_numbers(consumer, mark, 3) == [0, 2, 4]
    assert await consumer.poll(10, 0.3) == []
    assert consumer.position(TRADES.name, 5) == position
    consumer.resume(TRADES.name, 5)
    assert await read_numbers(consumer, mark, 3) == [1, 3, 5]


async def test_end_offsets_are_those_of_the_next_records(bus: Bus, mark: str) -> None:
    before = await bus.end_offsets(TRADES.name)
    assert len(before) == TRADES.partitions
    await bus.send([outgoing(mark, n, partition=1) for n in range(4)])
    after = await bus.end_offsets(TRADES.name)
    assert [end - start for start, end in zip(before, after, strict=True)] == [
        4 if partition == 1 else 0 for partition in range(TRADES.partitions)
    ]


async def test_a_poll_without_news_returns_empty_when_its_time_is_out(bus: Bus) -> None:
    consumer = await at_end(bus)
    started = time.monotonic()
    assert await consumer.poll(10, QUIET_SECONDS) == []
    assert QUIET_SECONDS * 0.9 <= time.monotonic() - started < DEADLINE_SECONDS


async def test_a_waiting_poll_wakes_for_a_later_send(bus: Bus, mark: str) -> None:
    consumer = await at_end(bus)
    waiting = asyncio.create_task(consumer.poll(10, DEADLINE_SECONDS))
    for _ in range(20):  # time enough for the poll to have looked and begun to wait
        await bus.end_offsets(TRADES.name)
    started = time.monotonic()
    await bus.send([outgoing(mark, 0)])
    assert numbers(await waiting, mark) == [0]
    assert time.monotonic() - started < DEADLINE_SECONDS / 2


async def test_a_poll_returns_no_more_than_was_asked_for(bus: Bus, mark: str) -> None:
    consumer = await at_end(bus)
    await bus.send([outgoing(mark, n, partition=n % 3) for n in range(30)])
    found: list[int] = []
    for seconds in polls():
        records = await consumer.poll(7, seconds)
        assert len(records) <= 7
        found += numbers(records, mark)
        if len(found) == 30:
            break
    assert sorted(found) == list(range(30))


async def test_a_record_of_900_kilobytes_passes(bus: Bus, mark: str) -> None:
    consumer = await at_end(bus)
    value = (mark * 30_000)[:900_000].encode()
    await bus.send([Outgoing(TRADES.name, b"BTC", value, 1)])
    [record] = await consumer.poll(10, DEADLINE_SECONDS)
    assert record.value == value


async def test_an_empty_value_is_no_tombstone(bus: Bus, mark: str) -> None:
    consumer = await at_end(bus, INSTRUMENTS.name)
    key = mark.encode()
    await bus.send([Outgoing(INSTRUMENTS.name, key, b"", 1)])
    [record] = await consumer.poll(10, DEADLINE_SECONDS)
    assert (record.key, record.value) == (key, b"")
    assert [r.value for r in await read_to_end(bus, INSTRUMENTS.name) if r.key == key] == [b""]


async def test_a_compacted_topic_keeps_the_newest_value_of_each_key(
    bus: Bus, mark: str, compaction_seconds: float
) -> None:
    topic, keys = INSTRUMENTS.name, [f"{mark}:{name}" for name in "abc"]
    for number in range(5):
        await bus.send([outgoing(f"{mark}-{key}", number, key=key, topic=topic) for key in keys])
    deadline = time.monotonic() + compaction_seconds
    while True:
        records = await read_to_end(bus, topic)
        values = {key: [r.value for r in records if r.key == key.encode()] for key in keys}
        newest = {key: f"{mark}-{key}:4".encode() for key in keys}
        assert {key: found[-1] for key, found in values.items()} == newest
        if all(len(found) == 1 for found in values.values()):
            return
        assert time.monotonic() < deadline, "superseded values are still there"


async def test_a_tombstone_removes_its_key_and_no_other(bus: Bus, mark: str) -> None:
    gone, kept = f"{mark}:gone".encode(), f"{mark}:kept".encode()
    topic = INSTRUMENTS.name
    await bus.send([Outgoing(topic, key, b"{}", 1) for key in (gone, kept)])
    await bus.send([Outgoing(topic, gone, None, 2)])
    newest = {r.key: r.value for r in await read_to_end(bus, topic)}
    assert newest.get(gone) is None
    assert newest[kept] == b"{}"
    await bus.send([Outgoing(topic, gone, b"back", 3)])
    assert {r.key: r.value for r in await read_to_end(bus, topic)}[gone] == b"back"


async def test_a_reader_without_a_group_begins_at_the_oldest_record(bus: Bus, mark: str) -> None:
    await bus.send([outgoing(mark, n, topic=DEADLETTER.name) for n in range(3)])
    for _ in range(2):
        assert numbers(await read_to_end(bus, DEADLETTER.name), mark) == [0, 1, 2]


async def test_a_reader_without_a_group_cannot_commit(bus: Bus) -> None:
    consumer = await bus.consumer([TRADES.name])
    with pytest.raises(ConfigurationError):
        await consumer.commit({(TRADES.name, 0): 1})
    assert await consumer.committed(TRADES.name, 0) is None


async def test_a_new_group_begins_at_the_oldest_record(bus: Bus, mark: str) -> None:
    await bus.send([outgoing(mark, n, topic=DEADLETTER.name) for n in range(3)])
    consumer = await bus.consumer([DEADLETTER.name], group=mark)
    assert await read_numbers(consumer, mark, 3) == [0, 1, 2]


async def test_a_consumer_reads_only_the_partitions_it_was_given(bus: Bus, mark: str) -> None:
    await bus.send([outgoing(mark, n, partition=n) for n in range(TRADES.partitions)])
    consumer = await bus.consumer([TRADES.name], partitions=[3, 8])
    found: set[int] = set()
    for seconds in polls():
        records = await consumer.poll(500, seconds)
        assert {record.partition for record in records} <= {3, 8}
        found |= set(numbers(records, mark))
        if {3, 8} <= found:
            break
    found |= set(numbers(await consumer.poll(500, QUIET_SECONDS), mark))
    assert found == {3, 8}


async def test_a_consumer_reads_several_topics(bus: Bus, mark: str) -> None:
    topics = [TRADES.name, QUALITY.name]
    await bus.send([outgoing(mark, n, topic=topic) for n, topic in enumerate(topics)])
    consumer = await bus.consumer(topics)
    assert sorted(await read_numbers(consumer, mark, 2)) == [0, 1]


async def test_many_records_come_exactly_once_over_many_polls(bus: Bus, mark: str) -> None:
    consumer = await at_end(bus)
    for start in range(0, 5_000, 500):
        await bus.send([outgoing(mark, n, key=f"K{n % 40}") for n in range(start, start + 500)])
    found = await read_numbers(consumer, mark, 5_000, max_records=73)
    found += numbers(await consumer.poll(500, QUIET_SECONDS), mark)
    assert sorted(found) == list(range(5_000))


async def test_concurrent_senders_lose_nothing_and_keep_their_own_order(
    bus: Bus, mark: str
) -> None:
    consumer = await at_end(bus)

    async def sender(name: int) -> None:
        for number in range(25):
            await bus.send([outgoing(mark, name * 100 + number, partition=name % 3)])

    await asyncio.gather(*(sender(name) for name in range(8)))
    found = await read_numbers(consumer, mark, 200)
    assert sorted(found) == [name * 100 + n for name in range(8) for n in range(25)]
    for name in range(8):
        own = [number for number in found if number // 100 == name]
        assert own == sorted(own)


async def test_closing_and_opening_again_keeps_records_commits_and_offsets(
    bus: Bus, mark: str, bus_factory: BusFactory
) -> None:
    consumer = await at_end(bus, group=mark)
    offsets = await bus.send([outgoing(mark, n, partition=9) for n in range(4)])
    await consumer.commit({(TRADES.name, 9): offsets[2]})
    ends = await bus.end_offsets(TRADES.name)
    await consumer.close()
    await bus.close()
    again = await bus_factory()
    assert await again.end_offsets(TRADES.name) == ends
    resumed = await again.consumer([TRADES.name], group=mark, partitions=[9])
    assert await read_numbers(resumed, mark, 2) == [2, 3]
    assert await again.send([outgoing(mark, 4, partition=9)]) == [offsets[3] + 1]


async def test_the_epoch_stays_when_the_log_is_opened_again(
    bus: Bus, bus_factory: BusFactory
) -> None:
    epoch = bus.epoch
    await bus.close()
    assert 0 < epoch < EPOCH_LIMIT
    assert (await bus_factory()).epoch == epoch


async def test_a_second_bus_on_the_same_log_sees_what_the_first_sends(
    bus: Bus, mark: str, bus_factory: BusFactory
) -> None:
    other = await bus_factory()
    consumer = await at_end(other)
    waiting = asyncio.create_task(consumer.poll(10, DEADLINE_SECONDS))
    await asyncio.sleep(0)
    await bus.send([outgoing(mark, 0)])
    assert numbers(await waiting, mark) == [0]


async def test_a_closed_bus_refuses_to_send(bus: Bus, mark: str) -> None:
    await bus.close()
    await bus.close()
    with pytest.raises(BusError):
        await bus.send([outgoing(mark, 0)])


async def test_a_closed_consumer_refuses_to_poll(bus: Bus) -> None:
    consumer = await bus.consumer([TRADES.name])
    await consumer.close()
    with pytest.raises(BusError):
        await consumer.poll(1, 0)
