"""What the ClickHouse sink counts."""

import math

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from runtime.metrics.buckets import LATENCY_BUCKETS


class SinkMetrics:
    """What a sink counts, per table."""

    def __init__(self, registry: CollectorRegistry) -> None:
        table = ("table",)
        self.rows = Counter("perptape_sink_rows_total", "Rows inserted.", table, registry=registry)
        self.insert_seconds = Histogram(
            "perptape_sink_insert_seconds",
            "Time of one insert, with its retries.",
            table,
            buckets=LATENCY_BUCKETS,
            registry=registry,
        )
        self.failures = Counter(
            "perptape_sink_insert_failures_total",
            "Inserts that failed, by the store's error code.",
            ("code",),
            registry=registry,
        )
        self.deadletters = Counter(
            "perptape_sink_deadletters_total",
            "Records that could not be stored.",
            ("reason",),
            registry=registry,
        )
        for reason in ("undecodable", "unknown_schema", "unstorable"):
            self.deadletters.labels(reason)
        self.lag = Gauge(
            "perptape_sink_lag_records",
            "Records between the end of a topic and the position in it.",
            ("topic", "partition"),
            registry=registry,
        )
        self.broken_bars = Gauge(
            "perptape_sink_broken_bars",
            "Final bars of the last hour that do not add up; NaN while that is not known.",
            registry=registry,
        )
        self.broken_bars.set(math.nan)
