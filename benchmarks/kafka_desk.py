"""A desk on one machine for the benchmarks: a real broker and the program's own processes."""

import asyncio
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from prometheus_client.parser import text_string_to_metric_families

from deploy.kafka import Cluster
from runtime.bus.kafka.bus import KafkaBus
from runtime.bus.kafka.settings import KafkaSettings, brokers_of, client_options
from runtime.bus.kafka.topics import open_admin
from schemas.topics import DEADLETTER, TOPICS

ROOT = Path(__file__).parents[1]
PROGRAM = (sys.executable, "-c", "from runtime.cli.main import main; main()")
SETTINGS = KafkaSettings()
WAIT_SECONDS = 300.0
LOOK_SECONDS = 0.2
"""How often counters are asked for, which costs the process 4 ms."""


@dataclass
class Service:
    """One process of the program, and what it counts."""

    process: subprocess.Popen[bytes]
    port: int

    def total(self, name: str, **labels: str) -> float:
        """Return a metric's sum over all labels but those given; 0 before it answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=5) as page:
                text = page.read().decode()
        except OSError:
            return 0.0
        return sum(
            sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    def cpu_seconds(self) -> float:
        """Return the processor time it has used."""
        return self.total("process_cpu_seconds_total")

    def check(self) -> None:
        """Raise where it has ended, or puts records aside that it should work off."""
        if self.process.poll() is not None:
            raise RuntimeError(f"a process ended with {self.process.returncode}")
        if letters := self.total("perptape_processor_outputs_total", topic=DEADLETTER.name):
            raise RuntimeError(f"{letters:.0f} records are dead letters: nothing is measured")


@dataclass
class Desk:
    """A broker with topics, in a folder of its own."""

    folder: Path
    bus_name: str
    services: list[Service] = field(default_factory=list)

    def start(self, *command: str, **environment: str) -> Service:
        """Start one process of the program."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        wanted = {
            "PERPTAPE_BUS": self.bus_name,
            "PERPTAPE_METRICS_PORT": str(port),
            "PERPTAPE_STORE": str(self.folder / "store"),
            "PERPTAPE_SPOOL": str(self.folder / f"spool-{port}"),
        }
        process = subprocess.Popen(  # noqa: S603  # our own program
            [*PROGRAM, *command],
            cwd=ROOT,
            env={**os.environ, **wanted, **environment},
            stdout=subprocess.DEVNULL,
        )
        service = Service(process, port)
        self.services.append(service)
        return service

    def stop(self, service: Service) -> None:
        """Stop one process and wait for its end."""
        if service in self.services:
            self.services.remove(service)
        if service.process.poll() is None:
            service.process.terminate()
            try:
                service.process.wait(60)
            except subprocess.TimeoutExpired:
                service.process.kill()
                service.process.wait()

    @asynccontextmanager
    async def bus(self) -> AsyncIterator[KafkaBus]:
        """Open the log."""
        async with await KafkaBus.open(self.bus_name, SETTINGS) as bus:
            yield bus


@contextmanager
def desk(properties: Mapping[str, str] | None = None) -> Iterator[Desk]:
    """Run one broker with the topics of the registry, and end what was started in the end."""
    with (
        tempfile.TemporaryDirectory(prefix="perptape-bench-") as name,
        Cluster(Path(name) / "kafka", heap_mib=512, properties=properties) as cluster,
    ):
        made = Desk(Path(name), f"kafka://{cluster.bootstrap}")
        asyncio.run(_make_topics(made.bus_name))
        try:
            yield made
        finally:
            for service in list(made.services):
                made.stop(service)


async def _make_topics(bus_name: str) -> None:
    options = client_options(brokers_of(bus_name), SETTINGS)
    async with open_admin(options, SETTINGS, TOPICS) as admin:
        await admin.apply()


class Passed(NamedTuple):
    """When a counter first moved and when it arrived, and the cores it took meanwhile."""

    began: float
    ended: float
    cores: float


def until(service: Service, name: str, wanted: float, **labels: str) -> Passed:
    """Wait until a counter has come so far."""
    began = used = 0.0
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        service.check()
        count, now = service.total(name, **labels), time.monotonic()
        if count and not began:
            began, used = now, service.cpu_seconds()
        if count >= wanted:
            spent = service.cpu_seconds() - used
            return Passed(began, now, spent / (now - began) if now > began else 0.0)
        time.sleep(LOOK_SECONDS)
    raise TimeoutError(f"{name} did not come to {wanted:,.0f} in {WAIT_SECONDS:.0f} s")
