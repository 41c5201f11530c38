"""Order flow at the best prices, over record borders and seconds (definitions 5.6, 8).

Every change of the best prices rides in book records, and gives one term with the change before it
while both are of one epoch. A change counts in the second of the record that brings it, which may
be 100 ms after the change itself: a second that is closed is not opened again, and so every term is
counted once. A second is valid where its stream was there all the time, a best price was known at
its beginning, and no change in it lacked the one before. Best prices that are those of the book are
not known while it is invalid.

Holds the last change.
"""

from collections.abc import Sequence
from typing import NamedTuple

from processors.measures.order_flow import terms
from processors.plain import Plain
from processors.seconds.second import BookView
from schemas.books import TopChange

PARTS = 10
_PART_US = 100_000

_Epoch = tuple[str, int, int, int]
Shown = dict[int, int]


class BestFlow(NamedTuple):
    """One valid second, on the asset's grid.

    `parts` are the sums of its 100 ms by the time of the change, the first with what came from
    before. `bids` and `asks` hold the largest size of each price while it was the best.
    """

    lots: int
    parts: list[int]
    bids: Shown
    asks: Shown


class BestPrices:
    """The best prices of one instrument."""

    def __init__(self, state: Plain = None) -> None:
        last, epoch = state or (None, None)
        self._last: TopChange | None = None if last is None else _change(last)
        self._epoch: _Epoch | None = None if epoch is None else tuple(epoch)

    def reset(self) -> None:
        """Forget the last change: what follows is not to be compared with it."""
        self._last = self._epoch = None

    def end_second(self, start_us: int, books: Sequence[BookView]) -> BestFlow | None:
        """Take a second in whose stream was there all the time; None where it is not valid."""
        lost = [n for n, book in enumerate(books, 1) if book.tops_of_book and not book.valid]
        if lost:
            self.reset()
            self._begin(books[lost[-1] :])
            return None
        if not self._begin(books) or self._last is None or self._epoch is None:
            return None
        changes = [change for book in books for change in book.tops]
        bids, asks = _shown(self._last, changes)
        found = terms(self._last, changes)
        parts = [0] * PARTS
        for change, term in zip(changes, found, strict=True):
            parts[min(max((change[0] - start_us) // _PART_US, 0), PARTS - 1)] += term
        if changes:
            self._last = changes[-1]
        tick, lot = self._epoch[2:]
        return BestFlow(
            sum(found) * lot,
            [part * lot for part in parts],
            {price * tick: lots * lot for price, lots in bids.items()},
            {price * tick: lots * lot for price, lots in asks.items()},
        )

    def _begin(self, books: Sequence[BookView]) -> bool:
        """Say whether every change has the one before it; if not, begin anew with the last."""
        epochs = [
            (*book.top_epoch, book.tick_factor, book.lot_factor) for book in books if book.tops
        ]
        if all(epoch == self._epoch for epoch in epochs):
            return True
        self._epoch = epochs[-1]
        self._last = [book.tops[-1] for book in books if book.tops][-1]
        return False

    def dump(self) -> Plain:
        """Return everything as plain values for a snapshot."""
        return [self._last, self._epoch]


def _shown(last: TopChange, changes: Sequence[TopChange]) -> tuple[Shown, Shown]:
    """Return the largest size of each best price, an empty side under price 0."""
    _, bid, bid_lots, ask, ask_lots = last
    bids, asks = {bid: bid_lots}, {ask: ask_lots}
    for _, bid, bid_lots, ask, ask_lots in changes:
        if bid_lots > bids.get(bid, 0):
            bids[bid] = bid_lots
        if ask_lots > asks.get(ask, 0):
            asks[ask] = ask_lots
    return bids, asks


def _change(values: Plain) -> TopChange:
    time_us, bid, bid_lots, ask, ask_lots = values
    return time_us, bid, bid_lots, ask, ask_lots
