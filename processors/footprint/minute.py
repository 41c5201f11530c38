"""One base bar of an asset while its trades are held: instruments, and the merged path."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence

from processors.bars import Bar, Path
from processors.feeds import Trade
from processors.plain import Plain


class MemberMinute:
    """One instrument's trades of one base bar, with the bar they make."""

    __slots__ = ("bar", "folded", "resorted", "trades")

    def __init__(self) -> None:
        self.bar = Bar()
        self.trades: list[Trade] = []
        self.folded = 0
        self.resorted = 0

    def take(self, trades: Sequence[Trade], row_ticks: int) -> None:
        """Add trades; their order is settled when the bar is asked for."""
        self.bar.take(trades, row_ticks)
        self.trades.extend(trades)

    def settle(self) -> None:
        """Bring trades into tape order and the path up to date."""
        trades, folded = self.trades, self.folded
        if folded == len(trades):
            return
        fresh = trades[folded:]
        fresh.sort()
        if folded and fresh[0] < trades[folded - 1]:
            trades.sort()
            self.bar.path = Path()
            self.resorted += 1
            fresh = trades
        else:
            trades[folded:] = fresh
        path = self.bar.path
        if path is not None:
            path.fold(fresh)
        self.folded = len(trades)


class MergedPath:
    """The path over several instruments: settled to a frontier, the tail folded anew each time."""

    __slots__ = ("_cached", "_seen", "cursors", "path", "resorted")

    def __init__(self) -> None:
        self._seen = (-1, -1)
        self._cached = Path()
        self.path = Path()
        self.cursors: dict[str, int] = {}
        self.resorted: dict[str, int] = {}

    def at(self, members: dict[str, MemberMinute], frontier_us: int) -> Path:
        """Return the path over all trades of the members, which must be settled."""
        seen = (frontier_us, sum(len(member.trades) for member in members.values()))
        if seen == self._seen:
            return self._cached
        if any(self.resorted.get(name, 0) != member.resorted for name, member in members.items()):
            self.path, self.cursors = Path(), {}
            self.resorted = {name: member.resorted for name, member in members.items()}
        settled: list[Trade] = []
        tail: list[Trade] = []
        for name, member in members.items():
            start = self.cursors.get(name, 0)
            end = bisect_left(member.trades, (frontier_us,), lo=start)
            settled += member.trades[start:end]
            tail += member.trades[end:]
            self.cursors[name] = end
        settled.sort()
        self.path.fold(settled)
        path = self.path.copy()
        tail.sort()
        path.fold(tail)
        self._seen, self._cached = seen, path
        return path


class Minute:
    """One base bar `[start_us, start_us + interval)` of an asset while its trades are held.

    Trades are held until `HELD_US` after the bar's end, so that a late one is put in its place.
    """

    __slots__ = ("first_offset", "members", "merged", "start_us")

    def __init__(self, start_us: int, first_offset: int) -> None:
        self.start_us = start_us
        self.first_offset = first_offset
        self.members: dict[str, MemberMinute] = {}
        self.merged: dict[str, MergedPath] = {}

    def member(self, name: str) -> MemberMinute:
        """Return an instrument's part of the bar, new where there was none."""
        member = self.members.get(name)
        if member is None:
            member = self.members[name] = MemberMinute()
        return member

    def bar_of(self, name: str) -> Bar:
        """Return one instrument's bar with its path up to date."""
        member = self.members.get(name)
        if member is None:
            return Bar()
        member.settle()
        return member.bar

    def bar_over(self, scope: str, names: Iterable[str], frontier_us: int) -> Bar:
        """Return the bar over several instruments; what lies before the frontier is in order."""
        members = {name: self.members[name] for name in sorted(names) if name in self.members}
        bar = Bar()
        for member in members.values():
            member.settle()
            bar.add(member.bar)
        merged = self.merged.get(scope)
        if merged is None:
            merged = self.merged[scope] = MergedPath()
        bar.path = merged.at(members, frontier_us)
        return bar

    def dump(self) -> Plain:
        """Return the minute as plain values: its trades, from which everything is made again."""
        members = [
            [name, member.bar.excluded, [[t[0], *t[2:]] for t in member.trades]]
            for name, member in sorted(self.members.items())
        ]
        return [self.start_us, self.first_offset, members]

    @staticmethod
    def load(values: Plain, row_ticks: int) -> "Minute":
        """Return a minute from plain values."""
        start_us, first_offset, members = values
        minute = Minute(start_us, first_offset)
        for name, excluded, trades in members:
            member = minute.member(name)
            member.bar.excluded = dict(excluded)
            rows: list[Trade] = [(row[0], name, *row[1:]) for row in trades]
            if rows:
                member.take(rows, row_ticks)
        return minute
