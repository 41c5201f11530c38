"""The book lane: one instrument's book as it is published, from one or two connections.

Every connection keeps a book of its own; the first valid one is published, so that the loss of one
connection costs nothing. The changes of the best prices come from the venue's stream of them where
there is one, else from the book.
"""

from collections.abc import Callable
from typing import Any

from collectors.books.book import Book
from collectors.books.tops import Tops
from collectors.grid import Steps
from collectors.messages import BookUpdate, Top
from collectors.session.lanes.base import Header, Lane
from collectors.venue import BookRule, Chain
from schemas.books import BOOKS_SCHEMA, TOP_LEVELS, BookBand, BookBatch, BookLevel, BookState
from schemas.instruments import Instrument
from schemas.units import US_PER_SECOND

PERIOD_US = 100_000
FIRST_WAIT_US = 10 * US_PER_SECOND
"""How long the first word of a stream is waited for after a subscription."""

STEADY_US = 60 * US_PER_SECOND
"""A book that has been valid for so long is asked for at once again when it is lost."""

_LONGEST_WAIT_US = 60 * US_PER_SECOND


_NOTHING: dict[str, Any] = {
    "event_time_us": 0, "update_id": 0, "bids": [], "asks": [], "bid_levels": 0, "ask_levels": 0,
}  # fmt: skip
"""What is said of a book that may not be used."""


class _Kept:
    """One connection's book, and when its snapshot or its stream is next asked for."""

    __slots__ = ("ask_us", "book", "live_us", "lost_us", "tries", "was_live", "was_mute")

    def __init__(self, book: Book, ask_us: int) -> None:
        self.book = book
        self.ask_us = ask_us
        self.tries = 0
        self.live_us = 0
        self.lost_us = 0
        self.was_live = False
        self.was_mute = book.is_mute


