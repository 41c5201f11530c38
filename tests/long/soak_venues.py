"""A process that serves every simulated venue at a multiple of real time, with faults now and then.

    python -m tests.long.soak_venues SPEED SEED

It writes JSON lines to its standard output: first where the venues are and what their clock is,
then each fault once it has ended, and how far the market is behind its clock. It ends when its
standard input does.
"""

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from random import Random
from typing import Any

from runtime.clock import SystemClock, WarpedClock
from schemas.market import Side
from schemas.units import US_PER_SECOND
from simulator.catalogue import FEEDS, LISTED_ASSETS
from simulator.fault_log import Applied
from simulator.faults import Close, Drop, Fault, ResetBooks, Silence
from simulator.flow import Cascade
from simulator.market import ScriptedMarket
from simulator.server import Simulator
from simulator.sources import ScriptedSource

FAULT_SECONDS = 20.0
"""One fault begins this often, of real time; every third one is the loss of a feed's connections,
so that there is one a minute."""

CASCADE_SECONDS = 120.0
RATE = 2.0
"""Trades are this many times as many as in the market's usual state."""

REPORT_SECONDS = 5.0
SILENT_SECONDS = (20, 150)
"""How long a silence lasts, of the market's time: some are outlived, some end a connection."""

CUT = 1006


def say(**line: object) -> None:
    """Write one line for whoever started this process."""
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def faults(chance: Random) -> Iterator[Fault]:
    """Return one fault after the other, for ever."""
    while True:
        yield Close(feed=chance.choice(FEEDS), code=CUT)
        yield ResetBooks(feed=chance.choice(FEEDS))
        feed = chance.choice(FEEDS)
        if chance.random() < 0.5:
            silent_us = chance.randint(*SILENT_SECONDS) * US_PER_SECOND
            yield Silence(feed=feed, until_us=silent_us)
        else:
            yield Drop(feed=feed, every=chance.randint(1, 5), count=chance.randint(1, 200))


def described(applied: Applied) -> dict[str, Any]:
    """Return what is to be known of a fault that has ended."""
    return {
        "kind": type(applied.fault).__name__,
        "feed": applied.fault.feed,
        "from_us": applied.began_us,
        "to_us": applied.ended_us,
        "touched": applied.touched,
        "lost": [(name, data.decode()) for name, data in applied.dropped]
        if isinstance(applied.fault, Drop)
        else [],
    }


async def disturb(simulator: Simulator, chance: Random) -> None:
    """Let one thing after the other go wrong, and tell of each once the next one is due."""
    for fault in faults(chance):
        await asyncio.sleep(FAULT_SECONDS)
        applied = simulator.apply(fault)
        if isinstance(fault, Silence | Drop):
            try:
                async with asyncio.timeout(FAULT_SECONDS / 2):
                    while applied.holds:
                        await asyncio.sleep(0.05)
            except TimeoutError:
                simulator.lift(applied)
        say(fault=described(applied))


async def cascade(market: ScriptedMarket, clock: WarpedClock, chance: Random) -> None:
    """Let a cascade of liquidations run through an asset now and then."""
    while True:
        await asyncio.sleep(CASCADE_SECONDS)
        side = chance.choice((Side.BUY, Side.SELL))
        asset = chance.choice(LISTED_ASSETS)
        market.cascade(Cascade(clock.now_us(), side, (asset,)))


async def report(market: ScriptedMarket, clock: WarpedClock) -> None:
    """Tell how far what is sent is behind the clock."""
    while True:
        await asyncio.sleep(REPORT_SECONDS)
        behind_us = max(0, clock.now_us() - market.next_us())
        say(behind_us=behind_us, cpu_seconds=time.process_time())


async def main(speed: float, seed: int) -> None:
    """Serve until standard input ends."""
    chance = Random(seed)
    origin_us, started_ns = SystemClock().now_us(), time.monotonic_ns()
    clock = WarpedClock(origin_us, speed)
    market = ScriptedMarket(seed, LISTED_ASSETS, origin_us, rate=RATE)
    async with Simulator(
        [ScriptedSource(market)], clock=clock, session_clock=SystemClock()
    ) as simulator:
        say(addresses=simulator.addresses, origin_us=origin_us, started_ns=started_ns)
        async with asyncio.TaskGroup() as tasks:
            extras = [
                tasks.create_task(disturb(simulator, chance)),
                tasks.create_task(cascade(market, clock, chance)),
                tasks.create_task(report(market, clock)),
            ]
            await asyncio.to_thread(sys.stdin.read)
            for task in extras:
                task.cancel()


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1]), int(sys.argv[2])))
