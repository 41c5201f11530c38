"""What the queries have in common: variables of the pages, and parts of statements.

Variables: `asset`; `venue` and `kind`, several of each or one; `interval`, seconds of a bar; `row`,
its price rows. `kind` is `perp` or `spot`: the scope of what is over venues, and a filter of what
is of one. A page with one venue has `all` among its values, which is what is over venues.
"""

from collections.abc import Iterable

from deploy.grafana.board import chosen

ASSET = chosen(
    "asset",
    "Asset",
    "Base coin.",
    "SELECT DISTINCT asset FROM instruments ORDER BY asset = 'BTC' DESC, asset",
)
VENUES = chosen(
    "venue",
    "Venues",
    "Venues that list the asset.",
    "SELECT DISTINCT venue FROM instruments WHERE asset = '$asset' ORDER BY venue",
    several=True,
)
KINDS = chosen(
    "kind",
    "Kinds",
    "Perpetuals, spot, or both beside each other; never added.",
    "SELECT DISTINCT if(kind = 'spot', 'spot', 'perp') AS market FROM instruments"
    " WHERE asset = '$asset' ORDER BY market",
    several=True,
)
ONE_VENUE = chosen(
    "venue",
    "Venue",
    "One venue, or `all`: what all venues of the kind traded, together.",
    "SELECT arrayJoin(arrayConcat(['all'], arraySort(groupUniqArray(toString(venue))))) AS name"
    " FROM instruments WHERE asset = '$asset'",
)
ONE_KIND = chosen(
    "kind",
    "Kind",
    "Perpetuals or spot.",
    "SELECT DISTINCT if(kind = 'spot', 'spot', 'perp') AS market FROM instruments"
    " WHERE asset = '$asset' ORDER BY market",
)
INTERVAL = chosen(
    "interval",
    "Bar, seconds",
    "Length of a bar, in seconds.",
    "SELECT DISTINCT interval_seconds FROM footprint_bars WHERE asset = '$asset'"
    " AND $__timeFilter_ms(bar_start) ORDER BY interval_seconds = 60 DESC, interval_seconds",
)
ROW = chosen(
    "row",
    "Price row",
    "Height of a price row, in quote units.",
    "SELECT DISTINCT toString(row_size) AS size FROM footprint_bars WHERE asset = '$asset'"
    " AND interval_seconds = $interval AND $__timeFilter_ms(bar_start) ORDER BY toFloat64(size)",
)

PERP_BARS = """
SELECT bar_start AS time, any(open) AS open, any(high) AS high, any(low) AS low,
       any(close) AS close, any(buy_qty + sell_qty + unknown_qty) AS volume
FROM footprint_bars
WHERE asset = '$asset' AND scope = 'perp' AND interval_seconds = $interval
  AND $__timeFilter_ms(bar_start)
GROUP BY time ORDER BY time
"""
"""Candles over all perpetuals."""

LISTED = """(venue, symbol) IN (
        SELECT venue, symbol FROM instruments
        WHERE asset = '$asset' AND venue IN (${venue:singlequote})
          AND if(kind = 'spot', 'spot', 'perp') IN (${kind:singlequote})
    )"""
"""Instruments of the chosen venues and kinds."""

ONE_SERIES = """scope = if('$venue' = 'all', '$kind', 'venue')
    AND venue = if('$venue' = 'all', '', '$venue')
    AND ('$venue' = 'all' OR symbol IN (
        SELECT symbol FROM instruments
        WHERE asset = '$asset' AND if(kind = 'spot', 'spot', 'perp') = '$kind'
    ))"""
"""The one venue, or all of the kind together."""


def place(column: str, names: Iterable[str]) -> str:
    """Return an expression for the place of a state among `names`; null where it is none."""
    listed = ", ".join(f"'{name}'" for name in names)
    return f"nullIf(indexOf([{listed}], toString({column})), 0) - 1"


def page(uid: str) -> str:
    """Return the address of another page with the same time and variables."""
    return f"/d/perptape-{uid}?${{__url_time_range}}&${{__all_variables}}"
