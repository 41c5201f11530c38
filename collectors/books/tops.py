"""Every change of an instrument's best prices, in order, as order flow imbalance needs them."""

from collections.abc import Sequence

from collectors.books.book import Book
from collectors.books.levels import MOST_LOTS
from collectors.grid import Steps, shown
from collectors.messages import Level, Top
from schemas.books import TopChange
from schemas.instruments import Instrument

MAX_OLDER = 20
"""So many older ones in a row are no repetition: the venue's ids have begun anew."""

FULL = 250
"""So many changes are sent without waiting for the 100 ms to pass."""


class Tops:
    """The changes since the last record.

    Attributes:
        stream: the venue's name of its stream of best prices, "" where there is none.
        epoch: counts the times that a change may have been missed.
    """

    def __init__(self, instrument: Instrument, stream: str, prices: Steps) -> None:
        self.stream = stream
        self.epoch = 0
        self._prices = prices
        self._lots_per_unit = 1 / float(instrument.venue_lot)
        self._last: tuple[int, int, int, int] | None = None
        self._last_id = 0
        self._last_us = 0
        self._older = 0
        self._book_epoch = -1
        self._waiting: list[TopChange] = []

    @property
    def has_stream(self) -> bool:
        """Whether the venue has a stream of best prices."""
        return bool(self.stream)

    @property
    def full(self) -> bool:
        """Whether what waits should be sent at once."""
        return len(self._waiting) >= FULL

    def interrupt(self) -> None:
        """Note that changes may be missed from here on."""
        if self._last is not None:
            self._last = None
            self._last_id = self._last_us = 0

    def take(self, top: Top, receive_us: int) -> bool:
        """Take best prices of the venue's stream in; return whether they are new and changed."""
        newer = top.update_id >= self._last_id and top.event_time_us >= self._last_us
        self._older = 0 if newer else self._older + 1
        if not newer and self._older < MAX_OLDER:
            return False
        if not newer:
            self.interrupt()
        try:
            now = (*self._level(top.bid), *self._level(top.ask))
        except ValueError:
            self.interrupt()  # the parser checks shapes; this is a price off the grid
            return False
        self._last_id, self._last_us = top.update_id, top.event_time_us
        return self._put(top.event_time_us or receive_us, now)

    def observe(self, book: Book, receive_us: int) -> bool:
        """Take the best prices of a valid book; return whether they changed."""
        if book.epoch != self._book_epoch:
            self._book_epoch = book.epoch
            self.interrupt()
        now = (*(book.bids.best or (0, 0)), *(book.asks.best or (0, 0)))
        return self._put(book.event_time_us or receive_us, now)

    def _put(self, time_us: int, now: Sequence[int]) -> bool:
        bid, bid_lots, ask, ask_lots = now
        if (bid, bid_lots, ask, ask_lots) == self._last:
            return False
        if self._last is None:
            self.epoch += 1
            self._waiting.clear()  # of the epoch before; a record is of one
        self._last = (bid, bid_lots, ask, ask_lots)
        self._waiting.append((time_us, bid, bid_lots, ask, ask_lots))
        return True

    def _level(self, level: Level | None) -> tuple[int, int]:
        if level is None:
            return 0, 0
        if not 0 < level[1] <= MOST_LOTS / self._lots_per_unit:
            raise ValueError(f"no quantity: {shown(level[1])}")
        return self._prices[level[0]], int(level[1] * self._lots_per_unit + 0.5) or 1

    def drain(self) -> tuple[int, list[TopChange]]:
        """Return the epoch and the changes since the last call."""
        waiting, self._waiting = self._waiting, []
        return self.epoch, waiting
