"""The log that every host is fed with: real BTCUSDT recordings beside a scripted market.

The recordings go through the recorded replay. The market (eight feeds of four venues, three assets
on partitions of their own, with a cascade) goes through dialects and sessions step by step, without
sockets and clocks: the same records in every session of the tests. On its way every feed loses its
connection once, and OKX answers late for a while, so that there are gaps, repairs, late trades and
corrections. Books are those of one asset on two venues: all would be nine tenths of the log.
"""

import asyncio
import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from collectors.catalogue import choose_instruments
from collectors.outbox.outbox import Outbox
from collectors.outbox.segment import encode_entry, read_records
from collectors.recorded.contents import Source
from collectors.recorded.replay import Replay
from collectors.registry import choose_feeds
from collectors.session.answers import call_key
from collectors.session.memory import Memory
from collectors.session.opening import open_line
from collectors.session.outcome import Outcome
from collectors.session.session import LINGER_US, Session
from collectors.venue import Channel, Plan, Request, Stream
from runtime.backoff import Backoff
from runtime.bus.protocol import Outgoing
from runtime.recordings import RecordedFrame
from schemas.market import Kind, Side
from schemas.topics import BOOKS, INSTRUMENTS, LIQUIDATIONS, QUALITY, TICKERS, TRADES
from simulator.catalogue import FEEDS
from simulator.dialects import make_dialect
from simulator.dialects.base import Frame, Reply, RestRequest
from simulator.dialects.base import Session as Conversation
from simulator.flow import Cascade
from simulator.market import ScriptedMarket
from simulator.model import SimEvent
from tests.captures import CAPTURES, capture
from tests.contract.venue_cases import drive

RECORDED = (
    ("binance/usdm/hftbacktest_usdm_btcusdt_20240808.gz", Kind.LINEAR_PERPETUAL),
    ("binance/spot/hftbacktest_spot_btcusdt_20240808.gz", Kind.SPOT),
)
ASSETS = ("ETH", "SOL", "XRP")
QUOTES = ("USDT", "USDC")
START_US = 1_723_161_420_000_000
"""2024-08-08 23:57:00: of the recorded minutes the last three; the scripted day ends meanwhile."""

SECONDS = 200
STEP_US = 50_000
OUTAGE_SECONDS = 4.0
STALL = ("okx.swap", 130.0, 172.0)
"""A feed whose frames of a while come all at once, after others have closed their bars."""

BOOKED = ("SOL", ("binance.usdm", "okx.swap"))
"""The asset and the feeds whose books are in the log."""

_KEPT = {
    *(TRADES.name, BOOKS.name, LIQUIDATIONS.name, TICKERS.name),
    *(QUALITY.name, INSTRUMENTS.name),
}


class Kept:
    """A sender that keeps what it is sent."""

    def __init__(self) -> None:
        self.records: list[Outgoing] = []

    async def send(self, records: Sequence[Outgoing]) -> list[int]:
        self.records += [record for record in records if record.topic in _KEPT]
        return [-1] * len(records)


def _outbox() -> tuple[Outbox, Kept]:
    kept = Kept()
    return Outbox(kept, Backoff(0.1, 1.0, lambda: 0.5)), kept


@dataclass(frozen=True, slots=True)
class _TradesOnly(Source):
    """A recording without the frames of its book, which are nine tenths of the work."""

    def frames(self) -> Iterator[RecordedFrame]:
        for frame in Source.frames(self):
            if b'"depthUpdate"' not in frame.data and b"@bookTicker" not in frame.data:
                yield frame


def has_recordings() -> bool:
    """Say whether the recordings are on this machine."""
    return CAPTURES.is_dir()


@cache
def recorded() -> list[Outgoing]:
    """Return what the recorded minutes of BTCUSDT, spot and perpetual, become."""
    outbox, kept = _outbox()
    sources = [
        _TradesOnly(capture(name), None, "binance", kind, START_US) for name, kind in RECORDED
    ]
    asyncio.run(Replay(sources).run(outbox))
    return kept.records


@dataclass
class _Feed:
    """One feed and its venue: the sessions of its plans, driven by hand."""

    name: str
    market: ScriptedMarket
    outbox: Outbox
    now_us: int
    ends: list["_End"] = field(default_factory=list)

    def __post_init__(self) -> None:
        (self.feed,) = choose_feeds([self.name])
        self.dialect = make_dialect(self.name, self.market.instruments(self.name), {})
        self.instruments = choose_instruments(drive(self.feed, self.rest), ASSETS, QUOTES)
        self.shared = self.feed.memory()
        self.outbox.put_instruments(self.instruments, self.now_us)
        streams = [
            stream
            for stream in self.feed.streams(self.instruments)
            if stream.channel not in (Channel.BOOK, Channel.TOP) or self._is_booked(stream)
        ]
        self.ends = [_End(self, plan) for plan in self.feed.plan(streams)]
        number = FEEDS.index(self.name)
        self._away = (20.0 + 15.0 * number, 20.0 + 15.0 * number + OUTAGE_SECONDS)
        self._held: list[Frame] = []

    def rest(self, request: Request) -> bytes:
        """Answer a REST call as the venue would."""
        path, _, query = request.path.partition("?")
        asked = RestRequest(request.method, path, query, request.body or b"")
        return self.dialect.rest(asked).body

    def _is_booked(self, stream: Stream) -> bool:
        asset, feeds = BOOKED
        return asset in stream.assets and self.name in feeds

    def go_on(self, events: list[SimEvent], now_us: int) -> None:
        """Let the venue make one step, and the collector whatever follows from it."""
        self.now_us = now_us
        seconds = (now_us - START_US) / 1e6
        if self._away[0] <= seconds < self._away[1]:
            for end in self.ends:
                end.go_down()
        else:
            for end in self.ends:
                end.come_up()
        wanted = {key for end in self.ends for key in end.keys}
        self._held += self.dialect.encode(events, wanted)
        if self.name != STALL[0] or not STALL[1] <= seconds < STALL[2]:
            frames, self._held = self._held, []
            for end in self.ends:
                end.deliver(frames)
        for end in self.ends:
            end.pass_time()

    def take(self, outs: Sequence[Outcome]) -> None:
        """Put what came out where the collector puts it."""
        for out in outs:
            assert not out.drops
            self.outbox.put_batches(out.batches)
            for event in out.events:
                self.outbox.put_quality(event)


