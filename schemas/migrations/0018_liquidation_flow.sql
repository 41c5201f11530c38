-- Liquidation flow: a row a series, side and window, with what was told, its bounds and an
-- estimate; and clusters. In a gap the sums are null, in a quiet window zero. The same trades may
-- be on the tape: never add these to its volume.
--
-- Measured on a simulated hour of BTC (1,248 rows, 1.1 kB raw): 17 bytes a row with ZSTD(3), for
-- inputs and completeness repeat; ZSTD(1) 32, DoubleDelta for times 49, LZ4 31. A day of minutes
-- out of 0.8 million rows: 70 ms.

-- step: liquidations by series, side and window
CREATE TABLE IF NOT EXISTS liquidation_flow_log
(
    asset LowCardinality(String) CODEC(ZSTD(3)),
    interval_seconds UInt32 CODEC(T64, ZSTD(3)),
    scope Enum8('venue' = 1, 'perp' = 2, 'spot' = 3) CODEC(ZSTD(3)),
    venue LowCardinality(String) CODEC(ZSTD(3)),
    symbol LowCardinality(String) CODEC(ZSTD(3)),
    composition LowCardinality(String) CODEC(ZSTD(3)),
    liquidated_side Enum8('long' = 1, 'short' = -1) CODEC(ZSTD(3)),
    window_start DateTime64(6, 'UTC') CODEC(Delta, ZSTD(3)),
    revision UInt64 CODEC(Delta, ZSTD(3)),
    is_final Bool CODEC(ZSTD(3)),
    method LowCardinality(String) CODEC(ZSTD(3)),
    params LowCardinality(String) CODEC(ZSTD(3)),
    window_end DateTime64(6, 'UTC') CODEC(Delta, ZSTD(3)),
    lot Decimal(38, 18) CODEC(ZSTD(3)),
    feeds_status Enum8('complete' = 1, 'partial' = 2, 'gap' = 3) CODEC(ZSTD(3)),
    venues_expected Array(String) CODEC(ZSTD(3)),
    venues_complete Array(String) CODEC(ZSTD(3)),
    venues_partial Array(String) CODEC(ZSTD(3)),
    coverage_ms Map(String, Int64) CODEC(ZSTD(3)),
    feed_states Map(String, String) CODEC(ZSTD(3)),
    status Enum8('complete' = 1, 'partial' = 2, 'gap' = 3) CODEC(ZSTD(3)),
    venues Array(String) CODEC(ZSTD(3)),
    sampling Nullable(String) CODEC(ZSTD(3)),
    price_kind Nullable(String) CODEC(ZSTD(3)),
    backlog_count Int64 CODEC(T64, ZSTD(3)),
    count Nullable(Int64) CODEC(T64, ZSTD(3)),
    qty_lots Nullable(Int64) CODEC(T64, ZSTD(3)),
    obs_usd_cents Nullable(Int64) CODEC(T64, ZSTD(3)),
    order_price_count Nullable(Int64) CODEC(T64, ZSTD(3)),
    ub_usd_cents Nullable(Int64) CODEC(T64, ZSTD(3)),
    report_seconds Nullable(Int64) CODEC(T64, ZSTD(3)),
    est_count Nullable(Float64) CODEC(ZSTD(3)),
    est_usd_cents Nullable(Int64) CODEC(T64, ZSTD(3)),
    est_count_limit Nullable(Float64) CODEC(ZSTD(3)),
    all_share Nullable(Float64) CODEC(ZSTD(3)),
    bounds_inconsistent Nullable(Bool) CODEC(ZSTD(3)),
    null_reasons Map(String, String) CODEC(ZSTD(3)),
    inputs_topic Array(String) CODEC(ZSTD(3)),
    inputs_partition Array(Int64) CODEC(T64, ZSTD(3)),
    inputs_first_offset Array(Int64) CODEC(Delta, ZSTD(3)),
    inputs_last_offset Array(Int64) CODEC(Delta, ZSTD(3)),
    log_partition UInt32 CODEC(T64, ZSTD(3)),
    log_offset Int64 CODEC(Delta, ZSTD(3)),
    CONSTRAINT grids_above_zero CHECK lot > 0
)
ENGINE = ReplacingMergeTree(revision)
PARTITION BY toYYYYMM(window_start)
ORDER BY (asset, interval_seconds, scope, venue, symbol, composition, liquidated_side, window_start)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1

