"""A session with all channels: books, best prices, liquidations, tickers, gaps and their repair."""

import gc
import json
import weakref
from itertools import pairwise
from typing import Any

import msgspec

from collectors.registry import all_feeds
from collectors.session.answers import call_key
from collectors.session.memory import Memory
from collectors.session.outcome import Outcome
from collectors.session.session import Session
from collectors.venue import Channel, Feed
from schemas.books import BookBatch, BookState
from schemas.instruments import Instrument, make_instrument
from schemas.liquidations import BACKLOG, LiquidationBatch
from schemas.market import DataSource, FeedState, Kind
from schemas.ops import QualityEvent, QualityKind
from schemas.tickers import TickerBatch
from schemas.trades import BatchHeader, TradeBatch
from schemas.units import US_PER_SECOND

BASE_US = 1_800_000_000_000_000
BASE_MS = BASE_US // 1000
STEP_US = 100_000


def instrument(feed: Feed, symbol: str = "BTCUSDT") -> Instrument:
    return make_instrument(
        venue=feed.venue,
        kind=feed.kind,
        venue_symbol=symbol,
        asset="BTC",
        quote="USDT",
        venue_tick="0.1",
        venue_lot="0.001",
    )


def bybit() -> Feed:
    return all_feeds()["bybit.linear"]


def new_session(
    feed: Feed, *channels: Channel, memory: Memory | None = None, opened_us: int = BASE_US
) -> Session:
    instruments = [instrument(feed)]
    streams = [one for one in feed.streams(instruments) if one.channel in channels]
    return Session(feed, streams, "s", opened_us, instruments=instruments, memory=memory)


def encoded(document: dict[str, Any]) -> bytes:
    return json.dumps(document).encode()


def book(kind: str, update: int, at_ms: int, bids: list[Any], asks: list[Any]) -> bytes:
    data = {"s": "BTCUSDT", "b": bids, "a": asks, "u": update, "seq": update}
    return encoded(
        {"topic": "orderbook.200.BTCUSDT", "type": kind, "ts": at_ms, "data": data, "cts": at_ms}
    )


def top(update: int, at_ms: int, bid: tuple[str, str], ask: tuple[str, str]) -> bytes:
    data = {"s": "BTCUSDT", "b": [bid], "a": [ask], "u": update, "seq": update}
    topic = {"topic": "orderbook.1.BTCUSDT", "type": "snapshot"}
    return encoded({**topic, "ts": at_ms, "data": data, "cts": at_ms})


def snapshot(update: int = 7, at_ms: int = BASE_MS) -> bytes:
    return book("snapshot", update, at_ms, [["100.0", "3"]], [["100.1", "2"]])


def of(out: Outcome, kind: type[BatchHeader]) -> list[Any]:
    return [batch for batch in out.batches if type(batch) is kind]


def play(session: Session, frames: list[tuple[int, bytes]], until_us: int) -> list[BatchHeader]:
    batches: list[BatchHeader] = []
    for after_us, frame in frames:
        batches += session.on_frame(frame, BASE_US + after_us).batches
    return batches + session.on_tick(BASE_US + until_us).batches


def test_a_book_is_published_at_most_every_100_ms_with_the_state_of_that_moment() -> None:
    session = new_session(bybit(), Channel.BOOK)
    frames = [(0, snapshot())] + [
        (10_000 * n, book("delta", 7 + n, BASE_MS + 10 * n, [["100.0", str(3 + n)]], []))
        for n in range(1, 30)
    ]
    batches = [one for one in play(session, frames, 320_000) if isinstance(one, BookBatch)]
    sent = [(one.receive_time_us - BASE_US, one.bids) for one in batches if one.book_valid]
    assert sent == [
        (100_000, [(1000, 12_000)]),
        (200_000, [(1000, 22_000)]),
        (300_000, [(1000, 32_000)]),
    ]
    assert [one.sequence for one in batches] == [0, 1, 2, 3]
    assert {one.book_epoch for one in batches if one.book_valid} == {1}


