"""Delta divergence on confirmed pivots (definitions 5.5; traps 9, 15)."""

import random
from dataclasses import replace
from functools import partial

import msgspec
import pytest

from processors.divergence.pair import DivergenceParams, Pair, extends, lags, sigma, variance
from processors.divergence.runs import Bar
from processors.operators.divergence import DivergenceOperator
from processors.seconds.second import Second
from schemas.events import EventKind, EventSide, EventState, FlowEvent
from schemas.lineage import Status
from schemas.market import Scope
from schemas.units import US_PER_DAY, US_PER_MINUTE
from tests.processors.operators.footprint_bars import NOON_US, PRICE, bar, end_of, events, states
from tests.processors.seconds.builders import (
    BINANCE,
    BYBIT,
    OKX,
    UNITS,
    member,
    run,
    run_with_restarts,
)

PARAMS = DivergenceParams(min_samples=10)
A, B = 13, 23
"""Minutes of the two pivots."""
UP = 400
"""Ticks that B lies above A: half a basis point is 300."""


def price_of(minute: int) -> int:
    return {A: PRICE + 2000, B: PRICE + 2000 + UP}.get(minute, PRICE)


def delta_of(minute: int) -> int:
    """Deltas swing by 10 and leave CVD of B 100 below that of A."""
    return -100 if minute == B - 2 else (10 if minute % 2 else -10)


def minutes(
    length: int,
    price: object = price_of,
    delta: object = delta_of,
    *,
    instruments: tuple[tuple[str, str], ...] = (BINANCE,),
    sign: int = 1,
    first: int = 0,
) -> list[Second]:
    made = []
    for minute in range(first, first + length):
        bars = []
        at = price(minute - first)  # type: ignore[operator]
        change = delta(minute - first) * sign  # type: ignore[operator]
        low, high = (PRICE - 100, at) if sign > 0 else (2 * PRICE - at, PRICE + 100)
        for instrument in instruments:
            bars.append(
                bar(minute, ohlc=(PRICE, high, low, PRICE), delta=change, instrument=instrument)
            )
        if len(instruments) > 1:
            names = [":".join(one) for one in instruments]
            bars.append(
                bar(
                    minute,
                    ohlc=(PRICE, high, low, PRICE),
                    delta=change * len(instruments),
                    instrument=None,
                    scope=Scope.PERP,
                    names=names,
                )
            )
        made.append(end_of(minute, *(member(one) for one in instruments), bars=bars))
    return made


def found(seconds: list[Second], params: DivergenceParams = PARAMS) -> list[FlowEvent]:
    seen = events(run(DivergenceOperator(UNITS, params), seconds))
    return [one for one in seen if one.kind is EventKind.DELTA_DIVERGENCE]


def test_a_higher_high_with_lower_cvd_is_known_three_bars_later() -> None:
    assert found(minutes(B + 3)) == []
    [event] = found(minutes(B + 4))
    assert (event.state, event.side) == (EventState.CONFIRMED, EventSide.BUY)
    assert event.event_time_us == NOON_US + (B + 4) * US_PER_MINUTE
    assert event.values["first_bar_us"] == NOON_US + A * US_PER_MINUTE
    assert event.values["second_bar_us"] == NOON_US + B * US_PER_MINUTE
    assert event.values["bars_between"] == 10
    assert event.values["cvd_change_lots"] == sum(map(delta_of, range(A + 1, B + 1)))
    assert (event.values["first_price_ticks"], event.values["second_price_ticks"]) == (
        PRICE + 2000,
        PRICE + 2000 + UP,
    )
    assert (event.values["venues_agree"], event.values["strong"]) == (1, 0)
    assert event.evidence[1] == f"bar:venue:binance:BTC-USDT-PERP:{event.values['second_bar_us']}"


def test_lows_mirror_highs() -> None:
    [event] = found(minutes(B + 4, sign=-1))
    assert event.side is EventSide.SELL
    assert event.values["second_price_ticks"] == PRICE - 2000 - UP


@pytest.mark.parametrize(("up", "expected"), [(301, 1), (300, 0), (0, 0), (-50, 0)])
def test_the_price_goes_further_by_half_a_basis_point(up: int, expected: int) -> None:
    """Of 60,020.00: 300.1 ticks."""
    seconds = minutes(B + 4, lambda m: price_of(m) - UP + up if m == B else price_of(m))
    assert len(found(seconds)) == expected


