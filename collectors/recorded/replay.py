"""Recorded frames through the same parsers and sessions as live ones, as fast as they can be read.

A recording is read twice: once to learn what it holds, once to play it. Time is the recording's
receive time throughout. REST answers are played like frames: a snapshot finds its book, fetched
trades their gap.
"""

import heapq
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

from collectors.outbox.outbox import Outbox
from collectors.recorded.contents import (
    Contents,
    RecordedPlan,
    Source,
    group_of,
    plan_of,
    plans_of,
    scan,
)
from collectors.recorded.introduction import read_introduction
from collectors.session.memory import Memory
from collectors.session.opening import open_line
from collectors.session.outcome import Outcome
from collectors.session.session import Session
from runtime.recordings import RecordedFrame
from schemas.instruments import Instrument

TICK_US = 10_000
FLUSH_RECORDS = 500

Progress = Callable[[int, int], None]
"""Called with frames played and frames in all."""

Pause = Callable[[], Awaitable[None]]
"""Awaited now and then, when all that was played is in the log."""


@dataclass(slots=True)
class _Player:
    """The sessions of one recorded group for one feed."""

    name: str
    plan: RecordedPlan
    shared: object
    memory: Memory = field(default_factory=Memory)
    session: Session | None = None

    def open(self, time_us: int, line: int, introduction: bytes = b"") -> list[Outcome]:
        """Open a connection, as a group does."""
        introduced = read_introduction(introduction)
        self.plan = plan = (introduced and plan_of(introduced)) or self.plan
        self.memory.force(introduced.forced if introduced is not None else {})
        self.session, outs = open_line(
            self.session,
            plan.feed,
            plan.streams,
            self.name,
            line,
            time_us,
            instruments=plan.instruments,
            memory=self.memory,
            shared=self.shared,
            linger_us=plan.linger_us,
        )
        return outs

    def play(self, frame: RecordedFrame, line: int) -> list[Outcome]:
        """Take one event of the group in."""
        time_us = frame.receive_time_us
        if frame.kind == "connect":
            return self.open(time_us, line, frame.data)
        if frame.kind == "close":
            return [self.session.detach(line, time_us)] if self.session is not None else []
        if frame.kind not in ("recv", "pong"):
            return []
        outs = self.open(time_us, line) if self.session is None or self.session.is_down else []
        if self.session is not None and frame.kind == "recv":
            return [*outs, self.session.on_frame(frame.data, time_us, line)]
        if self.session is not None:
            self.session.on_heartbeat(time_us, line)
        return outs

    def answer(self, frame: RecordedFrame) -> list[Outcome]:
        """Take a REST answer in, if it is of use, or that there is none."""
        session, time_us = self.session, frame.receive_time_us
        if session is None:
            return []
        keys = [key for key in session.awaited if _answers(key, frame.url)]
        if frame.kind == "failed":
            detail = frame.data.decode("utf-8", "replace")
            return [session.on_failure(key, detail, time_us) for key in keys]
        if session.is_down:
            return []
        return [session.on_answer(key, frame.data, time_us) for key in keys]


