"""Which trades of a stream came already, over reconnects and over two connections at once.

Where ids have no holes, a hole is a gap; it stays open for a moment, since a trade may come in the
wrong order or by the other connection, and is then reported. Where ids have no order, only the
recent ones are remembered.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from schemas.trades import TradeRow
from schemas.units import US_PER_SECOND

GRACE_US = US_PER_SECOND
"""How long a hole may stay open before it is a gap."""

MAX_HOLES = 256
"""So many are remembered; of more, the oldest that is over is forgotten, else the oldest that was
not reported is given up: it is a gap, and what comes of it later is not new. One whose trades are
being fetched goes last."""

MAX_JUMP = 20_000_000
"""An id that is farther ahead is no gap: no market prints so many trades in a day."""

STRANGE = 5
"""So many ids in a row that are far ahead, or behind though their trades are newer, mean that the
venue counts anew."""

MAX_REMEMBERED = 20_000


@dataclass(slots=True)
class Hole:
    """Ids `first_id ... last_id` are missing between two trades, noticed at `since_us`.

    A hole that was reported stays, so that what is fetched or comes late is known to be new; at
    least until it is `over`: until nothing of it will be fetched any more. What was `given_up` is
    not to be fetched.
    """

    first_id: int
    last_id: int
    from_us: int
    to_us: int
    since_us: int
    reported: bool = False
    over: bool = False
    given_up: bool = False


class Seen:
    """The memory of one trade stream.

    Attributes:
        last_us: venue time of the newest trade, 0 before the first.
        duplicates, out_of_order: counts since the start.
    """

    def __init__(self) -> None:
        self.last_us = 0
        self.duplicates = 0
        self.out_of_order = 0

    def take(
        self, rows: list[TradeRow], merged: Sequence[int] | None, receive_us: int
    ) -> list[TradeRow]:
        """Return the rows that are new, in their order, and remember them."""
        raise NotImplementedError

    def gaps(self, now_us: int) -> list[Hole]:
        """Return the holes that have been open for too long or were given up, each once."""
        return []

    def settle(self, first_id: int | None, last_id: int | None) -> None:
        """Note that nothing more of these ids will be fetched."""
        return


class GaplessSeen(Seen):
    """Ids that count on without holes; `merged` says how many ids each row spent.

    A trade whose id makes no sense is a trade all the same; it only says nothing about gaps.
    """

    def __init__(self) -> None:
        super().__init__()
        self._last_id = -1
        self._strange = 0
        self._holes: list[Hole] = []
        self._given_up: list[Hole] = []

    def take(
        self, rows: list[TradeRow], merged: Sequence[int] | None, receive_us: int
    ) -> list[TradeRow]:
        """Return the rows that are new; ids that were jumped over become a hole."""
        if len(rows) == 1 and rows[0][4] == self._last_id + (merged[0] if merged else 1):
            self._last_id += merged[0] if merged else 1
            self._strange = 0
            self.last_us = max(self.last_us, rows[0][0])
            return rows
        new = []
        for number, row in enumerate(rows):
            trade_id = row[4]
            if isinstance(trade_id, int) and self._is_new(
                trade_id - (merged[number] if merged else 1) + 1, trade_id, row[0], receive_us
            ):
                new.append(row)
                self.last_us = max(self.last_us, row[0])
        return new

    def _is_new(self, first_id: int, last_id: int, time_us: int, receive_us: int) -> bool:
        if last_id <= self._last_id:
            if self._fill(first_id, last_id):
                self.out_of_order += 1
                return True
            if time_us > self.last_us:
                return self._note_strange(last_id)
            self.duplicates += 1
            return False
        if self._last_id >= 0 and first_id > self._last_id + 1:
            if last_id - self._last_id > MAX_JUMP:
                return self._note_strange(last_id)
            from_us = min(self.last_us, time_us)
            self._holes.append(Hole(self._last_id + 1, first_id - 1, from_us, time_us, receive_us))
            self._bound_holes()
        self._strange = 0
        self._last_id = last_id
        return True

    def _note_strange(self, last_id: int) -> bool:
        self._strange += 1
        if self._strange >= STRANGE:
            self._strange = 0
            self._last_id = last_id
            self._holes.clear()
        return True

    def settle(self, first_id: int | None, last_id: int | None) -> None:
        """Note that nothing more of these ids will be fetched."""
        if first_id is not None and last_id is not None:
            for hole in self._holes:
                hole.over |= first_id <= hole.first_id <= hole.last_id <= last_id

    def _bound_holes(self) -> None:
        if len(self._holes) > MAX_HOLES:
            holes = self._holes
            oldest = min(holes, key=lambda hole: 0 if hole.over else 1 if not hole.reported else 2)
            holes.remove(oldest)
            if not oldest.reported:
                self._give_up(oldest)

    def _give_up(self, hole: Hole) -> None:
        """Keep a hole for the record only; of too many, the last is widened, as all were there."""
        if len(self._given_up) < MAX_HOLES:
            self._given_up.append(replace(hole, reported=True, given_up=True))
        else:
            last = self._given_up[-1]
            last.last_id, last.to_us = hole.last_id, hole.to_us

    def _fill(self, first_id: int, last_id: int) -> bool:
        """Take ids out of the hole they are in; say whether they were in one."""
        for index, hole in enumerate(self._holes):
            if hole.first_id <= first_id and last_id <= hole.last_id:
                self._holes[index : index + 1] = [
                    replace(hole, first_id=low, last_id=high)
                    for low, high in ((hole.first_id, first_id - 1), (last_id + 1, hole.last_id))
                    if low <= high
                ]
                self._bound_holes()
                return True
        return False

    def gaps(self, now_us: int) -> list[Hole]:
        """Return the holes that have been open for too long or were given up, each once."""
        found, self._given_up = self._given_up, []
        for hole in self._holes:
            if not hole.reported and hole.since_us + GRACE_US <= now_us:
                hole.reported = True
                found.append(hole)
        return found


class RecentSeen(Seen):
    """Ids without order, or with holes that mean nothing: the newest are remembered."""

    def __init__(self) -> None:
        super().__init__()
        self._ids: dict[tuple[int, int | str], None] = {}

    def take(
        self, rows: list[TradeRow], merged: Sequence[int] | None, receive_us: int
    ) -> list[TradeRow]:
        """Return the rows that are not remembered."""
        ids = self._ids
        new = []
        for row in rows:
            key = (row[0], row[4])
            if key in ids:
                self.duplicates += 1
                continue
            ids[key] = None
            new.append(row)
            if row[0] < self.last_us:
                self.out_of_order += 1
            else:
                self.last_us = row[0]
        while len(ids) > MAX_REMEMBERED:
            del ids[next(iter(ids))]
        return new
