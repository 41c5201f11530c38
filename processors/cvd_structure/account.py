"""One instrument's signed volume: the open minute, levels since each anchor, a day of minutes.

Sums are `[delta_lots, delta_notional, volume_lots, volume_notional]` on the asset's grid.
"""

import json
from collections.abc import Sequence
from operator import add, mul, sub

from processors.plain import Plain
from processors.scopes import ScopeKey, scope_key
from processors.seconds.columns import Columns
from schemas.cvd import WINDOWS
from schemas.cvd_structure import SIZE_CLASSES_USD, Reset

Sums = list[int]

MINUTE = 60
KEPT_MINUTES = WINDOWS[-1] // MINUTE
PART_MINUTES = 60

_NONE = (0, 0, 0, 0, 0)


class Account:
    """One instrument.

    `levels` are delta in lots and in notional since each anchor, up to the open minute. `path` is
    `[highest, lowest]` of lots, then of notional, in the open minute from 0. `steps` are
    `[second of the minute, delta_lots, delta_notional]`. `present` is the newest closed minute in
    which it was there at any time. `sizes` and `sizes_day` are by class the sums and the number of
    sweeps. `rolling` is `[delta_lots, volume_lots]` by window of closed minutes.

    Args:
        key: the instrument.
        aggregate: what it belongs to.
    """

    def __init__(self, key: ScopeKey, aggregate: ScopeKey) -> None:
        self.key = key
        self.aggregate = aggregate
        self.levels: dict[Reset, list[int]] = {reset: [0, 0] for reset in Reset}
        self.sums: Sums = [0, 0, 0, 0]
        self.path = [0, 0, 0, 0]
        self.steps: list[list[int]] = []
        self.sizes = _no_sizes()
        self.sizes_day = _no_sizes()
        self.rolling = [[0, 0] for _ in WINDOWS]
        self.present = -1
        self._minutes: dict[int, list[int]] = {}
        self._last_minute = 0
        self._fresh: dict[str, bytes] = {}

    @property
    def name(self) -> str:
        """`venue:symbol`."""
        return f"{self.key.venue}:{self.key.symbol}"

    def take(self, second: int, columns: Columns, limits: Sequence[int]) -> None:
        """Add the trades of one second.

        Args:
            second: of the minute, from 0.
            columns: of at least one trade.
            limits: the least notional of each class of sweeps but the first.
        """
        lots, notional = self._walk(0, columns.deltas), self._walk(2, columns.delta_notionals)
        self.steps.append([second, lots, notional])
        self.sums = list(map(add, self.sums, (lots, notional, *columns.volume)))
        self._by_size(columns, limits)

    def _walk(self, place: int, path: Sequence[int]) -> int:
        """Follow a path from 0 on; return how far it went."""
        before = self.sums[place // 2]
        self.path[place] = max(self.path[place], before + max(path))
        self.path[place + 1] = min(self.path[place + 1], before + min(path))
        return path[-1]

    def _by_size(self, columns: Columns, limits: Sequence[int]) -> None:
        """Add every sweep that has a side to its class: from its least notional up to the next."""
        sides, lots, begun = columns.sides, columns.lots, columns.sweeps
        ends = [*begun[1:], columns.size]
        sided = sum([1 for first in begun if sides[first]])
        from_on = [(columns.deltas[-1], columns.delta_notionals[-1], *columns.volume, sided)]
        sweeps = [
            (sides[first], lots[end] - lots[first], notional)
            for first, end, notional in zip(begun, ends, columns.sweep_notionals, strict=True)
            if notional >= limits[0] and sides[first]
        ]
        for limit in limits:
            sweeps = [one for one in sweeps if one[2] >= limit]
            from_on.append(_sum_up(sweeps))
        beyond = [*from_on[1:], _NONE]
        for into, these, larger in zip(self.sizes, from_on, beyond, strict=True):
            into[:] = map(add, into, map(sub, these, larger))

    def fill(self, minute: int, *, attended: bool) -> None:
        """Let the open minute count in the rolling windows and in the day.

        Args:
            minute: its number.
            attended: whether the instrument was there at any time of it; who traded was.
        """
        if attended or self.sums[2]:
            self.present = minute
        gone_by = minute - self._last_minute
        self._minutes[minute] = [self.sums[0], self.sums[2]]
        if gone_by == 1:
            for window, total in zip(WINDOWS, self.rolling, strict=True):
                leaving = self._minutes.get(minute - window // MINUTE, (0, 0))
                total[0] += self.sums[0] - leaving[0]
                total[1] += self.sums[2] - leaving[1]
        if minute // PART_MINUTES != self._last_minute // PART_MINUTES:
            self._close_part(self._last_minute // PART_MINUTES)
            oldest = minute - KEPT_MINUTES
            self._minutes = {kept: row for kept, row in self._minutes.items() if kept > oldest}
        self._last_minute = minute
        if gone_by != 1:
            self._add_up()
        for day, own in zip(self.sizes_day, self.sizes, strict=True):
            for column, value in enumerate(own):
                day[column] += value

    def _add_up(self) -> None:
        """Add the windows up anew."""
        for window, total in zip(WINDOWS, self.rolling, strict=True):
            after = self._last_minute - window // MINUTE
            rows = [row for minute, row in self._minutes.items() if minute > after]
            total[:] = [sum([row[0] for row in rows]), sum([row[1] for row in rows])]

    def begin_minute(self) -> None:
        """Add the closed minute to the levels and open the next one."""
        for level in self.levels.values():
            level[0] += self.sums[0]
            level[1] += self.sums[1]
        self.sums = [0, 0, 0, 0]
        self.path = [0, 0, 0, 0]
        self.steps = []
        self.sizes = _no_sizes()

    def reset(self, mode: Reset) -> None:
        """Begin a level anew at an anchor."""
        self.levels[mode] = [0, 0]
        if mode is Reset.DAY:
            self.sizes_day = _no_sizes()

    # --- state

    def _close_part(self, part: int) -> None:
        rows = [
            [minute, *row]
            for minute, row in self._minutes.items()
            if minute // PART_MINUTES == part
        ]
        if rows:
            self._fresh[str(part)] = json.dumps(rows, separators=(",", ":")).encode()

    def take_parts(self) -> dict[str, bytes]:
        """Return the hours closed since the last call."""
        fresh, self._fresh = self._fresh, {}
        return fresh

    def dump(self) -> Plain:
        """Return what is not in the parts."""
        part = self._last_minute // PART_MINUTES
        levels = [self.levels[reset] for reset in Reset]
        minutes = [[m, *row] for m, row in self._minutes.items() if m // PART_MINUTES == part]
        return {
            "key": self.key,
            "aggregate": self.aggregate,
            "open": [self.sums, self.path, self.steps, self.sizes],
            "closed": [levels, self.sizes_day, self.present, self._last_minute, minutes],
        }

    @staticmethod
    def load(state: Plain, parts: dict[str, bytes]) -> "Account":
        """Return an account from the values of `dump` and its parts."""
        account = Account(scope_key(state["key"]), scope_key(state["aggregate"]))
        account.sums, account.path, account.steps, account.sizes = state["open"]
        levels, account.sizes_day, account.present, account._last_minute, minutes = state["closed"]
        account.levels = dict(zip(Reset, levels, strict=True))
        for part in sorted(parts, key=int):
            if account.keeps(part) and int(part) < account._last_minute // PART_MINUTES:
                account._minutes |= {row[0]: row[1:] for row in json.loads(parts[part])}
        account._minutes |= {row[0]: row[1:] for row in minutes}
        account._add_up()
        return account

    def keeps(self, part: str) -> bool:
        """Say whether an hour is still inside the longest window."""
        return (int(part) + 1) * PART_MINUTES > self._last_minute - KEPT_MINUTES


def _sum_up(sweeps: Sequence[tuple[int, int, int]]) -> tuple[int, int, int, int, int]:
    """Return delta, volume and number of sweeps `(side, lots, notional)`, as in a class."""
    if not sweeps:
        return _NONE
    sides, lots, notional = zip(*sweeps, strict=True)
    signed = (sum(map(mul, sides, lots)), sum(map(mul, sides, notional)))
    return (*signed, sum(lots), sum(notional), len(sweeps))


def _no_sizes() -> list[list[int]]:
    return [[0, 0, 0, 0, 0] for _ in SIZE_CLASSES_USD]
