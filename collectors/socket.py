"""Open a web socket to a venue, and say in plain words why one cannot be had."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, InvalidStatus, InvalidURI

from collectors.rest import BANNED_SECONDS, RATE_STATUS, REFUSALS
from runtime.errors import (
    ConfigurationError,
    PerptapeError,
    RateLimited,
    RefusedError,
    TransportError,
)

OPEN_TIMEOUT_SECONDS = 10
MAX_FRAME_BYTES = 64 * 2**20
"""What is read at all; beyond it the connection is closed. A feed's own limit is far below: such a
frame is set aside unread and the connection stays."""


@asynccontextmanager
async def open_socket(venue: str, url: str) -> AsyncIterator[ClientConnection]:
    """Connect, and close in the end.

    Raises:
        ConfigurationError: the address is none.
        RateLimited: too many attempts, as the venue says.
        RefusedError: the venue does not serve this address.
        TransportError: not reached.
    """
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
    except InvalidURI as error:
        raise ConfigurationError(f"{url} is not a web-socket address") from error
    except InvalidStatus as error:
        raise _refusal(venue, error) from error
    except (OSError, InvalidHandshake, EOFError, TimeoutError) as error:
        raise TransportError(f"cannot connect: {error or type(error).__name__}") from error
    try:
        yield socket
    finally:
        try:
            await socket.close()
        finally:
            socket.transport.abort()  # closing is cut short where it is cancelled once more


def _refusal(venue: str, error: InvalidStatus) -> PerptapeError:
    status = error.response.status_code
    if status in RATE_STATUS:
        after = error.response.headers.get("Retry-After", "")
        seconds = float(after) if after.isdigit() else BANNED_SECONDS
        banned = "banned for a while" if status == 418 else "too many requests"
        return RateLimited(f"{venue}: {banned} (HTTP {status})", seconds)
    if status in REFUSALS:
        return RefusedError(f"{venue}: {REFUSALS[status]} (HTTP {status})")
    return TransportError(f"handshake answered with HTTP {status}")
