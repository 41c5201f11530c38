"""The services of a desk as processes of their own on a broker of the tests, and who restarts them.

Every process is on a leash, so that none outlives the tests, whatever becomes of those.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from deploy.kafka.leash import leashed
from processors.faust.watchdog import EXIT_CODE
from runtime.bus.kafka.bus import KafkaBus
from runtime.bus.kafka.settings import KafkaSettings, brokers_of, client_options
from runtime.bus.kafka.topics import open_admin
from runtime.bus.protocol import Bus, Outgoing
from runtime.cli.lag import lags
from runtime.errors import PerptapeError
from schemas.topics import CVD, FOOTPRINTS, TOPICS, TRADES

ROOT = Path(__file__).parents[2]
PROGRAM = [sys.executable, "-c", "from runtime.cli.main import main; main()"]
PYTHON = [sys.executable, "-m"]
SETTINGS = KafkaSettings(segment_seconds=2, session_seconds=6, send_timeout_seconds=20)
"""Members are missed as soon as brokers allow; snapshots are compacted while tests run."""
PATIENT = SETTINGS.model_copy(update={"session_seconds": 60})
"""Where nobody is killed, nobody is to be given up for slow."""

BROKER = {
    # Brokers first look for what is too old 30 s after their start, and the recordings are of 2024.
    "log.initial.task.delay.ms": "86400000",
    "log.retention.check.interval.ms": "86400000",
    "log.cleaner.min.cleanable.ratio": "0.01",
}

PROCESSORS, SINK = "processors", "sink.clickhouse"
PATIENCE_SECONDS = 120.0
WORK_SECONDS = 600.0
"""Both end what hangs; how long work takes is a matter of what else the machine does."""
QUIET_SECONDS, IDLE_SHARE = 1.0, 0.1
INTERRUPTED = 130
KILLED = -signal.SIGKILL
ENDED = {INTERRUPTED, 1, EXIT_CODE, -signal.SIGTERM}
"""How a process ends that is told to: as it is told; because it finds just then that it stood still
or that the log is away, or its watchdog does; or because it had not begun."""
FIRST_DELAY_SECONDS, LONGEST_DELAY_SECONDS, STEADY_SECONDS = 0.2, 3.0, 5.0


def environment(bus: str, settings: KafkaSettings = SETTINGS, **more: object) -> dict[str, str]:
    """Return what a process is told; `more` are settings of perptape in capitals."""
    told = {
        "BUS": bus,
        "LOG_LEVEL": "info",
        "KAFKA__SEGMENT_SECONDS": settings.segment_seconds,
        "KAFKA__SESSION_SECONDS": settings.session_seconds,
        "KAFKA__SEND_TIMEOUT_SECONDS": settings.send_timeout_seconds,
        "KAFKA__REPLICATION": settings.replication,
        "KAFKA__MIN_INSYNC_REPLICAS": settings.min_insync_replicas,
        **more,
    }
    return {f"PERPTAPE_{name}": str(value) for name, value in told.items()}


async def fresh_topics(address: str, settings: KafkaSettings = SETTINGS) -> str:
    """Make the registry's topics anew; return the setting `bus`."""
    options = client_options(brokers_of(f"kafka://{address}"), settings)
    client = AIOKafkaAdminClient(**options)
    await client.start()
    try:
        while there := sorted(set(await client.list_topics()) & set(TOPICS)):
            with contextlib.suppress(KafkaError):
                await client.delete_topics(there)
            await asyncio.sleep(0.1)
    finally:
        await client.close()
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            try:
                async with open_admin(options, settings, TOPICS) as admin:
                    await admin.apply()
                async with await KafkaBus.open(f"kafka://{address}", settings) as bus:
                    for name in TOPICS:  # somebody leads each of them
                        await bus.end_offsets(name)
                return f"kafka://{address}"
            except PerptapeError:  # the old ones are still on their way out, or the new ones in
                await asyncio.sleep(0.2)


