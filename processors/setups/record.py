"""The record of a state that a setup has reached."""

from typing import NamedTuple, Protocol

from processors.derived import derived
from processors.events.writer import scope_name
from processors.operator import Output
from processors.operators.footprint import params_hash
from processors.scopes import ScopeKey
from processors.seconds.second import Second
from processors.setups.life import Change, Life
from processors.setups.params import SetupParams
from processors.units import AssetUnits
from schemas.setups import SETUPS_TOPIC, SetupKind, SetupRecord, SetupSide, SetupVariant

VERSIONS = dict.fromkeys(SetupKind, "1.0.0") | {
    SetupKind.DELTA_DIVERGENCE: "1.1.0",
    SetupKind.BREAKOUT_WITH_DELTA: "1.1.0",
}
SIDES = {1: SetupSide.LONG, -1: SetupSide.SHORT}
VARIANTS = {60: SetupVariant.ONE_MINUTE, 300: SetupVariant.FIVE_MINUTES}
"""The variants by the seconds of their bars."""


class SlotKey(NamedTuple):
    """Where one setup at a time lives; `name` is of its instrument, empty where it has none."""

    kind: SetupKind
    seconds: int
    name: str
    sign: int


class Experience(Protocol):
    """Who knows what setups were worth."""

    def enough(self, setup: str, variant: SetupVariant, side: SetupSide) -> bool:
        """Say whether enough outcomes were compared with random times, as of the last second."""
        ...


class SetupWriter:
    """Writes the records of one asset.

    Args:
        units: its grids.
        params: of the setups.
        experience: who knows what they were worth; without it all are experimental.
    """

    def __init__(
        self, units: AssetUnits, params: SetupParams, experience: Experience | None
    ) -> None:
        self._units, self._experience = units, experience
        self._hash = params_hash(units, params)

    def write(
        self,
        second: Second,
        where: tuple[SlotKey, ScopeKey],
        life: Life,
        change: Change,
        weight: float | None,
    ) -> Output:
        """Return the record of a state.

        Args:
            second: in which it is said.
            where: the slot, and the tape that its prices are of.
            life: the setup.
            change: the state.
            weight: by conviction.
        """
        slot, key = where
        side, variant = SIDES[slot.sign], VARIANTS[slot.seconds]
        kind, said, armed_us = slot.kind, change.said, life.armed_us
        words = (kind.value, second.asset, scope_name(key), variant.value, armed_us, side.value)
        enough = self._experience is not None and self._experience.enough(kind.value, variant, side)
        nulls = {name: why for name, why in life.nulls.items() if life.values.get(name) is None}
        if weight is None:
            nulls["weight"] = "conviction_unknown"
        low, high = life.level or (None, None)
        record = SetupRecord(
            **derived(second, f"setup.{kind.value}/{VERSIONS[kind]}", self._hash),
            is_final=not change.provisional,
            id=":".join(map(str, ("setup", *words))),
            setup=kind,
            side=side,
            variant=variant,
            state=change.state,
            previous_state=said.previous,
            reason=said.reason,
            provisional=change.provisional,
            scope=key.scope,
            venue=key.venue,
            symbol=key.symbol,
            tick=self._units.tick,
            lot=self._units.lot,
            event_time_us=said.time_us,
            armed_time_us=armed_us,
            triggered_time_us=life.triggered_us,
            price_ticks=said.price,
            level_low_ticks=low,
            level_high_ticks=high,
            limit_ticks=life.limit,
            weight=weight,
            experimental=not enough,
            status=life.status,
            venues_expected=life.venues_expected or [slot.name],
            venues=life.venues or [slot.name],
            values=dict(sorted(life.values.items())),
            evidence=list(life.evidence),
            null_reasons=dict(sorted(nulls.items())),
        )
        return Output(SETUPS_TOPIC, second.asset, record, second.end_us)
