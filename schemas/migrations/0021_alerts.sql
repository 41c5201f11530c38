-- Alerts: what the user's rules found, with who stood behind it.

-- step: one row per key, every delivery
CREATE TABLE IF NOT EXISTS alerts_log
(
    asset LowCardinality(String) CODEC(ZSTD(1)),
    rule LowCardinality(String) CODEC(ZSTD(1)),
    key String CODEC(ZSTD(1)),
    event_time DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    revision UInt64 CODEC(Delta, ZSTD(1)),
    kind Enum8('event' = 1, 'value' = 2, 'data_quality' = 3) CODEC(ZSTD(1)),
    severity Enum8('info' = 1, 'warning' = 2, 'critical' = 3) CODEC(ZSTD(1)),
    source LowCardinality(String) CODEC(ZSTD(1)),
    scope Enum8('venue' = 1, 'perp' = 2, 'spot' = 3) CODEC(ZSTD(1)),
    venue LowCardinality(String) CODEC(ZSTD(1)),
    symbol LowCardinality(String) CODEC(ZSTD(1)),
    event_id String CODEC(ZSTD(1)),
    state LowCardinality(String) CODEC(ZSTD(1)),
    field LowCardinality(String) CODEC(ZSTD(1)),
    value Nullable(Float64) CODEC(ZSTD(1)),
    threshold Nullable(Float64) CODEC(ZSTD(1)),
    is_final Bool CODEC(ZSTD(1)),
    status Enum8('complete' = 1, 'partial' = 2, 'gap' = 3) CODEC(ZSTD(1)),
    venues_expected Array(String) CODEC(ZSTD(1)),
    venues_complete Array(String) CODEC(ZSTD(1)),
    venues_partial Array(String) CODEC(ZSTD(1)),
    coverage_ms Map(String, Int64) CODEC(ZSTD(1)),
    feed_states Map(String, String) CODEC(ZSTD(1)),
    evidence Array(String) CODEC(ZSTD(1)),
    methods Array(String) CODEC(ZSTD(1)),
    suppressed Map(String, Int64) CODEC(ZSTD(1)),
    message String CODEC(ZSTD(1)),
    method LowCardinality(String) CODEC(ZSTD(1)),
    params LowCardinality(String) CODEC(ZSTD(1)),
    inputs_topic Array(String) CODEC(ZSTD(1)),
    inputs_partition Array(Int64) CODEC(T64, ZSTD(1)),
    inputs_first_offset Array(Int64) CODEC(Delta, ZSTD(1)),
    inputs_last_offset Array(Int64) CODEC(Delta, ZSTD(1)),
    log_partition UInt32 CODEC(T64, ZSTD(1)),
    log_offset Int64 CODEC(Delta, ZSTD(1))
)
ENGINE = ReplacingMergeTree(revision)
PARTITION BY toYYYYMM(event_time)
ORDER BY (asset, rule, key)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1

-- step: alerts for readers
CREATE OR REPLACE VIEW alerts AS
SELECT
    event_time,
    asset,
    rule,
    severity,
    kind,
    message,
    scope,
    venue,
    symbol,
    source,
    state,
    field,
    value,
    threshold,
    status,
    venues_expected,
    venues_complete,
    venues_partial,
    coverage_ms,
    feed_states,
    evidence,
    methods,
    suppressed,
    event_id,
    key,
    is_final,
    revision
FROM alerts_log FINAL
