"""A book is the venue's or it says that it is not: whatever is lost, repeated or out of order."""

from fractions import Fraction
from math import ceil, floor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.books.book import REFRESH_US, SPARE_UPDATES, Book
from collectors.messages import BookUpdate, Top
from collectors.venue import BookRule, Chain
from schemas.books import ASK_COVERED, BANDS_BP, BID_COVERED, BookState
from tests.collectors.books.venue import (
    MID_TICKS,
    RULES,
    START_US,
    STREAM,
    VenueBook,
    instrument,
    text,
)

every_chain = pytest.mark.parametrize("chain", list(Chain))
fetched = pytest.mark.parametrize("chain", [Chain.PREVIOUS_ID, Chain.FIRST_ID])
streamed = pytest.mark.parametrize("chain", [Chain.CONSECUTIVE, Chain.PREVIOUS_SEQUENCE])


def new_book(chain: Chain) -> Book:
    return Book(RULES[chain], instrument())


def sides(book: Book) -> tuple[dict[int, int], dict[int, int]]:
    return dict(book.bids.top(1000)), dict(book.asks.top(1000))


def synced(chain: Chain, seed: int = 1) -> tuple[Book, VenueBook]:
    """Return a book that holds what its venue does."""
    venue, book = VenueBook(chain, seed), new_book(chain)
    if chain.is_fetched:
        book.take(venue.step(), venue.time_us)
        assert book.take_snapshot(venue.snapshot(), venue.time_us)
    else:
        book.take(venue.snapshot(), venue.time_us)
    assert book.valid
    return book, venue


@every_chain
def test_a_book_follows_its_venue(chain: Chain) -> None:
    book, venue = synced(chain)
    for _ in range(200):
        book.take(venue.step(), venue.time_us)
        assert book.valid
        assert sides(book) == (venue.bids, venue.asks)
    assert book.epoch == 1
    assert book.gaps == book.repeated == 0


@fetched
@pytest.mark.parametrize("age", [0, 1, 3, 7])
def test_a_snapshot_is_aligned_wherever_it_lies_among_the_kept_updates(
    chain: Chain, age: int
) -> None:
    venue, book = VenueBook(chain, 5), new_book(chain)
    for _ in range(3):
        book.take(venue.step(), venue.time_us)
    snapshot = venue.snapshot()
    for _ in range(age):
        book.take(venue.step(), venue.time_us)
    assert book.needs_snapshot
    assert book.take_snapshot(snapshot, venue.time_us)
    assert sides(book) == (venue.bids, venue.asks)
    book.take(venue.step(), venue.time_us)
    assert sides(book) == (venue.bids, venue.asks)


@fetched
def test_a_snapshot_from_before_the_first_kept_update_is_refused(chain: Chain) -> None:
    venue, book = VenueBook(chain, 5), new_book(chain)
    venue.step()
    snapshot = venue.snapshot()
    venue.step()
    book.take(venue.step(), venue.time_us)
    assert not book.take_snapshot(snapshot, venue.time_us)
    assert book.needs_snapshot
    assert book.take_snapshot(venue.snapshot(), venue.time_us)
    assert sides(book) == (venue.bids, venue.asks)


@fetched
@pytest.mark.parametrize("wanted", [False, True])
def test_of_a_book_that_is_well_only_the_newest_updates_are_kept(
    chain: Chain, wanted: bool
) -> None:
    book, venue = synced(chain, 7)
    asked_us = REFRESH_US + 1 if wanted else 0
    old = venue.snapshot()
    for _ in range(200):
        book.take(venue.step(), venue.time_us)
        book.pass_time(venue.time_us + asked_us, venue.time_us)
    assert book.wants_refresh(venue.time_us + asked_us) is wanted
    assert book.take_snapshot(old, venue.time_us) is wanted
    newer = venue.snapshot()
    for _ in range(SPARE_UPDATES - 1):
        book.take(venue.step(), venue.time_us)
        book.pass_time(venue.time_us, venue.time_us)
    assert book.take_snapshot(newer, venue.time_us)
    book.take(venue.step(), venue.time_us)
    assert book.valid
    assert book.epoch == 1
    assert sides(book) == (venue.bids, venue.asks)


