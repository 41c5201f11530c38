"""What must hold of docker-compose.yml so that our program can run as it says.

Each rule yields what is wrong, nothing where all is well. That each can find something is shown by
the mutations in `test_compose.py`.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import typer
from typer.core import TyperGroup

from collectors.registry import all_feeds
from runtime.bus.kafka.settings import KafkaSettings, brokers_of
from runtime.cli.main import app
from runtime.errors import ConfigurationError
from runtime.settings import EMBEDDED, Settings, load_settings
from schemas.topics import TRADES
from tests.deploy.stack import ROOT, Stack, users, variables

PREFIX = "PERPTAPE_"
POSTS = ["sink", "webhook"]
PROFILES = ("live", "demo", "live,alerts", "demo,alerts")
"""What COMPOSE_PROFILES may be."""

# typer has a click of its own, which is private.
UsageError: type[Exception] = typer.BadParameter.__bases__[0]


@contextmanager
def environment(values: Mapping[str, str]) -> Iterator[None]:
    """Have these settings in the environment, and no others."""
    before = dict(os.environ)
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        del os.environ[name]
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def settings(service: Mapping[str, Any]) -> Settings:
    """Return what a process of this service would be told.

    Raises:
        ConfigurationError: it would not start.
    """
    given = {name: text for name, text in variables(service).items() if name.startswith(PREFIX)}
    with environment(given):
        return load_settings()


def parse(arguments: list[str]) -> None:
    """Read a command line as the program does, and do nothing.

    Raises:
        UsageError: it is none.
    """
    command: Any = typer.main.get_command(app)
    context = command.make_context("perptape", list(arguments))
    while isinstance(command, TyperGroup):
        rest = [*context._protected_args, *context.args]
        name, command, rest = command.resolve_command(context, rest)
        context = command.make_context(name, rest, parent=context)


def commands_are_command_lines(stack: Stack) -> Iterator[str]:
    """Commands and health checks parse, options and all."""
    for name, service in stack.ours.items():
        lines = {"command": service.get("command", [])}
        if "healthcheck" in service:
            kind, program, *lines["healthcheck"] = service["healthcheck"]["test"]
            if (kind, program) != ("CMD", "perptape"):
                yield f"{name}: the health check is not our program's"
        for what, line in lines.items():
            try:
                parse(line)
            except UsageError as error:
                yield f"{name}: {what} {line}: {error}"


def settings_are_settings(stack: Stack) -> Iterator[str]:
    """Every variable names a setting and has a value that it takes."""
    for name, service in stack.ours.items():
        for variable in variables(service):
            if not variable.startswith(PREFIX) or not _is_setting(variable):
                yield f"{name}: there is no setting {variable}"
        try:
            settings(service)
        except ConfigurationError as error:
            yield f"{name}: {error}"


def _is_setting(variable: str) -> bool:
    field, _, inner = variable.removeprefix(PREFIX).lower().partition("__")
    known = KafkaSettings.model_fields if field == "kafka" else {}
    return field in Settings.model_fields and (not inner or inner in known)


def venues_have_one_collector(stack: Stack) -> Iterator[str]:
    """Two collectors of a venue would do the same work, and a venue without one is missing."""
    found = [
        service["command"][2]
        for service in stack.ours.values()
        if service.get("command", [])[:2] == ["collect", "--venue"]
    ]
    known = {feed.venue for feed in all_feeds().values() if feed.default}
    if sorted(found) != sorted(known):
        yield f"collectors of {sorted(found)}, venues {sorted(known)}"


def markets_are_one_or_the_other(stack: Stack) -> Iterator[str]:
    """Collectors of live venues are of the profile `live`, the simulated ones of `demo`.

    What posts alerts is of the profile `alerts`, which goes with either.
    """
    for name, service in stack.services.items():
        command = service.get("command") or [""]
        wanted = ["demo" if "simulated" in command else "live"] if command[0] == "collect" else []
        wanted = ["alerts"] if command == POSTS else wanted
        if service.get("profiles", []) != wanted:
            yield f"{name}: profiles are {service.get('profiles')}, wanted {wanted}"
    for profiles in PROFILES:
        if not (ROOT / f"deploy/prometheus/collectors-{profiles}.yml").is_file():
            yield f"Prometheus knows no collectors of {profiles}"


def members_have_names(stack: Stack) -> Iterator[str]:
    """Workers and sinks have fixed names of their own, and there is work for each worker."""
    members: dict[tuple[str, str], str] = {}
    workers = 0
    for name, service in stack.ours.items():
        kind = (service.get("command") or [""])[0]
        if kind not in ("process", "sink"):
            continue
        workers += kind == "process"
        instance = variables(service).get("PERPTAPE_KAFKA__INSTANCE", "")
        other = members.setdefault((kind, instance), name)
        if not instance:
            yield f"{name}: no name in its group"
        elif other != name:
            yield f"{name} and {other} are both {instance}"
    if not 2 <= workers <= TRADES.partitions:
        yield f"{workers} workers for {TRADES.partitions} partitions"


def addresses_lead_somewhere(stack: Stack) -> Iterator[str]:
    """Brokers and servers are services of these names and ports, on a network of both."""
    services = stack.services
    advertised = services["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"].split(",")
    offered = {urlsplit(listener).netloc for listener in advertised} | {"clickhouse:8123"}
    for name, service in stack.ours.items():
        for address in _needed(service):
            host = address.rpartition(":")[0]
            if address not in offered:
                yield f"{name}: nobody offers {address or 'what it needs'} to others"
            elif not set(service["networks"]) & set(services[host]["networks"]):
                yield f"{name} has no network with {host}"
            elif host not in service.get("depends_on", {}):
                yield f"{name} does not wait for {host}"


def _needed(service: Mapping[str, Any]) -> Iterator[str]:
    """Yield host and port of what a service works on; empty where it has an embedded one."""
    told, command = settings(service), service["command"][0]
    if command != "migrate":
        yield from [""] if told.bus == EMBEDDED else brokers_of(told.bus)
    if command in ("migrate", "sink") and service["command"] != POSTS:
        url = urlsplit(told.clickhouse_url)
        yield url.netloc.rpartition("@")[2] if url.username in users() else ""


def health_is_progress(stack: Stack) -> Iterator[str]:
    """Our own are asked for progress, which they show on a page that only they are asked for."""
    for name, service in stack.ours.items():
        if name in stack.jobs:
            continue
        told = settings(service)
        if service.get("healthcheck", {}).get("test") != ["CMD", "perptape", "health"]:
            yield f"{name}: not asked for progress"
        if not told.metrics_port or told.metrics_host != "0.0.0.0":  # noqa: S104
            yield f"{name}: no metrics, or for nobody"
        if any(f":{told.metrics_port}" in port for port in service.get("ports", [])):
            yield f"{name}: its metrics are published"


def spools_are_on_volumes(stack: Stack) -> Iterator[str]:
    """What a collector could not send outlives its container."""
    for name, service in stack.ours.items():
        mounts = [volume.split(":")[1] for volume in service.get("volumes", [])]
        spool = str(settings(service).spool)
        if "collect" in service["command"] and not any(spool.startswith(m) for m in mounts):
            yield f"{name}: the spool {spool} is on no volume"


RULES = (
    commands_are_command_lines,
    settings_are_settings,
    venues_have_one_collector,
    markets_are_one_or_the_other,
    members_have_names,
    addresses_lead_somewhere,
    health_is_progress,
    spools_are_on_volumes,
)
