"""The book record (`md.norm.books.v1`): one instrument's order book as it stood, every 100 ms.

Each record is whole: a reader needs none before it. Source: definitions 5.6.
"""

from enum import StrEnum

from schemas.trades import BatchHeader

BOOKS_SCHEMA = "books.v1"
TOP_LEVELS = 50
BANDS_BP = (10, 20, 50, 100, 200, 500)
"""Half widths of the bands around mid, in basis points: 0.1, 0.2, 0.5, 1, 2 and 5 %."""

BID_COVERED = 1
ASK_COVERED = 2

BookLevel = tuple[int, int]
"""`[price_ticks, qty_lots]`."""

BookBand = tuple[int, int, int, int, int, int]
"""`[half_width_bp, bid_lots, ask_lots, bid_tick_lots, ask_tick_lots, coverage]`.

What lies at mid(1 - width) or above on the bid side, at mid(1 + width) or below on the ask side;
times `tick * lot`, the last two sums are the notional in quote. `coverage` has the bit
`BID_COVERED` (`ASK_COVERED`) where the book is known down (up) to the band's edge; a sum without
it is a lower bound.
"""

TopChange = tuple[int, int, int, int, int]
"""`[event_time_us, bid_ticks, bid_lots, ask_ticks, ask_lots]` after a change of the best prices.

An empty side has ticks and lots 0. Two neighbours of one `top_epoch` give one term of order flow
imbalance; none is taken across two epochs.
"""


class BookState(StrEnum):
    """Whether a book may be used, and if not, why."""

    LIVE = "live"
    NO_SNAPSHOT = "no_snapshot"
    GAP = "gap"
    CROSSED = "crossed"
    SILENT = "silent"
    BAD_LEVEL = "bad_level"
    DOWN = "down"


class BookBatch(BatchHeader, frozen=True, kw_only=True):
    """One book, and every change of its best prices since the record before.

    `bids` and `asks` are the best `TOP_LEVELS`, best first, in `tick` and `lot`. `event_time_us` is
    the venue's time of the last update in it (0 where it has not said one yet: a snapshot alone)
    and `update_id` the venue's number of it. `book_epoch`
    counts the times the book was built anew in this session. Where `book_valid` is false the levels
    and bands are empty and `book_state` says why. `bid_levels` and `ask_levels` are how many levels
    are known. `top_stream` names the stream of `tops`: the venue's best-price stream, or the book
    itself.
    """

    tick: str
    lot: str
    stream: str
    event_time_us: int
    update_id: int
    book_epoch: int
    book_valid: bool
    book_state: BookState
    bids: list[BookLevel]
    asks: list[BookLevel]
    bands: list[BookBand]
    bid_levels: int
    ask_levels: int
    top_stream: str
    top_epoch: int
    tops: list[TopChange]
