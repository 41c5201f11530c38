"""docker-compose.yml: every service, port, variable and command in it exists."""

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.deploy import container_rules as containers
from tests.deploy import program_rules as program
from tests.deploy.stack import FILLED, ROOT, Stack, interpolated, load, names, tool

Rule = Callable[[Stack], Iterator[str]]
Change = Callable[[Stack], object]
WRITTEN, WITH_DEFAULT, ANOTHER = "secret", "${CLICKHOUSE_INGEST_PASSWORD:-secret}", "${OTHER:?}"
OPTIONAL = "${PERPTAPE_ALERT_WEBHOOK_SECRET:-}"
RULES = (*program.RULES, *containers.RULES)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_file_keeps_the_rule(rule: Rule) -> None:
    assert not list(rule(load()))


def service(name: str, **values: Any) -> Change:
    """Set parts of a service; None removes one."""

    def change(stack: Stack) -> None:
        stack.raw[name].update(values)
        for key in [key for key, value in values.items() if value is None]:
            del stack.raw[name][key]

    return change


def variable(name: str, **values: Any) -> Change:
    """Set variables of a service; None removes one."""

    def change(stack: Stack) -> None:
        told = stack.raw[name]["environment"]
        told.update(values)
        for key in [key for key, value in values.items() if value is None]:
            del told[key]

    return change


def waits(name: str, **conditions: str) -> Change:
    def change(stack: Stack) -> None:
        for other, condition in conditions.items():
            stack.raw[name].setdefault("depends_on", {})[other] = {"condition": condition}

    return change


def example(**values: str) -> Change:
    return lambda stack: stack.example.update(values)


