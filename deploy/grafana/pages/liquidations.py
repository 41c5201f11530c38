"""Liquidations and cascades: what was told, its bounds, and what followed."""

from deploy.grafana.board import dashboard, marks
from deploy.grafana.panels import USD, candles, cells, lines, states, table, words
from deploy.grafana.sql import ASSET, INTERVAL, KINDS, PERP_BARS, VENUES, place

_TEXT = """
**Observed**: what venues told, a lower bound where a feed is throttled. **Upper**: all that takers
traded in the closing direction on the same venue. **Estimate**: between them where a feed is
throttled, never a measurement. **Long** liquidated means sold by force, **short** bought. The same
trades may be on the tape: never add them to its volume. *Levels* are estimated from open interest
and price, with assumed leverage.
"""

_STATES = {
    "idle": "transparent",
    "building": "yellow",
    "active": "orange",
    "peaked": "red",
    "exhausted": "purple",
    "reclaimed": "green",
    "failed": "dark-red",
    "faded": "blue",
    "cooldown": "gray",
    "suspended": "black",
}

_FLOW = """
SELECT window_start AS time, concat(liquidated_side, ' ', tupleElement(one, 1)) AS series,
       any(tupleElement(one, 2)) AS usd
FROM liquidation_flow
ARRAY JOIN [('observed', observed_usd), ('upper', upper_usd)] AS one
WHERE asset = '$asset' AND interval_seconds = 60 AND scope = 'perp' AND composition = 'all'
  AND $__timeFilter_ms(window_start)
GROUP BY time, series ORDER BY time, series
"""

_BY_VENUE = """
SELECT window_start AS time, concat(venue, ' ', liquidated_side) AS series,
       sum(observed_usd) AS usd
FROM liquidation_flow
WHERE asset = '$asset' AND interval_seconds = 60 AND scope = 'venue'
  AND venue IN (${venue:singlequote}) AND $__timeFilter_ms(window_start)
GROUP BY time, series ORDER BY time, series
"""

_CASCADE_STATES = f"""
SELECT state_time AS time, concat(liquidated_side, 's') AS series,
       {place("state", _STATES)} AS state_number
FROM cascade_states
WHERE asset = '$asset' AND $__timeFilter_ms(state_time)
  AND start_time >= $__fromTime_ms - INTERVAL 1 DAY AND start_time <= $__toTime_ms
ORDER BY time, series
"""

_CASCADES = """
SELECT start_time, state_time, liquidated_side, state, reason, attribution, confidence_class,
       observed_usd, upper_usd, move_bp, extreme_price, depth_change, interest_change, oi_confirmed,
       swept_level_kind, swept_level_price, outcome, status, id
FROM cascade_states
WHERE asset = '$asset' AND $__timeFilter_ms(start_time)
ORDER BY state_time DESC LIMIT 1 BY id LIMIT 100
"""

_CASCADE_VENUES = """
SELECT start_time, liquidated_side, venue, symbol, sampling_class, episodes, observed_usd,
       upper_usd,
       share, onset_time, precedes
FROM cascade_venues
WHERE asset = '$asset' AND $__timeFilter_ms(start_time)
ORDER BY start_time DESC, onset_time LIMIT 100
"""

_CLUSTERS = """
SELECT start_time, end_time, liquidated_side, count, observed_usd, low_price, high_price,
       largest_usd, largest_price, end_reason
FROM liquidation_clusters
WHERE asset = '$asset' AND $__timeFilter_ms(start_time)
ORDER BY start_time DESC LIMIT 100
"""

_TOLD = """
SELECT event_time, venue, symbol, liquidated_side, price, price_kind, qty, notional,
       sampling_class, receive_time
FROM liquidations
WHERE asset = '$asset' AND venue IN (${venue:singlequote})
  AND if(kind = 'spot', 'spot', 'perp') IN (${kind:singlequote}) AND $__timeFilter_ms(event_time)
ORDER BY event_time DESC LIMIT 200
"""

