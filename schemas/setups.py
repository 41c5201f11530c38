"""The five setups (`md.flow.setups.v1`): one record for each state that one of them reaches.

Source: definitions 5.13.
"""

from enum import StrEnum

from schemas.lineage import DerivedHeader, Status
from schemas.market import Scope

SETUPS_TOPIC = "md.flow.setups.v1"
SETUP_SCHEMA = "setup.v1"


class SetupKind(StrEnum):
    """Which setup. The last one modifies the weight of the others and never stands alone."""

    ABSORPTION_AT_LEVEL = "absorption_at_level"
    DELTA_DIVERGENCE = "delta_divergence"
    SWEEP_AND_RECLAIM = "sweep_and_reclaim"
    BREAKOUT_WITH_DELTA = "breakout_with_delta"
    SPOT_PERP_CONVICTION = "spot_perp_conviction"


class SetupSide(StrEnum):
    """The direction that a setup looks for."""

    LONG = "long"
    SHORT = "short"


class SetupVariant(StrEnum):
    """The bars that a setup is judged by."""

    ONE_MINUTE = "1m"
    FIVE_MINUTES = "5m"


class SetupState(StrEnum):
    """How far a setup has come; the last four end it.

    `expired` had too much time before it was confirmed, or is not armed any longer. `completed` was
    confirmed and not invalidated within its time: that says nothing about a profit. `suspended`
    lacked an input: what happened meanwhile cannot be known.
    """

    ARMED = "armed"
    TRIGGERED = "triggered"
    CONFIRMED = "confirmed"
    INVALIDATED = "invalidated"
    EXPIRED = "expired"
    COMPLETED = "completed"
    SUSPENDED = "suspended"


class SetupRecord(DerivedHeader, frozen=True, kw_only=True):
    """One state of one setup. Observability, not advice.

    Identity: `id, state`. A state reached inside a bar is sent at once (`provisional`, and then
    `is_final` is false), and again as it is when the bar has closed complete and the state holds;
    one that stays provisional was not held by a final bar.

    `scope`, `venue` and `symbol` name the tape that prices and bars are of. `event_time_us` is when
    this state was reached, `previous_state` (null for the first) and `reason` say from where and
    why. `level_*_ticks` is the level `[low, high)` that it is about, `limit_ticks` the price whose
    loss by a close invalidates it, `price_ticks` that of the transition.

    `weight` is 1 where spot and perpetuals agree with its side, 0 where they are opposed or agree
    on the other side, 0.5 otherwise, null where that is unknown. `experimental` holds until enough
    outcomes were compared with random times (`md.flow.outcomes.v1`). `values` are described with
    the setup in `method`; what cannot be known is null, and `null_reasons` says why. `evidence`
    names what it rests on: ids of events, cascades, levels, `bar:scope:venue:symbol:bar_start_us`
    with the seconds of the bar where these are not 60.
    """

    schema: str = SETUP_SCHEMA
    id: str
    setup: SetupKind
    side: SetupSide
    variant: SetupVariant
    state: SetupState
    previous_state: SetupState | None
    reason: str
    provisional: bool
    scope: Scope
    venue: str
    symbol: str
    tick: str
    lot: str
    event_time_us: int
    armed_time_us: int
    triggered_time_us: int | None
    price_ticks: int | None
    level_low_ticks: int | None
    level_high_ticks: int | None
    limit_ticks: int | None
    weight: float | None
    experimental: bool
    status: Status
    venues_expected: list[str]
    venues: list[str]
    values: dict[str, int | float | None]
    evidence: list[str]
    null_reasons: dict[str, str]
