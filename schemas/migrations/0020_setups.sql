-- Setups: one row for each state of one of them. A state that was provisional is replaced by the one
-- that a bar held, which has the same identity and a greater revision. Outcomes: one row for each
-- event, replaced as its horizons go by. Worth: one row for each kind, horizon and day.

-- step: setups, every state
CREATE TABLE IF NOT EXISTS setups_log
(
    asset LowCardinality(String) CODEC(ZSTD(3)),
    setup LowCardinality(String) CODEC(ZSTD(3)),
    variant LowCardinality(String) CODEC(ZSTD(3)),
    side LowCardinality(String) CODEC(ZSTD(3)),
    armed_time DateTime64(6, 'UTC') CODEC(Delta, ZSTD(3)),
    id String CODEC(ZSTD(3)),
    state LowCardinality(String) CODEC(ZSTD(3)),
    revision UInt64 CODEC(Delta, ZSTD(3)),
    is_final Bool CODEC(ZSTD(3)),
    method LowCardinality(String) CODEC(ZSTD(3)),
    params LowCardinality(String) CODEC(ZSTD(3)),
    previous_state Nullable(String) CODEC(ZSTD(3)),
    reason LowCardinality(String) CODEC(ZSTD(3)),
    provisional Bool CODEC(ZSTD(3)),
    scope Enum8('venue' = 1, 'perp' = 2, 'spot' = 3) CODEC(ZSTD(3)),
    venue LowCardinality(String) CODEC(ZSTD(3)),
    symbol LowCardinality(String) CODEC(ZSTD(3)),
    tick Decimal(38, 18) CODEC(ZSTD(3)),
    lot Decimal(38, 18) CODEC(ZSTD(3)),
    event_time DateTime64(6, 'UTC') CODEC(Delta, ZSTD(3)),
    triggered_time Nullable(DateTime64(6, 'UTC')) CODEC(ZSTD(3)),
    price_ticks Nullable(Int64) CODEC(Delta, ZSTD(3)),
    level_low_ticks Nullable(Int64) CODEC(Delta, ZSTD(3)),
    level_high_ticks Nullable(Int64) CODEC(Delta, ZSTD(3)),
    limit_ticks Nullable(Int64) CODEC(Delta, ZSTD(3)),
    weight Nullable(Float64) CODEC(ZSTD(3)),
    experimental Bool CODEC(ZSTD(3)),
    status Enum8('complete' = 1, 'partial' = 2, 'gap' = 3) CODEC(ZSTD(3)),
    venues_expected Array(String) CODEC(ZSTD(3)),
    venues Array(String) CODEC(ZSTD(3)),
    whole_values Map(String, Nullable(Int64)) CODEC(ZSTD(3)),
    real_values Map(String, Float64) CODEC(ZSTD(3)),
    evidence Array(String) CODEC(ZSTD(3)),
    null_reasons Map(String, String) CODEC(ZSTD(3)),
    inputs_topic Array(String) CODEC(ZSTD(3)),
    inputs_partition Array(Int64) CODEC(T64, ZSTD(3)),
    inputs_first_offset Array(Int64) CODEC(Delta, ZSTD(3)),
    inputs_last_offset Array(Int64) CODEC(Delta, ZSTD(3)),
    log_partition UInt32 CODEC(T64, ZSTD(3)),
    log_offset Int64 CODEC(Delta, ZSTD(3)),
    CONSTRAINT grids_above_zero CHECK tick > 0 AND lot > 0
)
ENGINE = ReplacingMergeTree(revision)
PARTITION BY toYYYYMM(armed_time)
ORDER BY (asset, setup, variant, side, armed_time, id, state)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1

