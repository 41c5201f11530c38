"""What a dialect answers; the server does all input and output the same way for every venue."""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import parse_qs

from simulator.model import SimEvent

ABORT = 1006
"""Close code of a connection that just ends, without a close frame."""
POLICY = 1008

Json = dict[str, object]


@dataclass(frozen=True, slots=True)
class Frame:
    """One data frame and the stream it belongs to, by the key under which it is subscribed."""

    key: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Reply:
    """What a client message leads to, in this order: messages, first frames, the end.

    `subscribed` are the keys that this message added; `close` a close code.
    """

    messages: tuple[bytes, ...] = ()
    subscribed: tuple[str, ...] = ()
    close: int | None = None


@dataclass(frozen=True, slots=True)
class Idle:
    """When a venue closes a silent connection: what counts as life, and the close code."""

    seconds: float
    code: int
    counts_received: bool = True


@dataclass(frozen=True, slots=True)
class Pings:
    """Protocol pings of the server and how long it waits for an answer."""

    every_seconds: float
    patience_seconds: float


@dataclass(frozen=True, slots=True)
class RestRequest:
    """One REST call: path below the feed's prefix, its query and its body."""

    method: str
    path: str
    query: str = ""
    body: bytes = b""

    def argument(self, name: str, default: str = "") -> str:
        """Return a query argument."""
        return parse_qs(self.query).get(name, [default])[0]


@dataclass(frozen=True, slots=True)
class RestReply:
    """The answer to a REST call; `headers` come on top of the usual ones."""

    body: bytes
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


class Session(Protocol):
    """One connection's side of the conversation."""

    @property
    def keys(self) -> set[str]:
        """The streams that are delivered."""
        ...

    def on_client_message(self, text: str, now_us: int) -> Reply:
        """Answer one text message."""
        ...

    def render(self, frame: Frame) -> bytes:
        """Return the frame as this connection receives it."""
        ...


class Dialect(Protocol):
    """One feed of one venue.

    `clock_offset_us` is added to every time that the venue writes: its clock is wrong by that.
    """

    feed: str
    clock_offset_us: int

    @property
    def idle(self) -> Idle | None:
        """When silence ends a connection, None where it never does."""
        ...

    @property
    def pings(self) -> Pings | None:
        """How the venue pings, None where it does not."""
        ...

    def open(self, path: str, query: str) -> tuple[Session, Reply] | None:
        """Begin a conversation on a web-socket path, or None where there is no such path."""
        ...

    def encode(self, events: Sequence[SimEvent], wanted: Container[str]) -> list[Frame]:
        """Write events of this feed as frames of the streams that are wanted, in time order.

        Sees every event of the feed, wanted or not: snapshots and REST answers come from them.
        """
        ...

    def first_frame(self, key: str) -> bytes | None:
        """Return what a stream begins with after its subscription, if anything."""
        ...

    def restart_books(self) -> list[Frame]:
        """Begin the update ids of all books anew, as after a restart of the venue's service.

        Returns the frames by which the venue says so itself (a snapshot with `u` 1); none where
        clients have to see it from the ids.
        """
        ...

    def maintenance_notice(self) -> bytes | None:
        """Return what the venue announces a planned disconnect with; None where it says nothing."""
        ...

    def keys_of(self, frame: bytes) -> tuple[str, ...]:
        """Name the streams that a recorded data frame belongs to; none for anything else."""
        ...

    def rest(self, request: RestRequest) -> RestReply:
        """Answer a REST call."""
        ...

    def metadata_name(self, request: RestRequest) -> str | None:
        """Name the metadata body that a call asks for, None where it asks for none."""
        ...

    def owns(self, url: str) -> bool:
        """Say whether a recorded address is this feed's; an unknown (empty) one may be."""
        ...