@dataclass
class Service:
    """One process that is started, ended and started again.

    Args:
        name: of its log file.
        arguments: what follows `perptape`, or a whole command where `program` is empty.
        folder: where it runs and its log file is.
        environment: what it is told.
        program: what runs the arguments.
    """

    name: str
    arguments: list[str]
    folder: Path
    environment: Mapping[str, str]
    program: list[str] = field(default_factory=lambda: PROGRAM)
    failpoints: deque[str] = field(default_factory=deque)
    """Where the next starts end, one each."""
    ended: list[int] = field(default_factory=list)
    """How each process ended."""
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    wanted: bool = False
    ends: bool = False
    """Whether it may end by itself, with 0, when its work is done."""
    _greeted: int = 0

    @property
    def log(self) -> Path:
        """Its standard output and error, of all its lives."""
        return self.folder / f"{self.name}.log"

    @property
    def runs(self) -> bool:
        """Whether there is a process; a frozen one runs."""
        return self.process is not None and self.process.poll() is None

    @property
    def killed(self) -> int:
        """How often it was killed so far."""
        over = self.process is not None and self.process.poll() == KILLED
        return self.ended.count(KILLED) + over

    def start(self) -> "Service":
        """Start the process."""
        assert not self.runs
        self.settle()
        self._greeted = self._greetings()
        failpoint = self.failpoints.popleft() if self.failpoints else ""
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                leashed([*self.program, *self.arguments]),
                cwd=self.folder,
                env={
                    **os.environ,
                    **self.environment,
                    "PERPTAPE_FAILPOINT": failpoint,
                    "PYTHONPATH": str(ROOT),
                    "COLUMNS": "200",
                },
                stdin=subprocess.PIPE,  # the leash
                stdout=log,
                stderr=subprocess.STDOUT,
                process_group=0,
            )
        self.started_at = time.monotonic()
        self.wanted = True
        return self

    def cpu_seconds(self) -> float:
        """Return how much processor time the process has used; 0 where it is over."""
        assert self.process is not None
        try:
            text = Path(f"/proc/{self.process.pid}/stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return 0.0
        fields = text.rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def settle(self) -> None:
        """Note how a process that is over ended."""
        if self.process is not None and self.process.poll() is not None:
            self.ended.append(self.process.returncode)
            if self.process.stdin is not None:
                self.process.stdin.close()
            self.process = None

    def send(self, number: signal.Signals) -> None:
        """Send a signal, if it runs."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)

    def kill(self) -> None:
        """End it as a power cut would."""
        self.send(signal.SIGKILL)

    async def listening(self) -> None:
        """Wait until it hears signals: it says so before it does anything else."""
        await until(lambda: self._greetings() > self._greeted, f"{self.name} has started")

    def _greetings(self) -> int:
        return self.log.read_bytes().count(b"Stop: Ctrl-C") if self.log.exists() else 0

    async def stop(self, patience_seconds: float = PATIENCE_SECONDS) -> int:
        """Ask it to end, as an operator does, and return its exit code."""
        self.wanted = False
        self.send(signal.SIGTERM)
        return await self.wait(patience_seconds)

    async def wait(self, patience_seconds: float = PATIENCE_SECONDS) -> int:
        """Wait for its end and return its exit code."""
        self.wanted = False
        process = self.process
        assert process is not None, self.tail()
        deadline = time.monotonic() + patience_seconds
        while process.poll() is None:
            if time.monotonic() > deadline:
                self.close()
                raise AssertionError(f"{self.name} does not end; {self.tail()}")
            await asyncio.sleep(0.02)
        self.settle()
        return self.ended[-1]

    def close(self) -> None:
        """Kill it, if it runs."""
        self.wanted = False
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.settle()

    def tail(self, characters: int = 3_000) -> str:
        """Return the end of its log."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return f"the end of {self.log}:\n{text[-characters:]}"


class Desk:
    """The services of one log, and a supervisor that restarts those that end by themselves.

    Args:
        folder: where they run.
        bus: the setting of that name.
        settings: of Kafka.
        toolkit: whether workers run all operators, or footprint and CVD alone.
    """

    def __init__(
        self, folder: Path, bus: str, settings: KafkaSettings = SETTINGS, *, toolkit: bool = False
    ) -> None:
        self.folder = folder
        self.bus = bus
        self.toolkit = toolkit
        self.settings = settings
        self.services: dict[str, Service] = {}
        self._delays: dict[str, float] = {}
        self._due: dict[str, float] = {}
        self.restarts = 0

    @property
    def store(self) -> Path:
        """Where the sink stores."""
        return self.folder / "store"

    def add(
        self,
        name: str,
        arguments: list[str],
        settings: Mapping[str, object] | None = None,
        program: list[str] | None = None,
        *,
        ends: bool = False,
    ) -> Service:
        """Add a service that is not started yet; `settings` are those of perptape, in capitals."""
        told = environment(self.bus, self.settings, **(settings or {}))
        service = Service(name, arguments, self.folder, told, program or PROGRAM, ends=ends)
        self.services[name] = service
        return service

    def worker(self, name: str, host: str, *, static: bool = False, port: int = 0) -> Service:
        """Add a processor, which may be a static member of its group and serve its metrics."""
        told = {
            "KAFKA__INSTANCE": name if static else "",
            "METRICS_PORT": port,
            "TOOLKIT": self.toolkit,
        }
        return self.add(name, ["process", "--host", host], told)

    def sink(self, *, static: bool = False) -> Service:
        """Add a sink, which may be a static member of its group."""
        instance = {"KAFKA__INSTANCE": "sink"} if static else {}
        return self.add("sink", ["sink", "clickhouse", "--store", str(self.store)], instance)

    async def supervise(self) -> None:
        """Restart what ends by itself, later each time, until cancelled."""
        while True:
            now = time.monotonic()
            for name, service in self.services.items():
                if not service.wanted or service.runs:
                    continue
                if service.ends and service.process and not service.process.returncode:
                    service.wanted = False
                    continue
                if name not in self._due:
                    lived = now - service.started_at
                    delay = self._delays.get(name, FIRST_DELAY_SECONDS)
                    delay = FIRST_DELAY_SECONDS if lived > STEADY_SECONDS else delay
                    self._due[name] = now + delay
                    self._delays[name] = min(2 * delay, LONGEST_DELAY_SECONDS)
                elif now >= self._due[name]:
                    del self._due[name]
                    service.start()
                    self.restarts += 1
            await asyncio.sleep(0.02)

    def close(self) -> None:
        """Kill everything."""
        for service in self.services.values():
            service.close()


@asynccontextmanager
async def desk(
    folder: Path,
    bus: str,
    settings: KafkaSettings = SETTINGS,
    *,
    toolkit: bool = False,
    supervised: bool = True,
) -> AsyncIterator[Desk]:
    """Run services meanwhile."""
    made = Desk(folder, bus, settings, toolkit=toolkit)
    watching = asyncio.create_task(made.supervise()) if supervised else None
    try:
        yield made
    finally:
        if watching is not None:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
        made.close()


# --- how far they are


async def until(
    condition: Callable[[], object], what: str, seconds: float = PATIENCE_SECONDS
) -> float:
    """Wait until a condition holds; return after how many seconds.

    A condition may be a coroutine function; errors of log and network count as not yet.
    """
    started = time.monotonic()
    while True:
        with contextlib.suppress(PerptapeError, OSError):
            holds = condition()
            if asyncio.iscoroutine(holds):
                holds = await holds
            if holds:
                return time.monotonic() - started
        if time.monotonic() - started > seconds:
            raise AssertionError(f"not within {seconds:.0f} s: {what}")
        await asyncio.sleep(0.05)


async def lag_of(bus: Bus, group: str) -> int:
    """Return how many records a group has not acknowledged."""
    return sum(lag.records for lag in await lags(bus, group))


async def ends_of(bus: Bus, *topics: str) -> list[int]:
    """Return the ends of topics by partition, one list."""
    return [end for topic in topics for end in await bus.end_offsets(topic)]


async def work_off(bus: Bus, workers: Sequence[Service]) -> None:
    """Have workers come to the end of the log, and stop them.

    They acknowledge what a snapshot covers, and those are made of log time: what comes after the
    last one is done when outputs stand still, and acknowledged when they are stopped.
    """
    deadline = time.monotonic() + WORK_SECONDS
    while True:
        await _until_idle(bus, workers, deadline)
        for worker in workers:
            worker.wanted = False
            worker.send(signal.SIGTERM)
        for worker in workers:
            assert await worker.wait() in ENDED, (worker.ended, worker.tail())
        left = await lag_of(bus, PROCESSORS)
        if not left:
            return
        assert time.monotonic() < deadline, f"{left} records are not worked off"
        for worker in workers:
            await worker.start().listening()


async def _until_idle(bus: Bus, workers: Sequence[Service], deadline: float) -> None:
    """Wait until workers make no more outputs, and use hardly any time."""
    fed = [number for number, end in enumerate(await bus.end_offsets(TRADES.name)) if end]
    before, used, since = [0], 0.0, 0.0
    while True:
        assert time.monotonic() < deadline, "outputs do not come to an end"
        now, took = await ends_of(bus, FOOTPRINTS.name, CVD.name), time.monotonic() - since
        idle = now == before and all(now[number] for number in fed)
        if took > QUIET_SECONDS or not idle:
            spent = sum(worker.cpu_seconds() for worker in workers)
            if idle and 0 <= spent - used < IDLE_SHARE * took * len(workers):
                return
            before, used, since = now, spent, time.monotonic()
        await asyncio.sleep(0.1)


async def feed(bus: Bus, records: Sequence[Outgoing], at_once: int = 1000) -> None:
    """Append records to the log."""
    for first in range(0, len(records), at_once):
        await bus.send(records[first : first + at_once])
