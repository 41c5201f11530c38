"""What a recording holds: its connections, of which feed each is, and which streams are on it.

Our own recordings say so themselves. In those of others it is told from addresses, instrument lists
and the frames.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from collectors.messages import BookUpdate, Liquidations, TickerValues, Top, Trades
from collectors.recorded.instruments import GridFinder, instruments_from_bodies
from collectors.recorded.introduction import Introduction, read_introduction
from collectors.registry import all_feeds
from collectors.venue import Channel, Feed, Stream
from runtime.errors import ConfigurationError, PayloadError
from runtime.recordings import RecordedFrame, read_recording
from schemas.instruments import Instrument
from schemas.market import Kind

MAX_BODIES = 500
MAX_SAMPLES = 400
TRADE_SAMPLES = 200
LINGER_US = 20_000

_CHANNELS = {
    BookUpdate: Channel.BOOK,
    Top: Channel.TOP,
    Liquidations: Channel.LIQUIDATIONS,
    TickerValues: Channel.TICKER,
}


@dataclass(frozen=True, slots=True)
class Source:
    """One recording, or a span of it: received at `from_us` or later and before `until_us`.

    `venue` and `kind` are given where the file itself does not say what it is of.
    """

    path: Path
    format: str | None = None
    venue: str | None = None
    kind: Kind | None = None
    from_us: int | None = None
    until_us: int | None = None

    def frames(self) -> Iterator[RecordedFrame]:
        """Read it, or what lies in the span of it.

        Raises:
            ConfigurationError: there is no such file, or it is of no known format.
            PayloadError: it is broken; raised after all that can be read was yielded.
        """
        return read_recording(self.path, self.format, from_us=self.from_us, until_us=self.until_us)


@dataclass(frozen=True, slots=True)
class RecordedPlan:
    """What one session of a recording is of."""

    feed: Feed
    streams: list[Stream]
    instruments: list[Instrument]
    linger_us: int = LINGER_US


@dataclass(slots=True)
class Contents:
    """What a first reading found; `broken` is raised again when what lies before was played."""

    source: Source
    frames: int = 0
    urls: dict[str, str] = field(default_factory=dict)
    introductions: dict[str, Introduction] = field(default_factory=dict)
    bodies: dict[str, bytes] = field(default_factory=dict)
    grids: GridFinder = field(default_factory=GridFinder)
    samples: dict[str, list[bytes]] = field(default_factory=dict)
    broken: PayloadError | None = None


def group_of(connection: str) -> str:
    """Return the name of the group that a recorded connection belongs to."""
    return connection.partition("~")[0]


def scan(source: Source) -> Contents:
    """Read a recording once, to learn what it holds.

    Raises:
        ConfigurationError: there is no such file, or it is of no known format.
    """
    if not source.path.exists():
        raise ConfigurationError(f"{source.path}: there is no such file")
    contents = Contents(source)
    try:
        for frame in source.frames():
            _look(frame, contents)
    except PayloadError as error:
        contents.broken = error
    return contents


def _look(frame: RecordedFrame, contents: Contents) -> None:
    contents.frames += 1
    group = group_of(frame.connection)
    if frame.kind == "http":
        if len(contents.bodies) < MAX_BODIES:
            contents.bodies.setdefault(frame.url, frame.data)
        return
    if frame.kind in ("connect", "recv"):
        contents.urls.setdefault(group, frame.url)
    if frame.kind == "connect":
        introduction = read_introduction(frame.data)
        if introduction is not None:
            contents.introductions[group] = introduction
    elif frame.kind == "recv" and group not in contents.introductions:
        _sample(frame.data, group, contents)


def _sample(data: bytes, group: str, contents: Contents) -> None:
    is_trade = b"rade" in data
    if is_trade or b"[[" in data:
        contents.grids.look(data)
    samples = contents.samples.setdefault(group, [])
    if len(samples) < (MAX_SAMPLES if is_trade else MAX_SAMPLES - TRADE_SAMPLES):
        samples.append(data)


def plans_of(contents: Contents) -> dict[str, list[RecordedPlan]]:
    """Return, by group, what its sessions are of; more than one where a socket carries two feeds.

    Raises:
        ConfigurationError: nothing in it is of a known venue.
        PayloadError: it is broken before anything of use.
    """
    plans: dict[str, list[RecordedPlan]] = {}
    for group, url in contents.urls.items():
        introduction = contents.introductions.get(group)
        found = (
            _wanted(plan_of(introduction), contents.source)
            if introduction is not None
            else _guessed(group, url, contents)
        )
        if found:
            plans[group] = found
    if not plans and contents.broken is not None:
        raise contents.broken
    if not plans:
        raise ConfigurationError(
            f"{contents.source.path}: no connection of a known venue in it; "
            "say which it is of with --venue and --kind"
        )
    return plans


def plan_of(introduction: Introduction) -> RecordedPlan | None:
    """Return what a session was of that introduced itself; None of a feed that is not known."""
    feed = all_feeds().get(introduction.feed)
    if feed is None:
        return None
    names = set(introduction.streams)
    streams = [one for one in feed.streams(introduction.instruments) if one.name in names]
    return RecordedPlan(feed, streams, introduction.instruments, introduction.linger_us)


def _wanted(plan: RecordedPlan | None, source: Source) -> list[RecordedPlan]:
    return [plan] if plan is not None and plan.streams and _is_wanted(plan.feed, source) else []


def _guessed(group: str, url: str, contents: Contents) -> list[RecordedPlan]:
    best: dict[Kind, tuple[int, RecordedPlan]] = {}
    for feed in _feeds_of(contents.source, url):
        instruments = instruments_from_bodies(feed, contents.bodies)
        if instruments is None:
            instruments = contents.grids.instruments(feed)
        seen = [one for one in instruments if one.venue_symbol in contents.grids.symbols]
        samples = contents.samples.get(group, [])
        trades, channels = _channels_in(feed, feed.streams(seen), samples)
        streams = [one for one in feed.streams(seen) if one.channel in channels]
        if streams and (feed.kind not in best or trades > best[feed.kind][0]):
            best[feed.kind] = (trades, RecordedPlan(feed, streams, seen))
    return [plan for _, plan in best.values()]


def _channels_in(
    feed: Feed, streams: Sequence[Stream], samples: Sequence[bytes]
) -> tuple[int, set[Channel]]:
    """Count the trades in sample frames, and say of which channels there is anything."""
    parser = feed.parser(streams, feed.memory())
    trades, channels = 0, {Channel.TRADES}
    for sample in samples:
        for message in parser.parse(sample):
            if isinstance(message, Trades):
                trades += len(message.rows)
            elif type(message) in _CHANNELS:
                channels.add(_CHANNELS[type(message)])
    return trades, channels


def _is_wanted(feed: Feed, source: Source) -> bool:
    return source.venue in (None, feed.venue) and source.kind in (None, feed.kind)


def _feeds_of(source: Source, url: str) -> list[Feed]:
    feeds = list(all_feeds().values())
    if source.venue is not None and source.venue not in {feed.venue for feed in feeds}:
        venues = ", ".join(sorted({feed.venue for feed in feeds}))
        raise ConfigurationError(f"unknown venue {source.venue!r}; there are: {venues}")
    if url:
        feeds = [feed for feed in feeds if feed.owns(url)]
    elif source.venue is None or source.kind is None:
        raise ConfigurationError(
            f"{source.path}: this format does not say which venue it is of; "
            "pass --venue and --kind (e.g. --venue binance --kind linear_perpetual)"
        )
    return [feed for feed in feeds if _is_wanted(feed, source)]