def test_cvd_has_to_fall_behind_by_k_sigma_root_n() -> None:
    """Behind by 1 over 4 bars, where the variance of a bar's delta is 1 / 2: k may be 0.707."""
    deltas = [2, -2, 0, 0, 0, -1, 0, 0, 0, 0, 1, *[0] * 9]
    bars = [Bar(n, n + 1, 0, 0, delta) for n, delta in enumerate(deltas)]
    pair = Pair(4, 8)
    assert variance(bars) == (20 * 10, 400)
    assert sigma(bars) == 0.5**0.5
    assert lags(bars, pair, 1, DivergenceParams())
    assert not lags(bars, pair, -1, DivergenceParams())
    assert lags(bars, pair, 1, DivergenceParams(strength=(7, 10)))  # 0.49 * 0.5 * 4 = 0.98
    assert not lags(bars, pair, 1, DivergenceParams(strength=(3, 4)))  # 0.5625 * 0.5 * 4 = 1.125


def test_a_tie_of_both_conditions_is_enough() -> None:
    even = [Bar(n, n + 1, PRICE, 0, 0) for n in range(9)]
    assert lags(even, Pair(1, 7), 1, DivergenceParams())  # no deviation, no change
    higher = [even[0], even[1]._replace(high=20_000), even[2]._replace(high=20_001)]
    assert extends(higher, Pair(1, 2), 1)  # exactly half a basis point and one tick
    assert not extends([b._replace(high=b.high) for b in even], Pair(1, 2), 1)


@pytest.mark.parametrize(("apart", "expected"), [(4, 0), (5, 1), (60, 1), (61, 0)])
def test_pivots_are_5_to_60_bars_apart(apart: int, expected: int) -> None:
    def price(minute: int) -> int:
        return {A: PRICE + 2000, A + apart: PRICE + 2400}.get(minute, PRICE)

    def delta(minute: int) -> int:
        return -100 if minute == A + 2 else (10 if minute % 2 else -10)

    assert len(found(minutes(A + apart + 4, price, delta))) == expected


def test_only_consecutive_pivots_are_compared() -> None:
    between = minutes(B + 4, lambda m: PRICE + 2395 if m == A + 5 else price_of(m))
    assert found(between) == []


def test_too_few_bars_have_no_deviation() -> None:
    assert found(minutes(B + 4), DivergenceParams(min_samples=B + 5)) == []
    assert len(found(minutes(B + 4), DivergenceParams(min_samples=B + 4))) == 1


def test_a_pair_across_midnight_is_none() -> None:
    """Trap 9: divergence across a reset is meaningless."""
    across = 12 * 60 - A - 2
    assert found(minutes(B + 4, first=across)) == []
    params = DivergenceParams(min_samples=10, reset_daily=False)
    assert len(found(minutes(B + 4, first=across), params)) == 1


def test_cvd_beyond_the_first_with_price_at_the_second_invalidates() -> None:
    back = B + 6
    for up, gain, last in ((0, 200, "invalidated"), (-1, 200, None), (0, 90, None)):
        seconds = minutes(
            back + 1,
            lambda m, up=up: price_of(B) + up if m == back else price_of(m),
            lambda m, gain=gain: gain if m == back else delta_of(m),
        )
        got = [one.state.value for one in found(seconds)]
        assert got == ["confirmed"] + ([last] if last else [])


def test_one_that_was_over_before_it_was_known_is_not_sent() -> None:
    seconds = minutes(
        B + 4,
        lambda m: price_of(B) if m == B + 1 else price_of(m),
        lambda m: 300 if m == B + 1 else delta_of(m),
    )
    assert found(seconds) == []


def test_cvd_has_to_exceed_that_of_the_first_and_not_only_reach_it() -> None:
    behind = -sum(map(delta_of, range(A + 1, B + 1)))
    for at in (B + 1, B + 6):
        missing = behind - sum(map(delta_of, range(B + 1, at)))
        for gain, over in ((missing, False), (missing + 1, True)):
            seen = found(
                minutes(
                    at + 4,
                    lambda m, at=at: price_of(B) if m == at else price_of(m),
                    lambda m, at=at, gain=gain: (
                        gain if m == at else (delta_of(m) if m < at else -50)
                    ),
                )
            )
            expected = [] if over and at == B + 1 else ["confirmed"]
            assert [e.state.value for e in seen] == expected + ["invalidated"] * (
                over and at == B + 6
            )


def test_it_is_followed_for_an_hour() -> None:
    confirmed, expired = found(minutes(B + 4 + 60))
    assert expired.state is EventState.EXPIRED
    assert expired.event_time_us - confirmed.event_time_us == 60 * US_PER_MINUTE


