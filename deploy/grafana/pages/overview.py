"""Overview: what one asset does now, venues beside each other."""

from deploy.grafana.board import dashboard, marks
from deploy.grafana.panels import (
    BASIS_POINTS,
    COIN,
    SHARE,
    USD,
    candles,
    lines,
    number,
    words,
)
from deploy.grafana.sql import ASSET, INTERVAL, KINDS, LISTED, PERP_BARS, VENUES

_TEXT = """
**perp**, **spot**: over all venues of the kind. **Delta**: taker buys less taker sells; **CVD**:
its sum since 00:00 UTC. **OBI**: (bids - asks) / (bids + asks) of what rests near mid, -1 to 1.
**OI**: open positions of perpetuals, one side. **Funding**: predicted rate as if it were paid
every 8 hours, positive when longs pay. A hole in a line means not known, a zero means zero.
"""

_DELTA = """
SELECT bar_start AS time, toString(scope) AS series, any(delta) AS delta
FROM footprint_bars
WHERE asset = '$asset' AND scope IN (${kind:singlequote}) AND interval_seconds = $interval
  AND $__timeFilter_ms(bar_start)
GROUP BY time, series ORDER BY time, series
"""

_CVD = """
SELECT $__timeInterval_ms(step_start) AS time, toString(scope) AS series,
       argMax(cvd_day_usd, step_start) AS cvd
FROM cvd
WHERE asset = '$asset' AND scope IN (${kind:singlequote}) AND composition = 'all'
  AND $__timeFilter_ms(step_start)
GROUP BY time, series ORDER BY time, series
"""

_CVD_BY_VENUE = f"""
SELECT $__timeInterval_ms(step_start) AS time, concat(venue, ' ', symbol) AS series,
       argMax(cvd_day_usd, step_start) AS cvd
FROM cvd
WHERE asset = '$asset' AND scope = 'venue' AND {LISTED}
  AND $__timeFilter_ms(step_start)
GROUP BY time, series ORDER BY time, series
"""

_OBI = """
SELECT $__timeInterval_ms(step_start) AS time,
       concat(toString(scope), ' ', toString(half_width_bp / 100), ' %') AS series,
       avg(sum_depth) AS obi
FROM cross_venue_imbalance
WHERE asset = '$asset' AND scope IN (${kind:singlequote}) AND composition = 'all'
  AND half_width_bp IN (10, 50) AND $__timeFilter_ms(step_start)
GROUP BY time, series ORDER BY time, series
"""

_OBI_BY_VENUE = f"""
SELECT $__timeInterval_ms(step_start) AS time, concat(venue, ' ', symbol) AS series,
       avg(obi_10bp) AS obi
FROM imbalance
WHERE asset = '$asset' AND {LISTED} AND $__timeFilter_ms(step_start)
GROUP BY time, series ORDER BY time, series
"""

_INTEREST = """
SELECT minute_start AS time, if(scope = 'perp', 'all', concat(venue, ' ', symbol)) AS series,
       any(usd) AS interest
FROM open_interest
WHERE asset = '$asset' AND (scope = 'perp' AND composition = 'all'
  OR scope = 'venue' AND venue IN (${venue:singlequote}))
  AND $__timeFilter_ms(minute_start)
GROUP BY time, series ORDER BY time, series
"""

_FUNDING = """
SELECT minute_start AS time, if(scope = 'perp', 'all', concat(venue, ' ', symbol)) AS series,
       any(if(scope = 'perp', funding_rate_8h, predicted_rate_8h)) AS rate
FROM funding
WHERE asset = '$asset' AND (scope = 'perp' AND composition = 'all'
  OR scope = 'venue' AND venue IN (${venue:singlequote}))
  AND $__timeFilter_ms(minute_start)
GROUP BY time, series ORDER BY time, series
"""

_BASIS = """
SELECT minute_start AS time, concat(venue, ' ', symbol) AS series, any(basis_bp) AS basis
FROM funding
WHERE asset = '$asset' AND scope = 'venue' AND venue IN (${venue:singlequote})
  AND $__timeFilter_ms(minute_start)
GROUP BY time, series ORDER BY time, series
"""