_LEVELS = """
SELECT time, toString(round(tupleElement(one, 1), 4)) AS series,
       toFloat64(sum(tupleElement(one, 2))) AS usd
FROM (
    SELECT $__timeInterval_ms(minute_start) AS time,
           argMax(arrayZip(rows_price, rows_estimate_usd), minute_start) AS map
    FROM liquidation_levels
    WHERE asset = '$asset' AND $__timeFilter_ms(minute_start)
    GROUP BY time
)
ARRAY JOIN map AS one
GROUP BY time, tupleElement(one, 1) ORDER BY time, tupleElement(one, 1)
"""

_CHANGES = """
SELECT state_time AS time, concat(liquidated_side, 's ', state, ': ', reason) AS text,
       [toString(state), toString(liquidated_side)] AS tags
FROM cascade_states
WHERE asset = '$asset' AND state != previous_state AND $__timeFilter_ms(state_time)
  AND start_time >= $__fromTime_ms - INTERVAL 1 DAY AND start_time <= $__toTime_ms
ORDER BY time LIMIT 200
"""

_RANGES = """
SELECT start_time AS time, end_time AS timeEnd,
       concat(toString(count), ' liquidated ', liquidated_side, 's, $',
       toString(observed_usd)) AS text,
       [toString(liquidated_side)] AS tags
FROM liquidation_clusters
WHERE asset = '$asset' AND $__timeFilter_ms(start_time)
ORDER BY observed_usd DESC LIMIT 50
"""

DASHBOARD = dashboard(
    "liquidations",
    "Liquidations and cascades",
    "Liquidations with their bounds, cascades with their states and evidence, estimated levels.",
    [
        words("Units", _TEXT),
        candles(
            "Price of perpetuals",
            "In quote units, volume in base coin. Marks: changes of state of cascades, clusters of"
            " liquidations.",
            PERP_BARS,
        ),
        states(
            "States of cascades",
            "State of each side over time, from the first liquidation of a cascade until it is"
            " over.",
            _CASCADE_STATES,
            _STATES,
            height=5,
        ),
        lines(
            "Liquidated, all perpetuals",
            "Dollars a minute by side, of the venues that were there: told, and the upper bound,"
            " which is missing with the trades of one of them. Less where a feed was away, nothing"
            " where all were.",
            _FLOW,
            unit=USD,
        ),
        lines(
            "Told, by venue",
            "Dollars a minute that each venue told, by side. Venues tell differently much:"
            " compare a venue with itself.",
            _BY_VENUE,
            unit=USD,
            style="bars",
            stacked=True,
        ),
        table(
            "Cascades",
            "Newest state of each that began in the time shown: bounds in dollars, price move in"
            " basis points, depth and open interest against before.",
            _CASCADES,
            units={
                "observed_usd": USD,
                "upper_usd": USD,
                "move_bp": "suffix: bp",
                "depth_change": "percentunit",
                "interest_change": "percentunit",
            },
        ),
        table(
            "Venues of cascades",
            "One venue's part of each, with when its own flow crossed its usual 99th percentile,"
            " and whether that was first.",
            _CASCADE_VENUES,
            units={"observed_usd": USD, "upper_usd": USD, "share": "percentunit"},
        ),
        cells(
            "Estimated levels",
            "Where positions would be liquidated, by an estimate: dollars by price row, of both"
            " sides; the newest map of each column.",
            _LEVELS,
            unit=USD,
        ),
        table(
            "Clusters",
            "Liquidations of one side close to one another, in dollars and quote units.",
            _CLUSTERS,
            width=12,
            units={"observed_usd": USD, "largest_usd": USD},
        ),
        table(
            "As told",
            "The newest liquidations as their venues tell them; quantity in base coin,"
            " notional in quote units.",
            _TOLD,
            width=12,
        ),
    ],
    variables=[ASSET, VENUES, KINDS, INTERVAL],
    annotations=[marks("Cascades", "orange", _CHANGES), marks("Clusters", "purple", _RANGES)],
)
