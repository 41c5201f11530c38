"""Hyperliquid's trades: their shape, and how one is read carefully.

Each row is the match with one maker; `hash` is the transaction of whoever crossed the book, all
zeros for a slice of an order over time (`twap`), and shared by all rows of one sweep. All trades of
a block have one time, so that neighbours of one side may be of several orders: a row says where its
hash is another than that of the row before it in its frame. No order was seen to go over two
frames. Slices beside each other stay together: their taker would tell them apart, for a tenth more
time a trade.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Literal

import msgspec
from msgspec import Struct, field

from collectors import frames, grid
from collectors.grid import Id, Item, Lane, Milliseconds
from collectors.messages import Rejected
from schemas.market import ANOTHER_ORDER, Side

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
    transaction: str = field(name="hash", default="")


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


def reader(lanes: Mapping[str, Lane]) -> Callable[[object], Item]:
    """Return what reads the rows of a frame carefully, and marks those of another order."""
    before: dict[str, object] = {}

    def read(row: object) -> Item:
        item = read_trade(lanes, row)
        if isinstance(item, tuple):
            stream, trade = item
            transaction = _transaction_of(row)
            if before.setdefault(stream.name, transaction) != transaction:
                before[stream.name] = transaction
                return stream, (*trade[:5], trade[5] | ANOTHER_ORDER)
        return item

    return read


def _transaction_of(row: object) -> object:
    return row.get("hash", "") if isinstance(row, dict) else None


def trades_by_transaction(lanes: Mapping[str, Lane], frame: bytes) -> Iterator[tuple[object, Item]]:
    """Read a frame of trades that was read before: each behind its transaction, if it has one."""
    document = frames.read_document(frame)
    data = None if isinstance(document, Rejected) else document.get("data")
    for row in data if isinstance(data, list) else ():
        yield _transaction_of(row), read_trade(lanes, row)
