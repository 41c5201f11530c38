-- Volume profiles: one row a profile with its price rows as parallel arrays, so that a revision
-- replaces the profile whole.

-- step: profiles, every revision
CREATE TABLE IF NOT EXISTS profiles_log
(
    asset LowCardinality(String) CODEC(ZSTD(1)),
    scope Enum8('venue' = 1, 'perp' = 2, 'spot' = 3) CODEC(ZSTD(1)),
    venue LowCardinality(String) CODEC(ZSTD(1)),
    symbol LowCardinality(String) CODEC(ZSTD(1)),
    window LowCardinality(String) CODEC(ZSTD(1)),
    window_start DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    tick Decimal(38, 18) CODEC(ZSTD(1)),
    lot Decimal(38, 18) CODEC(ZSTD(1)),
    row_size Decimal(38, 18) CODEC(ZSTD(1)),
    window_end DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    until_time DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
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
    row_ticks Int64 CODEC(T64, ZSTD(1)),
    buy_lots Int64 CODEC(T64, ZSTD(1)),
    sell_lots Int64 CODEC(T64, ZSTD(1)),
    unknown_lots Int64 CODEC(T64, ZSTD(1)),
    trades Int64 CODEC(T64, ZSTD(1)),
    vwap Nullable(Float64) CODEC(ZSTD(3)),
    high_ticks Nullable(Int64) CODEC(T64, ZSTD(1)),
    low_ticks Nullable(Int64) CODEC(T64, ZSTD(1)),
    poc_ticks Nullable(Int64) CODEC(T64, ZSTD(1)),
    null_reasons Map(String, String) CODEC(ZSTD(3)),
    val_ticks Nullable(Int64) CODEC(T64, ZSTD(1)),
    vah_ticks Nullable(Int64) CODEC(T64, ZSTD(1)),
    value_area_share Nullable(Float64) CODEC(ZSTD(3)),
    rows_ticks Array(Int64) CODEC(Delta, ZSTD(3)),
    rows_sell_lots Array(Int64) CODEC(ZSTD(3)),
    rows_buy_lots Array(Int64) CODEC(ZSTD(3)),
    rows_unknown_lots Array(Int64) CODEC(ZSTD(3)),
    high_nodes_low_ticks Array(Int64) CODEC(ZSTD(3)),
    high_nodes_high_ticks Array(Int64) CODEC(ZSTD(3)),
    high_nodes_row_ticks Array(Int64) CODEC(ZSTD(3)),
    high_nodes_lots Array(Int64) CODEC(ZSTD(3)),
    high_nodes_prominence Array(Float64) CODEC(ZSTD(3)),
    low_nodes_low_ticks Array(Int64) CODEC(ZSTD(3)),
    low_nodes_high_ticks Array(Int64) CODEC(ZSTD(3)),
    low_nodes_row_ticks Array(Int64) CODEC(ZSTD(3)),
    low_nodes_lots Array(Int64) CODEC(ZSTD(3)),
    low_nodes_prominence Array(Float64) CODEC(ZSTD(3)),
    common_venues Array(String) CODEC(ZSTD(3)),
    common_sell_lots Nullable(Int64) CODEC(T64, ZSTD(1)),
    common_buy_lots Nullable(Int64) CODEC(T64, ZSTD(1)),
    common_unknown_lots Nullable(Int64) CODEC(T64, ZSTD(1)),
    common_poc_ticks Nullable(Int64) CODEC(T64, ZSTD(1)),
    common_val_ticks Nullable(Int64) CODEC(T64, ZSTD(1)),
    common_vah_ticks Nullable(Int64) CODEC(T64, ZSTD(1)),
    common_value_area_share Nullable(Float64) CODEC(ZSTD(3)),
    prior_session_start Nullable(DateTime64(6, 'UTC')) CODEC(Delta, ZSTD(1)),
    prior_poc_ticks Nullable(Int64) CODEC(T64, ZSTD(1)),
    prior_val_ticks Nullable(Int64) CODEC(T64, ZSTD(1)),
    prior_vah_ticks Nullable(Int64) CODEC(T64, ZSTD(1)),
    prior_high_ticks Nullable(Int64) CODEC(T64, ZSTD(1)),
    prior_low_ticks Nullable(Int64) CODEC(T64, ZSTD(1)),
    naked_low_ticks Array(Int64) CODEC(ZSTD(3)),
    naked_high_ticks Array(Int64) CODEC(ZSTD(3)),
    naked_session_start Array(DateTime64(6, 'UTC')) CODEC(ZSTD(3)),
    naked_all_seen Array(Bool) CODEC(ZSTD(3)),
    CONSTRAINT grids_above_zero CHECK tick > 0 AND lot > 0 AND row_size > 0
)
ENGINE = ReplacingMergeTree(revision)
PARTITION BY toYYYYMM(window_start)
ORDER BY (asset, scope, venue, symbol, window, window_start)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'An hour of BTC on eight simulated instruments: 287 bytes a row; 328 with Delta, 336 with T64 and Gorilla, 298 with ZSTD(1) and FPC, 280 with ZSTD(3) throughout. A profile of 34 rows on average. Through its view one profile out of 115,000 in 15 ms.'

