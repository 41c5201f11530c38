"""Where an output came from and how complete its inputs were (definitions 5.0)."""

from enum import StrEnum

import msgspec

from schemas.market import FeedState

EPOCH_BITS, OFFSET_BITS = 24, 40
EPOCH_LIMIT = 1 << EPOCH_BITS
EPOCH_ORIGIN_SECONDS = 1_577_836_800
"""2020-01-01T00:00:00Z."""


def epoch_at(created_seconds: float) -> int:
    """Return the epoch of a log: the minutes from 2020-01-01 to its making, within the limit."""
    minutes = (int(created_seconds) - EPOCH_ORIGIN_SECONDS) // 60
    return min(max(minutes, 0), EPOCH_LIMIT - 1)


def revision_of(epoch: int, offset: int) -> int:
    """Return a number of 64 bits that grows along a log, and with each log made later.

    Args:
        epoch: the log's, below `EPOCH_LIMIT`.
        offset: of the input record, below 2^40.
    """
    return epoch << OFFSET_BITS | offset


class InputRange(msgspec.Struct, frozen=True, array_like=True):
    """`[topic, partition, first_offset, last_offset]` of the records an output was made from."""

    topic: str
    partition: int
    first_offset: int
    last_offset: int


class DerivedHeader(msgspec.Struct, frozen=True, kw_only=True):
    """What every output of the order-flow toolkit says of itself.

    It is made of closed seconds, so it is final when sent; `revision` grows with them. `method`
    names formula and defaults, `params` the hash of the parameters.
    """

    asset: str
    revision: int
    is_final: bool = True
    method: str
    params: str
    inputs: list[InputRange]


class Status(StrEnum):
    """Completeness of one window."""

    COMPLETE = "complete"
    PARTIAL = "partial"
    GAP = "gap"


class Completeness(msgspec.Struct, frozen=True, kw_only=True):
    """Which venues stand behind a number, and for how much of its window.

    A member is named `venue:symbol`. `coverage_ms` is the time inside the window in which that
    feed was live or quiet; a member is complete when that is the whole window.
    """

    status: Status
    venues_expected: list[str]
    venues_complete: list[str]
    venues_partial: list[str]
    coverage_ms: dict[str, int]
    feed_states: dict[str, FeedState]
