"""The host under Faust makes the records of the plain host, whatever happens to it meanwhile.

Every test has partitions of its own on one broker, so that none must wait for another's traces to
be gone. The last ones show what Faust does where the host does not rely on it.
"""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import faust
import msgspec
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.records_to_delete import RecordsToDelete

from deploy.kafka import Cluster
from processors.app import FaustHost
from processors.faust.watchdog import Watchdog
from processors.feeds import Accepted
from processors.host import BusHost
from processors.operator import Cause, Output
from processors.operators.footprint import FootprintOperator
from processors.partitions import GROUP
from runtime.bus.embedded import EmbeddedBus
from runtime.bus.kafka.bus import KafkaBus
from runtime.bus.kafka.settings import KafkaSettings, brokers_of, client_options
from runtime.bus.kafka.topics import open_admin
from runtime.bus.protocol import Consumer, Outgoing
from runtime.errors import BusError
from runtime.metrics import Metrics
from schemas.cvd import CvdStep
from schemas.footprints import FootprintBar
from schemas.lineage import OFFSET_BITS
from schemas.ops import DeadLetter, Snapshot
from schemas.topics import CVD, DEADLETTER, FOOTPRINTS, SNAPSHOTS, TOPICS, TRADES
from schemas.trades import TradeBatch
from tests.faults.processor_process import BUS as EMBEDDED
from tests.faults.test_kill_processor import Final, final_records
from tests.kafka.broker import needs_kafka
from tests.kafka.clients import create, write
from tests.kafka.faust_process import ASSETS, ENGINE, HOST, SETTINGS
from tests.processors.builders import BINANCE, BUY, BYBIT, SECOND, Market, Stream, identity, merged

