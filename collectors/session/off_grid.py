"""Trades that are on no grid of their instrument as it is known: its steps were made finer.

The list of instruments is asked for at once. Until what it says is adopted, which begins another
session, they are missing; that session fetches them, where the venue lets it.
"""

from dataclasses import replace

from collectors.messages import Rejected
from collectors.venue import Feed, Gap, Stream


class OffGrid:
    """What one session could not take for its grids, by stream."""

    def __init__(self, feed: Feed) -> None:
        self._gapless = feed.gapless_ids
        self._gaps: dict[str, Gap] = {}

    def note(self, stream: Stream, trade: Rejected) -> None:
        """Take a trade in; of ids that may be left out no range is told."""
        number = trade.trade_id if self._gapless and isinstance(trade.trade_id, int) else None
        gap = self._gaps.get(stream.name)
        if gap is None:
            gap = Gap(stream, trade.time_us, trade.time_us, number, number)
        gap = replace(
            gap, from_us=min(gap.from_us, trade.time_us), to_us=max(gap.to_us, trade.time_us)
        )
        if number is not None and gap.first_id is not None and gap.last_id is not None:
            first_id, last_id = min(gap.first_id, number), max(gap.last_id, number)
            gap = replace(gap, first_id=first_id, last_id=last_id)
        self._gaps[stream.name] = gap

    def end(self) -> list[Gap]:
        """Return the gaps with their bounds; their end is for the next session to tell."""
        gaps = list(self._gaps.values())
        self._gaps.clear()
        return gaps
