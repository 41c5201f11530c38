"""The grids of a recording without metadata."""

import pytest

from collectors.recorded.instruments import GridFinder
from collectors.registry import all_feeds
from runtime.errors import ConfigurationError

FRAMES = {
    "binance.spot": b'{"stream":"btcusdt@trade","data":{"e":"trade","s":"BTCUSDT","t":1,'
    b'"p":"60000.01000000","q":"0.00150000","T":1,"m":true,"M":true}}',
    "bybit.linear": b'{"topic":"publicTrade.BTCUSDT","data":[{"T":1,"s":"BTCUSDT","S":"Buy",'
    b'"v":"0.001","p":"60000.10"},{"T":1,"s":"BTCUSDT","S":"Buy","v":"0.25","p":"60000.00"}]}',
    "okx.spot": b'{"arg":{"channel":"trades","instId":"BTC-USDT"},"data":[{"instId":"BTC-USDT",'
    b'"px":"60000.1","sz":"0.00000123","side":"buy","ts":"1"}]}',
    "hyperliquid.perp": b'{"channel":"trades","data":[{"coin":"BTC","side":"B","px":"60000.0",'
    b'"sz":"0.00219","time":1}]}',
}
FOUND = {
    "binance.spot": ("BTC", "USDT", "0.01", "0.0001"),
    "bybit.linear": ("BTC", "USDT", "0.1", "0.001"),
    "okx.spot": ("BTC", "USDT", "0.1", "0.00000001"),
    "hyperliquid.perp": ("BTC", "USDC", "1", "0.00001"),
}


@pytest.mark.parametrize("name", sorted(FRAMES))
def test_the_finest_decimals_that_were_traded_make_the_grid(name: str) -> None:
    finder = GridFinder()
    finder.look(FRAMES[name])
    (found,) = finder.instruments(all_feeds()[name])
    assert (found.asset, found.quote, found.tick, found.lot) == FOUND[name]


def test_frames_that_are_no_trades_are_passed_over() -> None:
    finder = GridFinder()
    for frame in (b"", b"not json", b'{"s":"BTCUSDT"}', b'{"p":"1","q":"2"}', b'{"p":"1","s":"X"}'):
        finder.look(frame)
    assert not finder.symbols


def test_contracts_need_metadata() -> None:
    finder = GridFinder()
    finder.look(FRAMES["okx.spot"].replace(b"BTC-USDT", b"BTC-USDT-SWAP"))
    with pytest.raises(ConfigurationError, match="contracts"):
        finder.instruments(all_feeds()["okx.swap"])
