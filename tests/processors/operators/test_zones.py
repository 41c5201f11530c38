"""Zones of stacked imbalances and unfinished auctions (definitions 5.3; traps 14, 29)."""

import random
from typing import Any

import pytest

from processors.measures.auction import unfinished
from processors.measures.imbalance import ImbalanceParams, marks, stacks
from processors.operators.zones import ZonesOperator, ZonesParams
from processors.seconds.second import Second
from processors.trades import Trade
from schemas.events import EventKind, EventSide, EventState, FlowEvent
from schemas.footprints import FootprintBar
from schemas.lineage import Status
from schemas.market import Scope
from tests.processors.measures.bars import worked
from tests.processors.operators.footprint_bars import (
    PRICE,
    ROW,
    bar,
    end_of,
    events,
    stack,
    states,
)
from tests.processors.seconds.builders import (
    BINANCE,
    BYBIT,
    DOWN,
    UNITS,
    member,
    run,
    run_with_restarts,
    second,
    trade,
)

LOW, HIGH = PRICE, PRICE + 2 * ROW
END = HIGH + ROW
"""A stack of three rows covers `[LOW, END)`."""
ABOVE = (END + 50, END + 50, END + 50, END + 50)
BOTH = ["binance:BTC-USDT-PERP", "bybit:BTC-USDT-PERP"]


def at(number: int, *prices: int, instrument: tuple[str, str] = BINANCE) -> list[Trade]:
    return [trade(number, price, 1, instrument=instrument) for price in prices]


def tick(number: int, *prices: int) -> Second:
    return second(number, member(trades=at(number, *prices)))


def zone_bar(side: int = 1, close: int = END + 50, **fields: Any) -> FootprintBar:
    return bar(
        0,
        ohlc=(close, close, close, close),
        stacks=[stack(side, LOW, HIGH)],
        **fields,
    )


def begin(side: int = 1, **fields: Any) -> list[Second]:
    """Return the second that makes one zone."""
    return [end_of(0, member(), bars=[zone_bar(side, **fields)])]


def found(seconds: list[Second], params: ZonesParams | None = None) -> list[FlowEvent]:
    return events(run(ZonesOperator(UNITS, params), seconds))


def test_a_stack_becomes_an_untested_zone_from_its_lowest_row_to_the_top_of_its_highest() -> None:
    [zone] = found(begin())
    assert (zone.kind, zone.state) == (EventKind.STACKED_IMBALANCE, EventState.UNTESTED)
    assert (zone.low_ticks, zone.high_ticks, zone.side) == (LOW, END, EventSide.BUY)
    assert zone.values["rows"] == 3
    assert zone.values["max_ratio"] is None
    assert zone.null_reasons == {"max_ratio": "opposite_is_zero"}
    assert zone.evidence == [f"bar:venue:binance:BTC-USDT-PERP:{zone.start_us}"]


def test_every_visit_counts_once_however_long_it_is() -> None:
    visits = [
        tick(60, END),  # the upper edge is not inside
        tick(61, END - 1),
        tick(62, LOW, END + 9),
        tick(63),  # no trade: still there
        tick(64, LOW),
        tick(65, END),
        tick(66, LOW - 5, LOW, END + 9),
    ]
    zone = found(begin() + visits)
    assert [one.values["tests"] for one in zone] == [0, 1, 2]
    assert [one.state.value for one in zone] == ["untested", "tested", "tested"]
    assert zone[2].event_time_us == visits[6].end_us
    assert len({one.id for one in zone}) == 1


def test_trades_on_both_sides_of_a_zone_do_not_enter_it() -> None:
    assert states(run(ZonesOperator(UNITS), [*begin(), tick(60, LOW - 1, END)])) == ["untested"]


def test_a_zone_that_its_bar_closed_in_has_to_be_left_first() -> None:
    seconds = begin(close=LOW + 1)
    assert len(found([*seconds, tick(60, LOW + 1)])) == 1
    assert len(found([*seconds, tick(60, END + 5), tick(61, LOW + 1)])) == 2


@pytest.mark.parametrize(
    ("side", "close", "ends"),
    [
        (1, LOW - 1, True),
        (1, LOW, False),
        (1, END + 500, False),
        (-1, END, True),
        (-1, END - 1, False),
        (-1, LOW - 500, False),
    ],
)
def test_a_close_beyond_the_far_edge_breaks_it(side: int, close: int, ends: bool) -> None:
    after = end_of(1, member(), bars=[bar(1, ohlc=(close, close, close, close))])
    seen = found([*begin(side), after])
    assert (seen[-1].state is EventState.BROKEN) is ends
    if ends:
        assert seen[-1].values["close_ticks"] == close
        assert len(seen[-1].evidence) == 2
        assert len(found([*begin(side), after, after])) == len(seen)


