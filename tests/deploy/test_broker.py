"""The broker of docker-compose.yml, with the code of its image: the settings are Kafka's own.

The image turns its environment into properties with a class of Kafka's, which is in the jars too.
"""

import os
import re
import subprocess
import time
from pathlib import Path

import pytest

from deploy.kafka import fetch_libraries, find_java
from deploy.kafka.broker import Broker
from deploy.kafka.metadata import known_brokers
from deploy.kafka.ports import LOOPBACK, free_ports
from tests.deploy.stack import load, variables
from tests.kafka.broker import needs_kafka

OF_JAVA = {"KAFKA_HEAP_OPTS", "KAFKA_OPTS", "KAFKA_LOG4J_OPTS"}
"""What the scripts of the image read, and its wrapper leaves out."""

LOGGING = "Configuration:\n  Loggers:\n    Root:\n      level: WARN\n"
PORTS = ("29093", "19092", "9092")
START_SECONDS = 60.0


def told() -> dict[str, str]:
    return variables(load().services["kafka"])


def properties() -> dict[str, str]:
    """Return what the settings become; no name of ours has a `-` or `_` in it."""
    return {
        name.removeprefix("KAFKA_").lower().replace("_", "."): value
        for name, value in told().items()
        if name.startswith("KAFKA_") and name not in OF_JAVA
    }


def test_every_setting_is_one_of_kafkas() -> None:
    needs_kafka()
    done = subprocess.run(
        [find_java().path, "-cp", str(fetch_libraries() / "*"), "kafka.server.KafkaConfig"],
        capture_output=True,
        text=True,
        check=True,
    )
    known = set(re.findall(r'<h4><a id="([a-z.]+)">', done.stdout))
    assert len(known) > 200
    assert set(properties()) <= known


def test_a_broker_starts_with_these_settings(tmp_path: Path) -> None:
    needs_kafka()
    java, jars = find_java(), fetch_libraries()
    ports = dict(zip(PORTS, map(str, free_ports(len(PORTS))), strict=True))
    given = {
        name: re.sub(r":(\d+)\b", lambda match: f":{ports.get(match[1], match[1])}", value)
        for name, value in told().items()
    }
    data = tmp_path / "data"
    given["KAFKA_LOG_DIRS"] = str(data)
    folders = {name: tmp_path / name for name in ("default", "mounted", "final")}
    for folder in folders.values():
        folder.mkdir()
    for name in ("log4j2.yaml", "tools-log4j2.yaml"):
        (folders["default"] / name).write_text(LOGGING)
    setup = [f"--{name}-configs-dir={folder}" for name, folder in folders.items()]
    done = subprocess.run(
        [java.path, "-cp", str(jars / "*"), "kafka.docker.KafkaDockerWrapper", "setup", *setup],
        env=os.environ | given,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert (data / "meta.properties").is_file()
    written = (folders["final"] / "server.properties").read_text().splitlines()
    assert {line.partition("=")[0] for line in written if line} == set(properties())
    broker = Broker(1, java, jars, folders["final"] / "server.properties", tmp_path / "log", 256)
    broker.launch()
    try:
        assert answer(broker, f"{LOOPBACK}:{ports['9092']}") == {1}
    finally:
        broker.kill()


def answer(broker: Broker, address: str) -> set[int]:
    """Return which brokers it knows, as soon as it answers."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and broker.runs:
        try:
            if found := known_brokers(address):
                return found
        except (OSError, ValueError):
            time.sleep(0.2)
    pytest.fail(broker.tail())
