-- Views over other views' tables: bars and rows of any larger interval, CVD since any time, venues
-- beside one another, what must add up, quality by the minute.
--
-- Larger intervals are merged from bars of one minute, whose length every larger one is a multiple
-- of; they are aligned to the epoch. Views with parameters are called like functions:
-- `merged_bars(interval_seconds = 900)`. Filters by asset and time reach the key through all of them.

-- step: bars of any larger interval, merged from minutes
CREATE OR REPLACE VIEW merged_bars AS
WITH
    arrayMax(arrayMap(x -> x.5, path)) AS highest,
    arrayMin(arrayMap(x -> x.6, path)) AS lowest,
    arrayMap(x -> x.2, path) AS deltas,
    arrayMap((x, until) -> until - x, deltas, arrayCumSum(deltas)) AS before,
    arrayLastIndex(x -> x.5 = highest, path) AS at_high,
    arrayLastIndex(x -> x.6 = lowest, path) AS at_low,
    notEmpty(path) AND path_known AS has_path,
    intDiv({interval_seconds:UInt32}, 60) AS expected
SELECT
    asset,
    scope,
    venue,
    symbol,
    {interval_seconds:UInt32} AS interval_seconds,
    row_size,
    merged_start AS bar_start,
    bar_start + toIntervalSecond({interval_seconds:UInt32}) AS bar_end,
    minutes = expected AND all_final AS is_final,
    CAST(open_ticks * tick AS Nullable(Decimal(38, 12))) AS open,
    CAST(if(empty(path), NULL, highest) * tick AS Nullable(Decimal(38, 12))) AS high,
    CAST(if(empty(path), NULL, lowest) * tick AS Nullable(Decimal(38, 12))) AS low,
    CAST(close_ticks * tick AS Nullable(Decimal(38, 12))) AS close,
    weighted / nullIf(sell_lots + buy_lots + unknown_lots, 0) AS vwap,
    CAST(if(all_gap, NULL, sell_lots) * lot AS Nullable(Decimal(38, 12))) AS sell_qty,
    CAST(if(all_gap, NULL, buy_lots) * lot AS Nullable(Decimal(38, 12))) AS buy_qty,
    CAST(if(all_gap, NULL, unknown_lots) * lot AS Nullable(Decimal(38, 12))) AS unknown_qty,
    CAST(if(all_gap, NULL, excluded_lots) * lot AS Nullable(Decimal(38, 12))) AS excluded_qty,
    CAST(if(all_gap, NULL, buy_lots - sell_lots) * lot AS Nullable(Decimal(38, 12))) AS delta,
    CAST(if(has_path, least(0, arrayMin(arrayMap((x, b) -> b + x.4, path, before))), NULL) * lot AS Nullable(Decimal(38, 12))) AS delta_min,
    CAST(if(has_path, greatest(0, arrayMax(arrayMap((x, b) -> b + x.3, path, before))), NULL) * lot AS Nullable(Decimal(38, 12))) AS delta_max,
    CAST(if(has_path, path[at_high].7 + arraySum(arraySlice(deltas, at_high + 1)), NULL) * lot AS Nullable(Decimal(38, 12))) AS delta_since_high,
    CAST(if(has_path, path[at_low].8 + arraySum(arraySlice(deltas, at_low + 1)), NULL) * lot AS Nullable(Decimal(38, 12))) AS delta_since_low,
    if(all_gap, NULL, traded) AS trades,
    sell_cents * toDecimal128('0.01', 2) AS sell_usd,
    buy_cents * toDecimal128('0.01', 2) AS buy_usd,
    multiIf(minutes = expected AND notEmpty(venues_expected) AND venues_complete = venues_expected, 'complete', empty(venues_complete) AND empty(venues_partial), 'gap', 'partial') AS status,
    arraySort(expected_names) AS venues_expected,
    arrayFilter(x -> countEqual(complete_names, x) = expected, venues_expected) AS venues_complete,
    arrayFilter(x -> NOT has(venues_complete, x) AND (has(complete_names, x) OR has(partial_names, x)), venues_expected) AS venues_partial,
    minutes,
    expected AS minutes_expected,
    newest AS revision
