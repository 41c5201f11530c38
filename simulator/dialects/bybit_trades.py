"""Bybit's prints: the rows of `publicTrade` and of the recent trades, under the same ids.

Source: the venue sheet, section 3; field order from a recording of 2026-08-09.
"""

import uuid
from collections.abc import Iterator
from hashlib import blake2b

from schemas.market import Side
from simulator.dialects.base import Json
from simulator.model import SimTrade

_SPOT_ID_BASE = 2_290_000_000_000_000_000


def trade_id(trade: SimTrade, number: int) -> str:
    """Return the opaque id of a fill: digits on spot, a UUID on linear."""
    if trade.feed.endswith(".spot"):
        return str(_SPOT_ID_BASE + trade.first_id + number)
    seed = b"%d %d" % (trade.order_tag, trade.first_id + number)
    return str(uuid.UUID(bytes=blake2b(seed, digest_size=16).digest(), version=5))


def rows(trade: SimTrade, tick_direction: str, offset_us: int) -> Iterator[str]:
    """Write the fills of a print as rows of a frame."""
    item = trade.instrument
    side = _side(trade)
    time = (trade.time_us + offset_us) // 1000
    price = item.price_text(trade.price_ticks)
    rpi = "true" if trade.rpi_fills else "false"
    block = "true" if trade.block else "false"
    spot = trade.feed.endswith(".spot")
    for number, lots in enumerate(trade.fills):
        quantity, name = item.qty_text(lots), trade_id(trade, number)
        common = f'"BT":{block},"RPI":{rpi}'
        if spot:
            yield (
                f'{{"i":"{name}","T":{time},"p":"{price}","v":"{quantity}",'
                f'"S":"{side}","seq":{trade.print_id},"s":"{item.symbol}",{common}}}'
            )
        else:
            yield (
                f'{{"T":{time},"s":"{item.symbol}","S":"{side}","v":"{quantity}",'
                f'"p":"{price}","L":"{tick_direction}","i":"{name}",{common},'
                f'"seq":{trade.print_id}}}'
            )


def recent(trade: SimTrade, number: int, offset_us: int) -> Json:
    """Return a fill as REST describes it."""
    item = trade.instrument
    return {
        "execId": trade_id(trade, number),
        "symbol": item.symbol,
        "price": item.price_text(trade.price_ticks),
        "size": item.qty_text(trade.fills[number]),
        "side": _side(trade),
        "time": str((trade.time_us + offset_us) // 1000),
        "isBlockTrade": trade.block,
        "isRPITrade": bool(trade.rpi_fills),
        "seq": str(trade.print_id),
    }


def _side(trade: SimTrade) -> str:
    return "Buy" if trade.side is Side.BUY else "Sell"
