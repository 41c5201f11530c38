"""Fixtures of real Kafka brokers; a folder of tests imports those it uses into its conftest.

    from tests.kafka.broker import kafka  # noqa: F401

Where a machine cannot run a broker, the tests that ask for one are skipped with the reason; with
`PERPTAPE_REQUIRE_KAFKA=1` they fail instead. With `PERPTAPE_TEST_KAFKA=host:port` the fixture
`kafka` is a broker that runs already; its topics should be those of tests.
"""

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy.kafka import Cluster, KafkaUnavailable, fetch_libraries, find_java
from deploy.kafka.metadata import known_brokers

ADDRESS, REQUIRE = "PERPTAPE_TEST_KAFKA", "PERPTAPE_REQUIRE_KAFKA"

KEEP = {
    "log.initial.task.delay.ms": "86400000",
    "log.retention.check.interval.ms": "86400000",
}
"""Retention goes by the times in the records, and those of tests are of any year."""

# Kept in the session's configuration, and not in the fixtures: pytest makes a fixture that is
# imported into two folders twice.
_RUNNING = pytest.StashKey[dict[int, Cluster]]()


def needs_kafka() -> None:
    """Skip the test, or fail it where Kafka is required, unless brokers can be started here."""
    try:
        find_java()
        fetch_libraries()
    except KafkaUnavailable as missing:
        reason = str(missing)
    else:
        return
    without_kafka(reason, required=os.environ.get(REQUIRE) == "1")


def without_kafka(reason: str, *, required: bool) -> None:
    """Skip the test, or fail it where Kafka is required."""
    message = f"no Kafka: {reason} ({ADDRESS}=host:port uses a running broker)"
    if required:
        pytest.fail(message, pytrace=False)
    pytest.skip(message)


@pytest.fixture(scope="session")
def kafka(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the address of one broker, which all tests of the session share."""
    address = os.environ.get(ADDRESS)
    if not address:
        return _running(request.config, tmp_path_factory, brokers=1).bootstrap
    with contextlib.suppress(OSError, ValueError):
        known_brokers(address, timeout_seconds=10.0)
        return address
    pytest.fail(f"{ADDRESS}={address}: no Kafka answers there", pytrace=False)


@pytest.fixture(scope="session")
def kafka3(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Cluster:
    """Three brokers, which the tests of the session share.

    A test that stops, kills or pauses some asks for `fragile_kafka3` instead.
    """
    return _running(request.config, tmp_path_factory, brokers=3)


@pytest.fixture
def fragile_kafka3(kafka3: Cluster) -> Iterator[Cluster]:
    """Three brokers that are made whole after the test, whatever it did to them."""
    yield kafka3
    kafka3.start()


@pytest.fixture
def make_kafka(tmp_path: Path) -> Iterator[Callable[..., Cluster]]:
    """Return a function that starts a cluster of the test's own; it takes `Cluster`'s options."""
    needs_kafka()
    made: list[Cluster] = []

    def make(data: Path | None = None, **options: object) -> Cluster:
        cluster = Cluster(data or tmp_path / f"kafka-{len(made)}", **options)  # type: ignore[arg-type]
        made.append(cluster)
        cluster.start()
        return cluster

    yield make
    for cluster in made:
        cluster.stop(patience_seconds=0)


def _running(config: pytest.Config, folders: pytest.TempPathFactory, *, brokers: int) -> Cluster:
    """Return the session's cluster of that size, which ends with the session."""
    running = config.stash.setdefault(_RUNNING, {})
    if brokers not in running:
        needs_kafka()
        cluster = Cluster(folders.mktemp("kafka"), brokers=brokers, properties=KEEP)
        cluster.start()
        config.add_cleanup(lambda: cluster.stop(patience_seconds=0))
        running[brokers] = cluster
    return running[brokers]
