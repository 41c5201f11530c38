"""Every session of a collector fed from memory: what the recorded rates times ten cost of a core.

The simulator's frames go to the sessions in the order of their time, and the records through an
outbox to a log that forgets them: all that a collector does but the sockets. Ten seconds of the
market lie in one second of receive time, so that books are published at their own pace while
frames come ten times as fast. The frames that are measured are made before the clock starts.
"""

import gc
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.market_flow import START_US, STEP_US, MarketFlow
from collectors.catalogue import choose_instruments
from collectors.meter import FeedMeter
from collectors.outbox.outbox import Outbox
from collectors.registry import choose_feeds
from collectors.session.answers import call_key
from collectors.session.outcome import Outcome
from collectors.session.session import Session
from collectors.venue import Feed, Plan, Request
from runtime.backoff import Backoff
from runtime.bus.protocol import Outgoing
from runtime.metrics import CollectorMetrics, Metrics
from schemas.instruments import Instrument
from schemas.topics import BOOKS
from simulator.catalogue import LISTED_ASSETS
from simulator.dialects import make_dialect
from simulator.dialects.base import Dialect, RestRequest
from simulator.dialects.base import Session as Conversation
from simulator.model import SimEvent

QUOTES = ("USDT", "USDC")
Label = tuple[str, str]
"""Feed and channel."""

PASSING: Label = ("", "")
TICK_US = 10_000
"""How often a collector lets time pass."""

_LIVE = b'"book_valid":true'
_CHANNELS = (
    ("iquidation", "liquidations"), ("forceOrder", "liquidations"), ("userFills", "liquidations"),
    ("bookTicker", "top"), ("orderbook.1.", "top"), ("bbo", "top"),
    ("@depth", "book"), ("orderbook", "book"), ("books", "book"), ("l2Book", "book"),
    ("rade", "trades"),
)  # fmt: skip
"""What the name of a stream has in it, by channel; the rest are tickers."""


def channel_of(key: str) -> str:
    """Name the channel of one of the simulator's streams."""
    return next((channel for part, channel in _CHANNELS if part in key), "ticker")


class Forgetful:
    """A log that counts records and forgets them."""

    def __init__(self) -> None:
        self.records: Counter[str] = Counter()
        self.size_bytes = 0
        self.invalid_books = 0

    async def send(self, records: Sequence[Outgoing]) -> list[int]:
        """Count."""
        for record in records:
            value = record.value or b""
            self.records[record.topic] += 1
            self.size_bytes += len(value)
            if record.topic == BOOKS.name and _LIVE not in value:
                self.invalid_books += 1
        return [0] * len(records)

    def reset(self) -> None:
        """Count anew."""
        self.records.clear()
        self.size_bytes = self.invalid_books = 0


@dataclass
class _Connection:
    """One plan: the venue's side of the conversation and ours."""

    there: Conversation
    here: Session


@dataclass
class _Venue:
    feed: Feed
    dialect: Dialect
    meter: FeedMeter
    connections: list[_Connection]

    @property
    def wanted(self) -> set[str]:
        return {key for one in self.connections for key in one.there.keys}


_Step = tuple[int, list[tuple[_Venue, _Connection, str, bytes]]]
"""Receive time, and the frames that come then."""


