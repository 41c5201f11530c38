"""Flow events to columns of `events_log`: one row for each state of an event."""

from schemas.events import FLOW_EVENT_SCHEMA, FlowEvent
from sinks.clickhouse.derived import HEADER, SCOPE, STATUS, header_of
from sinks.clickhouse.native import scaled
from sinks.clickhouse.rows import (
    GRID,
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

_TABLE = TupleTable(
    "events_log",
    (
        *HEADER,
        ("id", "String"),
        ("kind", TEXT),
        ("form", TEXT),
        ("state", TEXT),
        ("tests_seen", "Int64"),
        ("side", TEXT),
        ("scope", SCOPE),
        ("venue", TEXT),
        ("symbol", TEXT),
        ("tick", GRID),
        ("lot", GRID),
        ("start_time", TIME),
        ("end_time", TIME),
        ("event_time", TIME),
        ("low_ticks", "Nullable(Int64)"),
        ("high_ticks", "Nullable(Int64)"),
        ("status", STATUS),
        ("venues_expected", "Array(String)"),
        ("venues", "Array(String)"),
        ("whole_values", "Map(String, Nullable(Int64))"),
        ("real_values", "Map(String, Float64)"),
        ("evidence", "Array(String)"),
        ("null_reasons", "Map(String, String)"),
    ),
)
_read = reader(FlowEvent, FLOW_EVENT_SCHEMA)


def event_pieces(value: bytes, source: Source) -> list[Piece]:
    """Turn one state of an event into its row; whole numbers stay whole, null is with them.

    Raises:
        msgspec.MsgspecError, ValueError, PayloadError: the record cannot be used.
    """
    event = _read(value)
    row = (
        *header_of(event, source),
        event.id,
        event.kind.value,
        event.form,
        event.state.value,
        int(event.values.get("tests_seen") or 0),
        event.side.value,
        SCOPES[event.scope],
        event.venue,
        event.symbol,
        scaled(event.tick),
        scaled(event.lot),
        event.start_us,
        event.end_us,
        event.event_time_us,
        event.low_ticks,
        event.high_ticks,
        STATUSES[event.status],
        event.venues_expected,
        event.venues,
        {name: one for name, one in event.values.items() if not isinstance(one, float)},
        {name: one for name, one in event.values.items() if isinstance(one, float)},
        event.evidence,
        event.null_reasons,
    )
    return [Piece(_TABLE, month_of(event.start_us), source, (row,))]
