"""Whatever happens to brokers and producers, what was sent is there in the end, in order.

A record may be there twice: those who are not answered send again.
"""

import asyncio
import os
import random
import subprocess
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
from aiokafka import TopicPartition
from aiokafka.errors import TopicAuthorizationFailedError
from aiokafka.producer.transaction_manager import PidAndEpoch
from structlog.testing import capture_logs

from collectors.outbox.outbox import Outbox
from deploy.kafka import Cluster
from runtime.backoff import Backoff
from runtime.bus.kafka import producer as producer_module
from runtime.bus.kafka.bus import KafkaBus
from runtime.bus.kafka.clients import Producer
from runtime.bus.kafka.settings import KafkaSettings
from runtime.bus.protocol import Outgoing
from runtime.errors import BusError, ConfigurationError, PayloadError
from schemas.topics import TRADES
from schemas.trades import TradeBatch
from tests.collectors.spooled import batch
from tests.kafka.faulty import (
    HASTY,
    NOW_US,
    SAFE,
    Took,
    administered,
    alter,
    everything,
    fragile_kafka,
    numbers,
    opened,
    raw_admin,
    record,
    send_until_there,
    unrepeated,
)

__all__ = ["fragile_kafka"]
PATIENT = HASTY.model_copy(update={"send_timeout_seconds": 30})
SAFE_PATIENT = SAFE.model_copy(update={"send_timeout_seconds": 15})
PARTITIONS = 3


@asynccontextmanager
async def from_here(
    address: str, settings: KafkaSettings = HASTY
) -> AsyncIterator[tuple[KafkaBus, list[int]]]:
    """Open a bus and say where its topic ends now."""
    async with opened(address, settings) as bus:
        yield bus, await bus.end_offsets(TRADES.name)


async def read(bus: KafkaBus, since: list[int]) -> dict[int, list[int]]:
    return numbers(await everything(bus, since=since))


class Steady:
    """Sends numbers to some partitions, one after the other, each until the log has it."""

    def __init__(self, bus: KafkaBus) -> None:
        self._bus = bus
        self.sent = 0
        self.failures: list[str] = []
        self._stop = False
        self._task = asyncio.create_task(self._run())

    async def reach(self, more: int) -> None:
        """Wait until so many more were sent."""
        wanted = self.sent + more
        async with asyncio.timeout(60):
            while self.sent < wanted:
                await asyncio.sleep(0.02)

    async def fail(self, more: int = 1) -> None:
        """Wait until so many more sends have failed."""
        wanted = len(self.failures) + more
        async with asyncio.timeout(60):
            while len(self.failures) < wanted:
                await asyncio.sleep(0.02)

    async def stop(self) -> dict[int, list[int]]:
        """Return, by partition, what was sent."""
        self._stop = True
        await self._task
        return {n: list(range(n, self.sent, PARTITIONS)) for n in range(PARTITIONS)}

    async def _run(self) -> None:
        while not self._stop:
            some = [record(self.sent + n, (self.sent + n) % PARTITIONS) for n in range(5)]
            while not await self._sends(some):
                await asyncio.sleep(0.2)
            self.sent += len(some)

    async def _sends(self, records: list[Outgoing]) -> bool:
        try:
            await self._bus.send(records)
        except BusError as error:
            self.failures.append(str(error))
            return False
        return True


async def leader_of(address: str, partition: int) -> int:
    async with raw_admin(address) as client:
        [topic] = await client.describe_topics([TRADES.name])
        return int(next(p["leader"] for p in topic["partitions"] if p["partition"] == partition))


# One broker.


async def test_a_send_fails_in_time_while_the_broker_is_down_and_comes_through_later(
    fragile_kafka: Cluster,
) -> None:
    async with from_here(fragile_kafka.bootstrap) as (bus, since):
        some = [record(n, n % PARTITIONS) for n in range(30)]
        await bus.send(some[:9])
        await asyncio.to_thread(fragile_kafka.stop, 1)
        for _ in range(2):
            with Took() as took, pytest.raises(BusError):
                await bus.send(some[9:20])
            assert took.seconds < HASTY.send_timeout_seconds * 4
            assert took.busy < 1
        await asyncio.to_thread(fragile_kafka.start, 1)
        await send_until_there(bus, some[9:20])
        await bus.send(some[20:])
        found = await read(bus, since)
    assert {partition: unrepeated(them) for partition, them in found.items()} == {
        partition: list(range(partition, 30, PARTITIONS)) for partition in range(PARTITIONS)
    }


