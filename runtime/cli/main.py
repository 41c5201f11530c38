"""`perptape`: the command line.

Exit codes: 0 fine, 1 something failed while running, 2 a wrong setting or argument, 130
interrupted.
"""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from runtime.cli.alert_commands import alerts_app
from runtime.cli.deadletter import deadletter_app
from runtime.cli.history_commands import add_history
from runtime.cli.options import (
    CALM,
    FAILED,
    MISCONFIGURED,
    AllOption,
    AssetsOption,
    BusOption,
    FeedsOption,
    Format,
    LogOption,
    ScenarioOption,
    SecondsOption,
    SpeedOption,
    StoreOption,
    Venues,
    VenuesOption,
    end,
    execute,
)
from runtime.cli.schema import schema_app
from runtime.cli.service_commands import add_services, sink_app
from runtime.cli.stages import stage
from runtime.cli.store_commands import add_store
from runtime.cli.topics import topics_app
from runtime.errors import ConfigurationError, PerptapeError
from runtime.settings import EMBEDDED, EVERYTHING, load_settings
from schemas.market import Kind

app = typer.Typer(
    name="perptape",
    help="The consolidated order-flow tape for crypto perpetuals.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for name, group in (
    ("schema", schema_app),
    ("sink", sink_app),
    ("topics", topics_app),
    ("deadletter", deadletter_app),
    ("alerts", alerts_app),
):
    app.add_typer(group, name=name)
add_services(app)
add_history(app)
add_store(app)


@app.command()
def up(
    venues: VenuesOption = Venues.LIVE,
    assets: AssetsOption = None,
    every: AllOption = False,
    feeds: FeedsOption = None,
    store: StoreOption = None,
    log: LogOption = None,
    bus: BusOption = None,
    show: Annotated[
        str | None, typer.Option("--show", help="Show the ladder of this asset meanwhile.")
    ] = None,
    speed: SpeedOption = 1.0,
    seed: Annotated[int, typer.Option("--seed", help="Decides the simulated market.")] = 1,
    scenario: ScenarioOption = CALM,
    http_port: Annotated[
        int | None, typer.Option("--http-port", help="Port of the SQL server; 0 picks one.")
    ] = None,
    seconds: SecondsOption = None,
) -> None:
    """Run collectors, processors and store in one process."""
    assets = EVERYTHING if every else assets
    settings = load_settings(
        assets=assets, feeds=feeds, store=store, log=log, bus=bus, http_port=http_port
    )
    simulated = venues is Venues.SIMULATED
    if speed != 1 and not simulated:
        raise ConfigurationError("--speed goes with --venues simulated")
    if scenario != CALM and not simulated:
        raise ConfigurationError("--scenario goes with --venues simulated")
    interrupted = execute(
        settings,
        stage("runtime.cli.up").run_up(
            settings,
            Console(),
            simulated=simulated,
            speed=speed,
            seed=seed,
            scenario=scenario,
            show=show,
            seconds=seconds,
        ),
    )
    end(interrupted)


@app.command()
def replay(
    files: Annotated[
        list[Path], typer.Argument(help="Recordings, or folders of them; merged by time.")
    ],
    format: Annotated[
        str | None,
        typer.Option("--format", help="perptape, cryptofeed or hftbacktest; else by the name."),
    ] = None,
    venue: Annotated[
        str | None, typer.Option("--venue", help="Venue, where the file does not say.")
    ] = None,
    kind: Annotated[
        list[Kind] | None,
        typer.Option("--kind", help="Kind, where the file does not say; one, or one per file."),
    ] = None,
    since: Annotated[
        str | None, typer.Option("--from", help="Begin there, e.g. 2026-11-20T14:30 (UTC).")
    ] = None,
    until: Annotated[str | None, typer.Option("--until", help="End before then (UTC).")] = None,
    store: StoreOption = None,
    log: LogOption = None,
) -> None:
    """Play recordings through the pipeline as fast as they go."""
    module = stage("runtime.cli.replay")
    with module.log_for_replay(log) as folder:
        settings = load_settings(store=store, log=folder, bus=EMBEDDED)
        module.refuse_own_store(settings, load_settings())
        execute(
            settings,
            module.run_replay(
                settings,
                Console(),
                files,
                format=format,
                venue=venue,
                kinds=kind or [],
                span=(since, until),
                keep_log=log is not None,
            ),
        )


@app.command()
def watch(
    asset: Annotated[str, typer.Argument(help="Asset, e.g. BTC.")],
    scope: Annotated[str, typer.Option("--scope", help="perp, spot, or venue.")] = "perp",
    venue: Annotated[
        str, typer.Option("--venue", help="With --scope venue: name or name:SYMBOL.")
    ] = "",
    interval: Annotated[int, typer.Option("--interval", help="Seconds of a bar.")] = 60,
    row: Annotated[str | None, typer.Option("--row", help="Row size; else the finest.")] = None,
    once: Annotated[bool, typer.Option("--once", help="Print one ladder and end.")] = False,
    store: StoreOption = None,
    seconds: SecondsOption = None,
) -> None:
    """Show the newest bars of an asset as a footprint ladder, live."""
    settings = load_settings(store=store)
    execute(
        settings,
        stage("sinks.terminal.watch").watch(
            asset,
            settings.stored_in,
            scope=scope,
            venue=venue,
            interval_seconds=interval,
            row_size=row,
            once=once,
            seconds=seconds,
            console=Console(),
        ),
    )


@app.command()
def query(
    sql: Annotated[str, typer.Argument(help='SQL, e.g. "SELECT * FROM footprint_bars LIMIT 5".')],
    format: Annotated[Format, typer.Option("--format", help="How to write it.")] = Format.TABLE,
    store: StoreOption = None,
) -> None:
    """Ask the store with SQL."""
    settings = load_settings(store=store)
    text = stage("sinks.clickhouse.query").run_query(settings.stored_in, sql, format.value)
    sys.stdout.write(text if text.endswith("\n") or not text else text + "\n")


@app.command()
def record(
    path: Annotated[Path, typer.Argument(help="A folder, or one file ending in .ptrec.zst.")],
    venues: VenuesOption = Venues.LIVE,
    assets: AssetsOption = None,
    every: AllOption = False,
    feeds: FeedsOption = None,
    seconds: SecondsOption = None,
) -> None:
    """Record raw frames with their receive time; `replay` plays them."""
    settings = load_settings(assets=EVERYTHING if every else assets, feeds=feeds)
    interrupted = execute(
        settings,
        stage("runtime.cli.record").run_record(
            settings, Console(), path, simulated=venues is Venues.SIMULATED, seconds=seconds
        ),
    )
    end(interrupted)


@app.command()
def doctor(
    json: Annotated[bool, typer.Option("--json", help="As JSON, for programs.")] = False,
    store: StoreOption = None,
    log: LogOption = None,
    bus: BusOption = None,
) -> None:
    """Say how everything stands, and what to do; exit code 1 when something is wrong."""
    settings = load_settings(store=store, log=log, bus=bus)
    module = stage("runtime.cli.doctor.run")
    healthy = execute(settings, module.run_doctor(settings, Console(), json=json))
    if not healthy:
        raise typer.Exit(FAILED)


def main() -> None:
    """Run the command line and turn errors into one line and an exit code."""
    try:
        app()
    except ConfigurationError as error:
        _fail(str(error), MISCONFIGURED)
    except PerptapeError as error:
        _fail(str(error), FAILED)


def _fail(message: str, code: int) -> None:
    sys.stderr.write(f"perptape: {' '.join(message.split())}\n")
    sys.exit(code)
