"""A simulated market, a collector on it, and the tape of everything that the collector sends."""

import asyncio
import copy
import dataclasses
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import msgspec
import pytest

from collectors.collector import Collector, CollectorSettings
from collectors.registry import choose_feeds
from collectors.venue import Channel, Feed
from runtime.bus.protocol import Outgoing
from runtime.clock import SystemClock, WarpedClock
from schemas.books import BookBatch
from schemas.ops import DeadLetter, QualityEvent, QualityKind
from schemas.topics import BOOKS, DEADLETTER, QUALITY, TRADES
from schemas.trades import TradeBatch
from simulator.fault_log import Applied
from simulator.faults import Fault, FaultScript
from simulator.market import ScriptedMarket
from simulator.server import Simulator
from simulator.sources import ScriptedSource
from tests.faults.venues.witness import ASSETS, RATE, SEED, START_US, symbols_of

SPEED = 3.0
CHANNEL_SILENT_SECONDS = 4.0
REFUSED_SECONDS = 1.0
CALM = 2.0
"""Factor on how long a book may be silent: a busy machine must not look like a silent venue."""

SETTLED_US = 2_000_000
"""Longer than a hole in trade ids may stay open before it is on record as a gap."""

UP = ("connected", "rotated")
LOOK_SECONDS = 0.05
PATIENCE = {
    "collectors.connection.IDLE_PING_SECONDS": 2.0,
    "collectors.connection.DEAD_SECONDS": 10.0,
    "collectors.connection.ACKNOWLEDGE_SECONDS": 15.0,
    "collectors.connection.CHECK_SECONDS": 0.25,
    "collectors.collector.FIRST_RETRY_SECONDS": 0.5,
    "collectors.collector.LONGEST_RETRY_SECONDS": 30.0,
    "collectors.group.HEALTHY_SECONDS": 60.0,
    "collectors.group.TAKE_OVER_SECONDS": 30.0,
}
"""The collector's waiting times in seconds, which pass here as fast as the market's time."""


def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the collector's patience pass at the market's speed, and what is longest even faster."""
    for name, seconds in PATIENCE.items():
        monkeypatch.setattr(name, seconds / SPEED)
    silent_seconds = CHANNEL_SILENT_SECONDS
    monkeypatch.setattr("collectors.silence.CHANNEL_SILENT_SECONDS", silent_seconds)
    monkeypatch.setattr("collectors.silence.STEADY_SECONDS", 10 * silent_seconds)
    monkeypatch.setattr("collectors.group.REFUSED_SECONDS", REFUSED_SECONDS)


@dataclass
class Tape:
    """What was sent of one feed, in order."""

    trades: list[TradeBatch] = field(default_factory=list)
    books: list[BookBatch] = field(default_factory=list)
    events: list[QualityEvent] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)

    def open_gaps(self) -> list[QualityEvent]:
        """Return the gaps that are neither repaired nor given up."""
        settled = (QualityKind.GAP_REPAIRED, QualityKind.GAP_PERMANENT)
        ends = [gap_key(event) for event in self.events if event.kind in settled]
        found = []
        for event in self.events:
            if event.kind is QualityKind.GAP:
                if gap_key(event) in ends:
                    ends.remove(gap_key(event))
                else:
                    found.append(event)
        return found

    def since(self, kind: QualityKind, time_us: int) -> list[QualityEvent]:
        """Return the quality records of a kind from a time on."""
        return [one for one in self.events if one.kind is kind and one.log_time_us >= time_us]


GapKey = tuple[str, int, int, int | None, int | None]


def gap_key(event: QualityEvent) -> GapKey:
    """Name a gap by its instrument and its bounds."""
    return event.symbol, event.from_us, event.to_us, event.first_id, event.last_id


class Log:
    """A log in memory that takes everything, sorted by feed."""

    def __init__(self) -> None:
        self.tapes: dict[str, Tape] = {}

    async def send(self, records: Sequence[Outgoing]) -> list[int]:
        """Take records in."""
        for record in records:
            if record.value is not None:
                self._take(record.topic, record.value)
        return [0] * len(records)

    def tape(self, feed: str) -> Tape:
        """Return what was sent of a feed."""
        return self.tapes.setdefault(feed, Tape())

    def _take(self, topic: str, value: bytes) -> None:
        if topic == TRADES.name:
            trades = msgspec.json.decode(value, type=TradeBatch)
            self.tape(_feed_of(trades.session)).trades.append(trades)
        elif topic == BOOKS.name:
            book = msgspec.json.decode(value, type=BookBatch)
            self.tape(_feed_of(book.session)).books.append(book)
        elif topic == QUALITY.name:
            event = msgspec.json.decode(value, type=QualityEvent)
            self.tape(_feed_of(event.session or event.stream)).events.append(event)
        elif topic == DEADLETTER.name:
            letter = msgspec.json.decode(value, type=DeadLetter)
            self.tape(_feed_of(letter.origin)).letters.append(letter)


class Bench:
    """What a test has in its hands."""

    def __init__(
        self, simulator: Simulator, collector: Collector, clock: WarpedClock, log: Log
    ) -> None:
        self.simulator = simulator
        self.collector = collector
        self.log = log
        self._clock = clock
        self._running: asyncio.Task[None] | None = None

    def now_us(self) -> int:
        """Return the market's time."""
        return self._clock.now_us()

    def watch(self, running: asyncio.Task[None]) -> None:
        """Remember the task of the collector, which must never end by itself."""
        self._running = running

    def apply(self, fault: Fault) -> Applied:
        """Let a fault happen."""
        return self.simulator.apply(fault)

    async def until(self, condition: Callable[[], bool], what: str, seconds: float = 120.0) -> None:
        """Wait for something, and as little as possible."""
        deadline = time.monotonic() + seconds
        while not condition():
            if self._running is not None and self._running.done():
                self._running.result()
                raise AssertionError(f"the collector ended while waiting for {what}")
            assert time.monotonic() < deadline, f"waited {seconds:.0f} seconds for {what}"
            await asyncio.sleep(LOOK_SECONDS)

    async def until_healthy(self, feed: str, after_us: int) -> None:
        """Wait until every instrument trades and has its book, and no gap is open."""
        try:
            await self.until(lambda: not self.ails(feed, after_us), "health")
        except AssertionError as error:
            raise AssertionError(f"{feed}: {error}: {self.ails(feed, after_us)}") from error

    async def until_recovered(self, feeds: Iterable[str]) -> None:
        """Wait until feeds are healthy, and for so long that any hole would have been noticed."""
        for after_us in (0, SETTLED_US):
            now_us = self.now_us()
            for feed in feeds:
                await self.until_healthy(feed, now_us + after_us)

    def ails(self, feed: str, after_us: int) -> list[str]:
        """Return what a feed lacks since a time."""
        tape = self.log.tape(feed)
        ails = [f"gap of {one.symbol} open" for one in tape.open_gaps()]
        ails += [name for name, state in self.states(feed).items() if state not in UP]
        for symbol in symbols_of(feed):
            rows = [
                row[0]
                for batch in reversed(tape.trades[-200:])
                if batch.venue_symbol == symbol
                for row in batch.rows
            ]
            if not rows or max(rows) < after_us:
                ails.append(f"{symbol} has no trades")
            books = [book for book in tape.books[-40:] if book.venue_symbol == symbol]
            if not books or not books[-1].book_valid or books[-1].receive_time_us < after_us:
                ails.append(f"{symbol} has no book")
        return ails

    def stream(self, feed: str, channel: Channel) -> str:
        """Return the simulator's name of a stream of the first asset."""
        (name,) = (
            stream.name
            for runner in self.collector.runners
            for group in runner.groups.values()
            for stream in group.plan.streams
            if runner.feed.name == feed
            and stream.channel is channel
            and stream.assets == ASSETS[:1]
        )
        return name.replace("l2Book:", "l2BookFast:")

    def states(self, feed: str) -> dict[str, str]:
        """Return what the groups of a feed are doing."""
        return {
            name: stats.state
            for name, stats in self.collector.connections.items()
            if name.startswith(f"{feed}/")
        }

    def connects(self, feed: str) -> int:
        """Return how often connections of a feed were opened."""
        return sum(
            stats.connects
            for name, stats in self.collector.connections.items()
            if name.startswith(f"{feed}/")
        )


