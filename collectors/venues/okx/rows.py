"""What the rows of OKX's channels mean: books, best prices, tickers and liquidations.

Source: https://www.okx.com/docs-v5/en/, the public channels (read through copies of July 2026).

- The checksum of books has been 0 since 2026-06-23 and is not read. Where ids are missing, as in
  recordings of 2022, each update is a gap: nothing proves that it follows.
- A text "" is a value that there is none of.
- Liquidations are not all that happened and not in the order of time, and the first frame after a
  subscription is hours old. `bkPx` is not a price that anything was traded at.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from collectors import grid
from collectors.grid import EARLIEST_US, LATEST_US, Item, Lane
from collectors.messages import (
    Alive,
    BookUpdate,
    Ignored,
    Level,
    LiquidationItem,
    Liquidations,
    Message,
    Rejected,
    TickerValues,
    Top,
)
from collectors.venue import Stream
from collectors.venues.okx import wire
from runtime.errors import PayloadError
from schemas.instruments import Instrument
from schemas.liquidations import LiquidatedSide
from schemas.market import OrderClass, Side
from schemas.units import US_PER_DAY, US_PER_SECOND, parse_decimal, plain

_US_PER_MS = 1_000
SNAPSHOT = "snapshot"
UPDATE = "update"
_LEVEL_ITEMS = 2
_SETTLED = "settled"
OTHER_LIQUIDATIONS = Ignored("other_liquidations")
"""There are none, or none of what is carried."""
_AGGRESSORS = {"buy": Side.BUY, "sell": Side.SELL}
_CLASSES = {"0": OrderClass.MARKET, "1": OrderClass.RPI}
_CLOSED = {
    ("sell", "long"): LiquidatedSide.LONG,
    ("sell", "net"): LiquidatedSide.LONG,
    ("sell", ""): LiquidatedSide.LONG,
    ("buy", "short"): LiquidatedSide.SHORT,
    ("buy", "net"): LiquidatedSide.SHORT,
    ("buy", ""): LiquidatedSide.SHORT,
}
"""`side` is of the closing order; with a position's side that contradicts it, it is none."""


Reader = Callable[[Instrument, Any], dict[str, Any]]
"""What a row says of an instrument, as fields of `TickerValues`; raises PayloadError."""


def read_trade(lanes: Mapping[str, Lane], trade: wire.AnyTrade) -> Item:
    """Build the row of a trade with every check; what is neither normal nor RPI is unknown."""
    return grid.read_row(
        lanes,
        trade.symbol,
        time_us=trade.time * _US_PER_MS,
        price=trade.price,
        quantity=trade.quantity,
        side=_AGGRESSORS.get(trade.side),
        trade_id=trade.id,
        order_class=_CLASSES.get(trade.source, OrderClass.UNKNOWN),
    )


def book(stream: Stream, row: wire.AnyBook, *, snapshot: bool) -> Message:
    """Make an update, or a sign of life: an update of nothing that is its own predecessor."""
    if not snapshot and row.id == row.previous_id and not row.bids and not row.asks:
        return Alive(stream)
    return BookUpdate(
        stream=stream,
        snapshot=snapshot,
        event_time_us=row.time * _US_PER_MS,
        last_id=row.id,
        bids=row.bids,
        asks=row.asks,
        previous_id=row.previous_id,
    )


def top(stream: Stream, row: wire.AnyBook) -> Message:
    """Make the best prices; one side may be empty."""
    return Top(
        stream=stream,
        event_time_us=row.time * _US_PER_MS,
        update_id=row.id,
        bid=row.bids[0] if row.bids else None,
        ask=row.asks[0] if row.asks else None,
    )


def read_book(
    stream: Stream | None, row: object, build: Callable[[Stream, wire.AnyBook], Message]
) -> Message:
    """Read a row with every check and build its message, or say why there is none."""
    if stream is None:
        return Rejected("unknown_symbol", "book of an instrument that is not carried")
    try:
        found = msgspec.convert(row, wire.AnyBook, strict=False)
        if not EARLIEST_US <= found.time * _US_PER_MS < LATEST_US:
            return Rejected("invalid_time", grid.shown(found.time))
        found.asks = _levels(found.asks)
        found.bids = _levels(found.bids)
    except PayloadError as error:
        return Rejected(error.reason, error.detail)
    except ValueError as error:
        return Rejected("unexpected_shape", grid.brief(error))
    return build(stream, found)


def _levels(levels: list[object]) -> list[Level]:
    if len(levels) > wire.MAX_LEVELS:
        raise PayloadError("oversized", f"{len(levels)} levels")
    return [_level(level) for level in levels]


def _level(level: object) -> Level:
    """Check one level; what follows the size is not looked at.

    Raises:
        PayloadError: no text and number.
    """
    if not isinstance(level, list) or len(level) < _LEVEL_ITEMS or not isinstance(level[0], str):
        raise PayloadError("unexpected_shape", f"expected a level, was {grid.shown(level)}")
    try:
        return level[0], msgspec.convert(level[1], wire.Quantity, strict=False)
    except ValueError as error:
        raise PayloadError("invalid_quantity", grid.brief(error)) from error


def _decimal(text: str, reason: str, read: Callable[[str], str]) -> str | None:
    """Read a number, None where there is none.

    Raises:
        PayloadError: it is no such number.
    """
    if not text:
        return None
    try:
        return read(text)
    except ValueError as error:
        raise PayloadError(reason, grid.brief(error)) from error


