"""Recorded frames through the same parsers and sessions as live ones, as fast as they can be read.

A recording is read twice: once to learn what it holds (connections, instrument metadata, the grids
of prices where there is none), once to play it. Time is the recording's receive time throughout.
"""

import heapq
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from collectors.outbox import Outbox
from collectors.recorded_instruments import GridFinder, instruments_from_bodies
from collectors.registry import all_feeds
from collectors.session import Session, Yield
from collectors.venue import Feed, Stream
from runtime.errors import ConfigurationError, PayloadError
from runtime.recordings import RecordedFrame, guess_format, read_recording
from schemas.instruments import Instrument
from schemas.market import Kind

SAMPLES = 200
TICK_US = 10_000
FLUSH_RECORDS = 500

Progress = Callable[[int, int], None]
"""Called with frames played and frames in all."""


@dataclass(frozen=True, slots=True)
class Source:
    """One recording: `venue` and `kind` where the file itself does not say what it is of."""

    path: Path
    format: str | None = None
    venue: str | None = None
    kind: Kind | None = None


@dataclass(slots=True)
class _Contents:
    """What a first reading found."""

    source: Source
    frames: int = 0
    urls: dict[str, str] = field(default_factory=dict)
    bodies: list[tuple[str, bytes]] = field(default_factory=list)
    grids: GridFinder = field(default_factory=GridFinder)
    samples: dict[str, list[bytes]] = field(default_factory=dict)
    broken: PayloadError | None = None


@dataclass(slots=True)
class _Line:
    """One connection of one recording: the feeds on it and their open sessions."""

    name: str
    feeds: list[tuple[Feed, list[Stream]]]
    sessions: list[Session] = field(default_factory=list)
    known_us: list[dict[str, int]] = field(default_factory=list)

    def open(self, time_us: int) -> None:
        """Start new sessions, as a connection does."""
        known = self.known_us or [{} for _ in self.feeds]
        self.sessions = [
            Session(feed, streams, f"{feed.name}/{self.name}@{time_us}", time_us, before)
            for (feed, streams), before in zip(self.feeds, known, strict=True)
        ]

    def close(self, time_us: int) -> list[Yield]:
        """End the sessions and remember how far they came."""
        outs = [session.on_close(time_us) for session in self.sessions]
        self.known_us = [session.newest_by_symbol_us for session in self.sessions]
        self.sessions = []
        return outs


class Replay:
    """Plays recordings into a log.

    Args:
        sources: the recordings; they are merged by receive time.

    Raises:
        ConfigurationError: a recording of unknown format, or one that does not say what it is of.
    """

    def __init__(self, sources: Sequence[Source]) -> None:
        self._contents = [_scan(source) for source in sources]
        self.frames = sum(contents.frames for contents in self._contents)
        self.instruments: list[Instrument] = []
        self.trades = 0
        self.rejected: dict[str, int] = {}
        self._lines = [self._connections(contents) for contents in self._contents]

    def _connections(self, contents: _Contents) -> dict[str, _Line]:
        lines = {}
        for connection, url in contents.urls.items():
            feeds = []
            for feed in _feeds_of(contents.source, url):
                streams = self._streams(feed, contents)
                if streams:
                    feeds.append((feed, streams))
            feeds = _without_variants(feeds, contents.samples.get(connection, []))
            if feeds:
                name = f"{contents.source.path.name}:{connection}"
                lines[connection] = _Line(name, feeds)
        if not lines and contents.broken is not None:
            raise contents.broken
        if not lines:
            raise ConfigurationError(
                f"{contents.source.path}: no connection of a known venue in it; "
                "say which it is of with --venue and --kind"
            )
        return lines

    def _streams(self, feed: Feed, contents: _Contents) -> list[Stream]:
        instruments = instruments_from_bodies(feed, contents.bodies)
        if instruments is None:
            instruments = contents.grids.instruments(feed)
        seen = [i for i in instruments if i.venue_symbol in contents.grids.symbols]
        known = {(i.venue, i.symbol) for i in self.instruments}
        self.instruments += [i for i in seen if (i.venue, i.symbol) not in known]
        return [stream for instrument in seen for stream in feed.streams(instrument)]

    async def run(self, outbox: Outbox, progress: Progress | None = None) -> None:
        """Play everything into the log.

        Raises:
            PayloadError: a recording is broken; what was before it has been played.
        """
        waiting = next_tick_us = last_us = 0
        for played, (frame, line) in enumerate(self._merged(), start=1):
            last_us = max(last_us, frame.receive_time_us)
            if last_us >= next_tick_us:
                next_tick_us = last_us + TICK_US
                waiting += self._take(self._tick(last_us), outbox, frame)
            if line is not None:
                waiting += self._take(_play(line, frame), outbox, frame)
            if waiting >= FLUSH_RECORDS:
                waiting = 0
                await outbox.flush()
            if progress is not None and played % 1000 == 0:
                progress(played, self.frames)
        end = RecordedFrame(last_us, "", "close", "", b"")
        self._take(self._tick(last_us + TICK_US * 10), outbox, end)
        outbox.put_instruments(self.instruments, last_us)
        await outbox.flush()
        if progress is not None:
            progress(self.frames, self.frames)

    def _merged(self) -> Iterator[tuple[RecordedFrame, _Line | None]]:
        readers = [
            _tagged(contents.source, lines)
            for contents, lines in zip(self._contents, self._lines, strict=True)
        ]
        yield from heapq.merge(*readers, key=lambda pair: pair[0].receive_time_us)

    def _tick(self, now_us: int) -> list[Yield]:
        return [
            session.on_tick(now_us)
            for lines in self._lines
            for line in lines.values()
            for session in line.sessions
        ]

    def _take(self, outs: list[Yield], outbox: Outbox, frame: RecordedFrame) -> int:
        batches = trades = 0
        for out in outs:
            trades += out.trades
            batches += len(out.batches)
            outbox.put_batches(out.batches)
        self.trades += trades
        if not trades and outs and all(out.drops for out in outs):
            self._drop(outs, outbox, frame)
        return batches

    def _drop(self, outs: list[Yield], outbox: Outbox, frame: RecordedFrame) -> None:
        """Set a frame aside that no feed of its connection could use, with the fewest reasons."""
        drops = min((out.drops for out in outs), key=len)
        outbox.put_drops(f"replay/{frame.connection}", drops)
        for drop in drops:
            self.rejected[drop.reason] = self.rejected.get(drop.reason, 0) + 1


