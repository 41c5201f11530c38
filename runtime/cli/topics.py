"""`perptape topics`: make the topics on a Kafka cluster, or say where they differ."""

from typing import Any

import typer
from rich.console import Console

from runtime.cli.options import FAILED, BusOption, execute
from runtime.cli.stages import stage
from runtime.errors import ConfigurationError
from runtime.settings import EMBEDDED, Settings, load_settings
from schemas.topics import TOPICS

topics_app = typer.Typer(help="The topics on a Kafka cluster.", no_args_is_help=True)


@topics_app.command("apply")
def topics_apply(bus: BusOption = None) -> None:
    """Make the topics on a Kafka cluster as the registry says; safe to repeat."""
    settings = load_settings(bus=bus)
    execute(settings, run_topics(settings, Console(), apply=True))


@topics_app.command("diff")
def topics_diff(bus: BusOption = None) -> None:
    """Say where the topics differ from the registry; exit code 1 when they do."""
    settings = load_settings(bus=bus)
    work = run_topics(settings, Console(), apply=False)
    if not execute(settings, work):
        raise typer.Exit(FAILED)


async def run_topics(settings: Settings, console: Console, *, apply: bool) -> bool:
    """Apply the registry, or print what differs; return whether all is as the registry says.

    Raises:
        ConfigurationError: the bus is the embedded log, or a topic differs in what cannot change.
        BusError: the cluster does not answer.
    """
    if settings.bus == EMBEDDED:
        raise ConfigurationError(
            "the embedded log makes its topics itself; --bus kafka://host:port"
        )
    kafka: Any = stage("runtime.bus.kafka.settings")
    module: Any = stage("runtime.bus.kafka.topics")
    options = kafka.client_options(kafka.brokers_of(settings.bus), settings.kafka)
    async with module.open_admin(options, settings.kafka, TOPICS) as admin:
        differences = await (admin.apply() if apply else admin.differences())
    for difference in differences:
        console.print(str(difference) + (": done" if apply else ""), highlight=False)
    if not differences:
        console.print(f"{len(TOPICS)} topics are as the registry says", highlight=False)
    return apply or not differences
