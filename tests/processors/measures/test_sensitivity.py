"""Definitions 5.4: the sensitivity table of the worked bar and the metamorphic tests."""

import pytest

from processors.measures import auction
from processors.measures.imbalance import ImbalanceParams, marks, stacks, stacks_h
from processors.measures.poc import poc
from processors.measures.rows import Ladder, coarsen, dense
from processors.measures.value_area import Method, value_area
from schemas.footprints import Mark
from tests.processors.measures.bars import (
    MIRROR,
    WORKED,
    imbalances,
    keyed,
    marked,
    mirror,
    rounded,
    worked,
)

DEFAULT = ImbalanceParams()


def poc_row(bar: Ladder) -> int:
    index = poc(bar)
    assert index is not None
    return bar.row(index)


def area_rows(bar: Ladder, method: Method) -> list[int]:
    area = value_area(bar, poc(bar), method)
    assert area is not None
    return [bar.row(index) for index in range(area.low, area.high + 1)]


def regrouped(step: int, *, half_even: bool) -> dict[int, tuple[int, int]]:
    rows: dict[int, tuple[int, int]] = {}
    for price, (sell, buy) in WORKED.items():
        row = rounded(price, step, half_even=half_even)
        before = rows.get(row, (0, 0))
        rows[row] = (before[0] + sell, before[1] + buy)
    return rows


def sides(bar: Ladder) -> dict[int, tuple[int, int]]:
    return {bar.row(index): (bar.sell[index], bar.buy[index]) for index in range(bar.size)}


@pytest.mark.parametrize(
    ("changes", "buys", "sells"),
    [
        ({"ratio": (3, 2)}, {64_100, 64_120}, {64_040}),
        ({"ratio": (2, 1)}, {64_100, 64_120}, {64_040}),
        ({"ratio": (5, 2)}, {64_100, 64_120}, {64_040}),
        ({"ratio": (3, 1)}, {64_100, 64_120}, {64_040}),
        ({"ratio": (3, 1), "cmp": "gt"}, {64_100, 64_120}, {64_040}),
        ({"ratio": (2, 1), "cmp": "exceeds"}, {64_100, 64_120}, {64_040}),
        ({"ratio": (7, 2)}, {64_120}, {64_040}),
        ({"ratio": (4, 1)}, {64_120}, {64_040}),
        ({"ratio": (4, 1), "cmp": "gt"}, {64_120}, set()),
        ({"ratio": (3, 1), "cmp": "exceeds"}, {64_120}, set()),
        ({"min_dom": 380}, {64_100}, {64_040}),
        ({"min_dom": 381}, {64_100}, set()),
    ],
)
def test_ratio_comparison_and_least_quantity(
    changes: dict[str, object], buys: set[int], sells: set[int]
) -> None:
    assert imbalances(worked(), **changes) == (buys, sells)


def test_rows_of_forty_by_floor() -> None:
    bar = dense(coarsen(keyed(WORKED), 40), 40)
    assert sides(bar) == {64_040: (920, 155), 64_080: (150, 1010), 64_120: (18, 240)}
    assert imbalances(bar) == (set(), set())
    assert poc_row(bar) == 64_080
    assert max(bar.totals()) == 1160


def test_rows_of_forty_by_rounding_are_other_rows_in_two_ways() -> None:
    floor = sides(dense(coarsen(keyed(WORKED), 40), 40))
    ties_up = dense(keyed(regrouped(40, half_even=False)), 40)
    half_even = dense(keyed(regrouped(40, half_even=True)), 40)

    assert sides(ties_up) == {64_040: (380, 60), 64_080: (660, 695), 64_120: (48, 650)}
    assert imbalances(ties_up) == (set(), set())
    assert (poc_row(ties_up), max(ties_up.totals())) == (64_080, 1355)
    assert sides(half_even)[64_080] == (690, 1105)
    assert sides(half_even)[64_120] == (18, 240)
    assert (poc_row(half_even), max(half_even.totals())) == (64_080, 1795)
    assert floor != sides(ties_up) != sides(half_even) != floor


def test_rows_of_a_hundred() -> None:
    bar = dense(coarsen(keyed(WORKED), 100), 100)
    assert sides(bar) == {64_000: (1040, 755), 64_100: (48, 650)}
    assert imbalances(bar) == (set(), set())
    assert (poc_row(bar), max(bar.totals())) == (64_000, 1795)