def test_a_gap_over_its_end_suspends_it_as_it_may_have_been_invalidated_unseen() -> None:
    seconds = minutes(B + 4 + 80)
    del seconds[B + 50 : B + 70]
    *_, ended = found(seconds)
    assert (ended.state, ended.values["cvd_since_lots"]) == (EventState.SUSPENDED, None)


def test_cvd_of_a_day_is_not_counted_beyond_midnight() -> None:
    """Trap 9: B is two bars before midnight, and known a bar after it."""
    first = 12 * 60 - B - 2
    seconds = minutes(B + 6, delta=lambda m: 500 if m >= B + 2 else delta_of(m), first=first)
    confirmed, expired = found(seconds)
    for event, state in ((confirmed, EventState.CONFIRMED), (expired, EventState.EXPIRED)):
        assert event.state is state
        assert event.values["cvd_since_lots"] == sum(map(delta_of, range(A + 1, B + 2)))
    back = {B + 3: PRICE + 2000 + UP}
    seconds = minutes(
        B + 6,
        lambda m: back.get(m, price_of(m)),
        lambda m: 500 if m >= B + 2 else delta_of(m),
        first=first,
    )
    assert [one.state for one in found(seconds)] == [EventState.CONFIRMED, EventState.EXPIRED]


@pytest.mark.parametrize("jump", [False, True])
def test_a_gap_suspends_what_is_followed_and_begins_anew(jump: bool) -> None:
    seconds = minutes(B + 30)
    gap = B + 10
    torn = bar(gap, status=Status.PARTIAL)
    seconds[gap] = replace(seconds[gap], bars=[] if jump else [torn])
    _, ended = found(seconds)
    assert ended.state is EventState.SUSPENDED
    assert ended.null_reasons == {"cvd_since_lots": "gap"}
    assert ended.status is Status.PARTIAL
    hole = A + 3
    seconds = minutes(B + 4)
    seconds[hole] = replace(seconds[hole], bars=[bar(hole, status=Status.GAP, ohlc=None)])
    assert found(seconds) == []


THREE = (BINANCE, BYBIT, OKX)
EXTREME = DivergenceParams(min_samples=10, at_extreme=True)


def with_paths(seconds: list[Second], paths: dict[int, int], sign: int = 1) -> list[Second]:
    """Let delta reach so far beyond both its ends in the bars of some minutes."""
    made = []
    for minute, one in enumerate(seconds):
        beyond = paths.get(minute, 0)
        bars = [
            msgspec.structs.replace(
                each,
                delta_max_lots=max(0, each.delta_lots) + (beyond if sign > 0 else 0),
                delta_min_lots=min(0, each.delta_lots) - (beyond if sign < 0 else 0),
            )
            for each in one.bars
        ]
        made.append(replace(one, bars=bars))
    return made


@pytest.mark.parametrize("sign", [1, -1])
def test_cvd_may_be_taken_at_its_extreme_within_the_bars_of_the_pivots(sign: int) -> None:
    """A reached 40 beyond its close and B 25: behind by 15 more than at the closes."""
    at_close = sum(map(delta_of, range(A + 1, B + 1)))
    assert (delta_of(A), delta_of(B)) == (10, 10)
    seconds = with_paths(minutes(B + 4, sign=sign), {A: 40, B: 25}, sign)
    [event] = found(seconds, EXTREME)
    assert event.values["cvd_change_lots"] == sign * (at_close + 25 - 40)
    [event] = found(seconds)
    assert event.values["cvd_change_lots"] == sign * at_close
    caught_up = with_paths(minutes(B + 4, sign=sign), {B: -at_close + 1}, sign)
    assert found(caught_up, EXTREME) == []
    assert len(found(caught_up)) == 1


def test_at_extremes_it_is_over_when_a_close_exceeds_the_first_extreme() -> None:
    back = B + 6
    for gain, over in ((200, True), (100 + 40, False)):
        seconds = minutes(
            back + 1,
            lambda m: price_of(B) if m == back else price_of(m),
            lambda m, gain=gain: gain if m == back else delta_of(m),
        )
        got = [one.state.value for one in found(with_paths(seconds, {A: 40}), EXTREME)]
        assert got == ["confirmed"] + ["invalidated"] * over


