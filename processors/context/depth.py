"""Imbalance of a book's band over time.

Source: definitions 5.6 (OBI band, flow-weighted), 5.12.
"""

from collections import deque

from processors.plain import Plain
from processors.seconds.second import BookView, MemberSecond, Second
from schemas.books import ASK_COVERED, BID_COVERED
from schemas.units import US_PER_SECOND, round_half_even

PPB = 1_000_000_000
"""Imbalances are integers in billionths, so that their sums over time are exact."""

_COVERED = BID_COVERED | ASK_COVERED


def band_imbalance(book: BookView, half_width_bp: int) -> int | None:
    """Return (bids - asks) / (bids + asks) inside a band of mid, in billionths.

    None where the book is not known to both edges of the band, or nothing is in it.
    """
    for width, bids, asks, _, _, coverage in book.bands:
        if width == half_width_bp:
            total = bids + asks
            if coverage & _COVERED != _COVERED or not total:
                return None
            return round_half_even((bids - asks) * PPB, total)
    return None


_NOTHING: Plain = ([], None, 0)


class ImbalanceWindow:
    """The imbalance of one instrument's band over the last seconds, weighted by time.

    A book holds from its time until the next. A second in which the stream was not there all the
    time counts for nothing. State: two sums a second.

    Args:
        seconds: length of the window.
        half_width_bp: of the band.
    """

    def __init__(self, seconds: int, half_width_bp: int, state: Plain = None) -> None:
        self._seconds = seconds
        self._width = half_width_bp
        self._now: int | None
        self._now_until_us: int
        held, self._now, self._now_until_us = _NOTHING if state is None else state
        self._held: deque[tuple[int, int, int]] = deque((a, b, c) for a, b, c in held)

    def take(self, second: Second, member: MemberSecond) -> None:
        """Take one second in."""
        oldest_us = second.end_us - self._seconds * US_PER_SECOND
        while self._held and self._held[0][0] < oldest_us:
            self._held.popleft()
        if member.book_stream is None or not member.book_stream.complete:
            self._now = None
            return
        now = self._now if self._now_until_us == second.start_us else None
        at_us, area, known_us = second.start_us, 0, 0
        for book in member.books:
            if now is not None:
                area += now * (book.time_us - at_us)
                known_us += book.time_us - at_us
            at_us = book.time_us
            now = band_imbalance(book, self._width) if book.valid else None
        if now is not None:
            area += now * (second.end_us - at_us)
            known_us += second.end_us - at_us
        self._now, self._now_until_us = now, second.end_us
        if known_us:
            self._held.append((second.start_us, area, known_us))

    def value(self, end_us: int, share: tuple[int, int]) -> int | None:
        """Return the mean in billionths, None where it is known for less than `share` of the time.

        Args:
            end_us: now.
            share: the least part of the window that must be known, as a ratio.
        """
        oldest_us = end_us - self._seconds * US_PER_SECOND
        held = [(area, known) for start_us, area, known in self._held if start_us >= oldest_us]
        known_us = sum([known for _, known in held])
        if not known_us or known_us * share[1] < share[0] * self._seconds * US_PER_SECOND:
            return None
        return round_half_even(sum([area for area, _ in held]), known_us)

    def dump(self) -> Plain:
        """Return everything as plain values for a snapshot."""
        return [list(self._held), self._now, self._now_until_us]
