-- Order books. The topic has a book of 2.1 kB every 100 ms of every instrument; here is the last
-- one of each second, as it stood at the venue's time of its newest update (of its receipt, where
-- there is no book). Every 100 ms would be 0.9 million rows and 220 MB a day and instrument, the
-- second is 86,400 rows and 22 MB: of what people ask in SQL (spread, depth, slippage) a second
-- says as much. Changes of the best prices (`tops`) are not stored, a second has only those of its
-- last record: they are in the topic. A second without an update has no row, the one before stands;
-- `receive_time` grows as long as a book is repeated.
--
-- A record takes 6.5 us to split (its head only is read) and, for what is stored, 65 us a row to
-- encode.
--
-- Measured on a simulated hour of BTC on eight instruments (30,767 rows, 1.7 kB raw): 256 bytes a
-- row, of which 144 are the quantities of 100 levels (T64 72 a side, Delta 92) and 65 their prices
-- (Delta 32, T64 38, none 48). Sums of bands: Delta 33, T64 78. ZSTD(3) for ZSTD(1) saves 4 % of
-- levels; LZ4 alone takes 445. DoubleDelta is no better for times. A day of six assets on eight
-- instruments each is 1 GB, hence the TTL. Recorded books of BTC on Binance take 319 bytes (696
-- rows, 2.1 kB raw). It counts from when a row was stored, or a replayed recording would be gone at
-- once. Granules are small because rows are large.
--
-- Of 0.65 million rows: an hour of one venue 59 ms, the spread of all instruments over an hour 127
-- ms.

-- step: books, the last of each second
CREATE TABLE IF NOT EXISTS books_log
(
    asset LowCardinality(String) CODEC(ZSTD(1)),
    venue LowCardinality(String) CODEC(ZSTD(1)),
    kind Enum8('spot' = 1, 'linear_perpetual' = 2, 'inverse_perpetual' = 3) CODEC(ZSTD(1)),
    symbol LowCardinality(String) CODEC(ZSTD(1)),
    second_start DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    revision UInt64 CODEC(Delta, ZSTD(1)),
    quote LowCardinality(String) CODEC(ZSTD(1)),
    tick Decimal(38, 18) CODEC(ZSTD(1)),
    lot Decimal(38, 18) CODEC(ZSTD(1)),
    event_time Nullable(DateTime64(6, 'UTC')) CODEC(Delta, ZSTD(1)),
    receive_time DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    watermark_time DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    clock_skew_us Int64 CODEC(T64, ZSTD(1)),
    feed_state LowCardinality(String) CODEC(ZSTD(1)),
    stream LowCardinality(String) CODEC(ZSTD(1)),
    session LowCardinality(String) CODEC(ZSTD(1)),
    sequence Int64 CODEC(T64, ZSTD(1)),
    update_id Int64 CODEC(T64, ZSTD(1)),
    book_epoch Int64 CODEC(T64, ZSTD(1)),
    book_valid Bool CODEC(ZSTD(1)),
    book_state LowCardinality(String) CODEC(ZSTD(1)),
    bids_ticks Array(Int64) CODEC(Delta, ZSTD(1)),
    bids_lots Array(Int64) CODEC(T64, ZSTD(1)),
    asks_ticks Array(Int64) CODEC(Delta, ZSTD(1)),
    asks_lots Array(Int64) CODEC(T64, ZSTD(1)),
    bands_half_width_bp Array(Int64) CODEC(T64, ZSTD(1)),
    bands_bid_lots Array(Int64) CODEC(Delta, ZSTD(1)),
    bands_ask_lots Array(Int64) CODEC(Delta, ZSTD(1)),
    bands_bid_tick_lots Array(Int64) CODEC(Delta, ZSTD(1)),
    bands_ask_tick_lots Array(Int64) CODEC(Delta, ZSTD(1)),
    bands_coverage Array(Int64) CODEC(T64, ZSTD(1)),
    bid_levels Int64 CODEC(T64, ZSTD(1)),
    ask_levels Int64 CODEC(T64, ZSTD(1)),
    top_stream LowCardinality(String) CODEC(ZSTD(1)),
    top_epoch Int64 CODEC(T64, ZSTD(1)),
    log_partition UInt32 CODEC(T64, ZSTD(1)),
    log_offset Int64 CODEC(Delta, ZSTD(1)),
    stored_time DateTime('UTC') DEFAULT now('UTC') CODEC(Delta, ZSTD(1)),
    CONSTRAINT grids_above_zero CHECK tick > 0 AND lot > 0
)
ENGINE = ReplacingMergeTree(revision)
PARTITION BY toDate(second_start)
ORDER BY (asset, venue, kind, symbol, second_start)
TTL stored_time + INTERVAL 7 DAY
SETTINGS index_granularity = 1024, ttl_only_drop_parts = 1, non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1

