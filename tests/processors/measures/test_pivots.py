"""Pivots that exist only when the bars to their right have closed (definitions 5.5, trap 15)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.measures.pivots import is_pivot


def pivots(values: list[int], sign: int = 1) -> list[int]:
    """Return the index of every pivot."""
    return [index for index in range(len(values)) if is_pivot(values, index, sign)]


def test_a_high_is_a_pivot_three_bars_later_and_not_before() -> None:
    highs = [1, 2, 3, 9, 3, 2, 1]
    assert pivots(highs) == [3]
    for known in range(4, 7):
        assert pivots(highs[:known]) == []


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, 2, 9, 9, 3, 2, 1], []),  # strict to the left
        ([1, 2, 3, 9, 9, 2, 1], [3]),  # equal to the right is allowed
        ([1, 2, 3, 9, 3, 10, 1], []),
        ([9, 2, 3, 9, 3, 2, 1], []),
    ],
)
def test_ties_go_to_the_first(values: list[int], expected: list[int]) -> None:
    assert pivots(values) == expected
    assert pivots([-value for value in values], -1) == expected


@given(st.lists(st.integers(0, 5), max_size=30), st.sampled_from([1, -1]))
def test_what_was_a_pivot_stays_one_and_lows_mirror_highs(values: list[int], sign: int) -> None:
    found = pivots(values, sign)
    assert found == pivots([-value for value in values], -sign)
    for cut in range(len(values)):
        assert pivots(values[:cut], sign) == [index for index in found if index + 3 < cut]
    for index in range(len(values)):
        beside = values[index - 3 : index], values[index + 1 : index + 4]
        expected = (
            index >= 3
            and len(beside[1]) == 3
            and all(sign * v < sign * values[index] for v in beside[0])
            and all(sign * v <= sign * values[index] for v in beside[1])
        )
        assert is_pivot(values, index, sign) is expected