def _price(instrument: Instrument, text: str) -> str | None:
    return _decimal(text, "invalid_price", lambda text: grid.coin_price(instrument, text))


def _signed(text: str) -> str:
    value = parse_decimal(text.removeprefix("-"))
    return plain(-value if text.startswith("-") and value else value)


def _rate(text: str) -> str | None:
    return _decimal(text, "unexpected_shape", _signed)


def _time_us(text: str) -> int | None:
    """Turn milliseconds as text into microseconds, None where there are none.

    Raises:
        PayloadError: it is no time.
    """
    if not text:
        return None
    try:
        return msgspec.convert(text, grid.Milliseconds, strict=False) * _US_PER_MS
    except ValueError as error:
        raise PayloadError("invalid_time", f"{grid.brief(error)}: {grid.shown(text)}") from error


def _mark(instrument: Instrument, row: wire.MarkPrice) -> dict[str, Any]:
    return {"mark_price": _price(instrument, row.price)}


def _index(instrument: Instrument, row: wire.IndexPrice) -> dict[str, Any]:
    return {"index_price": _price(instrument, row.price)}


def _interest(instrument: Instrument, row: wire.OpenInterest) -> dict[str, Any]:
    """Take the amount in base coin; whether it is of one side is not documented, so taken as is."""
    coins = _decimal(row.coins, "invalid_quantity", lambda text: plain(parse_decimal(text)))
    if coins is None:
        coins = _decimal(
            row.contracts,
            "invalid_quantity",
            lambda text: grid.coin_quantity(instrument, text),
        )
    return {"open_interest": coins}


def _funding(instrument: Instrument, row: wire.Funding) -> dict[str, Any]:
    """Take the estimate, and what was settled one interval before the settlement that is due.

    OKX does not say when it settled. Where an interval was just changed the time is off by the
    difference; without an interval of a day at most it is unknown, and the rate with it.
    """
    due, following = _time_us(row.due), _time_us(row.following)
    found: dict[str, Any] = {"funding_rate": _rate(row.rate), "funding_time_us": due}
    settled = _rate(row.settled_rate) if row.state == _SETTLED else None
    if due is None or following is None:
        return found
    interval_us = following - due
    if not US_PER_SECOND <= interval_us <= US_PER_DAY:
        return found
    found["funding_interval_seconds"] = interval_us // US_PER_SECOND
    if settled is not None:
        found["settled_funding_rate"] = settled
        found["settled_funding_time_us"] = due - interval_us
    return found


@dataclass(frozen=True, slots=True, eq=False)
class TickerChannel:
    """One ticker channel: the type of its rows, its frames and what a row says."""

    row: type[wire.Values]
    frames: msgspec.json.Decoder[wire.Frame[Any]]
    read: Reader

    def values(self, stream: Stream, instrument: Instrument, row: wire.Values) -> Message:
        """Say what a row means for an instrument."""
        time_us = row.time * _US_PER_MS
        if time_us and not EARLIEST_US <= time_us < LATEST_US:
            return Rejected("invalid_time", grid.shown(row.time), stream)
        try:
            found = self.read(instrument, row)
        except PayloadError as error:
            return Rejected(error.reason, error.detail, stream)
        if all(value is None for value in found.values()):
            return Ignored("no_values")
        return TickerValues(stream=stream, instrument=instrument, event_time_us=time_us, **found)


def _channel(row: type[wire.Values], read: Reader) -> TickerChannel:
    decoder: msgspec.json.Decoder[wire.Frame[Any]] = msgspec.json.Decoder(
        wire.Frame[row],  # type: ignore[valid-type]
        strict=False,
    )
    return TickerChannel(row, decoder, read)


TICKERS = {
    wire.MARK: _channel(wire.MarkPrice, _mark),
    wire.INDEX: _channel(wire.IndexPrice, _index),
    wire.FUNDING: _channel(wire.Funding, _funding),
    wire.INTEREST: _channel(wire.OpenInterest, _interest),
}
"""By the name that the channel has at OKX."""


def read_liquidations(
    stream: Stream, data: Sequence[object], carried: Mapping[str, Instrument]
) -> Sequence[Message]:
    """Read the rows of a frame; instruments that are not carried are left out."""
    found: dict[str, list[LiquidationItem]] = {}
    rejected: list[Message] = []
    for one in data:
        try:
            closings = msgspec.convert(one, wire.Closings)
        except ValueError as error:
            rejected.append(Rejected("unexpected_shape", grid.brief(error)))
            continue
        instrument = carried.get(closings.symbol)
        if instrument is None:
            continue
        for detail in closings.details:
            item = _read_closing(instrument, detail)
            if isinstance(item, Rejected):
                rejected.append(item)
            else:
                found.setdefault(closings.symbol, []).append(item)
    messages = [Liquidations(stream, carried[symbol], rows) for symbol, rows in found.items()]
    return [*messages, *rejected] or (OTHER_LIQUIDATIONS,)


def _read_closing(instrument: Instrument, detail: object) -> LiquidationItem | Rejected:
    try:
        closing = msgspec.convert(detail, wire.Closing, strict=False)
    except ValueError as error:
        return Rejected("unexpected_shape", grid.brief(error))
    return grid.read_liquidation(
        instrument,
        time_us=closing.time * _US_PER_MS,
        price=closing.price,
        quantity=closing.quantity,
        side=_CLOSED.get((closing.side, closing.position_side)),
    )
