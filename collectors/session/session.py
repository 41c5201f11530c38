"""What connections deliver as a pure state machine: frames, answers and ticks in, records out.

A session lives while at least one connection (a line) of its plan is up; a second line may join, to
take over from the first or to run beside it. Everything that ends up in a record is decided by the
receive times handed in, never by when a method happens to be called, so that a recording played
back gives the records of the live run.
"""

from collections.abc import Callable, Sequence
from typing import Any

from collectors.messages import (
    Alive,
    BookUpdate,
    Ignored,
    Leaving,
    Liquidations,
    Listed,
    Message,
    Refused,
    Rejected,
    Subscribed,
    TickerValues,
    Top,
    Trades,
)
from collectors.session.answers import Answers
from collectors.session.findings import Findings
from collectors.session.lanes.books import BookLane
from collectors.session.lanes.build import LaneMaker
from collectors.session.lanes.trades import TradeLane
from collectors.session.line import MOVING, Line
from collectors.session.memory import Memory
from collectors.session.off_grid import OffGrid
from collectors.session.outcome import Drop, Outcome
from collectors.session.publisher import CATCH_UP_US, Publisher
from collectors.session.repairs import Repairs
from collectors.session.watch import Watch
from collectors.venue import Channel, Feed, Stream
from runtime.errors import PayloadError
from schemas.instruments import Instrument
from schemas.ops import PAYLOAD_LIMIT_BYTES

LINGER_US = 20_000
CHECK_US = 250_000
"""How often books, holes and silent streams are looked after."""

MAX_IGNORED_KINDS = 64


