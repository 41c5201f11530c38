"""What holds for every bar: marks, stacks, point of control, value area, coarser rows."""

from fractions import Fraction
from itertools import pairwise

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from processors.measures import auction
from processors.measures.imbalance import ImbalanceParams, marks, stacks, stacks_h
from processors.measures.poc import poc
from processors.measures.rows import Ladder, coarsen, dense, floor_row
from processors.measures.value_area import Area, Method, describe, value_area
from schemas.footprints import Mark
from tests.processors.measures.bars import ladders, mirror

PARAMS = st.builds(
    ImbalanceParams,
    ratio=st.tuples(st.integers(1, 9), st.integers(1, 3)),
    cmp=st.sampled_from(["ge", "gt", "exceeds"]),
    min_dom=st.sampled_from([0, 1, 2, 5]),
    zero_policy=st.sampled_from(["flag", "ignore", "min_lot", "infinite"]),
    stack_min=st.integers(1, 3),
    max_gap_rows=st.integers(0, 2),
)
SHARES = st.tuples(st.integers(1, 10), st.just(10))
KEYED = st.dictionaries(
    st.integers(0, 5000), st.lists(st.integers(0, 10**12), min_size=7, max_size=7), max_size=60
)


def naive(dom: int, opp: int, params: ImbalanceParams) -> str:
    """Judge one test as the definition is written, with fractions."""
    if dom == 0:
        return "nothing"
    if opp == 0:
        if dom < max(params.min_dom, 1):
            return "nothing"
        if params.zero_policy == "flag":
            return "zero"
        if params.zero_policy == "ignore":
            return "nothing"
        if params.zero_policy == "infinite":
            return "imbalance"
        opp = 1
    value, limit = Fraction(dom, opp), Fraction(*params.ratio)
    passed = {"ge": value >= limit, "gt": value > limit, "exceeds": value - 1 > limit}[params.cmp]
    return "imbalance" if passed and dom >= params.min_dom else "nothing"


def naive_marks(bar: Ladder, params: ImbalanceParams) -> list[int]:
    found = [0] * bar.size
    for i in range(bar.size):
        verdicts = {
            (Mark.BUY_IMBALANCE_H, Mark(0)): naive(bar.buy[i], bar.sell[i], params),
            (Mark.SELL_IMBALANCE_H, Mark(0)): naive(bar.sell[i], bar.buy[i], params),
        }
        if i > 0:
            verdict = naive(bar.buy[i], bar.sell[i - 1], params)
            verdicts[Mark.BUY_IMBALANCE, Mark.ZERO_BUY] = verdict
        if i < bar.size - 1:
            verdict = naive(bar.sell[i], bar.buy[i + 1], params)
            verdicts[Mark.SELL_IMBALANCE, Mark.ZERO_SELL] = verdict
        for (imbalance, zero), verdict in verdicts.items():
            found[i] |= {"imbalance": imbalance, "zero": zero, "nothing": Mark(0)}[verdict]
    return found


@given(ladders(), PARAMS)
def test_marks_agree_with_the_definition_read_naively(bar: Ladder, params: ImbalanceParams) -> None:
    assert marks(bar, params) == naive_marks(bar, params)


@given(ladders(), PARAMS)
def test_skipping_empty_rows_is_closing_the_ranks(bar: Ladder, params: ImbalanceParams) -> None:
    skipping = msgspec.structs.replace(params, skip_empty=True)
    traded = [i for i, total in enumerate(bar.totals()) if total]
    closed = bar._replace(
        sell=[bar.sell[i] for i in traded],
        buy=[bar.buy[i] for i in traded],
        unknown=[bar.unknown[i] for i in traded],
    )
    found = marks(bar, skipping)
    assert [found[i] for i in traded] == marks(closed, params)
    assert sum(found) == sum(found[i] for i in traded)
    assert [s.count for s in stacks(bar, found, skipping)] == [
        s.count for s in stacks(closed, marks(closed, params), params)
    ]


@given(ladders(), PARAMS)
def test_stacks_are_maximal_runs_of_marks(bar: Ladder, params: ImbalanceParams) -> None:
    found = marks(bar, params)
    for bit_buy, bit_sell, kind in (
        (Mark.BUY_IMBALANCE, Mark.SELL_IMBALANCE, stacks),
        (Mark.BUY_IMBALANCE_H, Mark.SELL_IMBALANCE_H, stacks_h),
    ):
        covered: dict[int, set[int]] = {1: set(), -1: set()}
        for stack in kind(bar, found, params):
            bit = bit_buy if stack.side == 1 else bit_sell
            low = (stack.low_row_ticks - bar.low) // bar.step
            high = (stack.high_row_ticks - bar.low) // bar.step
            inside = [i for i in range(low, high + 1) if found[i] & bit]
            gap = params.max_gap_rows + 1
            assert inside[0] == low
            assert inside[-1] == high
            assert all(b - a <= gap for a, b in pairwise(inside))
            assert not any(found[i] & bit for i in range(max(low - gap, 0), low))
            assert not any(found[i] & bit for i in range(high + 1, min(high + 1 + gap, bar.size)))
            assert stack.count == len(inside) >= params.stack_min
            side = bar.buy if stack.side == 1 else bar.sell
            assert stack.dominant_lots == sum(side[i] for i in inside)
            covered[stack.side].update(inside)
        if params.stack_min == 1:
            assert covered[1] == {i for i, bits in enumerate(found) if bits & bit_buy}
            assert covered[-1] == {i for i, bits in enumerate(found) if bits & bit_sell}


