"""Bars of the tables as they can be compared, and comparisons into their table."""

from collections.abc import Sequence
from decimal import Decimal

from schemas.reconciliations import Comparison, Conservation, OwnTotals
from sinks.clickhouse.client import Store
from sinks.clickhouse.native import block, column, scaled
from sinks.clickhouse.rows import GRID, TEXT, TIME, month_of

_BARS = """
SELECT toUnixTimestamp64Micro(bar_start), tick, lot, buy_lots, sell_lots, unknown_lots,
       excluded_lots, high_ticks, low_ticks, trades_buy + trades_sell + trades_unknown,
       status = 'complete'
FROM footprints_log FINAL
WHERE asset = {asset:String} AND scope = 'venue' AND venue = {venue:String}
  AND symbol = {symbol:String} AND interval_seconds = {interval:UInt32} AND is_final
  AND NOT (status = 'gap' AND empty(rows_ticks))
  AND bar_start >= fromUnixTimestamp64Micro({from_us:Int64}, 'UTC')
  AND bar_start < fromUnixTimestamp64Micro({until_us:Int64}, 'UTC')
ORDER BY bar_start, row_size LIMIT 1 BY bar_start
"""
_STREAMS = """
SELECT DISTINCT stream FROM trades_log
WHERE asset = {asset:String} AND venue = {venue:String} AND symbol = {symbol:String}
  AND event_time >= fromUnixTimestamp64Micro({from_us:Int64}, 'UTC')
  AND event_time < fromUnixTimestamp64Micro({until_us:Int64}, 'UTC')
"""
_CLASSES = {one: number for number, one in enumerate(Conservation, start=1)}
_CLASS_TYPE = "Enum8('exact' = 1, 'explained' = 2, 'tolerance' = 3, 'broken' = 4)"

_MAYBE = f"Nullable({GRID})"

Market = tuple[str, str, str]
"""Asset, venue and symbol."""


def _asked(market: Market, span_us: tuple[int, int]) -> dict[str, object]:
    named = dict(zip(("asset", "venue", "symbol"), market, strict=True))
    return {**named, "from_us": span_us[0], "until_us": span_us[1]}


def own_totals(
    store: Store, market: Market, interval_seconds: int, span_us: tuple[int, int]
) -> dict[int, OwnTotals]:
    """Return the final bars of an instrument that begin in a span, by start."""
    found = {}
    asked = {**_asked(market, span_us), "interval": interval_seconds}
    for row in store.query(_BARS, asked).rows:
        start_us, tick, lot, buys, sells, unknown, excluded, high, low, trades, complete = row
        found[start_us] = OwnTotals(
            start_us=start_us,
            total=(buys + sells + unknown) * lot,
            taker_buy=buys * lot,
            high=None if high is None else high * tick,
            low=None if low is None else low * tick,
            trades=trades,
            excluded={name: lots * lot for name, lots in excluded.items()},
            unknown=unknown * lot,
            is_complete=bool(complete),
        )
    return found


def streams_of(store: Store, market: Market, span_us: tuple[int, int]) -> set[str]:
    """Return the streams that an instrument's trades of a span came by."""
    return {row[0] for row in store.query(_STREAMS, _asked(market, span_us)).rows}


def note_comparisons(
    store: Store,
    market: Market,
    interval_seconds: int,
    source: tuple[str, str],
    comparisons: Sequence[Comparison],
    revision: int,
) -> None:
    """Store comparisons; the same bar against the same kind of file replaces itself.

    Args:
        store: migrated.
        market: asset, venue and symbol.
        interval_seconds: of the bars.
        source: what was compared with (`klines`, `trades`), and the file's name.
        comparisons: of one instrument.
        revision: larger for a later comparison.
    """
    months: dict[int, list[Comparison]] = {}
    for one in comparisons:
        months.setdefault(month_of(one.theirs.start_us), []).append(one)
    for month, found in months.items():
        rows = [(*market, interval_seconds, *_row(one, source, revision)) for one in found]
        columns = [
            column(name, type_, values)
            for (name, type_), values in zip(_COLUMNS, zip(*rows, strict=True), strict=True)
        ]
        names = [name for name, _ in _COLUMNS]
        token = "/".join(("reconciliations", *market, *source, str(month), str(revision)))
        store.insert("reconciliations_log", names, block(columns, len(found)), token)


_COLUMNS = (
    *(("asset", TEXT), ("venue", TEXT), ("symbol", TEXT), ("interval_seconds", "UInt32")),
    *(("bar_start", TIME), ("against", TEXT), ("revision", "UInt64"), ("file", "String")),
    *(("class", _CLASS_TYPE), ("cause", TEXT)),
    *(("total_theirs", GRID), ("total_ours", _MAYBE), ("taker_buy_theirs", GRID)),
    *(("taker_buy_ours", _MAYBE), ("excluded", GRID), ("high_theirs", _MAYBE)),
    *(("high_ours", _MAYBE), ("low_theirs", _MAYBE), ("low_ours", _MAYBE)),
    *(("trades_theirs", "Int64"), ("trades_ours", "Int64"), ("trades_compared", "Bool")),
)


def _row(one: Comparison, source: tuple[str, str], revision: int) -> tuple[object, ...]:
    theirs, ours = one.theirs, one.ours
    excluded = sum(ours.excluded.values(), Decimal(0)) if ours else Decimal(0)
    return (
        theirs.start_us,
        source[0],
        revision,
        source[1],
        _CLASSES[one.conservation],
        one.cause,
        *(_exact(theirs.total), _exact(ours.total if ours else None)),
        *(_exact(theirs.taker_buy), _exact(ours.taker_buy if ours else None), _exact(excluded)),
        *(_exact(theirs.high), _exact(ours.high if ours else None)),
        *(_exact(theirs.low), _exact(ours.low if ours else None)),
        theirs.trades,
        ours.trades if ours else 0,
        one.trades_compared,
    )


def _exact(value: Decimal | None) -> int | None:
    return None if value is None else scaled(f"{value:f}")
