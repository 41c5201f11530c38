"""Liquidation prices (definitions 5.11, 5.16, trap 16)."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.measures.liquidation_price import PPM, liquidation_price, survives_entry
from schemas.liquidations import LiquidatedSide

LONG, SHORT = LiquidatedSide.LONG, LiquidatedSide.SHORT
M = 5_000
"""A maintenance rate of 0.5 %."""


def test_the_vector_of_definitions_5_16() -> None:
    """140.201 for E = 155, 10x, m = 0.5 %; the rule of thumb gives 139.5."""
    assert round(float(liquidation_price(155, LONG, 10, M)), 3) == 140.201
    assert liquidation_price(155, LONG, 10, 0) == Fraction("139.5")


@pytest.mark.parametrize(
    ("leverage", "percent"), [(10, 9.548), (20, 4.523), (50, 1.508), (100, 0.503)]
)
def test_the_distances_of_definitions_5_11(leverage: int, percent: float) -> None:
    """Trap 16: at 100x half of the 1 % that the rule of thumb says."""
    price = liquidation_price(1, LONG, leverage, M)
    assert round(float((1 - price) * 100), 3) == percent


def test_entries_of_definitions_5_11_and_what_is_gone_at_140() -> None:
    low, high = (float(liquidation_price(entry, LONG, 10, M)) for entry in (140, 160))
    assert (round(low, 2), round(high, 2)) == (126.63, 144.72)
    assert liquidation_price(Fraction("154.77"), LONG, 10, M) < 140
    assert liquidation_price(Fraction("154.78"), LONG, 10, M) >= 140


def test_a_fee_counts_like_the_margin() -> None:
    assert liquidation_price(1, SHORT, 10, M + 500) == Fraction("1.1") / Fraction("1.0055")


def test_who_survives_the_entry() -> None:
    assert survives_entry(199, M)
    assert not survives_entry(200, M)
    assert liquidation_price(1, LONG, 200, M) == 1 == liquidation_price(1, SHORT, 200, M)


@given(st.integers(1, 10**9), st.integers(2, 199), st.integers(0, M))
def test_at_the_price_the_margin_left_is_the_maintenance(
    entry: int, leverage: int, margin: int
) -> None:
    """Margin E / L less the loss is m times the price, by definition of the level."""
    for side in (LONG, SHORT):
        price = liquidation_price(entry, side, leverage, margin)
        left = Fraction(entry, leverage) - int(side) * (entry - price)
        assert left == Fraction(margin, PPM) * price
        assert (entry - price) * int(side) > 0
