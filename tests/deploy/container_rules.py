"""What must hold of docker-compose.yml as of any such file, whatever runs in the containers.

Each rule yields what is wrong, nothing where all is well. That each can find something is shown by
the mutations in `test_compose.py`.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import yaml

from tests.deploy.stack import ROOT, Stack, Unset, interpolated, names, texts, users, variables

SECRET = re.compile(r"PASSWORD|SECRET|TOKEN|KEY$")
ASKED_FOR = r"\$\{\w+:\?[^}]*\}"
ASKED_FOR_OR_NOT = rf"{ASKED_FOR}|\$\{{\w+:-\}}"
PINNED = re.compile(r"[a-z0-9./-]+:v?\d+(\.\d+){2,3}(@sha256:[0-9a-f]{64})?")
PUBLISHED = re.compile(r"127\.0\.0\.1:(\d+):(\d+)")
NOBODY = re.compile(r"[1-9]\d*:[1-9]\d*")
"""A user and a group by number, neither of them root's."""

MIB = {"m": 1, "g": 1024}
LONGEST_SILENCE_SECONDS = 300
POM = ROOT / "deploy/kafka/pom.xml"
DATA_SOURCES = "deploy/grafana/provisioning/datasources/perptape.yml"
BROKER = {
    "KAFKA_PROCESS_ROLES": "broker,controller",
    "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
    "KAFKA_LOG_FLUSH_INTERVAL_MESSAGES": "1",
    "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
    "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
    "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
    "KAFKA_SHARE_COORDINATOR_STATE_TOPIC_REPLICATION_FACTOR": "1",
    "KAFKA_SHARE_COORDINATOR_STATE_TOPIC_MIN_ISR": "1",
}
"""A single node, which is on its own."""


def seconds(text: str) -> float:
    return float(text[:-1]) * {"s": 1, "m": 60}[text[-1]]


def dependencies_can_be_met(stack: Stack) -> Iterator[str]:
    """What is waited for is there, and can become what is waited for."""
    services = stack.services
    for name, service in services.items():
        for other, wish in service.get("depends_on", {}).items():
            can = {
                "service_healthy": "healthcheck" in services.get(other, {}),
                "service_completed_successfully": other in stack.jobs,
            }
            if not can.get(wish.get("condition")):
                yield f"{name} waits for {other}: {wish}"
    left = {name: set(one.get("depends_on", {})) & set(services) for name, one in services.items()}
    while free := {name for name, wants in left.items() if not wants & set(left)}:
        left = {name: wants for name, wants in left.items() if name not in free}
    if left:
        yield f"these wait for one another: {', '.join(sorted(left))}"


def stages_are_apart(stack: Stack) -> Iterator[str]:
    """Only collectors and what posts alerts have a way out, what is published is at the edge."""
    networks = stack.document.get("networks", {})
    used = set()
    for name, service in stack.services.items():
        mine = service.get("networks", [])
        used |= set(mine)
        if not mine or not set(mine) <= set(networks):
            yield f"{name}: networks {mine}"
            continue
        wanted = {"edge"} if "ports" in service else set()
        wanted |= {"venues"} if "--venue" in service.get("command", []) else set()
        wanted |= {"receivers"} if service.get("command") == ["sink", "webhook"] else set()
        outside = {one for one in mine if not (networks[one] or {}).get("internal")}
        if outside != wanted:
            yield f"{name}: {sorted(outside)} lead outside, wanted {sorted(wanted)}"
    if used != set(networks):
        yield f"networks {sorted(set(networks) ^ used)}: declared or used, not both"


def the_broker_is_configured(stack: Stack) -> Iterator[str]:
    """The listeners agree with one another; one node, whose log is on a volume."""
    kafka = stack.services["kafka"]
    told = variables(kafka)
    listeners = {urlsplit(one).scheme: one for one in told["KAFKA_LISTENERS"].split(",")}
    map_ = told["KAFKA_LISTENER_SECURITY_PROTOCOL_MAP"].split(",")
    controller = told["KAFKA_CONTROLLER_LISTENER_NAMES"].lower()
    advertised = {urlsplit(one).scheme for one in told["KAFKA_ADVERTISED_LISTENERS"].split(",")}
    voter = f"{told['KAFKA_NODE_ID']}@{urlsplit(listeners[controller]).netloc}"
    mounts = [volume.split(":")[1] for volume in kafka["volumes"]]
    wanted = {
        "every listener has a protocol": sorted(listeners)
        == sorted(one.partition(":")[0].lower() for one in map_),
        "all but the controller's are advertised": advertised == set(listeners) - {controller},
        "it is the voter": told["KAFKA_CONTROLLER_QUORUM_VOTERS"] == voter,
        "only itself reaches its controller": "@127.0.0.1:" in voter,
        "brokers have a listener": told["KAFKA_INTER_BROKER_LISTENER_NAME"].lower() in advertised,
        "the log is on a volume": told["KAFKA_LOG_DIRS"] in mounts,
    }
    wanted |= {f"{name} is {value}": told.get(name) == value for name, value in BROKER.items()}
    yield from (f"kafka: not so: {what}" for what, well in wanted.items() if not well)


