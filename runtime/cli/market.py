"""Where live data comes from: the venues, or a scripted market on loopback."""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from runtime.cli.options import CALM
from runtime.cli.stages import stage
from runtime.clock import Clock, SystemClock, WarpedClock
from runtime.errors import TransportError
from runtime.settings import EVERYTHING, Settings

SIMULATOR_SECONDS = 20.0
"""How long the simulated venues may take to start, and to end."""


@dataclass(frozen=True, slots=True)
class Market:
    """Where live data comes from: addresses instead of the venues' own, and its clock."""

    addresses: Mapping[str, tuple[str, str]]
    clock: Clock


@asynccontextmanager
async def simulated_market(
    settings: Settings, seed: int, speed: float, scenario: str = CALM
) -> AsyncIterator[Market]:
    """Serve a scripted market on loopback, in a process of its own, and return where it is.

    Raises:
        ConfigurationError: an asset or a scenario that the scripted market does not have.
        TransportError: the process ended, or says nothing.
    """
    stage("simulator.scenarios.catalogue").scenario(scenario)
    for asset in _simulated(settings):
        stage("simulator.catalogue").instrument("binance.usdm", asset)
    start_us, anchor_ns = SystemClock().now_us(), time.monotonic_ns()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "simulator", "--seed", str(seed), "--speed", str(speed)),
        *("--assets", ",".join(_simulated(settings)), "--scenario", scenario),
        *("--start-us", str(start_us), "--anchor-ns", str(anchor_ns)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is for us; it ends when its standard input does
    )
    try:
        yield Market(await _addresses(process), WarpedClock(start_us, speed, anchor_ns))
    finally:
        if process.stdin is not None:
            process.stdin.close()
        try:
            async with asyncio.timeout(SIMULATOR_SECONDS):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


async def _addresses(process: asyncio.subprocess.Process) -> dict[str, tuple[str, str]]:
    line = b""
    if process.stdout is not None:
        try:
            async with asyncio.timeout(SIMULATOR_SECONDS):
                line = await process.stdout.readline()
        except TimeoutError:
            line = b""
    if not line:
        raise TransportError("the simulated venues did not start")
    return {feed: (rest, socket) for feed, (rest, socket) in json.loads(line).items()}


def _simulated(settings: Settings) -> tuple[str, ...]:
    """Return the assets of the scripted market that are wanted."""
    listed: tuple[str, ...] = stage("simulator.catalogue").LISTED_ASSETS
    return listed if EVERYTHING in settings.assets else tuple(settings.assets)


@asynccontextmanager
async def open_market(
    settings: Settings,
    *,
    simulated: bool,
    seed: int = 1,
    speed: float = 1.0,
    scenario: str = CALM,
) -> AsyncIterator[Market]:
    """Return the live venues, or serve a scripted market meanwhile."""
    if simulated:
        async with simulated_market(settings, seed, speed, scenario) as market:
            yield market
    else:
        yield Market({}, SystemClock())