FROM
(
    SELECT
        asset,
        scope,
        venue,
        symbol,
        row_size,
        CAST(toStartOfInterval(bar.bar_start, toIntervalSecond({interval_seconds:UInt32})) AS DateTime64(6, 'UTC')) AS merged_start,
        count() AS minutes,
        min(bar.is_final) AS all_final,
        min(bar.status = 'gap' AND empty(bar.rows_ticks)) AS all_gap,
        max(bar.revision) AS newest,
        any(bar.tick) AS tick,
        any(bar.lot) AS lot,
        argMin(bar.open_ticks, bar.bar_start) AS open_ticks,
        argMax(bar.close_ticks, bar.bar_start) AS close_ticks,
        sum(bar.vwap * (bar.sell_lots + bar.buy_lots + bar.unknown_lots)) AS weighted,
        sum(bar.sell_lots) AS sell_lots,
        sum(bar.buy_lots) AS buy_lots,
        sum(bar.unknown_lots) AS unknown_lots,
        sum(arraySum(mapValues(bar.excluded_lots))) AS excluded_lots,
        sum(bar.trades_buy + bar.trades_sell + bar.trades_unknown) AS traded,
        sum(bar.sell_usd_cents) AS sell_cents,
        sum(bar.buy_usd_cents) AS buy_cents,
        groupUniqArrayArray(bar.venues_expected) AS expected_names,
        groupArrayArray(bar.venues_complete) AS complete_names,
        groupArrayArray(bar.venues_partial) AS partial_names,
        countIf(isNotNull(bar.high_ticks) AND isNull(bar.delta_max_lots + bar.delta_min_lots + bar.delta_since_high_lots + bar.delta_since_low_lots)) = 0 AS path_known,
        arraySort(x -> x.1, groupArrayIf(
            (
                bar.bar_start,
                bar.delta_lots,
                ifNull(bar.delta_max_lots, 0),
                ifNull(bar.delta_min_lots, 0),
                ifNull(bar.high_ticks, 0),
                ifNull(bar.low_ticks, 0),
                ifNull(bar.delta_since_high_lots, 0),
                ifNull(bar.delta_since_low_lots, 0)
            ),
            isNotNull(bar.high_ticks)
        )) AS path
    FROM footprints_log AS bar FINAL
    WHERE bar.interval_seconds = 60
        AND throwIf({interval_seconds:UInt32} = 0 OR {interval_seconds:UInt32} % 60 != 0, 'interval_seconds must be a multiple of 60, above 0') = 0
    GROUP BY asset, scope, venue, symbol, row_size, merged_start
)

-- step: price rows of any larger interval, merged from minutes, dense between the outermost
CREATE OR REPLACE VIEW merged_footprint_rows AS
SELECT
    asset,
    scope,
    venue,
    symbol,
    {interval_seconds:UInt32} AS interval_seconds,
    row_size,
    merged_start AS bar_start,
    CAST(row.1 * any(tick) AS Decimal(38, 12)) AS row_price,
    CAST(sum(row.2) * any(lot) AS Decimal(38, 12)) AS sell_qty,
    CAST(sum(row.3) * any(lot) AS Decimal(38, 12)) AS buy_qty,
    CAST(sum(row.4) * any(lot) AS Decimal(38, 12)) AS unknown_qty,
    CAST((sum(row.3) - sum(row.2)) * any(lot) AS Decimal(38, 12)) AS delta,
    sum(row.5) AS trades_sell,
    sum(row.6) AS trades_buy,
    sum(row.7) * toDecimal128('0.01', 2) AS sell_usd,
    sum(row.8) * toDecimal128('0.01', 2) AS buy_usd
