"""What setups keep of a cascade: the newest record of each liquidated side."""

import msgspec

from schemas.cascades import Cascade, CascadeState


class Wave(msgspec.Struct, frozen=True):
    """The state of one side. `swept` and `extreme_us` are None before there is one."""

    id: str
    state: CascadeState
    reference: str | None
    swept: int | None
    extreme_us: int | None
    interest_change: float | None
    outcome: CascadeState | None
    status: str


def wave_of(record: Cascade) -> Wave:
    """Return what is kept of a record."""
    level = record.swept_level
    return Wave(
        id=record.id,
        state=record.state,
        reference=record.reference,
        swept=None if level is None else level.ticks,
        extreme_us=record.extreme_us,
        interest_change=record.interest_change,
        outcome=record.outcome,
        status=record.completeness.status.value,
    )
