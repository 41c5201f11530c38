"""What one scope's past left behind: levels of the prior session, naked POCs, rows of high volume.

A POC is naked from the end of its session on until a later trade trades through its row: is in the
row, or beyond it as seen from the price that the session closed at. A session that closed in its
own POC row decides with the next trade: there, the POC was never naked; beside it, it is.

Rows of high volume are those of the rolling 24 hours, renewed with each step: of every high volume
node the row with most in it (definitions 5.7: a row). On random walks the price is within 3 bp of
such a row 6 to 14 % of the time, of a whole node 30 to 56 %, and from step to step 91 to 98 % of
the rows stay and 84 to 90 % of the nodes. A row that stays is the level that it was.

A window that too little was seen of leaves nothing: its extremes and its POC may be others.
"""

import msgspec

from processors.measures.levels import Level, LevelKind
from processors.plain import Plain
from processors.profiles.params import ProfileParams
from schemas.profiles import NakedPoc, PriorSession, ProfileWindow, VolumeProfile


class _Naked:
    """A naked POC. `side` says where the price is: 1 above the row, -1 below, 0 in it."""

    __slots__ = ("all_seen", "high", "level", "low", "session_us", "side")

    def __init__(self, level: Level, session_us: int, side: int, all_seen: bool = True) -> None:
        self.level = level
        self.low, self.high = level.low_ticks, level.high_ticks
        self.session_us, self.side, self.all_seen = session_us, side, all_seen

    def survives(self, low: int, high: int) -> bool:
        """Take later prices in, from their lowest to their highest; say whether it is naked yet."""
        if self.side == 0:
            self.side = (low >= self.high) - (high < self.low)
            return self.side != 0
        return low >= self.high if self.side > 0 else high < self.low


class Known:
    """What is known of one scope; at most so many naked POCs, the oldest are forgotten.

    `prior` is None before the first session, and after one that is `partial`: too little was seen.
    """

    def __init__(self, params: ProfileParams) -> None:
        self._params = params
        self._naked: list[_Naked] = []
        self._levels: list[Level] = []
        self._rows: list[Level] = []
        self._last = 0
        self.prior: PriorSession | None = None
        self.partial = False

    def take(self, low: int, high: int, last: int) -> None:
        """Take the lowest, the highest and the last price of later trades in."""
        self._last = last
        if self._naked:
            self._naked = [naked for naked in self._naked if naked.survives(low, high)]

    def miss(self) -> None:
        """Note that trades may have been missed."""
        for naked in self._naked:
            naked.all_seen = False

    @property
    def naked(self) -> list[NakedPoc]:
        """The naked POCs, oldest first."""
        return [NakedPoc(one.low, one.high, one.session_us, one.all_seen) for one in self._naked]

    def close(self, session: VolumeProfile, composites: list[VolumeProfile]) -> None:
        """Remember a session that has closed, unless nothing traded in it or little was seen.

        Args:
            session: its final profile.
            composites: those that end with it.
        """
        self.partial = not self._covers(session)
        if self.partial:
            self.prior, self._levels = None, []
            return
        area = session.value_area
        if session.poc_ticks is None or area is None:
            return
        if session.high_ticks is None or session.low_ticks is None:
            return
        self.prior = PriorSession(
            session_start_us=session.window_start_us,
            poc_ticks=session.poc_ticks,
            val_ticks=area.val_ticks,
            vah_ticks=area.vah_ticks,
            high_ticks=session.high_ticks,
            low_ticks=session.low_ticks,
        )
        self._levels = levels_of(session)
        for composite in composites:
            self._levels += levels_of(composite)
        level = _row(session, LevelKind.NAKED_POC, session.poc_ticks)
        side = (self._last >= level.high_ticks) - (self._last < level.low_ticks)
        self._naked.append(_Naked(level, session.window_start_us, side))
        del self._naked[: -self._params.naked_sessions]

    def _covers(self, profile: VolumeProfile) -> bool:
        """Say whether enough of a window was seen."""
        covered = profile.completeness.coverage_ms.values()
        span_ms = (profile.window_end_us - profile.window_start_us) // 1000
        least, per = self._params.least_covered
        return per * sum(covered) >= least * span_ms * len(covered)

    def roll(self, day: VolumeProfile | None) -> None:
        """Take the rolling 24 hours as they are now; None where nobody was there."""
        before = {level[:3]: level for level in self._rows}
        found = node_rows_of(day) if day is not None and self._covers(day) else []
        self._rows = [before.get(level[:3], level) for level in found]

    def levels(self) -> list[Level]:
        """Return the levels of the newest closed windows and the naked POCs, by price."""
        naked = [one.level for one in self._naked]
        found = self._levels + self._rows + naked
        return sorted(found, key=lambda level: (level.low_ticks, level))

    # --- state

    def dump(self) -> Plain:
        """Return everything as plain values."""
        naked = [[one.level, one.session_us, one.side, one.all_seen] for one in self._naked]
        prior = None if self.prior is None else msgspec.structs.astuple(self.prior)
        return [naked, self._levels, self._rows, self._last, prior, self.partial]

    @staticmethod
    def load(values: Plain, params: ProfileParams) -> "Known":
        """Return it from plain values."""
        known = Known(params)
        naked, levels, rows, known._last, prior, known.partial = values
        known._naked = [_Naked(_level(level), *rest) for level, *rest in naked]
        known._levels = [_level(level) for level in levels]
        known._rows = [_level(level) for level in rows]
        known.prior = None if prior is None else PriorSession(*prior)
        return known


