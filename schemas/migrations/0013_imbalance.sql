-- Order book imbalance and order flow: one row an instrument and second, one a scope and second; and
-- the heat map, one row an instrument and second. Of an asset on eight instruments 290 MB a day.
-- Kept by day: a day is dropped in one step (ALTER TABLE imbalance_log DROP PARTITION). No TTL, which
-- would take recordings that are replayed away at once: their times lie in the past.

-- step: imbalance by instrument, every revision
CREATE TABLE IF NOT EXISTS imbalance_log
(
    asset LowCardinality(String) CODEC(ZSTD(1)),
    scope Enum8('venue' = 1, 'perp' = 2, 'spot' = 3) CODEC(ZSTD(1)),
    venue LowCardinality(String) CODEC(ZSTD(1)),
    symbol LowCardinality(String) CODEC(ZSTD(1)),
    step_start DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    tick Decimal(38, 18) CODEC(ZSTD(1)),
    lot Decimal(38, 18) CODEC(ZSTD(1)),
    time_tol_ms Int64 CODEC(T64, ZSTD(1)),
    revision UInt64 CODEC(Delta, ZSTD(1)),
    is_final Bool CODEC(ZSTD(1)),
    method LowCardinality(String) CODEC(ZSTD(1)),
    params LowCardinality(String) CODEC(ZSTD(1)),
    inputs_topic Array(String) CODEC(ZSTD(3)),
    inputs_partition Array(Int64) CODEC(ZSTD(3)),
    inputs_first_offset Array(Int64) CODEC(Delta, ZSTD(1)),
    inputs_last_offset Array(Int64) CODEC(Delta, ZSTD(1)),
    log_partition UInt32 CODEC(T64, ZSTD(1)),
    log_offset Int64 CODEC(Delta, ZSTD(1)),
    status Enum8('complete' = 1, 'partial' = 2, 'gap' = 3) CODEC(ZSTD(1)),
    valid_ms Int64 CODEC(T64, ZSTD(1)),
    best_bid_ticks Nullable(Int64) CODEC(T64, ZSTD(1)),
    best_bid_lots Nullable(Int64) CODEC(T64, ZSTD(1)),
    best_ask_ticks Nullable(Int64) CODEC(T64, ZSTD(1)),
    best_ask_lots Nullable(Int64) CODEC(T64, ZSTD(1)),
    mid_ticks Nullable(Float64) CODEC(ZSTD(3)),
    weighted_mid_ticks Nullable(Float64) CODEC(ZSTD(3)),
    weighted_obi Nullable(Float64) CODEC(ZSTD(3)),
    z_scores Map(String, Nullable(Float64)) CODEC(ZSTD(3)),
    tops_levels Array(Int64) CODEC(ZSTD(3)),
    tops_obi Array(Nullable(Float64)) CODEC(ZSTD(3)),
    tops_bid_lots Array(Int64) CODEC(ZSTD(3)),
    tops_ask_lots Array(Int64) CODEC(ZSTD(3)),
    tops_bid_levels_used Array(Int64) CODEC(ZSTD(3)),
    tops_ask_levels_used Array(Int64) CODEC(ZSTD(3)),
    tops_one_sided Array(Bool) CODEC(ZSTD(3)),
    bands_half_width_bp Array(Int64) CODEC(ZSTD(3)),
    bands_obi Array(Nullable(Float64)) CODEC(ZSTD(3)),
    bands_bid_lots Array(Int64) CODEC(ZSTD(3)),
    bands_ask_lots Array(Int64) CODEC(ZSTD(3)),
    bands_bid_usd_cents Array(Int64) CODEC(ZSTD(3)),
    bands_ask_usd_cents Array(Int64) CODEC(ZSTD(3)),
    bands_coverage Array(Int64) CODEC(ZSTD(3)),
    bands_one_sided Array(Bool) CODEC(ZSTD(3)),
    best_bands_half_width_bp Array(Int64) CODEC(ZSTD(3)),
    best_bands_obi Array(Nullable(Float64)) CODEC(ZSTD(3)),
    best_bands_bid_lots Array(Int64) CODEC(ZSTD(3)),
    best_bands_ask_lots Array(Int64) CODEC(ZSTD(3)),
    best_bands_bid_usd_cents Array(Int64) CODEC(ZSTD(3)),
    best_bands_ask_usd_cents Array(Int64) CODEC(ZSTD(3)),
    best_bands_coverage Array(Int64) CODEC(ZSTD(3)),
    best_bands_one_sided Array(Bool) CODEC(ZSTD(3)),
    persistent_window_seconds Array(Int64) CODEC(ZSTD(3)),
    persistent_obi Array(Nullable(Float64)) CODEC(ZSTD(3)),
    persistent_bid_fleeting Array(Nullable(Float64)) CODEC(ZSTD(3)),
    persistent_ask_fleeting Array(Nullable(Float64)) CODEC(ZSTD(3)),
    persistent_bid_known Array(Nullable(Float64)) CODEC(ZSTD(3)),
    persistent_ask_known Array(Nullable(Float64)) CODEC(ZSTD(3)),
    bid_pull_ratio Nullable(Float64) CODEC(ZSTD(3)),
    bid_pull_removed_lots Nullable(Int64) CODEC(T64, ZSTD(1)),
    bid_pull_traded_lots Nullable(Int64) CODEC(T64, ZSTD(1)),
    ask_pull_ratio Nullable(Float64) CODEC(ZSTD(3)),
    ask_pull_removed_lots Nullable(Int64) CODEC(T64, ZSTD(1)),
    ask_pull_traded_lots Nullable(Int64) CODEC(T64, ZSTD(1)),
    bid_refill_price_ticks Nullable(Int64) CODEC(T64, ZSTD(1)),
    bid_refill_ratio Nullable(Float64) CODEC(ZSTD(3)),
    bid_refill_executed_lots Nullable(Int64) CODEC(T64, ZSTD(1)),
    bid_refill_shown_lots Nullable(Int64) CODEC(T64, ZSTD(1)),
    ask_refill_price_ticks Nullable(Int64) CODEC(T64, ZSTD(1)),
    ask_refill_ratio Nullable(Float64) CODEC(ZSTD(3)),
    ask_refill_executed_lots Nullable(Int64) CODEC(T64, ZSTD(1)),
    ask_refill_shown_lots Nullable(Int64) CODEC(T64, ZSTD(1)),
    time_weighted_bar_start Array(DateTime64(6, 'UTC')) CODEC(ZSTD(3)),
    time_weighted_measure Array(String) CODEC(ZSTD(3)),
    time_weighted_obi Array(Nullable(Float64)) CODEC(ZSTD(3)),
    time_weighted_valid_ms Array(Int64) CODEC(ZSTD(3)),
    ofi_valid Bool CODEC(ZSTD(1)),
    ofi_lots Nullable(Int64) CODEC(T64, ZSTD(1)),
    ofi_normalised Nullable(Float64) CODEC(ZSTD(3)),
    tfi_lots Nullable(Int64) CODEC(T64, ZSTD(1)),
    flow_usd_cents Nullable(Int64) CODEC(T64, ZSTD(1)),
    flow_seconds Int64 CODEC(T64, ZSTD(1)),
    null_reasons Map(String, String) CODEC(ZSTD(3)),
    ofi_100ms_lots Array(Int64) CODEC(T64, ZSTD(3)),
    mlofi_lots Array(Int64) CODEC(T64, ZSTD(3)),
    mlofi_normalised Array(Nullable(Float64)) CODEC(ZSTD(3)),
    mean_depth_lots Array(Int64) CODEC(T64, ZSTD(3)),
    CONSTRAINT grids_above_zero CHECK tick > 0 AND lot > 0
)
ENGINE = ReplacingMergeTree(revision)
PARTITION BY toDate(step_start)
ORDER BY (asset, scope, venue, symbol, step_start)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'An hour of BTC on eight simulated instruments: 352 bytes a row; 400 with Delta, 437 with T64 and Gorilla, 395 with ZSTD(1) and FPC, 353 with ZSTD(3) throughout. Through its view an hour of one book out of a day in 23 ms, a day of four books by the minute in 120 ms.'

