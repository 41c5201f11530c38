"""Imbalances of one bar, diagonal and horizontal, and their stacks (definitions 5.3).

A buy that lifts the offer at one row met sellers who hit the bid one row below; the diagonal test
compares just these. The lowest row has no buy test and the highest no sell test: there is no
virtual zero outside the bar. The horizontal test compares the two sides of one row and is kept
apart under bits and stacks of its own.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

import msgspec

from processors.measures.rows import Ladder
from schemas.footprints import Mark, Stack

Compare = Literal["ge", "gt", "exceeds"]
ZeroPolicy = Literal["flag", "ignore", "min_lot", "infinite"]

BUY_IMBALANCE = int(Mark.BUY_IMBALANCE)
SELL_IMBALANCE = int(Mark.SELL_IMBALANCE)
ZERO_BUY = int(Mark.ZERO_BUY)
ZERO_SELL = int(Mark.ZERO_SELL)
BUY_IMBALANCE_H = int(Mark.BUY_IMBALANCE_H)
SELL_IMBALANCE_H = int(Mark.SELL_IMBALANCE_H)


class ImbalanceParams(msgspec.Struct, frozen=True, kw_only=True):
    """What counts as an imbalance and as a stack.

    - `ratio`: r as (numerator, denominator); "300 %" is (3, 1).
    - `cmp`: `ge` dominant >= r x opposite, `gt` above it, `exceeds` above (r + 1) x, which is how
      "exceeds by 300 %" reads.
    - `min_dom`: least dominant quantity in lots.
    - `zero_policy`: where nothing traded opposite: `flag` marks the row as a zero, outside stacks;
      `ignore` does nothing; `min_lot` puts one lot there; `infinite` is an imbalance.
    - `stack_min`: least rows of a stack. `max_gap_rows`: rows without the imbalance that a stack
      may bridge each time.
    - `dir_filter`: only stacks on the side of the bar's direction.
    - `skip_empty`: leave rows that nothing traded on out, so that the "next" row is the next traded
      one, as some programs do.

    Raises:
        ValueError: a value that would make the tests meaningless.
    """

    ratio: tuple[int, int] = (3, 1)
    cmp: Compare = "ge"
    min_dom: int = 0
    zero_policy: ZeroPolicy = "flag"
    stack_min: int = 3
    max_gap_rows: int = 0
    dir_filter: bool = False
    skip_empty: bool = False

    def __post_init__(self) -> None:
        if self.ratio[0] <= 0 or self.ratio[1] <= 0:
            raise ValueError(f"ratio must be above zero, was {self.ratio}")
        if self.min_dom < 0 or self.max_gap_rows < 0 or self.stack_min < 1:
            raise ValueError("min_dom and max_gap_rows must be 0 or more, stack_min 1 or more")


DEFAULT = ImbalanceParams()


class _Rule(NamedTuple):
    """The parameters as one integer test: imbalance iff dom * per >= times * opp + excess."""

    times: int
    per: int
    excess: int
    least: int
    zero_policy: ZeroPolicy


def marks(ladder: Ladder, params: ImbalanceParams = DEFAULT) -> list[int]:
    """Return the `Mark` bits of every row: diagonal imbalances, zero flags, horizontal ones.

    The horizontal test has the same ratio, comparison, least quantity and zero policy; under `flag`
    a one-sided row is no horizontal imbalance and has no flag, as its own numbers show it.
    """
    found = [0] * ladder.size
    sell, buy = ladder.sell, ladder.buy
    order = _order(ladder, params)
    rule = _rule(params)
    times, per = rule.times, rule.per
    # Most rows fail on the ratio alone: that is tested here, without a call.
    for below, above in pairwise(order):
        lifted, hit = buy[above], sell[below]
        if lifted and lifted * per >= times * hit:
            found[above] |= _judge(lifted, hit, rule, BUY_IMBALANCE, ZERO_BUY)
        if hit and hit * per >= times * lifted:
            found[below] |= _judge(hit, lifted, rule, SELL_IMBALANCE, ZERO_SELL)
    for index in order:
        lifted, hit = buy[index], sell[index]
        if lifted and lifted * per >= times * hit:
            found[index] |= _judge(lifted, hit, rule, BUY_IMBALANCE_H, 0)
        if hit and hit * per >= times * lifted:
            found[index] |= _judge(hit, lifted, rule, SELL_IMBALANCE_H, 0)
    return found


def _order(ladder: Ladder, params: ImbalanceParams) -> Sequence[int]:
    """Return the row indexes in which neighbours are compared, upwards."""
    if params.skip_empty:
        return [index for index, total in enumerate(ladder.totals()) if total]
    return range(ladder.size)


def _rule(params: ImbalanceParams) -> _Rule:
    """Prepare the test: above r is at least r plus the smallest step of an integer comparison."""
    times, per = params.ratio
    if params.cmp == "exceeds":
        times += per
    return _Rule(times, per, int(params.cmp != "ge"), params.min_dom, params.zero_policy)


def _judge(dom: int, opp: int, rule: _Rule, imbalance: int, zero: int) -> int:
    """Return the bit that a dominant quantity above zero earns over its opposite, or 0."""
    if dom < rule.least:
        return 0
    if not opp:
        if rule.zero_policy == "flag":
            return zero
        if rule.zero_policy == "ignore":
            return 0
        if rule.zero_policy == "infinite":
            return imbalance
        opp = 1
    return imbalance if dom * rule.per >= rule.times * opp + rule.excess else 0


def stacks(
    ladder: Ladder,
    marked: Sequence[int],
    params: ImbalanceParams = DEFAULT,
    *,
    direction: int = 0,
) -> list[Stack]:
    """Return the maximal runs of adjacent rows with the same diagonal imbalance: buys, then sells.

    Each side is in order of price. `count` and `dominant_lots` are over the imbalanced rows alone,
    also where `max_gap_rows` lets a run bridge others. A ratio is dominant / opposite; over an
    opposite of zero it has neither value nor bound, so `max_ratio` is then null, and `min_ratio` is
    the least of the rows that have one.

    Args:
        ladder: the rows.
        marked: what `marks` returned for them.
        params: the same parameters.
        direction: sign of close - open, for `dir_filter`: a bar that went nowhere has no stacks.
    """
    return [
        *_stacks(ladder, marked, params, _Test(1, BUY_IMBALANCE, -1), direction),
        *_stacks(ladder, marked, params, _Test(-1, SELL_IMBALANCE, 1), direction),
    ]


def stacks_h(
    ladder: Ladder,
    marked: Sequence[int],
    params: ImbalanceParams = DEFAULT,
    *,
    direction: int = 0,
) -> list[Stack]:
    """Return the stacks of the horizontal imbalances; everything else as in `stacks`."""
    return [
        *_stacks(ladder, marked, params, _Test(1, BUY_IMBALANCE_H, 0), direction),
        *_stacks(ladder, marked, params, _Test(-1, SELL_IMBALANCE_H, 0), direction),
    ]


class _Test(NamedTuple):
    """One of the four tests: its side, its bit, and how many rows away the opposite is."""

    side: int
    bit: int
    offset: int


def _stacks(
    ladder: Ladder, marked: Sequence[int], params: ImbalanceParams, test: _Test, direction: int
) -> list[Stack]:
    """Return the stacks of one test."""
    if params.dir_filter and test.side != direction:
        return []
    order = _order(ladder, params)
    hits = [place for place, index in enumerate(order) if marked[index] & test.bit]
    found = []
    for run in _runs(hits, params.max_gap_rows):
        if len(run) >= params.stack_min:
            found.append(_stack(ladder, order, run, test))
    return found


def _runs(places: list[int], max_gap: int) -> Iterator[list[int]]:
    """Split rising places wherever more than `max_gap` lie between two of them."""
    start = 0
    for end in range(1, len(places) + 1):
        if end == len(places) or places[end] - places[end - 1] > max_gap + 1:
            yield places[start:end]
            start = end


def _stack(ladder: Ladder, order: Sequence[int], run: list[int], test: _Test) -> Stack:
    """Describe one run of places in `order`."""
    dominant, opposite = ladder.buy, ladder.sell
    if test.side < 0:
        dominant, opposite = opposite, dominant
    dom = [dominant[order[place]] for place in run]
    opp = [opposite[order[place + test.offset]] for place in run]
    ratios = [d / o for d, o in zip(dom, opp, strict=True) if o]
    return Stack(
        side=test.side,
        low_row_ticks=ladder.row(order[run[0]]),
        high_row_ticks=ladder.row(order[run[-1]]),
        count=len(run),
        dominant_lots=sum(dom),
        min_ratio=min(ratios, default=None),
        max_ratio=max(ratios) if len(ratios) == len(run) else None,
    )
