"""Real brokers start, break and come back; one that does not come up says why."""

import asyncio
import os
import signal
import socket
import ssl
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError

from deploy.kafka import BrokerError, Cluster
from deploy.kafka.metadata import known_brokers
from runtime.errors import ConfigurationError
from tests.kafka.broker import needs_kafka
from tests.kafka.clients import create, read, write

ROOT = Path(__file__).parents[2]
LOGIN = ("tape", "not-a-secret")
PATIENCE_SECONDS = 120.0


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One broker that tests of this file may break, with a login and TLS."""
    needs_kafka()
    cluster = Cluster(tmp_path_factory.mktemp("own"), sasl=LOGIN, tls=True)
    cluster.start()
    yield cluster
    cluster.stop(patience_seconds=0)


@pytest.fixture
def topic() -> str:
    return f"test-{uuid.uuid4().hex}"


async def test_what_is_written_is_read(kafka: str, topic: str) -> None:
    await create(kafka, topic)
    await write(kafka, topic, b"one", b"two")
    assert await read(kafka, topic, 2) == [b"one", b"two"]


async def test_a_killed_broker_comes_back_with_its_data(own: Cluster, topic: str) -> None:
    await create(own.bootstrap, topic)
    await write(own.bootstrap, topic, b"kept")
    before = own.pid(1)
    own.kill(1)
    with pytest.raises(BrokerError):
        own.check()
    await asyncio.to_thread(own.start, 1)
    assert own.pid(1) != before
    assert await read(own.bootstrap, topic, 1) == [b"kept"]


def test_a_paused_broker_answers_when_it_goes_on(own: Cluster) -> None:
    own.pause(1)
    with pytest.raises(TimeoutError):
        known_brokers(own.bootstrap, timeout_seconds=0.3)
    own.resume(1)
    assert known_brokers(own.bootstrap, PATIENCE_SECONDS) == {1}


async def test_three_brokers_lose_one_and_go_on(fragile_kafka3: Cluster, topic: str) -> None:
    three = fragile_kafka3
    await create(three.bootstrap, topic, copies=3)
    await write(three.bootstrap, topic, b"of three")
    three.kill(1)
    await write(three.bootstrap, topic, b"of two")
    assert await read(three.bootstrap, topic, 2) == [b"of three", b"of two"]
    await asyncio.to_thread(three.start, 1)
    assert known_brokers(three.address(1)) == {1, 2, 3}


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256"])
async def test_a_secured_listener_asks_for_a_login(
    own: Cluster, topic: str, mechanism: str
) -> None:
    login: dict[str, Any] = {
        "security_protocol": "SASL_SSL",
        "ssl_context": ssl.create_default_context(cafile=str(own.certificate)),
        "sasl_mechanism": mechanism,
        "sasl_plain_username": LOGIN[0],
        "sasl_plain_password": LOGIN[1],
    }
    await create(own.secured_bootstrap, topic, **login)
    await write(own.secured_bootstrap, topic, b"known", **login)
    with pytest.raises(KafkaConnectionError):
        await write(own.secured_bootstrap, topic, b"x", **login | {"sasl_plain_password": "wrong"})
    assert await read(own.bootstrap, topic, 1) == [b"known"]


def test_a_broker_that_cannot_start_shows_the_end_of_its_log(
    make_kafka: Callable[..., Cluster],
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        with pytest.raises(BrokerError, match="Address already in use") as failed:
            make_kafka(port=taken.getsockname()[1])
        assert "broker 1 has ended; the end of " in str(failed.value)


def test_data_in_use_are_refused(own: Cluster) -> None:
    with pytest.raises(ConfigurationError, match="in use by another Kafka"):
        Cluster(own.data).start()


def test_the_program_serves_until_it_is_ended(tmp_path: Path) -> None:
    with started_program(tmp_path) as program:
        address = announced(program)
        assert known_brokers(address) == {1}
        program.send_signal(signal.SIGTERM)
        assert program.wait(PATIENCE_SECONDS) == 0
    assert not listening(address)


def started_program(data: Path) -> subprocess.Popen[str]:
    needs_kafka()
    return subprocess.Popen(
        [sys.executable, "-m", "deploy.kafka", "--port", "0", "--data", str(data)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )


def announced(program: subprocess.Popen[str]) -> str:
    assert program.stdout is not None
    name, _, address = program.stdout.readline().strip().partition("=kafka://")
    assert name == "PERPTAPE_BUS"
    return address


def listening(address: str) -> bool:
    host, _, port = address.partition(":")
    with socket.socket() as knock:
        return knock.connect_ex((host, int(port))) == os.EX_OK
