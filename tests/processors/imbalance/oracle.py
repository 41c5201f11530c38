"""The measures over windows as definitions 5.6 has them, from all seconds at once, in fractions.

Slow and plain: every window is read again from the records, nothing is kept from second to second.
"""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import pairwise
from math import exp

from processors.imbalance.params import BookParams
from processors.seconds.second import BookView, MemberSecond, Second
from schemas.books import BookLevel, TopChange
from schemas.units import US_PER_SECOND
from tests.processors.measures.test_order_flow import side_term

Levels = Sequence[BookLevel]


class Oracle:
    """One instrument over a list of seconds."""

    def __init__(self, seconds: Sequence[Second], name: str, params: BookParams) -> None:
        self._starts = [one.start_us for one in seconds]
        self._members = [one.members[name] for one in seconds]
        self._params = params

    def _follows(self, index: int) -> bool:
        """Say whether no time is missing before a second."""
        return index > 0 and self._starts[index - 1] + US_PER_SECOND == self._starts[index]

    def _standing(self, index: int) -> BookView | None:
        """Return what stood when a second began."""
        return self._members[index - 1].book if self._follows(index) else None

    def _states(self, index: int) -> list[BookView] | None:
        """Return every book of a whole second; None where it is not whole."""
        member, standing = self._members[index], self._standing(index)
        if standing is None or not _book_complete(member):
            return None
        views = [standing, *member.books]
        return views if {(v.valid, v.epoch) for v in views} == {(True, standing.epoch)} else None

    def _run(self, index: int, trades_too: bool) -> list[int]:
        """Return the whole seconds without a break up to this one."""
        run: list[int] = []
        while index >= 0 and self._states(index) is not None:
            if trades_too and not _trades_complete(self._members[index]):
                break
            run.insert(0, index)
            index -= 1
        return run

    def weighted_sides(self, index: int, window: int) -> list[tuple[float, float, float]] | None:
        """Return what rested, what is known and all, weighted, of both sides."""
        run = self._run(index, trades_too=False)[-window:]
        final = self._members[index].book
        if len(run) < window or final is None:
            return None
        states = [view for second in run for view in self._states(second) or []]
        mid = (final.bids[0][0] + final.asks[0][0]) / 2
        found = []
        for sign, side in ((1, "bids"), (-1, "asks")):
            sums = [0.0, 0.0, 0.0]
            sides: list[Levels] = [getattr(view, side) for view in states]
            for price, lots in getattr(final, side):
                weight = exp(-abs(price - mid) / mid * 10_000 / self._params.decay_bp)
                sums[2] += weight * lots
                if all(not one or sign * price >= sign * one[-1][0] for one in sides):
                    sums[0] += weight * min(dict(one).get(price, 0) for one in sides)
                    sums[1] += weight * lots
            found.append((sums[0], sums[1], sums[2]))
        return found

    def pulls(self, index: int) -> list[tuple[int, int]] | None:
        """Return what was removed and what of it was traded, of both sides."""
        run, window = self._run(index, trades_too=True), self._params.pull_seconds
        if len(run) < window:
            return None
        return [self._pull(run, window, sign) for sign in (1, -1)]

    def _pull(self, run: list[int], window: int, sign: int) -> tuple[int, int]:
        tolerance = self._params.time_tol_ms * 1000
        left = [
            [trade[0], trade[3], trade[4]]
            for second in run
            for trade in self._members[second].trades
            if trade[5] == -sign
        ]
        end_us = self._starts[run[-1]] + US_PER_SECOND
        removed = traded = 0
        for time_us, price, fell in self._falls(run, sign):
            settled = time_us < end_us - tolerance
            counts = settled and time_us >= end_us - window * US_PER_SECOND - tolerance
            for one in left:
                if settled and one[1] == price and abs(one[0] - time_us) <= tolerance:
                    used = min(fell, one[2])
                    one[2] -= used
                    fell -= used
                    traded += used * counts
                    removed += used * counts
            removed += fell * counts
        return removed, traded

    def _falls(self, run: list[int], sign: int) -> Iterator[tuple[int, int, int]]:
        name = "bids" if sign > 0 else "asks"
        for second in run:
            states = self._states(second) or []
            for was, now in pairwise(states):
                before, after = getattr(was, name), getattr(now, name)
                for price, lots in before:
                    distance = Fraction(abs(price - before[0][0]), before[0][0]) * 10_000
                    shown = not after or sign * price >= sign * after[-1][0]
                    fell = lots - dict(after).get(price, 0)
                    if fell > 0 and shown and distance <= self._params.pull_width_bp:
                        yield now.time_us, price, fell

    def best(self, index: int) -> list[int] | None:
        """Return e_n of the second's changes, None where one lacks the change before it.

        None, too, where there was no change at all up to here.
        """
        if not _book_complete(self._members[index]):
            return None
        first = index
        while self._follows(first) and _book_complete(self._members[first - 1]):
            first -= 1
        last = None
        found: list[int] = []
        for second in range(first, index + 1):
            found, valid = [], True
            for view in self._members[second].books:
                for change in view.tops:
                    now = (view.top_epoch, change)
                    if last is None or last[0] != now[0]:
                        valid = False
                    else:
                        found.append(_term(last[1], change))
                    last = now
        return found if valid and last is not None else None

    def ranks(self, index: int) -> list[int] | None:
        """Return the sum of e_n of each rank; None where the second is not whole."""
        states = self._states(index)
        if states is None:
            return None
        found = [0] * self._params.ranks
        for was, now in pairwise(states):
            for rank in range(self._params.ranks):
                found[rank] += side_term(_at(was.bids, rank), _at(now.bids, rank), 1)
                found[rank] -= side_term(_at(was.asks, rank), _at(now.asks, rank), -1)
        return found

    def refill(self, index: int, price: int, sign: int) -> tuple[int, int] | None:
        """Return what was executed at a price and the most that was shown there at the best."""
        window = range(index - self._params.refill_seconds + 1, index + 1)
        if window[0] < 0 or not all(self._follows(second) for second in window[1:]):
            return None
        if any(self.best(second) is None for second in window):
            return None
        members = [self._members[second] for second in window]
        if not all(_trades_complete(member) for member in members):
            return None
        last = self._last_top(window[0])
        tops = [] if last is None else [last]
        tops += [change for member in members for view in member.books for change in view.tops]
        place = 1 if sign > 0 else 3
        shown = max((top[place + 1] for top in tops if top[place] == price), default=0)
        hits = [
            trade[4]
            for member in members
            for trade in member.trades
            if trade[3] == price and trade[5] == -sign
        ]
        return (sum(hits), shown) if shown else None

    def _last_top(self, index: int) -> TopChange | None:
        """Return the best prices that stood when a second began."""
        while self._follows(index) and _book_complete(self._members[index - 1]):
            index -= 1
            tops = [change for view in self._members[index].books for change in view.tops]
            if tops:
                return tops[-1]
        return None

    def mean(self, start_us: int) -> tuple[Fraction | None, int]:
        """Return the time-weighted top-N of the bar that begins then, and how long it was known."""
        integral, known_us = Fraction(0), 0
        end_us = start_us + self._params.bar_seconds * US_PER_SECOND
        for index, begins_us in enumerate(self._starts):
            if not start_us <= begins_us < end_us or not _book_complete(self._members[index]):
                continue
            books = self._members[index].books
            times = [begins_us, *(view.time_us for view in books), begins_us + US_PER_SECOND]
            for place, view in enumerate([self._standing(index), *books]):
                if view is not None and view.valid:
                    span = times[place + 1] - times[place]
                    integral += _ratio(view, self._params.tracked_levels) * span
                    known_us += span
        return (integral / known_us if known_us else None), known_us


def _book_complete(member: MemberSecond) -> bool:
    return member.book_stream is not None and member.book_stream.covered_us == US_PER_SECOND


def _trades_complete(member: MemberSecond) -> bool:
    return member.trade_stream is not None and member.trade_stream.covered_us == US_PER_SECOND


def _ratio(view: BookView, count: int) -> Fraction:
    bid = sum(lots for _, lots in view.bids[:count])
    ask = sum(lots for _, lots in view.asks[:count])
    return Fraction(bid - ask, bid + ask)


def _at(side: Levels, rank: int) -> BookLevel | None:
    return side[rank] if rank < len(side) else None


def _term(was: tuple[int, ...], now: tuple[int, ...]) -> int:
    bid = side_term((was[1], was[2]), (now[1], now[2]), 1)
    return bid - side_term((was[3], was[4]), (now[3], now[4]), -1)
