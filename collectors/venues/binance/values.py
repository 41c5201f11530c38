"""Binance's messages out of good frames, and what is wrong with the others."""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from collectors import grid
from collectors.grid import LATEST_US
from collectors.messages import (
    BookUpdate,
    Ignored,
    Liquidations,
    Listed,
    Message,
    Rejected,
    TickerValues,
    Top,
)
from collectors.venue import Channel, Stream
from collectors.venues.binance import wire
from schemas.instruments import Instrument
from schemas.liquidations import LiquidatedSide
from schemas.units import parse_decimal, plain

_LIQUIDATED = {"SELL": LiquidatedSide.LONG, "BUY": LiquidatedSide.SHORT}
_FINAL = frozenset({"FILLED", "CANCELED", "EXPIRED", "EXPIRED_IN_MATCH", "REJECTED"})
"""What an order ends with. Only FILLED was ever seen; before its end an order would count twice."""

Streams = Mapping[str, tuple[Stream, Instrument]]
"""By the venue's symbol."""


def by_channel(streams: Sequence[Stream]) -> dict[Channel, dict[str, tuple[Stream, Instrument]]]:
    """Sort what a connection carries; streams of no instrument have no values."""
    carried: dict[Channel, dict[str, tuple[Stream, Instrument]]] = {}
    for stream in streams:
        if stream.instrument is not None:
            of_channel = carried.setdefault(stream.channel, {})
            of_channel[stream.instrument.venue_symbol] = (stream, stream.instrument)
    return carried


def signed(text: str) -> str:
    """Write a rate, which may be negative, in the one form of a number.

    Raises:
        ValueError: no plain decimal.
    """
    size = plain(parse_decimal(text.removeprefix("-")))
    return f"-{size}" if text.startswith("-") and size != "0" else size


def _coin_margined(data: dict[str, object]) -> bool:
    order = data.get("o")
    places = (data, order) if isinstance(order, dict) else (data,)
    return any(type(place.get("st")) is int and place["st"] != 1 for place in places)


def fault(channel: Channel, data: dict[str, object]) -> Message | None:
    """Say what is wrong with data that are not of their type; None where it is the shape."""
    if _coin_margined(data):
        return Ignored("coin_margined")
    try:
        if channel is Channel.BOOK:
            depth = msgspec.convert(data, wire.AnyDepth, strict=False)
            return _fault_of_depth(depth)
        if channel is Channel.TOP:
            best = msgspec.convert(data, wire.AnyBest, strict=False)
            if best.matched and not wire.is_time(wire.microseconds(best.matched)):
                return Rejected("invalid_time", grid.shown(best.matched))
            return Rejected("invalid_quantity", grid.shown((best.bid_quantity, best.ask_quantity)))
    except ValueError:
        return None
    return None


def _fault_of_depth(depth: wire.AnyDepth) -> Rejected:
    if max(len(depth.bids), len(depth.asks)) > wire.MAX_LEVELS:
        return Rejected("oversized", f"{len(depth.bids)} bids and {len(depth.asks)} asks")
    for time in (depth.pushed, depth.matched or depth.pushed):
        if not wire.is_time(wire.microseconds(time)):
            return Rejected("invalid_time", grid.shown(time))
    return Rejected("invalid_quantity", f"in the book of {grid.shown(depth.symbol)}")


def read_listing(data: dict[str, object]) -> Message:
    """Say that the list of instruments changed."""
    if _coin_margined(data):
        return Ignored("coin_margined")
    return Listed(grid.brief(f"{data.get('s')} {data.get('cs')}"))


def _unknown(symbol: str) -> Rejected:
    return Rejected("unknown_symbol", grid.shown(symbol))


def _build_book(streams: Streams, depth: wire.Depth) -> Message:
    known = streams.get(depth.symbol)
    if known is None:
        return _unknown(depth.symbol)
    time_us = wire.microseconds(depth.matched or depth.pushed)
    if time_us >= LATEST_US:
        return Rejected("invalid_time", grid.shown(time_us), known[0])
    return BookUpdate(
        known[0],
        False,
        time_us,
        depth.last_id,
        depth.bids,
        depth.asks,
        depth.first_id,
        depth.previous_id,
    )


def _build_top(streams: Streams, best: wire.Best) -> Message:
    known = streams.get(best.symbol)
    if known is None:
        return _unknown(best.symbol)
    time_us = wire.microseconds(best.matched)
    if time_us >= LATEST_US:
        return Rejected("invalid_time", grid.shown(time_us), known[0])
    bid, ask = (best.bid, best.bid_quantity), (best.ask, best.ask_quantity)
    return Top(known[0], time_us, best.id, bid if bid[1] else None, ask if ask[1] else None)


def _build_liquidation(streams: Streams, forced: wire.Forced) -> Message:
    order = forced.order
    known = streams.get(order.symbol)
    if known is None:
        return Ignored("symbol_not_carried")  # recordings may be of the market-wide stream
    stream, instrument = known
    try:
        is_filled = parse_decimal(order.filled) > 0
    except ValueError as error:
        return Rejected("invalid_quantity", grid.brief(error), stream)
    if order.status not in _FINAL:
        return Ignored("not_final")
    if not is_filled:
        return Ignored("no_fill")
    row = grid.read_liquidation(
        instrument,
        time_us=order.time * 1_000,
        price=order.average,
        quantity=order.filled,
        side=_LIQUIDATED.get(order.side),
    )
    return row.of(stream) if isinstance(row, Rejected) else Liquidations(stream, instrument, [row])


def _build_ticker(streams: Streams, mark: wire.Mark) -> Message:
    known = streams.get(mark.symbol)
    if known is None:
        return _unknown(mark.symbol)
    stream, instrument = known
    times = [time * 1_000 for time in (mark.pushed, mark.next_time) if time]
    if not mark.pushed or not all(map(wire.is_time, times)):
        return Rejected("invalid_time", grid.shown((mark.pushed, mark.next_time)), stream)
    try:
        price = grid.coin_price(instrument, mark.price)
        index = mark.index if mark.index and parse_decimal(mark.index) != Decimal(0) else ""
        index_price = grid.coin_price(instrument, index) if index else None
    except ValueError as error:
        return Rejected("invalid_price", grid.brief(error), stream)
    try:
        # Without a next settlement the rate is written as zero, which is no rate.
        rate = signed(mark.rate) if mark.rate and mark.next_time else None
    except ValueError as error:
        return Rejected("unexpected_shape", grid.brief(error), stream)
    return TickerValues(
        stream=stream,
        instrument=instrument,
        event_time_us=mark.pushed * 1_000,
        mark_price=price,
        index_price=index_price,
        funding_rate=rate,
        funding_time_us=mark.next_time * 1_000 or None,
    )


BUILDERS: dict[Channel, Callable[[Streams, Any], Message]] = {
    Channel.BOOK: _build_book,
    Channel.TOP: _build_top,
    Channel.LIQUIDATIONS: _build_liquidation,
    Channel.TICKER: _build_ticker,
}
"""What makes a message of the typed data of a frame, given the streams of its channel."""
