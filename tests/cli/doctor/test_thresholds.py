"""The doctor judges by the figures of the alerts."""

import re

import pytest
import yaml

from runtime.cli.doctor import thresholds as figures
from schemas.units import US_PER_SECOND
from tests.deploy.test_prometheus import ALERTS

UNITS = {"s": 1, "m": 60, "h": 3600}


def rule(name: str) -> dict[str, str]:
    groups = yaml.safe_load(ALERTS.read_text())["groups"]
    [found] = [one for group in groups for one in group["rules"] if one["alert"] == name]
    return dict(found)


def us(span: str) -> int:
    return int(span[:-1]) * UNITS[span[-1]] * US_PER_SECOND


@pytest.mark.parametrize(
    ("alert", "ours"),
    [
        ("FeedStale", figures.STALE_US / US_PER_SECOND),
        ("GapsOfTrades", figures.GAPS),
        ("DiskLow", figures.DISK_FREE_BYTES),
        ("ClockOff", -figures.CLOCK_US / US_PER_SECOND),
        ("ProcessorBehind", figures.PROCESSOR_LAG_RECORDS),
        ("SnapshotOld", figures.SNAPSHOT_US / US_PER_SECOND),
        ("SinkBehind", figures.SINK_LAG_RECORDS),
        ("StorePartsHigh", figures.PARTS),
    ],
)
def test_a_figure_is_that_of_the_alert(alert: str, ours: float) -> None:
    compared = re.findall(r"[<>] (-?[\d.e]+)(?: |$)", rule(alert)["expr"])
    assert ours in [float(figure) for figure in compared]


@pytest.mark.parametrize(
    ("alert", "ours_us"),
    [
        ("VenueDown", figures.SILENT_US),
        ("FeedSilent", figures.SILENT_US),
        ("BooksInvalid", figures.BOOKS_US),
        ("ClockOff", figures.CLOCK_FOR_US),
        ("LogAway", figures.SPOOLED_US),
        ("ProcessorStuck", figures.STUCK_US),
        ("WebhookBehind", figures.WEBHOOK_US),
    ],
)
def test_something_lasts_as_long_as_for_the_alert(alert: str, ours_us: int) -> None:
    assert us(rule(alert)["for"]) == ours_us


@pytest.mark.parametrize(
    ("alert", "ours_us"),
    [("GapsOfTrades", figures.GAPS_US), ("Refused", figures.REFUSED_US)],
)
def test_a_span_is_that_of_the_alert(alert: str, ours_us: int) -> None:
    [span] = re.findall(r"\[(\w+)\]", rule(alert)["expr"])
    assert us(span) == ours_us
