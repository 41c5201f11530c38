"""What Bybit's feeds ask for over REST and the socket, and what their parser remembers."""

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from collectors.messages import BookUpdate, Ignored, Message, Rejected, TickerValues, Top
from collectors.venue import Chain, Channel, Found, Gap, Parser, Request, Stream
from collectors.venues.bybit import DEPTH, FEEDS, BybitFeed
from runtime.errors import PayloadError
from schemas.instruments import Instrument, make_instrument
from schemas.liquidations import LiquidationUnit, PriceKind, SamplingClass
from schemas.market import OrderClass

LINEAR, SPOT = FEEDS
NOW_MS = 1_795_168_800_000
NOW_US = NOW_MS * 1_000

both_feeds = pytest.mark.parametrize("feed", FEEDS, ids=lambda feed: feed.name)


def instrument(feed: BybitFeed, symbol: str = "BTCUSDT") -> Instrument:
    return make_instrument(
        venue="bybit",
        kind=feed.kind,
        venue_symbol=symbol,
        asset=symbol.removesuffix("USDT"),
        quote="USDT",
        venue_tick="0.1",
        venue_lot="0.001",
    )


def stream(feed: BybitFeed, channel: Channel) -> Stream:
    return next(one for one in feed.streams([instrument(feed)]) if one.channel is channel)


def parser(feed: BybitFeed, *more: Stream) -> Parser:
    return feed.parser([*feed.streams([instrument(feed)]), *more], feed.memory())


def encode(document: Any) -> bytes:
    return json.dumps(document).encode()


def answer(rows: list[Any]) -> bytes:
    return encode({"retCode": 0, "retMsg": "OK", "result": {"list": rows}, "time": NOW_MS})


REFUSALS = [
    b"", b"<html>", b"[]", b"{}", b'{"retCode":10006,"retMsg":"Too many visits","result":{}}',
    b'{"retCode":0,"result":[]}', b'{"retCode":0,"result":{"list":7}}', b'{"retCode":0}',
]  # fmt: skip


def test_linear_has_five_topics_an_instrument_and_spot_three() -> None:
    assert [(one.channel, one.name) for one in LINEAR.streams([instrument(LINEAR)])] == [
        (Channel.TRADES, "publicTrade.BTCUSDT"),
        (Channel.BOOK, "orderbook.200.BTCUSDT"),
        (Channel.TOP, "orderbook.1.BTCUSDT"),
        (Channel.LIQUIDATIONS, "allLiquidation.BTCUSDT"),
        (Channel.TICKER, "tickers.BTCUSDT"),
    ]
    assert [one.channel for one in SPOT.streams([instrument(SPOT)])] == [
        Channel.TRADES, Channel.BOOK, Channel.TOP,
    ]  # fmt: skip


@both_feeds
def test_a_connection_holds_whole_instruments_and_its_topics_fit_into_what_is_allowed(
    feed: BybitFeed,
) -> None:
    instruments = [instrument(feed, f"10000000LONGNAME{number:03}USDT") for number in range(151)]
    plans = feed.plan(feed.streams(instruments))
    homes: dict[str, set[int]] = {}
    for number, plan in enumerate(plans):
        assert plan.path == f"/v5/public/{feed.category}"
        assert len(plan.streams) <= feed.limits.streams_per_connection
        assert len(json.dumps([one.name for one in plan.streams])) < 21_000
        for one in plan.streams:
            assert one.instrument is not None
            homes.setdefault(one.instrument.symbol, set()).add(number)
    assert len(homes) == 151
    assert {len(numbers) for numbers in homes.values()} == {1}


@both_feeds
def test_books_come_in_the_stream_and_are_consecutive(feed: BybitFeed) -> None:
    assert feed.book.chain is Chain.CONSECUTIVE
    assert feed.book.depth == DEPTH == 200
    assert feed.snapshot(stream(feed, Channel.BOOK)) is None
    assert not feed.gapless_ids


def test_liquidations_are_all_orders_at_their_bankruptcy_price() -> None:
    rule = LINEAR.liquidations
    assert rule is not None
    assert (rule.price_kind, rule.unit, rule.sampling_class) == (
        PriceKind.BANKRUPTCY,
        LiquidationUnit.ORDER,
        SamplingClass.ALL,
    )
    assert SPOT.liquidations is None


def test_to_begin_anew_is_to_leave_a_topic_and_come_back_each_with_an_id_of_its_own() -> None:
    book = stream(LINEAR, Channel.BOOK)
    leave, come = (json.loads(message) for message in LINEAR.resubscribe(book))
    assert (leave["op"], leave["args"]) == ("unsubscribe", [book.name])
    assert (come["op"], come["args"]) == ("subscribe", [book.name])
    numbered = {json.loads(one)["req_id"] for one in LINEAR.subscribe([book])}
    assert len({leave["req_id"], come["req_id"]} | numbered) == 3