def images_are_pinned(stack: Stack) -> Iterator[str]:
    """Tags say a version; digests can be added."""
    digests = {name: f"sha256:{'0' * 64}" for name in stack.example if name.endswith("_DIGEST")}
    for values in (stack.filled, stack.filled | digests):
        for name, service in interpolated(stack.raw, stack.example | values).items():
            image = str(service.get("image", ""))
            if not PINNED.fullmatch(image):
                yield f"{name}: the image {image} is not pinned"


def versions_agree(stack: Stack) -> Iterator[str]:
    """Images are of the versions that the rest of the project says, and ours is built here."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    for name, service in stack.ours.items():
        if service["image"] != f"perptape:{version}":
            yield f"{name}: {service['image']} is not of version {version}"
        if service.get("pull_policy") != "never":
            yield f"{name}: somebody else's image of that name may be pulled"
    builds = [one["build"] for one in stack.services.values() if "build" in one]
    if [build["args"]["VERSION"] for build in builds] != [version]:
        yield f"built are {builds}"
    if not all((ROOT / build["context"] / build["dockerfile"]).is_file() for build in builds):
        yield f"there is no Dockerfile for {builds}"
    brokers = re.findall(r"kafka_2\.13</artifactId>\s*<version>([\d.]+)<", POM.read_text())
    if [stack.services["kafka"]["image"]] != [f"apache/kafka:{one}" for one in brokers]:
        yield f"Kafka is not {brokers}, as in {POM.name}"


def ports_are_on_loopback(stack: Stack) -> Iterator[str]:
    """Nothing is published to other machines, and nothing that nobody listens at."""
    listeners = variables(stack.services["kafka"])["KAFKA_LISTENERS"].split(",")
    listened = {("kafka", str(urlsplit(one).port)) for one in listeners}
    listened |= {("clickhouse", "8123"), ("prometheus", "9090"), ("grafana", "3000")}
    taken: list[str] = []
    for name, service in stack.services.items():
        if service.get("network_mode"):
            yield f"{name}: the network of another"
        for port in service.get("ports", []):
            match = PUBLISHED.fullmatch(str(port))
            if match is None:
                yield f"{name}: {port} is not on loopback"
            elif (name, match[2]) not in listened or match[1] in taken:
                yield f"{name}: nobody listens at {match[2]}, or {match[1]} is taken"
            else:
                taken.append(match[1])
    if sorted(taken) != ["3000", "8123", "9090", "9092"]:
        yield f"published are {taken}"


def volumes_are_declared(stack: Stack) -> Iterator[str]:
    """Named volumes are declared and used by one service; files of ours are there, read-only."""
    declared = set(stack.document.get("volumes", {}))
    used: list[str] = []
    for name, service in stack.services.items():
        for volume in service.get("volumes", []):
            source, target, *mode = volume.split(":")
            if not target.startswith("/"):
                yield f"{name}: {volume}"
            if not source.startswith("."):
                used.append(source)
            elif not (ROOT / source).exists() or mode != ["ro"]:
                yield f"{name}: {volume}: not there, or may be written"
    if sorted(used) != sorted(declared):
        yield f"used {sorted(used)}, declared {sorted(declared)}"


def containers_are_confined(stack: Stack) -> Iterator[str]:
    """No privileges, nothing to write to but what is meant, limits on everything."""
    for name, service in stack.services.items():
        temporary = service.get("tmpfs", [])
        wanted = {
            "read_only": service.get("read_only") is True,
            "cap_drop": service.get("cap_drop") == ["ALL"],
            "cap_add": not service.get("cap_add"),
            "privileged": not service.get("privileged"),
            "security_opt": service.get("security_opt") == ["no-new-privileges:true"],
            "tmpfs": any(one.startswith("/tmp:") for one in temporary),  # noqa: S108
            "tmpfs sizes": all("size=" in one for one in temporary),
            "mem_limit": 256 <= _mib(service.get("mem_limit", "0m")) <= 8192,
            "pids_limit": 0 < service.get("pids_limit", 0) <= 4096,
            "logging": {"max-size", "max-file"} <= set(_log_options(service)),
            # The image of Kafka names a user itself.
            "user": name == "kafka" or NOBODY.fullmatch(service.get("user", "root")) is not None,
            "init": name in ("kafka", "clickhouse") or service.get("init") is True,
        }
        yield from (f"{name}: {what}" for what, well in wanted.items() if not well)


def _mib(text: str) -> float:
    return float(text[:-1]) * MIB[text[-1]]


def _log_options(service: Mapping[str, Any]) -> Mapping[str, str]:
    options: Mapping[str, str] = service.get("logging", {}).get("options", {})
    return options


def services_go_on(stack: Stack) -> Iterator[str]:
    """What runs on is started again, watched and given time to end."""
    if stack.jobs != {"topics", "migrate"}:
        yield f"jobs are {stack.jobs}"
    for name, service in stack.services.items():
        if name in stack.jobs:
            continue
        if service.get("restart") != "unless-stopped":
            yield f"{name}: restart is {service.get('restart')}"
        if seconds(service.get("stop_grace_period", "0s")) < 60:
            yield f"{name}: too little time to end"
        check = service.get("healthcheck", {})
        missing = {"test", "interval", "timeout", "retries", "start_period"} - set(check)
        if missing or check.get("disable"):
            yield f"{name}: its health check lacks {sorted(missing)}"
        elif seconds(check["interval"]) * check["retries"] > LONGEST_SILENCE_SECONDS:
            yield f"{name}: a fault would be seen too late"


def variables_are_in_the_example(stack: Stack) -> Iterator[str]:
    """Every ${VARIABLE} is a line of .env.example, and every line of it is used."""
    used = {name for text in texts(stack.document) for name in names(text)}
    for name in sorted(used ^ set(stack.example)):
        yield f"{name} is in docker-compose.yml or in .env.example, not in both"
    try:
        interpolated(stack.raw, stack.example)
    except Unset:
        return
    yield "it starts without anything being set"


def secrets_are_elsewhere(stack: Stack) -> Iterator[str]:
    """Passwords come from .env and are in neither of the files.

    They must be given, but for those of a profile that may be off: Compose wants them all the same.
    """
    for name, value in stack.example.items():
        if SECRET.search(name) and value:
            yield f"{name} has a value in .env.example"
    for name, service in stack.raw.items():
        for variable, value in service.get("environment", {}).items():
            inside = re.search(r"://[^/@:]*:([^@]+)@", str(value))
            secret = str(value) if SECRET.search(variable) else inside[1] if inside else "${X:?}"
            wanted = ASKED_FOR if "alerts" not in service.get("profiles", ()) else ASKED_FOR_OR_NOT
            if not re.fullmatch(wanted, secret):
                yield f"{name}: {variable} is written into the file"
        if any(SECRET.search(n) for text in texts(service.get("command")) for n in names(text)):
            yield f"{name}: a secret in its arguments"


def clickhouse_lets_in_who_it_should(stack: Stack) -> Iterator[str]:
    """Others come in by password only; it is passed to the server, and to who uses it."""
    told = variables(stack.raw["clickhouse"])
    given = {name: list(names(str(text))) for name, text in _credentials(stack)}
    if told.get("CLICKHOUSE_SKIP_USER_SETUP") != "1":
        yield "the image would write users of its own, into a root that is read-only"
    for name, user in users().items():
        password = user.find("password")
        if name == "default":
            networks = {ip.text for ip in user.iterfind("networks/ip")}
            if networks - {"127.0.0.1", "::1"} or user.find("networks[@replace]") is None:
                yield "the user default comes in from elsewhere"
        elif password is None or not given.get(name):
            yield f"nobody comes in as {name}, or it needs no password"
        elif list(names(told.get(password.get("from_env", ""), ""))) != given[name]:
            yield f"the password of {name} is not passed, or not the one that is used"
    for name in given.keys() - users().keys():
        yield f"there is no user {name}"


def _credentials(stack: Stack) -> Iterator[tuple[str, str]]:
    """Yield who comes in, and the text that has the password."""
    for service in ("migrate", "sink"):
        url = str(stack.raw[service]["environment"]["PERPTAPE_CLICKHOUSE_URL"])
        user, _, password = url.partition("://")[2].rpartition("@")[0].partition(":")
        yield user, password
    sources = yaml.safe_load((ROOT / DATA_SOURCES).read_text())["datasources"]
    for source in sources:
        if "password" in source.get("secureJsonData", {}):
            variable = source["secureJsonData"]["password"].removeprefix("$")
            yield (
                source["jsonData"]["username"],
                variables(stack.raw["grafana"]).get(variable, ""),
            )


RULES = (
    dependencies_can_be_met,
    stages_are_apart,
    the_broker_is_configured,
    images_are_pinned,
    versions_agree,
    ports_are_on_loopback,
    volumes_are_declared,
    containers_are_confined,
    services_go_on,
    variables_are_in_the_example,
    secrets_are_elsewhere,
    clickhouse_lets_in_who_it_should,
)
