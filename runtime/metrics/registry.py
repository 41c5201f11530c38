"""All metrics of a process on one registry."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge, Info, PlatformCollector, ProcessCollector
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.metrics_core import Metric

from runtime.disk import free_bytes
from runtime.metrics.bus import BusMetrics
from runtime.metrics.collector import CollectorMetrics
from runtime.metrics.parquet import ParquetMetrics
from runtime.metrics.processor import ProcessorMetrics
from runtime.metrics.sink import SinkMetrics
from runtime.metrics.webhook import WebhookMetrics


class Metrics:
    """All metrics of a process on one registry; a private one unless another is given."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        self.collector = CollectorMetrics(self.registry)
        self.bus = BusMetrics(self.registry)
        self.processor = ProcessorMetrics(self.registry)
        self.sink = SinkMetrics(self.registry)
        self.webhook = WebhookMetrics(self.registry)
        self.parquet = ParquetMetrics(self.registry)
        self._build = Info("perptape_build", "What is running.", registry=self.registry)
        self._free = Gauge(
            "perptape_disk_free_bytes",
            "Free space where a folder of this process is.",
            ("folder",),
            registry=self.registry,
        )

    def declared(self) -> Iterator[tuple[Metric, Sequence[str]]]:
        """Yield every metric with the names of its labels."""
        stages = (self.collector, self.bus, self.processor, self.sink, self.webhook, self.parquet)
        for owner in (*stages, self):
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
        self._free.labels(folder).set_function(lambda: free_bytes(path))
