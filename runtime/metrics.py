"""The one registry of metrics: every name, label and bucket, and who may move it.

Names are `perptape_<stage>_<what>_<unit>` in base units; labels have few values (venue, feed,
topic, partition, table, reason). `process_*` and `python_info` come from the client library.
"""

import math
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from wsgiref.simple_server import WSGIServer

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    PlatformCollector,
    ProcessCollector,
    start_http_server,
)
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.metrics_core import Metric

from runtime.bus.protocol import Outgoing
from runtime.errors import ConfigurationError
from schemas.topics import DEADLETTER

LATENCY_BUCKETS = (
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0,
)  # fmt: skip
"""Seconds, 1 ms to 60 s."""


class CollectorMetrics:
    """What a collector counts; a feed is one product of one venue."""

    def __init__(self, registry: CollectorRegistry) -> None:
        feed = ("venue", "feed")
        self.messages = Counter(
            "perptape_collector_messages_total", "Frames received.", feed, registry=registry
        )
        self.trades = Counter(
            "perptape_collector_trades_total", "Trades accepted.", feed, registry=registry
        )
        self.records = Counter(
            "perptape_collector_records_total",
            "Records made, by dataset.",
            (*feed, "dataset"),
            registry=registry,
        )
        self.findings = Counter(
            "perptape_collector_findings_total",
            "What went wrong or was set right: gaps, repairs, resyncs, refusals, rotations.",
            (*feed, "kind"),
            registry=registry,
        )
        self.invalid_books = Gauge(
            "perptape_collector_invalid_books",
            "Books that cannot be used now.",
            feed,
            registry=registry,
        )
        self.spooled = Gauge(
            "perptape_collector_spooled_records",
            "Records that wait on disk for the log.",
            registry=registry,
        )
        self.dropped = Gauge(
            "perptape_collector_dropped_records",
            "Records given up because the log was away for too long.",
            registry=registry,
        )
        self.rejected = Counter(
            "perptape_collector_rejected_total",
            "Frames or items that could not be used.",
            (*feed, "reason"),
            registry=registry,
        )
        self.reconnects = Counter(
            "perptape_collector_reconnects_total",
            "Connections made again after one was lost.",
            feed,
            registry=registry,
        )
        self.connected = Gauge(
            "perptape_collector_connected_connections",
            "Connections that are up.",
            feed,
            registry=registry,
        )
        self.last_event = Gauge(
            "perptape_collector_last_event_timestamp_seconds",
            "Venue time of the newest trade.",
            feed,
            registry=registry,
        )
        self.clock_offset = Gauge(
            "perptape_collector_clock_offset_seconds",
            "Least lag in a stream's newest summary: below zero our clock is behind the venue's.",
            feed,
            registry=registry,
        )
        self.venue_to_receive = Histogram(
            "perptape_collector_venue_to_receive_seconds",
            "From the venue's time of a trade to its receipt, clocks as they are.",
            feed,
            buckets=LATENCY_BUCKETS,
            registry=registry,
        )


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


class WebhookMetrics:
    """What the delivery of alerts counts."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.polls = Counter(
            "perptape_webhook_polls_total",
            "Times that the log was asked, also while a receiver is waited for.",
            registry=registry,
        )
        self.attempts = Counter(
            "perptape_webhook_attempts_total",
            "Requests to the receiver, by how they ended.",
            ("result",),
            registry=registry,
        )
        self.delivered = Counter(
            "perptape_webhook_delivered_alerts_total",
            "Alerts that the receiver took.",
            registry=registry,
        )
        self.skipped = Counter(
            "perptape_webhook_skipped_alerts_total",
            "Alerts that were too old to be sent.",
            registry=registry,
        )
        self.deadletters = Counter(
            "perptape_webhook_deadletters_total",
            "Alerts that the receiver refused, or that could not be read.",
            ("reason",),
            registry=registry,
        )
        self.request_seconds = Histogram(
            "perptape_webhook_request_seconds",
            "Time to the receiver's answer.",
            buckets=LATENCY_BUCKETS,
            registry=registry,
        )
        self.lag = Gauge(
            "perptape_webhook_lag_records",
            "Alerts between the end of the topic and what was dealt with.",
            ("partition",),
            registry=registry,
        )


class Metrics:
    """All metrics of a process on one registry; a private one unless another is given."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        self.collector = CollectorMetrics(self.registry)
        self.bus = BusMetrics(self.registry)
        self.processor = ProcessorMetrics(self.registry)
        self.sink = SinkMetrics(self.registry)
        self.webhook = WebhookMetrics(self.registry)
        self._build = Info("perptape_build", "What is running.", registry=self.registry)
        self._free = Gauge(
            "perptape_disk_free_bytes",
            "Free space where a folder of this process is.",
            ("folder",),
            registry=self.registry,
        )

    def declared(self) -> Iterator[tuple[Metric, Sequence[str]]]:
        """Yield every metric with the names of its labels."""
        for owner in (self.collector, self.bus, self.processor, self.sink, self.webhook, self):
            for metric in vars(owner).values():
                if isinstance(metric, MetricWrapperBase):
                    (family,) = metric.describe()
                    yield family, metric._labelnames  # there is no other way

    def describe_process(self, *, service: str, version: str) -> None:
        """Publish what runs here, and CPU, memory and open files of the process.

        Call once; a second call would register the same process twice.
        """
        self._build.info({"service": service, "version": version})
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)

    def watch_disk(self, folder: str, path: Path) -> None:
        """Publish how much is free where a folder is, or will be made; measured when asked for."""
        self._free.labels(folder).set_function(lambda: _free_bytes(path))


def _free_bytes(path: Path) -> float:
    there = next(place for place in (path.absolute(), *path.absolute().parents) if place.exists())
    return float(shutil.disk_usage(there).free)


@dataclass(frozen=True, slots=True)
class MetricsServer:
    """A running metrics page; `port` is the one that was bound."""

    port: int
    _server: WSGIServer
    _thread: Thread

    def stop(self) -> None:
        """Stop serving and give the port back."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def serve_metrics(metrics: Metrics, port: int, host: str = "127.0.0.1") -> MetricsServer:
    """Serve `/metrics` on a thread of its own; port 0 lets the system choose.

    Raises:
        ConfigurationError: the address cannot be bound.
    """
    try:
        server, thread = start_http_server(port, host, metrics.registry)
    except OSError as error:
        raise ConfigurationError(
            f"metrics cannot be served on {host}:{port}: {error.strerror or error}; "
            "choose another port"
        ) from error
    return MetricsServer(server.server_port, server, thread)