FROM
(
    SELECT
        asset,
        scope,
        venue,
        symbol,
        row_size,
        CAST(toStartOfInterval(bar.bar_start, toIntervalSecond({interval_seconds:UInt32})) AS DateTime64(6, 'UTC')) AS merged_start,
        any(bar.tick) AS tick,
        any(bar.lot) AS lot,
        any(bar.row_ticks) AS step_ticks,
        min(bar.rows_ticks[1]) AS lowest,
        max(bar.rows_ticks[-1]) AS highest,
        groupArrayArray(arrayZip(
            bar.rows_ticks,
            bar.rows_sell_lots,
            bar.rows_buy_lots,
            bar.rows_unknown_lots,
            bar.rows_trades_sell,
            bar.rows_trades_buy,
            bar.rows_sell_usd_cents,
            bar.rows_buy_usd_cents
        )) AS told,
        arrayMap(
            n -> (lowest + toInt64(n) * step_ticks, toInt64(0), toInt64(0), toInt64(0), toInt64(0), toInt64(0), toInt64(0), toInt64(0)),
            range(toUInt64(intDiv(highest - lowest, step_ticks) + 1))
        ) AS untouched
    FROM footprints_log AS bar FINAL
    WHERE bar.interval_seconds = 60
        AND notEmpty(bar.rows_ticks)
        AND throwIf({interval_seconds:UInt32} = 0 OR {interval_seconds:UInt32} % 60 != 0, 'interval_seconds must be a multiple of 60, above 0') = 0
    GROUP BY asset, scope, venue, symbol, row_size, merged_start
)
ARRAY JOIN arrayConcat(told, untouched) AS row
GROUP BY asset, scope, venue, symbol, row_size, merged_start, row.1

-- step: CVD since any whole second; late trades of minutes after it count from the second that carried them
CREATE OR REPLACE VIEW cvd_since AS
SELECT
    asset,
    scope,
    venue,
    symbol,
    step_start,
    CAST(delta_lots * lot AS Decimal(38, 12)) AS delta,
    CAST((sum(delta_lots) OVER series) * lot AS Decimal(38, 12)) AS cvd,
    (sum(delta_cents) OVER series) * toDecimal128('0.01', 2) AS cvd_usd,
    CAST((sum(volume_lots) OVER series) * lot AS Decimal(38, 12)) AS volume,
    (sum(volume_cents) OVER series) * toDecimal128('0.01', 2) AS volume_usd,
    (sum(delta_lots) OVER series) / nullIf(sum(volume_lots) OVER series, 0) AS share,
    if(seconds_complete = seconds, 'complete', 'partial') AS status,
    toUInt64(dateDiff('second', {anchor:DateTime64(6, 'UTC')}, step_start) + 1) AS seconds,
    toUInt64(sum(is_complete) OVER series) AS seconds_complete,
    is_final,
    {anchor:DateTime64(6, 'UTC')} AS anchor_time
FROM
(
    SELECT
        asset,
        scope,
        venue,
        symbol,
        step_start,
        any(said.lot) AS lot,
        max(said.is_final) AS is_final,
        max(said.is_complete) AS is_complete,
        sum(said.delta_lots) AS delta_lots,
        sum(said.delta_cents) AS delta_cents,
        sum(said.volume_lots) AS volume_lots,
        sum(said.volume_cents) AS volume_cents
    FROM
    (
        SELECT
            asset,
            scope,
            venue,
            symbol,
            step_start,
            lot,
            is_final,
            status = 'complete' AS is_complete,
            ifNull(delta_lots_step, 0) AS delta_lots,
            ifNull(delta_usd_cents_step, 0) AS delta_cents,
            ifNull(volume_lots_step, 0) AS volume_lots,
            ifNull(volume_usd_cents_step, 0) AS volume_cents
        FROM cvd_log FINAL
        WHERE composition != 'common'
            AND step_start >= {anchor:DateTime64(6, 'UTC')}
            AND throwIf(toUnixTimestamp64Micro({anchor:DateTime64(6, 'UTC')}) % 1000000 != 0, 'anchor must be a whole second') = 0
        UNION ALL
        SELECT
            late.asset AS asset,
            CAST(who.1 AS Enum8('venue' = 1, 'perp' = 2, 'spot' = 3)) AS scope,
            who.2 AS venue,
            who.3 AS symbol,
            late.step_start AS step_start,
            late.lot AS lot,
            true AS is_final,
            0 AS is_complete,
            late.delta_lots AS delta_lots,
            late.delta_usd_cents AS delta_cents,
            late.volume_lots AS volume_lots,
            late.volume_usd_cents AS volume_cents
        FROM cvd_adjustments_log AS late FINAL
        ARRAY JOIN [('venue', CAST(late.venue AS String), CAST(late.symbol AS String)), (if(endsWith(late.symbol, '-PERP'), 'perp', 'spot'), '', '')] AS who
        WHERE late.bar_start >= {anchor:DateTime64(6, 'UTC')}
    ) AS said
    GROUP BY asset, scope, venue, symbol, step_start
)
WINDOW series AS (PARTITION BY asset, scope, venue, symbol ORDER BY step_start ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)

-- step: instruments beside the aggregate that they belong to, by minute
CREATE OR REPLACE VIEW venue_comparison AS
WITH
    pair.1 AS whole,
    pair.2 AS part
SELECT
    asset,
    minute AS minute_start,
    whole.1 AS scope,
    part.2 AS venue,
    part.3 AS symbol,
    part.5.1 AND whole.5.1 AS is_final,
    part.5.2 AS status,
    CAST(part.5.3 * tick AS Nullable(Decimal(38, 12))) AS close,
    CAST(whole.5.3 * tick AS Nullable(Decimal(38, 12))) AS close_all,
    part.5.4 AS vwap,
    whole.5.4 AS vwap_all,
    (vwap / vwap_all - 1) * 10000 AS vwap_difference_bp,
    CAST(part.5.5 * lot AS Nullable(Decimal(38, 12))) AS volume,
    CAST(whole.5.5 * lot AS Nullable(Decimal(38, 12))) AS volume_all,
    part.5.5 / nullIf(whole.5.5, 0) AS volume_share,
    CAST(part.5.6 * lot AS Nullable(Decimal(38, 12))) AS delta,
    CAST(whole.5.6 * lot AS Nullable(Decimal(38, 12))) AS delta_all,
    part.5.6 / nullIf(part.5.7, 0) AS delta_share,
    whole.5.6 / nullIf(whole.5.7, 0) AS delta_share_all
FROM
(
    SELECT
        asset,
        minute,
        any(tick) AS tick,
        any(lot) AS lot,
        groupArrayIf((scope, venue, symbol, members, said), scope = 'venue') AS parts,
        groupArrayIf((scope, venue, symbol, members, said), scope != 'venue') AS wholes
    FROM
    (
        SELECT
            asset,
            scope,
            venue,
            symbol,
            bar.bar_start AS minute,
            any(bar.tick) AS tick,
            any(bar.lot) AS lot,
            argMin(bar.venues_expected, bar.row_size) AS members,
            argMin((
                bar.is_final,
                bar.status,
                bar.close_ticks,
                bar.vwap,
                if(bar.status = 'gap' AND isNull(bar.close_ticks), NULL, bar.buy_lots + bar.sell_lots + bar.unknown_lots),
                if(bar.status = 'gap' AND isNull(bar.close_ticks), NULL, bar.delta_lots),
                bar.buy_lots + bar.sell_lots
            ), bar.row_size) AS said
        FROM footprints_log AS bar FINAL
        WHERE bar.interval_seconds = 60
        GROUP BY asset, scope, venue, symbol, minute
    )
    GROUP BY asset, minute
)
ARRAY JOIN arrayFlatten(arrayMap(w -> arrayMap(p -> (w, p), arrayFilter(x -> has(w.4, concat(x.2, ':', x.3)), parts)), wholes)) AS pair

-- step: final bars of one larger interval beside the sum of their minutes, where all are there
CREATE OR REPLACE VIEW conservation_over_time AS
SELECT
    asset,
    scope,
    venue,
    symbol,
    {interval_seconds:UInt32} AS interval_seconds,
    row_size,
    merged_start AS bar_start,
    told = summed AND open = first_open AND close = last_close AS holds
