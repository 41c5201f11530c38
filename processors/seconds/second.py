"""One closed second of one asset, over all its instruments and streams: what the toolkit works on.

Trades, books, liquidations and tickers come in topics of their own, in any interleaving. They are
joined by event time: a second is closed once the watermark of every expected stream has passed its
end (`processors.seconds.joiner`), and is then handed to the operators one after the other, seconds
in order, each once. So operators of seconds know no lateness, no offsets and no frontier: their
outputs are a function of the sequence of seconds alone. What comes later is in the corrected
footprints and in `cvd_adjust`, and changes no state here (definitions 5.14: forward only).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import NamedTuple, Protocol

from processors.measures.ticker_check import Refused
from processors.operator import Output, Stateful
from processors.scopes import ScopeKey
from processors.seconds.columns import Columns
from processors.trades import Trade
from schemas.books import BookBand, BookLevel, BookState, TopChange
from schemas.footprints import FootprintBar
from schemas.lineage import InputRange
from schemas.liquidations import LiquidatedSide, PriceKind, SamplingClass
from schemas.market import FeedState
from schemas.tickers import TickerBatch
from schemas.units import US_PER_SECOND


@dataclass(frozen=True, slots=True)
class BookView:
    """One book record of one instrument (`schemas.books`), in the instrument's own tick and lot.

    Times `tick_factor` its prices, times `lot_factor` its quantities are on the asset's grid.
    `epoch` changes whenever the book was built anew: nothing is compared across two of them.
    Levels and bands are empty where it is not `valid`.
    """

    time_us: int
    epoch: tuple[str, int]
    valid: bool
    state: BookState
    bids: Sequence[BookLevel]
    asks: Sequence[BookLevel]
    bands: Sequence[BookBand]
    top_epoch: tuple[str, int]
    tops: Sequence[TopChange]
    tick_factor: int = 1
    lot_factor: int = 1


class Liquidation(NamedTuple):
    """One liquidation on the asset's lot grid; `notional` is quantity times its price.

    It is in ticks x lots like that of trades, so that sums can be compared and are rounded once.
    """

    time_us: int
    side: LiquidatedSide
    qty: int
    notional: int
    price: str
    price_kind: PriceKind
    sampling: SamplingClass
    flags: int


@dataclass(slots=True)
class StreamSecond:
    """Whether one stream of an instrument was there in the second.

    `covered_us` is for how much of it the stream was live or quiet, `state` how it was at its end.
    """

    covered_us: int = 0
    state: FeedState = FeedState.DOWN

    @property
    def complete(self) -> bool:
        """Whether it was there all the time: then what is not in it did not happen."""
        return self.covered_us >= US_PER_SECOND


@dataclass(slots=True)
class MemberSecond:
    """One instrument of one venue in one second.

    A stream is None where the instrument has none (spot has no liquidations and no ticker). What is
    in a list lies inside the second, in order: trades in tape order, books by time. `book` and
    `ticker` are the newest up to its end, from whatever second; `book` is None unless it is valid
    and its stream was there at the end, and `ticker` is without what `ticker_refused` names.
    `taken_over` is what insurance and ADL took, in ticks x lots: it is in no trades.
    """

    key: ScopeKey
    aggregate: ScopeKey
    trade_stream: StreamSecond | None = None
    trades: Sequence[Trade] = ()
    taken_over: int = 0
    book_stream: StreamSecond | None = None
    books: Sequence[BookView] = ()
    book: BookView | None = None
    liquidation_stream: StreamSecond | None = None
    liquidations: Sequence[Liquidation] = ()
    sampling: SamplingClass | None = None
    ticker_stream: StreamSecond | None = None
    ticker: TickerBatch | None = None
    ticker_refused: Sequence[Refused] = ()
    _columns: Columns | None = field(default=None, init=False, repr=False, compare=False)

    @property
    def name(self) -> str:
        """`venue:symbol`."""
        return f"{self.key.venue}:{self.key.symbol}"

    @property
    def columns(self) -> Columns:
        """The trades as columns, made once for all operators."""
        if self._columns is None:
            self._columns = Columns(self.trades)
        return self._columns

    @property
    def sideless(self) -> int:
        """What may have closed a position of either side, in ticks x lots.

        Trades of unknown side, and take-overs, which have no aggressor.
        """
        return self.columns.unknown_notional + self.taken_over


@dataclass(slots=True)
class Second:
    """One closed second `[start_us, start_us + 1 s)` of an asset.

    `members` are sorted by name. `bars` are the final footprint bars (version 1) that end with this
    second, of every scope, interval and row size. `revision` and `inputs` are those of the outputs
    that it leads to. `events` is what operators before this one, in the order of the engine, have
    sent for this second.
    """

    asset: str
    start_us: int
    members: Mapping[str, MemberSecond]
    revision: int
    inputs: Sequence[InputRange] = ()
    bars: Sequence[FootprintBar] = ()
    events: list[Output] = field(default_factory=list)
    _merged: dict[ScopeKey, Columns] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @property
    def end_us(self) -> int:
        """The end, which does not belong to it."""
        return self.start_us + US_PER_SECOND

    def columns(self, aggregate: ScopeKey) -> Columns:
        """Return the trades of all instruments of an aggregate, in tape order over all of them.

        They are merged once for all operators.
        """
        merged = self._merged.get(aggregate)
        if merged is None:
            traded = [
                member
                for member in self.members.values()
                if member.trades and member.aggregate == aggregate
            ]
            if len(traded) == 1:
                merged = traded[0].columns
            else:
                merged = Columns(sorted(chain.from_iterable([one.trades for one in traded])))
            self._merged[aggregate] = merged
        return merged


class SecondOperator(Stateful, Protocol):
    """One computation over the closed seconds of one asset."""

    def on_second(self, second: Second) -> list[Output]:
        """Take one second in, the one after the last; return what it leads to, all of it final.

        Seconds in which no stream was there at all may be missing: a jump in time is a gap.
        """
        ...
