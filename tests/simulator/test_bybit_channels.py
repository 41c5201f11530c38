"""Bybit's books, tickers, liquidations and recent trades add up to what the market did."""

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
from simulator.dialects.base import Dialect, RestRequest, Session
from simulator.dialects.bybit_liquidations import MOST_ROWS, GatheredLiquidations
from simulator.ladder import BookCopy
from simulator.model import SimBookUpdate, SimEvent, SimLiquidation, SimTicker, SimTop, trimmed
from tests.captures import capture, needs_captures
from tests.simulator.support import START_US, Everything, Stage, market_events

ASSETS = ("BTC", "SOL")
LINEAR, SPOT = "bybit.linear", "bybit.spot"
FEEDS = (LINEAR, SPOT)
Book = dict[str, dict[str, str]]


@pytest.fixture(scope="module")
def events() -> list[SimEvent]:
    return market_events(12, 6.0, ASSETS, falls=True)


def of_feed(events: list[SimEvent], feed: str) -> list[SimEvent]:
    return [event for event in events if event.instrument.feed == feed]


def dialect_of(feed: str) -> Dialect:
    return make_dialect(feed, instruments(feed, ASSETS), {})


def session_of(dialect: Dialect) -> Session:
    opened = dialect.open(f"/v5/public/{dialect.feed.partition('.')[2]}", "")
    assert opened is not None
    return opened[0]


def rest(dialect: Dialect, path: str, query: str) -> Any:
    category = dialect.feed.partition(".")[2]
    request = RestRequest("GET", f"/v5/market/{path}", f"category={category}&{query}")
    return json.loads(dialect.rest(request).body)


def streamed(dialect: Dialect, events: list[SimEvent], *topics: str) -> list[Any]:
    frames = dialect.encode(of_feed(events, dialect.feed), set(topics))
    messages = [json.loads(frame.data) for frame in frames]
    assert [message["topic"] for message in messages] == [frame.key for frame in frames]
    return messages


def first(dialect: Dialect, topic: str) -> Any:
    data = dialect.first_frame(topic)
    assert data is not None
    return json.loads(data)


def book_of(message: Any) -> Book:
    assert message["type"] == "snapshot"
    return {side: dict(message["data"][side]) for side in ("b", "a")}


def change(book: Book, message: Any) -> None:
    assert message["type"] == "delta"
    for side in ("b", "a"):
        for price, size in message["data"][side]:
            if size == "0":
                assert book[side].pop(price, None) is not None
            else:
                book[side][price] = size


def market_book(events: list[SimEvent], feed: str, depth: int) -> Book:
    item, copy = instrument(feed, "BTC"), BookCopy()
    for event in events:
        if isinstance(event, SimBookUpdate) and event.instrument == item:
            copy.apply(event)

    def text(value: str) -> str:
        return trimmed(value) if feed == SPOT else value

    return {
        side: {
            text(item.price_text(price)): text(item.qty_text(lots))
            for price, lots in ladder.top(depth)
        }
        for side, ladder in (("b", copy.bids), ("a", copy.asks))
    }


@pytest.mark.parametrize("feed", FEEDS)
@pytest.mark.parametrize("depth", [50, 200, 1000])
def test_a_snapshot_and_its_deltas_make_the_markets_book(
    feed: str, depth: int, events: list[SimEvent]
) -> None:
    mine, dialect, topic = of_feed(events, feed), dialect_of(feed), f"orderbook.{depth}.BTCUSDT"
    middle = len(mine) // 3
    dialect.encode(mine[:middle], ())
    opening = first(dialect, topic)
    book, last = book_of(opening), opening["data"]
    for message in streamed(dialect, mine[middle:], topic):
        change(book, message)
        assert message["data"]["u"] == last["u"] + 1
        assert message["data"]["seq"] > last["seq"]
        assert message["cts"] <= message["ts"] <= message["cts"] + 5
        last = message["data"]
    assert last["u"] > opening["data"]["u"] + 30
    assert book == market_book(mine, feed, depth)
    assert len(book["b"]) == (50 if depth == 50 else len(market_book(mine, feed, 1000)["b"]))


