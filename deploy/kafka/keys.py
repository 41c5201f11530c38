"""A key and a self-signed certificate for brokers on loopback, made with Java's keytool."""

import secrets
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from deploy.kafka.errors import BrokerError
from deploy.kafka.java import Java

_DAYS = 30
_DEADLINE_SECONDS = 60.0


@dataclass(frozen=True)
class Keys:
    """What a broker proves itself with, and what its clients trust.

    Args:
        keystore: private key and certificate (PKCS #12).
        certificate: the certificate alone (PEM), for the clients.
        password: that of the keystore.
    """

    keystore: Path
    certificate: Path
    password: str = field(repr=False)


def make_keys(java: Java, folder: Path) -> Keys:
    """Make a key for `localhost` and 127.0.0.1, good for 30 days, in place of an older one.

    Raises:
        KafkaUnavailable: this Java has no keytool.
        BrokerError: keytool failed.
    """
    keys = Keys(folder / "keys.p12", folder / "certificate.pem", secrets.token_hex(16))
    keys.keystore.unlink(missing_ok=True)
    store = [
        "-alias", "broker", "-keystore", str(keys.keystore), "-storetype", "PKCS12",
        "-storepass", keys.password,
    ]  # fmt: skip
    tool = java.tool("keytool")
    _run(tool, [
        "-genkeypair", *store, "-keyalg", "EC", "-groupname", "secp256r1", "-dname", "CN=localhost",
        "-ext", "san=dns:localhost,ip:127.0.0.1", "-validity", str(_DAYS),
    ])  # fmt: skip
    _run(tool, ["-exportcert", "-rfc", *store, "-file", str(keys.certificate)])
    return keys


def _run(tool: Path, arguments: list[str]) -> None:
    done = subprocess.run(  # noqa: S603  # a tool of the Java that was found
        [tool, *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_DEADLINE_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        raise BrokerError(f"keytool {arguments[0]} failed: {(done.stdout + done.stderr).strip()}")
