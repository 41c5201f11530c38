"""Imbalance over venues: three named aggregates and their dispersion (definitions 5.6).

`sum_depth` is dominated by the deepest venue, `flow_weighted` by the busiest ones up to the cap,
`median` by none. Bands are each venue's own, around its own mid.
"""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import NamedTuple

from processors.measures.book import obi
from processors.measures.shares import capped_shares
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

    Args:
        flows: of the venues.
        cap: as (numerator, denominator).
    """
    shares = capped_shares(flows, cap)
    return {name: share / whole for name, (share, whole) in shares.items()}
