"""What a feed's meter makes of events about the data."""

import msgspec
import pytest

from collectors.meter import FeedMeter
from collectors.registry import choose_feeds
from runtime.metrics import Metrics
from schemas import examples
from schemas.ops import QUALITY_SCHEMA, QualityEvent, QualityKind

LABELS = {"venue": "okx", "feed": "okx.swap"}


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def meter(metrics: Metrics) -> FeedMeter:
    (feed,) = choose_feeds(["okx.swap"])
    return FeedMeter(metrics.collector, feed)


def findings(metrics: Metrics, kind: QualityKind) -> float | None:
    labels = {**LABELS, "kind": kind.value}
    return metrics.registry.get_sample_value("perptape_collector_findings_total", labels)


def event(kind: QualityKind, **summary: object) -> QualityEvent:
    """Return an example with another kind, and other values in its summary."""
    of_summary = kind is QualityKind.SUMMARY
    shown = examples.load(QUALITY_SCHEMA).values()
    found = next(one for one in shown if (one["kind"] == "summary") == of_summary)
    found = {**found, "kind": kind.value}
    if summary:
        found["summary"] = {**found["summary"], **summary}
    return msgspec.convert(found, QualityEvent)


def test_findings_are_there_before_the_first(meter: FeedMeter, metrics: Metrics) -> None:
    assert findings(metrics, QualityKind.REFUSED) == 0
    assert findings(metrics, QualityKind.SUMMARY) is None
    meter.event(event(QualityKind.REFUSED))
    assert findings(metrics, QualityKind.REFUSED) == 1


def test_a_summary_says_how_the_clocks_stand(meter: FeedMeter, metrics: Metrics) -> None:
    name = "perptape_collector_clock_offset_seconds"
    meter.event(event(QualityKind.SUMMARY, clock_offset_us=-80_000))
    assert metrics.registry.get_sample_value(name, LABELS) == -0.08
    meter.event(event(QualityKind.SUMMARY, clock_offset_us=None))
    assert metrics.registry.get_sample_value(name, LABELS) == -0.08, "nothing was said of it"
    assert findings(metrics, QualityKind.SUMMARY) is None
