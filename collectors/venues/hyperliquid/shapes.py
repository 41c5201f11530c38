"""The shapes of Hyperliquid's clean frames but trades: books, best prices, contexts, answers."""

from typing import Literal

import msgspec
from msgspec import Struct, field


class Level(Struct, gc=False):
    """A price and all that is offered at it."""

    price: str = field(name="px")
    quantity: float = field(name="sz")


class Book(Struct, gc=False):
    """The best levels of both sides."""

    coin: str
    time: int
    levels: tuple[list[Level], list[Level]]


class BookFrame(Struct, gc=False):
    """A book, as it comes."""

    channel: Literal["l2Book"]
    data: Book


class BestPrices(Struct, gc=False):
    """The best prices."""

    coin: str
    time: int
    levels: tuple[Level | None, Level | None] = field(name="bbo")


class TopFrame(Struct, gc=False):
    """Best prices, as they come."""

    channel: Literal["bbo"]
    data: BestPrices


class Context(Struct, gc=False):
    """What is known of a perpetual beside its trades and book."""

    mark: str | None = field(name="markPx", default=None)
    oracle: str | None = field(name="oraclePx", default=None)
    funding: str | None = None
    open_interest: str | None = field(name="openInterest", default=None)


class CoinContext(Struct, gc=False):
    """The context of one coin."""

    coin: str
    context: Context = field(name="ctx")


class ContextFrame(Struct, gc=False):
    """A context, as it comes."""

    channel: Literal["activeAssetCtx"]
    data: CoinContext


class Subscription(Struct, gc=False):
    """What was asked for; the venue fills in the defaults."""

    type: str
    coin: str = ""


class Response(Struct, gc=False):
    """The answer to a request that was understood."""

    method: str
    subscription: Subscription


class Head(Struct, gc=False):
    """What kind a frame is of."""

    channel: str


BOOK_FRAME = msgspec.json.Decoder(BookFrame, strict=False)
TOP_FRAME = msgspec.json.Decoder(TopFrame, strict=False)
CONTEXT_FRAME = msgspec.json.Decoder(ContextFrame, strict=False)
HEAD = msgspec.json.Decoder(Head)
