"""Base bars whose trades are no longer held: encoded, kept for two days, corrected by sums."""

import json

from processors.bars import Bar
from processors.feeds import Accepted, ScopeKey
from processors.plain import Plain
from schemas.market import Scope
from schemas.units import US_PER_DAY

KEPT_US = 2 * US_PER_DAY
"""Long enough that every bar of the day before can still be merged again."""

MAX_LATE_BATCHES = 50_000
"""Late batches that are remembered for a restart; beyond, late trades are refused on record."""


class Archive:
    """Closed base bars of all scopes by bar start.

    What is put in never changes in the snapshot's parts; late trades are remembered beside them and
    added again after a restart.
    """

    def __init__(self) -> None:
        self._bars: dict[int, bytes] = {}
        self._late: list[Plain] = []
        self._fresh: dict[str, bytes] = {}
        self.until_us = 0

    def put(self, start_us: int, interval_us: int, bars: dict[ScopeKey, Bar]) -> None:
        """Archive the bars of one base interval; earlier ones come first."""
        encoded = _encode(bars)
        self._bars[start_us] = self._fresh[str(start_us)] = encoded
        self.until_us = start_us + interval_us
        oldest = self.until_us - KEPT_US
        for start in [kept for kept in self._bars if kept < oldest]:
            del self._bars[start]
        self._late = [row for row in self._late if row[0] >= oldest]

    def get(self, key: ScopeKey, start_us: int) -> Bar | None:
        """Return one bar, None where nothing is kept."""
        encoded = self._bars.get(start_us)
        return None if encoded is None else _decode(encoded).get(key)

    def take_late(self, start_us: int, batch: Accepted, row_ticks: int) -> bool:
        """Add a late batch of one base bar to its instrument and its aggregate; False when full."""
        if len(self._late) >= MAX_LATE_BATCHES:
            return False
        rows = [[t[0], *t[2:]] for t in batch.trades]
        late = [start_us, batch.member, batch.key, batch.aggregate, rows, batch.excluded]
        self._late.append(late)
        self._add(late, row_ticks)
        return True

    def _add(self, late: Plain, row_ticks: int) -> None:
        start_us, member, key, aggregate, rows, excluded = late
        bars = _decode(self._bars[start_us]) if start_us in self._bars else {}
        for scope in (ScopeKey(Scope(key[0]), *key[1:]), ScopeKey(Scope(aggregate[0]), "", "")):
            bar = bars.setdefault(scope, Bar())
            bar.path = None
            if rows:
                bar.take([(row[0], member, *row[1:]) for row in rows], row_ticks)
            for _, order_class, qty in excluded:
                bar.exclude(order_class, qty)
        self._bars[start_us] = _encode(bars)

    def take_parts(self) -> dict[str, bytes]:
        """Return what was archived since the last call, as parts of a snapshot."""
        fresh, self._fresh = self._fresh, {}
        return fresh

    def dump(self) -> Plain:
        """Return what is not in the parts."""
        return [self.until_us, self._late]

    def load(self, state: Plain, parts: dict[str, bytes], row_ticks: int) -> None:
        """Take the values of `dump` and the parts back."""
        self.until_us, self._late = state
        self._bars = {int(name): part for name, part in parts.items() if self.keeps(name)}
        for late in self._late:
            self._add(late, row_ticks)

    def keeps(self, part: str) -> bool:
        """Say whether a part is among the kept bars."""
        return self.until_us - KEPT_US <= int(part) < self.until_us


def _encode(bars: dict[ScopeKey, Bar]) -> bytes:
    rows = [[*key, bar.dump()] for key, bar in sorted(bars.items())]
    return json.dumps(rows, separators=(",", ":")).encode()


def _decode(encoded: bytes) -> dict[ScopeKey, Bar]:
    return {
        ScopeKey(Scope(scope), venue, symbol): Bar.load(values)
        for scope, venue, symbol, values in json.loads(encoded)
    }
