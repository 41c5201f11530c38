-- Cumulative volume delta: one row per series and second; a measure that cannot be known is null.

-- step: one row per series and step, every revision
CREATE TABLE IF NOT EXISTS cvd_log
(
    asset LowCardinality(String) CODEC(ZSTD(1)),
    scope Enum8('venue' = 1, 'perp' = 2, 'spot' = 3) CODEC(ZSTD(1)),
    venue LowCardinality(String) CODEC(ZSTD(1)),
    symbol LowCardinality(String) CODEC(ZSTD(1)),
    composition LowCardinality(String) CODEC(ZSTD(1)),
    step_start DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    revision UInt64 CODEC(Delta, ZSTD(1)),
    is_final Bool CODEC(ZSTD(1)),
    status Enum8('complete' = 1, 'partial' = 2, 'gap' = 3) CODEC(ZSTD(1)),
    lot Decimal(38, 18) CODEC(ZSTD(1)),
    anchor_time DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    method LowCardinality(String) CODEC(ZSTD(1)),
    params LowCardinality(String) CODEC(ZSTD(1)),
    log_time DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    delta_lots_step Nullable(Int64) CODEC(Delta, ZSTD(1)),
    delta_usd_cents_step Nullable(Int64) CODEC(Delta, ZSTD(1)),
    volume_lots_step Nullable(Int64) CODEC(Delta, ZSTD(1)),
    volume_usd_cents_step Nullable(Int64) CODEC(Delta, ZSTD(1)),
    delta_lots_day Nullable(Int64) CODEC(Delta, ZSTD(1)),
    delta_usd_cents_day Nullable(Int64) CODEC(Delta, ZSTD(1)),
    volume_lots_day Nullable(Int64) CODEC(Delta, ZSTD(1)),
    volume_usd_cents_day Nullable(Int64) CODEC(Delta, ZSTD(1)),
    delta_lots_anchored Nullable(Int64) CODEC(Delta, ZSTD(1)),
    delta_usd_cents_anchored Nullable(Int64) CODEC(Delta, ZSTD(1)),
    volume_lots_anchored Nullable(Int64) CODEC(Delta, ZSTD(1)),
    volume_usd_cents_anchored Nullable(Int64) CODEC(Delta, ZSTD(1)),
    delta_lots_15m Nullable(Int64) CODEC(Delta, ZSTD(1)),
    delta_usd_cents_15m Nullable(Int64) CODEC(Delta, ZSTD(1)),
    volume_lots_15m Nullable(Int64) CODEC(Delta, ZSTD(1)),
    volume_usd_cents_15m Nullable(Int64) CODEC(Delta, ZSTD(1)),
    delta_lots_30m Nullable(Int64) CODEC(Delta, ZSTD(1)),
    delta_usd_cents_30m Nullable(Int64) CODEC(Delta, ZSTD(1)),
    volume_lots_30m Nullable(Int64) CODEC(Delta, ZSTD(1)),
    volume_usd_cents_30m Nullable(Int64) CODEC(Delta, ZSTD(1)),
    delta_lots_1h Nullable(Int64) CODEC(Delta, ZSTD(1)),
    delta_usd_cents_1h Nullable(Int64) CODEC(Delta, ZSTD(1)),
    volume_lots_1h Nullable(Int64) CODEC(Delta, ZSTD(1)),
    volume_usd_cents_1h Nullable(Int64) CODEC(Delta, ZSTD(1)),
    delta_lots_4h Nullable(Int64) CODEC(Delta, ZSTD(1)),
    delta_usd_cents_4h Nullable(Int64) CODEC(Delta, ZSTD(1)),
    volume_lots_4h Nullable(Int64) CODEC(Delta, ZSTD(1)),
    volume_usd_cents_4h Nullable(Int64) CODEC(Delta, ZSTD(1)),
    delta_lots_24h Nullable(Int64) CODEC(Delta, ZSTD(1)),
    delta_usd_cents_24h Nullable(Int64) CODEC(Delta, ZSTD(1)),
    volume_lots_24h Nullable(Int64) CODEC(Delta, ZSTD(1)),
    volume_usd_cents_24h Nullable(Int64) CODEC(Delta, ZSTD(1)),
    venues Array(String) CODEC(ZSTD(1)),
    rolling_venues Array(Int64) CODEC(T64, ZSTD(1)),
    inputs_topic Array(String) CODEC(ZSTD(1)),
    inputs_partition Array(Int64) CODEC(T64, ZSTD(1)),
    inputs_first_offset Array(Int64) CODEC(Delta, ZSTD(1)),
    inputs_last_offset Array(Int64) CODEC(Delta, ZSTD(1)),
    log_partition UInt32 CODEC(T64, ZSTD(1)),
    log_offset Int64 CODEC(Delta, ZSTD(1)),
    CONSTRAINT grids_above_zero CHECK lot > 0
)
ENGINE = ReplacingMergeTree(revision)
PARTITION BY toDate(step_start)
ORDER BY (asset, scope, venue, symbol, composition, step_start)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1

