"""A venue that answers with status 200 that it is busy is asked again, as after a status 429."""

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from collectors.registry import all_feeds
from collectors.rest import RestClient
from collectors.venue import Request
from runtime.errors import RateLimited

BUSY = [
    ("okx.swap", b'{"code":"50011","msg":"Too Many Requests","data":[]}'),
    ("okx.spot", b'{"msg": "Systems are busy", "code": "50013", "data": []}'),
    ("bybit.linear", b'{"retCode":10006,"retMsg":"Too many visits!","result":{}}'),
    ("bybit.spot", b'{"retCode":10016,"retMsg":"Server error.","result":{}}'),
]
OTHER = [
    ("okx.swap", b'{"code":"51001","msg":"Instrument ID does not exist","data":[]}'),
    ("okx.swap", b'{"code":"0","msg":"","data":[{"instId":"50011"}]}'),
    ("bybit.linear", b'{"retCode":10001,"retMsg":"10006","result":{}}'),
    ("binance.usdm", b'{"code":"50011"}'),
]


async def answer(name: str, body: bytes) -> bytes:

    async def answer_all(_: web.Request) -> web.Response:
        return web.Response(body=body)

    app = web.Application()
    app.router.add_get("/", answer_all)
    async with TestServer(app) as server, aiohttp.ClientSession() as http:
        return await RestClient(all_feeds()[name], str(server.make_url("")), http).call(
            Request("/")
        )


@pytest.mark.parametrize(("name", "body"), BUSY)
async def test_a_busy_venue_is_asked_again(name: str, body: bytes) -> None:
    with pytest.raises(RateLimited):
        await answer(name, body)


@pytest.mark.parametrize(("name", "body"), OTHER)
async def test_any_other_answer_is_for_whoever_asked(name: str, body: bytes) -> None:
    assert await answer(name, body) == body
