"""What every instrument was like at each step of the last hours, for differences over windows.

A point holds levels (open interest, mid) and running totals (signed lots, taker notional): a change
over a window is the difference of two points, and nothing else is kept. Points are written in
blocks of ten minutes; a closed block never changes and is a part of the snapshot.

State: 7 instruments at 10 s over 4 h are 10,000 points, about 2.5 MB in memory and 0.6 MB in parts.
"""

import json
from collections.abc import Mapping
from typing import NamedTuple

from processors.plain import Plain
from schemas.units import US_PER_SECOND

BLOCK_US = 600 * US_PER_SECOND


class Point(NamedTuple):
    """One instrument at one time; levels are None where they were not known then.

    `mid2` is twice the mid in ticks, `delta` and `notional` the totals of signed lots and of ticks
    times lots of all trades with a side since it was first seen.
    """

    interest: int | None
    mid2: int | None
    delta: int
    notional: int


class History:
    """Points by time and instrument.

    Args:
        kept_us: how long.
    """

    def __init__(self, kept_us: int) -> None:
        self._kept_us = kept_us
        self._blocks: dict[int, dict[int, dict[str, Point]]] = {}
        self._fresh: dict[str, bytes] = {}

    def put(self, time_us: int, points: Mapping[str, Point]) -> None:
        """Keep the points of a time, later than all before."""
        start_us = time_us - time_us % BLOCK_US
        if start_us not in self._blocks:
            for closed_us in list(self._blocks)[-1:]:
                self._fresh[str(closed_us)] = _encode(self._blocks[closed_us])
            self._blocks[start_us] = {}
            for old_us in [us for us in self._blocks if us + BLOCK_US <= time_us - self._kept_us]:
                del self._blocks[old_us]
                self._fresh.pop(str(old_us), None)
        self._blocks[start_us][time_us] = dict(points)

    def at(self, time_us: int, name: str) -> Point | None:
        """Return an instrument's point at a time, None where nobody was there then."""
        block = self._blocks.get(time_us - time_us % BLOCK_US)
        return None if block is None else block.get(time_us, {}).get(name)

    def take_parts(self) -> dict[str, bytes]:
        """Return the blocks closed since the last call."""
        fresh, self._fresh = self._fresh, {}
        return fresh

    def dump(self) -> Plain:
        """Return the open block, and which others there are."""
        names = list(self._blocks)
        return [names[:-1], names[-1:], [_plain(self._blocks[us]) for us in names[-1:]]]

    def load(self, state: Plain, parts: Mapping[str, bytes]) -> None:
        """Take the values of `dump` and the parts back."""
        closed, opened, blocks = state
        self._blocks = {us: _load(json.loads(parts[str(us)])) for us in closed}
        for start_us, block in zip(opened, blocks, strict=True):
            self._blocks[start_us] = _load(block)

    def keeps(self, part: str) -> bool:
        """Say whether a part written earlier is still needed."""
        return int(part) in self._blocks


def _plain(block: Mapping[int, Mapping[str, Point]]) -> Plain:
    return [[time_us, sorted(points.items())] for time_us, points in block.items()]


def _load(block: Plain) -> dict[int, dict[str, Point]]:
    return {time_us: {name: Point(*values) for name, values in points} for time_us, points in block}


def _encode(block: Mapping[int, Mapping[str, Point]]) -> bytes:
    return json.dumps(_plain(block), separators=(",", ":")).encode()