-- step: every state of every setup
CREATE OR REPLACE VIEW setup_states AS
SELECT
    asset,
    setup,
    variant,
    side,
    scope,
    venue,
    symbol,
    id,
    state,
    previous_state,
    reason,
    provisional,
    event_time,
    armed_time,
    triggered_time,
    CAST(price_ticks * tick AS Nullable(Decimal(38, 12))) AS price,
    CAST(level_low_ticks * tick AS Nullable(Decimal(38, 12))) AS level_low,
    CAST(level_high_ticks * tick AS Nullable(Decimal(38, 12))) AS level_high,
    CAST(limit_ticks * tick AS Nullable(Decimal(38, 12))) AS limit_price,
    weight,
    experimental,
    status,
    venues_expected,
    venues,
    mapUpdate(CAST(whole_values AS Map(String, Nullable(Float64))), CAST(real_values AS Map(String, Nullable(Float64)))) AS values,
    evidence,
    null_reasons,
    is_final,
    revision,
    method,
    params,
    tick,
    lot,
    log_partition,
    log_offset
FROM setups_log FINAL

-- step: setups in their newest state
CREATE OR REPLACE VIEW setups AS
SELECT *
FROM setup_states
ORDER BY event_time DESC, revision DESC, log_offset DESC
LIMIT 1 BY asset, setup, variant, side, armed_time, id

-- step: outcomes, one row for each event
CREATE TABLE IF NOT EXISTS outcomes_log
(
    asset LowCardinality(String) CODEC(ZSTD(3)),
    measured LowCardinality(String) CODEC(ZSTD(3)),
    variant LowCardinality(String) CODEC(ZSTD(3)),
    side LowCardinality(String) CODEC(ZSTD(3)),
    event_time DateTime64(6, 'UTC') CODEC(Delta, ZSTD(3)),
    id String CODEC(ZSTD(3)),
    revision UInt64 CODEC(Delta, ZSTD(3)),
    is_final Bool CODEC(ZSTD(3)),
    method LowCardinality(String) CODEC(ZSTD(3)),
    params LowCardinality(String) CODEC(ZSTD(3)),
    event_id String CODEC(ZSTD(3)),
    venue LowCardinality(String) CODEC(ZSTD(3)),
    symbol LowCardinality(String) CODEC(ZSTD(3)),
    tick Decimal(38, 18) CODEC(ZSTD(3)),
    as_of DateTime64(6, 'UTC') CODEC(Delta, ZSTD(3)),
    entry_time DateTime64(6, 'UTC') CODEC(Delta, ZSTD(3)),
    entry_ticks Nullable(Int64) CODEC(Delta, ZSTD(3)),
    status Enum8('complete' = 1, 'partial' = 2, 'gap' = 3) CODEC(ZSTD(3)),
    horizon_minutes Array(Int64) CODEC(T64, ZSTD(3)),
    return_bp Array(Nullable(Float64)) CODEC(ZSTD(3)),
    adverse_bp Array(Nullable(Float64)) CODEC(ZSTD(3)),
    favourable_bp Array(Nullable(Float64)) CODEC(ZSTD(3)),
    reasons Array(String) CODEC(ZSTD(3)),
    inputs_topic Array(String) CODEC(ZSTD(3)),
    inputs_partition Array(Int64) CODEC(T64, ZSTD(3)),
    inputs_first_offset Array(Int64) CODEC(Delta, ZSTD(3)),
    inputs_last_offset Array(Int64) CODEC(Delta, ZSTD(3)),
    log_partition UInt32 CODEC(T64, ZSTD(3)),
    log_offset Int64 CODEC(Delta, ZSTD(3)),
    CONSTRAINT grids_above_zero CHECK tick > 0
)
ENGINE = ReplacingMergeTree(revision)
PARTITION BY toYYYYMM(event_time)
ORDER BY (asset, measured, variant, side, event_time, id)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1