def _level(values: Plain) -> Level:
    kind, *rest = values
    return Level(LevelKind(kind), *rest)


def profile_id(profile: VolumeProfile) -> str:
    """Name a profile by what identifies it."""
    of = f"{profile.venue}:{profile.symbol}" if profile.venue else profile.scope.value
    start_us = profile.window_start_us
    return f"profile:{profile.asset}:{of}:{profile.window.value}:{start_us}"


def levels_of(profile: VolumeProfile) -> list[Level]:
    """Return the levels that a closed window leaves behind: none where nothing traded.

    A session leaves its POC, value area and extremes, a composite the first two.
    """
    area = profile.value_area
    if profile.poc_ticks is None or area is None:
        return []
    row = profile.row_ticks
    if profile.window is not ProfileWindow.SESSION:
        return [
            _row(profile, LevelKind.COMPOSITE_POC, profile.poc_ticks),
            _row(profile, LevelKind.COMPOSITE_VAH, area.vah_ticks - row),
            _row(profile, LevelKind.COMPOSITE_VAL, area.val_ticks),
        ]
    levels = [
        _row(profile, LevelKind.PRIOR_POC, profile.poc_ticks),
        _row(profile, LevelKind.PRIOR_VAH, area.vah_ticks - row),
        _row(profile, LevelKind.PRIOR_VAL, area.val_ticks),
    ]
    for extreme, price in (
        (LevelKind.PRIOR_HIGH, profile.high_ticks),
        (LevelKind.PRIOR_LOW, profile.low_ticks),
    ):
        if price is not None:
            levels.append(_between(profile, extreme, price, price + 1))
    return levels


def node_rows_of(profile: VolumeProfile) -> list[Level]:
    """Return the row with most in it of each high volume node, of a low one that with least."""
    return [
        _row(profile, kind, node.row_ticks)
        for kind, found in (
            (LevelKind.HIGH_VOLUME_NODE, profile.high_nodes),
            (LevelKind.LOW_VOLUME_NODE, profile.low_nodes),
        )
        for node in found
    ]


def _row(profile: VolumeProfile, kind: LevelKind, low_ticks: int) -> Level:
    return _between(profile, kind, low_ticks, low_ticks + profile.row_ticks)


def _between(profile: VolumeProfile, kind: LevelKind, low_ticks: int, high_ticks: int) -> Level:
    return Level(kind, low_ticks, high_ticks, profile.window_end_us, profile_id(profile))
