"""Every venue's conversation over a real socket on loopback."""

from typing import Any

import aiohttp
import pytest

from simulator import ScriptedMarket, ScriptedSource, Simulator
from tests.simulator.support import START_US, ManualClock, Peer, Stage, dial, get_json

SUBSCRIBE_BTC = {"method": "SUBSCRIBE", "params": ["btcusdt@aggTrade"], "id": 1}
SUBSCRIBE_HYPERLIQUID = {"method": "subscribe", "subscription": {"type": "trades", "coin": "BTC"}}
OKX_BTC = {"channel": "trades", "instId": "BTC-USDT-SWAP"}


async def test_every_feed_has_an_address_and_the_two_usdm_feeds_share_one(stage: Stage) -> None:
    assert set(stage.simulator.addresses) == {
        "binance.usdm",
        "binance.usdm-fills",
        "binance.spot",
        "bybit.linear",
        "bybit.spot",
        "okx.swap",
        "okx.spot",
        "hyperliquid.perp",
        "hyperliquid.spot",
    }
    rest, socket = stage.simulator.addresses["binance.usdm"]
    assert rest.startswith("http://127.0.0.1:")
    assert rest.endswith("/binance-usdm")
    assert socket == rest.replace("http", "ws", 1)
    assert stage.simulator.addresses["binance.usdm-fills"] == (rest, socket)


async def test_binance_acknowledges_then_sends_what_the_route_carries(stage: Stage) -> None:
    async with stage.peer("binance.usdm", "/market/stream") as peer:
        await peer.send(SUBSCRIBE_BTC)
        assert await peer.json() == {"result": None, "id": 1}
        await stage.clock.advance(5)
        first = await peer.json()
        assert first["stream"] == "btcusdt@aggTrade"
        assert first["data"]["s"] == "BTCUSDT"
        assert first["data"]["T"] >= START_US // 1000


async def test_binance_streams_in_the_address_need_no_message(stage: Stage) -> None:
    path = "/public/stream?streams=btcusdt@trade/ethusdt@trade"
    async with stage.peer("binance.usdm", path) as peer:
        await stage.simulator.subscribed("binance.usdm", ["ethusdt@trade"])
        await stage.clock.advance(5)
        streams = {message["stream"] for message in await peer.pending()}
        assert streams == {"btcusdt@trade", "ethusdt@trade"}


async def test_binance_raw_sockets_get_the_payload_alone(stage: Stage) -> None:
    async with stage.peer("binance.spot", "/ws/btcusdt@trade") as peer:
        await stage.simulator.subscribed("binance.spot")
        await stage.clock.advance(10)
        message = await peer.json()
        assert message["e"] == "trade"
        assert "stream" not in message


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/public/stream", "btcusdt@aggTrade"),
        ("/market/stream", "btcusdt@trade"),
        ("/stream", "btcusdt@aggTrade"),
        ("/market/stream", "BTCUSDT@aggTrade"),
        ("/market/stream", "nopeusdt@aggTrade"),
    ],
    ids=["wrong route", "other wrong route", "unrouted", "upper case", "unknown symbol"],
)
async def test_binance_acknowledges_mistakes_and_stays_silent(
    stage: Stage, path: str, name: str
) -> None:
    async with (
        stage.peer("binance.usdm", path) as peer,
        stage.peer("binance.usdm", "/market/stream?streams=btcusdt@aggTrade") as right,
    ):
        await peer.send({"method": "SUBSCRIBE", "params": [name], "id": 7})
        assert await peer.json() == {"result": None, "id": 7}
        await stage.clock.advance(5)
        assert await right.pending()
        assert await peer.pending() == []


async def test_binance_lists_and_unsubscribes(stage: Stage) -> None:
    async with stage.peer("binance.spot", "/stream") as peer:
        await peer.send({"method": "SUBSCRIBE", "params": ["btcusdt@trade"], "id": 1})
        await peer.send({"method": "LIST_SUBSCRIPTIONS", "id": 2})
        await peer.send({"method": "UNSUBSCRIBE", "params": ["btcusdt@trade"], "id": 3})
        assert [(await peer.json())["result"] for _ in range(3)] == [None, ["btcusdt@trade"], None]
        await stage.clock.advance(10)
        assert await peer.pending() == []


async def test_binance_pings_and_cuts_a_client_that_does_not_answer(stage: Stage) -> None:
    async with aiohttp.ClientSession() as session:
        address = stage.address("binance.spot", "/stream")
        async with session.ws_connect(address, autoping=False) as socket:
            await stage.clock.advance(21)
            assert (await socket.receive(timeout=60)).type is aiohttp.WSMsgType.PING
            for _ in range(4):
                await stage.clock.advance(20)
            kinds = {(await socket.receive(timeout=60)).type for _ in range(5)}
            assert aiohttp.WSMsgType.CLOSED in kinds


