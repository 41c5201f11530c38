"""Recorded liquidation fills through an engine with all operators, against sums over the file."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from decimal import ROUND_HALF_EVEN, Decimal

import pytest

from schemas.cascades import Cascade, CascadeState
from schemas.liquidation_flow import LiquidationFlow
from schemas.market import Scope
from schemas.units import US_PER_SECOND
from tests.captures import needs_captures
from tests.golden.figures import figures
from tests.golden.toolkit_runs import Fill, fills, liquidated

pytestmark = needs_captures


@pytest.mark.parametrize(("coin", "count"), [("BTC", 799), ("ETH", 144)])
def test_liquidated_dollars_are_the_sum_over_the_fills(coin: str, count: int) -> None:
    """Cents are rounded once a sum, half to even."""
    rows = fills(coin)
    minutes = Counter[int]()
    clusters = told = 0
    for one in liquidated(coin).of(LiquidationFlow):
        assert isinstance(one, LiquidationFlow)
        clusters += sum(each.obs_usd_cents for each in one.clusters)
        for series in one.series:
            if series.scope is Scope.VENUE and series.long and one.interval_seconds == 60:
                minutes[one.window_start_us // (60 * US_PER_SECOND)] += series.long.obs_usd_cents
                told += series.long.count
    by_minute = defaultdict[int, list[Fill]](list)
    for row in rows:
        by_minute[row.time_us // (60 * US_PER_SECOND)].append(row)
    assert (len(rows), told) == (count, count)
    assert +minutes == {at: cents_of(each) for at, each in by_minute.items()}
    assert clusters == sum(cents_of(one) for one in _clusters(rows) if len(one) >= 3)


def cents_of(rows: Sequence[Fill]) -> int:
    dollars = sum((row.notional for row in rows), Decimal(0))
    return int((dollars * 100).to_integral_value(ROUND_HALF_EVEN))


def _clusters(rows: Sequence[Fill]) -> list[list[Fill]]:
    """Return runs of fills no further from one another than five seconds."""
    found: list[list[Fill]] = []
    for row in rows:
        if found and row.time_us - found[-1][-1].time_us <= 5 * US_PER_SECOND:
            found[-1].append(row)
        else:
            found.append([row])
    return found


@pytest.mark.parametrize(("coin", "floor"), [("BTC", 1_000_000), ("ETH", 500_000)])
def test_a_cascade_builds_in_the_second_in_which_a_minute_passes_the_floor(
    coin: str, floor: int
) -> None:
    """Definitions 5.10, without a history: L60 at the floor, of four times or more."""
    by_second: dict[int, list[Fill]] = defaultdict(list)
    for row in fills(coin):
        by_second[row.time_us // US_PER_SECOND].append(row)
    first = None
    for second in range(min(by_second), max(by_second) + 1):
        window = [row for back in range(60) for row in by_second.get(second - back, ())]
        enough = sum(row.notional for row in window) >= floor
        if first is None and enough and len({row.time_us for row in window}) >= 4:
            first = second
    built = [
        one
        for one in liquidated(coin).of(Cascade)
        if isinstance(one, Cascade) and one.state is CascadeState.BUILDING and one.previous_state
    ]
    if first is None:
        assert built == []
    else:
        assert built[0].time_us == (first + 1) * US_PER_SECOND
        assert built[0].evidence.threshold_usd_cents == floor * 100


def test_figures_are_told_of_liquidations() -> None:
    assert any(line.startswith("liquidated") for line in figures(liquidated("BTC")))
