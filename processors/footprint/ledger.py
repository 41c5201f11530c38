"""Every bar of one asset, by scope, interval and start: open, closed and archived.

Trades go in, bars come out; when a bar is closed or sent is decided by the operator. A base bar's
trades are held until `HELD_US` after its end; older bars take late trades as sums.
"""

from collections.abc import Sequence

from processors.bars import Bar
from processors.feeds import Accepted, Feed
from processors.footprint.archive import KEPT_US, Archive
from processors.footprint.minute import Minute
from processors.footprint.wide import WideBars
from processors.journal import Journal
from processors.plain import Plain
from processors.scopes import ScopeKey, scope_key
from processors.state import State
from processors.trades import Block, Trade
from schemas.units import US_PER_MINUTE

HELD_US = US_PER_MINUTE
"""How long after a bar's end its trades are held, so that a late one is put in its place."""


class Ledger:
    """The bars of one asset.

    Minutes held: those not closed yet (a dead feed holds them for half a minute), those of the last
    minute, and as far ahead as a trade may lie in the future.
    """

    def __init__(self, base_us: int, wide_us: Sequence[int], row_ticks: int) -> None:
        self.base_us = base_us
        self._row_ticks = row_ticks
        self._minutes: dict[int, Minute] = {}
        self._archive = Archive()
        self._journal = Journal()
        self._scopes: dict[str, tuple[ScopeKey, ScopeKey]] = {}
        self._wide = {
            interval_us: WideBars(interval_us, base_us, self._closed) for interval_us in wide_us
        }

    @property
    def archived_until_us(self) -> int:
        """The time before which no trades are held any more."""
        return self._archive.until_us

    def floor(self, time_us: int) -> int:
        """Return the start of the base bar that a time falls into."""
        return time_us - time_us % self.base_us

    def minute(self, start_us: int) -> Minute:
        """Return a base bar whose trades are held, new where there was none."""
        minute = self._minutes.get(start_us)
        if minute is None:
            minute = self._minutes[start_us] = Minute(start_us)
        return minute

    def traded(self, names: set[str]) -> list[int]:
        """Return the starts of the held bars in which one of these instruments traded, in order."""
        held = sorted(self._minutes.items())
        return [start_us for start_us, minute in held if names & minute.bars.keys()]

    def take(self, start_us: int, batch: Accepted, offset: int) -> None:
        """Add the trades of one batch that belong to one base bar."""
        if start_us < self._archive.until_us:
            self._archive.take_late(start_us, batch, self._row_ticks, offset)
            return
        self.minute(start_us).take(batch, self._row_ticks, offset)
        if batch.block is not None:
            self._journal.add(batch.block.trades)
        self._scopes[batch.member] = (batch.key, batch.aggregate)

    # --- bars out

    def base(self, key: ScopeKey, feeds: Sequence[Feed], start_us: int) -> Bar:
        """Return a base bar: with its coverage as it was when it closed, otherwise as it is now."""
        if start_us < self._archive.until_us:
            return self._archive.get(key, start_us) or Bar()
        minute = self._minutes.get(start_us) or Minute(start_us)
        covered = minute.covered.get(key)
        if covered is None:
            covered = minute.cover(feeds, start_us + self.base_us)
        return minute.bar(key, covered)

    def close(self, key: ScopeKey, feeds: Sequence[Feed], start_us: int) -> None:
        """Close a base bar: its coverage is settled."""
        minute = self.minute(start_us)
        minute.covered[key] = minute.cover(feeds, start_us + self.base_us)

    def correct(self, key: ScopeKey, feeds: Sequence[Feed], start_us: int) -> None:
        """Note that a closed base bar has changed: wider bars are merged anew."""
        for wide in self._wide.values():
            wide.forget(key, start_us)
        if start_us >= self._archive.until_us:
            self.close(key, feeds, start_us)

    def wide(
        self, key: ScopeKey, feeds: Sequence[Feed], window: tuple[int, int], next_close_us: int
    ) -> Bar:
        """Return a wider bar, closed or open, as the merge of its base bars.

        Args:
            key: the scope.
            feeds: its feeds.
            window: interval and start.
            next_close_us: the first base bar of the scope that has not closed.
        """
        interval_us, start_us = window
        end_us = start_us + interval_us
        bar = Bar()
        if start_us < next_close_us:
            bar = self._wide[interval_us].until(key, start_us, min(end_us, next_close_us)).copy()
        for base_us in sorted(self._minutes):
            if max(start_us, next_close_us) <= base_us < end_us:
                bar.then(self.base(key, feeds, base_us))
        return bar

    def _closed(self, key: ScopeKey, start_us: int) -> Bar | None:
        if start_us < self._archive.until_us:
            return self._archive.get(key, start_us)
        minute = self._minutes.get(start_us)
        covered = minute.covered.get(key) if minute else None
        return minute.bar(key, covered) if minute and covered is not None else None

    # --- time moves on

    def archive(self, horizon_us: int) -> None:
        """Let go of the trades of the bars that end at or before a time, all of them closed."""
        for start_us in sorted(self._minutes):
            if start_us + self.base_us > horizon_us:
                break
            minute = self._minutes.pop(start_us)
            bars = {key: minute.bar(key, covered) for key, covered in minute.covered.items()}
            self._archive.put(start_us, start_us + self.base_us, bars)
        self._journal.forget(self._archive.until_us)

    def oldest_kept_us(self) -> int:
        """Return the time before which nothing can be corrected any more."""
        return self._archive.until_us - KEPT_US

    # --- state

    def snapshot(self) -> State:
        """Return everything; trades and archived bars go out as parts."""
        head = {
            "minutes": [minute.dump() for _, minute in sorted(self._minutes.items())],
            "archive": self._archive.dump(),
            "journal": self._journal.dump(),
            "scopes": sorted(self._scopes.items()),
        }
        parts = {f"archive/{name}": part for name, part in self._archive.take_parts().items()}
        parts |= {f"journal/{name}": part for name, part in self._journal.take_parts().items()}
        return State(head, parts)

    def restore(self, head: Plain, parts: dict[str, dict[str, bytes]]) -> None:
        """Continue from a snapshot, given the parts of archive and journal."""
        self._archive.load(head["archive"], parts.get("archive", {}))
        for values in head["minutes"]:
            minute = Minute.load(values)
            self._minutes[minute.start_us] = minute
        for member, (key, aggregate) in head["scopes"]:
            self._scopes[member] = (scope_key(key), scope_key(aggregate))
        for rows in self._journal.load(head["journal"], parts.get("journal", {})):
            self._take_again(rows)

    def _take_again(self, rows: Sequence[Plain]) -> None:
        """Give the held minutes their trades back; those of archived bars are no longer needed."""
        found: dict[tuple[int, str], list[Trade]] = {}
        for time_us, member, rank, price, qty, side in rows:
            if time_us >= self._archive.until_us:
                trades = found.setdefault((self.floor(time_us), member), [])
                trades.append((time_us, member, rank, price, qty, side))
        for (start_us, member), trades in found.items():
            batch = Accepted(member, *self._scopes[member], Block(sorted(trades)), [])
            self.minute(start_us).take(batch, self._row_ticks, None)

    def keeps(self, part: str) -> bool:
        """Say whether a part is still needed."""
        kind, _, name = part.partition("/")
        return (self._archive if kind == "archive" else self._journal).keeps(name)
