"""The commands that run one stage each, for desks that have more than one process."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from runtime.cli.options import (
    FAILED,
    AllOption,
    AssetsOption,
    BusOption,
    FeedsOption,
    Host,
    LogOption,
    SecondsOption,
    SpeedOption,
    StoreOption,
    Venues,
    VenuesOption,
    end,
    execute,
)
from runtime.cli.stages import stage
from runtime.errors import ConfigurationError
from runtime.settings import EVERYTHING, load_settings

sink_app = typer.Typer(help="Bring the log to where it is asked for.", no_args_is_help=True)


def add_services(app: typer.Typer) -> None:
    """Add the commands to the program."""
    for command in (collect, process, migrate, lag, health, metrics):
        app.command()(command)


def collect(
    venue: Annotated[
        list[str] | None, typer.Option("--venue", help="Only this venue's feeds; may be repeated.")
    ] = None,
    venues: VenuesOption = Venues.LIVE,
    assets: AssetsOption = None,
    every: AllOption = False,
    feeds: FeedsOption = None,
    bus: BusOption = None,
    log: LogOption = None,
    speed: SpeedOption = 1.0,
    seconds: SecondsOption = None,
) -> None:
    """Collect from venues into the log."""
    services = stage("runtime.cli.services")
    if venue and feeds:
        raise ConfigurationError("--venue and --feeds say the same: choose one")
    settings = load_settings(
        assets=EVERYTHING if every else assets,
        feeds=services.feeds_of(venue) if venue else feeds,
        bus=bus,
        log=log,
    )
    work = services.run_collect(
        settings, Console(), simulated=venues is Venues.SIMULATED, speed=speed, seconds=seconds
    )
    end(execute(settings, work))


def process(
    host: Annotated[
        Host | None, typer.Option("--host", help="By default faust on Kafka, else plain.")
    ] = None,
    bus: BusOption = None,
    log: LogOption = None,
    seconds: SecondsOption = None,
) -> None:
    """Run the operators; several of these share the partitions of a Kafka log."""
    settings = load_settings(bus=bus, log=log)
    services = stage("runtime.cli.services")
    chosen = host.value if host is not None else None
    end(execute(settings, services.run_process(settings, Console(), chosen, seconds)))


@sink_app.command()
def parquet(
    out: Annotated[Path, typer.Option("--out", help="Folder of the files; made when missing.")],
    store: StoreOption = None,
    seconds: SecondsOption = None,
) -> None:
    """Keep Parquet files of all tables as the store is, which another process serves."""
    settings = load_settings(store=store)
    work = stage("runtime.cli.parquet").run_parquet(settings, Console(), out, seconds)
    end(execute(settings, work))


@sink_app.command()
def clickhouse(
    bus: BusOption = None,
    log: LogOption = None,
    store: StoreOption = None,
    seconds: SecondsOption = None,
) -> None:
    """Fill the ClickHouse store (a server, or the embedded one) from the log."""
    settings = load_settings(bus=bus, log=log, store=store)
    end(execute(settings, stage("runtime.cli.services").run_sink(settings, Console(), seconds)))


@sink_app.command()
def rewind(
    since: Annotated[
        str | None,
        typer.Option("--from", help="What came then or later, e.g. 2026-11-20T02:00 (UTC)."),
    ] = None,
    bus: BusOption = None,
    log: LogOption = None,
    store: StoreOption = None,
) -> None:
    """Have the ClickHouse sink, which must be stopped, store once more what the log still holds.

    By default what came after the backup that the store was restored from.
    """
    settings = load_settings(bus=bus, log=log, store=store)
    execute(settings, stage("runtime.cli.rewind").run_rewind(settings, Console(), since))


@sink_app.command()
def webhook(bus: BusOption = None, log: LogOption = None, seconds: SecondsOption = None) -> None:
    """Post alerts, signed, to the address of the setting alert_webhook_url."""
    settings = load_settings(bus=bus, log=log)
    end(execute(settings, stage("runtime.cli.services").run_webhook(settings, Console(), seconds)))


def migrate(
    store: StoreOption = None,
    cluster: Annotated[
        str, typer.Option("--cluster", help="On all servers of this ClickHouse cluster.")
    ] = "",
) -> None:
    """Bring the tables of the store to this version; safe to repeat."""
    settings = load_settings(store=store)
    execute(settings, stage("runtime.cli.services").run_migrate(settings, Console(), cluster))


def lag(
    every: Annotated[bool, typer.Option("--partitions", help="A line for each partition.")] = False,
    bus: BusOption = None,
    log: LogOption = None,
) -> None:
    """Say how far each group of readers is behind the log."""
    settings = load_settings(bus=bus, log=log)
    execute(settings, stage("runtime.cli.lag").run_lag(settings, Console(), every=every))


def health() -> None:
    """Say whether the process with these settings makes progress; exit code 1 when it does not."""
    settings = load_settings()
    if not stage("runtime.cli.health").run_health(settings, Console()):
        raise typer.Exit(FAILED)


def metrics() -> None:
    """List every metric that a process can show, with its labels (Markdown)."""
    typer.echo(stage("runtime.cli.metrics").listing(), nl=False)
