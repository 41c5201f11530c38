"""Whether a minute ends a directional move, from the bars of one scope.

State: the closes of one move and the last true ranges.
"""

from processors.events.bars import prices_of
from processors.measures.true_range import TrueRanges
from processors.plain import Plain
from schemas.footprints import FootprintBar
from schemas.lineage import Status

_MINUTE_SECONDS = 60


class Moves:
    """The last bars, one a minute.

    A bar counts where it has a price: one that is partial has those of the venues that were there,
    and all of them trade at about one price. A complete bar without trades keeps the close before.
    Any other, or one that is missing, begins a move anew; of true ranges see
    `processors.measures.true_range`.

    Args:
        bars: length of a move.
        threshold: how large it must be at least, in average true ranges, as a ratio.
        ranges: bars of which the average is taken.
    """

    def __init__(self, bars: int, threshold: tuple[int, int], ranges: int) -> None:
        self._bars = bars
        self._threshold = threshold
        self._count = ranges
        self._next_us = 0
        self._closes: list[int] = []
        self._ranges = TrueRanges(_MINUTE_SECONDS, ranges)

    def take(self, bar: FootprintBar | None) -> int | None:
        """Take the bar of the next minute in; return the direction it ends a move of.

        0 without a move, None while it is not known. A move is one whose bar has a delta of the
        same sign: a rise into selling opens no longs.
        """
        if bar is None or bar.bar_start_us != self._next_us:
            self._closes = []
        if bar is None:
            return None
        self._next_us = bar.bar_end_us
        prices = prices_of(bar)
        quiet = prices is None and bar.completeness.status is Status.COMPLETE
        if prices is None and not (quiet and self._closes):
            self._closes = []
            return None
        self._ranges.take(bar.bar_start_us, prices)
        close = self._closes[-1] if prices is None else prices.close
        self._closes = [*self._closes[-self._bars :], close]
        return self._direction(bar.delta_lots)

    def _direction(self, delta: int) -> int | None:
        average = self._ranges.average(self._next_us)
        if len(self._closes) <= self._bars or average is None:
            return None
        moved = self._closes[-1] - self._closes[0]
        least, per = self._threshold
        if abs(moved) * per * average[1] < least * average[0] or moved * delta <= 0:
            return 0
        return 1 if moved > 0 else -1

    def dump(self) -> Plain:
        """Return everything as plain values for a snapshot."""
        return [self._next_us, self._closes, self._ranges.dump()]

    def load(self, state: Plain) -> None:
        """Take the values of `dump` back."""
        self._next_us, self._closes, ranges = state
        self._ranges = TrueRanges(_MINUTE_SECONDS, self._count, state=ranges)
