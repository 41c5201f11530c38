"""Imbalance over time (definitions 5.6, 5.12)."""

import random
from fractions import Fraction

import pytest

from processors.context.depth import PPB, ImbalanceWindow, band_imbalance
from processors.seconds.second import BookView
from schemas.market import FeedState
from tests.processors.context.builders import at
from tests.processors.seconds.builders import book, member, plainly, second

KNOWN = (4, 5)
HALF = (1, 2)


def band_book(number: int, bids: int, asks: int, at_us: int = 0, coverage: int = 3) -> BookView:
    bands = [(10, 9, 1, 0, 0, 3), (20, bids, asks, 0, 0, coverage)]
    return book(number, [(99, 1)], [(101, 1)], bands=bands, at_us=at_us)


@pytest.mark.parametrize(
    ("bids", "asks", "coverage", "expected"),
    [(8, 2, 3, 6 * PPB // 10), (0, 5, 3, -PPB), (0, 0, 3, None), (8, 2, 1, None), (8, 2, 2, None)],
)
def test_a_band_is_known_to_both_edges_and_not_empty(
    bids: int, asks: int, coverage: int, expected: int | None
) -> None:
    """Definitions 5.16: band 0.2 % of 8 bids and 2 asks from mid is 0.6."""
    assert band_imbalance(band_book(0, bids, asks, coverage=coverage), 20) == expected


def test_a_band_that_books_do_not_have_is_unknown() -> None:
    assert band_imbalance(band_book(0, 8, 2), 50) is None


def test_a_book_holds_until_the_next_over_seconds() -> None:
    window = ImbalanceWindow(2, 20)
    window.take(second(0), member(books=[band_book(0, 3, 1, at_us=250_000)]))
    assert window.value(at(1), KNOWN) is None  # known for 0.75 s of 2 s
    window.take(second(1), member(books=[band_book(1, 1, 3, at_us=500_000)]))
    window = ImbalanceWindow(2, 20, plainly(window.dump()))
    area = Fraction(1, 2) * (750_000 + 500_000 - 500_000)
    assert window.value(at(2), KNOWN) == round(area / 1_750_000 * PPB)
    window.take(second(2), member())
    assert window.value(at(3), KNOWN) == round(Fraction(-1, 4) * PPB)


@pytest.mark.parametrize("there", [(999_999, FeedState.LIVE), (0, FeedState.DOWN)])
def test_a_second_that_the_stream_did_not_cover_counts_for_nothing(
    there: tuple[int, FeedState],
) -> None:
    window = ImbalanceWindow(2, 20)
    window.take(second(0), member(books=[band_book(0, 3, 1)]))
    window.take(second(1), member(books=[band_book(1, 3, 1)], there=there))
    assert window.value(at(2), KNOWN) is None
    window.take(second(2), member())
    assert window.value(at(3), (1, 100)) is None


def test_nothing_is_carried_over_a_jump() -> None:
    window = ImbalanceWindow(2, 20)
    window.take(second(0), member(books=[band_book(0, 3, 1)]))
    window.take(second(9), member())
    assert window.value(at(10), (1, 100)) is None


def test_the_mean_is_that_of_every_microsecond_counted_alone() -> None:
    chance = random.Random(7)
    window = ImbalanceWindow(30, 20)
    steps: list[Fraction | None] = []
    now: Fraction | None = None
    for number in range(90):
        starts = sorted(chance.sample(range(10), chance.randrange(4)))
        books = []
        for start in starts:
            bids, asks = chance.randrange(4), chance.randrange(4)
            books.append(band_book(number, bids, asks, at_us=start * 100_000))
        window.take(second(number), member(books=books))
        for tenth in range(10):
            if tenth in starts:
                _, bids, asks, *_ = books[starts.index(tenth)].bands[1]
                now = Fraction(bids - asks, bids + asks) if bids + asks else None
            steps.append(now)
        known = [step for step in steps[-300:] if step is not None]
        value = window.value(at(number + 1), HALF)
        if len(known) < 150:
            assert value is None
        else:
            assert value is not None
            assert abs(Fraction(value, PPB) - sum(known, Fraction(0)) / len(known)) < 1e-8
