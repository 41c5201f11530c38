"""Panels of data quality: final bars beside what venues publish of the same time."""

from deploy.grafana.panels import BASIS_POINTS, SHARE, lines, table

_CLASSES = """
SELECT venue, symbol, interval_seconds, against, count() AS bars,
       countIf(class = 'exact') AS exact, countIf(class = 'explained') AS explained,
       countIf(class = 'tolerance') AS tolerance, countIf(class = 'broken') AS broken,
       exact / bars AS exact_share, min(bar_start) AS first_bar, max(bar_start) AS last_bar
FROM reconciliations
WHERE asset = '$asset' AND venue IN (${venue:singlequote}) AND $__timeFilter_ms(bar_start)
GROUP BY venue, symbol, interval_seconds, against
ORDER BY broken DESC, venue, symbol, interval_seconds, against
"""

_CAUSES = """
SELECT toStartOfInterval(bar_start, toIntervalHour(1)) AS time,
       if(class = 'exact', 'exact', concat(toString(class), ': ', cause)) AS series,
       count() AS number
FROM reconciliations
WHERE asset = '$asset' AND venue IN (${venue:singlequote}) AND $__timeFilter_ms(bar_start)
GROUP BY time, series ORDER BY time, series
"""

_WORST = """
SELECT bar_start, venue, symbol, interval_seconds, against, class, cause,
       (toFloat64(total_qty_ours) / nullIf(toFloat64(total_qty_theirs), 0) - 1) * 10000
           AS difference_bp,
       total_qty_theirs, total_qty_ours, excluded_qty, taker_buy_qty_theirs, taker_buy_qty_ours,
       high_price_theirs, high_price_ours, low_price_theirs, low_price_ours,
       if(trades_compared, trades_theirs, NULL) AS trades_theirs,
       if(trades_compared, trades_ours, NULL) AS trades_ours, file
FROM reconciliations
WHERE asset = '$asset' AND venue IN (${venue:singlequote}) AND class != 'exact'
  AND $__timeFilter_ms(bar_start)
ORDER BY class DESC, abs(difference_bp) DESC NULLS FIRST, bar_start DESC LIMIT 100
"""

PANELS = [
    table(
        "Reconciliation: classes",
        "Bars that `perptape reconcile` compared with the venue's own klines or trade files, by"
        " how they agree; nothing where none was compared.",
        _CLASSES,
        width=12,
        units={"exact_share": SHARE},
    ),
    lines(
        "Reconciliation: causes",
        "Compared bars an hour, by class and by what explains or makes the difference: the order"
        " classes that are left out, unknown sides, bars not covered whole.",
        _CAUSES,
        unit="short",
        height=10,
        style="bars",
        stacked=True,
    ),
    table(
        "Reconciliation: worst bars",
        "Bars that are not equal, broken ones first, then by the difference in total quantity, in"
        " basis points of theirs; `excluded_qty` is what order classes without an aggressor have."
        " Quantities in base coin, prices in quote units.",
        _WORST,
        units={"difference_bp": BASIS_POINTS},
    ),
]
