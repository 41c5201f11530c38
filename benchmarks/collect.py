"""A whole collector under load: four venues, six assets, all channels, ten times as recorded.

The simulator costs more than what it feeds, so there are three measurements. `sockets`: the
simulator on one core as fast as it can (ten times at most), `Collector` on the other with a log
that forgets. `inside`: ten times as recorded from memory through sessions and outbox
(`load_inside`). `receiving`: as many frames a second from real sockets, with which nothing is done.
The last two together are what ten times costs. Shares are of processor time; other work on the
machine still slows it down, so `undisturbed` adds up the least that each frame took in three
passes. Target: at least half of the core idle.

    python -m benchmarks.collect
"""

import asyncio
import json
import os
import resource
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.load_inside import PASSING, QUOTES, Forgetful, Inside, Label
from benchmarks.load_sockets import receive
from benchmarks.market_flow import STEP_US, MarketFlow, expected, recorded
from collectors.collector import Collector, CollectorSettings
from collectors.registry import choose_feeds
from runtime.clock import Clock, SystemClock
from runtime.log import configure_logging
from runtime.memory import relax_cycle_collection
from simulator.catalogue import FEEDS, LISTED_ASSETS
from simulator.dialects import make_dialect
from simulator.dialects.base import Dialect
from simulator.server import Simulator
from simulator.surface import Surface

SPEED = 10
WARM_SECONDS = 12.0
"""Connections are opened a second apart, and books need a snapshot."""

SECONDS = 20.0
INSIDE_SECONDS = (1.0, 2.0)
"""Receive time to warm up and to measure; ten times as much of the market."""

PASSES = 3
"""The same frames again: the least that each took is what it takes on a machine left alone."""


