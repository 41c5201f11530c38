"""Setups to columns of `setups_log`; outcomes to `outcomes_log`, summaries to `setup_worth_log`."""

from typing import Any

from schemas.outcomes import OUTCOME_SCHEMA, Outcome, OutcomeRecord, WorthAt
from schemas.setups import SETUP_SCHEMA, SetupRecord
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

_HEAD = (
    *HEADER,
    ("id", "String"),
    ("variant", TEXT),
    ("side", TEXT),
)
_SETUPS = TupleTable(
    "setups_log",
    (
        *_HEAD,
        ("setup", TEXT),
        ("state", TEXT),
        ("previous_state", "Nullable(String)"),
        ("reason", TEXT),
        ("provisional", "Bool"),
        ("scope", SCOPE),
        ("venue", TEXT),
        ("symbol", TEXT),
        ("tick", GRID),
        ("lot", GRID),
        ("event_time", TIME),
        ("armed_time", TIME),
        ("triggered_time", f"Nullable({TIME})"),
        ("price_ticks", "Nullable(Int64)"),
        ("level_low_ticks", "Nullable(Int64)"),
        ("level_high_ticks", "Nullable(Int64)"),
        ("limit_ticks", "Nullable(Int64)"),
        ("weight", "Nullable(Float64)"),
        ("experimental", "Bool"),
        ("status", STATUS),
        ("venues_expected", "Array(String)"),
        ("venues", "Array(String)"),
        ("whole_values", "Map(String, Nullable(Int64))"),
        ("real_values", "Map(String, Float64)"),
        ("evidence", "Array(String)"),
        ("null_reasons", "Map(String, String)"),
    ),
)
_OUTCOMES = TupleTable(
    "outcomes_log",
    (
        *_HEAD,
        ("measured", TEXT),
        ("as_of", TIME),
        ("venue", TEXT),
        ("symbol", TEXT),
        ("tick", GRID),
        ("status", STATUS),
        ("event_id", "String"),
        ("event_time", TIME),
        ("entry_time", TIME),
        ("entry_ticks", "Nullable(Int64)"),
        ("horizon_minutes", "Array(Int64)"),
        ("return_bp", "Array(Nullable(Float64))"),
        ("adverse_bp", "Array(Nullable(Float64))"),
        ("favourable_bp", "Array(Nullable(Float64))"),
        ("reasons", "Array(String)"),
    ),
)
_REALS = (
    "mean_bp", "median_bp", "positive_share", "mean_adverse_bp", "mean_favourable_bp",
    "baseline_mean_bp", "baseline_adverse_bp",
    "difference_bp", "difference_low_bp", "difference_high_bp",
)  # fmt: skip
_COUNTS = ("horizon_minutes", "n", "baseline_n", "matched_n")
_WORTH = TupleTable(
    "setup_worth_log",
    (
        *_HEAD,
        ("measured", TEXT),
        ("as_of", TIME),
        *((name, "Int64") for name in _COUNTS),
        *((name, "Nullable(Float64)") for name in _REALS),
        ("experimental", "Bool"),
        ("null_reasons", "Map(String, String)"),
    ),
)
_read_setup = reader(SetupRecord, SETUP_SCHEMA)
_read_outcome = reader(OutcomeRecord, OUTCOME_SCHEMA)


def setup_pieces(value: bytes, source: Source) -> list[Piece]:
    """Turn one state of a setup into its row; whole numbers stay whole, null is with them.

    Raises:
        msgspec.MsgspecError, ValueError, PayloadError: the record cannot be used.
    """
    record = _read_setup(value)
    row = (
        *header_of(record, source),
        record.id,
        record.variant.value,
        record.side.value,
        record.setup.value,
        record.state.value,
        None if record.previous_state is None else record.previous_state.value,
        record.reason,
        record.provisional,
        SCOPES[record.scope],
        record.venue,
        record.symbol,
        scaled(record.tick),
        scaled(record.lot),
        record.event_time_us,
        record.armed_time_us,
        record.triggered_time_us,
        record.price_ticks,
        record.level_low_ticks,
        record.level_high_ticks,
        record.limit_ticks,
        record.weight,
        record.experimental,
        STATUSES[record.status],
        record.venues_expected,
        record.venues,
        {name: one for name, one in record.values.items() if not isinstance(one, float)},
        {name: one for name, one in record.values.items() if isinstance(one, float)},
        record.evidence,
        record.null_reasons,
    )
    return [Piece(_SETUPS, month_of(record.armed_time_us), source, (row,))]


def outcome_pieces(value: bytes, source: Source) -> list[Piece]:
    """Turn what followed one event into its row, or a summary into a row for each horizon.

    Raises:
        msgspec.MsgspecError, ValueError, PayloadError: the record cannot be used.
    """
    record = _read_outcome(value)
    head = (
        *header_of(record, source),
        record.id,
        record.variant.value,
        record.side.value,
        record.of.value,
        record.event_time_us,
    )
    pieces = []
    if record.outcome is not None:
        where = (record.venue, record.symbol, scaled(record.tick), STATUSES[record.status])
        row = (*head, *where, *_outcome(record.outcome))
        pieces.append(Piece(_OUTCOMES, month_of(record.outcome.event_time_us), source, (row,)))
    if record.worth:
        rows = [(*head, *_worth(one)) for one in record.worth]
        pieces.append(Piece(_WORTH, month_of(record.event_time_us), source, rows))
    return pieces


def _outcome(outcome: Outcome) -> tuple[Any, ...]:
    return (
        outcome.event_id,
        outcome.event_time_us,
        outcome.entry_time_us,
        outcome.entry_ticks,
        [one.horizon_minutes for one in outcome.at],
        [one.return_bp for one in outcome.at],
        [one.adverse_bp for one in outcome.at],
        [one.favourable_bp for one in outcome.at],
        [one.reason for one in outcome.at],
    )


def _worth(one: WorthAt) -> tuple[Any, ...]:
    return (
        *(getattr(one, name) for name in (*_COUNTS, *_REALS)),
        one.experimental,
        one.null_reasons,
    )
