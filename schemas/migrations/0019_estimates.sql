-- Estimates, never to be mixed with measurements: liquidation levels and trapped positions, a map a
-- minute with its price rows as arrays, so that a revision replaces it whole.
--
-- Measured on a simulated hour of BTC: 2.2 kB a map of 285 levels (12 kB raw; Delta for all 2.1, no
-- codec before ZSTD 2.3, LZ4 4.4), 119 bytes of trapped positions with ZSTD(3) (ZSTD(1) 142). One
-- map out of 3,900 and its rows 36 ms, a day of totals of trapped positions 16 ms.

-- step: estimated liquidation levels, one map a minute
CREATE TABLE IF NOT EXISTS liquidation_levels_log
(
    asset LowCardinality(String) CODEC(ZSTD(1)),
    minute_start DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    revision UInt64 CODEC(Delta, ZSTD(1)),
    is_final Bool CODEC(ZSTD(1)),
    method LowCardinality(String) CODEC(ZSTD(1)),
    params LowCardinality(String) CODEC(ZSTD(1)),
    kind LowCardinality(String) CODEC(ZSTD(1)),
    map_start DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    tick Decimal(38, 18) CODEC(ZSTD(1)),
    lot Decimal(38, 18) CODEC(ZSTD(1)),
    row_size_ticks Int64 CODEC(Delta, ZSTD(1)),
    venues Array(String) CODEC(ZSTD(1)),
    status Enum8('complete' = 1, 'partial' = 2, 'gap' = 3) CODEC(ZSTD(1)),
    venues_expected Array(String) CODEC(ZSTD(1)),
    venues_complete Array(String) CODEC(ZSTD(1)),
    venues_partial Array(String) CODEC(ZSTD(1)),
    coverage_ms Map(String, Int64) CODEC(ZSTD(1)),
    feed_states Map(String, String) CODEC(ZSTD(1)),
    open_interest_start_lots Nullable(Int64) CODEC(T64, ZSTD(1)),
    change_lots Nullable(Int64) CODEC(T64, ZSTD(1)),
    placed_lots Int64 CODEC(T64, ZSTD(1)),
    skipped_minutes Int64 CODEC(T64, ZSTD(1)),
    long_usd_cents Int64 CODEC(T64, ZSTD(1)),
    short_usd_cents Int64 CODEC(T64, ZSTD(1)),
    null_reasons Map(String, String) CODEC(ZSTD(1)),
    rows_ticks Array(Int64) CODEC(Delta, ZSTD(1)),
    rows_side Array(Enum8('long' = 1, 'short' = -1)) CODEC(ZSTD(1)),
    rows_est_usd_cents Array(Int64) CODEC(T64, ZSTD(1)),
    rows_low_usd_cents Array(Int64) CODEC(T64, ZSTD(1)),
    rows_high_usd_cents Array(Int64) CODEC(T64, ZSTD(1)),
    rows_since_time Array(DateTime64(6, 'UTC')) CODEC(Delta, ZSTD(1)),
    inputs_topic Array(String) CODEC(ZSTD(1)),
    inputs_partition Array(Int64) CODEC(T64, ZSTD(1)),
    inputs_first_offset Array(Int64) CODEC(Delta, ZSTD(1)),
    inputs_last_offset Array(Int64) CODEC(Delta, ZSTD(1)),
    log_partition UInt32 CODEC(T64, ZSTD(1)),
    log_offset Int64 CODEC(Delta, ZSTD(1)),
    CONSTRAINT grids_above_zero CHECK tick > 0 AND lot > 0
)
ENGINE = ReplacingMergeTree(revision)
PARTITION BY toYYYYMM(minute_start)
ORDER BY (asset, minute_start)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1

