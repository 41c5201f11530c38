"""The shapes of OKX's frames and answers; numbers come as text and are read as numbers here.

A frame that is of one of these shapes is clean. What is not is read by the parser's careful way,
row by row with the same rows, which says what is wrong with it.
"""

from typing import Annotated, Any, Generic, Literal, TypeVar

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType, field

from collectors.grid import INT64_MAX, Id, Milliseconds
from collectors.venue import Stream

TRADES = "trades"
BOOKS = "books"
TOPS = "bbo-tbt"
LIQUIDATIONS = "liquidation-orders"
MARK = "mark-price"
INDEX = "index-tickers"
"""Its argument is the index, a pair; no two linear swaps have the same."""
FUNDING = "funding-rate"
INTEREST = "open-interest"

MAX_LEVELS = 20_000
"""Levels of one side in one message: a snapshot has 400, an update may list more than that."""

Count = Annotated[int, Meta(ge=1, le=1_000_000)]
"""How many fills one row of `trades` is."""
Quantity = Annotated[float, Meta(ge=0, le=1e18)]
"""The bounds keep out `nan`, `inf` and signs, all of which a float may be read from."""
CleanLevel = tuple[str, Quantity, int, int]
"""`(price, size, a number without meaning, count of orders)`."""
CleanLevels = Annotated[list[CleanLevel], Meta(max_length=MAX_LEVELS)]
PreviousId = Annotated[int, Meta(ge=-1, le=INT64_MAX)]

Row = TypeVar("Row")


class AnyTrade(Struct, gc=False, kw_only=True):
    """A trade read carefully; `count` and `source` are younger than the channel."""

    symbol: str = field(name="instId")
    id: int = field(name="tradeId")
    price: str = field(name="px")
    quantity: str = field(name="sz")
    side: str
    time: int = field(name="ts")
    source: str = "0"
    count: Count = 1


class CleanTrade(AnyTrade, gc=False, kw_only=True):
    """A clean trade."""

    id: Id = field(name="tradeId")
    side: Literal["buy", "sell"]
    time: Milliseconds = field(name="ts")
    source: Literal["0", "1"] = "0"


class AnyBook(Struct, gc=False, kw_only=True):
    """A book, or what changed in one, or its best prices, read carefully.

    Before there were ids, neither was sent: then each row follows upon nothing.
    """

    asks: list[Any]
    bids: list[Any]
    time: int = field(name="ts")
    id: Id = field(name="seqId", default=0)
    previous_id: PreviousId = field(name="prevSeqId", default=-1)


class CleanBook(AnyBook, gc=False, kw_only=True):
    """A clean one."""

    asks: CleanLevels
    bids: CleanLevels
    time: Milliseconds = field(name="ts")


class Closing(Struct, gc=False, kw_only=True):
    """One liquidation of `details`."""

    side: str
    position_side: str = field(name="posSide", default="")
    price: str = field(name="bkPx")
    quantity: str = field(name="sz")
    time: int = field(name="ts")


class Closings(Struct, gc=False):
    """Liquidations of one instrument."""

    symbol: str = field(name="instId")
    details: list[Any]


class Values(Struct, gc=False, kw_only=True):
    """What a row of every ticker channel has; the instrument may be an index."""

    symbol: str = field(name="instId")
    time: int = field(name="ts", default=0)


class MarkPrice(Values, gc=False, kw_only=True):
    """A row of `mark-price`."""

    price: str = field(name="markPx", default="")


class IndexPrice(Values, gc=False, kw_only=True):
    """A row of `index-tickers`."""

    price: str = field(name="idxPx", default="")


class OpenInterest(Values, gc=False, kw_only=True):
    """A row of `open-interest`, in contracts and in base coin."""

    contracts: str = field(name="oi", default="")
    coins: str = field(name="oiCcy", default="")


class Funding(Values, gc=False, kw_only=True):
    """A row of `funding-rate`: what is due at `due`, and what was settled before it."""

    rate: str = field(name="fundingRate", default="")
    due: str = field(name="fundingTime", default="")
    following: str = field(name="nextFundingTime", default="")
    state: str = field(name="settState", default="")
    settled_rate: str = field(name="settFundingRate", default="")


class Arg(Struct, gc=False):
    """What a frame is of."""

    channel: str
    symbol: str = field(name="instId", default="")


class Frame(Struct, Generic[Row], gc=False, kw_only=True):
    """A frame of data; one that is of an event too is not clean."""

    arg: Arg
    data: list[Row]
    event: UnsetType = UNSET


class _TradesArg(Struct, gc=False):
    channel: Literal["trades"]
    symbol: str = field(name="instId")


class TradeFrame(Struct, gc=False):
    """Trades of one instrument, normally one."""

    arg: _TradesArg
    data: list[CleanTrade]
    event: UnsetType = UNSET


class BookFrame(Frame[CleanBook], gc=False, kw_only=True):
    """A frame of `books`."""

    action: Literal["snapshot", "update"]


class _ArgHead(Struct, gc=False):
    channel: str


class Head(Struct, gc=False):
    """What kind a frame is of; an event may be about a channel and is not of it."""

    arg: _ArgHead
    event: UnsetType = UNSET


HEAD = msgspec.json.Decoder(Head)
TRADE_FRAMES = msgspec.json.Decoder(TradeFrame, strict=False)
BOOK_FRAMES = msgspec.json.Decoder(BookFrame, strict=False)
TOP_FRAMES = msgspec.json.Decoder(Frame[CleanBook], strict=False)


def argument(stream: Stream) -> dict[str, str]:
    """Write the argument that stands for a stream: a channel, and what of it."""
    channel, _, symbol = stream.name.partition(":")
    one = stream.instrument
    if one is None:
        return {"channel": channel, "instType": symbol}
    if channel == INDEX:
        symbol = f"{one.asset}-{one.quote}"
    return {"channel": channel, "instId": symbol}