-- step: series in coins and dollars
CREATE OR REPLACE VIEW cvd AS
SELECT
    asset,
    scope,
    venue,
    symbol,
    composition,
    step_start,
    CAST(delta_lots_step * lot AS Nullable(Decimal(38, 12))) AS delta,
    delta_usd_cents_step * toDecimal128('0.01', 2) AS delta_usd,
    CAST(volume_lots_step * lot AS Nullable(Decimal(38, 12))) AS volume,
    volume_usd_cents_step * toDecimal128('0.01', 2) AS volume_usd,
    CAST(delta_lots_day * lot AS Nullable(Decimal(38, 12))) AS cvd_day,
    CAST(delta_lots_anchored * lot AS Nullable(Decimal(38, 12))) AS cvd_anchored,
    CAST(delta_lots_15m * lot AS Nullable(Decimal(38, 12))) AS cvd_15m,
    CAST(delta_lots_30m * lot AS Nullable(Decimal(38, 12))) AS cvd_30m,
    CAST(delta_lots_1h * lot AS Nullable(Decimal(38, 12))) AS cvd_1h,
    CAST(delta_lots_4h * lot AS Nullable(Decimal(38, 12))) AS cvd_4h,
    CAST(delta_lots_24h * lot AS Nullable(Decimal(38, 12))) AS cvd_24h,
    delta_usd_cents_day * toDecimal128('0.01', 2) AS cvd_day_usd,
    delta_usd_cents_anchored * toDecimal128('0.01', 2) AS cvd_anchored_usd,
    delta_usd_cents_15m * toDecimal128('0.01', 2) AS cvd_15m_usd,
    delta_usd_cents_30m * toDecimal128('0.01', 2) AS cvd_30m_usd,
    delta_usd_cents_1h * toDecimal128('0.01', 2) AS cvd_1h_usd,
    delta_usd_cents_4h * toDecimal128('0.01', 2) AS cvd_4h_usd,
    delta_usd_cents_24h * toDecimal128('0.01', 2) AS cvd_24h_usd,
    CAST(volume_lots_day * lot AS Nullable(Decimal(38, 12))) AS volume_day,
    CAST(volume_lots_anchored * lot AS Nullable(Decimal(38, 12))) AS volume_anchored,
    CAST(volume_lots_15m * lot AS Nullable(Decimal(38, 12))) AS volume_15m,
    CAST(volume_lots_30m * lot AS Nullable(Decimal(38, 12))) AS volume_30m,
    CAST(volume_lots_1h * lot AS Nullable(Decimal(38, 12))) AS volume_1h,
    CAST(volume_lots_4h * lot AS Nullable(Decimal(38, 12))) AS volume_4h,
    CAST(volume_lots_24h * lot AS Nullable(Decimal(38, 12))) AS volume_24h,
    volume_usd_cents_day * toDecimal128('0.01', 2) AS volume_day_usd,
    volume_usd_cents_anchored * toDecimal128('0.01', 2) AS volume_anchored_usd,
    volume_usd_cents_15m * toDecimal128('0.01', 2) AS volume_15m_usd,
    volume_usd_cents_30m * toDecimal128('0.01', 2) AS volume_30m_usd,
    volume_usd_cents_1h * toDecimal128('0.01', 2) AS volume_1h_usd,
    volume_usd_cents_4h * toDecimal128('0.01', 2) AS volume_4h_usd,
    volume_usd_cents_24h * toDecimal128('0.01', 2) AS volume_24h_usd,
    delta_lots_day / nullIf(volume_lots_day, 0) AS share_day,
    delta_lots_15m / nullIf(volume_lots_15m, 0) AS share_15m,
    delta_lots_30m / nullIf(volume_lots_30m, 0) AS share_30m,
    delta_lots_1h / nullIf(volume_lots_1h, 0) AS share_1h,
    delta_lots_4h / nullIf(volume_lots_4h, 0) AS share_4h,
    delta_lots_24h / nullIf(volume_lots_24h, 0) AS share_24h,
    venues,
    rolling_venues[1] AS venues_15m,
    rolling_venues[2] AS venues_30m,
    rolling_venues[3] AS venues_1h,
    rolling_venues[4] AS venues_4h,
    rolling_venues[5] AS venues_24h,
    status,
    is_final,
    revision,
    anchor_time
FROM cvd_log FINAL

-- step: what late trades added to minutes that were final
CREATE TABLE IF NOT EXISTS cvd_adjustments_log
(
    asset LowCardinality(String) CODEC(ZSTD(1)),
    venue LowCardinality(String) CODEC(ZSTD(1)),
    symbol LowCardinality(String) CODEC(ZSTD(1)),
    bar_start DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    step_start DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    revision UInt64 CODEC(Delta, ZSTD(1)),
    lot Decimal(38, 18) CODEC(ZSTD(1)),
    delta_lots Int64 CODEC(T64, ZSTD(1)),
    delta_usd_cents Int64 CODEC(T64, ZSTD(1)),
    volume_lots Int64 CODEC(T64, ZSTD(1)),
    volume_usd_cents Int64 CODEC(T64, ZSTD(1)),
    trades Int64 CODEC(T64, ZSTD(1)),
    log_time DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    log_partition UInt32 CODEC(T64, ZSTD(1)),
    log_offset Int64 CODEC(Delta, ZSTD(1)),
    CONSTRAINT grids_above_zero CHECK lot > 0
)
ENGINE = ReplacingMergeTree(revision)
PARTITION BY toYYYYMM(bar_start)
ORDER BY (asset, venue, symbol, bar_start, step_start)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1

-- step: adjustments in coins and dollars; one per minute and the step that carried it
CREATE OR REPLACE VIEW cvd_adjustments AS
SELECT
    asset,
    venue,
    symbol,
    bar_start,
    step_start,
    CAST(delta_lots * lot AS Decimal(38, 12)) AS delta,
    delta_usd_cents * toDecimal128('0.01', 2) AS delta_usd,
    CAST(volume_lots * lot AS Decimal(38, 12)) AS volume,
    volume_usd_cents * toDecimal128('0.01', 2) AS volume_usd,
    trades,
    revision
FROM cvd_adjustments_log FINAL
