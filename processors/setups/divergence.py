"""Setup 2: price makes a new low at a level, delta does not follow, and sellers are exhausted.

On the bars and levels of the reference instrument, and the divergences of all perpetuals together,
which are over the instruments that were there all the time. Divergence and exhaustion are events of
one-minute bars in both variants; the variant says by which bars they are counted. So both may come
within one bar of five minutes.

- ARMED: a pivot low within 10 bp of a known level of volume profiles is confirmed. (Older pivots
  are none here: in a range, every pivot is near one.) Disarmed by a later pivot that is not near
  one, and after 20 bars.
- TRIGGERED: a bullish divergence of all perpetuals is confirmed, `strong` or of two venues or more.
- CONFIRMED: sellers are exhausted in the bar or sequence form, of the reference instrument or all
  perpetuals, in a later minute than that and within 5 bars.
- INVALIDATED: the divergence is, which is: CVD has passed its earlier extreme with price at the
  second pivot or beyond. Where the divergence is not followed any longer (an hour, or the end of
  the UTC day, whose CVD it is of), the setup is over as it is after its 20 bars.

Values: `pivot_ticks`, `venues_agree`, `strong`, `cvd_change_lots` (as of the divergence).
"""

from processors.measures.levels import name_of, nearest
from processors.scopes import PERP, ScopeKey
from processors.setups.life import (
    ARMED,
    COMPLETED,
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
from schemas.events import EventKind, EventState, FlowEvent
from schemas.setups import SetupKind

_FORMS = ("bar", "sequence")
_BARS = "armed_bars"
_DIVERGED_US = "diverged_us"


class DeltaDivergence:
    """The rule of setup 2."""

    kind = SetupKind.DELTA_DIVERGENCE
    ages = True

    def __init__(self, params: SetupParams) -> None:
        self._params = params

    def bar(self, sight: Sight, life: Life) -> Move | None:
        """Return what a bar leads to."""
        if life.state is None:
            return Move(ARMED, "pivot") if sight.leads and self._take_pivot(sight, life) else None
        if life.state is ARMED:
            return self._armed(sight, life)
        return self._over(sight, life) or self._confirm(sight, life)

    def _take_pivot(self, sight: Sight, life: Life) -> bool:
        """Take in a pivot that this bar confirmed; say whether it is at a level."""
        pivot = sight.track.pivot(-sight.sign)
        if pivot is None or pivot.since_us != sight.now_us:
            return False
        level = nearest(sight.levels(), pivot.low_ticks, self._params.pivot_bp)
        if level is None:
            return False
        life.level = (level.low_ticks, level.high_ticks)
        life.values["pivot_ticks"] = pivot.low_ticks
        life.evidence = [name_of(level), name_of(pivot)]
        life.marks = {_BARS: 0}
        return True

    def _armed(self, sight: Sight, life: Life) -> Move | None:
        found = self._divergence(sight)
        if found is not None:
            life.origin, life.marks[_DIVERGED_US] = found.id, found.event_time_us
            names = ("venues_agree", "strong", "cvd_change_lots")
            life.values |= {name: found.values.get(name) for name in names}
            life.venues, life.venues_expected = list(found.venues), list(found.venues_expected)
            life.status = found.status
            life.note(found.id)
            return Move(TRIGGERED, "divergence")
        if life.armed_us == sight.now_us:
            return None
        life.marks[_BARS] += 1
        pivot = sight.track.pivot(-sight.sign)
        if pivot is not None and pivot.since_us == sight.now_us:
            return None if self._take_pivot(sight, life) else Move(EXPIRED, "pivot_elsewhere")
        if life.marks[_BARS] >= self._params.pivot_bars:
            return Move(EXPIRED, "no_divergence")
        return None

    def _divergence(self, sight: Sight) -> FlowEvent | None:
        """Return a divergence of all perpetuals that triggers, if it holds at this close."""
        over = {event.id for event in sight.events if event.state is not EventState.CONFIRMED}
        for event in sight.events:
            if (
                event.kind is EventKind.DELTA_DIVERGENCE
                and event.state is EventState.CONFIRMED
                and event.side is sight.against
                and _key(event) == PERP
                and event.id not in over
                and self._agreed(event)
            ):
                return event
        return None

    def _agreed(self, event: FlowEvent) -> bool:
        agree = event.values.get("venues_agree") or 0
        return bool(event.values.get("strong")) or agree >= self._params.agreeing_venues

    def _over(self, sight: Sight, life: Life) -> Move | None:
        for event in sight.events:
            if event.id != life.origin:
                continue
            match event.state:
                case EventState.INVALIDATED:
                    return Move(INVALIDATED, "cvd_beyond")
                case EventState.SUSPENDED:
                    return Move(SUSPENDED, "divergence_suspended")
                case EventState.EXPIRED:
                    ended = COMPLETED if life.state is CONFIRMED else EXPIRED
                    return Move(ended, "divergence_expired")
        return None

    def _confirm(self, sight: Sight, life: Life) -> Move | None:
        if life.state is not TRIGGERED or life.bars > self._params.exhaustion_bars:
            return None
        for event in sight.events:
            if (
                event.kind is EventKind.EXHAUSTION
                and event.form in _FORMS
                and event.side is sight.against
                and event.event_time_us > life.marks[_DIVERGED_US]
                and _key(event) in (PERP, sight.key)
            ):
                life.note(event.id)
                return Move(CONFIRMED, f"exhaustion_{event.form}")
        return None


def _key(event: FlowEvent) -> ScopeKey:
    return ScopeKey(event.scope, event.venue, event.symbol)
