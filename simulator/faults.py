"""What can go wrong at a venue, as records: a script of faults is data and plays the same twice.

Every fault names a feed, a stream (`*` is all) and when it holds: from `at_us` on, in the
market's time, until `until_us` or until it has touched `count` frames, connections or requests,
whichever comes first; with neither it holds until it is lifted. Frame faults act on data frames
between a dialect and its clients, first frames included; connection faults on web sockets;
request faults on handshakes and REST calls; feed faults on the dialect itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from runtime.errors import ConfigurationError
from simulator.dialects.base import POLICY
from simulator.dialects.binance import MICROSECOND

EVERY_STREAM = "*"
MAX_FAULTS = 10_000
MAX_WINDOW_FRAMES = 64
MAX_THROTTLE_MESSAGES = 255
_GOING_AWAY = 1001
_RESTARTING = 1012
_NEVER_SENT = (1004, 1005)


def stream_of(key: str) -> str:
    """Return the venue's name of the stream behind a subscription key."""
    return key.removesuffix(MICROSECOND)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What every fault says.

    Args:
        feed: whose frames, connections and calls it concerns.
        stream: the venue's name of a stream; a connection is concerned where it subscribed to it.
        at_us: when it begins, from the script's start (or from the call that applies it).
        until_us: when it ends, counted likewise.
        count: after how many frames, connections or requests it ends.

    Raises:
        ConfigurationError: a value makes no sense.
    """

    feed: str
    stream: str = EVERY_STREAM
    at_us: int = 0
    until_us: int | None = None
    count: int | None = None

    def __post_init__(self) -> None:
        self._require(self.at_us >= 0, "at_us must not be negative")
        self._require(self.until_us is None or self.until_us > self.at_us, "until_us ends it first")
        self._require(self.count is None or self.count > 0, "count must be above zero")
        self._check()

    def concerns(self, key: str) -> bool:
        """Say whether a stream, by its subscription key, is one of the fault's."""
        return self.stream in (EVERY_STREAM, stream_of(key))

    def _check(self) -> None:
        """Check what this kind adds."""

    def _require(self, right: bool, complaint: str) -> None:
        if not right:
            raise ConfigurationError(f"fault {type(self).__name__} on {self.feed}: {complaint}")


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameFault(Fault):
    """Acts on data frames that some client is waiting for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SomeFrames(FrameFault):
    """Acts on every n-th frame, and of these on each with a probability."""

    every: int = 1
    probability: float = 1.0

    def __post_init__(self) -> None:
        FrameFault.__post_init__(self)
        self._require(self.every > 0, "every must be above zero")
        self._require(0.0 < self.probability <= 1.0, "probability must be in (0, 1]")


class Drop(SomeFrames):
    """Loses frames: holes in trade ids and breaks in book sequences."""


class Silence(FrameFault):
    """Loses every frame, while pings and replies go on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delay(SomeFrames):
    """Holds frames back between `at_least_ms` and `up_to_ms` of the market's time, in order.

    A frame behind a delayed one waits too. Where too many are held the oldest goes early.
    """

    up_to_ms: int
    at_least_ms: int = 0

    def _check(self) -> None:
        self._require(0 <= self.at_least_ms <= self.up_to_ms, "at_least_ms exceeds up_to_ms")


@dataclass(frozen=True, slots=True, kw_only=True)
class Duplicate(SomeFrames):
    """Sends a frame again at once, `copies` times."""

    copies: int = 1

    def _check(self) -> None:
        self._require(self.copies > 0, "copies must be above zero")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reorder(FrameFault):
    """Sends each `window` frames of a stream in another order; `count` is of those out of place.

    A window that does not fill within `hold_ms` of the market's time goes out as it is.
    """

    window: int = 2
    hold_ms: int = 1000

    def _check(self) -> None:
        limit = MAX_WINDOW_FRAMES
        self._require(2 <= self.window <= limit, f"window must be between 2 and {limit}")
        self._require(self.hold_ms > 0, "hold_ms must be above zero")


@dataclass(frozen=True, slots=True, kw_only=True)
class Corrupt(SomeFrames):
    """Changes `flips` bytes of a frame.

    ASCII stays ASCII, so that the client's web socket accepts the frame; with `binary` any byte
    may come out, and most clients then end the connection.
    """

    flips: int = 1
    binary: bool = False

    def _check(self) -> None:
        self._require(self.flips > 0, "flips must be above zero")


class Truncate(SomeFrames):
    """Cuts a frame off somewhere inside."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionFault(Fault):
    """Acts on web sockets; waiting times and ages are of the session's clock."""


