"""Recorded addresses, today's and those of years ago, find the feed that reads them."""

import pytest

from tests.contract.venue_cases import FEEDS

USDM = {"binance.usdm", "binance.usdm-fills"}
HYPERLIQUID = {"hyperliquid.perp", "hyperliquid.spot"}
OKX = {"okx.swap", "okx.spot"}


@pytest.mark.parametrize(
    ("url", "feeds"),
    [
        ("wss://fstream.binance.com/market/stream", USDM),
        ("wss://fstream.binance.com/market/stream?streams=btcusdt@aggTrade", USDM),
        ("wss://fstream.binance.com/public/stream", USDM),
        ("wss://fstream.binance.com/stream?streams=sushiusdt@aggTrade/x@depth@100ms", USDM),
        ("wss://fstream.binance.com/ws", USDM),
        ("wss://fstream.binance.com/private/ws/key", set()),
        ("https://fapi.binance.com/fapi/v1/exchangeInfo", USDM),
        ("wss://fstream.binancefuture.com/stream", set()),
        ("wss://stream.binance.com:9443/stream?streams=nknusdt@depth@100ms", {"binance.spot"}),
        ("wss://stream.binance.com/stream?timeUnit=MICROSECOND", {"binance.spot"}),
        ("wss://data-stream.binance.vision/ws/btcusdt@trade", {"binance.spot"}),
        ("https://api1.binance.com/api/v3/depth?symbol=NKNUSDT&limit=1000", {"binance.spot"}),
        ("wss://stream.bybit.com/v5/public/linear", {"bybit.linear"}),
        ("wss://stream.bybit.com/v5/public/spot", {"bybit.spot"}),
        ("wss://stream.bybit.com/v5/public/inverse", set()),
        ("https://api.bybit.com/v5/market/instruments-info?&category=linear", {"bybit.linear"}),
        ("https://api.bytick.com/v5/market/instruments-info?category=spot", {"bybit.spot"}),
        ("wss://ws.okx.com:8443/ws/v5/public", OKX),
        ("wss://ws.okx.com/ws/v5/public", OKX),
        ("wss://wseea.okx.com/ws/v5/public", OKX),
        ("wss://ws.okx.com/ws/v5/business", set()),
        ("https://www.okx.com/api/v5/public/instruments?instType=SPOT", {"okx.spot"}),
        ("https://openapi.okx.com/api/v5/public/instruments?instType=SWAP", {"okx.swap"}),
        ("https://www.okx.com/api/v5/public/instruments?instType=FUTURES", set()),
        ("wss://api.hyperliquid.xyz/ws", HYPERLIQUID),
        ("https://api.hyperliquid.xyz/info", HYPERLIQUID),
        ("wss://rpc.hyperliquid.xyz/ws", {"hyperliquid.perp"}),
    ],
)
def test_an_address_belongs_to_its_feeds(url: str, feeds: set[str]) -> None:
    assert {name for name, feed in FEEDS.items() if feed.owns(url)} == feeds
