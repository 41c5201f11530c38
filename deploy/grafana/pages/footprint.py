"""Footprint: what traded at which price, bar by bar."""

from deploy.grafana.board import dashboard
from deploy.grafana.panels import BUY, COIN, PRICE, SELL, SHARE, cells, lines, matrix, table, words
from deploy.grafana.sql import ASSET, INTERVAL, ONE_KIND, ONE_SERIES, ONE_VENUE, ROW

_TEXT = """
Cells are **sell x buy** of takers in base coin. **▲** buy, **▼** sell imbalance: against the row
beside it diagonally, at least three times (none where rows over venues are finer than their prices
stand apart). **POC**: row with the most volume; **value area**: 70 % around it. One venue has all
its trades; *all* is what venues of the kind traded together. Choose another time or bar length for
other bars: up to 12 are written out, up to 300 drawn.
"""

_OF = f"""asset = '$asset' AND {ONE_SERIES} AND interval_seconds = $interval
  AND row_size = toDecimal128('$row', 18)"""

_CELLS = f"""
SELECT bar_start + toIntervalSecond($interval) AS time, toString(row_price) AS series,
       %s AS cell
FROM footprint_rows
WHERE {_OF} AND $__timeFilter_ms(bar_start)
  AND bar_start >= $__toTime_ms - toIntervalSecond(300 * $interval)
ORDER BY time, row_price
"""

_WRITTEN = f"""
WITH bars AS (
    SELECT bar_start FROM footprint_bars
    WHERE {_OF} AND $__timeFilter_ms(bar_start) ORDER BY bar_start DESC LIMIT 12
), rows AS (
    SELECT bar_start, row_price, concat(toString(round(sell_qty, 3)), ' x ',
           toString(round(buy_qty, 3)), if(buy_imbalance, ' ▲', ''), if(sell_imbalance, ' ▼',
           '')) AS cell
    FROM footprint_rows
    WHERE {_OF} AND $__timeFilter_ms(bar_start) AND bar_start >= (SELECT min(bar_start) FROM bars)
)
SELECT toString(row_price) AS row, formatDateTime(bar_start, '%m-%d %H:%i:%S') AS bar,
       max(cell) AS traded
FROM (
    SELECT bar_start, row_price, cell FROM rows
    UNION ALL
    SELECT bars.bar_start, prices.row_price, ''
    FROM bars CROSS JOIN (SELECT DISTINCT row_price FROM rows) AS prices
)
GROUP BY row_price, bar_start ORDER BY row_price DESC, bar_start
"""

_BARS = f"""
SELECT bar_start, status, open, high, low, close, sell_qty, buy_qty, unknown_qty, delta, delta_min,
       delta_max, trades, poc, vah, val, imbalances_valid, is_final,
       arrayStringConcat(venues_partial, ', ') AS partial
FROM footprint_bars
WHERE {_OF} AND $__timeFilter_ms(bar_start)
ORDER BY bar_start DESC LIMIT 200
"""

_LEVELS = f"""
SELECT bar_start AS time, tupleElement(one, 1) AS series, tupleElement(one, 2) AS price
FROM footprint_bars
ARRAY JOIN [('close', close), ('POC', poc), ('value area high', vah), ('value area low', val)]
    AS one
WHERE {_OF} AND $__timeFilter_ms(bar_start)
ORDER BY time, series
"""

_DELTAS = f"""
SELECT bar_start AS time, tupleElement(one, 1) AS series, tupleElement(one, 2) AS qty
FROM footprint_bars
ARRAY JOIN [('delta', delta), ('least', delta_min), ('most', delta_max)] AS one
WHERE {_OF} AND $__timeFilter_ms(bar_start)
ORDER BY time, series
"""

_IMBALANCES = f"""
SELECT bar_start AS time, tupleElement(one, 1) AS series, sum(tupleElement(one, 2)) AS number
FROM footprint_rows
ARRAY JOIN [('buy', toInt64(buy_imbalance)), ('sell', -toInt64(sell_imbalance))] AS one
WHERE {_OF} AND $__timeFilter_ms(bar_start)
GROUP BY time, series ORDER BY time, series
"""

_STACKS = f"""
SELECT bar_start, if(stack_side > 0, 'buy', 'sell') AS side, stack_low * tick AS low,
       (stack_high + row_ticks) * tick AS high, stack_rows AS rows, stack_lots * lot AS qty,
       stack_least AS least_ratio
FROM footprints
LEFT ARRAY JOIN stacks_side AS stack_side, stacks_low_row_ticks AS stack_low,
    stacks_high_row_ticks AS stack_high, stacks_count AS stack_rows,
    stacks_dominant_lots AS stack_lots, stacks_min_ratio AS stack_least
WHERE {_OF} AND $__timeFilter_ms(bar_start) AND stack_rows > 0
ORDER BY bar_start DESC LIMIT 100
"""

DASHBOARD = dashboard(
    "footprint",
    "Footprint",
    "Volume, delta and imbalances at each price of the bars of one venue, or of all of a kind.",
    [
        words("Units", _TEXT),
        cells(
            "Volume by price",
            "Traded at each price row, in base coin; a cell ends where its bar ends. Rows that"
            " no bar reached are left out.",
            _CELLS % "toFloat64(sell_qty + buy_qty + unknown_qty)",
            unit=COIN,
        ),
        cells(
            "Delta by price",
            "Taker buys less taker sells at each price row, as a share of the largest of them,"
            " either way, in the time shown: green bought, red sold.",
            _CELLS % "toFloat64(delta) / nullIf(max(abs(toFloat64(delta))) OVER (), 0)",
            unit=SHARE,
            scheme="RdYlGn",
            symmetric=True,
        ),
        table(
            "Sell x buy",
            "The newest 12 bars of the time shown, prices downwards; ▲ buy, ▼ sell imbalance. In"
            " base coin, three decimals.",
            _WRITTEN,
            height=14,
            steps=[matrix("row", "bar", "traded")],
        ),
        lines(
            "Delta and its extremes",
            "Delta of each bar, and the least and most it was inside the bar, in base coin.",
            _DELTAS,
            unit=COIN,
            colours={"most": BUY, "least": SELL},
        ),
        lines("Close, POC and value area", "By bar, in quote units.", _LEVELS, unit=PRICE),
        lines(
            "Rows with an imbalance",
            "How many rows of a bar have one: buy upwards, sell downwards. None where rows over"
            " venues are too fine: take higher ones.",
            _IMBALANCES,
            unit="short",
            style="bars",
            colours={"buy": BUY, "sell": SELL},
        ),
        table(
            "Stacked imbalances",
            "Three and more imbalances of one side in neighbouring rows: bounds in quote units,"
            " volume of the stronger side in base coin, the least ratio.",
            _STACKS,
            width=12,
            height=8,
        ),
        table(
            "Bars",
            "Prices in quote units, quantities in base coin, with who was not there all of the"
            " time. Provisional bars are not final.",
            _BARS,
        ),
    ],
    variables=[ASSET, ONE_KIND, ONE_VENUE, INTERVAL, ROW],
    since="now-1h",
)
