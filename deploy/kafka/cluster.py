"""A Kafka cluster of one to three brokers on loopback, started and stopped by this process."""

import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self

from deploy.kafka.broker import Broker
from deploy.kafka.errors import BrokerError
from deploy.kafka.folder import Folder
from deploy.kafka.java import Java, find_java
from deploy.kafka.keys import Keys, make_keys
from deploy.kafka.libraries import fetch_libraries
from deploy.kafka.metadata import known_brokers
from deploy.kafka.ports import free_ports
from deploy.kafka.properties import (
    CONTROLLER,
    PLAIN,
    SCRAM,
    Node,
    Security,
    server_properties,
    written,
)
from runtime.errors import ConfigurationError

_MOST_BROKERS = 3
_START_SECONDS = 90.0
_STOP_SECONDS = 15.0
_LOOK_SECONDS = 0.05


class Cluster:
    """Brokers numbered from 1 that are controllers as well; a context manager.

    Every method blocks and none needs an event loop: from a coroutine, call the slow ones (`start`,
    `stop`, `restart`) in a thread. One thread at a time. However this process ends, the brokers
    end with it (`leash.py`).

    Args:
        data: the folder of the data, of server.properties and, unless `logs` names another, of the
            log files. It may be used again by a later cluster of as many brokers.
        brokers: 1 to 3. With three, topics have three copies, of which two must be in sync.
        port: the port of the first broker; the others take the next ones. 0 for free ones.
        sasl: user and secret: adds a listener that asks for them (PLAIN or SCRAM-SHA-256). They are
            fixed with the first start of the data.
        tls: adds a listener with TLS; with `sasl`, it is one listener with both.
        properties: further lines of server.properties, which win over ours.
        logs: the folder of the log files, `broker-1.log` and so on; written anew by each cluster.
        heap_mib: the largest heap of each broker.
        java: the Java that runs it; where it is None it is looked for.
        jars: the folder of Kafka's libraries; where it is None they are fetched.

    Raises:
        ConfigurationError: an argument is out of its range.
    """

    def __init__(
        self,
        data: Path,
        *,
        brokers: int = 1,
        port: int = 0,
        sasl: tuple[str, str] | None = None,
        tls: bool = False,
        properties: Mapping[str, str] | None = None,
        logs: Path | None = None,
        heap_mib: int = 256,
        java: Java | None = None,
        jars: Path | None = None,
    ) -> None:
        if not 1 <= brokers <= _MOST_BROKERS:
            raise ConfigurationError(f"brokers: 1 to {_MOST_BROKERS}, not {brokers}")
        self.data = data.absolute()
        self._logs = (logs or data).absolute()
        self._folder = Folder(data, brokers)
        self._sasl, self._tls = sasl, tls
        self._extra = dict(properties or {})
        self._heap_mib, self._java, self._jars = heap_mib, java, jars
        self._secured = Security(sasl, tls).listener
        self._nodes = _nodes(brokers, port, self._secured)
        self._keys: Keys | None = None
        self._brokers: list[Broker] = []

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    @property
    def bootstrap(self) -> str:
        """`host:port` of every broker, comma separated: without TLS, without a login."""
        return ",".join(node.address(PLAIN) for node in self._nodes)

    @property
    def secured_bootstrap(self) -> str:
        """The same of the listener that `sasl` and `tls` add.

        Raises:
            ConfigurationError: the cluster has none.
        """
        if self._secured is None:
            raise ConfigurationError("a cluster without sasl and tls has no secured listener")
        return ",".join(node.address(self._secured) for node in self._nodes)

    @property
    def certificate(self) -> Path:
        """The certificate that clients of a cluster with TLS trust (PEM).

        Raises:
            ConfigurationError: the cluster has no TLS or was not started yet.
        """
        if self._keys is None:
            raise ConfigurationError("a certificate is made by the start of a cluster with tls")
        return self._keys.certificate

    def address(self, number: int) -> str:
        """Return `host:port` of one broker, without TLS and login."""
        return self._nodes[number - 1].address(PLAIN)

    def data_of(self, number: int) -> Path:
        """Return the folder in which a broker keeps its partitions."""
        return self._folder.path / f"broker-{number}"

    def log_of(self, number: int) -> Path:
        """Return the log file of a broker: its standard output and error."""
        return self._logs / f"broker-{number}.log"

    def pid(self, number: int) -> int:
        """Return the process id of a broker.

        Raises:
            BrokerError: it does not run.
        """
        return self._broker(number).pid

    def start(self, number: int | None = None) -> None:
        """Start one broker, or all that do not run, and wait until each knows all that run.

        Paused brokers go on. A whole cluster is left as it is.

        Raises:
            KafkaUnavailable: there is no Java, or there are no jars.
            ConfigurationError: the data are in use or of a cluster of another size.
            BrokerError: a broker does not come up; none that this call has started is left.
        """
        if not self._brokers:
            self._brokers = self._prepared()
        wanted = self._brokers if number is None else [self._broker(number)]
        started = [broker for broker in wanted if not broker.runs]
        try:
            for broker in started:
                broker.launch()
            for broker in wanted:
                if broker.paused:
                    broker.resume()
            self._wait_until_they_answer(wanted)
        except BaseException:
            for broker in started:
                broker.kill()
            if not any(broker.runs for broker in self._brokers):
                self.stop()
            raise

    def stop(self, number: int | None = None, patience_seconds: float = _STOP_SECONDS) -> None:
        """End one broker or all in an orderly way; what takes longer than that is killed.

        The last of several takes 5 s: it hopes for the others. Data survive the killing as well.
        """
        brokers = self._brokers if number is None else [self._broker(number)]
        deadline = time.monotonic() + patience_seconds
        for broker in brokers:
            broker.terminate()
        for broker in brokers:
            broker.wait(deadline)
        if number is None:
            self._brokers = []
            self._folder.close()

    def restart(self, number: int) -> None:
        """End a broker in an orderly way, if it runs, and start it again."""
        self.stop(number)
        self.start(number)

    def kill(self, number: int) -> None:
        """End a broker without warning (SIGKILL); `start` brings it back with its data."""
        self._broker(number).kill()

    def pause(self, number: int) -> None:
        """Freeze a broker (SIGSTOP): its connections stay open and nothing is answered."""
        self._broker(number).pause()

    def resume(self, number: int) -> None:
        """Let a paused broker go on (SIGCONT)."""
        self._broker(number).resume()

    def check(self) -> None:
        """Make sure that all brokers run.

        Raises:
            BrokerError: one does not; the message has the end of its log.
        """
        for broker in self._brokers:
            _check(broker)

    def _broker(self, number: int) -> Broker:
        if not 1 <= number <= len(self._brokers):
            raise BrokerError(f"there is no broker {number}, or the cluster was not started")
        return self._brokers[number - 1]

    def _prepared(self) -> list[Broker]:
        """Write and format what the brokers need, and return them."""
        java = self._java or find_java()
        jars = self._jars or fetch_libraries()
        cluster_id = self._folder.open()
        try:
            self._logs.mkdir(parents=True, exist_ok=True)
            self._keys = make_keys(java, self.data) if self._tls else None
            brokers = [self._written(node, java, jars) for node in self._nodes]
            self._format(brokers, cluster_id)
        except BaseException:
            self._folder.close()
            raise
        return brokers

    def _written(self, node: Node, java: Java, jars: Path) -> Broker:
        security = Security(self._sasl, self._tls, self._keys)
        wanted = server_properties(node, self._nodes, self.data_of(node.number), security)
        path = self.data / f"broker-{node.number}.properties"
        path.write_text(written(wanted | self._extra))
        log = self.log_of(node.number)
        log.write_bytes(b"")
        return Broker(node.number, java, jars, path, log, self._heap_mib)

    def _format(self, brokers: Sequence[Broker], cluster_id: str) -> None:
        """Prepare the data folders that are new, all at once: each takes Java a second."""
        options = []
        if self._sasl is not None:
            user, secret = self._sasl
            options = ["--add-scram", f"{SCRAM}=[name={user},password={secret}]"]
        new = [b for b in brokers if not (self.data_of(b.number) / "meta.properties").exists()]
        with ThreadPoolExecutor(_MOST_BROKERS) as threads:
            list(threads.map(lambda broker: broker.format(cluster_id, options), new))

    def _wait_until_they_answer(self, brokers: Iterable[Broker]) -> None:
        deadline = time.monotonic() + _START_SECONDS
        awake = {broker.number for broker in self._brokers if broker.runs and not broker.paused}
        for broker in brokers:
            while not awake <= self._known_to(broker):
                _check(broker)
                if time.monotonic() > deadline:
                    raise BrokerError(
                        f"broker {broker.number} is not ready after {_START_SECONDS:.0f} s;"
                        f" {broker.tail()}"
                    )
                time.sleep(_LOOK_SECONDS)

    def _known_to(self, broker: Broker) -> set[int]:
        try:
            return known_brokers(self.address(broker.number))
        except (OSError, ValueError):
            return set()


def _nodes(brokers: int, port: int, secured: str | None) -> list[Node]:
    listeners = [PLAIN, CONTROLLER, *([secured] if secured else [])]
    free = iter(free_ports(brokers * len(listeners)))
    nodes = []
    for number in range(1, brokers + 1):
        ports = {name: next(free) for name in listeners}
        if port:
            ports[PLAIN] = port + number - 1
        nodes.append(Node(number, ports))
    return nodes


def _check(broker: Broker) -> None:
    if not broker.runs:
        raise BrokerError(f"broker {broker.number} has ended; {broker.tail()}")
