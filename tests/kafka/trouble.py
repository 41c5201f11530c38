"""A desk under load that things happen to, and how long it takes until all flows again."""

import asyncio
import random
import signal
import statistics
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient

from deploy.kafka import Cluster
from deploy.kafka.ports import free_ports
from runtime.bus.kafka.bus import KafkaBus
from runtime.bus.kafka.consumer import KafkaConsumer
from runtime.bus.kafka.settings import KafkaSettings, brokers_of
from runtime.bus.protocol import Bus
from schemas.topics import CVD, FOOTPRINTS, INSTRUMENTS, PARTITIONS, TRADES, partition_of
from tests.kafka.finals import Finals, read_all, read_finals
from tests.kafka.logs import input_log, write_log
from tests.kafka.scrape import scrape
from tests.kafka.services import (
    ENDED,
    PROCESSORS,
    PYTHON,
    SETTINGS,
    SINK,
    Desk,
    Service,
    desk,
    environment,
    fresh_topics,
    lag_of,
    until,
    work_off,
)

WORKER_POINTS = ("after_outputs", "after_parts", "after_snapshot", "before_commit", "after_commit")
SINK_POINTS = ("sink_before_insert", "sink_after_insert", "sink_before_commit")
FEEDER_POINTS = (
    *("spool_before_write", "spool_after_write", "spool_after_commit", "spool_before_delete"),
)
OFTEN = {"after_outputs": 40, "sink_before_insert": 6, "sink_after_insert": 6}
"""How far into a life a failpoint may lie that is passed all the time; 2 for the others."""

RARELY_SECONDS = 30.0
LAG = "perptape_processor_lag_records"
FROZEN_SECONDS = 9.0
"""Beyond the session time of 6 s, and what the group takes to notice."""


