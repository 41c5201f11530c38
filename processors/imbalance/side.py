"""What is remembered of one side of one instrument's book."""

from collections.abc import Sequence
from itertools import chain

from processors.imbalance.params import BookParams
from processors.imbalance.persistence import Persistence
from processors.imbalance.refills import Refills, Sizes
from processors.imbalance.removals import Decrease, Removals, Taken
from processors.imbalance.walk import walk_side
from processors.measures.book import Levels
from processors.plain import Plain
from schemas.imbalance import Pull


class Side:
    """Persistence, removals and refills of one side.

    Each goes over seconds without a break, and begins anew after one. Persistence is on the
    instrument's own grid, the others, which meet trades, on the asset's.

    Args:
        sign: `BID` or `ASK`.
        params: the windows.
    """

    def __init__(self, sign: int, params: BookParams, state: Plain = None) -> None:
        persistence, removals, refills = state or (None, None, None)
        self._sign = sign
        self._width_bp = params.pull_width_bp
        self.persistence = Persistence(sign, params.persistence_seconds, persistence)
        self._removals = Removals(params.pull_seconds, params.time_tol_ms * 1000, removals)
        self.refills = Refills(params.refill_seconds, refills)

    def reset(self) -> None:
        """Forget everything."""
        self.reset_books()
        self.refills.reset()

    def reset_books(self) -> None:
        """Forget what books showed."""
        self.persistence.reset()
        self._removals.reset()

    def take_books(
        self, number: int, books: Sequence[tuple[int, Levels]], factors: tuple[int, int]
    ) -> list[Decrease]:
        """Take the books of a whole second in; return what fell, for `take_hits`.

        Args:
            number: of the second.
            books: times and levels; the first is what stood at its beginning.
            factors: how many of the asset's ticks and lots make one of the book's.
        """
        walk = walk_side(books, self._sign, self._width_bp, factors)
        self.persistence.end_second(number, walk.least, walk.reach)
        return walk.decreases

    def prices(self, decreases: Sequence[Decrease]) -> set[int]:
        """Return the prices whose trades may explain a decrease, of this second or the last."""
        return {price for _, price, _ in chain(decreases, self._removals.waiting)}

    def take_hits(self, end_us: int, decreases: Sequence[Decrease], hits: Taken | None) -> None:
        """Set what fell in a second against what aggressors took from this side.

        Args:
            end_us: the second's end.
            decreases: of its books.
            hits: of `prices`, and all of the last two tolerances; None where some are not known.
        """
        if hits is None:
            self._removals.reset()
        else:
            self._removals.end_second(end_us, decreases, hits)

    def take_best(self, executed: Sizes | None, shown: Sizes | None) -> None:
        """Take a second's volume by price and its best prices in, None where not all are known."""
        if executed is None or shown is None:
            self.refills.reset()
        else:
            self.refills.end_second(executed, shown)

    def pull(self) -> Pull | None:
        """Return the pull ratio; None until its window is filled."""
        sums = self._removals.sums()
        if sums is None:
            return None
        removed, traded = sums
        return Pull((removed - traded) / removed if removed else None, removed, traded)

    def dump(self) -> Plain:
        """Return everything as plain values for a snapshot."""
        return [self.persistence.dump(), self._removals.dump(), self.refills.dump()]
