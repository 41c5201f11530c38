"""deploy/kubernetes: what runs there is what docker-compose.yml runs, as a cluster wants it.

Where the tools are (`make tools`) every object is held to Kubernetes' own schemas, and kustomize
builds the folders.
"""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from collectors.registry import all_feeds
from runtime.settings import load_settings
from tests.deploy.program_rules import PREFIX, environment, parse
from tests.deploy.stack import ROOT, load, tool

FOLDER = ROOT / "deploy" / "kubernetes"
BASE = FOLDER / "base"
VERSION = "1.37"


def objects() -> Iterator[dict[str, Any]]:
    for path in sorted(BASE.glob("*.yaml")):
        if path.name != "kustomization.yaml":
            yield from yaml.safe_load_all(path.read_text())


def workloads(*kinds: str) -> dict[str, dict[str, Any]]:
    return {one["metadata"]["name"]: one for one in objects() if one["kind"] in kinds}


LONG = workloads("StatefulSet", "Deployment")
ALL = LONG | workloads("Job")


def container(name: str) -> dict[str, Any]:
    (only,) = ALL[name]["spec"]["template"]["spec"]["containers"]
    found: dict[str, Any] = only
    return found


def kustomization(folder: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((FOLDER / folder / "kustomization.yaml").read_text())
    return found


def validated(path: Path) -> subprocess.CompletedProcess[str]:
    """Hold the objects of a file to the schemas of one version of Kubernetes."""
    words = [tool("kubernetes-validate"), "--strict", "--kubernetes-version", VERSION, str(path)]
    return subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)


def test_kubernetes_takes_every_object(tmp_path: Path) -> None:
    path = tmp_path / "all.yaml"
    path.write_text(yaml.safe_dump_all(objects()))
    done = validated(path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_field_that_does_not_exist_would_be_found(tmp_path: Path) -> None:
    path = tmp_path / "wrong.yaml"
    wrong = LONG["sink"]
    path.write_text(yaml.safe_dump({**wrong, "spec": {**wrong["spec"], "replica": 3}}))
    assert validated(path).returncode != 0


def test_every_file_is_in_the_kustomization() -> None:
    files = {path.name for path in BASE.glob("*.yaml")} - {"kustomization.yaml"}
    assert set(kustomization("base")["resources"]) == files


@pytest.mark.parametrize("name", sorted(ALL))
def test_commands_are_those_of_the_containers_of_compose(name: str) -> None:
    line = container(name)["args"]
    parse(line)
    assert line in [service.get("command") for service in load().ours.values()]


@pytest.mark.parametrize("name", sorted(LONG))
def test_probes_ask_for_progress(name: str) -> None:
    for probe in ("startupProbe", "livenessProbe"):
        program, *line = container(name)[probe]["exec"]["command"]
        assert program == "perptape"
        parse(line)
        assert line == ["health"]
    assert "readinessProbe" not in container(name), "nobody is sent to it"


@pytest.mark.parametrize("name", sorted(ALL))
def test_containers_are_confined_and_bounded(name: str) -> None:
    one, pod = container(name), ALL[name]["spec"]["template"]["spec"]
    assert one["securityContext"]["readOnlyRootFilesystem"] is True
    assert one["securityContext"]["allowPrivilegeEscalation"] is False
    assert one["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["automountServiceAccountToken"] is False
    assert one["resources"]["limits"]["memory"]
    assert set(one["resources"]["requests"]) == {"cpu", "memory"}
    mounted = {mount["name"] for mount in one["volumeMounts"]}
    claims = {
        claim["metadata"]["name"] for claim in ALL[name]["spec"].get("volumeClaimTemplates", ())
    }
    assert mounted == {volume["name"] for volume in pod["volumes"]} | claims


def test_every_setting_is_one_and_has_a_value_that_it_takes() -> None:
    (generated,) = kustomization("base")["configMapGenerator"]
    told = dict(line.split("=", 1) for line in generated["literals"])
    told |= {
        item["name"]: item["value"]
        for name in ALL
        for item in container(name).get("env", ())
        if "value" in item
    }
    assert all(name.startswith(PREFIX) for name in told)
    with environment(told):
        settings = load_settings()
    assert settings.metrics_port == container("sink")["ports"][0]["containerPort"]
    assert settings.kafka.replication == 3


def test_every_venue_has_one_collector_and_workers_have_lasting_names() -> None:
    venues = {feed.venue for feed in all_feeds().values() if feed.default}
    found = [container(name)["args"][2] for name in ALL if name.startswith("collector-")]
    assert sorted(found) == sorted(venues)
    worker = ALL["worker"]
    assert worker["kind"] == "StatefulSet"
    (named,) = container("worker")["env"]
    assert named["name"] == "PERPTAPE_KAFKA__INSTANCE"
    assert named["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.name"
    assert 2 <= worker["spec"]["replicas"] <= 12


def test_nothing_is_posted_until_there_is_a_receiver() -> None:
    assert {name: one["spec"]["replicas"] for name, one in LONG.items() if "webhook" in name} == {
        "webhook": 0
    }


def test_budgets_and_services_select_what_is_there() -> None:
    labels = [one["spec"]["template"]["metadata"]["labels"] for one in ALL.values()]
    selectors = [one["spec"]["selector"] for one in objects() if one["kind"] == "Service"]
    selectors += [
        one["spec"].get("selector", one["spec"].get("podSelector"))["matchLabels"]
        for one in objects()
        if one["kind"] in ("PodDisruptionBudget", "NetworkPolicy", "StatefulSet", "Deployment")
    ]
    assert len(selectors) >= 12
    for selector in selectors:
        assert any(selector.items() <= one.items() for one in labels), selector


def test_the_page_says_which_secrets_are_needed() -> None:
    page = (ROOT / "deploy" / "README.md").read_text()
    wanted = {
        (item["valueFrom"]["secretKeyRef"]["name"], item["valueFrom"]["secretKeyRef"]["key"])
        for name in ALL
        for item in container(name).get("env", ())
        if "secretKeyRef" in item.get("valueFrom", {})
    }
    assert len(wanted) == 4
    for name, key in wanted:
        assert name in page
        assert f"--from-literal={key}=" in page


@pytest.mark.parametrize("folder", ["base", "demo"])
def test_kustomize_builds_the_folder(folder: str, tmp_path: Path) -> None:
    words = [tool("kustomize"), "build", str(FOLDER / folder)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    path = tmp_path / "built.yaml"
    path.write_text(done.stdout)
    built = list(yaml.safe_load_all(done.stdout))
    done = validated(path)
    assert done.returncode == 0, done.stdout + done.stderr
    collecting = [one for one in built if one["metadata"]["name"].startswith("collector-")]
    assert len(collecting) == (4 if folder == "base" else 1)
