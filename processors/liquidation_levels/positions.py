"""Estimated positions by lane and row, in blocks of four hours.

A lane holds positions of one side that are alike (of one leverage, say). They are only ever added,
faded together (`Scale`), and cut off from one price on; so a block that is over is written once, as
a part of the snapshot, and of what has become of it two prices are enough. Blocks older than
`kept` are dropped.

State: rows of at most `KEPT_ROWS` a block; what finds no place is refused, and the caller says so.
For liquidation levels of 35 days that are 210 blocks of some hundred rows each, a few megabytes.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from processors.liquidation_levels.scale import Scale
from processors.plain import Plain
from schemas.liquidations import LiquidatedSide
from schemas.units import US_PER_MINUTE

BLOCK_US = 240 * US_PER_MINUTE
KEPT_ROWS = 20_000

Key = tuple[int, int]
"""`(lane, row)`: the row's lower edge in ticks."""

Rows = dict[Key, tuple[int, int]]
"""Units and the minute of the first position, by key."""

Cut = tuple[int | None, int | None]
"""Rows of longs from the first price on, and of shorts up to the second, are gone."""


class Held(NamedTuple):
    """What is in one row of one lane; `units` are those of the scale."""

    lane: int
    row: int
    units: int
    since_us: int


class Positions:
    """Positions of several lanes.

    Args:
        sides: of each lane.
        kept_us: how long a block is kept after its end.
    """

    def __init__(self, sides: Sequence[LiquidatedSide], kept_us: int) -> None:
        self._long = [side is LiquidatedSide.LONG for side in sides]
        self._kept_us = kept_us
        self.scale = Scale()
        self._open_us = 0
        self._open: Rows = {}
        self._closed: Rows = {}
        self._blocks: dict[int, bytes] = {}
        self._cuts: dict[int, Cut] = {}
        self._fresh: dict[str, bytes] = {}

    def turn(self, time_us: int) -> None:
        """Let time come to a minute: close the block that is over, drop those that are too old."""
        start_us = time_us - time_us % BLOCK_US
        if start_us == self._open_us:
            return
        if self._open:
            content = _encode(self._open)
            self._blocks[self._open_us] = content
            self._fresh[str(self._open_us)] = content
            self._cuts[self._open_us] = (None, None)
            _merge(self._closed, self._open.items())
        self._open_us, self._open = start_us, {}
        oldest_us = start_us - self._kept_us
        old = [block_us for block_us in self._blocks if block_us < oldest_us]
        for block_us in old:
            del self._blocks[block_us], self._cuts[block_us]
            self._fresh.pop(str(block_us), None)
        if old:
            self._closed = self._merged()

    def _merged(self) -> Rows:
        """Return what is left of all closed blocks."""
        merged: Rows = {}
        for block_us, content in self._blocks.items():
            rows = ((key, held) for key, held in _decode(content))
            cut = self._cuts[block_us]
            _merge(merged, (row for row in rows if not self._is_cut(row[0], cut)))
        return merged

    def _is_cut(self, key: Key, cut: Cut) -> bool:
        lane, row = key
        if self._long[lane]:
            return cut[0] is not None and row >= cut[0]
        return cut[1] is not None and row <= cut[1]

    def cut(self, longs_from: int, shorts_to: int) -> None:
        """Remove the rows of longs from a price on, and of shorts up to another."""
        new = (longs_from, shorts_to)
        for rows in (self._open, self._closed):
            for key in [key for key in rows if self._is_cut(key, new)]:
                del rows[key]
        self._cuts = {block_us: _both(cut, new) for block_us, cut in self._cuts.items()}

    def clear(self) -> None:
        """Remove everything."""
        self._open, self._closed, self._blocks, self._cuts = {}, {}, {}, {}
        self._fresh = {}
        self.scale = Scale()

    def add(self, key: Key, lots: tuple[int, int], time_us: int) -> bool:
        """Add lots (a ratio) to a row; return whether there was room for it."""
        if key not in self._open and len(self._open) >= KEPT_ROWS:
            return False
        held = (self.scale.units(*lots), time_us // US_PER_MINUTE)
        _merge(self._open, [(key, held)])
        return True

    def rows(self) -> list[Held]:
        """Return everything, by lane and row."""
        merged = dict(self._closed)
        _merge(merged, self._open.items())
        return [
            Held(lane, row, units, minute * US_PER_MINUTE)
            for (lane, row), (units, minute) in sorted(merged.items())
            if units
        ]

    # --- state

    def take_parts(self) -> dict[str, bytes]:
        """Return the blocks closed since the last call."""
        fresh, self._fresh = self._fresh, {}
        return fresh

    def dump(self) -> Plain:
        """Return the open block, and what became of the others."""
        cuts = [[block_us, *cut] for block_us, cut in self._cuts.items()]
        return [self.scale.dump(), self._open_us, _plain(self._open), cuts]

    def load(self, state: Plain, parts: Mapping[str, bytes]) -> None:
        """Take the values of `dump` and the parts back."""
        scale, self._open_us, rows, cuts = state
        self.scale = Scale(scale)
        self._open = dict(_rows(rows))
        self._cuts = {block_us: (longs, shorts) for block_us, longs, shorts in cuts}
        self._blocks = {block_us: parts[str(block_us)] for block_us in self._cuts}
        self._closed = self._merged()

    def keeps(self, part: str) -> bool:
        """Say whether a block written earlier is still needed."""
        return int(part) in self._blocks


def _both(one: Cut, other: tuple[int, int]) -> Cut:
    longs = other[0] if one[0] is None else min(one[0], other[0])
    shorts = other[1] if one[1] is None else max(one[1], other[1])
    return longs, shorts


def _merge(into: Rows, rows: Iterable[tuple[Key, tuple[int, int]]]) -> None:
    for key, (units, minute) in rows:
        known = into.get(key)
        if known is None:
            into[key] = (units, minute)
        else:
            into[key] = (known[0] + units, min(known[1], minute))


def _plain(rows: Rows) -> Plain:
    return [[*key, *held] for key, held in sorted(rows.items())]


def _rows(rows: Plain) -> Iterable[tuple[Key, tuple[int, int]]]:
    return (((lane, row), (units, minute)) for lane, row, units, minute in rows)


def _encode(rows: Rows) -> bytes:
    return json.dumps(_plain(rows), separators=(",", ":")).encode()


def _decode(content: bytes) -> Iterable[tuple[Key, tuple[int, int]]]:
    return _rows(json.loads(content))
