"""Hyperliquid's trades: their shape, and how one is read carefully.

Each row is the match with one maker; `hash` is the transaction of whoever crossed the book, all
zeros for a slice of an order over time (`twap`), and shared by all rows of one sweep.
"""

from collections.abc import Iterator, Mapping
from typing import Literal

import msgspec
from msgspec import Struct, field

from collectors import frames, grid
from collectors.grid import Id, Item, Lane, Milliseconds
from collectors.messages import Rejected
from schemas.market import Side

_SIDES = {"B": Side.BUY, "A": Side.SELL}


class AnyTrade(Struct, gc=False, kw_only=True):
    """A trade read carefully."""

    coin: str
    side: str
    price: str = field(name="px")
    quantity: str = field(name="sz")
    time: int
    id: int = field(name="tid")


class Trade(AnyTrade, gc=False, kw_only=True):
    """A clean trade."""

    side: Literal["A", "B"]
    time: Milliseconds
    id: Id = field(name="tid")


class TradeFrame(Struct, gc=False):
    """Clean trades, normally of one coin."""

    channel: Literal["trades"]
    data: list[Trade]


TRADE_FRAME = msgspec.json.Decoder(TradeFrame)


def read_trade(lanes: Mapping[str, Lane], row: object) -> Item:
    """Read one trade carefully.

    Args:
        lanes: where the trades of each coin go.
        row: the trade as a document.
    """
    try:
        trade = msgspec.convert(row, AnyTrade)
    except ValueError as error:
        return Rejected("unexpected_shape", grid.brief(error))
    return grid.read_row(
        lanes,
        trade.coin,
        time_us=trade.time * 1_000,
        price=trade.price,
        quantity=trade.quantity,
        side=_SIDES.get(trade.side),
        trade_id=trade.id,
    )


def trades_by_transaction(lanes: Mapping[str, Lane], frame: bytes) -> Iterator[tuple[object, Item]]:
    """Read a frame of trades that was read before: each behind its transaction, if it has one."""
    document = frames.read_document(frame)
    data = None if isinstance(document, Rejected) else document.get("data")
    for row in data if isinstance(data, list) else ():
        transaction = row.get("hash") if isinstance(row, dict) else None
        yield transaction, read_trade(lanes, row)
