"""Operational records: dead letters, data quality and operator snapshots."""

from enum import StrEnum

import msgspec

from schemas.market import FeedState

DEADLETTER_SCHEMA = "deadletter.v1"
QUALITY_SCHEMA = "quality.v1"
SNAPSHOT_SCHEMA = "snapshot.v1"
SNAPSHOT_PART_SCHEMA = "snapshot_part.v1"
"""What is beside a snapshot; its form is the business of the code of the snapshot's version."""

EPOCH_SCHEMA = "epoch.v1"

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
    GAP_REPAIRED = "gap_repaired"
    GAP_PERMANENT = "gap_permanent"
    RESYNC = "resync"
    SILENT = "silent"
    ROTATED = "rotated"
    LEAVING = "leaving"
    RATE_LIMITED = "rate_limited"
    DROPPED = "dropped"
    FEED_STATE = "feed_state"
    SUMMARY = "summary"


class FeedSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What one stream did in one interval, 10 s by default. Source: definitions 5.15.

    `items` are trades, book updates, liquidations or ticker changes. `lag_p50_us` and `lag_p99_us`
    are receive time less the venue's time over the items that have one, null without any;
    `clock_offset_us` is the least such lag: below zero our clock is behind the venue's.
    `watermark_lag_us` is receive time less watermark at the interval's end; `late` counts items
    older than the watermark by at most 2 s, 30 s, 24 h, and more. `crossed_us` is how long the book
    was crossed, `invalid_us` how long it could not be used.
    """

    feed_state: FeedState
    interval_us: int
    messages: int
    items: int
    duplicates: int
    out_of_order: int
    gaps: int
    resyncs: int
    reconnects: int
    refusals: int
    rejected: int
    late: tuple[int, int, int, int]
    lag_p50_us: int | None
    lag_p99_us: int | None
    clock_offset_us: int | None
    watermark_lag_us: int | None
    crossed_us: int
    invalid_us: int


class QualityEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One fact about the data itself: what happened to which stream, when, how often.

    A gap has `first_id` and `last_id`, the trade ids that are missing, where ids have an order, and
    `recovered` trades once it was repaired. A summary has `summary`.
    """

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
    first_id: int | None = None
    last_id: int | None = None
    recovered: int | None = None
    summary: FeedSummary | None = None


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The open state of one partition and the input offsets it covers, in one record.

    `offsets` maps an input topic to the last offset contained in `state`; they are those of the log
    of `epoch`. `state` is what the engine returned, as one JSON document.
    """

    schema: str = SNAPSHOT_SCHEMA
    partition: int
    code_version: str
    epoch: int
    offsets: dict[str, int]
    state: msgspec.Raw


class Epoch(msgspec.Struct, frozen=True, kw_only=True):
    """When the topics of a log were made; a topic that is made anew begins another epoch.

    `epoch` is the minutes from 2020-01-01 UTC to `created_us`, or one more than the epoch before.
    """

    schema: str = EPOCH_SCHEMA
    epoch: int
    created_us: int
    topics: list[str]