@fetched
def test_a_snapshot_newer_than_every_update_waits_for_one_that_fits(chain: Chain) -> None:
    venue, book = VenueBook(chain, 5), new_book(chain)
    book.take(venue.step(), venue.time_us)
    late = venue.step()
    assert book.take_snapshot(venue.snapshot(), venue.time_us)
    assert sides(book) == (venue.bids, venue.asks)
    book.take(late, venue.time_us)
    assert book.valid
    book.take(venue.step(), venue.time_us)
    assert sides(book) == (venue.bids, venue.asks)


@pytest.mark.parametrize("chain", [one for one in Chain if one is not Chain.SNAPSHOTS])
def test_a_lost_update_invalidates_until_a_snapshot_comes(chain: Chain) -> None:
    book, venue = synced(chain)
    venue.step()
    book.take(venue.step(), venue.time_us)
    assert book.state is BookState.GAP
    assert book.bids.keys == book.asks.keys == []
    assert book.needs_snapshot
    if chain.is_fetched:
        assert book.take_snapshot(venue.snapshot(), venue.time_us)
    else:
        book.take(venue.snapshot(), venue.time_us)
    assert sides(book) == (venue.bids, venue.asks)
    assert book.epoch == 2
    assert book.gaps == 1


@streamed
def test_an_update_before_the_snapshot_is_not_applied(chain: Chain) -> None:
    venue, book = VenueBook(chain, 5), new_book(chain)
    assert not book.take(venue.step(), venue.time_us)
    assert book.state is BookState.NO_SNAPSHOT
    assert book.bids.keys == []


@streamed
def test_a_restart_that_the_venue_announces_is_a_new_epoch(chain: Chain) -> None:
    book, venue = synced(chain)
    snapshot = venue.restart()
    assert snapshot is not None
    book.take(snapshot, venue.time_us)
    book.take(venue.step(), venue.time_us)
    assert book.valid
    assert sides(book) == (venue.bids, venue.asks)
    assert book.epoch == 2


def test_ids_that_fall_in_an_unbroken_chain_are_a_legal_reset() -> None:
    book, venue = synced(Chain.PREVIOUS_SEQUENCE)
    last = venue.last_id
    reset = BookUpdate(STREAM, False, venue.time_us + 1, 7, [], [], previous_id=last)
    book.take(reset, venue.time_us)
    assert book.valid
    book.take(BookUpdate(STREAM, False, venue.time_us + 2, 9, [], [], previous_id=7), START_US)
    assert book.valid
    assert book.last_id == 9


@pytest.mark.parametrize("chain", [Chain.CONSECUTIVE, Chain.FIRST_ID, Chain.PREVIOUS_ID])
def test_a_restart_that_was_missed_is_a_gap_and_not_a_repetition(chain: Chain) -> None:
    book, venue = synced(chain)
    venue.restart()
    book.take(venue.step(), venue.time_us)
    assert not book.valid


@pytest.mark.parametrize("chain", [one for one in Chain if one is not Chain.SNAPSHOTS])
def test_a_repeated_update_changes_nothing(chain: Chain) -> None:
    book, venue = synced(chain)
    update = venue.step()
    book.take(update, venue.time_us)
    assert not book.take(update, venue.time_us)
    assert book.valid
    assert book.repeated == 1
    assert sides(book) == (venue.bids, venue.asks)


