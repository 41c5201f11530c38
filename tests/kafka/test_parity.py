"""One log through every host: the same final records in every topic, the same final tables."""

import asyncio
import sys
import time
from collections.abc import Callable

import pytest

from deploy.kafka import Cluster
from runtime.bus.kafka.bus import KafkaBus
from schemas.topics import CVD, DEADLETTER, FOOTPRINTS, QUALITY
from tests.captures import needs_captures
from tests.kafka.finals import EXACT, Finals, assert_equal, read_finals
from tests.kafka.logs import ASSETS, has_recordings, input_log, recorded
from tests.kafka.services import (
    BROKER,
    INTERRUPTED,
    PATIENT,
    PROCESSORS,
    SETTINGS,
    SINK,
    desk,
    environment,
    feed,
    fresh_topics,
    lag_of,
    work_off,
)
from tests.kafka.undisturbed import undisturbed

HOSTS = (("plain", 1), ("faust", 1), ("faust", 3))


@needs_captures
def test_the_log_has_real_recordings_in_it() -> None:
    assert len(recorded()) > 2_000


async def test_embedded_plain_and_faust_hosts_end_the_same(
    make_kafka: Callable[..., Cluster], tmp_path_factory: pytest.TempPathFactory
) -> None:
    wanted = await undisturbed(tmp_path_factory.mktemp("undisturbed"), toolkit=True)
    assert_rich(wanted)
    say(f"embedded: {dict(wanted.records)}, rows {dict(wanted.rows)}")
    cluster = await asyncio.to_thread(make_kafka, properties=BROKER)
    for host, workers in HOSTS:
        started = time.monotonic()
        found = await run(cluster.bootstrap, tmp_path_factory, host, workers)
        assert_equal(found, wanted, EXACT)
        assert not found.repeated[FOOTPRINTS.name], "nobody was killed"
        say(f"{workers} x {host}: equal; {dict(found.records)}, {time.monotonic() - started:.0f} s")
    for name, hashed in wanted.hashes(EXACT).items():
        say(f"{name}: {hashed}")


def assert_rich(finals: Finals) -> None:
    """Assert that there is something to compare: late trades, gaps, several assets."""
    topics = finals.topics[EXACT]
    assets = {identity[0] for identity in topics[FOOTPRINTS.name]}
    assert assets == {*ASSETS, *(["BTC"] if has_recordings() else [])}
    assert len(topics[CVD.name]) > 500
    assert len(topics[QUALITY.name]) > 300
    assert not topics[DEADLETTER.name]
    assert all(rows > 0 for rows in finals.rows.values()), finals.rows


async def run(address: str, folders: pytest.TempPathFactory, host: str, workers: int) -> Finals:
    """Work the log off on fresh topics and return what is there in the end."""
    bus_name = await fresh_topics(address)
    async with (
        await KafkaBus.open(bus_name, SETTINGS) as bus,
        desk(folders.mktemp(f"{host}-{workers}"), bus_name, PATIENT, toolkit=True) as at,
    ):
        await feed(bus, await asyncio.to_thread(input_log))
        running = [at.worker(f"worker-{number}", host).start() for number in range(workers)]
        await work_off(bus, running)
        found = await read_finals(bus, bus_name, at.store, environment(bus_name))
        assert at.restarts == 0
        assert all(one.ended == [INTERRUPTED] for one in running)
        assert await lag_of(bus, PROCESSORS) == await lag_of(bus, SINK) == 0
        return found


def say(text: str) -> None:
    """Print a figure of a run; shown with `-s`."""
    sys.stdout.write(f"{text}\n")
