"""What the commands have in common: options, exit codes, and how their work is run."""

import asyncio
from collections.abc import Coroutine
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from runtime.cli.stages import stage
from runtime.memory import relax_cycle_collection, return_freed_memory
from runtime.settings import Settings

CALM = "calm"
"""The scenario of the simulated market in which nothing happens."""

FAILED, MISCONFIGURED, INTERRUPTED = 1, 2, 130

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
BusOption = Annotated[
    str | None, typer.Option("--bus", help="The log: embedded, or kafka://host:port,host:port.")
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


class Host(StrEnum):
    """What the operators run in."""

    FAUST = "faust"
    PLAIN = "plain"


VenuesOption = Annotated[
    Venues, typer.Option("--venues", help="The live venues, or a scripted market on loopback.")
]


SpeedOption = Annotated[
    float, typer.Option("--speed", help="Pace of the simulated market.", min=0.1, max=60)
]


ScenarioOption = Annotated[
    str,
    typer.Option(
        "--scenario",
        help="What happens in the simulated market: calm, walls, spoofs, trend, divergence, "
        "cascade, failed-cascade or short-cascade.",
    ),
]


def end(interrupted: bool) -> None:
    """Leave with the exit code of an interrupted program, if it was."""
    if interrupted:
        raise typer.Exit(INTERRUPTED)


def execute(settings: Settings, work: Coroutine[Any, Any, Any]) -> Any:
    """Run a command's work in an event loop of its own and return what it returns."""
    stage("runtime.log").configure_logging(settings.log_level)
    relax_cycle_collection()
    return_freed_memory()
    try:
        return asyncio.run(work)
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
