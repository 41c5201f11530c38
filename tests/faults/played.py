"""One feed's sessions on a simulated venue in one place: no sockets, no tasks, no clock.

A scripted market is written by the venue's dialect and delivered to sessions step by step;
snapshots, repairs, polls and renewed subscriptions are answered as the venue would. In between a
test does to the sessions what it likes. Everything that comes out is checked on its way.
"""

import gc
import sys
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from types import FunctionType, ModuleType
from typing import Any

import msgspec

from collectors.catalogue import choose_instruments
from collectors.grid import Steps
from collectors.messages import Ignored, Message, Rejected, Subscribed
from collectors.session.answers import call_key
from collectors.session.memory import Memory
from collectors.session.outcome import Outcome
from collectors.session.session import MAX_IGNORED_KINDS, Session
from collectors.venue import Feed, Parser, Plan, Request
from schemas.books import TOP_LEVELS, BookBatch
from schemas.instruments import Instrument
from schemas.liquidations import LiquidationBatch
from schemas.ops import QualityKind
from schemas.tickers import TickerBatch
from schemas.trades import BatchHeader, TradeBatch
from simulator.catalogue import SAME_SURFACE, instruments
from simulator.dialects import make_dialect
from simulator.dialects.base import Frame, Reply, RestRequest
from simulator.dialects.base import Session as Conversation
from simulator.model import SimEvent
from tests.contract.test_venues import REASONS
from tests.contract.venue_cases import FEEDS, drive
from tests.simulator.support import START_US, market_events

ASSETS = ("BTC", "ETH", "SOL")
QUOTES = ("USDT", "USDC", "USD")
STEP_US = 50_000
SEED = 11
INT64 = 2**63

Key = tuple[str, str, str]
"""Session, schema and symbol of a lane."""


def surface_of(feed: str) -> str:
    """Return the name under which the simulator serves a feed."""
    return SAME_SURFACE.get(feed, feed)