async def test_an_outbox_loses_nothing_while_its_broker_is_killed(fragile_kafka: Cluster) -> None:
    async with from_here(fragile_kafka.bootstrap) as (bus, since):
        box = Outbox(bus, Backoff(0.05, 0.5, random.Random(1).random))
        running = asyncio.create_task(box.run())
        put = 0

        async def collect(seconds: float) -> None:
            nonlocal put
            for _ in range(int(seconds / 0.01)):
                box.put_batches([batch(put), batch(put + 1), batch(put + 2)])
                put += 3
                await asyncio.sleep(0.01)

        await collect(0.5)
        fragile_kafka.kill(1)
        starting = asyncio.create_task(asyncio.to_thread(fragile_kafka.start, 1))
        while not starting.done():
            await collect(0.2)
        await starting
        await collect(0.5)
        await box.flush(30)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        records = await everything(bus, since=since)
    assert (box.dropped, box.waiting) == (0, 0)
    sequences: dict[bytes, list[int]] = {}
    for one in records:
        trades = msgspec.json.decode(one.value or b"", type=TradeBatch)
        sequences.setdefault(one.key, []).append(trades.sequence)
    assert {key: unrepeated(them) for key, them in sequences.items()} == {
        key: list(range(first, put, 3)) for first, key in enumerate((b"BTC", b"ETH", b"SOL"))
    }


async def test_senders_wait_while_the_broker_is_paused_and_take_no_more_memory(
    fragile_kafka: Cluster,
) -> None:
    payload = random.Random(1).randbytes(900_000)  # the same for all: what grows is ours
    async with from_here(fragile_kafka.bootstrap, PATIENT) as (bus, since):
        sends = [
            [Outgoing(TRADES.name, b"BTC", b"%08d" % n + payload, NOW_US, n % PARTITIONS)]
            for n in range(150)
        ]
        fragile_kafka.pause(1)
        tracemalloc.start()
        try:
            senders = [asyncio.create_task(bus.send(one)) for one in sends]
            grown = []
            for _ in range(5):
                await asyncio.sleep(0.3)
                grown.append(tracemalloc.get_traced_memory()[0])
        finally:
            tracemalloc.stop()
        assert not any(sender.done() for sender in senders)
        assert grown[-1] < 3 * producer_module.WAITING_BYTES
        assert grown[-1] < grown[1] * 1.1
        fragile_kafka.resume(1)
        async with asyncio.timeout(60):
            await asyncio.gather(*senders)
        found = await read(bus, since)
    assert found == {
        partition: list(range(partition, 150, PARTITIONS)) for partition in range(PARTITIONS)
    }


async def test_a_hundred_senders_share_a_partition(fragile_kafka: Cluster) -> None:
    """The client library alone would give up after a second of that."""
    payload = 200_000
    async with from_here(fragile_kafka.bootstrap) as (bus, since):
        async with asyncio.timeout(60):
            await asyncio.gather(*(bus.send([record(n, 0, payload)]) for n in range(100)))
        found = await read(bus, since)
    assert sorted(found[0]) == list(range(100))


async def test_senders_share_one_try_to_reach_a_broker_that_is_away(
    fragile_kafka: Cluster,
) -> None:
    async with from_here(fragile_kafka.bootstrap) as (bus, _):
        await bus.send([record(0)])
        fragile_kafka.pause(1)
        with Took() as took:
            for _ in range(2):
                answers = await asyncio.gather(
                    *(bus.send([record(n)]) for n in range(20)), return_exceptions=True
                )
                assert {type(answer) for answer in answers} == {BusError}
        assert took.seconds < HASTY.send_timeout_seconds * 2 * 4
        fragile_kafka.resume(1)


