"""Binance's frames as types: what each kind must have for its values to be used.

A frame that is of its type is good. Quantities of books are read as numbers (`strict=False`), and
the bounds here are what keeps `nan`, `inf` and negative ones out.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Generic, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct, field

from collectors.grid import EARLIEST_US, LATEST_US, Id, Milliseconds, Time
from collectors.venue import Channel

T = TypeVar("T")
MAX_LEVELS = 20_000
"""Of one side of one frame."""

Quantity = Annotated[float, Meta(ge=0, le=1e15)]
Levels = Annotated[list[tuple[str, Quantity]], Meta(max_length=MAX_LEVELS)]
AnyLevels = list[tuple[str, object]]


class _Trade(Struct, gc=False, kw_only=True):
    """What every trade has; the rest differs by stream and by how it is read."""

    symbol: str = field(name="s")
    price: str = field(name="p")
    quantity: str = field(name="q")
    buyer_is_maker: bool = field(name="m")


class Aggregate(_Trade, gc=False, kw_only=True):
    """A clean merged trade of USD-M."""

    event: Literal["aggTrade"] = field(name="e")
    id: Id = field(name="a")
    time: Milliseconds = field(name="T")
    margin: Literal[1] = field(name="st", default=1)
    order_type: ClassVar[str] = "MARKET"


class Fill(_Trade, gc=False, kw_only=True):
    """A clean raw fill of USD-M."""

    event: Literal["trade"] = field(name="e")
    id: Id = field(name="t")
    time: Milliseconds = field(name="T")
    margin: Literal[1] = field(name="st", default=1)
    order_type: str = field(name="X")


class SpotTrade(_Trade, gc=False, kw_only=True):
    """A clean spot trade; what is no time in microseconds is one in milliseconds."""

    event: Literal["trade"] = field(name="e")
    id: Id = field(name="t")
    time: Time = field(name="T")
    margin: Literal[1] = field(name="st", default=1)
    order_type: ClassVar[str] = "MARKET"


class AnyTrade(_Trade, kw_only=True):
    """A trade read carefully, of any stream."""

    event: str = field(name="e")
    time: int = field(name="T")
    aggregate_id: int | None = field(name="a", default=None)
    trade_id: int | None = field(name="t", default=None)
    order_type: str = field(name="X", default="")
    margin: int = field(name="st", default=1)


class _Depth(Struct, gc=False, kw_only=True):
    """What every change of a book has; spot has neither `T` nor `pu`."""

    event: Literal["depthUpdate"] = field(name="e")
    symbol: str = field(name="s")
    first_id: Id = field(name="U")
    last_id: Id = field(name="u")
    previous_id: Id = field(name="pu", default=0)
    margin: Literal[1] = field(name="st", default=1)


class Depth(_Depth, gc=False, kw_only=True):
    """A change of a book."""

    bids: Levels = field(name="b")
    asks: Levels = field(name="a")
    pushed: Time = field(name="E")
    matched: Time = field(name="T", default=0)


class AnyDepth(_Depth, kw_only=True):
    """The same, to find out what is wrong with it."""

    bids: AnyLevels = field(name="b")
    asks: AnyLevels = field(name="a")
    pushed: int = field(name="E")
    matched: int = field(name="T", default=0)


class _Best(Struct, gc=False, kw_only=True):
    """What every best bid and ask has; spot has neither event nor times."""

    event: Literal["bookTicker"] = field(name="e", default="bookTicker")
    symbol: str = field(name="s")
    id: Id = field(name="u")
    bid: str = field(name="b")
    ask: str = field(name="a")
    margin: Literal[1] = field(name="st", default=1)


class Best(_Best, gc=False, kw_only=True):
    """The best bid and ask; a quantity of 0 is an empty side."""

    bid_quantity: Quantity = field(name="B")
    ask_quantity: Quantity = field(name="A")
    matched: Time = field(name="T", default=0)


class AnyBest(_Best, kw_only=True):
    """The same, to find out what is wrong with it."""

    bid_quantity: object = field(name="B")
    ask_quantity: object = field(name="A")
    matched: int = field(name="T", default=0)


class _Order(Struct, gc=False, kw_only=True):
    """The order that closed a position; `z` of it is filled, at `ap` on average."""

    symbol: str = field(name="s")
    side: str = field(name="S")
    filled: str = field(name="z", default="0")
    average: str = field(name="ap", default="")
    status: str = field(name="X", default="")
    time: int = field(name="T")
    margin: Literal[1] = field(name="st", default=1)


class Forced(Struct, gc=False, kw_only=True):
    """A liquidation; `st` has been seen inside the order and is documented outside of it."""

    event: Literal["forceOrder"] = field(name="e")
    order: _Order = field(name="o")
    margin: Literal[1] = field(name="st", default=1)


class Mark(Struct, gc=False, kw_only=True):
    """Mark price, index price and funding."""

    event: Literal["markPriceUpdate"] = field(name="e")
    symbol: str = field(name="s")
    price: str = field(name="p")
    index: str = field(name="i", default="")
    rate: str = field(name="r", default="")
    pushed: int = field(name="E")
    next_time: int = field(name="T", default=0)
    margin: Literal[1] = field(name="st", default=1)


class Combined(Struct, Generic[T], gc=False):
    """The envelope of a combined stream."""

    data: T


class _Event(Struct, gc=False):
    event: str = field(name="e", default="")


class Head(_Event, gc=False):
    """What kind a frame is of; spot book frames carry no event and are known by their stream."""

    stream: str = ""
    data: _Event | None = None


HEAD = msgspec.json.Decoder(Head)


@dataclass(frozen=True, slots=True)
class TradeKind:
    """How a product tells its trades; only spot has times in microseconds."""

    channel: str
    decode: Callable[[bytes], Combined[Aggregate] | Combined[Fill] | Combined[SpotTrade]]
    has_order_types: bool = False
    is_spot: bool = False


AGGREGATES = TradeKind("aggTrade", msgspec.json.Decoder(Combined[Aggregate]).decode)
FILLS = TradeKind("trade", msgspec.json.Decoder(Combined[Fill]).decode, has_order_types=True)
SPOT_TRADES = TradeKind("trade", msgspec.json.Decoder(Combined[SpotTrade]).decode, is_spot=True)


@dataclass(frozen=True, slots=True)
class OtherKind:
    """A kind of frames that is no trade: its channel and event, and how it is read.

    `ignored` is the word by which such frames are counted where their channel is not carried.
    """

    channel: Channel
    event: str
    ignored: str
    type: type[Struct]
    decode: Callable[[bytes], Combined[Any]]
    is_strict: bool = True


_decode_depth = msgspec.json.Decoder(Combined[Depth], strict=False).decode
decode_best = msgspec.json.Decoder(Combined[Best], strict=False).decode
_decode_forced = msgspec.json.Decoder(Combined[Forced]).decode
_decode_mark = msgspec.json.Decoder(Combined[Mark]).decode
OTHER_KINDS = (
    OtherKind(Channel.BOOK, "depthUpdate", "depth", Depth, _decode_depth, is_strict=False),
    OtherKind(Channel.TOP, "bookTicker", "bookTicker", Best, decode_best, is_strict=False),
    OtherKind(Channel.LIQUIDATIONS, "forceOrder", "forceOrder", Forced, _decode_forced),
    OtherKind(Channel.TICKER, "markPriceUpdate", "markPrice", Mark, _decode_mark),
)


def microseconds(time: int) -> int:
    """Turn a time in milliseconds or microseconds into one in microseconds."""
    return time if time >= EARLIEST_US else time * 1_000


def is_time(time_us: int) -> bool:
    """Say whether it is a time in which there were trades."""
    return EARLIEST_US <= time_us < LATEST_US
