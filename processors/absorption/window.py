"""The last seconds of one instrument, and what absorption measures in them (definitions 5.7).

A window is measured for one side: sells are absorbed at its lowest price, buys at its highest. The
band of sells is `[L, L + width)` with `width = max(row, 2 bp of L)`, that of buys its mirror image
`(H - width, H]`. Quantities are summed by price once a second, so a measurement looks at prices and
not at trades.

State: per second of the window the traded prices and the best displayed levels, a few kilobytes in
all.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from processors.plain import Plain
from processors.seconds.columns import Columns
from processors.seconds.second import BookView

BP = 10_000

Lots = Mapping[int, int]
"""Lots by price in ticks."""


class Slice(NamedTuple):
    """One second. Prices are None without trades; notionals are in ticks times lots.

    `bids` and `asks` are the largest size displayed at each of the best prices; `best` are the best
    bid prices and the best ask prices at its end, None without a book.
    """

    first: int | None
    low: int | None
    high: int | None
    sells: Lots
    buys: Lots
    sell_notional: int
    buy_notional: int
    delta: int
    bids: Lots
    asks: Lots
    best: tuple[list[int], list[int]] | None


class Reading(NamedTuple):
    """What a window measures for one side; all integers, the move over `first` is in its price.

    `notional` is what the side traded in the band, `opposite` the other side there, `rate` what the
    side traded in the whole window. The event fails beyond `limit`.
    """

    extreme: int
    width: int
    limit: int
    first: int
    move: int
    notional: int
    opposite: int
    rate: int


def slice_of(columns: Columns, books: Sequence[BookView], levels: int) -> Slice:
    """Return one second of an instrument.

    Args:
        columns: of its trades.
        books: of the same second, or the newest one where none came in it.
        levels: how many best levels are remembered.
    """
    first = low = high = None
    if columns.size:
        first, low, high = columns.prices[0], columns.low, columns.high
    bought, sold = columns.aggressor_notional
    bids, asks, best = _displayed(books, levels)
    return Slice(
        first=first,
        low=low,
        high=high,
        sells=columns.traded.sells,
        buys=columns.traded.buys,
        sell_notional=sold,
        buy_notional=bought,
        delta=columns.deltas[-1],
        bids=bids,
        asks=asks,
        best=best,
    )


def _displayed(
    books: Sequence[BookView], levels: int
) -> tuple[Lots, Lots, tuple[list[int], list[int]] | None]:
    """Return the largest displayed sizes by price, and the best prices at the end."""
    bids: dict[int, int] = {}
    asks: dict[int, int] = {}
    best = None
    for book in books:
        best = None
        if not book.valid:
            continue
        ticks, lots = book.tick_factor, book.lot_factor
        for known, side in ((bids, book.bids), (asks, book.asks)):
            for price, qty in side[:levels]:
                price, qty = price * ticks, qty * lots
                if qty > known.get(price, 0):
                    known[price] = qty
        best = (
            [price * ticks for price, _ in book.bids[:levels]],
            [price * ticks for price, _ in book.asks[:levels]],
        )
    return bids, asks, best


class Window:
    """The last seconds of one instrument without a break.

    Args:
        seconds: how many.
        row_ticks: the height of a footprint row.
        width_bp: least width of the band in basis points of its price.
    """

    def __init__(self, seconds: int, row_ticks: int, width_bp: int) -> None:
        self._slices: deque[Slice] = deque(maxlen=seconds)
        self._row_ticks = row_ticks
        self._width_bp = width_bp

    def push(self, one: Slice) -> None:
        """Take the next second in."""
        self._slices.append(one)

    def clear(self) -> None:
        """Begin anew after a break."""
        self._slices.clear()

    @property
    def full(self) -> bool:
        """Whether every second of the window is there."""
        return len(self._slices) == self._slices.maxlen

    @property
    def last(self) -> Slice:
        """The newest second."""
        return self._slices[-1]

    def rate(self, side: int) -> int:
        """Return what a side (1 buy, -1 sell) traded in the window, in ticks times lots."""
        if side < 0:
            return sum([one.sell_notional for one in self._slices])
        return sum([one.buy_notional for one in self._slices])

    def delta(self) -> int:
        """Return buy less sell lots in the window."""
        return sum([one.delta for one in self._slices])

    def read(self, side: int) -> Reading | None:
        """Measure the window for the side that may be absorbed; None where nothing traded."""
        extremes = [
            price
            for one in self._slices
            if (price := one.low if side < 0 else one.high) is not None
        ]
        if not extremes:
            return None
        first = next(one.first for one in self._slices if one.first is not None)
        extreme = min(extremes) if side < 0 else max(extremes)
        scaled = max(self._row_ticks * BP, self._width_bp * extreme)
        width = -(-scaled // BP)
        own, opposite = self._in_band(side, extreme, width)
        return Reading(
            extreme=extreme,
            width=width,
            limit=extreme + side * (scaled // BP),
            first=first,
            move=max(0, (extreme - first) * side),
            notional=own,
            opposite=opposite,
            rate=self.rate(side),
        )

    def _in_band(self, side: int, extreme: int, width: int) -> tuple[int, int]:
        """Return what the side and the other traded in the band, in ticks times lots."""
        low, end = band_of(side, extreme, width)
        sells = buys = 0
        for one in self._slices:
            if one.low is None or one.high is None or one.high < low or one.low >= end:
                continue
            if one.low >= low and one.high < end:
                sells += one.sell_notional
                buys += one.buy_notional
            else:
                sells += _within(one.sells, low, end)
                buys += _within(one.buys, low, end)
        return (sells, buys) if side < 0 else (buys, sells)

    def refill(self, side: int, price: int) -> tuple[int, int]:
        """Return what traded at a price, and the largest size displayed there, in lots."""
        passive = [one.bids if side < 0 else one.asks for one in self._slices]
        aggressive = [one.sells if side < 0 else one.buys for one in self._slices]
        executed = sum([lots.get(price, 0) for lots in aggressive])
        return executed, max([lots.get(price, 0) for lots in passive], default=0)

    def depth(self, side: int, price: int) -> int | None:
        """Return which of the best prices it is now, 1 the best; 0 beyond, None without a book."""
        best = self._slices[-1].best
        if best is None:
            return None
        prices = best[0] if side < 0 else best[1]
        return prices.index(price) + 1 if price in prices else 0

    # --- state

    def dump(self) -> Plain:
        """Return everything as plain values."""
        return [
            [*one[:3], *map(_rows, one[3:5]), *one[5:8], *map(_rows, one[8:10]), one.best]
            for one in self._slices
        ]

    def load(self, state: Plain) -> None:
        """Take the values of `dump` back."""
        for one in state:
            first, low, high, sells, buys, sold, bought, delta, bids, asks, best = one
            best = None if best is None else (best[0], best[1])
            traded = (first, low, high, dict(sells), dict(buys), sold, bought, delta)
            self._slices.append(Slice(*traded, dict(bids), dict(asks), best))


def band_of(side: int, extreme: int, width: int) -> tuple[int, int]:
    """Return the band `[low, end)` of a side whose extreme is in it."""
    return (extreme, extreme + width) if side < 0 else (extreme - width + 1, extreme + 1)


def _within(lots: Lots, low: int, end: int) -> int:
    return sum([price * qty for price, qty in lots.items() if low <= price < end])


def _rows(lots: Lots) -> Iterable[tuple[int, int]]:
    return sorted(lots.items())