FROM
(
    SELECT
        asset,
        scope,
        venue,
        symbol,
        row_size,
        CAST(toStartOfInterval(bar.bar_start, toIntervalSecond({interval_seconds:UInt32})) AS DateTime64(6, 'UTC')) AS merged_start,
        countIf(bar.interval_seconds = 60) AS minutes,
        countIf(bar.interval_seconds != 60) AS wide,
        min(bar.is_final) AS all_final,
        [
            sumIf(bar.sell_lots, bar.interval_seconds = 60),
            sumIf(bar.buy_lots, bar.interval_seconds = 60),
            sumIf(bar.unknown_lots, bar.interval_seconds = 60),
            sumIf(bar.trades_sell, bar.interval_seconds = 60),
            sumIf(bar.trades_buy, bar.interval_seconds = 60),
            sumIf(bar.trades_unknown, bar.interval_seconds = 60),
            sumIf(arraySum(mapValues(bar.excluded_lots)), bar.interval_seconds = 60),
            ifNull(maxIf(bar.high_ticks, bar.interval_seconds = 60), -1),
            ifNull(minIf(bar.low_ticks, bar.interval_seconds = 60), -1)
        ] AS summed,
        [
            sumIf(bar.sell_lots, bar.interval_seconds != 60),
            sumIf(bar.buy_lots, bar.interval_seconds != 60),
            sumIf(bar.unknown_lots, bar.interval_seconds != 60),
            sumIf(bar.trades_sell, bar.interval_seconds != 60),
            sumIf(bar.trades_buy, bar.interval_seconds != 60),
            sumIf(bar.trades_unknown, bar.interval_seconds != 60),
            sumIf(arraySum(mapValues(bar.excluded_lots)), bar.interval_seconds != 60),
            ifNull(maxIf(bar.high_ticks, bar.interval_seconds != 60), -1),
            ifNull(minIf(bar.low_ticks, bar.interval_seconds != 60), -1)
        ] AS told,
        ifNull(argMinIf(bar.open_ticks, bar.bar_start, bar.interval_seconds = 60), -1) AS first_open,
        ifNull(argMaxIf(bar.close_ticks, bar.bar_start, bar.interval_seconds = 60), -1) AS last_close,
        ifNull(maxIf(bar.open_ticks, bar.interval_seconds != 60), -1) AS open,
        ifNull(maxIf(bar.close_ticks, bar.interval_seconds != 60), -1) AS close
    FROM footprints_log AS bar FINAL
    WHERE bar.interval_seconds IN (60, {interval_seconds:UInt32})
        AND throwIf({interval_seconds:UInt32} <= 60 OR {interval_seconds:UInt32} % 60 != 0, 'interval_seconds must be a multiple of 60, above 60') = 0
    GROUP BY asset, scope, venue, symbol, row_size, merged_start
    HAVING wide = 1 AND all_final AND minutes = intDiv({interval_seconds:UInt32}, 60)
)

-- step: final aggregates beside the sum of their instruments, where all are there
CREATE OR REPLACE VIEW conservation_over_venues AS
SELECT
    asset,
    whole.1 AS scope,
    '' AS venue,
    '' AS symbol,
    interval_seconds,
    row_size,
    bar_start,
    arrayFilter(x -> has(whole.2, x.2), parts) AS members,
    whole.3 = arrayMap(i -> arraySum(arrayMap(x -> x.3[i], members)), range(1, 8)) AND whole.4 = arrayMax(arrayMap(x -> x.4, members)) AND whole.5 = arrayMin(arrayMap(x -> x.5, members)) AS holds
FROM
(
    SELECT
        asset,
        interval_seconds,
        row_size,
        bar_start,
        groupArrayIf((scope, [concat(venue, ':', symbol)], sums, high, low), scope = 'venue') AS found,
        arrayMap(x -> (x.1, x.2[1], x.3, x.4, x.5), found) AS parts,
        groupArrayIf((scope, venues_expected, sums, high, low), scope != 'venue') AS wholes
    FROM
    (
        SELECT
            asset,
            scope,
            venue,
            symbol,
            interval_seconds,
            row_size,
            bar_start,
            venues_expected,
            [sell_lots, buy_lots, unknown_lots, trades_sell, trades_buy, trades_unknown, arraySum(mapValues(excluded_lots))] AS sums,
            ifNull(high_ticks, -9223372036854775807) AS high,
            ifNull(low_ticks, 9223372036854775807) AS low
        FROM footprints_log FINAL
        WHERE is_final
    )
    GROUP BY asset, interval_seconds, row_size, bar_start
)
ARRAY JOIN wholes AS whole
WHERE length(members) = length(whole.2) AND notEmpty(members)