-- step: maps of estimated liquidation levels, with their rows as arrays
CREATE OR REPLACE VIEW liquidation_levels AS
SELECT
    asset,
    minute_start,
    map_start,
    kind,
    long_usd_cents * toDecimal128('0.01', 2) AS long_usd,
    short_usd_cents * toDecimal128('0.01', 2) AS short_usd,
    CAST(open_interest_start_lots * lot AS Nullable(Decimal(38, 12))) AS open_interest_start,
    CAST(change_lots * lot AS Nullable(Decimal(38, 12))) AS open_interest_change,
    CAST(placed_lots * lot AS Decimal(38, 12)) AS placed_qty,
    skipped_minutes,
    CAST(row_size_ticks * tick AS Decimal(38, 12)) AS row_size,
    arrayMap(x -> CAST(x * tick AS Decimal(38, 12)), rows_ticks) AS rows_price,
    rows_side,
    arrayMap(x -> x * toDecimal128('0.01', 2), rows_est_usd_cents) AS rows_estimate_usd,
    arrayMap(x -> x * toDecimal128('0.01', 2), rows_low_usd_cents) AS rows_low_usd,
    arrayMap(x -> x * toDecimal128('0.01', 2), rows_high_usd_cents) AS rows_high_usd,
    rows_since_time,
    venues,
    status,
    venues_expected,
    venues_complete,
    venues_partial,
    coverage_ms,
    feed_states,
    null_reasons,
    is_final,
    revision,
    method,
    params,
    tick,
    lot,
    row_size_ticks,
    rows_ticks,
    inputs_topic,
    inputs_partition,
    inputs_first_offset,
    inputs_last_offset,
    log_partition,
    log_offset
FROM liquidation_levels_log FINAL

-- step: estimated liquidation levels, one row a price row
CREATE OR REPLACE VIEW liquidation_level_rows AS
SELECT
    asset,
    minute_start,
    side,
    CAST(row_ticks * tick AS Decimal(38, 12)) AS row_price,
    CAST(row_size_ticks * tick AS Decimal(38, 12)) AS row_size,
    row_est * toDecimal128('0.01', 2) AS estimate_usd,
    row_low * toDecimal128('0.01', 2) AS low_usd,
    row_high * toDecimal128('0.01', 2) AS high_usd,
    since_time,
    kind,
    map_start,
    status,
    revision
FROM liquidation_levels_log FINAL
ARRAY JOIN
    rows_ticks AS row_ticks,
    rows_side AS side,
    rows_est_usd_cents AS row_est,
    rows_low_usd_cents AS row_low,
    rows_high_usd_cents AS row_high,
    rows_since_time AS since_time

-- step: estimated trapped positions, one map a minute
CREATE TABLE IF NOT EXISTS trapped_log
(
    asset LowCardinality(String) CODEC(ZSTD(3)),
    minute_start DateTime64(6, 'UTC') CODEC(Delta, ZSTD(3)),
    revision UInt64 CODEC(Delta, ZSTD(3)),
    is_final Bool CODEC(ZSTD(3)),
    method LowCardinality(String) CODEC(ZSTD(3)),
    params LowCardinality(String) CODEC(ZSTD(3)),
    kind LowCardinality(String) CODEC(ZSTD(3)),
    map_start DateTime64(6, 'UTC') CODEC(Delta, ZSTD(3)),
    tick Decimal(38, 18) CODEC(ZSTD(3)),
    lot Decimal(38, 18) CODEC(ZSTD(3)),
    row_size_ticks Int64 CODEC(Delta, ZSTD(3)),
    venues Array(String) CODEC(ZSTD(3)),
    status Enum8('complete' = 1, 'partial' = 2, 'gap' = 3) CODEC(ZSTD(3)),
    venues_expected Array(String) CODEC(ZSTD(3)),
    venues_complete Array(String) CODEC(ZSTD(3)),
    venues_partial Array(String) CODEC(ZSTD(3)),
    coverage_ms Map(String, Int64) CODEC(ZSTD(3)),
    feed_states Map(String, String) CODEC(ZSTD(3)),
    price_ticks Nullable(Int64) CODEC(Delta, ZSTD(3)),
    open_interest_lots Nullable(Int64) CODEC(T64, ZSTD(3)),
    change_lots Nullable(Int64) CODEC(T64, ZSTD(3)),
    move Nullable(Int64) CODEC(T64, ZSTD(3)),
    placed_lots Int64 CODEC(T64, ZSTD(3)),
    skipped_minutes Int64 CODEC(T64, ZSTD(3)),
    long_usd_cents Nullable(Int64) CODEC(T64, ZSTD(3)),
    short_usd_cents Nullable(Int64) CODEC(T64, ZSTD(3)),
    null_reasons Map(String, String) CODEC(ZSTD(3)),
    rows_ticks Array(Int64) CODEC(Delta, ZSTD(3)),
    rows_side Array(Enum8('long' = 1, 'short' = -1)) CODEC(ZSTD(3)),
    rows_est_usd_cents Array(Int64) CODEC(T64, ZSTD(3)),
    rows_loss_usd_cents Array(Int64) CODEC(T64, ZSTD(3)),
    rows_share Array(Nullable(Float64)) CODEC(ZSTD(3)),
    rows_since_time Array(DateTime64(6, 'UTC')) CODEC(Delta, ZSTD(3)),
    inputs_topic Array(String) CODEC(ZSTD(3)),
    inputs_partition Array(Int64) CODEC(T64, ZSTD(3)),
    inputs_first_offset Array(Int64) CODEC(Delta, ZSTD(3)),
    inputs_last_offset Array(Int64) CODEC(Delta, ZSTD(3)),
    log_partition UInt32 CODEC(T64, ZSTD(3)),
    log_offset Int64 CODEC(Delta, ZSTD(3)),
    CONSTRAINT grids_above_zero CHECK tick > 0 AND lot > 0
)
ENGINE = ReplacingMergeTree(revision)
PARTITION BY toYYYYMM(minute_start)
ORDER BY (asset, minute_start)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1

