"""What can be seen of a log from outside, without being part of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from schemas.ops import DeadLetter
from schemas.topics import SNAPSHOTS, TRADES

LETTERS = 1000
"""How many of the newest dead letters are looked at: each may have 64 KiB."""

LETTERS_US = 3_600_000_000
"""How far back they count."""

_decode = msgspec.json.Decoder(DeadLetter).decode


@dataclass(frozen=True, slots=True)
class Seen:
    """A topic.

    `records` counts all that were ever appended. `newest_us` is when the newest was, on Kafka the
    time that is in it, and None where none is left; `market_us` is the time that is in it.
    """

    records: int
    newest_us: int | None = None
    market_us: int | None = None


@dataclass(frozen=True, slots=True)
class Waiting:
    """What a group has not acknowledged of a partition.

    `oldest_us` is when the oldest of it was appended; None where none is left, or it is not known.
    """

    group: str
    topic: str
    partition: int
    records: int
    oldest_us: int | None = None


@dataclass(frozen=True, slots=True)
class Saved:
    """A partition of the operators: its newest input, and its newest snapshot; None is none."""

    partition: int
    input_us: int
    snapshot_us: int | None = None


@dataclass(frozen=True, slots=True)
class LogSeen:
    """A log at one moment.

    `differences` is where topics are not as the registry says. `letters` counts the dead letters of
    the last hour by reason. `members` counts who shares a group's partitions; None on a log that
    does not know.
    """

    differences: Sequence[str] = ()
    topics: Mapping[str, Seen] = field(default_factory=dict)
    waiting: Sequence[Waiting] = ()
    saved: Sequence[Saved] = ()
    letters: Mapping[str, int] = field(default_factory=dict)
    members: Mapping[str, int] | None = None


INPUT, STATE = TRADES.name, SNAPSHOTS.name


def reason_of(letter: bytes | None) -> str:
    """Return why a dead letter is one; `unreadable` where it does not say."""
    try:
        return _decode(letter or b"").reason
    except msgspec.MsgspecError:
        return "unreadable"
