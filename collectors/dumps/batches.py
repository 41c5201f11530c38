"""Files of one asset as trade batches, merged by time, with the headers of a feed that was there.

A batch holds what one file has in one minute, at most `MAX_ROWS` trades of it. The watermark is the
end of the minute as soon as the file goes on beyond it: nothing earlier comes any more. The
receive time is the watermark, as there is no other clock.
"""

import heapq
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from collectors.dumps.held import Held
from schemas.market import DataSource, FeedState
from schemas.trades import TRADES_SCHEMA, TradeBatch, TradeRow
from schemas.units import US_PER_DAY, US_PER_MINUTE, US_PER_SECOND

MAX_ROWS = 10_000
PATIENCE_US = 33 * US_PER_SECOND
"""Log time after the end of what is there, after which bars close without more."""


def jobs_of(held: Sequence[Held]) -> list[list[Held]]:
    """Group files whose bars hang together: of one asset, with spans that overlap or touch.

    Days that touch at midnight UTC are jobs of their own, as no bar goes beyond midnight: so a
    month of daily files can be interrupted after each of them.
    """
    jobs: list[list[Held]] = []
    ends: dict[str, tuple[int, list[Held]]] = {}
    for one in sorted(held, key=lambda one: (one.market.asset, one.span, one.identity.name)):
        end_us, job = ends.get(one.market.asset, (0, []))
        joins = one.span[0] < end_us or (
            one.span[0] - end_us < US_PER_MINUTE and one.span[0] % US_PER_DAY != 0
        )
        if not job or not joins:
            job = []
            jobs.append(job)
        job.append(one)
        ends[one.market.asset] = (max(end_us, one.span[1]), job)
    return sorted(jobs, key=lambda job: (job[0].span, job[0].market.asset))


def span_of(job: Sequence[Held]) -> tuple[int, int]:
    """Return the time from the first beginning to the last end."""
    return min(one.span[0] for one in job), max(one.span[1] for one in job)


def job_batches(job: Sequence[Held]) -> Iterator[TradeBatch]:
    """Yield the batches of all files of a job in the order of their receive times.

    Every instrument opens first, so that all of the job are expected in all of its bars. What comes
    last closes the bars that are still open: all of the day where the span does not end with one.
    """
    start_us, end_us = span_of(job)
    feeds = [_Feed(files) for files in _by_instrument(job)]
    for feed in feeds:
        yield feed.batch(feed.files[0], [], start_us, FeedState.DOWN)
    yield from heapq.merge(*map(_Feed.batches, feeds), key=lambda batch: batch.receive_time_us)
    last_us = -(-end_us // US_PER_DAY) * US_PER_DAY + PATIENCE_US
    for feed in feeds:
        yield feed.batch(feed.files[-1], [], feed.watermark_us, FeedState.DOWN, last_us)


def _by_instrument(job: Sequence[Held]) -> list[list[Held]]:
    found: dict[tuple[str, str, str], list[Held]] = {}
    for one in job:
        key = (one.market.venue, one.market.kind.value, one.market.venue_symbol)
        found.setdefault(key, []).append(one)
    return list(found.values())


@dataclass(slots=True)
class _Run:
    """Files of one instrument between which nothing is missing, and the span they cover."""

    files: list[Held]
    start_us: int
    end_us: int


def _runs(files: Sequence[Held]) -> Iterator[_Run]:
    """Join files that touch by their spans, or by ids that count."""
    run: _Run | None = None
    for held in files:
        if run is not None and (held.span[0] <= run.end_us or _follows(run.files[-1], held)):
            run.files.append(held)
            run.end_us = max(run.end_us, held.span[1])
            continue
        if run is not None:
            yield run
        run = _Run([held], *held.span)
    if run is not None:
        yield run


def _follows(before: Held, held: Held) -> bool:
    return before.last_id is not None and held.first_id == before.last_id + 1


@dataclass(slots=True)
class _Feed:
    """The files of one instrument in the order of time, as one session."""

    files: list[Held]
    sequence: int = 0
    watermark_us: int = 0

    def batches(self) -> Iterator[TradeBatch]:
        """Yield the batches of all runs; between two of them the feed is down."""
        for run in _runs(self.files):
            yield self.batch(run.files[0], [], run.start_us)
            yield from self._minutes(run)

    def _minutes(self, run: _Run) -> Iterator[TradeBatch]:
        until_us = run.start_us - run.start_us % US_PER_MINUTE + US_PER_MINUTE
        held, pending = run.files[0], list[TradeRow]()
        for held in run.files:
            for rows in held.rows():
                times = [row[0] for row in rows]
                start = 0
                while start < len(rows):
                    end = bisect_left(times, until_us, start, min(start + MAX_ROWS, len(rows)))
                    pending += rows[start:end]
                    start = end
                    if start < len(rows) and times[start] >= until_us:
                        yield self.batch(held, pending, until_us)
                        until_us += US_PER_MINUTE
                        pending = []
                    elif len(pending) >= MAX_ROWS:
                        yield self.batch(held, pending, self.watermark_us)
                        pending = []
            if held is not run.files[-1] and pending:
                yield self.batch(held, pending, self.watermark_us)  # the next has its own grid
                pending = []
        while until_us < run.end_us:
            yield self.batch(held, pending, until_us)
            until_us += US_PER_MINUTE
            pending = []
        yield self.batch(held, pending, run.end_us, FeedState.DOWN)

    def batch(
        self,
        held: Held,
        rows: list[TradeRow],
        watermark_us: int,
        state: FeedState = FeedState.LIVE,
        receive_us: int = 0,
    ) -> TradeBatch:
        """Return the next batch of the session."""
        instrument = held.instrument
        self.watermark_us = max(self.watermark_us, watermark_us)
        newest_us = rows[-1][0] if rows else 0
        self.sequence += 1
        return TradeBatch(
            schema=TRADES_SCHEMA,
            venue=instrument.venue,
            kind=instrument.kind,
            symbol=instrument.symbol,
            venue_symbol=instrument.venue_symbol,
            asset=instrument.asset,
            quote=instrument.quote,
            session=self.files[0].identity.session,
            sequence=self.sequence - 1,
            receive_time_us=max(receive_us, self.watermark_us, newest_us),
            watermark_us=self.watermark_us,
            feed_state=state,
            tick=instrument.tick,
            lot=instrument.lot,
            stream=held.market.stream,
            trade_ids=held.trade_ids,
            source=DataSource.DUMP,
            rows=rows,
        )
