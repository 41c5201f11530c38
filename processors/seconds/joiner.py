"""Joins the streams of one asset by event time, and closes seconds when all have passed them.

A second is over when the watermark of every stream has passed its end by two seconds, or thirty
seconds have gone by in the log without. So in whatever interleaving the topics are read, the
seconds are the same, as long as none of them is read more than `PATIENCE_US` ahead of the others,
which the host sees to. A topic that has nothing of the asset yet, or nothing any more, is waited
for that long. What comes after its second was closed is dropped here and counted.

State: the open seconds (four to ninety), the newest book and ticker of each instrument, and the
liquidations of five minutes, by which repeated ones are known.
"""

from collections.abc import Iterator

import msgspec

from processors.feed_clock import TIMEOUT_US, FeedClock
from processors.feeds import Accepted, Feeds, Finding
from processors.measures.ticker_check import Checked, check_ticker
from processors.operator import Cause
from processors.plain import Plain
from processors.seconds.opened import OpenSecond
from processors.seconds.second import BookView, MemberSecond, Second, StreamSecond
from processors.seconds.sides import SideStreams, book_view, liquidations_of
from processors.state import State
from processors.units import AssetUnits
from schemas.books import BookBatch
from schemas.footprints import FootprintBar
from schemas.lineage import InputRange, revision_of
from schemas.liquidations import LiquidationBatch, LiquidationRow, SamplingClass
from schemas.market import COVERING_STATES, TAKE_OVERS, FeedState
from schemas.ops import QualityKind
from schemas.tickers import TickerBatch
from schemas.units import US_PER_MINUTE, US_PER_SECOND

PATIENCE_US = 60 * US_PER_SECOND
"""For so long, by the log of the others, a topic without news is taken to be on its way."""

START_US = 10 * US_PER_SECOND
"""How long after the first record the first second is chosen: all topics have begun by then."""

BACKWARD_US = US_PER_MINUTE
"""How long before the first record the first second may lie."""

REPEAT_US = 5 * US_PER_MINUTE