MUTATIONS: list[tuple[Rule, Change]] = [
    (program.commands_are_command_lines, service("worker-1", command=["work"])),
    (program.commands_are_command_lines, service("topics", command=["topics"])),
    (program.commands_are_command_lines, service("topics", command=["topics", "make"])),
    (program.commands_are_command_lines, service("sink", command=["sink", "clickhouse", "--fast"])),
    (
        program.commands_are_command_lines,
        service("worker-2", command=["process", "--host", "spark"]),
    ),
    (program.commands_are_command_lines, service("sink", healthcheck={"test": ["CMD", "true"]})),
    (program.settings_are_settings, variable("topics", PERPTAPE_BROKER="kafka://kafka:19092")),
    (program.settings_are_settings, variable("topics", PERPTAPE_KAFKA__ACKS="all")),
    (program.settings_are_settings, variable("topics", PERPTAPE_METRICS_PORT="often")),
    (program.settings_are_settings, variable("topics", PERPTAPE_BUS="kafka")),
    (program.settings_are_settings, variable("topics", PYTHONPATH="/src")),
    (program.settings_are_settings, example(PERPTAPE_LOG_LEVEL="loud")),
    (program.venues_have_one_collector, lambda stack: stack.raw.pop("collector-okx")),
    (
        program.venues_have_one_collector,
        service("collector-okx", command=["collect", "--venue", "bybit"]),
    ),
    (program.members_have_names, variable("worker-2", PERPTAPE_KAFKA__INSTANCE="worker-1")),
    (program.members_have_names, variable("sink", PERPTAPE_KAFKA__INSTANCE=None)),
    (program.members_have_names, lambda stack: stack.raw.pop("worker-2")),
    (containers.dependencies_can_be_met, waits("sink", zookeeper="service_healthy")),
    (containers.dependencies_can_be_met, waits("sink", topics="service_healthy")),
    (containers.dependencies_can_be_met, waits("sink", kafka="service_completed_successfully")),
    (containers.dependencies_can_be_met, waits("sink", kafka="service_started")),
    (containers.dependencies_can_be_met, waits("kafka", sink="service_healthy")),
    (program.addresses_lead_somewhere, variable("sink", PERPTAPE_BUS="kafka://broker:19092")),
    (program.addresses_lead_somewhere, variable("sink", PERPTAPE_BUS="kafka://kafka:9092")),
    (program.addresses_lead_somewhere, variable("sink", PERPTAPE_BUS=None)),
    (program.addresses_lead_somewhere, variable("sink", PERPTAPE_CLICKHOUSE_URL="")),
    (
        program.addresses_lead_somewhere,
        variable("migrate", PERPTAPE_CLICKHOUSE_URL="http://root:x@clickhouse:8123"),
    ),
    (program.addresses_lead_somewhere, service("sink", networks=["log"])),
    (program.addresses_lead_somewhere, lambda stack: stack.raw["sink"]["depends_on"].pop("kafka")),
    (containers.stages_are_apart, service("worker-1", networks=["log", "venues"])),
    (containers.stages_are_apart, service("clickhouse", networks=["store", "edge", "venues"])),
    (containers.stages_are_apart, service("worker-1", networks=["logs"])),
    (containers.stages_are_apart, lambda stack: stack.document["networks"].update(log=None)),
    (containers.stages_are_apart, lambda stack: stack.document["networks"].update(spare=None)),
    (containers.the_broker_is_configured, variable("kafka", KAFKA_PROCESS_ROLES=None)),
    (
        containers.the_broker_is_configured,
        variable("kafka", KAFKA_AUTO_CREATE_TOPICS_ENABLE="true"),
    ),
    (
        containers.the_broker_is_configured,
        variable("kafka", KAFKA_LOG_FLUSH_INTERVAL_MESSAGES=None),
    ),
    (containers.the_broker_is_configured, variable("kafka", KAFKA_LOG_DIRS="/tmp/logs")),  # noqa: S108
    (containers.the_broker_is_configured, variable("kafka", KAFKA_NODE_ID="2")),
    (
        containers.the_broker_is_configured,
        variable("kafka", KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR="3"),
    ),
    (
        containers.the_broker_is_configured,
        variable("kafka", KAFKA_ADVERTISED_LISTENERS="INTERNAL://kafka:19092"),
    ),
    (containers.images_are_pinned, service("kafka", image="apache/kafka:latest")),
    (containers.versions_agree, service("kafka", image="apache/kafka:4.4.0")),
    (containers.images_are_pinned, service("clickhouse", image="clickhouse/clickhouse-server")),
    (containers.images_are_pinned, service("clickhouse", image="clickhouse/clickhouse-server:26")),
    (containers.versions_agree, service("sink", image="perptape:0.0.9")),
    (containers.versions_agree, service("sink", pull_policy=None)),
    (containers.versions_agree, service("topics", build=None)),
    (
        containers.versions_agree,
        lambda stack: stack.raw["topics"]["build"].update(context="deploy"),
    ),
    (
        containers.versions_agree,
        lambda stack: stack.raw["sink"].update(build=stack.raw["topics"]["build"]),
    ),
    (containers.ports_are_on_loopback, service("clickhouse", ports=["8123:8123"])),
    (containers.ports_are_on_loopback, service("clickhouse", ports=["0.0.0.0:8123:8123"])),
    (containers.ports_are_on_loopback, service("clickhouse", ports=["127.0.0.1:8123:8321"])),
    (containers.ports_are_on_loopback, service("clickhouse", ports=["127.0.0.1:9092:8123"])),
    (containers.ports_are_on_loopback, service("kafka", ports=[])),
    (containers.ports_are_on_loopback, service("sink", network_mode="host")),
    (containers.volumes_are_declared, lambda stack: stack.document["volumes"].pop("kafka")),
    (containers.volumes_are_declared, lambda stack: stack.document["volumes"].update(spare=None)),
    (containers.volumes_are_declared, service("collector-okx", volumes=["spool-bybit:/data"])),
    (program.spools_are_on_volumes, service("collector-okx", volumes=["spool-okx:/spool"])),
    (
        containers.volumes_are_declared,
        service("clickhouse", volumes=["clickhouse:/var/lib/clickhouse", "./missing.xml:/x:ro"]),
    ),
    (containers.containers_are_confined, service("sink", read_only=False)),
    (containers.containers_are_confined, service("sink", cap_drop=None)),
    (containers.containers_are_confined, service("kafka", cap_add=["SYS_ADMIN"])),
    (containers.containers_are_confined, service("kafka", privileged=True)),
    (containers.containers_are_confined, service("clickhouse", security_opt=None)),
    (containers.containers_are_confined, service("sink", tmpfs=None)),
    (containers.containers_are_confined, service("sink", tmpfs=["/tmp:mode=1777"])),  # noqa: S108
    (containers.containers_are_confined, service("sink", mem_limit=None)),
    (containers.containers_are_confined, service("sink", pids_limit=-1)),
    (containers.containers_are_confined, service("sink", logging=None)),
    (containers.containers_are_confined, service("sink", user=None)),
    (containers.containers_are_confined, service("sink", user="0:0")),
    (containers.containers_are_confined, service("clickhouse", user="root")),
    (containers.containers_are_confined, service("sink", init=None)),
    (containers.services_go_on, service("sink", restart="on-failure")),
    (containers.services_go_on, service("sink", restart="no")),
    (containers.services_go_on, service("kafka", healthcheck=None)),
    (containers.services_go_on, service("kafka", stop_grace_period="10s")),
    (containers.services_go_on, service("kafka", healthcheck={"disable": True})),
    (
        program.health_is_progress,
        service("sink", healthcheck={"test": ["CMD", "perptape", "lag"]}),
    ),
    (program.health_is_progress, variable("worker-1", PERPTAPE_METRICS_PORT="0")),
    (program.health_is_progress, variable("worker-1", PERPTAPE_METRICS_HOST="127.0.0.1")),
    (program.health_is_progress, service("worker-1", ports=["127.0.0.1:9100:9100"])),
    (containers.variables_are_in_the_example, lambda stack: stack.example.pop("KAFKA_CLUSTER_ID")),
    (containers.variables_are_in_the_example, example(SPARE="1")),
    (
        containers.variables_are_in_the_example,
        variable("topics", PERPTAPE_QUOTES="${QUOTES:-USDT}"),
    ),
    (
        containers.variables_are_in_the_example,
        lambda stack: stack.example.update(dict.fromkeys(FILLED, "x")),
    ),
    (containers.secrets_are_elsewhere, example(CLICKHOUSE_ADMIN_PASSWORD=WRITTEN)),
    (
        containers.secrets_are_elsewhere,
        variable("sink", PERPTAPE_CLICKHOUSE_URL="http://ingest:secret@clickhouse:8123"),
    ),
    (
        containers.secrets_are_elsewhere,
        variable("clickhouse", CLICKHOUSE_INGEST_PASSWORD=WRITTEN),
    ),
    (
        containers.secrets_are_elsewhere,
        variable("clickhouse", CLICKHOUSE_INGEST_PASSWORD=WITH_DEFAULT),
    ),
    (
        containers.secrets_are_elsewhere,
        service("sink", command=["sink", "clickhouse", "--bus", "${CLICKHOUSE_INGEST_PASSWORD}"]),
    ),
    (
        containers.clickhouse_lets_in_who_it_should,
        variable("clickhouse", CLICKHOUSE_INGEST_PASSWORD=None),
    ),
    (
        containers.clickhouse_lets_in_who_it_should,
        variable("clickhouse", CLICKHOUSE_INGEST_PASSWORD=ANOTHER),
    ),
    (
        containers.clickhouse_lets_in_who_it_should,
        variable("clickhouse", CLICKHOUSE_SKIP_USER_SETUP=None),
    ),
    (
        containers.clickhouse_lets_in_who_it_should,
        variable("grafana", CLICKHOUSE_GRAFANA_PASSWORD=ANOTHER),
    ),
    (
        containers.clickhouse_lets_in_who_it_should,
        variable("sink", PERPTAPE_CLICKHOUSE_URL="http://root:${X:?}@clickhouse:8123"),
    ),
    (program.markets_are_one_or_the_other, service("collector-okx", profiles=["demo"])),
    (program.markets_are_one_or_the_other, service("collector-okx", profiles=None)),
    (program.markets_are_one_or_the_other, service("sink", profiles=["live"])),
    (program.markets_are_one_or_the_other, service("webhook", profiles=None)),
    (program.members_have_names, variable("webhook", PERPTAPE_KAFKA__INSTANCE="sink-1")),
    (program.addresses_lead_somewhere, service("webhook", networks=["receivers"])),
    (containers.stages_are_apart, service("webhook", networks=["log"])),
    (containers.stages_are_apart, service("sink", networks=["log", "store", "receivers"])),
    (
        containers.secrets_are_elsewhere,
        variable("webhook", PERPTAPE_ALERT_WEBHOOK_SECRET=WITH_DEFAULT),
    ),
    (
        containers.secrets_are_elsewhere,
        variable("sink", PERPTAPE_ALERT_WEBHOOK_SECRET=OPTIONAL),
    ),
]