def test_rows_of_ten_flag_zeros_instead_of_imbalances() -> None:
    bar = worked(10)
    assert bar.size == 9
    assert imbalances(bar) == (set(), set())
    assert marked(bar, DEFAULT, Mark.ZERO_BUY) == {64_060, 64_080, 64_100, 64_120}
    assert marked(bar, DEFAULT, Mark.ZERO_SELL) == {64_040, 64_060, 64_080, 64_100}
    assert imbalances(bar, zero_policy="ignore") == (set(), set())
    ignore = ImbalanceParams(zero_policy="ignore")
    assert not marked(bar, ignore, Mark.ZERO_BUY | Mark.ZERO_SELL)


@pytest.mark.parametrize("policy", ["infinite", "min_lot"])
def test_rows_of_ten_with_infinite_ratios_never_stack(policy: str) -> None:
    bar = worked(10)
    buys, sells = imbalances(bar, zero_policy=policy)
    assert buys == {64_060, 64_080, 64_100, 64_120}
    assert sells == {64_040, 64_060, 64_080, 64_100}
    assert buys & sells == {64_060, 64_080, 64_100}
    pairs = ImbalanceParams(zero_policy=policy, stack_min=2)  # type: ignore[arg-type]
    assert stacks(bar, marks(bar, pairs), pairs) == []


def test_rows_of_ten_without_the_empty_ones_read_as_rows_of_twenty() -> None:
    fine, coarse = worked(10), worked(20)
    params = ImbalanceParams(skip_empty=True, stack_min=2)
    assert imbalances(fine, skip_empty=True) == imbalances(coarse)
    assert stacks(fine, marks(fine, params), params) == stacks(
        coarse, marks(coarse, params), params
    )


def test_the_mirrored_bar() -> None:
    bar = dense(keyed(MIRROR), 20)
    assert imbalances(bar) == ({64_120}, {64_040, 64_060})
    at_four = ImbalanceParams(ratio=(4, 1))
    at_eight = ImbalanceParams(ratio=(8, 1))
    assert marked(bar, at_four, Mark.BUY_IMBALANCE) == {64_120}
    assert marked(bar, at_eight, Mark.SELL_IMBALANCE) == {64_040}
    assert bar.delta == -317
    assert poc_row(bar) == 64_080
    assert area_rows(bar, "single") == [64_060, 64_080, 64_100]
    assert area_rows(bar, "two_row") == [64_080, 64_100, 64_120]
    assert area_rows(bar, "at_most") == [64_080, 64_100]
    assert auction.exhaustion(bar) == (False, True)
    assert auction.ratio_pair(bar) == (540 / 380, 410 / 240)
    assert sides(bar) == sides(mirror(worked())._replace(low=64_040))


@pytest.mark.parametrize("times", [2, 7, 10**9])
def test_scaling_all_quantities_changes_no_ratio_and_no_row(times: int) -> None:
    bar = worked()
    scaled = dense(keyed({p: (s * times, b * times) for p, (s, b) in WORKED.items()}), 20)
    pairs = ImbalanceParams(stack_min=2)
    assert marks(scaled) == marks(bar)
    for kind in (stacks, stacks_h):
        ratios = [
            [(found.low_row_ticks, found.min_ratio, found.max_ratio) for found in measured]
            for measured in (kind(bar, marks(bar), pairs), kind(scaled, marks(scaled), pairs))
        ]
        assert ratios[0] == ratios[1]
        assert ratios[0]
    assert poc(scaled) == poc(bar)
    for method in ("single", "two_row", "at_most"):
        assert area_rows(scaled, method) == area_rows(bar, method)
    assert auction.ratio_pair(scaled) == auction.ratio_pair(bar)
    assert auction.exhaustion(scaled) == auction.exhaustion(bar)


@pytest.mark.parametrize("parts", [2, 3, 7])
def test_splitting_rows_into_trades_or_venues_changes_counts_alone(parts: int) -> None:
    """Each quantity comes as `parts` trades, each a tick apart inside its row; then floor rows."""
    pieces: dict[int, list[int]] = {}
    for price, (sell, buy) in WORKED.items():
        for part in range(parts):
            share = [
                sell // parts + (part < sell % parts),
                buy // parts + (part < buy % parts),
            ]
            pieces[price + part] = [*share, 0, 1, 1, share[0] * price, share[1] * price]
    merged = coarsen(pieces, 20)
    whole = keyed(WORKED)

    assert dense(merged, 20) == dense(whole, 20)
    assert [row[3:5] for row in merged.values()] == [[parts, parts]] * len(WORKED)
    assert [row[5:] for row in merged.values()] == [row[5:] for row in whole.values()]


def test_order_of_rows_changes_nothing() -> None:
    backwards = dict(reversed(keyed(WORKED).items()))
    assert dense(backwards, 20) == worked()
    assert dense(coarsen(backwards, 40), 40) == dense(coarsen(keyed(WORKED), 40), 40)
