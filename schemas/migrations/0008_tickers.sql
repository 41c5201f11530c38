-- Tickers: the last of each second of its receipt, with what was known by then; a value is as old
-- as the time beside it. Venues send about one a second, so little is left out.
--
-- Measured on a simulated hour of four perpetuals (15,623 rows): 21.3 bytes a row; ZSTD(3) 20.7,
-- DoubleDelta for times 22.3, T64 for Delta 25.8, no codec before ZSTD 33.1, LZ4 64. An hour of one
-- asset out of 2.5 million rows: 63 ms.

-- step: tickers, the last of each second
CREATE TABLE IF NOT EXISTS tickers_log
(
    asset LowCardinality(String) CODEC(ZSTD(1)),
    venue LowCardinality(String) CODEC(ZSTD(1)),
    kind Enum8('spot' = 1, 'linear_perpetual' = 2, 'inverse_perpetual' = 3) CODEC(ZSTD(1)),
    symbol LowCardinality(String) CODEC(ZSTD(1)),
    second_start DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    revision UInt64 CODEC(Delta, ZSTD(1)),
    quote LowCardinality(String) CODEC(ZSTD(1)),
    stream LowCardinality(String) CODEC(ZSTD(1)),
    session LowCardinality(String) CODEC(ZSTD(1)),
    sequence Int64 CODEC(T64, ZSTD(1)),
    receive_time DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    watermark_time DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    clock_skew_us Int64 CODEC(T64, ZSTD(1)),
    feed_state LowCardinality(String) CODEC(ZSTD(1)),
    mark_price Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
    mark_time Nullable(DateTime64(6, 'UTC')) CODEC(Delta, ZSTD(1)),
    index_price Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
    index_time Nullable(DateTime64(6, 'UTC')) CODEC(Delta, ZSTD(1)),
    funding_rate Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
    funding_time Nullable(DateTime64(6, 'UTC')) CODEC(Delta, ZSTD(1)),
    funding_interval_seconds Nullable(Int64) CODEC(T64, ZSTD(1)),
    funding_seen_time Nullable(DateTime64(6, 'UTC')) CODEC(Delta, ZSTD(1)),
    settled_funding_rate Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
    settled_funding_time Nullable(DateTime64(6, 'UTC')) CODEC(Delta, ZSTD(1)),
    open_interest Nullable(Decimal(38, 18)) CODEC(ZSTD(1)),
    open_interest_halved Bool CODEC(ZSTD(1)),
    open_interest_time Nullable(DateTime64(6, 'UTC')) CODEC(Delta, ZSTD(1)),
    open_interest_source LowCardinality(String) CODEC(ZSTD(1)),
    log_partition UInt32 CODEC(T64, ZSTD(1)),
    log_offset Int64 CODEC(Delta, ZSTD(1))
)
ENGINE = ReplacingMergeTree(revision)
PARTITION BY toDate(second_start)
ORDER BY (asset, venue, kind, symbol, second_start)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1

-- step: tickers for readers
CREATE OR REPLACE VIEW tickers AS
SELECT
    asset,
    venue,
    kind,
    symbol,
    second_start,
    CAST(told.mark_price AS Nullable(Decimal(38, 12))) AS mark_price,
    mark_time,
    CAST(told.index_price AS Nullable(Decimal(38, 12))) AS index_price,
    index_time,
    told.funding_rate AS funding_rate,
    funding_time,
    funding_interval_seconds,
    funding_seen_time,
    told.settled_funding_rate AS settled_funding_rate,
    settled_funding_time,
    CAST(told.open_interest AS Nullable(Decimal(38, 12))) AS open_interest,
    open_interest_halved,
    open_interest_time,
    open_interest_source,
    quote,
    feed_state,
    receive_time,
    watermark_time,
    clock_skew_us,
    stream,
    session,
    sequence,
    revision,
    log_partition,
    log_offset
FROM tickers_log AS told FINAL
