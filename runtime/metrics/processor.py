"""What a processor counts."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from runtime.metrics.buckets import LATENCY_BUCKETS
from schemas.topics import DEADLETTER


class ProcessorMetrics:
    """What a processor counts, per input partition."""

    def __init__(self, registry: CollectorRegistry) -> None:
        partition = ("partition",)
        self.records = Counter(
            "perptape_processor_records_total", "Records taken in.", partition, registry=registry
        )
        self.trades = Counter(
            "perptape_processor_trades_total", "Trades taken in.", partition, registry=registry
        )
        self.late = Counter(
            "perptape_processor_late_trades_total",
            "Trades that came after their window was final.",
            partition,
            registry=registry,
        )
        self.duplicates = Counter(
            "perptape_processor_duplicate_trades_total",
            "Trades that had been counted before.",
            partition,
            registry=registry,
        )
        self.outputs = Counter(
            "perptape_processor_outputs_total", "Records sent.", ("topic",), registry=registry
        )
        self.outputs.labels(DEADLETTER.name)  # a rate does not see the first of what was not there
        self.snapshot_seconds = Histogram(
            "perptape_processor_snapshot_seconds",
            "Time to write one snapshot durably.",
            buckets=LATENCY_BUCKETS,
            registry=registry,
        )
        self.snapshot_bytes = Gauge(
            "perptape_processor_snapshot_bytes",
            "Size of the newest snapshot.",
            partition,
            registry=registry,
        )
        self.snapshot_time = Gauge(
            "perptape_processor_snapshot_timestamp_seconds",
            "When the newest snapshot was written.",
            partition,
            registry=registry,
        )
        self.lag = Gauge(
            "perptape_processor_lag_records",
            "Records between the end of the input and the position.",
            partition,
            registry=registry,
        )
        self.record_seconds = Histogram(
            "perptape_processor_record_seconds",
            "Time all operators took for one record.",
            buckets=LATENCY_BUCKETS,
            registry=registry,
        )
        self.rebalances = Counter(
            "perptape_processor_rebalances_total",
            "Times that the group gave partitions or took them away.",
            registry=registry,
        )
        self.held = Gauge(
            "perptape_processor_held_partitions", "Partitions worked on here.", registry=registry
        )

    def worked(self, partition: int, trades: int, seconds: float) -> None:
        """Count one record that was worked off."""
        number = str(partition)
        self.records.labels(number).inc()
        self.trades.labels(number).inc(trades)
        self.record_seconds.observe(seconds)

    def let_go(self, partition: int) -> None:
        """Forget the lag and the snapshot of a partition that somebody else has now."""
        for gauge in (self.lag, self.snapshot_time):
            gauge.remove(str(partition))

    def saved(self, partition: int, size_bytes: int, seconds: float) -> None:
        """Count one snapshot."""
        self.snapshot_bytes.labels(str(partition)).set(size_bytes)
        self.snapshot_time.labels(str(partition)).set_to_current_time()
        self.snapshot_seconds.observe(seconds)
