"""What one step of a session leads to; the engine does it, the session only says so."""

from dataclasses import dataclass, field

from collectors.messages import Refused
from collectors.venue import Request, Stream
from schemas.ops import QualityEvent
from schemas.trades import BatchHeader


@dataclass(frozen=True, slots=True)
class Drop:
    """A frame, or an item of one, for the dead letters; `frame` may be its beginning only."""

    reason: str
    detail: str
    frame: bytes
    size_bytes: int
    receive_time_us: int


@dataclass(frozen=True, slots=True)
class Ask:
    """A REST call to make; the answer goes to `Session.on_answer`, a failure to `on_failure`.

    One that is `urgent` goes before all that are not: what it asks for will not be there for long.
    """

    request: Request
    urgent: bool = False


@dataclass(frozen=True, slots=True)
class Resubscribe:
    """A stream to begin anew on one connection."""

    line: int
    stream: Stream


@dataclass(slots=True)
class Outcome:
    """Records to publish, things to drop, and what the engine must do."""

    batches: list[BatchHeader] = field(default_factory=list)
    drops: list[Drop] = field(default_factory=list)
    events: list[QualityEvent] = field(default_factory=list)
    asks: list[Ask] = field(default_factory=list)
    resubscribes: list[Resubscribe] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    leaving: str | None = None
    listed: bool = False
    trades: int = 0
