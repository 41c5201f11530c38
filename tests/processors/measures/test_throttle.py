"""What a throttled feed stands for (definitions 5.9, 5.16)."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.measures.throttle import (
    arrivals,
    arrivals_limit,
    clipped,
    from_largest,
    from_latest,
)


@pytest.mark.parametrize(
    ("reported", "seconds", "expected"),
    [(30, 60, 41.589), (59, 60, 245.6607), (5, 10, 6.9315), (0, 60, 0.0)],
)
def test_the_worked_counts(reported: int, seconds: int, expected: float) -> None:
    """Definitions 5.9 and 5.16, where 60 ln 60 = 245.6607 is written as 245.67."""
    assert arrivals(reported, seconds) == pytest.approx(expected, abs=0.0005)


def test_a_report_in_every_second_leaves_only_a_lower_limit() -> None:
    """Definitions 5.9: k = T = 60 gives 3.0220 a second, 181.32 events."""
    assert arrivals(60, 60) is None
    assert arrivals_limit(60) == pytest.approx(181.32, abs=0.005)
    assert arrivals_limit(60) / 60 == pytest.approx(3.0220, abs=0.00005)
    assert from_latest(60, 60, 1000, 60) is None
    assert from_largest([5] * 60, 60) is None


def test_the_limit_is_where_all_seconds_report_with_the_rest_of_the_confidence() -> None:
    rate = arrivals_limit(60) / 60
    assert (1 - math.exp(-rate)) ** 60 == pytest.approx(0.05)


@pytest.mark.parametrize(("reported", "seconds"), [(-1, 60), (61, 60), (0, 0)])
def test_what_cannot_be_counted_is_refused(reported: int, seconds: int) -> None:
    with pytest.raises(ValueError, match="cannot have a report"):
        arrivals(reported, seconds)


def test_the_latest_of_each_second_is_worth_its_mean() -> None:
    assert from_latest(5, 10, 500, 5) == pytest.approx(693.147, abs=0.001)
    assert from_latest(0, 10, 0, 0) == 0


def test_the_largest_of_each_second_counts_for_its_rank() -> None:
    """One of ten seconds reaches 50, two reach 20: 10 ln(10/9) of 50 and 10 ln(9/8) of 20."""
    expected = 500 * math.log(10 / 9) + 200 * math.log(9 / 8)
    assert from_largest([20, 50], 10) == pytest.approx(expected)
    assert from_largest([], 10) == 0


@given(st.lists(st.integers(1, 10**12), max_size=59))
def test_equal_sizes_make_both_estimates_the_same(sizes: list[int]) -> None:
    equal = [7] * len(sizes)
    latest = from_latest(len(equal), 60, sum(equal), len(equal))
    assert from_largest(equal, 60) == pytest.approx(latest)
    largest = from_largest(sizes, 60)
    assert largest is not None
    assert largest >= sum(sizes) * (1 - 1e-9)


def test_on_a_simulated_throttle_the_estimate_is_near_and_the_mean_of_the_largest_is_not() -> None:
    """Exponential sizes, two a second on average: the truth is known."""
    chance = random.Random(5)
    truth = ranked = by_mean = 0.0
    for _ in range(400):
        largest = []
        for _ in range(60):
            sizes = []
            at = chance.expovariate(2)
            while at < 1:
                sizes.append(round(chance.expovariate(1 / 10_000)) + 1)
                at += chance.expovariate(2)
            truth += sum(sizes)
            if sizes:
                largest.append(max(sizes))
        ranked += from_largest(largest, 60) or 0
        by_mean += from_latest(len(largest), 60, sum(largest), len(largest)) or 0
    assert ranked == pytest.approx(truth, rel=0.03)
    assert by_mean > 1.2 * truth


def test_an_estimate_stays_inside_its_bounds() -> None:
    assert [clipped(value, 10, 20) for value in (9.0, 14.4, 21.0)] == [10, 14, 20]
