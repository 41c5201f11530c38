"""The payloads of Binance's streams: the order of fields is that of recorded and sheet samples.

Every function takes `offset_us`, by which the venue's clock is wrong (the schedule of funding is
not), and writes times in microseconds where `micros` says so (spot connections may ask for it).
"""

from decimal import Decimal

from schemas.market import Side
from simulator.model import (
    Levels,
    SimBookUpdate,
    SimInstrument,
    SimLiquidation,
    SimTicker,
    SimTop,
    SimTrade,
)

EVENT_DELAY_US = 3_000


def stamp(time_us: int, *, micros: bool = False) -> int:
    """Return a time in the unit of the connection."""
    return time_us if micros else time_us // 1000


def rows(item: SimInstrument, levels: Levels) -> str:
    """Write price levels as an array of pairs."""
    pairs = (f'["{item.price_text(price)}","{item.qty_text(lots)}"]' for price, lots in levels)
    return f"[{','.join(pairs)}]"


def buyer_is_maker(trade: SimTrade) -> str:
    """Write whether the aggressor sold."""
    return "true" if trade.side is Side.SELL else "false"


def visible_qty(trade: SimTrade) -> str:
    """Write the quantity that did not meet hidden orders."""
    return trade.instrument.qty_text(sum(trade.fills[trade.rpi_fills :]))


def aggregate(trade: SimTrade, *, futures: bool, micros: bool, offset_us: int) -> str:
    """Write `@aggTrade`."""
    item, time_us = trade.instrument, trade.time_us + offset_us
    head = (
        f'"e":"aggTrade","E":{stamp(time_us + EVENT_DELAY_US, micros=micros)},'
        f'"a":{trade.print_id},"s":"{item.symbol}","p":"{item.price_text(trade.price_ticks)}",'
        f'"q":"{item.qty_text(trade.qty_lots)}",'
    )
    ids = f'"f":{trade.first_id},"l":{trade.last_id},"T":{stamp(time_us, micros=micros)},'
    maker = buyer_is_maker(trade)
    if not futures:
        return f'{{{head}{ids}"m":{maker},"M":true}}'
    return f'{{{head}"nq":"{visible_qty(trade)}",{ids}"m":{maker},"st":1}}'


def fills(trade: SimTrade, *, futures: bool, micros: bool, offset_us: int) -> list[str]:
    """Write `@trade`, one payload a fill and one for an id spent without a fill."""
    item, maker, time_us = trade.instrument, buyer_is_maker(trade), trade.time_us + offset_us
    event, time = stamp(time_us + EVENT_DELAY_US, micros=micros), stamp(time_us, micros=micros)
    price = item.price_text(trade.price_ticks)
    found = []
    for number, lots in enumerate(trade.fills):
        sort = "RPI" if number < trade.rpi_fills else "MARKET"
        found.append((trade.first_id + number, price, item.qty_text(lots), sort))
    if trade.void_before:
        found.insert(0, (trade.first_id - 1, "0", "0", "NA"))
    if futures:
        return [
            f'{{"e":"trade","E":{event},"T":{time},"s":"{item.symbol}","t":{number},"p":"{at}",'
            f'"q":"{quantity}","X":"{sort}","m":{maker},"st":1}}'
            for number, at, quantity, sort in found
        ]
    return [
        f'{{"e":"trade","E":{event},"s":"{item.symbol}","t":{number},"p":"{at}",'
        f'"q":"{quantity}","T":{time},"m":{maker},"M":true}}'
        for number, at, quantity, _ in found
    ]


def futures_depth(update: SimBookUpdate, ids: tuple[int, int, int], offset_us: int) -> str:
    """Write a futures `@depth@100ms` from its first, last and previous last id."""
    item, time_us = update.instrument, update.time_us + offset_us
    return (
        f'{{"e":"depthUpdate","E":{stamp(time_us + EVENT_DELAY_US)},"T":{stamp(time_us)},'
        f'"s":"{item.symbol}","ps":"{item.symbol}","U":{ids[0]},"u":{ids[1]},"pu":{ids[2]},'
        f'"b":{rows(item, update.bids)},"a":{rows(item, update.asks)},"st":1}}'
    )


def spot_depth(
    update: SimBookUpdate, ids: tuple[int, int, int], *, micros: bool, offset_us: int
) -> str:
    """Write a spot `@depth@100ms`, which has no time of the match and no previous id."""
    item, event_us = update.instrument, update.time_us + offset_us + EVENT_DELAY_US
    return (
        f'{{"e":"depthUpdate","E":{stamp(event_us, micros=micros)},"s":"{item.symbol}",'
        f'"U":{ids[0]},"u":{ids[1]},"b":{rows(item, update.bids)},"a":{rows(item, update.asks)}}}'
    )


def best_prices(top: SimTop, update_id: int, *, futures: bool, offset_us: int) -> str:
    """Write `@bookTicker`; spot has no times in it."""
    item = top.instrument
    bid, ask = top.bid, top.ask
    prices = (
        f'"b":"{item.price_text(bid[0])}","B":"{item.qty_text(bid[1])}",'
        f'"a":"{item.price_text(ask[0])}","A":"{item.qty_text(ask[1])}"'
    )
    if not futures:
        return f'{{"u":{update_id},"s":"{item.symbol}",{prices}}}'
    time = stamp(top.time_us + offset_us)
    return (
        f'{{"e":"bookTicker","u":{update_id},"s":"{item.symbol}","ps":"{item.symbol}",{prices},'
        f'"T":{time},"E":{time},"st":1}}'
    )


def forced_order(liquidation: SimLiquidation, push_us: int, offset_us: int) -> str:
    """Write `@forceOrder` as pushed at a time; the order limits at the bankruptcy price."""
    item = liquidation.instrument
    side = "SELL" if liquidation.long else "BUY"
    quantity = item.qty_text(liquidation.qty_lots)
    last = item.qty_text(max(1, liquidation.qty_lots // 3))
    return (
        f'{{"e":"forceOrder","E":{stamp(push_us + offset_us)},"o":{{"s":"{item.symbol}",'
        f'"S":"{side}","o":"LIMIT","f":"IOC","q":"{quantity}",'
        f'"p":"{item.price_text(liquidation.bankruptcy_ticks)}",'
        f'"ap":"{item.price_text(liquidation.price_ticks)}","X":"FILLED","l":"{last}",'
        f'"z":"{quantity}","T":{stamp(liquidation.time_us + offset_us)},'
        f'"ps":"{item.symbol}","st":1}}}}'
    )


def mark_price(ticker: SimTicker, offset_us: int) -> str:
    """Write `@markPrice@1s`; the moving average and the settle price are the mark's."""
    mark = eight_decimals(ticker.mark)
    return (
        f'{{"e":"markPriceUpdate","E":{stamp(ticker.time_us + offset_us)},'
        f'"s":"{ticker.instrument.symbol}","p":"{mark}","ap":"{mark}","P":"{mark}",'
        f'"i":"{eight_decimals(ticker.index)}","r":"{eight_decimals(ticker.funding_rate)}",'
        f'"T":{stamp(ticker.next_funding_us)},"st":1}}'
    )


def eight_decimals(value: Decimal) -> str:
    """Write a number as Binance writes prices that are on no grid."""
    return f"{value:.8f}"
