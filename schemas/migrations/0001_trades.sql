-- Trades. A step starts at a line `-- step: what it does` and is one statement; files are applied in
-- the order of their names, once, and never change afterwards.
--
-- `revision` is largest for the earliest record of the log, so that the first receipt of a trade stays.
-- fsync: an acknowledged insert survives power loss also on a single machine (about 3 ms an insert).

-- step: trades as received
CREATE TABLE IF NOT EXISTS trades_log
(
    asset LowCardinality(String) CODEC(ZSTD(1)),
    venue LowCardinality(String) CODEC(ZSTD(1)),
    kind Enum8('spot' = 1, 'linear_perpetual' = 2, 'inverse_perpetual' = 3) CODEC(ZSTD(1)),
    symbol LowCardinality(String) CODEC(ZSTD(1)),
    event_time DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    trade_id String CODEC(ZSTD(1)),
    revision UInt64 CODEC(Delta, ZSTD(1)),
    quote LowCardinality(String) CODEC(ZSTD(1)),
    tick Decimal(38, 18) CODEC(ZSTD(1)),
    lot Decimal(38, 18) CODEC(ZSTD(1)),
    price_ticks Int64 CODEC(Delta, ZSTD(1)),
    qty_lots Int64 CODEC(T64, ZSTD(1)),
    side Enum8('buy' = 1, 'sell' = -1, 'unknown' = 0) CODEC(ZSTD(1)),
    order_class Enum8('market' = 0, 'rpi' = 1, 'liquidation' = 2, 'adl' = 3, 'insurance' = 4, 'block' = 5, 'unknown' = 6) CODEC(ZSTD(1)),
    off_grid Bool CODEC(ZSTD(1)),
    source Enum8('stream' = 1, 'rest' = 2, 'dump' = 3) CODEC(ZSTD(1)),
    stream LowCardinality(String) CODEC(ZSTD(1)),
    session LowCardinality(String) CODEC(ZSTD(1)),
    receive_time DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    log_partition UInt32 CODEC(T64, ZSTD(1)),
    log_offset Int64 CODEC(Delta, ZSTD(1)),
    CONSTRAINT grids_above_zero CHECK tick > 0 AND lot > 0
)
ENGINE = ReplacingMergeTree(revision)
PARTITION BY toDate(event_time)
ORDER BY (asset, venue, kind, symbol, event_time, trade_id)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1

-- step: trades for readers
CREATE OR REPLACE VIEW trades AS
SELECT
    venue,
    kind,
    symbol,
    asset,
    quote,
    event_time,
    CAST(price_ticks * tick AS Decimal(38, 12)) AS price,
    CAST(qty_lots * lot AS Decimal(38, 12)) AS qty,
    side,
    trade_id,
    order_class,
    source,
    off_grid,
    stream,
    session,
    receive_time,
    price_ticks,
    tick,
    qty_lots,
    lot,
    log_partition,
    log_offset
FROM trades_log FINAL
