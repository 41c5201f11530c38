"""What is wrong with an address, a login or a broker is told in one line, and soon."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka import errors
from pydantic import ValidationError

from deploy.kafka import Cluster
from runtime.bus.kafka.bus import KafkaBus
from runtime.bus.kafka.failures import explained
from runtime.bus.kafka.settings import KafkaSettings, brokers_of, client_options
from runtime.errors import BusError, ConfigurationError
from schemas.topics import TRADES
from tests.kafka.faulty import (
    FEW,
    HASTY,
    LOGIN,
    Took,
    fragile_kafka,
    numbers,
    opened,
    polled,
    record,
)

__all__ = ["fragile_kafka"]

USER, PASSWORD = LOGIN
LOGGED_IN: dict[str, Any] = {
    "security_protocol": "SASL_SSL",
    "sasl_mechanism": "SCRAM-SHA-256",
    "username": USER,
    "password": PASSWORD,
}
ASKS = "it asks for a login (PLAIN, SCRAM-SHA-256)"
SOON_SECONDS = 20.0
NEARLY_NOTHING_SECONDS = 0.5


def settings(**values: Any) -> KafkaSettings:
    return KafkaSettings(**HASTY.model_dump() | values)


async def refusal(bus: str, wanted: type[Exception], how: KafkaSettings = HASTY) -> str:
    """Return the one line that a bus cannot be opened for, and see that it comes soon."""
    with Took() as took, pytest.raises(wanted) as refused:
        async with asyncio.timeout(SOON_SECONDS * 3):
            await KafkaBus.open(bus, how, topics=FEW)
    text = str(refused.value)
    assert took.seconds < SOON_SECONDS
    assert took.busy < NEARLY_NOTHING_SECONDS
    assert "\n" not in text
    assert "wrong-secret" not in text
    assert PASSWORD not in text
    return text


@pytest.fixture
def closed() -> str:
    """Return an address where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def silent() -> Iterator[str]:
    """Return an address where connections are taken and nothing is ever answered."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
async def nonsense() -> AsyncIterator[str]:
    """Return an address where something answers that is no Kafka."""

    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    server.close()
    await server.wait_closed()


# Addresses.


@pytest.mark.parametrize(
    "bus",
    [
        "kafka://",
        "kafka:// , ",
        "localhost:9092",
        "http://localhost:9092",
        "kafka://localhost:0",
        "kafka://localhost:65536",
        "kafka://localhost:http",
        "kafka://localhost:9092/topic",
        "kafka://one:9092,:9093",
        "kafka://one two:9092",
        "kafka://::1:9092",
    ],
)
async def test_an_address_that_is_none_is_named(bus: str) -> None:
    text = await refusal(bus, ConfigurationError)
    assert text.startswith("setting bus: ")
    assert repr(bus) in text


async def test_a_password_in_the_address_is_refused_and_not_shown() -> None:
    text = await refusal("kafka://user:wrong-secret@localhost:9092", ConfigurationError)
    assert text.startswith("setting bus: user and password belong in kafka.username")


@pytest.mark.parametrize(
    ("bus", "addresses"),
    [
        ("kafka://one", ["one:9092"]),
        ("kafka://one:1, two.example:2,", ["one:1", "two.example:2"]),
        ("kafka://[::1]:9093,[::1]", ["[::1]:9093", "[::1]:9092"]),
    ],
)
def test_addresses_are_read(bus: str, addresses: list[str]) -> None:
    assert brokers_of(bus) == addresses


# Brokers that are away.


async def test_a_broker_that_is_not_there_is_an_error_of_the_log(closed: str) -> None:
    text = await refusal(f"kafka://{closed}", BusError)
    assert text.startswith(f"{closed}: ConnectionRefusedError")


async def test_a_host_that_has_no_address_is_an_error_of_the_log() -> None:
    text = await refusal("kafka://nowhere.invalid:9092", BusError)
    assert text.startswith("nowhere.invalid:9092: ")


async def test_a_broker_that_never_answers_is_an_error_of_the_log(silent: str) -> None:
    assert await refusal(f"kafka://{silent}", BusError) == f"{silent}: no answer in time"


async def test_what_is_no_kafka_is_an_error_of_the_log(nonsense: str) -> None:
    text = await refusal(f"kafka://{nonsense}", BusError)
    assert text.startswith(f"{nonsense}: ")


async def test_every_broker_that_is_away_is_named(closed: str, silent: str) -> None:
    text = await refusal(f"kafka://{closed},{silent}", BusError)
    assert f"{closed}: ConnectionRefused" in text
    assert f"; {silent}: no answer in time" in text


async def test_one_broker_that_answers_is_enough(
    fragile_kafka: Cluster, closed: str, silent: str
) -> None:
    with Took() as took:
        async with opened(f"{silent},{closed},{fragile_kafka.bootstrap}") as bus:
            assert len(await bus.send([record(1)])) == 1
    assert took.seconds < SOON_SECONDS


async def test_a_paused_broker_is_an_error_of_the_log(fragile_kafka: Cluster) -> None:
    fragile_kafka.pause(1)
    text = await refusal(f"kafka://{fragile_kafka.bootstrap}", BusError)
    assert text == f"{fragile_kafka.bootstrap}: no answer in time"


# Brokers that will not have us.


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256"])
@pytest.mark.parametrize("wrong", [{"username": "nobody"}, {"password": "wrong-secret"}], ids=str)
async def test_a_login_that_is_refused_is_named(
    fragile_kafka: Cluster, mechanism: str, wrong: dict[str, str]
) -> None:
    login = LOGGED_IN | {"sasl_mechanism": mechanism, "ca_file": fragile_kafka.certificate} | wrong
    bus = fragile_kafka.secured_bootstrap
    text = await refusal(f"kafka://{bus}", ConfigurationError, settings(**login))
    user = wrong.get("username", USER)
    assert text == (
        f"{bus}: the login of {user} with {mechanism} is refused; "
        "settings kafka.username, kafka.password"
    )


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        (
            {"sasl_mechanism": "SCRAM-SHA-512"},
            "it does not know SCRAM-SHA-512; setting kafka.sasl_mechanism",
        ),
        (
            {"security_protocol": "SSL", "username": "", "password": ""},
            f"{ASKS}; setting kafka.security_protocol: with SASL",
        ),
        (
            {"security_protocol": "SASL_PLAINTEXT", "ca_file": None},
            "it speaks TLS; setting kafka.security_protocol: SSL or SASL_SSL",
        ),
        (
            {"security_protocol": "PLAINTEXT", "ca_file": None, "username": "", "password": ""},
            "it speaks TLS; setting kafka.security_protocol: SSL or SASL_SSL",
        ),
        (
            {"ca_file": None},
            "its certificate is not trusted (self-signed certificate); setting kafka.ca_file",
        ),
    ],
    ids=["mechanism", "no login", "login without TLS", "neither", "unknown CA"],
)
async def test_a_secured_listener_says_what_it_wants(
    fragile_kafka: Cluster, wrong: dict[str, Any], text: str
) -> None:
    bus = fragile_kafka.secured_bootstrap
    how = settings(**LOGGED_IN | {"ca_file": fragile_kafka.certificate} | wrong)
    assert await refusal(f"kafka://{bus}", ConfigurationError, how) == f"{bus}: {text}"


@pytest.mark.parametrize(
    ("protocol", "text"),
    [
        ("SASL_PLAINTEXT", "it asks for no login; setting kafka.security_protocol: without SASL"),
        (
            "SASL_SSL",
            "it does not speak TLS; setting kafka.security_protocol: PLAINTEXT or SASL_PLAINTEXT",
        ),
    ],
)
async def test_a_plain_listener_says_what_it_does_not_know(
    fragile_kafka: Cluster, protocol: str, text: str
) -> None:
    bus = fragile_kafka.bootstrap
    how = settings(**LOGGED_IN | {"security_protocol": protocol})
    assert await refusal(f"kafka://{bus}", ConfigurationError, how) == f"{bus}: {text}"


async def test_a_listener_with_a_login_and_no_tls_says_so(tmp_path: Path) -> None:
    with Cluster(tmp_path / "kafka", sasl=LOGIN) as cluster:
        bus = cluster.secured_bootstrap
        assert await refusal(f"kafka://{bus}", ConfigurationError) == (
            f"{bus}: {ASKS}; setting kafka.security_protocol: with SASL"
        )
        how = settings(**LOGGED_IN | {"security_protocol": "SASL_PLAINTEXT"})
        async with opened(bus, how) as opened_bus:
            assert len(await opened_bus.send([record(1)])) == 1


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256"])
async def test_with_the_right_login_over_tls_everything_works(
    fragile_kafka: Cluster, mechanism: str, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text(f"{PASSWORD}\n")
    how = settings(
        **LOGGED_IN
        | {
            "sasl_mechanism": mechanism,
            "ca_file": fragile_kafka.certificate,
            "password": "",
            "password_file": secret,
        }
    )
    group = f"secured-{mechanism}"
    async with opened(fragile_kafka.secured_bootstrap, how) as bus:
        [offset] = await bus.send([record(7, 3)])
        for partitions in ([3], None):
            consumer = await bus.consumer([TRADES.name], group=group, partitions=partitions)
            consumer.seek(TRADES.name, 3, offset)
            read = await polled(consumer, lambda read: 3 in numbers(read))
            assert (3, offset, b"BTC") in {(one.partition, one.offset, one.key) for one in read}
            await consumer.commit({(TRADES.name, 3): offset + 1})
            assert await consumer.committed(TRADES.name, 3) == offset + 1
            await consumer.close()


async def test_a_login_that_is_lost_later_is_an_error_of_the_log(fragile_kafka: Cluster) -> None:
    """It may be a password that is being changed: records wait for it."""
    how = settings(**LOGGED_IN | {"ca_file": fragile_kafka.certificate})
    async with opened(fragile_kafka.secured_bootstrap, how) as bus:
        await bus.send([record(1)])
        bus._sender._options = {**bus._sender._options, "sasl_plain_password": "wrong-secret"}
        await bus._sender._replace(bus._sender._producer, "for the test")
        with pytest.raises(BusError, match=f"the login of {USER} with SCRAM-SHA-256 is refused"):
            await bus.send([record(2)])
        bus._sender._options = {**bus._sender._options, "sasl_plain_password": PASSWORD}
        assert len(await bus.send([record(2)])) == 1


# Errors.


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        (
            errors.TopicAuthorizationFailedError("md.x"),
            ConfigurationError,
            "here: [Error 29] TopicAuthorizationFailedError: md.x; see the settings kafka.*",
        ),
        (
            errors.GroupAuthorizationFailedError("g"),
            ConfigurationError,
            "here: [Error 30] GroupAuthorizationFailedError: g; see the settings kafka.*",
        ),
        (
            errors.MessageSizeTooLargeError(),
            BusError,
            "here: [Error 10] MessageSizeTooLargeError; "
            "the topic differs from the registry, run: perptape topics apply",
        ),
        (errors.KafkaConnectionError("no\n  way"), BusError, "here: KafkaConnectionError: no way"),
        (TimeoutError(), BusError, "here: no answer in time"),
        (OSError(111, "Refused"), BusError, "here: ConnectionRefusedError: [Errno 111] Refused"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_errors_of_the_library_are_sorted(
    error: Exception, kind: type[Exception], text: str
) -> None:
    with pytest.raises(kind) as raised, explained("here"):
        raise error
    assert str(raised.value) == text


# Settings.


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"security_protocol": "SASL_SSL"}, "kafka.username and kafka.password"),
        ({"security_protocol": "SASL_SSL", "username": "x"}, "kafka.username and kafka.password"),
        ({"security_protocol": "SASL_SSL", "password": "x"}, "kafka.username and kafka.password"),
        ({"username": "x"}, "PLAINTEXT makes no use of kafka.username"),
        ({"ca_file": "ca.pem"}, "PLAINTEXT makes no use of kafka.ca_file"),
        ({"security_protocol": "SSL", "ca_file": "/nowhere.pem"}, "No such file or directory"),
        ({"security_protocol": "SSL", "certificate_file": __file__}, "settings kafka.ca_file"),
        (
            {"security_protocol": "SASL_SSL", "username": "x", "password_file": "/nowhere"},
            "setting kafka.password_file: /nowhere: No such file",
        ),
    ],
    ids=str,
)
def test_settings_that_do_not_fit_are_named(values: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        client_options(["localhost:9092"], KafkaSettings(**values))
    assert complaint in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_password_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"\xff\xfe")
    values: dict[str, Any] = {"security_protocol": "SASL_SSL", "username": "x"}
    with pytest.raises(ConfigurationError, match=f"{secret} is no text in UTF-8"):
        client_options(["localhost:9092"], KafkaSettings(**values, password_file=secret))


def test_more_copies_in_sync_than_there_are_copies_are_refused() -> None:
    """Every send would be refused for ever."""
    with pytest.raises(ValidationError, match="must not be above replication"):
        KafkaSettings(replication=1, min_insync_replicas=2)
