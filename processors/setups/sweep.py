"""Setup 3: longs are liquidated through a level, and price comes back above it.

On the bars of the cascade's reference instrument, and the record that the cascade sends with the
end of each minute while it is on.

- ARMED: the cascade is BUILDING or further and has crossed a level. Disarmed where it ends, or is
  followed by a new one, before a close is back above.
- TRIGGERED: a bar closes above the swept level, the one with the extreme or one of the next two.
  That bar is the reclaim bar, and the level stays what it was then.
- CONFIRMED: the delta of the reclaim bar is positive, the open interest lower than at the start by
  0.3 % or more, and the cascade PEAKED or later, but not FAILED: with the reclaim bar, or later.
  An open interest that is not known suspends where it alone decides.
- INVALIDATED: three bars in a row close below the swept level, and their deltas sum up to less than
  nothing: CVD falls over them.

A cascade has one setup a variant. Where it is SUSPENDED before the setup is confirmed, so is the
setup.

Values: `extreme_time_us`, `delta_lots` (of the reclaim bar), `interest_change` (the newest).
"""

from processors.setups.life import (
    ARMED,
    CONFIRMED,
    EXPIRED,
    INVALIDATED,
    SUSPENDED,
    TRIGGERED,
    Life,
    Move,
)
from processors.setups.params import SetupParams
from processors.setups.sight import Sight
from processors.setups.wave import Wave
from schemas.cascades import CascadeState
from schemas.lineage import Status
from schemas.setups import SetupKind

_ON = frozenset(
    {CascadeState.BUILDING, CascadeState.ACTIVE, CascadeState.PEAKED, CascadeState.EXHAUSTED}
)
_BACK = _ON | {CascadeState.RECLAIMED}
_EARLY = frozenset({CascadeState.BUILDING, CascadeState.ACTIVE, CascadeState.SUSPENDED})


class SweepAndReclaim:
    """The rule of setup 3."""

    kind = SetupKind.SWEEP_AND_RECLAIM
    ages = True

    def __init__(self, params: SetupParams) -> None:
        self._params = params

    def bar(self, sight: Sight, life: Life) -> Move | None:
        """Return what a bar leads to."""
        wave = sight.wave
        if wave is None or sight.bar is None:
            return None
        if life.state is None:
            swept = wave.state in _BACK and wave.reference == sight.name
            if not swept or wave.swept is None or wave.id == sight.done:
                return None
            life.origin, life.status = wave.id, Status(wave.status)
            life.evidence = [wave.id]
            self._take(life, wave)
            return Move(ARMED, "swept")
        same = wave.id == life.origin
        if life.state is ARMED:
            return self._armed(sight, life, wave if same else None)
        return self._lost(sight, life) or self._confirm(life, wave if same else None)

    def _take(self, life: Life, wave: Wave) -> None:
        """Take in how far the cascade has come."""
        life.values["extreme_time_us"] = wave.extreme_us
        if wave.swept is not None:
            life.level = (wave.swept, wave.swept + 1)

    def _armed(self, sight: Sight, life: Life, wave: Wave | None) -> Move | None:
        if wave is None:
            return Move(EXPIRED, "cascade_over")
        if wave.state is CascadeState.SUSPENDED:
            return Move(SUSPENDED, "cascade_suspended")
        if wave.state in _BACK:
            self._take(life, wave)
            if self._reclaims(sight, life, wave):
                return Move(TRIGGERED, "reclaimed")
        return None if wave.state in _ON else Move(EXPIRED, "cascade_over")

    def _reclaims(self, sight: Sight, life: Life, wave: Wave) -> bool:
        bar = sight.bar
        if bar is None or life.level is None or wave.extreme_us is None:
            return False
        since = bar.start_us // sight.interval_us - (wave.extreme_us - 1) // sight.interval_us
        if bar.close <= sight.sign * life.level[0] or since > self._params.reclaim_bars:
            return False
        life.limit = life.level[0]
        life.marks["delta"] = bar.delta
        life.values["delta_lots"] = sight.sign * bar.delta
        life.note(sight.bar_evidence)
        return True

    def _lost(self, sight: Sight, life: Life) -> Move | None:
        count = self._params.lost_bars
        bars = sight.track.candles(count, sight.sign) if life.bars >= count else None
        if bars is None or life.limit is None:
            return None
        below = all(bar.close < sight.sign * life.limit for bar in bars)
        if below and sum([bar.delta for bar in bars]) < 0:
            return Move(INVALIDATED, "closes_beyond")
        return None

    def _confirm(self, life: Life, wave: Wave | None) -> Move | None:
        if life.state is not TRIGGERED or wave is None:
            return None
        if wave.state is CascadeState.SUSPENDED:
            return Move(SUSPENDED, "cascade_suspended")
        over = wave.state is CascadeState.IDLE and wave.outcome is None
        failed = wave.state is CascadeState.FAILED or wave.outcome is CascadeState.FAILED
        if life.marks["delta"] <= 0 or wave.state in _EARLY or over or failed:
            return None
        change = wave.interest_change
        life.values["interest_change"] = change
        if change is None:
            life.nulls["interest_change"] = "open_interest_unknown"
            return Move(SUSPENDED, "open_interest_unknown")
        fall, whole = self._params.interest_fall
        return Move(CONFIRMED, "interest_fell") if -change >= fall / whole else None