@given(ladders(), PARAMS)
def test_marks_and_auctions_are_mirror_symmetric(bar: Ladder, params: ImbalanceParams) -> None:
    swap = {
        Mark.BUY_IMBALANCE: Mark.SELL_IMBALANCE,
        Mark.ZERO_BUY: Mark.ZERO_SELL,
        Mark.BUY_IMBALANCE_H: Mark.SELL_IMBALANCE_H,
    }
    swap |= {sell: buy for buy, sell in swap.items()}
    image = mirror(bar)
    reflected = [
        sum(swap[bit] for bit in swap if bits & bit) for bits in reversed(marks(image, params))
    ]
    assert reflected == marks(bar, params)
    for measure in (auction.unfinished, auction.exhaustion, auction.ratio_pair, auction.zero_print):
        assert tuple(measure(image)) == tuple(reversed(measure(bar)))


@given(ladders(), st.integers(0, 10**6), st.integers(1, 10**6))
def test_poc_is_a_greatest_row_and_the_nearest_to_the_vwap(
    bar: Ladder, offset: int, qty: int
) -> None:
    notional = bar.low * qty + offset
    index = poc(bar, notional, qty)
    totals = bar.totals()
    assert index is not None
    assert totals[index] == max(totals)
    vwap = Fraction(notional, qty)

    def key(i: int) -> tuple[Fraction, int]:
        return abs(bar.row(i) + Fraction(bar.step, 2) - vwap), i

    assert index == min((i for i, n in enumerate(totals) if n == max(totals)), key=key)


@given(ladders(), SHARES, st.sampled_from(["single", "two_row", "at_most"]))
def test_value_area_holds_its_share_around_the_poc(
    bar: Ladder, share: tuple[int, int], method: Method
) -> None:
    index = poc(bar)
    area = value_area(bar, index, method, share)
    assert index is not None
    assert area is not None
    totals = bar.totals()
    target = Fraction(*share) * bar.total

    assert 0 <= area.low <= index <= area.high < bar.size
    assert area.lots == sum(totals[area.low : area.high + 1])
    assert describe(bar, area).val_ticks == bar.row(area.low)
    assert describe(bar, area).vah_ticks == bar.row(area.high) + bar.step
    if method == "at_most":
        assert area.lots <= target or area.low == area.high == index
    else:
        assert area.lots >= target


@given(ladders(), SHARES, st.sampled_from(["single", "at_most"]))
def test_value_area_grows_row_by_row_as_the_definition_says(
    bar: Ladder, share: tuple[int, int], method: Method
) -> None:
    index = poc(bar)
    assert index is not None
    totals, target = bar.totals(), Fraction(*share) * bar.total
    low = high = index
    while sum(totals[low : high + 1]) < target:
        neighbours = [i for i in (low - 1, high + 1) if 0 <= i < bar.size]
        best = max(neighbours, key=lambda i: (totals[i], -abs(i - index), i))
        if method == "at_most" and sum(totals[low : high + 1]) + totals[best] > target:
            break
        low, high = min(low, best), max(high, best)
    area = value_area(bar, index, method, share)
    assert area == Area(low, high, sum(totals[low : high + 1]))


@given(KEYED, st.integers(1, 20), st.integers(1, 20))
def test_coarsening_conserves_sums_and_commutes(
    rows: dict[int, list[int]], fine: int, factor: int
) -> None:
    base = coarsen(rows, fine)
    coarse = coarsen(base, fine * factor)

    assert coarse == coarsen(rows, fine * factor)
    for column in range(7):
        assert sum(r[column] for r in coarse.values()) == sum(r[column] for r in rows.values())
    assert set(coarse) == {floor_row(price, fine * factor) for price in rows}
    assert coarsen(coarse, fine * factor) == coarse


@given(KEYED.filter(bool), st.integers(1, 50))
def test_dense_holds_every_row_between_the_extremes(rows: dict[int, list[int]], step: int) -> None:
    merged = coarsen(rows, step)
    bar = dense(merged, step)
    assert bar.low == min(merged)
    assert bar.row(bar.size - 1) == max(merged)
    assert bar.total == sum(sum(values[:3]) for values in merged.values())
    for index in range(bar.size):
        expected = merged.get(bar.row(index), [0, 0, 0])[:3]
        assert [bar.sell[index], bar.buy[index], bar.unknown[index]] == expected


@given(KEYED, st.integers(1, 50))
def test_coarsen_leaves_its_input_alone(rows: dict[int, list[int]], step: int) -> None:
    before = {row: list(values) for row, values in rows.items()}
    for values in coarsen(rows, step).values():
        values[0] += 1
    assert rows == before
