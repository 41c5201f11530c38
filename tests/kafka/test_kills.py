"""Whatever is killed, frozen or taken away: final records and tables are the undisturbed ones."""

import asyncio
import random
import sys
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from itertools import count

import pytest

from deploy.kafka import Cluster
from tests.kafka.finals import EXACT, VALUES, assert_equal
from tests.kafka.services import BROKER, ENDED, INTERRUPTED, SETTINGS
from tests.kafka.trouble import SINK_POINTS, WORKER_POINTS, Trouble, distribution, trouble
from tests.kafka.undisturbed import undisturbed

THREE = SETTINGS.model_copy(update={"replication": 3, "min_insync_replicas": 2})
KILLS, KILLS_IN_A_ROUND = 100, 17
MOST_WORKERS = 3


async def test_workers_and_sink_killed_at_every_step_change_nothing(
    make_kafka: Callable[..., Cluster], tmp_path_factory: pytest.TempPathFactory
) -> None:
    wanted = await undisturbed(tmp_path_factory.mktemp("undisturbed"))
    cluster = await asyncio.to_thread(make_kafka, properties=BROKER)
    async with trouble(cluster, tmp_path_factory.mktemp("killed"), 1, "faust", 100.0) as at:
        first, second = at.workers
        await asyncio.gather(
            at.kill_at(first, [at.point(name) for name in WORKER_POINTS]),
            at.kill_at(at.sink, [at.point(name) for name in SINK_POINTS]),
        )
        at.add_worker("faust")
        await at.recover("join")
        assert await second.stop() == INTERRUPTED
        await at.recover("leave")
        await asyncio.gather(at.kill(at.sink), at.kill(first))
        *_, busy = await at.busy()
        await asyncio.gather(at.freeze(busy), at.freeze(at.sink))
        found = await at.finish()
    say(*at.figures(found))
    assert_equal(found, wanted, EXACT)


async def test_a_collector_and_one_of_three_brokers_killed_lose_nothing(
    make_kafka: Callable[..., Cluster], tmp_path_factory: pytest.TempPathFactory
) -> None:
    wanted = await undisturbed(tmp_path_factory.mktemp("undisturbed"))
    cluster = await asyncio.to_thread(make_kafka, brokers=3, properties=BROKER)
    folder = tmp_path_factory.mktemp("three")
    async with trouble(cluster, folder, 2, "faust", 60.0, settings=THREE) as at:
        await at.kill(at.feeder)
        await at.kill_coordinator()
        await at.kill(at.feeder)
        found = await at.finish()
    say(*at.figures(found))
    assert_equal(found, wanted, VALUES)


@pytest.mark.long
async def test_a_hundred_random_kills_lose_nothing_and_count_nothing_twice(
    make_kafka: Callable[..., Cluster], tmp_path_factory: pytest.TempPathFactory
) -> None:
    wanted = await undisturbed(tmp_path_factory.mktemp("undisturbed"), toolkit=True)
    kills: Counter[str] = Counter()
    seconds: dict[str, list[float]] = defaultdict(list)
    again: Counter[str] = Counter()
    cluster = await asyncio.to_thread(make_kafka, properties=BROKER)
    for seed in count(1):
        chance = random.Random(seed)
        host = "plain" if seed % 3 == 0 else "faust"
        static = chance.choice([(True, True), (True, False), (False, False)])
        folder = tmp_path_factory.mktemp(f"seed-{seed}")
        async with trouble(cluster, folder, seed, host, 300.0, static=static, toolkit=True) as at:
            while sum(at.kills.values()) < KILLS_IN_A_ROUND and at.loaded:
                await happen(at)
            found = await at.finish()
        say(f"seed {seed}, {host}", *at.figures(found))
        assert_equal(found, wanted, VALUES)
        lost_or_double = found.rows["trades"] - wanted.rows["trades"]
        assert not lost_or_double
        kills += at.kills
        again += found.repeated
        for kind, took in at.seconds.items():
            seconds[kind] += took
        if sum(n for kind, n in kills.items() if not kind.startswith("frozen")) >= KILLS:
            break
    say(f"in all: {sum(kills.values())}, {dict(kills)}", *distribution(seconds))
    say(f"records that came again: {dict(again)}; trades lost 0, double 0")


async def happen(at: Trouble) -> None:
    """Let something happen at a random moment."""
    await asyncio.sleep(at.chance.random() * 1.5)
    (what,) = at.chance.choices(list(CHANCES), list(CHANCES.values()))
    await what(at)


async def kill_worker(at: Trouble) -> None:
    await at.kill(await at.any_worker(), recover=at.chance.random() < 0.8)


async def kill_sink(at: Trouble) -> None:
    await at.kill(at.sink, recover=at.chance.random() < 0.8)


async def kill_feeder(at: Trouble) -> None:
    await at.kill(at.feeder, recover=at.chance.random() < 0.8)


async def kill_broker(at: Trouble) -> None:
    await at.kill_broker()


async def restart_broker(at: Trouble) -> None:
    await at.restart_broker(1)


async def kill_worker_at_a_step(at: Trouble) -> None:
    await at.kill_at_or_so(await at.any_worker(), at.point(at.chance.choice(WORKER_POINTS)))


async def kill_sink_at_a_step(at: Trouble) -> None:
    await at.kill_at_or_so(at.sink, at.point(at.chance.choice(SINK_POINTS)))


async def kill_everything(at: Trouble) -> None:
    for service in (at.feeder, at.sink, *at.workers):
        await at.kill(service, recover=False)
    await at.recover("everything")


async def freeze_worker(at: Trouble) -> None:
    await at.freeze(await at.any_worker())


async def freeze_sink(at: Trouble) -> None:
    await at.freeze(at.sink)


async def a_worker_comes_or_goes(at: Trouble) -> None:
    worker = await at.any_worker()
    if len(at.workers) == 1 or (at.chance.random() < 0.5 and len(at.workers) < MOST_WORKERS):
        at.add_worker(worker.arguments[-1])
        await at.recover("join")
    else:
        assert await worker.stop() in ENDED, worker.tail()
        await at.recover("leave")


CHANCES: dict[Callable[[Trouble], Awaitable[None]], int] = {
    kill_worker: 8,
    kill_sink: 4,
    kill_feeder: 3,
    kill_broker: 2,
    restart_broker: 1,
    kill_worker_at_a_step: 4,
    kill_sink_at_a_step: 3,
    kill_everything: 1,
    freeze_worker: 1,
    freeze_sink: 1,
    a_worker_comes_or_goes: 2,
}
"""What happens in the long run, and how often beside the rest."""


def say(*lines: str) -> None:
    """Print figures; shown with `-s`."""
    sys.stdout.write("".join(f"{line}\n" for line in lines))
