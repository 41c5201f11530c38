"""Bars that trades close (definitions 5.1, 5.16), beside an oracle that goes trade by trade."""

from fractions import Fraction
from typing import NamedTuple

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.bars_by_trade import series
from processors.bars_by_trade.spec import DEFAULT_SPECS, BarParams, BarSpec
from processors.operator import Output
from processors.operators import bars as module
from processors.operators.bars import BarsOperator
from processors.seconds.second import MemberSecond, Second
from processors.trades import Trade
from processors.units import DEFAULT_UNITS
from schemas.bars import BarClose, BarRule, TradeBar
from schemas.lineage import Status
from schemas.market import FeedState, Scope
from schemas.topics import BARS
from schemas.units import US_PER_DAY, US_PER_SECOND
from tests.processors.operators.tapes import (
    INSTRUMENTS,
    MIDNIGHT,
    random_seconds,
    tape,
)
from tests.processors.seconds.builders import (
    ASSET,
    BINANCE,
    BINANCE_SPOT,
    BYBIT,
    DOWN,
    LIVE,
    NOON_SECOND,
    OKX,
    UNITS,
    member,
    run,
    run_with_restarts,
    second,
    trade,
)

NOON_US = NOON_SECOND * US_PER_SECOND
DAY_US = NOON_US - US_PER_DAY // 2
BUY, SELL, UNKNOWN = 1, -1, 0
ALL_SPECS = (
    BarSpec(BarRule.TICK, "7"),
    BarSpec(BarRule.VOLUME, "0.05"),
    BarSpec(BarRule.VOLUME, "0.05", split=True),
    BarSpec(BarRule.NOTIONAL, "40"),
    BarSpec(BarRule.RANGE, "1.5"),
    BarSpec(BarRule.DELTA, "0.03"),
)


def operator(*specs: BarSpec, seconds: int = 1) -> BarsOperator:
    params = BarParams(specs={ASSET: specs}, provisional_seconds=seconds)
    return BarsOperator(ASSET, UNITS, params)


def records(outputs: list[Output]) -> list[TradeBar]:
    assert {(output.topic, output.key) for output in outputs} <= {(BARS.name, ASSET)}
    found = [output.record for output in outputs]
    assert all(isinstance(record, TradeBar) for record in found)
    return [record for record in found if isinstance(record, TradeBar)]


def made(spec: BarSpec, *seconds: Second, scope: Scope = Scope.VENUE) -> list[TradeBar]:
    """Return the bars of one rule, each as it was sent last."""
    latest: dict[tuple[str, str, int, int], TradeBar] = {}
    for bar in records(run(operator(spec), seconds)):
        if bar.scope is scope:
            latest[bar.venue, bar.symbol, bar.day_start_us, bar.index] = bar
    return list(latest.values())


def lots(bar: TradeBar) -> int:
    return bar.buy_lots + bar.sell_lots + bar.unknown_lots


def trades_of(bar: TradeBar) -> int:
    return bar.trades_buy + bar.trades_sell + bar.trades_unknown


def one_second(*trades: tuple[int, int, int]) -> Second:
    """Return a second with trades `(price, qty, side)` of one instrument, 10 us apart."""
    taken = [trade(0, *one, at_us=10 * place, rank=place) for place, one in enumerate(trades)]
    return second(0, member(BINANCE, trades=taken))


def quantities(*qtys: int) -> Second:
    return one_second(*[(10_000, qty, BUY) for qty in qtys])


# --- definitions 5.16


def test_a_volume_bar_keeps_the_crossing_trade_whole_and_records_the_overshoot() -> None:
    first, second_ = made(BarSpec(BarRule.VOLUME, "0.01"), quantities(6, 6, 9))
    assert (lots(first), first.overshoot_lots, first.is_final) == (12, 2, True)
    assert (lots(second_), second_.overshoot_lots, second_.is_final) == (9, None, False)
    assert second_.null_reasons["overshoot_lots"] == "still_open"


