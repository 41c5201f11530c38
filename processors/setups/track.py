"""The bars of one instrument and interval that the rules of setups look back at.

Bars follow one another and are complete: a hole drops them. Deltas, whose percentile needs hours,
are those of the newest complete bars, whether or not there was a hole between them.

State: 61 bars and 241 deltas, about 6 kB.
"""

from collections import deque

from processors.measures.levels import Level, LevelKind
from processors.measures.pivots import LEFT, RIGHT, is_pivot
from processors.plain import Plain
from processors.setups.candle import Candle
from processors.setups.params import SetupParams


class Track:
    """One instrument's bars of one interval.

    Args:
        name: of the instrument, in the names of its pivots.
        params: how many bars are held.
    """

    def __init__(self, name: str, params: SetupParams) -> None:
        self._name, self._params = name, params
        self._candles: deque[Candle] = deque(maxlen=params.held_bars)
        self._deltas: deque[int] = deque(maxlen=params.delta_bars + 1)
        self._pivots: dict[int, Level] = {}

    def add(self, candle: Candle) -> None:
        """Take the next complete bar in."""
        self._candles.append(candle)
        self._deltas.append(candle.delta)
        bars = list(self._candles)[-(LEFT + RIGHT + 1) :]
        for sign, prices in ((1, [bar.high for bar in bars]), (-1, [bar.low for bar in bars])):
            if is_pivot(prices, LEFT, sign):
                price, start_us = prices[LEFT], bars[LEFT].start_us
                name = f"{self._name}:{start_us}"
                self._pivots[sign] = Level(
                    LevelKind.PIVOT, price, price + 1, candle.end_us, f"pivot:{name}"
                )

    def drop(self) -> None:
        """Forget the bars in a row after a hole."""
        self._candles.clear()
        self._pivots.clear()

    @property
    def pivots(self) -> list[Level]:
        """The newest confirmed pivots, at most one high and one low."""
        return [self._pivots[sign] for sign in sorted(self._pivots)]

    def pivot(self, sign: int) -> Level | None:
        """Return the newest confirmed pivot high (1) or low (-1)."""
        return self._pivots.get(sign)

    def candles(self, count: int, sign: int) -> list[Candle] | None:
        """Return the newest bars as a long or a short sees them, None where they are too few."""
        if len(self._candles) < count:
            return None
        return [bar.mirrored(sign) for bar in list(self._candles)[-count:]]

    def delta_percentile(self, sign: int) -> int | None:
        """Return the percentile of the deltas before the newest bar, by nearest rank."""
        count = self._params.delta_bars
        if len(self._deltas) <= count:
            return None
        ordered = sorted([sign * delta for delta in list(self._deltas)[:-1]])
        share, whole = self._params.delta_share
        return ordered[-(-share * count // whole) - 1]

    # --- state

    def dump(self) -> Plain:
        """Return everything as plain values."""
        pivots = [[sign, *level] for sign, level in sorted(self._pivots.items())]
        return [list(self._candles), list(self._deltas), pivots]

    def load(self, state: Plain) -> None:
        """Take the values of `dump` back."""
        candles, deltas, pivots = state
        self._candles.extend(Candle(*candle) for candle in candles)
        self._deltas.extend(deltas)
        for sign, kind, *rest in pivots:
            self._pivots[sign] = Level(LevelKind(kind), *rest)


def true_ranges(candles: list[Candle], count: int) -> int:
    """Return the sum of the true ranges of the last so many bars; one more is before them."""
    total = 0
    for before, bar in zip(candles[-count - 1 : -1], candles[-count:], strict=True):
        total += max(bar.high, before.close) - min(bar.low, before.close)
    return total