class Feeding:
    """A venue, a book, and what may happen between them; a valid book is checked every time."""

    def __init__(self, chain: Chain, seed: int) -> None:
        self.venue, self.book = VenueBook(chain, seed), new_book(chain)
        self.history: list[BookUpdate] = []
        self.held: BookUpdate | None = None
        self.tells = bool(seed % 2)

    def give(self, update: BookUpdate) -> None:
        venue, book = self.venue, self.book
        self.history.append(update)
        if update.snapshot and venue.chain.is_fetched:
            book.take_snapshot(update, venue.time_us)
        else:
            book.take(update, venue.time_us)
        if book.valid and book.last_id:
            known = [one for (last_id, _), one in venue.truth.items() if last_id == book.last_id]
            assert sides(book) in known

    def step(self) -> None:
        self.give(self.venue.step())

    def lose(self) -> None:
        self.venue.step()

    def swap(self) -> None:
        first, second = self.venue.step(), self.venue.step()
        self.give(second)
        self.give(first)

    def repeat(self) -> None:
        self.give(self.history[-1])

    def old(self) -> None:
        self.give(self.history[len(self.history) // 2])

    def snapshot(self) -> None:
        if self.held is not None:
            self.give(self.held)
        self.held = self.venue.snapshot()

    def restart(self) -> None:
        # Where ids count from 1, a second restart of which nothing at all is heard could bring the
        # very id that is awaited, and nothing would tell: such a venue announces it.
        said = self.venue.restart()
        if said is not None and (self.tells or self.venue.chain is Chain.CONSECUTIVE):
            self.give(said)

    def delay(self) -> None:
        late = self.venue.step()
        self.step()
        self.step()
        self.give(late)


@settings(max_examples=300, deadline=None)
@every_chain
@given(
    seed=st.integers(0, 10_000),
    faults=st.lists(
        st.sampled_from(
            ["step"] * 8 + ["lose", "repeat", "swap", "old", "snapshot", "restart", "delay"]
        ),
        max_size=40,
    ),
)
def test_a_valid_book_is_always_the_true_one(chain: Chain, seed: int, faults: list[str]) -> None:
    """Lost, repeated, swapped and old updates, restarts, snapshots early and late."""
    feeding = Feeding(chain, seed)
    feeding.give(feeding.venue.snapshot())
    for fault in faults:
        getattr(feeding, fault)()
    feeding.give(feeding.venue.snapshot())
    feeding.step()
    venue, book = feeding.venue, feeding.book
    if book.valid:
        assert sides(book) == (venue.bids, venue.asks)


def test_crossed_prices_are_not_served_and_resynced_when_they_stay() -> None:
    book, venue = synced(Chain.CONSECUTIVE)
    best_ask = min(venue.asks)
    crossing = BookUpdate(
        STREAM, False, venue.time_us + 1, venue.last_id + 1, [(text(best_ask), 1.0)], []
    )
    book.take(crossing, START_US)
    book.pass_time(START_US + 999_999, 0)
    states = [book.state]
    undo = BookUpdate(
        STREAM, False, venue.time_us + 2, venue.last_id + 2, [(text(best_ask), 0.0)], []
    )
    book.take(undo, START_US + 1_000_000)
    states.append(book.state)
    again = BookUpdate(
        STREAM, False, venue.time_us + 3, venue.last_id + 3, [(text(best_ask), 1.0)], []
    )
    book.take(again, START_US + 2_000_000)
    book.pass_time(START_US + 3_000_001, 0)
    states.append(book.state)
    assert states == [BookState.CROSSED, BookState.LIVE, BookState.GAP]
    assert book.needs_snapshot


def test_a_silent_book_is_invalid_only_where_the_market_moves() -> None:
    book, venue = synced(Chain.CONSECUTIVE)
    heard_us = venue.time_us
    book.pass_time(heard_us + 60_000_000, heard_us)
    assert book.valid
    book.pass_time(heard_us + 5_000_000, heard_us + 3_000_000)
    assert book.valid
    book.pass_time(heard_us + 5_000_001, heard_us + 3_000_000)
    assert book.state is BookState.SILENT


def test_a_book_that_always_moves_is_invalid_after_silence() -> None:
    book, venue = synced(Chain.SNAPSHOTS)
    book.pass_time(venue.time_us + 3_000_001, 0)
    assert book.state is BookState.SILENT


@pytest.mark.parametrize(
    "level", [("100.05", 1.0), ("-1.0", 1.0), ("1e3", 1.0), ("9.9", float("inf")), ("9.9", -1.0)]
)
@every_chain
def test_a_level_that_is_none_invalidates(chain: Chain, level: tuple[str, float]) -> None:
    book, venue = synced(chain)
    bad = venue.step()
    bad = BookUpdate(
        STREAM, bad.snapshot, bad.event_time_us, bad.last_id, [level], [], bad.first_id,
        bad.previous_id,
    )  # fmt: skip
    book.take(bad, venue.time_us)
    assert book.state is BookState.BAD_LEVEL
    assert not book.valid


def test_quantities_between_two_lots_are_rounded_and_never_to_nothing() -> None:
    book = new_book(Chain.CONSECUTIVE)
    bids = [("9.0", 0.0004), ("8.0", 0.0016), ("7.0", 2.5)]
    book.take(BookUpdate(STREAM, True, START_US, 1, bids, []), START_US)
    assert book.bids.top(5) == [(90, 1), (80, 2), (70, 2500)]


def test_a_stream_of_limited_depth_is_kept_at_that_depth() -> None:
    book = new_book(Chain.CONSECUTIVE)
    bids = [(text(MID_TICKS - n), 1.0) for n in range(1, 201)]
    book.take(BookUpdate(STREAM, True, START_US, 1, bids, []), START_US)
    better = BookUpdate(STREAM, False, START_US + 1, 2, [(text(MID_TICKS), 1.0)], [])
    book.take(better, START_US)
    assert len(book.bids.keys) == 200
    assert book.bids.top(1) == [(MID_TICKS, 1000)]
    assert book.bids.keys[0] == MID_TICKS - 199


@given(seed=st.integers(0, 10_000), steps=st.integers(1, 60), jump=st.integers(0, 3000))
def test_bands_are_what_a_sum_over_all_levels_gives(seed: int, steps: int, jump: int) -> None:
    """Kept up to date by change, against sums from scratch; with jumps of the whole book."""
    book, venue = synced(Chain.CONSECUTIVE, seed)
    for step in range(steps):
        book.take(venue.step(), venue.time_us)
        if jump and step == steps // 2:
            far = [(text(MID_TICKS + jump + 500), 3.0)]
            gone = [(text(ticks), 0.0) for ticks in venue.asks if ticks < MID_TICKS + jump]
            book.take(
                BookUpdate(STREAM, False, venue.time_us, venue.last_id + 1, [], [*gone, *far]),
                venue.time_us,
            )
            venue.last_id += 1
            venue.asks = {t: q for t, q in venue.asks.items() if t >= MID_TICKS + jump}
            venue.asks[MID_TICKS + jump + 500] = 3000
        if not (venue.bids and venue.asks) or max(venue.bids) >= min(venue.asks):
            continue
        mid = Fraction(max(venue.bids) + min(venue.asks), 2)
        for band, width in zip(book.bands(), BANDS_BP, strict=True):
            low, high = mid * (10_000 - width) / 10_000, mid * (10_000 + width) / 10_000
            bids = {t: q for t, q in venue.bids.items() if t >= low}
            asks = {t: q for t, q in venue.asks.items() if t <= high}
            covered = BID_COVERED * (min(venue.bids) <= ceil(low)) | ASK_COVERED * (
                max(venue.asks) >= floor(high)
            )
            assert band == (
                width,
                sum(bids.values()),
                sum(asks.values()),
                sum(t * q for t, q in bids.items()),
                sum(t * q for t, q in asks.items()),
                covered,
            )


def test_bands_of_the_golden_book() -> None:
    """Definitions 5.16: bids 100.0x3, 99.9x5; asks 100.1x2, 100.3x6; mid 100.05."""
    book = new_book(Chain.CONSECUTIVE)
    bids, asks = [("100.0", 3.0), ("99.9", 5.0)], [("100.1", 2.0), ("100.3", 6.0)]
    book.take(BookUpdate(STREAM, True, START_US, 1, bids, asks), START_US)
    narrow, wide, *_ = book.bands()
    assert narrow[:3] == (10, 3000, 2000)
    assert wide[:3] == (20, 8000, 2000)
    assert narrow[5] == BID_COVERED | ASK_COVERED
    assert book.bands()[3] == (100, 8000, 8000, 7_995_000, 8_020_000, 0)


def test_a_fetched_snapshot_knows_no_more_than_it_held() -> None:
    rule = BookRule(Chain.PREVIOUS_ID, snapshot_levels=2)
    book = Book(rule, instrument())
    update = BookUpdate(STREAM, False, START_US, 9, [("1.0", 7.0)], [("900.0", 7.0)], 8, 7)
    book.take(update, START_US)
    bids, asks = [("100.0", 3.0), ("99.9", 5.0)], [("100.1", 2.0), ("100.3", 6.0)]
    assert book.take_snapshot(BookUpdate(STREAM, True, 0, 9, bids, asks), START_US)
    bands = book.bands()
    assert bands[0][5] == BID_COVERED | ASK_COVERED
    assert [band[5] for band in bands[2:]] == [0, 0, 0, 0]


def test_a_book_that_moved_to_the_edge_of_what_is_known_wants_a_new_snapshot() -> None:
    book, venue = synced(Chain.PREVIOUS_ID)
    rule = BookRule(Chain.PREVIOUS_ID, snapshot_levels=30)
    book = Book(rule, instrument())
    book.take(venue.step(), venue.time_us)
    snapshot = venue.snapshot()
    cut = BookUpdate(STREAM, True, 0, snapshot.last_id, snapshot.bids[:30], snapshot.asks[:30])
    assert book.take_snapshot(cut, venue.time_us)
    assert not book.wants_refresh(venue.time_us)
    assert book.wants_refresh(venue.time_us + 3_600_000_001)
    gone = [(price, 0.0) for price, _ in cut.bids[:20]]
    update = BookUpdate(
        STREAM, False, venue.time_us + 1, venue.last_id + 5, gone, [], venue.last_id, venue.last_id
    )
    book.take(update, venue.time_us)
    assert book.valid
    assert book.wants_refresh(venue.time_us)


def test_newer_best_prices_are_put_on_a_book_of_snapshots() -> None:
    book = new_book(Chain.SNAPSHOTS)
    bids, asks = [("100.0", 3.0), ("99.9", 5.0)], [("100.1", 2.0), ("100.3", 6.0)]
    book.take(BookUpdate(STREAM, True, START_US, 1, bids, asks), START_US)
    top = Top(STREAM, START_US + 1, 2, ("100.2", 1.0), ("100.3", 4.0))
    assert book.touch(top)
    assert book.bids.top(9) == [(1002, 1000), (1000, 3000), (999, 5000)]
    assert book.asks.top(9) == [(1003, 4000)]
    assert not book.touch(Top(STREAM, START_US, 2, ("100.0", 1.0), None))


def test_an_older_book_does_not_undo_newer_best_prices() -> None:
    book = new_book(Chain.SNAPSHOTS)
    bids, asks = [("100.0", 3.0), ("99.9", 5.0)], [("100.1", 2.0), ("100.3", 6.0)]
    book.take(BookUpdate(STREAM, True, START_US, 1, bids, asks), START_US)
    book.touch(Top(STREAM, START_US + 9, 2, ("100.2", 1.0), ("100.3", 4.0)))
    book.take(BookUpdate(STREAM, True, START_US + 5, 3, bids, asks), START_US)
    assert book.bids.best == (1002, 1000)
    assert book.asks.best == (1003, 4000)
    book.take(BookUpdate(STREAM, True, START_US + 20, 4, bids, asks), START_US)
    assert book.bids.best == (1000, 3000)