def test_a_split_volume_bar_cuts_the_crossing_trade_exactly() -> None:
    found = made(BarSpec(BarRule.VOLUME, "0.01", split=True), quantities(6, 6, 9))
    assert [lots(bar) for bar in found] == [10, 10, 1]
    assert [bar.overshoot_lots for bar in found] == [0, 0, None]
    assert [bar.is_final for bar in found] == [True, True, False]
    assert [trades_of(bar) for bar in found] == [2, 1, 0]
    assert [bar.open_ticks for bar in found] == [10_000] * 3


@pytest.mark.parametrize(
    ("trades", "highest", "lowest", "close"),
    [([(5, BUY), (8, SELL), (4, BUY)], 5, -3, 1), ([(2, SELL), (1, BUY)], 0, -2, -1)],
)
def test_delta_path(trades: list[tuple[int, int]], highest: int, lowest: int, close: int) -> None:
    (bar,) = made(
        BarSpec(BarRule.TICK, str(len(trades))), one_second(*[(10_000, *one) for one in trades])
    )
    assert (bar.delta_max_lots, bar.delta_min_lots, bar.delta_lots) == (highest, lowest, close)


def test_an_unknown_side_is_volume_and_never_delta() -> None:
    (bar,) = made(
        BarSpec(BarRule.TICK, "3"),
        one_second((10_000, 3, BUY), (20_000, 2, UNKNOWN), (30_000, 1, SELL)),
    )
    assert (lots(bar), bar.delta_lots) == (6, 2)
    assert (bar.trades_buy, bar.trades_unknown, bar.trades_sell) == (1, 1, 1)
    assert (bar.buy_usd_cents, bar.unknown_usd_cents, bar.sell_usd_cents) == (30, 40, 30)
    assert bar.vwap == pytest.approx(100_000 / 6 / 100)


def test_the_trade_at_midnight_belongs_to_the_new_day() -> None:
    """Definitions 5.1 (reset) and 5.16 (bar edge)."""
    last = trade(MIDNIGHT - 1, 10_000, 2, BUY, at_us=999_999)
    first = trade(MIDNIGHT, 10_000, 3, SELL)
    old, new = made(
        BarSpec(BarRule.TICK, "10"),
        second(MIDNIGHT - 1, member(BINANCE, trades=[last])),
        second(MIDNIGHT, member(BINANCE, trades=[first])),
    )
    midnight_us = DAY_US + US_PER_DAY
    assert (old.delta_lots, old.closed_by, old.is_final) == (2, BarClose.DAY, True)
    assert old.bar_end_us == midnight_us == new.day_start_us == new.bar_start_us
    assert (new.delta_lots, new.index, new.is_final) == (-3, 0, False)
    assert old.null_reasons["overshoot_lots"] == "closed_by_the_day"


# --- definitions 5.1, rule by rule


def test_the_nth_trade_closes_a_tick_bar() -> None:
    first, rest = made(BarSpec(BarRule.TICK, "3"), quantities(1, 2, 4, 8))
    assert (lots(first), trades_of(first), first.closed_by) == (7, 3, BarClose.THRESHOLD)
    assert (lots(rest), rest.bar_start_us) == (8, first.bar_end_us)
    assert first.bar_end_us == first.last_trade_time_us == NOON_US + 20
    assert first.overshoot_lots is None


def test_a_notional_bar_closes_at_its_threshold_and_records_the_overshoot_in_cents() -> None:
    first, rest = made(
        BarSpec(BarRule.NOTIONAL, "1"), one_second(*[(10_000, 4, BUY)] * 3, (10_000, 1, SELL))
    )
    assert (lots(first), first.overshoot_usd_cents) == (12, 20)
    assert (lots(rest), rest.overshoot_usd_cents) == (1, None)


def test_exactly_the_threshold_closes_without_overshoot() -> None:
    first, rest = made(BarSpec(BarRule.VOLUME, "0.01"), quantities(4, 6, 1))
    assert (lots(first), first.overshoot_lots, lots(rest)) == (10, 0, 1)


def test_the_trade_that_exceeds_the_range_opens_the_next_bar() -> None:
    first, rest = made(
        BarSpec(BarRule.RANGE, "0.1"),
        one_second((10_000, 1, BUY), (10_010, 2, BUY), (10_011, 4, SELL)),
    )
    assert (first.low_ticks, first.high_ticks, lots(first)) == (10_000, 10_010, 3)
    assert (rest.open_ticks, lots(rest), rest.is_final) == (10_011, 4, False)
    assert first.bar_end_us == rest.bar_start_us == rest.first_trade_time_us
    assert first.last_trade_time_us == NOON_US + 10


