"""High and low volume nodes: the rule, case by case, and beside a slow oracle."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.measures.nodes import NodeParams, nodes, prominences, smoothed
from processors.measures.rows import Ladder
from schemas.profiles import Node
from tests.processors.measures.bars import ladders

RAW = NodeParams(smooth_rows=1)
HEIGHTS = st.lists(st.one_of(st.integers(0, 6), st.integers(0, 10**9)), max_size=40)


def profile(*totals: int) -> Ladder:
    """Return rows of 10 ticks from 100 upwards, all of them bought."""
    return Ladder(100, 10, [0] * len(totals), list(totals), [0] * len(totals))


def rows(found: list[Node]) -> list[int]:
    return [node.row_ticks for node in found]


def naive_prominence(heights: list[int], at: int) -> int:
    """Walk away from a row to both sides, as the definition is written."""
    saddles = []
    for step, limit in ((-1, heights[at]), (1, heights[at] + 1)):  # lots are whole numbers
        lowest, place = heights[at], at + step
        while 0 <= place < len(heights) and heights[place] < limit:
            lowest = min(lowest, heights[place])
            place += step
        saddles.append(lowest if 0 <= place < len(heights) else 0)
    return heights[at] - max(saddles)


@given(HEIGHTS)
def test_prominences_are_those_of_walking_down_and_up_again(heights: list[int]) -> None:
    found = prominences(heights)
    assert found == [naive_prominence(heights, at) for at in range(len(heights))]


@given(HEIGHTS, st.integers(1, 9))
def test_smoothing_weighs_the_rows_around_by_a_triangle(heights: list[int], width: int) -> None:
    expected = [
        sum(max(0, width - abs(at - other)) * height for other, height in enumerate(heights))
        for at in range(len(heights))
    ]
    assert smoothed(heights, width) == expected


def test_nothing_traded_has_no_nodes() -> None:
    assert nodes(profile()) == ([], [])
    assert nodes(profile(0, 0)) == ([], [])


def test_one_row_is_one_high_node() -> None:
    assert nodes(profile(7)) == ([Node(100, 110, 100, 7, 1.0)], [])


def test_two_hills_and_the_valley_between_them() -> None:
    high, low = nodes(profile(1, 9, 10, 2, 1, 2, 6, 1), RAW)
    assert high == [Node(110, 130, 120, 10, 1.0), Node(160, 170, 160, 6, 0.5)]
    assert low == [Node(130, 160, 140, 1, 0.5)]


def test_tails_are_no_low_nodes() -> None:
    high, low = nodes(profile(1, 1, 10, 1, 1), RAW)
    assert (rows(high), low) == ([120], [])


def test_a_bump_on_a_slope_is_no_node() -> None:
    high, low = nodes(profile(10, 7, 8, 4, 2), RAW)
    assert (rows(high), low) == ([100], [])


@pytest.mark.parametrize(("dip", "count"), [(8, 2), (9, 1)])
def test_a_peak_counts_from_exactly_a_fifth_of_the_greatest(dip: int, count: int) -> None:
    """The second peak stands out by 10 - dip of 10."""
    high, low = nodes(profile(10, dip, 10), RAW)
    assert (len(high), len(low)) == (count, count - 1)


def test_of_equal_peaks_the_lower_price_is_the_higher_one() -> None:
    high, _ = nodes(profile(10, 9, 10), RAW)
    assert rows(high) == [100]


def test_a_plateau_is_one_node() -> None:
    high, low = nodes(profile(1, 8, 8, 8, 1), RAW)
    assert high == [Node(110, 140, 110, 8, 1.0)]
    assert low == []


def test_the_row_of_a_node_is_the_greatest_that_traded_not_the_greatest_smoothed() -> None:
    high, _ = nodes(profile(9, 0, 6, 7, 6), NodeParams(smooth_rows=2))
    assert high == [Node(100, 150, 100, 9, 1.0)]


@pytest.mark.parametrize("teeth", [[9, 0], [9, 0, 0], [9, 1, 1, 1, 1]])
def test_a_comb_of_round_prices_is_one_node(teeth: list[int]) -> None:
    comb = profile(*teeth * 10)
    assert len(nodes(comb, RAW)[0]) == 10
    assert len(nodes(comb)[0]) == 1


@given(ladders(), st.integers(2, 50))
def test_scaling_all_quantities_moves_no_node(ladder: Ladder, factor: int) -> None:
    scaled = Ladder(
        ladder.low,
        ladder.step,
        *[[lots * factor for lots in column] for column in ladder[2:]],
    )
    for before, after in zip(nodes(ladder), nodes(scaled), strict=True):
        assert [node.low_ticks for node in before] == [node.low_ticks for node in after]
        assert [node.lots * factor for node in before] == [node.lots for node in after]


@given(ladders())
def test_high_and_low_nodes_take_turns(ladder: Ladder) -> None:
    high, low = nodes(ladder)
    assert len(high) == len(low) + 1
    turns = [row for pair in zip(rows(high), rows(low), strict=False) for row in pair]
    assert turns == sorted(turns)
    for node in high + low:
        assert ladder.row(0) <= node.low_ticks <= node.row_ticks < node.high_ticks
        assert node.high_ticks <= ladder.row(ladder.size)
        assert 0.2 <= node.prominence <= 1


@pytest.mark.parametrize(
    "wrong",
    [{"smooth_rows": 0}, {"prominence": (0, 1)}, {"prominence": (3, 2)}],
)
def test_parameters_without_meaning_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="must be"):
        NodeParams(**wrong)  # type: ignore[arg-type]