class Joiner:
    """The open seconds of one asset, and what is known at their end.

    Args:
        asset: its name.
        units: its grid.
        feeds: of its trades, which somebody else keeps.
        epoch: of the log.
    """

    name = "seconds"

    def __init__(self, asset: str, units: AssetUnits, feeds: Feeds, epoch: int) -> None:
        self._asset, self._units, self._epoch = asset, units, epoch
        self._feeds = feeds
        self.books = SideStreams("books")
        self.liquidations = SideStreams("liquidations")
        self.tickers = SideStreams("tickers")
        self._open: dict[int, OpenSecond] = {}
        self._bars: dict[int, list[FootprintBar]] = {}
        self._book: dict[str, BookView] = {}
        self._ticker: dict[str, Checked] = {}
        self._sampling: dict[str, SamplingClass] = {}
        self._recent: dict[str, dict[LiquidationRow, int]] = {}
        self._next = 0
        self._slowest: tuple[FeedClock, Feeds | SideStreams] | None = None
        self._first_trade_us = 0

    # --- what comes

    def take_trades(self, accepted: Accepted, cause: Cause) -> None:
        """Take in the new trades of a batch; late ones are told of by the footprints."""
        self._first_trade_us = self._first_trade_us or self._feeds.now_us
        for one in accepted.excluded:
            number = one.time_us // US_PER_SECOND
            if one.order_class in TAKE_OVERS and number >= self._next:
                sums = self._second(number, cause).taken_over
                sums[accepted.member] = sums.get(accepted.member, 0) + one.notional
        if accepted.block is None:
            return
        trades = accepted.block.trades
        first, last = trades[0][0] // US_PER_SECOND, trades[-1][0] // US_PER_SECOND
        if first == last and first >= self._next:
            self._second(first, cause).trades.setdefault(accepted.member, []).extend(trades)
            return
        for trade in trades:
            number = trade[0] // US_PER_SECOND
            if number >= self._next:
                self._second(number, cause).trades.setdefault(accepted.member, []).append(trade)

    def take_book(self, batch: BookBatch, cause: Cause) -> list[Finding]:
        """Take in a book.

        Raises:
            ValueError: it cannot be true; nothing of it was taken in.
        """
        view = book_view(batch, self._units)
        observed = self.books.observe(batch)
        if observed is None:
            return []
        feed, findings = observed
        number = view.time_us // US_PER_SECOND
        if number >= self._next:
            self._second(number, cause).books.setdefault(feed.name, []).append(view)
        return findings

    def take_liquidations(self, batch: LiquidationBatch, cause: Cause) -> list[Finding]:
        """Take in liquidations, those that are new.

        Raises:
            ValueError: they cannot be true; nothing of them was taken in.
        """
        rows = liquidations_of(batch, self._units)
        observed = self.liquidations.observe(batch)
        if observed is None:
            return []
        feed, findings = observed
        self._sampling[feed.name] = batch.sampling_class
        recent = self._recent.setdefault(feed.name, {})
        late = []
        for row, event in zip(batch.rows, rows, strict=True):
            number = event.time_us // US_PER_SECOND
            if row in recent:
                continue
            if self._next and number < self._next:
                late.append(event.time_us)
                continue
            recent[row] = event.time_us
            self._second(number, cause).liquidations.setdefault(feed.name, []).append(event)
        if late:
            why = "liquidations of seconds that are over"
            findings.append(Finding(QualityKind.LATE, min(late), max(late), len(late), why))
        return findings

    def take_ticker(self, batch: TickerBatch, cause: Cause) -> list[Finding]:
        """Take in a ticker; it counts from its receipt on, without what cannot be in it."""
        observed = self.tickers.observe(batch)
        if observed is None:
            return []
        feed, findings = observed
        number = batch.receive_time_us // US_PER_SECOND
        if number >= self._next:
            self._second(number, cause).tickers[feed.name] = batch
        return findings

    def take_bar(self, bar: FootprintBar) -> None:
        """Take in a footprint bar that has become final."""
        if bar.bar_end_us // US_PER_SECOND > self._next:
            self._bars.setdefault(bar.bar_end_us // US_PER_SECOND - 1, []).append(bar)

    def _second(self, number: int, cause: Cause) -> OpenSecond:
        second = self._open.get(number)
        if second is None:
            second = self._open[number] = OpenSecond()
        second.note(cause)
        return second

    # --- what is over

    def due(self) -> Iterator[Second]:
        """Yield the seconds that are over now, in order."""
        now_us = self._now_us()
        if self._waits(now_us) or (not self._next and not self._start(now_us)):
            return
        end = self._frontier_us(now_us) // US_PER_SECOND
        while self._next < end:
            number = self._next
            if not self._is_there(number):
                self._next = self._jump(number, end)
                continue
            self._next = number + 1
            yield self._close(number)

    def _now_us(self) -> int:
        return max(
            self._feeds.now_us, self.books.now_us, self.liquidations.now_us, self.tickers.now_us
        )

    def _waits(self, now_us: int) -> bool:
        """Say whether the stream that was last the slowest has not passed the next second yet."""
        if self._slowest is None:
            return False
        clock, source = self._slowest
        own_us = max(source.now_us, now_us - PATIENCE_US)
        return clock.frontier_us(own_us) < (self._next + 1) * US_PER_SECOND

    def _frontier_us(self, now_us: int) -> int:
        """Return the time before which every stream's seconds are over; note which is slowest."""
        least_us, self._slowest = now_us, None
        sources: tuple[Feeds | SideStreams, ...] = (self._feeds, *self._sides)
        for source in sources:
            own_us = max(source.now_us, now_us - PATIENCE_US)
            if not source.members:
                least_us = min(least_us, now_us - TIMEOUT_US)
            for clock in source.members.values():
                frontier_us = clock.frontier_us(own_us)
                if frontier_us < least_us:
                    least_us, self._slowest = frontier_us, (clock, source)
        return least_us

    @property
    def _sides(self) -> tuple[SideStreams, ...]:
        return (self.books, self.liquidations, self.tickers)

    def _start(self, now_us: int) -> bool:
        """Choose the first second: where the first stream began, but not long before its record."""
        first_us = min(
            us for us in (self._first_trade_us, *(s.first_us for s in self._sides)) if us
        )
        if now_us < first_us + START_US:
            return False
        began = [clock.began_us for clock in self._clocks()]
        began_us = min(began + [number * US_PER_SECOND for number in self._open])
        self._next = max(began_us, first_us - BACKWARD_US) // US_PER_SECOND
        for number in [number for number in self._open if number < self._next]:
            del self._open[number]
        return True

    def _is_there(self, number: int) -> bool:
        """Say whether anybody was there in a second, or anything came of it."""
        if number in self._open:
            return True
        span = (number * US_PER_SECOND, (number + 1) * US_PER_SECOND)
        return any(clock.coverage.within(*span) for clock in self._clocks())

    def _clocks(self) -> Iterator[FeedClock]:
        yield from self._feeds.members.values()
        for side in self._sides:
            yield from side.members.values()

    def _jump(self, number: int, end: int) -> int:
        """Return the next second that somebody was there in, `end` where there is none."""
        known = min((one for one in self._open if number < one < end), default=end)
        first_us, last_us = number * US_PER_SECOND, known * US_PER_SECOND
        starts = [clock.coverage.first_within(first_us, last_us) for clock in self._clocks()]
        covered_us = min((us for us in starts if us is not None), default=last_us)
        return max(number + 1, covered_us // US_PER_SECOND)

    def _close(self, number: int) -> Second:
        opened = self._open.pop(number, None) or OpenSecond()
        start_us = number * US_PER_SECOND
        names = sorted({clock.name for clock in self._clocks()})
        members = {name: self._member(name, start_us, opened) for name in names}
        self._forget(start_us)
        return Second(
            asset=self._asset,
            start_us=start_us,
            members=members,
            revision=revision_of(self._epoch, number),
            inputs=[
                InputRange(topic, partition, first, last)
                for (topic, partition), (first, last) in sorted(opened.offsets.items())
            ],
            bars=self._bars.pop(number, ()),
        )

    def _member(self, name: str, start_us: int, opened: OpenSecond) -> MemberSecond:
        feed, book, liquidation, ticker = self._clocks_of(name)
        known = next(clock for clock in (feed, book, liquidation, ticker) if clock is not None)
        trades = sorted(opened.trades.get(name, ()))
        books = sorted(opened.books.get(name, ()), key=_time)
        liquidations = sorted(opened.liquidations.get(name, ()))
        if books:
            self._book[name] = books[-1]
        if name in opened.tickers:
            self._ticker[name] = check_ticker(opened.tickers[name])
        newest, told = self._book.get(name), self._ticker.get(name)
        usable = newest is not None and newest.valid and _is_there_at_end(book, start_us)
        return MemberSecond(
            key=known.key,
            aggregate=known.aggregate,
            trade_stream=_stream(feed, start_us, bool(trades)),
            trades=trades,
            taken_over=opened.taken_over.get(name, 0),
            book_stream=_stream(book, start_us, bool(books)),
            books=books,
            book=newest if usable else None,
            liquidation_stream=_stream(liquidation, start_us, bool(liquidations)),
            liquidations=liquidations,
            sampling=self._sampling.get(name),
            ticker_stream=_stream(ticker, start_us, name in opened.tickers),
            ticker=told.ticker if told else None,
            ticker_refused=told.refused if told else (),
        )

    def _clocks_of(self, name: str) -> tuple[FeedClock | None, ...]:
        return (self._feeds.members.get(name), *(side.members.get(name) for side in self._sides))

    def _forget(self, start_us: int) -> None:
        oldest_us = start_us - REPEAT_US
        for recent in self._recent.values():
            while recent and next(iter(recent.values())) < oldest_us:
                del recent[next(iter(recent))]
        for number in [n for n in self._bars if n < start_us // US_PER_SECOND]:
            del self._bars[number]

    # --- state

    def snapshot(self) -> State:
        """Return everything; open seconds are small, and gone a few seconds later."""
        head = {
            "sides": {side.name: side.dump() for side in self._sides},
            "open": [[number, one.dump()] for number, one in sorted(self._open.items())],
            "bars": msgspec.to_builtins([*self._bars.items()]),
            "book": msgspec.to_builtins(self._book),
            "ticker": msgspec.to_builtins(self._ticker),
            "sampling": msgspec.to_builtins(self._sampling),
            "recent": {name: [*map(list, of.items())] for name, of in self._recent.items()},
            "next": self._next,
            "first_trade_us": self._first_trade_us,
        }
        return State(head, {})

    def restore(self, head: Plain, parts: dict[str, bytes]) -> None:
        """Continue from a snapshot."""
        for side in self._sides:
            side.load(head["sides"][side.name])
        self._open = {number: OpenSecond.load(values) for number, values in head["open"]}
        self._bars = dict(msgspec.convert(head["bars"], list[tuple[int, list[FootprintBar]]]))
        self._book = msgspec.convert(head["book"], dict[str, BookView])
        self._ticker = msgspec.convert(head["ticker"], dict[str, Checked])
        self._sampling = msgspec.convert(head["sampling"], dict[str, SamplingClass])
        self._recent = {
            name: {_row(row): time_us for row, time_us in of} for name, of in head["recent"].items()
        }
        self._next, self._first_trade_us = head["next"], head["first_trade_us"]

    def keeps(self, part: str) -> bool:
        """Say no: there are no parts."""
        return False


def _time(view: BookView) -> int:
    return view.time_us


def _row(values: Plain) -> LiquidationRow:
    time_us, price, qty, side, occurrence, flags = values
    return (time_us, price, qty, side, occurrence, flags)


def _is_there_at_end(clock: FeedClock | None, start_us: int) -> bool:
    end_us = start_us + US_PER_SECOND
    return clock is not None and clock.coverage.within(end_us - 1, end_us) > 0


def _stream(clock: FeedClock | None, start_us: int, any_came: bool) -> StreamSecond | None:
    """Say how a stream was in a second, as the log tells it and not as it is now."""
    if clock is None:
        return None
    end_us = start_us + US_PER_SECOND
    covered_us = clock.coverage.within(start_us, end_us)
    state = clock.was(end_us)
    if state in COVERING_STATES:
        there = FeedState.LIVE if any_came else FeedState.QUIET
        state = there if covered_us else FeedState.STALE
    return StreamSecond(covered_us, state)
