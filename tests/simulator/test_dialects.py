"""Frames carry the market's trades exactly, in each venue's own units and conventions."""

import json
from collections import defaultdict
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from runtime.errors import ConfigurationError, PayloadError
from runtime.recordings import read_recording
from schemas.market import Side
from simulator.catalogue import FEEDS, instruments
from simulator.dialects import make_dialect
from simulator.dialects.base import Dialect, Reply, RestRequest, Session
from simulator.dialects.binance import route_of
from simulator.market import ScriptedMarket
from simulator.model import SimTrade
from tests.captures import capture, needs_captures
from tests.simulator.support import START_US, Everything

Fill = tuple[str, int, Decimal, Decimal, Side]


@pytest.fixture(scope="module")
def trades() -> list[SimTrade]:
    market = ScriptedMarket(21, start_us=START_US, rate=20.0)
    return market.until(START_US + 20_000_000, 10**6)


def dialect_of(feed: str) -> Dialect:
    return make_dialect(feed, instruments(feed), {})


def messages(feed: str, trades: list[SimTrade], kind: str) -> list[Any]:
    mine = [trade for trade in trades if trade.feed == feed]
    frames = dialect_of(feed).encode(mine, Everything())
    assert frames
    return [json.loads(frame.data) for frame in frames if kind in frame.key.partition("#")[0]]


def expected(trades: list[SimTrade], feed: str) -> list[Fill]:
    return [
        (
            trade.instrument.symbol,
            trade.time_ms,
            trade.price_ticks * trade.instrument.tick,
            lots * trade.instrument.lot,
            trade.side,
        )
        for trade in trades
        if trade.feed == feed
        for lots in trade.fills
    ]


def side_of(buyer_is_maker: bool) -> Side:
    return Side.SELL if buyer_is_maker else Side.BUY


@pytest.mark.parametrize("feed", ["binance.usdm", "binance.spot"])
def test_binance_fills_are_the_markets_and_sum_to_the_aggregates(
    feed: str, trades: list[SimTrade]
) -> None:
    fills = [message["data"] for message in messages(feed, trades, "@trade")]
    if feed == "binance.spot":
        fills = [item for item in fills if item["T"] < 10**15]  # the millisecond streams
    real = [item for item in fills if item.get("X") != "NA"]
    assert [
        (item["s"], item["T"], Decimal(item["p"]), Decimal(item["q"]), side_of(item["m"]))
        for item in real
    ] == expected(trades, feed)
    quantities = {(item["s"], item["t"]): Decimal(item["q"]) for item in real}
    assert len(quantities) == len(real)
    last: dict[str, int] = {}
    for message in messages(feed, trades, "@aggTrade"):
        item = message["data"]
        assert message["stream"] == f"{item['s'].lower()}@aggTrade"
        assert Decimal(item["q"]) == sum(
            quantities[item["s"], number] for number in range(item["f"], item["l"] + 1)
        )
        if item["T"] < 10**15:
            assert item["a"] == last.get(item["s"], item["a"] - 1) + 1
            last[item["s"]] = item["a"]


def test_binance_futures_mark_hidden_liquidity_and_spent_ids(trades: list[SimTrade]) -> None:
    fills = [message["data"] for message in messages("binance.usdm", trades, "@trade")]
    hidden: dict[tuple[str, int], Decimal] = defaultdict(Decimal)
    last: dict[str, int] = {}
    for item in fills:
        assert item["st"] == 1
        assert item["X"] in {"MARKET", "RPI", "NA"}
        assert item["t"] == last.get(item["s"], item["t"] - 1) + 1
        last[item["s"]] = item["t"]
        if item["X"] == "RPI":
            hidden[item["s"], item["t"]] = Decimal(item["q"])
    assert [item for item in fills if item["X"] == "NA" and item["p"] == item["q"] == "0"]
    assert hidden
    for message in messages("binance.usdm", trades, "@aggTrade"):
        item = message["data"]
        visible = Decimal(item["q"]) - sum(
            hidden[item["s"], number] for number in range(item["f"], item["l"] + 1)
        )
        assert Decimal(item["nq"]) == visible


def test_binance_spot_times_are_microseconds_on_request(trades: list[SimTrade]) -> None:
    frames = dialect_of("binance.spot").encode(
        [trade for trade in trades if trade.feed == "binance.spot"], {"btcusdt@trade#us"}
    )
    assert frames
    for frame in frames:
        message = json.loads(frame.data)
        assert message["stream"] == "btcusdt@trade"
        assert message["data"]["T"] > 10**15


