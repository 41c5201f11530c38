"""Turn what an operator found into the record of a flow event."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from processors.derived import derived
from processors.operator import Output
from processors.scopes import ScopeKey
from processors.seconds.second import Second
from processors.units import AssetUnits
from schemas.events import EVENTS_TOPIC, EventKind, EventSide, EventState, FlowEvent
from schemas.footprints import FootprintBar
from schemas.lineage import Status
from schemas.market import Scope

Values = Mapping[str, int | float | None]

SIDES = {1: EventSide.BUY, -1: EventSide.SELL, 0: EventSide.UNKNOWN}
"""The side of a trade as it is written."""


def scope_name(key: ScopeKey) -> str:
    """Return `venue:symbol`, or the name of the aggregate."""
    return f"{key.venue}:{key.symbol}" if key.scope is Scope.VENUE else key.scope.value


def event_id(
    kind: EventKind, asset: str, key: ScopeKey, time_us: int, side: EventSide, *more: int | str
) -> str:
    """Return the name of an event, the same in every run.

    Args:
        kind: what it is.
        asset: of which asset.
        key: of which instrument or aggregate.
        time_us: what tells it from earlier ones.
        side: whose it is.
        more: what tells it from others at the same time.
    """
    words = (kind.value, asset, scope_name(key), time_us, side.value, *more)
    return ":".join(map(str, words))


def bar_name(bar: FootprintBar) -> str:
    """Return how a bar is named as evidence."""
    return name_of_bar(ScopeKey(bar.scope, bar.venue, bar.symbol), bar.bar_start_us)


def name_of_bar(key: ScopeKey, start_us: int) -> str:
    """Return the same of a bar that is not at hand any more."""
    return f"bar:{key.scope.value}:{key.venue}:{key.symbol}:{start_us}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What a record says, without what every record of an operator says alike.

    `band` is `[low, high)` in ticks, `span` `[start_us, end_us)`.
    """

    id: str
    kind: EventKind
    state: EventState
    side: EventSide
    key: ScopeKey
    span: tuple[int, int]
    band: tuple[int, int] | None = None
    form: str = ""
    status: Status = Status.COMPLETE
    venues_expected: Collection[str] = ()
    venues: Collection[str] = ()
    values: Values = field(default_factory=dict)
    evidence: Sequence[str] = ()
    null_reasons: Mapping[str, str] = field(default_factory=dict)


class EventWriter:
    """Writes the events of one operator.

    Args:
        units: the asset's grids.
        method: the formula and its version.
        params: the hash of the parameters.
    """

    def __init__(self, units: AssetUnits, method: str, params: str) -> None:
        self._units = units
        self._method = method
        self._params = params

    def write(self, second: Second, event: Event) -> Output:
        """Return the record of an event that is in this state since the end of the second."""
        low, high = event.band or (None, None)
        record = FlowEvent(
            **derived(second, self._method, self._params),
            id=event.id,
            kind=event.kind,
            form=event.form,
            state=event.state,
            side=event.side,
            scope=event.key.scope,
            venue=event.key.venue,
            symbol=event.key.symbol,
            tick=self._units.tick,
            lot=self._units.lot,
            start_us=event.span[0],
            end_us=event.span[1],
            event_time_us=second.end_us,
            low_ticks=low,
            high_ticks=high,
            status=event.status,
            venues_expected=sorted(event.venues_expected),
            venues=sorted(event.venues),
            values=dict(sorted(event.values.items())),
            evidence=list(event.evidence),
            null_reasons=dict(sorted(event.null_reasons.items())),
        )
        return Output(EVENTS_TOPIC, second.asset, record, second.end_us)
