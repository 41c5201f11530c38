"""The one registry of metrics: every name, label and bucket, and who may move it.

Names are `perptape_<stage>_<what>_<unit>` in base units; labels have few values (venue, feed,
topic, partition, table, reason). `process_*` and `python_info` come from the client library.
"""

from runtime.metrics.buckets import LATENCY_BUCKETS
from runtime.metrics.bus import BusMetrics
from runtime.metrics.collector import CollectorMetrics
from runtime.metrics.parquet import ParquetMetrics
from runtime.metrics.processor import ProcessorMetrics
from runtime.metrics.registry import Metrics
from runtime.metrics.server import MetricsServer, serve_metrics
from runtime.metrics.sink import SinkMetrics
from runtime.metrics.webhook import WebhookMetrics

__all__ = [
    "LATENCY_BUCKETS",
    "BusMetrics",
    "CollectorMetrics",
    "Metrics",
    "MetricsServer",
    "ParquetMetrics",
    "ProcessorMetrics",
    "SinkMetrics",
    "WebhookMetrics",
    "serve_metrics",
]
