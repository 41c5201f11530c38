"""The trade lane: rows wait a moment to share a batch; repeated ones are dropped, holes noticed."""

from collectors.messages import Trades
from collectors.session.lanes.base import Header, Lane
from collectors.session.seen import Seen
from schemas.instruments import Instrument
from schemas.market import DataSource, TradeIds
from schemas.trades import TRADES_SCHEMA, TradeBatch, TradeRow

MAX_ROWS = 500


class TradeLane(Lane):
    """Trades of one instrument.

    Args:
        instrument: what is traded.
        stream: the venue's name of the stream.
        opened_us: when the session was opened.
        trade_ids: what the ids promise.
        linger_us: how long rows wait for more.
        seen: which trades came already; outlives the session.
    """

    schema = TRADES_SCHEMA

    def __init__(
        self,
        instrument: Instrument,
        stream: str,
        opened_us: int,
        *,
        trade_ids: TradeIds,
        linger_us: int,
        seen: Seen,
    ) -> None:
        super().__init__(instrument, stream, opened_us)
        self.seen = seen
        self.before_us = seen.last_us
        """Venue time of the newest trade of earlier sessions; 0 once this one has traded."""
        self.known_us = seen.last_us
        """The same, whatever this one does; 0 without earlier sessions."""
        self._trade_ids = trade_ids
        self._linger_us = linger_us
        self._rows: list[TradeRow] = []
        self._fetched: list[TradeRow] = []
        self._first_us = 0

    def take(self, message: Trades, receive_us: int) -> list[TradeRow]:
        """Take trades in and return those that are new."""
        seen = self.seen
        duplicates, disorder = seen.duplicates, seen.out_of_order
        rows = seen.take(message.rows, message.merged, receive_us)
        self.tally.duplicates += seen.duplicates - duplicates
        self.tally.out_of_order += seen.out_of_order - disorder
        if rows:
            if not self._rows:
                self._first_us = receive_us
            self._rows += rows
            self.item_us = receive_us
        return rows

    def take_fetched(self, rows: list[TradeRow], receive_us: int) -> int:
        """Take trades in that were fetched to close a gap; return how many are new."""
        new = self.seen.take(rows, None, receive_us)
        if new and not self._rows and not self._fetched:
            self._first_us = receive_us
        self._fetched += new
        return len(new)

    @property
    def pending_us(self) -> int:
        """When what waits has to be sent, 0 where nothing waits."""
        return self._first_us + self._linger_us if self._rows or self._fetched else 0

    @property
    def overfull(self) -> bool:
        """Whether a whole batch waits."""
        return len(self._rows) >= MAX_ROWS or len(self._fetched) > MAX_ROWS

    @property
    def ahead_us(self) -> int:
        """The venue time of the newest trade that waits."""
        return max((row[0] for row in self._rows), default=0)

    def build(self, header: Header, now_us: int) -> TradeBatch:
        """Make a batch of the rows that came by the stream, or else of those that were fetched."""
        fetched = not self._rows and bool(self._fetched)
        rows = self._fetched if fetched else self._rows
        batch, rest = rows[:MAX_ROWS], rows[MAX_ROWS:]
        if fetched:
            self._fetched = rest
        else:
            self._rows = rest
        self._first_us = now_us
        return TradeBatch(
            **header,
            tick=self.instrument.tick,
            lot=self.instrument.lot,
            stream=self.stream,
            trade_ids=self._trade_ids,
            source=DataSource.REST if fetched else DataSource.STREAM,
            rows=batch,
        )
