"""What a venue must answer, and nothing about how it is reached.

A feed is one product of one venue behind one kind of web socket (Binance USD-M, Bybit spot). It
says where to connect, what to send, how to read what comes, how a book is kept and how what was
missed is fetched back. It has no I/O and no clock: bytes in, messages out. The engine does the rest
the same way for all.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Literal, Protocol

from schemas.instruments import Instrument
from schemas.liquidations import LiquidationUnit, PriceKind, SamplingClass
from schemas.market import Kind, TradeIds
from schemas.trades import TradeRow

if TYPE_CHECKING:
    from collectors.messages import Message


class Channel(StrEnum):
    """What a stream is about."""

    TRADES = "trades"
    BOOK = "book"
    TOP = "top"
    LIQUIDATIONS = "liquidations"
    TICKER = "ticker"
    INSTRUMENTS = "instruments"


@dataclass(frozen=True, slots=True)
class Request:
    """One REST call relative to the feed's REST address; `body` is sent as JSON.

    `weight` is what it costs of the venue's budget, in the units of `Limits.rest_weight`.
    """

    path: str
    method: Literal["GET", "POST"] = "GET"
    body: bytes | None = None
    weight: int = 1


@dataclass(frozen=True, slots=True)
class Call:
    """A REST call and how its answer is read.

    `read` raises PayloadError where the answer cannot be read.
    """

    request: Request
    read: Callable[[bytes], Sequence[Message]]


@dataclass(frozen=True, slots=True)
class Poll:
    """A call to be made again and again, for what no stream carries."""

    stream: Stream
    call: Call
    every_seconds: float


@dataclass(frozen=True, slots=True)
class Stream:
    """One subscription: the venue's own name of it, what it is about, what it feeds.

    `instrument` is None where one stream carries all of the venue's instruments.
    """

    name: str
    channel: Channel
    instrument: Instrument | None

    @property
    def assets(self) -> tuple[str, ...]:
        """The asset, if it is one."""
        return (self.instrument.asset,) if self.instrument is not None else ()


@dataclass(frozen=True, slots=True)
class Plan:
    """One connection: the path after the feed's web-socket address and what it subscribes to.

    All streams that make one record (book and best prices; mark price, funding and open interest)
    of an instrument are in one plan. `at` is a whole address instead of the feed's own, for what
    the venue serves elsewhere; it is also the path below an address set by the user.
    """

    path: str
    streams: tuple[Stream, ...]
    at: str = ""


@dataclass(frozen=True, slots=True)
class Limits:
    """What the venue allows (its sheet), less a margin.

    `control_interval_seconds` is the least time between two messages from us on one connection,
    `connect_interval_seconds` the least time between two connection attempts of the process.
    `rest_weight` may be spent within `rest_seconds`. `lifetime_seconds` is how long a connection
    is used before another takes over, None for ever. `denied_seconds` is how long no call is made
    after one was denied for who we are or where (HTTP 401, 403, 451). `busy` finds, in the head of
    an answer with status 200, the venue's codes for: not now, ask again.
    """

    streams_per_connection: int
    names_per_request: int
    control_interval_seconds: float
    connect_interval_seconds: float
    rest_weight: int
    rest_seconds: float
    max_frame_bytes: int = 8 * 2**20
    lifetime_seconds: float | None = None
    denied_seconds: float = 60.0
    busy: re.Pattern[bytes] | None = None


class Chain(StrEnum):
    """How a venue numbers the updates of a book, which decides what is a gap."""

    PREVIOUS_ID = "previous_id"
    """Each update names the last id of the one before; a snapshot is fetched (Binance USD-M)."""
    FIRST_ID = "first_id"
    """Each update begins one above the end of the one before; fetched (Binance spot)."""
    CONSECUTIVE = "consecutive"
    """Each update is one above the one before; snapshots come in the stream (Bybit)."""
    PREVIOUS_SEQUENCE = "previous_sequence"
    """As `previous_id`, but the ids may fall; snapshots come in the stream (OKX)."""
    SNAPSHOTS = "snapshots"
    """Every message is the whole of what is published (Hyperliquid)."""

    @property
    def is_fetched(self) -> bool:
        """Whether the snapshot comes over REST."""
        return self in (Chain.PREVIOUS_ID, Chain.FIRST_ID)


@dataclass(frozen=True, slots=True)
class BookRule:
    """How a feed's books are kept.

    `depth` is how many levels a side the stream carries, None where it carries all;
    `snapshot_levels` how many a fetched snapshot has at most. A book is silent after
    `silent_seconds` without a word on a market that trades, or, where `always_moves`, whatever the
    market does.
    """

    chain: Chain
    depth: int | None = None
    snapshot_levels: int | None = None
    silent_seconds: float = 5.0
    always_moves: bool = False


@dataclass(frozen=True, slots=True)
class LiquidationRule:
    """What a feed's liquidations are.

    Where `always_moves`, their stream shows more than liquidations, and its silence is a failure.
    """

    price_kind: PriceKind
    unit: LiquidationUnit
    sampling_class: SamplingClass
    method: str
    always_moves: bool = False


@dataclass(frozen=True, slots=True)
class Gap:
    """Trades that were missed: between two known trades, exclusive.

    `first_id` and `last_id` are the missing ids where ids are sequential, else None. `from_us` is
    the venue's time of the last trade before, `to_us` of the first one after.
    """

    stream: Stream
    from_us: int
    to_us: int
    first_id: int | None = None
    last_id: int | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """What was fetched of a gap, by time, and whether nothing of it is missing any more."""

    rows: list[TradeRow]
    complete: bool


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
    `replays_history` says that the first frame of a trade stream may repeat old trades;
    `gapless_ids` that the ids of the trade stream are without holes, so that a hole is a gap.
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
    gapless_ids: bool
    replays_history: bool
    book: BookRule
    liquidations: LiquidationRule | None

    def instruments(self) -> Generator[Request, bytes, list[Instrument]]:
        """List every crypto instrument of the feed: yields REST calls, is sent their bodies.

        Non-crypto contracts, and kinds the feed does not carry, are left out.

        Raises:
            PayloadError: the venue's answer cannot be read.
        """
        ...

    def streams(self, instruments: Sequence[Instrument]) -> list[Stream]:
        """Name the streams that feed these instruments, every channel that the venue has."""
        ...

    def plan(self, streams: Sequence[Stream]) -> list[Plan]:
        """Spread streams over connections inside the venue's limits."""
        ...

    def subscribe(self, streams: Sequence[Stream]) -> list[str]:
        """Write the subscription messages of one connection, in the order to send them."""
        ...

    def resubscribe(self, stream: Stream) -> list[str]:
        """Write what makes the venue begin one stream anew, with a snapshot where it has one."""
        ...

    def parser(self, streams: Sequence[Stream], shared: object) -> Parser:
        """Return a parser for one connection that carries these streams.

        `shared` is what `memory` returned for this run; all parsers of the run get the same.
        """
        ...

    def memory(self) -> object:
        """Return what the parsers of one run share (None for most): e.g. to join two channels."""
        ...

    def snapshot(self, stream: Stream) -> Call | None:
        """Say how the snapshot of a book is fetched; None where it comes in the stream."""
        ...

    def polls(self, instruments: Sequence[Instrument]) -> list[Poll]:
        """Say what has to be polled; each poll's stream is of one of the plans, or new."""
        ...

    def missed(self, gap: Gap) -> Generator[Request, bytes, Found] | None:
        """Fetch missed trades: yields REST calls, is sent their bodies; None where there is no way.

        Every row found lies in the gap, by id where ids are sequential, else by time (both ends
        included, since more than one trade may have the time of a known one). A TransportError is
        raised inside it where a call has no answer; several pages end with what they have then.

        Raises:
            PayloadError: the venue's answer cannot be read.
            TransportError: that which was raised inside it, before anything was found.
        """
        ...

    def owns(self, url: str) -> bool:
        """Say whether a recorded address (socket, REST) is one of this feed's, past or present."""
        ...
