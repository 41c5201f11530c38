"""What a session sees to by itself: books without a snapshot, streams that say nothing."""

from collections.abc import Mapping, Sequence

from collectors.session.findings import Findings
from collectors.session.lanes.books import BookLane
from collectors.session.line import Line
from collectors.session.outcome import Ask, Outcome, Resubscribe
from collectors.venue import Channel, Feed, Stream
from schemas.ops import QualityKind


class Watch:
    """Looks after the streams of one session.

    Args:
        feed: whose streams.
        streams: what the session is of.
        books: its books, by symbol.
        lines: the connections that are up.
        findings: writes the records.
    """

    def __init__(
        self,
        feed: Feed,
        streams: Sequence[Stream],
        books: Mapping[str, BookLane],
        lines: Mapping[int, Line],
        findings: Findings,
    ) -> None:
        self._feed = feed
        self._books = [
            (one, books[one.instrument.symbol])
            for one in streams
            if one.channel is Channel.BOOK and one.instrument is not None
        ]
        self._moving = books
        self._lines = lines
        self._findings = findings

    def look(self, now_us: int, out: Outcome) -> None:
        """Ask for what is missing or was refused; a stream that fell silent goes on record."""
        for stream, lane in self._books:
            self._look_at_book(stream, lane, now_us, out)
        for number, line in self._lines.items():
            out.resubscribes += [Resubscribe(number, one) for one in line.refused_streams(now_us)]
            for stream in line.dead_streams(now_us, self._moved_us):
                out.resubscribes.append(Resubscribe(number, stream))
                self._note_silence(stream, line.word_us(stream), now_us, out)

    def _look_at_book(self, stream: Stream, lane: BookLane, now_us: int, out: Outcome) -> None:
        for number in lane.asks(now_us):
            if not self._lines[number].expects(stream.name):
                continue
            call = None if lane.is_mute(number) else self._feed.snapshot(stream)
            if call is not None:
                out.asks.append(Ask(call.request))
            else:
                out.resubscribes.append(Resubscribe(number, stream))

    def _moved_us(self, stream: Stream) -> int:
        lane = self._moving.get(stream.instrument.symbol) if stream.instrument else None
        return lane.moved_us if lane is not None else 0

    def _note_silence(self, stream: Stream, since_us: int, now_us: int, out: Outcome) -> None:
        if stream.instrument is None:
            return
        event = self._findings.note(
            QualityKind.SILENT,
            stream.instrument,
            stream.name,
            (since_us, now_us),
            now_us,
            detail="acknowledged and silent; subscribed again",
        )
        out.events.append(event)
