-- Instruments and data quality.

-- step: instruments
CREATE TABLE IF NOT EXISTS instruments_log
(
    venue LowCardinality(String) CODEC(ZSTD(1)),
    kind Enum8('spot' = 1, 'linear_perpetual' = 2, 'inverse_perpetual' = 3) CODEC(ZSTD(1)),
    symbol LowCardinality(String) CODEC(ZSTD(1)),
    revision UInt64 CODEC(Delta, ZSTD(1)),
    venue_symbol String CODEC(ZSTD(1)),
    asset LowCardinality(String) CODEC(ZSTD(1)),
    quote LowCardinality(String) CODEC(ZSTD(1)),
    venue_tick Decimal(38, 18) CODEC(ZSTD(1)),
    venue_lot Decimal(38, 18) CODEC(ZSTD(1)),
    tick Decimal(38, 18) CODEC(ZSTD(1)),
    lot Decimal(38, 18) CODEC(ZSTD(1)),
    status LowCardinality(String) CODEC(ZSTD(1)),
    log_partition UInt32 CODEC(T64, ZSTD(1)),
    log_offset Int64 CODEC(Delta, ZSTD(1)),
    CONSTRAINT grids_above_zero CHECK tick > 0 AND lot > 0
)
ENGINE = ReplacingMergeTree(revision)
ORDER BY (venue, kind, symbol)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1

-- step: instruments as last announced
CREATE OR REPLACE VIEW instruments AS
SELECT
    venue,
    kind,
    symbol,
    venue_symbol,
    asset,
    quote,
    tick,
    lot,
    venue_tick,
    venue_lot,
    status
FROM instruments_log FINAL

-- step: quality events
CREATE TABLE IF NOT EXISTS quality_log
(
    asset LowCardinality(String) CODEC(ZSTD(1)),
    venue LowCardinality(String) CODEC(ZSTD(1)),
    symbol LowCardinality(String) CODEC(ZSTD(1)),
    kind Enum8('connected' = 1, 'disconnected' = 2, 'stale' = 3, 'refused' = 4, 'gap' = 5, 'late' = 6, 'too_late' = 7, 'duplicate' = 8, 'out_of_order' = 9) CODEC(ZSTD(1)),
    stream LowCardinality(String) CODEC(ZSTD(1)),
    session LowCardinality(String) CODEC(ZSTD(1)),
    from_time DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    to_time DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    log_time DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    revision UInt64 CODEC(Delta, ZSTD(1)),
    count Int64 CODEC(Delta, ZSTD(1)),
    detail String CODEC(ZSTD(1)),
    log_partition UInt32 CODEC(T64, ZSTD(1)),
    log_offset Int64 CODEC(Delta, ZSTD(1))
)
ENGINE = ReplacingMergeTree(revision)
PARTITION BY toYYYYMM(from_time)
ORDER BY (asset, venue, symbol, kind, stream, session, from_time, to_time, log_time)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1

-- step: quality events for readers
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
    log_time
FROM quality_log FINAL
