"""The scripted market is repeatable, ordered, on its grids, and does what it is told."""

from collections import Counter, defaultdict
from dataclasses import astuple
from itertools import islice, pairwise

import pytest

from runtime.errors import ConfigurationError
from schemas.market import Side
from simulator.catalogue import FEEDS
from simulator.flow import Cascade
from simulator.market import ScriptedMarket
from simulator.model import SimTrade, fixed_text, trimmed
from tests.simulator.support import START_US

MINUTE_US = 60_000_000


def run(seed: int, minutes: float, rate: float = 1.0) -> list[SimTrade]:
    market = ScriptedMarket(seed, start_us=START_US, rate=rate)
    return market.until(START_US + round(minutes * MINUTE_US), 10**6)


def price(trade: SimTrade) -> float:
    return trade.price_ticks * float(trade.instrument.tick)


def test_the_same_seed_gives_the_same_trades_and_another_seed_others() -> None:
    first, again, other = run(7, 1), run(7, 1), run(8, 1)
    assert [astuple(trade) for trade in first] == [astuple(trade) for trade in again]
    assert [astuple(trade) for trade in first] != [astuple(trade) for trade in other]


def test_taking_in_pieces_gives_the_same_trades_as_iterating() -> None:
    pieces, whole = ScriptedMarket(3, start_us=START_US), ScriptedMarket(3, start_us=START_US)
    taken: list[SimTrade] = []
    for second in range(1, 31):
        taken += pieces.until(START_US + second * 1_000_000, 7)
        taken += pieces.until(START_US + second * 1_000_000, 10**6)
    assert len(taken) > 300
    assert taken == list(islice(whole, len(taken)))


def test_times_never_fall_and_every_feed_and_asset_trades_on_both_sides() -> None:
    trades = run(1, 5)
    assert all(left.time_us <= right.time_us for left, right in pairwise(trades))
    assert trades[0].time_us > START_US
    seen = {(trade.feed, trade.instrument.asset, trade.side) for trade in trades}
    assert len(seen) == len(FEEDS) * 3 * 2


def test_fill_ids_leave_no_hole_that_is_not_marked() -> None:
    by_symbol: dict[tuple[str, str], list[SimTrade]] = defaultdict(list)
    for trade in run(2, 5):
        by_symbol[trade.feed, trade.instrument.symbol].append(trade)
    voids = Counter[str]()
    for (feed, _), trades in by_symbol.items():
        for left, right in pairwise(trades):
            assert right.first_id == left.last_id + 1 + right.void_before
            assert right.print_id == left.print_id + 1
        voids[feed] += sum(trade.void_before for trade in trades)
    assert voids["binance.usdm"] > 0
    assert set(+voids) == {"binance.usdm"}


def test_a_market_started_later_continues_above_the_ids_of_an_earlier_one() -> None:
    earlier = ScriptedMarket(1, start_us=START_US).until(START_US + MINUTE_US, 10**6)
    later = next(ScriptedMarket(1, start_us=START_US + MINUTE_US))
    assert later.first_id > max(trade.last_id for trade in earlier)
    assert later.print_id > max(trade.print_id for trade in earlier)


def test_sizes_are_whole_lots_and_prices_stay_near_their_opening() -> None:
    opening = {"BTC": 97_000.0, "ETH": 3_120.0, "SOL": 171.0}
    for trade in run(4, 5):
        assert trade.price_ticks > 0
        assert min(trade.fills) >= 1
        assert 0 <= trade.rpi_fills <= len(trade.fills)
        assert abs(price(trade) / opening[trade.instrument.asset] - 1.0) < 0.03


def test_sweeps_walk_away_from_the_best_price_at_one_instant() -> None:
    orders: dict[int, list[SimTrade]] = defaultdict(list)
    for trade in run(5, 10):
        orders[trade.order_tag].append(trade)
    sweeps = [prints for prints in orders.values() if len(prints) > 1]
    assert len(sweeps) > 20
    for prints in sweeps:
        assert len({(item.time_us, item.side, item.instrument.symbol) for item in prints}) == 1
        steps = [right.price_ticks - left.price_ticks for left, right in pairwise(prints)]
        assert all(int(prints[0].side) * step > 0 for step in steps)