class Replay:
    """Plays recordings into a log.

    Args:
        sources: the recordings; they are merged by receive time.

    Raises:
        ConfigurationError: a recording of unknown format, or one that does not say what it is of.
    """

    def __init__(self, sources: Sequence[Source]) -> None:
        contents = [scan(source) for source in sources]
        self.frames = sum(one.frames for one in contents)
        self.instruments: list[Instrument] = []
        self.trades = 0
        self.rejected: dict[str, int] = {}
        self._sources = [(one.source, self._players(one)) for one in contents]

    def _players(self, contents: Contents) -> dict[str, list[_Player]]:
        shared: dict[str, object] = {}
        players: dict[str, list[_Player]] = {}
        introduced = contents.introductions
        for group, plans in plans_of(contents).items():
            for plan in plans:
                feed = plan.feed
                memory = shared.setdefault(feed.name, feed.memory())
                own = group if group in introduced else f"{feed.name}/{_origin(contents)}:{group}"
                players.setdefault(group, []).append(_Player(own, plan, memory))
                known = {(one.venue, one.symbol) for one in self.instruments}
                self.instruments += [
                    one for one in plan.instruments if (one.venue, one.symbol) not in known
                ]
        return players

    async def run(
        self, outbox: Outbox, progress: Progress | None = None, pause: Pause | None = None
    ) -> None:
        """Play everything into the log.

        Raises:
            PayloadError: a recording is broken; what was before it has been played.
        """
        waiting = next_tick_us = last_us = 0
        for played, (frame, players) in enumerate(self._merged(), start=1):
            last_us = max(last_us, frame.receive_time_us)
            if last_us >= next_tick_us:
                next_tick_us = last_us + TICK_US
                waiting += self._take(self._tick(last_us), outbox, frame)
            waiting += self._take(_play(frame, players), outbox, frame)
            if waiting >= FLUSH_RECORDS:
                waiting = 0
                await outbox.flush()
                if pause is not None:
                    await pause()
            if progress is not None and played % 1000 == 0:
                progress(played, self.frames)
        end = RecordedFrame(last_us, "", "close", "", b"")
        self._take(self._tick(last_us + TICK_US * 10, still_up=True), outbox, end)
        outbox.put_instruments(self.instruments, last_us)
        await outbox.flush()
        if progress is not None:
            progress(self.frames, self.frames)

    def _merged(self) -> Iterator[tuple[RecordedFrame, dict[str, list[_Player]]]]:
        readers = [_tagged(source, players) for source, players in self._sources]
        yield from heapq.merge(*readers, key=lambda pair: pair[0].receive_time_us)

    def _tick(self, now_us: int, *, still_up: bool = False) -> list[Outcome]:
        """Let time pass; at the end only for what is still up, whose rows wait for more."""
        return [
            player.session.on_tick(now_us)
            for _, players in self._sources
            for group in players.values()
            for player in group
            if player.session is not None and not (still_up and player.session.is_down)
        ]

    def _take(self, outs: list[Outcome], outbox: Outbox, frame: RecordedFrame) -> int:
        batches = trades = 0
        for out in outs:
            trades += out.trades
            batches += len(out.batches)
            outbox.put_batches(out.batches)
            for event in out.events:
                outbox.put_quality(event)
        self.trades += trades
        if not trades and outs and all(out.drops for out in outs):
            self._drop(outs, outbox, frame)
        return batches

    def _drop(self, outs: list[Outcome], outbox: Outbox, frame: RecordedFrame) -> None:
        """Set a frame aside that no feed of its connection could use, with the fewest reasons."""
        drops = min((out.drops for out in outs), key=len)
        outbox.put_drops(f"replay/{frame.connection}", drops)
        for drop in drops:
            self.rejected[drop.reason] = self.rejected.get(drop.reason, 0) + 1


def _origin(contents: Contents) -> str:
    return contents.source.path.name


def _play(frame: RecordedFrame, players: dict[str, list[_Player]]) -> list[Outcome]:
    if frame.kind in ("http", "failed"):
        return [
            out for group in players.values() for player in group for out in player.answer(frame)
        ]
    line = frame.connection.partition("~")[2]
    number = int(line) if line.isdecimal() else 0
    group = players.get(group_of(frame.connection), ())
    return [out for player in group for out in player.play(frame, number)]


def _answers(key: str, url: str) -> bool:
    """Say whether a recorded REST answer is one to this call, how much of it was asked for aside.

    A recording without addresses has no other answers than snapshots of its one book.
    """
    if not url:
        return "depth" in key
    asked, recorded = urlsplit(key), urlsplit(url)
    if (asked.path, asked.fragment) != (recorded.path, recorded.fragment):
        return False
    wanted, had = dict(parse_qsl(asked.query)), dict(parse_qsl(recorded.query))
    return all(had.get(name) == value for name, value in wanted.items() if name != "limit")


def _tagged(
    source: Source, players: dict[str, list[_Player]]
) -> Iterator[tuple[RecordedFrame, dict[str, list[_Player]]]]:
    for frame in source.frames():
        yield frame, players
