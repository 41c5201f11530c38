"""Faults on demand: cut, silence, refuse, inject; and no patience with slow readers."""

import asyncio

import aiohttp
import pytest
from websockets.exceptions import InvalidStatus

from runtime.errors import ConfigurationError
from simulator import ScriptedMarket, ScriptedSource, Simulator
from simulator.client import QUEUE_FRAMES
from tests.simulator.support import START_US, ManualClock, Stage, get_json


async def test_dropped_connections_end_without_a_close_frame(stage: Stage) -> None:
    async with (
        stage.peer("binance.usdm", "/market/stream") as peer,
        stage.peer("bybit.spot", "/v5/public/spot") as other,
    ):
        assert stage.simulator.drop_connections("binance.usdm-fills") == 1
        assert await peer.closed() == 1006
        await other.send({"op": "ping"})
        assert (await other.json())["ret_msg"] == "pong"


async def test_a_silenced_stream_stops_while_the_connection_lives(stage: Stage) -> None:
    path = "/market/stream?streams=btcusdt@aggTrade/ethusdt@aggTrade"
    async with stage.peer("binance.usdm", path) as peer:
        await stage.simulator.subscribed("binance.usdm")
        stage.simulator.silence("binance.usdm", "btcusdt@aggTrade")
        await stage.clock.advance(5)
        assert {message["stream"] for message in await peer.pending()} == {"ethusdt@aggTrade"}
        stage.simulator.silence("binance.usdm", "btcusdt@aggTrade", silent=False)
        stage.simulator.silence("binance.usdm", "ethusdt@aggTrade")
        await stage.clock.advance(5)
        assert {message["stream"] for message in await peer.pending()} == {"btcusdt@aggTrade"}
        stage.simulator.silence("binance.usdm")
        await stage.clock.advance(5)
        assert await peer.pending() == []


async def test_a_refusing_feed_answers_503_until_it_takes_clients_again(stage: Stage) -> None:
    stage.simulator.refuse("okx.swap")
    with pytest.raises(InvalidStatus) as caught:
        async with stage.peer("okx.swap", "/ws/v5/public"):
            pass
    assert caught.value.response.status_code == 503
    address = stage.rest("okx.swap", "/api/v5/public/instruments?instType=SWAP")
    with pytest.raises(aiohttp.ClientResponseError, match="503"):
        await get_json(address)
    stage.simulator.refuse("okx.swap", refusing=False)
    assert (await get_json(address))["code"] == "0"


async def test_injected_bytes_reach_every_client_as_they_are(stage: Stage) -> None:
    async with stage.peer("hyperliquid.perp", "/ws") as peer:
        await peer.send({"method": "ping"})
        await peer.json()
        stage.simulator.inject("hyperliquid.perp", b'{"channel":"trades","data":[{"coin":')
        assert await peer.text() == '{"channel":"trades","data":[{"coin":'
        stage.simulator.inject("hyperliquid.perp", b"\xff\xfe")
        assert await peer.socket.recv(decode=False) == b"\xff\xfe"


async def test_a_client_that_does_not_read_is_cut_and_others_are_not(stage: Stage) -> None:
    async with aiohttp.ClientSession() as session:
        address = stage.address("hyperliquid.perp", "/ws")
        async with (
            session.ws_connect(address, max_msg_size=0) as slow,
            stage.peer("okx.spot", "/ws/v5/public") as other,
        ):
            await slow.send_json({"method": "ping"})
            await slow.receive()
            big = b'"%s"' % (b"x" * 2**16)
            sent = 0
            while stage.simulator._surfaces["hyperliquid.perp"]._clients:
                stage.simulator.inject("hyperliquid.perp", big)
                await asyncio.sleep(0)
                sent += 1
                assert sent < 3 * QUEUE_FRAMES
            assert sent > QUEUE_FRAMES // 2
            await other.send("ping")
            assert await other.text() == "pong"


async def test_feeds_that_are_not_served_are_named() -> None:
    clock = ManualClock()
    market = ScriptedMarket(1, start_us=START_US)
    only_okx = ScriptedSource(market, feeds=("okx.swap",))
    with pytest.raises(ConfigurationError, match=r"okx\.swap comes from two sources"):
        Simulator([only_okx, only_okx], clock=clock)
    async with Simulator([only_okx], clock=clock) as simulator:
        with pytest.raises(ConfigurationError, match=r"does not serve bybit\.spot"):
            simulator.refuse("bybit.spot")