def test_a_trade_beyond_twice_the_range_opens_one_bar_and_no_phantoms() -> None:
    found = made(BarSpec(BarRule.RANGE, "0.1"), one_second((10_000, 1, BUY), (10_500, 1, BUY)))
    assert [(bar.index, bar.low_ticks, bar.high_ticks) for bar in found] == [
        (0, 10_000, 10_000),
        (1, 10_500, 10_500),
    ]


@pytest.mark.parametrize("side", [BUY, SELL])
def test_a_delta_bar_includes_the_closing_trade_and_keeps_the_sign(side: int) -> None:
    first, rest = made(
        BarSpec(BarRule.DELTA, "0.005"),
        one_second((10_000, 4, side), (10_000, 9, UNKNOWN), (10_000, 3, side), (10_000, 1, -side)),
    )
    assert (first.delta_lots, lots(first), first.overshoot_lots) == (7 * side, 16, 2)
    assert rest.delta_lots == -side


def test_a_delta_that_touches_its_threshold_on_the_way_closes_there() -> None:
    first, rest = made(
        BarSpec(BarRule.DELTA, "0.005"), one_second((10_000, 5, SELL), (10_000, 9, BUY))
    )
    assert (first.delta_lots, rest.delta_lots) == (-5, 9)


def test_a_trade_of_many_bars_makes_as_many_and_the_last_takes_the_rest() -> None:
    most = series.MOST_BARS_OF_ONE_TRADE
    found = made(BarSpec(BarRule.VOLUME, "0.01", split=True), quantities(3, 10 * most + 45))
    assert [lots(bar) for bar in found] == [10] * (most - 1) + [58]
    assert [bar.overshoot_lots for bar in found[-2:]] == [0, 48]
    assert sum(trades_of(bar) for bar in found) == 2


# --- over venues


def test_over_venues_trades_are_in_order_of_time_member_and_rank() -> None:
    a = [trade(0, 10_000, 1, at_us=5, rank=9), trade(0, 10_001, 2, at_us=7)]
    b = [
        trade(0, 10_002, 4, instrument=BYBIT, at_us=5, rank=1),
        trade(0, 10_003, 8, instrument=BYBIT, at_us=6),
    ]
    one = second(0, member(BINANCE, trades=a), member(BYBIT, trades=b))
    found = made(BarSpec(BarRule.TICK, "1"), one, scope=Scope.PERP)
    assert [lots(bar) for bar in found] == [1, 4, 8, 2]
    assert [bar.index for bar in found] == [0, 1, 2, 3]
    assert found[0].venue == found[0].symbol == ""


def test_spot_and_perpetuals_are_never_mixed() -> None:
    spot = trade(0, 10_000, 5, instrument=BINANCE_SPOT)
    one = second(
        0,
        member(BINANCE, trades=[trade(0, 10_000, 3)]),
        member(BINANCE_SPOT, trades=[spot]),
    )
    spec = BarSpec(BarRule.TICK, "1")
    assert [lots(bar) for bar in made(spec, one, scope=Scope.SPOT)] == [5]
    assert [lots(bar) for bar in made(spec, one, scope=Scope.PERP)] == [3]


# --- completeness (definitions 5.0, 5.14)


def quiet_day(*numbers: int, dead: tuple[int, ...] = ()) -> list[Second]:
    """Return seconds after midnight in which two venues were there, the second but for `dead`."""
    return [
        second(
            MIDNIGHT + number,
            member(BINANCE, trades=[trade(MIDNIGHT + number, 10_000, 1)]),
            member(BYBIT, there=DOWN if number in dead else LIVE),
        )
        for number in numbers
    ]


def by_index(bars: list[TradeBar]) -> dict[int, TradeBar]:
    return {bar.index: bar for bar in bars}