-- step: final minutes beside their sixty final steps of CVD and what late trades added to them
CREATE OR REPLACE VIEW conservation_of_cvd AS
SELECT
    asset,
    bar.1 AS scope,
    bar.2 AS venue,
    bar.3 AS symbol,
    60 AS interval_seconds,
    bar.4 AS row_size,
    minute AS bar_start,
    arrayFirst(x -> (x.1, x.2, x.3) = (bar.1, bar.2, bar.3), steps) AS stepped,
    bar.5 = stepped.4 + arraySum(arrayMap(x -> x.2, arrayFilter(x -> has(bar.6, x.1), late))) AS holds
FROM
(
    SELECT
        asset,
        minute,
        groupArrayIf((scope, venue, symbol, row_size, delta_lots, members), what = 'bar') AS bars,
        groupArrayIf((scope, venue, symbol, delta_lots, seconds), what = 'step') AS steps,
        groupArrayIf((concat(venue, ':', symbol), delta_lots), what = 'late') AS late
    FROM
    (
        SELECT 'bar' AS what, asset, scope, venue, symbol, row_size, bar_start AS minute, delta_lots, venues_expected AS members, toUInt64(0) AS seconds
        FROM footprints_log FINAL
        WHERE interval_seconds = 60 AND is_final
        UNION ALL
        SELECT 'step' AS what, asset, scope, venue, symbol, toDecimal128(0, 18) AS row_size, CAST(toStartOfInterval(step_start, toIntervalSecond(60)) AS DateTime64(6, 'UTC')) AS minute, sum(ifNull(delta_lots_step, 0)) AS delta_lots, CAST([] AS Array(String)) AS members, count() AS seconds
        FROM cvd_log FINAL
        WHERE composition != 'common' AND is_final
        GROUP BY asset, scope, venue, symbol, minute
        UNION ALL
        SELECT 'late' AS what, asset, CAST('venue' AS Enum8('venue' = 1, 'perp' = 2, 'spot' = 3)) AS scope, venue, symbol, toDecimal128(0, 18) AS row_size, bar_start AS minute, sum(cvd_adjustments_log.delta_lots) AS delta_lots, CAST([] AS Array(String)) AS members, toUInt64(0) AS seconds
        FROM cvd_adjustments_log FINAL
        GROUP BY asset, venue, symbol, minute
    )
    GROUP BY asset, minute
)
ARRAY JOIN bars AS bar
WHERE stepped.5 = 60

-- step: final bars of coarser rows beside the finest rows, folded
CREATE OR REPLACE VIEW conservation_of_rows AS
SELECT
    asset,
    scope,
    venue,
    symbol,
    interval_seconds,
    coarse.1 AS row_size,
    bar_start,
    arrayConcat(arrayMap(x -> x - positiveModulo(x, coarse.2), sizes[1].3), coarse.3) AS edges,
    (
        arrayReduce('sumMap', [edges], [arrayConcat(sizes[1].4, arrayMap(x -> -x, coarse.4))]),
        arrayReduce('sumMap', [edges], [arrayConcat(sizes[1].5, arrayMap(x -> -x, coarse.5))]),
        arrayReduce('sumMap', [edges], [arrayConcat(sizes[1].6, arrayMap(x -> -x, coarse.6))])
    ) AS differences,
    NOT arrayExists(x -> x != 0, arrayConcat(differences.1.2, differences.2.2, differences.3.2)) AS holds
FROM
(
    SELECT
        asset,
        scope,
        venue,
        symbol,
        interval_seconds,
        bar_start,
        arraySort(x -> x.1, groupArray((row_size, row_ticks, rows_ticks, rows_sell_lots, rows_buy_lots, rows_unknown_lots))) AS sizes
    FROM footprints_log FINAL
    WHERE is_final AND NOT mapContains(null_reasons, 'rows')
    GROUP BY asset, scope, venue, symbol, interval_seconds, bar_start
)
ARRAY JOIN arraySlice(sizes, 2) AS coarse
WHERE coarse.2 % sizes[1].2 = 0

-- step: final bars and what must add up in them: which of it was checked, and which of that is broken
CREATE OR REPLACE VIEW conservation AS
SELECT
    asset,
    scope,
    venue,
    symbol,
    interval_seconds,
    row_size,
    bar_start,
    if(empty(broken), 'exact', 'broken') AS class,
    arraySort(groupUniqArrayIf(identity, NOT holds)) AS broken,
    arraySort(groupUniqArray(identity)) AS checked
