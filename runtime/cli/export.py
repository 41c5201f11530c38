"""`perptape export`: tables of the store as Parquet files."""

import asyncio
from contextlib import closing
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from runtime.cli.stages import stage
from runtime.errors import ConfigurationError
from runtime.settings import Settings


def asked_of(from_day: str | None, until_day: str | None, assets: list[str] | None) -> Any:
    """Read which rows are wanted.

    Raises:
        ConfigurationError: a day is none, or the days are the wrong way round.
    """
    plan = stage("sinks.parquet.plan")
    days = []
    for option, text in (("--from", from_day), ("--until", until_day)):
        try:
            days.append(None if text is None else plan.day_of(text))
        except ValueError as error:
            raise ConfigurationError(f"{option} is no day (YYYY-MM-DD): {text!r}") from error
    start, end = days
    if start is not None and end is not None and start >= end:
        raise ConfigurationError(f"--until {end} must be after --from {start}: it is left out")
    return plan.Asked(start, end, tuple(assets or ()))


async def run_export(settings: Settings, console: Console, name: str, asked: Any, out: Path) -> int:
    """Export one dataset and return how many rows it had.

    Args:
        settings: of this process; they say where the store is.
        console: where it says what it does.
        name: of the dataset.
        asked: sinks.parquet.plan.Asked.
        out: the folder for all datasets.

    Raises:
        ConfigurationError: no such dataset or store, or the folder cannot be written.
        QueryError: the store refuses.
        StoreError: the store went away; files that were complete stay.
    """
    reader = stage("sinks.clickhouse.access").open_reader(settings.stored_in)
    try:
        dataset = stage("sinks.parquet.datasets").find_dataset(reader, name)
        done = stage("sinks.parquet.export").Exported()
        with _progress(console) as progress, closing(_steps(reader, dataset, asked, out)) as steps:
            task = progress.add_task(name, count="")
            for done in steps:
                where = done.path.parent.relative_to(out / name)
                progress.update(task, count=f"{where}: {done.path_rows:,} rows")
                await asyncio.sleep(0)  # Ctrl-C takes effect here
    except OSError as error:
        raise ConfigurationError(f"{out} cannot be written: {error}") from error
    finally:
        reader.close()
    console.print(
        f"{done.rows:,} rows of {name} in {done.files:,} files, {done.size_bytes:,} bytes",
        highlight=False,
    )
    return int(done.rows)


def _steps(reader: Any, dataset: Any, asked: Any, out: Path) -> Any:
    return stage("sinks.parquet.export").export(reader, dataset, asked, out)


def _progress(console: Console) -> Progress:
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        TextColumn("{task.fields[count]}"),
    )
    return Progress(*columns, TimeElapsedColumn(), console=console)