@pytest.mark.parametrize("feed", FEEDS)
def test_subscribing_again_brings_a_new_snapshot(feed: str, events: list[SimEvent]) -> None:
    mine, dialect, topic = of_feed(events, feed), dialect_of(feed), "orderbook.200.BTCUSDT"
    session = session_of(dialect)
    subscribe = json.dumps({"op": "subscribe", "args": [topic]})
    unsubscribe = json.dumps({"op": "unsubscribe", "args": [topic]})
    dialect.encode(mine[:300], ())
    assert session.on_client_message(subscribe, 0).subscribed == (topic,)
    early = first(dialect, topic)
    assert session.on_client_message(unsubscribe, 0).subscribed == ()
    dialect.encode(mine[300:], session.keys)
    assert session.on_client_message(subscribe, 0).subscribed == (topic,)
    late = first(dialect, topic)
    assert late["data"]["u"] > early["data"]["u"] > 1
    assert book_of(late) == market_book(mine, feed, 200)


@pytest.mark.parametrize("feed", FEEDS)
def test_best_prices_alone_are_snapshots_of_the_books_top(
    feed: str, events: list[SimEvent]
) -> None:
    dialect = dialect_of(feed)
    messages = streamed(dialect, events, "orderbook.1.BTCUSDT")
    assert {message["type"] for message in messages} == {"snapshot"}
    ids = [message["data"]["u"] for message in messages]
    assert ids == list(range(2, len(messages) + 2))
    assert all(right["cts"] >= left["cts"] + 10 for left, right in pairwise(messages))
    assert book_of(messages[-1]) == book_of(first(dialect, "orderbook.1.BTCUSDT"))
    tops = [event for event in of_feed(events, feed) if isinstance(event, SimTop)]
    item = instrument(feed, "BTC")
    bids = [Decimal(message["data"]["b"][0][0]) for message in messages]
    assert bids == [top.bid[0] * item.tick for top in tops if top.instrument == item]


@pytest.mark.parametrize(
    ("feed", "topic", "why"),
    [
        (LINEAR, "orderbook.500.BTCUSDT", "error:handler not found,topic:orderbook.500.BTCUSDT"),
        (SPOT, "allLiquidation.BTCUSDT", "error:handler not found,topic:allLiquidation.BTCUSDT"),
        (LINEAR, "tickers.NOPEUSDT", "Invalid symbol :[tickers.NOPEUSDT]"),
    ],
)
def test_what_does_not_exist_is_refused_by_name(feed: str, topic: str, why: str) -> None:
    request = json.dumps({"op": "subscribe", "args": [topic]})
    (answer,) = session_of(dialect_of(feed)).on_client_message(request, 0).messages
    assert (json.loads(answer)["success"], json.loads(answer)["ret_msg"]) == (False, why)


@pytest.mark.parametrize("feed", FEEDS)
def test_a_restart_is_told_by_snapshots_with_the_first_id(
    feed: str, events: list[SimEvent]
) -> None:
    mine, dialect = of_feed(events, feed), dialect_of(feed)
    middle = len(mine) // 2
    dialect.encode(mine[:middle], ())
    told = {frame.key: json.loads(frame.data) for frame in dialect.restart_books()}
    assert told.keys() == {
        f"orderbook.{depth}.{asset}USDT" for depth in (1, 50, 200, 1000) for asset in ASSETS
    }
    assert all((item["type"], item["data"]["u"]) == ("snapshot", 1) for item in told.values())
    topics = ("orderbook.50.BTCUSDT", "orderbook.200.BTCUSDT", "orderbook.1.BTCUSDT")
    after = streamed(dialect, mine[middle:], *topics)
    for topic in topics:
        ids = [message["data"]["u"] for message in after if message["topic"] == topic]
        assert ids == list(range(2, len(ids) + 2))
    book = book_of(told["orderbook.50.BTCUSDT"])
    for message in after:
        if message["topic"] == "orderbook.50.BTCUSDT":
            change(book, message)
    assert book == market_book(mine, feed, 50)


def test_nothing_can_be_restarted_before_the_first_update() -> None:
    dialect = dialect_of(LINEAR)
    assert dialect.restart_books() == []
    assert dialect.first_frame("orderbook.50.BTCUSDT") is None
    assert dialect.first_frame("tickers.BTCUSDT") is None
    assert dialect.first_frame("publicTrade.BTCUSDT") is None
    assert dialect.maintenance_notice() is None