@pytest.mark.parametrize(
    ("rule", "change"),
    [
        pytest.param(rule, change, id=f"{rule.__name__}-{number}")
        for number, (rule, change) in enumerate(MUTATIONS)
    ],
)
def test_a_file_that_is_changed_for_the_worse_is_found_out(rule: Rule, change: Change) -> None:
    stack = load()
    change(stack)
    assert list(rule(stack))


def test_every_rule_can_find_something() -> None:
    assert {rule for rule, _ in MUTATIONS} == set(RULES)


def test_variables_are_put_in_as_compose_does() -> None:
    values = {"ONE": "1", "EMPTY": ""}
    texts = {
        "$ONE ${ONE} $$ONE": "1 1 $ONE",
        "${EMPTY:-none} ${EMPTY-none} ${GONE-none}": "none  none",
        "a${ONE:+@${ONE}}b${EMPTY:+@${EMPTY}}": "a@1b",
    }
    assert interpolated(list(texts), values) == list(texts.values())
    assert list(names("${ONE:+@${TWO}} $$THREE $FOUR")) == ["ONE", "TWO", "FOUR"]
    with pytest.raises(ValueError, match=r"^GONE: set it$"):
        interpolated("${GONE:?set it}", values)


def test_the_page_on_deployment_names_what_there_is() -> None:
    page = (ROOT / "deploy/README.md").read_text().partition("## With Docker Compose")[2]
    stack = load()
    commands = re.findall(r"docker compose (?:exec|run --rm|stop|restart|logs -f) ([\w-]+)", page)
    assert commands
    assert set(commands) <= set(stack.services)
    for line in re.findall(r"docker compose exec [\w-]+ perptape ([\w -]+)", page):
        program.parse(line.split())


def test_the_file_is_one_by_the_schema_of_compose() -> None:
    words = [tool("check-jsonschema"), "--builtin-schema", "vendor.compose-spec"]
    words.append("docker-compose.yml")
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_compose_itself_reads_the_file(tmp_path: Path) -> None:
    docker = shutil.which("docker")
    command = [str(docker), "compose", "version"]
    if docker is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("no Compose: `docker compose version` does not answer")
    filled = tmp_path / "filled.env"
    lines = [f"{name}={value}\n" for name, value in (load().example | FILLED).items()]
    filled.write_text("".join(lines))
    done = subprocess.run(
        [docker, "compose", "--env-file", str(filled), "config", "--quiet"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr
