"""REST calls: whatever a venue answers is one of our errors, and what it asks for is done."""

import aiohttp
import pytest

from collectors.registry import all_feeds
from collectors.rest import RestClient
from collectors.venue import Request
from runtime.errors import PerptapeError, RateLimited, TransportError
from tests.collectors.answering import answering

NOWHERE = b"http://" + b"a" * 70 + b".com/"


async def refused(head: bytes) -> PerptapeError:
    """Return what a venue is to us that answers a call with this."""
    async with answering(head) as port, aiohttp.ClientSession() as http:
        rest = RestClient(all_feeds()["okx.spot"], f"http://127.0.0.1:{port}", http)
        with pytest.raises(PerptapeError) as raised:
            await rest.call(Request("/"))
        return raised.value


@pytest.mark.parametrize("location", [b"http://[bad", b"ftp://venue.com/", NOWHERE])
async def test_a_redirect_to_where_nothing_can_be_is_tried_again(location: bytes) -> None:
    assert type(await refused(b"302 Found\r\nLocation: " + location)) is TransportError


async def test_a_wait_that_is_no_number_is_that_of_the_status() -> None:
    error = await refused(b"418 Enough\r\nRetry-After: " + "²".encode())
    assert isinstance(error, RateLimited)
    assert error.retry_after_seconds == 120.0
