"""Base bars whose trades are no longer held: encoded, kept for two days, corrected by sums."""

import json
from collections.abc import Mapping

from processors.bars import Bar
from processors.feeds import Accepted
from processors.plain import Plain
from processors.scopes import ScopeKey, scope_key
from schemas.units import US_PER_DAY

KEPT_US = 2 * US_PER_DAY + US_PER_DAY // 24
"""Long enough that every bar of the day before can still be merged again."""


class Archive:
    """Closed base bars of all scopes by bar start: at most those of `KEPT_US`.

    What is put in never changes, as it is in the snapshot's parts; what late trades add is kept
    beside it, as bars too.
    """

    def __init__(self) -> None:
        self._bars: dict[int, dict[ScopeKey, str]] = {}
        self._late: dict[int, dict[ScopeKey, Bar]] = {}
        self._fresh: dict[str, bytes] = {}
        self.until_us = 0

    def put(self, start_us: int, until_us: int, bars: Mapping[ScopeKey, Bar]) -> None:
        """Archive the bars of the base interval `[start_us, until_us)`; earlier ones come first."""
        encoded = {key: _encode(bar.dump()) for key, bar in sorted(bars.items())}
        self._bars[start_us] = encoded
        self._fresh[str(start_us)] = _encode([[*k, bar] for k, bar in encoded.items()]).encode()
        self.until_us = until_us
        oldest_us = until_us - KEPT_US
        while (first := next(iter(self._bars))) < oldest_us:
            del self._bars[first]
            self._fresh.pop(str(first), None)
        for start in [late for late in self._late if late < oldest_us]:
            del self._late[start]

    def get(self, key: ScopeKey, start_us: int) -> Bar | None:
        """Return one bar, None where nothing is kept."""
        encoded = self._bars.get(start_us, {}).get(key)
        bar = None if encoded is None else Bar.load(json.loads(encoded))
        late = self._late.get(start_us, {}).get(key)
        if late is None:
            return bar
        bar = bar or Bar()
        bar.add(late)
        bar.note_members(late.members)
        bar.path = None
        return bar

    def take_late(self, start_us: int, batch: Accepted, row_ticks: int, offset: int) -> None:
        """Add a late batch of one base bar to its instrument and its aggregate."""
        late = self._late.setdefault(start_us, {})
        for key in (batch.key, batch.aggregate):
            bar = late.setdefault(key, Bar())
            if batch.block is not None:
                bar.take(batch.block, row_ticks)
            for one in batch.excluded:
                bar.exclude(one.order_class.name.lower(), one.qty)
            bar.note_offset(offset)
            trades = 0 if batch.block is None else len(batch.block.trades)
            bar.note_members({batch.member: (0, trades)})

    def take_parts(self) -> dict[str, bytes]:
        """Return what was archived since the last call, as parts of a snapshot."""
        fresh, self._fresh = self._fresh, {}
        return fresh

    def dump(self) -> Plain:
        """Return what is not in the parts."""
        late = [
            [start, [[*key, bar.dump()] for key, bar in sorted(bars.items())]]
            for start, bars in sorted(self._late.items())
        ]
        return [self.until_us, late]

    def load(self, state: Plain, parts: dict[str, bytes]) -> None:
        """Take the values of `dump` and the parts back."""
        self.until_us, late = state
        for name in sorted(filter(self.keeps, parts), key=int):
            self._bars[int(name)] = {scope_key(row): row[3] for row in json.loads(parts[name])}
        for start, bars in late:
            self._late[start] = {scope_key(row): Bar.load(row[3]) for row in bars}

    def keeps(self, part: str) -> bool:
        """Say whether a part is among the kept bars."""
        return self.until_us - KEPT_US <= int(part) < self.until_us


def _encode(value: Plain) -> str:
    return json.dumps(value, separators=(",", ":"))
