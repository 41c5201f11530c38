"""What is rejected or refused is counted where it belongs, and named in the summary."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from collectors.messages import Rejected
from collectors.registry import all_feeds
from collectors.session.session import Session
from collectors.venue import Channel, Feed, Stream
from schemas.instruments import make_instrument
from schemas.units import US_PER_SECOND

BASE_US = 1_800_000_000_000_000
BASE_MS = BASE_US // 1000
OKX = "BTC-USDT-SWAP"


def streams(feed: Feed) -> Sequence[Stream]:
    symbols = {"okx": OKX, "hyperliquid": "BTC"}
    instrument = make_instrument(
        venue=feed.venue,
        kind=feed.kind,
        venue_symbol=symbols.get(feed.venue, "BTCUSDT"),
        asset="BTC",
        quote="USDT",
        venue_tick="0.1",
        venue_lot="0.001",
    )
    return feed.streams([instrument])


def binance(channel: str, event: str, **data: Any) -> dict[str, Any]:
    at = {"e": event, "E": BASE_MS, "T": BASE_MS, "s": "BTCUSDT", "st": 1}
    return {"stream": f"btcusdt@{channel}", "data": at | data}


def bybit(topic: str, **data: Any) -> dict[str, Any]:
    return {"topic": topic, "type": "snapshot", "ts": BASE_MS, "data": data, "cts": BASE_MS}


def okx(channel: str, **data: Any) -> dict[str, Any]:
    return {"arg": {"channel": channel, "instId": OKX}, "data": [{"ts": str(BASE_MS)} | data]}


LEVEL = {"px": "100.0", "sz": "nan", "n": 1}
CASES: list[tuple[str, dict[str, Any], str]] = [
    ("binance.usdm", binance("aggTrade", "aggTrade", a=1), "btcusdt@aggTrade"),
    ("binance.usdm", binance("depth@100ms", "depthUpdate", b=1), "btcusdt@depth@100ms"),
    (
        "binance.usdm",
        binance("markPrice@1s", "markPriceUpdate", p="x", i="1", P="1", r="0", T=BASE_MS),
        "btcusdt@markPrice@1s",
    ),
    (
        "bybit.linear",
        bybit("tickers.BTCUSDT", symbol="BTCUSDT", markPrice="x"),
        "tickers.BTCUSDT",
    ),
    ("bybit.linear", bybit("orderbook.200.BTCUSDT", s="BTCUSDT"), "orderbook.200.BTCUSDT"),
    ("okx.swap", okx("mark-price", instId=OKX, markPx="x"), f"mark-price:{OKX}"),
    ("okx.swap", okx("bbo-tbt", asks=1), f"bbo-tbt:{OKX}"),
    (
        "hyperliquid.perp",
        {"channel": "l2Book", "data": {"coin": "BTC", "time": 1, "levels": [[LEVEL], []]}},
        "l2Book:BTC",
    ),
    ("hyperliquid.perp", {"channel": "bbo", "data": {"coin": "BTC"}}, "bbo:BTC"),
]


@pytest.mark.parametrize(("name", "frame", "stream"), CASES)
def test_what_is_rejected_names_its_stream(name: str, frame: dict[str, Any], stream: str) -> None:
    feed = all_feeds()[name]
    parser = feed.parser(streams(feed), feed.memory())
    messages = parser.parse(json.dumps(frame, separators=(",", ":")).encode())
    found = [one for one in messages if isinstance(one, Rejected)]
    assert [one.stream and one.stream.name for one in found] == [stream]
    assert not found[0].is_off_grid


def test_rejections_and_refusals_are_in_the_summary() -> None:
    feed = all_feeds()["bybit.linear"]
    trades = [one for one in streams(feed) if one.channel is Channel.TRADES]
    session = Session(feed, trades, "s", BASE_US)
    refused = {"success": False, "ret_msg": "error:handler not found,topic:publicTrade.BTCUSDT"}
    row = {"T": BASE_MS, "s": "BTCUSDT", "S": "Buy", "v": "1", "i": "1", "BT": False}
    for frame in (
        {"topic": "publicTrade.BTCUSDT", "type": "snapshot", "data": [{**row, "p": "100.05"}]},
        {"topic": "publicTrade.BTCUSDT", "type": "snapshot", "data": [{**row, "p": "100.0"}]},
        {**refused, "op": "subscribe"},
    ):
        session.on_frame(json.dumps(frame).encode(), BASE_US)
    out = session.on_tick(BASE_US + 11 * US_PER_SECOND)
    (summary,) = [one.summary for one in out.events if one.summary is not None]
    assert (summary.rejected, summary.refusals) == (1, 1)
