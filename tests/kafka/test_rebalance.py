"""A worker joins or restarts under load: how long there is no output; nothing lost or twice."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from itertools import pairwise

import pytest

from deploy.kafka import Cluster
from deploy.kafka.ports import free_ports
from runtime.bus.protocol import Bus
from schemas.topics import CVD, FOOTPRINTS
from tests.kafka.finals import EXACT, assert_equal
from tests.kafka.scrape import scrape, total
from tests.kafka.services import BROKER, INTERRUPTED, PATIENT, until
from tests.kafka.trouble import LAG, trouble
from tests.kafka.undisturbed import undisturbed

REBALANCES = "perptape_processor_rebalances_total"
HELD = "perptape_processor_held_partitions"
LOAD_SECONDS, STEADY_SECONDS = 100.0, 3.0
WAITING_SECONDS = PATIENT.session_seconds / 2
"""Who waits for a member that is away waits longer; what a pause takes is printed."""


class Watch:
    """When outputs came, by partition."""

    def __init__(self, fed: list[int]) -> None:
        self.fed = fed
        self.times: dict[int, list[float]] = {number: [] for number in fed}

    def gap(self, since: float, numbers: list[int] | None = None) -> float:
        """Return the longest time without output of one of these partitions, to the last output."""
        longest = 0.0
        for number in self.fed if numbers is None else numbers:
            times = [since, *(at for at in self.times[number] if at > since)]
            gaps = [after - before for before, after in pairwise(times)]
            longest = max([longest, *gaps])
        return longest

    def flows(self, since: float) -> bool:
        """Say whether every partition has had an output."""
        return all(times and times[-1] > since for times in self.times.values())

    async def steady(self, seconds: float = STEADY_SECONDS) -> None:
        """Let it go on for a while, until every partition has had an output at the end of it."""
        await asyncio.sleep(seconds)
        now = time.monotonic()
        await until(lambda: self.flows(now), "all partitions have outputs")


@asynccontextmanager
async def watching(bus: Bus, fed: list[int]) -> AsyncIterator[Watch]:
    """Note when outputs come."""
    watch = Watch(fed)
    consumer = await bus.consumer([FOOTPRINTS.name, CVD.name], partitions=fed)
    for topic in (FOOTPRINTS.name, CVD.name):
        for number, end in enumerate(await bus.end_offsets(topic)):
            if number in fed:
                consumer.seek(topic, number, end)

    async def note() -> None:
        while True:
            for record in await consumer.poll(1000, 0.5):
                watch.times[record.partition].append(time.monotonic())

    noting = asyncio.create_task(note())
    try:
        yield watch
    finally:
        noting.cancel()
        await asyncio.gather(noting, return_exceptions=True)
        await consumer.close()


@pytest.mark.parametrize("host", ["plain", "faust"])
async def test_a_worker_joins_and_restarts_under_load(
    make_kafka: Callable[..., Cluster], tmp_path_factory: pytest.TempPathFactory, host: str
) -> None:
    wanted = await undisturbed(tmp_path_factory.mktemp("undisturbed"))
    cluster = await asyncio.to_thread(make_kafka, properties=BROKER)
    ports = free_ports(2)
    folder = tmp_path_factory.mktemp(host)
    async with trouble(
        *(cluster, folder, 1, host, LOAD_SECONDS), static=(), settings=PATIENT, sink=False
    ) as at:
        first, second = (
            at.at.worker(f"worker-{number}", host, static=True, port=port)
            for number, port in enumerate(ports)
        )
        first.start()
        await at.recover("start")
        async with watching(at.bus, at.fed) as watch:
            began = time.monotonic()
            await watch.steady()
            usual = watch.gap(began)

            joined = time.monotonic()
            second.start()
            await until(partial(holds, ports[1], 6), "half of the partitions move")
            await watch.steady()
            assert await holds(ports[0], 6)
            join = watch.gap(joined)
            kept = await fed_to(ports[0], at.fed)

            before, restarted = await total(ports[0], REBALANCES), time.monotonic()
            assert await second.stop() == INTERRUPTED, second.tail()
            stopped = time.monotonic()
            second.start()
            await until(partial(holds, ports[1], 6), "it has its partitions again")
            took = time.monotonic() - stopped
            await watch.steady()
            assert await total(ports[0], REBALANCES) == before, "nothing moved"
            restart = watch.gap(restarted)
            meanwhile = watch.gap(restarted, kept)
            assert at.loaded, "there was load all the time"
        found = await at.finish()
    say(
        f"{host}: longest time without output of a partition: usually {usual:.2f} s,"
        f" when a second worker joins {join:.2f} s; when it restarts as a static member"
        f" (within {took:.1f} s) {restart:.2f} s, of the other's partitions {meanwhile:.2f} s;"
        f" outputs that came again: {dict(found.repeated)}"
    )
    assert join < WAITING_SECONDS
    assert meanwhile < WAITING_SECONDS, "who stays goes on"
    assert_equal(found, wanted, EXACT)


async def fed_to(port: int, fed: list[int]) -> list[int]:
    """Return the partitions of a worker that are fed, which it shows within seconds."""
    found: list[int] = []

    async def shown() -> bool:
        labels = (await asyncio.to_thread(scrape, port))[LAG]
        numbers = {int(dict(label)["partition"]) for label in labels}
        found[:] = sorted(numbers & set(fed))
        return len(numbers) == 6

    await until(shown, "it shows its partitions")
    return found


async def holds(port: int, partitions: int) -> bool:
    """Say whether a worker has so many partitions."""
    return await total(port, HELD) == partitions


def say(text: str) -> None:
    """Print a figure; shown with `-s`."""
    sys.stdout.write(f"{text}\n")
