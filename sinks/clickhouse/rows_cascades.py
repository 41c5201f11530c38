"""Cascades to columns of `cascades_log`: one row a record, its venues as parallel arrays."""

from collections.abc import Sequence
from operator import attrgetter
from typing import Any

from schemas.cascades import (
    CASCADES_SCHEMA,
    Cascade,
    CascadeBar,
    CascadeLevel,
    CascadeVenue,
)
from sinks.clickhouse.derived import (
    COMPLETENESS,
    HEADER,
    LIQUIDATED_SIDE,
    completeness_of,
    header_of,
)
from sinks.clickhouse.native import scaled
from sinks.clickhouse.rows import GRID, TEXT, TIME, Piece, Source, TupleTable, month_of, reader

_WHEN = f"Nullable({TIME})"
_PLAIN = (
    ("id", "String"),
    ("liquidated_side", LIQUIDATED_SIDE),
    ("state", TEXT),
    ("previous_state", "Nullable(String)"),
    ("reason", TEXT),
    ("reference", "Nullable(String)"),
    ("start_ticks", "Nullable(Int64)"),
    ("extreme_ticks", "Nullable(Int64)"),
    ("move_bp", "Nullable(Float64)"),
    ("peak_l60_usd_cents", "Nullable(Int64)"),
    ("baseline_multiple", "Nullable(Float64)"),
    ("interest_change", "Nullable(Float64)"),
    ("interest_venues", "Array(String)"),
    ("depth_change", "Nullable(Float64)"),
    ("depth_venues", "Array(String)"),
    ("depth_band_bp", "Int64"),
    ("oi_confirmed", "Nullable(Bool)"),
    ("outcome", "Nullable(String)"),
    ("obs_usd_cents", "Nullable(Int64)"),
    ("ub_usd_cents", "Nullable(Int64)"),
    ("all_share", "Nullable(Float64)"),
    ("confidence_class", "Nullable(String)"),
    ("attribution", TEXT),
    ("null_reasons", "Map(String, String)"),
)
"""Columns that are fields of the record by name and value."""

_TIMES = (
    ("state_time", TIME),
    ("start_time", TIME),
    ("measured_from_time", _WHEN),
    ("extreme_time", _WHEN),
    ("peak_time", _WHEN),
    ("outcome_time", _WHEN),
)

_LEVEL = (
    ("swept_level_kind", "Nullable(String)"),
    ("swept_level_ticks", "Nullable(Int64)"),
    ("swept_level_known_time", _WHEN),
)
_VENUES = (
    ("venues_venue", "Array(String)"),
    ("venues_symbol", "Array(String)"),
    ("venues_sampling", "Array(Nullable(String))"),
    ("venues_episodes", "Array(Int64)"),
    ("venues_obs_usd_cents", "Array(Int64)"),
    ("venues_ub_usd_cents", "Array(Nullable(Int64))"),
    ("venues_bounds_inconsistent", "Array(Bool)"),
    ("venues_share", "Array(Nullable(Float64))"),
    ("venues_p99_usd_cents", "Array(Nullable(Int64))"),
    ("venues_onset_time", f"Array({_WHEN})"),
    ("venues_precedes", "Array(Array(String))"),
)
_EVIDENCE = (
    ("l10_usd_cents", "Int64"),
    ("l60_usd_cents", "Int64"),
    ("episodes60", "Int64"),
    ("threshold_usd_cents", "Int64"),
    ("p99_usd_cents", "Nullable(Int64)"),
    ("floor_usd_cents", "Int64"),
    ("max_l10_usd_cents", "Nullable(Int64)"),
    ("high_ticks", "Nullable(Int64)"),
    ("low_ticks", "Nullable(Int64)"),
    ("last_ticks", "Nullable(Int64)"),
    ("atr_ticks", "Nullable(Float64)"),
    ("flow60_usd_cents", "Nullable(Int64)"),
    ("flow60_peak_usd_cents", "Nullable(Int64)"),
    ("interest_lots", "Map(String, Int64)"),
    ("interest_age_us", "Map(String, Int64)"),
    ("liquidation_states", "Map(String, String)"),
    ("price_state", "Nullable(String)"),
)
_BAR = (
    ("bar_start_time", _WHEN),
    ("bar_high_ticks", "Nullable(Int64)"),
    ("bar_low_ticks", "Nullable(Int64)"),
    ("bar_close_ticks", "Nullable(Int64)"),
    ("bar_delta_lots", "Nullable(Int64)"),
    ("bar_is_complete", "Nullable(Bool)"),
)

_TABLE = TupleTable(
    "cascades_log",
    (
        *HEADER,
        *_PLAIN,
        *_TIMES,
        ("tick", GRID),
        ("lot", GRID),
        *_LEVEL,
        *_VENUES,
        *COMPLETENESS,
        *((f"evidence_{name}", type_) for name, type_ in (*_EVIDENCE, *_BAR)),
    ),
)
_plain = attrgetter(*(name for name, _ in _PLAIN))
_times = attrgetter(
    "time_us", "start_us", "measured_from_us", "extreme_us", "peak_us", "outcome_us"
)
_evidence = attrgetter(*(name for name, _ in _EVIDENCE))
_read = reader(Cascade, CASCADES_SCHEMA)


def cascade_pieces(value: bytes, source: Source) -> list[Piece]:
    """Turn one record into its row.

    Raises:
        msgspec.MsgspecError, ValueError, PayloadError: the record cannot be used.
    """
    cascade = _read(value)
    row = (
        *header_of(cascade, source),
        *_plain(cascade),
        *_times(cascade),
        scaled(cascade.tick),
        scaled(cascade.lot),
        *_level_of(cascade.swept_level),
        *_venues_of(cascade.venues),
        *completeness_of(cascade.completeness),
        *_evidence(cascade.evidence),
        *_bar_of(cascade.evidence.bar),
    )
    return [Piece(_TABLE, month_of(cascade.start_us), source, (row,))]


def _level_of(level: CascadeLevel | None) -> tuple[Any, ...]:
    return (None,) * len(_LEVEL) if level is None else (level.kind, level.ticks, level.known_us)


def _venues_of(venues: Sequence[CascadeVenue]) -> list[list[Any]]:
    return [[getattr(one, name) for one in venues] for name in CascadeVenue.__struct_fields__]


def _bar_of(bar: CascadeBar | None) -> tuple[Any, ...]:
    if bar is None:
        return (None,) * len(_BAR)
    return tuple(getattr(bar, name) for name in CascadeBar.__struct_fields__)