def test_all_liquidations_come_within_half_a_second_by_position_side(
    events: list[SimEvent],
) -> None:
    dialect = dialect_of(LINEAR)
    messages = streamed(dialect, events, "allLiquidation.BTCUSDT", "allLiquidation.SOLUSDT")
    rows = []
    for message in messages:
        assert message["type"] == "snapshot"
        assert (message["ts"] - 1) % 500 == 0
        for row in message["data"]:
            assert message["topic"] == f"allLiquidation.{row['s']}"
            assert message["ts"] - 501 <= row["T"] <= message["ts"]
            rows.append((row["s"], row["T"], row["S"], row["v"], row["p"]))
    last_us = max(message["ts"] for message in messages) * 1000
    assert len(rows) > 20
    assert sorted(rows) == sorted(
        (
            event.instrument.symbol,
            event.time_us // 1000,
            "Buy" if event.long else "Sell",
            event.instrument.qty_text(event.qty_lots),
            event.instrument.price_text(event.bankruptcy_ticks),
        )
        for event in of_feed(events, LINEAR)
        if isinstance(event, SimLiquidation) and event.time_us < last_us - 1000
    )


def test_many_liquidations_do_not_wait_for_the_half_second() -> None:
    one = SimLiquidation(instrument(LINEAR, "BTC"), START_US, True, 1, 100, 99, 1, 1)
    gathered = GatheredLiquidations()
    for _ in range(MOST_ROWS):
        assert gathered.due(START_US) == []
        gathered.take(one)
    ((push_us, symbol, held),) = gathered.due(START_US)
    assert (push_us, symbol, len(held)) == (START_US, "BTCUSDT", MOST_ROWS)
    assert gathered.due(START_US + 10**7) == []


def test_ticker_deltas_add_up_to_the_snapshot_and_name_only_changes(
    events: list[SimEvent],
) -> None:
    mine, dialect = of_feed(events, LINEAR), dialect_of(LINEAR)
    middle = len(mine) // 2
    dialect.encode(mine[:middle], ())
    opening = first(dialect, "tickers.BTCUSDT")
    assert opening["type"] == "snapshot"
    fields = dict(opening["data"])
    sparse = 0
    for message in streamed(dialect, mine[middle:], "tickers.BTCUSDT"):
        assert message["type"] == "delta"
        changed = dict(message["data"])
        assert changed.pop("symbol") == "BTCUSDT"
        assert changed
        assert all(fields[name] != text for name, text in changed.items())
        fields |= changed
        sparse += len(changed) < 8
    assert sparse > 0
    assert fields == first(dialect, "tickers.BTCUSDT")["data"]
    bitcoin = [event for event in mine if event.instrument.symbol == "BTCUSDT"]
    pushed_us = [event.time_us for event in bitcoin if isinstance(event, SimBookUpdate)][-1]
    last = [
        event for event in bitcoin if isinstance(event, SimTicker) and event.time_us < pushed_us
    ][-1]
    assert Decimal(fields["markPrice"]) == last.mark
    assert Decimal(fields["indexPrice"]) == last.index
    assert Decimal(fields["fundingRate"]) == last.funding_rate
    assert int(fields["nextFundingTime"]) == last.next_funding_us // 1000
    single = Decimal(fields["singleOpenInterest"])
    assert single == last.open_interest_lots * last.instrument.lot
    assert Decimal(fields["openInterest"]) == 2 * single
    assert fields["fundingIntervalHour"] == "8"


def test_spot_tickers_are_snapshots_without_best_prices(events: list[SimEvent]) -> None:
    dialect = dialect_of(SPOT)
    messages = streamed(dialect, events, "tickers.BTCUSDT")
    assert messages
    assert {message["type"] for message in messages} == {"snapshot"}
    assert all("bid1Price" not in message["data"] for message in messages)
    assert messages[-1]["data"] == first(dialect, "tickers.BTCUSDT")["data"]