def test_linear_polls_the_rate_of_the_last_settlement_and_spot_nothing() -> None:
    instruments = [instrument(LINEAR), instrument(LINEAR, "ETHUSDT")]
    polls = LINEAR.polls(instruments)
    assert [(one.call.request, one.every_seconds) for one in polls] == [
        (
            Request(f"/v5/market/funding/history?category=linear&limit=1&symbol={symbol}"),
            600.0,
        )
        for symbol in ("BTCUSDT", "ETHUSDT")
    ]
    assert {one.stream for one in polls} <= set(LINEAR.streams(instruments))
    assert SPOT.polls([instrument(SPOT)]) == []


def settled(body: bytes) -> Sequence[Message]:
    (poll,) = LINEAR.polls([instrument(LINEAR)])
    return poll.call.read(body)


def settlement(**changes: str) -> dict[str, str]:
    row = {"symbol": "BTCUSDT", "fundingRate": "-0.00012500", "fundingRateTimestamp": f"{NOW_MS}"}
    return row | changes


def test_a_settled_rate_is_read_with_its_time() -> None:
    assert settled(answer([settlement()])) == (
        TickerValues(
            stream=stream(LINEAR, Channel.TICKER),
            instrument=instrument(LINEAR),
            event_time_us=0,
            settled_funding_rate="-0.000125",
            settled_funding_time_us=NOW_US,
        ),
    )


def test_an_instrument_that_never_settled_says_nothing() -> None:
    assert settled(answer([])) == ()


@pytest.mark.parametrize(
    "body",
    [
        *REFUSALS,
        answer([settlement(symbol="ETHUSDT")]),
        answer([settlement(fundingRate="")]),
        answer([settlement(fundingRate="1e-4")]),
        answer([settlement(fundingRateTimestamp="0")]),
        answer([{"symbol": "BTCUSDT"}]),
    ],
)
def test_a_settlement_that_cannot_be_read_is_a_payload_error(body: bytes) -> None:
    with pytest.raises(PayloadError):
        settled(body)


def fetched(time_ms: int, trade_id: str, **changes: Any) -> dict[str, Any]:
    """Make one row of `recent-trade`."""
    row = {
        "execId": trade_id, "symbol": "BTCUSDT", "price": "97000.1", "size": "0.004",
        "side": "Sell", "time": str(time_ms), "isBlockTrade": False, "isRPITrade": False,
        "seq": "330001001",
    }  # fmt: skip
    return row | changes


def fill(rows: list[dict[str, Any]], feed: BybitFeed = LINEAR) -> tuple[Request, Found]:
    """Fetch the trades missed from 10 ms to 20 ms after now against an answer, newest first."""
    gap = Gap(stream(feed, Channel.TRADES), NOW_US + 10_000, NOW_US + 20_000)
    steps = feed.missed(gap)
    assert steps is not None
    request = next(steps)
    with pytest.raises(StopIteration) as stop:
        steps.send(answer(rows))
    return request, stop.value.value


def ids(found: Found) -> list[int | str]:
    return [row[4] for row in found.rows]


def test_missed_trades_are_those_of_the_gap_by_time_with_both_ends() -> None:
    times = (21, 20, 20, 15, 10, 9)
    rows = [fetched(NOW_MS + ms, f"id-{number}") for number, ms in enumerate(times)]
    request, found = fill(rows)
    assert request == Request("/v5/market/recent-trade?category=linear&symbol=BTCUSDT&limit=1000")
    assert ids(found) == ["id-4", "id-3", "id-2", "id-1"]
    assert found.rows[0] == (NOW_US + 10_000, 970_001, 4, -1, "id-4", 0)
    assert found.complete


def test_spot_gives_sixty_trades_at_most() -> None:
    request, _ = fill([], SPOT)
    query = parse_qs(urlsplit(request.path).query)
    assert query == {"category": ["spot"], "symbol": ["BTCUSDT"], "limit": ["60"]}


@pytest.mark.parametrize(
    ("times", "complete"),
    [
        pytest.param((20, 9), True, id="begins before the gap and reaches its end"),
        pytest.param((25, 15, 9), True, id="goes on after the gap"),
        pytest.param((20, 10), False, id="begins in the millisecond of the last known trade"),
        pytest.param((20, 15), False, id="begins inside the gap"),
        pytest.param((19, 9), False, id="ends before the first trade after the gap"),
        pytest.param((9, 8), False, id="ends before the gap"),
        pytest.param((), False, id="nothing"),
    ],
)
def test_a_gap_is_closed_only_by_an_answer_that_spans_it(
    times: tuple[int, ...], complete: bool
) -> None:
    _, found = fill([fetched(NOW_MS + ms, f"id-{ms}") for ms in times])
    assert found.complete is complete
    assert ids(found) == [f"id-{ms}" for ms in sorted(times) if 10 <= ms <= 20]