def test_a_trade_beyond_the_far_edge_breaks_nothing() -> None:
    assert states(run(ZonesOperator(UNITS), [*begin(), tick(60, LOW - 900)])) == ["untested"]


def test_partial_bars_make_no_zones_and_finer_rows_come_first() -> None:
    assert found(begin(status=Status.PARTIAL)) == []
    fine, coarse = zone_bar(), zone_bar(row_ticks=5 * ROW, close=END + 51)
    [zone] = found([end_of(0, member(), bars=[coarse, fine])])
    assert zone.values["row_ticks"] == ROW


def test_an_aggregate_takes_the_finest_rows_that_have_imbalances() -> None:
    """5.3, cross-venue warning: finer rows than twice the basis have none."""
    aggregate: dict[str, Any] = {"instrument": None, "scope": Scope.PERP, "names": BOTH}
    fine = zone_bar(imbalances_valid=False, **aggregate)
    coarse = zone_bar(row_ticks=5 * ROW, close=END + 900, **aggregate)
    members = (member(), member(BYBIT))
    [zone] = found([end_of(0, *members, bars=[fine, coarse])])
    assert (zone.scope, zone.values["row_ticks"], zone.venues) == (Scope.PERP, 5 * ROW, BOTH)
    later = second(60, member(), member(BYBIT, trades=at(60, LOW, instrument=BYBIT)))
    assert states(run(ZonesOperator(UNITS), [end_of(0, *members, bars=[coarse]), later])) == [
        "untested",
        "tested",
    ]


@pytest.mark.parametrize("jump", [False, True])
def test_after_a_gap_the_number_of_tests_is_not_known(jump: bool) -> None:
    gap = [] if jump else [second(60, member(there=DOWN))]
    seen = found([*begin(), *gap, tick(61, LOW)])
    assert seen[-1].values["tests"] is None
    assert seen[-1].values["tests_seen"] == 1
    assert seen[-1].null_reasons["tests"] == "gap"
    assert seen[-1].status is Status.PARTIAL


def test_an_unfinished_high_is_a_level_until_a_trade_goes_beyond_it() -> None:
    made = bar(0, ohlc=(LOW, HIGH, LOW, LOW), unfinished_high=True, unfinished_low=False)
    level, through = found([end_of(0, member(), bars=[made]), tick(60, HIGH), tick(61, HIGH + 1)])
    assert (level.kind, level.side) == (EventKind.UNFINISHED_AUCTION, EventSide.BUY)
    assert (level.low_ticks, level.high_ticks) == (HIGH, HIGH + 1)
    assert level.values["row_ticks"] == ROW
    assert through.state is EventState.TRADED_THROUGH
    assert through.event_time_us == level.event_time_us + 2_000_000


def test_an_unfinished_low_is_the_mirror() -> None:
    made = bar(0, ohlc=(LOW, HIGH, LOW, LOW), unfinished_high=False, unfinished_low=True)
    level, through = found([end_of(0, member(), bars=[made]), tick(60, LOW), tick(61, LOW - 1)])
    assert (level.side, level.low_ticks) == (EventSide.SELL, LOW)
    assert through.state is EventState.TRADED_THROUGH
    assert through.event_time_us == level.event_time_us + 2_000_000


def test_what_is_too_old_or_too_much_expires() -> None:
    minutes = [
        end_of(n, member(), bars=[bar(n, ohlc=ABOVE, stacks=[stack(1, LOW - n * ROW, HIGH)])])
        for n in range(3)
    ]
    assert states(run(ZonesOperator(UNITS, ZonesParams(most=2)), minutes)) == [
        *["untested"] * 3,
        "expired",
    ]
    old = found(minutes, ZonesParams(life_seconds=60))
    assert [one.state.value for one in old].count("expired") == 2
    assert old[1].id == old[2].id or old[0].id == old[2].id


