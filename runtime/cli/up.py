"""`perptape up`: the whole pipeline in one process."""

import asyncio

from rich.console import Console

from runtime.cli.market import Market, open_market
from runtime.cli.parts import Pipeline, open_bus, open_sink, serve_store
from runtime.cli.running import metered, run_until_stopped, stopping_after
from runtime.cli.stages import stage
from runtime.settings import EMBEDDED, Settings

EXAMPLE = "SELECT * FROM footprint_bars LIMIT 5"


async def run_up(
    settings: Settings,
    console: Console,
    *,
    simulated: bool,
    speed: float,
    seed: int,
    scenario: str,
    show: str | None,
    seconds: float | None,
) -> bool:
    """Run until interrupted or for `seconds`; return whether it was interrupted."""

    async def work(stop: asyncio.Event) -> None:
        async with open_market(
            settings, simulated=simulated, seed=seed, speed=speed, scenario=scenario
        ) as market:
            await _run(settings, console, market, stop, show=show, seconds=seconds)

    return await run_until_stopped(work)


async def _run(
    settings: Settings,
    console: Console,
    market: Market,
    stop: asyncio.Event,
    *,
    show: str | None,
    seconds: float | None,
) -> None:
    async with (
        metered(settings, "up") as metrics,
        open_bus(settings, metrics) as bus,
        open_sink(settings, bus, metrics, market.clock) as sink,
        serve_store(settings) as port,
    ):
        pipeline = Pipeline(settings, bus, sink, market, metrics)
        _say_where(settings, console, port)
        shown = asyncio.create_task(_show(show, settings, console)) if show is not None else None
        try:
            async with stopping_after(seconds, stop):
                await pipeline.run(stop)
        finally:
            if shown is not None:
                shown.cancel()
                await asyncio.gather(shown, return_exceptions=True)
    counts = f"{pipeline.host.trades:,} trades on the tape"
    stored = f"everything collected is stored in {settings.store_name}"
    if pipeline.left:
        stored = f"{pipeline.left:,} records wait in the log for the next start"
    console.print(f"stopped: {counts}; {stored}")


async def _show(asset: str, settings: Settings, console: Console) -> None:
    await stage("sinks.terminal.watch").watch(asset, settings.stored_in, console=console)


def _say_where(settings: Settings, console: Console, port: int) -> None:
    console.print(
        f"[bold]perptape[/] is collecting {', '.join(settings.assets)}. "
        f"Log: {settings.log if settings.bus == EMBEDDED else settings.bus}   "
        f"Store: {settings.store_name}"
    )
    if port:
        where = f"http://127.0.0.1:{port} (read-only, ClickHouse's HTTP interface)"
        console.print(f'SQL: {where}   or: perptape query "{EXAMPLE}"', highlight=False)
    console.print("Ladder: perptape watch BTC   Stop: Ctrl-C", highlight=False)
