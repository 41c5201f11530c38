"""Members share partitions and lose them; whatever is in the log is delivered, or told of."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import RecordsToDelete
from structlog.testing import capture_logs

from deploy.kafka import Cluster
from runtime.bus.kafka import bus as bus_module
from runtime.bus.kafka.bus import KafkaBus
from runtime.bus.kafka.consumer import KafkaConsumer
from runtime.bus.protocol import Record
from runtime.bus.protocol import TopicPartition as Place
from runtime.errors import BusError, ConfigurationError
from schemas.topics import DEADLETTER, TRADES
from tests.kafka.faulty import (
    FEW,
    HASTY,
    SAFE,
    Took,
    foreign,
    fragile_kafka,
    numbers,
    opened,
    polled,
    raw_admin,
    record,
)

__all__ = ["fragile_kafka"]
ALL = frozenset(range(TRADES.partitions))
NEW = 7_000_000
PATIENT = HASTY.model_copy(update={"send_timeout_seconds": 15})


class Member:
    """A consumer that notes what its group says and is polled until it is told to stop."""

    def __init__(self, bus: KafkaBus, group: str) -> None:
        self.bus = bus
        self.group = group
        self.held: set[int] = set()
        self.heard: list[tuple[str, int]] = []
        self.records: list[Record] = []
        self.during: list[str] = []
        self.commits_on_revoke = False
        self.task: asyncio.Task[None] | None = None
        self.consumer: KafkaConsumer

    async def join(self) -> None:
        self.consumer = await self.bus.consumer([TRADES.name], group=self.group, rebalance=self)
        self.poll()

    def poll(self) -> None:
        self.task = asyncio.create_task(self._poll())

    async def rest(self) -> None:
        """Poll no more."""
        if self.task is not None:
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)

    async def leave(self) -> None:
        await self.rest()
        await self.consumer.close()

    async def assigned(self, places: frozenset[Place]) -> None:
        self.during.append("assigned in its poll" if self._polls() else "assigned elsewhere")
        self.heard.append(("assigned", len(places)))
        self.held |= {number for _, number in places}

    async def revoked(self, places: frozenset[Place]) -> None:
        self.during.append("revoked in its poll" if self._polls() else "revoked elsewhere")
        self.heard.append(("revoked", len(places)))
        if self.commits_on_revoke:
            await self.consumer.commit({place: self.consumer.position(*place) for place in places})
        self.held -= {number for _, number in places}

    def _polls(self) -> bool:
        return asyncio.current_task() is self.task

    async def _poll(self) -> None:
        while True:
            self.records += await self.consumer.poll(100, 1.0)


@contextlib.asynccontextmanager
async def members(bus: KafkaBus, count: int, group: str = "") -> AsyncIterator[list[Member]]:
    name = group or uuid.uuid4().hex
    made = [Member(bus, name) for _ in range(count)]
    await asyncio.gather(*(member.join() for member in made))
    try:
        yield made
    finally:
        await asyncio.gather(*(member.leave() for member in made))


async def until(reached: Callable[[], bool], seconds: float = 120) -> None:
    async with asyncio.timeout(seconds):
        while not reached():
            await asyncio.sleep(0.02)


def new(member: Member) -> dict[int, list[int]]:
    """Return what a member got of what the test has sent, and nobody before it."""
    return numbers(one for one in member.records if (one.value or b"") >= b"%08d" % NEW)


def shared_by(*some: Member) -> bool:
    """Return whether members have all partitions, and each its share."""
    counts = [len(member.held) for member in some]
    return (
        sum(counts) == len(ALL)
        and set().union(*(member.held for member in some)) == ALL
        and max(counts) - min(counts) <= 1
    )


# Members of a group.


async def test_members_share_the_partitions_and_those_of_one_that_leaves(
    fragile_kafka: Cluster,
) -> None:
    async with opened(fragile_kafka.bootstrap) as bus, members(bus, 2) as (one, other):
        await until(lambda: shared_by(one, other))
        async with members(bus, 1, one.group) as [third]:
            await until(lambda: shared_by(one, other, third))
        await until(lambda: shared_by(one, other))
        heard = {word for member in (one, other, third) for word in member.during}
        assert heard == {"assigned in its poll", "revoked in its poll"}
        await bus.send([record(NEW + n, n) for n in ALL])
        await until(lambda: set(new(one)) | set(new(other)) == ALL)
        assert set(new(one)) == one.held
        assert set(new(other)) == other.held


async def test_what_is_committed_when_partitions_go_is_where_the_next_one_begins(
    fragile_kafka: Cluster,
) -> None:
    async with opened(fragile_kafka.bootstrap) as bus, members(bus, 1) as [one]:
        one.commits_on_revoke = True
        await until(lambda: shared_by(one))
        ends = await bus.end_offsets(TRADES.name)
        for number, end in enumerate(ends):
            one.consumer.seek(TRADES.name, number, end)
        await bus.send([record(n, n) for n in ALL])
        await until(lambda: set(numbers(one.records)) >= ALL)
        async with members(bus, 1, one.group) as [other]:
            await until(lambda: shared_by(one, other))
            assert {other.consumer.position(TRADES.name, n) for n in other.held} == {
                ends[n] + 1 for n in other.held
            }
            await bus.send([record(100 + n, n) for n in ALL])
            await until(lambda: len(other.records) >= len(other.held))
            assert numbers(other.records) == {n: [100 + n] for n in other.held}


async def test_a_member_with_a_name_comes_back_to_its_partitions(fragile_kafka: Cluster) -> None:
    group = uuid.uuid4().hex
    named = [HASTY.model_copy(update={"instance": name}) for name in ("one", "other")]
    async with (
        opened(fragile_kafka.bootstrap, named[0]) as bus,
        opened(fragile_kafka.bootstrap, named[1]) as another,
        members(bus, 1, group) as [one],
        members(another, 1, group) as [other],
    ):
        await until(lambda: shared_by(one, other))
        heard, held = list(one.heard), set(other.held)
        await other.leave()
        async with members(another, 1, group) as [again]:
            await until(lambda: bool(again.held))
            assert again.held == held
            assert one.heard == heard
            assert shared_by(one, again)


async def test_a_name_is_for_one_member_of_a_process(fragile_kafka: Cluster) -> None:
    named = HASTY.model_copy(update={"instance": "one"})
    async with opened(fragile_kafka.bootstrap, named) as bus:
        group = uuid.uuid4().hex
        first = await bus.consumer([TRADES.name], group=group)
        with pytest.raises(ConfigurationError, match=f"group {group} .* kafka.instance"):
            await bus.consumer([TRADES.name], group=group)
        await bus.consumer([TRADES.name], group=group, partitions=[0])
        await first.close()
        assert not (await bus.consumer([TRADES.name], group=group)).closed


async def test_a_member_that_does_not_poll_is_not_waited_for_and_cannot_commit(
    fragile_kafka: Cluster,
) -> None:
    async with opened(fragile_kafka.bootstrap, PATIENT) as bus, members(bus, 1) as [one]:
        await until(lambda: shared_by(one))
        await one.rest()
        async with members(bus, 1, one.group) as [other]:
            await until(lambda: shared_by(other))
            lost = {(TRADES.name, 0): 0}
            with pytest.raises(BusError, match="committing for the group"):
                await one.consumer.commit(lost)
            one.poll()  # it learns of it, and takes its share again
            await until(lambda: shared_by(one, other))
            assert one.heard[:2] == [("assigned", 12), ("revoked", 12)]
            gone = next((TRADES.name, number) for number in other.held)
            with pytest.raises(BusError, match="committing for the group"):
                await one.consumer.commit({gone: 0})


async def test_a_member_that_never_polls_again_is_missed(
    fragile_kafka: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bus_module, "POLL_SECONDS", 2.5)
    async with opened(fragile_kafka.bootstrap) as bus, members(bus, 2) as (one, other):
        await until(lambda: shared_by(one, other))
        await one.rest()
        await until(lambda: shared_by(other), 20)


async def test_a_member_that_is_slow_to_begin_stays_a_member(fragile_kafka: Cluster) -> None:
    """Restoring state may take longer than a session: signs of life go on meanwhile."""

    class Slow(Member):
        async def assigned(self, places: frozenset[Place]) -> None:
            await asyncio.sleep(HASTY.session_seconds + 1)
            await super().assigned(places)

    async with opened(fragile_kafka.bootstrap) as bus:
        slow = Slow(bus, uuid.uuid4().hex)
        await slow.join()
        await until(lambda: shared_by(slow))
        await slow.consumer.commit({(TRADES.name, 0): 0})
        assert slow.heard == [("assigned", 12)]
        await slow.leave()


async def test_partitions_that_could_not_be_taken_over_are_taken_over_again(
    fragile_kafka: Cluster,
) -> None:
    class Failing(Member):
        failures = 2

        async def assigned(self, places: frozenset[Place]) -> None:
            if self.failures:
                self.failures -= 1
                raise BusError("the state cannot be read")
            await super().assigned(places)

    async with opened(fragile_kafka.bootstrap) as bus:
        member = Failing(bus, uuid.uuid4().hex)
        member.consumer = await bus.consumer([TRADES.name], group=member.group, rebalance=member)
        for _ in range(2):
            with pytest.raises(BusError, match="the state cannot be read"):
                await member.consumer.poll(1, 30)
        await bus.send([record(1, 5)])
        found = await polled(member.consumer, lambda found: 5 in numbers(found))
        assert member.held == ALL
        assert found


async def test_a_group_that_is_refused_says_why(fragile_kafka: Cluster) -> None:
    settings = HASTY.model_copy(update={"session_seconds": 3600})  # more than the broker allows
    async with opened(fragile_kafka.bootstrap, settings) as bus:
        with pytest.raises(ConfigurationError, match=r"InvalidSessionTimeout.*kafka\.\*"):
            await bus.consumer([TRADES.name], group=uuid.uuid4().hex)


@pytest.mark.parametrize("fault", ["kill", pytest.param("pause", marks=pytest.mark.long)])
async def test_a_group_goes_on_without_the_broker_that_led_it(
    fragile_kafka3: Cluster, fault: str
) -> None:
    settings = SAFE.model_copy(update={"send_timeout_seconds": 15})
    async with opened(fragile_kafka3.bootstrap, settings) as bus, members(bus, 2) as (one, other):
        await until(lambda: shared_by(one, other))
        async with raw_admin(fragile_kafka3.bootstrap) as client:
            coordinator = await client.find_coordinator(one.group)
        getattr(fragile_kafka3, fault)(coordinator)
        await bus.send([record(NEW + n, n) for n in ALL])
        await until(lambda: set(new(one)) | set(new(other)) == ALL)
        await until(lambda: shared_by(one, other))
        for member in (one, other):
            place = (TRADES.name, min(member.held))
            await committed_in_the_end(member, place)
            assert await member.consumer.committed(*place) == 1
        assert not any(member.task.done() for member in (one, other) if member.task)
        fragile_kafka3.start()


async def committed_in_the_end(member: Member, place: Place) -> None:
    """Commit, again where the group has just been divided anew."""
    async with asyncio.timeout(120):
        while True:
            with contextlib.suppress(BusError):
                await member.consumer.commit({place: 1})
                return
            await asyncio.sleep(0.2)


# Closing and cancelling.


@pytest.mark.parametrize("group", [None, "closing"])
async def test_a_consumer_that_is_closed_ends_the_poll_that_waits(
    fragile_kafka: Cluster, group: str | None
) -> None:
    async with opened(fragile_kafka.bootstrap) as bus:
        consumer = await bus.consumer([DEADLETTER.name], group=group)
        while await consumer.poll(1000, 0.2):
            pass
        waiting = asyncio.create_task(consumer.poll(1, 60))
        await asyncio.sleep(0.1)
        with Took() as took:
            await consumer.close()
            with pytest.raises(BusError, match="the consumer is closed"):
                await waiting
        assert took.seconds < 30


async def test_a_member_is_closed_in_time_while_its_group_waits_for_another(
    fragile_kafka: Cluster,
) -> None:
    async with opened(fragile_kafka.bootstrap, PATIENT) as bus, members(bus, 1) as [one]:
        await until(lambda: shared_by(one))
        await one.rest()
        newcomer = await bus.consumer([TRADES.name], group=one.group, rebalance=Member(bus, ""))
        with Took() as took:
            assert await newcomer.poll(1, 0) == []
            assert await newcomer.poll(1, 0.5) == []
            await newcomer.close()
        assert took.seconds < PATIENT.session_seconds


async def test_a_poll_that_is_cancelled_loses_nothing(fragile_kafka: Cluster) -> None:
    async with opened(fragile_kafka.bootstrap) as bus:
        [offset] = await bus.send([record(0)])
        consumer = await bus.consumer([TRADES.name], partitions=[0])
        consumer.seek(TRADES.name, 0, offset)
        found: list[Record] = []
        sending = asyncio.create_task(bus.send([record(n) for n in range(1, 500)]))
        for patience in range(2000):
            try:
                async with asyncio.timeout(0.0003 * (patience % 7)):
                    found += await consumer.poll(3, 0.5)
            except TimeoutError:
                await asyncio.sleep(0)
            if len(found) == 500:
                break
        await sending
        assert numbers(found) == {0: list(range(500))}


# What is in the log.


async def test_records_of_others_are_delivered(fragile_kafka: Cluster) -> None:
    async with opened(fragile_kafka.bootstrap) as bus:
        start = (await bus.end_offsets(TRADES.name))[0]
        address = fragile_kafka.bootstrap
        await foreign(address, TRADES.name, b"without key", timestamp_ms=5)
        await foreign(address, TRADES.name, b"", key=b"", headers=[("who", b"\xff"), ("", b"")])
        await foreign(address, TRADES.name, None, key=b"gone", timestamp_ms=0)
        consumer = await bus.consumer([TRADES.name], partitions=[0])
        consumer.seek(TRADES.name, 0, start)
        found = await polled(consumer, lambda found: len(found) == 3)
        assert [(one.key, one.value) for one in found] == [
            (b"", b"without key"),
            (b"", b""),
            (b"gone", None),
        ]
        assert (found[0].timestamp_us, found[2].timestamp_us) == (5000, 0)


async def test_retention_that_passed_a_position_is_told(fragile_kafka: Cluster) -> None:
    async with opened(fragile_kafka.bootstrap) as bus:
        offsets = await bus.send([record(n) for n in range(10)])
        consumer = await bus.consumer([TRADES.name], partitions=[0])
        async with raw_admin(fragile_kafka.bootstrap) as client:
            place = TopicPartition(TRADES.name, 0)
            await client.delete_records({place: RecordsToDelete(offsets[7])})
        consumer.seek(TRADES.name, 0, offsets[2])
        with capture_logs() as logs:
            found = await polled(consumer, lambda found: len(found) == 3)
        assert [one.offset for one in found] == offsets[7:]
        assert [
            (one["event"], one["partition"], one["position"], one["offset"]) for one in logs
        ] == [("log_retention_passed_consumer", 0, offsets[2], offsets[7])]


async def test_a_log_that_is_shorter_than_a_position_is_read_from_its_beginning_and_told(
    fragile_kafka: Cluster,
) -> None:
    async with opened(fragile_kafka.bootstrap) as bus:
        await bus.send([record(n, 7) for n in range(3)])
        consumer = await bus.consumer([TRADES.name], partitions=[7])
        oldest = consumer.position(TRADES.name, 7)
        consumer.seek(TRADES.name, 7, 1_000_000)
        with capture_logs() as logs:
            found = await polled(consumer, lambda found: len(found) >= 3)
        assert found[0].offset == oldest
        assert [(one["event"], one["position"]) for one in logs] == [
            ("log_shorter_than_position", 1_000_000)
        ]


def damage(log: Path, batch: int, batches: int) -> None:
    """Turn a bit in a batch of a partition whose batches are of one size."""
    [segment] = log.glob("*.log")
    content = bytearray(segment.read_bytes())
    size = len(content) // batches
    content[batch * size + size - 10] ^= 1
    segment.write_bytes(content)


async def test_a_damaged_batch_is_not_skipped_and_what_is_before_it_is_delivered(
    fragile_kafka: Cluster,
) -> None:
    cluster = fragile_kafka
    async with opened(cluster.bootstrap) as bus, raw_admin(cluster.bootstrap) as client:
        await client.delete_topics([TRADES.name])
    async with opened(cluster.bootstrap) as bus:
        for number in range(6):
            await bus.send([record(number, 0, 100)])
        await bus.send([record(9, 1)])
    await asyncio.to_thread(cluster.stop, 1)
    damage(cluster.data_of(1) / f"{TRADES.name}-0", 3, 6)
    await asyncio.to_thread(cluster.start)
    async with await KafkaBus.open(f"kafka://{cluster.bootstrap}", HASTY, topics=FEW) as bus:
        consumer = await bus.consumer([TRADES.name], partitions=[0, 1])
        found: list[Record] = []
        async with asyncio.timeout(120):
            while len(found) < 4:
                with contextlib.suppress(BusError):
                    found += await consumer.poll(100, 5)
        assert numbers(found) == {0: [0, 1, 2], 1: [9]}
        for _ in range(2):
            with Took() as took, pytest.raises(BusError) as refused:
                await consumer.poll(100, 5)
            assert str(refused.value).startswith(
                f"{TRADES.name} partition 0 is damaged at offset 3: [Error 2] CorruptRecord"
            )
            assert took.seconds >= 0.5
            assert took.busy < 0.3
        await bus.send([record(10, 1)])
        consumer.seek(TRADES.name, 0, 4)
        found = await polled(consumer, lambda found: len(found) == 3)
        assert numbers(found) == {0: [4, 5], 1: [10]}


async def test_a_broker_that_is_away_is_told_and_waited_for(fragile_kafka: Cluster) -> None:
    async with opened(fragile_kafka.bootstrap) as bus:
        [offset] = await bus.send([record(1)])
        consumer = await bus.consumer([TRADES.name], partitions=[0], group=uuid.uuid4().hex)
        consumer.seek(TRADES.name, 0, offset)
        fragile_kafka.kill(1)
        with Took() as took:
            with pytest.raises(
                BusError, match=r"partition 0 could not be read for \d s: no broker"
            ):
                await polled(consumer, lambda found: len(found) > 1)
            commit, committed, ends = await asyncio.gather(
                consumer.commit({(TRADES.name, 0): offset}),
                consumer.committed(TRADES.name, 0),
                bus.end_offsets(TRADES.name),
                return_exceptions=True,
            )
        assert {type(one) for one in (commit, committed, ends)} == {BusError}
        assert str(commit).startswith("committing for the group ")
        assert str(committed).startswith("asking what the group ")
        assert str(ends).startswith("asking for the end of ")
        assert took.seconds < 8 * HASTY.send_timeout_seconds
        assert took.busy < 2
        await asyncio.to_thread(fragile_kafka.start, 1)
        consumer.seek(TRADES.name, 0, offset)
        async with asyncio.timeout(120):
            while True:
                with contextlib.suppress(BusError):
                    if await consumer.poll(1, 1):
                        break
        await consumer.commit({(TRADES.name, 0): offset + 1})
        assert await consumer.committed(TRADES.name, 0) == offset + 1
