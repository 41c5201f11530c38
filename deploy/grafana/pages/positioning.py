"""Positioning: who opens and closes, and what rests against what is taken."""

from deploy.grafana.board import dashboard
from deploy.grafana.panels import BASIS_POINTS, SHARE, USD, lines, scatter, states, table, words
from deploy.grafana.sql import ASSET, KINDS, VENUES, place

_TEXT = """
**Price against open interest**, by window: both up *new longs*, price up and OI down *short
covering*, price down and OI up *new shorts*, both down *long closing*; *neutral* where either
moved too little. **Book against flow**: imbalance of what rests within 0.2 % of mid over 30 s,
beside CVD of perpetuals over 30 minutes against its 95th percentile. **Conviction**: spot beside
perpetuals. **Trapped** is an estimate of positions under water, never a measurement.
"""

_INTEREST = {
    "new_longs": "green",
    "short_covering": "light-green",
    "new_shorts": "red",
    "long_closing": "light-red",
    "neutral": "gray",
}
_FLOW = {
    "aligned_bid": "green",
    "aligned_offer": "red",
    "selling_into_bids": "orange",
    "buying_into_offers": "blue",
    "neutral": "gray",
}

_ALL = "asset = '$asset' AND scope = 'perp' AND composition = 'all'"

_QUADRANTS = f"""
SELECT minute_start AS time, concat(toString(intDiv(window_seconds, 60)), ' min') AS series,
       {place("quadrant", _INTEREST)} AS state_number
FROM quadrants
WHERE {_ALL} AND $__timeFilter_ms(minute_start)
ORDER BY time, window_seconds
"""

_BOOK_FLOW = f"""
SELECT minute_start AS time, 'book against flow' AS series,
       {place("quadrant", _FLOW)} AS state_number
FROM context
WHERE asset = '$asset' AND $__timeFilter_ms(minute_start)
ORDER BY time
"""

_POINTS = f"""
SELECT minute_start, price_change_bp, change AS interest_change
FROM (
    SELECT minute_start, price_change_bp FROM quadrants
    WHERE {_ALL} AND window_seconds = 900 AND $__timeFilter_ms(minute_start)
) AS moved
INNER JOIN (
    SELECT minute_start, change[indexOf(windows_seconds, 900)] AS change
    FROM open_interest
    WHERE {_ALL} AND $__timeFilter_ms(minute_start)
) AS opened USING minute_start
ORDER BY minute_start DESC LIMIT 1000
"""

_AGAINST = """
SELECT minute_start, cvd_normalised, obi
FROM context
WHERE asset = '$asset' AND $__timeFilter_ms(minute_start)
ORDER BY minute_start DESC LIMIT 1000
"""

_CHANGE = """
SELECT minute_start AS time, concat(venue, ' ', symbol) AS series,
       any(change[indexOf(windows_seconds, 60)]) AS change
FROM open_interest
WHERE asset = '$asset' AND scope = 'venue' AND venue IN (${venue:singlequote})
  AND $__timeFilter_ms(minute_start)
GROUP BY time, series ORDER BY time, series
"""

_BY_VENUE = """
SELECT minute_start, venue, symbol, intDiv(window_seconds, 60) AS window_minutes, quadrant,
       price_change_bp, atr_bp, reference
FROM quadrants
WHERE asset = '$asset' AND scope = 'venue' AND venue IN (${venue:singlequote})
  AND $__timeFilter_ms(minute_start)
ORDER BY minute_start DESC, venue, symbol, window_seconds LIMIT 200
"""

_CONVICTION = """
SELECT bar_start, quote, intDiv(window_seconds, 60) AS window_minutes, state, spot_share,
       perp_share,
       arrayStringConcat(spot_venues, ', ') AS spot_at, arrayStringConcat(perp_venues, ', ')
       AS perp_at
FROM convictions
WHERE asset = '$asset' AND $__timeFilter_ms(bar_start)
ORDER BY bar_start DESC, quote LIMIT 200
"""

