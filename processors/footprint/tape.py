"""Trades of one bar in tape order, and the path over them, whatever order they arrive in."""

from bisect import bisect_left

from processors.path import Path
from processors.trades import Block, Trade
from schemas.units import US_PER_SECOND

UNSETTLED_US = US_PER_SECOND // 4
"""How far trades of several venues are commonly mixed as they arrive."""

MARK_TRADES = 256


class Tape:
    """Trades of one instrument, or of all of an aggregate.

    A trade that belongs before others goes in its place, and the path is followed again from the
    last mark before it. A mark is made every `MARK_TRADES` trades, not more often than trades are
    taken or the path is asked for.
    """

    __slots__ = ("_fresh", "_marks", "_path", "_trades")

    def __init__(self) -> None:
        self._trades: list[Trade] = []
        self._fresh: list[Trade] = []
        self._marks: list[tuple[int, Path]] = []
        self._path = Path()

    def take(self, block: Block) -> None:
        """Add trades; those out of order wait until the path is asked for."""
        if self._fresh or (self._trades and block.trades[0] < self._trades[-1]):
            self._fresh += block.trades
        else:
            self._follow(block)

    def path(self) -> Path:
        """Return the path over all trades so far."""
        if self._fresh:
            fresh, self._fresh = self._fresh, []
            fresh.sort()
            if self._trades and fresh[0] < self._trades[-1]:
                fresh = self._rewind(fresh[0]) + fresh
                fresh.sort()
            # The newest trades are apart: what comes next is mostly mixed with just these.
            settled = bisect_left(fresh, (fresh[-1][0] - UNSETTLED_US,))
            for piece in (fresh[:settled], fresh[settled:]):
                if piece:
                    self._follow(Block(piece))
        return self._path

    def _follow(self, block: Block) -> None:
        if len(self._trades) - (self._marks[-1][0] if self._marks else 0) >= MARK_TRADES:
            self._marks.append((len(self._trades), self._path))
        self._path = self._path.then(block.path())
        self._trades += block.trades

    def _rewind(self, trade: Trade) -> list[Trade]:
        """Go back to the last mark before a trade; return the trades after that mark."""
        place = bisect_left(self._trades, trade)
        while self._marks and self._marks[-1][0] > place:
            self._marks.pop()
        start, self._path = self._marks[-1] if self._marks else (0, Path())
        later = self._trades[start:]
        del self._trades[start:]
        return later