-- step: imbalance of the usual depths
CREATE OR REPLACE VIEW imbalance AS
SELECT
    asset,
    scope,
    venue,
    symbol,
    step_start,
    status,
    valid_ms,
    CAST(best_bid_ticks * tick AS Nullable(Decimal(38, 12))) AS best_bid,
    CAST(best_bid_lots * lot AS Nullable(Decimal(38, 12))) AS best_bid_qty,
    CAST(best_ask_ticks * tick AS Nullable(Decimal(38, 12))) AS best_ask,
    CAST(best_ask_lots * lot AS Nullable(Decimal(38, 12))) AS best_ask_qty,
    CAST(toDecimal128(mid_ticks, 1) * tick AS Nullable(Decimal(38, 12))) AS mid,
    weighted_mid_ticks * toFloat64(tick) AS weighted_mid,
    tops_obi[indexOf(tops_levels, 1)] AS obi_top_1,
    tops_obi[indexOf(tops_levels, 5)] AS obi_top_5,
    tops_obi[indexOf(tops_levels, 10)] AS obi_top_10,
    tops_obi[indexOf(tops_levels, 20)] AS obi_top_20,
    tops_obi[indexOf(tops_levels, 50)] AS obi_top_50,
    bands_obi[indexOf(bands_half_width_bp, 10)] AS obi_10bp,
    bands_obi[indexOf(bands_half_width_bp, 20)] AS obi_20bp,
    bands_obi[indexOf(bands_half_width_bp, 50)] AS obi_50bp,
    bands_obi[indexOf(bands_half_width_bp, 100)] AS obi_100bp,
    bands_obi[indexOf(bands_half_width_bp, 200)] AS obi_200bp,
    bands_obi[indexOf(bands_half_width_bp, 500)] AS obi_500bp,
    weighted_obi,
    persistent_obi[indexOf(persistent_window_seconds, 10)] AS persistent_obi_10s,
    z_scores,
    bid_pull_ratio,
    CAST(bid_pull_removed_lots * lot AS Nullable(Decimal(38, 12))) AS bid_pull_removed_qty,
    CAST(bid_pull_traded_lots * lot AS Nullable(Decimal(38, 12))) AS bid_pull_traded_qty,
    ask_pull_ratio,
    CAST(ask_pull_removed_lots * lot AS Nullable(Decimal(38, 12))) AS ask_pull_removed_qty,
    CAST(ask_pull_traded_lots * lot AS Nullable(Decimal(38, 12))) AS ask_pull_traded_qty,
    CAST(bid_refill_price_ticks * tick AS Nullable(Decimal(38, 12))) AS bid_refill_price,
    bid_refill_ratio,
    CAST(bid_refill_executed_lots * lot AS Nullable(Decimal(38, 12))) AS bid_refill_executed_qty,
    CAST(bid_refill_shown_lots * lot AS Nullable(Decimal(38, 12))) AS bid_refill_shown_qty,
    CAST(ask_refill_price_ticks * tick AS Nullable(Decimal(38, 12))) AS ask_refill_price,
    ask_refill_ratio,
    CAST(ask_refill_executed_lots * lot AS Nullable(Decimal(38, 12))) AS ask_refill_executed_qty,
    CAST(ask_refill_shown_lots * lot AS Nullable(Decimal(38, 12))) AS ask_refill_shown_qty,
    flow_usd_cents * toDecimal128('0.01', 2) AS flow_usd,
    flow_seconds,
    time_tol_ms,
    null_reasons,
    revision
