"""Pipeline operations: whether the processes keep up, and what they cost."""

from deploy.grafana.board import dashboard
from deploy.grafana.panels import metric_lines, metric_number, words

_TEXT = """
Rates are per second over the last minutes. **Lag** in records: how much waits in the log. Every
alert has its line in `deploy/README.md`. **Spooled**: collected while the log was away, on disk,
sent later; **dropped**: more than the spool holds, lost and on record.
"""

DASHBOARD = dashboard(
    "operations",
    "Pipeline operations",
    "Collectors, log, processors and sinks: rates, lag, latency, failures, disk and processor.",
    [
        words("Units", _TEXT, height=4),
        metric_number(
            "Connected",
            "Connections of collectors that are up.",
            "sum(perptape_collector_connected_connections)",
            unit="short",
        ),
        metric_number(
            "Processes down",
            "Processes that do not answer Prometheus.",
            'count(up{job=~"collector|worker|sink"} == 0) or vector(0)',
            unit="short",
        ),
        metric_number(
            "Trades",
            "Trades that operators take in, a second.",
            "perptape:processor_trades:rate1m",
            unit="short",
        ),
        metric_number(
            "Behind",
            "Most records that wait in one partition for the operators.",
            "max(partition:perptape_processor_lag_records:max)",
            unit="short",
        ),
        metric_number(
            "Not stored yet",
            "Records of the log that are not in the tables.",
            "sum(topic:perptape_sink_lag_records:sum)",
            unit="short",
        ),
        metric_number(
            "Spooled",
            "Records that wait on disk for the log.",
            "sum(perptape_collector_spooled_records)",
            unit="short",
        ),
        metric_lines(
            "Frames received",
            "A second, by feed.",
            ("feed:perptape_collector_messages:rate1m", "{{feed}}"),
            unit="short",
        ),
        metric_lines(
            "Trades accepted",
            "A second, by feed.",
            ("feed:perptape_collector_trades:rate1m", "{{feed}}"),
            unit="short",
        ),
        metric_lines(
            "Frames that cannot be read",
            "As a share of all, by feed; above 1 % is an alert.",
            ("feed:perptape_collector_rejected:ratio5m", "{{feed}}"),
            unit="percentunit",
        ),
        metric_lines(
            "Connections",
            "By feed; and how many were made again, an hour.",
            ("sum by (feed) (perptape_collector_connected_connections)", "{{feed}}"),
            ("sum by (feed) (increase(perptape_collector_reconnects_total[1h]))", "{{feed}} again"),
            unit="short",
        ),
        metric_lines(
            "Log: time of a send",
            "99 % of sends until they are durable, by process.",
            ("job:perptape_bus_send_seconds:p99_5m", "{{job}}"),
            unit="s",
        ),
        metric_lines(
            "Log: bytes",
            "Keys and values appended, a second, by topic.",
            ("sum by (topic) (rate(perptape_bus_sent_bytes_total[5m]))", "{{topic}}"),
            unit="Bps",
        ),
        metric_lines(
            "Spool",
            "Records that wait on disk, and records given up.",
            ("sum(perptape_collector_spooled_records)", "spooled"),
            ("sum(perptape_collector_dropped_records)", "dropped"),
            unit="short",
        ),
        metric_lines(
            "Books that cannot be used",
            "By feed, now.",
            ("sum by (feed) (perptape_collector_invalid_books)", "{{feed}}"),
            unit="short",
        ),
        metric_lines(
            "Operators: records",
            "Taken in a second, by partition.",
            ("partition:perptape_processor_records:rate1m", "{{partition}}"),
            unit="short",
        ),
        metric_lines(
            "Operators: lag",
            "Records that wait, by partition.",
            ("partition:perptape_processor_lag_records:max", "{{partition}}"),
            unit="short",
        ),
        metric_lines(
            "Operators: time of a record",
            "Mean and 99 % of the time of all operators.",
            (
                "sum(rate(perptape_processor_record_seconds_sum[5m]))"
                " / sum(rate(perptape_processor_record_seconds_count[5m]))",
                "mean",
            ),
            (
                "histogram_quantile(0.99,"
                " sum by (le) (rate(perptape_processor_record_seconds_bucket[5m])))",
                "p99",
            ),
            unit="s",
        ),
        metric_lines(
            "Operators: outputs",
            "Records sent a second, by topic.",
            ("sum by (topic) (rate(perptape_processor_outputs_total[5m]))", "{{topic}}"),
            unit="short",
        ),
        metric_lines(
            "Operators: late and known trades",
            "Trades an hour that came after their window was final, and that were counted before.",
            ("sum(increase(perptape_processor_late_trades_total[1h]))", "late"),
            ("sum(increase(perptape_processor_duplicate_trades_total[1h]))", "known"),
            unit="short",
        ),
        metric_lines(
            "Snapshots",
            "Age by partition; above 15 minutes is an alert.",
            (
                "time() - max by (partition) (perptape_processor_snapshot_timestamp_seconds)",
                "{{partition}}",
            ),
            unit="s",
        ),
        metric_lines(
            "Partitions",
            "Held by process, and times an hour that they changed hands.",
            ("sum by (instance) (perptape_processor_held_partitions)", "{{instance}}"),
            ("sum(increase(perptape_processor_rebalances_total[1h]))", "changed hands"),
            unit="short",
        ),
        metric_lines(
            "Snapshot size",
            "Of the newest, by partition.",
            ("max by (partition) (perptape_processor_snapshot_bytes)", "{{partition}}"),
            unit="bytes",
        ),
        metric_lines(
            "Store: rows",
            "Inserted a second, by table.",
            ("table:perptape_sink_rows:rate1m", "{{table}}"),
            unit="short",
        ),
        metric_lines(
            "Store: lag",
            "Records that are not in the tables yet, by topic.",
            ("topic:perptape_sink_lag_records:sum", "{{topic}}"),
            unit="short",
        ),
        metric_lines(
            "Store: time of an insert",
            "99 % of inserts with their retries, by table.",
            (
                "histogram_quantile(0.99,"
                " sum by (table, le) (rate(perptape_sink_insert_seconds_bucket[5m])))",
                "{{table}}",
            ),
            unit="s",
        ),
        metric_lines(
            "Store: failures",
            "Inserts that failed by code, and records set aside by reason, an hour.",
            (
                "sum by (code) (increase(perptape_sink_insert_failures_total[1h]))",
                "insert {{code}}",
            ),
            (
                "sum by (reason) (increase(perptape_sink_deadletters_total[1h]))",
                "dead letter {{reason}}",
            ),
            unit="short",
        ),
        metric_lines(
            "Webhook: posts",
            "Requests a minute by how they ended, and alerts too old to be sent.",
            ("60 * sum by (result) (rate(perptape_webhook_attempts_total[5m]))", "{{result}}"),
            ("60 * sum(rate(perptape_webhook_skipped_alerts_total[5m]))", "too old"),
            unit="short",
        ),
        metric_lines(
            "Webhook: alerts that wait",
            "For their receiver, by process; five minutes of it are an alert.",
            ("sum by (instance) (perptape_webhook_lag_records)", "{{instance}}"),
            unit="short",
        ),
        metric_lines(
            "Store: parts",
            "Most parts in one partition of a table; above 300 is an alert.",
            ("ClickHouseAsyncMetrics_MaxPartCountForPartition", "parts"),
            unit="short",
        ),
        metric_lines(
            "Disk",
            "Free space by folder; below 5 GB is an alert.",
            ("min by (instance, folder) (perptape_disk_free_bytes)", "{{instance}} {{folder}}"),
            unit="bytes",
        ),
        metric_lines(
            "Processor",
            "Cores used, by process.",
            ("rate(process_cpu_seconds_total[5m])", "{{job}} {{instance}}"),
            unit="short",
        ),
        metric_lines(
            "Memory",
            "Resident, by process.",
            ("process_resident_memory_bytes", "{{job}} {{instance}}"),
            unit="bytes",
        ),
        metric_lines(
            "Versions",
            "Processes that run, by version.",
            ("count by (version) (perptape_build_info)", "{{version}}"),
            unit="short",
        ),
    ],
    since="now-3h",
)
