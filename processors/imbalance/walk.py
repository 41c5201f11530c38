"""From one book to the next within a second: how long each stood, what fell, what flowed.

A book record holds until the next one. In a whole second a valid book stood from its beginning to
its end and all its books are of one epoch, so each may be compared with the one before.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Collection, Sequence
from itertools import pairwise, zip_longest
from operator import itemgetter
from typing import NamedTuple

from processors.imbalance.removals import Decrease, Taken
from processors.measures.book import Levels, edge
from processors.measures.order_flow import add_rank_terms, normalised
from processors.seconds.columns import Columns
from processors.seconds.second import BookView
from processors.trades import Trade
from schemas.units import round_half_even

_LOTS = itemgetter(1)


def comparable(was: BookView, now: BookView) -> bool:
    """Say whether two records are of one book, on one grid, and both valid."""
    return (
        was.valid
        and now.valid
        and was.epoch == now.epoch
        and was.tick_factor == now.tick_factor
        and was.lot_factor == now.lot_factor
    )


def is_whole(standing: BookView | None, books: Sequence[BookView]) -> bool:
    """Say whether one book stood all the second, given what stood at its beginning."""
    return standing is not None and all(comparable(standing, book) for book in books)


def spans(
    standing: BookView | None, books: Sequence[BookView], start_us: int, end_us: int
) -> list[tuple[int, BookView]]:
    """Return for how long each valid book stood within the second."""
    found = []
    since_us = start_us
    for book in books:
        if standing is not None and standing.valid and book.time_us > since_us:
            found.append((book.time_us - since_us, standing))
        since_us, standing = max(since_us, book.time_us), book
    if standing is not None and standing.valid and end_us > since_us:
        found.append((end_us - since_us, standing))
    return found


class SideWalk(NamedTuple):
    """One side over a whole second.

    `least` holds the least size of each price that was there all the time, `reach` the best of the
    deepest prices shown (times the sign), both in the instrument's own grid; `decreases`, on the
    asset's, what fell within the width of the touch.
    """

    least: dict[int, int]
    reach: int | None
    decreases: list[Decrease]


def walk_side(
    books: Sequence[tuple[int, Levels]], sign: int, width_bp: int, factors: tuple[int, int] = (1, 1)
) -> SideWalk:
    """Follow one side from book to book.

    A price that the later book does not reach is not known to have fallen. The touch is that of the
    earlier book.

    Args:
        books: times and levels, best first, of one epoch; the first is what stood at the beginning.
        sign: `BID` or `ASK`.
        width_bp: how far from the touch a decrease counts.
        factors: how many of the asset's ticks and lots make one of the book's.

    Complexity: one lookup per level of each book that differs from the one before.
    """
    was = books[0][1]
    least = dict(was)
    reach = sign * was[-1][0] if was else None
    decreases: list[Decrease] = []
    tick, lot = factors
    for time_us, now in books[1:]:
        if now == was:
            continue
        deepest = sign * now[-1][0] if now else None
        lots_at = dict(now).get
        fallen = [(price, had, has) for price, had in was if (has := lots_at(price, 0)) < had]
        if fallen:
            _lower(least, fallen)
            nearest = edge(2 * was[0][0], sign, width_bp)
            decreases += [
                (time_us, price * tick, (had - has) * lot)
                for price, had, has in fallen
                if sign * price >= nearest and (has or deepest is None or sign * price >= deepest)
            ]
        if deepest is not None and (reach is None or deepest > reach):
            reach = deepest
        was = now
    return SideWalk(least, reach, decreases)


def _lower(least: dict[int, int], fallen: Sequence[tuple[int, int, int]]) -> None:
    """Lower the least sizes to what has fallen; a price that has nothing was not there."""
    for price, _, has in fallen:
        if not has:
            least.pop(price, None)
        elif has < least.get(price, 0):
            least[price] = has


class RankFlow(NamedTuple):
    """Order flow imbalance by rank, on the asset's grid.

    `both_sides_lots` is the size of both sides at each rank, summed over so many `books`.
    """

    lots: list[int]
    both_sides_lots: list[int]
    books: int

    @property
    def mean_depth_lots(self) -> list[int]:
        """The mean size of a side at each rank."""
        return [round_half_even(both, 2 * self.books) for both in self.both_sides_lots]

    def normalise(self, rank: int, lots: int) -> float | None:
        """Return a flow over the mean size of a side at a rank (0 is the best)."""
        return normalised(lots, self.both_sides_lots[rank], self.books)


def walk_ranks(books: Sequence[BookView], ranks: int) -> RankFlow:
    """Add the flow of each rank over successive books of one epoch (the first stood before)."""
    flow = [0] * ranks
    for was, now in pairwise(books):
        add_rank_terms(flow, (was.bids, was.asks), (now.bids, now.asks))
    sides = [side[:ranks] for book in books for side in (book.bids, book.asks)]
    shown = zip_longest(*[map(_LOTS, side) for side in sides], fillvalue=0)
    depth = [sum(lots) for lots in shown]
    depth += [0] * (ranks - len(depth))
    factor = books[0].lot_factor
    return RankFlow([lots * factor for lots in flow], [both * factor for both in depth], len(books))


def near(
    columns: Columns, bids: Collection[int], asks: Collection[int], since_us: int
) -> list[Trade]:
    """Return the trades that hit some bids or asks, and all of them from a time on, in order."""
    late = bisect_left(columns.times, since_us)
    trades = columns.trades
    at_prices = ((), asks, bids)  # by side: 0, 1 and, counted from the end, -1
    return [trade for trade in trades[:late] if trade[3] in at_prices[trade[5]]] + [*trades[late:]]


def taken(trades: Sequence[Trade]) -> tuple[Taken, Taken]:
    """Sort trades by what they hit: those that sellers made at bids, and buyers at asks."""
    hit_bids: Taken = defaultdict(list)
    hit_asks: Taken = defaultdict(list)
    for time_us, _, _, price, lots, side in trades:
        if side > 0:
            hit_asks[price].append([time_us, lots])
        elif side:
            hit_bids[price].append([time_us, lots])
    return dict(hit_bids), dict(hit_asks)
