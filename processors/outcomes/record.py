"""The records of outcomes, and of what they were worth."""

from collections.abc import Sequence

from processors.derived import derived
from processors.operator import Output
from processors.outcomes.course import Course, Kind
from processors.plain import Plain
from processors.seconds.second import Second
from processors.setups.record import SIDES, VARIANTS
from schemas.cascades import Cascade, CascadeState
from schemas.lineage import Status
from schemas.outcomes import OUTCOMES_TOPIC, OutcomeOf, OutcomeRecord, WorthAt
from schemas.setups import SetupKind, SetupRecord, SetupSide, SetupState, SetupVariant
from schemas.units import US_PER_DAY

METHOD = "outcomes/1.1.0"

_SETUPS = {
    SetupKind.ABSORPTION_AT_LEVEL: OutcomeOf.ABSORPTION_AT_LEVEL,
    SetupKind.DELTA_DIVERGENCE: OutcomeOf.DELTA_DIVERGENCE,
    SetupKind.SWEEP_AND_RECLAIM: OutcomeOf.SWEEP_AND_RECLAIM,
    SetupKind.BREAKOUT_WITH_DELTA: OutcomeOf.BREAKOUT_WITH_DELTA,
}
_CASCADES = {
    CascadeState.RECLAIMED: OutcomeOf.CASCADE_RECLAIMED,
    CascadeState.FAILED: OutcomeOf.CASCADE_FAILED,
    CascadeState.FADED: OutcomeOf.CASCADE_FADED,
}
_GOING_ON = (None, CascadeState.SUSPENDED)
"""A record of one of these before its state tells of nothing that has just been entered."""

_SECONDS = {variant: seconds for seconds, variant in VARIANTS.items()}
_SIGNS = {side: sign for sign, side in SIDES.items()}

KINDS = tuple(
    Kind(of, seconds, sign)
    for of in OutcomeOf
    for seconds in (VARIANTS if of in _SETUPS.values() else (min(VARIANTS),))
    for sign in SIDES
)
"""All that is counted together, in the order in which they are summed up."""


def kind_of(setup: str, variant: SetupVariant, side: SetupSide) -> Kind | None:
    """Return how the outcomes of a setup are counted, None where it has none."""
    of = _SETUPS.get(SetupKind(setup))
    return None if of is None else Kind(of, _SECONDS[variant], _SIGNS[side])


def course_of(record: object) -> Course | None:
    """Return the course that a record begins: a setup that a bar held as triggered, or a cascade.

    A cascade begins one with the record that enters its terminal state; back in that after a
    suspension it has ended before.
    """
    match record:
        case SetupRecord(state=SetupState.TRIGGERED, provisional=False):
            kind = kind_of(record.setup, record.variant, record.side)
            name = f"{record.venue}:{record.symbol}"
            return Course(id=record.id, kind=kind, name=name, event_us=record.event_time_us)
        case Cascade() if record.previous_state not in _GOING_ON and record.state in _CASCADES:
            return Course(
                id=record.id,
                kind=Kind(_CASCADES[record.state], min(VARIANTS), int(record.liquidated_side)),
                name=record.reference or "",
                event_us=record.time_us,
            )
    return None


class OutcomeWriter:
    """Writes the records of one asset.

    Args:
        tick: of its prices.
        params: the hash of the parameters.
    """

    def __init__(self, tick: str, params: str) -> None:
        self._tick, self._params = tick, params

    def outcome(self, second: Second, course: Course, kind: Kind) -> Output:
        """Return the record of an event, as far as it has come."""
        return self._write(second, f"outcome:{course.id}", kind, course=course)

    def worth(self, second: Second, kind: Kind, worth: list[WorthAt]) -> Output:
        """Return the record of what all of one kind were worth."""
        return self._write(second, worth_name(second, kind), kind, worth=worth)

    def _write(
        self,
        second: Second,
        name: str,
        kind: Kind,
        *,
        course: Course | None = None,
        worth: list[WorthAt] | None = None,
    ) -> Output:
        venue, _, symbol = ("" if course is None else course.name).partition(":")
        record = OutcomeRecord(
            **derived(second, METHOD, self._params),
            is_final=course is None or course.over,
            id=name,
            of=kind.of,
            variant=VARIANTS[kind.seconds],
            side=SIDES[kind.sign],
            venue=venue,
            symbol=symbol,
            tick=self._tick,
            event_time_us=second.end_us,
            status=Status.COMPLETE if course is None else course.status,
            outcome=None if course is None else course.told(),
            worth=worth,
        )
        return Output(OUTCOMES_TOPIC, second.asset, record, second.end_us)


def worth_name(second: Second, kind: Kind) -> str:
    """Return the identity of a summary: its kind and the day it was made on."""
    day = second.end_us // US_PER_DAY
    words = (second.asset, kind.of.value, VARIANTS[kind.seconds].value, SIDES[kind.sign].value, day)
    return ":".join(map(str, ("worth", *words)))


def load_kind(values: Sequence[Plain]) -> Kind:
    """Take a kind back from plain values."""
    of, seconds, sign = values
    return Kind(OutcomeOf(of), seconds, sign)
