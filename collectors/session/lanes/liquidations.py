"""The liquidation lane: rows get their identity, what was told before is dropped."""

from collections import Counter

from collectors.messages import LiquidationItem, Liquidations
from collectors.session.lanes.base import Header, Lane
from collectors.venue import LiquidationRule
from schemas.instruments import Instrument
from schemas.liquidations import (
    BACKLOG,
    LIQUIDATIONS_SCHEMA,
    LiquidationBatch,
    LiquidationRow,
)
from schemas.units import US_PER_SECOND

MAX_ROWS = 500
MAX_REMEMBERED = 10_000
BACKLOG_US = 5 * US_PER_SECOND
"""What is older than this when the connection is opened was told before, or to others."""

LiquidationMemory = dict[tuple[LiquidationItem, int], None]
"""Which liquidations of an instrument came already; it outlives a session."""


class LiquidationLane(Lane):
    """Liquidations of one instrument.

    Args:
        instrument: what was liquidated.
        stream: the venue's name of the stream.
        opened_us: when the session was opened.
        rule: what the feed's liquidations are.
        linger_us: how long rows wait for more.
        memory: which ones came already.
    """

    schema = LIQUIDATIONS_SCHEMA

    def __init__(
        self,
        instrument: Instrument,
        stream: str,
        opened_us: int,
        *,
        rule: LiquidationRule,
        linger_us: int,
        memory: LiquidationMemory,
    ) -> None:
        super().__init__(instrument, stream, opened_us)
        self._rule = rule
        self._linger_us = linger_us
        self._memory = memory
        self._oldest_us = opened_us - BACKLOG_US
        self._rows: list[LiquidationRow] = []
        self._first_us = 0

    def take(self, message: Liquidations, receive_us: int) -> None:
        """Take liquidations in; the age of what was told before says nothing of the feed's lag."""
        occurrences: Counter[LiquidationItem] = Counter()
        before = len(self._rows)
        for item in message.rows:
            key = (item, occurrences[item])
            occurrences[item] += 1
            if key in self._memory:
                self.tally.duplicates += 1
                continue
            self._memory[key] = None
            time_us, price, lots, side, flags = item
            if time_us < self._oldest_us:
                flags |= BACKLOG
            self._rows.append((time_us, price, lots, side, key[1], flags))
        while len(self._memory) > MAX_REMEMBERED:
            del self._memory[next(iter(self._memory))]
        if not before and self._rows:
            self._first_us = receive_us
        new = len(self._rows) - before
        if new:
            self.item_us = receive_us
        newest_us = max(item[0] for item in message.rows)
        is_backlog = newest_us < self._oldest_us
        self.tally.heard(new, None if is_backlog else receive_us - newest_us)

    @property
    def pending_us(self) -> int:
        """When what waits has to be sent, 0 where nothing waits."""
        return self._first_us + self._linger_us if self._rows else 0

    @property
    def overfull(self) -> bool:
        """Whether a whole batch waits."""
        return len(self._rows) >= MAX_ROWS

    def build(self, header: Header, now_us: int) -> LiquidationBatch:
        """Make a batch of what waits."""
        rows, self._rows = self._rows[:MAX_ROWS], self._rows[MAX_ROWS:]
        self._first_us = now_us
        rule = self._rule
        return LiquidationBatch(
            **header,
            lot=self.instrument.lot,
            stream=self.stream,
            price_kind=rule.price_kind,
            unit=rule.unit,
            sampling_class=rule.sampling_class,
            method=rule.method,
            rows=rows,
        )
