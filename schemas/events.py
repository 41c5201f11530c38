"""The flow event (`md.flow.events.v1`): one record for each state of one event.

Source: definitions 5.3, 5.5, 5.7, 5.8, 5.12.
"""

from enum import StrEnum

from schemas.lineage import DerivedHeader, Status
from schemas.market import Scope

EVENTS_TOPIC = "md.flow.events.v1"
FLOW_EVENT_SCHEMA = "flow_event.v1"


class EventKind(StrEnum):
    """What happened."""

    LARGE_PRINT = "large_print"
    ABSORPTION = "absorption"
    EXHAUSTION = "exhaustion"
    STACKED_IMBALANCE = "stacked_imbalance"
    UNFINISHED_AUCTION = "unfinished_auction"
    DELTA_DIVERGENCE = "delta_divergence"
    BAR_DELTA_MISMATCH = "bar_delta_mismatch"


class EventState(StrEnum):
    """How far an event has come.

    `observed` is all there is of an event that has no life of its own. `candidate` may become
    `confirmed`, `failed` or `expired`; a divergence is `confirmed` when it is first known and may
    be `invalidated`. A zone is `untested`, `tested` any number of times, and then `broken`; a level
    is `untested`, then `traded_through`. `suspended` ends an event whose stream broke: what
    happened meanwhile cannot be known. `expired` ends one that is not followed any longer.
    """

    OBSERVED = "observed"
    CANDIDATE = "candidate"
    CONFIRMED = "confirmed"
    FAILED = "failed"
    INVALIDATED = "invalidated"
    UNTESTED = "untested"
    TESTED = "tested"
    BROKEN = "broken"
    TRADED_THROUGH = "traded_through"
    SUSPENDED = "suspended"
    EXPIRED = "expired"


class EventSide(StrEnum):
    """The aggressor that an event is about."""

    BUY = "buy"
    SELL = "sell"
    UNKNOWN = "unknown"


class FlowEvent(DerivedHeader, frozen=True, kw_only=True):
    """One state of one flow event, of one instrument or over all perpetuals or spot.

    Identity: `id, state`, for a zone with `tests_seen` of `values`. All records of one event have
    the same `id`, `kind`, `form` and `side`; each is final.

    `side` is the aggressor it is about: whose print is large, who is absorbed, who is exhausted,
    whose imbalances are stacked, who made the extreme that is unfinished. A divergence of highs
    (bearish) is about buys, one of lows (bullish) about sells. A mismatched bar has the side of its
    delta. `form` is which definition of the kind was met: of exhaustion `bar`, `sequence` or
    `flow`; of a large print the least size of its class, `usd_100000` or `usd_50000`.

    `[start_us, end_us)` is what the event was seen in and never changes; `event_time_us` is when
    this state was known. The price band is `[low_ticks, high_ticks)`. `venues` are the instruments
    behind it, `venues_expected` all that there are in its scope, and `status` says whether the
    streams it needs were there. `values` are described with the operator that is named in
    `method`; one that cannot be known is null, and `null_reasons` says why. `evidence` names what
    it rests on: ids of events, or `trades:venue:symbol:first-last`, or
    `bar:scope:venue:symbol:bar_start_us`.
    """

    schema: str = FLOW_EVENT_SCHEMA
    id: str
    kind: EventKind
    form: str
    state: EventState
    side: EventSide
    scope: Scope
    venue: str
    symbol: str
    tick: str
    lot: str
    start_us: int
    end_us: int
    event_time_us: int
    low_ticks: int | None
    high_ticks: int | None
    status: Status
    venues_expected: list[str]
    venues: list[str]
    values: dict[str, int | float | None]
    evidence: list[str]
    null_reasons: dict[str, str]
