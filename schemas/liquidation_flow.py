"""Liquidations per second and minute with their bounds (`md.flow.liquidations.v1`).

Source: definitions 5.9.
"""

import msgspec

from schemas.lineage import Completeness, DerivedHeader, Status
from schemas.liquidations import LiquidatedSide, PriceKind, SamplingClass
from schemas.market import Scope

LIQUIDATION_FLOW_TOPIC = "md.flow.liquidations.v1"
LIQUIDATION_FLOW_SCHEMA = "liquidation_flow.v1"


class LiquidationSums(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of the liquidations of one side in one window.

    - `count`, `qty_lots`, `obs_usd_cents`: those that were told, so lower bounds, and exact only
      from a feed of class `all`. `order_price_count` of them had no fill yet.
    - `ub_usd_cents`: upper bound, the aggressor's USD in the closing direction on the same venue (a
      closed long sells), with that of unknown side and with what insurance or ADL took over, which
      has no aggressor (of either side; some trade feeds leave it out, and so does the bound then).
    - `report_seconds`: seconds with a report; null over venues.
    - `est_count`, `est_usd_cents`: an estimate for a throttled feed, inside its bounds;
      `est_count_limit` its lower limit (95 %) where every second has a report. Arrivals are taken
      as Poisson inside the window: clustering makes it low.
    - `all_share`: share of `obs_usd_cents` from feeds of class `all`.
    - `bounds_inconsistent`: more was told than was traded; only what was told is published then.

    `null_reasons` says of each null why: `ub_usd_cents`, `est` (all three) and `all_share`.
    """

    count: int
    qty_lots: int
    obs_usd_cents: int
    order_price_count: int
    ub_usd_cents: int | None
    report_seconds: int | None
    est_count: float | None
    est_usd_cents: int | None
    est_count_limit: float | None
    all_share: float | None
    bounds_inconsistent: bool
    null_reasons: dict[str, str]


class LiquidationSeries(msgspec.Struct, frozen=True, kw_only=True):
    """One instrument, or all perpetuals of the asset.

    `composition` is empty for one instrument, `all` for the sum over complete and partial members,
    `common` for the sum over those complete over the whole window; `venues` are the members behind
    it. Over venues `sampling` and `price_kind` are null where members differ. `long` and `short`
    are null in a gap. `backlog_count` rows had happened before the feed was there: in no sum.
    """

    scope: Scope
    venue: str
    symbol: str
    composition: str
    status: Status
    venues: list[str]
    sampling: SamplingClass | None
    price_kind: PriceKind | None
    long: LiquidationSums | None
    short: LiquidationSums | None
    backlog_count: int


class LargestLiquidation(msgspec.Struct, frozen=True, kw_only=True):
    """The largest liquidation of a cluster in USD; of equals the first, then by member.

    `member` is named `venue:symbol`.
    """

    member: str
    event_time_us: int
    price: str
    price_kind: PriceKind
    qty_lots: int
    usd_cents: int


class LiquidationCluster(msgspec.Struct, frozen=True, kw_only=True):
    """Liquidations of one side over all perpetuals, none further from the next than the gap.

    Identity: `id`. `[start_us, end_us]` are the times of its first and last liquidation. The prices
    are those told, of kinds that differ by venue. `end_reason` is `gap` (nothing more came),
    `length` (it was as long as one may be; what follows is another) or `feed` (nobody could tell).
    `venues_usd_cents` is by member, `partial_venues` are those that missed some of it.
    """

    id: str
    liquidated_side: LiquidatedSide
    start_us: int
    end_us: int
    count: int
    qty_lots: int
    obs_usd_cents: int
    low_price: str
    high_price: str
    largest: LargestLiquidation
    venues_usd_cents: dict[str, int]
    partial_venues: list[str]
    end_reason: str


class LiquidationFlow(DerivedHeader, frozen=True, kw_only=True):
    """Liquidations of an asset in one window, by liquidated side.

    Identity: `asset, interval_seconds, window_start_us`; the window is `[window_start_us,
    window_end_us)`. A minute's record is sent for every minute that anybody was there in, a
    second's only where a liquidation was told in it or a cluster has ended with it. `clusters` are
    only in the records of seconds. `completeness` is of the liquidation feeds. The same trades may
    be on the tape: never add these to its volume.
    """

    schema: str = LIQUIDATION_FLOW_SCHEMA
    interval_seconds: int
    window_start_us: int
    window_end_us: int
    lot: str
    completeness: Completeness
    series: list[LiquidationSeries]
    clusters: list[LiquidationCluster]