def test_at_extremes_the_bars_over_venues_are_those_of_the_aggregate() -> None:
    seconds = with_paths(minutes(B + 4, instruments=THREE), {})
    for minute, beyond in ((A, 70), (B, 5)):
        *own, all_of_them = seconds[minute].bars
        most = (all_of_them.delta_max_lots or 0) + beyond
        wider = msgspec.structs.replace(all_of_them, delta_max_lots=most)
        seconds[minute] = replace(seconds[minute], bars=[*own, wider])
    [event] = [one for one in found(seconds, EXTREME) if one.scope is Scope.PERP]
    assert event.values["cvd_change_lots"] == 3 * sum(map(delta_of, range(A + 1, B + 1))) - 65
    assert (event.values["venues_agree"], event.values["strong"]) == (3, 1)
    one = seconds[A + 2]
    fewer = [":".join(each) for each in THREE[:2]]
    other = bar(A + 2, instrument=None, scope=Scope.PERP, names=fewer, delta=-100)
    seconds[A + 2] = replace(one, bars=[*one.bars[:3], other])
    assert [one for one in found(seconds, EXTREME) if one.scope is Scope.PERP] == []


def test_venues_agree_over_the_same_pivots_and_all_of_three_are_strong() -> None:
    seen = found(minutes(B + 4, instruments=THREE))
    [event] = [one for one in seen if one.scope is Scope.PERP]
    assert len(seen) == 4
    assert (event.values["venues_agree"], event.values["venues_complete"]) == (3, 3)
    assert event.values["strong"] == 1
    assert event.venues == event.venues_expected == sorted(":".join(one) for one in THREE)


def test_a_venue_that_does_not_agree_makes_it_weak() -> None:
    seconds = minutes(B + 4, instruments=THREE)
    for minute, one in enumerate(seconds):
        bars = list(one.bars)
        bars[0] = bar(minute, ohlc=(PRICE, price_of(minute), PRICE - 100, PRICE), delta=1)
        seconds[minute] = replace(one, bars=bars)
    [event] = [one for one in found(seconds) if one.scope is Scope.PERP]
    assert (event.values["venues_agree"], event.values["strong"]) == (2, 0)


def test_three_of_four_venues_are_not_strong() -> None:
    seconds = minutes(B + 4, instruments=(*THREE, ("hyperliquid", "BTC-PERP")))
    for minute, one in enumerate(seconds):
        bars = list(one.bars)
        bars[0] = bar(minute, ohlc=(PRICE, price_of(minute), PRICE - 100, PRICE), delta=1)
        seconds[minute] = replace(one, bars=bars)
    [event] = [one for one in found(seconds) if one.scope is Scope.PERP]
    assert (event.values["venues_agree"], event.values["strong"]) == (3, 0)


def test_a_dead_venue_is_left_out_of_the_constant_composition() -> None:
    """5.0 and 5.16: what was not there for all bars is in neither price nor CVD."""
    seconds = minutes(B + 4, instruments=THREE)
    one = seconds[A + 2]
    partial = bar(A + 2, status=Status.PARTIAL, delta=10**9, instrument=OKX)
    seconds[A + 2] = replace(one, bars=[*one.bars[:2], partial, one.bars[3]])
    [event] = [one for one in found(seconds) if one.scope is Scope.PERP]
    assert event.values["venues_complete"] == 2
    assert event.values["strong"] == 0
    assert event.status is Status.PARTIAL
    assert event.values["cvd_change_lots"] == 2 * sum(map(delta_of, range(A + 1, B + 1)))


def test_streams_that_begin_together_are_one_composition_if_one_has_a_bar_more() -> None:
    """5.0: all of them are complete over the window of the pair, which the first bar is not in."""
    seconds = minutes(B + 4, instruments=THREE)
    shorter = [bar(0, status=Status.PARTIAL, instrument=one) for one in (BINANCE, BYBIT)]
    seconds[0] = replace(seconds[0], bars=[*shorter, *seconds[0].bars[2:]])
    [event] = [one for one in found(seconds) if one.scope is Scope.PERP]
    assert (event.values["venues_agree"], event.values["venues_complete"]) == (3, 3)
    assert (event.values["strong"], event.status) == (1, Status.COMPLETE)


def test_a_bar_against_its_delta_is_a_mismatch() -> None:
    for close, delta, expected in ((10, -5, 1), (-10, 5, 1), (10, 5, 0), (0, 5, 0), (10, 0, 0)):
        ohlc = (PRICE, PRICE + 20, PRICE - 20, PRICE + close)
        seconds = [end_of(0, member(), bars=[bar(0, ohlc=ohlc, delta=delta)])]
        seen = events(run(DivergenceOperator(UNITS), seconds))
        assert len(seen) == expected
        for one in seen:
            assert one.kind is EventKind.BAR_DELTA_MISMATCH
            assert one.values == {"delta_lots": delta, "move_ticks": close}
    partial = [bar(0, ohlc=ohlc, delta=-5, status=Status.PARTIAL), bar(0, ohlc=None)]
    assert run(DivergenceOperator(UNITS), [end_of(0, bars=[one]) for one in partial]) == []


