"""Data quality: what was there, what was missing, and whether the numbers add up."""

from deploy.grafana.board import dashboard, marks
from deploy.grafana.pages.reconciliation import PANELS as RECONCILIATION
from deploy.grafana.panels import COIN, SHARE, lines, metric_lines, states, table, words
from deploy.grafana.sql import ASSET, INTERVAL, KINDS, LISTED, VENUES, place

_TEXT = """
**live**: data comes; **quiet**: none comes, and none is expected; **stale**: none comes and some
should; **down**: no connection; **halted**, **not listed**: the venue says so. **Gap**: a hole in
the trade ids, *repaired* by REST or *permanent*. **Coverage**: share of a bar's time in which a
venue was there. **Conservation**: trades against bars made of them, and venues against their sum;
both are zero where nothing is missing or late. **Reconciliation**: bars against the venue's own
files: *exact*, *explained* by order classes that are left out, within *tolerance* (0.01 % of a bar
not covered whole), or *broken*. **Lag**: from the venue's time to receipt, clocks
as they are.
"""

_FEED_STATES = {
    "live": "green",
    "quiet": "blue",
    "stale": "orange",
    "down": "red",
    "halted": "purple",
    "not_listed": "gray",
}
_STATUS = {"complete": "green", "partial": "orange", "gap": "red"}

_FEEDS = f"""
SELECT from_time AS time, concat(venue, ' ', symbol, ' ', stream) AS series,
       {place("feed_state", _FEED_STATES)} AS state_number
FROM feed_summaries
WHERE asset = '$asset' AND {LISTED} AND $__timeFilter_ms(from_time)
ORDER BY time, series
"""

_BARS = f"""
SELECT bar_start AS time, concat(toString(scope), ' ', venue, ' ', symbol) AS series,
       any({place("status", _STATUS)}) AS state_number
FROM footprint_bars
WHERE asset = '$asset' AND interval_seconds = $interval AND $__timeFilter_ms(bar_start)
  AND (scope != 'venue' AND toString(scope) IN (${{kind:singlequote}}) OR {LISTED})
GROUP BY time, series ORDER BY time, series
"""

_LAG = f"""
SELECT from_time AS time,
       concat(venue, ' ', symbol, ' ', stream, ' ', tupleElement(one, 1)) AS series,
       max(tupleElement(one, 2)) / 1000 AS lag
FROM feed_summaries
ARRAY JOIN [('p50', lag_p50_us), ('p99', lag_p99_us)] AS one
WHERE asset = '$asset' AND {LISTED} AND $__timeFilter_ms(from_time)
  AND tupleElement(one, 2) IS NOT NULL
GROUP BY time, series ORDER BY time, series
"""

_OFFSET = f"""
SELECT from_time AS time, concat(venue, ' ', symbol, ' ', stream) AS series,
       min(clock_offset_us) / 1000 AS offset
FROM feed_summaries
WHERE asset = '$asset' AND {LISTED} AND $__timeFilter_ms(from_time)
  AND clock_offset_us IS NOT NULL
GROUP BY time, series ORDER BY time, series
"""

_KINDS = """
SELECT toStartOfInterval(from_time, toIntervalSecond($interval)) AS time, toString(kind) AS series,
       count() AS number
FROM quality
WHERE asset = '$asset' AND venue IN (${venue:singlequote}) AND kind != 'summary'
  AND $__timeFilter_ms(from_time)
GROUP BY time, series ORDER BY time, series
"""

_GAPS = """
SELECT from_time, to_time, kind, venue, symbol, stream, count, recovered, first_id, last_id, detail
FROM quality
WHERE asset = '$asset' AND venue IN (${venue:singlequote})
  AND kind NOT IN ('summary', 'connected', 'rotated') AND $__timeFilter_ms(from_time)
ORDER BY from_time DESC LIMIT 200
"""

