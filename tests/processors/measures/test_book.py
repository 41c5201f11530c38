"""Measures of one book: the vectors of definitions 5.16, edges, and a brute force oracle."""

from fractions import Fraction
from math import exp, isclose

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.measures.book import (
    ASK,
    BID,
    Band,
    Levels,
    bands,
    edge,
    mid_2,
    obi,
    one_sided,
    top,
    weighted_mid,
    weighted_obi,
)

# Prices in tenths: bids 100.0 x 3, 99.9 x 5; asks 100.1 x 2, 100.3 x 6; mid 100.05 (5.16).
BIDS = [(1000, 3), (999, 5)]
ASKS = [(1001, 2), (1003, 6)]
BOTH = 3


@st.composite
def books(draw: st.DrawFn) -> tuple[Levels, Levels]:
    """Return a book that is not crossed, with at least one level a side."""
    split = draw(st.integers(2, 20_000))
    sizes = st.integers(1, 10**9)
    bids = draw(st.dictionaries(st.integers(max(1, split - 300), split - 1), sizes, min_size=1))
    asks = draw(st.dictionaries(st.integers(split, split + 300), sizes, min_size=1))
    return sorted(bids.items(), reverse=True), sorted(asks.items())


# --- 5.16: the worked book


def test_the_worked_book_top_n() -> None:
    first, second = top(BIDS, ASKS, (1, 2))
    assert obi(first.bid, first.ask) == 0.2
    assert obi(second.bid, second.ask) == 0.0


@pytest.mark.parametrize(("width_bp", "expected"), [(10, 0.2), (20, 0.6)])
def test_the_worked_book_bands_from_mid(width_bp: int, expected: float) -> None:
    """The book of the vector is known as far as its bands go: its levels alone do not show that."""
    (band,) = bands(BIDS, ASKS, [width_bp])
    assert band._replace(coverage=BOTH).obi() == pytest.approx(expected, abs=1e-15)


def test_the_worked_book_band_from_best_is_another_number() -> None:
    (band,) = bands(BIDS, ASKS, [20], "best")
    assert (band.bid, band.ask) == (8, 8)
    assert band._replace(coverage=BOTH).obi() == 0.0


def test_the_worked_book_weighted_mid() -> None:
    found = weighted_mid(BIDS, ASKS)
    assert found is not None
    assert found / 10 == pytest.approx(100.06, abs=1e-12)


def test_one_empty_side_is_one_sided_and_two_are_null() -> None:
    assert (obi(3, 0), one_sided(3, 0)) == (1.0, True)
    assert (obi(0, 3), one_sided(0, 3)) == (-1.0, True)
    assert (obi(0, 0), one_sided(0, 0)) == (None, False)
    assert not one_sided(1, 3)


def test_a_band_that_is_not_covered_is_null_unless_a_lower_bound_will_do() -> None:
    (band,) = bands(BIDS, ASKS, [100])
    assert band.coverage == 0
    assert band.obi() is None
    assert band.obi(allow_truncated=True) == 0.0


@pytest.mark.parametrize(("coverage", "known"), [(1, False), (2, False), (3, True)])
def test_a_band_needs_both_sides_covered(coverage: int, known: bool) -> None:
    assert (Band(10, 3, 2, 0, 0, coverage).obi() is not None) is known


# --- edges


def test_the_edge_of_a_band_belongs_to_it() -> None:
    """Mid 10,000 ticks: 10 bp are 10 ticks, to the tick."""
    bids, asks = [(9_995, 1), (9_990, 2), (9_989, 4)], [(10_005, 1), (10_010, 2), (10_011, 4)]
    (band,) = bands(bids, asks, [10])
    assert (band.bid, band.ask, band.coverage) == (3, 3, BOTH)
    assert (band.bid_tick_lots, band.ask_tick_lots) == (9_995 + 2 * 9_990, 10_005 + 2 * 10_010)


def test_a_side_that_ends_on_the_edge_is_covered_and_one_tick_before_is_not() -> None:
    on, before = [(9_995, 1), (9_990, 1)], [(9_995, 1), (9_991, 1)]
    asks = [(10_005, 1), (10_010, 1)]
    assert [bands(bids, asks, [10])[0].coverage for bids in (on, before)] == [3, 2]


