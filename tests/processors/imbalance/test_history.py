"""Rolling values: exact sums over jumps, z-scores, and minutes that go out as parts."""

from array import array
from statistics import fmean, pstdev

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.imbalance.history import NANO, History, Track, nano
from tests.processors.seconds.builders import plainly

VALUES = st.lists(
    st.tuples(st.integers(1, 6), st.integers(-NANO, NANO) | st.none()), min_size=1, max_size=60
)


@given(VALUES, st.integers(2, 12))
def test_sums_and_scores_are_those_of_the_values_inside_the_window(
    values: list[tuple[int, int | None]], window: int
) -> None:
    track = Track(array("q", bytes(8 * window)))
    second, seen = 1_704_110_400, {}
    for step, value in values:
        second += step
        seen[second] = value
        track.put(second, value)
    inside = [v for at, v in seen.items() if at > second - window and v is not None]
    assert (track.count, track.total) == (len(inside), sum(inside))
    assert track.squares == sum(value * value for value in inside)
    last, score = seen[second], track.score(2)
    if last is None or len(inside) < 2 or len(set(inside)) == 1:
        assert score is None
    elif pstdev(inside) > NANO / 1e6:
        assert score == pytest.approx((last - fmean(inside)) / pstdev(inside), abs=1e-6)


def test_no_deviation_is_null_and_not_a_rounding_error() -> None:
    """5.6: std 0 gives null; a third has no end as a float either."""
    track = Track([0] * 100)
    for second in range(1, 250):
        track.put(second, nano(1, 3))
    assert track.count == 100
    assert track.score(2) is None


def test_a_score_needs_its_samples_and_a_value_now() -> None:
    track = Track([0] * 10)
    track.put(1, 5)
    track.put(2, 7)
    assert track.score(3) is None
    assert track.score(2) == 1.0
    track.put(3, None)
    assert track.score(2) is None


@pytest.mark.parametrize(("difference", "expected"), [(1, 333_333_333), (-1, -333_333_333)])
def test_rounding_to_a_billionth_is_symmetric(difference: int, expected: int) -> None:
    assert nano(difference, 3) == expected


@pytest.mark.parametrize("jump", [0, 30, 500])
def test_parts_and_head_restore_all_that_is_inside_the_windows(jump: int) -> None:
    def make() -> History:
        return History(100, 150, 1)

    history, parts = make(), {}
    for number in range(400):
        second = 1_704_110_400 + number + (jump if number > 200 else 0)
        history.put(second, number * 10**20, [number % 37 * 1000])
        parts.update(history.take_parts())
        parts = {name: part for name, part in parts.items() if history.keeps(name)}
    other = make()
    other.load(plainly(history.dump()), parts)
    assert len(parts) <= 4
    for one, two in zip(
        [history.flow, *history.measures], [other.flow, *other.measures], strict=True
    ):
        assert (one.count, one.total, one.squares) == (two.count, two.total, two.squares)
        assert one.last == two.last
    assert history.flow.total == sum(range(300, 400)) * 10**20
