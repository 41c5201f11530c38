"""REST calls: whatever a venue answers is one of our errors, and what it asks for is done."""

import asyncio
import copy
from dataclasses import replace

import aiohttp
import pytest

from collectors.registry import all_feeds
from collectors.rest import RestClient
from collectors.session.answers import REPAIR_US
from collectors.venue import Request
from runtime.errors import PerptapeError, RateLimited, RefusedError, TransportError
from schemas.units import US_PER_SECOND
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


async def test_a_repair_outlives_one_refusal_for_too_many_requests() -> None:
    error = await refused(b"429 Enough")
    assert isinstance(error, RateLimited)
    assert 2 * (error.retry_after_seconds or 0.0) < REPAIR_US / US_PER_SECOND


@pytest.mark.parametrize("head", [b"403 Forbidden", b"451 Not Here"])
async def test_no_call_is_made_for_a_while_after_one_was_denied(head: bytes) -> None:
    feed = copy.copy(all_feeds()["okx.spot"])
    feed.limits = replace(feed.limits, denied_seconds=0.2)
    times = []
    async with answering(head) as port, aiohttp.ClientSession() as http:
        rest = RestClient(feed, f"http://127.0.0.1:{port}", http)
        for _ in range(3):
            with pytest.raises(RefusedError):
                await rest.call(Request("/"))
            times.append(asyncio.get_running_loop().time())
    assert times[-1] - times[0] >= 2 * 0.2


@pytest.mark.parametrize("name", ["bybit.linear", "bybit.spot"])
def test_a_venue_that_denies_for_too_many_requests_is_left_alone_for_ten_minutes(
    name: str,
) -> None:
    assert all_feeds()[name].limits.denied_seconds >= 600


async def test_what_is_urgent_goes_first_and_the_rest_in_order() -> None:
    feed = copy.copy(all_feeds()["okx.spot"])
    feed.limits = replace(feed.limits, rest_weight=1, rest_seconds=0.05)
    asked: list[str] = []
    calls = [("/1", False), ("/2", False), ("/3", False), ("/4", True), ("/5", True)]
    async with answering(b"200 OK", asked) as port, aiohttp.ClientSession() as http:
        rest = RestClient(feed, f"http://127.0.0.1:{port}", http)
        await rest.call(Request("/0"))
        await asyncio.gather(*[rest.call(Request(path), urgent=urgent) for path, urgent in calls])
    assert asked == ["/0", "/4", "/5", "/1", "/2", "/3"]