@pytest.mark.parametrize(("feed", "most"), [(LINEAR, 1000), (SPOT, 60)])
def test_recent_trades_are_those_that_were_streamed_newest_first(
    feed: str, most: int, events: list[SimEvent]
) -> None:
    mine = of_feed(events, feed)
    dialect = dialect_of(feed)
    messages = streamed(dialect, mine, "publicTrade.BTCUSDT")
    fills = [row for message in messages for row in message["data"]][::-1]
    rows = rest(dialect, "recent-trade", "symbol=BTCUSDT&limit=5000")["result"]["list"]
    assert len(rows) == min(most, len(fills))
    assert [
        (row["execId"], row["price"], row["size"], row["side"], int(row["time"]), int(row["seq"]))
        for row in rows
    ] == [(row["i"], row["p"], row["v"], row["S"], row["T"], row["seq"]) for row in fills[:most]]
    assert [(row["isBlockTrade"], row["isRPITrade"]) for row in rows] == [
        (row["BT"], row["RPI"]) for row in fills[:most]
    ]
    assert rest(dialect, "recent-trade", "symbol=BTCUSDT&limit=2")["result"]["list"] == rows[:2]


def test_recent_spot_trades_end_at_sixty(events: list[SimEvent]) -> None:
    mine = of_feed(events, SPOT)
    dialect = dialect_of(SPOT)
    for _ in range(20):
        dialect.encode(mine, ())
    assert len(rest(dialect, "recent-trade", "symbol=BTCUSDT")["result"]["list"]) == 60


def test_tickers_of_rest_have_best_prices_on_both_categories(events: list[SimEvent]) -> None:
    for feed in FEEDS:
        dialect = dialect_of(feed)
        dialect.encode(of_feed(events, feed), ())
        both = rest(dialect, "tickers", "")["result"]["list"]
        assert [item["symbol"] for item in both] == ["BTCUSDT", "SOLUSDT"]
        (one,) = rest(dialect, "tickers", "symbol=SOLUSDT")["result"]["list"]
        assert one == both[1]
        assert Decimal(one["bid1Price"]) < Decimal(one["ask1Price"])


def test_settled_funding_rates_come_newest_first_for_linear_symbols_alone(
    events: list[SimEvent],
) -> None:
    dialect = dialect_of(LINEAR)
    item = instrument(LINEAR, "BTC")
    state = next(
        event for event in events if isinstance(event, SimTicker) and event.instrument == item
    )
    assert rest(dialect, "funding/history", "symbol=BTCUSDT")["result"]["list"] == []
    for hours, rate in ((0, "0.0001"), (0, "0.0001"), (8, "-0.00002"), (16, "0.00015")):
        due_us = state.next_funding_us + hours * 3_600_000_000
        dialect.encode(
            [replace(state, next_funding_us=due_us, settled_rate=Decimal(rate))], Everything()
        )
    newest_ms = state.next_funding_us // 1000 + 8 * 3_600_000
    settled = [
        {
            "symbol": "BTCUSDT",
            "fundingRate": rate,
            "fundingRateTimestamp": str(newest_ms - hours * 3_600_000),
        }
        for hours, rate in ((0, "0.00015"), (8, "-0.00002"), (16, "0.0001"))
    ]

    def listed(query: str) -> Any:
        return rest(dialect, "funding/history", f"symbol=BTCUSDT{query}")["result"].get("list")

    assert listed("") == listed("&limit=200") == settled
    assert listed("&limit=1") == settled[:1]
    assert listed(f"&startTime={newest_ms - 1}&endTime={newest_ms}") == settled[:1]
    assert listed(f"&endTime={newest_ms - 1}") == settled[1:]
    assert listed(f"&startTime={newest_ms}") is None
    assert rest(dialect_of(SPOT), "funding/history", "symbol=BTCUSDT")["retCode"] == 10001


@pytest.mark.parametrize("path", ["recent-trade", "tickers", "funding/history"])
def test_unknown_symbols_and_categories_are_refused(path: str) -> None:
    dialect = dialect_of(LINEAR)
    assert rest(dialect, path, "symbol=NOPEUSDT")["retCode"] == 10001
    request = RestRequest("GET", f"/v5/market/{path}", "category=option&symbol=BTCUSDT")
    assert json.loads(dialect.rest(request).body)["retCode"] == 10001


