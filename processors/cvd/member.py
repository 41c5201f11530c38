"""Signed and total volume of one instrument, second by second, over every window at once.

Sums are `[delta_lots, delta_notional, volume_lots, volume_notional]` on the asset's grid; seconds
are whole seconds since 1970 of venue time.
"""

import json
from collections.abc import Iterable
from itertools import groupby

from processors.plain import Plain
from processors.scopes import ScopeKey, scope_key
from processors.trades import Block
from schemas.cvd import WINDOWS
from schemas.units import US_PER_SECOND

Sums = list[int]

DAY = 86_400
MINUTE = 60
KEPT_MINUTES = WINDOWS[-1] // MINUTE + 2


def add_into(into: Sums, sums: Iterable[int], sign: int = 1) -> None:
    """Add sums, or take them away with sign -1."""
    for index, value in enumerate(sums):
        into[index] += sign * value


def trade_sums(block: Block) -> dict[int, Sums]:
    """Return the sums by second of trades; those without a side do not count."""
    trades = block.trades
    first, last = trades[0][0] // US_PER_SECOND, trades[-1][0] // US_PER_SECOND
    if first == last:
        return {first: list(block.sums())}
    by_second = groupby(trades, lambda trade: trade[0] // US_PER_SECOND)
    return {second: list(Block(list(rows)).sums()) for second, rows in by_second}


class MemberCvd:
    """One instrument: open seconds, running windows and a day of closed seconds.

    `last_second` is the newest closed one, `incomplete` the newest closed one that was not wholly
    covered, `anchor` the first that was, `present` the newest that was covered at all or traded in.
    A closed minute never changes in the parts of a snapshot; late trades are remembered beside
    them.
    """

    def __init__(self, key: ScopeKey) -> None:
        self.key = key
        self.open: dict[int, Sums] = {}
        self.last_second = 0
        self.anchor = 0
        self.incomplete = 0
        self.present = 0
        self.complete = False
        self.step: Sums = [0, 0, 0, 0]
        self.day: Sums = [0, 0, 0, 0]
        self.anchored: Sums = [0, 0, 0, 0]
        self.rolling: list[Sums] = [[0, 0, 0, 0] for _ in WINDOWS]
        self._minute: dict[int, Sums] = {}
        self._history: dict[int, bytes] = {}
        self._leaving: list[tuple[int, dict[int, Sums]]] = [(-1, {}) for _ in WINDOWS]
        self._late: dict[int, dict[int, Sums]] = {}
        self._fresh: dict[str, bytes] = {}

    def take(self, second: int, sums: Sums) -> None:
        """Add sums to a second that is open."""
        if second in self.open:
            add_into(self.open[second], sums)
        else:
            self.open[second] = sums

    def late(self, second: int, sums: Sums) -> None:
        """Add a late trade's sums to a closed second and to every window that it still lies in."""
        self.present = max(self.present, second)
        minute = second // MINUTE
        seconds = self._minute
        if minute != self.last_second // MINUTE:
            seconds = self._late.setdefault(minute, {})
            self._leaving = [
                (-1, {}) if cached[0] == minute else cached for cached in self._leaving
            ]
        add_into(seconds.setdefault(second, [0, 0, 0, 0]), sums)
        add_into(self.anchored, sums)
        if second // DAY == self.last_second // DAY:
            add_into(self.day, sums)
        for window, total in zip(WINDOWS, self.rolling, strict=True):
            if second > self.last_second - window:
                add_into(total, sums)

    def close(self, second: int, covered_us: int) -> None:
        """Close the next second: add it to every window and take away what leaves them."""
        sums = self.open.pop(second, None)
        if second // MINUTE != self.last_second // MINUTE:
            self._end_minute(second // MINUTE)
        if second // DAY != self.last_second // DAY:
            self.day = [0, 0, 0, 0]
        self.last_second = second
        self._attend(second, covered_us, sums is not None)
        self.step = list(sums) if sums is not None else [0, 0, 0, 0]
        if sums is not None:
            self._minute[second] = sums
            add_into(self.day, sums)
            add_into(self.anchored, sums)
        for index, window in enumerate(WINDOWS):
            if sums is not None:
                add_into(self.rolling[index], sums)
            leaving = self._leaving_at(index, second - window)
            if leaving is not None:
                add_into(self.rolling[index], leaving, -1)

    def _attend(self, second: int, covered_us: int, traded: bool) -> None:
        self.complete = covered_us >= US_PER_SECOND
        if covered_us or traded:
            self.present = second
        if self.complete:
            self.anchor = self.anchor or second
        else:
            self.incomplete = second

    def pass_over(self, last: int) -> None:
        """Count the seconds up to one as closed: nobody was there, no window holds anything."""
        if last // MINUTE != self.last_second // MINUTE:
            self._end_minute(last // MINUTE)
        self.last_second = self.incomplete = last

    def _end_minute(self, minute: int) -> None:
        if self._minute:
            closed = self.last_second // MINUTE
            self._history[closed] = _encode(self._minute)
            self._fresh[str(closed)] = self._history[closed]
            self._minute = {}
        oldest = minute - KEPT_MINUTES
        for kept in (self._history, self._late):
            for old in [m for m in kept if m < oldest]:
                del kept[old]

    def _leaving_at(self, index: int, second: int) -> Sums | None:
        minute = second // MINUTE
        if self._leaving[index][0] != minute:
            self._leaving[index] = (minute, self._load_minute(minute))
        return self._leaving[index][1].get(second)

    def _load_minute(self, minute: int) -> dict[int, Sums]:
        encoded = self._history.get(minute)
        seconds = {row[0]: row[1:] for row in json.loads(encoded)} if encoded else {}
        for second, sums in self._late.get(minute, {}).items():
            add_into(seconds.setdefault(second, [0, 0, 0, 0]), sums)
        return seconds

    def present_at(self, second: int) -> int:
        """Return what `present` will be at a later second, from what is open so far."""
        return max([self.present, *(traded for traded in self.open if traded <= second)])

    def window_at(self, index: int, second: int) -> Sums:
        """Return a rolling window as it will be at a later second, from what is open so far."""
        sums = list(self.rolling[index])
        self._add_open(sums, self.last_second + 1, second)
        for leaving in range(self.last_second + 1, second + 1):
            gone = self._leaving_at(index, leaving - WINDOWS[index])
            if gone is not None:
                add_into(sums, gone, -1)
        return sums

    def since(self, total: Sums, first_second: int, second: int) -> Sums:
        """Return a sum as it will be at a later second, adding the open seconds from a first on."""
        sums = list(total)
        self._add_open(sums, first_second, second)
        return sums

    def _add_open(self, into: Sums, first_second: int, second: int) -> None:
        for open_second, sums in self.open.items():
            if first_second <= open_second <= second:
                add_into(into, sums)

    def common_over(self, first_second: int) -> bool:
        """Say whether every second from the given one on was wholly covered."""
        return 0 < self.anchor <= first_second and self.incomplete < first_second

    def take_parts(self) -> dict[str, bytes]:
        """Return the minutes closed since the last call."""
        fresh, self._fresh = self._fresh, {}
        return fresh

    def dump(self) -> Plain:
        """Return what is not in the parts."""
        return {
            "key": self.key,
            "open": sorted(self.open.items()),
            "last_second": self.last_second,
            "anchor": self.anchor,
            "incomplete": self.incomplete,
            "present": self.present,
            "complete": self.complete,
            "step": self.step,
            "day": self.day,
            "anchored": self.anchored,
            "rolling": self.rolling,
            "minute": sorted(self._minute.items()),
            "late": [[minute, sorted(late.items())] for minute, late in sorted(self._late.items())],
        }

    @staticmethod
    def load(state: Plain, parts: dict[str, bytes]) -> "MemberCvd":
        """Return a member from the values of `dump` and its parts."""
        member = MemberCvd(scope_key(state["key"]))
        member.open = dict(state["open"])
        for name in ("last_second", "anchor", "incomplete", "present", "complete"):
            setattr(member, name, state[name])
        for name in ("step", "day", "anchored", "rolling"):
            setattr(member, name, state[name])
        member._history = {int(n): part for n, part in parts.items() if member.keeps(n)}
        member._minute = dict(state["minute"])
        member._late = {minute: dict(late) for minute, late in state["late"]}
        return member

    def keeps(self, part: str) -> bool:
        """Say whether a closed minute is still inside the longest window."""
        minute = self.last_second // MINUTE
        return minute - KEPT_MINUTES <= int(part) < minute


def _encode(seconds: dict[int, Sums]) -> bytes:
    rows = [[second, *sums] for second, sums in sorted(seconds.items())]
    return json.dumps(rows, separators=(",", ":")).encode()
