"""Alerts to columns of `alerts_log`."""

from schemas.alerts import ALERTS_SCHEMA, Alert, AlertKind, Severity
from sinks.clickhouse.derived import (
    COMPLETENESS,
    HEADER,
    SCOPE,
    STATUS,
    completeness_of,
    header_of,
)
from sinks.clickhouse.rows import (
    SCOPES,
    STATUSES,
    TEXT,
    TIME,
    Piece,
    Source,
    TupleTable,
    month_of,
    reader,
)

_KINDS = {kind: number for number, kind in enumerate(AlertKind, start=1)}
_SEVERITIES = {severity: number for number, severity in enumerate(Severity, start=1)}
_WHO = COMPLETENESS[1:]
"""Without its status: an alert has that of what it is about, which may be one of the venues."""

_ALERTS = TupleTable(
    "alerts_log",
    (
        *HEADER,
        ("rule", TEXT),
        ("key", "String"),
        ("event_time", TIME),
        ("kind", "Enum8('event' = 1, 'value' = 2, 'data_quality' = 3)"),
        ("severity", "Enum8('info' = 1, 'warning' = 2, 'critical' = 3)"),
        ("source", TEXT),
        ("scope", SCOPE),
        ("venue", TEXT),
        ("symbol", TEXT),
        ("event_id", "String"),
        ("state", TEXT),
        ("field", TEXT),
        ("value", "Nullable(Float64)"),
        ("threshold", "Nullable(Float64)"),
        ("status", STATUS),
        *_WHO,
        ("evidence", "Array(String)"),
        ("methods", "Array(String)"),
        ("suppressed", "Map(String, Int64)"),
        ("message", "String"),
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
        *header_of(record, source),
        record.rule,
        record.key,
        record.event_time_us,
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
        STATUSES[record.status],
        *completeness_of(record.completeness)[1:],
        record.evidence,
        record.methods,
        record.suppressed,
        record.message,
    )
    return [Piece(_ALERTS, month_of(record.event_time_us), source, (row,))]