_COVERAGE = """
SELECT bar_start AS time, tupleElement(one, 1) AS series,
       min(tupleElement(one, 2)) / (1000 * $interval) AS share
FROM footprints
ARRAY JOIN CAST(coverage_ms AS Array(Tuple(String, Int64))) AS one
WHERE asset = '$asset' AND scope IN (${kind:singlequote}) AND interval_seconds = $interval
  AND splitByChar(':', tupleElement(one, 1))[1] IN (${venue:singlequote})
  AND $__timeFilter_ms(bar_start)
GROUP BY time, series ORDER BY time, series
"""

_AGAINST_TRADES = f"""
SELECT bar_start AS time, concat(venue, ' ', symbol) AS series, tape - bars AS missing
FROM (
    SELECT bar_start, toString(venue) AS venue, toString(symbol) AS symbol,
           any(sell_qty + buy_qty + unknown_qty + excluded_qty) AS bars
    FROM footprint_bars
    WHERE asset = '$asset' AND scope = 'venue' AND interval_seconds = $interval AND is_final
      AND $__timeFilter_ms(bar_start) AND {LISTED}
    GROUP BY bar_start, venue, symbol
) AS made
INNER JOIN (
    SELECT toDateTime64(toStartOfInterval(event_time, toIntervalSecond($interval)), 6, 'UTC')
           AS bar_start,
           toString(venue) AS venue, toString(symbol) AS symbol, sum(qty) AS tape
    FROM trades
    WHERE asset = '$asset' AND $__timeFilter_ms(event_time) AND {LISTED}
      AND event_time >= $__toTime_ms - INTERVAL 6 HOUR
    GROUP BY bar_start, venue, symbol
) AS told USING (bar_start, venue, symbol)
WHERE bar_start >= greatest($__fromTime_ms, $__toTime_ms - INTERVAL 6 HOUR)
  AND bar_start <= $__toTime_ms - toIntervalSecond($interval)
ORDER BY time, series
"""

_AGAINST_VENUES = """
SELECT time, scope AS series, together - apart AS missing
FROM (
    SELECT bar_start AS time, toString(scope) AS scope, any(sell_qty + buy_qty + unknown_qty)
           AS together
    FROM footprint_bars
    WHERE asset = '$asset' AND scope IN ('perp', 'spot') AND interval_seconds = $interval
    AND is_final
      AND status = 'complete' AND $__timeFilter_ms(bar_start)
    GROUP BY time, scope
) AS over
INNER JOIN (
    SELECT bar_start AS time, if(kind = 'spot', 'spot', 'perp') AS scope, sum(traded) AS apart
    FROM (
        SELECT bar_start, toString(venue) AS venue, toString(symbol) AS symbol,
               any(sell_qty + buy_qty + unknown_qty) AS traded
        FROM footprint_bars
        WHERE asset = '$asset' AND scope = 'venue' AND interval_seconds = $interval AND is_final
          AND $__timeFilter_ms(bar_start)
        GROUP BY bar_start, venue, symbol
    ) AS bars
    INNER JOIN (
        SELECT toString(venue) AS venue, toString(symbol) AS symbol, kind
        FROM instruments WHERE asset = '$asset'
    ) AS listed USING (venue, symbol)
    GROUP BY time, scope
) AS each USING (time, scope)
ORDER BY time, series
"""

_LATE = f"""
SELECT toStartOfInterval(from_time, toIntervalSecond($interval)) AS time,
       tupleElement(one, 1) AS series, sum(tupleElement(one, 2)) AS number
FROM feed_summaries
ARRAY JOIN [('duplicates', duplicates), ('out of order', out_of_order), ('2 s late',
    late_2_seconds),
    ('30 s late', late_30_seconds), ('rejected', rejected), ('gaps', gaps), ('resyncs',
    resyncs)] AS one
WHERE asset = '$asset' AND {LISTED} AND $__timeFilter_ms(from_time)
GROUP BY time, series ORDER BY time, series
"""

