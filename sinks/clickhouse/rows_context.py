"""Context to columns: a row per minute, and a row per instrument and aggregate of it."""

from collections.abc import Sequence
from operator import attrgetter
from typing import Any

from schemas.context import (
    CONTEXT_SCHEMA,
    AggregateContext,
    FundingRate,
    InstrumentContext,
    InterestChange,
    MarketContext,
    OpenInterest,
    PriceQuadrant,
)
from schemas.market import Scope
from sinks.clickhouse.derived import (
    COMPLETENESS,
    HEADER,
    SCOPE,
    completeness_of,
    header_of,
    transposed,
)
from sinks.clickhouse.native import scaled
from sinks.clickhouse.rows import (
    GRID,
    SCOPES,
    TEXT,
    TIME,
    Piece,
    Source,
    TupleTable,
    month_of,
    reader,
)

_PRICE = f"Nullable({GRID})"
_MOMENT = (("minute_start", TIME), ("as_of_time", TIME), ("tick", GRID), ("lot", GRID))
_BOOK_FLOW = (
    ("quadrant", "Nullable(String)"),
    ("obi", "Nullable(Float64)"),
    ("obi_weights", "Map(String, Float64)"),
    ("cvd_lots", "Nullable(Int64)"),
    ("cvd_p95_lots", "Nullable(Int64)"),
    ("cvd_normalised", "Nullable(Float64)"),
    ("cvd_samples", "Int64"),
    ("cvd_venues", "Array(String)"),
    ("null_reasons", "Map(String, String)"),
)
_MINUTES = TupleTable("context_log", (*HEADER, *_MOMENT, *COMPLETENESS, *_BOOK_FLOW))

_INTEREST = (
    ("open_interest_lots", "Nullable(Int64)"),
    ("open_interest_usd_cents", "Nullable(Int64)"),
    ("open_interest_time", f"Nullable({TIME})"),
    ("open_interest_age_us", "Nullable(Int64)"),
    ("open_interest_halved", "Array(String)"),
    ("open_interest_polled", "Array(String)"),
    ("open_interest_venues", "Array(String)"),
)
_CHANGES = (
    ("changes_window_seconds", "Array(Int64)"),
    ("changes_start_lots", "Array(Nullable(Int64))"),
    ("changes_lots", "Array(Nullable(Int64))"),
    ("changes_share", "Array(Nullable(Float64))"),
    ("changes_venues", "Array(Array(String))"),
)
_QUADRANTS = (
    ("quadrants_window_seconds", "Array(Int64)"),
    ("quadrants_quadrant", "Array(Nullable(String))"),
    ("quadrants_price_change_bp", "Array(Nullable(Float64))"),
    ("quadrants_atr_bp", "Array(Nullable(Float64))"),
    ("quadrants_reference", "Array(String)"),
)
_RATE = (
    ("rate", _PRICE),
    ("interval_h", "Nullable(Float64)"),
    ("rate_8h", "Nullable(Float64)"),
    ("rate_annual", "Nullable(Float64)"),
    ("settlement_time", f"Nullable({TIME})"),
    ("age_us", "Nullable(Int64)"),
)
_ALONE = (
    *((f"predicted_{name}", type_) for name, type_ in _RATE),
    *((f"settled_{name}", type_) for name, type_ in _RATE),
    ("mark_price", _PRICE),
    ("mark_age_us", "Nullable(Int64)"),
    ("index_price", _PRICE),
    ("index_age_us", "Nullable(Int64)"),
    ("best_bid_ticks", "Nullable(Int64)"),
    ("best_ask_ticks", "Nullable(Int64)"),
    ("basis_bp", "Nullable(Float64)"),
    ("obi", "Nullable(Float64)"),
    ("refused", "Map(String, String)"),
)
"""What only instruments have."""

_TOGETHER = (("funding_rate_8h", "Nullable(Float64)"), ("funding_venues", "Array(String)"))
"""What only aggregates have."""

_MEMBERS = TupleTable(
    "context_members_log",
    (
        *HEADER,
        *_MOMENT,
        ("scope", SCOPE),
        ("venue", TEXT),
        ("symbol", TEXT),
        ("composition", TEXT),
        *_INTEREST,
        *_CHANGES,
        *_QUADRANTS,
        *_ALONE,
        *_TOGETHER,
        ("null_reasons", "Map(String, String)"),
    ),
)
_NOT_ALONE: tuple[Any, ...] = (*(None,) * (len(_ALONE) - 1), {})
_NOT_TOGETHER: tuple[Any, ...] = (None, [])
_NO_INTEREST: tuple[Any, ...] = (None, None, None, None, [], [], [])
_book_flow = attrgetter(*(name for name, _ in _BOOK_FLOW))
_read = reader(MarketContext, CONTEXT_SCHEMA)


def context_pieces(value: bytes, source: Source) -> list[Piece]:
    """Turn one record into the row of its minute and the rows of instruments and aggregates.

    Raises:
        msgspec.MsgspecError, ValueError, PayloadError: the record cannot be used.
    """
    context = _read(value)
    head = (
        *header_of(context, source),
        context.minute_start_us,
        context.as_of_us,
        scaled(context.tick),
        scaled(context.lot),
    )
    minute = (*head, *completeness_of(context.completeness), *_book_flow(context.book_flow))
    members = [
        *((*head, *_instrument(one)) for one in context.instruments),
        *((*head, *_aggregate(one)) for one in context.perp),
    ]
    month = month_of(context.minute_start_us)
    pieces = [Piece(_MINUTES, month, source, (minute,))]
    return [*pieces, Piece(_MEMBERS, month, source, members)] if members else pieces


def _instrument(one: InstrumentContext) -> tuple[Any, ...]:
    return (
        SCOPES[Scope.VENUE],
        one.venue,
        one.symbol,
        "",
        *_measures(one.open_interest, one.changes, one.quadrants),
        *_rate(one.predicted),
        *_rate(one.settled),
        None if one.mark_price is None else scaled(one.mark_price),
        one.mark_age_us,
        None if one.index_price is None else scaled(one.index_price),
        one.index_age_us,
        one.best_bid_ticks,
        one.best_ask_ticks,
        one.basis_bp,
        one.obi,
        one.refused,
        *_NOT_TOGETHER,
        one.null_reasons,
    )


def _aggregate(one: AggregateContext) -> tuple[Any, ...]:
    return (
        SCOPES[Scope.PERP],
        "",
        "",
        one.composition,
        *_measures(one.open_interest, one.changes, one.quadrants),
        *_NOT_ALONE,
        one.funding_rate_8h,
        one.funding_venues,
        one.null_reasons,
    )


def _measures(
    interest: OpenInterest | None,
    changes: Sequence[InterestChange],
    quadrants: Sequence[PriceQuadrant],
) -> tuple[Any, ...]:
    return (
        *_interest(interest),
        *transposed(changes, _CHANGES),
        *transposed(quadrants, _QUADRANTS),
    )


def _interest(one: OpenInterest | None) -> tuple[Any, ...]:
    if one is None:
        return _NO_INTEREST
    return tuple(getattr(one, name) for name in OpenInterest.__struct_fields__)


def _rate(one: FundingRate | None) -> tuple[Any, ...]:
    if one is None:
        return (None,) * len(_RATE)
    return (
        scaled(one.rate_interval),
        one.interval_h,
        one.rate_8h,
        one.rate_annual,
        one.settlement_time_us,
        one.age_us,
    )