@asynccontextmanager
async def bench(
    feeds: tuple[str, ...],
    *,
    connections: int = 1,
    lifetime_seconds: float | None = None,
    before: Sequence[Fault] = (),
) -> AsyncIterator[Bench]:
    """Run a simulator of these feeds and a collector on it, with some faults from the beginning."""
    clock = WarpedClock(START_US, SPEED)
    source = ScriptedSource(ScriptedMarket(SEED, ASSETS, START_US, rate=RATE), feeds=feeds)
    stop = asyncio.Event()
    log = Log()
    async with Simulator(
        [source], clock=clock, session_clock=SystemClock(), faults=FaultScript(before)
    ) as simulator:
        settings = CollectorSettings(
            assets=ASSETS,
            quotes=("USDT", "USDC", "USD"),
            addresses=simulator.addresses,
            connections=connections,
        )
        chosen = [_hurried(feed, lifetime_seconds) for feed in choose_feeds(feeds)]
        collector = Collector(chosen, settings, log, clock)
        at = Bench(simulator, collector, clock, log)
        running = asyncio.create_task(collector.run(stop))
        at.watch(running)
        try:
            yield at
        finally:
            stop.set()
            await running


def connect_interval_seconds(feed: Feed) -> float:
    """Return how far apart a feed's connection attempts are here: at the market's speed as well."""
    return feed.limits.connect_interval_seconds / SPEED


def _hurried(feed: Feed, lifetime_seconds: float | None) -> Feed:
    hurried = copy.copy(feed)
    hurried.limits = dataclasses.replace(
        feed.limits,
        connect_interval_seconds=connect_interval_seconds(feed),
        lifetime_seconds=lifetime_seconds,
        denied_seconds=REFUSED_SECONDS,
    )
    silent_seconds = CALM * feed.book.silent_seconds
    hurried.book = dataclasses.replace(feed.book, silent_seconds=silent_seconds)
    return hurried


def _feed_of(name: str) -> str:
    """Return the feed in `feed/number...`."""
    return name.split("/", maxsplit=1)[0]
