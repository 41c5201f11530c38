"""What one instrument's book measures remember, and what a second adds to it.

A second is whole where its book stream was there all the time and one valid book stood from its
beginning to its end. Measures over windows of books (persistence, pull) go over whole seconds
without a break; that of trades and best prices (refill) over seconds in which all of both are
known. A break empties their windows: what cannot be compared is not. Without a book nothing is
remembered but the history of values and of taker volume.
"""

from typing import NamedTuple

from processors.imbalance import depth
from processors.imbalance.best import BestFlow, BestPrices
from processors.imbalance.depth import Weighted
from processors.imbalance.history import NANO, History
from processors.imbalance.means import Means
from processors.imbalance.params import BookParams
from processors.imbalance.side import Side
from processors.imbalance.views import dump_view, load_view
from processors.imbalance.walk import RankFlow, is_whole, near, spans, taken, walk_ranks
from processors.measures.book import ASK, BID
from processors.plain import Plain
from processors.seconds.columns import Columns
from processors.seconds.second import BookView, MemberSecond, Second, StreamSecond
from schemas.books import BookState
from schemas.imbalance import TimeWeighted
from schemas.market import COVERING_STATES
from schemas.units import US_PER_SECOND


class Reading(NamedTuple):
    """What one second of one instrument came to, beside what its windows hold.

    `book` is the valid one at its end, `absent` why there is none. `valid_us` is for how much of
    the second a valid book is known to have been there. `tfi` is None unless all trades are known.
    """

    book: BookView | None
    absent: str
    stream: StreamSecond
    valid_us: int
    weighted: Weighted | None
    ranks: RankFlow | None
    best: BestFlow | None
    means: list[TimeWeighted]
    tfi: int | None


class MemberBook:
    """One instrument: the book that stands, and the windows.

    Args:
        params: what decides the numbers.
        state: of `dump`.
        parts: of snapshots, by minute.
    """

    def __init__(
        self, params: BookParams, state: Plain = None, parts: dict[str, bytes] | None = None
    ) -> None:
        state = state or {}
        self._params = params
        self._held_us = 2000 * params.time_tol_ms
        self._next_us: int = state.get("next_us", 0)
        self._standing = load_view(state.get("standing"))
        self._book_state = BookState(state.get("book_state", BookState.NO_SNAPSHOT.value))
        self._best = BestPrices(state.get("best"))
        self._means = Means(
            params.measures[:2], params.bar_seconds, params.bar_valid_percent, state.get("means")
        )
        self.bids = Side(BID, params, state.get("bids"))
        self.asks = Side(ASK, params, state.get("asks"))
        self.flow_run: int = state.get("flow_run", 0)
        self.history = History(params.flow_seconds, params.score_seconds, len(params.measures))
        if "history" in state:
            self.history.load(state["history"], parts or {})

    def take(self, member: MemberSecond, stream: StreamSecond, second: Second) -> Reading:
        """Take one second in."""
        if second.start_us != self._next_us:
            self._jump()
        self._next_us = second.end_us
        means = self._means.begin(second.start_us)
        whole = stream.complete and is_whole(self._standing, member.books)
        valid_us = self._integrate(member, stream, second)
        traded = member.trade_stream is not None and member.trade_stream.complete
        ranks = None
        if whole and self._standing is not None:
            books = [self._standing, *member.books]
            ranks = self._follow(books, second, member.columns if traded else None)
        else:
            self.bids.reset_books()
            self.asks.reset_books()
        best = self._flow(member, stream, second, known_trades=traded)
        weight = depth.weighted(member.book, self._params.decay_bp) if member.book else None
        self._remember(member, second, weight)
        self._standing = member.book
        if member.books:
            self._book_state = member.books[-1].state
        return Reading(
            book=member.book,
            absent=self._absent(stream),
            stream=stream,
            valid_us=valid_us,
            weighted=weight,
            ranks=ranks,
            best=best,
            means=means + self._means.end(second.end_us),
            tfi=member.columns.deltas[-1] if traded else None,
        )

    def _jump(self) -> None:
        """Forget what stood before seconds that are missing."""
        self._standing = None
        self._best.reset()
        self.bids.reset()
        self.asks.reset()
        self.flow_run = 0

    def _integrate(self, member: MemberSecond, stream: StreamSecond, second: Second) -> int:
        """Add to the time-weighted means; return for how long a valid book is known to be there.

        Of a second that was not covered wholly, it is not known when: nothing is integrated.
        """
        valid_us = 0
        for span_us, book in spans(self._standing, member.books, second.start_us, second.end_us):
            valid_us += span_us
            if stream.complete:
                self._means.add(span_us, depth.tracked(book, self._params))
        return min(valid_us, stream.covered_us)

    def _follow(self, books: list[BookView], second: Second, columns: Columns | None) -> RankFlow:
        """Follow the books of a whole second, the first of which stood when it began.

        Trades are None where not all are known.
        """
        number, end_us = second.start_us // US_PER_SECOND, second.end_us
        factors = (books[0].tick_factor, books[0].lot_factor)
        bids = self.bids.take_books(number, [(one.time_us, one.bids) for one in books], factors)
        asks = self.asks.take_books(number, [(one.time_us, one.asks) for one in books], factors)
        hit_bids, hit_asks = None, None
        if columns is not None:
            prices = (self.bids.prices(bids), self.asks.prices(asks))
            hit_bids, hit_asks = taken(near(columns, *prices, end_us - self._held_us))
        self.bids.take_hits(end_us, bids, hit_bids)
        self.asks.take_hits(end_us, asks, hit_asks)
        return walk_ranks(books, self._params.ranks)

    def _flow(
        self,
        member: MemberSecond,
        stream: StreamSecond,
        second: Second,
        *,
        known_trades: bool,
    ) -> BestFlow | None:
        """Take the changes of the best prices in, and what traded at them."""
        if not stream.complete:
            # A change may be missing, and which is not known: no difference across this second.
            self._best.reset()
            best = None
        else:
            best = self._best.end_second(second.start_us, member.books)
        traded = member.columns.traded if known_trades else None
        self.bids.take_best(traded.sells if traded else None, best.bids if best else None)
        self.asks.take_best(traded.buys if traded else None, best.asks if best else None)
        return best

    def _remember(self, member: MemberSecond, second: Second, weight: Weighted | None) -> None:
        """Add the values of the second to the history."""
        stream = member.trade_stream
        flow = None
        if stream is not None and (stream.covered_us or member.trades):
            flow = member.columns.volume.notional
        complete = stream is not None and stream.complete
        self.flow_run = min(self.flow_run + 1, self._params.flow_seconds) if complete else 0
        of_top, of_band = depth.tracked(member.book, self._params) if member.book else (None, None)
        of_weighted = None
        if weight is not None and weight.obi is not None:
            of_weighted = round(weight.obi * NANO)
        number = second.start_us // US_PER_SECOND
        self.history.put(number, flow, (of_top, of_band, of_weighted))

    def _absent(self, stream: StreamSecond) -> str:
        """Say why there is no book, if there is none."""
        if stream.state not in COVERING_STATES:
            return f"feed_{stream.state.value}"
        if self._book_state is not BookState.LIVE:
            return f"book_{self._book_state.value}"
        return "no_book"

    def dump(self) -> Plain:
        """Return what is not in the parts."""
        return {
            "next_us": self._next_us,
            "standing": dump_view(self._standing),
            "book_state": self._book_state.value,
            "best": self._best.dump(),
            "means": self._means.dump(),
            "bids": self.bids.dump(),
            "asks": self.asks.dump(),
            "flow_run": self.flow_run,
            "history": self.history.dump(),
        }
