"""Binance's books chain and fit their snapshots; prints, forced orders and funding add up."""

import json
from collections import defaultdict
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest

from runtime.recordings import read_recording
from simulator.catalogue import instrument, instruments
from simulator.dialects import make_dialect
from simulator.dialects.base import Dialect, RestReply, RestRequest
from simulator.dialects.binance import route_of
from simulator.dialects.binance_forced import ForcedOrders
from simulator.dialects.binance_rest import WEIGHT_HEADER
from simulator.dialects.binance_symbol import KEPT_PRINTS, BinanceSymbol
from simulator.ladder import BookCopy
from simulator.model import SimBookUpdate, SimEvent, SimLiquidation, SimTicker, SimTop, SimTrade
from tests.captures import capture, needs_captures
from tests.simulator.support import START_US, Everything, Stage, get_json, market_events

ASSETS = ("BTC", "SOL")
FUTURES, SPOT = "binance.usdm", "binance.spot"
ROOT = {FUTURES: "/fapi/v1", SPOT: "/api/v3"}
Book = dict[str, dict[str, str]]


@pytest.fixture(scope="module")
def events() -> list[SimEvent]:
    return market_events(12, 6.0, ASSETS, falls=True)


def of_feed(events: list[SimEvent], feed: str) -> list[SimEvent]:
    return [event for event in events if event.instrument.feed == feed]


def dialect_of(feed: str) -> Dialect:
    return make_dialect(feed, instruments(feed, ASSETS), {})


def ask(dialect: Dialect, path: str, query: str = "") -> RestReply:
    return dialect.rest(RestRequest("GET", ROOT[dialect.feed] + path, query))


def ask_json(dialect: Dialect, path: str, query: str = "") -> Any:
    reply = ask(dialect, path, query)
    assert reply.status == 200, reply.body
    return json.loads(reply.body)


def streamed(dialect: Dialect, events: list[SimEvent], stream: str) -> list[Any]:
    frames = dialect.encode(of_feed(events, dialect.feed), {stream})
    messages = [json.loads(frame.data) for frame in frames]
    assert {message["stream"] for message in messages} <= {stream.removesuffix("#us")}
    return [message["data"] for message in messages]


def change(book: Book, message: Any) -> None:
    for side in ("b", "a"):
        for price, qty in message[side]:
            if Decimal(qty):
                book[side][price] = qty
            else:
                book[side].pop(price, None)


def snapshot(dialect: Dialect, symbol: str = "BTCUSDT") -> tuple[int, Book]:
    limit = 1000 if dialect.feed == FUTURES else 5000
    body = ask_json(dialect, "/depth", f"symbol={symbol}&limit={limit}")
    return body["lastUpdateId"], {"b": dict(body["bids"]), "a": dict(body["asks"])}


def follow(feed: str, start: tuple[int, Book], messages: list[Any]) -> Book:
    """Keep a book as the venue's documentation says; fails where an update is missing."""
    last, book = start
    joined = False
    for message in messages:
        if message["u"] < last or (feed == SPOT and message["u"] == last):
            continue
        if not joined and feed == FUTURES:
            assert message["U"] <= last <= message["u"] or message["pu"] == last
        elif feed == FUTURES:
            assert message["pu"] == last
        else:
            assert message["U"] == last + 1
        change(book, message)
        last, joined = message["u"], True
    assert joined
    return book


@pytest.mark.parametrize("feed", [FUTURES, SPOT])
def test_update_ids_chain(feed: str, events: list[SimEvent]) -> None:
    messages = streamed(dialect_of(feed), events, "btcusdt@depth@100ms")
    assert len(messages) == pytest.approx(61, abs=1)
    for left, right in pairwise(messages):
        assert right["U"] < right["u"]
        if feed == FUTURES:
            assert right["pu"] == left["u"]
            assert right["U"] > left["u"] + 1
            assert (right["s"], right["ps"], right["st"]) == ("BTCUSDT", "BTCUSDT", 1)
            assert right["T"] <= right["E"] <= right["T"] + 10
        else:
            assert right["U"] == left["u"] + 1
            assert right.keys() == {"e", "E", "s", "U", "u", "b", "a"}


