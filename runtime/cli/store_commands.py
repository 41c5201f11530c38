"""The commands for the store as a whole: copy it, make it of a copy, make a day of it anew."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from runtime.cli.options import BusOption, LogOption, StoreOption, execute
from runtime.cli.stages import stage
from runtime.settings import load_settings

NameArgument = Annotated[
    str,
    typer.Argument(help="A folder; with a ClickHouse server, a name on its disk `backups`."),
]


def add_store(app: typer.Typer) -> None:
    """Add the commands to the program."""
    for command in (backup, restore, rebuild):
        app.command()(command)


def backup(
    name: NameArgument,
    base: Annotated[
        str | None,
        typer.Option("--base", help="An earlier one beside it: only what that has not is copied."),
    ] = None,
    bus: BusOption = None,
    log: LogOption = None,
    store: StoreOption = None,
) -> None:
    """Copy the store, and with it how far the sink had come; a server may go on meanwhile."""
    settings = load_settings(bus=bus, log=log, store=store)
    work = stage("runtime.cli.backup").run_backup
    execute(settings, work(settings, Console(), name, base))


def restore(name: NameArgument, store: StoreOption = None) -> None:
    """Make a store of a backup, where there is none yet."""
    settings = load_settings(store=store)
    execute(settings, stage("runtime.cli.backup").run_restore(settings, Console(), name))


def rebuild(
    day: Annotated[str, typer.Argument(help="The day (UTC), e.g. 2026-11-20.")],
    files: Annotated[
        list[Path] | None,
        typer.Argument(help="Recordings, or folders of them; else the trades in the log."),
    ] = None,
    replace: Annotated[
        bool,
        typer.Option("--replace", help="Also complete bars, e.g. after a fault was mended."),
    ] = False,
    bus: BusOption = None,
    log: LogOption = None,
    store: StoreOption = None,
) -> None:
    """Make a day's trades and footprint bars anew; what is better takes the place of what is there.

    Recordings begin before midnight and end after the next one, or bars at both ends are partial.
    """
    settings = load_settings(bus=bus, log=log, store=store)
    module = stage("runtime.cli.rebuild")
    asked = module.Asked(module.day_of(day), files or [], replace)
    execute(settings, module.run_rebuild(settings, Console(), asked))