FROM
(
    SELECT asset, scope, venue, symbol, interval_seconds, row_size, bar_start, 'delta' AS identity, delta_lots = buy_lots - sell_lots AS holds
    FROM footprints_log FINAL
    WHERE is_final
    UNION ALL
    SELECT
        asset,
        scope,
        venue,
        symbol,
        interval_seconds,
        row_size,
        bar_start,
        'rows',
        (arraySum(rows_sell_lots), arraySum(rows_buy_lots), arraySum(rows_unknown_lots), arraySum(rows_trades_sell), arraySum(rows_trades_buy))
            = (sell_lots, buy_lots, unknown_lots, trades_sell, trades_buy)
    FROM footprints_log FINAL
    WHERE is_final AND NOT mapContains(null_reasons, 'rows')
    UNION ALL
    SELECT asset, scope, venue, symbol, interval_seconds, row_size, bar_start, 'coarser_rows', holds FROM conservation_of_rows
    UNION ALL
    SELECT asset, scope, venue, symbol, interval_seconds, row_size, bar_start, 'venues', holds FROM conservation_over_venues
    UNION ALL
    SELECT asset, scope, venue, symbol, interval_seconds, row_size, bar_start, 'cvd', holds FROM conservation_of_cvd
    UNION ALL
    SELECT asset, scope, venue, symbol, interval_seconds, row_size, bar_start, 'minutes', holds FROM conservation_over_time(interval_seconds = 300)
    UNION ALL
    SELECT asset, scope, venue, symbol, interval_seconds, row_size, bar_start, 'minutes', holds FROM conservation_over_time(interval_seconds = 900)
    UNION ALL
    SELECT asset, scope, venue, symbol, interval_seconds, row_size, bar_start, 'minutes', holds FROM conservation_over_time(interval_seconds = 3600)
    UNION ALL
    SELECT asset, scope, venue, symbol, interval_seconds, row_size, bar_start, 'minutes', holds FROM conservation_over_time(interval_seconds = 14400)
    UNION ALL
    SELECT asset, scope, venue, symbol, interval_seconds, row_size, bar_start, 'minutes', holds FROM conservation_over_time(interval_seconds = 86400)
)
GROUP BY asset, scope, venue, symbol, interval_seconds, row_size, bar_start

-- step: each stream by the minute: state, coverage, gaps, lateness, lag
CREATE OR REPLACE VIEW data_quality AS
SELECT
    asset,
    venue,
    symbol,
    stream,
    CAST(toStartOfInterval(said.from_time, toIntervalSecond(60)) AS DateTime64(6, 'UTC')) AS minute_start,
    argMax(said.feed_state, (said.to_time, said.session)) AS feed_state,
    arraySort(groupUniqArray(said.feed_state)) AS feed_states,
    least(intDiv(intervalLengthSumIf(toUnixTimestamp64Micro(said.from_time), toUnixTimestamp64Micro(said.to_time), said.feed_state IN ('live', 'quiet')), 1000), 60000) AS coverage_ms,
    coverage_ms / 60000 AS coverage,
    sum(said.messages) AS messages,
    sum(said.items) AS items,
    sum(said.gaps) AS gaps,
    sum(said.resyncs) AS resyncs,
    sum(said.reconnects) AS reconnects,
    sum(said.refusals) AS refusals,
    sum(said.rejected) AS rejected,
    sum(said.duplicates) AS duplicates,
    sum(said.out_of_order) AS out_of_order,
    sum(said.late_2_seconds + said.late_30_seconds + said.late_24_hours + said.late_more) AS late,
    sum(said.late_more) AS late_more,
    quantileExactLow(0.5)(said.lag_p50_us) AS lag_p50_us,
    max(said.lag_p99_us) AS lag_p99_us,
    max(said.watermark_lag_us) AS watermark_lag_us,
    sum(said.invalid_us) AS invalid_us,
    uniqExact(said.session) AS sessions,
    count() AS summaries
FROM feed_summaries_log AS said FINAL
GROUP BY asset, venue, symbol, stream, minute_start
