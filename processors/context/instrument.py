"""One perpetual as the context operator knows it: ticker, book, ranges and running totals."""

from processors.context.depth import ImbalanceWindow
from processors.context.history import Point
from processors.context.params import ContextParams
from processors.context.ranges import AverageRange
from processors.context.ticker import Interest, Price, TickerMemory
from processors.plain import Plain
from processors.seconds.second import BookView, MemberSecond, Second
from schemas.market import COVERING_STATES

_NOTHING: Plain = ([False, None, 0, 0], None, None, {})


class Instrument:
    """What is known of one perpetual at the end of the last second.

    `best` are its best prices in the asset's ticks, None without a valid two-sided book.

    Args:
        venue: decides how often its values are polled.
        symbol: its name there.
        lot: of the asset.
        params: of the operator.
    """

    def __init__(
        self, venue: str, symbol: str, lot: str, params: ContextParams, state: Plain = None
    ) -> None:
        self.venue, self.symbol = venue, symbol
        self._polls = params.polls
        self.streaming: bool
        self.best: tuple[int, int] | None
        self._delta: int
        self._notional: int
        head, ticker, imbalance, ranges = _NOTHING if state is None else state
        self.streaming, best, self._delta, self._notional = head
        self.best = (best[0], best[1]) if best else None
        self.ticker = TickerMemory(lot, ticker)
        self.imbalance = ImbalanceWindow(params.obi_seconds, params.obi_band_bp, imbalance)
        self.ranges = {
            seconds: AverageRange(seconds, params.least_bars, ranges.get(str(seconds)))
            for seconds in params.quadrant_seconds
        }

    @property
    def name(self) -> str:
        """`venue:symbol`."""
        return f"{self.venue}:{self.symbol}"

    def take(self, second: Second, member: MemberSecond) -> None:
        """Take one second in."""
        if member.trades:
            self._delta += member.columns.deltas[-1]
            self._notional += member.columns.volume.notional
        stream = member.ticker_stream
        self.streaming = stream is not None and stream.state in COVERING_STATES
        self.ticker.take(member.ticker, second.end_us, member.ticker_refused, there=self.streaming)
        self.imbalance.take(second, member)
        self.best = None if member.book is None else _best(member.book)
        mid2 = sum(self.best) if self.best else None
        for bars in self.ranges.values():
            bars.take(second.start_us, mid2)

    def point(self, end_us: int) -> Point:
        """Return what is known now, for later differences."""
        interest = self.interest(end_us)
        return Point(
            None if interest is None else interest.lots,
            sum(self.best) if self.best else None,
            self._delta,
            self._notional,
        )

    def interest(self, end_us: int) -> Interest | None:
        """Return the open interest, None where there is none that is young enough."""
        return self._polls.interest(self.venue, self.ticker, end_us)

    def mark(self, end_us: int) -> Price | None:
        """Return the mark price, None where there is none that is young enough."""
        return self._polls.mark(self.venue, self.ticker, end_us)

    def index(self, end_us: int) -> Price | None:
        """Return the index price, None where there is none that is young enough."""
        return self._polls.index(self.venue, self.ticker, end_us)

    def is_young(self, time_us: int, end_us: int) -> bool:
        """Say whether an observation is at most two polls old."""
        return end_us - time_us <= self._polls.young_us(self.venue)

    def dump(self) -> Plain:
        """Return everything as plain values for a snapshot."""
        ranges = {str(seconds): bars.dump() for seconds, bars in self.ranges.items()}
        head = [self.streaming, self.best, self._delta, self._notional]
        return [head, self.ticker.dump(), self.imbalance.dump(), ranges]


def _best(book: BookView) -> tuple[int, int] | None:
    if not book.bids or not book.asks:
        return None
    return book.bids[0][0] * book.tick_factor, book.asks[0][0] * book.tick_factor
