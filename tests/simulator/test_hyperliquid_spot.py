"""Hyperliquid's spot market: pairs of Unit tokens, and nothing that only perpetuals have."""

import json
from decimal import Decimal
from typing import Any

import pytest

from runtime.errors import ConfigurationError
from simulator.catalogue import FEEDS, LISTED_ASSETS, instrument, instruments, listings
from simulator.dialects import make_dialect
from simulator.dialects.base import ABORT, Dialect, RestRequest
from simulator.market import ScriptedMarket
from simulator.model import SimBookUpdate, SimEvent, SimTop, SimTrade
from tests.simulator.support import START_US, Stage, get_json, market_events

SPOT = "hyperliquid.spot"
BITCOIN = "@142"
SILENT = ("@190", "@230")


@pytest.fixture(scope="module")
def events() -> list[SimEvent]:
    every = market_events(12, 20.0, ("BTC", "SOL", "XRP"), falls=True)
    return [event for event in every if event.instrument.feed == SPOT]


def new_dialect() -> Dialect:
    return make_dialect(SPOT, instruments(SPOT), {})


def messages(dialect: Dialect, events: list[SimEvent], key: str) -> list[Any]:
    frames = dialect.encode(events, {key})
    assert {frame.key for frame in frames} <= {key}
    assert all(dialect.keys_of(frame.data) == (key,) for frame in frames)
    return [json.loads(frame.data)["data"] for frame in frames]


def ask(dialect: Dialect, **body: object) -> Any:
    reply = dialect.rest(RestRequest("POST", "/info", "", json.dumps(body).encode()))
    return json.loads(reply.body) if reply.status == 200 else reply.status


def test_pairs_name_their_tokens_by_index_and_false_friends_are_among_them() -> None:
    meta = ask(new_dialect(), type="spotMeta")
    tokens = {token["index"]: token for token in meta["tokens"]}
    assert len(tokens) == len(meta["tokens"])
    pairs = {
        pair["name"]: tuple(tokens[index]["name"] for index in pair["tokens"])
        for pair in meta["universe"]
    }
    assert pairs == {
        "@142": ("UBTC", "USDC"),
        "@151": ("UETH", "USDC"),
        "@156": ("USOL", "USDC"),
        "@190": ("BTC", "USDC"),
        "@230": ("UBTC", "USDH"),
    }
    assert all(pair["name"] == f"@{pair['index']}" for pair in meta["universe"])
    decimals = {token["name"]: token["szDecimals"] for token in meta["tokens"]}
    for item in instruments(SPOT):
        assert decimals[f"U{item.asset}"] == item.qty_decimals
        assert item.price_decimals == 8 - item.qty_decimals
        assert item.quote == "USDC"


def test_pairs_are_whole_where_the_market_has_some_of_the_assets() -> None:
    for assets in (("SOL",), ("XRP",)):
        meta = ask(make_dialect(SPOT, instruments(SPOT, assets), {}), type="spotMeta")
        known = {token["index"] for token in meta["tokens"]}
        assert all(known >= set(pair["tokens"]) for pair in meta["universe"])
        traded = {pair["name"] for pair in meta["universe"]} - set(SILENT)
        assert traded == ({"@156"} if assets == ("SOL",) else set())


def test_trades_are_the_markets_with_five_significant_figures(events: list[SimEvent]) -> None:
    trades = [event for event in events if isinstance(event, SimTrade)]
    mine = [trade for trade in trades if trade.instrument.symbol == BITCOIN]
    assert mine
    dialect = new_dialect()
    rows = [row for data in messages(dialect, events, f"trades:{BITCOIN}") for row in data]
    assert [(Decimal(row["px"]), Decimal(row["sz"])) for row in rows] == [
        (trade.price_ticks * trade.instrument.tick, lots * trade.instrument.lot)
        for trade in mine
        for lots in trade.fills
    ]
    assert {row["coin"] for row in rows} == {BITCOIN}
    for row in rows:
        assert len(row["px"].removesuffix(".0").replace(".", "").lstrip("0")) <= 5
        assert len(row["users"]) == 2
    newest_first = ask(dialect, type="recentTrades", coin=BITCOIN)
    assert newest_first == list(reversed(rows))[: len(newest_first)]
    assert newest_first


def test_books_and_best_prices_are_those_of_the_market(events: list[SimEvent]) -> None:
    pushes = messages(new_dialect(), events, f"l2BookFast:{BITCOIN}")
    assert len(pushes) > 30
    assert all(push["fast"] is True and push["coin"] == BITCOIN for push in pushes)
    assert all([len(side) for side in push["levels"]] == [5, 5] for push in pushes)
    tops = [
        event
        for event in events
        if isinstance(event, SimTop) and event.instrument.symbol == BITCOIN
    ]
    best = messages(new_dialect(), events, f"bbo:{BITCOIN}")
    tick = instrument(SPOT, "BTC").tick
    assert [[Decimal(side["px"]) for side in top["bbo"]] for top in best] == [
        [top.bid[0] * tick, top.ask[0] * tick] for top in tops
    ]
    dialect = new_dialect()
    dialect.encode(events, ())
    rest = ask(dialect, type="l2Book", coin=BITCOIN)
    assert [len(side) for side in rest["levels"]] == [20, 20]
    assert rest["time"] * 1000 == max(
        event.time_us // 1000 * 1000
        for event in events
        if isinstance(event, SimBookUpdate) and event.instrument.symbol == BITCOIN
    )