@dataclass
class Inside:
    """All feeds with all their channels for six assets; `speed` is how many times as recorded.

    Attributes:
        labels, nanoseconds: of the measurement, by frame: its feed and channel, and what it took.
            The end of a step (time passes, records go out) is labelled `PASSING`.
        seconds: processor time of all of it.
        log: where records go.
        instruments: what is subscribed to.
    """

    speed: int = 10
    labels: list[Label] = field(default_factory=list, init=False)
    nanoseconds: list[int] = field(default_factory=list, init=False)
    seconds: float = field(default=0.0, init=False)
    log: Forgetful = field(default_factory=Forgetful)
    instruments: list[Instrument] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        self._flow = MarketFlow()
        self._asks: list[tuple[_Venue, Session, Request]] = []
        self._outbox = Outbox(self.log, Backoff(0.1, 1.0, lambda: 0.5))
        metrics = Metrics().collector
        opening = self._flow.step()
        self._venues = [self._open(feed, opening[feed.name], metrics) for feed in choose_feeds(())]

    def _open(self, feed: Feed, opening: list[SimEvent], metrics: CollectorMetrics) -> _Venue:
        """Subscribe to everything once the venue's books are there."""
        dialect = make_dialect(feed.name, self._flow.market.instruments(feed.name), {})
        dialect.encode(opening, ())
        venue = _Venue(feed, dialect, FeedMeter(metrics, feed), [])
        chosen = choose_instruments(listed(feed, dialect), LISTED_ASSETS, QUOTES)
        self.instruments += chosen
        shared = feed.memory()
        for number, plan in enumerate(feed.plan(feed.streams(chosen))):
            self._connect(venue, plan, number, chosen, shared)
        return venue

    def _connect(
        self, venue: _Venue, plan: Plan, number: int, chosen: list[Instrument], shared: object
    ) -> None:
        feed, dialect = venue.feed, venue.dialect
        path, _, query = plan.path.partition("?")
        opened = dialect.open(path, query)
        if opened is None:
            raise RuntimeError(f"the simulator has no {plan.path} of {feed.name}")
        name = f"{feed.name}/{number}"
        here = Session(feed, plan.streams, name, START_US, instruments=chosen, shared=shared)
        connection = _Connection(opened[0], here)
        venue.connections.append(connection)
        for message in feed.subscribe(plan.streams):
            reply = opened[0].on_client_message(message, START_US)
            first = [dialect.first_frame(key) for key in reply.subscribed]
            for frame in (*reply.messages, *(one for one in first if one is not None)):
                self._take(venue, here, here.on_frame(frame, START_US))

    async def pass_seconds(self, seconds: float) -> None:
        """Let so much receive time pass, step by step."""
        for _ in range(self._steps(seconds)):
            await self._work(self._make())

    async def measure(self, seconds: float) -> None:
        """Make the frames of so much receive time, then work them off and count."""
        self.log.reset()
        steps = [self._make() for _ in range(self._steps(seconds))]
        self.labels.clear()
        self.nanoseconds.clear()
        gc.collect()
        gc.freeze()
        try:
            began = time.process_time()
            for step in steps:
                await self._work(step)
            self.seconds = time.process_time() - began
        finally:
            gc.unfreeze()

    def _steps(self, seconds: float) -> int:
        return int(seconds * 1e6 * self.speed / STEP_US)

    def _make(self) -> _Step:
        """Let the venues write what they send in the next step."""
        by_feed = self._flow.step()
        now_us = START_US + (self._flow.now_us - START_US) // self.speed
        return now_us, [
            (venue, connection, frame.key, connection.there.render(frame))
            for venue in self._venues
            for frame in venue.dialect.encode(by_feed[venue.feed.name], venue.wanted)
            for connection in venue.connections
            if frame.key in connection.there.keys
        ]

    async def _work(self, step: _Step) -> None:
        """Do what a collector does with frames, and let time pass for it as often as it does."""
        now_us, due = step
        then = time.perf_counter_ns()
        for venue, connection, key, data in due:
            venue.meter.messages.inc()
            self._take(venue, connection.here, connection.here.on_frame(data, now_us))
            now = time.perf_counter_ns()
            self.labels.append((venue.feed.name, channel_of(key)))
            self.nanoseconds.append(now - then)
            then = time.perf_counter_ns()
        if now_us % TICK_US == 0:
            for venue in self._venues:
                for one in venue.connections:
                    self._take(venue, one.here, one.here.on_tick(now_us))
        await self._outbox.flush()
        self.labels.append(PASSING)
        self.nanoseconds.append(time.perf_counter_ns() - then)
        self._answer(now_us)

    def _take(self, venue: _Venue, session: Session, out: Outcome) -> None:
        if out.batches:
            self._outbox.put_batches(out.batches)
            venue.meter.batches(out.batches)
        if out.drops:
            raise RuntimeError(f"{venue.feed.name}: {out.drops[0].reason} {out.drops[0].detail}")
        for event in out.events:
            self._outbox.put_quality(event)
        for ask in out.asks:
            self._asks.append((venue, session, ask.request))

    def _answer(self, now_us: int) -> None:
        """Answer the REST calls of a step."""
        asks, self._asks = self._asks, []
        for venue, session, request in asks:
            key = call_key(request)
            if key in session.awaited:
                out = session.on_answer(key, rest_body(venue.dialect, request), now_us)
                self._take(venue, session, out)


def rest_body(dialect: Dialect, request: Request) -> bytes:
    """Let a simulated venue answer a REST call."""
    path, _, query = request.path.partition("?")
    return dialect.rest(RestRequest(request.method, path, query, request.body or b"")).body


def listed(feed: Feed, dialect: Dialect) -> list[Instrument]:
    """Return what a simulated venue lists."""
    calls = feed.instruments()
    request = next(calls)
    while True:
        try:
            request = calls.send(rest_body(dialect, request))
        except StopIteration as done:
            found: list[Instrument] = done.value
            return found