-- step: maps of estimated trapped positions, with their rows as arrays
CREATE OR REPLACE VIEW trapped AS
SELECT
    asset,
    minute_start,
    map_start,
    kind,
    CAST(price_ticks * tick AS Nullable(Decimal(38, 12))) AS price,
    long_usd_cents * toDecimal128('0.01', 2) AS long_usd,
    short_usd_cents * toDecimal128('0.01', 2) AS short_usd,
    CAST(open_interest_lots * lot AS Nullable(Decimal(38, 12))) AS open_interest,
    CAST(change_lots * lot AS Nullable(Decimal(38, 12))) AS open_interest_change,
    move,
    CAST(placed_lots * lot AS Decimal(38, 12)) AS placed_qty,
    skipped_minutes,
    CAST(row_size_ticks * tick AS Decimal(38, 12)) AS row_size,
    arrayMap(x -> CAST(x * tick AS Decimal(38, 12)), rows_ticks) AS rows_price,
    rows_side,
    arrayMap(x -> x * toDecimal128('0.01', 2), rows_est_usd_cents) AS rows_estimate_usd,
    arrayMap(x -> x * toDecimal128('0.01', 2), rows_loss_usd_cents) AS rows_loss_usd,
    rows_share,
    rows_since_time,
    venues,
    status,
    venues_expected,
    venues_complete,
    venues_partial,
    coverage_ms,
    feed_states,
    null_reasons,
    is_final,
    revision,
    method,
    params,
    tick,
    lot,
    row_size_ticks,
    rows_ticks,
    inputs_topic,
    inputs_partition,
    inputs_first_offset,
    inputs_last_offset,
    log_partition,
    log_offset
FROM trapped_log FINAL

-- step: estimated trapped positions, one row a price row
CREATE OR REPLACE VIEW trapped_rows AS
SELECT
    asset,
    minute_start,
    side,
    CAST(row_ticks * tick AS Decimal(38, 12)) AS row_price,
    CAST(row_size_ticks * tick AS Decimal(38, 12)) AS row_size,
    row_est * toDecimal128('0.01', 2) AS estimate_usd,
    row_loss * toDecimal128('0.01', 2) AS loss_usd,
    share,
    since_time,
    kind,
    map_start,
    status,
    revision
FROM trapped_log FINAL
ARRAY JOIN
    rows_ticks AS row_ticks,
    rows_side AS side,
    rows_est_usd_cents AS row_est,
    rows_loss_usd_cents AS row_loss,
    rows_share AS share,
    rows_since_time AS since_time
