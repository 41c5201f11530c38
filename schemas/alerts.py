"""The alert (`md.ops.alerts.v1`): what a rule of the user has found. Source: definitions 5.15."""

from enum import StrEnum

from schemas.lineage import Completeness, DerivedHeader, Status
from schemas.market import Scope

ALERTS_SCHEMA = "alert.v1"
ALERTS_TOPIC = "md.ops.alerts.v1"


class Severity(StrEnum):
    """How much a rule's alerts matter, as the rule says."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


class AlertKind(StrEnum):
    """What an alert tells.

    `event` is a state that an event has reached, `value` a number that has crossed a threshold.
    `data_quality` stands in for either where the inputs were partial: it says that there would have
    been an alert, and who was missing.
    """

    EVENT = "event"
    VALUE = "value"
    DATA_QUALITY = "data_quality"


class HeldBack(StrEnum):
    """Why an alert was not sent."""

    QUIET_HOURS = "quiet_hours"
    COOLDOWN = "cooldown"
    RATE_LIMIT = "rate_limit"


class Alert(DerivedHeader, frozen=True, kw_only=True):
    """One alert of one rule; `params` is the hash of the rule.

    Identity: `key`, which is `rule|instrument|event_id|state`, with `data_quality|` before it for a
    notice. It is sent once, and delivered at least once: of two with one key the second says
    nothing new.

    `source` is what the rule looks at, `scope`, `venue` and `symbol` what it is about (of an
    aggregate the last two are empty). An event has the `event_id` and `state` of its record; a
    value has an id of its own for each time that it crosses the threshold, and the comparison as
    its state. `field`, `value` and `threshold` are those of the rule's condition, in the unit of
    the field; without one `field` is empty and the two are null.

    `event_time_us` is the end of the second that decided. `status` says whether the inputs were
    complete; `completeness` is of the window of the evidence where that has one, otherwise of the
    second. `evidence` names the records that it rests on, `methods` how these were computed.
    `suppressed` counts what the rule held back since its last alert, by reason (`HeldBack`).
    `message` is for people.
    """

    schema: str = ALERTS_SCHEMA
    key: str
    rule: str
    kind: AlertKind
    severity: Severity
    source: str
    scope: Scope
    venue: str
    symbol: str
    event_id: str
    state: str
    field: str
    value: float | None
    threshold: float | None
    event_time_us: int
    status: Status
    completeness: Completeness
    evidence: list[str]
    methods: list[str]
    suppressed: dict[str, int]
    message: str
