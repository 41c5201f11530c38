"""The frames on which `peer_cryptofeed` measures: one BTC perpetual at the venues both can read."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks import book_frames
from benchmarks.load_inside import channel_of, listed, rest_body
from benchmarks.market_flow import START_US
from collectors.grid import Steps
from collectors.registry import choose_feeds
from collectors.venue import Channel, Feed, Stream
from simulator.dialects import make_dialect
from simulator.dialects.base import Dialect
from simulator.dialects.base import Session as Conversation
from simulator.market import ScriptedMarket

FRAMES = 1_000
MARKET_STEP_US = 100_000
MAX_STEPS = 6_000
FEEDS = ("binance.usdm", "bybit.linear", "okx.swap")
CHANNELS = (Channel.BOOK, Channel.TRADES)
BEST_PRICES = ("binance.usdm",)
"""Where cryptofeed reads the stream of best prices that we do."""


@dataclass(frozen=True)
class Case:
    """Frames of one stream; the first of a book opens it, with a fetched snapshot or as one."""

    name: str
    feed: Feed
    stream: Stream
    frames: Sequence[bytes]
    snapshot: bytes
    prices: Steps


def made_cases() -> list[Case]:
    """Make the frames of every case."""
    book = book_frames.made(FRAMES)
    first = Case(
        "binance.usdm book 20+20",
        book_frames.FEED,
        book_frames.stream(),
        book.frames,
        book.snapshot,
        Steps(book_frames.instrument().venue_tick),
    )
    return [first, *(case for feed in choose_feeds(FEEDS) for case in _simulated(feed))]


def _simulated(feed: Feed) -> Iterator[Case]:
    """Let the simulator write one instrument's streams, as a client of them gets them."""
    market = ScriptedMarket(1, ("BTC",), START_US, rate=8.0)
    dialect = make_dialect(feed.name, market.instruments(feed.name), {})
    (instrument,) = [one for one in listed(feed, dialect) if one.asset == "BTC"]
    wanted = (*CHANNELS, *([Channel.TOP] if feed.name in BEST_PRICES else []))
    streams = [one for one in feed.streams([instrument]) if one.channel in wanted]
    found: dict[str, list[bytes]] = {one.channel.value: [] for one in streams}
    for _ in _steps(feed, dialect, market, [], found, 1):
        pass
    conversations = _subscribe(feed, dialect, streams, found)
    snapshots = {one.channel: _snapshot(feed, dialect, one) for one in streams}
    for _ in _steps(feed, dialect, market, conversations, found, MAX_STEPS):
        if min(map(len, found.values())) >= FRAMES:
            break
    for one in streams:
        frames = found[one.channel.value][:FRAMES]
        name, prices = f"{feed.name} {one.channel}", Steps(instrument.venue_tick)
        yield Case(name, feed, one, frames, snapshots[one.channel], prices)


def _subscribe(
    feed: Feed, dialect: Dialect, streams: Sequence[Stream], found: dict[str, list[bytes]]
) -> list[Conversation]:
    """Open the connections of these streams, and keep what the streams begin with."""
    conversations = []
    for plan in feed.plan(streams):
        path, _, query = plan.path.partition("?")
        opened = dialect.open(path, query)
        if opened is None:
            raise RuntimeError(f"the simulator has no {plan.path} of {feed.name}")
        conversations.append(opened[0])
        for message in feed.subscribe(plan.streams):
            for key in opened[0].on_client_message(message, START_US).subscribed:
                first = dialect.first_frame(key)
                found[channel_of(key)] += [first] if first is not None else []
    return conversations


def _steps(
    feed: Feed,
    dialect: Dialect,
    market: ScriptedMarket,
    conversations: Sequence[Conversation],
    found: dict[str, list[bytes]],
    count: int,
) -> Iterator[None]:
    """Let the market go on, and keep what the clients get."""
    keys = {key for there in conversations for key in there.keys}
    for _ in range(count):
        events = market.events(market.next_us() + MARKET_STEP_US, 100_000)
        mine = [one for one in events if one.instrument.feed == feed.name]
        for frame in dialect.encode(mine, keys):
            for there in conversations:
                if frame.key in there.keys:
                    found[channel_of(frame.key)].append(there.render(frame))
        yield


def _snapshot(feed: Feed, dialect: Dialect, stream: Stream) -> bytes:
    call = feed.snapshot(stream) if stream.channel is Channel.BOOK else None
    return rest_body(dialect, call.request) if call is not None else b""
