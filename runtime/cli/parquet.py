"""`perptape sink parquet`: files beside a store that another process fills; it reads no log."""

import asyncio
from functools import partial
from pathlib import Path

from rich.console import Console

from runtime.cli.running import metered, run_until_stopped, stopping_after
from runtime.cli.stages import stage
from runtime.settings import Settings


async def run_parquet(
    settings: Settings, console: Console, out: Path, seconds: float | None
) -> bool:
    """Keep a folder of Parquet files as the store is; return whether a signal ended it.

    Raises:
        ConfigurationError: the folder is another's, or cannot be had.
    """
    open_store = partial(stage("sinks.clickhouse.access").open_beside, settings.stored_in)
    sink = stage("sinks.parquet.sink")

    async def work(stop: asyncio.Event) -> None:
        async with metered(settings, "parquet") as metrics, stopping_after(seconds, stop):
            metrics.watch_disk("parquet", out)
            where = f"{settings.store_name} to {out}"
            console.print(f"[bold]perptape parquet[/]: {where}   Stop: Ctrl-C", highlight=False)
            bounds = sink.ParquetSettings(round_seconds=settings.parquet_seconds)
            await sink.ParquetSink(open_store, out, settings=bounds, metrics=metrics.parquet).run(
                stop
            )

    return await run_until_stopped(work)
