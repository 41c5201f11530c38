"""The web socket to a venue: refused in our words whatever is there, closed whatever happens."""

import asyncio

import pytest
from websockets.server import ServerProtocol

from collectors.refusals import MAX_PAUSE_SECONDS
from collectors.socket import open_socket
from runtime.errors import (
    ConfigurationError,
    PerptapeError,
    RateLimited,
    RefusedError,
    TransportError,
)
from tests.collectors.answering import answering

LONG = 30.0
NOWHERE = b"ws://" + b"a" * 70 + b".com/"


async def refused(head: bytes) -> PerptapeError:
    """Return what a venue is to us that answers a handshake with this."""
    async with answering(head) as port:
        with pytest.raises(PerptapeError) as raised:
            async with open_socket("a venue", f"ws://127.0.0.1:{port}/"):
                pass
        return raised.value


@pytest.mark.parametrize(
    "location",
    [
        b"https://www.venue.com/restricted",
        b"/restricted",
        b"http://[bad",
        b"ws://127.0.0.1:99999/",
        NOWHERE,
        b"a\r\nLocation: b",
    ],
    ids=["page", "loop", "no address", "no port", "no host", "two"],
)
async def test_a_redirect_to_where_no_socket_is_is_tried_again(location: bytes) -> None:
    error = await refused(b"302 Found\r\nLocation: " + location)
    assert type(error) is TransportError


@pytest.mark.parametrize(
    ("after", "seconds"),
    [
        (b"7", 7.0),
        (b"5\r\nRetry-After: 60", 60.0),
        (b"0", 1.0),
        (b"9" * 400, MAX_PAUSE_SECONDS),
        ("²".encode(), 120.0),
        (b"soon", 120.0),
    ],
    ids=["seconds", "two", "none", "for ever", "no digit", "words"],
)
async def test_a_venue_that_refuses_says_within_bounds_when_to_come_back(
    after: bytes, seconds: float
) -> None:
    error = await refused(b"418 Enough\r\nRetry-After: " + after)
    assert isinstance(error, RateLimited)
    assert error.retry_after_seconds == seconds


async def test_a_place_that_is_not_served_is_refused() -> None:
    assert isinstance(await refused(b"451 Not Here"), RefusedError)


@pytest.mark.parametrize("url", ["https://venue.com/", "ws://", "ws://venue.com:99999/", "ws://["])
async def test_an_address_of_ours_that_is_none_is_ours_to_change(url: str) -> None:
    with pytest.raises(ConfigurationError, match="is not a web-socket address"):
        async with open_socket("a venue", url):
            pass


class Mute:
    """A venue that shakes hands and says nothing more, not even to a farewell."""

    def __init__(self) -> None:
        self.told = asyncio.Event()
        self.gone = asyncio.Event()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        protocol = ServerProtocol()
        protocol.receive_data(await reader.readuntil(b"\r\n\r\n"))
        for request in protocol.events_received():
            protocol.send_response(protocol.accept(request))  # type: ignore[arg-type]
        writer.writelines(protocol.data_to_send())
        try:
            while await reader.read(2**16):
                self.told.set()
        except ConnectionResetError:
            pass  # it was cut, not closed
        finally:
            self.gone.set()
            writer.close()


async def test_a_farewell_that_is_cut_short_still_closes() -> None:
    venue, opened = Mute(), asyncio.Event()

    async def converse(port: int) -> None:
        async with open_socket("a venue", f"ws://127.0.0.1:{port}/"):
            opened.set()
            await asyncio.sleep(LONG)

    async with await asyncio.start_server(venue, "127.0.0.1", 0) as server:
        task = asyncio.create_task(converse(server.sockets[0].getsockname()[1]))
        await opened.wait()
        task.cancel()
        await venue.told.wait()  # of the farewell, which waits for its answer
        task.cancel()
        await asyncio.wait({task})
        await asyncio.wait_for(venue.gone.wait(), LONG)
