"""Setups and outcomes: what was recognised, and what it was worth."""

from deploy.grafana.board import dashboard, marks
from deploy.grafana.panels import BASIS_POINTS, PRICE, SHARE, USD, candles, lines, table, words
from deploy.grafana.sql import ASSET, INTERVAL, KINDS, PERP_BARS, VENUES, page

_TEXT = """
A **setup** is armed, then triggered, confirmed or not; all five are *experimental*. **Outcome**:
the return after some minutes from its entry, in basis points, in the direction of the setup, with
how far it went against and along. **Worth**: the mean of outcomes beside random times of the same
hours; a difference whose 95 % interval has zero in it says nothing. None of this is advice.
"""

_OF_SCOPES = """(venue = '' AND toString(scope) IN (${kind:singlequote})
    OR venue IN (${venue:singlequote}))"""

_SETUPS = f"""
SELECT event_time, setup, variant, side, state, reason, venue, symbol, price, level_low, level_high,
       limit_price, weight, provisional, status, armed_time, arrayStringConcat(evidence, ', ')
       AS evidence
FROM setup_states
WHERE asset = '$asset' AND {_OF_SCOPES} AND $__timeFilter_ms(armed_time)
ORDER BY event_time DESC, revision DESC LIMIT 1 BY id LIMIT 200
"""

_WORTH = """
SELECT measured, variant, side, horizon_minutes, n, mean_bp, median_bp, positive_share,
       baseline_mean_bp, difference_bp, difference_low_bp, difference_high_bp, baseline_n, as_of
FROM (
    SELECT * FROM setup_worth_days WHERE asset = '$asset' AND as_of <= $__toTime_ms
    ORDER BY as_of DESC, revision DESC LIMIT 1 BY measured, variant, side, horizon_minutes
)
ORDER BY measured, variant, side, horizon_minutes
"""

_OUTCOMES = """
SELECT event_time, measured, variant, side, venue, symbol, horizon_minutes, return_bp, adverse_bp,
       favourable_bp, entry_price, reason, status
FROM outcomes
WHERE asset = '$asset' AND $__timeFilter_ms(event_time)
ORDER BY event_time DESC, horizon_minutes LIMIT 300
"""

_RETURNS = """
SELECT event_time AS time, concat(measured, ' ', side) AS series, avg(return_bp) AS mean_return
FROM outcomes
WHERE asset = '$asset' AND horizon_minutes = 15 AND $__timeFilter_ms(event_time)
GROUP BY time, series ORDER BY time, series
"""

_EVENT_COUNTS = """
SELECT toStartOfInterval(start_time, toIntervalSecond($interval)) AS time, toString(kind) AS series,
       uniqExact(id) AS number
FROM event_states
WHERE asset = '$asset' AND $__timeFilter_ms(start_time)
GROUP BY time, series ORDER BY time, series
"""

_EVENTS = f"""
SELECT start_time, kind, form, side, state, venue, symbol, low, high, qty, usd, status,
       arrayStringConcat(venues, ', ') AS seen_at
FROM event_states
WHERE asset = '$asset' AND {_OF_SCOPES} AND $__timeFilter_ms(start_time)
ORDER BY start_time DESC, revision DESC
LIMIT 1 BY kind, form, side, scope, venue, symbol, start_time, end_time, id LIMIT 200
"""

_ALERTS = """
SELECT event_time, severity, rule, kind, message, venue, symbol, state, value, threshold, status
FROM alerts
WHERE asset = '$asset' AND $__timeFilter_ms(event_time)
ORDER BY event_time DESC LIMIT 200
"""

_TRIGGERED = f"""
SELECT event_time AS time, concat(setup, ' ', variant, ' ', side, ' ', state) AS text,
       [toString(setup), toString(side), toString(state)] AS tags
FROM setup_states
WHERE asset = '$asset' AND {_OF_SCOPES} AND state IN ('triggered', 'confirmed', 'invalidated')
  AND $__timeFilter_ms(event_time) AND armed_time >= $__fromTime_ms - INTERVAL 1 DAY
  AND armed_time <= $__toTime_ms
ORDER BY time LIMIT 200
"""

_LARGE = """
SELECT start_time AS time, end_time AS timeEnd, concat(kind, ' ', side, ' ', state, ' ',
       venue) AS text,
       [toString(kind)] AS tags
FROM event_states
WHERE asset = '$asset' AND venue IN (${venue:singlequote}) AND kind != 'zone'
  AND $__timeFilter_ms(start_time)
ORDER BY start_time DESC LIMIT 100
"""

DASHBOARD = dashboard(
    "setups",
    "Setups and outcomes",
    "Setups with their states, flow events, outcomes, and what each kind was worth.",
    [
        words("Units", _TEXT),
        candles(
            "Price of perpetuals",
            "In quote units, volume in base coin. Marks: setups as they were triggered,"
            " confirmed and refuted, and flow events.",
            PERP_BARS,
        ),
        table(
            "Setups",
            "Newest state of each that was armed in the time shown: prices in quote units,"
            " weight 0 to 1, what it stands on.",
            _SETUPS,
            units={"price": PRICE},
            link=("setup", page("footprint")),
        ),
        table(
            "Worth",
            "By kind and minutes after, as of the last day that is shown: mean and median return"
            " in basis points, share above zero, the same of random times, and the difference with"
            " its 95 % interval.",
            _WORTH,
            units=dict.fromkeys(
                (
                    "mean_bp",
                    "median_bp",
                    "baseline_mean_bp",
                    "difference_bp",
                    "difference_low_bp",
                    "difference_high_bp",
                ),
                BASIS_POINTS,
            )
            | {"positive_share": SHARE},
        ),
        table(
            "Outcomes",
            "What followed each event after some minutes, in basis points of its direction;"
            " nothing, with its reason, where prices are missing.",
            _OUTCOMES,
            width=12,
            units=dict.fromkeys(("return_bp", "adverse_bp", "favourable_bp"), BASIS_POINTS),
        ),
        lines(
            "Return after 15 minutes",
            "Of each event, in basis points of its direction.",
            _RETURNS,
            unit=BASIS_POINTS,
            style="points",
            height=10,
        ),
        lines(
            "Flow events",
            "How many of each kind began in a bar.",
            _EVENT_COUNTS,
            unit="short",
            style="bars",
            stacked=True,
            height=10,
        ),
        table(
            "Flow events, newest",
            "Newest state of each: bounds in quote units, size in base coin and dollars.",
            _EVENTS,
            width=12,
            units={"usd": USD},
        ),
        table(
            "Alerts",
            "What the rules in force found, with the value and the threshold of the rule.",
            _ALERTS,
        ),
    ],
    variables=[ASSET, VENUES, KINDS, INTERVAL],
    annotations=[marks("Setups", "blue", _TRIGGERED), marks("Flow events", "yellow", _LARGE)],
    since="now-1d",
)
