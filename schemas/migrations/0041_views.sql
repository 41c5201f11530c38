-- Views made anew: what nobody knows is null in dollars and numbers of trades too; setups' worth of
-- every day; states and coverage of a minute are those of the minute itself.

-- step: bars with their rows as arrays, numbers both as integers and as decimals
CREATE OR REPLACE VIEW footprints AS
WITH status = 'gap' AND empty(rows_ticks) AS is_gap
SELECT
    asset,
    scope,
    venue,
    symbol,
    interval_seconds,
    row_size,
    bar_start,
    revision,
    is_final,
    bar_end,
    status,
    venues_expected,
    venues_complete,
    venues_partial,
    version,
    reason,
    CAST(open_ticks * tick AS Nullable(Decimal(38, 12))) AS open,
    CAST(high_ticks * tick AS Nullable(Decimal(38, 12))) AS high,
    CAST(low_ticks * tick AS Nullable(Decimal(38, 12))) AS low,
    CAST(close_ticks * tick AS Nullable(Decimal(38, 12))) AS close,
    vwap,
    CAST(if(is_gap, NULL, sell_lots * lot) AS Nullable(Decimal(38, 12))) AS sell_qty,
    CAST(if(is_gap, NULL, buy_lots * lot) AS Nullable(Decimal(38, 12))) AS buy_qty,
    CAST(if(is_gap, NULL, unknown_lots * lot) AS Nullable(Decimal(38, 12))) AS unknown_qty,
    CAST(if(is_gap, NULL, arraySum(mapValues(excluded_lots)) * lot) AS Nullable(Decimal(38, 12))) AS excluded_qty,
    CAST(if(is_gap, NULL, delta_lots * lot) AS Nullable(Decimal(38, 12))) AS delta,
    CAST(delta_min_lots * lot AS Nullable(Decimal(38, 12))) AS delta_min,
    CAST(delta_max_lots * lot AS Nullable(Decimal(38, 12))) AS delta_max,
    CAST(poc_ticks * tick AS Nullable(Decimal(38, 12))) AS poc,
    CAST(if(has(value_area_method, 'single'), value_area_vah_ticks[indexOf(value_area_method, 'single')] * tick, NULL) AS Nullable(Decimal(38, 12))) AS vah,
    CAST(if(has(value_area_method, 'single'), value_area_val_ticks[indexOf(value_area_method, 'single')] * tick, NULL) AS Nullable(Decimal(38, 12))) AS val,
    CAST(ref_close_ticks * tick AS Nullable(Decimal(38, 12))) AS ref_close,
    CAST(delta_since_high_lots * lot AS Nullable(Decimal(38, 12))) AS delta_since_high,
    CAST(delta_since_low_lots * lot AS Nullable(Decimal(38, 12))) AS delta_since_low,
    if(is_gap, NULL, sell_usd_cents * toDecimal128('0.01', 2)) AS sell_usd,
    if(is_gap, NULL, buy_usd_cents * toDecimal128('0.01', 2)) AS buy_usd,
    arrayMap(x -> CAST(x * tick AS Decimal(38, 12)), rows_ticks) AS rows_price,
    arrayMap(x -> CAST(x * lot AS Decimal(38, 12)), rows_sell_lots) AS rows_sell_qty,
    arrayMap(x -> CAST(x * lot AS Decimal(38, 12)), rows_buy_lots) AS rows_buy_qty,
    arrayMap(x -> CAST(x * lot AS Decimal(38, 12)), rows_unknown_lots) AS rows_unknown_qty,
    method,
    params,
    log_time,
    tick,
    lot,
    row_ticks,
    coverage_ms,
    feed_states,
    open_ticks,
    high_ticks,
    low_ticks,
    close_ticks,
    ref_close_ticks,
    buy_lots,
    sell_lots,
    unknown_lots,
    excluded_lots,
    delta_lots,
    delta_min_lots,
    delta_max_lots,
    delta_since_high_lots,
    delta_since_low_lots,
    if(is_gap, NULL, bar.trades_buy) AS trades_buy,
    if(is_gap, NULL, bar.trades_sell) AS trades_sell,
    if(is_gap, NULL, bar.trades_unknown) AS trades_unknown,
    buy_usd_cents,
    sell_usd_cents,
    rows_ticks,
    rows_sell_lots,
    rows_buy_lots,
    rows_unknown_lots,
    rows_trades_sell,
    rows_trades_buy,
    rows_sell_usd_cents,
    rows_buy_usd_cents,
    rows_marks,
    rows_agree_buy,
    rows_agree_sell,
    poc_ticks,
    value_area_method,
    value_area_val_ticks,
    value_area_vah_ticks,
    value_area_share,
    imbalances_valid,
    stacks_side,
    stacks_low_row_ticks,
    stacks_high_row_ticks,
    stacks_count,
    stacks_dominant_lots,
    stacks_min_ratio,
    stacks_max_ratio,
    stacks_h_side,
    stacks_h_low_row_ticks,
    stacks_h_high_row_ticks,
    stacks_h_count,
    stacks_h_dominant_lots,
    stacks_h_min_ratio,
    stacks_h_max_ratio,
    unfinished_high,
    unfinished_low,
    exhaustion_high,
    exhaustion_low,
    ratio_high,
    ratio_low,
    null_reasons,
    inputs_topic,
    inputs_partition,
    inputs_first_offset,
    inputs_last_offset,
    log_partition,
    log_offset
