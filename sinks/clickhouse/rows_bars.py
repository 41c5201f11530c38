"""Bars that trades close to columns of `bars_log`: one row a bar."""

from operator import attrgetter

from schemas.bars import BAR_SCHEMA, TradeBar
from sinks.clickhouse.derived import (
    COMPLETENESS,
    HEADER,
    SERIES,
    completeness_of,
    header_of,
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

_TIMES = ("day_start", "bar_start", "bar_end", "first_trade_time", "last_trade_time")
_PLAIN = (
    ("rule", TEXT),
    ("split", "Bool"),
    ("closed_by", TEXT),
    ("aligned", "Bool"),
    ("open_ticks", "Int64"),
    ("high_ticks", "Int64"),
    ("low_ticks", "Int64"),
    ("close_ticks", "Int64"),
    ("vwap", "Float64"),
    ("buy_lots", "Int64"),
    ("sell_lots", "Int64"),
    ("unknown_lots", "Int64"),
    ("delta_lots", "Int64"),
    ("delta_min_lots", "Int64"),
    ("delta_max_lots", "Int64"),
    ("delta_since_high_lots", "Int64"),
    ("delta_since_low_lots", "Int64"),
    ("trades_buy", "Int64"),
    ("trades_sell", "Int64"),
    ("trades_unknown", "Int64"),
    ("buy_usd_cents", "Int64"),
    ("sell_usd_cents", "Int64"),
    ("unknown_usd_cents", "Int64"),
    ("overshoot_lots", "Nullable(Int64)"),
    ("overshoot_usd_cents", "Nullable(Int64)"),
    ("null_reasons", "Map(String, String)"),
)
"""Columns that are fields of the record by name and value."""

_TABLE = TupleTable(
    "bars_log",
    (
        *SERIES,
        ("threshold", GRID),
        ("tick", GRID),
        ("lot", GRID),
        ("bar_index", "Int64"),
        *((name, TIME) for name in _TIMES),
        *HEADER,
        *COMPLETENESS,
        *_PLAIN,
    ),
)
_times = attrgetter(*(f"{name}_us" for name in _TIMES))
_plain = attrgetter(*(name for name, _ in _PLAIN))
_read = reader(TradeBar, BAR_SCHEMA)


def bar_pieces(value: bytes, source: Source) -> list[Piece]:
    """Turn one bar into its row.

    Raises:
        msgspec.MsgspecError, ValueError, PayloadError: the record cannot be used.
    """
    bar = _read(value)
    row = (
        SCOPES[bar.scope],
        bar.venue,
        bar.symbol,
        scaled(bar.threshold),
        scaled(bar.tick),
        scaled(bar.lot),
        bar.index,
        *_times(bar),
        *header_of(bar, source),
        *completeness_of(bar.completeness),
        *_plain(bar),
    )
    return [Piece(_TABLE, month_of(bar.bar_start_us), source, (row,))]
