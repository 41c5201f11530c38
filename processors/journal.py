"""Rows in the order they came, cut into pieces that never change.

A snapshot writes a piece once, when it is full, and only the open rest every time. Which rows make
a piece is decided by counting from the beginning of the log, never by when snapshots are taken, so
that a piece written again after a crash is the same.
"""

from collections.abc import Callable, Iterator, Sequence
from operator import itemgetter

import msgspec

from processors.plain import Plain

PIECE_ROWS = 4096

Row = tuple[int | str, ...]
"""Its first value is a time in microseconds."""

_time_us: Callable[[Row], int] = itemgetter(0)


class Journal:
    """The rows of the last minutes: at most a piece of them in memory, the others in parts."""

    def __init__(self) -> None:
        self._open: list[Row] = []
        self._next = 0
        self._newest_us: dict[int, int] = {}
        self._fresh: dict[int, bytes] = {}

    def add(self, rows: Sequence[Row]) -> None:
        """Append rows."""
        self._open += rows
        while len(self._open) >= PIECE_ROWS:
            piece = self._open[:PIECE_ROWS]
            del self._open[:PIECE_ROWS]
            self._newest_us[self._next] = max(map(_time_us, piece))
            self._fresh[self._next] = msgspec.json.encode(piece)
            self._next += 1

    def forget(self, before_us: int) -> None:
        """Drop the pieces whose rows are all older than a time."""
        for piece in [p for p, newest_us in self._newest_us.items() if newest_us < before_us]:
            del self._newest_us[piece]
            self._fresh.pop(piece, None)

    def take_parts(self) -> dict[str, bytes]:
        """Return the pieces filled since the last call."""
        fresh, self._fresh = self._fresh, {}
        return {str(piece): rows for piece, rows in fresh.items()}

    def dump(self) -> Plain:
        """Return what is not in the parts."""
        return [self._next, sorted(self._newest_us.items()), self._open]

    def load(self, state: Plain, parts: dict[str, bytes]) -> Iterator[Sequence[Plain]]:
        """Take the values of `dump` back and yield every row that is still there, by pieces.

        Raises:
            ValueError: a piece is missing.
        """
        self._next, newest, self._open = state[0], state[1], [tuple(row) for row in state[2]]
        self._newest_us = dict(newest)
        for piece in self._newest_us:
            if str(piece) not in parts:
                raise ValueError(f"part {piece} of the snapshot is missing")
            yield msgspec.json.decode(parts[str(piece)])
        yield self._open

    def keeps(self, part: str) -> bool:
        """Say whether a piece is still needed."""
        return int(part) in self._newest_us