-- step: profiles without their rows
CREATE OR REPLACE VIEW profiles AS
SELECT
    asset,
    scope,
    venue,
    symbol,
    window,
    window_start,
    window_end,
    until_time,
    is_final,
    CAST(high_ticks * tick AS Nullable(Decimal(38, 12))) AS high,
    CAST(low_ticks * tick AS Nullable(Decimal(38, 12))) AS low,
    vwap,
    CAST(poc_ticks * tick AS Nullable(Decimal(38, 12))) AS poc,
    CAST(vah_ticks * tick AS Nullable(Decimal(38, 12))) AS vah,
    CAST(val_ticks * tick AS Nullable(Decimal(38, 12))) AS val,
    value_area_share,
    CAST(if(status = 'gap' AND empty(rows_ticks), NULL, sell_lots * lot) AS Nullable(Decimal(38, 12))) AS sell_qty,
    CAST(if(status = 'gap' AND empty(rows_ticks), NULL, buy_lots * lot) AS Nullable(Decimal(38, 12))) AS buy_qty,
    CAST(if(status = 'gap' AND empty(rows_ticks), NULL, unknown_lots * lot) AS Nullable(Decimal(38, 12))) AS unknown_qty,
    if(status = 'gap' AND empty(rows_ticks), NULL, trades) AS trades,
    row_size,
    common_venues,
    CAST(common_sell_lots * lot AS Nullable(Decimal(38, 12))) AS common_sell_qty,
    CAST(common_buy_lots * lot AS Nullable(Decimal(38, 12))) AS common_buy_qty,
    CAST(common_unknown_lots * lot AS Nullable(Decimal(38, 12))) AS common_unknown_qty,
    CAST(common_poc_ticks * tick AS Nullable(Decimal(38, 12))) AS common_poc,
    CAST(common_vah_ticks * tick AS Nullable(Decimal(38, 12))) AS common_vah,
    CAST(common_val_ticks * tick AS Nullable(Decimal(38, 12))) AS common_val,
    prior_session_start,
    CAST(prior_poc_ticks * tick AS Nullable(Decimal(38, 12))) AS prior_poc,
    CAST(prior_vah_ticks * tick AS Nullable(Decimal(38, 12))) AS prior_vah,
    CAST(prior_val_ticks * tick AS Nullable(Decimal(38, 12))) AS prior_val,
    CAST(prior_high_ticks * tick AS Nullable(Decimal(38, 12))) AS prior_high,
    CAST(prior_low_ticks * tick AS Nullable(Decimal(38, 12))) AS prior_low,
    status,
    venues_expected,
    venues_complete,
    venues_partial,
    null_reasons,
    revision
FROM profiles_log FINAL

-- step: one row a price row
CREATE OR REPLACE VIEW profile_rows AS
SELECT
    asset,
    scope,
    venue,
    symbol,
    window,
    window_start,
    is_final,
    CAST(row_price_ticks * tick AS Decimal(38, 12)) AS row_price,
    row_size,
    CAST(row_sell_lots * lot AS Decimal(38, 12)) AS sell_qty,
    CAST(row_buy_lots * lot AS Decimal(38, 12)) AS buy_qty,
    CAST(row_unknown_lots * lot AS Decimal(38, 12)) AS unknown_qty,
    CAST((row_buy_lots - row_sell_lots) * lot AS Decimal(38, 12)) AS delta,
    status,
    revision
FROM profiles_log FINAL
ARRAY JOIN
    rows_ticks AS row_price_ticks,
    rows_sell_lots AS row_sell_lots,
    rows_buy_lots AS row_buy_lots,
    rows_unknown_lots AS row_unknown_lots

-- step: one row a high or low volume node
CREATE OR REPLACE VIEW profile_nodes AS
SELECT
    asset,
    scope,
    venue,
    symbol,
    window,
    window_start,
    is_final,
    node_kind AS kind,
    CAST(node_low_ticks * tick AS Decimal(38, 12)) AS low,
    CAST(node_high_ticks * tick AS Decimal(38, 12)) AS high,
    CAST(node_row_ticks * tick AS Decimal(38, 12)) AS row_price,
    CAST(node_lots * lot AS Decimal(38, 12)) AS qty,
    node_prominence AS prominence,
    revision
FROM profiles_log FINAL
ARRAY JOIN
    arrayConcat(arrayMap(x -> 'high', high_nodes_lots), arrayMap(x -> 'low', low_nodes_lots)) AS node_kind,
    arrayConcat(high_nodes_low_ticks, low_nodes_low_ticks) AS node_low_ticks,
    arrayConcat(high_nodes_high_ticks, low_nodes_high_ticks) AS node_high_ticks,
    arrayConcat(high_nodes_row_ticks, low_nodes_row_ticks) AS node_row_ticks,
    arrayConcat(high_nodes_lots, low_nodes_lots) AS node_lots,
    arrayConcat(high_nodes_prominence, low_nodes_prominence) AS node_prominence

-- step: one row a session and POC of an earlier one that it has not traded through
CREATE OR REPLACE VIEW naked_pocs AS
SELECT
    asset,
    scope,
    venue,
    symbol,
    window_start,
    until_time,
    is_final,
    poc_session_start AS session_start,
    CAST(poc_low_ticks * tick AS Decimal(38, 12)) AS low,
    CAST(poc_high_ticks * tick AS Decimal(38, 12)) AS high,
    poc_all_seen AS all_seen,
    revision
FROM profiles_log FINAL
ARRAY JOIN
    naked_session_start AS poc_session_start,
    naked_low_ticks AS poc_low_ticks,
    naked_high_ticks AS poc_high_ticks,
    naked_all_seen AS poc_all_seen
