"""One side of a book: quantity by price, in order, with sums inside fixed bands around mid.

Both sides are written once: a key grows towards the best price, so it is the price in ticks on the
bid side and its negative on the ask side, and the best key is the last.

The sums are kept up to date with every change instead of being taken anew: what lies in a band of
5 % can be ten thousand levels, what changes within 100 ms are dozens.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Sequence
from itertools import accumulate
from operator import neg

from collectors import grid
from collectors.grid import Steps, shown
from collectors.messages import Level
from schemas.books import BANDS_BP, BookLevel

MAX_LEVELS = 20_000
"""No side holds more; the farthest are given up."""

MOST_LOTS = 2**62
"""A level of more is no quantity."""

_WHOLE = 10_000
_DOUBLE = 2 * _WHOLE
_NOWHERE = float("inf")
_RINGS = len(BANDS_BP)


class _Negative(dict[str, int]):
    """Price text to the key of an ask, remembered as `Steps` remembers; emptied where that is."""

    __slots__ = ("_prices",)

    def __init__(self, prices: Steps) -> None:
        super().__init__()
        self._prices = prices

    def __missing__(self, text: str) -> int:
        key = -self._prices[text]
        if len(self) >= grid.MEMO_ENTRIES:
            self.clear()
        self[text] = key
        return key


class Side:
    """Bids (`sign` 1) or asks (`sign` -1) of one book.

    Args:
        sign: which side.
        prices: price text to ticks.
        lots_per_unit: lots in one of the venue's quantity units.
        depth: levels that are kept, the best; None for `MAX_LEVELS`.
    """

    __slots__ = (
        "_depth", "_edges", "_factors", "_keys", "_lots_per_unit", "_mid_2", "_most", "_prices",
        "_ring_lots", "_ring_products", "floor", "keys", "lots", "sign",
    )  # fmt: skip

    def __init__(
        self, sign: int, prices: Steps, lots_per_unit: float, depth: int | None = None
    ) -> None:
        self.sign = sign
        self.keys: list[int] = []
        self.lots: dict[int, int] = {}
        self.floor: int | None = None
        """The key down to which a snapshot was complete; None where depth says it."""
        self._prices = prices
        self._keys = prices if sign > 0 else _Negative(prices)
        self._factors = [_WHOLE - sign * width for width in reversed(BANDS_BP)]
        self._mid_2 = 0
        self._lots_per_unit = lots_per_unit
        self._most = MOST_LOTS / lots_per_unit
        self._depth = min(depth or MAX_LEVELS, MAX_LEVELS)
        self._edges: list[int] = []
        """Ascending: the outermost band first. Empty while the sums are not kept."""
        self._ring_lots = [0] * (_RINGS + 1)
        self._ring_products = [0] * (_RINGS + 1)

    def clear(self) -> None:
        """Forget everything."""
        self.keys.clear()
        self.lots.clear()
        self._edges = []
        self.floor = None

    def replace(self, levels: Iterable[Level]) -> None:
        """Take a whole side in.

        Raises:
            ValueError: a level that is no price on the grid or no quantity.
        """
        self.clear()
        self.apply(levels)

    def apply(self, levels: Iterable[Level]) -> None:
        """Take absolute quantities in; 0 removes a level, of one that is not there without a word.

        A quantity between two lots is rounded, never to nothing: old orders may lie on a finer grid
        than new ones. After an error what came before it is in; the book must not be used.

        Raises:
            ValueError: a level that is no price on the grid or no quantity.
        """
        keys_of, scale, most = self._keys, self._lots_per_unit, self._most
        lots, keys, edges = self.lots, self.keys, self._edges
        inner = edges[-1] if edges else _NOWHERE
        inner_lots = inner_products = 0
        for level in levels:
            quantity = level[1]
            key = keys_of[level[0]]
            if 0 < quantity <= most:
                change = new = int(quantity * scale + 0.5) or 1
                if key in lots:
                    change -= lots[key]
                else:
                    insort(keys, key)
                lots[key] = new
            elif quantity != 0:
                raise ValueError(f"no quantity: {shown(quantity)}")
            elif key in lots:
                change = -lots.pop(key)
                del keys[bisect_left(keys, key)]
            else:
                continue
            if key >= inner:
                inner_lots += change
                inner_products += change * key
            elif edges:
                self._count(key, change)
        self._ring_lots[_RINGS] += inner_lots
        self._ring_products[_RINGS] += inner_products
        self._trim(self._depth)

    def cut_through(self, key: int) -> None:
        """Remove every level better than this key."""
        keys = self.keys
        while keys and keys[-1] > key:
            self._remove(len(keys) - 1)

    def put(self, level: Level) -> None:
        """Set one level.

        Raises:
            ValueError: as `apply`.
        """
        self.apply((level,))

    def key_of(self, level: Level) -> int:
        """Return the key of a level's price.

        Raises:
            ValueError: it is no price on the grid.
        """
        return self.sign * self._prices[level[0]]

    def _trim(self, depth: int) -> None:
        while len(self.keys) > depth:
            key = self._remove(0)
            if self.floor is not None and self.floor <= key:
                self.floor = key + 1

    def _remove(self, index: int) -> int:
        key = self.keys.pop(index)
        lots = self.lots.pop(key)
        if self._edges:
            self._count(key, -lots)
        return key

    def _count(self, key: int, change: int) -> None:
        ring = bisect_right(self._edges, key)
        self._ring_lots[ring] += change
        self._ring_products[ring] += change * key

    @property
    def best(self) -> BookLevel | None:
        """The best price in ticks and its quantity in lots."""
        if not self.keys:
            return None
        key = self.keys[-1]
        return self.sign * key, self.lots[key]

    def top(self, count: int) -> list[BookLevel]:
        """Return the best levels, best first."""
        best = self.keys[: -count - 1 : -1]
        prices = best if self.sign > 0 else map(neg, best)
        return list(zip(prices, map(self.lots.__getitem__, best), strict=True))

    @property
    def deepest(self) -> int | None:
        """The key down to which the side is known without holes."""
        if not self.keys:
            return None
        return self.keys[0] if self.floor is None else max(self.floor, self.keys[0])

    def bands(self, mid_2: int) -> tuple[Sequence[int], Sequence[int], Sequence[bool]]:
        """Sum the side inside each band, innermost first.

        Args:
            mid_2: twice the mid price in ticks.

        Returns:
            Lots, ticks times lots, and whether the side is known down to the band's edge.
        """
        if mid_2 != self._mid_2 or not self._edges:
            moved_2, self._mid_2 = abs(mid_2 - self._mid_2), mid_2
            shifted = -self.sign * mid_2
            edges = [-(shifted * factor // _DOUBLE) for factor in self._factors]
            self._move(edges, moved_2 * _WHOLE // 5 + _DOUBLE < mid_2)
        edges, deepest = self._edges, self.deepest
        lots = list(accumulate(reversed(self._ring_lots[1:])))
        products = [self.sign * sum_ for sum_ in accumulate(reversed(self._ring_products[1:]))]
        covered = [deepest is not None and deepest <= edge for edge in reversed(edges)]
        return lots, products, covered

    def _move(self, edges: list[int], is_short: bool) -> None:
        """Move the bands' edges: only levels that an edge passed over change their ring.

        A short way is less than half of what lies between two edges.
        """
        old = self._edges
        self._edges = edges
        if not old or not (is_short or _near(old, edges)):
            self._recount()
            return
        keys, lots = self.keys, self.lots
        for ring, (before, after) in enumerate(zip(old, edges, strict=True)):
            # An edge that moves out takes levels from the ring outside it, and gives when it
            # moves in; ring `ring` lies outside of edge `ring`, ring + 1 inside.
            low, high = (after, before) if after < before else (before, after)
            first = bisect_left(keys, low)
            if first == len(keys) or keys[first] >= high:
                continue
            passed = keys[first : bisect_left(keys, high, first)]
            moved = sum(map(lots.__getitem__, passed))
            products = sum(key * lots[key] for key in passed)
            into, out_of = (ring + 1, ring) if after < before else (ring, ring + 1)
            self._ring_lots[into] += moved
            self._ring_lots[out_of] -= moved
            self._ring_products[into] += products
            self._ring_products[out_of] -= products

    def _recount(self) -> None:
        keys, lots = self.keys, self.lots
        bounds = [0, *(bisect_left(keys, edge) for edge in self._edges), len(keys)]
        for ring in range(_RINGS + 1):
            mine = keys[bounds[ring] : bounds[ring + 1]]
            self._ring_lots[ring] = sum(map(lots.__getitem__, mine))
            self._ring_products[ring] = sum(key * lots[key] for key in mine)


def _near(old: Sequence[int], new: Sequence[int]) -> bool:
    """Say whether no edge moved past the old place of its neighbour."""
    inward = all(new[ring] <= old[ring + 1] for ring in range(_RINGS - 1))
    return inward and all(new[ring] >= old[ring - 1] for ring in range(1, _RINGS))