def test_fewer_levels_than_asked_for_are_said() -> None:
    (found,) = top(BIDS, ASKS[:1], (5,))
    assert (found.bid_used, found.ask_used, found.bid, found.ask) == (2, 1, 8, 2)


@pytest.mark.parametrize(("bids", "asks"), [(BIDS, []), ([], ASKS), ([], [])])
def test_without_a_mid_there_is_no_measure_that_needs_one(bids: Levels, asks: Levels) -> None:
    assert mid_2(bids, asks) is None
    assert bands(bids, asks, [10]) == []
    assert weighted_mid(bids, asks) is None
    assert weighted_obi(bids, asks) is None


def test_a_mid_that_moves_flips_a_band_in_which_no_order_changed() -> None:
    """The bid beyond the band comes inside it when a better ask appears far from it."""
    bids = [(10_000, 5), (9_992, 90)]
    wide = bands(bids, [(10_006, 50)], [10])[0]
    near = bands(bids, [(10_001, 1), (10_006, 50)], [10])[0]
    assert (wide.bid, wide.ask) == (5, 50)
    assert (near.bid, near.ask) == (95, 51)


# --- oracle


@given(books(), st.integers(1, 600), st.sampled_from(["mid", "best"]))
def test_bands_are_what_fractions_say(
    book: tuple[Levels, Levels], width: int, reference: str
) -> None:
    bids, asks = book
    mid = Fraction(bids[0][0] + asks[0][0], 2)
    share = Fraction(width, 10_000)
    low = (mid if reference == "mid" else bids[0][0]) * (1 - share)
    high = (mid if reference == "mid" else asks[0][0]) * (1 + share)
    inside = [one for one in bids if one[0] >= low], [one for one in asks if one[0] <= high]
    (band,) = bands(bids, asks, [width], "mid" if reference == "mid" else "best")
    assert (band.bid, band.ask) == tuple(sum(lots for _, lots in side) for side in inside)
    assert (band.bid_tick_lots, band.ask_tick_lots) == tuple(
        sum(price * lots for price, lots in side) for side in inside
    )
    # No tick lies between the deepest level and the edge.
    covered = (bids[-1][0] - 1 < low, asks[-1][0] + 1 > high)
    assert (bool(band.coverage & 1), bool(band.coverage & 2)) == covered
    assert edge(2 * bids[0][0], BID, width) >= bids[0][0] * (1 - share)
    assert -edge(2 * asks[0][0], ASK, width) <= asks[0][0] * (1 + share)


@given(books(), st.integers(1, 60))
def test_top_n_is_a_sum_of_n(book: tuple[Levels, Levels], count: int) -> None:
    bids, asks = book
    (found,) = top(bids, asks, (count,))
    assert found.bid == sum(lots for _, lots in bids[:count])
    assert found.ask == sum(lots for _, lots in asks[:count])


@given(books(), st.integers(1, 50))
def test_weighted_obi_is_the_formula(book: tuple[Levels, Levels], decay: int) -> None:
    bids, asks = book
    mid = (bids[0][0] + asks[0][0]) / 2

    def total(side: Levels) -> float:
        return sum(lots * exp(-abs(price - mid) / mid * 10_000 / decay) for price, lots in side)

    found, (bid, ask) = weighted_obi(bids, asks, decay), (total(bids), total(asks))
    if bid + ask == 0:
        assert found is None  # so far from mid that nothing weighs anything
    else:
        assert found is not None
        assert isclose(found, (bid - ask) / (bid + ask), abs_tol=1e-9)


@given(books())
def test_the_mirrored_book_has_the_opposite_imbalance(book: tuple[Levels, Levels]) -> None:
    bids, asks = book
    turned = 2 * (bids[0][0] + asks[0][0])
    other = [(turned - price, lots) for price, lots in asks]
    mirrored = other, [(turned - price, lots) for price, lots in bids]
    for one, two in zip(top(bids, asks, (1, 5)), top(*mirrored, (1, 5)), strict=True):
        assert obi(one.bid, one.ask) == -(obi(two.bid, two.ask) or 0)