@dataclass
class Trouble:
    """What happens to a desk, from one seed.

    Args:
        cluster: the brokers.
        bus: their log, for looking at it.
        at: the services: a feeder, workers and a sink.
        chance: decides what happens when.
        committed: shows how far the sink has acknowledged.
        fed: the partitions that have something.
    """

    cluster: Cluster
    bus: KafkaBus
    at: Desk
    chance: random.Random
    committed: KafkaConsumer
    fed: list[int]
    ports: dict[str, int] = field(default_factory=dict)
    input_again: int = 0
    kills: Counter[str] = field(default_factory=Counter)
    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    @property
    def feeder(self) -> Service:
        """The process that stands for a collector."""
        return self.at.services["feeder"]

    @property
    def sink(self) -> Service:
        """The process that fills the store."""
        return self.at.services["sink"]

    @property
    def workers(self) -> list[Service]:
        """The processors that are meant to run."""
        services = self.at.services.values()
        return [one for one in services if one.name.startswith("worker") and one.wanted]

    def add_worker(self, host: str, *, static: bool = False) -> Service:
        """Start one more worker."""
        (port,) = free_ports(1)
        worker = self.at.worker(f"worker-{len(self.ports)}", host, static=static, port=port)
        self.ports[worker.name] = port
        return worker.start()

    async def busy(self) -> list[Service]:
        """Return the workers that have partitions which are fed; all where nobody says so."""
        busy = [worker for worker in self.workers if await self._fed_to(worker)]
        return busy or self.workers

    async def _fed_to(self, worker: Service) -> bool:
        """Say whether a worker has shown that it has a partition that is fed, as it soon does."""
        try:
            found = await asyncio.to_thread(scrape, self.ports[worker.name])
        except OSError:
            return False
        return any(int(dict(labels)["partition"]) in self.fed for labels in found[LAG])

    async def any_worker(self) -> Service:
        """Return one of the workers that have something to do, at random."""
        return self.chance.choice(await self.busy())

    @property
    def loaded(self) -> bool:
        """Whether the feeder still has something to send."""
        return self.feeder.wanted

    # --- what happens

    async def kill(self, service: Service, *, recover: bool = True) -> None:
        """Kill a service at once; the supervisor restarts it."""
        kind = self.kind_of(service)
        service.kill()
        self.kills[kind] += 1
        if recover:
            await self.recover(kind)

    async def kill_at(self, service: Service, points: Sequence[str], seconds: float = 90.0) -> None:
        """Have a service killed at a named step in each of its next lives.

        Raises:
            AssertionError: it does not come to such a step in time.
        """
        before = service.killed
        service.failpoints.extend(points)
        service.send(signal.SIGTERM)
        what = f"{service.name} is killed at {', '.join(points)}"
        await until(lambda: service.killed >= before + len(points), what, seconds)
        for point in points:
            self.kills[point.partition(":")[0]] += 1

    async def kill_at_or_so(self, service: Service, point: str) -> None:
        """Have a service killed at a named step, or anywhere if it does not come to it.

        That is so where it has no partitions that are fed.
        """
        try:
            await self.kill_at(service, [point], RARELY_SECONDS)
        except AssertionError:
            service.failpoints.clear()
            await self.kill(service)

    def point(self, name: str) -> str:
        """Return a failpoint at one of the first times that it is passed."""
        return f"{name}:{self.chance.randint(1, OFTEN.get(name, 2))}"

    async def freeze(self, service: Service) -> None:
        """Let a service stand still for longer than a member of a group may, and wake it.

        Where there are other workers, all flows again before that: its partitions have moved.
        """
        kind = self.kind_of(service)
        started = asyncio.get_running_loop().time()
        service.send(signal.SIGSTOP)
        self.kills[f"frozen {kind}"] += 1
        if service in self.workers and len(self.workers) > 1:
            await self.recover(f"frozen {kind}")
        passed = asyncio.get_running_loop().time() - started
        await asyncio.sleep(max(0.0, FROZEN_SECONDS - passed))
        service.send(signal.SIGCONT)
        await self.recover(f"woken {kind}")

    async def kill_broker(self) -> None:
        """Kill the only broker and bring it back."""
        started = asyncio.get_running_loop().time()
        self.cluster.kill(1)
        self.kills["broker"] += 1
        await asyncio.sleep(self.chance.random() * 3.0)
        await asyncio.to_thread(self.cluster.start, 1)
        await self.recover("broker", started)

    async def kill_coordinator(self) -> None:
        """Kill that of several brokers which coordinates the processors, and bring it back later.

        It leads partitions as well: of what was sent, two others have a copy.
        """
        number = await coordinator_of(self.at.bus, PROCESSORS)
        self.cluster.kill(number)
        self.kills["coordinator"] += 1
        await self.recover("coordinator")
        await asyncio.to_thread(self.cluster.start, number)

    async def restart_broker(self, number: int) -> None:
        """Restart a broker in an orderly way."""
        started = asyncio.get_running_loop().time()
        await asyncio.to_thread(self.cluster.restart, number)
        await self.recover("broker restarted", started)

    @staticmethod
    def kind_of(service: Service) -> str:
        """Return what a service is, of which there may be several."""
        return service.name.partition("-")[0]

    # --- how it recovers

    async def recover(self, kind: str, since: float | None = None) -> None:
        """Wait until all flows again, and keep how long it took."""
        if self.loaded:
            started = asyncio.get_running_loop().time() if since is None else since
            flows = self._stored if kind.endswith("sink") else self._outputs
            before = await self._patiently(flows)

            async def all_flow() -> bool:
                return not self.loaded or all(
                    now > was for now, was in zip(await flows(), before, strict=True)
                )

            await until(all_flow, f"all flows again after {kind} ({self.states()})", 90.0)
            if self.loaded:
                self.seconds[kind].append(asyncio.get_running_loop().time() - started)

    async def _patiently(self, flows: Callable[[], Awaitable[list[int]]]) -> list[int]:
        found: list[int] = []

        async def answered() -> bool:
            found[:] = await flows()
            return True

        await until(answered, "the log answers")
        return found

    async def _outputs(self) -> list[int]:
        """Return how many outputs there are of each asset's partition."""
        bars, steps = [await self.bus.end_offsets(topic.name) for topic in (FOOTPRINTS, CVD)]
        return [bars[number] + steps[number] for number in self.fed]

    async def _stored(self) -> list[int]:
        """Return how far the sink has acknowledged them, over all."""
        total = 0
        for number in self.fed:
            total += await self.committed.committed(CVD.name, number) or 0
        return [total]

    def states(self) -> str:
        """Describe how the services are."""
        return ", ".join(
            f"{name} {'runs' if service.runs else 'is down'} {service.ended}"
            for name, service in self.at.services.items()
        )

    # --- how it ends

    async def finish(self) -> Finals:
        """Send the rest at once, have everything worked off and stored; return what there is."""
        (self.at.folder / "feeder" / "hurry").touch()
        await until(lambda: not self.feeder.wanted, f"the feeder ends; {self.feeder.tail()}", 90.0)
        self.input_again = await assert_fed(self.bus)
        await until(self._all_run, f"everything runs ({self.states()})")
        await work_off(self.bus, self.workers)
        if "sink" not in self.at.services:
            return await read_finals(self.bus, self.at.bus, None)
        assert await self.sink.stop() in ENDED, self.sink.tail()
        told = environment(self.at.bus, self.at.settings)
        found = await read_finals(self.bus, self.at.bus, self.at.store, told)
        assert await lag_of(self.bus, SINK) == 0
        return found

    def _all_run(self) -> bool:
        return all(service.runs for service in self.at.services.values() if service.wanted)

    def figures(self, found: Finals) -> list[str]:
        """Describe what happened and what came of it."""
        kills = sum(n for kind, n in self.kills.items() if not kind.startswith("frozen"))
        return [
            f"{kills} kills: {dict(self.kills.most_common())}",
            f"restarts {self.at.restarts}; "
            + "; ".join(f"{one.name} {Counter(one.ended)}" for one in self.at.services.values()),
            f"input records there twice: {self.input_again}; outputs {dict(found.records)},"
            f" of which came again {dict(found.repeated)}",
            *distribution(self.seconds),
        ]


