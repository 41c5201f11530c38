"""The metrics: their names, that each can be moved, and the page that shows them."""

import re
import shutil
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from runtime.errors import ConfigurationError
from runtime.metrics import LATENCY_BUCKETS, Metrics, serve_metrics

UNITS = (
    "messages|trades|rejected|reconnects|connections|seconds|batches|records|bytes|outputs|rows"
    "|failures|deadletters|findings|books|rebalances|partitions|alerts|attempts|polls|bars"
    "|turns|files|days"
)
NAME = re.compile(rf"perptape_(collector|bus|processor|sink|webhook|parquet|disk)_(\w+_)?({UNITS})")


def page(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
        return bytes(answer.read()).decode()


def test_every_name_says_stage_and_unit_and_has_help() -> None:
    families = list(Metrics().registry.collect())
    assert len(families) >= 28
    for family in families:
        assert NAME.fullmatch(family.name) or family.name == "perptape_build"
        assert family.documentation.endswith("."), family.name


def test_latency_buckets_rise_from_a_millisecond_to_a_minute() -> None:
    assert tuple(sorted(set(LATENCY_BUCKETS))) == LATENCY_BUCKETS
    assert (LATENCY_BUCKETS[0], LATENCY_BUCKETS[-1], len(LATENCY_BUCKETS)) == (0.001, 60.0, 14)


def test_two_private_registries_do_not_meet() -> None:
    one, other = Metrics(), Metrics()
    one.sink.rows.labels("bars").inc(3)
    labels = {"table": "bars"}
    assert one.registry.get_sample_value("perptape_sink_rows_total", labels) == 3
    assert other.registry.get_sample_value("perptape_sink_rows_total", labels) is None


def test_metrics_go_to_the_registry_that_is_given() -> None:
    registry = CollectorRegistry()
    Metrics(registry).collector.trades.labels("bybit", "bybit.spot").inc()
    labels = {"venue": "bybit", "feed": "bybit.spot"}
    assert registry.get_sample_value("perptape_collector_trades_total", labels) == 1


def test_the_page_shows_metrics_and_process_until_it_is_stopped() -> None:
    metrics = Metrics()
    metrics.describe_process(service="collector", version="0.1.0")
    metrics.collector.venue_to_receive.labels("okx", "okx.spot").observe(0.003)
    server = serve_metrics(metrics, 0)
    try:
        text = page(server.port)
    finally:
        server.stop()
    assert 'perptape_build_info{service="collector",version="0.1.0"} 1.0' in text
    assert "process_resident_memory_bytes" in text
    bucket = 'perptape_collector_venue_to_receive_seconds_bucket{feed="okx.spot",le="0.005",'
    assert f'{bucket}venue="okx"}} 1.0' in text
    with pytest.raises(urllib.error.URLError):
        page(server.port)


def test_a_port_that_is_taken_is_a_configuration_error() -> None:
    server = serve_metrics(Metrics(), 0)
    try:
        with pytest.raises(ConfigurationError, match=f"127.0.0.1:{server.port}"):
            serve_metrics(Metrics(), server.port)
    finally:
        server.stop()


def test_free_space_is_that_of_the_disk_also_where_the_folder_is_not_made_yet(
    tmp_path: Path,
) -> None:
    metrics = Metrics()
    metrics.watch_disk("store", tmp_path / "not" / "yet")
    free = metrics.registry.get_sample_value("perptape_disk_free_bytes", {"folder": "store"})
    assert free == pytest.approx(shutil.disk_usage(tmp_path).free, rel=0.05)


def test_a_partition_that_was_given_away_has_no_lag_and_no_snapshot() -> None:
    metrics = Metrics()
    metrics.processor.saved(3, 100, 0.1)
    metrics.processor.lag.labels("3").set(7)
    name, labels = "perptape_processor_snapshot_timestamp_seconds", {"partition": "3"}
    assert metrics.registry.get_sample_value(name, labels) == pytest.approx(time.time(), abs=60)
    metrics.processor.let_go(3)
    assert metrics.registry.get_sample_value(name, labels) is None
    metrics.processor.let_go(3)
