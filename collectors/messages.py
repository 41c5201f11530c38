"""What a parser makes of bytes: typed messages in our words, in the venue's order.

Numbers of trades, liquidations and tickers are exact here already. Book levels still are the
venue's: text of the price and the quantity as a number; the book that they are applied to turns
them into ticks and lots.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from collectors.venue import Stream
from schemas.instruments import Instrument
from schemas.trades import TradeRow

Level = Sequence[Any]
"""`(price text, quantity, ...)`: what follows the quantity is not used."""

LiquidationItem = tuple[int, str, int, int, int]
"""`(event_time_us, price, qty_lots, liquidated_side, flags)` as in `LiquidationRow`."""


class Trades(msgspec.Struct, frozen=True, gc=False):
    """Trades of one instrument out of one frame, in the venue's order.

    `merged` says, where the ids of merged fills are skipped, how many fills each row is.
    """

    stream: Stream
    rows: list[TradeRow]
    merged: tuple[int, ...] | None = None


class BookUpdate(msgspec.Struct, frozen=True, gc=False):
    """A book (`snapshot`) or what changed in one; quantities are absolute, 0 removes the level.

    Of the ids a rule uses those that its venue has: `first_id` and `last_id` are of the updates in
    it, `previous_id` is the `last_id` that it continues. `event_time_us` 0 is none given.
    """

    stream: Stream
    snapshot: bool
    event_time_us: int
    last_id: int
    bids: Sequence[Level]
    asks: Sequence[Level]
    first_id: int = 0
    previous_id: int = 0


class Top(msgspec.Struct, frozen=True, gc=False):
    """The best prices; a side that is empty is None. `event_time_us` 0 is none given."""

    stream: Stream
    event_time_us: int
    update_id: int
    bid: Level | None
    ask: Level | None


class Liquidations(msgspec.Struct, frozen=True, gc=False):
    """Liquidations of one instrument out of one frame."""

    stream: Stream
    instrument: Instrument
    rows: list[LiquidationItem]


class TickerValues(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What a frame says of an instrument's context, in the units of `TickerBatch`.

    None is what it does not say. `event_time_us` 0 is none given.
    """

    stream: Stream
    instrument: Instrument
    event_time_us: int
    mark_price: str | None = None
    index_price: str | None = None
    funding_rate: str | None = None
    funding_time_us: int | None = None
    funding_interval_seconds: int | None = None
    settled_funding_rate: str | None = None
    settled_funding_time_us: int | None = None
    open_interest: str | None = None
    open_interest_halved: bool = False


class Subscribed(msgspec.Struct, frozen=True, gc=False):
    """The venue acknowledged a request; `names` are the streams where it says which."""

    names: tuple[str, ...] = ()


class Heartbeat(msgspec.Struct, frozen=True, gc=False):
    """The venue is there (pong, keep-alive)."""


class Alive(msgspec.Struct, frozen=True, gc=False):
    """One stream is there and has nothing new (a keep-alive of a book)."""

    stream: Stream


class Refused(msgspec.Struct, frozen=True, gc=False):
    """The venue refused a subscription or request: `names` where it says which."""

    detail: str
    names: tuple[str, ...] = ()


class Leaving(msgspec.Struct, frozen=True, gc=False):
    """The venue announced that it will close this connection: open another one now."""

    detail: str


class Listed(msgspec.Struct, frozen=True, gc=False):
    """The venue says that its list of instruments changed: ask for it."""

    detail: str


class Rejected(msgspec.Struct, frozen=True, gc=False):
    """A frame, or one item of it, that cannot be used; goes to the dead letters.

    `reason` is one of `malformed_json`, `unexpected_shape`, `unknown_symbol`, `wrong_channel`,
    `invalid_price`, `invalid_quantity`, `invalid_time`, `invalid_side`, `oversized`. It has the
    stream where that is known, and of a trade the venue's time and the id where these are good.
    """

    reason: str
    detail: str
    stream: Stream | None = None
    time_us: int = 0
    trade_id: int | str = 0

    @property
    def is_off_grid(self) -> bool:
        """Whether it is a trade whose price or quantity is none on the grids that are known."""
        return self.time_us > 0 and self.reason in ("invalid_price", "invalid_quantity")

    def of(self, stream: Stream) -> "Rejected":
        """Return the same, known to be of a stream."""
        return msgspec.structs.replace(self, stream=stream)


class Ignored(msgspec.Struct, frozen=True, gc=False):
    """A well-formed frame of a kind that this feed does not use; counted by `what`."""

    what: str


Message = (
    Trades | BookUpdate | Top | Liquidations | TickerValues | Subscribed | Heartbeat | Alive
    | Refused | Leaving | Listed | Rejected | Ignored
)  # fmt: skip
