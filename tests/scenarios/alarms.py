"""What an engine makes of a calm market: how often each kind of event is raised."""

from collections import Counter
from collections.abc import Iterable

from processors.operator import Output
from schemas.cascades import Cascade, CascadeState
from schemas.events import EventState, FlowEvent
from schemas.market import Scope

CASCADE = "cascade"
SUSPENDED_CASCADE = "cascade:suspended"
_FIRST = {
    EventState.OBSERVED,
    EventState.CANDIDATE,
    EventState.CONFIRMED,
    EventState.UNTESTED,
}
"""The states in which events are raised; of absorption `confirmed` counts by itself."""

Alarms = Counter[tuple[str, str, str]]
"""How often, by asset, whose it is (`venue` or an aggregate), and kind with form and state."""


def add_alarms(alarms: Alarms, outputs: Iterable[Output]) -> None:
    """Count the events that are raised by some outputs."""
    for output in outputs:
        record = output.record
        if isinstance(record, FlowEvent) and record.state in _FIRST:
            whose = "venue" if record.scope is Scope.VENUE else record.scope.value
            words = (record.kind.value, record.form, record.state.value)
            alarms[record.asset, whose, ":".join(word for word in words if word)] += 1
        elif isinstance(record, Cascade) and record.previous_state is CascadeState.IDLE:
            suspended = record.state is CascadeState.SUSPENDED
            kind = SUSPENDED_CASCADE if suspended else CASCADE
            alarms[record.asset, Scope.PERP.value, kind] += 1