def test_a_venue_that_dies_in_the_middle_makes_the_bars_that_it_missed_partial() -> None:
    spec = BarSpec(BarRule.TICK, "2")
    found = by_index(made(spec, *quiet_day(*range(6), dead=(3,)), scope=Scope.PERP))
    assert [found[n].completeness.status for n in range(3)] == [
        Status.COMPLETE,
        Status.PARTIAL,
        Status.PARTIAL,  # it began in the second that the one before ended in
    ]
    hit = found[1].completeness
    assert hit.venues_complete == ["binance:BTC-USDT-PERP"]
    assert hit.venues_partial == ["bybit:BTC-USDT-PERP"]
    assert hit.coverage_ms == {"binance:BTC-USDT-PERP": 3000, "bybit:BTC-USDT-PERP": 2000}
    assert hit.feed_states["bybit:BTC-USDT-PERP"] is FeedState.DOWN
    assert [found[n].aligned for n in range(3)] == [True, False, False]
    own = by_index(made(spec, *quiet_day(*range(6), dead=(3,))))
    assert all(bar.completeness.status is Status.COMPLETE and bar.aligned for bar in own.values())


def test_a_bar_that_is_open_over_a_jump_goes_on_and_is_partial() -> None:
    spec = BarSpec(BarRule.TICK, "4")
    found = by_index(made(spec, *quiet_day(0, 1, 20, 21, 22)))
    assert trades_of(found[0]) == 4
    assert found[0].completeness.status is Status.PARTIAL
    assert found[0].completeness.coverage_ms == {"binance:BTC-USDT-PERP": 4000}
    assert found[0].bar_end_us - found[0].bar_start_us == 21 * US_PER_SECOND
    assert (found[1].completeness.status, found[1].aligned) == (Status.COMPLETE, False)


def test_a_day_that_was_not_seen_from_its_beginning_starts_with_a_partial_bar() -> None:
    (bar,) = made(BarSpec(BarRule.TICK, "9"), quantities(1))
    assert (bar.bar_start_us, bar.index, bar.aligned) == (DAY_US, 0, False)
    assert bar.completeness.status is Status.PARTIAL


def test_a_jump_over_midnight_closes_the_old_day_at_its_end() -> None:
    spec = BarSpec(BarRule.TICK, "9")
    before = second(MIDNIGHT - 50, member(BINANCE, trades=[trade(MIDNIGHT - 50, 10_000, 1)]))
    after = second(MIDNIGHT + 30, member(BINANCE, trades=[trade(MIDNIGHT + 30, 10_000, 2)]))
    old, new = made(spec, before, after)
    assert (old.closed_by, old.bar_end_us, lots(old)) == (BarClose.DAY, new.bar_start_us, 1)
    assert old.revision == after.revision
    assert old.completeness.coverage_ms == {"binance:BTC-USDT-PERP": 1000}
    assert (new.bar_start_us, lots(new)) == (DAY_US + US_PER_DAY, 2)
    assert new.completeness.status is Status.PARTIAL


def test_trades_of_an_instrument_without_a_stream_are_taken_and_stand_behind_nothing() -> None:
    gone = member(BINANCE, trades=[trade(MIDNIGHT, 10_000, 1)], there=(0, FeedState.NOT_LISTED))
    (bar,) = made(BarSpec(BarRule.TICK, "1"), second(MIDNIGHT, gone))
    assert (lots(bar), bar.aligned, bar.completeness.status) == (1, False, Status.GAP)


def test_a_venue_that_is_not_listed_is_not_expected() -> None:
    gone = member(BYBIT, there=(0, FeedState.NOT_LISTED))
    one = second(MIDNIGHT, member(BINANCE, trades=[trade(MIDNIGHT, 10_000, 1)]), gone)
    (bar,) = made(BarSpec(BarRule.TICK, "1"), one, scope=Scope.PERP)
    assert bar.completeness.venues_expected == ["binance:BTC-USDT-PERP"]
    assert bar.completeness.status is Status.COMPLETE


