"""The calls of a group: each is out once, however often it is asked for."""

import asyncio
import json

import aiohttp

from collectors.calls import CALL_TRIES, Calls
from collectors.registry import all_feeds
from collectors.rest import RestClient
from collectors.session.outcome import Ask
from collectors.session.session import Session
from collectors.venue import Channel, Request
from runtime.backoff import Backoff
from schemas.instruments import make_instrument
from tests.collectors.answering import answering

BASE_US = 1_800_000_000_000_000
BASE_MS = BASE_US // 1000


class Ends:
    """How calls ended: their paths, and why there was no answer."""

    def __init__(self, wanted: int) -> None:
        self.found: list[tuple[str, str]] = []
        self.all = asyncio.Event()
        self._wanted = wanted

    def answer(self, request: Request, body: bytes) -> None:
        self.failure(request, "")

    def failure(self, request: Request, problem: str) -> None:
        self.found.append((request.path, problem))
        if len(self.found) == self._wanted:
            self.all.set()


async def made(head: bytes, *paths: str, wanted: int) -> tuple[list[str], Ends]:
    """Ask for calls at once; return the calls that were made, and how they ended."""
    asked: list[str] = []
    ends = Ends(wanted)
    async with answering(head, asked) as port, aiohttp.ClientSession() as http:
        calls = Calls(
            RestClient(all_feeds()["okx.spot"], f"http://127.0.0.1:{port}", http),
            lambda: Backoff(0.001, 0.001, lambda: 0.0),
            on_answer=ends.answer,
            on_failure=ends.failure,
            on_limited=lambda _: None,
        )
        for path in paths:
            calls.make(Ask(Request(path)))
        await ends.all.wait()
        await calls.close()
    return asked, ends


async def test_a_call_that_is_out_is_not_made_again() -> None:
    asked, ends = await made(b"200 OK", "/book", "/other", "/book", "/book", wanted=2)
    assert sorted(asked) == ["/book", "/other"]
    assert sorted(ends.found) == [("/book", ""), ("/other", "")]


async def test_a_call_that_fails_is_tried_again_and_ends_once() -> None:
    asked, ends = await made(b"503 Away", "/book", "/book", wanted=1)
    assert asked == ["/book"] * CALL_TRIES
    ((path, problem),) = ends.found
    assert path == "/book"
    assert "HTTP 503" in problem


def test_the_repair_of_a_gap_is_urgent() -> None:
    feed = all_feeds()["binance.usdm"]
    one = make_instrument(
        venue="binance",
        kind=feed.kind,
        venue_symbol="BTCUSDT",
        asset="BTC",
        quote="USDT",
        venue_tick="0.1",
        venue_lot="0.001",
    )
    streams = [stream for stream in feed.streams([one]) if stream.channel is Channel.TRADES]
    session = Session(feed, streams, "s", BASE_US, instruments=[one])
    for number in (10, 14):
        data = {
            "e": "aggTrade", "E": BASE_MS, "a": number, "s": "BTCUSDT", "p": "1000.0",
            "q": "0.275", "f": number, "l": number, "T": BASE_MS, "m": False, "st": 1,
        }  # fmt: skip
        frame = json.dumps({"stream": "btcusdt@aggTrade", "data": data}).encode()
        session.on_frame(frame, BASE_US)
    asks = session.on_tick(BASE_US + 2_000_000).asks
    assert [ask.urgent for ask in asks] == [True]
