"""A process that collects from simulated venues into a log that forgets, and samples itself.

    python -m tests.long.soak_collector DIRECTORY SPEED VENUES

VENUES is the first line of what `soak_venues` writes. It writes JSON lines to its standard output:
a sample every few seconds, and each quality record but the summaries. It ends when its standard
input does.
"""

import asyncio
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from prometheus_client.metrics import MetricWrapperBase

from collectors import grid
from collectors.collector import Collector, CollectorSettings
from collectors.outbox.spool import Spool
from collectors.registry import choose_feeds
from collectors.session import seen
from collectors.session.lanes import liquidations
from collectors.venues.hyperliquid import liquidations as joined
from runtime.bus.embedded import EmbeddedBus, EmbeddedBusSettings
from runtime.bus.protocol import Outgoing
from runtime.clock import WarpedClock
from runtime.log import configure_logging
from runtime.memory import relax_cycle_collection, return_freed_memory
from runtime.metrics import Metrics
from schemas.ops import QualityEvent, QualityKind
from schemas.topics import QUALITY
from simulator.catalogue import LISTED_ASSETS

SAMPLE_SECONDS = 5.0
LOOP_SECONDS = 0.02
SPOOL_BYTES = 2**29
REMEMBERED_IDS = 400
MEMO_ENTRIES = 256
"""What is remembered of each stream's ids and of each grid's texts: far less than in earnest, so
that both are full after the warm-up as they are after some days; else their filling would look
like a leak."""

LOG = EmbeddedBusSettings(
    partition_bytes=2**25, file_bytes=3 * 2**30, maintenance_seconds=1.0, synchronous="NORMAL"
)
"""Keeps the newest 32 MiB of each partition, and no more than the disk of any machine has."""

_decode = msgspec.json.Decoder(QualityEvent).decode


def say(**line: object) -> None:
    """Write one line for whoever started this process."""
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


class ToldBus:
    """Tells of the quality records on their way to the log.

    Args:
        log: where all records go.
    """

    def __init__(self, log: EmbeddedBus) -> None:
        self.log = log

    async def send(self, records: Sequence[Outgoing]) -> list[int]:
        """Append records, then tell of those that matter here."""
        offsets = await self.log.send(records)
        for record in records:
            if record.topic == QUALITY.name and record.value is not None:
                event = _decode(record.value)
                if event.kind is not QualityKind.SUMMARY:
                    say(event=msgspec.to_builtins(event))
        return offsets


class LoopLag:
    """How late the event loop wakes a task that sleeps."""

    def __init__(self) -> None:
        self._lags: list[float] = []

    async def watch(self) -> None:
        """Measure until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            before = loop.time()
            await asyncio.sleep(LOOP_SECONDS)
            self._lags.append(loop.time() - before - LOOP_SECONDS)

    def take(self) -> tuple[float, float]:
        """Return the 99th percentile and the largest in milliseconds, and begin anew."""
        lags, self._lags = sorted(self._lags) or [0.0], []
        return lags[len(lags) * 99 // 100] * 1000, lags[-1] * 1000


def total(metric: MetricWrapperBase, suffix: str) -> float:
    """Return a metric's sum over its labels."""
    samples = [sample for one in metric.collect() for sample in one.samples]
    return sum(sample.value for sample in samples if sample.name.endswith(suffix))


def by_label(metric: MetricWrapperBase, label: str) -> Counter[str]:
    """Return a counter's sums by one of its labels."""
    sums: Counter[str] = Counter()
    for one in metric.collect():
        for sample in one.samples:
            if sample.name.endswith("_total"):
                sums[sample.labels[label]] += int(sample.value)
    return sums


def rss_bytes() -> int:
    """Return how much memory this process has in use."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def sample(collector: Collector, metrics: Metrics, lag: LoopLag, folder: Path) -> dict[str, Any]:
    """Return what is to be known of this moment; counts are since the start."""
    counts, outbox = metrics.collector, collector.outbox
    p99_ms, most_ms = lag.take()
    return {
        "at": time.monotonic(),
        "rss_bytes": rss_bytes(),
        "blocks": sys.getallocatedblocks(),
        "cpu_seconds": time.process_time(),
        "frames": total(counts.messages, "_total"),
        "trades": total(counts.trades, "_total"),
        "records": total(counts.records, "_total"),
        "sent": outbox.sent,
        "waiting": outbox.waiting,
        "spooled": outbox.spooled,
        "dropped": outbox.dropped,
        "invalid_books": total(counts.invalid_books, "_books"),
        "reconnects": total(counts.reconnects, "_total"),
        "connected": total(counts.connected, "_connections"),
        "findings": dict(by_label(counts.findings, "kind")),
        "rejected": dict(by_label(counts.rejected, "reason")),
        "age_seconds": total(counts.venue_to_receive, "_sum"),
        "aged": total(counts.venue_to_receive, "_count"),
        "loop_p99_ms": p99_ms,
        "loop_max_ms": most_ms,
        "log_bytes": sum(one.stat().st_size for one in folder.glob("log/*")),
    }


async def watch(collector: Collector, metrics: Metrics, lag: LoopLag, folder: Path) -> None:
    """Sample until cancelled."""
    while True:
        await asyncio.sleep(SAMPLE_SECONDS)
        say(sample=sample(collector, metrics, lag, folder))


async def main(folder: Path, speed: float, venues: dict[str, Any]) -> None:
    """Collect until standard input ends."""
    passed_ns = time.monotonic_ns() - venues["started_ns"]
    clock = WarpedClock(venues["origin_us"] + int(passed_ns * speed) // 1000, speed)
    addresses = {feed: (rest, socket) for feed, (rest, socket) in venues["addresses"].items()}
    settings = CollectorSettings(LISTED_ASSETS, ("USDT", "USDC", "USD"), addresses)
    metrics, lag, stop = Metrics(), LoopLag(), asyncio.Event()
    async with await EmbeddedBus.open(folder / "log", settings=LOG, metrics=metrics.bus) as bus:
        spool = Spool(folder / "spool", SPOOL_BYTES)
        feeds = choose_feeds(())
        collector = Collector(feeds, settings, ToldBus(bus), clock, metrics.collector, spool)
        running = asyncio.create_task(collector.run(stop))
        watchers = [
            asyncio.create_task(lag.watch()),
            asyncio.create_task(watch(collector, metrics, lag, folder)),
        ]
        ended = asyncio.create_task(asyncio.to_thread(sys.stdin.read))
        await asyncio.wait([running, ended, *watchers], return_when=asyncio.FIRST_COMPLETED)
        for watcher in watchers:  # what is sampled is a collector at work, not one that stops
            watcher.cancel()
        results = await asyncio.gather(*watchers, return_exceptions=True)
        stop.set()
        await running
        for result in results:
            if isinstance(result, Exception):
                raise result
        say(done=sample(collector, metrics, lag, folder))


if __name__ == "__main__":
    configure_logging("error")
    relax_cycle_collection()
    return_freed_memory()
    seen.MAX_REMEMBERED = liquidations.MAX_REMEMBERED = joined.TOLD_TRADES = REMEMBERED_IDS
    grid.MEMO_ENTRIES = MEMO_ENTRIES
    asyncio.run(main(Path(sys.argv[1]), float(sys.argv[2]), json.loads(sys.argv[3])))
