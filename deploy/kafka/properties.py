"""What a broker is told: its server.properties, and the flags of its Java."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from deploy.kafka.java import NATIVE_ACCESS_SINCE
from deploy.kafka.keys import Keys
from deploy.kafka.ports import LOOPBACK
from runtime.errors import ConfigurationError

PLAIN, CONTROLLER = "PLAINTEXT", "CONTROLLER"
SCRAM = "SCRAM-SHA-256"
_MECHANISMS = ("PLAIN", SCRAM)
_SIMPLE_WORD = re.compile(r"[A-Za-z0-9._~+-]+")


@dataclass(frozen=True)
class Security:
    """What the second listener of each broker asks of its clients.

    Args:
        sasl: user and secret, for the mechanisms PLAIN and SCRAM-SHA-256.
        tls: whether the connection is encrypted.
        keys: the brokers' key and certificate; needed for the properties where `tls` is on.

    Raises:
        ConfigurationError: user or secret are not of plain letters, digits and `._~+-`.
    """

    sasl: tuple[str, str] | None = None
    tls: bool = False
    keys: Keys | None = None

    def __post_init__(self) -> None:
        if not all(_SIMPLE_WORD.fullmatch(word) for word in self.sasl or ()):
            raise ConfigurationError("sasl: user and secret are of letters, digits and ._~+-")

    @property
    def listener(self) -> str | None:
        """The name of the listener, which is that of its protocol; None where there is none."""
        names = {
            (True, True): "SASL_SSL",
            (True, False): "SASL_PLAINTEXT",
            (False, True): "SSL",
        }
        return names.get((self.sasl is not None, self.tls))


@dataclass(frozen=True)
class Node:
    """One broker, which is a controller as well: its number from 1 and its port per listener."""

    number: int
    ports: Mapping[str, int] = field(default_factory=dict)

    def address(self, listener: str) -> str:
        """Return `host:port` of a listener."""
        return f"{LOOPBACK}:{self.ports[listener]}"


def server_properties(
    node: Node, nodes: Sequence[Node], data: Path, security: Security
) -> dict[str, str]:
    """Return the properties of one broker: KRaft in combined mode, loopback only, small.

    Args:
        node: the broker.
        nodes: all of its cluster.
        data: its own folder.
        security: what its second listener asks for.
    """
    # The voters are fixed in the properties and not kept in the data, as dynamic quorums keep
    # them: so the data of a cluster can be started again on other ports.
    voters = ",".join(f"{other.number}@{other.address(CONTROLLER)}" for other in nodes)
    protocols = {name: PLAIN if name == CONTROLLER else name for name in node.ports}
    return {
        "process.roles": "broker,controller",
        "node.id": str(node.number),
        "controller.quorum.voters": voters,
        "controller.listener.names": CONTROLLER,
        "listeners": ",".join(f"{name}://{node.address(name)}" for name in node.ports),
        "listener.security.protocol.map": ",".join(f"{n}:{p}" for n, p in protocols.items()),
        "inter.broker.listener.name": PLAIN,
        "log.dir": str(data),
        "auto.create.topics.enable": "false",
        "group.initial.rebalance.delay.ms": "0",
        "log.cleaner.backoff.ms": "200",
        **_footprint(),
        **_replication(len(nodes)),
        **_listener(security),
    }


def _footprint() -> dict[str, str]:
    return {
        "offsets.topic.num.partitions": "4",
        "transaction.state.log.num.partitions": "1",
        "share.coordinator.state.topic.num.partitions": "1",
        "num.network.threads": "2",
        "num.io.threads": "2",
        "log.cleaner.dedupe.buffer.size": str(16 << 20),  # 128 MiB do not fit in the heap below
    }


def _replication(brokers: int) -> dict[str, str]:
    copies, in_sync = str(brokers), str(max(1, brokers - 1))
    internal = (
        "offsets.topic.replication.factor",
        "transaction.state.log.replication.factor",
        "share.coordinator.state.topic.replication.factor",
        "default.replication.factor",
    )
    found = dict.fromkeys(internal, copies)
    found["transaction.state.log.min.isr"] = in_sync
    found["share.coordinator.state.topic.min.isr"] = in_sync
    found["min.insync.replicas"] = in_sync
    # How long a killed broker is waited for: until then nobody leads its partitions, and the same
    # broker, started again, is refused. 9 s are the default.
    found["broker.session.timeout.ms"] = "3000"
    found["broker.heartbeat.interval.ms"] = "500"
    return found


def _listener(security: Security) -> dict[str, str]:
    if security.listener is None:
        return {}
    prefix = f"listener.name.{security.listener.lower()}"
    found = {}
    if security.keys is not None:
        found[f"{prefix}.ssl.keystore.type"] = "PKCS12"
        found[f"{prefix}.ssl.keystore.location"] = str(security.keys.keystore)
        found[f"{prefix}.ssl.keystore.password"] = security.keys.password
    if security.sasl is not None:
        user, secret = security.sasl
        login = "org.apache.kafka.common.security"
        found["sasl.enabled.mechanisms"] = ",".join(_MECHANISMS)
        found[f"{prefix}.plain.sasl.jaas.config"] = (
            f'{login}.plain.PlainLoginModule required user_{user}="{secret}";'
        )
        found[f"{prefix}.{SCRAM.lower()}.sasl.jaas.config"] = (
            f"{login}.scram.ScramLoginModule required;"
        )
    return found


def java_flags(version: int, scratch: Path, heap_mib: int) -> list[str]:
    """Return the flags of a small broker that starts fast.

    Args:
        version: the major version of the Java.
        scratch: a folder where native libraries may be unpacked.
        heap_mib: the largest heap.
    """
    log = "org.slf4j.simpleLogger"
    flags = [
        f"-Xms{min(64, heap_mib)}m", f"-Xmx{heap_mib}m", "-XX:MaxDirectMemorySize=96m",
        "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto",
        "-XX:+ExitOnOutOfMemoryError", "-XX:-UsePerfData", "-Djava.awt.headless=true",
        f"-Djava.io.tmpdir={scratch}", f"-DZstdTempFolder={scratch}",
        f"-Dorg.xerial.snappy.tempdir={scratch}", "-Duser.timezone=UTC",
        f"-D{log}.showDateTime=true", f"-D{log}.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSS'Z'",
        # Every setting, 400 lines at each start.
        f"-D{log}.log.org.apache.kafka.common.config.AbstractConfig=warn",
        "-Dlog4j2.statusLoggerLevel=OFF",  # that log4j-core is missing is meant
    ]  # fmt: skip
    if version >= NATIVE_ACCESS_SINCE:
        flags.append("--enable-native-access=ALL-UNNAMED")
    return flags


def written(properties: Mapping[str, str]) -> str:
    r"""Return properties as the file that Java reads; a backslash is written as two."""
    lines = [f"{name}={value}\n" for name, value in properties.items()]
    return "".join(lines).replace("\\", "\\\\")
