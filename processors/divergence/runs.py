"""Complete one-minute bars in a row, of each instrument and aggregate, and of several together.

A measure over venues is taken over those alone that were there in all of its bars (definitions 5.0,
constant composition). A break ends an instrument's run; another composition ends an aggregate's.
"""

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from processors.events.bars import key_of, whole
from processors.events.writer import scope_name
from processors.plain import Plain
from schemas.footprints import FootprintBar


class Bar(NamedTuple):
    """What divergence looks at in one bar.

    `most` and `least` are the extremes of the path of its delta, which begins at 0. Of several
    instruments together they are None: the path of a sum is not known from the paths.
    """

    start_us: int
    end_us: int
    high: int
    low: int
    delta: int
    most: int | None = None
    least: int | None = None


class Runs:
    """The newest bars of every instrument and aggregate without a break.

    Args:
        most: how many are kept.
        span: how many of them a measure reaches back at most.
    """

    def __init__(self, most: int, span: int) -> None:
        self._most = most
        self._span = span
        self._runs: dict[str, deque[Bar]] = {}
        self._venues: dict[str, list[str]] = {}

    def add(self, bar: FootprintBar) -> None:
        """Take the next bar of a scope in; one that is not complete ends the run.

        A bar without trades has the price before it, and no delta.
        """
        name = scope_name(key_of(bar))
        high = bar.ref_close_ticks if bar.high_ticks is None else bar.high_ticks
        low = bar.ref_close_ticks if bar.low_ticks is None else bar.low_ticks
        if not whole(bar) or high is None or low is None:
            self._runs.pop(name, None)
            return
        venues = bar.completeness.venues_complete
        run = self._runs.setdefault(name, deque(maxlen=self._most))
        if run and (run[-1].end_us != bar.bar_start_us or self._venues[name] != venues):
            run.clear()
        self._venues[name] = venues
        path = (bar.delta_max_lots or 0, bar.delta_min_lots or 0)
        run.append(Bar(bar.bar_start_us, bar.bar_end_us, high, low, bar.delta_lots, *path))

    def own(self, name: str, end_us: int) -> tuple[list[str], list[Bar]]:
        """Return the bars of one scope by themselves, and the instruments behind all of them.

        Nobody and nothing where it has no newest bar, or an instrument has none beside each.

        Args:
            name: of the instrument or aggregate.
            end_us: of the newest bar.
        """
        if not self._length(name, end_us):
            return [], []
        names = self._venues[name]
        length = min((self._length(one, end_us) for one in names), default=0)
        return (names, list(self._runs[name])[-length:]) if length else ([], [])

    def common(self, names: Sequence[str], end_us: int) -> list[str]:
        """Return who was there as long as the one with the longest run, or for a whole span.

        A bar less is as long: of streams that begin together one may have its first minute whole.

        Args:
            names: of the instruments of a scope.
            end_us: of the newest bar.
        """
        lengths = {name: self._length(name, end_us) for name in names}
        enough = min(self._span, max(lengths.values(), default=0) - 1)
        return sorted(name for name, length in lengths.items() if length >= max(1, enough))

    def _length(self, name: str, end_us: int) -> int:
        """Return how many bars in a row there are up to a time."""
        run = self._runs.get(name)
        return len(run) if run and run[-1].end_us == end_us else 0

    def joined(self, names: Sequence[str]) -> list[Bar]:
        """Return the bars that all of these instruments have, as one."""
        runs = [self._runs[name] for name in names]
        length = min(len(run) for run in runs)
        columns = zip(*(list(run)[-length:] for run in runs), strict=True)
        return [join(bars) for bars in columns]

    def newest(self, names: Sequence[str], start_us: int) -> Bar | None:
        """Return the bar with this start over all of these, None if any of them was not there."""
        bars = []
        for name in names:
            run = self._runs.get(name)
            if not run or run[-1].start_us != start_us:
                return None
            bars.append(run[-1])
        return join(bars)

    # --- state

    def dump(self) -> Plain:
        """Return everything as plain values."""
        return [[name, self._venues[name], list(run)] for name, run in self._runs.items()]

    def load(self, state: Plain) -> None:
        """Take the values of `dump` back."""
        for name, venues, run in state:
            self._venues[name] = venues
            self._runs[name] = deque((Bar(*bar) for bar in run), maxlen=self._most)


def join(bars: Sequence[Bar]) -> Bar:
    """Return one bar for the bars of several instruments over the same time."""
    if len(bars) == 1:
        return bars[0]
    return Bar(
        bars[0].start_us,
        bars[0].end_us,
        max([bar.high for bar in bars]),
        min([bar.low for bar in bars]),
        sum([bar.delta for bar in bars]),
    )
