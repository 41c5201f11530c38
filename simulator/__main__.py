"""The scripted market in a process of its own: `python -m simulator OPTIONS`.

It writes one line of JSON, the addresses by feed, and serves until its standard input ends, so that
it never outlives whoever started it. The clock starts at `--start-us` at the moment `--anchor-ns`
of the machine's monotonic clock, which the processes of a machine share.
"""

import argparse
import asyncio
import json
import sys

from runtime.clock import SystemClock, WarpedClock
from schemas.units import US_PER_SECOND
from simulator.catalogue import LISTED_ASSETS
from simulator.scenarios.catalogue import SCENARIOS, scenario
from simulator.server import Simulator
from simulator.sources import ScriptedSource

LEAD_US = 2 * US_PER_SECOND
"""The market opens this long before the clock starts, so that books are there."""


def main() -> None:
    """Serve until the standard input ends."""
    parser = argparse.ArgumentParser(prog="python -m simulator", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--assets", default=",".join(LISTED_ASSETS))
    parser.add_argument("--speed", type=float, default=1.0)
    parser.add_argument("--scenario", default="calm", choices=SCENARIOS)
    parser.add_argument("--start-us", type=int, required=True)
    parser.add_argument("--anchor-ns", type=int, required=True)
    asyncio.run(_serve(parser.parse_args()))


async def _serve(options: argparse.Namespace) -> None:
    clock = WarpedClock(options.start_us, options.speed, options.anchor_ns)
    assets = tuple(options.assets.split(","))
    played = scenario(options.scenario)
    market = played.market(options.seed, options.start_us - LEAD_US, assets)
    async with Simulator(
        [ScriptedSource(market)], clock=clock, session_clock=SystemClock()
    ) as simulator:
        sys.stdout.write(json.dumps(simulator.addresses) + "\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    main()
