"""What sending to the log counts."""

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Histogram

from runtime.bus.protocol import Outgoing
from runtime.metrics.buckets import LATENCY_BUCKETS


class BusMetrics:
    """What sending to the log counts."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.records = Counter(
            "perptape_bus_sent_records_total", "Records appended.", ("topic",), registry=registry
        )
        self.bytes = Counter(
            "perptape_bus_sent_bytes_total",
            "Keys and values appended.",
            ("topic",),
            registry=registry,
        )
        self.send = Histogram(
            "perptape_bus_send_seconds",
            "From a send to its durable answer.",
            buckets=LATENCY_BUCKETS,
            registry=registry,
        )

    def sent(self, records: Sequence[Outgoing], seconds: float) -> None:
        """Count one answered send."""
        totals: dict[str, tuple[int, int]] = {}
        for record in records:
            count, size = totals.get(record.topic, (0, 0))
            size += len(record.key) + len(record.value or b"")
            totals[record.topic] = (count + 1, size)
        for topic, (count, size) in totals.items():
            self.records.labels(topic).inc(count)
            self.bytes.labels(topic).inc(size)
        self.send.observe(seconds)
