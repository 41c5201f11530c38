"""The last good values of one perpetual's ticker, each with the time it was observed.

State: one value of each kind and the last `KEPT_INTERVALS` funding intervals.
"""

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Literal, NamedTuple

from processors.measures.ticker_check import Refused
from processors.plain import Plain
from schemas.market import DataSource
from schemas.tickers import TickerBatch
from schemas.units import parse_decimal, round_half_even

KEPT_INTERVALS = 8
"""A venue changes its funding interval a few times a year."""


class Interest(NamedTuple):
    """Open interest in lots, as observed; `between_us` is the time since the poll before it."""

    time_us: int
    lots: int
    halved: bool
    polled: bool
    between_us: int = 0


class Price(NamedTuple):
    """A price as text, as observed."""

    time_us: int
    text: str


class Predicted(NamedTuple):
    """The funding rate that the venue expects, when it said so, and when it is due."""

    time_us: int
    text: str
    due_us: int | None
    interval_seconds: int | None


class Settled(NamedTuple):
    """The funding rate that was paid last."""

    time_us: int
    text: str


class TickerMemory:
    """What is known of one perpetual.

    An observation is as old as the venue says, but not younger than the receipt of its record: a
    venue's clock that is ahead makes nothing fresh. One from after the second is left for later.
    Open interest that a venue's halving puts between two lots is rounded to one (half to even).
    """

    def __init__(self, lot: str, state: Plain = None) -> None:
        self._lot = lot
        self._taken: TickerBatch | None = None
        self._newest: TickerBatch | None = None
        self._there = False
        self.interest: Interest | None = None
        self.mark: Price | None = None
        self.index: Price | None = None
        self.predicted: Predicted | None = None
        self.settled: Settled | None = None
        self.refused: dict[str, str] = {}
        self._intervals: list[tuple[int, int]] = []
        if state is not None:
            self._load(state)

    def take(
        self,
        ticker: TickerBatch | None,
        end_us: int,
        refused: Sequence[Refused] = (),
        *,
        there: bool,
    ) -> None:
        """Take the newest record up to a time in; the same one again adds nothing.

        Args:
            ticker: without what cannot be.
            end_us: the time.
            refused: what was taken out of it.
            there: whether its stream is.
        """
        self._newest, self._there = ticker, there
        if ticker is None or ticker is self._taken:
            return
        self.refused = dict(refused)
        latest_us = self._take_checked(ticker, end_us)
        self._taken = ticker if latest_us <= end_us else None

    def _take_checked(self, ticker: TickerBatch, end_us: int) -> int:
        """Take values that were observed by then; return when the latest one was."""
        interest, mark, index, predicted, settled = _read(ticker, self._lot)
        if _is_new(interest, self.interest, end_us):
            self.interest = _after(self.interest, interest)
        if _is_new(mark, self.mark, end_us):
            self.mark = mark
        if _is_new(index, self.index, end_us):
            self.index = index
        if predicted is not None and _is_new(predicted, self.predicted, end_us):
            self.predicted = predicted
            self._note_interval(predicted)
        if _is_new(settled, self.settled, end_us):
            self.settled = settled
        return max(one.time_us if one else 0 for one in (interest, mark, index, predicted, settled))

    def stands(self, field: Literal["open_interest", "mark_price", "index_price"]) -> bool:
        """Say whether the stream is there and its newest record, last taken in, has a value."""
        return self._there and getattr(self._newest, field, None) is not None

    def _note_interval(self, rate: Predicted) -> None:
        known = self._intervals[-1][1] if self._intervals else None
        if rate.interval_seconds is not None and rate.interval_seconds != known:
            self._intervals.append((rate.time_us, rate.interval_seconds))
            del self._intervals[:-KEPT_INTERVALS]

    def interval_before(self, time_us: int) -> int | None:
        """Return the funding interval that held before a settlement, None where it is unknown.

        The interval may change with each settlement, so one that was seen only after it says
        nothing of it.
        """
        before = [seconds for since_us, seconds in self._intervals if since_us < time_us]
        return before[-1] if before else None

    def dump(self) -> Plain:
        """Return everything as plain values for a snapshot."""
        values = [self.interest, self.mark, self.index, self.predicted, self.settled]
        return [values, self.refused, self._intervals]

    def _load(self, state: Plain) -> None:
        (interest, mark, index, predicted, settled), refused, intervals = state
        self.interest = Interest(*interest) if interest else None
        self.mark = Price(*mark) if mark else None
        self.index = Price(*index) if index else None
        self.predicted = Predicted(*predicted) if predicted else None
        self.settled = Settled(*settled) if settled else None
        self.refused = dict(refused)
        self._intervals = [(since_us, seconds) for since_us, seconds in intervals]


_Observed = Interest | Price | Predicted | Settled | None
_Read = tuple[Interest | None, Price | None, Price | None, Predicted | None, Settled | None]


def _is_new(found: _Observed, known: _Observed, end_us: int) -> bool:
    if found is None or found.time_us > end_us:
        return False
    return known is None or found.time_us >= known.time_us


def _after(known: Interest | None, found: Interest | None) -> Interest | None:
    """Say of a polled value how long after the one before it was observed."""
    if found is None or known is None or not found.polled:
        return found
    between_us = found.time_us - known.time_us or known.between_us
    return found._replace(between_us=between_us)


def _read(ticker: TickerBatch, lot: str) -> _Read:
    """Return the values of a checked record; those that it does not have are None."""
    interest = mark = index = predicted = settled = None
    received_us = ticker.receive_time_us
    if ticker.open_interest is not None and ticker.open_interest_time_us is not None:
        interest = Interest(
            min(ticker.open_interest_time_us, received_us),
            lots_of(ticker.open_interest, lot),
            ticker.open_interest_halved,
            ticker.open_interest_source is not DataSource.STREAM,
        )
    if ticker.mark_price is not None and ticker.mark_time_us is not None:
        mark = Price(min(ticker.mark_time_us, received_us), ticker.mark_price)
    if ticker.index_price is not None and ticker.index_time_us is not None:
        index = Price(min(ticker.index_time_us, received_us), ticker.index_price)
    if ticker.funding_rate is not None and ticker.funding_seen_us is not None:
        predicted = Predicted(
            min(ticker.funding_seen_us, received_us),
            ticker.funding_rate,
            ticker.funding_time_us,
            ticker.funding_interval_seconds,
        )
    if ticker.settled_funding_rate is not None and ticker.settled_funding_time_us is not None:
        settled = Settled(
            min(ticker.settled_funding_time_us, received_us), ticker.settled_funding_rate
        )
    return interest, mark, index, predicted, settled


@lru_cache(maxsize=4096)
def lots_of(text: str, lot: str) -> int:
    """Return a quantity in lots, the nearest where it lies between two."""
    ratio = Fraction(parse_decimal(text)) / Fraction(Decimal(lot))
    return round_half_even(ratio.numerator, ratio.denominator)