-- step: books for readers
CREATE OR REPLACE VIEW books AS
SELECT
    asset,
    venue,
    kind,
    symbol,
    second_start,
    book_valid,
    book_state,
    feed_state,
    CAST(if(empty(bids_ticks), NULL, bids_ticks[1]) * tick AS Nullable(Decimal(38, 12))) AS best_bid,
    CAST(if(empty(asks_ticks), NULL, asks_ticks[1]) * tick AS Nullable(Decimal(38, 12))) AS best_ask,
    CAST((if(empty(asks_ticks), NULL, asks_ticks[1]) - if(empty(bids_ticks), NULL, bids_ticks[1])) * tick AS Nullable(Decimal(38, 12))) AS spread,
    20000 * (if(empty(asks_ticks), NULL, asks_ticks[1]) - if(empty(bids_ticks), NULL, bids_ticks[1])) / (if(empty(asks_ticks), NULL, asks_ticks[1]) + if(empty(bids_ticks), NULL, bids_ticks[1])) AS spread_bp,
    CAST((if(empty(asks_ticks), NULL, asks_ticks[1]) + if(empty(bids_ticks), NULL, bids_ticks[1])) * tick / 2 AS Nullable(Decimal(38, 12))) AS mid,
    CAST(if(empty(bids_lots), NULL, bids_lots[1]) * lot AS Nullable(Decimal(38, 12))) AS best_bid_qty,
    CAST(if(empty(asks_lots), NULL, asks_lots[1]) * lot AS Nullable(Decimal(38, 12))) AS best_ask_qty,
    arrayMap(x -> CAST(x * tick AS Decimal(38, 12)), bids_ticks) AS bids_price,
    arrayMap(x -> CAST(x * lot AS Decimal(38, 12)), bids_lots) AS bids_qty,
    arrayMap(x -> CAST(x * tick AS Decimal(38, 12)), asks_ticks) AS asks_price,
    arrayMap(x -> CAST(x * lot AS Decimal(38, 12)), asks_lots) AS asks_qty,
    bid_levels,
    ask_levels,
    event_time,
    receive_time,
    watermark_time,
    clock_skew_us,
    quote,
    tick,
    lot,
    bids_ticks,
    bids_lots,
    asks_ticks,
    asks_lots,
    stream,
    session,
    sequence,
    update_id,
    book_epoch,
    top_stream,
    top_epoch,
    revision,
    log_partition,
    log_offset
FROM books_log FINAL

-- step: depth in bands around mid, one row a band
CREATE OR REPLACE VIEW book_bands AS
SELECT
    asset,
    venue,
    kind,
    symbol,
    second_start,
    half_width_bp,
    CAST(band_bid_lots * lot AS Decimal(38, 12)) AS bid_qty,
    CAST(band_ask_lots * lot AS Decimal(38, 12)) AS ask_qty,
    CAST(toDecimal256(tick, 18) * toDecimal256(lot, 18) * band_bid_tick_lots AS Decimal(38, 8)) AS bid_notional,
    CAST(toDecimal256(tick, 18) * toDecimal256(lot, 18) * band_ask_tick_lots AS Decimal(38, 8)) AS ask_notional,
    CAST(bitTest(band_coverage, 0) AS Bool) AS bid_covered,
    CAST(bitTest(band_coverage, 1) AS Bool) AS ask_covered,
    quote,
    event_time
FROM books_log FINAL
ARRAY JOIN
    bands_half_width_bp AS half_width_bp,
    bands_bid_lots AS band_bid_lots,
    bands_ask_lots AS band_ask_lots,
    bands_bid_tick_lots AS band_bid_tick_lots,
    bands_ask_tick_lots AS band_ask_tick_lots,
    bands_coverage AS band_coverage
