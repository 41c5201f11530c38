-- Quality of every channel: more kinds of events, bounds of gaps by id, summaries of streams.

-- step: kinds of quality events
ALTER TABLE quality_log MODIFY COLUMN kind Enum8('connected' = 1, 'disconnected' = 2, 'stale' = 3, 'refused' = 4, 'gap' = 5, 'late' = 6, 'too_late' = 7, 'duplicate' = 8, 'out_of_order' = 9, 'gap_repaired' = 10, 'gap_permanent' = 11, 'resync' = 12, 'silent' = 13, 'rotated' = 14, 'leaving' = 15, 'rate_limited' = 16, 'dropped' = 17, 'feed_state' = 18, 'summary' = 19) CODEC(ZSTD(1))

-- step: bounds of gaps
ALTER TABLE quality_log
    ADD COLUMN IF NOT EXISTS first_id Nullable(Int64) CODEC(ZSTD(1)) AFTER detail,
    ADD COLUMN IF NOT EXISTS last_id Nullable(Int64) CODEC(ZSTD(1)) AFTER first_id,
    ADD COLUMN IF NOT EXISTS recovered Nullable(Int64) CODEC(ZSTD(1)) AFTER last_id

-- step: quality events for readers, with the bounds of gaps
CREATE OR REPLACE VIEW quality AS
SELECT
    asset,
    venue,
    symbol,
    kind,
    stream,
    session,
    from_time,
    to_time,
    count,
    detail,
    first_id,
    last_id,
    recovered,
    log_time
FROM quality_log FINAL

-- step: summaries of streams
CREATE TABLE IF NOT EXISTS feed_summaries_log
(
    asset LowCardinality(String) CODEC(ZSTD(1)),
    venue LowCardinality(String) CODEC(ZSTD(1)),
    symbol LowCardinality(String) CODEC(ZSTD(1)),
    stream LowCardinality(String) CODEC(ZSTD(1)),
    session LowCardinality(String) CODEC(ZSTD(1)),
    from_time DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    to_time DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    revision UInt64 CODEC(Delta, ZSTD(1)),
    feed_state LowCardinality(String) CODEC(ZSTD(1)),
    messages Int64 CODEC(T64, ZSTD(1)),
    items Int64 CODEC(T64, ZSTD(1)),
    duplicates Int64 CODEC(T64, ZSTD(1)),
    out_of_order Int64 CODEC(T64, ZSTD(1)),
    gaps Int64 CODEC(T64, ZSTD(1)),
    resyncs Int64 CODEC(T64, ZSTD(1)),
    reconnects Int64 CODEC(T64, ZSTD(1)),
    refusals Int64 CODEC(T64, ZSTD(1)),
    rejected Int64 CODEC(T64, ZSTD(1)),
    late_2_seconds Int64 CODEC(T64, ZSTD(1)),
    late_30_seconds Int64 CODEC(T64, ZSTD(1)),
    late_24_hours Int64 CODEC(T64, ZSTD(1)),
    late_more Int64 CODEC(T64, ZSTD(1)),
    lag_p50_us Nullable(Int64) CODEC(ZSTD(1)),
    lag_p99_us Nullable(Int64) CODEC(ZSTD(1)),
    clock_offset_us Nullable(Int64) CODEC(ZSTD(1)),
    watermark_lag_us Nullable(Int64) CODEC(ZSTD(1)),
    crossed_us Int64 CODEC(T64, ZSTD(1)),
    invalid_us Int64 CODEC(T64, ZSTD(1)),
    log_partition UInt32 CODEC(T64, ZSTD(1)),
    log_offset Int64 CODEC(Delta, ZSTD(1))
)
ENGINE = ReplacingMergeTree(revision)
PARTITION BY toYYYYMM(from_time)
ORDER BY (asset, venue, symbol, stream, session, from_time)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1

-- step: summaries of streams for readers
CREATE OR REPLACE VIEW feed_summaries AS
SELECT * EXCEPT (revision, log_partition, log_offset)
FROM feed_summaries_log FINAL