FROM imbalance_log FINAL

-- step: one row a top-N
CREATE OR REPLACE VIEW imbalance_tops AS
SELECT
    asset,
    scope,
    venue,
    symbol,
    step_start,
    levels,
    obi,
    CAST(bid_lots * lot AS Decimal(38, 12)) AS bid_qty,
    CAST(ask_lots * lot AS Decimal(38, 12)) AS ask_qty,
    bid_levels_used,
    ask_levels_used,
    one_sided
FROM imbalance_log FINAL
ARRAY JOIN
    tops_levels AS levels,
    tops_obi AS obi,
    tops_bid_lots AS bid_lots,
    tops_ask_lots AS ask_lots,
    tops_bid_levels_used AS bid_levels_used,
    tops_ask_levels_used AS ask_levels_used,
    tops_one_sided AS one_sided

-- step: one row a band, around mid or counted from the best prices
CREATE OR REPLACE VIEW imbalance_bands AS
SELECT
    asset,
    scope,
    venue,
    symbol,
    step_start,
    around,
    half_width_bp,
    obi,
    CAST(bid_lots * lot AS Decimal(38, 12)) AS bid_qty,
    CAST(ask_lots * lot AS Decimal(38, 12)) AS ask_qty,
    bid_usd_cents * toDecimal128('0.01', 2) AS bid_usd,
    ask_usd_cents * toDecimal128('0.01', 2) AS ask_usd,
    CAST(bitTest(coverage, 0) AS Bool) AS bid_covered,
    CAST(bitTest(coverage, 1) AS Bool) AS ask_covered,
    one_sided
