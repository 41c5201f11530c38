"""Quadrants and their dead zones (definitions 5.12, 5.16)."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.measures.quadrant import book_flow, direction, price_interest
from schemas.context import BookFlow, PriceInterest

DEAD = ((1, 4), (15, 10_000))
ATR = (400, 1)


@pytest.mark.parametrize(
    ("price", "change", "expected"),
    [
        (100, 15, PriceInterest.NEW_LONGS),
        (100, -15, PriceInterest.SHORT_COVERING),
        (-100, 15, PriceInterest.NEW_SHORTS),
        (-100, -15, PriceInterest.LONG_CLOSING),
        (99, 15, PriceInterest.NEUTRAL),
        (100, 14, PriceInterest.NEUTRAL),
        (-99, -14, PriceInterest.NEUTRAL),
    ],
)
def test_the_edge_of_a_dead_zone_is_outside(
    price: int, change: int, expected: PriceInterest
) -> None:
    """A quarter of an ATR of 400 is 100, 0.15 % of 10,000 is 15."""
    assert price_interest(price, ATR, (10_000, change), DEAD) is expected


def test_interest_that_stays_is_neutral_however_far_the_price_falls() -> None:
    """Definitions 5.16: 1000 BTC at 60,000, then at 57,000: no change in base (trap 17)."""
    assert price_interest(-3000, (1, 1), (1000, 0), DEAD) is PriceInterest.NEUTRAL


def test_without_open_interest_before_any_is_new() -> None:
    assert price_interest(1, (0, 1), (0, 1), DEAD) is PriceInterest.NEW_LONGS
    assert price_interest(0, (0, 1), (0, 1), DEAD) is PriceInterest.NEUTRAL


@pytest.mark.parametrize(
    ("obi", "cvd", "expected"),
    [
        (1, 1, BookFlow.ALIGNED_BID),
        (-1, -1, BookFlow.ALIGNED_OFFER),
        (1, -1, BookFlow.SELLING_INTO_BIDS),
        (-1, 1, BookFlow.BUYING_INTO_OFFERS),
        (0, 1, BookFlow.NEUTRAL),
        (1, 0, BookFlow.NEUTRAL),
    ],
)
def test_book_and_flow_have_a_dead_zone_of_a_tenth(obi: int, cvd: int, expected: BookFlow) -> None:
    assert book_flow((obi, 10), (cvd, 10), (1, 10)) is expected


@given(st.integers(-1000, 1000), st.integers(0, 50), st.integers(1, 50), st.integers(0, 200),
       st.integers(1, 20))  # fmt: skip
def test_a_direction_is_that_of_fractions(
    value: int, numerator: int, denominator: int, unit: int, per: int
) -> None:
    edge = Fraction(numerator, denominator) * Fraction(unit, per)
    expected = 0 if abs(value) < edge else (value > 0) - (value < 0)
    assert direction(value, (numerator, denominator), (unit, per)) == expected
    assert direction(-value, (numerator, denominator), (unit, per)) == -expected