FROM footprints_log AS bar FINAL

-- step: bars without their rows, in the words of `footprints`
CREATE OR REPLACE VIEW footprint_bars AS
SELECT
    asset,
    scope,
    venue,
    symbol,
    interval_seconds,
    row_size,
    bar_start,
    revision,
    is_final,
    open,
    high,
    low,
    close,
    vwap,
    sell_qty,
    buy_qty,
    unknown_qty,
    excluded_qty,
    delta,
    delta_min,
    delta_max,
    trades_buy + trades_sell + trades_unknown AS trades,
    poc,
    vah,
    val,
    status,
    venues_expected,
    venues_complete,
    venues_partial,
    version,
    reason,
    bar_end,
    ref_close,
    delta_since_high,
    delta_since_low,
    sell_usd,
    buy_usd,
    trades_buy,
    trades_sell,
    trades_unknown,
    imbalances_valid
FROM footprints

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
    if(all_gap, NULL, sell_cents) * toDecimal128('0.01', 2) AS sell_usd,
    if(all_gap, NULL, buy_cents) * toDecimal128('0.01', 2) AS buy_usd,
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

-- step: CVD since any whole second; late trades of minutes after it count from the second that carried them
CREATE OR REPLACE VIEW cvd_since AS
SELECT
    asset,
    scope,
    venue,
    symbol,
    step_start,
    CAST(delta_lots * lot AS Nullable(Decimal(38, 12))) AS delta,
    CAST((sum(ifNull(delta_lots, 0)) OVER series) * lot AS Decimal(38, 12)) AS cvd,
    (sum(delta_cents) OVER series) * toDecimal128('0.01', 2) AS cvd_usd,
    CAST((sum(volume_lots) OVER series) * lot AS Decimal(38, 12)) AS volume,
    (sum(volume_cents) OVER series) * toDecimal128('0.01', 2) AS volume_usd,
    (sum(ifNull(delta_lots, 0)) OVER series) / nullIf(sum(volume_lots) OVER series, 0) AS share,
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
            delta_lots_step AS delta_lots,
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

-- step: what a kind was worth, on every day
CREATE OR REPLACE VIEW setup_worth_days AS
SELECT
    asset,
    measured,
    variant,
    side,
    horizon_minutes,
    as_of,
    n,
    mean_bp,
    median_bp,
    positive_share,
    mean_adverse_bp,
    mean_favourable_bp,
    baseline_n,
    matched_n,
    baseline_mean_bp,
    baseline_adverse_bp,
    difference_bp,
    difference_low_bp,
    difference_high_bp,
    experimental,
    null_reasons,
    revision
FROM setup_worth_log FINAL

-- step: what a kind was worth on the newest day
CREATE OR REPLACE VIEW setup_worth AS
SELECT *
FROM setup_worth_days
ORDER BY as_of DESC, revision DESC
LIMIT 1 BY asset, measured, variant, side, horizon_minutes

-- step: each stream by the minute: state, coverage, gaps, lateness, lag
CREATE OR REPLACE VIEW data_quality AS
SELECT
    asset,
    venue,
    symbol,
    stream,
    minute_start,
    argMax(said.feed_state, (said.to_time, said.session)) AS feed_state,
    arraySort(groupUniqArray(said.feed_state)) AS feed_states,
    intDiv(intervalLengthSumIf(
        toUnixTimestamp64Micro(greatest(said.from_time, minute_start)),
        toUnixTimestamp64Micro(least(said.to_time, minute_start + toIntervalMinute(1))),
        said.feed_state IN ('live', 'quiet')
    ), 1000) AS coverage_ms,
    coverage_ms / 60000 AS coverage,
    sumIf(said.messages, began) AS messages,
    sumIf(said.items, began) AS items,
    sumIf(said.gaps, began) AS gaps,
    sumIf(said.resyncs, began) AS resyncs,
    sumIf(said.reconnects, began) AS reconnects,
    sumIf(said.refusals, began) AS refusals,
    sumIf(said.rejected, began) AS rejected,
    sumIf(said.duplicates, began) AS duplicates,
    sumIf(said.out_of_order, began) AS out_of_order,
    sumIf(said.late_2_seconds + said.late_30_seconds + said.late_24_hours + said.late_more, began) AS late,
    sumIf(said.late_more, began) AS late_more,
    quantileExactLowIf(0.5)(said.lag_p50_us, began) AS lag_p50_us,
    maxIf(said.lag_p99_us, began) AS lag_p99_us,
    maxIf(said.watermark_lag_us, began) AS watermark_lag_us,
    sumIf(said.invalid_us, began) AS invalid_us,
    uniqExact(said.session) AS sessions,
    countIf(began) AS summaries
FROM
(
    SELECT
        *,
        true AS began,
        CAST(toStartOfInterval(from_time, toIntervalSecond(60)) AS DateTime64(6, 'UTC')) AS minute_start
    FROM feed_summaries_log FINAL
    UNION ALL
    SELECT
        *,
        false AS began,
        CAST(toStartOfInterval(from_time + toIntervalSecond(60), toIntervalSecond(60)) AS DateTime64(6, 'UTC')) AS minute_start
    FROM feed_summaries_log FINAL
    WHERE to_time > minute_start
) AS said
GROUP BY asset, venue, symbol, stream, minute_start
