"""One base bar of an asset while its trades are held."""

from collections.abc import Sequence

from processors.bars import Bar
from processors.feeds import Accepted, Feed
from processors.footprint.tape import Tape
from processors.plain import Plain
from processors.scopes import ScopeKey, scope_key


class Minute:
    """The base bar `[start_us, start_us + interval)` of all instruments and aggregates.

    `covered` holds, for every scope whose bar has closed, the covered microseconds of its members
    as they were then.
    """

    __slots__ = ("_tapes", "bars", "covered", "start_us")

    def __init__(self, start_us: int) -> None:
        self.start_us = start_us
        self.bars: dict[str, Bar] = {}
        self.covered: dict[ScopeKey, dict[str, int]] = {}
        self._tapes: dict[ScopeKey, Tape] = {}

    def take(self, batch: Accepted, row_ticks: int, offset: int | None) -> None:
        """Add trades of one instrument."""
        bar = self._bar(batch.member)
        bar.note_offset(offset)
        if batch.block is not None:
            bar.take(batch.block, row_ticks)
            for key in (batch.key, batch.aggregate):
                self._tape(key).take(batch.block)
        for one in batch.excluded:
            bar.exclude(one.order_class.name.lower(), one.qty)

    def _bar(self, member: str) -> Bar:
        bar = self.bars.get(member)
        if bar is None:
            bar = self.bars[member] = Bar()
        return bar

    def _tape(self, key: ScopeKey) -> Tape:
        tape = self._tapes.get(key)
        if tape is None:
            tape = self._tapes[key] = Tape()
        return tape

    def cover(self, feeds: Sequence[Feed], end_us: int) -> dict[str, int]:
        """Return the covered microseconds of the feeds that are expected in this bar, as of now."""
        found = {}
        for feed in feeds:
            covered_us = feed.coverage.within(self.start_us, end_us)
            if covered_us or feed.listed or feed.name in self.bars:
                found[feed.name] = covered_us
        return found

    def bar(self, key: ScopeKey, covered: dict[str, int]) -> Bar:
        """Return the bar over the given members, which are those of the scope."""
        bar = Bar()
        for name in sorted(covered):
            if name in self.bars:
                bar.add(self.bars[name])
        bar.path = self._tape(key).path()
        bar.members = {
            name: (covered_us, self.bars[name].trades if name in self.bars else 0)
            for name, covered_us in covered.items()
        }
        return bar

    def dump(self) -> Plain:
        """Return what cannot be made again from the bar's trades, as plain values."""
        return [
            self.start_us,
            [[*key, sorted(covered.items())] for key, covered in sorted(self.covered.items())],
            [
                [name, bar.first_offset, sorted(bar.excluded.items())]
                for name, bar in sorted(self.bars.items())
            ],
        ]

    @staticmethod
    def load(values: Plain) -> "Minute":
        """Return a minute from plain values; `take` gives it its trades back."""
        minute = Minute(values[0])
        for scope, venue, symbol, covered in values[1]:
            minute.covered[scope_key((scope, venue, symbol))] = dict(covered)
        for name, first_offset, excluded in values[2]:
            bar = minute._bar(name)
            bar.first_offset, bar.excluded = first_offset, dict(excluded)
        return minute