@pytest.mark.parametrize("feed", ["bybit.linear", "bybit.spot"])
def test_bybit_rows_are_the_fills_with_unique_opaque_ids(feed: str, trades: list[SimTrade]) -> None:
    rows = []
    for message in messages(feed, trades, "publicTrade"):
        assert message["type"] == "snapshot"
        assert len(message["data"]) <= 1024
        for row in message["data"]:
            assert message["topic"] == f"publicTrade.{row['s']}"
            rows.append(row)
    sides = {"Buy": Side.BUY, "Sell": Side.SELL}
    found = [
        (row["s"], row["T"], Decimal(row["p"]), Decimal(row["v"]), sides[row["S"]]) for row in rows
    ]
    assert sorted(found) == sorted(expected(trades, feed))
    assert len({(row["s"], row["i"]) for row in rows}) == len(rows)
    assert {row["RPI"] for row in rows} == {True, False}
    if feed == "bybit.linear":
        assert all(UUID(row["i"]).version == 5 for row in rows)
        assert {row["L"] for row in rows} >= {"PlusTick", "MinusTick"}
    else:
        assert all(row["i"].isdigit() and "L" not in row for row in rows)


@pytest.mark.parametrize("feed", ["okx.swap", "okx.spot"])
def test_okx_trades_cover_the_ids_of_their_fills_in_contracts(
    feed: str, trades: list[SimTrade]
) -> None:
    sides = {"buy": Side.BUY, "sell": Side.SELL}
    rows = [message["data"][0] for message in messages(feed, trades, "trades-all")]
    assert [
        (row["instId"], int(row["ts"]), Decimal(row["px"]), Decimal(row["sz"]), sides[row["side"]])
        for row in rows
    ] == expected(trades, feed)
    sizes = {(row["instId"], int(row["tradeId"])): Decimal(row["sz"]) for row in rows}
    last: dict[str, int] = {}
    for message in messages(feed, trades, "trades:"):
        (row,) = message["data"]
        assert message["arg"] == {"channel": "trades", "instId": row["instId"]}
        identity, count = int(row["tradeId"]), int(row["count"])
        assert identity - count == last.get(row["instId"], identity - count)
        last[row["instId"]] = identity
        covered = range(identity - count + 1, identity + 1)
        assert Decimal(row["sz"]) == sum(sizes[row["instId"], number] for number in covered)


def test_hyperliquid_rows_name_both_wallets_and_share_a_hash_within_a_sweep(
    trades: list[SimTrade],
) -> None:
    feed = "hyperliquid.perp"
    rows = [row for message in messages(feed, trades, "trades:") for row in message["data"]]
    sides = {"B": Side.BUY, "A": Side.SELL}
    found = [
        (row["coin"], row["time"], Decimal(row["px"]), Decimal(row["sz"]), sides[row["side"]])
        for row in rows
    ]
    assert sorted(found) == sorted(expected(trades, feed))
    assert len({(row["time"], row["coin"], row["tid"]) for row in rows}) == len(rows)
    assert all(0 <= row["tid"] < 2**50 for row in rows)
    takers: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        assert all(len(user) == 42 for user in row["users"])
        takers[row["hash"]].add(row["users"][0 if row["side"] == "B" else 1])
    assert all(len(wallets) == 1 for wallets in takers.values())
    assert len(takers) < len(rows)


def test_hyperliquid_prices_have_at_most_five_significant_figures(trades: list[SimTrade]) -> None:
    for message in messages("hyperliquid.perp", trades, "trades:"):
        for row in message["data"]:
            digits = row["px"].removesuffix(".0").replace(".", "").lstrip("0")
            assert len(digits) <= 5


def test_binance_routes_follow_the_table() -> None:
    market = ["btcusdt@aggTrade", "btcusdt@markPrice@1s", "!forceOrder@arr", "btcusdt@kline_1m"]
    public = ["btcusdt@trade", "btcusdt@depth@100ms", "btcusdt@bookTicker", "!bookTicker"]
    assert {route_of(name) for name in market} == {"market"}
    assert {route_of(name) for name in public} == {"public"}


def session_of(feed: str, path: str, query: str = "") -> Session:
    opened = dialect_of(feed).open(path, query)
    assert opened is not None
    return opened[0]


def say(session: Session, message: object, now_us: int = 0) -> Reply:
    text = message if isinstance(message, str) else json.dumps(message)
    return session.on_client_message(text, now_us)