class LoadSource:
    """Publishes the market flow at `SPEED` times its time, or as fast as it can."""

    def __init__(self, flow: MarketFlow) -> None:
        self.flow = flow

    def dialects(self) -> Mapping[str, Dialect]:
        """Return a dialect for each feed."""
        market = self.flow.market
        return {feed: make_dialect(feed, market.instruments(feed), {}) for feed in FEEDS}

    async def run(self, surfaces: Mapping[str, Surface], clock: Clock) -> None:
        """Publish for ever; what is late is not made up for."""
        due_us = clock.now_us()
        while True:
            for feed, events in self.flow.step().items():
                surface = surfaces[feed]
                for frame in surface.dialect.encode(events, surface.wanted):
                    surface.publish(frame)
            for surface in surfaces.values():
                await surface.room()
            due_us = max(due_us + STEP_US // SPEED, clock.now_us())
            await clock.sleep_until_us(due_us)


async def serve() -> None:
    """Be the venues: print the addresses, then the market's time for every line of input."""
    clock = SystemClock()
    source = LoadSource(MarketFlow(clock.now_us()))
    stop, loop = asyncio.Event(), asyncio.get_running_loop()

    def answer() -> None:
        for _ in sys.stdin:
            print(source.flow.now_us, flush=True)
        loop.call_soon_threadsafe(stop.set)

    async with Simulator([source], clock=clock) as simulator:
        print(json.dumps(simulator.addresses), flush=True)
        threading.Thread(target=answer, daemon=True).start()
        await stop.wait()


class Venues:
    """The simulator in a process of its own; a context manager."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "benchmarks.collect", "serve"]
        self._process = subprocess.Popen(  # noqa: S603  # our own program
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        _pin(0, self._process.pid)
        self.addresses: dict[str, tuple[str, str]] = {
            feed: (rest_url, ws_url)
            for feed, (rest_url, ws_url) in json.loads(self._line()).items()
        }

    def __enter__(self) -> "Venues":
        return self

    def __exit__(self, *error: object) -> None:
        self._process.kill()
        self._process.communicate()

    def market_us(self) -> int:
        """Ask how far the market is."""
        if self._process.stdin is None:
            raise RuntimeError("the simulator takes no questions")
        self._process.stdin.write("\n")
        return int(self._line())

    def _line(self) -> str:
        line = self._process.stdout.readline() if self._process.stdout is not None else ""
        if not line:
            raise RuntimeError("the simulator ended")
        return line


def _pin(core: int, process: int = 0) -> None:
    """Keep a process on one core where the system can and has two."""
    if hasattr(os, "sched_setaffinity") and (os.cpu_count() or 1) > 1:
        os.sched_setaffinity(process, {core})


async def sockets() -> dict[str, Any]:
    """Measure a collector on real sockets."""
    log = Forgetful()
    with Venues() as venues:
        settings = CollectorSettings(LISTED_ASSETS, QUOTES, venues.addresses)
        collector = Collector(choose_feeds(()), settings, log, SystemClock())
        stop = asyncio.Event()
        running = asyncio.create_task(collector.run(stop))
        await asyncio.sleep(WARM_SECONDS)
        log.reset()
        before = _seen(collector, log, await asyncio.to_thread(venues.market_us))
        await asyncio.sleep(SECONDS)
        after = _seen(collector, log, await asyncio.to_thread(venues.market_us))
        connections = [one.state for one in collector.connections.values()]
        reconnects = sum(one.connects - 1 for one in collector.connections.values())
        invalid_books = log.invalid_books  # the end of a session is on record too
        stop.set()
        await running
    cpu, wall, frames, records, market_us = (
        late - early for late, early in zip(after, before, strict=True)
    )
    return {
        "path": "sockets",
        "speed": market_us / 1e6 / wall,
        "frames_per_second": frames / wall,
        "records_per_second": records / wall,
        "share": cpu / wall,
        "us_per_frame": cpu / frames * 1e6,
        "resident_megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "connections": len(connections),
        "reconnects": reconnects,
        "invalid_books": invalid_books,
    }


def _seen(collector: Collector, log: Forgetful, market_us: int) -> tuple[float, ...]:
    frames = sum(one.frames for one in collector.connections.values())
    records = log.records.total()
    return time.process_time(), time.perf_counter(), frames, records, market_us


async def _pass() -> Inside:
    load = Inside(SPEED)
    warm, seconds = INSIDE_SECONDS
    await load.pass_seconds(warm)
    await load.measure(seconds)
    return load


async def inside() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Measure sessions and outbox at ten times the rates, in all and by channel."""
    passes = [await _pass() for _ in range(PASSES)]
    load, seconds = passes[-1], INSIDE_SECONDS[1]
    if any(one.labels != load.labels for one in passes):
        raise RuntimeError("the passes were not of the same frames")
    least = [min(times) for times in zip(*(one.nanoseconds for one in passes), strict=True)]
    counts, spent = Counter(load.labels), Counter[Label]()
    for label, nanoseconds in zip(load.labels, least, strict=True):
        spent[label] += nanoseconds
    del counts[PASSING]
    measured = statistics.median(one.seconds for one in passes)
    totals = {"inside": measured, "inside, undisturbed": spent.total() / 1e9}
    common = {
        "speed": float(SPEED),
        "frames_per_second": counts.total() / seconds,
        "records_per_second": load.log.records.total() / seconds,
        "invalid_books": load.log.invalid_books,
    }
    return [
        {
            "path": path,
            "share": spent_seconds / seconds,
            "us_per_frame": spent_seconds / counts.total() * 1e6,
            **common,
        }
        for path, spent_seconds in totals.items()
    ], [
        {
            "feed": feed,
            "channel": channel,
            "recorded": recorded(feed, channel),
            "wanted_per_second": SPEED * expected(feed, channel),
            "frames_per_second": count / seconds,
            "us_per_frame": spent[feed, channel] / count / 1e3,
        }
        for (feed, channel), count in sorted(counts.items())
    ]


def run() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Measure both; return the totals and the channels."""
    _pin(1)
    relax_cycle_collection()
    outside = asyncio.run(sockets())
    within, channels = asyncio.run(inside())
    return [outside, *within, _receiving(channels)], channels


def _receiving(channels: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Receive as many frames as were worked off inside, one connection a feed."""
    rates = Counter[str]()
    for row in channels:
        rates[row["feed"]] += row["frames_per_second"]
    frames_per_second, us_per_frame = receive(list(rates.values()))
    return {
        "path": "receiving",
        "speed": float(SPEED),
        "frames_per_second": frames_per_second,
        "records_per_second": 0.0,
        "share": frames_per_second * us_per_frame / 1e6,
        "us_per_frame": us_per_frame,
    }


def _print_channels(channels: Sequence[Mapping[str, Any]]) -> None:
    print(
        f"{'feed':<18}{'channel':<14}{'BTC as recorded/s':>18}{'x10, 6 assets/s':>17}"
        f"{'fed/s':>9}{'us/frame':>10}{'ms CPU/s':>10}"
    )
    for row in channels:
        milliseconds = row["frames_per_second"] * row["us_per_frame"] / 1e3
        print(
            f"{row['feed']:<18}{row['channel']:<14}{row['recorded']:>18.1f}"
            f"{row['wanted_per_second']:>17,.0f}{row['frames_per_second']:>9,.0f}"
            f"{row['us_per_frame']:>10.1f}{milliseconds:>10.1f}"
        )


def main() -> None:
    """Print the tables; with `serve`, be the venues of another process."""
    configure_logging("error")
    if sys.argv[1:] == ["serve"]:
        asyncio.run(serve())
        return
    totals, channels = run()
    _print_channels(channels)
    print(
        f"{'path':<22}{'x recorded':>11}{'frames/s':>10}{'records/s':>11}"
        f"{'us/frame':>10}{'core':>8}{'idle':>8}"
    )
    for row in totals:
        print(
            f"{row['path']:<22}{row['speed']:>11.1f}{row['frames_per_second']:>10,.0f}"
            f"{row['records_per_second']:>11,.0f}{row['us_per_frame']:>10.1f}"
            f"{row['share']:>8.1%}{1 - row['share']:>8.1%}"
        )
    outside, within, undisturbed, receiving = totals
    for row in (within, undisturbed):
        share = row["share"] + receiving["share"]
        print(f"{row['path']} + receiving: {share:.1%} of a core, {1 - share:.1%} idle")
    print(
        f"sockets: {outside['connections']} connections, {outside['reconnects']} reconnects, "
        f"{outside['invalid_books']} records of books not valid (inside "
        f"{within['invalid_books']}), {outside['resident_megabytes']:.0f} MB at most"
    )


if __name__ == "__main__":
    main()