_SHARES = """
SELECT bar_start AS time, concat(toString(scope), ' ', toString(intDiv(window_seconds, 60)), ' min')
       AS series, any(share) AS delta_share
FROM cvd_shares
WHERE asset = '$asset' AND scope IN (${kind:singlequote}) AND composition = 'all'
  AND $__timeFilter_ms(bar_start)
GROUP BY time, series ORDER BY time, series
"""

_TRAPPED = """
SELECT minute_start AS time, tupleElement(one, 1) AS series, any(tupleElement(one, 2)) AS usd
FROM trapped
ARRAY JOIN [('long', long_usd), ('short', short_usd)] AS one
WHERE asset = '$asset' AND $__timeFilter_ms(minute_start)
GROUP BY time, series ORDER BY time, series
"""

_FUNDING = """
SELECT minute_start, venue, symbol, predicted_rate, predicted_interval_h, predicted_rate_annual,
       settled_rate_annual, mark_price, index_price, basis_bp
FROM funding
WHERE asset = '$asset' AND scope = 'venue' AND venue IN (${venue:singlequote})
  AND $__timeFilter_ms(minute_start)
ORDER BY minute_start DESC LIMIT 1 BY venue, symbol
"""

DASHBOARD = dashboard(
    "positioning",
    "Positioning",
    "Price against open interest, resting orders against takers, spot beside perpetuals.",
    [
        words("Units", _TEXT),
        states(
            "Price against open interest",
            "Quadrant over all perpetuals by window, each minute. Nothing where open interest or"
            " price is not known.",
            _QUADRANTS,
            _INTEREST,
        ),
        states(
            "Book against flow",
            "What rests near mid beside CVD over 30 minutes, over all perpetuals, each minute.",
            _BOOK_FLOW,
            _FLOW,
            height=4,
        ),
        scatter(
            "Price and open interest, 15 minutes",
            "A point a minute: price change in basis points, change of open interest over the same"
            " window as a share of it. Right and up: new longs.",
            _POINTS,
            x="price_change_bp",
            y="interest_change",
            x_unit=BASIS_POINTS,
            unit=SHARE,
        ),
        scatter(
            "Flow and book",
            "A point a minute: CVD over 30 minutes against its 95th percentile, and imbalance of"
            " what rests, -1 to 1.",
            _AGAINST,
            x="cvd_normalised",
            y="obi",
            x_unit="short",
            unit="short",
        ),
        lines(
            "Change of open interest by venue",
            "Over a minute, as a share of it.",
            _CHANGE,
            unit=SHARE,
        ),
        lines(
            "Delta as a share of volume",
            "By window, over all venues of a kind: 100 % is only taker buys.",
            _SHARES,
            unit=SHARE,
        ),
        lines(
            "Trapped, an estimate",
            "Dollars of positions opened at worse prices than now, by side; estimated from open"
            " interest and trades.",
            _TRAPPED,
            unit=USD,
            colours={"long": "red", "short": "green"},
        ),
        table(
            "Conviction",
            "Spot beside perpetuals of one quote: delta as a share of volume of each, and who is"
            " behind it.",
            _CONVICTION,
            width=12,
            height=8,
            units={"spot_share": SHARE, "perp_share": SHARE},
        ),
        table(
            "Quadrants by venue",
            "The same of each instrument, newest first.",
            _BY_VENUE,
            width=12,
            units={"price_change_bp": BASIS_POINTS, "atr_bp": BASIS_POINTS},
        ),
        table(
            "Funding and basis",
            "Newest minute of each perpetual: rates of one interval and of a year, prices in quote"
            " units.",
            _FUNDING,
            width=12,
            units={
                "predicted_rate": SHARE,
                "predicted_rate_annual": SHARE,
                "settled_rate_annual": SHARE,
                "basis_bp": BASIS_POINTS,
            },
        ),
    ],
    variables=[ASSET, VENUES, KINDS],
)
