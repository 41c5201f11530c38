"""Imbalance to columns of `imbalance_log` (a row an instrument) and `imbalance_scopes_log`."""

from operator import attrgetter
from typing import Any

from schemas.imbalance import (
    IMBALANCE_SCHEMA,
    ImbalanceStep,
    InstrumentImbalance,
    ScopeImbalance,
)
from sinks.clickhouse.derived import (
    COMPLETENESS,
    HEADER,
    SCOPE,
    SERIES,
    STATUS,
    Columns,
    arrays,
    completeness_of,
    header_of,
    nullable,
    transposed,
    values_of,
)
from sinks.clickhouse.native import scaled
from sinks.clickhouse.rows import (
    GRID,
    SCOPES,
    STATUSES,
    TIME,
    Piece,
    Source,
    TupleTable,
    day_of,
    reader,
)

_INTEGER, _RATIO = "Int64", "Nullable(Float64)"
_TOP: Columns = (
    ("levels", _INTEGER),
    ("obi", _RATIO),
    ("bid_lots", _INTEGER),
    ("ask_lots", _INTEGER),
    ("bid_levels_used", _INTEGER),
    ("ask_levels_used", _INTEGER),
    ("one_sided", "Bool"),
)
_BAND: Columns = (
    ("half_width_bp", _INTEGER),
    ("obi", _RATIO),
    ("bid_lots", _INTEGER),
    ("ask_lots", _INTEGER),
    ("bid_usd_cents", _INTEGER),
    ("ask_usd_cents", _INTEGER),
    ("coverage", _INTEGER),
    ("one_sided", "Bool"),
)
_PERSISTENT: Columns = (
    ("window_seconds", _INTEGER),
    ("obi", _RATIO),
    ("bid_fleeting", _RATIO),
    ("ask_fleeting", _RATIO),
    ("bid_known", _RATIO),
    ("ask_known", _RATIO),
)
_PULL: Columns = (("ratio", "Float64"), ("removed_lots", _INTEGER), ("traded_lots", _INTEGER))
_REFILL: Columns = (
    ("price_ticks", _INTEGER),
    ("ratio", "Float64"),
    ("executed_lots", _INTEGER),
    ("shown_lots", _INTEGER),
)
_TIME_WEIGHTED: Columns = (
    ("bar_start", TIME),
    ("measure", "String"),
    ("obi", _RATIO),
    ("valid_ms", _INTEGER),
)
_CROSS: Columns = (
    ("half_width_bp", _INTEGER),
    ("sum_depth", _RATIO),
    ("flow_weighted", _RATIO),
    ("median", _RATIO),
    ("dispersion", _RATIO),
    ("bid_usd_cents", _INTEGER),
    ("ask_usd_cents", _INTEGER),
    ("venues", "Array(String)"),
    ("flow_venues", "Array(String)"),
)
_BOOK: Columns = (
    ("valid_ms", _INTEGER),
    ("best_bid_ticks", "Nullable(Int64)"),
    ("best_bid_lots", "Nullable(Int64)"),
    ("best_ask_ticks", "Nullable(Int64)"),
    ("best_ask_lots", "Nullable(Int64)"),
    ("mid_ticks", _RATIO),
    ("weighted_mid_ticks", _RATIO),
    ("weighted_obi", _RATIO),
    ("z_scores", "Map(String, Nullable(Float64))"),
)
_FLOW: Columns = (
    ("ofi_valid", "Bool"),
    ("ofi_lots", "Nullable(Int64)"),
    ("ofi_normalised", _RATIO),
    ("tfi_lots", "Nullable(Int64)"),
    ("flow_usd_cents", "Nullable(Int64)"),
    ("flow_seconds", _INTEGER),
    ("null_reasons", "Map(String, String)"),
)
_RANKS: Columns = (
    ("ofi_100ms_lots", "Array(Int64)"),
    ("mlofi_lots", "Array(Int64)"),
    ("mlofi_normalised", "Array(Nullable(Float64))"),
    ("mean_depth_lots", "Array(Int64)"),
)
"""A list that is null is empty here: one that is not has an item for each part or rank."""

_HEAD: Columns = (
    ("step_start", TIME),
    ("tick", GRID),
    ("lot", GRID),
    ("time_tol_ms", _INTEGER),
    *HEADER,
)
_INSTRUMENTS = TupleTable(
    "imbalance_log",
    (
        *_HEAD,
        *SERIES,
        ("status", STATUS),
        *_BOOK,
        *arrays("tops", _TOP),
        *arrays("bands", _BAND),
        *arrays("best_bands", _BAND),
        *arrays("persistent", _PERSISTENT),
        *nullable("bid_pull", _PULL),
        *nullable("ask_pull", _PULL),
        *nullable("bid_refill", _REFILL),
        *nullable("ask_refill", _REFILL),
        *arrays("time_weighted", _TIME_WEIGHTED),
        *_FLOW,
        *_RANKS,
    ),
)
_SCOPES = TupleTable(
    "imbalance_scopes_log",
    (
        *_HEAD,
        ("scope", SCOPE),
        *COMPLETENESS,
        *arrays("all", _CROSS),
        *arrays("common", _CROSS),
        ("ofi_lots", "Nullable(Int64)"),
        ("ofi_venues", "Array(String)"),
        ("tfi_lots", "Nullable(Int64)"),
        ("tfi_venues", "Array(String)"),
    ),
)
_book = attrgetter(*(name for name, _ in _BOOK))
_flow = attrgetter(*(name for name, _ in _FLOW))
_ranks = attrgetter(*(name for name, _ in _RANKS))
_read = reader(ImbalanceStep, IMBALANCE_SCHEMA)


def imbalance_pieces(value: bytes, source: Source) -> list[Piece]:
    """Turn one second into a row per instrument and a row per scope.

    Raises:
        msgspec.MsgspecError, ValueError, PayloadError: the record cannot be used.
    """
    record = _read(value)
    day = day_of(record.step_start_us)
    head = (
        record.step_start_us,
        scaled(record.tick),
        scaled(record.lot),
        record.time_tol_ms,
        *header_of(record, source),
    )
    instruments = [(*head, *_instrument(one)) for one in record.instruments]
    scopes = [(*head, *_scope(one)) for one in record.scopes]
    return [
        Piece(table, day, source, rows)
        for table, rows in ((_INSTRUMENTS, instruments), (_SCOPES, scopes))
        if rows
    ]


def _instrument(one: InstrumentImbalance) -> tuple[Any, ...]:
    return (
        SCOPES[one.scope],
        one.venue,
        one.symbol,
        STATUSES[one.status],
        *_book(one),
        *transposed(one.tops, _TOP),
        *transposed(one.bands, _BAND),
        *transposed(one.bands_from_best, _BAND),
        *transposed(one.persistent, _PERSISTENT),
        *values_of(one.bid_pull, _PULL),
        *values_of(one.ask_pull, _PULL),
        *values_of(one.bid_refill, _REFILL),
        *values_of(one.ask_refill, _REFILL),
        *transposed(one.time_weighted, _TIME_WEIGHTED),
        *_flow(one),
        *(ranks or () for ranks in _ranks(one)),
    )


def _scope(one: ScopeImbalance) -> tuple[Any, ...]:
    return (
        SCOPES[one.scope],
        *completeness_of(one.completeness),
        *transposed(one.all, _CROSS),
        *transposed(one.common, _CROSS),
        one.ofi_lots,
        one.ofi_venues,
        one.tfi_lots,
        one.tfi_venues,
    )
