"""What a feed's meter makes of events about the data."""

import msgspec
import pytest

from collectors.meter import FeedMeter
from collectors.registry import choose_feeds
from runtime.metrics import Metrics
from schemas import examples
from schemas.ops import QUALITY_SCHEMA, QualityEvent, QualityKind
from schemas.units import US_PER_SECOND

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


def offset(metrics: Metrics) -> float | None:
    name = "perptape_collector_clock_offset_seconds"
    return metrics.registry.get_sample_value(name, LABELS)


def told(offset_us: int | None, second: int = 0) -> QualityEvent:
    """Return a summary of so many seconds after the first."""
    summary = event(QualityKind.SUMMARY, clock_offset_us=offset_us)
    return msgspec.structs.replace(summary, to_us=second * US_PER_SECOND)


def test_a_summary_says_how_the_clocks_stand(meter: FeedMeter, metrics: Metrics) -> None:
    meter.event(told(-80_000))
    assert offset(metrics) == -0.08
    meter.event(told(None))
    assert offset(metrics) == -0.08, "nothing was said of it"
    assert findings(metrics, QualityKind.SUMMARY) is None


def test_the_clocks_stand_as_the_stream_with_the_least_lag_says(
    meter: FeedMeter, metrics: Metrics
) -> None:
    """A liquidation is told seconds after it happened, whatever the clocks are."""
    seen = []
    for second in range(0, 130, 10):
        for offset_us in (-80_000 if second < 60 else 20_000, 1_300_000):
            meter.event(told(offset_us, 900 + second))
            seen.append(offset(metrics))
    assert seen == [-0.08] * 18 + [0.02] * 8


@pytest.mark.parametrize(("second", "least"), [(-5, -0.08), (-60, 0.02), (60, 0.02)])
def test_summaries_out_of_turn_count_and_a_clock_that_was_set_begins_anew(
    meter: FeedMeter, metrics: Metrics, second: int, least: float
) -> None:
    meter.event(told(-80_000, 900))
    meter.event(told(20_000, 900 + second))
    assert offset(metrics) == least
