"""Instruments and quality events to columns of `instruments_log` and `quality_log`."""

from schemas.instruments import INSTRUMENT_SCHEMA, Instrument
from schemas.ops import QUALITY_SCHEMA, FeedSummary, QualityEvent, QualityKind
from sinks.clickhouse.native import scaled
from sinks.clickhouse.rows import (
    GRID,
    KIND,
    KINDS,
    LINEAGE,
    TEXT,
    TIME,
    Piece,
    Source,
    TupleTable,
    month_of,
    reader,
)

_INSTRUMENTS = TupleTable(
    "instruments_log",
    (
        ("venue", TEXT),
        ("kind", KIND),
        ("symbol", TEXT),
        ("revision", "UInt64"),
        ("venue_symbol", "String"),
        ("asset", TEXT),
        ("quote", TEXT),
        ("venue_tick", GRID),
        ("venue_lot", GRID),
        ("tick", GRID),
        ("lot", GRID),
        ("status", TEXT),
        *LINEAGE,
    ),
)
_QUALITY_KINDS = {kind: number for number, kind in enumerate(QualityKind, start=1)}
_QUALITY = TupleTable(
    "quality_log",
    (
        ("asset", TEXT),
        ("venue", TEXT),
        ("symbol", TEXT),
        (
            "kind",
            f"Enum8({', '.join(f'{kind.value!r} = {n}' for kind, n in _QUALITY_KINDS.items())})",
        ),
        ("stream", TEXT),
        ("session", TEXT),
        ("from_time", TIME),
        ("to_time", TIME),
        ("log_time", TIME),
        ("revision", "UInt64"),
        ("count", "Int64"),
        ("detail", "String"),
        ("first_id", "Nullable(Int64)"),
        ("last_id", "Nullable(Int64)"),
        ("recovered", "Nullable(Int64)"),
        *LINEAGE,
    ),
)
_COUNTS = (
    "messages", "items", "duplicates", "out_of_order", "gaps", "resyncs", "reconnects", "refusals",
    "rejected",
)  # fmt: skip
_LATE = ("late_2_seconds", "late_30_seconds", "late_24_hours", "late_more")
_LAGS = ("lag_p50_us", "lag_p99_us", "clock_offset_us", "watermark_lag_us")
_WAITS = ("crossed_us", "invalid_us")
_SUMMARIES = TupleTable(
    "feed_summaries_log",
    (
        ("asset", TEXT),
        ("venue", TEXT),
        ("symbol", TEXT),
        ("stream", TEXT),
        ("session", TEXT),
        ("from_time", TIME),
        ("to_time", TIME),
        ("revision", "UInt64"),
        ("feed_state", TEXT),
        *((name, "Int64") for name in (*_COUNTS, *_LATE)),
        *((name, "Nullable(Int64)") for name in _LAGS),
        *((name, "Int64") for name in _WAITS),
        *LINEAGE,
    ),
)
_ALL = 0
_read_instrument = reader(Instrument, INSTRUMENT_SCHEMA)
_read_quality = reader(QualityEvent, QUALITY_SCHEMA)


def instrument_pieces(value: bytes, source: Source) -> list[Piece]:
    """Turn one instrument into its row.

    Raises:
        msgspec.MsgspecError, ValueError, PayloadError: the record cannot be used.
    """
    record = _read_instrument(value)
    row = (
        record.venue,
        KINDS[record.kind],
        record.symbol,
        source.revision,
        record.venue_symbol,
        record.asset,
        record.quote,
        scaled(record.venue_tick),
        scaled(record.venue_lot),
        scaled(record.tick),
        scaled(record.lot),
        record.status,
        source.partition,
        source.offset,
    )
    return [Piece(_INSTRUMENTS, _ALL, source, (row,))]


def quality_pieces(value: bytes, source: Source) -> list[Piece]:
    """Turn one quality event into its row; summaries have a table of their own.

    Raises:
        msgspec.MsgspecError, ValueError, PayloadError: the record cannot be used.
    """
    record = _read_quality(value)
    month = month_of(record.from_us)
    if record.summary is not None:
        return [Piece(_SUMMARIES, month, source, (_summary_row(record, record.summary, source),))]
    row = (
        record.asset,
        record.venue,
        record.symbol,
        _QUALITY_KINDS[record.kind],
        record.stream,
        record.session,
        record.from_us,
        record.to_us,
        record.log_time_us,
        source.revision,
        record.count,
        record.detail,
        record.first_id,
        record.last_id,
        record.recovered,
        source.partition,
        source.offset,
    )
    return [Piece(_QUALITY, month, source, (row,))]


def _summary_row(record: QualityEvent, summary: FeedSummary, source: Source) -> tuple[object, ...]:
    return (
        record.asset,
        record.venue,
        record.symbol,
        record.stream,
        record.session,
        record.from_us,
        record.to_us,
        source.revision,
        summary.feed_state.value,
        *(getattr(summary, name) for name in _COUNTS),
        *summary.late,
        *(getattr(summary, name) for name in (*_LAGS, *_WAITS)),
        source.partition,
        source.offset,
    )
