"""Frames and instruments for tests of what lies behind the parsers."""

from collectors.registry import all_feeds
from collectors.venue import Channel, Feed, Stream
from schemas.instruments import Instrument, make_instrument
from schemas.market import Kind

BASE_US = 1_800_000_000_000_000


def spot_feed() -> Feed:
    return all_feeds()["binance.spot"]


def instrument(asset: str = "BTC") -> Instrument:
    return make_instrument(
        venue="binance",
        kind=Kind.SPOT,
        venue_symbol=f"{asset}USDT",
        asset=asset,
        quote="USDT",
        venue_tick="0.01",
        venue_lot="0.00001",
    )


def streams(*assets: str) -> list[Stream]:
    feed = spot_feed()
    chosen = feed.streams([instrument(asset) for asset in assets or ("BTC",)])
    return [stream for stream in chosen if stream.channel is Channel.TRADES]


def trade_frame(
    trade_id: int, time_us: int, *, price: str = "60000.00", qty: str = "0.001", asset: str = "BTC"
) -> bytes:
    symbol = f"{asset}USDT"
    return (
        f'{{"stream":"{symbol.lower()}@trade","data":{{"e":"trade","E":{time_us},"s":"{symbol}",'
        f'"t":{trade_id},"p":"{price}","q":"{qty}","T":{time_us},"m":false,"M":true}}}}'
    ).encode()
