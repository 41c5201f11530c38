"""Order book imbalance and order flow (`md.flow.imbalance.v1`): one record per asset and second.

Source: definitions 5.6, 8.
"""

import msgspec

from schemas.lineage import Completeness, DerivedHeader, Status
from schemas.market import Scope

IMBALANCE_SCHEMA = "imbalance.v1"


class TopDepth(msgspec.Struct, frozen=True, array_like=True):
    """The best `levels` of each side; `*_levels_used` are fewer where fewer are shown."""

    levels: int
    obi: float | None
    bid_lots: int
    ask_lots: int
    bid_levels_used: int
    ask_levels_used: int
    one_sided: bool


class BandDepth(msgspec.Struct, frozen=True, array_like=True):
    """What lies within `half_width_bp` of the reference, its edge included.

    `coverage` has the bits of `schemas.books`: 1 where the bids are known down to the edge, 2 where
    the asks are known up to it. A sum without its bit is a lower bound, and `obi` is then null
    unless the parameters allow it; it is null, too, where nothing is in the band.
    """

    half_width_bp: int
    obi: float | None
    bid_lots: int
    ask_lots: int
    bid_usd_cents: int
    ask_usd_cents: int
    coverage: int
    one_sided: bool


class Persistent(msgspec.Struct, frozen=True, array_like=True):
    """Weighted imbalance of what has rested for `window_seconds`, and what has not.

    `*_fleeting` is the weighted share of a side's size that was not there all the time, over the
    prices that every book of the window reaches; `*_known` is the share of those prices in the
    side's weighted size now.
    """

    window_seconds: int
    obi: float | None
    bid_fleeting: float | None
    ask_fleeting: float | None
    bid_known: float | None
    ask_known: float | None


class Pull(msgspec.Struct, frozen=True, array_like=True):
    """What went from one side near the touch; `ratio` is the share that was not traded away."""

    ratio: float | None
    removed_lots: int
    traded_lots: int


class Refill(msgspec.Struct, frozen=True, array_like=True):
    """What was executed at the best price over the most that was shown there while it was best."""

    price_ticks: int
    ratio: float
    executed_lots: int
    shown_lots: int


class TimeWeighted(msgspec.Struct, frozen=True, array_like=True):
    """The time-weighted mean of one measure over the bar that has just ended.

    Null below the least share of time in which the measure was known (`valid_ms`).
    """

    bar_start_us: int
    measure: str
    obi: float | None
    valid_ms: int


class InstrumentImbalance(msgspec.Struct, frozen=True, kw_only=True):
    """One instrument at the end of the second; prices and quantities on the asset's grid.

    - `status`, `valid_ms`: whether a valid book was there all the second, and for how much of it.
    - `weighted_mid_ticks` is not the micro-price.
    - `bands` are around mid; `bands_from_best` are counted from each side's best price, and only as
      far as the shown levels reach.
    - `z_scores` and `time_weighted` name their measures: `top_<levels>`, `band_<width>bp`,
      `weighted`.
    - `ofi_lots` adds every change of the best prices; `ofi_100ms_lots` are its ten parts, by the
      time of the change. `mlofi_lots` is by rank, from successive books. `mean_depth_lots` is by
      rank too, the mean size of a side. Null (and `ofi_valid` false) for a second with a resync and
      where no best price is known: before the first, or with those of a book that is invalid.
      Changes count in the second of the book record that brings them.
    - `tfi_lots`: buys less sells of the same second.
    - `flow_usd_cents` is the taker volume of the last 15 minutes, `flow_seconds` for how many of
      them the trade stream has been complete until now.

    What is null has its reason in `null_reasons`, by field: that of `book` goes for all that a book
    says, that of `mid_ticks` for all that is measured from mid. Empty lists are null, too.
    """

    scope: Scope
    venue: str
    symbol: str
    status: Status
    valid_ms: int
    best_bid_ticks: int | None
    best_bid_lots: int | None
    best_ask_ticks: int | None
    best_ask_lots: int | None
    mid_ticks: float | None
    weighted_mid_ticks: float | None
    tops: list[TopDepth]
    bands: list[BandDepth]
    bands_from_best: list[BandDepth]
    weighted_obi: float | None
    persistent: list[Persistent]
    bid_pull: Pull | None
    ask_pull: Pull | None
    bid_refill: Refill | None
    ask_refill: Refill | None
    z_scores: dict[str, float | None]
    time_weighted: list[TimeWeighted]
    ofi_valid: bool
    ofi_lots: int | None
    ofi_normalised: float | None
    ofi_100ms_lots: list[int] | None
    mlofi_lots: list[int] | None
    mlofi_normalised: list[float | None] | None
    mean_depth_lots: list[int] | None
    tfi_lots: int | None
    flow_usd_cents: int | None
    flow_seconds: int
    null_reasons: dict[str, str]


class BandAggregate(msgspec.Struct, frozen=True, array_like=True):
    """One band over venues, each around its own mid; no aggregate is ever "the" imbalance.

    `sum_depth` is the ratio of summed dollars, `flow_weighted` weighs each venue's ratio with its
    capped share of taker volume. `venues` stand behind all but `flow_weighted`, `flow_venues`
    behind that. Null where there are too few of them: `median` needs three, `dispersion` (max -
    min) two, the others one.
    """

    half_width_bp: int
    sum_depth: float | None
    flow_weighted: float | None
    median: float | None
    dispersion: float | None
    bid_usd_cents: int
    ask_usd_cents: int
    venues: list[str]
    flow_venues: list[str]


class ScopeImbalance(msgspec.Struct, frozen=True, kw_only=True):
    """All perpetuals, or all spot.

    `completeness` is of valid books in this second. `all` is over every venue with a valid book at
    its end, `common` over those that had one all the second, and for `flow_weighted` a complete
    tape over all of its window too; a band that no venue knows is not in the list. `ofi_lots` and
    `tfi_lots` are sums over the venues for which they are known (`ofi_venues`, `tfi_venues`), null
    where there are none.
    """

    scope: Scope
    completeness: Completeness
    all: list[BandAggregate]
    common: list[BandAggregate]
    ofi_lots: int | None
    ofi_venues: list[str]
    tfi_lots: int | None
    tfi_venues: list[str]


class ImbalanceStep(DerivedHeader, frozen=True, kw_only=True):
    """All book measures of an asset over one second `[step_start_us, step_start_us + 1 s)`.

    Identity: `asset, step_start_us`. `time_tol_ms` is how far apart a trade and the decrease of a
    book that it explains may be (`*_pull`).
    """

    schema: str = IMBALANCE_SCHEMA
    step_start_us: int
    tick: str
    lot: str
    time_tol_ms: int
    instruments: list[InstrumentImbalance]
    scopes: list[ScopeImbalance]
