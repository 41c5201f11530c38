"""Whether the best price was filled up again while it was eaten (definitions 5.6, refill).

Executed at the best price over the last W seconds, over the largest size that was shown at that
price while it was the best one: only then can it be executed there. Every change of the best prices
is known, so no size is missed as it would be between two books. Two or more suggests a reload or an
iceberg.

Holds, per second of the window, the prices that traded and the best prices.
"""

from collections import deque
from collections.abc import Mapping

from processors.plain import Plain
from schemas.imbalance import Refill

Sizes = Mapping[int, int]


class Refills:
    """One side of one book, over a rolling window.

    Args:
        seconds: the window.
    """

    def __init__(self, seconds: int, state: Plain = None) -> None:
        self._window: deque[tuple[Sizes, Sizes]] = deque(maxlen=seconds)
        for executed, shown in state or []:
            self._window.append((dict(executed), dict(shown)))

    def reset(self) -> None:
        """Forget everything."""
        self._window.clear()

    def end_second(self, executed: Sizes, shown: Sizes) -> None:
        """Take the next second in.

        Args:
            executed: lots that aggressors took from this side, by price.
            shown: the largest size of each price while it was the best, by price.
        """
        self._window.append((executed, shown))

    @property
    def filled(self) -> bool:
        """Whether the window is."""
        return len(self._window) == self._window.maxlen

    def at(self, price: int) -> Refill | None:
        """Return the refill of a price; None where it was never seen as the best."""
        shown = max((shown.get(price, 0) for _, shown in self._window), default=0)
        executed = sum(executed.get(price, 0) for executed, _ in self._window)
        return Refill(price, executed / shown, executed, shown) if shown else None

    def dump(self) -> Plain:
        """Return everything as plain values for a snapshot."""
        return [[list(executed.items()), list(shown.items())] for executed, shown in self._window]
