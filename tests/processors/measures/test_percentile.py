"""Trailing percentiles against brute force, and through snapshots."""

import random
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.measures.percentile import TrailingPercentile, TrailingTail, bucket_floor, bucket_of
from processors.measures.shares import check_share
from tests.processors.seconds.builders import plainly

HOUR = 3_600_000_000


def nearest_rank(values: list[int], share: tuple[int, int]) -> int:
    return sorted(values)[ceil(len(values) * share[0] / share[1]) - 1]


def test_nearest_rank_of_a_hundred() -> None:
    percentile = TrailingPercentile(HOUR, (95, 100), 100)
    for number in range(1, 101):
        assert percentile.at(number - 1) is None
        percentile.add(number, number)
    assert percentile.at(100) == 95
    assert percentile.samples == 100


def test_a_sample_counts_until_its_window_is_over() -> None:
    percentile = TrailingPercentile(10, (1, 2), 1)
    percentile.add(0, 7)
    assert percentile.at(9) == 7
    assert percentile.at(10) is None


@pytest.mark.parametrize("before", [0, 1, 3])
def test_parts_that_are_ahead_of_the_head_are_not_taken_for_the_past(before: int) -> None:
    """A worker may die between its parts and its head; it begins again with the head before."""
    made = TrailingPercentile(100, (1, 2), 1, 10)
    for time_us in range(20, 20 + before):
        made.add(time_us, 7)
    head = plainly(made.dump())
    for time_us in range(25, 60):
        made.add(time_us, 1000)
    again = TrailingPercentile(100, (1, 2), 1, 10)
    again.load(head, made.take_parts())
    assert again.samples == before
    assert again.at(60) == (7 if before else None)


@pytest.mark.parametrize("seed", range(5))
def test_a_trailing_percentile_is_that_of_all_samples_in_the_window(seed: int) -> None:
    chance = random.Random(seed)
    window, period = 50, 20
    percentile = TrailingPercentile(window, (95, 100), 3, period)
    held: list[tuple[int, int]] = []
    stored: dict[str, bytes] = {}
    now = 1000
    for _ in range(600):
        now += chance.choice([0, 1, 2, 3, 3, 70 if chance.random() < 0.02 else 1])
        value = chance.randrange(40)
        percentile.add(now, value)
        held.append((now, value))
        inside = [v for t, v in held if t > now - window]
        expected = nearest_rank(inside, (95, 100)) if len(inside) >= 3 else None
        assert percentile.at(now) == expected
        if chance.random() < 0.1:
            stored |= percentile.take_parts()
            head = plainly(percentile.dump())
            percentile = TrailingPercentile(window, (95, 100), 3, period)
            percentile.load(head, dict(stored))
            stored = {name: part for name, part in stored.items() if percentile.keeps(name)}
            assert len(stored) <= window // period + 2


@given(st.integers(1, 1 << 60), st.integers(1, 1 << 60))
def test_buckets_are_in_order_and_narrow(one: int, two: int) -> None:
    assert (bucket_of(one) <= bucket_of(two)) or one > two
    floor = bucket_floor(bucket_of(one))
    assert floor <= one
    assert (one - floor) * 128 <= one
    assert bucket_of(floor) == bucket_of(one)


@pytest.mark.parametrize("seed", range(3))
def test_a_tail_agrees_with_all_samples_within_its_buckets(seed: int) -> None:
    chance = random.Random(seed)
    tail = TrailingTail(6, 10, (99, 100), 20, 100)
    held: list[tuple[int, int]] = []
    stored: dict[str, bytes] = {}
    now = 500
    for _ in range(400):
        now += chance.choice([0, 1, 2, 80 if chance.random() < 0.01 else 1])
        values = [int(10 ** chance.uniform(0, 4)) + 1 for _ in range(chance.randrange(6))]
        tail.add(now, values)
        held += [(now // 10, value) for value in values]
        inside = [bucket_of(v) for slot, v in held if slot > now // 10 - 6]
        assert tail.samples == len(inside)
        probe = int(10 ** chance.uniform(2, 4))
        if len(inside) < 20:
            assert tail.reached_by(probe) is None
            assert tail.threshold() is None
        else:
            at = nearest_rank(inside, (99, 100))
            assert tail.reached_by(probe) is (bucket_of(probe) >= at)
            floor = max(bucket_floor(at), 100)
            assert tail.threshold() == (floor if at >= bucket_of(100) else None)
        if chance.random() < 0.1:
            stored |= tail.take_parts()
            head = plainly(tail.dump())
            tail = TrailingTail(6, 10, (99, 100), 20, 100)
            tail.load(head, dict(stored))
            stored = {name: part for name, part in stored.items() if tail.keeps(name)}
            assert len(stored) <= 6


@pytest.mark.parametrize("share", [(0, 1), (1, 1), (3, 2)])
def test_a_share_lies_between_nothing_and_all(share: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="percentile must be between"):
        check_share(share, "percentile")
