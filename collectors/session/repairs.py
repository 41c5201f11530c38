"""Gaps of trades from their discovery to their end: repaired over REST, or permanent, on record."""

from collections.abc import Mapping, Sequence

from collectors.messages import Message
from collectors.session.answers import NOTHING, Answers, Repaired
from collectors.session.findings import Findings
from collectors.session.lanes.trades import TradeLane
from collectors.session.outcome import Outcome
from collectors.venue import Feed, Gap, Stream
from schemas.ops import QualityKind
from schemas.trades import TradeRow

MISSING = "trades are missing"


class Repairs:
    """Finds the gaps of a session's trade lanes and sees to their repair.

    Args:
        feed: whose trades.
        answers: the calls that are out.
        findings: writes the records.
        lanes: the trade lanes, by stream name.
        covered_us: up to when the session before had everything.
    """

    def __init__(
        self,
        feed: Feed,
        answers: Answers,
        findings: Findings,
        lanes: Mapping[str, TradeLane],
        covered_us: int = 0,
    ) -> None:
        self._covered_us = covered_us
        self._feed = feed
        self._answers = answers
        self._findings = findings
        self._lanes = lanes

    def note_holes(self, lane: TradeLane, stream: Stream, now_us: int, out: Outcome) -> None:
        """Begin to repair the holes in a lane's ids that stayed open."""
        for hole in lane.seen.gaps(now_us):
            gap = Gap(stream, hole.from_us, hole.to_us, hole.first_id, hole.last_id)
            self.note(lane, gap, MISSING, now_us, out)
            if hole.given_up:
                self._end(Repaired(gap, NOTHING, "too many holes at once"), now_us, out)
            else:
                self.resume(gap, now_us, out)

    def note_return(
        self,
        lane: TradeLane,
        stream: Stream,
        rows: Sequence[TradeRow],
        new: Sequence[TradeRow],
        now_us: int,
        out: Outcome,
    ) -> None:
        """Look at the first trades after a time without a connection.

        Where ids have no holes they tell what is missing. Else what lies between the end of the
        session before (or its last trade, if that is later) and the first trade after is unknown,
        unless the venue repeats what we know already.
        """
        before_us, lane.before_us = max(lane.before_us, self._covered_us), 0
        overlap = self._feed.replays_history and len(new) < len(rows)
        if self._feed.gapless_ids or overlap:
            return
        first_us = min((row[0] for row in rows), default=before_us)
        if first_us > before_us:
            gap = Gap(stream, before_us, first_us)
            self.note(lane, gap, MISSING, now_us, out)
            self.resume(gap, now_us, out)

    def note(self, lane: TradeLane, gap: Gap, why: str, now_us: int, out: Outcome) -> None:
        """Put a gap on record; its end is told apart."""
        lane.tally.gaps += 1
        out.events.append(self._findings.gap(QualityKind.GAP, gap, now_us, why))

    def resume(self, gap: Gap, now_us: int, out: Outcome) -> None:
        """Begin the repair of a gap on record, which may be one of an earlier session."""
        calls = self._feed.missed(gap)
        if calls is None:
            self._end(Repaired(gap, NOTHING, "the venue has no way to fetch them"), now_us, out)
            return
        end = self._answers.repair(gap, calls)
        if end is not None:
            self._end(end, now_us, out)
        self._go_on(now_us, out)

    def _go_on(self, now_us: int, out: Outcome) -> None:
        out.asks += self._answers.due(now_us)

    def take(self, key: str, body: bytes, now_us: int, out: Outcome) -> Sequence[Message]:
        """Take the answer to a call in; return what it says where it is no repair's.

        Raises:
            PayloadError: it cannot be read.
        """
        found = self._answers.take(key, body)
        if isinstance(found, Repaired):
            self._end(found, now_us, out)
            found = ()
        self._go_on(now_us, out)
        return found

    def fail(self, key: str, detail: str, now_us: int, out: Outcome) -> None:
        """Note that a call got no answer."""
        end = self._answers.fail(key, detail)
        if end is not None:
            self._end(end, now_us, out)
        self._go_on(now_us, out)

    def expire(self, now_us: int, out: Outcome) -> None:
        """Give up what takes too long."""
        for end in self._answers.expire(now_us):
            self._end(end, now_us, out)
        self._go_on(now_us, out)

    def _end(self, end: Repaired, now_us: int, out: Outcome) -> None:
        recovered = 0
        lane = self._lanes.get(end.gap.stream.name)
        if lane is not None:
            recovered = lane.take_fetched(end.found.rows, now_us)
            lane.seen.settle(end.gap.first_id, end.gap.last_id)
            out.trades += recovered
        whole = end.found.complete
        kind = QualityKind.GAP_REPAIRED if whole else QualityKind.GAP_PERMANENT
        out.events.append(self._findings.gap(kind, end.gap, now_us, end.detail, recovered))
