"""The bars of one scope under one rule, one after the other (definitions 5.1)."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable
from itertools import accumulate
from operator import add, sub
from typing import NamedTuple

from processors.bars_by_trade.attendance import Total, Totals
from processors.bars_by_trade.pieces import DELTA, LOTS, NOTIONAL, TRADES, Piece, Pieces
from processors.bars_by_trade.spec import BarSpec
from processors.path import Path
from processors.plain import Plain
from processors.scopes import ScopeKey
from schemas.bars import BarClose, BarRule

MOST_BARS_OF_ONE_TRADE = 1000
"""A single trade that would be cut into more leaves the rest whole in the last of them."""


class TapeBar:
    """One bar while it is open, and as it was closed.

    `before` are the totals of attendance before the second that it began in.
    """

    __slots__ = (
        "before", "close", "closed_by", "end_us", "first_us", "index", "last_us", "open", "path",
        "start_us", "sums",
    )  # fmt: skip

    def __init__(self, index: int, start_us: int, before: Totals) -> None:
        self.index = index
        self.start_us = self.end_us = start_us
        self.before = before
        self.closed_by = BarClose.OPEN
        self.sums: tuple[int, ...] = (0,) * 9
        self.path = Path()
        self.open = self.close = self.first_us = self.last_us = 0

    @property
    def empty(self) -> bool:
        """Whether nothing traded in it."""
        return self.path.high is None

    def add(self, piece: Piece) -> None:
        """Append trades."""
        if self.path.high is None:
            self.open, self.first_us = piece.open, piece.first_us
        self.sums = tuple(map(add, self.sums, piece.sums))
        self.path = self.path.then(piece.path)
        self.close, self.last_us = piece.close, piece.last_us

    def dump(self, names: list[str]) -> Plain:
        """Return it as plain values, with the totals of these instruments only."""
        before = {name: self.before[name] for name in names if name in self.before}
        edges = [self.open, self.close, self.first_us, self.last_us]
        return [self.index, self.start_us, before, self.sums, self.path, edges]

    @staticmethod
    def load(values: Plain) -> "TapeBar":
        """Return a bar from plain values."""
        index, start_us, before, sums, path, edges = values
        bar = TapeBar(index, start_us, {name: Total(*total) for name, total in before.items()})
        bar.sums, bar.path = tuple(sums), Path.load(path)
        bar.open, bar.close, bar.first_us, bar.last_us = edges
        return bar


class Rest(NamedTuple):
    """The trades of a block `[.., end)` from the first that is in no bar yet; at least one."""

    pieces: Pieces
    start: int
    end: int


Fit = Callable[[TapeBar, Rest, int], tuple[int, bool]]
"""Of a bar, trades and the threshold: the end of those that go into the bar, and whether it is
closed then."""


class Series:
    """Makes bars of the trades of a day.

    Holds one open bar. A rule is asked once for every bar that closes and once for every block of
    trades, not for every trade.

    Args:
        key: the scope.
        spec: the rule.
        limit: its threshold on the asset's grid.
        bar: the open one.
    """

    def __init__(self, key: ScopeKey, spec: BarSpec, limit: int, bar: TapeBar) -> None:
        self.key = key
        self.spec = spec
        self.limit = limit
        self.bar = bar
        self.changed = False
        self._fit = _FITS[spec.rule]

    def take(self, pieces: Pieces, before: Totals) -> list[TapeBar]:
        """Take trades in; return the bars that they close.

        Args:
            pieces: the trades.
            before: totals of attendance before their second.
        """
        closed: list[TapeBar] = []
        self.changed = True
        times = pieces.columns.times
        for start, last in pieces.blocks():
            while start < last:
                end, closes = self._fit(self.bar, Rest(pieces, start, last), self.limit)
                if not closes:
                    self.bar.add(pieces.piece(start, end))
                elif self.spec.split:
                    closed += self._cut(pieces, start, end, before)
                else:
                    if end > start:
                        self.bar.add(pieces.piece(start, end))
                    # A range bar ends with the trade that opens the next one, others with their
                    # last.
                    closing = end if self.spec.rule is BarRule.RANGE else end - 1
                    closed.append(self._close(times[closing], before))
                start = end
        return closed

    def _close(self, end_us: int, before: Totals) -> TapeBar:
        bar = self.bar
        bar.end_us, bar.closed_by = end_us, BarClose.THRESHOLD
        self.bar = TapeBar(bar.index + 1, end_us, before)
        return bar

    def _cut(self, pieces: Pieces, start: int, end: int, before: Totals) -> list[TapeBar]:
        """Close bars exactly at the threshold with the last of these trades; keep the rest."""
        last, time_us = end - 1, pieces.columns.times[end - 1]
        if last > start:
            self.bar.add(pieces.piece(start, last))
        rest = pieces.columns.qtys[last]
        need = self.limit - self.bar.sums[LOTS]
        closed: list[TapeBar] = []
        while rest >= need:
            whole = len(closed) + 1 == MOST_BARS_OF_ONE_TRADE
            lots = rest if whole else need
            self.bar.add(pieces.part(last, lots, begins=not closed))
            closed.append(self._close(time_us, before))
            rest, need = rest - lots, self.limit
        if rest:
            self.bar.add(pieces.part(last, rest, begins=False))
        return closed

    def end(self, end_us: int) -> TapeBar | None:
        """Close the open bar because the day is over; None where nothing traded in it."""
        bar = self.bar
        bar.end_us, bar.closed_by = end_us, BarClose.DAY
        return None if bar.empty else bar


def _tick(bar: TapeBar, rest: Rest, limit: int) -> tuple[int, bool]:
    end = rest.start + limit - bar.sums[TRADES]
    return min(end, rest.end), end <= rest.end


def _volume(bar: TapeBar, rest: Rest, limit: int) -> tuple[int, bool]:
    return _reach(rest, rest.pieces.columns.lots, limit - bar.sums[LOTS])


def _notional(bar: TapeBar, rest: Rest, limit: int) -> tuple[int, bool]:
    return _reach(rest, rest.pieces.columns.notionals, limit - bar.sums[NOTIONAL])


def _reach(rest: Rest, cumulative: list[int], need: int) -> tuple[int, bool]:
    """Find the first trade with which so much more has traded; it is inside."""
    _, start, last = rest
    if cumulative[last] - cumulative[start] < need:
        return last, False
    return bisect_left(cumulative, cumulative[start] + need, start + 1, last), True


def _range(bar: TapeBar, rest: Rest, limit: int) -> tuple[int, bool]:
    """Find the first trade that high less low exceeds the limit with; it is outside."""
    pieces, start, last = rest
    path = bar.path.then(pieces.piece(start, last).path)
    if path.high is None or path.low is None or path.high - path.low <= limit:
        return last, False
    prices = pieces.columns.prices[start:last]
    high = prices[0] if bar.path.high is None else bar.path.high
    low = prices[0] if bar.path.low is None else bar.path.low
    highs = accumulate(prices, max, initial=high)
    lows = accumulate(prices, min, initial=low)
    fits = bisect_right(list(map(sub, highs, lows)), limit) - 1  # it only grows
    return start + fits, fits < len(prices)


def _delta(bar: TapeBar, rest: Rest, limit: int) -> tuple[int, bool]:
    """Find the first trade with which the delta is as far from zero; it is inside."""
    pieces, start, last = rest
    path = pieces.piece(start, last).path
    delta = bar.sums[DELTA]
    if -limit < delta + path.lowest and delta + path.highest < limit:
        return last, False
    deltas = pieces.columns.deltas
    offset = delta - deltas[start]
    for end in range(start + 1, last):
        if abs(deltas[end] + offset) >= limit:
            return end, True
    return last, True


_FITS: dict[BarRule, Fit] = {
    BarRule.TICK: _tick,
    BarRule.VOLUME: _volume,
    BarRule.NOTIONAL: _notional,
    BarRule.RANGE: _range,
    BarRule.DELTA: _delta,
}
