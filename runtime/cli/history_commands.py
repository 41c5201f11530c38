"""The commands for files on disk: trades to load, bars to compare with, tables to export."""

from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from runtime.cli.backfill import TERMS
from runtime.cli.options import FAILED, StoreOption, execute
from runtime.cli.stages import stage
from runtime.errors import ConfigurationError
from runtime.settings import load_settings
from schemas.market import Kind

FilesArgument = Annotated[list[Path], typer.Argument(help="Files, or folders of them.")]
FormatOption = Annotated[
    str | None,
    typer.Option(
        "--format",
        help="binance.aggTrades, binance.trades, bybit.trades, bybit.spot, okx.trades, "
        "tardis.trades or plain; else by name and columns.",
    ),
]
VenueOption = Annotated[str | None, typer.Option("--venue", help="Where the file does not say.")]
KindOption = Annotated[Kind | None, typer.Option("--kind", help="Where the file does not say.")]
SymbolOption = Annotated[
    str | None, typer.Option("--symbol", help="The venue's own, e.g. BTCUSDT; where not said.")
]
StreamOption = Annotated[
    str | None,
    typer.Option("--stream", help="The live stream whose ids the file has, e.g. {lower}@trade."),
]
ContractOption = Annotated[
    str | None, typer.Option("--contract-size", help="Coins in one contract (OKX swaps).")
]


def add_history(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.command(epilog=" ".join(TERMS.split()))(backfill)
    app.command(epilog=" ".join(TERMS.split()))(reconcile)
    app.command()(export)


def backfill(
    files: FilesArgument,
    format: FormatOption = None,
    venue: VenueOption = None,
    kind: KindOption = None,
    symbol: SymbolOption = None,
    stream: StreamOption = None,
    contract_size: ContractOption = None,
    again: Annotated[
        bool, typer.Option("--again", help="Also files that were loaded before.")
    ] = False,
    store: StoreOption = None,
) -> None:
    """Load the venues' official trade files into the store: trades and final footprint bars.

    Files of all venues of a day belong into one run: a bar over all venues is of those of its run.
    """
    settings = load_settings(store=store)
    asked = _asked(format, venue, kind, symbol, stream, contract_size)
    work = stage("runtime.cli.backfill").run_backfill
    execute(settings, work(settings, Console(), files, asked, again=again))


def reconcile(
    files: FilesArgument,
    format: FormatOption = None,
    venue: VenueOption = None,
    kind: KindOption = None,
    symbol: SymbolOption = None,
    contract_size: ContractOption = None,
    store: StoreOption = None,
) -> None:
    """Compare final bars with Binance klines or trade files from disk; exit code 1 when broken.

    Each bar is exact, explained (by order classes that rows leave out), within tolerance (0.01 %,
    where the bar is not covered whole) or broken; the view `reconciliations` has them.
    """
    settings = load_settings(store=store)
    asked = _asked(format, venue, kind, symbol, None, contract_size)
    work = stage("runtime.cli.reconcile").run_reconcile
    if not execute(settings, work(settings, Console(), files, asked)):
        raise typer.Exit(FAILED)


def export(
    dataset: Annotated[str, typer.Argument(help="A table, e.g. trades, footprints or events.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for the files of all datasets.")],
    from_day: Annotated[
        str | None, typer.Option("--from", help="First day, YYYY-MM-DD (UTC); else all.")
    ] = None,
    until_day: Annotated[
        str | None, typer.Option("--until", help="Day after the last, YYYY-MM-DD; else all.")
    ] = None,
    asset: Annotated[
        list[str] | None, typer.Option("--asset", help="Only this asset; may be repeated.")
    ] = None,
    store: StoreOption = None,
) -> None:
    """Write a table's rows as Parquet files by day, asset and venue; again replaces them."""
    settings = load_settings(store=store)
    module = stage("runtime.cli.export")
    asked = module.asked_of(from_day, until_day, asset)
    execute(settings, module.run_export(settings, Console(), dataset, asked, out))


def _asked(
    format: str | None,
    venue: str | None,
    kind: Kind | None,
    symbol: str | None,
    stream: str | None,
    contract_size: str | None,
) -> object:
    try:
        size = None if contract_size is None else Decimal(contract_size)
    except InvalidOperation as error:
        raise ConfigurationError(f"--contract-size is no number: {contract_size!r}") from error
    return stage("collectors.dumps.market").Asked(format, venue, kind, symbol, stream, size)
