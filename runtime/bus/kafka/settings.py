"""How clients reach the brokers and what they promise each other."""

import re
import ssl
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationInfo, field_validator

from runtime.errors import ConfigurationError

SCHEME = "kafka://"
DEFAULT_PORT = 9092
CLIENT_ID = "perptape"
ATTEMPTS = 5
"""How often a request can be tried within the time of a send: a broker that froze is asked, asked
for who leads in its place, and only then is another one."""

LEAST_REQUEST_MS = 1000

_HOST = re.compile(r"[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]")


class KafkaSettings(BaseModel):
    """Everything about Kafka but the address, which is the setting `bus`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    replication: int = Field(
        default=1, ge=1, le=9, description="Copies of each partition; 3 in earnest."
    )
    min_insync_replicas: int = Field(
        default=1,
        ge=1,
        le=9,
        description="Copies that must have a record before it counts: 2.",
    )
    segment_seconds: float = Field(
        default=3600,
        ge=0.001,
        description="Age at which a compacted topic's newest segment is closed; only closed ones "
        "are compacted.",
    )
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    ca_file: Path | None = Field(
        default=None, description="Certificates that sign the brokers' own."
    )
    certificate_file: Path | None = Field(
        default=None, description="Our certificate, where they ask."
    )
    key_file: Path | None = Field(default=None, description="Its key.")
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    username: str = ""
    password: SecretStr = SecretStr("")
    password_file: Path | None = Field(
        default=None, description="A file with the password instead."
    )
    instance: str = Field(
        default="",
        pattern=r"^[A-Za-z0-9._-]{0,200}$",
        description="This process's fixed name in its group, e.g. the pod's: with it a restart "
        "within the session time moves no partitions.",
    )
    session_seconds: float = Field(
        default=30,
        ge=6,
        le=300,
        description="After so long without a sign a member's partitions move.",
    )
    send_timeout_seconds: float = Field(
        default=30,
        ge=1,
        le=300,
        description="After so long without an answer a send, or any other request, has failed.",
    )
    fetch_wait_ms: int = Field(
        default=50, ge=1, le=5000, description="How long a fetch waits for data."
    )

    @field_validator("min_insync_replicas")
    @classmethod
    def _can_be_in_sync(cls, value: int, info: ValidationInfo) -> int:
        if value > info.data.get("replication", value):
            raise ValueError("must not be above replication")
        return value


def brokers_of(bus: str) -> list[str]:
    """Return the addresses `host:port` of a bus named `kafka://host:port,host:port`.

    Raises:
        ConfigurationError: it is not such a name.
    """
    if "@" in bus:  # and is not shown: it may hold a password
        raise ConfigurationError(
            "setting bus: user and password belong in kafka.username and kafka.password, not in it"
        )
    addresses = [word.strip() for word in bus.removeprefix(SCHEME).split(",") if word.strip()]
    if not bus.startswith(SCHEME) or not addresses:
        raise ConfigurationError(f"setting bus: must be embedded or {SCHEME}host:port, was {bus!r}")
    return [_with_port(address, bus) for address in addresses]


def _with_port(address: str, bus: str) -> str:
    if _HOST.fullmatch(address):
        return f"{address}:{DEFAULT_PORT}"
    host, _, port = address.rpartition(":")
    if not _HOST.fullmatch(host) or not _is_port(port):
        raise ConfigurationError(f"setting bus: {address!r} in {bus!r} is no host:port")
    return address


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and 0 < int(text) < 65536


def client_options(brokers: list[str], settings: KafkaSettings) -> dict[str, Any]:
    """Return what every client of aiokafka is made with.

    Raises:
        ConfigurationError: a file cannot be read, credentials are missing, or what is given is of
            no use with the protocol.
    """
    protocol = settings.security_protocol
    options: dict[str, Any] = {
        "bootstrap_servers": brokers,
        "client_id": CLIENT_ID,
        "security_protocol": protocol,
        "request_timeout_ms": max(
            LEAST_REQUEST_MS, int(settings.send_timeout_seconds * 1000 / ATTEMPTS)
        ),
    }
    if protocol.endswith("SSL"):
        options["ssl_context"] = _ssl_context(settings)
    elif settings.ca_file or settings.certificate_file:
        raise _useless("ca_file and certificate_file", protocol, "SSL or SASL_SSL")
    if protocol.startswith("SASL"):
        options["sasl_mechanism"] = settings.sasl_mechanism
        options["sasl_plain_username"] = settings.username
        options["sasl_plain_password"] = _password(settings)
        if not settings.username or not options["sasl_plain_password"]:
            raise ConfigurationError(
                "settings kafka.username and kafka.password (or kafka.password_file) must be "
                f"given with kafka.security_protocol {protocol}"
            )
    elif settings.username:
        raise _useless("username", protocol, "SASL_SSL or SASL_PLAINTEXT")
    return options


def _useless(what: str, protocol: str, wanted: str) -> ConfigurationError:
    return ConfigurationError(
        f"setting kafka.security_protocol: {protocol} makes no use of kafka.{what}; choose {wanted}"
    )


def _ssl_context(settings: KafkaSettings) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=settings.ca_file)
        if settings.certificate_file is not None:
            # A password, though none is needed: without, OpenSSL would ask for it on the terminal.
            context.load_cert_chain(settings.certificate_file, settings.key_file, password="")
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(
            f"settings kafka.ca_file, certificate_file, key_file: {error.strerror or error} "
            f"({settings.ca_file}, {settings.certificate_file}, {settings.key_file})"
        ) from error
    return context


def _password(settings: KafkaSettings) -> str:
    if settings.password_file is None:
        return settings.password.get_secret_value()
    try:
        return settings.password_file.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigurationError(
            f"setting kafka.password_file: {settings.password_file}: {error.strerror}"
        ) from error
    except UnicodeDecodeError:
        raise ConfigurationError(
            f"setting kafka.password_file: {settings.password_file} is no text in UTF-8"
        ) from None
