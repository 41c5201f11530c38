"""What one stream did since its last summary: counts, ages and waits.

Source: definitions 5.15 (quality record per venue, stream and 10 s).
"""

from schemas.market import FeedState
from schemas.ops import FeedSummary
from schemas.units import US_PER_DAY, US_PER_SECOND

MAX_LAGS = 4096
"""Ages kept for the percentiles of one summary; of more, every second one is kept."""

_LATE_US = (2 * US_PER_SECOND, 30 * US_PER_SECOND, US_PER_DAY)


class Tally:
    """Counts of one stream; plain attributes, since every frame moves some of them."""

    __slots__ = (
        "_every",
        "_seen",
        "crossed_us",
        "duplicates",
        "gaps",
        "invalid_us",
        "items",
        "lags",
        "late",
        "messages",
        "out_of_order",
        "reconnects",
        "refusals",
        "rejected",
        "resyncs",
        "since_us",
    )  # fmt: skip

    def __init__(self, now_us: int) -> None:
        self.start(now_us)

    def start(self, now_us: int) -> None:
        """Begin to count anew."""
        self.since_us = now_us
        self.messages = self.items = self.duplicates = self.out_of_order = 0
        self.gaps = self.resyncs = self.reconnects = self.refusals = self.rejected = 0
        self.crossed_us = self.invalid_us = 0
        self.late = [0, 0, 0, 0]
        self.lags: list[int] = []
        self._every = 1
        self._seen = 0

    def heard(self, items: int, lag_us: int | None) -> None:
        """Count one message with so many items, the newest of them so old at receipt."""
        self.messages += 1
        self.items += items
        if lag_us is None:
            return
        self._seen += 1
        if self._seen % self._every == 0:
            self.lags.append(lag_us)
            if len(self.lags) >= MAX_LAGS:
                del self.lags[::2]
                self._every *= 2

    def note_late(self, behind_us: int) -> None:
        """Count an item that lies so far behind the watermark."""
        bucket = sum(behind_us > limit for limit in _LATE_US)
        self.late[bucket] += 1

    def summary(
        self, now_us: int, feed_state: FeedState, watermark_lag_us: int | None
    ) -> FeedSummary:
        """Return the counts up to now."""
        lags = sorted(self.lags)
        late = self.late
        return FeedSummary(
            feed_state=feed_state,
            interval_us=now_us - self.since_us,
            messages=self.messages,
            items=self.items,
            duplicates=self.duplicates,
            out_of_order=self.out_of_order,
            gaps=self.gaps,
            resyncs=self.resyncs,
            reconnects=self.reconnects,
            refusals=self.refusals,
            rejected=self.rejected,
            late=(late[0], late[1], late[2], late[3]),
            lag_p50_us=lags[len(lags) // 2] if lags else None,
            lag_p99_us=lags[min(len(lags) - 1, len(lags) * 99 // 100)] if lags else None,
            clock_offset_us=lags[0] if lags else None,
            watermark_lag_us=watermark_lag_us,
            crossed_us=self.crossed_us,
            invalid_us=self.invalid_us,
        )