FROM imbalance_log FINAL
ARRAY JOIN
    arrayConcat(arrayMap(x -> 'mid', bands_coverage), arrayMap(x -> 'best', best_bands_coverage)) AS around,
    arrayConcat(bands_half_width_bp, best_bands_half_width_bp) AS half_width_bp,
    arrayConcat(bands_obi, best_bands_obi) AS obi,
    arrayConcat(bands_bid_lots, best_bands_bid_lots) AS bid_lots,
    arrayConcat(bands_ask_lots, best_bands_ask_lots) AS ask_lots,
    arrayConcat(bands_bid_usd_cents, best_bands_bid_usd_cents) AS bid_usd_cents,
    arrayConcat(bands_ask_usd_cents, best_bands_ask_usd_cents) AS ask_usd_cents,
    arrayConcat(bands_coverage, best_bands_coverage) AS coverage,
    arrayConcat(bands_one_sided, best_bands_one_sided) AS one_sided

-- step: one row a window of persistence
CREATE OR REPLACE VIEW imbalance_persistence AS
SELECT
    asset,
    scope,
    venue,
    symbol,
    step_start,
    window_seconds,
    obi,
    bid_fleeting,
    ask_fleeting,
    bid_known,
    ask_known
FROM imbalance_log FINAL
ARRAY JOIN
    persistent_window_seconds AS window_seconds,
    persistent_obi AS obi,
    persistent_bid_fleeting AS bid_fleeting,
    persistent_ask_fleeting AS ask_fleeting,
    persistent_bid_known AS bid_known,
    persistent_ask_known AS ask_known

-- step: one row a mean over a bar, told with the second that ends it
CREATE OR REPLACE VIEW imbalance_means AS
SELECT
    asset,
    scope,
    venue,
    symbol,
    step_start,
    bar_start,
    measure,
    obi,
    mean_valid_ms AS valid_ms
FROM imbalance_log FINAL
ARRAY JOIN
    time_weighted_bar_start AS bar_start,
    time_weighted_measure AS measure,
    time_weighted_obi AS obi,
    time_weighted_valid_ms AS mean_valid_ms

-- step: order flow imbalance in coins; lists by tenth of a second or by rank, empty where unknown
CREATE OR REPLACE VIEW order_flow_imbalance AS
SELECT
    asset,
    scope,
    venue,
    symbol,
    step_start,
    ofi_valid,
    CAST(ofi_lots * lot AS Nullable(Decimal(38, 12))) AS ofi,
    ofi_normalised,
    CAST(tfi_lots * lot AS Nullable(Decimal(38, 12))) AS tfi,
    arrayMap(x -> CAST(x * lot AS Decimal(38, 12)), ofi_100ms_lots) AS ofi_100ms,
    arrayMap(x -> CAST(x * lot AS Decimal(38, 12)), mlofi_lots) AS mlofi,
    mlofi_normalised,
    arrayMap(x -> CAST(x * lot AS Decimal(38, 12)), mean_depth_lots) AS mean_depth,
    null_reasons,
    revision
FROM imbalance_log FINAL