class BookLane(Lane):
    """The book of one instrument.

    Args:
        instrument: what the book is of.
        stream: the venue's name of the book's stream.
        opened_us: when the session was opened.
        rule: how the feed's books are kept.
        prices: texts of prices to ticks.
        top_stream: the venue's name of the stream of best prices, "" where there is none.
        on_recovery: told when a book is valid again: since when it was not, until when.
    """

    schema = BOOKS_SCHEMA

    def __init__(
        self,
        instrument: Instrument,
        stream: str,
        opened_us: int,
        *,
        rule: BookRule,
        prices: Steps,
        top_stream: str,
        on_recovery: Callable[["BookLane", int, int], None],
    ) -> None:
        super().__init__(instrument, stream, opened_us)
        self._rule = rule
        self._prices = prices
        self._kept: dict[int, _Kept] = {}
        self._line: int | None = None
        self._on_recovery = on_recovery
        self._dirty_us = 0
        self._epoch = 0
        self._epochs: tuple[int | None, int] | None = None
        self._checked_us = opened_us
        self._tops = Tops(instrument, top_stream, prices)
        self._best: tuple[BookLevel | None, BookLevel | None] | None = None
        self.moved_us = 0
        """When the instrument was last seen to trade or to change its best price."""

    def attach(self, line: int, now_us: int) -> None:
        """Begin a book for a connection."""
        book = Book(self._rule, self.instrument, self._prices)
        book.heard_us = now_us
        self._kept[line] = _Kept(book, now_us + FIRST_WAIT_US)

    def detach(self, line: int) -> None:
        """Forget a connection's book."""
        self._kept.pop(line, None)
        if self._line == line:
            self._line = None
            self._tops.interrupt()
            self._dirty_us = self._dirty_us or self.sent_us

    def take(self, line: int, update: BookUpdate, receive_us: int) -> bool:
        """Take an update of a connection's stream in; return whether it changed its book."""
        kept = self._kept[line]
        repeated = kept.book.repeated
        changed = kept.book.take(update, receive_us)
        self.tally.duplicates += kept.book.repeated - repeated
        if changed:
            self._note(line, kept, receive_us)
        return changed

    def take_snapshot(self, update: BookUpdate, receive_us: int) -> None:
        """Take a fetched snapshot in, for every connection's book that is in need of one."""
        for line, kept in self._kept.items():
            needs = kept.book.needs_snapshot or kept.book.wants_refresh(receive_us)
            if needs and kept.book.take_snapshot(update, receive_us):
                self._note(line, kept, receive_us)

    def take_top(self, line: int, top: Top, receive_us: int) -> None:
        """Take the best prices in, as the venue's stream of them tells."""
        if self._tops.take(top, receive_us):
            self.moved_us = self.item_us = receive_us
            self._dirty_us = self._dirty_us or receive_us
            kept = self._kept[line]
            if self._rule.chain is Chain.SNAPSHOTS and kept.book.touch(top):
                self._note(line, kept, receive_us)

    def alive(self, line: int, receive_us: int) -> None:
        """Note that the stream is there without news."""
        self._kept[line].book.heard_us = receive_us

    def _note(self, line: int, kept: _Kept, receive_us: int) -> None:
        book = kept.book
        self.item_us = receive_us
        if book.valid:
            if kept.lost_us or not kept.was_live:
                kept.live_us = receive_us
            if kept.lost_us:
                self.tally.resyncs += 1
                self._on_recovery(self, kept.lost_us, receive_us)
                kept.lost_us = 0
            kept.was_live = True
        elif kept.was_live and not kept.lost_us and book.state is not BookState.CROSSED:
            kept.lost_us = receive_us
            kept.ask_us = receive_us if not kept.tries else max(receive_us, kept.ask_us)
            self.tally.gaps += 1
        before = self._line
        self._choose()
        if line in (before, self._line) or self._line is None:
            self._dirty_us = self._dirty_us or receive_us
            if line == self._line and not self._tops.has_stream and book.valid:
                self._tops.observe(book, receive_us)

    def _choose(self) -> None:
        """Publish the book that is published, while it is valid; else the first that is."""
        current = self._kept.get(self._line) if self._line is not None else None
        if current is not None and current.book.valid:
            return
        self._line = next((line for line, kept in self._kept.items() if kept.book.valid), None)

    def asks(self, now_us: int) -> list[int]:
        """Return the connections whose book needs something now; each is asked for ever later.

        It needs a snapshot, or, where `is_mute`, its stream begun anew. Of a market that does not
        move, silence is normal.
        """
        self._note_best(now_us)
        found = []
        for line, kept in self._kept.items():
            book = kept.book
            book.pass_time(now_us, self.moved_us)
            if kept.was_live and not book.valid and not kept.lost_us:
                self._note(line, kept, now_us)
            if book.valid and now_us - kept.live_us > STEADY_US:
                kept.tries = 0
            if kept.was_mute and not book.is_mute:
                kept.ask_us = now_us
            kept.was_mute = book.is_mute
            refresh = book.wants_refresh(now_us)
            dead = book.is_mute and self.moved_us > book.heard_us + US_PER_SECOND
            if (book.needs_snapshot or refresh or dead) and now_us >= kept.ask_us:
                wait_us = min(US_PER_SECOND << min(kept.tries, 6), _LONGEST_WAIT_US)
                kept.tries += 1
                kept.ask_us = now_us + (_LONGEST_WAIT_US if refresh else wait_us)
                found.append(line)
        return found

    def is_mute(self, line: int) -> bool:
        """Say whether a connection's stream has to speak before a snapshot is of use."""
        return self._kept[line].book.is_mute

    def _note_best(self, now_us: int) -> None:
        """Notice that the best prices of the book changed, whatever their own stream says."""
        kept = self._kept.get(self._line) if self._line is not None else None
        if kept is not None and kept.book.valid:
            best = (kept.book.bids.best, kept.book.asks.best)
            if best != self._best:
                self._best, self.moved_us = best, now_us

    @property
    def pending_us(self) -> int:
        """When what waits has to be sent, 0 where nothing waits."""
        return max(self._dirty_us, self.sent_us + PERIOD_US) if self._dirty_us else 0

    @property
    def has_rows(self) -> bool:
        """Whether rows wait that would be lost with the lane: a book is no row."""
        return False

    @property
    def overfull(self) -> bool:
        """Whether so many changes of the best prices wait that they need a record of their own."""
        return self._tops.full

    @property
    def valid(self) -> bool:
        """Whether there is a book that may be used."""
        self._choose()
        return self._line is not None

    def valid_on(self, line: int) -> bool:
        """Say whether a connection's book may be used, or none may."""
        kept = self._kept.get(line)
        return not self.valid or (kept is not None and kept.book.valid)

    @property
    def state(self) -> BookState:
        """The state of the book that is published, or of the one that is nearest to it."""
        if self._line is not None:
            return self._kept[self._line].book.state
        states = [kept.book.state for kept in self._kept.values()]
        return states[0] if states else BookState.DOWN

    def _published(self) -> tuple[Book | None, list[BookBand]]:
        """Return the book that is published with its bands; none where none may be used."""
        self._choose()
        if self._line is None:
            return None, []
        book = self._kept[self._line].book
        bands = book.bands()
        return (book, bands) if book.valid else self._published()

    def _account(self, now_us: int, state: BookState) -> None:
        waited_us, self._checked_us = now_us - self._checked_us, now_us
        if state is not BookState.LIVE:
            self.tally.invalid_us += waited_us
            self.tally.crossed_us += waited_us if state is BookState.CROSSED else 0

    def _note_epoch(self, book: Book) -> None:
        now = (self._line, book.epoch)
        if now != self._epochs:
            self._epochs = now
            self._epoch += 1

    def build(self, header: Header, now_us: int) -> BookBatch:
        """Make the record of the book as it stands."""
        book, bands = self._published()
        state = self.state
        self._account(now_us, state)
        self._dirty_us = 0
        if book is None:
            about: dict[str, Any] = _NOTHING
        else:
            self._note_epoch(book)
            about = {
                "event_time_us": book.event_time_us,
                "update_id": book.last_id,
                "bids": book.bids.top(TOP_LEVELS),
                "asks": book.asks.top(TOP_LEVELS),
                "bid_levels": len(book.bids.keys),
                "ask_levels": len(book.asks.keys),
            }
        top_epoch, tops = self._tops.drain()
        return BookBatch(
            **header,
            **about,
            tick=self.instrument.tick,
            lot=self.instrument.lot,
            stream=self.stream,
            book_epoch=self._epoch,
            book_valid=book is not None,
            book_state=state,
            bands=bands,
            top_stream=self._tops.stream or self.stream,
            top_epoch=top_epoch,
            tops=tops,
        )
