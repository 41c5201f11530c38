"""Order flow imbalance: the worked check of definitions 5.6, empty sides, ranks, an oracle."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.measures.book import Levels
from processors.measures.order_flow import add_rank_terms, normalised, terms
from schemas.books import TopChange

START: TopChange = (0, 100, 5, 101, 4)


def test_the_worked_check() -> None:
    """5.6 and 5.16: +2, -7, -2."""
    changes: list[TopChange] = [(1, 100, 7, 101, 4), (2, 99, 3, 101, 4), (3, 99, 3, 100, 2)]
    assert terms(START, changes) == [2, -7, -2]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ((1, 101, 3, 102, 6), 3 + 4),  # both sides up: the new bid came, the old ask went
        ((1, 99, 3, 100, 6), -5 - 6),  # both down
        ((1, 100, 5, 102, 6), 4),
        ((1, 0, 0, 101, 4), -5),  # the last bid went
        ((1, 100, 5, 0, 0), 4),  # the last ask went: read literally, 0 is the best price there is
        (START, 0),
    ],
)
def test_each_side_by_itself(change: TopChange, expected: int) -> None:
    assert terms(START, [change]) == [expected]


def test_a_side_that_comes_back_adds_all_of_it() -> None:
    empty: TopChange = (0, 0, 0, 0, 0)
    assert terms(empty, [START, empty]) == [5 - 4, -5 + 4]


def side_term(was: tuple[int, int] | None, now: tuple[int, int] | None, sign: int) -> int:
    """Return one side's term as the definition has it; None is worse than every price."""
    if was is None or now is None:
        return (now[1] if now else 0) - (was[1] if was else 0)
    term = 0
    if sign * now[0] >= sign * was[0]:
        term += now[1]
    if sign * now[0] <= sign * was[0]:
        term -= was[1]
    return term


SIDES = st.lists(
    st.tuples(st.integers(1, 12), st.integers(1, 5)), max_size=5, unique_by=lambda x: x[0]
)


def ladder(side: Levels, sign: int) -> Levels:
    return sorted(side, reverse=sign > 0)


@given(SIDES, SIDES, SIDES, SIDES, st.integers(1, 6))
def test_ranks_are_the_formula_at_each_rank(
    was_bids: Levels, was_asks: Levels, now_bids: Levels, now_asks: Levels, ranks: int
) -> None:
    was = ladder(was_bids, 1), ladder(was_asks, -1)
    now = ladder(now_bids, 1), ladder(now_asks, -1)
    found = [100] * ranks
    add_rank_terms(found, was, now)

    def at(side: Levels, rank: int) -> tuple[int, int] | None:
        return side[rank] if rank < len(side) else None

    assert found == [
        100
        + side_term(at(was[0], rank), at(now[0], rank), 1)
        - side_term(at(was[1], rank), at(now[1], rank), -1)
        for rank in range(ranks)
    ]


TOPS = st.lists(
    st.tuples(SIDES, SIDES).map(
        lambda sides: (
            *(ladder(sides[0], 1)[0] if sides[0] else (0, 0)),
            *(ladder(sides[1], -1)[0] if sides[1] else (0, 0)),
        )
    ),
    min_size=1,
    max_size=8,
)


@given(TOPS)
def test_terms_are_rank_one_of_the_same_books(tops: list[tuple[int, int, int, int]]) -> None:
    changes: list[TopChange] = [(index, *one) for index, one in enumerate(tops)]
    expected = []
    for was, now in pairwise(tops):
        sides = [0]
        add_rank_terms(sides, _book(was), _book(now))
        expected += sides
    assert terms(changes[0], changes[1:]) == expected


def _book(one: tuple[int, int, int, int]) -> tuple[Levels, Levels]:
    return [(one[0], one[1])] if one[1] else [], [(one[2], one[3])] if one[3] else []


def test_normalised_is_over_the_mean_size_of_a_side() -> None:
    """Two books with 4 and 6 a side: the mean is 5."""
    assert normalised(10, 4 + 4 + 6 + 6, 2) == 2.0
    assert normalised(10, 0, 2) is None
