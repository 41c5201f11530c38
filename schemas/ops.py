"""Operational records: dead letters, data quality and operator snapshots."""

from enum import StrEnum

import msgspec

DEADLETTER_SCHEMA = "deadletter.v1"
QUALITY_SCHEMA = "quality.v1"
SNAPSHOT_SCHEMA = "snapshot.v1"

PAYLOAD_LIMIT_BYTES = 65_536


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """Something that could not be used, kept with the reason and the first 64 KiB of it.

    `origin` is `venue/feed` for a frame and `topic/partition/offset` for a record; `reason` is a
    stable word for counting, `detail` says what was expected and what was there.
    """

    schema: str = DEADLETTER_SCHEMA
    origin: str
    reason: str
    detail: str
    receive_time_us: int
    size_bytes: int
    payload: str


class QualityKind(StrEnum):
    """What a quality record reports."""

    CONNECTED = "connected"
    DISCONNECTED = "disconnected"
    STALE = "stale"
    REFUSED = "refused"
    GAP = "gap"
    LATE = "late"
    TOO_LATE = "too_late"
    DUPLICATE = "duplicate"
    OUT_OF_ORDER = "out_of_order"


class QualityEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One fact about the data itself: what happened to which stream, when, how often."""

    schema: str = QUALITY_SCHEMA
    kind: QualityKind
    venue: str
    symbol: str
    asset: str
    stream: str
    session: str
    from_us: int
    to_us: int
    count: int
    detail: str
    log_time_us: int


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The open state of one partition and the input offsets it covers, in one record.

    `offsets` maps an input topic to the last offset contained in `state`. `state` is what the
    engine returned, as one JSON document.
    """

    schema: str = SNAPSHOT_SCHEMA
    partition: int
    code_version: str
    offsets: dict[str, int]
    state: msgspec.Raw
