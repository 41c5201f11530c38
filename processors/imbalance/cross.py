"""Imbalance over venues: three named aggregates and their dispersion (definitions 5.6).

`sum_depth` is dominated by the deepest venue, `flow_weighted` by the busiest ones up to the cap,
`median` by none. Bands are each venue's own, around its own mid.
"""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import NamedTuple

from processors.measures.book import obi
from schemas.imbalance import BandAggregate
from schemas.units import round_half_even

MEDIAN_VENUES = 3


class VenueBand(NamedTuple):
    """One venue's band: its ratio (of base), and both sides' notional in ticks times lots."""

    name: str
    obi: float
    bid: int
    ask: int


def aggregate(
    width_bp: int,
    bands: Sequence[VenueBand],
    flows: Mapping[str, int],
    cap: tuple[int, int],
    per_cent: int,
) -> BandAggregate:
    """Combine one band of several venues.

    Args:
        width_bp: its half width.
        bands: of the venues for which it is known, by name.
        flows: taker volume of the venues whose flow is known.
        cap: of a weight.
        per_cent: notional of a hundredth of a dollar.
    """
    bid, ask = sum(one.bid for one in bands), sum(one.ask for one in bands)
    ratios = [one.obi for one in bands]
    weights = capped(
        {one.name: flows[one.name] for one in bands if flows.get(one.name, 0) > 0}, cap
    )
    by_name = {one.name: one.obi for one in bands}
    weighted = sum(weight * by_name[name] for name, weight in weights.items())
    return BandAggregate(
        width_bp,
        obi(bid, ask),
        weighted if weights else None,
        median(ratios) if len(ratios) >= MEDIAN_VENUES else None,
        max(ratios) - min(ratios) if len(ratios) > 1 else None,
        round_half_even(bid, per_cent),
        round_half_even(ask, per_cent),
        [one.name for one in bands],
        list(weights),
    )


def capped(flows: Mapping[str, int], cap: tuple[int, int]) -> dict[str, float]:
    """Return each venue's share of the flow, none above the cap, together 1.

    What a venue has above the cap goes to the others in proportion to their flow, again while one
    of them exceeds the cap by it: one pass of "cap, then divide by the sum" would lift the weight
    above the cap again (0.8, 0.1, 0.1 would give 0.71). With a cap of one half a second pass is
    never needed. So few venues that the cap cannot hold weigh the same: one alone weighs 1, and two
    of which one exceeds one half weigh one half each.

    Args:
        flows: above zero.
        cap: as (numerator, denominator).
    """
    top, whole = cap
    if len(flows) * top <= whole:
        return dict.fromkeys(flows, 1 / len(flows)) if flows else {}
    free, at_cap = dict(flows), 0
    while True:
        total, rest = sum(free.values()), whole - at_cap * top
        over = [name for name, flow in free.items() if flow * rest > top * total]
        if not over:
            break
        at_cap += len(over)
        for name in over:
            del free[name]
    return {
        name: free[name] * rest / (total * whole) if name in free else top / whole for name in flows
    }
