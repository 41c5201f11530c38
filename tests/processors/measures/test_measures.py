"""Edges of the measures that the worked bar does not reach."""

import pytest

from processors.measures import auction
from processors.measures.imbalance import ImbalanceParams, marks, stacks, stacks_h
from processors.measures.poc import poc
from processors.measures.rows import Ladder, dense, floor_row
from processors.measures.value_area import Area, value_area
from schemas.footprints import Mark, Stack

EMPTY = dense({}, 10)


def bar_of(*rows: tuple[int, int], unknown: dict[int, int] | None = None) -> Ladder:
    """Make a bar at step 10 from 100 upwards, out of (sell, buy) from the low up."""
    lots = [0] * len(rows)
    for index, extra in (unknown or {}).items():
        lots[index] = extra
    return Ladder(100, 10, [row[0] for row in rows], [row[1] for row in rows], lots)


def test_a_bar_without_trades_has_no_measures() -> None:
    assert EMPTY.size == 0
    assert marks(EMPTY) == []
    assert stacks(EMPTY, []) == []
    assert stacks_h(EMPTY, []) == []
    assert poc(EMPTY) is None
    assert value_area(EMPTY, None) is None
    assert auction.unfinished(EMPTY) == (None, None)
    assert auction.zero_print(EMPTY) == (None, None)
    assert auction.exhaustion(EMPTY) == (None, None)
    assert auction.ratio_pair(EMPTY) == (None, None)


def test_a_bar_of_one_row_is_all_poc_and_value_area() -> None:
    bar = bar_of((5, 7))
    assert poc(bar) == 0
    assert [value_area(bar, 0, m) for m in ("single", "two_row", "at_most")] == [Area(0, 0, 12)] * 3
    assert marks(bar) == [0]
    assert auction.unfinished(bar) == (True, True)
    assert auction.exhaustion(bar) == (False, False)
    assert auction.ratio_pair(bar) == (None, None)


def test_rows_are_anchored_at_price_zero_and_never_rounded() -> None:
    assert [floor_row(price, 40) for price in (0, 39, 40, 60, 64_059, 64_060)] == [
        0,
        0,
        40,
        40,
        64_040,
        64_040,
    ]


def test_rows_off_the_grid_are_refused() -> None:
    with pytest.raises(ValueError, match="15 is not a multiple of the row size 10"):
        dense({10: [1, 0, 0], 15: [1, 0, 0]}, 10)


def test_unknown_side_counts_in_totals_and_not_in_delta_nor_in_imbalances() -> None:
    bar = bar_of((1, 3), unknown={0: 2})
    assert (bar.total, bar.delta) == (6, 2)
    assert bar.totals() == [6]
    silent = bar_of((1, 0), (0, 3), unknown={0: 100})
    assert marks(silent)[1] & Mark.BUY_IMBALANCE
    assert poc(silent) == 0


@pytest.mark.parametrize(
    ("notional", "qty", "row"),
    [
        (1049, 10, 0),  # 104.9: nearest to the midpoint 105
        (1150, 10, 0),  # 115.0 is as near to 105 as to 125: the lower
        (11_501, 100, 2),  # 115.01
        (0, 0, 0),  # no VWAP: the lower
    ],
)
def test_poc_ties_go_to_the_midpoint_nearest_the_vwap_then_down(
    notional: int, qty: int, row: int
) -> None:
    bar = bar_of((3, 4), (1, 1), (4, 3))
    assert poc(bar, notional, qty) == row


def test_poc_tie_variants() -> None:
    bar = bar_of((9, 0), (1, 1), (0, 9), (1, 1), (1, 1))
    assert poc(bar, 1_000, 10, tie="lowest") == 0
    assert poc(bar, 1_000, 10, tie="centre") == 2
    assert poc(bar, 1_250, 10) == 2
    even = bar_of((5, 0), (0, 5))
    assert poc(even, 1_150, 10, tie="centre") == 0


def test_value_area_ties() -> None:
    symmetric = bar_of((5, 0), (10, 0), (5, 0))
    assert value_area(symmetric, 1) == Area(1, 2, 15)
    assert value_area(symmetric, 1, "two_row") == Area(1, 2, 15)
    # Above 10 + 2, below 6 + 6: the pairs tie, so both above although 6 is next to nothing.
    pairs = bar_of((6, 0), (6, 0), (20, 0), (10, 0), (2, 0))
    assert value_area(pairs, 2, "two_row") == Area(2, 4, 32)
    # After 5 + 5 above, 3 + 3 tie with 3 + 3 below, which are nearer: above all the same.
    far = bar_of((3, 0), (3, 0), (20, 0), (5, 0), (5, 0), (3, 0), (3, 0))
    assert value_area(far, 2, "two_row", (8, 10)) == Area(2, 6, 36)