def test_what_is_published_does_not_depend_on_when_ticks_come() -> None:
    frames = [(0, snapshot())] + [
        (37_000 * n, book("delta", 7 + n, BASE_MS + 37 * n, [["100.0", str(3 + n)]], []))
        for n in range(1, 60)
    ]

    def batches(ticks: list[int]) -> list[BatchHeader]:
        session = new_session(bybit(), Channel.BOOK, Channel.TOP, Channel.TRADES)
        found: list[BatchHeader] = []
        waiting = list(ticks)
        for after_us, frame in frames:
            while waiting and waiting[0] < after_us:
                found += session.on_tick(BASE_US + waiting.pop(0)).batches
            found += session.on_frame(frame, BASE_US + after_us).batches
        return found + session.on_tick(BASE_US + 5_000_000).batches

    assert batches([]) == batches(list(range(1, 2_200_000, 9_973)))


def test_a_book_with_a_gap_says_so_and_asks_for_the_stream_again() -> None:
    session = new_session(bybit(), Channel.BOOK)
    session.on_frame(snapshot(), BASE_US)
    session.on_frame(book("delta", 9, BASE_MS + 100, [["100.0", "4"]], []), BASE_US + STEP_US)
    out = session.on_tick(BASE_US + 3 * STEP_US)
    (record,) = of(out, BookBatch)
    assert (record.book_valid, record.book_state) == (False, BookState.GAP)
    assert record.bids == record.asks == record.bands == []
    assert [(one.line, one.stream.channel) for one in out.resubscribes] == [(0, Channel.BOOK)]
    again = session.on_frame(snapshot(1, BASE_MS + 900), BASE_US + 900_000)
    later = session.on_tick(BASE_US + US_PER_SECOND)
    assert of(later, BookBatch)[-1].book_valid
    assert of(later, BookBatch)[-1].book_epoch == 2
    events = [one for one in [*again.events, *later.events] if one.kind is QualityKind.RESYNC]
    assert [(one.from_us - BASE_US, one.to_us - BASE_US) for one in events] == [(100_000, 900_000)]


def test_a_book_that_stays_without_snapshot_is_asked_for_ever_later() -> None:
    session = new_session(bybit(), Channel.BOOK)
    session.on_frame(snapshot(), BASE_US)
    session.on_frame(book("delta", 9, BASE_MS, [], []), BASE_US)
    asked = []
    for quarter in range(1, 4 * 300):
        now_us = BASE_US + quarter * 250_000
        session.on_heartbeat(now_us)
        asked += [quarter / 4 for _ in session.on_tick(now_us).resubscribes]
    waits = [later - sooner for sooner, later in pairwise(asked)]
    assert asked[0] <= 0.5
    assert waits == sorted(waits)
    assert waits[-1] == 60
    assert len(asked) == 6 + 4