class Session:
    """The life of one plan between two moments without any connection.

    Args:
        feed: the product it is connected to.
        streams: what it subscribes to.
        name: its name, unique among all sessions of the log.
        opened_us: when its first line was opened.
        instruments: those that a market-wide stream carries.
        memory: what outlives sessions.
        shared: what the parsers of the run share (`Feed.memory`).
        linger_us: how long rows wait for more of their stream.
        line: number of the first line.
    """

    def __init__(
        self,
        feed: Feed,
        streams: Sequence[Stream],
        name: str,
        opened_us: int,
        *,
        instruments: Sequence[Instrument] = (),
        memory: Memory | None = None,
        shared: object = None,
        linger_us: int = LINGER_US,
        line: int = 0,
    ) -> None:
        self._feed = feed
        self._streams = streams
        self._shared = shared
        self._opened_us = opened_us
        self._check_us = opened_us + CHECK_US
        self._memory = memory = memory or Memory()
        self._findings = Findings(feed.venue, name)
        maker = LaneMaker(feed, opened_us, memory, linger_us, self._findings.on_recovery)
        self._lanes = maker.make(streams, instruments)
        everything = self._lanes.all
        self._publisher = Publisher(
            feed, name, opened_us, everything, self._findings, memory.forced
        )
        carried = {lane.instrument.symbol: lane.instrument for lane in everything}
        snapshots = [feed.snapshot(one) for one in streams if one.channel is Channel.BOOK]
        polls = [poll.call for poll in feed.polls(list(carried.values()))]
        answers = Answers([*polls, *(call for call in snapshots if call is not None)])
        self._answers = answers
        trades = self._lanes.trades
        self._repairs = Repairs(feed, answers, self._findings, trades, memory.covered_us)
        self._trade_streams = [
            (one, trades[one.name]) for one in streams if one.channel is Channel.TRADES
        ]
        self._lines: dict[int, Line] = {}
        self._off_grid = OffGrid(feed)
        self._watch = Watch(feed, streams, self._lanes.books, self._lines, self._findings)
        self.ignored: dict[str, int] = {}
        self.attach(line, opened_us)
        for lane in everything if memory.sessions else ():
            lane.tally.reconnects += 1
        memory.sessions += 1

    def attach(self, line: int, now_us: int) -> None:
        """Begin to listen to a connection that was opened."""
        listed = self._memory.listed
        streams = listed(self._streams)
        parser = self._feed.parser(streams, self._shared)
        rule = self._feed.liquidations
        shown = (Channel.LIQUIDATIONS,) if rule is not None and rule.always_moves else ()
        self._lines[line] = Line(parser, streams, now_us, listed, (*MOVING, *shown))
        for lane in self._lanes.books.values():
            lane.attach(line, now_us)

    def detach(self, line: int, now_us: int) -> Outcome:
        """Stop listening to a connection that ended; without another one everything is down."""
        out = self.on_tick(now_us)
        if self._lines.pop(line, None) is None:
            return out
        for lane in self._lanes.books.values():
            lane.detach(line)
        if not self._lines:
            covered_us = self._publisher.newest_us - self._feed.skew_us
            self._memory.covered_us = max(self._memory.covered_us, covered_us)
            off_grid = self._off_grid.end()
            for gap in off_grid:
                trades = self._lanes.trades[gap.stream.name]
                self._repairs.note(trades, gap, "trades off the known grids", now_us, out)
            self._memory.unsettled += [*self._answers.cut_off(), *off_grid]
            self._publisher.go_down(now_us, out)
        return out

    @property
    def is_down(self) -> bool:
        """Whether no connection is left."""
        return not self._lines

    def line(self, number: int) -> Line:
        """Return a line that is attached."""
        return self._lines[number]

    def awaits(self, key: str) -> bool:
        """Say whether the answer to a REST call is of use here."""
        return self._answers.awaits(key)

    def has_books(self, line: int) -> bool:
        """Say whether a line could stand in for all others: no valid book would be lost."""
        found = self._lines.get(line)
        return found is not None and all(
            lane.valid_on(line) for lane in self._lanes.books.values() if found.expects(lane.stream)
        )

    @property
    def awaited(self) -> list[str]:
        """The keys of the REST calls whose answers are of use here."""
        return self._answers.keys

    def on_frame(self, frame: bytes, receive_us: int, line: int = 0) -> Outcome:
        """Take one frame of a line in."""
        out = self.on_tick(receive_us)
        self.on_heartbeat(receive_us, line)
        limit = self._feed.limits.max_frame_bytes
        if len(frame) > limit:
            detail = f"expected at most {limit} bytes, was {len(frame)}"
            head = frame[:PAYLOAD_LIMIT_BYTES]
            out.drops.append(Drop("oversized", detail, head, len(frame), receive_us))
            return out
        for message in self._lines[line].parser.parse(frame):
            handler = _HANDLERS.get(type(message))
            if handler is not None:
                handler(self, message, line, receive_us, out)
            else:
                self._on_other(message, frame, receive_us, out)
        return out

    def on_answer(self, key: str, body: bytes, receive_us: int) -> Outcome:
        """Take the answer to a REST call in, by the call's key."""
        out = self.on_tick(receive_us)
        try:
            messages = self._repairs.take(key, body, receive_us, out)
        except PayloadError as error:
            detail = f"{key[:100]}: {error.detail}"
            head = body[:PAYLOAD_LIMIT_BYTES]
            out.drops.append(Drop(error.reason, detail, head, len(body), receive_us))
            return out
        for message in messages:
            if type(message) is BookUpdate:
                lane = self._book_of(message.stream)
                if lane is not None:
                    lane.take_snapshot(message, receive_us)
                    self._publisher.note_due(lane)
            elif type(message) is TickerValues:
                self._take_ticker(message, receive_us, out, fetched=True)
            elif type(message) is Rejected:
                self._on_other(message, body, receive_us, out)
        for trades in self._lanes.trades.values():
            self._publisher.note_due(trades)
        return out

    def on_failure(self, key: str, detail: str, now_us: int) -> Outcome:
        """Note that a REST call got no answer and will get none."""
        out = self.on_tick(now_us)
        self._repairs.fail(key, detail, now_us, out)
        return out

    def on_heartbeat(self, now_us: int, line: int = 0) -> None:
        """Note that the venue was heard from outside of any frame (a web-socket pong)."""
        self._publisher.heard_us = max(self._publisher.heard_us, now_us)
        if line in self._lines:
            self._lines[line].heard_us = now_us

    def _on_other(self, message: Message, frame: bytes, receive_us: int, out: Outcome) -> None:
        match message:
            case Rejected():
                self._on_rejected(message, frame, receive_us, out)
            case Leaving(detail):
                out.leaving = detail
            case Listed():
                out.listed = True
            case Ignored(what):
                if what in self.ignored or len(self.ignored) < MAX_IGNORED_KINDS:
                    self.ignored[what] = self.ignored.get(what, 0) + 1
            case _:
                pass  # a heartbeat was noted with the frame itself

    def _on_rejected(self, message: Rejected, frame: bytes, now_us: int, out: Outcome) -> None:
        out.drops.append(Drop(message.reason, message.detail, frame, len(frame), now_us))
        stream = message.stream
        if stream is None:
            return
        for lane in self._lanes.of(stream.name):
            lane.tally.rejected += 1
        if message.is_off_grid:
            self._off_grid.note(stream, message)
            out.listed = True

    def _on_subscribed(self, message: Subscribed, line: int, now_us: int, out: Outcome) -> None:
        for name in self._lines[line].acknowledge(message.names):
            for lane in self._lanes.of(name):
                self._publisher.activate(lane, now_us, out)

    def _on_refused(self, message: Refused, line: int, now_us: int, out: Outcome) -> None:
        self._lines[line].refuse(message.names, now_us)
        out.refused.append(message)
        for lane in (lane for name in message.names for lane in self._lanes.of(name)):
            lane.tally.refusals += 1

    def _on_alive(self, message: Alive, line: int, now_us: int, out: Outcome) -> None:
        stream = message.stream
        self._lines[line].hear(stream, now_us)
        for lane in self._lanes.of(stream.name):
            self._publisher.activate(lane, now_us, out)
        book = self._book_of(stream)
        if book is not None and stream.channel is Channel.BOOK:
            book.alive(line, now_us)

    def _on_trades(self, message: Trades, line: int, receive_us: int, out: Outcome) -> None:
        stream = message.stream
        is_first = self._lines[line].hear(stream, receive_us)
        lane = self._lanes.trades[stream.name]
        if is_first and self._feed.replays_history:
            message = self._without_history(lane, message)
        rows = message.rows
        self._publisher.activate(lane, receive_us, out)
        if not rows:
            return
        new = lane.take(message, receive_us)
        if lane.before_us:
            self._repairs.note_return(lane, stream, rows, new, receive_us, out)
        if not new:
            return
        out.trades += len(new)
        self._publisher.hear(lane, len(new), max([row[0] for row in new]), receive_us)
        books = self._lanes.books.get(lane.instrument.symbol)
        if books is not None:
            books.moved_us = receive_us
        self._publisher.send_full(lane, receive_us, out)

    def _without_history(self, lane: TradeLane, message: Trades) -> Trades:
        """Leave out what a subscription repeats of the time before we listened, or knew already.

        Every connection begins with it: of its first frame what is of our own time is known or was
        missed. A clock that is set back later repeats nothing.
        """
        oldest_us = lane.known_us or self._opened_us - self._feed.skew_us
        return Trades(message.stream, [row for row in message.rows if row[0] >= oldest_us])

    def _on_book(self, message: BookUpdate, line: int, receive_us: int, out: Outcome) -> None:
        self._lines[line].hear(message.stream, receive_us)
        lane = self._book_of(message.stream)
        if lane is not None:
            self._publisher.activate(lane, receive_us, out)
            if lane.take(line, message, receive_us):
                self._publisher.hear(lane, 1, message.event_time_us, receive_us)
            self._publisher.send_full(lane, receive_us, out)

    def _on_top(self, message: Top, line: int, receive_us: int, out: Outcome) -> None:
        self._lines[line].hear(message.stream, receive_us)
        lane = self._book_of(message.stream)
        if lane is not None:
            self._publisher.activate(lane, receive_us, out)
            lane.take_top(line, message, receive_us)
            self._publisher.hear(lane, 0, message.event_time_us, receive_us)
            self._publisher.send_full(lane, receive_us, out)

    def _on_liquidations(
        self, message: Liquidations, line: int, receive_us: int, out: Outcome
    ) -> None:
        self._lines[line].hear(message.stream, receive_us)
        lane = self._lanes.liquidations.get(message.instrument.symbol)
        if lane is not None and message.rows:
            self._publisher.activate(lane, receive_us, out)
            lane.take(message, receive_us)
            self._publisher.send_full(lane, receive_us, out)

    def _on_ticker(self, message: TickerValues, line: int, receive_us: int, out: Outcome) -> None:
        self._lines[line].hear(message.stream, receive_us)
        self._take_ticker(message, receive_us, out, fetched=False)

    def _take_ticker(
        self, message: TickerValues, receive_us: int, out: Outcome, *, fetched: bool
    ) -> None:
        lane = self._lanes.tickers.get(message.instrument.symbol)
        if lane is not None:
            if not fetched:
                self._publisher.activate(lane, receive_us, out)
            lane.take(message, receive_us, fetched=fetched)
            self._publisher.hear(lane, 1, 0 if fetched else message.event_time_us, receive_us)

    def _book_of(self, stream: Stream) -> BookLane | None:
        symbol = stream.instrument.symbol if stream.instrument is not None else ""
        return self._lanes.books.get(symbol)

    def on_tick(self, now_us: int) -> Outcome:
        """Let time pass: send what is due, look after what is late."""
        out = Outcome()
        if now_us - self._check_us > CATCH_UP_US:
            self._check_us = now_us
        while self._check_us <= now_us:
            self._publisher.pass_time(self._check_us, out)
            if self._lines:
                self._look_after(self._check_us, out)
            self._check_us += CHECK_US
        self._publisher.pass_time(now_us, out)
        if self._findings.waiting:
            out.events += self._findings.waiting
            self._findings.waiting.clear()
        return out

    def _look_after(self, now_us: int, out: Outcome) -> None:
        """See to holes that stay open, books without a snapshot, streams that say nothing."""
        for stream, lane in self._trade_streams:
            self._repairs.note_holes(lane, stream, now_us, out)
        self._resume_repairs(now_us, out)
        self._publisher.tell_forced(now_us, out)
        self._repairs.expire(now_us, out)
        self._watch.look(now_us, out)
        for book in self._lanes.books.values():
            self._publisher.note_due(book)

    def _resume_repairs(self, now_us: int, out: Outcome) -> None:
        for gap in self._memory.take_unsettled():
            self._repairs.resume(gap, now_us, out)


_HANDLERS: dict[type, Callable[[Session, Any, int, int, Outcome], None]] = {
    Trades: Session._on_trades,
    BookUpdate: Session._on_book,
    Top: Session._on_top,
    Liquidations: Session._on_liquidations,
    TickerValues: Session._on_ticker,
    Alive: Session._on_alive,
    Subscribed: Session._on_subscribed,
    Refused: Session._on_refused,
}
"""Not of the instance: with bound methods it would be a cycle, and a session with all its books
would stay until the cycle collector comes by."""