@pytest.mark.parametrize("feed", FEEDS)
def test_a_wrong_clock_shifts_every_time_but_the_schedule(
    feed: str, events: list[SimEvent]
) -> None:
    right, wrong = dialect_of(feed), dialect_of(feed)
    wrong.clock_offset_us = 2_000_000
    mine = of_feed(events, feed)
    pairs = zip(right.encode(mine, Everything()), wrong.encode(mine, Everything()), strict=True)
    kinds: dict[str, int] = defaultdict(int)
    for one, other in pairs:
        left, off = json.loads(one.data), json.loads(other.data)
        kinds[one.key.partition(".")[0]] += 1
        for name in left.keys() & {"ts", "cts"}:
            left[name] += 2000
        for row in left["data"] if isinstance(left["data"], list) else ():
            row["T"] += 2000
        assert left == off
    expected = {"orderbook", "publicTrade", "tickers"}
    assert kinds.keys() == (expected | {"allLiquidation"} if feed == LINEAR else expected)
    trades = (rest(item, "recent-trade", "symbol=BTCUSDT") for item in (right, wrong))
    times = [[int(row["time"]) for row in answer["result"]["list"]] for answer in trades]
    assert [time + 2000 for time in times[0]] == times[1]


def test_a_pause_of_prints_does_not_hold_liquidations_back(events: list[SimEvent]) -> None:
    mine = of_feed(events, LINEAR)
    forced = next(event for event in mine if isinstance(event, SimLiquidation))
    top = next(event for event in mine if isinstance(event, SimTop))
    later = replace(top, time_us=forced.time_us + 500_000)
    topic = f"allLiquidation.{forced.instrument.symbol}"
    dialect = dialect_of(LINEAR)
    assert streamed(dialect, [forced], topic) == []
    assert len(streamed(dialect, [later], topic)) == 1


@needs_captures
@pytest.mark.parametrize(
    ("feed", "topic", "sort"),
    [
        (LINEAR, "orderbook.200.BTCUSDT", "snapshot"),
        (LINEAR, "orderbook.200.BTCUSDT", "delta"),
        (LINEAR, "tickers.BTCUSDT", "snapshot"),
        (SPOT, "orderbook.200.BTCUSDT", "snapshot"),
        (SPOT, "orderbook.200.BTCUSDT", "delta"),
        (SPOT, "tickers.BTCUSDT", "snapshot"),
    ],
)
def test_frames_have_the_fields_of_recorded_ones_in_their_order(
    feed: str, topic: str, sort: str, events: list[SimEvent]
) -> None:
    dialect = dialect_of(feed)
    deltas = streamed(dialect, events, topic)
    scripted = deltas[-1] if sort == "delta" else first(dialect, topic)
    recorded = next(
        message
        for frame in read_recording(capture("bybit/cryptofeed_BYBIT_btc_sol.jsonl.zst"))
        if frame.kind == "recv" and dialect.owns(frame.url)
        if (message := json.loads(frame.data)).get("topic") == topic and message["type"] == sort
    )
    assert list(scripted) == list(recorded)
    assert list(scripted["data"]) == list(recorded["data"])
    assert {name: type(value) for name, value in scripted["data"].items()} == {
        name: type(value) for name, value in recorded["data"].items()
    }


@needs_captures
def test_a_liquidation_has_the_fields_of_a_recorded_one(events: list[SimEvent]) -> None:
    lines = capture("cross-venue/liquidation_frames_2026-10-09.jsonl").read_text().splitlines()
    frames = [json.loads(line) for line in lines]
    recorded = json.loads(next(line["raw"] for line in frames if line["venue"] == "bybit"))
    scripted = streamed(dialect_of(LINEAR), events, "allLiquidation.BTCUSDT")[0]
    assert list(scripted) == list(recorded)
    assert list(scripted["data"][0]) == list(recorded["data"][0])
    assert scripted["data"][0]["S"] == recorded["data"][0]["S"] == "Buy"


async def test_a_book_over_a_socket_begins_with_its_snapshot_and_goes_on(stage: Stage) -> None:
    topic = "orderbook.50.BTCUSDT"
    async with stage.peer(LINEAR, "/v5/public/linear") as peer:
        await stage.clock.advance(1)
        await peer.send({"op": "subscribe", "args": [topic]})
        assert (await peer.json())["success"] is True
        opening = await peer.json()
        assert (opening["topic"], opening["type"]) == (topic, "snapshot")
        await stage.clock.advance(1)
        deltas = await peer.pending()
        ids = [message["data"]["u"] for message in deltas]
        assert ids == list(range(opening["data"]["u"] + 1, opening["data"]["u"] + 1 + len(ids)))
        assert len(ids) >= 9
