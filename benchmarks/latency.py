"""From a frame on the socket to the trade in the log, at live pace, in one process.

The simulator, the collector and the reader share one event loop here, so the figure is an upper
bound for the collector's own part: receive time stamped on the frame to record readable in the
log, linger included.
"""

import asyncio
import statistics
import tempfile
from pathlib import Path

import msgspec

from collectors.collector import Collector, CollectorSettings
from collectors.registry import choose_feeds
from runtime.bus.embedded import EmbeddedBus
from runtime.clock import SystemClock
from runtime.log import configure_logging
from schemas.topics import TRADES
from schemas.trades import TradeBatch
from schemas.units import US_PER_SECOND
from simulator.market import ScriptedMarket
from simulator.server import Simulator
from simulator.sources import ScriptedSource

SECONDS = 10.0
RATE = 8.0


async def measure(folder: Path) -> list[float]:
    """Return, per batch with trades, milliseconds from its last possible frame to the reader."""
    clock = SystemClock()
    market = ScriptedMarket(1, start_us=clock.now_us(), rate=RATE)
    bus = await EmbeddedBus.open(folder)
    stop = asyncio.Event()
    delays: list[float] = []
    async with Simulator([ScriptedSource(market)], clock=clock) as simulator:
        settings = CollectorSettings(
            assets=("BTC", "ETH", "SOL"), quotes=("USDT", "USDC"), addresses=simulator.addresses
        )
        collector = Collector(choose_feeds(()), settings, bus, clock)
        running = asyncio.create_task(collector.run(stop))
        consumer = await bus.consumer([TRADES.name])
        until_us = clock.now_us() + int(SECONDS * US_PER_SECOND)
        while clock.now_us() < until_us:
            for record in await consumer.poll(500, 0.2):
                batch = msgspec.json.decode(record.value or b"", type=TradeBatch)
                if batch.rows:
                    delays.append((clock.now_us() - batch.receive_time_us) / 1000)
        stop.set()
        await running
        await consumer.close()
    await bus.close()
    return delays


def run() -> dict[str, float]:
    """Measure once."""
    with tempfile.TemporaryDirectory(prefix="perptape-bench-") as name:
        delays = sorted(asyncio.run(measure(Path(name))))
    return {
        "batches": len(delays),
        "p50_ms": statistics.median(delays),
        "p99_ms": delays[int(len(delays) * 0.99)],
    }


def main() -> None:
    """Print the figures."""
    configure_logging("error")
    found = run()
    print(
        f"end of linger to record readable in the log, {found['batches']:.0f} batches: "
        f"p50 {found['p50_ms']:.1f} ms, p99 {found['p99_ms']:.1f} ms"
    )


if __name__ == "__main__":
    main()
