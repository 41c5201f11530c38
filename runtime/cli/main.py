"""`perptape`: the command line.

Exit codes: 0 fine, 1 something failed while running, 2 a wrong setting or argument, 130
interrupted.
"""

import asyncio
import sys
from collections.abc import Coroutine
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from runtime.cli.stages import stage
from runtime.errors import ConfigurationError, PerptapeError
from runtime.memory import relax_cycle_collection, return_freed_memory
from runtime.settings import EVERYTHING, Settings, load_settings
from schemas.market import Kind

FAILED, MISCONFIGURED, INTERRUPTED = 1, 2, 130

app = typer.Typer(
    name="perptape",
    help="The consolidated order-flow tape for crypto perpetuals.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

StoreOption = Annotated[Path | None, typer.Option("--store", help="Folder of the embedded store.")]
LogOption = Annotated[Path | None, typer.Option("--log", help="Folder of the embedded log.")]
AssetsOption = Annotated[
    str | None, typer.Option("--assets", help="Assets, comma separated, e.g. BTC,ETH.")
]
AllOption = Annotated[
    bool, typer.Option("--all", help="Every perpetual that the venues list, as with --assets '*'.")
]
FeedsOption = Annotated[
    str | None,
    typer.Option("--feeds", help="Feeds, comma separated, e.g. binance.usdm,okx.spot."),
]
SecondsOption = Annotated[
    float | None, typer.Option("--seconds", help="Stop after so many seconds.", min=0)
]


class Venues(StrEnum):
    """Whose data: the real venues, or a scripted market on loopback."""

    LIVE = "live"
    SIMULATED = "simulated"


class Format(StrEnum):
    """How a query's answer is written."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


VenuesOption = Annotated[
    Venues, typer.Option("--venues", help="The live venues, or a scripted market on loopback.")
]


@app.command()
def up(
    venues: VenuesOption = Venues.LIVE,
    assets: AssetsOption = None,
    every: AllOption = False,
    feeds: FeedsOption = None,
    store: StoreOption = None,
    log: LogOption = None,
    show: Annotated[
        str | None, typer.Option("--show", help="Show the ladder of this asset meanwhile.")
    ] = None,
    speed: Annotated[
        float, typer.Option("--speed", help="Pace of the simulated market.", min=0.1, max=60)
    ] = 1.0,
    seed: Annotated[int, typer.Option("--seed", help="Decides the simulated market.")] = 1,
    http_port: Annotated[
        int | None, typer.Option("--http-port", help="Port of the SQL server; 0 picks one.")
    ] = None,
    seconds: SecondsOption = None,
) -> None:
    """Run collectors, processors and store in one process."""
    assets = EVERYTHING if every else assets
    settings = load_settings(assets=assets, feeds=feeds, store=store, log=log, http_port=http_port)
    simulated = venues is Venues.SIMULATED
    if speed != 1 and not simulated:
        raise ConfigurationError("--speed goes with --venues simulated")
    interrupted = _run(
        settings,
        stage("runtime.cli.up").run_up(
            settings,
            Console(),
            simulated=simulated,
            speed=speed,
            seed=seed,
            show=show,
            seconds=seconds,
        ),
    )
    if interrupted:
        raise typer.Exit(INTERRUPTED)


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
        settings = load_settings(store=store, log=folder)
        _run(
            settings,
            module.run_replay(
                settings,
                Console(),
                files,
                format=format,
                venue=venue,
                kinds=kind or [],
                span=(since, until),
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
    _run(
        settings,
        stage("sinks.terminal.watch").watch(
            asset,
            settings.store,
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
    text = stage("sinks.clickhouse.query").run_query(settings.store, sql, format.value)
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
    interrupted = _run(
        settings,
        stage("runtime.cli.record").run_record(
            settings, Console(), path, simulated=venues is Venues.SIMULATED, seconds=seconds
        ),
    )
    if interrupted:
        raise typer.Exit(INTERRUPTED)


@app.command()
def doctor(store: StoreOption = None, log: LogOption = None) -> None:
    """Say how everything stands; exit code 1 when something is wrong."""
    settings = load_settings(store=store, log=log)
    healthy = _run(settings, stage("runtime.cli.doctor").run_doctor(settings, Console()))
    if not healthy:
        raise typer.Exit(FAILED)


def _run(settings: Settings, work: Coroutine[Any, Any, Any]) -> Any:
    stage("runtime.log").configure_logging(settings.log_level)
    relax_cycle_collection()
    return_freed_memory()
    try:
        return asyncio.run(work)
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None


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
