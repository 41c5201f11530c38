"""What the Parquet sink counts."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from runtime.metrics.buckets import LATENCY_BUCKETS


class ParquetMetrics:
    """What the Parquet sink counts, per dataset."""

    def __init__(self, registry: CollectorRegistry) -> None:
        dataset = ("dataset",)
        self.turns = Counter(
            "perptape_parquet_turns_total",
            "Steps that went well, also those of waiting for the next round or for the store.",
            registry=registry,
        )
        self.rows = Counter(
            "perptape_parquet_rows_total", "Rows written.", dataset, registry=registry
        )
        self.files = Counter(
            "perptape_parquet_files_total",
            "Files that were compared: written, unchanged or removed.",
            (*dataset, "result"),
            registry=registry,
        )
        self.write_seconds = Histogram(
            "perptape_parquet_write_seconds",
            "Time of one file, from the first question to its place.",
            dataset,
            buckets=LATENCY_BUCKETS,
            registry=registry,
        )
        self.failures = Counter(
            "perptape_parquet_failures_total",
            "Rounds or days that broke off: store, refused (by it) or folder.",
            ("kind",),
            registry=registry,
        )
        for kind in ("store", "refused", "folder"):
            self.failures.labels(kind)
        self.pending = Gauge(
            "perptape_parquet_pending_days",
            "Days of datasets that are to be compared.",
            registry=registry,
        )
        self.complete = Gauge(
            "perptape_parquet_complete_timestamp_seconds",
            "The files have all that the store had then; 0 while that is not known.",
            registry=registry,
        )