@pytest.mark.parametrize("feed", [FUTURES, SPOT])
def test_a_snapshot_overlaps_the_stream_and_updates_lead_to_the_markets_book(
    feed: str, events: list[SimEvent]
) -> None:
    mine, dialect = of_feed(events, feed), dialect_of(feed)
    middle = len(mine) // 2
    messages = streamed(dialect, mine[:middle], "btcusdt@depth@100ms")
    start = snapshot(dialect)
    assert messages[-1]["U"] <= start[0] <= messages[-1]["u"]
    messages += streamed(dialect, mine[middle:], "btcusdt@depth@100ms")
    book = follow(feed, start, messages)
    assert book == snapshot(dialect)[1]
    market = BookCopy()
    item = instrument(feed, "BTC")
    for event in mine:
        if isinstance(event, SimBookUpdate) and event.instrument == item:
            market.apply(event)
    expected = {
        item.price_text(price): item.qty_text(lots) for price, lots in market.bids.top(1000)
    }
    assert book["b"] == expected
    assert max(map(Decimal, book["b"])) < min(map(Decimal, book["a"]))


@pytest.mark.parametrize("feed", [FUTURES, SPOT])
def test_a_snapshot_has_as_many_levels_as_were_asked_for(feed: str, events: list[SimEvent]) -> None:
    dialect = dialect_of(feed)
    dialect.encode(of_feed(events, feed), ())
    body = ask_json(dialect, "/depth", "symbol=SOLUSDT&limit=5")
    assert len(body["bids"]) == len(body["asks"]) == 5
    prices = [Decimal(price) for price, _ in body["bids"]]
    assert prices == sorted(prices, reverse=True)
    assert ("T" in body) == (feed == FUTURES)


@pytest.mark.parametrize("feed", [FUTURES, SPOT])
def test_best_prices_are_the_books_and_ordered_among_its_ids(
    feed: str, events: list[SimEvent]
) -> None:
    dialect, keys = dialect_of(feed), {"btcusdt@depth@100ms", "btcusdt@bookTicker"}
    book: Book = {"b": {}, "a": {}}
    last, top, checked = 0, None, 0
    for frame in dialect.encode(of_feed(events, feed), keys):
        message = json.loads(frame.data)["data"]
        assert message["u"] > last
        last = message["u"]
        if "B" in message:
            top = message
            continue
        change(book, message)
        assert top is not None
        assert (top["b"], top["a"]) == (max(book["b"], key=Decimal), min(book["a"], key=Decimal))
        assert (top["B"], top["A"]) == (book["b"][top["b"]], book["a"][top["a"]])
        checked += 1
    assert checked > 50


