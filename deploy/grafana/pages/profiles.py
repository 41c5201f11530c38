"""Profiles: where the volume of a session or window is."""

from deploy.grafana.board import chosen, dashboard
from deploy.grafana.panels import COIN, PRICE, SHARE, ladder, lines, table, words
from deploy.grafana.sql import ASSET, ONE_KIND, ONE_SERIES, ONE_VENUE

_TEXT = """
**Session**: the day from 00:00 UTC; other windows roll. **POC**: the row with the most volume.
**Value area**: the rows around it with 70 % of volume, VAL to VAH. **Nodes**: rows that stand out
above (high) or below (low) their neighbours. **Naked POC**: one of an earlier session that nothing
has traded through since. *Common*: of the venues only that were there throughout. Quantities are
in base coin.
"""

# The longest window is of 30 days: what starts before cannot end in the time shown.
_SHOWN = """$__timeFilter_ms(until_time)
  AND window_start >= $__fromTime_ms - INTERVAL 31 DAY AND window_start <= $__toTime_ms"""

_WINDOW = chosen(
    "window",
    "Window",
    "The day (`session`), or a rolling window.",
    "SELECT DISTINCT toString(window) AS name FROM profiles WHERE asset = '$asset'"
    f" AND {_SHOWN} ORDER BY name = 'session' DESC, name",
)

_SERIES = f"asset = '$asset' AND {ONE_SERIES}"
_OF = f"{_SERIES} AND window = '$window' AND {_SHOWN}"

_NEWEST = f"""{_SERIES} AND window = '$window'
  AND window_start = (SELECT max(window_start) FROM profiles WHERE {_OF})"""

_ROWS = f"""
SELECT toString(row_price) AS row, sell_qty AS sell, buy_qty AS buy, unknown_qty AS unknown
FROM profile_rows
WHERE {_NEWEST}
ORDER BY row_price DESC LIMIT 200
"""

_DELTAS = f"""
SELECT toString(row_price) AS row, delta
FROM profile_rows
WHERE {_NEWEST}
ORDER BY row_price DESC LIMIT 200
"""

_LEVELS = f"""
SELECT until_time AS time, tupleElement(one, 1) AS series, tupleElement(one, 2) AS price
FROM profiles
ARRAY JOIN [('POC', poc), ('VAH', vah), ('VAL', val), ('high', high), ('low', low)] AS one
WHERE {_OF}
ORDER BY time, series
"""

_PROFILES = f"""
SELECT window_start, until_time, is_final, status, poc, vah, val, value_area_share, vwap, high, low,
       sell_qty, buy_qty, trades, common_poc, arrayStringConcat(common_venues, ', ') AS common,
       prior_poc, prior_vah, prior_val, prior_high, prior_low
FROM profiles
WHERE {_OF}
ORDER BY window_start DESC LIMIT 100
"""

_NODES = f"""
SELECT kind, low, high, row_price, qty, prominence
FROM profile_nodes
WHERE {_NEWEST}
ORDER BY row_price DESC
"""

_NAKED = f"""
SELECT window_start, session_start, low, high, all_seen
FROM naked_pocs
WHERE {_SERIES} AND {_SHOWN}
ORDER BY window_start DESC, session_start DESC LIMIT 100
"""

_BARS = f"""
SELECT rule, threshold, bar_start, bar_end, open, high, low, close, sell_qty, buy_qty, delta,
       trades,
       closed_by, status
FROM bars
WHERE {_SERIES} AND $__timeFilter_ms(bar_start)
ORDER BY bar_start DESC LIMIT 200
"""

DASHBOARD = dashboard(
    "profiles",
    "Profiles",
    "Volume profiles of the day and of rolling windows: rows, POC, value area, nodes, naked POCs.",
    [
        words("Units", _TEXT),
        ladder(
            "Volume by price",
            "The newest profile of the time shown: sells, buys, and trades without a side,"
            " in base coin.",
            _ROWS,
            unit=COIN,
        ),
        ladder(
            "Delta by price",
            "Of the same profile: buys less sells at each price row, in base coin.",
            _DELTAS,
            unit=COIN,
        ),
        lines(
            "Levels",
            "POC, value area and extremes of each profile, in quote units.",
            _LEVELS,
            unit=PRICE,
            width=24,
        ),
        table(
            "Profiles",
            "Prices in quote units; the session before beside each.",
            _PROFILES,
            units={"value_area_share": SHARE},
        ),
        table(
            "Nodes",
            "Of the newest profile: bounds and the row that stands out, in quote units; how"
            " much it does, against the largest.",
            _NODES,
            width=12,
        ),
        table(
            "Naked POCs",
            "Rows of earlier sessions' POCs that nothing has traded through; all seen:"
            " nothing was missing since.",
            _NAKED,
            width=12,
        ),
        table(
            "Bars that trades close",
            "Tick, volume, notional, range and delta bars: threshold in the unit of the rule,"
            " quantities in base coin.",
            _BARS,
        ),
    ],
    variables=[ASSET, ONE_KIND, ONE_VENUE, _WINDOW],
    since="now-1d",
    refresh="1m",
)