-- step: imbalance over venues, every revision
CREATE TABLE IF NOT EXISTS imbalance_scopes_log
(
    asset LowCardinality(String) CODEC(ZSTD(1)),
    scope Enum8('venue' = 1, 'perp' = 2, 'spot' = 3) CODEC(ZSTD(1)),
    step_start DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    tick Decimal(38, 18) CODEC(ZSTD(1)),
    lot Decimal(38, 18) CODEC(ZSTD(1)),
    time_tol_ms Int64 CODEC(T64, ZSTD(1)),
    revision UInt64 CODEC(Delta, ZSTD(1)),
    is_final Bool CODEC(ZSTD(1)),
    method LowCardinality(String) CODEC(ZSTD(1)),
    params LowCardinality(String) CODEC(ZSTD(1)),
    inputs_topic Array(String) CODEC(ZSTD(3)),
    inputs_partition Array(Int64) CODEC(ZSTD(3)),
    inputs_first_offset Array(Int64) CODEC(Delta, ZSTD(1)),
    inputs_last_offset Array(Int64) CODEC(Delta, ZSTD(1)),
    log_partition UInt32 CODEC(T64, ZSTD(1)),
    log_offset Int64 CODEC(Delta, ZSTD(1)),
    status Enum8('complete' = 1, 'partial' = 2, 'gap' = 3) CODEC(ZSTD(1)),
    venues_expected Array(String) CODEC(ZSTD(3)),
    venues_complete Array(String) CODEC(ZSTD(3)),
    venues_partial Array(String) CODEC(ZSTD(3)),
    coverage_ms Map(String, Int64) CODEC(ZSTD(3)),
    feed_states Map(String, String) CODEC(ZSTD(3)),
    all_half_width_bp Array(Int64) CODEC(ZSTD(3)),
    all_sum_depth Array(Nullable(Float64)) CODEC(ZSTD(3)),
    all_flow_weighted Array(Nullable(Float64)) CODEC(ZSTD(3)),
    all_median Array(Nullable(Float64)) CODEC(ZSTD(3)),
    all_dispersion Array(Nullable(Float64)) CODEC(ZSTD(3)),
    all_bid_usd_cents Array(Int64) CODEC(ZSTD(3)),
    all_ask_usd_cents Array(Int64) CODEC(ZSTD(3)),
    all_venues Array(Array(String)) CODEC(ZSTD(3)),
    all_flow_venues Array(Array(String)) CODEC(ZSTD(3)),
    common_half_width_bp Array(Int64) CODEC(ZSTD(3)),
    common_sum_depth Array(Nullable(Float64)) CODEC(ZSTD(3)),
    common_flow_weighted Array(Nullable(Float64)) CODEC(ZSTD(3)),
    common_median Array(Nullable(Float64)) CODEC(ZSTD(3)),
    common_dispersion Array(Nullable(Float64)) CODEC(ZSTD(3)),
    common_bid_usd_cents Array(Int64) CODEC(ZSTD(3)),
    common_ask_usd_cents Array(Int64) CODEC(ZSTD(3)),
    common_venues Array(Array(String)) CODEC(ZSTD(3)),
    common_flow_venues Array(Array(String)) CODEC(ZSTD(3)),
    ofi_lots Nullable(Int64) CODEC(T64, ZSTD(1)),
    ofi_venues Array(String) CODEC(ZSTD(3)),
    tfi_lots Nullable(Int64) CODEC(T64, ZSTD(1)),
    tfi_venues Array(String) CODEC(ZSTD(3)),
    CONSTRAINT grids_above_zero CHECK tick > 0 AND lot > 0
)
ENGINE = ReplacingMergeTree(revision)
PARTITION BY toDate(step_start)
ORDER BY (asset, scope, step_start)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'An hour of BTC on eight simulated instruments: 79 bytes a row; 103 with Delta, 101 with T64 and Gorilla, 104 with ZSTD(1) and FPC, 80 with ZSTD(3) throughout. Through its view an hour of bands out of a day in 50 ms.'

-- step: one row a band of all perpetuals or all spot
CREATE OR REPLACE VIEW cross_venue_imbalance AS
SELECT
    asset,
    scope,
    step_start,
    composition,
    half_width_bp,
    sum_depth,
    flow_weighted,
    median,
    dispersion,
    bid_usd_cents * toDecimal128('0.01', 2) AS bid_usd,
    ask_usd_cents * toDecimal128('0.01', 2) AS ask_usd,
    venues,
    flow_venues,
    status
FROM imbalance_scopes_log FINAL
ARRAY JOIN
    arrayConcat(arrayMap(x -> 'all', all_half_width_bp), arrayMap(x -> 'common', common_half_width_bp)) AS composition,
    arrayConcat(all_half_width_bp, common_half_width_bp) AS half_width_bp,
    arrayConcat(all_sum_depth, common_sum_depth) AS sum_depth,
    arrayConcat(all_flow_weighted, common_flow_weighted) AS flow_weighted,
    arrayConcat(all_median, common_median) AS median,
    arrayConcat(all_dispersion, common_dispersion) AS dispersion,
    arrayConcat(all_bid_usd_cents, common_bid_usd_cents) AS bid_usd_cents,
    arrayConcat(all_ask_usd_cents, common_ask_usd_cents) AS ask_usd_cents,
    arrayConcat(all_venues, common_venues) AS venues,
    arrayConcat(all_flow_venues, common_flow_venues) AS flow_venues