-- step: one row for each event and horizon that is over
CREATE OR REPLACE VIEW outcomes AS
SELECT
    asset,
    measured,
    variant,
    side,
    venue,
    symbol,
    event_id,
    event_time,
    entry_time,
    CAST(entry_ticks * tick AS Nullable(Decimal(38, 12))) AS entry_price,
    horizon AS horizon_minutes,
    gain AS return_bp,
    against AS adverse_bp,
    along AS favourable_bp,
    reason,
    status,
    as_of,
    is_final,
    revision
FROM outcomes_log FINAL
ARRAY JOIN
    horizon_minutes AS horizon,
    return_bp AS gain,
    adverse_bp AS against,
    favourable_bp AS along,
    reasons AS reason

-- step: what a kind was worth, one row for each horizon and day
CREATE TABLE IF NOT EXISTS setup_worth_log
(
    asset LowCardinality(String) CODEC(ZSTD(3)),
    measured LowCardinality(String) CODEC(ZSTD(3)),
    variant LowCardinality(String) CODEC(ZSTD(3)),
    side LowCardinality(String) CODEC(ZSTD(3)),
    horizon_minutes Int64 CODEC(T64, ZSTD(3)),
    as_of DateTime64(6, 'UTC') CODEC(Delta, ZSTD(3)),
    id String CODEC(ZSTD(3)),
    revision UInt64 CODEC(Delta, ZSTD(3)),
    is_final Bool CODEC(ZSTD(3)),
    method LowCardinality(String) CODEC(ZSTD(3)),
    params LowCardinality(String) CODEC(ZSTD(3)),
    n Int64 CODEC(T64, ZSTD(3)),
    mean_bp Nullable(Float64) CODEC(ZSTD(3)),
    median_bp Nullable(Float64) CODEC(ZSTD(3)),
    positive_share Nullable(Float64) CODEC(ZSTD(3)),
    mean_adverse_bp Nullable(Float64) CODEC(ZSTD(3)),
    mean_favourable_bp Nullable(Float64) CODEC(ZSTD(3)),
    baseline_n Int64 CODEC(T64, ZSTD(3)),
    matched_n Int64 CODEC(T64, ZSTD(3)),
    baseline_mean_bp Nullable(Float64) CODEC(ZSTD(3)),
    baseline_adverse_bp Nullable(Float64) CODEC(ZSTD(3)),
    difference_bp Nullable(Float64) CODEC(ZSTD(3)),
    difference_low_bp Nullable(Float64) CODEC(ZSTD(3)),
    difference_high_bp Nullable(Float64) CODEC(ZSTD(3)),
    experimental Bool CODEC(ZSTD(3)),
    null_reasons Map(String, String) CODEC(ZSTD(3)),
    inputs_topic Array(String) CODEC(ZSTD(3)),
    inputs_partition Array(Int64) CODEC(T64, ZSTD(3)),
    inputs_first_offset Array(Int64) CODEC(Delta, ZSTD(3)),
    inputs_last_offset Array(Int64) CODEC(Delta, ZSTD(3)),
    log_partition UInt32 CODEC(T64, ZSTD(3)),
    log_offset Int64 CODEC(Delta, ZSTD(3))
)
ENGINE = ReplacingMergeTree(revision)
PARTITION BY toYYYYMM(as_of)
ORDER BY (asset, measured, variant, side, horizon_minutes, as_of, id)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1

-- step: what a kind was worth on the newest day, beside random times of the same hours
CREATE OR REPLACE VIEW setup_worth AS
SELECT
    asset,
    measured,
    variant,
    side,
    horizon_minutes,
    as_of,
    n,
    mean_bp,
    median_bp,
    positive_share,
    mean_adverse_bp,
    mean_favourable_bp,
    baseline_n,
    matched_n,
    baseline_mean_bp,
    baseline_adverse_bp,
    difference_bp,
    difference_low_bp,
    difference_high_bp,
    experimental,
    null_reasons,
    revision
FROM setup_worth_log FINAL
ORDER BY as_of DESC, revision DESC
LIMIT 1 BY asset, measured, variant, side, horizon_minutes
