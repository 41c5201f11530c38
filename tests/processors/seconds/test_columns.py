"""Columns of a second's trades, against loops over the trades (definitions 5.0, 5.2, 5.5)."""

from collections.abc import Callable, Sequence
from itertools import accumulate

from hypothesis import given
from hypothesis import strategies as st

from processors.scopes import PERP, SPOT
from processors.seconds.columns import Columns
from processors.trades import Trade
from tests.processors.seconds.builders import (
    BINANCE,
    BINANCE_SPOT,
    BYBIT,
    OKX,
    member,
    second,
    trade,
)

FILLS = st.lists(
    st.tuples(
        st.integers(0, 4000),
        st.integers(1, 9),
        st.integers(1, 1 << 53),
        st.sampled_from([-1, 0, 1]),
    ),
    max_size=80,
)


def tape(fills: Sequence[tuple[int, int, int, int]], name: str = "binance:BTC") -> list[Trade]:
    """Return trades `(microsecond, price, lots, side)` in tape order."""
    trades = [
        (at_us, name, rank, price, lots, side)
        for rank, (at_us, price, lots, side) in enumerate(fills, 1)
    ]
    return sorted(trades)


def running(trades: Sequence[Trade], value: Callable[[Trade], int]) -> list[int]:
    return [0, *accumulate(value(one) for one in trades)]


@given(FILLS)
def test_columns_are_those_of_going_trade_by_trade(fills: list[tuple[int, int, int, int]]) -> None:
    trades = tape(fills)
    columns = Columns(trades)
    assert columns.size == len(trades)
    assert columns.lots == running(trades, lambda one: one[4])
    assert columns.deltas == running(trades, lambda one: one[4] * one[5])
    assert columns.notionals == running(trades, lambda one: one[3] * one[4])
    assert columns.delta_notionals == running(trades, lambda one: one[3] * one[4] * one[5])
    sided = [one for one in trades if one[5]]
    assert columns.sided is (len(sided) == len(trades))
    assert columns.volume.lots == sum(one[4] for one in sided)
    assert columns.volume.notional == sum(one[3] * one[4] for one in sided)
    assert columns.aggressor_notional == (
        sum(one[3] * one[4] for one in trades if one[5] > 0),
        sum(one[3] * one[4] for one in trades if one[5] < 0),
    )
    for side, found in zip((-1, 1, 0), columns.traded, strict=True):
        own = [one for one in trades if one[5] == side]
        assert found == {
            price: sum(one[4] for one in own if one[3] == price) for price in {o[3] for o in own}
        }


@given(FILLS.filter(bool))
def test_sweeps_and_extremes_are_those_of_the_trades(
    fills: list[tuple[int, int, int, int]],
) -> None:
    """A sweep goes on within a millisecond, on one side, with the next id (definitions 5.12)."""
    trades = tape(fills)
    columns = Columns(trades)
    prices = [one[3] for one in trades]
    assert (columns.low, columns.high) == (min(prices), max(prices))
    begun = [0]
    for place in range(1, len(trades)):
        before, now = trades[place - 1], trades[place]
        same = before[0] // 1000 == now[0] // 1000 and before[5] == now[5]
        if not same or now[2] != before[2] + 1:
            begun.append(place)
    assert columns.sweeps == begun
    spans = [columns.sweep_span(place) for place in range(len(begun))]
    assert [trade for span in spans for trade in trades[slice(*span)]] == trades
    assert columns.sweep_notionals == [
        sum(one[3] * one[4] for one in trades[slice(*span)]) for span in spans
    ]


def test_trades_of_several_instruments_are_merged_in_tape_order_and_once() -> None:
    """By time, then member, then rank, whatever the order of the members."""
    later, first = trade(0, 10, 1, at_us=7, rank=1), trade(0, 11, 2, at_us=5, rank=2)
    same_time = trade(0, 12, 3, at_us=7, rank=0)
    one = second(
        0, member(BYBIT, trades=[same_time]), member(BINANCE, trades=[first, later]), member(OKX)
    )
    merged = one.columns(PERP)
    assert list(merged.trades) == sorted([first, later, same_time])
    assert one.columns(PERP) is merged
    assert one.columns(SPOT).size == 0


def test_the_trades_of_the_only_instrument_that_traded_are_not_made_into_columns_again() -> None:
    spot = member(BINANCE_SPOT, trades=[trade(0, 10, 1)])
    one = second(0, member(BINANCE), spot)
    assert one.columns(SPOT) is spot.columns
    assert spot.columns is spot.columns