async def test_bybit_answers_each_request_once_and_sends_trades(stage: Stage) -> None:
    async with stage.peer("bybit.linear", "/v5/public/linear") as peer:
        topics = ["publicTrade.BTCUSDT", "publicTrade.ETHUSDT"]
        await peer.send({"req_id": "c1", "op": "subscribe", "args": topics})
        ack = await peer.json()
        assert ack.pop("conn_id")
        assert ack == {"success": True, "ret_msg": "", "req_id": "c1", "op": "subscribe"}
        await peer.send({"req_id": "hb", "op": "ping"})
        pong = await peer.json()
        assert (pong["ret_msg"], pong["op"], pong["req_id"]) == ("pong", "ping", "hb")
        await stage.clock.advance(10)
        messages = await peer.pending()
        assert {message["topic"] for message in messages} == set(topics)
        assert all(message["type"] == "snapshot" for message in messages)


async def test_bybit_spot_takes_ten_topics_at_most(stage: Stage) -> None:
    async with stage.peer("bybit.spot", "/v5/public/spot") as peer:
        depths = [
            f"orderbook.{depth}.{coin}USDT"
            for coin in ("BTC", "ETH", "SOL")
            for depth in (1, 50, 200, 1000)
        ]
        await peer.send({"op": "subscribe", "args": depths[:11]})
        refusal = await peer.json()
        assert refusal["success"] is False
        assert refusal["ret_msg"] == "args size >10"
        await peer.send({"op": "subscribe", "args": depths[:10]})
        ack = await peer.json()
        assert ack["success"] is True
        assert ack["ret_msg"] == "subscribe"
        assert "req_id" not in ack
        await peer.send({"op": "ping"})
        assert "req_id" not in await peer.json()


@pytest.mark.parametrize(
    ("topic", "text"),
    [
        ("orderbook.500.BTCUSDT", "error:handler not found,topic:orderbook.500.BTCUSDT"),
        ("funding.BTCUSDT", "error:handler not found,topic:funding.BTCUSDT"),
        ("tickers.NOPEUSDT", "Invalid symbol :[tickers.NOPEUSDT]"),
        ("publicTrade.BTCUSDT", "error:already subscribed,topic:publicTrade.BTCUSDT"),
    ],
)
async def test_bybit_refuses_in_its_own_words(stage: Stage, topic: str, text: str) -> None:
    async with stage.peer("bybit.linear", "/v5/public/linear") as peer:
        await peer.send({"op": "subscribe", "args": ["publicTrade.BTCUSDT"]})
        assert (await peer.json())["success"] is True
        await peer.send({"op": "subscribe", "args": [topic]})
        refusal = await peer.json()
        assert (refusal["success"], refusal["ret_msg"]) == (False, text)


async def test_okx_acknowledges_each_argument_and_refuses_unknown_channels(stage: Stage) -> None:
    async with stage.peer("okx.swap", "/ws/v5/public") as peer:
        args = [
            OKX_BTC,
            {"channel": "liquidations", "instId": "BTC-USDT-SWAP"},
            {"channel": "trades", "instId": "NOPE-USDT-SWAP"},
            {"channel": "liquidation-orders", "instType": "SWAP"},
        ]
        await peer.send({"id": "a1", "op": "subscribe", "args": args})
        first, second, third, fourth = [await peer.json() for _ in args]
        assert (first["id"], first["event"], first["arg"]) == ("a1", "subscribe", OKX_BTC)
        assert (second["event"], second["code"]) == ("error", "60018")
        assert "channel:liquidations,instId:BTC-USDT-SWAP" in second["msg"]
        assert third["code"] == "60018"
        assert fourth["arg"] == args[3]
        await stage.clock.advance(10)
        message = await peer.json()
        assert message["arg"] == OKX_BTC
        assert message["data"][0]["instId"] == "BTC-USDT-SWAP"


async def test_okx_answers_text_pings_and_closes_after_thirty_silent_seconds(stage: Stage) -> None:
    async with stage.peer("okx.spot", "/ws/v5/public") as peer:
        await stage.clock.advance(20)
        await peer.send("ping")
        assert await peer.text() == "pong"
        await stage.clock.advance(25)
        await peer.send("ping")
        assert await peer.text() == "pong"
        await stage.clock.advance(32)
        assert await peer.closed() == 4004


async def test_hyperliquid_acknowledges_then_replays_then_goes_on(stage: Stage) -> None:
    await stage.clock.advance(60)
    async with stage.peer("hyperliquid.perp", "/ws") as peer:
        await peer.send(SUBSCRIBE_HYPERLIQUID)
        ack = await peer.json()
        assert ack == {
            "channel": "subscriptionResponse",
            "data": {"method": "subscribe", "subscription": {"type": "trades", "coin": "BTC"}},
        }
        replay = await peer.json()
        assert len(replay["data"]) == 30
        assert all(row["time"] * 1000 < stage.clock.now_us() for row in replay["data"])
        await stage.clock.advance(30)
        fresh = await peer.json()
        assert fresh["data"][0]["time"] >= replay["data"][-1]["time"]
        await peer.send({"method": "ping"})
        assert await peer.until(lambda message: message["channel"] == "pong")


