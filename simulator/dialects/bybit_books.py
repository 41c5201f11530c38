"""Bybit's books: a snapshot on subscription, deltas whose ids follow each other, best prices alone.

Source: the venue sheet, section 4; field order from a recording of 2026-08-09. A level that falls
out of a topic's depth is deleted explicitly (unconfirmed at the venue).
"""

from simulator.ladder import BookCopy
from simulator.model import Levels, SimBookUpdate, SimInstrument, SimTop, trimmed

DEPTHS = ("1", "50", "200", "1000")
PUSH_DELAY_US = 1_000
_FIRST_SEQUENCE = 99_000_000_000
_SEQUENCE_STEP = 1009
_WINDOW = 50


class BybitBook:
    """The book of one symbol; its ids begin with 2, because 1 says that the service restarted."""

    def __init__(self, instrument: SimInstrument) -> None:
        self._instrument = instrument
        self._spot = instrument.feed.endswith(".spot")
        self._copy = BookCopy()
        self._restarted_at = 0
        self._top: SimTop | None = None
        self._top_id = 1
        self._tops = 0

    @property
    def sequence(self) -> int:
        """The cross sequence: it rises, with holes."""
        return _FIRST_SEQUENCE + _SEQUENCE_STEP * self._copy.number + self._tops

    def window(self) -> tuple[Levels, Levels]:
        """Return the best 50 levels of both sides."""
        return self._copy.bids.top(_WINDOW), self._copy.asks.top(_WINDOW)

    def apply(self, update: SimBookUpdate) -> None:
        """Take in the next update."""
        self._copy.apply(update)
        self._tops = 0

    def take_top(self, top: SimTop) -> None:
        """Take in new best prices."""
        self._top = top
        self._top_id += 1
        self._tops += 1

    def restart(self) -> None:
        """Begin the ids again with 1."""
        self._restarted_at = self._copy.number
        self._top_id = 1

    def delta(self, topic: str, update: SimBookUpdate, offset_us: int) -> bytes:
        """Write what an update changed in a topic that is deeper than any book."""
        return self._frame(topic, "delta", (update.bids, update.asks), offset_us)

    def window_delta(self, topic: str, before: tuple[Levels, Levels], offset_us: int) -> bytes:
        """Write what has changed in the best 50 levels."""
        bids, asks = self.window()
        changed = _changes(before[0], bids)[::-1], _changes(before[1], asks)
        return self._frame(topic, "delta", changed, offset_us)

    def snapshot(self, depth: str, topic: str, offset_us: int) -> bytes | None:
        """Write what a topic begins with, None while there is no book."""
        if depth == "1":
            return self.best_prices(topic, offset_us)
        if not self._copy.number:
            return None
        levels = self._copy.bids.top(int(depth)), self._copy.asks.top(int(depth))
        return self._frame(topic, "snapshot", levels, offset_us)

    def best_prices(self, topic: str, offset_us: int) -> bytes | None:
        """Write `orderbook.1`, which has snapshots alone; None while there are no prices."""
        top = self._top
        if top is None:
            return None
        ts = (top.time_us + PUSH_DELAY_US + offset_us) // 1000
        data = self._data(((top.bid,), (top.ask,)), self._top_id)
        return (
            f'{{"topic":"{topic}","ts":{ts},"type":"snapshot","data":{data},'
            f'"cts":{(top.time_us + offset_us) // 1000}}}'
        ).encode()

    def _frame(self, topic: str, sort: str, levels: tuple[Levels, Levels], offset_us: int) -> bytes:
        time_us = self._copy.time_us + offset_us
        data = self._data(levels, self._copy.number + 1 - self._restarted_at)
        ts, kind = f'"ts":{(time_us + PUSH_DELAY_US) // 1000}', f'"type":"{sort}"'
        head = f"{ts},{kind}" if self._spot else f"{kind},{ts}"
        return f'{{"topic":"{topic}",{head},"data":{data},"cts":{time_us // 1000}}}'.encode()

    def _data(self, levels: tuple[Levels, Levels], update_id: int) -> str:
        bids, asks = self._rows(levels[0]), self._rows(levels[1])
        return (
            f'{{"s":"{self._instrument.symbol}","b":[{bids}],"a":[{asks}],'
            f'"u":{update_id},"seq":{self.sequence}}}'
        )

    def _rows(self, levels: Levels) -> str:
        return ",".join(f'["{self._price(price)}","{self._qty(lots)}"]' for price, lots in levels)

    def _price(self, ticks: int) -> str:
        text = self._instrument.price_text(ticks)
        return trimmed(text) if self._spot else text

    def _qty(self, lots: int) -> str:
        if not lots:
            return "0"
        text = self._instrument.qty_text(lots)
        return trimmed(text) if self._spot else text


def _changes(before: Levels, after: Levels) -> Levels:
    """Return what turns one view of a side into the other, by rising price."""
    old, new = dict(before), dict(after)
    return tuple(
        (price, new.get(price, 0))
        for price in sorted(old.keys() | new.keys())
        if old.get(price) != new.get(price)
    )
