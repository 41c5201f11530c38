"""What setups and cascades were followed by (`md.flow.outcomes.v1`), beside random times.

Source: definitions 5.10, 5.13.
"""

from enum import StrEnum

import msgspec

from schemas.lineage import DerivedHeader, Status
from schemas.setups import SetupSide, SetupVariant

OUTCOMES_TOPIC = "md.flow.outcomes.v1"
OUTCOME_SCHEMA = "outcome.v1"

HORIZONS_MINUTES = (1, 5, 15, 60, 240, 1440)
"""How long after its entry an event is measured."""


class OutcomeOf(StrEnum):
    """What is measured: setups that triggered, cascades by how they ended."""

    ABSORPTION_AT_LEVEL = "absorption_at_level"
    DELTA_DIVERGENCE = "delta_divergence"
    SWEEP_AND_RECLAIM = "sweep_and_reclaim"
    BREAKOUT_WITH_DELTA = "breakout_with_delta"
    CASCADE_RECLAIMED = "cascade_reclaimed"
    CASCADE_FAILED = "cascade_failed"
    CASCADE_FADED = "cascade_faded"


class OutcomeAt(msgspec.Struct, frozen=True, array_like=True):
    """`[horizon_minutes, return_bp, adverse_bp, favourable_bp, reason]` after one horizon.

    The return is positive where the price went to the side of the event; the excursions are the
    furthest it went against it and with it until then, both positive or 0. `reason` says why one of
    them is null: `price_missing` (no complete minute there), `gap` (one before it was not),
    `too_many_open` (it was given up for newer ones).
    """

    horizon_minutes: int
    return_bp: float | None
    adverse_bp: float | None
    favourable_bp: float | None
    reason: str


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """One event, as far as its horizons are over.

    `entry_time_us` is the end of the first minute that closed at the event or after it, and
    `entry_ticks` its close, null where that minute was not complete.
    """

    event_id: str
    event_time_us: int
    entry_time_us: int
    entry_ticks: int | None
    at: list[OutcomeAt]


class WorthAt(msgspec.Struct, frozen=True, kw_only=True):
    """All outcomes of one kind after one horizon, beside random times of the same hours.

    `n` have a return, `matched_n` of them an hour of the day that the baseline has, too. Means of
    the baseline are over its hours as often as the events are in them. `difference_bp` is the mean
    return of the matched events less that of the baseline, with its 95 % interval from a bootstrap
    of whole days of both. `experimental` holds below 300 outcomes, or without the interval.
    """

    horizon_minutes: int
    n: int
    mean_bp: float | None
    median_bp: float | None
    positive_share: float | None
    mean_adverse_bp: float | None
    mean_favourable_bp: float | None
    baseline_n: int
    matched_n: int
    baseline_mean_bp: float | None
    baseline_adverse_bp: float | None
    difference_bp: float | None
    difference_low_bp: float | None
    difference_high_bp: float | None
    experimental: bool
    null_reasons: dict[str, str]


class OutcomeRecord(DerivedHeader, frozen=True, kw_only=True):
    """Either what followed one event (`outcome`), or what all of one kind were worth (`worth`).

    Identity: `id`. An outcome is sent again with every horizon that is over, `is_final` with the
    last. A worth is sent once a day where outcomes were added; its id ends with the day.

    `side` is that of the setup; a cascade has the side of those who were liquidated, so that a
    positive return is a price that came back. `venue` and `symbol` name the instrument whose final
    one-minute bars are the prices: that of the setup or the reference of the cascade, empty in a
    worth, which is over all of them. `variant` of a cascade is `1m`. `status` is `partial` where a
    return or an excursion is null, `gap` where all are.
    """

    schema: str = OUTCOME_SCHEMA
    id: str
    of: OutcomeOf
    variant: SetupVariant
    side: SetupSide
    venue: str
    symbol: str
    tick: str
    event_time_us: int
    status: Status
    outcome: Outcome | None
    worth: list[WorthAt] | None