def test_a_venue_that_left_is_expected_in_the_bars_that_it_was_listed_in() -> None:
    seconds = []
    for number in range(3):
        at = MIDNIGHT + number
        there = LIVE if number == 0 else (0, FeedState.NOT_LISTED)
        alive = member(BINANCE, trades=[trade(at, 10_000, 1)])
        seconds.append(second(at, alive, member(BYBIT, there=there)))
    found = by_index(made(BarSpec(BarRule.TICK, "1"), *seconds, scope=Scope.PERP))
    both = ["binance:BTC-USDT-PERP", "bybit:BTC-USDT-PERP"]
    assert [found[n].completeness.venues_expected for n in range(3)] == [both, both, both[:1]]
    assert [found[n].completeness.status for n in range(3)] == [
        Status.COMPLETE,
        Status.PARTIAL,
        Status.COMPLETE,
    ]


# --- provisional bars


def test_an_open_bar_is_sent_once_a_second_and_only_if_it_changed() -> None:
    traded = member(BINANCE, trades=[trade(0, 10_000, 1)])
    outputs = [
        records(operator_.on_second(one))
        for operator_ in [operator(BarSpec(BarRule.TICK, "5"))]
        for one in (
            second(0, traded),
            second(1, member(BINANCE)),
            second(2, member(BINANCE, trades=[trade(2, 10_000, 2), trade(2, 10_000, 4, rank=1)])),
        )
    ]
    assert [[(b.scope, lots(b), b.is_final) for b in sent] for sent in outputs] == [
        [(Scope.PERP, 1, False), (Scope.VENUE, 1, False)],
        [],
        [(Scope.PERP, 7, False), (Scope.VENUE, 7, False)],
    ]
    assert outputs[2][0].bar_end_us == NOON_US + 3 * US_PER_SECOND


def test_a_slower_pace_holds_changes_back_until_it_is_time() -> None:
    one = operator(BarSpec(BarRule.TICK, "50"), seconds=4)
    sent = []
    for number in range(9):
        trades = [trade(number, 10_000, 1)] if number in (0, 2) else []
        sent.append(len(one.on_second(second(number, member(BINANCE, trades=trades)))))
    assert sent == [0, 0, 0, 2, 0, 0, 0, 0, 0]


def test_a_bar_that_closes_with_the_second_leaves_nothing_to_send() -> None:
    sent = records(operator(BarSpec(BarRule.TICK, "2")).on_second(quantities(1, 1)))
    assert [(bar.scope, bar.is_final) for bar in sent] == [(Scope.VENUE, True), (Scope.PERP, True)]


# --- parameters


def test_every_default_threshold_is_on_its_assets_grid() -> None:
    for asset, specs in DEFAULT_SPECS.items():
        assert {spec.rule for spec in specs} == set(BarRule)
        assert all(spec.limit(DEFAULT_UNITS[asset]) > 1 for spec in specs)


def test_an_asset_without_thresholds_has_no_such_bars() -> None:
    assert BarsOperator("PEPE", UNITS).on_second(quantities(1, 2)) == []
    assert BarsOperator(ASSET, UNITS, BarParams(specs={ASSET: ()})).on_second(quantities(1)) == []


@pytest.mark.parametrize(
    ("rule", "threshold", "split"),
    [
        (BarRule.TICK, "0", False),
        (BarRule.TICK, "1.5", False),
        (BarRule.VOLUME, "-1", False),
        (BarRule.RANGE, "5", True),
    ],
)
def test_a_rule_without_meaning_is_refused(rule: BarRule, threshold: str, split: bool) -> None:
    with pytest.raises(ValueError, match=r"threshold|whole numbers|plain decimal|split"):
        BarSpec(rule, threshold, split)


def test_a_threshold_off_the_grid_and_other_nonsense_are_refused() -> None:
    with pytest.raises(ValueError, match="whole multiple"):
        operator(BarSpec(BarRule.VOLUME, "0.0005"))
    with pytest.raises(ValueError, match="twice"):
        BarParams(specs={ASSET: (ALL_SPECS[0], ALL_SPECS[0])})
    with pytest.raises(ValueError, match="a second or more"):
        BarParams(provisional_seconds=0)


def test_parameters_change_the_hash() -> None:
    def named(*specs: BarSpec) -> str:
        return records(operator(*specs).on_second(quantities(1)))[0].params

    assert named(ALL_SPECS[0]) == named(ALL_SPECS[0]) != named(BarSpec(BarRule.TICK, "8"))