class HalfOpen(ConnectionFault):
    """Leaves sockets open and sends nothing more on them: no data, no pongs, no close frame.

    Concerns the connections that are open when it begins and, with `until_us`, those that open or
    subscribe before then. They stay half-open after the fault's end.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Close(ConnectionFault):
    """Closes connections with a code, oldest first; 1006 cuts them without a close frame.

    Concerns those that `HalfOpen` would.
    """

    code: int

    def _check(self) -> None:
        _check_code(self, self.code)


@dataclass(frozen=True, slots=True, kw_only=True)
class SlowPongs(ConnectionFault):
    """Answers pings late: protocol pings, and text messages whose answer says `pong`."""

    seconds: float

    def _check(self) -> None:
        self._require(self.seconds > 0, "seconds must be above zero")


@dataclass(frozen=True, slots=True, kw_only=True)
class Throttle(ConnectionFault):
    """Closes a connection that sends more than `messages` in a second, pings and pongs included."""

    messages: int
    code: int = POLICY

    def _check(self) -> None:
        limit = MAX_THROTTLE_MESSAGES
        self._require(0 < self.messages <= limit, f"messages must be between 1 and {limit}")
        _check_code(self, self.code)


@dataclass(frozen=True, slots=True, kw_only=True)
class Maintenance(ConnectionFault):
    """Announces a disconnect in the venue's words, if it has any, and closes after a while.

    Connections that open in between stay. Lifting it before then calls it off.
    """

    after_seconds: float = 60.0
    code: int = _RESTARTING

    def _check(self) -> None:
        self._require(self.after_seconds >= 0, "after_seconds must not be negative")
        _check_code(self, self.code)


@dataclass(frozen=True, slots=True, kw_only=True)
class MaxAge(ConnectionFault):
    """Closes connections that are older than `seconds`: the planned disconnect after 24 hours."""

    seconds: float
    code: int = _GOING_AWAY

    def _check(self) -> None:
        self._require(self.seconds > 0, "seconds must be above zero")
        _check_code(self, self.code)


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestFault(Fault):
    """Acts on requests whose path, below the feed's prefix, begins with `path`."""

    path: str = "/"

    def __post_init__(self) -> None:
        Fault.__post_init__(self)
        self._require(self.path.startswith("/"), "path must begin with a slash")
        self._require(self.stream == EVERY_STREAM, "requests have a path, not a stream")


@dataclass(frozen=True, slots=True, kw_only=True)
class Refuse(RequestFault):
    """Answers handshakes, REST calls or both with a status of failure."""

    status: int = 503
    retry_after_seconds: int | None = None
    handshakes: bool = True
    rest: bool = True
    body: bytes = b""

    def _check(self) -> None:
        self._require(400 <= self.status <= 599, "status must be one of failure (400 to 599)")
        self._require(self.handshakes or self.rest, "it refuses nothing")


class RestHang(RequestFault):
    """Does not answer REST calls; cuts their connections when it ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RestSlow(RequestFault):
    """Answers REST calls late by so many seconds of the session's clock, with what was true then.

    The calls that wait when it ends are answered at once.
    """

    seconds: float

    def _check(self) -> None:
        self._require(self.seconds > 0, "seconds must be above zero")


@dataclass(frozen=True, slots=True, kw_only=True)
class RestWrong(RequestFault):
    """Answers REST calls with `body` in place of the right one, or with the right one cut off."""

    body: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedFault(Fault):
    """Acts on the feed as a whole."""

    def __post_init__(self) -> None:
        Fault.__post_init__(self)
        whole = self.stream == EVERY_STREAM and self.count is None
        self._require(whole, "it concerns the whole feed: neither stream nor count applies")


class ResetBooks(FeedFault):
    """Begins the update ids of all books anew, as after a restart of the venue's service."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockJump(FeedFault):
    """Sets the venue's clock forward by `seconds`, or back where negative, while it holds.

    What a recording says keeps its times.
    """

    seconds: float


@dataclass(frozen=True, slots=True)
class FaultScript:
    """Faults to be played against a running simulator.

    Args:
        faults: in any order; those of one time begin in this one.
        seed: of all that is left to chance in them.
        start_us: the market's time from which theirs are counted; None is the simulator's start.

    Raises:
        ConfigurationError: there are more than 10,000.
    """

    faults: Sequence[Fault]
    seed: int = 0
    start_us: int | None = None

    def __post_init__(self) -> None:
        if len(self.faults) > MAX_FAULTS:
            raise ConfigurationError(f"a fault script has at most {MAX_FAULTS:,} faults")


def _check_code(fault: Fault, code: int) -> None:
    protocol = 1000 <= code <= 1014 and code not in _NEVER_SENT
    if not protocol and not 3000 <= code <= 4999:
        name = type(fault).__name__
        raise ConfigurationError(f"fault {name} on {fault.feed}: {code} is not a close code")
