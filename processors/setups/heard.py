"""What the operators before it have told: events, cascades, CVD, conviction.

State: the events since the last bar of each variant, the newest record of each side of cascades and
of the conviction, and six minutes of CVD by perpetual.
"""

from collections import deque

import msgspec

from processors.events.writer import scope_name
from processors.plain import Plain
from processors.scopes import PERP, ScopeKey
from processors.seconds.second import Second
from processors.setups.conviction import leading
from processors.setups.wave import Wave, wave_of
from schemas.cascades import Cascade
from schemas.cvd_structure import Conviction, CvdStructure
from schemas.events import EventKind, FlowEvent
from schemas.market import Scope
from schemas.units import US_PER_MINUTE

CVD_SECONDS = 900
_CVD_MINUTES = 6
_FRESH_US = 2 * US_PER_MINUTE
_KEPT = frozenset({EventKind.DELTA_DIVERGENCE, EventKind.EXHAUSTION})


class Heard:
    """Everything that setups listen to.

    Args:
        intervals_us: of the variants.
    """

    def __init__(self, intervals_us: tuple[int, ...]) -> None:
        self.events: dict[int, list[FlowEvent]] = {one: [] for one in intervals_us}
        self.waves: dict[int, Wave] = {}
        self._cvd: deque[tuple[int, dict[str, int]]] = deque(maxlen=_CVD_MINUTES)
        self._conviction: tuple[int, Conviction | None] = (0, None)

    def take(self, second: Second) -> dict[ScopeKey, list[FlowEvent]]:
        """Take in what was sent for a second; return its absorptions by instrument."""
        absorptions: dict[ScopeKey, list[FlowEvent]] = {}
        for output in second.events:
            match output.record:
                case FlowEvent() as event:
                    if event.kind is EventKind.ABSORPTION:
                        key = ScopeKey(event.scope, event.venue, event.symbol)
                        absorptions.setdefault(key, []).append(event)
                    elif event.kind in _KEPT:
                        for events in self.events.values():
                            events.append(event)
                case Cascade() as cascade:
                    self.waves[int(cascade.liquidated_side)] = wave_of(cascade)
                case CvdStructure() as structure:
                    self._take_structure(structure)
        return absorptions

    def _take_structure(self, structure: CvdStructure) -> None:
        self._conviction = (structure.bar_end_us, leading(structure.convictions))
        common: list[str] = []
        deltas: dict[str, int] = {}
        for series in structure.series:
            key = ScopeKey(series.scope, series.venue, series.symbol)
            [share] = [one for one in series.shares if one.window_seconds == CVD_SECONDS]
            if key == PERP and series.composition == "common":
                common = share.venues
            elif key.scope is Scope.VENUE and share.delta_lots is not None:
                deltas[scope_name(key)] = share.delta_lots
        self._cvd.append((structure.bar_end_us, {name: deltas[name] for name in common}))

    def conviction(self, now_us: int) -> Conviction | None:
        """Return the conviction that counts now, None where there is no young one."""
        end_us, found = self._conviction
        return found if now_us - end_us < _FRESH_US else None

    def cvd_change(self, now_us: int, interval_us: int) -> int | None:
        """Return how CVD over 15 minutes has changed since the bar before, None where unknown.

        It is of the perpetuals that were there over both 15 minutes: one that goes away or comes
        back changes nothing.
        """
        known = dict(self._cvd)
        now, before = known.get(now_us, {}), known.get(now_us - interval_us, {})
        both = now.keys() & before.keys()
        return sum(now[name] - before[name] for name in both) if both else None

    def forget(self, interval_us: int) -> None:
        """Let a bar of a variant close: its events have been looked at."""
        self.events[interval_us] = []

    # --- state

    def dump(self) -> Plain:
        """Return everything as plain values."""
        events = [[one, msgspec.to_builtins(held)] for one, held in self.events.items()]
        waves = [[side, msgspec.to_builtins(wave)] for side, wave in self.waves.items()]
        return [events, waves, list(self._cvd), msgspec.to_builtins(self._conviction)]

    def load(self, state: Plain) -> None:
        """Take the values of `dump` back."""
        events, waves, cvd, conviction = state
        self.events = {one: msgspec.convert(held, list[FlowEvent]) for one, held in events}
        self.waves = {side: msgspec.convert(wave, Wave) for side, wave in waves}
        self._cvd.extend((end_us, delta) for end_us, delta in cvd)
        self._conviction = msgspec.convert(conviction, tuple[int, Conviction | None])
