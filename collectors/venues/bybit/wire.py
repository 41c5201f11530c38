"""The shapes of what Bybit sends, and how their parts are read.

Sources: https://bybit-exchange.github.io/docs/v5/websocket/public/ trade, orderbook,
all-liquidation and ticker (docs of 2026-07-24).

What a reader would trip over:

- Block trades (`BT`) are negotiated off the book; RPI fills took liquidity that no book showed.
- `S` of a liquidation is the side of the position: `Buy` is a long that was closed, by a sell.
- A ticker's delta has only what changed. `openInterest` counts both sides of every position,
  `singleOpenInterest` (since 2026-06-11) one.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct, field

from collectors import grid
from collectors.grid import Id, Item, Lane, Milliseconds, OpaqueId
from collectors.messages import LiquidationItem, Rejected
from schemas.instruments import Instrument
from schemas.liquidations import LiquidatedSide
from schemas.market import OrderClass, Side
from schemas.units import parse_decimal, plain, to_steps

MAX_LEVELS = 20_000
"""A side with more is no book."""

_MAX_QUANTITY = 1e15
"""A level with more is none; well above what the cheapest coin shows."""

_SIDES = {"Buy": Side.BUY, "Sell": Side.SELL}
_LIQUIDATED = {"Buy": LiquidatedSide.LONG, "Sell": LiquidatedSide.SHORT}
_ONE = Decimal(1)
_HOUR_SECONDS = 3_600
_MAX_HOURS = 7 * 24


class AnyTrade(Struct, gc=False, kw_only=True):
    """A trade read carefully."""

    time: int = field(name="T")
    symbol: str = field(name="s")
    side: str = field(name="S")
    quantity: str = field(name="v")
    price: str = field(name="p")
    id: str = field(name="i")
    is_block: bool = field(name="BT", default=False)
    is_rpi: bool = field(name="RPI", default=False)


class Trade(AnyTrade, gc=False, kw_only=True):
    """A clean trade."""

    time: Milliseconds = field(name="T")
    side: Literal["Buy", "Sell"] = field(name="S")
    id: OpaqueId = field(name="i")


class TradeFrame(Struct, gc=False):
    """Clean trades of one topic."""

    topic: str
    data: list[Trade]


_Quantity = Annotated[float, Meta(ge=0, le=_MAX_QUANTITY)]
"""The bounds refuse the texts `nan` and `inf`, which the decoder would take."""
_Levels = Annotated[list[tuple[str, _Quantity]], Meta(max_length=MAX_LEVELS)]


class Book(Struct, gc=False):
    """A book, the best prices, or what changed."""

    symbol: str = field(name="s")
    bids: _Levels = field(name="b")
    asks: _Levels = field(name="a")
    update_id: Id = field(name="u")


class BookFrame(Struct, gc=False):
    """A book of one topic; until 2024 without the time of matching."""

    topic: str
    type: Literal["snapshot", "delta"]
    data: Book
    time: Milliseconds = field(name="cts", default=0)


class _AnyBook(Struct, gc=False):
    symbol: str = field(name="s")
    bids: list[tuple[str, Any]] = field(name="b")
    asks: list[tuple[str, Any]] = field(name="a")
    update_id: Id = field(name="u")


class _AnyBookFrame(Struct, gc=False):
    """The shape of a book, whatever its numbers."""

    type: Literal["snapshot", "delta"]
    data: _AnyBook
    time: int = field(name="cts", default=grid.EARLIEST_US // 1_000)


class _Liquidation(Struct, gc=False):
    """A liquidation read carefully."""

    time: int = field(name="T")
    symbol: str = field(name="s")
    side: str = field(name="S")
    quantity: str = field(name="v")
    price: str = field(name="p")


class Ticker(Struct, gc=False):
    """What is used of a ticker; what did not change is not there."""

    symbol: str
    mark_price: str | None = field(name="markPrice", default=None)
    index_price: str | None = field(name="indexPrice", default=None)
    funding_rate: str | None = field(name="fundingRate", default=None)
    funding_time: str | None = field(name="nextFundingTime", default=None)
    funding_hours: str | None = field(name="fundingIntervalHour", default=None)
    single_interest: str | None = field(name="singleOpenInterest", default=None)
    both_interest: str | None = field(name="openInterest", default=None)


class TickerFrame(Struct, gc=False):
    """A ticker of one topic; `time` is that of the push."""

    topic: str
    type: Literal["snapshot", "delta"]
    data: Ticker
    time: int = field(name="ts", default=0)


class Head(Struct, gc=False):
    """What kind a frame is of."""

    topic: str


TRADE_FRAME = msgspec.json.Decoder(TradeFrame)
BOOK_FRAME = msgspec.json.Decoder(BookFrame, strict=False)
TICKER_FRAME = msgspec.json.Decoder(TickerFrame, strict=False)
HEAD = msgspec.json.Decoder(Head)


def read_trade(lanes: Mapping[str, Lane], trade: AnyTrade) -> Item:
    """Build a row; a block trade is one whatever else it is."""
    order_class = OrderClass.RPI if trade.is_rpi else OrderClass.MARKET
    return grid.read_row(
        lanes,
        trade.symbol,
        time_us=trade.time * 1_000,
        price=trade.price,
        quantity=trade.quantity,
        side=_SIDES.get(trade.side),
        trade_id=trade.id,
        order_class=OrderClass.BLOCK if trade.is_block else order_class,
    )


def read_liquidation(instrument: Instrument, row: object) -> LiquidationItem | Rejected:
    """Build one liquidation of a document, or say why there is none."""
    try:
        found = msgspec.convert(row, _Liquidation)
    except ValueError as error:
        return Rejected("unexpected_shape", grid.brief(error))
    if found.symbol != instrument.venue_symbol:
        return Rejected("unknown_symbol", grid.shown(found.symbol))
    return grid.read_liquidation(
        instrument,
        time_us=found.time * 1_000,
        price=found.price,
        quantity=found.quantity,
        side=_LIQUIDATED.get(found.side),
    )


def flaw_of_book(document: dict[str, object]) -> str:
    """Name what is wrong with a book that is no `BookFrame`."""
    try:
        found = msgspec.convert(document, _AnyBookFrame, strict=False)
    except ValueError:
        return "unexpected_shape"
    if not grid.EARLIEST_US <= found.time * 1_000 < grid.LATEST_US:
        return "invalid_time"
    if max(len(found.data.bids), len(found.data.asks)) > MAX_LEVELS:
        return "oversized"
    return "invalid_quantity"


def read_rate(text: str) -> str:
    """Write a funding rate, which may be below zero.

    Raises:
        ValueError: no decimal.
    """
    rate = parse_decimal(text.removeprefix("-"))
    return plain(-rate if rate and text.startswith("-") else rate)


def read_time_us(text: str) -> int:
    """Read a text of milliseconds.

    Raises:
        ValueError: no such time.
    """
    time_us = to_steps(text, _ONE) * 1_000
    if not grid.EARLIEST_US <= time_us < grid.LATEST_US:
        raise ValueError(f"expected a time of 2009 to 2099, was {grid.shown(text)}")
    return time_us


def _seconds(hours: str) -> int:
    count = to_steps(hours, _ONE)
    if not 0 < count <= _MAX_HOURS:
        raise ValueError(f"expected hours, at most a week, was {grid.shown(hours)}")
    return count * _HOUR_SECONDS


def _half(instrument: Instrument, text: str) -> str:
    return plain(Decimal(grid.coin_quantity(instrument, text)) / 2)


_TICKER_FIELDS: tuple[tuple[str, str, str, Callable[[Instrument, str], object]], ...] = (
    ("mark_price", "mark_price", "invalid_price", grid.coin_price),
    ("index_price", "index_price", "invalid_price", grid.coin_price),
    ("funding_rate", "funding_rate", "invalid_quantity", lambda _, text: read_rate(text)),
    ("funding_time", "funding_time_us", "invalid_time", lambda _, text: read_time_us(text)),
    ("funding_hours", "funding_interval_seconds", "invalid_time", lambda _, text: _seconds(text)),
    ("single_interest", "open_interest", "invalid_quantity", grid.coin_quantity),
    ("both_interest", "open_interest", "invalid_quantity", _half),
)
"""The ticker's field, ours, why it is refused where it cannot be read, and how it is read."""


def read_ticker(instrument: Instrument, ticker: Ticker) -> tuple[dict[str, Any], list[Rejected]]:
    """Read each field that is there, in our words; a bad one leaves the others."""
    values: dict[str, Any] = {}
    rejected: list[Rejected] = []
    for name, ours, reason, read in _TICKER_FIELDS:
        if text := getattr(ticker, name):
            try:
                values[ours] = read(instrument, text)
            except ValueError as error:
                rejected.append(Rejected(reason, f"{name}: {grid.brief(error)}"))
    if "open_interest" in values:
        values["open_interest_halved"] = not ticker.single_interest
    return values, rejected
