"""One feed's metrics with their labels bound, so that counting a frame costs next to nothing."""

from collections.abc import Iterable

from prometheus_client import Counter

from collectors.venue import Feed
from runtime.metrics import CollectorMetrics
from schemas.books import BookBatch
from schemas.ops import QualityEvent, QualityKind
from schemas.trades import BatchHeader, TradeBatch
from schemas.units import US_PER_SECOND

CLOCK_US = 30 * US_PER_SECOND
"""The offset of the clocks is the least in one to two of these: some summaries of every stream."""


class FeedMeter:
    """Counts what the connections of one feed do."""

    def __init__(self, metrics: CollectorMetrics, feed: Feed) -> None:
        labels = (feed.venue, feed.name)
        self.messages = metrics.messages.labels(*labels)
        self.connected = metrics.connected.labels(*labels)
        self.reconnects = metrics.reconnects.labels(*labels)
        self._trades = metrics.trades.labels(*labels)
        self._last_event = metrics.last_event.labels(*labels)
        self._clock_offset = metrics.clock_offset.labels(*labels)
        self._venue_to_receive = metrics.venue_to_receive.labels(*labels)
        self._invalid_books = metrics.invalid_books.labels(*labels)
        self._records = metrics.records
        # All of them from the start: a rate does not see the first of what was not there before.
        self._findings = {
            kind: metrics.findings.labels(*labels, kind.value)
            for kind in QualityKind
            if kind is not QualityKind.SUMMARY
        }
        self._rejected = metrics.rejected
        self._labels = labels
        self._invalid: set[str] = set()
        self._counters: dict[str, Counter] = {}
        self._clock_span = 0
        self._offsets_us = (0, 0)

    def batches(self, batches: Iterable[BatchHeader]) -> None:
        """Count records: trades with their age, books that cannot be used."""
        for batch in batches:
            self._count(batch.schema).inc()
            if type(batch) is TradeBatch and batch.rows:
                newest_us = batch.rows[-1][0]
                self._trades.inc(len(batch.rows))
                self._last_event.set(newest_us / US_PER_SECOND)
                age_us = max(0, batch.receive_time_us - newest_us)
                self._venue_to_receive.observe(age_us / US_PER_SECOND)
            elif type(batch) is BookBatch:
                self._book(batch)

    def _count(self, schema: str) -> Counter:
        """Return the counter of a schema's records; there are four of them."""
        counter = self._counters.get(schema)
        if counter is None:
            counter = self._records.labels(*self._labels, schema.partition(".")[0])
            self._counters[schema] = counter
        return counter

    def _book(self, batch: BookBatch) -> None:
        if batch.book_valid is (batch.symbol in self._invalid):
            (self._invalid.discard if batch.book_valid else self._invalid.add)(batch.symbol)
            self._invalid_books.set(len(self._invalid))

    def event(self, event: QualityEvent) -> None:
        """Count a finding; a summary is none, but says how the clocks stand."""
        if event.kind in self._findings:
            self._findings[event.kind].inc()
        elif event.summary is not None and event.summary.clock_offset_us is not None:
            self._clock(event.summary.clock_offset_us, event.to_us // CLOCK_US)

    def _clock(self, offset_us: int, span: int) -> None:
        """Show the least offset of all streams in this span of time and the one before it.

        What is told late (a liquidation, a rate that was set before) says nothing of the clocks.
        """
        before_us, least_us = self._offsets_us
        step = span - self._clock_span
        if step not in (-1, 0):  # lines are a little apart; a clock that was set begins anew
            before_us, least_us = least_us if step == 1 else offset_us, offset_us
            self._clock_span = span
        self._offsets_us = before_us, min(least_us, offset_us)
        self._clock_offset.set(min(self._offsets_us) / US_PER_SECOND)

    def rejected(self, reason: str) -> None:
        """Count a frame, or an item of one, that could not be used."""
        self._rejected.labels(*self._labels, reason).inc()