def walk(seed: int, length: int) -> list[Second]:
    chance = random.Random(seed)
    price, seconds = PRICE, []
    for minute in range(length):
        bars = []
        price += chance.randrange(-900, 900)
        for instrument in THREE:
            low, high = price - chance.randrange(900), price + chance.randrange(900)
            status = Status.PARTIAL if chance.random() < 0.01 else Status.COMPLETE
            bars.append(
                bar(
                    minute,
                    ohlc=(price, high, low, price + chance.choice([-1, 0, 1])),
                    delta=chance.randrange(-50, 51),
                    instrument=instrument,
                    status=status,
                )
            )
        names = [":".join(one) for one in THREE]
        bars.append(bar(minute, instrument=None, scope=Scope.PERP, names=names))
        seconds.append(end_of(minute, *(member(one) for one in THREE), bars=bars))
    return seconds


def test_restarts_change_nothing() -> None:
    seconds = walk(7, 1200)
    for params in (PARAMS, EXTREME):
        expected = run(DivergenceOperator(UNITS, params), seconds)
        assert {"confirmed", "invalidated", "expired", "suspended"} <= set(states(expected))
        again = run_with_restarts(partial(DivergenceOperator, UNITS, params), seconds)
        assert again == expected


def test_divergences_of_an_instrument_are_those_that_brute_force_finds() -> None:
    """Oracle: every pair of pivots of the bars known at each minute, with floats."""
    seconds = [replace(one, bars=[one.bars[0]]) for one in walk(8, 600)]
    seconds = [s for s in seconds if s.bars[0].completeness.status is Status.COMPLETE]
    got = {
        (one.end_us - US_PER_MINUTE, one.side)
        for one in found(seconds)
        if one.state is EventState.CONFIRMED
    }
    assert got == brute_force([one.bars[0] for one in seconds])
    assert len(got) > 5


def brute_force(bars: list[object]) -> set[tuple[int, EventSide]]:
    found_pairs: set[tuple[int, EventSide]] = set()
    run_of: list[object] = []
    for newest in bars:
        if run_of and run_of[-1].bar_end_us != newest.bar_start_us:  # type: ignore[attr-defined]
            run_of = []
        run_of = [*run_of, newest][-100:]
        if len(run_of) < 10:
            continue
        for sign, side in ((1, EventSide.BUY), (-1, EventSide.SELL)):
            prices = [sign * (b.high_ticks if sign > 0 else b.low_ticks) for b in run_of]  # type: ignore[attr-defined]
            deltas = [sign * b.delta_lots for b in run_of]  # type: ignore[attr-defined]
            at = [
                i
                for i in range(3, len(prices) - 3)
                if max(prices[i - 3 : i]) < prices[i] >= max(prices[i + 1 : i + 4])
            ]
            if len(at) < 2 or at[-1] != len(prices) - 4:
                continue
            a, b = at[-2:]
            mean = sum(deltas) / len(deltas)
            deviation = (sum((d - mean) ** 2 for d in deltas) / len(deltas)) ** 0.5
            days = {run_of[i].bar_start_us // US_PER_DAY for i in (a, b)}  # type: ignore[attr-defined]
            behind = -sum(deltas[a + 1 : b + 1])
            later = [(sum(deltas[a + 1 : i + 1]), prices[i]) for i in range(b + 1, len(prices))]
            if (
                5 <= b - a <= 60
                and len(days) == 1
                and prices[b] - prices[a] >= abs(prices[a]) * 0.5 / 10_000
                and behind >= 0.25 * deviation * (b - a) ** 0.5
                and not any(cvd > 0 and price >= prices[b] for cvd, price in later)
            ):
                found_pairs.add((run_of[b].bar_start_us, side))  # type: ignore[attr-defined]
    return found_pairs


@pytest.mark.parametrize(
    "wrong",
    [{"left": 0}, {"min_bars": 61}, {"strength": (-1, 4)}, {"sigma_bars": 20}, {"watch_bars": 0}],
)
def test_parameters_that_mean_nothing_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"must|or more"):
        DivergenceParams(**wrong)  # type: ignore[arg-type]
