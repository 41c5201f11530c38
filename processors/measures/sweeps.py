"""Sweeps: the fills of one taker order put together again (definitions 5.12).

Consecutive fills of one instrument with the same side, the same millisecond of the venue and an
unbroken range of ids are one sweep. A millisecond lies in one second, so no sweep goes over the
border of two: the trades of a second are enough.

An id range is unbroken where each rank is one more than the last. Where a venue's ids do not count,
the rank is the place in the batch, and the first trade of a later batch (its low 20 bits are zero)
goes on where the batch before ended. Before a trade that its venue says is of another order
(`ANOTHER_ORDER`: Hyperliquid, where all trades of a block share a millisecond) a rank is left out.

Cost: about 0.2 us a trade for `breaks`; a `Sweep` is made only of what is looked at.
"""

from collections.abc import Sequence
from itertools import compress, pairwise, repeat
from operator import floordiv, mul, ne, or_, sub
from typing import NamedTuple

from processors.trades import Trade

_BATCH_MASK = (1 << 20) - 1
_MILLISECOND_US = 1000


class Sweep(NamedTuple):
    """One sweep. `side` is the aggressor's, 0 unknown; `notional` is in ticks times lots.

    `levels` counts the prices that it traded at. The ranks are the ids of its first and last fill
    where the venue's ids are numbers.
    """

    time_us: int
    side: int
    qty: int
    notional: int
    first_price: int
    last_price: int
    low: int
    high: int
    levels: int
    fills: int
    first_rank: int
    last_rank: int


def breaks(times: Sequence[int], sides: Sequence[int], ranks: Sequence[int]) -> list[int]:
    """Return the index of the first fill of every sweep.

    Args:
        times: of the trades of one instrument in one second, in tape order.
        sides: of these.
        ranks: of these.
    """
    if not times:
        return []
    places = range(1, len(times))
    milliseconds = list(map(floordiv, times, repeat(_MILLISECOND_US)))
    another_time = map(ne, milliseconds, milliseconds[1:])
    another = map(or_, another_time, map(ne, sides, sides[1:]))
    found = [0, *compress(places, another)]
    broken = _broken(ranks)
    return sorted({*found, *broken}) if broken else found


def _broken(ranks: Sequence[int]) -> list[int]:
    """Return the places at which the range of ids does not go on."""
    first, count = ranks[0], len(ranks)
    if ranks[-1] - first == count - 1 and ranks == tuple(range(first, first + count)):
        return []
    not_next = map(ne, map(sub, ranks[1:], ranks), repeat(1))
    return [
        place
        for place in compress(range(1, count), not_next)
        if ranks[place] & _BATCH_MASK or ranks[place] <= ranks[place - 1]
    ]


def per_sweep(cumulative: Sequence[int], begun: Sequence[int]) -> list[int]:
    """Return the sum over every sweep of a column.

    Args:
        cumulative: entry n is over the first n trades.
        begun: the index of the first fill of every sweep.
    """
    at = [cumulative[index] for index in begun]
    at.append(cumulative[-1])
    return [after - before for before, after in pairwise(at)]


def sweep(fills: Sequence[Trade]) -> Sweep:
    """Return the sweep that these fills are."""
    _, _, ranks, prices, qtys, _ = zip(*fills, strict=True)
    return Sweep(
        time_us=fills[0][0],
        side=fills[0][5],
        qty=sum(qtys),
        notional=sum(map(mul, prices, qtys)),
        first_price=prices[0],
        last_price=prices[-1],
        low=min(prices),
        high=max(prices),
        levels=len(set(prices)),
        fills=len(fills),
        first_rank=ranks[0],
        last_rank=ranks[-1],
    )