@pytest.mark.parametrize(
    "bad",
    [
        {"price": "97000.15"}, {"size": "0"}, {"side": "None"}, {"time": "x"}, {"time": "0"},
        {"symbol": "ETHUSDT"}, {"execId": ""}, {"size": 7},
    ],
)  # fmt: skip
def test_a_row_that_cannot_be_read_leaves_the_others_and_the_gap_open(bad: dict[str, Any]) -> None:
    good = [fetched(NOW_MS + 20, "last"), fetched(NOW_MS + 9, "before")]
    _, found = fill([good[0], fetched(NOW_MS + 15, "bad", **bad), good[1]])
    assert ids(found) == ["last"]
    assert not found.complete


def test_a_fetched_trade_keeps_its_class() -> None:
    classes: list[dict[str, Any]] = [{"isBlockTrade": True}, {"isRPITrade": True}, {"side": "Buy"}]
    rows = [fetched(NOW_MS + 15, str(number), **one) for number, one in enumerate(classes)]
    _, found = fill(rows)
    assert [(row[3], row[5]) for row in found.rows] == [
        (1, OrderClass.MARKET),
        (-1, OrderClass.RPI),
        (-1, OrderClass.BLOCK),
    ]


@pytest.mark.parametrize("body", REFUSALS)
def test_an_answer_without_trades_is_a_payload_error(body: bytes) -> None:
    steps = LINEAR.missed(Gap(stream(LINEAR, Channel.TRADES), 1, 2))
    assert steps is not None
    next(steps)
    with pytest.raises(PayloadError):
        steps.send(body)


def ticker(kind: str, **data: str) -> bytes:
    body = {"symbol": "BTCUSDT", **data}
    return encode({"topic": "tickers.BTCUSDT", "type": kind, "data": body, "cs": 1, "ts": NOW_MS})


def interest(messages: Sequence[Message]) -> tuple[str | None, bool]:
    (message,) = messages
    assert isinstance(message, TickerValues)
    return message.open_interest, message.open_interest_halved


def test_open_interest_of_both_sides_never_overrides_that_of_one() -> None:
    reader = parser(LINEAR)
    first = ticker("snapshot", openInterest="101.7", singleOpenInterest="50.8")
    assert interest(reader.parse(first)) == ("50.8", False)
    change = ticker("delta", openInterest="101.9")
    assert reader.parse(change) == (Ignored("ticker_unchanged"),)
    priced = ticker("delta", openInterest="101.9", markPrice="97000.1")
    assert interest(reader.parse(priced)) == (None, False)
    assert interest(reader.parse(ticker("delta", singleOpenInterest="50.9"))) == ("50.9", False)


def test_open_interest_of_both_sides_is_halved_while_there_is_no_other() -> None:
    reader = parser(LINEAR)
    assert interest(reader.parse(ticker("snapshot", openInterest="101.7"))) == ("50.85", True)
    assert interest(reader.parse(ticker("delta", openInterest="101.9"))) == ("50.95", True)


def test_what_a_ticker_has_is_forgotten_with_a_new_snapshot_or_connection() -> None:
    reader = parser(LINEAR)
    reader.parse(ticker("snapshot", singleOpenInterest="50.8"))
    change = ticker("delta", openInterest="101.9")
    assert interest(parser(LINEAR).parse(change)) == ("50.95", True)
    assert interest(reader.parse(ticker("snapshot", openInterest="101.8"))) == ("50.9", True)
    assert interest(reader.parse(change)) == ("50.95", True)


def book(topic: str, bids: list[list[str]], update_id: int, kind: str = "snapshot") -> bytes:
    data = {"s": "BTCUSDT", "b": bids, "a": [], "u": update_id, "seq": 1}
    return encode({"topic": topic, "type": kind, "ts": NOW_MS + 9, "data": data, "cts": NOW_MS})


def test_best_prices_that_are_repeated_are_given_again() -> None:
    reader = parser(LINEAR)
    frame = book("orderbook.1.BTCUSDT", [["97000.1", "2"]], 77)
    top = Top(stream(LINEAR, Channel.TOP), NOW_US, 77, ("97000.1", 2.0), None)
    assert [reader.parse(frame), reader.parse(frame)] == [(top,), (top,)]


def test_a_book_of_another_depth_is_read_where_it_is_carried() -> None:
    fifty = Stream("orderbook.50.BTCUSDT", Channel.BOOK, instrument(LINEAR))
    frame = book(fifty.name, [["97000.1", "2"]], 4, "delta")
    update = BookUpdate(fifty, False, NOW_US, 4, [("97000.1", 2.0)], [])
    assert parser(LINEAR, fifty).parse(frame) == (update,)


def test_a_book_of_too_many_levels_is_refused() -> None:
    levels = [[str(price), "1"] for price in range(1, 20_002)]
    most = parser(LINEAR).parse(book("orderbook.200.BTCUSDT", levels[1:], 4))
    assert [type(message) for message in most] == [BookUpdate]
    (message,) = parser(LINEAR).parse(book("orderbook.200.BTCUSDT", levels, 4))
    assert isinstance(message, Rejected)
    assert message.reason == "oversized"
