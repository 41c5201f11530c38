"""Finding a broker that answers, and saying why none does.

The client library tells a wrong password from a broker that is away only in its log, so every
client that is made here has one connection made before it.
"""

import asyncio
import ssl
from collections.abc import Mapping
from typing import Any

from aiokafka import errors
from aiokafka.conn import get_ip_port_afi
from aiokafka.protocol.admin import SaslHandShakeRequest
from aiokafka.protocol.metadata import MetadataRequest

from runtime.bus.kafka.clients import connected
from runtime.bus.kafka.failures import in_words
from runtime.errors import BusError, ConfigurationError

KNOCK_SECONDS = 10.0
LOOK_SECONDS = 2.0
LOOK_AGAIN_SECONDS = 0.1
_FAILURES = (errors.KafkaError, OSError, TimeoutError, ValueError)
_PROTOCOL = "setting kafka.security_protocol"

Options = Mapping[str, Any]


async def reach(options: Options) -> dict[str, Any]:
    """Return the options with one address only: that of the broker that answered first.

    The client library tries one address after the other and waits long for each.

    Raises:
        ConfigurationError: a broker is there and will not have us; what to change.
        BusError: no broker answers; why, for each.
    """
    addresses: list[str] = options["bootstrap_servers"]
    knocks = {asyncio.create_task(_knock(one, options)): one for one in addresses}
    try:
        for knock in asyncio.as_completed(knocks):
            try:
                return {**options, "bootstrap_servers": [await knock]}
            except (BusError, ConfigurationError):
                continue
    finally:
        for task in knocks:
            task.cancel()
        answers = await asyncio.gather(*knocks, return_exceptions=True)
    refusals = [one for one in answers if isinstance(one, ConfigurationError)]
    if refusals:
        raise refusals[0]
    raise BusError("; ".join(str(one) for one in answers))


async def _knock(address: str, options: Options) -> str:
    try:
        async with asyncio.timeout(KNOCK_SECONDS), connected(address, options) as connection:
            # A broker that wants a login answers what it can do, and ends the connection here. One
            # that has just started, or was away, is not in service yet: the client library is not
            # made for a cluster without brokers.
            while True:
                answer = await connection.send(MetadataRequest([]))
                if answer.brokers:
                    return address
                await asyncio.sleep(LOOK_AGAIN_SECONDS)
    except _FAILURES as error:
        refusal = await _refusal(address, options, error)
        if refusal:
            raise ConfigurationError(f"{address}: {refusal}") from error
        raise BusError(f"{address}: {in_words(error)}") from error


async def _refusal(address: str, options: Options, error: BaseException) -> str | None:
    """Return what the user has to change, None where it is the broker that is away."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({error.verify_message}); setting kafka.ca_file"
    if isinstance(error, errors.SaslAuthenticationFailed | ValueError):
        user, how = options.get("sasl_plain_username"), options.get("sasl_mechanism")
        return f"the login of {user} with {how} is refused; settings kafka.username, kafka.password"
    if isinstance(error, errors.UnsupportedSaslMechanismError):
        return f"it does not know {options.get('sasl_mechanism')}; setting kafka.sasl_mechanism"
    if isinstance(error, errors.IllegalSaslStateError):
        return f"it asks for no login; {_PROTOCOL}: without SASL"
    if isinstance(error, errors.KafkaConnectionError | ConnectionError | ssl.SSLError):
        return await _other_protocol(address, options)
    return None


async def _other_protocol(address: str, options: Options) -> str | None:
    """Look at what a broker speaks that ended a connection of ours."""
    protocol: str = options["security_protocol"]
    if not protocol.endswith("SSL") and await _speaks_tls(address):
        return f"it speaks TLS; {_PROTOCOL}: SSL or SASL_SSL"
    plain = {**options, "security_protocol": "PLAINTEXT"}
    if protocol.endswith("SSL") and await _mechanisms(address, plain) is not None:
        return f"it does not speak TLS; {_PROTOCOL}: PLAINTEXT or SASL_PLAINTEXT"
    if not protocol.startswith("SASL"):
        mechanisms = await _mechanisms(address, options)
        if mechanisms:
            return f"it asks for a login ({', '.join(mechanisms)}); {_PROTOCOL}: with SASL"
    return None


async def _speaks_tls(address: str) -> bool:
    host, port, _ = get_ip_port_afi(address)
    try:
        async with asyncio.timeout(LOOK_SECONDS):
            context = ssl.create_default_context()
            _, writer = await asyncio.open_connection(host, port, ssl=context)
    except ssl.SSLCertVerificationError:
        return True
    except (OSError, TimeoutError):
        return False
    writer.transport.abort()
    return True


async def _mechanisms(address: str, options: Options) -> list[str] | None:
    """Return how a broker lets people log in, nothing if it does not ask, None if it is away."""
    try:
        async with asyncio.timeout(LOOK_SECONDS), connected(address, options) as connection:
            answer = await connection.send(SaslHandShakeRequest("PLAIN"))
    except _FAILURES:
        return None
    asks = errors.for_code(answer.error_code) is not errors.IllegalSaslStateError
    return sorted(answer.enabled_mechanisms) if asks else []
