"""What can be seen of a log from outside, without being part of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from runtime.bus.protocol import TopicPartition
from schemas.ops import DeadLetter
from schemas.topics import SNAPSHOTS, TRADES
from schemas.units import US_PER_HOUR

LETTERS = 1000
"""How many of the newest dead letters are looked at: each may have 64 KiB."""

LETTERS_US = US_PER_HOUR
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

Newest = Mapping[TopicPartition, tuple[int, int]]
"""Of each partition that has a record: when its newest was appended, and the time in it."""


def topic_seen(topic: str, newest: Newest, ends: Mapping[TopicPartition, int]) -> Seen:
    """Return what is to be seen of a topic."""
    records = sum(end for (name, _), end in ends.items() if name == topic)
    times = [one for (name, _), one in newest.items() if name == topic]
    return Seen(
        records=records,
        newest_us=max((appended_us for appended_us, _ in times), default=None),
        market_us=max((time_us for _, time_us in times), default=None),
    )


def partitions_saved(newest: Newest) -> list[Saved]:
    """Return the partitions that have input, in order, each with its newest snapshot."""
    return [
        Saved(partition, newest[INPUT, partition][0], newest.get((STATE, partition), (None,))[0])
        for partition in sorted(number for name, number in newest if name == INPUT)
    ]


def reason_of(letter: bytes | None) -> str:
    """Return why a dead letter is one; `unreadable` where it does not say."""
    try:
        return _decode(letter or b"").reason
    except msgspec.MsgspecError:
        return "unreadable"
