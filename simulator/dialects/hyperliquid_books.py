"""Hyperliquid's books: snapshots at two paces of one clock, and the best prices.

Source: the venue sheet, section 4; field order from recordings of 2025-06 and 2026-06-30. Order
counts are made up from the sizes.
"""

from dataclasses import dataclass

from simulator.ladder import BookCopy
from simulator.model import SimInstrument, SimTop, trimmed

_MOST_ORDERS = 9


@dataclass(frozen=True, slots=True)
class Push:
    """How one kind of book stream is pushed: its key's first part, depth and pace."""

    kind: str
    levels: int
    every_us: int
    tail: str = ""


SLOW = Push("l2Book", 20, 5_400_000)
FAST = Push("l2BookFast", 5, 540_000, ',"fast":true')
PUSHES = (SLOW, FAST)


class HyperliquidBook:
    """The book of one coin and its best prices; `copy` takes the updates in."""

    def __init__(self, instrument: SimInstrument) -> None:
        self.copy = BookCopy()
        self.top: SimTop | None = None
        self._instrument = instrument

    def take_top(self, top: SimTop) -> bool:
        """Remember the best prices and say whether they are others than before."""
        before, self.top = self.top, top
        return before is None or (before.bid, before.ask) != (top.bid, top.ask)

    def frame(self, push: Push, time_us: int) -> bytes:
        """Write the book at a push of the clock, changed or not."""
        body = self.snapshot(push.levels, time_us, push.tail)
        return f'{{"channel":"l2Book","data":{body}}}'.encode()

    def snapshot(self, levels: int, time_us: int, tail: str = "") -> str:
        """Write the best levels of each side as `l2Book` has them."""
        bids = ",".join(self._level(item) for item in self.copy.bids.top(levels))
        asks = ",".join(self._level(item) for item in self.copy.asks.top(levels))
        return (
            f'{{"coin":"{self._instrument.symbol}","time":{time_us // 1000},'
            f'"levels":[[{bids}],[{asks}]]{tail}}}'
        )

    def best(self) -> bytes | None:
        """Write the best prices, null for a side without a quantity; None while there are none."""
        if self.top is None:
            return None
        bid, ask = (
            self._level(side) if side[1] else "null" for side in (self.top.bid, self.top.ask)
        )
        body = (
            f'{{"coin":"{self._instrument.symbol}","time":{self.top.time_us // 1000},'
            f'"bbo":[{bid},{ask}]}}'
        )
        return f'{{"channel":"bbo","data":{body}}}'.encode()

    def _level(self, level: tuple[int, int]) -> str:
        ticks, lots = level
        price = trimmed(self._instrument.price_text(ticks), 1)
        quantity = trimmed(self._instrument.qty_text(lots), 1)
        return f'{{"px":"{price}","sz":"{quantity}","n":{1 + lots % _MOST_ORDERS}}}'


def empty_book(coin: str, push: Push, time_us: int) -> bytes:
    """Write the book of a coin that is traded no more."""
    body = f'{{"coin":"{coin}","time":{time_us // 1000},"levels":[[],[]]{push.tail}}}'
    return f'{{"channel":"l2Book","data":{body}}}'.encode()
