"""What minutes that were replaced have beside the steps of their CVD, as an adjustment of each.

A step is never changed: who sums CVD adds the adjustments of the minutes, as after late trades
(definitions 5.0, finality). An adjustment of a replaced bar is carried by the first step of its own
minute, where no late trade can be, and is what bar and steps differ in: the same again is the same.
"""

from sinks.clickhouse.backfill.admission import REASON
from sinks.clickhouse.client import Store
from sinks.clickhouse.rebuild.staging import ADMITTED

_OF_SPAN = """
asset = {{asset:String}} AND {time} >= fromUnixTimestamp64Micro({{from_us:Int64}}, 'UTC')
AND {time} < fromUnixTimestamp64Micro({{until_us:Int64}}, 'UTC')
"""
_OF_BARS = f"""
scope = 'venue' AND interval_seconds = {{base:UInt32}} AND {_OF_SPAN.format(time="bar_start")}
"""
_MINUTE = """
CAST(toStartOfInterval({time}, toIntervalSecond({{base:UInt32}})) AS DateTime64(6, 'UTC'))
"""
_TRADES = "trades_buy + trades_sell + trades_unknown"
_SUMS = ("delta_lots", "delta_usd_cents", "volume_lots", "volume_usd_cents")
_OF_BAR = f"""
       asset, venue, symbol, bar_start, row_size, revision, lot, log_time,
       buy_lots - sell_lots AS delta_lots, buy_usd_cents - sell_usd_cents AS delta_usd_cents,
       buy_lots + sell_lots AS volume_lots, buy_usd_cents + sell_usd_cents AS volume_usd_cents,
       {_TRADES} AS trades
"""
_ONE_SIZE = "ORDER BY row_size LIMIT 1 BY asset, venue, symbol, bar_start"
_OLD = f"""
SELECT asset, venue, symbol, row_size, bar_start, {_TRADES} AS old_trades
FROM footprints_log FINAL WHERE {_OF_BARS}
"""  # noqa: S608  # our own
_REBUILT = f"""
SELECT *, trades - old_trades AS added
FROM (SELECT {_OF_BAR} FROM {ADMITTED} WHERE reason != '' AND {_OF_BARS} {_ONE_SIZE}) AS n
LEFT JOIN ({_OLD}) AS o USING (asset, venue, symbol, row_size, bar_start)
"""  # noqa: S608
_IS_FILED = f"is_final AND reason = '{REASON}' AND {_OF_BARS}"
_OF_FILES = f"""
SELECT asset, venue, symbol, {_MINUTE.format(time="event_time")} AS bar_start, count() AS added
FROM trades_log FINAL WHERE source = 'dump' AND {_OF_SPAN.format(time="event_time")}
GROUP BY asset, venue, symbol, bar_start
"""  # noqa: S608
_FILED = f"""
SELECT *
FROM (SELECT {_OF_BAR} FROM footprints_log FINAL WHERE {_IS_FILED} {_ONE_SIZE}) AS n
LEFT JOIN ({_OF_FILES}) AS o USING (asset, venue, symbol, bar_start)
"""  # noqa: S608
_FILED_SPAN = f"""
SELECT count(), toUnixTimestamp64Micro(min(bar_start)), toUnixTimestamp64Micro(max(bar_end))
FROM footprints_log FINAL WHERE {_IS_FILED}
"""  # noqa: S608
_STEPPED = ", ".join(f"sum(ifNull({one}_step, 0)) AS stepped_{one}" for one in _SUMS)
_STEPS = f"""
SELECT asset, venue, symbol, {_STEPPED}, {_MINUTE.format(time="step_start")} AS bar_start
FROM cvd_log FINAL
WHERE scope = 'venue' AND is_final AND {_OF_SPAN.format(time="step_start")}
GROUP BY asset, venue, symbol, bar_start
"""  # noqa: S608
_LATE = f"""
SELECT asset, venue, symbol, bar_start, countIf(step_start = bar_start) AS adjusted,
       {", ".join(f"sumIf(t.{one}, step_start != bar_start) AS late_{one}" for one in _SUMS)}
FROM cvd_adjustments_log AS t FINAL WHERE {_OF_SPAN.format(time="bar_start")}
GROUP BY asset, venue, symbol, bar_start
"""  # noqa: S608
_ADJUST = f"""
INSERT INTO cvd_adjustments_log (asset, venue, symbol, bar_start, step_start, revision, lot,
                                 {", ".join(_SUMS)}, trades, log_time, log_partition, log_offset)
SELECT asset, venue, symbol, bar_start, bar_start, revision, lot,
       {", ".join(f"{one} - stepped_{one} - late_{one} AS more_{one}" for one in _SUMS)},
       added, log_time, 0, 0
FROM ({{bars}}) AS b
LEFT JOIN ({_STEPS}) AS s USING (asset, venue, symbol, bar_start)
LEFT JOIN ({_LATE}) AS l USING (asset, venue, symbol, bar_start)
WHERE adjusted > 0 OR {" OR ".join(f"more_{one} != 0" for one in _SUMS)}
"""  # noqa: S608


def adjust_rebuilt(store: Store, asked: dict[str, object]) -> None:
    """Write the adjustments of the bars that are about to take the place of others.

    Args:
        store: with a filled staging, and the bars of before in the tables.
        asked: `asset`, `from_us`, `until_us` and `base`, the seconds of a base bar.

    Raises:
        StoreError: the store is away or refuses; the same may be done again.
    """
    store.command(_ADJUST.replace("{bars}", _REBUILT), asked)


def adjust_filed(store: Store, asked: dict[str, object]) -> None:
    """Write the adjustments of the bars of files that have taken the place of live ones.

    Args:
        store: with these bars and their trades in the tables.
        asked: as above.

    Raises:
        StoreError: the store is away or refuses; the same may be done again.
    """
    [(bars, from_us, until_us)] = store.query(_FILED_SPAN, asked).rows
    if bars:
        # Steps are many: only those between the first such bar and the last are read.
        span = {**asked, "from_us": from_us, "until_us": until_us}
        store.command(_ADJUST.replace("{bars}", _FILED), span)