# --- the oracle


class Simple(NamedTuple):
    """What of a bar the oracle works out."""

    start_us: int
    end_us: int
    first_us: int
    last_us: int
    ohlc: tuple[int, int, int, int]
    lots: dict[int, int]
    trades: dict[int, int]
    notional: dict[int, int]
    path: tuple[int, int, int]
    open: bool


class Oracle:
    """Takes one trade after the other, as the definition is written."""

    def __init__(self, spec: BarSpec) -> None:
        self.spec = spec
        self.limit = spec.limit(UNITS)
        self.bars: list[Simple] = []
        self.parts: list[tuple[int, int, int, int, bool]] = []
        self.start_us = 0

    def _worth(self) -> int:
        match self.spec.rule:
            case BarRule.TICK:
                return sum(counts for *_, counts in self.parts)
            case BarRule.VOLUME:
                return sum(qty for _, _, qty, _, _ in self.parts)
            case BarRule.NOTIONAL:
                return sum(price * qty for _, price, qty, _, _ in self.parts)
            case BarRule.DELTA:
                return abs(sum(qty * side for _, _, qty, side, _ in self.parts))
        prices = [price for _, price, *_ in self.parts]
        return max(prices) - min(prices)

    def take(self, one: Trade) -> None:
        time_us, _, _, price, qty, side = one
        if self.spec.split:
            begins = True
            while qty:
                part = min(qty, self.limit - self._worth())
                self.parts.append((time_us, price, part, side, begins))
                qty, begins = qty - part, False
                if self._worth() == self.limit:
                    self.close(time_us)
            return
        self.parts.append((time_us, price, qty, side, True))
        if self.spec.rule is BarRule.RANGE:
            if self._worth() > self.limit:
                opens = self.parts.pop()
                self.close(time_us)
                self.parts.append(opens)
        elif self._worth() >= self.limit:
            self.close(time_us)

    def close(self, end_us: int, *, still_open: bool = False) -> None:
        if not self.parts:
            return
        prices = [price for _, price, *_ in self.parts]
        lots, counts, notional = (dict.fromkeys((BUY, SELL, UNKNOWN), 0) for _ in range(3))
        for _, price, qty, side, begins in self.parts:
            lots[side] += qty
            counts[side] += int(begins)
            notional[side] += price * qty
        path = [0]
        for _, _, qty, side, _ in self.parts:
            path.append(path[-1] + qty * side)
        self.bars.append(
            Simple(
                self.start_us,
                end_us,
                self.parts[0][0],
                self.parts[-1][0],
                (prices[0], max(prices), min(prices), prices[-1]),
                lots,
                counts,
                notional,
                (path[-1], max(path), min(path)),
                still_open,
            )
        )
        self.start_us, self.parts = end_us, []


