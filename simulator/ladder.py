"""Price levels of one book: kept sorted, never crossed by whoever uses them right."""

from bisect import bisect_left, insort

from simulator.model import Levels, SimBookUpdate


class Ladder:
    """One side of a book.

    Complexity: best price O(1), change of a level O(log n) and a move of at most n references.

    Args:
        bids: whether high prices are the good ones.
    """

    def __init__(self, *, bids: bool) -> None:
        self._sign = 1 if bids else -1
        self._ranks: list[int] = []
        """Signed prices in rising order, the best one last."""
        self._lots: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._ranks)

    def best(self) -> tuple[int, int]:
        """Return price and quantity of the best level; the ladder must not be empty."""
        return self.level(0)

    def level(self, number: int) -> tuple[int, int]:
        """Return price and quantity of a level, counted from the best one."""
        rank = self._ranks[-1 - number]
        return rank * self._sign, self._lots[rank]

    def lots(self, price_ticks: int) -> int:
        """Return the quantity at a price, 0 where there is none."""
        return self._lots.get(price_ticks * self._sign, 0)

    def put(self, price_ticks: int, lots: int) -> None:
        """Set the quantity at a price, 0 takes the level away."""
        rank = price_ticks * self._sign
        before = self._lots.get(rank, 0)
        if lots == before:
            return
        if not lots:
            del self._lots[rank]
            del self._ranks[bisect_left(self._ranks, rank)]
            return
        if not before:
            insort(self._ranks, rank)
        self._lots[rank] = lots

    def retreat(self, price_ticks: int) -> None:
        """Take away every level that is better than a price."""
        rank = price_ticks * self._sign
        while self._ranks and self._ranks[-1] > rank:
            self.put(self._ranks[-1] * self._sign, 0)

    def worse(self, price_ticks: int, ticks: int) -> int:
        """Return the price so many ticks away from the market."""
        return price_ticks - self._sign * ticks

    def top(self, depth: int) -> Levels:
        """Return at most so many levels, best first."""
        sign, lots = self._sign, self._lots
        return tuple((rank * sign, lots[rank]) for rank in reversed(self._ranks[-depth:]))


class WatchedLadder(Ladder):
    """A ladder that knows which of its levels have changed since it was last asked."""

    def __init__(self, *, bids: bool) -> None:
        super().__init__(bids=bids)
        self._before: dict[int, int] = {}

    def put(self, price_ticks: int, lots: int) -> None:
        """Set the quantity at a price, 0 takes the level away."""
        self._before.setdefault(price_ticks, self.lots(price_ticks))
        super().put(price_ticks, lots)

    def take_changes(self) -> Levels:
        """Return what differs since the last call: new quantities, best price first."""
        changed = [
            (price_ticks, self.lots(price_ticks))
            for price_ticks in sorted(self._before, reverse=self._sign > 0)
            if self.lots(price_ticks) != self._before[price_ticks]
        ]
        self._before.clear()
        return tuple(changed)


class BookCopy:
    """A book put together from its updates, as a dialect keeps it for its snapshots."""

    def __init__(self) -> None:
        self.bids = Ladder(bids=True)
        self.asks = Ladder(bids=False)
        self.number = 0
        self.time_us = 0

    def apply(self, update: SimBookUpdate) -> None:
        """Take in the next update."""
        for price_ticks, lots in update.bids:
            self.bids.put(price_ticks, lots)
        for price_ticks, lots in update.asks:
            self.asks.put(price_ticks, lots)
        self.number = update.number
        self.time_us = update.time_us
