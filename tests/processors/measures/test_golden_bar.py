"""Definitions 5.4: the worked bar, every value of its two tables."""

from fractions import Fraction
from itertools import accumulate

import pytest

from processors.measures import auction
from processors.measures.imbalance import ImbalanceParams, marks, stacks, stacks_h
from processors.measures.poc import poc
from processors.measures.rows import Ladder, floor_row, ratio
from processors.measures.value_area import Area, Method, describe, value_area
from schemas.footprints import Mark, Stack, ValueArea
from tests.processors.measures.bars import WORKED, imbalances, marked, worked

PRICES = [64_040, 64_060, 64_080, 64_100, 64_120]
DEFAULT = ImbalanceParams()
PAIRS = ImbalanceParams(stack_min=2)


def rows_of(bar: Ladder, area: Area | None) -> list[int]:
    assert area is not None
    return [bar.row(index) for index in range(area.low, area.high + 1)]


@pytest.mark.parametrize(
    ("price", "total", "delta", "delta_percent", "share_percent"),
    [
        (64_120, 258, +222, +86.0465, 10.3490),
        (64_100, 440, +380, +86.3636, 17.6494),
        (64_080, 720, +480, +66.6667, 28.8809),
        (64_060, 635, -445, -70.0787, 25.4713),
        (64_040, 440, -320, -72.7273, 17.6494),
    ],
)
def test_totals_and_deltas_of_each_row(
    price: int, total: int, delta: int, delta_percent: float, share_percent: float
) -> None:
    bar = worked()
    index = PRICES.index(price)
    sided = bar.sell[index] + bar.buy[index]
    of_sided, of_bar = ratio(100 * delta, sided), ratio(100 * total, bar.total)

    assert bar.row(index) == price
    assert (bar.totals()[index], bar.deltas()[index]) == (total, delta)
    assert of_sided is not None
    assert round(of_sided, 4) == delta_percent
    assert of_bar is not None
    assert round(of_bar, 4) == share_percent


@pytest.mark.parametrize(
    ("price", "buy_diagonal", "sell_diagonal", "buy_horizontal", "sell_horizontal"),
    [
        (64_120, (240, 30, 8.0), None, 13.3333, 0.0750),
        (64_100, (410, 120, 3.4167), (30, 240, 0.1250), 13.6667, 0.0732),
        (64_080, (600, 540, 1.1111), (120, 410, 0.2927), 5.0000, 0.2000),
        (64_060, (95, 380, 0.2500), (540, 600, 0.9000), 0.1759, 5.6842),
        (64_040, None, (380, 95, 4.0), 0.1579, 6.3333),
    ],
)
def test_ratios_of_each_row_decide_its_marks_at_the_ratio_itself_and_not_above(
    price: int,
    buy_diagonal: tuple[int, int, float] | None,
    sell_diagonal: tuple[int, int, float] | None,
    buy_horizontal: float,
    sell_horizontal: float,
) -> None:
    """A row is marked at r = its own ratio (`ge`) and not at the same r under `gt`."""
    bar = worked()
    index = PRICES.index(price)
    sell, buy = WORKED[price]
    tests = [
        (Mark.BUY_IMBALANCE, buy_diagonal),
        (Mark.SELL_IMBALANCE, sell_diagonal),
        (Mark.BUY_IMBALANCE_H, (buy, sell, buy_horizontal)),
        (Mark.SELL_IMBALANCE_H, (sell, buy, sell_horizontal)),
    ]
    for bit, expected in tests:
        if expected is None:
            smallest = ImbalanceParams(ratio=(1, 10**9))
            assert not marks(bar, smallest)[index] & bit, "the extreme row has no test"
            continue
        dominant, opposite, shown = expected
        value = ratio(dominant, opposite)
        assert value is not None
        assert round(value, 4) == shown
        at = ImbalanceParams(ratio=(dominant, opposite))
        above = ImbalanceParams(ratio=(dominant, opposite), cmp="gt")
        assert marks(bar, at)[index] & bit
        assert not marks(bar, above)[index] & bit


def test_sums_of_the_bar() -> None:
    bar = worked()
    assert (bar.sell_total, bar.buy_total, bar.total) == (1088, 1405, 2493)
    assert bar.delta == 317
    assert round(100 * bar.delta / (bar.sell_total + bar.buy_total), 4) == 12.7156
    assert max(zip(bar.deltas(), PRICES, strict=True)) == (480, 64_080)
    assert min(zip(bar.deltas(), PRICES, strict=True)) == (-445, 64_060)
    assert list(accumulate(bar.deltas())) == [-320, -765, -285, 95, 317]