class _End:
    """One plan of a feed: a connection that comes and goes, and the session behind it."""

    def __init__(self, of: _Feed, plan: Plan) -> None:
        self._of = of
        self._plan = plan
        self._memory = Memory()
        self._session: Session | None = None
        self._line: Conversation | None = None
        self._asked: list[Request] = []

    @property
    def keys(self) -> set[str]:
        """What the venue sends on this connection."""
        return self._line.keys if self._line is not None else set()

    def come_up(self) -> None:
        """Connect and subscribe, unless that is done."""
        if self._line is not None:
            return
        of, plan = self._of, self._plan
        path, _, query = plan.path.partition("?")
        opened = of.dialect.open(path, query)
        assert opened is not None
        self._line, reply = opened
        self._session, outs = open_line(
            self._session,
            of.feed,
            plan.streams,
            f"{of.name}/scripted",
            0,
            of.now_us,
            instruments=of.instruments,
            memory=self._memory,
            shared=of.shared,
            linger_us=LINGER_US,
        )
        of.take(outs)
        self._hear(reply)
        for text in of.feed.subscribe(plan.streams):
            self._hear(self._line.on_client_message(text, of.now_us))

    def go_down(self) -> None:
        """Lose the connection, unless it is lost."""
        if self._line is not None and self._session is not None:
            self._line = None
            self._asked = []
            self._of.take([self._session.detach(0, self._of.now_us)])

    def deliver(self, frames: Sequence[Frame]) -> None:
        """Receive those of these frames that are for this connection."""
        for frame in frames:
            if self._line is not None and frame.key in self._line.keys:
                self._receive(self._line.render(frame))

    def pass_time(self) -> None:
        """Have REST calls answered, and let time pass."""
        asked, self._asked = self._asked, []
        session, now_us = self._session, self._of.now_us
        if session is None:
            return
        for request in asked:
            if not session.is_down and session.awaits(call_key(request)):
                self._take(session.on_answer(call_key(request), self._of.rest(request), now_us))
        self._take(session.on_tick(now_us))

    def _hear(self, reply: Reply) -> None:
        for message in reply.messages:
            self._receive(message)
        for key in reply.subscribed:
            first = self._of.dialect.first_frame(key)
            if first is not None:
                self._receive(first)

    def _receive(self, frame: bytes) -> None:
        assert self._session is not None
        self._take(self._session.on_frame(frame, self._of.now_us))

    def _take(self, out: Outcome) -> None:
        self._asked += [ask.request for ask in out.asks]
        self._of.take([out])


@cache
def scripted() -> list[Outgoing]:
    """Return what the scripted market becomes."""
    market = ScriptedMarket(5, ASSETS, START_US)
    market.cascade(Cascade(START_US + 70_000_000, Side.SELL, ("ETH", "SOL")))
    outbox, kept = _outbox()
    feeds = [_Feed(name, market, outbox, START_US) for name in FEEDS]
    for now_us in range(START_US, START_US + SECONDS * 1_000_000, STEP_US):
        happened: dict[str, list[SimEvent]] = {name: [] for name in FEEDS}
        for event in market.events(now_us, 10**6):
            happened[event.instrument.feed].append(event)
        for feed in feeds:
            feed.go_on(happened[feed.name], now_us)
    asyncio.run(outbox.flush())
    return kept.records


@cache
def input_log() -> list[Outgoing]:
    """Return the whole log, in the order of its times as far as each part keeps that itself."""
    parts = [scripted(), *([recorded()] if has_recordings() else [])]
    return [record for _, record in heapq.merge(*map(_timed, parts), key=lambda pair: pair[0])]


def _timed(records: Sequence[Outgoing]) -> Iterator[tuple[int, Outgoing]]:
    newest_us = 0
    for record in records:
        newest_us = max(newest_us, record.timestamp_us)
        yield newest_us, record


def write_log(path: Path) -> int:
    """Write the log to a file for other processes and return how many records it has."""
    path.write_bytes(b"".join(encode_entry(record) for record in input_log()))
    return len(input_log())


def read_log(path: Path) -> list[Outgoing]:
    """Read what `write_log` wrote."""
    with path.open("rb") as file:
        records, _ = read_records(file.fileno(), path.stat().st_size, 0)
    return records