def test_flow_clusters_more_than_chance() -> None:
    orders = {trade.order_tag: trade.time_us for trade in run(6, 10)}
    counts = Counter((time_us - START_US) // 5_000_000 for time_us in orders.values())
    bins = [counts[number] for number in range(120)]
    mean = sum(bins) / len(bins)
    variance = sum((count - mean) ** 2 for count in bins) / len(bins)
    assert variance > 2 * mean


def test_venues_of_an_asset_quote_one_market_with_their_own_basis() -> None:
    last: dict[tuple[str, str], float] = {}
    worst = 0.0
    for trade in run(7, 5):
        if not trade.block:
            last[trade.feed, trade.instrument.asset] = price(trade)
    for asset in ("BTC", "ETH", "SOL"):
        prices = [last[feed, asset] for feed in FEEDS]
        worst = max(worst, max(prices) / min(prices) - 1.0)
    assert 0.0 < worst < 0.003


def test_hidden_liquidity_and_block_trades_happen_where_venues_have_them() -> None:
    trades = run(8, 10, rate=4.0)
    assert {trade.feed for trade in trades if trade.block} <= {"bybit.linear", "bybit.spot"}
    assert any(trade.block for trade in trades)
    hidden = {trade.feed for trade in trades if trade.rpi_fills}
    assert hidden == {"binance.usdm", "bybit.linear", "bybit.spot", "okx.swap"}


def test_the_rate_multiplies_the_flow() -> None:
    assert 6 < len(run(9, 2, rate=10.0)) / len(run(9, 2)) < 15


def test_a_cascade_accelerates_one_way_then_exhausts_and_partly_comes_back() -> None:
    market = ScriptedMarket(10, start_us=START_US)
    begin_us = START_US + MINUTE_US
    market.cascade(Cascade(begin_us, Side.SELL, ("BTC",), move_bps=150.0))
    trades = [
        trade
        for trade in market.until(begin_us + MINUTE_US, 10**6)
        if trade.instrument.asset == "BTC" and trade.feed == "binance.usdm"
    ]

    def window(start: float, end: float) -> list[SimTrade]:
        low, high = begin_us + start * 1e6, begin_us + end * 1e6
        return [trade for trade in trades if low <= trade.time_us < high]

    before, early, late, after = window(-20, 0), window(0, 10), window(10, 20), window(35, 55)
    assert len(late) > 2 * len(early) > len(before)
    sold = sum(trade.qty_lots for trade in late if trade.side is Side.SELL)
    assert sold > 0.75 * sum(trade.qty_lots for trade in late)
    assert -0.018 < price(late[-1]) / price(before[-1]) - 1.0 < -0.011
    assert price(after[0]) > price(late[-1])
    assert len(after) < len(early)


def test_a_cascade_on_demand_begins_now_and_leaves_other_assets_alone() -> None:
    market = ScriptedMarket(11, start_us=START_US)
    market.until(START_US + MINUTE_US, 10**6)
    market.cascade(Cascade(0, Side.BUY, ("SOL",), build_seconds=5.0, move_bps=200.0))
    trades = market.until(START_US + MINUTE_US + 5_000_000, 10**6)
    moved = {
        asset: max(price(trade) for trade in trades if trade.instrument.asset == asset) / opening
        for asset, opening in (("SOL", 171.0), ("BTC", 97_000.0))
    }
    assert moved["SOL"] > 1.015
    assert moved["BTC"] < 1.005


def test_what_the_market_cannot_do_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="no PEPE"):
        ScriptedMarket(1, ("PEPE",))
    with pytest.raises(ConfigurationError, match="above zero"):
        ScriptedMarket(1, rate=0.0)
    market = ScriptedMarket(1, ("BTC",))
    with pytest.raises(ConfigurationError, match="ETH"):
        market.cascade(Cascade(0, Side.SELL, ("ETH",)))


def test_numbers_are_written_as_venues_write_them() -> None:
    assert fixed_text(970_001, 1) == "97000.1"
    assert fixed_text(5, 8) == "0.00000005"
    assert fixed_text(12, 0) == "12"
    assert [trimmed("97000.10"), trimmed("42.00"), trimmed("42.00", 1)] == ["97000.1", "42", "42.0"]
