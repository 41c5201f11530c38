"""The lanes of one session: which datasets of which instruments its streams make."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from collectors.session.lanes.base import Lane
from collectors.session.lanes.books import BookLane
from collectors.session.lanes.liquidations import LiquidationLane
from collectors.session.lanes.tickers import TickerLane
from collectors.session.lanes.trades import TradeLane
from collectors.session.memory import Memory
from collectors.venue import Channel, Feed, LiquidationRule, Stream
from schemas.instruments import Instrument


@dataclass(slots=True)
class Lanes:
    """The lanes by what finds them: stream name for trades, symbol for the rest.

    `of_stream` has every lane that a stream feeds.
    """

    trades: dict[str, TradeLane] = field(default_factory=dict)
    books: dict[str, BookLane] = field(default_factory=dict)
    liquidations: dict[str, LiquidationLane] = field(default_factory=dict)
    tickers: dict[str, TickerLane] = field(default_factory=dict)
    of_stream: dict[str, list[Lane]] = field(default_factory=dict)

    def of(self, name: str) -> Sequence[Lane]:
        """Every lane that the stream of a name feeds."""
        return self.of_stream.get(name, ())

    @property
    def all(self) -> list[Lane]:
        """Every lane once."""
        return [
            *self.trades.values(),
            *self.books.values(),
            *self.liquidations.values(),
            *self.tickers.values(),
        ]


@dataclass(frozen=True, slots=True)
class LaneMaker:
    """Makes the lanes of a session."""

    feed: Feed
    opened_us: int
    memory: Memory
    linger_us: int
    on_recovery: Callable[[BookLane, int, int], None]

    def make(self, streams: Sequence[Stream], instruments: Sequence[Instrument]) -> Lanes:
        """Return the lanes of these streams; `instruments` are those a market-wide stream has."""
        lanes = Lanes()
        tops = {
            stream.instrument.symbol: stream.name
            for stream in streams
            if stream.channel is Channel.TOP and stream.instrument is not None
        }
        for stream in sorted(streams, key=lambda one: one.channel is Channel.TOP):
            wide = stream.instrument is None
            for instrument in instruments if wide else [stream.instrument]:
                lane = self._lane(lanes, stream, instrument, tops) if instrument else None
                if lane is not None:
                    lanes.of_stream.setdefault(stream.name, []).append(lane)
        return lanes

    def _lane(
        self, lanes: Lanes, stream: Stream, instrument: Instrument, tops: dict[str, str]
    ) -> Lane | None:
        symbol = instrument.symbol
        if stream.channel is Channel.TRADES:
            return lanes.trades.setdefault(stream.name, self._trade_lane(stream, instrument))
        if stream.channel is Channel.BOOK:
            return lanes.books.setdefault(symbol, self._book_lane(stream, instrument, tops))
        if stream.channel is Channel.TOP:
            return lanes.books.get(symbol)
        if stream.channel is Channel.TICKER:
            ticker = TickerLane(instrument, stream.name, self.opened_us)
            return lanes.tickers.setdefault(symbol, ticker)
        rule = self.feed.liquidations
        if stream.channel is Channel.LIQUIDATIONS and rule is not None:
            forced = self._liquidation_lane(stream, instrument, rule)
            return lanes.liquidations.setdefault(symbol, forced)
        return None

    def _trade_lane(self, stream: Stream, instrument: Instrument) -> TradeLane:
        feed = self.feed
        return TradeLane(
            instrument,
            stream.name,
            self.opened_us,
            trade_ids=feed.trade_ids,
            linger_us=self.linger_us,
            seen=self.memory.trades(instrument.symbol, gapless=feed.gapless_ids),
        )

    def _book_lane(self, stream: Stream, instrument: Instrument, tops: dict[str, str]) -> BookLane:
        return BookLane(
            instrument,
            stream.name,
            self.opened_us,
            rule=self.feed.book,
            prices=self.memory.prices(instrument.venue_tick),
            top_stream=tops.get(instrument.symbol, ""),
            on_recovery=self.on_recovery,
        )

    def _liquidation_lane(
        self, stream: Stream, instrument: Instrument, rule: LiquidationRule
    ) -> LiquidationLane:
        return LiquidationLane(
            instrument,
            stream.name,
            self.opened_us,
            rule=rule,
            linger_us=self.linger_us,
            memory=self.memory.liquidations(instrument.symbol),
        )
