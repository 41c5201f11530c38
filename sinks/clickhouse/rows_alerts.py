"""Alerts to columns of `alerts_log`."""

from schemas.alerts import ALERTS_SCHEMA, Alert, AlertKind, Severity
from sinks.clickhouse.rows import (
    INPUTS,
    LINEAGE,
    SCOPES,
    STATUSES,
    TEXT,
    TIME,
    Piece,
    Source,
    TupleTable,
    inputs_of,
    month_of,
    reader,
)

_KINDS = {kind: number for number, kind in enumerate(AlertKind, start=1)}
_SEVERITIES = {severity: number for number, severity in enumerate(Severity, start=1)}
_ALERTS = TupleTable(
    "alerts_log",
    (
        ("asset", TEXT),
        ("rule", TEXT),
        ("key", "String"),
        ("event_time", TIME),
        ("revision", "UInt64"),
        ("kind", "Enum8('event' = 1, 'value' = 2, 'data_quality' = 3)"),
        ("severity", "Enum8('info' = 1, 'warning' = 2, 'critical' = 3)"),
        ("source", TEXT),
        ("scope", "Enum8('venue' = 1, 'perp' = 2, 'spot' = 3)"),
        ("venue", TEXT),
        ("symbol", TEXT),
        ("event_id", "String"),
        ("state", TEXT),
        ("field", TEXT),
        ("value", "Nullable(Float64)"),
        ("threshold", "Nullable(Float64)"),
        ("is_final", "Bool"),
        ("status", "Enum8('complete' = 1, 'partial' = 2, 'gap' = 3)"),
        ("venues_expected", "Array(String)"),
        ("venues_complete", "Array(String)"),
        ("venues_partial", "Array(String)"),
        ("coverage_ms", "Map(String, Int64)"),
        ("feed_states", "Map(String, String)"),
        ("evidence", "Array(String)"),
        ("methods", "Array(String)"),
        ("suppressed", "Map(String, Int64)"),
        ("message", "String"),
        ("method", TEXT),
        ("params", TEXT),
        *INPUTS,
        *LINEAGE,
    ),
)
_read = reader(Alert, ALERTS_SCHEMA)


def alert_pieces(value: bytes, source: Source) -> list[Piece]:
    """Turn one alert into its row.

    Raises:
        msgspec.MsgspecError, ValueError, PayloadError: the record cannot be used.
    """
    record = _read(value)
    row = (
        record.asset,
        record.rule,
        record.key,
        record.event_time_us,
        record.revision,
        _KINDS[record.kind],
        _SEVERITIES[record.severity],
        record.source,
        SCOPES[record.scope],
        record.venue,
        record.symbol,
        record.event_id,
        record.state,
        record.field,
        record.value,
        record.threshold,
        record.is_final,
        STATUSES[record.status],
        record.completeness.venues_expected,
        record.completeness.venues_complete,
        record.completeness.venues_partial,
        record.completeness.coverage_ms,
        record.completeness.feed_states,
        record.evidence,
        record.methods,
        record.suppressed,
        record.message,
        record.method,
        record.params,
        *inputs_of(record.inputs),
        source.partition,
        source.offset,
    )
    return [Piece(_ALERTS, month_of(record.event_time_us), source, (row,))]
