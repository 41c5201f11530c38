"""OKX's books: a snapshot of 400 levels, updates chained by id, and the best prices.

Source: the venue sheet, section 4. The checksum has been 0 since 2026-06-23. That `bbo-tbt` shares
the ids of `books`, and trades do not, is unconfirmed; order counts are made up from the sizes.
"""

from collections.abc import Iterable

from simulator.ladder import BookCopy
from simulator.model import SimBookUpdate, SimInstrument, SimTop, trimmed

SNAPSHOT_LEVELS = 400
_IDS_A_NUMBER = 7
_FIRST_ID = 10**12
_RESTART_STEP = 10**6
_MOST_ORDERS = 9


class OkxBook:
    """The book of one instrument and the ids under which it was last pushed.

    `seq_id` is the newest one, 0 before the first update. A book that is pushed before anyone
    could have had its snapshot begins with one.
    """

    def __init__(self, instrument: SimInstrument) -> None:
        self.seq_id = 0
        self._instrument = instrument
        self._book = BookCopy()
        self._first_id = _FIRST_ID
        self._first_number = 0
        self._tops = 0
        self._top: SimTop | None = None
        self._top_id = 0

    def apply(self, update: SimBookUpdate) -> int:
        """Take an update in and return the id before it, 0 where there was none."""
        before = self.seq_id
        self._book.apply(update)
        self.seq_id = self._id_of(update.number)
        self._tops = 0
        return before

    def update(self, update: SimBookUpdate, previous_id: int) -> bytes:
        """Write what an update changed; the first one ever as a snapshot."""
        if not previous_id:
            return self._whole()
        sides = f'"asks":[{self._levels(update.asks)}],"bids":[{self._levels(update.bids)}]'
        return self._frame("update", sides, update.time_us // 1000, previous_id)

    def snapshot(self) -> bytes | None:
        """Write the book as it begins after a subscription, None while there is none."""
        return self._whole() if self.seq_id else None

    def keep_alive(self, time_us: int) -> bytes:
        """Write that nothing has changed: both sides empty, the id its own predecessor."""
        return self._frame("update", '"asks":[],"bids":[]', time_us // 1000, self.seq_id)

    def restart(self) -> None:
        """Let the next update's id be below all since the last restart, chained to the newest."""
        self._first_id -= _RESTART_STEP
        self._first_number = self._book.number

    def take_top(self, top: SimTop) -> None:
        """Remember the best prices."""
        self._tops = min(self._tops + 1, _IDS_A_NUMBER)
        self._top, self._top_id = top, self._id_of(top.number - 1) + self._tops

    def best(self) -> bytes | None:
        """Write the best prices, None while there are none; a side without a quantity is empty."""
        top = self._top
        if top is None:
            return None
        arg = f'{{"channel":"bbo-tbt","instId":"{self._instrument.symbol}"}}'
        asks, bids = (self._levels([side] if side[1] else []) for side in (top.ask, top.bid))
        row = (
            f'{{"asks":[{asks}],"bids":[{bids}],"ts":"{top.time_us // 1000}",'
            f'"seqId":{self._top_id}}}'
        )
        return f'{{"arg":{arg},"data":[{row}]}}'.encode()

    def rest(self, levels: int) -> bytes:
        """Write the answer of REST: the best levels of each side."""
        row = f'{{{self._sides(levels)},"ts":"{self._time_ms}","seqId":{self.seq_id}}}'
        return f'{{"code":"0","msg":"","data":[{row}]}}'.encode()

    @property
    def _time_ms(self) -> int:
        return self._book.time_us // 1000

    def _whole(self) -> bytes:
        return self._frame("snapshot", self._sides(SNAPSHOT_LEVELS), self._time_ms, -1)

    def _sides(self, levels: int) -> str:
        asks = self._levels(self._book.asks.top(levels))
        bids = self._levels(self._book.bids.top(levels))
        return f'"asks":[{asks}],"bids":[{bids}]'

    def _id_of(self, number: int) -> int:
        return self._first_id + _IDS_A_NUMBER * (number - self._first_number)

    def _levels(self, levels: Iterable[tuple[int, int]]) -> str:
        item = self._instrument
        return ",".join(
            f'["{trimmed(item.price_text(ticks))}","{trimmed(item.qty_text(lots))}","0",'
            f'"{1 + lots % _MOST_ORDERS if lots else 0}"]'
            for ticks, lots in levels
        )

    def _frame(self, action: str, sides: str, time_ms: int, previous_id: int) -> bytes:
        arg = f'{{"channel":"books","instId":"{self._instrument.symbol}"}}'
        row = (
            f'{{{sides},"ts":"{time_ms}","checksum":0,"prevSeqId":{previous_id},'
            f'"seqId":{self.seq_id}}}'
        )
        return f'{{"arg":{arg},"action":"{action}","data":[{row}]}}'.encode()