_BOOKS = f"""
SELECT from_time AS time, concat(venue, ' ', symbol, ' ', stream) AS series,
       sum(invalid_us) / 1000000 AS invalid
FROM feed_summaries
WHERE asset = '$asset' AND {LISTED} AND $__timeFilter_ms(from_time)
GROUP BY time, series ORDER BY time, series
"""

_HOLES = """
SELECT from_time AS time, to_time AS timeEnd, concat(venue, ' ', symbol, ': ', kind, ' ',
       detail) AS text,
       [toString(kind), toString(venue)] AS tags
FROM quality
WHERE asset = '$asset' AND venue IN (${venue:singlequote}) AND kind IN ('gap', 'gap_permanent',
    'resync', 'refused')
  AND $__timeFilter_ms(from_time)
ORDER BY time LIMIT 200
"""

DASHBOARD = dashboard(
    "quality",
    "Data quality",
    "Feed states, gaps, lag, coverage and conservation of one asset.",
    [
        words("Units", _TEXT),
        states(
            "Streams",
            "State of each stream, as its summary every 10 s says.",
            _FEEDS,
            _FEED_STATES,
            height=10,
        ),
        states(
            "Bars",
            "Whether bars are complete, by instrument and over venues.",
            _BARS,
            _STATUS,
            height=10,
        ),
        lines(
            "Lag",
            "From the venue's time to receipt, half and 99 % of items of ten seconds, in"
            " milliseconds.",
            _LAG,
            unit="ms",
        ),
        lines(
            "Clock offset",
            "Least lag of a stream in ten seconds, in milliseconds: below zero our clock"
            " is behind the venue's.",
            _OFFSET,
            unit="ms",
        ),
        lines(
            "Findings",
            "Gaps, repairs, resyncs, refusals and changes of state, by bar length.",
            _KINDS,
            unit="short",
            style="bars",
            stacked=True,
        ),
        lines(
            "Items by fault",
            "Duplicates, late and rejected items, gaps and resyncs, by bar length.",
            _LATE,
            unit="short",
            style="bars",
        ),
        lines(
            "Coverage",
            "Share of each bar's time in which a venue's trades were there.",
            _COVERAGE,
            unit=SHARE,
        ),
        lines(
            "Books that cannot be used",
            "Seconds out of ten in which a stream had no valid book.",
            _BOOKS,
            unit="s",
        ),
        lines(
            "Conservation: trades against bars",
            "Trades stored less trades in the final bars of an instrument, in base coin. Above"
            " zero: came after the bar was final and past correction. Six hours at most; bars"
            " cut by the time shown are left out.",
            _AGAINST_TRADES,
            unit=COIN,
        ),
        lines(
            "Conservation: all against venues",
            "Complete bars over venues less the sum of their venues' bars, in base coin: always"
            " zero.",
            _AGAINST_VENUES,
            unit=COIN,
        ),
        metric_lines(
            "Time to receipt now",
            "99 % of trades of all assets, from the venue's time, by feed; and half of them.",
            ("feed:perptape_collector_venue_to_receive_seconds:p99_5m", "p99 {{feed}}"),
            ("feed:perptape_collector_venue_to_receive_seconds:p50_5m", "p50 {{feed}}"),
            unit="s",
        ),
        metric_lines(
            "Findings of all assets",
            "By kind, a minute, of every feed.",
            ("sum by (kind) (60 * rate(perptape_collector_findings_total[5m]))", "{{kind}}"),
            unit="short",
        ),
        table(
            "Gaps and faults",
            "Newest first, with the bounds of gaps and how much was fetched back.",
            _GAPS,
        ),
        *RECONCILIATION,
    ],
    variables=[ASSET, VENUES, KINDS, INTERVAL],
    annotations=[marks("Gaps, resyncs, refusals", "red", _HOLES)],
)