async def assert_fed(bus: Bus) -> int:
    """Assert that the log has every record of the input, in order: none missing, none overtaken.

    Returns how many are there twice.
    """
    again = 0
    for topic in (TRADES.name, INSTRUMENTS.name):
        there: dict[int, dict[bytes, None]] = defaultdict(dict)
        for record in await read_all(bus, topic):
            again += (record.value or b"") in there[record.partition]
            there[record.partition].setdefault(record.value or b"", None)
        wanted: dict[int, list[bytes]] = defaultdict(list)
        for given in input_log():
            if given.topic == topic:
                wanted[partition_of(given.key, PARTITIONS)].append(given.value or b"")
        for number, values in wanted.items():
            assert list(there[number]) == values, f"{topic} {number}"
    return again


async def coordinator_of(bus: str, group: str) -> int:
    """Return the broker that coordinates a group."""
    client = AIOKafkaAdminClient(bootstrap_servers=brokers_of(bus))
    await client.start()
    try:
        return int(await client.find_coordinator(group))
    finally:
        await client.close()


@asynccontextmanager
async def trouble(
    cluster: Cluster,
    folder: Path,
    seed: int,
    host: str,
    seconds: float,
    *,
    static: Sequence[bool] = (True, False),
    settings: KafkaSettings = SETTINGS,
    sink: bool = True,
    toolkit: bool = False,
) -> AsyncIterator[Trouble]:
    """Run a desk under load: a feeder, workers and a sink; wait until all flows.

    Args:
        cluster: the brokers.
        folder: where everything is.
        seed: of the chance.
        host: of the workers.
        seconds: over which the log is spread.
        static: whether each worker is a static member; the sink is one if all are.
        settings: of Kafka.
        sink: whether there is one.
        toolkit: whether workers run all operators.
    """
    name = await fresh_topics(cluster.bootstrap, settings)
    await asyncio.to_thread(write_log, folder / "log")
    fed = {partition_of(one.key, PARTITIONS) for one in input_log() if one.topic == TRADES.name}
    async with (
        await KafkaBus.open(name, settings) as bus,
        desk(folder, name, settings, toolkit=toolkit) as at,
    ):
        committed = await bus.consumer([CVD.name], group=SINK, partitions=sorted(fed))
        arguments = ["tests.kafka.feeder_process", str(folder / "log"), str(folder / "feeder")]
        at.add("feeder", [*arguments, str(seconds)], program=PYTHON, ends=True)
        if sink:
            at.sink(static=all(static))
        for service in at.services.values():
            service.start()
        made = Trouble(cluster, bus, at, random.Random(seed), committed, sorted(fed))
        for known in static:
            made.add_worker(host, static=known)
        if static:
            await made.recover("start")
        yield made


def distribution(seconds: dict[str, list[float]]) -> list[str]:
    """Describe how long it took until all flowed again."""
    return [
        f"until all flows after {kind}: {len(took)} times, median {statistics.median(took):.1f} s,"
        f" longest {max(took):.1f} s"
        for kind, took in sorted(seconds.items())
    ]
