"""Open a web socket to a venue, and say in plain words why one cannot be had."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from websockets.asyncio.client import ClientConnection, connect
from websockets.datastructures import MultipleValuesError
from websockets.exceptions import InvalidHandshake, InvalidStatus, InvalidURI
from websockets.uri import parse_uri

from collectors.refusals import refusal
from runtime.errors import ConfigurationError, PerptapeError, TransportError

OPEN_TIMEOUT_SECONDS = 10
MAX_FRAME_BYTES = 64 * 2**20
"""What is read at all; beyond it the connection is closed. A feed's own limit is far below: such a
frame is set aside unread and the connection stays."""

_UNREACHED = (
    OSError,
    EOFError,
    TimeoutError,
    InvalidHandshake,
    InvalidURI,
    MultipleValuesError,
    ValueError,
)
"""What the library raises while it connects to a proper address: of what is there in its place, or
of where that sends us."""


@asynccontextmanager
async def open_socket(venue: str, url: str) -> AsyncIterator[ClientConnection]:
    """Connect, and close in the end.

    Raises:
        ConfigurationError: the address is none.
        RateLimited: too many attempts, as the venue says.
        RefusedError: the venue does not serve this address.
        TransportError: not reached, or answered with nonsense: a redirect to a web page, say.
    """
    try:
        parse_uri(url)
    except (InvalidURI, ValueError) as error:
        raise ConfigurationError(f"{url} is not a web-socket address") from error
    try:
        # Compression is off: no venue needs it, one is said to do it wrong, and it costs CPU.
        socket = await connect(
            url,
            compression=None,
            max_size=MAX_FRAME_BYTES,
            open_timeout=OPEN_TIMEOUT_SECONDS,
            ping_interval=None,
            close_timeout=1,
        )
    except InvalidStatus as error:
        raise _unserved(venue, error) from error
    except _UNREACHED as error:
        raise TransportError(f"cannot connect: {error or type(error).__name__}") from error
    try:
        yield socket
    finally:
        try:
            await socket.close()
        finally:
            socket.transport.abort()  # closing is cut short where it is cancelled once more


def _unserved(venue: str, error: InvalidStatus) -> PerptapeError:
    status, headers = error.response.status_code, error.response.headers
    unclear = TransportError(f"handshake answered with HTTP {status}")
    return refusal(venue, status, headers.get_all("Retry-After")) or unclear