@lru_cache(maxsize=4)
def market(seconds: float) -> dict[str, list[list[SimEvent]]]:
    """Return what happens on each surface in each step."""
    steps = round(seconds * 1_000_000 / STEP_US)
    found: dict[str, list[list[SimEvent]]] = defaultdict(lambda: [[] for _ in range(steps)])
    for event in market_events(SEED, seconds, ASSETS, falls=True):
        step = min(steps - 1, (event.time_us - START_US) // STEP_US)
        found[event.instrument.feed][step].append(event)
    return found


class Heard:
    """A parser that remembers what it made of its last frame."""

    def __init__(self, parser: Parser) -> None:
        self._parser = parser
        self.messages: list[Message] = []

    def parse(self, frame: bytes) -> Sequence[Message]:
        self.messages = list(self._parser.parse(frame))
        return self.messages


@dataclass
class Checked:
    """Holds every record that comes out to what readers rely on, and keeps it if wanted.

    Watermarks of a session never fall; sequences of a lane have no holes.
    """

    keep: bool = False
    records: dict[str, list[BatchHeader]] = field(default_factory=lambda: defaultdict(list))
    counts: Counter[str] = field(default_factory=Counter)
    events: Counter[str] = field(default_factory=Counter)
    gaps: list[tuple[int, int]] = field(default_factory=list)
    """First and last id of every gap that has ids."""
    drops: int = 0
    _sequences: dict[Key, int] = field(default_factory=dict)
    _watermarks: dict[str, int] = field(default_factory=dict)

    def take(self, out: Outcome) -> None:
        for batch in out.batches:
            self._batch(batch)
        for event in out.events:
            self.events[event.kind.value] += 1
            assert msgspec.json.decode(msgspec.json.encode(event), type=type(event)) == event
            if event.kind is QualityKind.GAP and event.first_id is not None:
                assert event.last_id is not None
                self.gaps.append((event.first_id, event.last_id))
        for drop in out.drops:
            assert drop.reason in REASONS
            assert len(drop.detail) < 1_200
        self.drops += len(out.drops)

    def _batch(self, batch: BatchHeader) -> None:
        key = (batch.session, batch.schema, batch.symbol)
        assert batch.sequence == self._sequences.get(key, -1) + 1, key
        self._sequences[key] = batch.sequence
        assert batch.watermark_us >= self._watermarks.get(batch.session, 0)
        self._watermarks[batch.session] = batch.watermark_us
        again = msgspec.json.decode(msgspec.json.encode(batch), type=type(batch))
        assert again == batch
        match batch:
            case TradeBatch():
                check_trades(batch)
            case BookBatch():
                check_book(batch)
            case LiquidationBatch() | TickerBatch():
                check_integers(msgspec.to_builtins(batch))
        self.counts[batch.schema] += 1
        if self.keep:
            self.records[batch.symbol].append(batch)


def check_trades(batch: TradeBatch) -> None:
    """Hold trades to positive prices and quantities that fit into 64 bits."""
    for time_us, ticks, lots, side, _, _ in batch.rows:
        assert 0 < time_us < INT64
        assert 0 < ticks < INT64
        assert 0 < lots < INT64
        assert side in (1, -1, 0)


def check_book(batch: BookBatch) -> None:
    """Hold a book to levels that are sorted, positive and not crossed, or to none at all."""
    if not batch.book_valid:
        assert not batch.bids
        assert not batch.asks
        assert not batch.bands
        return
    bids, asks = [level[0] for level in batch.bids], [level[0] for level in batch.asks]
    assert bids == sorted(set(bids), reverse=True)
    assert asks == sorted(set(asks))
    assert len(bids) <= TOP_LEVELS
    assert len(asks) <= TOP_LEVELS
    assert not (bids and asks) or bids[0] < asks[0]
    assert all(level[0] > 0 and level[1] > 0 for level in (*batch.bids, *batch.asks))
    check_integers([batch.bids, batch.asks, batch.bands, batch.tops, batch.update_id])


def check_integers(value: Any) -> None:
    """Hold every integer inside to 64 bits."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for one in value:
            check_integers(one)
    elif isinstance(value, int):
        assert -INT64 <= value < INT64


class End:
    """One plan of a feed as its group holds it: connections come and go, sessions follow them."""

    def __init__(self, of: "Played", plan: Plan, name: str) -> None:
        self.of = of
        self.plan = plan
        self.name = name
        self.memory = Memory()
        self.session: Session | None = None
        self.lines: dict[int, Conversation] = {}
        self.sessions = 0
        self.waiting: list[Request] = []
        self._numbers = 0

    def attach(self, now_us: int) -> None:
        """Open one more connection, and subscribe."""
        path, _, query = self.plan.path.partition("?")
        opened = self.of.dialect.open(path, query)
        assert opened is not None
        number, self._numbers = self._numbers, self._numbers + 1
        if self.session is None or self.session.is_down:
            if self.session is not None:
                self.of.checked.take(self.session.on_tick(now_us))
            self.sessions += 1
            self.session = Session(
                self.of.feed,
                self.plan.streams,
                f"{self.name}@{self.sessions}",
                now_us,
                instruments=self.of.instruments,
                memory=self.memory,
                shared=self.of.shared,
                line=number,
            )
        else:
            self.session.attach(number, now_us)
        line = self.session.line(number)
        line.parser = Heard(line.parser)
        conversation, reply = opened
        self.lines[number] = conversation
        self._deliver(number, reply, now_us)
        for text in self.of.feed.subscribe(self.plan.streams):
            self._deliver(number, conversation.on_client_message(text, now_us), now_us)

    def detach(self, number: int, now_us: int) -> None:
        """Lose a connection."""
        del self.lines[number]
        assert self.session is not None
        self.take(self.session.detach(number, now_us), now_us)

    def _deliver(self, number: int, reply: Reply, now_us: int) -> None:
        for message in reply.messages:
            self.frame(number, message, now_us)
        for key in reply.subscribed:
            first = self.of.dialect.first_frame(key)
            if first is not None:
                self.frame(number, first, now_us)

    def frame(self, number: int, frame: bytes, now_us: int) -> list[Message]:
        """Take a frame in, and hold that what could not be used is on record."""
        session = self.session
        assert session is not None
        counted = sum(session.ignored.values())
        out = session.on_frame(frame, now_us, number)
        parser = session.line(number).parser
        assert isinstance(parser, Heard)
        messages = parser.messages
        if len(frame) <= self.of.feed.limits.max_frame_bytes:
            rejected = [one for one in messages if isinstance(one, Rejected)]
            ignored = [one for one in messages if isinstance(one, Ignored)]
            assert messages, frame
            assert [one.reason for one in rejected] == [one.reason for one in out.drops]
            full = len(session.ignored) >= MAX_IGNORED_KINDS
            assert full or sum(session.ignored.values()) - counted == len(ignored)
        self.take(out, now_us)
        return messages

    def take(self, out: Outcome, now_us: int) -> None:
        """Check what came out, and do what the engine would."""
        self.of.checked.take(out)
        self.waiting += [ask.request for ask in out.asks]
        for one in out.resubscribes:
            conversation = self.lines.get(one.line)
            for text in self.of.feed.resubscribe(one.stream) if conversation is not None else ():
                assert conversation is not None
                self._deliver(one.line, conversation.on_client_message(text, now_us), now_us)

    def answer(self, key: str, body: bytes, now_us: int) -> None:
        """Take an answer in if it is awaited."""
        session = self.session
        if session is not None and not session.is_down and session.awaits(key):
            self.take(session.on_answer(key, body, now_us), now_us)

    def tick(self, now_us: int) -> None:
        """Let time pass."""
        if self.session is not None:
            self.take(self.session.on_tick(now_us), now_us)


class Played:
    """A feed with a session for each of its plans, and the venue that they are connected to.

    Args:
        name: the feed.
        seconds: how long the market lasts.
        keep: whether to keep records and good frames.
    """

    def __init__(self, name: str, seconds: float, *, keep: bool = False) -> None:
        self.feed: Feed = FEEDS[name]
        self.steps = market(seconds)[surface_of(name)]
        self.dialect = make_dialect(surface_of(name), instruments(surface_of(name), ASSETS), {})
        self.instruments: list[Instrument] = choose_instruments(
            drive(self.feed, self.rest), ASSETS, QUOTES
        )
        assert len(self.instruments) == len(ASSETS)
        self.shared = self.feed.memory()
        self.checked = Checked(keep)
        self.jumped_us = 0
        self.step = 1
        self.frames: list[tuple[int, bytes]] = []
        """Good frames with the number of the end that they came to."""
        self._keep = keep
        self.dialect.encode(self.steps[0], ())  # the books open before anybody subscribes
        plans = self.feed.plan(self.feed.streams(self.instruments))
        self.ends = [End(self, plan, f"{name}/{number}") for number, plan in enumerate(plans)]
        for end in self.ends:
            end.attach(self.now_us)

    @property
    def now_us(self) -> int:
        """The collector's clock."""
        return START_US + self.step * STEP_US + self.jumped_us

    def rest(self, request: Request) -> bytes:
        """Answer a REST call as the venue would."""
        path, _, query = request.path.partition("?")
        asked = RestRequest(request.method, path, query, request.body or b"")
        return self.dialect.rest(asked).body

    def go_on(self) -> None:
        """Let the market make one step, and the collector whatever follows from it."""
        events = self.steps[self.step]
        self.step += 1
        wanted = {key for end in self.ends for one in end.lines.values() for key in one.keys}
        for frame in self.dialect.encode(events, wanted):
            for number, end in enumerate(self.ends):
                self._deliver(frame, number, end)
        for end in self.ends:
            asked, end.waiting = end.waiting, []
            for request in asked:
                end.answer(call_key(request), self.rest(request), self.now_us)
            end.tick(self.now_us)
        if self.step % 20 == 0:
            self._poll(self.now_us)

    def _deliver(self, frame: Frame, number: int, end: End) -> None:
        for line, conversation in list(end.lines.items()):
            if frame.key in conversation.keys:
                data = conversation.render(frame)
                end.frame(line, data, self.now_us)
                if self._keep:
                    self.frames.append((number, data))

    def _poll(self, now_us: int) -> None:
        for poll in self.feed.polls(self.instruments):
            body = self.rest(poll.call.request)
            for end in self.ends:
                end.answer(call_key(poll.call.request), body, now_us)

    @property
    def is_over(self) -> bool:
        """Whether the market has ended."""
        return self.step >= len(self.steps)


def symbols_of(messages: Iterable[Message]) -> set[str]:
    """Return the instruments that messages say something of."""
    found = set()
    for message in messages:
        stream = getattr(message, "stream", None)
        one = getattr(message, "instrument", None) or getattr(stream, "instrument", None)
        if one is not None:
            found.add(one.symbol)
    return found


def acknowledges(messages: Iterable[Message]) -> bool:
    """Say whether something was acknowledged."""
    return any(isinstance(message, Subscribed) for message in messages)


def sizes(roots: Iterable[object]) -> tuple[int, int]:
    """Return the length of the longest container that is reachable, and the bytes of all of it.

    The memos of price texts do not count: they are bounded by themselves.
    """
    seen: set[int] = set()
    waiting = list(roots)
    longest = total = 0
    while waiting:
        one = waiting.pop()
        if id(one) in seen or isinstance(one, type | ModuleType | FunctionType):
            continue
        seen.add(id(one))
        total += sys.getsizeof(one)
        if isinstance(one, list | dict | set | deque) and not isinstance(one, Steps):
            longest = max(longest, len(one))
        if isinstance(one, msgspec.Struct):  # some are unknown to the cycle collector
            waiting += [getattr(one, name) for name in one.__struct_fields__]
        else:
            waiting += gc.get_referents(one)
    return longest, total