ROOT = Path(__file__).parents[2]
LOGIN = ("tape", "not-a-secret")
PATIENCE_SECONDS = 120.0
FAILPOINTS = (
    "after_outputs:3", "after_parts:2", "after_snapshot:2", "before_commit:2", "after_commit:2",
)  # fmt: skip
YESTERDAY = int(time.time() // 86_400 - 1) * 86_400 * SECOND
"""Kafka's retention goes by the times of records, which must therefore be new."""

MARKET = Market(
    start_us=YESTERDAY,
    instruments=(BINANCE, BYBIT),
    seconds=200,
    rate=5.0,
    late=0.02,
    repeat=0.02,
    hole=0.004,
    drop_batch=0.004,
)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One broker that has nothing but what is written here."""
    needs_kafka()
    cluster = Cluster(tmp_path_factory.mktemp("faust"), sasl=LOGIN, tls=True)
    cluster.start()
    yield cluster
    cluster.stop(patience_seconds=0)


@pytest.fixture
async def name(own: Cluster) -> str:
    """The setting `bus`, with its topics."""
    found = f"kafka://{own.bootstrap}"
    options = client_options(brokers_of(found), SETTINGS)
    async with open_admin(options, SETTINGS, TOPICS) as admin:
        await admin.apply()
    return found


@pytest.fixture
async def bus(name: str) -> AsyncIterator[KafkaBus]:
    async with await KafkaBus.open(name, SETTINGS) as opened:
        yield opened


def log_of(partition: int) -> list[TradeBatch]:
    """Return a market of the asset that is in this partition.

    It ends with a minute without trades: after it nothing is held back any more.
    """
    batches = MARKET.but(seed=100 + partition).batches()
    start = batches[-1].receive_time_us + SECOND
    quiet = [Stream(of, session="s99").quiet(start, start + 60 * SECOND) for of in (BINANCE, BYBIT)]
    batches += merged(*quiet)
    return [msgspec.structs.replace(batch, asset=ASSETS[partition]) for batch in batches]


def outgoing(batches: Sequence[TradeBatch]) -> list[Outgoing]:
    return [
        Outgoing(TRADES.name, b.asset.encode(), msgspec.json.encode(b), b.receive_time_us)
        for b in batches
    ]


async def plainly(directory: Path, batches: Sequence[TradeBatch]) -> Final:
    """Return the final records that the plain host makes of a log, on the embedded log."""
    async with await EmbeddedBus.open(directory, settings=EMBEDDED) as bus:
        await bus.send(outgoing(batches))
        host = BusHost(bus, ENGINE, HOST)
        await host.drain()
        await host.close()
    wanted, _ = await final_records(directory)
    assert len(wanted) > 100
    return wanted


class Tape:
    """The newest final records of some partitions on Kafka, as `final_records` has them."""

    def __init__(self, reader: Consumer) -> None:
        self._reader = reader
        self._seen: dict[tuple[object, ...], bytes | None] = {}
        self.found: Final = {}
        self.came_at: list[float] = []

    @classmethod
    async def open(cls, bus: KafkaBus, *partitions: int) -> "Tape":
        topics = [FOOTPRINTS.name, CVD.name]
        return cls(await bus.consumer(topics, partitions=partitions))

    async def read_on(self, seconds: float = 0.1) -> None:
        for record in await self._reader.poll(1000, seconds):
            kind = FootprintBar if record.topic == FOOTPRINTS.name else CvdStep
            value: Any = msgspec.json.decode(record.value or b"", type=kind)
            name = identity(value)
            assert self._seen.setdefault((*name, value.revision), record.value) == record.value
            if value.is_final:
                offset = value.revision % (1 << OFFSET_BITS)
                same = msgspec.json.encode(msgspec.structs.replace(value, revision=offset))
                self.found[name] = max(self.found.get(name, (-1, b"")), (offset, same))
            self.came_at.append(time.monotonic())

    async def until_more(self) -> None:
        """Wait until something comes."""
        count = len(self.came_at)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(self.came_at) == count:
                await self.read_on()

    async def until(self, wanted: Final) -> None:
        """Wait until the final records are these."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self.found != wanted and time.monotonic() < deadline:
            await self.read_on()
        assert self.found == wanted


@asynccontextmanager
async def hosted(
    name: str, bus: Any, settings: KafkaSettings = SETTINGS, **options: Any
) -> AsyncIterator[FaustHost]:
    """Run a host in this process; a host that fails ends the block, and its error is raised."""
    host, stop = FaustHost(name, settings, bus, ENGINE, HOST, **options), asyncio.Event()
    running, block = asyncio.create_task(host.run(stop)), asyncio.current_task()
    assert block is not None
    running.add_done_callback(lambda done: done.exception() and block.cancel())
    try:
        yield host
    finally:
        stop.set()
        await running


@asynccontextmanager
async def process(
    name: str, instance: str = "", failpoint: str = ""
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a host in a process of its own, which does not outlive the test."""
    started = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.kafka.faust_process", name, instance),
        cwd=ROOT,
        env={**os.environ, "PERPTAPE_FAILPOINT": failpoint},
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield started
    finally:
        if started.returncode is None:
            started.kill()
        await started.communicate()


async def ended(started: asyncio.subprocess.Process) -> tuple[int | None, str]:
    """Return the exit code of a process that ends, and what it said."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        _, said = await started.communicate()
    return started.returncode, said.decode()


async def committed(bus: KafkaBus, partition: int) -> int | None:
    reader = await bus.consumer([TRADES.name], group=GROUP, partitions=[partition])
    try:
        return await reader.committed(TRADES.name, partition)
    finally:
        await reader.close()


async def saved(bus: KafkaBus, partition: int) -> int:
    """Return the next offset after what the newest snapshot covers."""
    reader = await bus.consumer([SNAPSHOTS.name], partitions=[partition])
    heads = [-1]
    end = (await bus.end_offsets(SNAPSHOTS.name))[partition]
    while reader.position(SNAPSHOTS.name, partition) < end:
        for record in await reader.poll(1000, 1.0):
            if record.value and b"/" not in record.key:
                head = msgspec.json.decode(record.value, type=Snapshot)
                heads.append(head.offsets[TRADES.name])
    await reader.close()
    return max(heads) + 1


def held(metrics: Metrics) -> float | None:
    return metrics.registry.get_sample_value("perptape_processor_held_partitions")


def worked_off(metrics: Metrics, partition: int) -> float | None:
    name = "perptape_processor_records_total"
    return metrics.registry.get_sample_value(name, {"partition": str(partition)})


async def until_held(metrics: Metrics, count: int) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while held(metrics) != count:
            await asyncio.sleep(0.05)


async def test_the_records_are_those_of_the_plain_host_also_over_a_secured_listener(
    own: Cluster, name: str, bus: KafkaBus, tmp_path: Path
) -> None:
    log = log_of(0)
    wanted = await plainly(tmp_path, log)
    await bus.send(outgoing(log))
    secured = SETTINGS.model_copy(
        update={
            "security_protocol": "SASL_SSL",
            "ca_file": own.certificate,
            "sasl_mechanism": "SCRAM-SHA-256",
            "username": LOGIN[0],
            "password_file": tmp_path / "password",
        }
    )
    (tmp_path / "password").write_text(LOGIN[1])
    tape = await Tape.open(bus, 0)
    async with hosted(f"kafka://{own.secured_bootstrap}", bus, secured) as host:
        await tape.until(wanted)
    assert host.trades > 0
    assert await committed(bus, 0) == await saved(bus, 0) == len(log)


async def test_a_second_worker_comes_and_goes(name: str, bus: KafkaBus, tmp_path: Path) -> None:
    log = [*log_of(1), *log_of(2)]
    log.sort(key=lambda batch: batch.receive_time_us)
    wanted = await plainly(tmp_path, log)
    third = len(log) // 3
    metrics = Metrics()
    tape = await Tape.open(bus, 1, 2)
    async with hosted(name, bus, metrics=metrics.processor):
        await bus.send(outgoing(log[:third]))
        await tape.until_more()
        async with process(name) as other:
            await until_held(metrics, 6)
            await bus.send(outgoing(log[third : 2 * third]))
            await tape.until_more()
            other.terminate()
            await bus.send(outgoing(log[2 * third :]))
            assert await ended(other) == (0, "")
        await until_held(metrics, 12)
        await tape.until(wanted)
    await tape.read_on()
    assert tape.found == wanted


async def test_killed_at_every_failpoint_the_final_records_are_the_same(
    name: str, bus: KafkaBus, tmp_path: Path
) -> None:
    log = log_of(3)
    wanted = await plainly(tmp_path, log)
    await bus.send(outgoing(log))
    for failpoint in FAILPOINTS:
        async with process(name, "one", failpoint) as killed:
            code, said = await ended(killed)
        assert code == -signal.SIGKILL, said
        assert (await committed(bus, 3) or 0) <= await saved(bus, 3)
    tape = await Tape.open(bus, 3)
    async with process(name, "one") as last:
        await tape.until(wanted)
        last.terminate()
        assert await ended(last) == (0, "")
    assert await committed(bus, 3) == await saved(bus, 3) == len(log)


async def test_a_frozen_worker_ends_when_it_wakes_and_another_has_gone_on(
    name: str, bus: KafkaBus, tmp_path: Path
) -> None:
    log = log_of(4)
    wanted = await plainly(tmp_path, log)
    tape = await Tape.open(bus, 4)
    async with process(name) as frozen:
        await bus.send(outgoing(log[:100]))
        await tape.until_more()
        frozen.send_signal(signal.SIGSTOP)
        async with hosted(name, bus):
            await bus.send(outgoing(log[100:]))
            await tape.until(wanted)
            frozen.send_signal(signal.SIGCONT)
            code, said = await ended(frozen)
    assert code in {1, 70}, said
    assert "LeaseError" in said or "process_stands_still" in said
    await tape.read_on()
    assert tape.found == wanted
    assert await committed(bus, 4) == len(log)


async def test_a_record_that_breaks_an_operator_is_put_aside(
    name: str, bus: KafkaBus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = Stream(BINANCE, session="s9")
    row = stream.row(YESTERDAY + 69 * SECOND, 600_000, 77_777, BUY)
    poison = stream.batch(YESTERDAY + 70 * SECOND, [row], asset=ASSETS[5])
    log = log_of(5)
    place = len(log) // 2
    log.insert(place, poison)
    take = FootprintOperator.on_batch

    def on_batch(self: FootprintOperator, batch: Accepted, cause: Cause) -> list[Output]:
        outputs = take(self, batch, cause)
        if batch.block is not None and 77_777 in batch.block.qtys:
            raise ZeroDivisionError("a fault of ours")
        return outputs

    monkeypatch.setattr(FootprintOperator, "on_batch", on_batch)
    wanted = await plainly(tmp_path, log)
    await bus.send(outgoing(log))
    tape = await Tape.open(bus, 5)
    async with hosted(name, bus):
        await tape.until(wanted)
    reader = await bus.consumer([DEADLETTER.name])
    letters = [
        msgspec.json.decode(record.value or b"", type=DeadLetter)
        for record in await reader.poll(100, 5.0)
    ]
    assert [letter.origin for letter in letters] == [f"{TRADES.name}/5/{place}"]
    assert await committed(bus, 5) == len(log)


class Faulty:
    """A bus that sends bars so many times, and then does something else."""

    def __init__(self, bus: KafkaBus, good_sends: int) -> None:
        self._bus = bus
        self._left = good_sends
        self.epoch = bus.epoch
        self.consumer = bus.consumer
        self.end_offsets = bus.end_offsets

    async def send(self, records: Sequence[Outgoing]) -> list[int]:
        if any(record.topic == FOOTPRINTS.name for record in records):
            self._left -= 1
            if self._left < 0:
                await self.otherwise()
        return await self._bus.send(records)

    async def otherwise(self) -> None:
        raise BusError("no room on the log")


async def test_what_is_not_sent_ends_the_host_and_is_not_committed(
    name: str, bus: KafkaBus, tmp_path: Path
) -> None:
    log = log_of(6)
    wanted = await plainly(tmp_path, log)
    await bus.send(outgoing(log))
    host = FaustHost(name, SETTINGS, Faulty(bus, 4), ENGINE, HOST)  # type: ignore[arg-type]
    with pytest.raises(BusError, match="no room on the log"):
        async with asyncio.timeout(PATIENCE_SECONDS):
            await host.run(asyncio.Event())
    assert 0 < (await committed(bus, 6) or 0) <= await saved(bus, 6) < len(log)
    tape = await Tape.open(bus, 6)
    async with hosted(name, bus):
        await tape.until(wanted)


class Stuck(Faulty):
    """A bus whose send takes until it is let go of."""

    def __init__(self, bus: KafkaBus, good_sends: int) -> None:
        super().__init__(bus, good_sends)
        self.freed = asyncio.Event()

    async def otherwise(self) -> None:
        await self.freed.wait()


async def test_a_host_that_gets_nowhere_while_records_wait_ends_its_process(
    name: str, bus: KafkaBus, tmp_path: Path
) -> None:
    log = log_of(7)
    wanted = await plainly(tmp_path, log)
    await bus.send(outgoing(log))
    stuck = Stuck(bus, 2)
    exits: list[int] = []
    tape = await Tape.open(bus, 7)
    async with hosted(name, stuck, still_seconds=2.0, end=exits.append):
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not exits:
                await asyncio.sleep(0.1)
        stuck.freed.set()
        await tape.until(wanted)
    assert exits == [70]


async def forget(own: Cluster, partition: int, before: int) -> None:
    """Have retention remove records of the trades topic."""
    admin = AIOKafkaAdminClient(bootstrap_servers=own.bootstrap)
    await admin.start()
    try:
        place = TopicPartition(TRADES.name, partition)
        await admin.delete_records({place: RecordsToDelete(before)})
    finally:
        await admin.close()


async def test_what_retention_has_removed_is_passed_over(
    own: Cluster, name: str, bus: KafkaBus
) -> None:
    log = log_of(8)
    await bus.send(outgoing(log))
    await forget(own, 8, 100)
    metrics = Metrics()
    async with (
        hosted(name, bus, metrics=metrics.processor),
        asyncio.timeout(PATIENCE_SECONDS),
    ):
        while worked_off(metrics, 8) != len(log) - 100:
            await asyncio.sleep(0.05)
    assert await committed(bus, 8) == len(log)


async def test_a_host_that_has_nothing_to_do_goes_on(
    own: Cluster, name: str, bus: KafkaBus
) -> None:
    await bus.send(outgoing(log_of(9)[:10]))
    await forget(own, 9, 10)
    exits: list[int] = []
    metrics = Metrics()
    async with hosted(name, bus, metrics=metrics.processor, still_seconds=0.8, end=exits.append):
        await until_held(metrics, 12)
        await asyncio.sleep(2.0)
    assert exits == []


def test_a_loop_that_stands_still_ends_the_process() -> None:
    exits: list[int] = []
    watchdog = Watchdog(0.2, exits.append)
    watchdog.start()
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not exits and time.monotonic() < deadline:
        time.sleep(0.02)
    watchdog.stop()
    assert exits == [70]


async def test_a_host_that_is_stopped_before_it_has_begun_leaves(name: str, bus: KafkaBus) -> None:
    async with hosted(name, bus):
        await asyncio.sleep(0.1)


# What Faust does. Where one of these fails, it has changed, and a fence of ours may go.


async def test_faust_undoes_a_seek_drops_what_is_read_again_and_commits_what_failed(
    own: Cluster, tmp_path: Path
) -> None:
    topic, group = "faust-seeks", "faust-seeks"
    await create(own.bootstrap, topic)
    await write(own.bootstrap, topic, *[b"%d" % number for number in range(100)])
    place = TopicPartition(topic, 0)
    client = AIOKafkaConsumer(
        bootstrap_servers=own.bootstrap, group_id=group, enable_auto_commit=False
    )
    await client.start()
    client.assign([place])
    await client.commit({place: 10})
    seen: list[int] = []
    app = faust.App(
        group,
        env={},
        autodiscover=False,
        broker=f"kafka://{own.bootstrap}",
        broker_commit_interval=0.2,
        datadir=tmp_path,
        table_standby_replicas=0,
        topic_allow_declare=False,
        topic_disable_leader=True,
        value_serializer="raw",
        web_enabled=False,
    )

    @app.on_partitions_assigned.connect  # type: ignore[arg-type]  # its type forbids names
    async def on_assigned(app: Any, assigned: Any, **_: Any) -> None:
        for one in assigned:
            await app.consumer.seek(one, 60)

    @app.agent(app.topic(topic, value_type=bytes))
    async def agent(stream: Any) -> None:
        async for event in stream.events():
            seen.append(event.message.offset)
            if event.message.offset == 20:
                await app.consumer.seek(event.message.tp, 5)
            if event.message.offset == 30:
                raise ZeroDivisionError("a fault of ours")

    running = asyncio.create_task(app.start())
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while await client.committed(place) != 100:
                await asyncio.sleep(0.1)
    finally:
        await app.stop()
        await asyncio.gather(running, return_exceptions=True)
        await client.stop()

    assert seen[0] == 10  # and not 60: it seeks to what is committed after it told of partitions
    assert seen[:80] == list(range(10, 90))  # 21 comes after 20, where 5 was sought
    assert min(seen[80:]) > 20  # and 5 to 20 never come again
    assert seen.count(30) == 1  # it failed, and it was committed
