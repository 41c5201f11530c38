"""Known levels of one instrument: which of them an absorption is at, and how often price hit them.

A touch is a second with a trade within `near_bp` of the level. It is one more where the price was
there last `apart_seconds` ago or longer and had moved away by `away_widths` times the width of a
band (definitions 5.7: 3 bp, 30 s, 3 widths); a return before that belongs to the touch it follows.

Levels are taken from their source at the beginning of each minute. One that is gone counts until
the minute after: a naked POC is gone with the first trade in it, which is when it is wanted. After
a break of the trades nobody knows how often a level was touched until it is another one.

State: the levels of one instrument, some tens.
"""

from collections.abc import Sequence
from dataclasses import astuple, dataclass

from processors.measures.levels import BP, HOLDING, Level, LevelKind, distance, name_of, nearest
from processors.plain import Plain
from schemas.units import US_PER_MINUTE, US_PER_SECOND

REPEATED = 3
"""From so many touches on, a level is hit repeatedly."""


@dataclass(slots=True)
class _Touched:
    """What happened at one level; `away` since the price was there last, at `last_us`."""

    count: int = 0
    last_us: int = 0
    away: bool = False
    blind: bool = False
    gone: bool = False


class LevelMemory:
    """The levels of one instrument.

    Args:
        row_ticks: the height of a footprint row.
        width_bp: least width of a band in basis points of its price.
        near_bp: how far from a level a price is at it.
        away_widths: how many widths the price has to move away between two touches.
        apart_seconds: and how long it has to be away.
    """

    def __init__(
        self,
        row_ticks: int,
        width_bp: int,
        near_bp: int = 3,
        away_widths: int = 3,
        apart_seconds: int = 30,
    ) -> None:
        self._row_ticks, self._width_bp, self._near_bp = row_ticks, width_bp, near_bp
        self._away_widths, self._apart_us = away_widths, apart_seconds * US_PER_SECOND
        self._held: dict[Level, _Touched] = {}
        self._minute = 0

    def due(self, start_us: int) -> bool:
        """Say whether the levels are to be taken anew in the second that begins now."""
        return start_us // US_PER_MINUTE != self._minute

    def renew(self, start_us: int, levels: Sequence[Level]) -> None:
        """Take the levels as they are now; forget those that were gone a minute ago already."""
        self._minute = start_us // US_PER_MINUTE
        now = {level for level in levels if level.kind in HOLDING}
        for level in [level for level, held in self._held.items() if held.gone]:
            del self._held[level]
        for level, held in self._held.items():
            held.gone = level not in now
        for level in levels:
            if level in now:
                self._held.setdefault(level, _Touched())

    def miss(self) -> None:
        """Note that trades were missed."""
        for held in self._held.values():
            held.blind = True

    def take(self, end_us: int, low: int | None, high: int | None) -> None:
        """Take the lowest and the highest price of the second that ends now."""
        if low is None or high is None:
            return
        scaled = self._away_widths * max(self._row_ticks * BP, self._width_bp * low)
        for level, held in self._held.items():
            inside = low < level.high_ticks and level.low_ticks <= high
            near = low if low >= level.high_ticks else high
            if inside or distance(level, near) * BP <= self._near_bp * near:
                if not held.count or (held.away and end_us - held.last_us >= self._apart_us):
                    held.count += 1
                held.away, held.last_us = False, end_us
            elif max(distance(level, low), distance(level, high)) * BP >= scaled:
                held.away = True

    def evidence(
        self, price: int
    ) -> tuple[dict[str, int | float | None], dict[str, str], list[str]]:
        """Return the values, the reasons of those that are null, and the name of a price's level.

        Args:
            price: the extreme of an absorption, in ticks.
        """
        names = ("level_low_ticks", "level_high_ticks", "level_distance_bp", "level_touches")
        level = nearest(self._held, price, self._near_bp)
        if level is None:
            return dict.fromkeys(names), dict.fromkeys(names, "no_level_near"), []
        held = self._held[level]
        touches = None if held.blind else held.count
        found = (level.low_ticks, level.high_ticks, BP * distance(level, price) / price, touches)
        nulls = {"level_touches": "gap"} if held.blind else {}
        return dict(zip(names, found, strict=True)), nulls, [name_of(level)]

    # --- state

    def dump(self) -> Plain:
        """Return everything as plain values."""
        return [self._minute, [[*level, *astuple(held)] for level, held in self._held.items()]]

    def load(self, state: Plain) -> None:
        """Take the values of `dump` back."""
        self._minute, rows = state
        for kind, low, high, since_us, source, *held in rows:
            level = Level(LevelKind(kind), low, high, since_us, source)
            self._held[level] = _Touched(*held)