-- step: order flow of all perpetuals or all spot
CREATE OR REPLACE VIEW cross_venue_order_flow AS
SELECT
    asset,
    scope,
    step_start,
    CAST(ofi_lots * lot AS Nullable(Decimal(38, 12))) AS ofi,
    ofi_venues,
    CAST(tfi_lots * lot AS Nullable(Decimal(38, 12))) AS tfi,
    tfi_venues,
    status,
    venues_expected,
    venues_complete,
    venues_partial,
    revision
FROM imbalance_scopes_log FINAL

-- step: heat map, every revision
CREATE TABLE IF NOT EXISTS heatmap_log
(
    asset LowCardinality(String) CODEC(ZSTD(1)),
    venue LowCardinality(String) CODEC(ZSTD(1)),
    symbol LowCardinality(String) CODEC(ZSTD(1)),
    row_size Decimal(38, 18) CODEC(ZSTD(1)),
    step_start DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    row_ticks Int64 CODEC(T64, ZSTD(1)),
    tick Decimal(38, 18) CODEC(ZSTD(1)),
    revision UInt64 CODEC(Delta, ZSTD(1)),
    is_final Bool CODEC(ZSTD(1)),
    method LowCardinality(String) CODEC(ZSTD(1)),
    params LowCardinality(String) CODEC(ZSTD(1)),
    inputs_topic Array(String) CODEC(ZSTD(3)),
    inputs_partition Array(Int64) CODEC(ZSTD(3)),
    inputs_first_offset Array(Int64) CODEC(Delta, ZSTD(1)),
    inputs_last_offset Array(Int64) CODEC(Delta, ZSTD(1)),
    log_partition UInt32 CODEC(T64, ZSTD(1)),
    log_offset Int64 CODEC(Delta, ZSTD(1)),
    bids_ticks Array(Int64) CODEC(Delta, ZSTD(3)),
    bids_usd_cents Array(Int64) CODEC(T64, ZSTD(3)),
    asks_ticks Array(Int64) CODEC(Delta, ZSTD(3)),
    asks_usd_cents Array(Int64) CODEC(T64, ZSTD(3)),
    bid_deepest_ticks Nullable(Int64) CODEC(T64, ZSTD(1)),
    ask_deepest_ticks Nullable(Int64) CODEC(T64, ZSTD(1)),
    null_reason LowCardinality(String) CODEC(ZSTD(1)),
    CONSTRAINT grids_above_zero CHECK tick > 0 AND row_size > 0
)
ENGINE = ReplacingMergeTree(revision)
PARTITION BY toDate(step_start)
ORDER BY (asset, venue, symbol, row_size, step_start)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'An hour of BTC on eight simulated instruments: 43 bytes a row; 55 with Delta, 50 with T64 and Gorilla, 52 with ZSTD(1) and FPC, 48 with ZSTD(3) throughout. Nine price rows a row. Through its view an hour of one book out of a day in 75 ms.'

-- step: one row a price row of a book; the last row shown of a side may hold more than is shown
CREATE OR REPLACE VIEW heatmap AS
SELECT
    asset,
    venue,
    symbol,
    row_size,
    step_start,
    side,
    CAST(price_ticks * tick AS Decimal(38, 12)) AS row_price,
    usd_cents * toDecimal128('0.01', 2) AS notional_usd,
    CAST(ifNull(deepest_ticks >= price_ticks AND deepest_ticks < price_ticks + row_ticks, false) AS Bool) AS is_last
FROM heatmap_log FINAL
ARRAY JOIN
    arrayConcat(arrayMap(x -> 'bid', bids_ticks), arrayMap(x -> 'ask', asks_ticks)) AS side,
    arrayConcat(bids_ticks, asks_ticks) AS price_ticks,
    arrayConcat(bids_usd_cents, asks_usd_cents) AS usd_cents,
    arrayConcat(arrayMap(x -> bid_deepest_ticks, bids_ticks), arrayMap(x -> ask_deepest_ticks, asks_ticks)) AS deepest_ticks

-- step: how far each book of the heat map was seen, or why it was not
CREATE OR REPLACE VIEW heatmap_columns AS
SELECT
    asset,
    venue,
    symbol,
    row_size,
    step_start,
    CAST(bid_deepest_ticks * tick AS Nullable(Decimal(38, 12))) AS bid_deepest,
    CAST(ask_deepest_ticks * tick AS Nullable(Decimal(38, 12))) AS ask_deepest,
    nullIf(CAST(null_reason AS String), '') AS null_reason,
    revision
FROM heatmap_log FINAL
