"""What a venue must answer, and nothing about how it is reached.

A feed is one product of one venue behind one kind of web socket (Binance USD-M, Bybit spot). It
says where to connect, what to send, how to read what comes, and how instruments are named. It has
no I/O and no clock: bytes in, messages out. The engine does the rest the same way for all.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import msgspec

from schemas.instruments import Instrument
from schemas.market import Kind, TradeIds
from schemas.trades import TradeRow


@dataclass(frozen=True, slots=True)
class Request:
    """One REST call relative to the feed's REST address; `body` is sent as JSON."""

    path: str
    method: Literal["GET", "POST"] = "GET"
    body: bytes | None = None


@dataclass(frozen=True, slots=True)
class Stream:
    """One subscription: the venue's own name of it and the instrument it feeds."""

    name: str
    instrument: Instrument


@dataclass(frozen=True, slots=True)
class Plan:
    """One connection: the path after the feed's web-socket address and what it subscribes to."""

    path: str
    streams: tuple[Stream, ...]


@dataclass(frozen=True, slots=True)
class Limits:
    """What the venue allows (its sheet), less a margin.

    `control_interval_seconds` is the least time between two messages from us on one connection,
    `connect_interval_seconds` the least time between two connection attempts of the process.
    """

    streams_per_connection: int
    names_per_request: int
    control_interval_seconds: float
    connect_interval_seconds: float
    max_frame_bytes: int = 8 * 2**20


class Trades(msgspec.Struct, frozen=True, gc=False):
    """Trades of one instrument out of one frame, in the venue's order."""

    stream: Stream
    rows: list[TradeRow]


class Subscribed(msgspec.Struct, frozen=True, gc=False):
    """The venue acknowledged a request; `names` are the streams where it says which."""

    names: tuple[str, ...] = ()


class Heartbeat(msgspec.Struct, frozen=True, gc=False):
    """The venue is there (pong, keep-alive)."""


class Refused(msgspec.Struct, frozen=True, gc=False):
    """The venue refused a subscription or request: `names` where it says which."""

    detail: str
    names: tuple[str, ...] = ()


class Leaving(msgspec.Struct, frozen=True, gc=False):
    """The venue announced that it will close this connection: connect anew."""

    detail: str


class Rejected(msgspec.Struct, frozen=True, gc=False):
    """A frame, or one item of it, that cannot be used; goes to the dead letters.

    `reason` is one of `malformed_json`, `unexpected_shape`, `unknown_symbol`, `wrong_channel`,
    `invalid_price`, `invalid_quantity`, `invalid_time`, `invalid_side`, `oversized`.
    """

    reason: str
    detail: str


class Ignored(msgspec.Struct, frozen=True, gc=False):
    """A well-formed frame of a kind that this feed does not use; counted by `what`."""

    what: str


Message = Trades | Subscribed | Heartbeat | Refused | Leaving | Rejected | Ignored


class Parser(Protocol):
    """Reads the frames of one connection."""

    def parse(self, frame: bytes) -> Sequence[Message]:
        """Turn one frame into messages; never raises for anything the bytes contain."""
        ...


class Feed(Protocol):
    """One product of one venue.

    `name` is unique (`binance.usdm`); `default` feeds are collected unless settings say otherwise
    (the others are variants of the same product that must not run beside it). `skew_us` is how far
    behind our clock the venue's trades may normally run: the watermark stays that far back.
    `replays_history` says that the first frame of a trade stream may repeat old trades.
    """

    name: str
    venue: str
    kind: Kind
    default: bool
    rest_url: str
    ws_url: str
    limits: Limits
    ping: str | None
    ping_seconds: float
    skew_us: int
    trade_ids: TradeIds
    replays_history: bool

    def instruments(self) -> Generator[Request, bytes, list[Instrument]]:
        """List every crypto instrument of the feed: yields REST calls, is sent their bodies.

        Non-crypto contracts, and kinds the feed does not carry, are left out.

        Raises:
            PayloadError: the venue's answer cannot be read.
        """
        ...

    def streams(self, instrument: Instrument) -> tuple[Stream, ...]:
        """Name the streams that feed an instrument."""
        ...

    def plan(self, streams: Sequence[Stream]) -> list[Plan]:
        """Spread streams over connections inside the venue's limits."""
        ...

    def subscribe(self, streams: Sequence[Stream]) -> list[str]:
        """Write the subscription messages of one connection, in the order to send them."""
        ...

    def parser(self, streams: Sequence[Stream]) -> Parser:
        """Return a parser for one connection that carries these streams."""
        ...

    def owns(self, url: str) -> bool:
        """Say whether a recorded address (socket, REST) is one of this feed's, past or present."""
        ...
