"""Funding on one scale (definitions 5.12, 5.16)."""

from decimal import Decimal
from fractions import Fraction

import pytest

from processors.measures.funding import parse_signed, rate_8h, rate_annual, weighted_rate


@pytest.mark.parametrize(("rate", "hours"), [("0.0001", 8), ("0.0000125", 1)])
def test_the_vector_of_definitions_5_16(rate: str, hours: int) -> None:
    """0.01 % per 8 h and 0.00125 % per 1 h are both 0.01 % per 8 h, 10.95 % simple per year."""
    assert rate_8h(Decimal(rate), hours * 3600) == Fraction(1, 10_000)
    assert rate_annual(Decimal(rate), hours * 3600) == Fraction("0.1095")


def test_rates_below_zero_stay_below_zero() -> None:
    assert rate_8h(parse_signed("-0.0003"), 4 * 3600) == Fraction("-0.0006")


@pytest.mark.parametrize("text", ["+0.1", "1e-4", "", "-", "- 1", "--1"])
def test_what_is_no_plain_decimal_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="plain decimal"):
        parse_signed(text)


def test_the_mean_is_weighted_and_null_without_weight() -> None:
    rates = [(Fraction(1, 100), Fraction(3)), (Fraction(-1, 100), Fraction(1))]
    assert weighted_rate(rates) == Fraction(1, 200)
    assert weighted_rate([(Fraction(1), Fraction(0))]) is None
    assert weighted_rate([]) is None
