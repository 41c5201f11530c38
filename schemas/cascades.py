"""Liquidation cascades: one record per change of state (`md.flow.cascades.v1`).

Source: definitions 5.10.
"""

from enum import StrEnum

import msgspec

from schemas.lineage import Completeness, DerivedHeader
from schemas.liquidations import LiquidatedSide, SamplingClass
from schemas.market import FeedState

CASCADES_TOPIC = "md.flow.cascades.v1"
CASCADES_SCHEMA = "cascade.v1"


class CascadeState(StrEnum):
    """Where one side of one asset is in the life of a cascade."""

    IDLE = "idle"
    BUILDING = "building"
    ACTIVE = "active"
    PEAKED = "peaked"
    EXHAUSTED = "exhausted"
    RECLAIMED = "reclaimed"
    FAILED = "failed"
    FADED = "faded"
    COOLDOWN = "cooldown"
    SUSPENDED = "suspended"


class ConfidenceClass(StrEnum):
    """Who told of the liquidations; `throttled_only` means nobody who tells all of them."""

    MULTI_VENUE = "multi_venue"
    SINGLE_VENUE = "single_venue"
    THROTTLED_ONLY = "throttled_only"


class Attribution(StrEnum):
    """Whether the order of the venues' onsets may be told; `unknown` with fewer than two."""

    ORDERED = "ordered"
    SIMULTANEOUS = "simultaneous"
    UNKNOWN = "unknown"


class CascadeLevel(msgspec.Struct, frozen=True):
    """A price level, known since `known_us`; `kind` is `pivot`, `prior_day`, or a known level's.

    Known levels are those of volume profiles at BUILDING: `prior_poc`, `prior_vah`, `prior_val`,
    `prior_high`, `prior_low`, `naked_poc`, `high_volume_node`.
    """

    kind: str
    ticks: int
    known_us: int


class CascadeBar(msgspec.Struct, frozen=True, kw_only=True):
    """The minute of the reference instrument that closed with this second."""

    start_us: int
    high_ticks: int | None
    low_ticks: int | None
    close_ticks: int | None
    delta_lots: int
    is_complete: bool


class CascadeEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """What the state machine saw in the second of the record.

    `l10_usd_cents` and `l60_usd_cents` are what was told over 10 and 60 s, `episodes60` how many
    times of one instrument it came at. `threshold_usd_cents` is the greater of `p99_usd_cents` and
    the floor, both as of BUILDING while a cascade is on. `p99_usd_cents` is over the venues that
    have one of their own: a lower bound where another has not. Prices and `flow60_usd_cents`
    (aggressor USD in the direction over 60 s) are the reference instrument's, null without one.
    `interest_lots` are the open interests that are not too old, `interest_age_us` the age of every
    one.
    """

    l10_usd_cents: int
    l60_usd_cents: int
    episodes60: int
    threshold_usd_cents: int
    p99_usd_cents: int | None
    floor_usd_cents: int
    max_l10_usd_cents: int | None
    high_ticks: int | None
    low_ticks: int | None
    last_ticks: int | None
    atr_ticks: float | None
    flow60_usd_cents: int | None
    flow60_peak_usd_cents: int | None
    interest_lots: dict[str, int]
    interest_age_us: dict[str, int]
    bar: CascadeBar | None
    liquidation_states: dict[str, FeedState]
    price_state: FeedState | None


class CascadeVenue(msgspec.Struct, frozen=True, kw_only=True):
    """One instrument's part in a cascade since `measured_from_us`.

    `obs_usd_cents` was told, which is a lower bound; `ub_usd_cents` is what aggressors took in the
    closing direction (or on an unknown side) and what insurance or ADL took over, null where trades
    are missing or less was traded than told (`bounds_inconsistent`). `share` is of what was told
    over all. `onset_us` is when its own sum over 60 s first passed its own `p99_usd_cents`;
    `precedes` are the venues whose onset is later by more than the clocks of both can hide.
    """

    venue: str
    symbol: str
    sampling: SamplingClass | None
    episodes: int
    obs_usd_cents: int
    ub_usd_cents: int | None
    bounds_inconsistent: bool
    share: float | None
    p99_usd_cents: int | None
    onset_us: int | None
    precedes: list[str]


class Cascade(DerivedHeader, frozen=True, kw_only=True):
    """One side of an asset after a change of state, or each minute while it is not idle.

    Identity: `id, time_us`. `id` is `cascade:<asset>:<start_us>:<side>`, one for the whole life of
    a cascade up to IDLE, or of a suspension without one. `time_us` is the end of the second that
    decided; `previous_state` is null and `reason` is `minute` where nothing changed.

    - `start_us`: when BUILDING began. Sums are since `measured_from_us`, a minute before it: the
      minute that made it begin is part of it. `start_ticks` is the reference price then.
    - `extreme_ticks`, `extreme_us`: the furthest price in the direction since, and the end of the
      second it was traded in. `move_bp` is from `start_ticks` to it, with its sign.
    - `peak_l60_usd_cents`, `peak_us`: the greatest minute and its end; `baseline_multiple` is it
      over the threshold.
    - `interest_change` and `depth_change`: fractions since BUILDING over the instruments that were
      known both times (`interest_venues`, `depth_venues`); depth is what rests in the way, within
      `depth_band_bp` of mid: bids where longs are liquidated.
    - `swept_level`: the last level crossed between BUILDING and the extreme.
    - `oi_confirmed`: whether open interest confirmed EXHAUSTED; null before it.
    - `outcome`, `outcome_us`: the terminal state, once reached.
    - `obs_usd_cents` and `ub_usd_cents`: over the venues, `all_share` the share from feeds that
      tell all. `status` of the feeds since BUILDING is in `completeness`.

    Prices are `*_ticks * tick` of the reference instrument, quantities `*_lots * lot`. What is not
    known is null, and `null_reasons` says why. Liquidations may be on the trade tape as well: never
    add them to its volume.
    """

    schema: str = CASCADES_SCHEMA
    id: str
    liquidated_side: LiquidatedSide
    state: CascadeState
    previous_state: CascadeState | None
    reason: str
    time_us: int
    start_us: int
    measured_from_us: int | None
    tick: str
    lot: str
    reference: str | None
    start_ticks: int | None
    extreme_ticks: int | None
    extreme_us: int | None
    move_bp: float | None
    peak_l60_usd_cents: int | None
    peak_us: int | None
    baseline_multiple: float | None
    interest_change: float | None
    interest_venues: list[str]
    depth_change: float | None
    depth_venues: list[str]
    depth_band_bp: int
    swept_level: CascadeLevel | None
    oi_confirmed: bool | None
    outcome: CascadeState | None
    outcome_us: int | None
    obs_usd_cents: int | None
    ub_usd_cents: int | None
    all_share: float | None
    confidence_class: ConfidenceClass | None
    attribution: Attribution
    venues: list[CascadeVenue]
    completeness: Completeness
    evidence: CascadeEvidence
    null_reasons: dict[str, str]