def test_binance_refuses_stream_1025_and_closes() -> None:
    session = session_of("binance.usdm", "/market/stream")
    for start in range(0, 1024, 128):
        names = [f"coin{number}usdt@aggTrade" for number in range(start, start + 128)]
        reply = say(session, {"method": "SUBSCRIBE", "params": names, "id": start}, start * 10**6)
        assert json.loads(reply.messages[0]) == {"result": None, "id": start}
    reply = say(session, {"method": "SUBSCRIBE", "params": ["x@aggTrade"], "id": 9}, 10**12)
    assert json.loads(reply.messages[0])["error"]["code"] == 4
    assert reply.close == 1008


@pytest.mark.parametrize(
    ("feed", "path", "burst"),
    [
        ("binance.usdm", "/market/stream", 15),
        ("binance.spot", "/stream", 5),
    ],
)
def test_binance_closes_on_a_burst_of_messages(feed: str, path: str, burst: int) -> None:
    session = session_of(feed, path)
    ask = {"method": "LIST_SUBSCRIPTIONS", "id": 1}
    assert [say(session, ask, number).close for number in range(burst)] == [None] * burst
    assert say(session, ask, burst).close == 1008
    calm = session_of(feed, path)
    paced = [say(calm, ask, number * 250_000).close for number in range(4 * burst)]
    assert paced == [None] * 4 * burst


@pytest.mark.parametrize(
    ("feed", "path"),
    [
        ("binance.usdm", "/market/stream"),
        ("bybit.linear", "/v5/public/linear"),
        ("okx.swap", "/ws/v5/public"),
        ("hyperliquid.perp", "/ws"),
    ],
)
@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"op":5}', '{"method":"x"}', "\x00"])
def test_nonsense_is_answered_with_an_error_not_an_exception(
    feed: str, path: str, text: str
) -> None:
    reply = say(session_of(feed, path), text)
    assert reply.messages
    assert reply.close is None
    (message,) = reply.messages
    assert b"rror" in message or b"nvalid" in message


@pytest.mark.parametrize("feed", FEEDS)
def test_paths_of_other_products_are_not_served(feed: str) -> None:
    assert dialect_of(feed).open("/v5/public/option", "") is None
    assert dialect_of(feed).rest(RestRequest("GET", "/nothing", "", b"{}")).status == 404


def test_bybit_lists_linear_instruments_in_pages() -> None:
    dialect = dialect_of("bybit.linear")
    names, cursor = [], ""
    for _ in range(5):
        query = f"category=linear&limit=2&cursor={cursor}"
        body = dialect.rest(RestRequest("GET", "/v5/market/instruments-info", query)).body
        result = json.loads(body)["result"]
        names += [item["symbol"] for item in result["list"]]
        if not (cursor := result["nextPageCursor"]):
            break
    assert names == ["BTCUSDT", "ETHUSDT", "SOLUSDT", "XAUUSDT", "BTCUSDT-25DEC26"]


def test_metadata_of_another_venue_is_refused() -> None:
    with pytest.raises(PayloadError, match="broken_metadata"):
        make_dialect("okx.swap", (), {"instruments:SWAP": b'{"universe":[]}'})
    with pytest.raises(ConfigurationError, match="no dialect"):
        make_dialect("kraken.spot", (), {})


@needs_captures
@pytest.mark.parametrize(
    ("feed", "name", "key"),
    [
        ("bybit.linear", "bybit/cryptofeed_BYBIT_btc_sol.jsonl.zst", "publicTrade.BTCUSDT"),
        ("bybit.spot", "bybit/cryptofeed_BYBIT_btc_sol.jsonl.zst", "publicTrade.BTCUSDT"),
        ("okx.spot", "okx/cryptofeed_OKX.jsonl.zst", "trades:BTC-USDT"),
        ("hyperliquid.perp", "hyperliquid/hftbacktest_btc_20250126.gz", "trades:BTC"),
        ("binance.spot", "binance/spot/cryptofeed_BINANCE.jsonl.zst", "lrcbtc@aggTrade"),
    ],
)
def test_scripted_frames_have_the_fields_of_recorded_ones(feed: str, name: str, key: str) -> None:
    dialect = dialect_of(feed)
    recorded = next(
        frame.data
        for frame in read_recording(capture(name))
        if frame.kind == "recv" and dialect.owns(frame.url) and key in dialect.keys_of(frame.data)
    )
    market = ScriptedMarket(1, start_us=START_US)
    mine = [trade for trade in market.until(START_US + 60_000_000, 10**6) if trade.feed == feed]
    scripted = dialect.encode(mine, Everything())[0].data
    added_since = {"okx.spot": {"count", "source", "seqId"}}.get(feed, set())
    assert fields(scripted) - added_since == fields(recorded)


def fields(frame: bytes) -> set[str]:
    message = json.loads(frame)
    data = message["data"]
    row = data[0] if isinstance(data, list) else data
    return set(message) | set(row)
