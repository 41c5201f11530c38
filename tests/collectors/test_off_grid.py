"""Trades off the grids of an instrument as it is known: its steps were made finer."""

import json

import pytest

from collectors.registry import all_feeds
from collectors.session.answers import call_key
from collectors.session.memory import Memory
from collectors.session.session import Session
from collectors.venue import Channel, Feed, Stream
from schemas.instruments import Instrument, make_instrument
from schemas.market import Kind
from schemas.ops import QualityKind
from schemas.trades import TradeBatch
from schemas.units import US_PER_SECOND

BASE_US = 1_800_000_000_000_000
BASE_MS = BASE_US // 1000


def instrument(feed: Feed, tick: str) -> Instrument:
    return make_instrument(
        venue=feed.venue,
        kind=Kind.LINEAR_PERPETUAL,
        venue_symbol="BTCUSDT",
        asset="BTC",
        quote="USDT",
        venue_tick=tick,
        venue_lot="0.001",
    )


def streams(feed: Feed, tick: str) -> list[Stream]:
    found = feed.streams([instrument(feed, tick)])
    return [one for one in found if one.channel is Channel.TRADES]


def bybit(number: int, price: str) -> bytes:
    at_ms = BASE_MS + number * 1000
    row = {"T": at_ms, "s": "BTCUSDT", "S": "Buy", "v": "1", "p": price, "i": str(number)}
    topic = {"topic": "publicTrade.BTCUSDT", "type": "snapshot", "ts": at_ms}
    return json.dumps({**topic, "data": [{**row, "BT": False}]}).encode()


def bybit_answer(*trades: tuple[int, str]) -> bytes:
    rows = [
        {
            "execId": str(number), "symbol": "BTCUSDT", "price": price, "size": "1",
            "side": "Buy", "time": str(BASE_MS + number * 1000),
        }
        for number, price in reversed(trades)
    ]  # fmt: skip
    return json.dumps({"retCode": 0, "result": {"list": rows}}).encode()


def binance(number: int, price: str) -> bytes:
    at_ms = BASE_MS + number * 1000
    data = {
        "e": "aggTrade", "E": at_ms, "s": "BTCUSDT", "a": number, "p": price, "q": "1",
        "f": number, "l": number, "T": at_ms, "m": False, "st": 1,
    }  # fmt: skip
    return json.dumps({"stream": "btcusdt@aggTrade", "data": data}).encode()


def binance_answer(*trades: tuple[int, str]) -> bytes:
    rows = [
        {"a": number, "p": price, "q": "1", "T": BASE_MS + number * 1000, "m": False}
        for number, price in trades
    ]
    return json.dumps(rows).encode()


CASES = [
    ("bybit.linear", bybit, bybit_answer, (None, None)),
    ("binance.usdm", binance, binance_answer, (2, 4)),
]


@pytest.mark.parametrize(("name", "frame", "answer", "ids"), CASES)
def test_they_are_a_gap_that_is_fetched_once_the_new_grid_is_known(
    name: str, frame: object, answer: object, ids: tuple[int | None, int | None]
) -> None:
    assert callable(frame)
    assert callable(answer)
    feed, memory = all_feeds()[name], Memory()
    trades = [(1, "100.0"), (2, "100.05"), (3, "100.1"), (4, "100.15")]
    session = Session(feed, streams(feed, "0.1"), "s", BASE_US, memory=memory)
    listed = []
    for number, price in trades:
        out = session.on_frame(frame(number, price), BASE_US + number * US_PER_SECOND)
        listed.append(out.listed)
    assert listed == [False, True, False, True]
    events = session.detach(0, BASE_US + 5 * US_PER_SECOND).events
    begun = [one for one in events if one.kind is QualityKind.GAP][-1]

    opened_us = BASE_US + 6 * US_PER_SECOND
    finer = streams(feed, "0.01")
    adopted = Memory()
    adopted.inherit([memory], finer)
    session = Session(feed, finer, "t", opened_us, memory=adopted)
    out = session.on_tick(opened_us + US_PER_SECOND // 2)
    now_us = opened_us + US_PER_SECOND
    asks = out.asks
    while asks:  # ids without holes have a gap of their own, whose repair was cut off
        key = call_key(asks.pop().request)
        more = session.on_answer(key, answer(*trades, (5, "100.2")), now_us)
        asks, out.events, out.batches = more.asks, more.events, out.batches + more.batches
    (end,) = [one for one in out.events if one.kind is QualityKind.GAP_REPAIRED]
    for one in (begun, end):
        bounds_us = (BASE_US + 2 * US_PER_SECOND, BASE_US + 4 * US_PER_SECOND)
        assert (one.from_us, one.to_us) == bounds_us
        assert (one.first_id, one.last_id) == ids
    out.batches += session.detach(0, now_us + US_PER_SECOND).batches
    rows = [row for one in out.batches if isinstance(one, TradeBatch) for row in one.rows]
    assert [(int(row[4]), row[1]) for row in rows] == [(2, 10_005), (4, 10_015)]