def expected(spec: BarSpec, trades: list[Trade], until_us: int) -> list[Simple]:
    found: list[Simple] = []
    for day_us in sorted({one[0] // US_PER_DAY * US_PER_DAY for one in trades}):
        oracle = Oracle(spec)
        oracle.start_us = day_us
        for one in trades:
            if day_us <= one[0] < day_us + US_PER_DAY:
                oracle.take(one)
        still_open = until_us < day_us + US_PER_DAY
        oracle.close(until_us if still_open else day_us + US_PER_DAY, still_open=still_open)
        found += oracle.bars
    return found


def agrees(bar: TradeBar, simple: Simple) -> bool:
    assert (bar.bar_start_us, bar.first_trade_time_us) == (simple.start_us, simple.first_us)
    assert simple.open or bar.bar_end_us == simple.end_us
    assert bar.last_trade_time_us == simple.last_us
    assert (bar.open_ticks, bar.high_ticks, bar.low_ticks, bar.close_ticks) == simple.ohlc
    assert (bar.buy_lots, bar.sell_lots, bar.unknown_lots) == tuple(simple.lots.values())
    assert (bar.trades_buy, bar.trades_sell, bar.trades_unknown) == tuple(simple.trades.values())
    cents = [round(Fraction(worth, UNITS.notional_per_cent)) for worth in simple.notional.values()]
    assert [bar.buy_usd_cents, bar.sell_usd_cents, bar.unknown_usd_cents] == cents
    assert (bar.delta_lots, bar.delta_max_lots, bar.delta_min_lots) == simple.path
    assert bar.vwap == sum(simple.notional.values()) / (lots(bar) * UNITS.price_denominator)
    return bar.is_final is not simple.open


def names_of(bar: TradeBar) -> list[str]:
    if bar.scope is Scope.VENUE:
        return [f"{bar.venue}:{bar.symbol}"]
    perp = bar.scope is Scope.PERP
    return [":".join(one) for one in INSTRUMENTS if one[1].endswith("PERP") is perp]


@settings(max_examples=12, deadline=None)
@given(
    st.integers(0, 10**9),
    st.sampled_from([0, MIDNIGHT - 20]),
    st.sampled_from([6, 40]),
    st.sampled_from([4, 256]),
)
def test_bars_are_those_of_going_trade_by_trade(
    seed: int, first: int, most: int, block: int
) -> None:
    seconds = random_seconds(seed, first, 30, most=most)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BLOCK_TRADES", block)
        sent = records(run(operator(*ALL_SPECS), seconds))
    for spec in ALL_SPECS:
        for scope, venue in {(b.scope, (b.venue, b.symbol)) for b in sent}:
            own = [
                bar
                for bar in sent
                if (bar.rule, bar.threshold, bar.split) == (spec.rule, spec.threshold, spec.split)
                and (bar.scope, (bar.venue, bar.symbol)) == (scope, venue)
            ]
            latest = {(bar.day_start_us, bar.index): bar for bar in own}
            trades = tape(seconds, names_of(own[0]))
            simple = expected(spec, trades, seconds[-1].end_us)
            assert len(latest) == len(simple)
            assert all(map(agrees, latest.values(), simple))
            assert sum(map(lots, latest.values())) == sum(one[4] for one in trades)
            assert sum(map(trades_of, latest.values())) == len(trades)


@pytest.mark.parametrize("seed", range(4))
def test_restarts_change_nothing(seed: int) -> None:
    seconds = random_seconds(seed, MIDNIGHT - 300, 120)
    undisturbed = run(operator(*ALL_SPECS, seconds=2), seconds)
    restarted = run_with_restarts(lambda: operator(*ALL_SPECS, seconds=2), seconds, seed)
    assert msgspec.json.encode(undisturbed) == msgspec.json.encode(restarted)
    assert any(bar.closed_by is BarClose.DAY for bar in records(undisturbed))


def test_the_state_does_not_grow_over_the_day() -> None:
    one = operator(*ALL_SPECS)
    sizes = []
    for each in random_seconds(3, 0, 400):
        one.on_second(each)
        sizes.append(len(msgspec.json.encode(one.snapshot().head)))
    assert max(sizes[200:]) < 1.2 * max(sizes[:200])
    assert one.snapshot().parts == {}
    assert not one.keeps("anything")


def test_a_split_bar_has_the_order_of_its_parts() -> None:
    """A trade cut in two opens the next bar at its own price and time."""
    first, rest = made(
        BarSpec(BarRule.VOLUME, "0.01", split=True),
        one_second((10_000, 8, BUY), (10_050, 5, SELL)),
    )
    assert (first.close_ticks, first.delta_lots, first.bar_end_us) == (10_050, 6, NOON_US + 10)
    assert (rest.open_ticks, rest.delta_lots, rest.first_trade_time_us) == (
        10_050,
        -3,
        NOON_US + 10,
    )


def test_members_are_expected_by_name() -> None:
    members: list[MemberSecond] = [
        member(OKX),
        member(BYBIT),
        member(BINANCE, trades=[trade(MIDNIGHT, 10_000, 1)]),
    ]
    (bar,) = made(BarSpec(BarRule.TICK, "1"), second(MIDNIGHT, *members), scope=Scope.PERP)
    assert bar.completeness.venues_expected == [
        "binance:BTC-USDT-PERP",
        "bybit:BTC-USDT-PERP",
        "okx:BTC-PERP",
    ]
