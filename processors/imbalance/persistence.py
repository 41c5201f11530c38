"""Since when each level of one side of a book has had at least the size it has (definitions 5.6).

The least size of a price over the last n seconds, as a function of n, is a staircase that falls
with n. It is kept per price as pairs `(first second, size)`, sizes rising: the last pair that
begins at or before the window has its least size. A second is one step of it: the least size that
any of its books showed, that which stood at its beginning among them.

A price that lies deeper than a book shows is not known there: it is not 0. Such prices are left out
of a window, on both sides of the share.

Holds one staircase per shown level, of at most one pair per second of the longest window, mostly of
one to three.
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from processors.measures.book import Levels
from processors.plain import Plain

Stairs = list[tuple[int, int]]


class Rested(NamedTuple):
    """Weighted sizes over one window: what has rested, what there is, what is known of all."""

    rested: float
    current: float
    total: float


class Persistence:
    """One side of one book.

    Args:
        sign: `BID` or `ASK`; a price times it is the greater, the better.
        windows: in seconds, rising.
    """

    def __init__(self, sign: int, windows: Sequence[int], state: Plain = None) -> None:
        self._sign = sign
        self._windows = windows
        self._last: int
        stairs, reaches, self._last = state or ([], [], 0)
        self._stairs: dict[int, Stairs] = {
            price: [(first, size) for first, size in steps] for price, steps in stairs
        }
        self._reaches: deque[int | None] = deque(reaches, maxlen=windows[-1])

    def reset(self) -> None:
        """Forget everything: what follows is not to be compared with what was."""
        self._stairs.clear()
        self._reaches.clear()

    def end_second(self, number: int, least: Mapping[int, int], reach: int | None) -> None:
        """Take the next second in.

        Args:
            number: one more than that of the second before.
            least: the least size of each price that was there all the second.
            reach: the best of the deepest prices that its books showed, times the sign; None where
                no level was shown, which hides none.
        """
        self._last = number
        oldest = number - self._windows[-1] + 1
        before, self._stairs = self._stairs, {}
        for price, size in least.items():
            steps = before.get(price)
            if steps is None:
                steps = [(number, size)]
            elif steps[-1][1] != size:
                first = number
                while steps and steps[-1][1] >= size:
                    first = steps.pop()[0]
                steps.append((first, size))
            while len(steps) > 1 and steps[1][0] <= oldest:
                del steps[0]
            self._stairs[price] = steps
        self._reaches.append(reach)

    def rested(self, levels: Levels, weights: Sequence[float]) -> list[Rested | None]:
        """Return the weighted sizes over each window that ends with the last second.

        None for a window that is longer than what has been taken in.

        Args:
            levels: those at its end, best first.
            weights: of the levels.
        """
        filled = [window for window in self._windows if window <= len(self._reaches)]
        known = [self._known(window, levels) for window in filled]
        firsts = [self._last - window + 1 for window in filled]
        rested = self._rest(levels, weights, known, firsts)
        sizes = [weight * lots for weight, (_, lots) in zip(weights, levels, strict=True)]
        found: list[Rested | None] = [
            Rested(rest, sum(sizes[:count]), sum(sizes))
            for rest, count in zip(rested, known, strict=True)
        ]
        return found + [None] * (len(self._windows) - len(filled))

    def _rest(
        self, levels: Levels, weights: Sequence[float], known: list[int], firsts: list[int]
    ) -> list[float]:
        """Return the weighted least sizes since each of some seconds, latest first.

        Complexity: per level, its stairs and the windows at most once each.
        """
        rested = [0.0] * len(firsts)
        get = self._stairs.get
        places = range(len(firsts))
        for index, (price, _) in enumerate(levels):
            steps = get(price)
            if steps is None:
                continue
            step = len(steps) - 1
            begins, size = steps[step]
            for place in places:
                first = firsts[place]
                while begins > first and step:
                    step -= 1
                    begins, size = steps[step]
                if begins > first:
                    break
                if index < known[place]:
                    rested[place] += weights[index] * size
        return rested

    def _known(self, window: int, levels: Levels) -> int:
        """Return how many of the levels every book of the window reaches."""
        reaches = [one for one in list(self._reaches)[-window:] if one is not None]
        if not reaches:
            return len(levels)
        worst = -max(reaches)
        return bisect_right(levels, worst, key=lambda level: -self._sign * level[0])

    def dump(self) -> Plain:
        """Return everything as plain values for a snapshot."""
        return [list(self._stairs.items()), list(self._reaches), self._last]
