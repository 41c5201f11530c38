"""What one Binance symbol has sent so far: its book and its ids, its newest prints, its funding."""

from collections import deque
from collections.abc import Sequence
from itertools import islice

from simulator.ladder import BookCopy
from simulator.model import SimBookUpdate, SimInstrument, SimTicker, SimTop, SimTrade

KEPT_PRINTS = 20_000
KEPT_SETTLEMENTS = 1000
_RESTART_JUMP = 10**9
_FUTURES_BASE = 11_800_000_000_000
_FUTURES_STEP = 137
_FUTURES_SPAN = 100
_SPOT_BASE = 71_000_000_000
_SPOT_STEP = 37


class BinanceSymbol:
    """The state of one symbol.

    `base` is where the ids of its book begin; `ticker` the newest state of a perpetual and
    `settlements` its funding as `(time_us, rate, mark)`, oldest first.
    """

    def __init__(self, instrument: SimInstrument, *, futures: bool) -> None:
        self.instrument = instrument
        self.book = BookCopy()
        self.ticker: SimTicker | None = None
        self.settlements: deque[tuple[int, str, str]] = deque(maxlen=KEPT_SETTLEMENTS)
        self.dropped = False
        self._prints: deque[SimTrade] = deque(maxlen=KEPT_PRINTS)
        self._base = _FUTURES_BASE if futures else _SPOT_BASE
        self._step = _FUTURES_STEP if futures else _SPOT_STEP
        self._span = _FUTURES_SPAN if futures else _SPOT_STEP - 1
        self._tops = 0

    @property
    def last_update_id(self) -> int:
        """The newest id that the book includes, 0 before its first update."""
        return self._last_id(self.book.number) if self.book.number else 0

    def remember(self, trade: SimTrade) -> None:
        """Keep a print for REST; beyond 20,000 the oldest is dropped."""
        self.dropped = self.dropped or len(self._prints) == KEPT_PRINTS
        self._prints.append(trade)

    def apply(self, update: SimBookUpdate) -> tuple[int, int, int]:
        """Take an update in and return its first and last id and the last of the one before."""
        self.book.apply(update)
        self._tops = 0
        last = self._last_id(update.number)
        return last - self._span, last, self._last_id(update.number - 1)

    def take_top(self, top: SimTop) -> int:
        """Return the id of new best prices, which lies between those of the updates."""
        self._tops = min(self._tops + 1, self._step - 1)
        return self._last_id(top.number - 1) + self._tops

    def take_ticker(self, ticker: SimTicker) -> None:
        """Keep the newest state, and the settlement before it where that is a new one."""
        interval_us = ticker.interval_hours * 3_600_000_000
        settled_us = ticker.next_funding_us - interval_us
        if not self.settlements or self.settlements[-1][0] != settled_us:
            rate, mark = f"{ticker.settled_rate:.8f}", f"{ticker.mark:.8f}"
            self.settlements.append((settled_us, rate, mark))
        self.ticker = ticker

    def restart(self) -> None:
        """Let the ids of the book jump."""
        self._base += _RESTART_JUMP

    def prints_from(self, print_id: int, most: int) -> list[SimTrade] | None:
        """Return prints from an id on, None where it has been dropped."""
        if not self._prints:
            return []
        start = print_id - self._prints[0].print_id
        if start < 0 and self.dropped:
            return None
        return list(islice(self._prints, max(0, start), max(0, start) + most))

    def fills_from(self, fill_id: int, most: int) -> list[tuple[SimTrade, int]] | None:
        """Return fills from an id on as print and number in it, None where it was dropped."""
        if self.dropped and fill_id < self._prints[0].first_id:
            return None
        # A print has at least one fill, so the search may end as soon as it has enough.
        later = (trade for trade in self._prints if trade.last_id >= fill_id)
        return [
            (trade, number)
            for trade in islice(later, most)
            for number in range(len(trade.fills))
            if trade.first_id + number >= fill_id
        ][:most]

    def newest_prints(self, most: int) -> list[SimTrade]:
        """Return the newest prints, oldest of them first."""
        return list(islice(reversed(self._prints), most))[::-1]

    def newest_fills(self, most: int) -> Sequence[tuple[SimTrade, int]]:
        """Return the newest fills, oldest of them first."""
        prints = self.newest_prints(most)
        return [(trade, number) for trade in prints for number in range(len(trade.fills))][-most:]

    def _last_id(self, number: int) -> int:
        return self._base + self._step * number
