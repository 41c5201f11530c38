"""deploy/prometheus: every metric, label and page that its rules name exists.

The rules themselves are tried by promtool, Prometheus's own tool, where it is (`make tools`).
"""

import re
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from runtime.cli.metrics import listing
from runtime.metrics import Metrics
from tests.deploy.program_rules import PROFILES
from tests.deploy.stack import ROOT, load, tool

FOLDER = ROOT / "deploy" / "prometheus"
ALERTS = FOLDER / "rules" / "alerts.yml"
FILES = (ALERTS, FOLDER / "rules" / "recording.yml")
FOREIGN = {"up", "ClickHouseAsyncMetrics_MaxPartCountForPartition"}
"""What Prometheus and ClickHouse say of themselves."""

TARGET_LABELS = {"job", "instance"}
SELECTOR = re.compile(r"\b((?:\w+:)?perptape_\w+(?::\w+)*|[A-Z]\w+_\w+|\bup\b)(?:\{([^}]*)\})?")


def rules() -> Iterator[dict[str, Any]]:
    for path in FILES:
        for group in yaml.safe_load(path.read_text())["groups"]:
            yield from group["rules"]


def known_series() -> set[str]:
    """Return the name of every series that a page of ours can have."""
    suffixes = {"histogram": ("_bucket", "_sum", "_count"), "counter": ("_total",)}
    return {
        family.name + suffix
        for family, _ in Metrics().declared()
        for suffix in suffixes.get(family.type, ("",))
    }


def test_every_metric_of_the_rules_is_in_the_registry_or_recorded() -> None:
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    known = known_series() | recorded | FOREIGN
    named = {name for rule in rules() for name, _ in SELECTOR.findall(rule["expr"])}
    assert len(named) > 20
    assert not named - known
    assert not recorded - named - {name for name in recorded if name.startswith(SHOWN)}


SHOWN = (
    "feed:perptape_collector_trades",
    "feed:perptape_collector_venue_to_receive_seconds:p50",
    "job:perptape_bus_send_seconds",
    "perptape:processor_trades",
    "table:perptape_sink_rows",
)
"""What is recorded for dashboards."""


def labels_of(name: str) -> set[str]:
    """Return the labels that a metric of the registry is declared with."""
    bare = re.sub(r"_(total|bucket|sum|count)$", "", name)
    return {label for one, labels in Metrics().declared() if one.name == bare for label in labels}


def test_every_label_that_rules_select_or_group_by_is_one_of_the_metrics() -> None:
    every = (
        {label for _, labels in Metrics().declared() for label in labels} | TARGET_LABELS | {"le"}
    )
    for rule in rules():
        for name, selected in SELECTOR.findall(rule["expr"]):
            for label in re.findall(r"(\w+)=", selected):
                assert label in labels_of(name) | TARGET_LABELS, (name, label)
        for grouped in re.findall(r"(?:by|on) \(([^)]*)\)", rule["expr"]):
            assert set(re.split(r",\s*", grouped)) <= every, rule


def test_every_alert_says_how_grave_it_is_what_it_is_and_what_to_do() -> None:
    runbook = (ROOT / "deploy" / "README.md").read_text()
    alerts = [rule for rule in rules() if "alert" in rule]
    assert len(alerts) >= 20
    for rule in alerts:
        assert rule["labels"]["severity"] in ("page", "ticket"), rule
        assert rule["annotations"]["summary"]
        assert rule["annotations"]["runbook"] == f"deploy/README.md#{rule['alert'].lower()}"
        assert f'<a id="{rule["alert"].lower()}"></a>`{rule["alert"]}`' in runbook, rule["alert"]


def test_every_alert_has_a_case() -> None:
    cases = yaml.safe_load((FOLDER / "tests" / "alerts.yml").read_text())["tests"]
    firing = {
        one["alertname"] for case in cases for one in case["alert_rule_test"] if one["exp_alerts"]
    }
    assert firing == {rule["alert"] for rule in rules() if "alert" in rule}


def test_every_process_that_serves_metrics_is_scraped() -> None:
    configured = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
    groups = [
        group for job in configured["scrape_configs"] for group in job.get("static_configs", ())
    ]
    for profiles in PROFILES:
        asked = yaml.safe_load((FOLDER / f"collectors-{profiles}.yml").read_text())
        posts = [group for group in asked if group["targets"] == ["webhook:9100"]]
        assert [group["labels"] for group in posts] == [{"job": "webhook"}] * ("alerts" in profiles)
        groups += asked
    targets = {target for group in groups for target in group["targets"]}
    stack = load()
    serving = {
        f"{name}:{service['environment']['PERPTAPE_METRICS_PORT']}"
        for name, service in stack.services.items()
        if "PERPTAPE_METRICS_PORT" in (service.get("environment") or {})
        and service["restart"] != "no"
    }
    assert len(serving) >= 7
    assert serving <= targets
    assert {target.rpartition(":")[0] for target in targets - serving} <= {
        *stack.services,
        "127.0.0.1",
    }


def test_the_page_of_metrics_is_that_of_the_registry() -> None:
    assert (FOLDER / "METRICS.md").read_text() == listing()
    assert len(list(Metrics().declared())) == len(list(Metrics().registry.collect()))


@pytest.mark.parametrize(
    "words",
    [
        ("check", "rules", "rules/alerts.yml", "rules/recording.yml"),
        ("check", "config", "--syntax-only", "prometheus.yml"),
        ("test", "rules", "tests/alerts.yml"),
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_promtool_finds_nothing_wrong(words: tuple[str, ...]) -> None:
    done = subprocess.run(
        [tool("promtool"), *words],
        cwd=FOLDER,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