def test_spot_times_are_microseconds_on_request(events: list[SimEvent]) -> None:
    plain = streamed(dialect_of(SPOT), events, "btcusdt@depth@100ms")
    fine = streamed(dialect_of(SPOT), events, "btcusdt@depth@100ms#us")
    assert [message["E"] // 1000 for message in fine] == [message["E"] for message in plain]
    assert [message["u"] for message in fine] == [message["u"] for message in plain]


@pytest.mark.parametrize("name", ["btcusdt@depth@250ms", "BTCUSDT@depth@100ms", "nope@aggTrade"])
def test_what_the_venue_acknowledges_and_never_sends(name: str, events: list[SimEvent]) -> None:
    assert streamed(dialect_of(FUTURES), events, name) == []


def test_each_stream_belongs_to_the_route_of_the_table() -> None:
    assert {route_of(f"btcusdt@{kind}") for kind in ("depth@100ms", "bookTicker", "trade")} == {
        "public"
    }
    slow = ("btcusdt@aggTrade", "btcusdt@forceOrder", "!forceOrder@arr", "btcusdt@markPrice@1s")
    assert {route_of(name) for name in slow} == {"market"}


@pytest.mark.parametrize("feed", [FUTURES, SPOT])
def test_aggregates_by_id_are_those_that_were_streamed(feed: str, events: list[SimEvent]) -> None:
    dialect = dialect_of(feed)
    messages = streamed(dialect, events, "btcusdt@aggTrade")
    first = messages[5]["a"]
    rows, asked = [], first
    while page := ask_json(dialect, "/aggTrades", f"symbol=BTCUSDT&fromId={asked}&limit=7"):
        rows += page
        asked = page[-1]["a"] + 1
    wire = ("a", "p", "q", "nq", "f", "l", "T", "m")
    shown = [{name: row.get(name) for name in wire} for row in rows]
    assert shown == [{name: row.get(name) for name in wire} for row in messages[5:]]
    newest = ask_json(dialect, "/aggTrades", "symbol=BTCUSDT&limit=3")
    assert newest == rows[-3:]
    assert ("nq" in newest[0]) == (feed == FUTURES)


def test_spot_fills_by_id_are_those_that_were_streamed(events: list[SimEvent]) -> None:
    dialect = dialect_of(SPOT)
    messages = streamed(dialect, events, "btcusdt@trade")
    query = f"symbol=BTCUSDT&fromId={messages[3]['t']}&limit=1000"
    rows = ask_json(dialect, "/historicalTrades", query)
    assert [
        (row["id"], row["price"], row["qty"], row["time"], row["isBuyerMaker"]) for row in rows
    ] == [(row["t"], row["p"], row["q"], row["T"], row["m"]) for row in messages[3:]]
    assert Decimal(rows[0]["quoteQty"]) == Decimal(rows[0]["price"]) * Decimal(rows[0]["qty"])
    assert ask_json(dialect, "/historicalTrades", "symbol=BTCUSDT&limit=2") == rows[-2:]


def test_prints_that_are_no_longer_kept_are_refused(events: list[SimEvent]) -> None:
    one = next(event for event in of_feed(events, SPOT) if isinstance(event, SimTrade))
    one = replace(one, instrument=instrument(SPOT, "BTC"), fills=(1, 2))
    many: list[SimEvent] = [
        replace(one, print_id=number, first_id=2 * number) for number in range(KEPT_PRINTS + 10)
    ]
    dialect = dialect_of(SPOT)
    dialect.encode(many[:KEPT_PRINTS], ())
    assert len(ask_json(dialect, "/aggTrades", "symbol=BTCUSDT&fromId=0")) == 500
    dialect.encode(many[KEPT_PRINTS:], ())
    for path in ("/aggTrades", "/historicalTrades"):
        reply = ask(dialect, path, "symbol=BTCUSDT&fromId=9")
        assert (reply.status, json.loads(reply.body)["code"]) == (400, -4166)
    assert ask_json(dialect, "/aggTrades", "symbol=BTCUSDT&fromId=10&limit=1")[0]["a"] == 10
    assert ask_json(dialect, "/historicalTrades", "symbol=BTCUSDT&fromId=21&limit=1")[0]["id"] == 21
    assert ask_json(dialect, "/aggTrades", f"symbol=BTCUSDT&fromId={10**9}") == []


def test_forced_orders_come_once_a_second_and_are_the_largest(events: list[SimEvent]) -> None:
    liquidations: dict[str, list[SimLiquidation]] = defaultdict(list)
    for event in of_feed(events, FUTURES):
        if isinstance(event, SimLiquidation):
            liquidations[event.instrument.symbol].append(event)
    messages = streamed(dialect_of(FUTURES), events, "!forceOrder@arr")
    pushed: dict[str, list[Any]] = defaultdict(list)
    for message in messages:
        pushed[message["o"]["s"]].append(message)
    assert pushed.keys() == {"BTCUSDT", "SOLUSDT"}
    for symbol, found in pushed.items():
        item = instrument(FUTURES, symbol.removesuffix("USDT"))
        assert all(right["E"] - left["E"] >= 1000 for left, right in pairwise(found))
        for message in found:
            order, end = message["o"], message["E"]
            assert end - 1001 <= order["T"] <= end
            second = [one for one in liquidations[symbol] if end - 1000 <= one.time_us / 1000 < end]
            largest = max(one.qty_lots for one in second)
            assert order["z"] == order["q"] == item.qty_text(largest)
            assert order["S"] == ("SELL" if second[0].long else "BUY")
            assert (Decimal(order["p"]) < Decimal(order["ap"])) == (order["S"] == "SELL")
            assert (order["ps"], order["st"], order["X"]) == (symbol, 1, "FILLED")
            assert Decimal(order["l"]) <= Decimal(order["z"])
    assert len(messages) < sum(map(len, liquidations.values()))
    alone = streamed(dialect_of(FUTURES), events, "btcusdt@forceOrder")
    assert alone == pushed["BTCUSDT"]


def test_the_second_of_a_symbol_begins_with_its_first_liquidation() -> None:
    def forced(seconds: float, lots: int, asset: str = "BTC") -> SimLiquidation:
        time_us = round(seconds * 1e6)
        return SimLiquidation(instrument(FUTURES, asset), time_us, True, lots, 100, 99, 1, 1)

    held = ForcedOrders()
    for item in (forced(1.0, 5), forced(1.2, 9), forced(1.3, 7), forced(1.1, 1, "SOL")):
        held.take(item)
    assert held.due(1_999_999) == []
    ended = held.due(5_000_000)
    assert [(due_us, item.qty_lots) for due_us, item in ended] == [(2_000_000, 9), (2_100_000, 1)]
    held.take(forced(5.5, 2))
    assert [due_us for due_us, _ in held.due(6_500_000)] == [6_500_000]


def test_mark_prices_come_every_second_and_agree_with_rest(events: list[SimEvent]) -> None:
    dialect = dialect_of(FUTURES)
    messages = streamed(dialect, events, "solusdt@markPrice@1s")
    assert [message["E"] * 1000 - START_US for message in messages] == [
        second * 1_000_000 for second in range(7)
    ]
    last, body = messages[-1], ask_json(dialect, "/premiumIndex", "symbol=SOLUSDT")
    assert (body["markPrice"], body["indexPrice"]) == (last["p"], last["i"])
    assert (body["lastFundingRate"], body["nextFundingTime"]) == (last["r"], last["T"])
    assert last["T"] % 28_800_000 == 0
    assert body in ask_json(dialect, "/premiumIndex")
    ticker = next(
        event
        for event in reversed(of_feed(events, FUTURES))
        if isinstance(event, SimTicker) and event.instrument.symbol == "SOLUSDT"
    )
    interest = ask_json(dialect, "/openInterest", "symbol=SOLUSDT")
    assert interest == {
        "openInterest": ticker.instrument.qty_text(ticker.open_interest_lots),
        "symbol": "SOLUSDT",
        "time": ticker.time_us // 1000,
    }
    (settled,) = ask_json(dialect, "/fundingRate", "symbol=SOLUSDT&limit=10")
    assert settled["fundingTime"] == last["T"] - 28_800_000
    assert settled["fundingRate"] == f"{ticker.settled_rate:.8f}"
    (adjusted,) = ask_json(dialect, "/fundingInfo")
    assert (adjusted["symbol"], adjusted["fundingIntervalHours"]) == ("SOLUSDT", 8)


def test_each_settlement_is_kept_once(events: list[SimEvent]) -> None:
    ticker = next(event for event in of_feed(events, FUTURES) if isinstance(event, SimTicker))
    symbol = BinanceSymbol(ticker.instrument, futures=True)
    later = replace(ticker, next_funding_us=ticker.next_funding_us + 8 * 3_600_000_000)
    for item in (ticker, ticker, later, later):
        symbol.take_ticker(item)
    assert [time_us for time_us, _, _ in symbol.settlements] == [
        ticker.next_funding_us - 8 * 3_600_000_000,
        ticker.next_funding_us,
    ]


@pytest.mark.parametrize(
    ("feed", "path", "query", "status", "code"),
    [
        (FUTURES, "/depth", "symbol=NOPEUSDT", 400, -1121),
        (SPOT, "/depth", "symbol=NOPEUSDT", 400, -1121),
        (FUTURES, "/depth", "", 400, -1102),
        (FUTURES, "/depth", "symbol=BTCUSDT&limit=7", 400, -4021),
        (FUTURES, "/depth", "symbol=BTCUSDT&limit=" + "9" * 5000, 400, -1100),
        (FUTURES, "/aggTrades", "symbol=BTCUSDT&fromId=x", 400, -1100),
        (FUTURES, "/depth", "symbol=BTCUSDT&limit=1000", 408, -1007),
        (FUTURES, "/openInterest", "symbol=BTCUSDT", 408, -1007),
        (FUTURES, "/historicalTrades", "symbol=BTCUSDT", 404, -5000),
        (SPOT, "/openInterest", "symbol=BTCUSDT", 404, -5000),
    ],
)
def test_what_cannot_be_answered_has_the_venues_code(
    feed: str, path: str, query: str, status: int, code: int
) -> None:
    reply = ask(dialect_of(feed), path, query)
    assert (reply.status, json.loads(reply.body)["code"]) == (status, code)


def test_answers_tell_the_weight_used_in_the_minute(events: list[SimEvent]) -> None:
    dialect, mine = dialect_of(FUTURES), of_feed(events, FUTURES)
    dialect.encode(mine, ())
    calls = [
        ("/exchangeInfo", "", 1),
        ("/depth", "symbol=BTCUSDT&limit=1000", 20),
        ("/aggTrades", "symbol=BTCUSDT", 20),
        ("/openInterest", "symbol=NOPEUSDT", 1),
        ("/premiumIndex", "", 10),
        ("/fundingInfo", "", 0),
    ]
    used = 0
    for path, query, weight in calls:
        used += weight
        assert ask(dialect, path, query).headers == {WEIGHT_HEADER: str(used)}
    top = next(event for event in mine if isinstance(event, SimTop))
    dialect.encode([replace(top, time_us=START_US + 60_000_000)], ())
    assert ask(dialect, "/exchangeInfo").headers == {WEIGHT_HEADER: "1"}


@pytest.mark.parametrize("feed", [FUTURES, SPOT])
def test_restarted_books_break_the_chain_in_silence_and_have_a_new_snapshot(
    feed: str, events: list[SimEvent]
) -> None:
    mine, dialect = of_feed(events, feed), dialect_of(feed)
    middle = len(mine) // 2
    before = streamed(dialect, mine[:middle], "btcusdt@depth@100ms")
    assert dialect.restart_books() == []
    start = snapshot(dialect)
    after = streamed(dialect, mine[middle:], "btcusdt@depth@100ms")
    assert after[0]["U"] > before[-1]["u"] + 1
    if feed == FUTURES:
        assert after[0]["pu"] != before[-1]["u"]
    assert follow(feed, start, after) == snapshot(dialect)[1]


def test_only_spot_announces_its_disconnects(events: list[SimEvent]) -> None:
    spot = dialect_of(SPOT)
    spot.encode(of_feed(events, SPOT)[:10], ())
    notice = json.loads(spot.maintenance_notice() or b"")
    assert notice["stream"] == "!serverShutdown"
    assert notice["data"]["e"] == "serverShutdown"
    assert notice["data"]["E"] >= START_US // 1000
    assert dialect_of(FUTURES).maintenance_notice() is None


@pytest.mark.parametrize("feed", [FUTURES, SPOT])
def test_a_wrong_clock_shifts_every_time_but_the_schedule(
    feed: str, events: list[SimEvent]
) -> None:
    right, wrong = dialect_of(feed), dialect_of(feed)
    wrong.clock_offset_us = -1_500_000
    mine = of_feed(events, feed)
    pairs = zip(right.encode(mine, Everything()), wrong.encode(mine, Everything()), strict=True)
    shifted = 0
    for one, other in pairs:
        unit = 1_500_000 if one.key.endswith("#us") else 1_500
        left, off = json.loads(one.data)["data"], json.loads(other.data)["data"]
        shifting = {"E"} if left.get("e") == "markPriceUpdate" else {"E", "T"}
        for message in (left, left.get("o", {})):
            for name in message.keys() & shifting:
                message[name] -= unit
                shifted += 1
        assert left == off
    assert shifted > 100


@needs_captures
@pytest.mark.parametrize(
    ("feed", "name", "key"),
    [
        (FUTURES, "binance/usdm/hftbacktest_usdm_btcusdt_20240808.gz", "bookTicker"),
        (FUTURES, "binance/usdm/hftbacktest_usdm_btcusdt_20240808.gz", "depth@0ms"),
        (FUTURES, "binance/usdm/hftbacktest_usdm_btcusdt_20230404.dat.gz", "markPrice@1s"),
        (SPOT, "binance/spot/hftbacktest_spot_btcusdt_20240808.gz", "bookTicker"),
        (SPOT, "binance/spot/hftbacktest_spot_btcusdt_20240808.gz", "depth@100ms"),
    ],
)
def test_frames_have_the_fields_of_recorded_ones(
    feed: str, name: str, key: str, events: list[SimEvent]
) -> None:
    stream = f"btcusdt@{key}"
    recorded = next(
        json.loads(frame.data)["data"]
        for frame in read_recording(capture(name))
        if stream.encode() in frame.data[:60]
    )
    scripted = streamed(dialect_of(feed), events, stream.replace("@0ms", "@100ms"))[0]
    assert scripted.keys() - recorded.keys() <= {"ps", "st", "ap"}
    assert recorded.keys() <= scripted.keys()
    assert {name: type(scripted[name]) for name in recorded} == {
        name: type(value) for name, value in recorded.items()
    }


@needs_captures
def test_a_forced_order_has_the_fields_of_a_recorded_one(events: list[SimEvent]) -> None:
    lines = capture("cross-venue/liquidation_frames_2026-10-09.jsonl").read_text().splitlines()
    frames = [json.loads(line) for line in lines]
    recorded = json.loads(next(line["raw"] for line in frames if line["venue"] == "binance"))
    scripted = streamed(dialect_of(FUTURES), events, "!forceOrder@arr")[0]
    assert list(scripted) == list(recorded["data"])
    assert list(scripted["o"]) == list(recorded["data"]["o"])
    assert scripted["o"]["S"] == recorded["data"]["o"]["S"] == "SELL"


async def test_a_book_over_a_socket_joins_the_snapshot_of_rest(stage: Stage) -> None:
    async with stage.peer(FUTURES, "/public/stream") as peer:
        names = ["btcusdt@depth@100ms", "btcusdt@markPrice@1s"]
        await peer.send({"method": "SUBSCRIBE", "params": names, "id": 1})
        assert await peer.json() == {"result": None, "id": 1}
        await stage.clock.advance(1)
        body = await get_json(stage.rest(FUTURES, "/fapi/v1/depth?symbol=BTCUSDT&limit=1000"))
        await stage.clock.advance(1)
        frames = await peer.pending()
        assert {frame["stream"] for frame in frames} == {"btcusdt@depth@100ms"}
        book = {"b": dict(body["bids"]), "a": dict(body["asks"])}
        messages = [frame["data"] for frame in frames]
        book = follow(FUTURES, (body["lastUpdateId"], book), messages)
        newest = await get_json(stage.rest(FUTURES, "/fapi/v1/depth?symbol=BTCUSDT&limit=1000"))
        assert book == {"b": dict(newest["bids"]), "a": dict(newest["asks"])}
