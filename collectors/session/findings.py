"""Quality records of one session: what happened to which stream, when, how often."""

from collectors.session.lanes.base import Lane
from collectors.venue import Gap
from schemas.instruments import Instrument
from schemas.market import FeedState
from schemas.ops import FeedSummary, QualityEvent, QualityKind


class Findings:
    """Writes the quality records of one session.

    `waiting` holds those that a lane found by itself, until the session takes them.
    """

    def __init__(self, venue: str, session: str) -> None:
        self._venue = venue
        self._session = session
        self.waiting: list[QualityEvent] = []

    def note(
        self,
        kind: QualityKind,
        instrument: Instrument,
        stream: str,
        span_us: tuple[int, int],
        log_time_us: int,
        *,
        count: int = 1,
        detail: str = "",
        ids: tuple[int | None, int | None] = (None, None),
        recovered: int | None = None,
        summary: FeedSummary | None = None,
    ) -> QualityEvent:
        """Return one record."""
        return QualityEvent(
            kind=kind,
            venue=self._venue,
            symbol=instrument.symbol,
            asset=instrument.asset,
            stream=stream,
            session=self._session,
            from_us=span_us[0],
            to_us=span_us[1],
            count=count,
            detail=detail[:500],
            log_time_us=log_time_us,
            first_id=ids[0],
            last_id=ids[1],
            recovered=recovered,
            summary=summary,
        )

    def gap(
        self, kind: QualityKind, gap: Gap, now_us: int, detail: str, recovered: int | None = None
    ) -> QualityEvent:
        """Return the record of a gap's beginning or end; `count` is the number of missing ids."""
        instrument = gap.stream.instrument
        if instrument is None:
            raise ValueError(f"a gap of {gap.stream.name}, which is of no instrument")
        missing = 0
        if gap.first_id is not None and gap.last_id is not None:
            missing = gap.last_id - gap.first_id + 1
        return self.note(
            kind,
            instrument,
            gap.stream.name,
            (gap.from_us, gap.to_us),
            now_us,
            count=missing,
            detail=detail,
            ids=(gap.first_id, gap.last_id),
            recovered=recovered,
        )

    def state(self, lane: Lane, before: FeedState, now: FeedState, now_us: int) -> QualityEvent:
        """Return the record of a feed that is not there any more, or is again."""
        detail = f"{before.value} -> {now.value}"
        span_us = (lane.sent_us, now_us)
        return self.note(
            QualityKind.FEED_STATE, lane.instrument, lane.stream, span_us, now_us, detail=detail
        )

    def summary(self, lane: Lane, summary: FeedSummary) -> QualityEvent:
        """Return a lane's summary."""
        since_us = lane.tally.since_us
        until_us = since_us + summary.interval_us
        return self.note(
            QualityKind.SUMMARY,
            lane.instrument,
            lane.stream,
            (since_us, until_us),
            until_us,
            count=summary.items,
            summary=summary,
        )

    def on_recovery(self, lane: Lane, lost_us: int, now_us: int) -> None:
        """Note that a book is valid again."""
        detail = "the book was built anew"
        self.waiting.append(
            self.note(
                QualityKind.RESYNC,
                lane.instrument,
                lane.stream,
                (lost_us, now_us),
                now_us,
                detail=detail,
            )
        )