def random_seconds(seed: int) -> list[Second]:
    chance = random.Random(seed)
    price, seconds = PRICE, []
    for number in range(2400):
        members = []
        for instrument in (BINANCE, BYBIT):
            price += chance.choice([-90, -10, 0, 10, 90])
            prices = [price + chance.choice([-60, 0, 60]) for _ in range(chance.randrange(3))]
            there = DOWN if chance.random() < 0.003 else (1_000_000, member().trade_stream.state)  # type: ignore[union-attr]
            trades = at(number, *prices, instrument=instrument) if there != DOWN else []
            members.append(member(instrument, trades=trades, there=there))
        bars = []
        if number % 60 == 59:
            aggregate = {"instrument": None, "scope": Scope.PERP, "names": BOTH}
            scopes: list[dict[str, Any]] = [{}, aggregate]
            for fields in scopes:
                low = price - price % ROW + chance.randrange(-6, 6) * ROW
                bars.append(
                    bar(
                        number // 60,
                        ohlc=(price, price + 90, price - 90, price),
                        stacks=[stack(chance.choice([1, -1]), low, low + 3 * ROW)],
                        unfinished_high=chance.random() < 0.5,
                        unfinished_low=chance.random() < 0.5,
                        **fields,
                    )
                )
        if number % 60 == 59 or chance.random() < 0.99:
            made = second(number, *members)
            made.bars = bars
            seconds.append(made)
    return seconds


def test_restarts_change_nothing() -> None:
    seconds = random_seconds(5)
    params = ZonesParams(most=3)
    expected = run(ZonesOperator(UNITS, params), seconds)
    assert set(states(expected)) == {"untested", "tested", "broken", "traded_through", "expired"}
    assert run_with_restarts(lambda: ZonesOperator(UNITS, params), seconds) == expected


def test_tests_are_those_that_a_plain_replay_counts() -> None:
    """Oracle: each zone by itself, over the trades of its scope after it was made."""
    seconds = random_seconds(6)
    seen = [
        one
        for one in found(seconds, ZonesParams(most=10_000))
        if one.kind is EventKind.STACKED_IMBALANCE
    ]
    zones = [one for one in seen if one.state is EventState.UNTESTED]
    assert len(zones) == 80
    for zone in zones:
        own = [one for one in seen if one.id == zone.id]
        over = next((e.event_time_us for e in own if e.state is EventState.BROKEN), 1 << 62)
        made = next(s for s in seconds if s.end_us == zone.event_time_us)
        close = next(b.close_ticks for b in made.bars if b.scope is zone.scope)
        assert close is not None
        assert zone.low_ticks is not None
        assert zone.high_ticks is not None
        inside = zone.low_ticks <= close < zone.high_ticks
        times = []
        for one in seconds:
            prices = [
                t[3]
                for name, m in one.members.items()
                if zone.scope is Scope.PERP or name == BOTH[0]
                for t in m.trades
            ]
            if zone.event_time_us < one.end_us <= over and prices:
                was, inside = inside, any(zone.low_ticks <= p < zone.high_ticks for p in prices)
                if inside and not was:
                    times.append(one.end_us)
        assert [e.event_time_us for e in own if e.state is EventState.TESTED] == times


def test_parameters_that_mean_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="must be 1 or more"):
        ZonesParams(most=0)


def worked_bar(stack_min: int) -> FootprintBar:
    """Return the golden bar of 5.4, whose rows are 20 high."""
    ladder, params = worked(), ImbalanceParams(stack_min=stack_min)
    ends = unfinished(ladder)
    return bar(
        0,
        ohlc=(64_060, 64_120, 64_040, 64_080),
        row_ticks=20,
        stacks=stacks(ladder, marks(ladder, params), params),
        unfinished_high=ends.high,
        unfinished_low=ends.low,
    )


def test_the_worked_bar_leaves_two_levels_and_no_zone() -> None:
    """Golden bar of 5.4: no stack of 3, unfinished at both ends; trap 14."""
    seen = found([end_of(0, member(), bars=[worked_bar(3)])])
    assert [(one.kind, one.low_ticks) for one in seen] == [
        (EventKind.UNFINISHED_AUCTION, 64_120),
        (EventKind.UNFINISHED_AUCTION, 64_040),
    ]
    seen = found([end_of(0, member(), bars=[worked_bar(2)])])
    [zone] = [one for one in seen if one.kind is EventKind.STACKED_IMBALANCE]
    assert (zone.low_ticks, zone.high_ticks, zone.side) == (64_100, 64_140, EventSide.BUY)
    assert zone.values["dominant_lots"] == 650
