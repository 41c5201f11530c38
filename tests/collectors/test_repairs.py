"""Gaps of trades and their repair: many at once, two of one instrument, pages that fail to come."""

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from collectors.registry import all_feeds
from collectors.session.answers import MAX_REPAIRS, REPAIR_US, Answers, Repaired, call_key
from collectors.session.outcome import Ask, Outcome
from collectors.session.session import Session
from collectors.venue import Channel, Feed, Gap, Stream
from schemas.instruments import Instrument, make_instrument
from schemas.market import DataSource, Kind
from schemas.ops import QualityEvent, QualityKind
from schemas.trades import TradeBatch
from schemas.units import US_PER_SECOND

BASE_US = 1_800_000_000_000_000
BASE_MS = BASE_US // 1000
FEEDS = all_feeds()
USDM = FEEDS["binance.usdm"]
ENDS = (QualityKind.GAP_REPAIRED, QualityKind.GAP_PERMANENT)


def instrument(feed: Feed, asset: str = "BTC") -> Instrument:
    return make_instrument(
        venue=feed.venue,
        kind=Kind.LINEAR_PERPETUAL,
        venue_symbol=f"{asset}USDT",
        asset=asset,
        quote="USDT",
        venue_tick="0.1",
        venue_lot="0.001",
    )


def trade_streams(feed: Feed, *assets: str) -> list[Stream]:
    streams = feed.streams([instrument(feed, asset) for asset in assets])
    return [one for one in streams if one.channel is Channel.TRADES]


def trade(asset: str, number: int) -> bytes:
    data = {
        "e": "aggTrade", "E": BASE_MS + number, "s": f"{asset}USDT", "a": number, "p": "100.0",
        "q": "1", "f": number, "l": number, "T": BASE_MS + number, "m": False, "st": 1,
    }  # fmt: skip
    return json.dumps({"stream": f"{asset.lower()}usdt@aggTrade", "data": data}).encode()


def page(first_id: int, count: int) -> bytes:
    rows = [
        {"a": number, "p": "100.0", "q": "1", "f": number, "l": number, "T": BASE_MS, "m": True}
        for number in range(first_id, first_id + count)
    ]
    return json.dumps(rows).encode()


def answered(session: Session, ask: Ask, now_us: int) -> Outcome:
    query = parse_qs(urlsplit(ask.request.path).query)
    return session.on_answer(call_key(ask.request), page(int(query["fromId"][0]), 1), now_us)


def test_every_gap_of_a_plan_has_its_turn_however_many_there_are() -> None:
    assets = [f"A{number}" for number in range(66)]
    session = Session(USDM, trade_streams(USDM, *assets), "s", BASE_US)
    for number in (10, 12):
        for asset in assets:
            session.on_frame(trade(asset, number), BASE_US)
    waiting: list[Ask] = []
    events: list[QualityEvent] = []
    for second in range(1, 200):
        now_us = BASE_US + second * US_PER_SECOND
        session.on_heartbeat(now_us)
        out = session.on_tick(now_us)
        waiting, events = waiting + out.asks, events + out.events
        assert len(waiting) <= MAX_REPAIRS
        if second % 30 == 0:  # each waits for less than a repair may take, all together for more
            asks, waiting = waiting, []
            for ask in asks:
                out = answered(session, ask, now_us)
                waiting, events = waiting + out.asks, events + out.events
    assert [one.kind for one in events if one.kind in ENDS] == [QualityKind.GAP_REPAIRED] * 66


def test_two_gaps_that_need_the_same_call_are_asked_for_one_after_the_other() -> None:
    feed = FEEDS["bybit.linear"]
    (stream,) = trade_streams(feed, "BTC")
    answers = Answers([])
    for second in (1, 3):
        found = Gap(
            stream, BASE_US + second * US_PER_SECOND, BASE_US + (second + 1) * US_PER_SECOND
        )
        calls = feed.missed(found)
        assert calls is not None
        assert answers.repair(found, calls) is None
    (ask,) = answers.due(BASE_US)
    assert answers.due(BASE_US) == []

    def row(after_ms: int) -> dict[str, Any]:
        return {
            "execId": str(after_ms), "symbol": "BTCUSDT", "price": "100.0", "size": "1",
            "side": "Sell", "time": str(BASE_MS + after_ms),
        }  # fmt: skip

    rows = [row(after_ms) for after_ms in (5_000, 3_500, 1_500, 500)]
    body = json.dumps({"retCode": 0, "result": {"list": rows}}).encode()
    taken = []
    for _ in range(2):
        ended = answers.take(call_key(ask.request), body)
        assert isinstance(ended, Repaired)
        assert ended.found.complete
        taken.append([trade[4] for trade in ended.found.rows])
        assert answers.due(BASE_US) in ([ask], [])
    assert taken == [["1500"], ["3500"]]


@pytest.mark.parametrize("late", [False, True])
def test_of_a_repair_that_breaks_off_the_pages_that_came_are_kept(late: bool) -> None:
    session = Session(USDM, trade_streams(USDM, "BTC"), "s", BASE_US)
    session.on_frame(trade("BTC", 10), BASE_US)
    session.on_frame(trade("BTC", 2_010), BASE_US)
    now_us = BASE_US + 2 * US_PER_SECOND
    (first,) = session.on_tick(now_us).asks
    (second,) = session.on_answer(call_key(first.request), page(11, 1_000), now_us).asks
    assert "fromId=1011" in second.request.path
    if late:
        out = session.on_tick(now_us + REPAIR_US + US_PER_SECOND // 2)
    else:
        out = session.on_failure(call_key(second.request), "no answer", now_us)
    (end,) = [one for one in out.events if one.kind in ENDS]
    assert (end.kind, end.recovered) == (QualityKind.GAP_PERMANENT, 1_000)
    out.batches += session.detach(0, now_us + REPAIR_US + US_PER_SECOND).batches
    rows = [
        row[4]
        for one in out.batches
        if isinstance(one, TradeBatch) and one.source is DataSource.REST
        for row in one.rows
    ]
    assert rows == list(range(11, 1_011))
