-- How far the sink had come in the log when a backup was begun: what was committed then is in the
-- tables that the backup has, so that a restored store says itself where the sink goes on.

-- step: positions of the newest backup, one row a topic partition
CREATE TABLE IF NOT EXISTS sink_positions_log
(
    topic LowCardinality(String),
    partition UInt32,
    revision UInt64,
    epoch UInt64,
    next_offset Int64,
    noted_time DateTime64(6, 'UTC')
)
ENGINE = ReplacingMergeTree(revision)
ORDER BY (topic, partition)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