-- step: bounds and estimates, one row a series, side and window
CREATE OR REPLACE VIEW liquidation_flow AS
SELECT
    asset,
    interval_seconds,
    scope,
    venue,
    symbol,
    composition,
    liquidated_side,
    window_start,
    window_end,
    status,
    count,
    CAST(qty_lots * lot AS Nullable(Decimal(38, 12))) AS qty,
    obs_usd_cents * toDecimal128('0.01', 2) AS observed_usd,
    obs_usd_cents * toDecimal128('0.01', 2) AS lower_usd,
    ub_usd_cents * toDecimal128('0.01', 2) AS upper_usd,
    est_usd_cents * toDecimal128('0.01', 2) AS estimate_usd,
    est_count AS estimate_count,
    est_count_limit AS estimate_count_limit,
    sampling AS sampling_class,
    CAST(sampling != 'all' AS Nullable(Bool)) AS is_throttled,
    report_seconds,
    all_share,
    order_price_count,
    bounds_inconsistent,
    backlog_count,
    price_kind,
    venues,
    feeds_status,
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
    lot,
    qty_lots,
    inputs_topic,
    inputs_partition,
    inputs_first_offset,
    inputs_last_offset,
    log_partition,
    log_offset
FROM liquidation_flow_log FINAL

-- step: clusters
CREATE TABLE IF NOT EXISTS liquidation_clusters_log
(
    asset LowCardinality(String) CODEC(ZSTD(1)),
    liquidated_side Enum8('long' = 1, 'short' = -1) CODEC(ZSTD(1)),
    start_time DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    id String CODEC(ZSTD(1)),
    revision UInt64 CODEC(Delta, ZSTD(1)),
    is_final Bool CODEC(ZSTD(1)),
    method LowCardinality(String) CODEC(ZSTD(1)),
    params LowCardinality(String) CODEC(ZSTD(1)),
    lot Decimal(38, 18) CODEC(ZSTD(1)),
    end_time DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    count Int64 CODEC(T64, ZSTD(1)),
    qty_lots Int64 CODEC(T64, ZSTD(1)),
    obs_usd_cents Int64 CODEC(T64, ZSTD(1)),
    low_price Decimal(38, 18) CODEC(ZSTD(1)),
    high_price Decimal(38, 18) CODEC(ZSTD(1)),
    largest_member String CODEC(ZSTD(1)),
    largest_time DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    largest_price Decimal(38, 18) CODEC(ZSTD(1)),
    largest_price_kind LowCardinality(String) CODEC(ZSTD(1)),
    largest_qty_lots Int64 CODEC(T64, ZSTD(1)),
    largest_usd_cents Int64 CODEC(T64, ZSTD(1)),
    venues_usd_cents Map(String, Int64) CODEC(ZSTD(1)),
    partial_venues Array(String) CODEC(ZSTD(1)),
    end_reason LowCardinality(String) CODEC(ZSTD(1)),
    inputs_topic Array(String) CODEC(ZSTD(1)),
    inputs_partition Array(Int64) CODEC(T64, ZSTD(1)),
    inputs_first_offset Array(Int64) CODEC(Delta, ZSTD(1)),
    inputs_last_offset Array(Int64) CODEC(Delta, ZSTD(1)),
    log_partition UInt32 CODEC(T64, ZSTD(1)),
    log_offset Int64 CODEC(Delta, ZSTD(1)),
    CONSTRAINT grids_above_zero CHECK lot > 0
)
ENGINE = ReplacingMergeTree(revision)
PARTITION BY toYYYYMM(start_time)
ORDER BY (asset, liquidated_side, start_time, id)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1

-- step: clusters of liquidations of one side
CREATE OR REPLACE VIEW liquidation_clusters AS
SELECT
    asset,
    liquidated_side,
    start_time,
    id,
    end_time,
    count,
    CAST(told.qty_lots * lot AS Decimal(38, 12)) AS qty,
    obs_usd_cents * toDecimal128('0.01', 2) AS observed_usd,
    CAST(told.low_price AS Decimal(38, 12)) AS low_price,
    CAST(told.high_price AS Decimal(38, 12)) AS high_price,
    end_reason,
    largest_member,
    largest_time,
    CAST(told.largest_price AS Decimal(38, 12)) AS largest_price,
    largest_price_kind,
    CAST(largest_qty_lots * lot AS Decimal(38, 12)) AS largest_qty,
    largest_usd_cents * toDecimal128('0.01', 2) AS largest_usd,
    mapApply((k, v) -> (k, v * toDecimal128('0.01', 2)), venues_usd_cents) AS venues_usd,
    partial_venues,
    is_final,
    revision,
    method,
    params,
    lot,
    inputs_topic,
    inputs_partition,
    inputs_first_offset,
    inputs_last_offset,
    log_partition,
    log_offset
FROM liquidation_clusters_log AS told FINAL