def _play(line: _Line, frame: RecordedFrame) -> list[Yield]:
    time_us = frame.receive_time_us
    if frame.kind in ("connect", "close"):
        outs = line.close(time_us)
        if frame.kind == "connect":
            line.open(time_us)
        return outs
    if frame.kind != "recv":
        return []
    if not line.sessions:
        line.open(time_us)
    return [session.on_frame(frame.data, time_us) for session in line.sessions]


def _tagged(
    source: Source, lines: dict[str, _Line]
) -> Iterator[tuple[RecordedFrame, _Line | None]]:
    for frame in read_recording(source.path, source.format):
        yield frame, lines.get(frame.connection)


def _scan(source: Source) -> _Contents:
    if not source.path.is_file():
        raise ConfigurationError(f"{source.path}: there is no such file")
    contents = _Contents(source)
    try:
        for frame in read_recording(source.path, source.format or guess_format(source.path)):
            _look(frame, contents)
    except PayloadError as error:
        contents.broken = error  # raised again when it is played, after what lies before it
    return contents


def _look(frame: RecordedFrame, contents: _Contents) -> None:
    contents.frames += 1
    if frame.kind == "http":
        contents.bodies.append((frame.url, frame.data))
    elif frame.kind in ("connect", "recv"):
        contents.urls.setdefault(frame.connection, frame.url)
    if frame.kind == "recv" and b"rade" in frame.data:
        contents.grids.look(frame.data)
        samples = contents.samples.setdefault(frame.connection, [])
        if len(samples) < SAMPLES:
            samples.append(frame.data)


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
    return [
        feed
        for feed in feeds
        if (source.venue is None or feed.venue == source.venue)
        and (source.kind is None or feed.kind == source.kind)
    ]


def _without_variants(
    feeds: list[tuple[Feed, list[Stream]]], samples: list[bytes]
) -> list[tuple[Feed, list[Stream]]]:
    """Keep, of feeds that carry the same product, the one whose streams are in the recording."""
    best: dict[Kind, tuple[int, Feed, list[Stream]]] = {}
    for feed, streams in feeds:
        session = Session(feed, streams, "sample", 0)
        found = sum(session.on_frame(sample, 0).trades for sample in samples)
        if feed.kind not in best or found > best[feed.kind][0]:
            best[feed.kind] = (found, feed, streams)
    return [(feed, streams) for _, feed, streams in best.values()]