# Cancelled sends.


async def test_a_send_that_is_cancelled_leaves_the_bus_usable(fragile_kafka: Cluster) -> None:
    async with from_here(fragile_kafka.bootstrap, PATIENT) as (bus, since):
        await bus.send([record(0)])
        fragile_kafka.pause(1)
        other = asyncio.create_task(bus.send([record(1, 1)]))
        with capture_logs() as logs, Took() as took:
            for _ in range(3):
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.2):
                        await bus.send([record(1), record(2)])
        assert took.seconds < PATIENT.send_timeout_seconds / 2
        fragile_kafka.resume(1)
        await bus.send([record(1), record(2)])
        await bus.send([record(3)])
        assert len(await other) == 1
        found = await read(bus, since)
    assert unrepeated(found[0]) == [0, 1, 2, 3]
    assert found[1] == [1]
    assert logs == []  # nobody else was disturbed


async def test_a_send_that_is_cancelled_while_it_waits_for_room_sends_nothing(
    fragile_kafka: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(producer_module, "WAITING_BYTES", 100)
    async with from_here(fragile_kafka.bootstrap, PATIENT) as (bus, since):
        await bus.send([record(0)])
        fragile_kafka.pause(1)
        first = asyncio.create_task(bus.send([record(1, size=200)]))
        await asyncio.sleep(0)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await bus.send([record(2)])
        fragile_kafka.resume(1)
        await first
        await bus.send([record(3)])
        found = await read(bus, since)
    assert found == {0: [0, 1, 3]}


async def test_a_bus_is_closed_in_time_while_its_broker_is_away(fragile_kafka: Cluster) -> None:
    async with from_here(fragile_kafka.bootstrap, PATIENT) as (bus, _):
        consumer = await bus.consumer([TRADES.name], group="closing")
        fragile_kafka.pause(1)
        senders = [asyncio.create_task(bus.send([record(n, n, 300_000)])) for n in range(10)]
        await asyncio.sleep(0.2)
        with Took() as took:
            await bus.close()
        answers = await asyncio.gather(*senders, return_exceptions=True)
    assert took.seconds < 20
    assert {type(answer) for answer in answers} == {BusError}
    assert consumer.closed


# Records and topics that are refused.


async def test_a_record_that_is_too_large_disturbs_nobody(fragile_kafka: Cluster) -> None:
    async with from_here(fragile_kafka.bootstrap) as (bus, since):
        with capture_logs() as logs:
            others = asyncio.gather(*(bus.send([record(n, 1)]) for n in range(20)))
            for large in (10_000_000, TRADES.most_bytes - 10):
                with pytest.raises(PayloadError, match=r"md\.norm\.trades\.v1: a record of 1"):
                    await bus.send([record(0), record(1, size=large), record(2)])
            await bus.send([record(3), record(4, size=TRADES.most_bytes - 11)])
            await others
        found = await read(bus, since)
    assert found[0] == [3, 4]
    assert sorted(found[1]) == list(range(20))
    assert logs == []


@pytest.mark.parametrize("time_us", [-1, 2**63])
async def test_a_record_without_a_possible_time_is_refused(
    fragile_kafka: Cluster, time_us: int
) -> None:
    async with from_here(fragile_kafka.bootstrap) as (bus, since):
        with pytest.raises(PayloadError, match="invalid_time"):
            await bus.send([record(0), Outgoing(TRADES.name, b"BTC", b"", time_us)])
        assert await bus.end_offsets(TRADES.name) == since


async def test_records_that_a_changed_topic_refuses_wait_until_it_is_mended(
    fragile_kafka: Cluster,
) -> None:
    """Were they given up, every batch would be, whose records are all small enough."""
    async with from_here(fragile_kafka.bootstrap) as (bus, since):
        some = [record(n, 0, 500 + n) for n in range(100)]
        payload = random.Random(1).randbytes(20_000)
        some.append(Outgoing(TRADES.name, b"BTC", b"%08d" % 100 + payload, NOW_US, 0))
        await alter(fragile_kafka.bootstrap, TRADES.name, {"max.message.bytes": "10000"})
        refused = r"\[Error 10\] MessageSizeTooLargeError.* run: perptape topics apply"
        with pytest.raises(BusError, match=refused):
            await send_refused(bus, some)
        await bus.send([record(0, 1)])
        async with administered(fragile_kafka.bootstrap) as admin:
            await admin.apply()
        await send_until_there(bus, some)
        found = await read(bus, since)
    assert unrepeated(found[0]) == list(range(101))
    assert found[1] == [0]


async def send_refused(bus: KafkaBus, records: list[Outgoing]) -> None:
    """Send until the broker has heard of the change."""
    async with asyncio.timeout(60):
        while True:
            await bus.send(records)


async def test_a_topic_that_is_denied_is_waited_for_where_it_was_allowed_before(
    fragile_kafka: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def denied(*_: object) -> None:
        raise TopicAuthorizationFailedError(TRADES.name)

    async with from_here(fragile_kafka.bootstrap) as (bus, since):
        for number, error in enumerate((ConfigurationError, BusError)):
            with monkeypatch.context() as patched:
                patched.setattr(Producer, "append", denied)
                with pytest.raises(error):
                    await bus.send([record(number)])
            await bus.send([record(number)])
        found = await read(bus, since)
    assert found == {0: [0, 1]}


async def test_a_topic_that_is_deleted_is_waited_for_at_rest(fragile_kafka: Cluster) -> None:
    async with from_here(fragile_kafka.bootstrap) as (bus, _):
        await bus.send([record(0)])
        consumer = await bus.consumer([TRADES.name], partitions=[0])
        while await consumer.poll(1000, 0.3):
            pass
        async with raw_admin(fragile_kafka.bootstrap) as client:
            await client.delete_topics([TRADES.name])
        with Took() as took:
            for _ in range(2):
                with pytest.raises(BusError):
                    await bus.send([record(1)])
            with pytest.raises(BusError, match=r"0 could not be read for \d s: UnknownTopic"):
                await consumer.poll(1, HASTY.send_timeout_seconds + 0.5)
        assert took.busy < 1
        async with administered(fragile_kafka.bootstrap) as admin:
            await admin.apply()
        await send_until_there(bus, [record(1)])
        assert await read(bus, [0]) == {0: [1]}


# Producers that are spent.


async def test_a_producer_that_is_out_of_sequence_is_replaced(fragile_kafka: Cluster) -> None:
    async with from_here(fragile_kafka.bootstrap) as (bus, since):
        await bus.send([record(0)])
        counts = bus._sender._producer._txn_manager  # type: ignore[union-attr]
        counts.increment_sequence_number(TopicPartition(TRADES.name, 0), 7)
        with pytest.raises(BusError, match="OutOfOrderSequenceNumber"):
            await bus.send([record(1), record(1, 1)])
        await bus.send([record(1), record(1, 1)])
        found = await read(bus, since)
    assert {partition: unrepeated(them) for partition, them in found.items()} == {0: [0, 1], 1: [1]}


async def test_a_producer_that_is_fenced_is_replaced(fragile_kafka: Cluster) -> None:
    async with from_here(fragile_kafka.bootstrap) as (bus, since):
        await bus.send([record(0)])
        counts = bus._sender._producer._txn_manager  # type: ignore[union-attr]
        ours = counts._pid_and_epoch
        counts._pid_and_epoch = PidAndEpoch(ours.pid, ours.epoch + 1)
        counts._sequence_numbers.clear()
        await bus.send([record(1)])  # as a later one of the same id would
        counts._pid_and_epoch = ours
        with pytest.raises(BusError, match="ProducerFenced"):
            await bus.send([record(2)])
        await bus.send([record(2)])
        await bus.send([record(3)])
        found = await read(bus, since)
    assert found == {0: [0, 1, 2, 3]}


# Three brokers, of which two must have a record.


async def test_two_of_three_brokers_are_enough(fragile_kafka3: Cluster) -> None:
    async with from_here(fragile_kafka3.bootstrap, SAFE_PATIENT) as (bus, since):
        steady = Steady(bus)
        await steady.reach(50)
        fragile_kafka3.kill(await leader_of(fragile_kafka3.bootstrap, 0))
        await steady.reach(500)
        sent = await steady.stop()
        assert not steady.failures
        assert {n: unrepeated(them) for n, them in (await read(bus, since)).items()} == sent
        async with from_here(fragile_kafka3.bootstrap, SAFE_PATIENT) as (another, _):
            assert len(await another.send([record(0)])) == 1


async def test_one_of_three_brokers_is_too_few_until_they_are_back(
    fragile_kafka3: Cluster,
) -> None:
    async with from_here(fragile_kafka3.bootstrap, SAFE) as (bus, since):
        steady = Steady(bus)
        await steady.reach(50)
        for number in (1, 2):
            fragile_kafka3.kill(number)
        await steady.fail(2)
        # One that waits for a new producer may have been told nothing yet.
        assert any("no answer within 3 s (" in failure for failure in steady.failures)
        await asyncio.to_thread(fragile_kafka3.start)
        await steady.reach(100)
        sent = await steady.stop()
        assert {n: unrepeated(them) for n, them in (await read(bus, since)).items()} == sent


@pytest.mark.long
async def test_a_leader_that_is_restarted_is_followed(fragile_kafka3: Cluster) -> None:
    async with from_here(fragile_kafka3.bootstrap, SAFE_PATIENT) as (bus, since):
        steady = Steady(bus)
        await steady.reach(50)
        leader = await leader_of(fragile_kafka3.bootstrap, 0)
        await asyncio.to_thread(fragile_kafka3.restart, leader)
        await steady.reach(200)
        sent = await steady.stop()
        assert not steady.failures
        assert {n: unrepeated(them) for n, them in (await read(bus, since)).items()} == sent


async def test_a_leader_that_freezes_is_replaced_within_a_send(fragile_kafka3: Cluster) -> None:
    async with from_here(fragile_kafka3.bootstrap, SAFE_PATIENT) as (bus, since):
        steady = Steady(bus)
        await steady.reach(50)
        fragile_kafka3.pause(await leader_of(fragile_kafka3.bootstrap, 0))
        await steady.reach(200)
        sent = await steady.stop()
        assert not steady.failures
        assert {n: unrepeated(them) for n, them in (await read(bus, since)).items()} == sent


# A disk that is full.


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64m", "perptape-test", str(folder)],
        capture_output=True,
        check=False,
        text=True,
    )
    if mounted.returncode:
        pytest.skip(f"no disk of its own for a broker: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


async def test_a_disk_that_was_full_has_all_that_was_answered(
    small_disk: Path, tmp_path: Path
) -> None:
    with Cluster(small_disk / "kafka", logs=tmp_path / "logs") as cluster:
        async with opened(cluster.bootstrap) as bus:
            await bus.send([record(0, 0), record(0, 1)])
            filler = small_disk / "filler"
            free = os.statvfs(small_disk)
            filler.write_bytes(bytes(free.f_bavail * free.f_frsize - 300_000))
            payload, sent = random.Random(1), 1
            with pytest.raises(BusError):  # noqa: PT012 - one of them will
                for sent in range(1, 100):
                    large = b"%08d" % sent + payload.randbytes(20_000)
                    last = [record(sent, 0), Outgoing(TRADES.name, b"BTC", large, NOW_US, 1)]
                    await bus.send(last)
            with pytest.raises(BusError):
                await bus.send(last)
            filler.unlink()
            cluster.kill(1)  # it has ended by itself; its data are on the one disk that it has
            await asyncio.to_thread(cluster.start)
            await send_until_there(bus, last)
            await bus.send([record(sent + 1, 0), record(sent + 1, 1)])
            found = numbers(await everything(bus))
    whole = list(range(sent + 2))
    assert {n: unrepeated(them) for n, them in found.items()} == {0: whole, 1: whole}
