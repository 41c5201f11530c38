"""Decimal text, grids and rounding are exact."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.units import parse_decimal, plain, round_half_even, steps_in, to_steps

STEPS = ["1", "0.5", "0.1", "0.01", "0.0000001", "5", "10", "0.25"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", "0"),
        ("65432.10", "65432.1"),
        ("00012", "12"),
        ("99999999999999999999.999999999999999999", "99999999999999999999.999999999999999999"),
    ],
)
def test_a_plain_decimal_is_read_exactly(text: str, value: str) -> None:
    assert parse_decimal(text) == Decimal(value)


@pytest.mark.parametrize(
    "text",
    [
        *("", ".", "1.", ".5", "-1", "+1", "1e3", "1E3", "inf", "nan", "NaN", "1_000", "1,5"),
        *(" 1", "1 ", "1\n", "0x10", "\u0661", "\uff11", "1.2.3", "1" * 21, "0." + "1" * 19),
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected a plain decimal number"):
        parse_decimal(text)


def test_a_long_refused_text_is_quoted_only_at_its_beginning() -> None:
    with pytest.raises(ValueError, match=r"x{40}… \(1000 chars\)") as caught:
        parse_decimal("x" * 1000)
    assert len(str(caught.value)) < 120


@settings(deadline=None, derandomize=True)
@given(st.integers(0, 10**15), st.sampled_from(STEPS))
def test_a_number_of_steps_comes_back_from_its_text(steps: int, step: str) -> None:
    assert to_steps(plain(steps * Decimal(step)), Decimal(step)) == steps


@pytest.mark.parametrize(("text", "step"), [("0.15", "0.1"), ("1", "3"), ("0.3", "0.25")])
def test_a_number_off_the_grid_is_refused(text: str, step: str) -> None:
    with pytest.raises(ValueError, match=f"{text} is off the grid of {step}"):
        to_steps(text, Decimal(step))


def test_a_sum_that_floats_get_wrong_is_on_the_grid() -> None:
    assert to_steps("0.3", Decimal("0.1")) == 3


@pytest.mark.parametrize(
    ("coarse", "fine", "steps"), [("0.1", "0.01", 10), ("1", "1", 1), ("0.5", "0.1", 5)]
)
def test_a_coarse_step_is_a_number_of_fine_ones(coarse: str, fine: str, steps: int) -> None:
    assert steps_in(coarse, fine) == steps


@pytest.mark.parametrize(("coarse", "fine"), [("0.1", "0.03"), ("0.01", "0.1"), ("0", "0.1")])
def test_grids_that_do_not_nest_are_refused(coarse: str, fine: str) -> None:
    with pytest.raises(ValueError, match="not a whole multiple"):
        steps_in(coarse, fine)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("1E+3", "1000"),
        ("1.500", "1.5"),
        ("0.000", "0"),
        ("100", "100"),
        ("1E-10", "0.0000000001"),
        ("0.0000000001", "0.0000000001"),
    ],
)
def test_a_number_has_one_text(value: str, text: str) -> None:
    assert plain(Decimal(value)) == text


@pytest.mark.parametrize(
    ("numerator", "denominator", "rounded"),
    [(1, 2, 0), (3, 2, 2), (5, 2, 2), (-1, 2, 0), (-3, 2, -2), (7, 3, 2), (8, 3, 3), (0, 5, 0)],
)
def test_halves_are_rounded_to_even(numerator: int, denominator: int, rounded: int) -> None:
    assert round_half_even(numerator, denominator) == rounded


@settings(deadline=None, derandomize=True)
@given(st.integers(), st.integers(1))
def test_rounding_agrees_with_fractions(numerator: int, denominator: int) -> None:
    assert round_half_even(numerator, denominator) == round(Fraction(numerator, denominator))