async def test_hyperliquid_closes_the_socket_on_an_unknown_coin(stage: Stage) -> None:
    for coin in ("btc", "NOPE"):
        async with stage.peer("hyperliquid.perp", "/ws") as peer:
            await peer.send(
                {"method": "subscribe", "subscription": {"type": "trades", "coin": coin}}
            )
            assert await peer.closed() == 1006


async def test_hyperliquid_takes_one_subscription_a_message(stage: Stage) -> None:
    async with stage.peer("hyperliquid.perp", "/ws") as peer:
        coins: dict[str, Any] = {"type": "trades", "coin": ["BTC", "ETH"]}
        await peer.send({"method": "subscribe", "subscription": coins})
        refusal = await peer.json()
        assert refusal["channel"] == "error"
        assert refusal["data"].startswith("Error parsing JSON")
        await peer.send(SUBSCRIBE_HYPERLIQUID)
        assert (await peer.json())["channel"] == "subscriptionResponse"
        await peer.send(SUBSCRIBE_HYPERLIQUID)
        again = await peer.json()
        assert again["data"].startswith("Already subscribed")


async def test_hyperliquid_closes_where_it_has_nothing_to_say_for_a_minute(stage: Stage) -> None:
    async with stage.peer("hyperliquid.perp", "/ws") as peer:
        await stage.clock.advance(62)
        assert await peer.closed() == 1000


async def test_metadata_lists_the_market_and_what_is_not_crypto(stage: Stage) -> None:
    usdm = await get_json(stage.rest("binance.usdm", "/fapi/v1/exchangeInfo"))
    kinds = {item["symbol"]: item["contractType"] for item in usdm["symbols"]}
    assert kinds["BTCUSDT"] == "PERPETUAL"
    assert kinds["XAUUSDT"] == "TRADIFI_PERPETUAL"
    spot = await get_json(stage.rest("binance.spot", "/api/v3/exchangeInfo"))
    assert {item["status"] for item in spot["symbols"]} == {"TRADING", "BREAK"}
    query = "/v5/market/instruments-info?category=linear&limit=1000"
    linear = (await get_json(stage.rest("bybit.linear", query)))["result"]["list"]
    kinds = {item["symbol"]: item["symbolType"] for item in linear}
    assert kinds["SOLUSDT"] == ""
    assert kinds["XAUUSDT"] == "commodity"
    swaps = await get_json(stage.rest("okx.swap", "/api/v5/public/instruments?instType=SWAP"))
    bitcoin = swaps["data"][0]
    assert (bitcoin["instId"], bitcoin["ctVal"], bitcoin["lotSz"], bitcoin["tickSz"]) == (
        "BTC-USDT-SWAP",
        "0.01",
        "0.01",
        "0.1",
    )
    assert {item["instCategory"] for item in swaps["data"]} == {"1", "3"}
    meta = await get_json(stage.rest("hyperliquid.perp", "/info"), {"type": "meta"})
    assert meta["universe"][0]["name"] == "BTC"
    assert meta["universe"][0]["szDecimals"] == 5
    other = await get_json(stage.rest("hyperliquid.perp", "/info"), {"type": "meta", "dex": "xyz"})
    assert other["universe"][0]["name"] == "xyz:GOLD"


async def test_rest_answers_carry_the_venues_headers(stage: Stage) -> None:
    address = stage.rest("binance.usdm", "/fapi/v1/exchangeInfo")
    async with aiohttp.ClientSession() as session, session.get(address) as response:
        assert int(response.headers["X-MBX-USED-WEIGHT-1M"]) > 0
        assert response.content_type == "application/json"


async def test_idle_rules_go_by_the_session_clock_however_fast_the_market_runs() -> None:
    market_clock, session_clock = ManualClock(), ManualClock(START_US // 2)
    source = ScriptedSource(ScriptedMarket(5, start_us=START_US), feeds=("okx.swap",))
    async with (
        Simulator([source], clock=market_clock, session_clock=session_clock) as simulator,
        dial(simulator.addresses["okx.swap"][1] + "/ws/v5/public") as socket,
    ):
        peer = Peer(socket)
        await peer.send({"op": "subscribe", "args": [OKX_BTC]})
        await peer.json()
        await session_clock.advance(20)
        await market_clock.advance(60)
        await session_clock.advance(20)
        assert len(await peer.pending()) > 10
        await session_clock.advance(32)
        assert await peer.closed() == 4004


async def test_two_runs_of_one_seed_send_the_same_bytes() -> None:
    runs = []
    for _ in range(2):
        clock = ManualClock()
        source = ScriptedSource(ScriptedMarket(6, start_us=START_US), feeds=("okx.swap",))
        async with Simulator([source], clock=clock) as simulator:
            async with dial(simulator.addresses["okx.swap"][1] + "/ws/v5/public") as socket:
                peer = Peer(socket)
                await peer.send({"op": "subscribe", "args": [OKX_BTC]})
                await peer.json()
                await clock.advance(20)
                runs.append(await peer.pending())
            assert set(simulator.addresses) == {"okx.swap"}
    assert len(runs[0]) > 20
    assert runs[0] == runs[1]
