-- What was loaded from files, and how bars compare with what venues publish themselves.

-- step: files that were loaded
CREATE TABLE IF NOT EXISTS backfills_log
(
    file String CODEC(ZSTD(1)),
    size_bytes Int64 CODEC(ZSTD(1)),
    sha256 String CODEC(ZSTD(1)),
    revision UInt64 CODEC(ZSTD(1)),
    format LowCardinality(String) CODEC(ZSTD(1)),
    asset LowCardinality(String) CODEC(ZSTD(1)),
    venue LowCardinality(String) CODEC(ZSTD(1)),
    symbol LowCardinality(String) CODEC(ZSTD(1)),
    stream LowCardinality(String) CODEC(ZSTD(1)),
    session String CODEC(ZSTD(1)),
    from_time DateTime64(6, 'UTC') CODEC(ZSTD(1)),
    to_time DateTime64(6, 'UTC') CODEC(ZSTD(1)),
    trades Int64 CODEC(ZSTD(1)),
    skipped Int64 CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(revision)
ORDER BY (file, size_bytes, sha256)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1

-- step: loaded files for readers
CREATE OR REPLACE VIEW backfills AS
SELECT file, format, asset, venue, symbol, stream, from_time, to_time, trades, skipped, session, size_bytes, sha256
FROM backfills_log FINAL

-- step: comparisons of bars, one row a bar and what it was compared with
CREATE TABLE IF NOT EXISTS reconciliations_log
(
    asset LowCardinality(String) CODEC(ZSTD(1)),
    venue LowCardinality(String) CODEC(ZSTD(1)),
    symbol LowCardinality(String) CODEC(ZSTD(1)),
    interval_seconds UInt32 CODEC(ZSTD(1)),
    bar_start DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    against LowCardinality(String) CODEC(ZSTD(1)),
    revision UInt64 CODEC(ZSTD(1)),
    file String CODEC(ZSTD(1)),
    class Enum8('exact' = 1, 'explained' = 2, 'tolerance' = 3, 'broken' = 4) CODEC(ZSTD(1)),
    cause LowCardinality(String) CODEC(ZSTD(1)),
    total_theirs Decimal(38, 18) CODEC(ZSTD(1)),
    total_ours Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
    taker_buy_theirs Decimal(38, 18) CODEC(ZSTD(1)),
    taker_buy_ours Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
    excluded Decimal(38, 18) CODEC(ZSTD(1)),
    high_theirs Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
    high_ours Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
    low_theirs Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
    low_ours Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
    trades_theirs Int64 CODEC(ZSTD(1)),
    trades_ours Int64 CODEC(ZSTD(1)),
    trades_compared Bool CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(revision)
PARTITION BY toYYYYMM(bar_start)
ORDER BY (asset, venue, symbol, interval_seconds, bar_start, against)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1

-- step: comparisons for readers
CREATE OR REPLACE VIEW reconciliations AS
SELECT
    asset,
    venue,
    symbol,
    interval_seconds,
    bar_start,
    against,
    class,
    cause,
    CAST(total_theirs AS Decimal(38, 12)) AS total_qty_theirs,
    CAST(total_ours AS Nullable(Decimal(38, 12))) AS total_qty_ours,
    CAST(taker_buy_theirs AS Decimal(38, 12)) AS taker_buy_qty_theirs,
    CAST(taker_buy_ours AS Nullable(Decimal(38, 12))) AS taker_buy_qty_ours,
    CAST(excluded AS Decimal(38, 12)) AS excluded_qty,
    CAST(high_theirs AS Nullable(Decimal(38, 12))) AS high_price_theirs,
    CAST(high_ours AS Nullable(Decimal(38, 12))) AS high_price_ours,
    CAST(low_theirs AS Nullable(Decimal(38, 12))) AS low_price_theirs,
    CAST(low_ours AS Nullable(Decimal(38, 12))) AS low_price_ours,
    trades_theirs,
    trades_ours,
    trades_compared,
    file
FROM reconciliations_log FINAL