def test_best_price_changes_are_all_there_and_each_once() -> None:
    session = new_session(bybit(), Channel.BOOK, Channel.TOP)
    frames = [(0, snapshot())]
    for n in range(1, 20):
        price = top(n, BASE_MS + 10 * n, ("100.0", str(n // 2 + 1)), ("100.1", "2"))
        frames.append((10_000 * n, price))
    batches = [one for one in play(session, frames, 400_000) if isinstance(one, BookBatch)]
    tops = [change for one in batches for change in one.tops]
    assert [change[2] for change in tops] == [1000 * (n + 1) for n in range(10)]
    assert {one.top_stream for one in batches} == {"orderbook.1.BTCUSDT"}
    assert {one.top_epoch for one in batches if one.tops} == {1}


def test_without_a_stream_of_best_prices_they_come_from_the_book() -> None:
    session = new_session(bybit(), Channel.BOOK)
    deep = book("delta", 8, BASE_MS + 10, [["99.0", "1"]], [])
    better = book("delta", 9, BASE_MS + 20, [["100.0", "4"]], [])
    frames = [(0, snapshot()), (10_000, deep), (20_000, better)]
    batches = [one for one in play(session, frames, 400_000) if isinstance(one, BookBatch)]
    tops = [change for one in batches for change in one.tops]
    assert tops == [
        (BASE_US, 1000, 3000, 1001, 2000),
        (BASE_US + 20_000, 1000, 4000, 1001, 2000),
    ]
    assert batches[-1].top_stream == "orderbook.200.BTCUSDT"


def test_a_fetched_snapshot_is_asked_for_and_aligned() -> None:
    feed = all_feeds()["binance.usdm"]
    session = new_session(feed, Channel.BOOK)
    (stream,) = [one for one in feed.streams([instrument(feed)]) if one.channel is Channel.BOOK]

    def update(number: int) -> bytes:
        data = {
            "e": "depthUpdate", "E": BASE_MS + number, "T": BASE_MS + number, "s": "BTCUSDT",
            "U": number * 10 - 3, "u": number * 10, "pu": number * 10 - 10,
            "b": [["100.0", str(number)]], "a": [["100.1", "1"]], "st": 1,
        }  # fmt: skip
        return encoded({"stream": stream.name, "data": data})

    session.on_frame(update(1), BASE_US)
    out = session.on_frame(update(2), BASE_US + 300_000)
    (ask,) = out.asks
    body = {"lastUpdateId": 18, "E": BASE_MS, "T": BASE_MS, "bids": [["100.0", "9"]], "asks": []}
    key = call_key(ask.request)
    assert session.awaits(key)
    answer = session.on_answer(key, encoded(body), BASE_US + 310_000)
    assert not answer.drops
    late = session.on_frame(update(3), BASE_US + 400_000)
    late.batches += session.on_tick(BASE_US + 600_000).batches
    assert of(late, BookBatch)[-1].bids == [(1000, 3000)]
    assert of(late, BookBatch)[-1].update_id == 30


def test_a_snapshot_that_cannot_be_read_is_set_aside_and_asked_for_again() -> None:
    feed = all_feeds()["binance.spot"]
    session = new_session(feed, Channel.BOOK)
    (stream,) = [one for one in feed.streams([instrument(feed)]) if one.channel is Channel.BOOK]
    data = {"e": "depthUpdate", "E": BASE_US, "s": "BTCUSDT", "U": 1, "u": 2, "b": [], "a": []}
    session.on_frame(encoded({"stream": stream.name, "data": data}), BASE_US)
    (ask,) = session.on_tick(BASE_US + 250_000).asks
    out = session.on_answer(call_key(ask.request), b"<html>", BASE_US + 300_000)
    assert [drop.reason for drop in out.drops] == ["unexpected_shape"]
    assert session.on_tick(BASE_US + 5 * US_PER_SECOND).asks


def liquidation(at_ms: int, *rows: tuple[str, str, str]) -> bytes:
    data = [{"T": at_ms, "s": "BTCUSDT", "S": s, "v": v, "p": p} for s, v, p in rows]
    topic = {"topic": "allLiquidation.BTCUSDT", "type": "snapshot", "ts": at_ms}
    return encoded({**topic, "data": data})


def test_liquidations_keep_equal_rows_of_a_frame_and_drop_a_repeated_frame() -> None:
    session = new_session(bybit(), Channel.LIQUIDATIONS)
    frame = liquidation(BASE_MS, ("Buy", "2", "59000"), ("Buy", "2", "59000"))
    batches = play(session, [(0, frame), (1_000, frame)], 100_000)
    rows = [row for one in batches if isinstance(one, LiquidationBatch) for row in one.rows]
    assert rows == [(BASE_US, "59000", 2000, 1, 0, 0), (BASE_US, "59000", 2000, 1, 1, 0)]


def test_liquidations_from_before_the_connection_are_marked_and_remembered() -> None:
    memory = Memory()
    old = liquidation(BASE_MS - 3_600_000, ("Sell", "1", "59000"))

    def rows(opened_us: int) -> list[Any]:
        session = new_session(bybit(), Channel.LIQUIDATIONS, memory=memory, opened_us=opened_us)
        batches = session.on_frame(old, opened_us).batches
        batches += session.on_tick(opened_us + STEP_US).batches
        return [row for one in batches if isinstance(one, LiquidationBatch) for row in one.rows]

    assert [(row[3], row[5]) for row in rows(BASE_US)] == [(-1, BACKLOG)]
    assert rows(BASE_US + US_PER_SECOND) == []


def test_the_age_of_liquidations_from_before_the_connection_is_no_lag() -> None:
    session = new_session(bybit(), Channel.LIQUIDATIONS)
    for at_ms in (BASE_MS - 7_200_000, BASE_MS + 40):
        session.on_frame(liquidation(at_ms, ("Buy", "2", "59000")), BASE_US + 50_000)
    events = session.on_tick(BASE_US + 11 * US_PER_SECOND).events
    (found,) = [one.summary for one in events if one.summary]
    assert (found.messages, found.items) == (2, 2)
    assert (found.lag_p50_us, found.lag_p99_us, found.clock_offset_us) == (10_000,) * 3


def test_a_ticker_is_put_together_from_what_changed() -> None:
    session = new_session(bybit(), Channel.TICKER)

    def ticker(kind: str, at_ms: int, **values: str) -> bytes:
        data = {"symbol": "BTCUSDT", **values}
        topic = {"topic": "tickers.BTCUSDT", "type": kind, "ts": at_ms}
        return encoded({**topic, "data": data, "cs": at_ms})

    first = ticker("snapshot", BASE_MS, markPrice="97001.22", singleOpenInterest="50.5")
    frames = [(0, first), (500_000, ticker("delta", BASE_MS + 500, fundingRate="-0.0001"))]
    batches = [one for one in play(session, frames, 1_000_000) if isinstance(one, TickerBatch)]
    assert batches[0].mark_price is None
    last = batches[-1]
    assert (last.mark_price, last.open_interest, last.funding_rate) == (
        "97001.22",
        "50.5",
        "-0.0001",
    )
    assert last.mark_time_us == BASE_US
    assert last.funding_seen_us == BASE_US + 500_000
    assert last.index_price is None
    assert msgspec.json.decode(msgspec.json.encode(last), type=TickerBatch) == last


def agg_trade(trade_id: int, after_ms: int = 0) -> bytes:
    data = {
        "e": "aggTrade", "E": BASE_MS + after_ms, "s": "BTCUSDT", "a": trade_id, "p": "100.0",
        "q": "1", "f": trade_id, "l": trade_id, "T": BASE_MS + after_ms, "m": False, "st": 1,
    }  # fmt: skip
    return encoded({"stream": "btcusdt@aggTrade", "data": data})


def rest_trade(trade_id: int, after_ms: int) -> dict[str, Any]:
    return {
        "a": trade_id, "p": "100.0", "q": "1", "nq": "1", "f": trade_id, "l": trade_id,
        "T": BASE_MS + after_ms, "m": True,
    }  # fmt: skip


def test_a_hole_in_the_ids_is_fetched_and_marked_so() -> None:
    session = new_session(all_feeds()["binance.usdm"], Channel.TRADES)
    session.on_frame(agg_trade(10), BASE_US)
    session.on_frame(agg_trade(14, 40), BASE_US + 40_000)
    out = session.on_tick(BASE_US + 1_500_000)
    (gap,) = [one for one in out.events if one.kind is QualityKind.GAP]
    assert (gap.first_id, gap.last_id, gap.count) == (11, 13, 3)
    assert (gap.from_us, gap.to_us) == (BASE_US, BASE_US + 40_000)
    (ask,) = out.asks
    assert "fromId=11" in ask.request.path
    rows = [rest_trade(number, number) for number in range(11, 20)]
    now_us = BASE_US + 1_600_000
    out = session.on_answer(call_key(ask.request), json.dumps(rows).encode(), now_us)
    out.batches += session.on_tick(now_us + STEP_US).batches
    (batch,) = [one for one in of(out, TradeBatch) if one.source is DataSource.REST]
    assert [row[4] for row in batch.rows] == [11, 12, 13]
    (repaired,) = [one for one in out.events if one.kind is QualityKind.GAP_REPAIRED]
    assert (repaired.first_id, repaired.last_id, repaired.recovered) == (11, 13, 3)


def test_a_hole_that_closes_by_itself_in_time_is_no_gap() -> None:
    session = new_session(all_feeds()["binance.usdm"], Channel.TRADES)
    session.on_frame(agg_trade(10), BASE_US)
    session.on_frame(agg_trade(12), BASE_US + 1_000)
    session.on_frame(agg_trade(11), BASE_US + 900_000)
    out = session.on_tick(BASE_US + 3 * US_PER_SECOND)
    assert not out.asks
    assert not [one for one in out.events if one.kind is QualityKind.GAP]


def test_a_gap_that_cannot_be_fetched_is_permanent_and_on_record() -> None:
    session = new_session(all_feeds()["binance.usdm"], Channel.TRADES)
    session.on_frame(agg_trade(10), BASE_US)
    session.on_frame(agg_trade(14, 40), BASE_US + 40_000)
    (ask,) = session.on_tick(BASE_US + 1_500_000).asks
    out = session.on_failure(call_key(ask.request), "no answer", BASE_US + 2_000_000)
    (gap,) = [one for one in out.events if one.kind is QualityKind.GAP_PERMANENT]
    assert (gap.first_id, gap.last_id, gap.recovered, gap.detail) == (11, 13, 0, "no answer")
    late = session.on_frame(agg_trade(12, 20), BASE_US + 2_100_000)
    late.batches += session.on_tick(BASE_US + 2_200_000).batches
    assert [row[4] for one in of(late, TradeBatch) for row in one.rows] == [12]


def test_a_gap_goes_over_from_one_session_to_the_next() -> None:
    memory = Memory()
    feed = all_feeds()["binance.usdm"]
    first = new_session(feed, Channel.TRADES, memory=memory)
    first.on_frame(agg_trade(10), BASE_US)
    down = first.detach(0, BASE_US + US_PER_SECOND)
    assert down.batches[-1].feed_state is FeedState.DOWN
    opened_us = BASE_US + 5 * US_PER_SECOND
    second = new_session(feed, Channel.TRADES, memory=memory, opened_us=opened_us)
    second.on_frame(agg_trade(15, 5_000), opened_us)
    out = second.on_tick(opened_us + 2 * US_PER_SECOND)
    (gap,) = [one for one in out.events if one.kind is QualityKind.GAP]
    assert (gap.first_id, gap.last_id) == (11, 14)
    assert (gap.from_us, gap.to_us) == (BASE_US, BASE_US + 5_000_000)


def test_two_connections_make_one_stream_without_repetition() -> None:
    session = new_session(all_feeds()["binance.usdm"], Channel.TRADES)
    session.attach(1, BASE_US)
    rows = []
    for number in range(10, 20):
        for line in (number % 2, 1 - number % 2):
            out = session.on_frame(agg_trade(number), BASE_US + number * 1000, line)
            rows += [row[4] for one in of(out, TradeBatch) for row in one.rows]
    out = session.detach(0, BASE_US + 30_000)
    rows += [row[4] for one in of(out, TradeBatch) for row in one.rows]
    out = session.on_frame(agg_trade(20), BASE_US + 31_000, 1)
    out.batches += session.on_tick(BASE_US + 60_000).batches
    rows += [row[4] for one in of(out, TradeBatch) for row in one.rows]
    assert rows == list(range(10, 21))
    assert not session.is_down
    assert {one.feed_state for one in of(out, TradeBatch)} == {FeedState.LIVE}


def test_a_book_goes_on_from_the_second_connection_when_the_first_ends() -> None:
    session = new_session(bybit(), Channel.BOOK)
    session.attach(1, BASE_US)
    for line in (0, 1):
        session.on_frame(snapshot(), BASE_US, line)
    session.on_tick(BASE_US + 150_000)
    session.detach(0, BASE_US + 200_000)
    delta = book("delta", 8, BASE_MS + 250, [["100.0", "5"]], [])
    out = session.on_frame(delta, BASE_US + 250_000, 1)
    out.batches += session.on_tick(BASE_US + 500_000).batches
    last = of(out, BookBatch)[-1]
    assert last.book_valid
    assert last.bids == [(1000, 5000)]
    assert last.book_epoch == 2


def test_every_lane_gives_a_summary_of_its_ten_seconds() -> None:
    session = new_session(all_feeds()["binance.usdm"], Channel.TRADES)
    events = []
    for second in range(25):
        now_us = BASE_US + second * US_PER_SECOND
        out = session.on_frame(agg_trade(10 + second, 1000 * second - 30), now_us)
        events += out.events
    found = [one.summary for one in events if one.kind is QualityKind.SUMMARY]
    assert len(found) == 2
    first = found[0]
    assert first is not None
    assert (first.lag_p50_us, first.lag_p99_us, first.clock_offset_us) == (30_000,) * 3
    assert 9 <= first.items <= 11
    assert first.feed_state is FeedState.LIVE


def test_late_are_items_and_a_best_price_is_none() -> None:
    books = new_session(bybit(), Channel.BOOK, Channel.TOP)
    trades = new_session(all_feeds()["binance.usdm"], Channel.TRADES)
    best = [top(n, BASE_MS + at, ("100.0", "4"), ("100.1", "2")) for n, at in ((1, 900), (2, 100))]
    counted = []
    for session, frames in (
        (books, [snapshot(7, BASE_MS + 1000), *best]),
        (trades, [agg_trade(10, 900), agg_trade(11, 100)]),  # behind the watermark, 400
    ):
        for frame in frames:
            session.on_frame(frame, BASE_US + US_PER_SECOND)
        events = session.on_tick(BASE_US + 12 * US_PER_SECOND).events
        (found,) = [one.summary for one in events if one.summary]
        counted.append((found.messages, found.items, sum(found.late)))
    assert counted == [(3, 1, 0), (2, 2, 1)]


def test_a_stream_that_is_acknowledged_and_then_silent_is_asked_for_again_and_on_record() -> None:
    session = new_session(bybit(), Channel.TICKER, Channel.TRADES)
    session.on_frame(b'{"success":true,"ret_msg":"","req_id":"1","op":"subscribe"}', BASE_US)
    asked: list[int] = []
    events = []
    for second in range(1, 300):
        now_us = BASE_US + second * US_PER_SECOND
        session.on_heartbeat(now_us)
        out = session.on_tick(now_us)
        asked += [second for one in out.resubscribes if one.stream.channel is Channel.TICKER]
        events += [one for one in out.events if one.kind is QualityKind.SILENT]
    assert len(asked) == 3
    assert 30 <= asked[0] <= 32
    assert [one.stream for one in events] == ["tickers.BTCUSDT"] * 3


def test_kinds_of_instruments_that_are_gone_are_marked() -> None:
    memory = Memory()
    session = new_session(all_feeds()["binance.usdm"], Channel.TRADES, memory=memory)
    session.on_frame(agg_trade(10), BASE_US)
    memory.mark("BTC-USDT-PERP", FeedState.NOT_LISTED)
    gone = session.on_tick(BASE_US + 2 * US_PER_SECOND).batches[-1]
    assert gone.feed_state is FeedState.NOT_LISTED
    memory.mark("BTC-USDT-PERP", None)
    session.on_frame(agg_trade(11), BASE_US + 2_100_000)
    back = session.on_tick(BASE_US + 2_200_000).batches[-1]
    assert back.feed_state is FeedState.LIVE
    assert back.kind is Kind.LINEAR_PERPETUAL


def test_what_is_not_listed_is_said_to_be_so_by_the_next_session_and_unacknowledged() -> None:
    memory = Memory()
    feed = all_feeds()["binance.usdm"]
    new_session(feed, Channel.TRADES, memory=memory).detach(0, BASE_US)
    memory.mark("BTC-USDT-PERP", FeedState.NOT_LISTED)
    replanned = Memory()
    replanned.inherit([memory], [])
    for last in (memory, replanned):
        session = new_session(feed, Channel.TRADES, memory=last)
        gone = session.on_tick(BASE_US + 3 * US_PER_SECOND).batches
        assert [one.feed_state for one in gone] == [FeedState.NOT_LISTED] * 3
        last.mark("BTC-USDT-PERP", None)
        assert session.on_tick(BASE_US + 6 * US_PER_SECOND).batches == []
        session.attach(1, BASE_US + 6 * US_PER_SECOND)
        listed = session.on_frame(agg_trade(10), BASE_US + 6 * US_PER_SECOND, 1).batches
        assert [(one.sequence, one.feed_state) for one in listed] == [(3, FeedState.QUIET)]


def test_what_is_not_listed_is_not_asked_for_and_not_expected() -> None:
    memory = Memory()
    feed = bybit()
    gone = msgspec.structs.replace(instrument(feed, "ETHUSDT"), symbol="ETH-USDT-PERP")
    streams = feed.streams([instrument(feed), gone])
    mine = [one.name for one in streams if one.instrument != gone]

    session = Session(feed, streams, "s", BASE_US, memory=memory)
    assert list(session.line(0).asked) == [one.name for one in streams]
    session.line(0).acknowledge(mine)
    assert set(session.line(0).unacknowledged) == {one.name for one in streams} - set(mine)
    memory.mark("ETH-USDT-PERP", FeedState.NOT_LISTED)
    assert session.line(0).unacknowledged == []
    session.attach(1, BASE_US)
    assert list(session.line(1).asked) == mine

    again = []
    for second in range(1, 200):
        now_us = BASE_US + second * US_PER_SECOND
        session.on_heartbeat(now_us)
        again += session.on_tick(now_us).resubscribes
    assert {one.line for one in again} == {0, 1}
    assert gone not in [one.stream.instrument for one in again]

    memory.mark("ETH-USDT-PERP", FeedState.HALTED)
    session.attach(2, now_us)
    assert list(session.line(2).asked) == [one.name for one in streams]
    again = session.on_tick(now_us + 100 * US_PER_SECOND).resubscribes
    assert {one.line for one in again if one.stream.instrument == gone} == {0, 2}


def test_a_repair_that_is_cut_off_ends_once_on_record() -> None:
    memory = Memory()
    feed = all_feeds()["binance.usdm"]
    first = new_session(feed, Channel.TRADES, memory=memory)
    first.on_frame(agg_trade(10), BASE_US)
    first.on_frame(agg_trade(14, 40), BASE_US + 40_000)
    (ask,) = first.on_tick(BASE_US + 1_500_000).asks
    events = first.detach(0, BASE_US + 2_000_000).events
    assert not first.awaits(call_key(ask.request))
    events += first.on_failure(call_key(ask.request), "no answer", BASE_US + 2_500_000).events
    second = new_session(feed, Channel.TRADES, memory=memory, opened_us=BASE_US + 3_000_000)
    (again,) = second.on_tick(BASE_US + 4_000_000).asks
    rows = json.dumps([rest_trade(number, number) for number in range(11, 20)]).encode()
    events += second.on_answer(call_key(again.request), rows, BASE_US + 4_100_000).events
    ends = (QualityKind.GAP_REPAIRED, QualityKind.GAP_PERMANENT)
    assert [one.kind for one in events if one.kind in ends] == [QualityKind.GAP_REPAIRED]


def test_a_gap_that_is_open_when_its_plan_is_replaced_goes_to_the_plan_of_its_instrument() -> None:
    feed = all_feeds()["binance.usdm"]
    replaced, other = Memory(), Memory()
    session = new_session(feed, Channel.TRADES, memory=replaced)
    session.on_frame(agg_trade(10), BASE_US)
    session.on_frame(agg_trade(14, 40), BASE_US + 40_000)
    (ask,) = session.on_tick(BASE_US + 1_500_000).asks
    session.detach(0, BASE_US + 2_000_000)

    bitcoin = msgspec.structs.replace(instrument(feed), venue_tick="0.01", tick="0.01")
    ether = msgspec.structs.replace(bitcoin, venue_symbol="ETHUSDT", symbol="ETH-USDT-PERP")
    for one, asks in ((ether, []), (bitcoin, [ask])):
        plan = [each for each in feed.streams([one]) if each.channel is Channel.TRADES]
        memory = Memory()
        memory.inherit([other, replaced], plan)
        session = Session(feed, plan, "s", BASE_US + 3_000_000, memory=memory)
        assert session.on_tick(BASE_US + 4_000_000).asks == asks
    rows = json.dumps([rest_trade(number, number) for number in range(11, 20)]).encode()
    out = session.on_answer(call_key(ask.request), rows, BASE_US + 4_100_000)
    assert [(one.kind, one.first_id, one.last_id) for one in out.events] == [
        (QualityKind.GAP_REPAIRED, 11, 13)
    ]
    never_acknowledged = session.detach(0, BASE_US + 4_200_000)
    (batch,) = of(never_acknowledged, TradeBatch)
    assert [(row[4], row[1]) for row in batch.rows] == [(11, 10_000), (12, 10_000), (13, 10_000)]
    assert batch.feed_state is FeedState.DOWN


def bybit_trade(trade_id: str, at_ms: int) -> bytes:
    row = {"T": at_ms, "s": "BTCUSDT", "S": "Buy", "v": "1", "p": "100.0", "i": trade_id}
    topic = {"topic": "publicTrade.BTCUSDT", "type": "snapshot", "ts": at_ms}
    return encoded({**topic, "data": [{**row, "BT": False}]})


def test_without_order_in_the_ids_the_time_without_a_connection_is_the_gap() -> None:
    memory = Memory()
    first = new_session(bybit(), Channel.TRADES, Channel.BOOK, memory=memory)
    first.on_frame(bybit_trade("a", BASE_MS), BASE_US)
    first.on_frame(snapshot(7, BASE_MS + 60_000), BASE_US + 60 * US_PER_SECOND)
    first.on_heartbeat(BASE_US + 61 * US_PER_SECOND)
    first.detach(0, BASE_US + 61 * US_PER_SECOND)
    opened_us = BASE_US + 70 * US_PER_SECOND
    second = new_session(bybit(), Channel.TRADES, memory=memory, opened_us=opened_us)
    out = second.on_frame(bybit_trade("c", BASE_MS + 72_000), opened_us + 2 * US_PER_SECOND)
    (gap,) = [one for one in out.events if one.kind is QualityKind.GAP]
    assert gap.from_us == BASE_US + 60 * US_PER_SECOND - bybit().skew_us
    assert gap.to_us == BASE_US + 72 * US_PER_SECOND
    (ask,) = out.asks
    again = second.on_frame(bybit_trade("d", BASE_MS + 73_000), opened_us + 3 * US_PER_SECOND)
    assert not again.asks
    rows = [
        {
            "execId": name, "symbol": "BTCUSDT", "price": "100.0", "size": "1", "side": "Sell",
            "time": str(BASE_MS + after_ms), "isBlockTrade": False,
        }
        for name, after_ms in (("c", 72_000), ("b", 65_000), ("a", 0))
    ]  # fmt: skip
    body = {"retCode": 0, "retMsg": "OK", "result": {"category": "linear", "list": rows}}
    now_us = opened_us + 4 * US_PER_SECOND
    out = second.on_answer(call_key(ask.request), encoded(body), now_us)
    out.batches += second.on_tick(now_us + STEP_US).batches
    fetched = [one for one in of(out, TradeBatch) if one.source is DataSource.REST]
    assert [row[4] for one in fetched for row in one.rows] == ["b"]
    assert [one.kind for one in out.events if one.recovered] == [QualityKind.GAP_REPAIRED]


def test_history_from_before_we_listened_stays_out_after_a_reconnect_too() -> None:
    feed = all_feeds()["hyperliquid.perp"]
    coin = make_instrument(
        venue="hyperliquid",
        kind=Kind.LINEAR_PERPETUAL,
        venue_symbol="BTC",
        asset="BTC",
        quote="USDC",
        venue_tick="0.1",
        venue_lot="0.00001",
    )
    streams = [one for one in feed.streams([coin]) if one.channel is Channel.TRADES]
    memory, shared = Memory(), feed.memory()

    def trades(*rows: tuple[int, int]) -> bytes:
        data = [
            {
                "coin": "BTC", "side": "B", "px": "60000.0", "sz": "0.01", "time": BASE_MS + at_ms,
                "hash": "0x" + "0" * 64, "tid": tid, "users": ["0x1", "0x2"],
            }
            for tid, at_ms in rows
        ]  # fmt: skip
        return encoded({"channel": "trades", "data": data})

    def taken(opened_us: int, *frames: bytes) -> tuple[list[Any], list[QualityKind]]:
        session = Session(feed, streams, "s", opened_us, memory=memory, shared=shared)
        batches: list[BatchHeader] = []
        events: list[QualityEvent] = []
        for frame in frames:
            out = session.on_frame(frame, opened_us)
            batches, events = batches + out.batches, events + out.events
        out = session.detach(0, opened_us + US_PER_SECOND)
        rows = [
            row[4]
            for one in [*batches, *out.batches]
            if isinstance(one, TradeBatch)
            for row in one.rows
        ]
        return rows, [one.kind for one in events]

    old = (1, -3_600_000)
    assert taken(BASE_US, trades(old), trades((2, 10))) == ([2], [])
    later = taken(BASE_US + 5 * US_PER_SECOND, trades(old, (2, 10), (3, 3_000)))
    assert later == ([3], [])
    lost = taken(BASE_US + 9 * US_PER_SECOND, trades((7, 8_000)))
    assert lost == ([7], [QualityKind.GAP])


def test_a_session_that_is_over_is_gone_without_the_cycle_collector() -> None:
    gc.disable()
    try:
        session = new_session(bybit(), Channel.BOOK, Channel.TOP, Channel.TRADES)
        session.on_frame(snapshot(), BASE_US)
        over = weakref.ref(session)
        del session
        assert over() is None
    finally:
        gc.enable()