@pytest.mark.parametrize("coin", SILENT)
def test_pairs_that_nobody_trades_are_acknowledged_and_empty(
    coin: str, events: list[SimEvent]
) -> None:
    dialect = new_dialect()
    opened = dialect.open("/ws", "")
    assert opened is not None
    asked = {"method": "subscribe", "subscription": {"type": "trades", "coin": coin}}
    reply = opened[0].on_client_message(json.dumps(asked), 0)
    assert (reply.close, reply.subscribed) == (None, (f"trades:{coin}",))
    assert dialect.first_frame(f"trades:{coin}") is None
    assert ask(dialect, type="recentTrades", coin=coin) == []
    pushes = messages(dialect, events, f"l2BookFast:{coin}")
    assert pushes
    assert all(push["levels"] == [[], []] for push in pushes)


@pytest.mark.parametrize("coin", ["BTC", "UBTC", "MATIC", "UBTC/USDC", "@1"])
def test_coins_that_are_no_pair_end_the_socket(coin: str) -> None:
    opened = new_dialect().open("/ws", "")
    assert opened is not None
    asked = {"method": "subscribe", "subscription": {"type": "bbo", "coin": coin}}
    assert opened[0].on_client_message(json.dumps(asked), 0).close == ABORT


def test_spot_has_no_explorer_no_contexts_and_no_perpetuals(events: list[SimEvent]) -> None:
    dialect = new_dialect()
    assert dialect.open("/explorer/ws", "") is None
    books = {f"{kind}:{BITCOIN}" for kind in ("trades", "l2Book", "l2BookFast", "bbo")}
    frames = dialect.encode(events, books | {f"activeAssetCtx:{BITCOIN}"})
    assert {frame.key for frame in frames} == books
    for coin in (BITCOIN, *SILENT):
        assert dialect.first_frame(f"activeAssetCtx:{coin}") is None
    for call in ("meta", "metaAndAssetCtxs", "perpDexs"):
        assert ask(dialect, type=call) == 422
    perpetuals = make_dialect("hyperliquid.perp", instruments("hyperliquid.perp"), {})
    assert ask(perpetuals, type="spotMeta") == 422


def test_recorded_answers_of_both_markets_are_told_apart() -> None:
    pair = b'{"name":"@7","index":7,"tokens":[1,0]}'
    body = b'{"universe":[%s],"tokens":[{"name":"UBTC","szDecimals":5,"index":1}]}' % pair
    dialect = make_dialect(SPOT, (), {"spotMeta": body})
    assert dialect.metadata_name(RestRequest("GET", "/info", "", body)) == "spotMeta"
    assert dialect.metadata_name(RestRequest("GET", "/info", "", b'{"universe":[]}')) == "meta"
    assert ask(dialect, type="spotMeta") == json.loads(body)
    opened = dialect.open("/ws", "")
    assert opened is not None
    asked = {"method": "subscribe", "subscription": {"type": "trades", "coin": "@7"}}
    assert opened[0].on_client_message(json.dumps(asked), 0).close is None


def test_a_feed_that_does_not_list_an_asset_leaves_it_to_the_others() -> None:
    market = ScriptedMarket(3, ("BTC", "XRP"), START_US, rate=20.0)
    assert [item.asset for item in market.instruments(SPOT)] == ["BTC"]
    assert {item.feed for item in listings("XRP")} == set(FEEDS) - {SPOT}
    traded = {
        (event.feed, event.instrument.asset) for event in market.until(START_US + 10**7, 9999)
    }
    expected = {(feed, asset) for feed in FEEDS for asset in ("BTC", "XRP")}
    assert traded == expected - {(SPOT, "XRP")}
    assert {item.asset for item in instruments(SPOT, LISTED_ASSETS)} == {"BTC", "ETH", "SOL"}
    with pytest.raises(ConfigurationError, match=r"no XRP on hyperliquid\.spot.*BTC, ETH, SOL$"):
        instrument(SPOT, "XRP")
    with pytest.raises(ConfigurationError, match="no PEPE"):
        instruments(SPOT, ("PEPE",))


async def test_the_spot_market_is_served_beside_the_perpetuals(stage: Stage) -> None:
    meta = await get_json(stage.rest(SPOT, "/info"), {"type": "spotMeta"})
    assert meta["universe"][0]["name"] == BITCOIN
    async with stage.peer(SPOT, "/ws") as peer:
        await peer.send({"method": "subscribe", "subscription": {"type": "bbo", "coin": BITCOIN}})
        assert (await peer.json())["channel"] == "subscriptionResponse"
        await stage.clock.advance(1)
        top = await peer.until(lambda message: message["channel"] == "bbo")
        assert top["data"]["coin"] == BITCOIN