def test_volume_weighted_row_prices() -> None:
    bar = worked()

    def weighted(lots: list[int]) -> Fraction:
        return Fraction(sum(p * n for p, n in zip(PRICES, lots, strict=True)), sum(lots))

    assert round(float(weighted(bar.totals())), 4) == 64_075.5154
    assert round(float(weighted(bar.buy)), 4) == 64_089.6085
    assert round(float(weighted(bar.sell)), 4) == 64_057.3162
    assert sum(p * n for p, n in zip(PRICES, bar.totals(), strict=True)) == 159_740_260
    assert sum(p * n for p, n in zip(PRICES, bar.deltas(), strict=True)) == 20_351_540


def test_point_of_control_is_the_unique_greatest_row() -> None:
    bar = worked()
    assert {bar.row(poc(bar, tie=tie) or 0) for tie in ("vwap", "lowest", "centre")} == {64_080}
    assert max(bar.totals()) == 720


def test_diagonal_imbalances() -> None:
    assert imbalances(worked()) == ({64_100, 64_120}, {64_040})


def test_no_stack_at_three() -> None:
    bar = worked()
    assert stacks(bar, marks(bar), DEFAULT) == []


def test_one_buy_stack_at_two() -> None:
    bar = worked()
    assert stacks(bar, marks(bar, PAIRS), PAIRS) == [Stack(1, 64_100, 64_120, 2, 650, 410 / 120, 8)]


def test_horizontal_imbalances_and_their_stacks() -> None:
    bar = worked()
    assert marked(bar, DEFAULT, Mark.BUY_IMBALANCE_H) == {64_080, 64_100, 64_120}
    assert marked(bar, DEFAULT, Mark.SELL_IMBALANCE_H) == {64_040, 64_060}
    buys = Stack(1, 64_080, 64_120, 3, 1250, 5.0, 410 / 30)
    sells = Stack(-1, 64_040, 64_060, 2, 920, 540 / 95, 380 / 60)
    assert stacks_h(bar, marks(bar), DEFAULT) == [buys]
    assert stacks_h(bar, marks(bar, PAIRS), PAIRS) == [buys, sells]


def test_no_zero_flags() -> None:
    assert not marked(worked(), DEFAULT, Mark.ZERO_BUY | Mark.ZERO_SELL)


@pytest.mark.parametrize(
    ("method", "rows", "lots", "percent", "val", "vah"),
    [
        ("single", [64_060, 64_080, 64_100], 1795, 72.0016, 64_060, 64_120),
        ("two_row", [64_040, 64_060, 64_080], 1795, 72.0016, 64_040, 64_100),
        ("at_most", [64_060, 64_080], 1355, 54.3522, 64_060, 64_100),
    ],
)
def test_value_areas(
    method: Method, rows: list[int], lots: int, percent: float, val: int, vah: int
) -> None:
    bar = worked()
    area = value_area(bar, poc(bar), method)
    assert rows_of(bar, area) == rows
    assert area is not None
    assert area.lots == lots
    assert describe(bar, area) == ValueArea(val, vah, lots / 2493)
    assert round(100 * describe(bar, area).share, 4) == percent


def test_value_area_target_is_exact() -> None:
    bar = worked()
    area = value_area(bar, poc(bar), "single", (1795, 2493))
    assert rows_of(bar, area) == [64_060, 64_080, 64_100]
    wider = value_area(bar, poc(bar), "single", (17_950_001, 24_930_000))
    assert rows_of(bar, wider) == [64_040, 64_060, 64_080, 64_100]


def test_unfinished_at_both_ends() -> None:
    assert auction.unfinished(worked()) == (True, True)
    assert auction.zero_print(worked()) == (False, False)


def test_unfinished_filters_limit_the_aggressor_and_its_opposite_apart() -> None:
    # The filters of 20 that ATAS has are on the side that made the extreme: 240 and 380.
    assert auction.unfinished(worked(), u1=20) == (True, True)
    assert auction.unfinished(worked(), u1=239, u2=17) == (True, True)
    assert auction.unfinished(worked(), u1=240) == (False, True)
    assert auction.unfinished(worked(), u2=18) == (False, True)
    assert auction.unfinished(worked(), u1=380) == (False, False)
    assert auction.unfinished(worked(), u2=60) == (False, False)


def test_exhaustion_print_at_the_high_alone() -> None:
    assert auction.exhaustion(worked()) == (True, False)


def test_ratio_pairs() -> None:
    pair = auction.ratio_pair(worked())
    assert pair == (410 / 240, 540 / 380)
    assert [round(value, 4) for value in pair if value is not None] == [1.7083, 1.4211]


def test_rows_alone_give_no_direction_so_a_direction_filter_leaves_nothing() -> None:
    bar = worked()
    params = ImbalanceParams(stack_min=2, dir_filter=True)
    found = marks(bar, params)
    assert stacks(bar, found, params) == []
    assert [stack.side for stack in stacks(bar, found, params, direction=1)] == [1]
    assert stacks(bar, found, params, direction=-1) == []


def test_every_price_is_its_own_floor_row() -> None:
    assert [floor_row(price + 19, 20) for price in PRICES] == PRICES