def test_value_area_goes_on_at_the_other_side_over_rows_of_zero() -> None:
    bar = bar_of((10, 0), (0, 0), (0, 0), (10, 0))
    assert value_area(bar, 0, "single") == Area(0, 3, 20)
    assert value_area(bar, 0, "two_row") == Area(0, 3, 20)
    assert value_area(bar, 0, "at_most") == Area(0, 2, 10)


def test_value_area_at_most_keeps_a_poc_that_alone_exceeds_the_share() -> None:
    assert value_area(bar_of((1, 0), (90, 0), (9, 0)), 1, "at_most") == Area(1, 1, 90)
    # Exactly the share is not above it, and is enough.
    assert value_area(bar_of((1, 0), (60, 0), (10, 0), (29, 0)), 1, "at_most") == Area(1, 2, 70)


def test_least_quantity_also_limits_zero_flags() -> None:
    bar = bar_of((0, 0), (0, 4))
    assert marks(bar, ImbalanceParams(min_dom=4))[1] == Mark.ZERO_BUY
    assert marks(bar, ImbalanceParams(min_dom=5)) == [0, 0]


def test_one_lot_stands_in_for_nothing_under_min_lot() -> None:
    params = ImbalanceParams(zero_policy="min_lot")
    assert marks(bar_of((0, 1), (0, 2)), params)[1] == 0
    assert marks(bar_of((0, 1), (0, 3)), params)[1] == Mark.BUY_IMBALANCE | Mark.BUY_IMBALANCE_H


def test_a_stack_over_a_zero_has_no_greatest_ratio() -> None:
    bar = bar_of((2, 1), (0, 8), (1, 9), (5, 4))
    params = ImbalanceParams(zero_policy="infinite")
    assert stacks(bar, marks(bar, params), params) == [Stack(1, 110, 130, 3, 21, 4.0, None)]
    bare = bar_of((0, 1), (0, 8), (0, 9), (0, 4))
    assert stacks(bare, marks(bare, params), params) == [Stack(1, 110, 130, 3, 21, None, None)]


def test_a_gap_breaks_a_stack_unless_it_may_be_bridged() -> None:
    bar = bar_of((1, 1), (1, 9), (9, 9), (1, 1), (1, 9), (1, 9))
    found = marks(bar)
    assert [bool(bits & Mark.BUY_IMBALANCE) for bits in found] == [
        False,
        True,
        True,
        False,
        True,
        True,
    ]
    assert stacks(bar, found) == []
    bridged = ImbalanceParams(max_gap_rows=1)
    assert stacks(bar, marks(bar, bridged), bridged) == [Stack(1, 110, 150, 4, 36, 9.0, 9.0)]


def test_sell_stack_compares_with_the_buys_one_row_up() -> None:
    bar = bar_of((9, 50), (8, 3), (6, 2), (1, 2))
    assert stacks(bar, marks(bar)) == [Stack(-1, 100, 120, 3, 23, 3.0, 4.0)]


@pytest.mark.parametrize(
    "wrong", [{"ratio": (0, 1)}, {"ratio": (3, 0)}, {"min_dom": -1}, {"stack_min": 0}]
)
def test_parameters_without_meaning_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="must be"):
        ImbalanceParams(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("buys", "expected"),
    [
        ([600, 410, 300], True),  # exactly half
        ([600, 410, 301], False),
        ([900, 410, 410], False),  # not strictly rising
        ([400, 410, 100], False),
        ([600, 410], False),  # fewer rows than three
        ([6, 5, 0], True),
    ],
)
def test_exhaustion_needs_a_strict_rise_and_at_most_half(buys: list[int], expected: bool) -> None:
    bar = bar_of(*[(1, lots) for lots in buys])
    assert auction.exhaustion(bar).high is expected


def test_zero_print_is_one_side_alone() -> None:
    assert auction.zero_print(bar_of((4, 0), (0, 3))) == (True, True)
    assert auction.zero_print(bar_of((4, 1), (2, 3))) == (False, False)
    assert auction.zero_print(bar_of((0, 0), unknown={0: 5})) == (False, False)
    assert auction.unfinished(bar_of((4, 0), (0, 3))) == (False, False)


def test_ratio_pair_is_null_over_zero() -> None:
    assert auction.ratio_pair(bar_of((0, 1), (3, 5), (1, 0))) == (None, None)