_LAST = """
SELECT toString(scope) AS series, argMax(close, bar_start) AS last
FROM footprint_bars
WHERE asset = '$asset' AND scope IN (${kind:singlequote}) AND interval_seconds = $interval
  AND close IS NOT NULL AND $__timeFilter_ms(bar_start)
GROUP BY series ORDER BY series
"""

_VOLUME = """
SELECT toString(scope) AS series, sum(volume_usd) AS traded
FROM cvd
WHERE asset = '$asset' AND scope IN (${kind:singlequote}) AND composition = 'all'
  AND $__timeFilter_ms(step_start)
GROUP BY series ORDER BY series
"""

_TAKEN = """
SELECT toString(scope) AS series, sum(delta_usd) / nullIf(sum(volume_usd), 0) AS share
FROM cvd
WHERE asset = '$asset' AND scope IN (${kind:singlequote}) AND composition = 'all'
  AND $__timeFilter_ms(step_start)
GROUP BY series ORDER BY series
"""

_CASCADES = """
SELECT state_time AS time,
       concat(liquidated_side, 's: ', state, if(reason = '', '', concat(', ', reason))) AS text,
       [toString(state)] AS tags
FROM cascade_states
WHERE asset = '$asset' AND state != previous_state AND $__timeFilter_ms(state_time)
  AND start_time >= $__fromTime_ms - INTERVAL 1 DAY AND start_time <= $__toTime_ms
ORDER BY time LIMIT 200
"""

DASHBOARD = dashboard(
    "overview",
    "Overview of an asset",
    "Price, delta, CVD, book imbalance, open interest and funding of one asset, by venue.",
    [
        words("Units", _TEXT, height=4),
        number(
            "Last price",
            "Close of the newest bar shown, in quote units.",
            _LAST,
            unit="locale",
            width=8,
        ),
        number(
            "Traded",
            "Volume in the time shown, in dollars; a venue that was away is missing.",
            _VOLUME,
            unit=USD,
            width=8,
        ),
        number(
            "Taken",
            "Delta as a share of volume in the time shown: 100 % is only taker buys.",
            _TAKEN,
            unit=SHARE,
            width=8,
        ),
        candles(
            "Price of perpetuals",
            "Bars over all perpetual venues, in quote units, with volume in base coin. Marks are"
            " changes of state of liquidation cascades.",
            PERP_BARS,
        ),
        lines(
            "CVD, perpetuals beside spot",
            "Cumulative delta since 00:00 UTC in dollars, over all venues of a kind. Rising"
            " price on falling spot CVD is a rise of perpetuals alone.",
            _CVD,
            unit=USD,
        ),
        lines(
            "CVD by venue",
            "The same of each instrument: who bought and who sold, in dollars.",
            _CVD_BY_VENUE,
            unit=USD,
        ),
        lines(
            "Delta",
            "Taker buys less taker sells of each bar, in base coin.",
            _DELTA,
            unit=COIN,
            style="bars",
        ),
        lines(
            "Basis",
            "Middle of the book above the index of each perpetual, in basis points.",
            _BASIS,
            unit=BASIS_POINTS,
        ),
        lines(
            "OBI over venues",
            "Imbalance of what rests within 0.1 % and 0.5 % of mid, summed over venues, -1 (only"
            " asks) to 1 (only bids); mean of what a point spans.",
            _OBI,
            unit="short",
        ),
        lines(
            "OBI by venue",
            "The same of each book within 0.1 % of its mid; nothing where it was not seen that"
            " far.",
            _OBI_BY_VENUE,
            unit="short",
        ),
        lines(
            "Open interest",
            "Open positions in dollars, by instrument and over all of them.",
            _INTEREST,
            unit=USD,
        ),
        lines(
            "Funding",
            "Predicted rate by instrument, as of 8 hours; over all, weighted by open interest.",
            _FUNDING,
            unit=SHARE,
        ),
    ],
    variables=[ASSET, VENUES, KINDS, INTERVAL],
    annotations=[marks("Cascades", "orange", _CASCADES)],
)
