"""Cascades end to end: scripted ones on both sides, outages, and a plain oracle (5.10)."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import msgspec
import pytest

from processors.cascade.params import CascadeParams
from processors.measures.levels import LevelKind
from processors.operators.cascades import CascadeOperator
from processors.seconds.second import Liquidation, Second
from schemas.books import BookBand
from schemas.cascades import (
    CASCADES_TOPIC,
    Attribution,
    Cascade,
    CascadeState,
    ConfidenceClass,
)
from schemas.lineage import Status
from schemas.liquidations import BACKLOG, LiquidatedSide, PriceKind, SamplingClass
from schemas.market import FeedState
from schemas.units import US_PER_MINUTE, US_PER_SECOND, round_half_even
from tests.processors.cascade.tickers import ticker
from tests.processors.known_levels import Said, level
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
    There,
    book,
    member,
    run,
    run_with_restarts,
    second,
    trade,
)

LONG, SHORT = LiquidatedSide.LONG, LiquidatedSide.SHORT
ALL, LARGEST = SamplingClass.ALL, SamplingClass.MAX_PER_SECOND
S = CascadeState
BOTH = pytest.mark.parametrize("side", [LONG, SHORT])
FLOOR = 1000
PARAMS = CascadeParams(floor_usd=FLOOR // 100)
BASE = 10_000
NOON_US = NOON_SECOND * US_PER_SECOND


def liquidation(
    number: int, side: LiquidatedSide, usd: int, at_us: int = 0, flags: int = 0
) -> Liquidation:
    time_us = (NOON_SECOND + number) * US_PER_SECOND + at_us
    notional = usd * UNITS.notional_per_cent
    return Liquidation(time_us, side, 1, notional, "100", PriceKind.BANKRUPTCY, ALL, flags)


@dataclass
class Script:
    """A market of Bybit, which leads and tells all, and Binance, which is throttled.

    Prices are written for liquidated longs and mirrored around BASE for shorts. Keys are seconds
    since noon; a value holds until the next.
    """

    side: LiquidatedSide
    prices: dict[int, int] = field(default_factory=lambda: {0: BASE})
    closing: dict[int, int] = field(default_factory=lambda: {0: 10})
    """Lots that aggressors take in the closing direction each second."""
    opening: dict[int, int] = field(default_factory=lambda: {0: 10})
    told: dict[int, int] = field(default_factory=dict)
    """Cents liquidated on Bybit in one second, in two rows."""
    told_binance: dict[int, int] = field(default_factory=dict)
    interest: dict[int, str] = field(default_factory=lambda: {0: "1000"})
    interest_age: dict[int, int] = field(default_factory=lambda: {0: 5})
    resting: dict[int, int] = field(default_factory=lambda: {0: 400})
    bybit: dict[int, There] = field(default_factory=lambda: {0: LIVE})
    binance: dict[int, There] = field(default_factory=lambda: {0: LIVE})

    def at(self, number: int) -> Second:
        price = self.mirrored(held(self.prices, number))
        sign = -int(self.side)
        there, other = held(self.bybit, number), held(self.binance, number)
        trades = [
            trade(number, price, lots, side, instrument=BYBIT, at_us=n, rank=n)
            for n, (lots, side) in enumerate(
                [(held(self.closing, number), sign), (held(self.opening, number), -sign)]
            )
            if lots and there[0]
        ]
        usd = self.told.get(number, 0)
        rows = [liquidation(number, self.side, usd // 2, at) for at in (100, 200)] if usd else []
        age_us = held(self.interest_age, number) * US_PER_SECOND
        time_us = (NOON_SECOND + number + 1) * US_PER_SECOND - age_us
        lots = held(self.resting, number)
        band: BookBand = (50, lots, lots, 0, 0, 3)
        one = member(
            BYBIT,
            trades=trades,
            books=[book(number, [(1, 1)], [(2, 1)], bands=[band])],
            liquidations=rows,
            ticker=ticker(BYBIT, held(self.interest, number), time_us),
            there=there,
        )
        one.sampling = ALL
        usd = self.told_binance.get(number, 0)
        rows = [liquidation(number, self.side, usd, 300)] if usd else []
        taken = [trade(number, price, 5, sign)] if other[0] else []
        two = member(BINANCE, trades=taken, liquidations=rows, there=other)
        two.sampling = LARGEST
        return second(number, one, two)

    def mirrored(self, price: int) -> int:
        return price if self.side is LONG else 2 * BASE - price

    def seconds(self, until: int, first: int = 0) -> list[Second]:
        return [self.at(number) for number in range(first, until)]


def held(values: dict[int, Any], number: int) -> Any:
    return values[max(at for at in values if at <= number)]


def operator() -> CascadeOperator:
    return CascadeOperator(ASSET, UNITS, PARAMS)


def cascades(seconds: Sequence[Second], params: CascadeParams = PARAMS) -> list[Cascade]:
    outputs = run(CascadeOperator(ASSET, UNITS, params), seconds)
    assert all((one.topic, one.key) == (CASCADES_TOPIC, ASSET) for one in outputs)
    return [one.record for one in outputs if isinstance(one.record, Cascade)]


def changes(records: Sequence[Cascade]) -> list[Cascade]:
    return [one for one in records if one.previous_state is not None]


def states(records: Sequence[Cascade]) -> list[CascadeState]:
    return [one.state for one in changes(records)]


def of_longs(records: Sequence[Cascade]) -> list[Cascade]:
    return [one for one in records if one.liquidated_side is LONG]


LOW = BASE - 100
PIVOT = BASE - 50


def swept(side: LiquidatedSide) -> Script:
    """Twenty quiet minutes with a pivot, then a cascade through it that turns and comes back.

    Liquidations from second 1200 to 1239, a low of LOW at 1230.
    """
    return Script(
        side,
        prices={
            **{60 * n: BASE - 2 * (n % 2) for n in range(20)},
            **{600: PIVOT, 610: BASE - 1},
            **{1200: BASE, 1210: BASE - 60, 1230: LOW, 1231: LOW + 10},
            **{1400: PIVOT + 20},
        },
        closing={0: 10, 1200: 500, 1241: 20},
        opening={0: 10, 1241: 30},
        told=dict.fromkeys(range(1200, 1240), 500),
        told_binance={1202: 100, 1203: 100},
        interest={0: "1000", 1230: "990"},
        resting={0: 400, 1230: 300},
    )


@BOTH
def test_a_cascade_with_sweep_and_reclaim(side: LiquidatedSide) -> None:
    script = swept(side)
    found = cascades(script.seconds(1800))
    assert states(found) == [
        *(S.BUILDING, S.ACTIVE, S.PEAKED, S.EXHAUSTED, S.RECLAIMED, S.COOLDOWN, S.IDLE)
    ]
    by_state = {one.state: one for one in changes(found)}
    ends = {state: (one.time_us - NOON_US) // US_PER_SECOND for state, one in by_state.items()}
    # 500 a second: 1000 with four episodes after the 2nd second, 3000 after the 6th.
    assert (ends[S.BUILDING], ends[S.ACTIVE]) == (1202, 1206)
    # L10 fell to 30 % of 5000 with the 7th quiet second (1247); the twentieth such is 1266.
    assert ends[S.PEAKED] == 1266
    # The first whole minute after the low is 1260 to 1320; the level is PIVOT.
    assert ends[S.EXHAUSTED] == 1320
    assert ends[S.RECLAIMED] == 1440
    assert (ends[S.COOLDOWN], ends[S.IDLE]) == (1441, 1741)
    assert len({one.id for one in found}) == 1
    start_us = NOON_US + 1202 * US_PER_SECOND
    assert found[0].id == f"cascade:BTC:{start_us}:{side.name.lower()}"

    end = by_state[S.RECLAIMED]
    assert (end.liquidated_side, end.previous_state) == (side, S.EXHAUSTED)
    assert (end.start_ticks, end.extreme_ticks) == (script.mirrored(BASE), script.mirrored(LOW))
    assert end.extreme_us == NOON_US + 1231 * US_PER_SECOND
    assert end.move_bp == -100.0 * int(side)
    assert end.swept_level is not None
    assert (end.swept_level.kind, end.swept_level.ticks) == ("pivot", script.mirrored(PIVOT))
    assert (end.oi_confirmed, end.outcome, end.outcome_us) == (True, S.RECLAIMED, end.time_us)
    assert end.interest_change == -0.01
    assert end.depth_change == -0.25
    assert end.baseline_multiple == 20.2
    assert end.peak_l60_usd_cents == 20_200
    assert end.obs_usd_cents == 20_200
    assert end.all_share == 20_000 / 20_200
    assert end.confidence_class is ConfidenceClass.MULTI_VENUE
    assert end.attribution is Attribution.UNKNOWN
    assert end.reference == "bybit:BTC-USDT-PERP"
    assert end.completeness.status is Status.COMPLETE
    assert end.evidence.threshold_usd_cents == FLOOR
    assert end.evidence.bar is not None
    assert end.evidence.bar.close_ticks == script.mirrored(PIVOT + 20)
    assert end.null_reasons["p99_usd_cents"] == "too_few_blocks"


@BOTH
def test_a_cascade_that_fails(side: LiquidatedSide) -> None:
    script = swept(side)
    script.prices[1400] = LOW - 1
    found = cascades(script.seconds(1800))
    assert states(found) == [
        *(S.BUILDING, S.ACTIVE, S.PEAKED, S.EXHAUSTED, S.FAILED, S.COOLDOWN, S.IDLE)
    ]
    failed = changes(found)[4]
    assert failed.time_us == NOON_US + 1401 * US_PER_SECOND
    assert (failed.outcome, failed.reason) == (S.FAILED, "new_extreme")


def test_the_current_state_is_told_every_minute_while_not_idle() -> None:
    found = cascades(swept(LONG).seconds(1800))
    quiet = [one for one in found if one.previous_state is None]
    ends = [(one.time_us - NOON_US) // US_PER_SECOND for one in quiet]
    assert ends == [1260, 1380, 1500, 1560, 1620, 1680, 1740]
    assert {one.reason for one in quiet} == {"minute"}
    assert [one.state for one in quiet][:3] == [S.ACTIVE, S.EXHAUSTED, S.COOLDOWN]


def test_bounds_are_since_a_minute_before_it_began() -> None:
    """Sellers took 10, later 500, then 20 lots a second on Bybit, 5 on Binance, at each price."""
    script = swept(LONG)
    seconds = script.seconds(1800)
    reclaimed = next(one for one in cascades(seconds) if one.state is S.RECLAIMED)
    assert reclaimed.measured_from_us == reclaimed.start_us - US_PER_MINUTE
    for name, place in (("binance:BTC-USDT-PERP", 0), ("bybit:BTC-USDT-PERP", 1)):
        taken = sum(
            one[3] * one[4]
            for each in seconds
            if reclaimed.measured_from_us <= each.start_us < reclaimed.time_us
            for one in each.members[name].trades
            if one[5] < 0
        )
        part = reclaimed.venues[place]
        assert f"{part.venue}:{part.symbol}" == name
        assert part.ub_usd_cents == round_half_even(taken, UNITS.notional_per_cent)
    assert [one.obs_usd_cents for one in reclaimed.venues] == [200, 20_000]
    assert [one.episodes for one in reclaimed.venues] == [2, 80]


def test_bounds_have_what_traded_on_an_unknown_side_from_the_minute_before_on() -> None:
    script = swept(LONG)
    seconds, more = script.seconds(1800), script.seconds(1800)
    for number in (1199, 1203):
        one = more[number].members["bybit:BTC-USDT-PERP"]
        one.trades = [*one.trades, trade(number, BASE, 70, 0, instrument=BYBIT, at_us=9)]
    bounds = []
    for log in (seconds, more):
        reclaimed = next(one for one in cascades(log) if one.state is S.RECLAIMED)
        bounds.append(reclaimed.venues[1].ub_usd_cents)
    assert bounds[0] is not None
    assert bounds[1] == bounds[0] + 2 * 70 * BASE // UNITS.notional_per_cent


def test_a_venue_that_tells_nothing_any_more_still_trades() -> None:
    """Binance takes its liquidation feed away: its bound stays one over all of the cascade."""
    script = swept(LONG)
    seconds = script.seconds(1800)
    for one in seconds[1210:]:
        one.members["binance:BTC-USDT-PERP"].liquidation_stream = None
    found = next(one for one in cascades(seconds) if one.state is S.RECLAIMED)
    whole = next(one for one in cascades(script.seconds(1800)) if one.state is S.RECLAIMED)
    assert [one.ub_usd_cents for one in found.venues] == [one.ub_usd_cents for one in whole.venues]


@BOTH
def test_a_calm_market_stays_idle(side: LiquidatedSide) -> None:
    """Liquidations that never reach the floor, and then a sum at it, but in two rows."""
    script = Script(side, prices={n: BASE + n % 7 for n in range(0, 4000, 30)})
    script.told = dict.fromkeys(range(0, 3600, 3), 40) | {3700: 1000}
    assert cascades(script.seconds(4000)) == []


def test_unknown_open_interest_leaves_exhaustion_unconfirmed() -> None:
    """Definitions 5.10: older than 30 s is unknown, the other three are needed."""
    script = swept(LONG)
    script.interest_age = {0: 5, 1250: 31}
    found = {one.state: one for one in changes(cascades(script.seconds(1450)))}
    assert found[S.EXHAUSTED].oi_confirmed is False
    assert found[S.EXHAUSTED].interest_change is None
    assert found[S.EXHAUSTED].null_reasons["interest_change"] == "no_venue_known_both_times"
    assert found[S.EXHAUSTED].evidence.interest_age_us == {"bybit:BTC-USDT-PERP": 31_000_000}


def test_open_interest_that_did_not_fall_leaves_it_peaked() -> None:
    script = swept(LONG)
    script.interest = {0: "1000", 1230: "996"}
    assert states(cascades(script.seconds(1450))) == [S.BUILDING, S.ACTIVE, S.PEAKED]


def test_half_a_threshold_for_a_minute_and_it_was_nothing() -> None:
    script = Script(LONG, told=dict.fromkeys(range(100, 104), 250))
    found = cascades(script.seconds(400))
    assert states(found) == [S.BUILDING, S.IDLE]
    assert (found[-1].outcome, found[-1].null_reasons["outcome"]) == (None, "none_reached")
    ends = [(one.time_us - NOON_US) // US_PER_SECOND for one in changes(found)]
    # L60 falls below 500 with second 162, which is sixty seconds before.
    assert ends == [104, 222]


def test_a_baseline_above_the_floor_is_the_threshold() -> None:
    """Thirty minutes had 4000 cents, of two rows each: P99 is above the floor of 1000."""
    params = CascadeParams(floor_usd=FLOOR // 100, baseline_least_blocks=31)
    script = Script(LONG, told={60 * n + 5: 4000 for n in range(30)})
    script.told |= {1870 + n: 1000 for n in range(4)}
    found = cascades(script.seconds(1920), params)
    assert [(one.state, one.reason) for one in found] == [
        (S.BUILDING, "threshold"),
        (S.BUILDING, "minute"),
    ]
    assert found[0].time_us == NOON_US + 1874 * US_PER_SECOND
    for one in found:
        evidence = one.evidence
        assert (evidence.p99_usd_cents, evidence.threshold_usd_cents) == (4000, 4000)
        assert evidence.floor_usd_cents == FLOOR
    assert "p99_usd_cents" not in found[0].null_reasons
    unknown = cascades(script.seconds(1880, 60), params)
    assert unknown[0].time_us == NOON_US + 1872 * US_PER_SECOND
    assert unknown[0].evidence.p99_usd_cents is None


def test_a_baseline_of_another_sampling_is_left_out() -> None:
    """Definitions 5.9: Binance tells the largest instead of the latest from one day on."""
    params = CascadeParams(floor_usd=FLOOR // 100, baseline_least_blocks=10)
    script = Script(LONG, told={60 * n + 5: 4000 for n in range(12)})
    script.told |= {800 + n: 2000 for n in range(4)}
    script.told_binance = {60 * n + 6: 100 for n in range(12)}
    seconds = script.seconds(810)
    assert cascades(seconds, params)[0].evidence.p99_usd_cents == 4100
    for one in seconds[:750]:
        one.members["binance:BTC-USDT-PERP"].sampling = SamplingClass.LATEST_PER_SECOND
    changed = cascades(seconds, params)[0]
    assert changed.evidence.p99_usd_cents == changed.evidence.threshold_usd_cents == 4000
    assert [one.p99_usd_cents for one in changed.venues] == [None, 4000]


def test_onsets_are_told_and_the_order_where_it_is_sure() -> None:
    """Bybit passes its own P99 with its third row, Binance five seconds later."""
    params = CascadeParams(floor_usd=FLOOR // 100, baseline_least_blocks=10)
    script = Script(LONG, told={60 * n: 200 for n in range(12)})
    script.told_binance = {60 * n: 100 for n in range(12)}
    script.told |= {1000 + n: 400 for n in range(10)}
    script.told_binance |= {1003 + n: 60 for n in range(8)}
    found = [one for one in cascades(script.seconds(1012), params) if one.state is S.ACTIVE][-1]
    binance, bybit = found.venues
    assert (bybit.p99_usd_cents, binance.p99_usd_cents) == (200, 100)
    assert bybit.onset_us == NOON_US + 1000 * US_PER_SECOND + 200
    assert binance.onset_us == NOON_US + 1004 * US_PER_SECOND + 300
    assert (bybit.precedes, binance.precedes) == (["binance:BTC-USDT-PERP"], [])
    assert found.attribution is Attribution.ORDERED


# --- outages


def test_a_full_feed_that_is_stale_suspends_and_a_short_one_resumes() -> None:
    script = swept(LONG)
    script.bybit = {0: LIVE, 1215: DOWN, 1225: LIVE}
    found = of_longs(cascades(script.seconds(1260)))
    assert states(found) == [S.BUILDING, S.ACTIVE, S.SUSPENDED, S.ACTIVE]
    lost, back = changes(found)[2:]
    # The last good second ends at 1215; more than 5 s later is the end of 1220 to 1221.
    assert lost.time_us == NOON_US + 1221 * US_PER_SECOND
    assert (lost.reason, back.reason) == ("price_feed", "resumed")
    assert back.time_us == NOON_US + 1226 * US_PER_SECOND
    assert lost.evidence.price_state is FeedState.DOWN
    assert lost.completeness.status is Status.PARTIAL
    part = lost.venues[1]
    assert (part.ub_usd_cents, part.bounds_inconsistent) == (None, False)
    assert lost.null_reasons["ub_usd_cents.bybit:BTC-USDT-PERP"] == "trades_incomplete"
    assert lost.ub_usd_cents is None


def test_seconds_that_are_missing_are_a_gap_in_the_cascade() -> None:
    script = swept(LONG)
    seconds = [*script.seconds(1215), *script.seconds(1300, 1218)]
    active, peaked = changes(cascades(seconds))[1:3]
    assert (active.state, active.completeness.status) == (S.ACTIVE, Status.COMPLETE)
    assert (peaked.state, peaked.completeness.status) == (S.PEAKED, Status.PARTIAL)
    # BUILDING is the second from 1201 to 1202; three of those up to PEAKED are missing.
    told_ms = (peaked.time_us - NOON_US) // 1000 - 1_201_000 - 3000
    assert set(peaked.completeness.coverage_ms.values()) == {told_ms}
    assert peaked.ub_usd_cents is None


def test_a_long_outage_ends_the_cascade_without_an_outcome() -> None:
    script = swept(LONG)
    script.bybit = {0: LIVE, 1215: DOWN, 1320: LIVE}
    found = of_longs(cascades(script.seconds(1330)))
    assert states(found) == [S.BUILDING, S.ACTIVE, S.SUSPENDED, S.IDLE]
    assert (found[-1].reason, found[-1].outcome) == ("away_too_long", None)


def test_a_throttled_venue_that_dies_suspends_nothing_and_is_not_zero() -> None:
    script = swept(LONG)
    script.binance = {0: LIVE, 1215: DOWN}
    found = cascades(script.seconds(1800))
    assert states(found)[-3:] == [S.RECLAIMED, S.COOLDOWN, S.IDLE]
    end = changes(found)[4]
    assert end.completeness.status is Status.PARTIAL
    assert end.completeness.venues_complete == ["bybit:BTC-USDT-PERP"]
    assert end.venues[0].ub_usd_cents is None
    assert end.venues[1].ub_usd_cents is not None


def test_the_reference_is_the_leader_and_stays_while_a_cascade_is_on() -> None:
    """Bybit leads by volume; while it is away Binance does, and keeps to until all is over."""
    script = Script(LONG, bybit={0: LIVE, 70: DOWN, 110: LIVE})
    script.told_binance = dict.fromkeys((*range(100, 104), *range(300, 304)), 400)
    okx = member(OKX)
    okx.sampling = ALL
    seconds = [second(n, *script.at(n).members.values(), okx) for n in range(320)]
    found = [one for one in cascades(seconds) if one.state is not S.IDLE]
    names = [(one.state, one.reference and one.reference.partition(":")[0]) for one in found]
    assert names == [
        (S.BUILDING, "binance"),
        (S.BUILDING, "binance"),
        (S.BUILDING, "binance"),
        (S.BUILDING, "bybit"),
    ]
    assert found[0].confidence_class is ConfidenceClass.THROTTLED_ONLY


def test_nobody_there_is_suspended_not_idle() -> None:
    seconds = [second(n, member(BYBIT, there=DOWN)) for n in range(120)]
    found = of_longs(cascades(seconds))
    assert [(one.state, one.previous_state) for one in found] == [
        (S.SUSPENDED, S.IDLE),
        (S.SUSPENDED, None),
        (S.SUSPENDED, None),
    ]
    assert found[0].time_us == NOON_US + 6 * US_PER_SECOND
    assert {one.id for one in found} == {f"cascade:BTC:{found[0].time_us}:long"}
    assert found[0].null_reasons == {"cascade": "none_is_on"}
    assert found[0].extreme_ticks is found[0].obs_usd_cents is None
    assert found[0].reference is None
    assert found[0].evidence.flow60_usd_cents is None


def test_a_suspension_after_a_cascade_says_nothing_of_it() -> None:
    script = Script(LONG, told=dict.fromkeys(range(100, 104), 250), bybit={0: LIVE, 300: DOWN})
    script.binance = {0: LIVE, 300: DOWN}
    found = of_longs(cascades(script.seconds(320)))
    assert states(found) == [S.BUILDING, S.IDLE, S.SUSPENDED]
    assert [len(one.venues) for one in changes(found)] == [2, 2, 0]
    assert (found[-1].obs_usd_cents, found[-1].confidence_class) == (None, None)


def test_the_first_second_and_spot_alone_are_no_cascade() -> None:
    assert cascades([second(0, member(BYBIT))]) == []
    found = cascades([second(n, member(BINANCE_SPOT)) for n in range(3)])
    assert states(found) == [S.SUSPENDED, S.SUSPENDED]


@pytest.mark.parametrize(("flags", "expected"), [(0, [S.BUILDING, S.ACTIVE]), (BACKLOG, [])])
def test_what_was_repeated_from_before_starts_nothing(
    flags: int, expected: list[CascadeState]
) -> None:
    seconds = Script(LONG).seconds(9)
    bybit = seconds[5].members["bybit:BTC-USDT-PERP"]
    bybit.liquidations = [liquidation(5, LONG, 9000, at, flags) for at in range(9)]
    assert states(cascades(seconds)) == expected


def test_the_greatest_ten_seconds_may_be_before_it_began() -> None:
    (found,) = cascades(Script(LONG, told={100: 900, 130: 100}).seconds(140))[:1]
    assert found.evidence.l10_usd_cents == 100
    assert found.evidence.max_l10_usd_cents == 900


# --- everything at random


def random_seconds(seed: int, count: int = 2500) -> list[Second]:
    chance = random.Random(seed)
    found, at, price, heat = [], 0, BASE, {LONG: 0.0, SHORT: 0.0}
    away = dict.fromkeys((BINANCE, BYBIT, OKX), 0)
    for _ in range(count):
        at += 1 if chance.random() < 0.998 else chance.randrange(2, 90)
        if chance.random() < 0.004:
            heat[chance.choice([LONG, SHORT])] = chance.choice([0.2, 1.0, 2.0])
        heat = {side: value * 0.95 for side, value in heat.items()}
        price += chance.randrange(-3, 4) - round(heat[LONG] * 4) + round(heat[SHORT] * 4)
        price = max(price, 100)
        members = []
        for instrument in away:
            if chance.random() < 0.002:
                away[instrument] = chance.choice([1, 4, 9, 70])
            away[instrument] -= 1
            there = DOWN if away[instrument] > 0 else LIVE
            rows = [
                liquidation(at, side, chance.randrange(1, 500), us)
                for us in sorted(chance.randrange(10**6) for _ in range(3))
                for side in (LONG, SHORT)
                if chance.random() < heat[side]
            ]
            trades = [
                trade(at, price + chance.randrange(-5, 6), chance.randrange(1, 99), one, at_us=n)
                for n, one in enumerate([-1, 1, chance.choice([-1, 0, 1])])
            ]
            interest = f"{1000 - at / 100:.3f}"
            newest = ticker(instrument, interest, (NOON_SECOND + at - 20) * US_PER_SECOND)
            gone = there is DOWN
            one = member(
                instrument,
                trades=[] if gone else trades,
                liquidations=[] if gone else rows,
                ticker=newest,
                there=there,
            )
            one.sampling = {BINANCE: LARGEST, BYBIT: ALL, OKX: SamplingClass.INCOMPLETE}[instrument]
            members.append(one)
        found.append(second(at, *members))
    return found


@pytest.mark.parametrize("seed", range(3))
def test_what_records_say_is_what_a_plain_count_says(seed: int) -> None:
    seconds = random_seconds(seed)
    found = cascades(seconds)
    assert len({one.state for one in found}) >= 5
    for record in found:
        last = next(n for n, one in enumerate(seconds) if one.end_us == record.time_us)
        from_us = min(record.measured_from_us or record.time_us, record.time_us - US_PER_MINUTE)
        before = [one for one in seconds[: last + 1] if one.start_us >= from_us]
        rows = [
            (each.time_us, name, each.notional // UNITS.notional_per_cent)
            for one in before
            for name, each_member in one.members.items()
            for each in each_member.liquidations
            if each.side is record.liquidated_side
        ]
        minute = [one for one in rows if one[0] >= record.time_us - US_PER_MINUTE]
        evidence = record.evidence
        assert evidence.l60_usd_cents == sum(usd for _, _, usd in minute)
        assert evidence.episodes60 == len({one[:2] for one in minute})
        tenth = [usd for at, _, usd in minute if at >= record.time_us - 10_000_000]
        assert evidence.l10_usd_cents == sum(tenth)
        if record.measured_from_us is None:
            continue
        sign = -int(record.liquidated_side)
        inside = [one for one in before if one.start_us >= record.measured_from_us]
        span = (record.time_us - record.measured_from_us) // US_PER_SECOND
        for part in record.venues:
            name = f"{part.venue}:{part.symbol}"
            told = [one for one in rows if one[1] == name and one[0] >= record.measured_from_us]
            assert part.obs_usd_cents == sum(usd for _, _, usd in told)
            assert part.episodes == len({at for at, _, _ in told})
            streams = [one.members[name].trade_stream for one in inside]
            whole = all(one is not None and one.complete for one in streams)
            assert (part.ub_usd_cents is not None or part.bounds_inconsistent) is (
                whole and len(inside) == span
            )
            taken = sum(
                one[3] * one[4]
                for each in inside
                for one in each.members[name].trades
                if one[5] in (sign, 0)
            )
            if part.ub_usd_cents is not None:
                assert part.ub_usd_cents == round_half_even(taken, UNITS.notional_per_cent)
        prices = [
            one[3]
            for each in before
            if each.start_us >= record.start_us and record.reference is not None
            for one in each.members[record.reference].trades
        ]
        assert record.start_ticks is not None
        furthest = max((sign * one for one in prices), default=sign * record.start_ticks)
        assert record.extreme_ticks == sign * max(furthest, sign * record.start_ticks)


@pytest.mark.parametrize("seed", range(3))
def test_a_restart_changes_nothing(seed: int) -> None:
    seconds = random_seconds(seed + 10)
    whole = run(operator(), seconds)
    assert len(whole) > 10
    assert run_with_restarts(operator, seconds) == whole


def test_a_record_comes_back_from_json_as_it_went() -> None:
    for one in run(operator(), random_seconds(5)):
        text = msgspec.json.encode(one.record)
        assert len(text) < 20_000
        assert msgspec.json.decode(text, type=Cascade) == one.record


@BOTH
def test_a_known_level_that_is_crossed_is_the_swept_one(side: LiquidatedSide) -> None:
    """5.10: pivot or known level; the naked POC is gone from its source once it was crossed."""
    script = swept(side)
    low, high = sorted((script.mirrored(LOW + 5), script.mirrored(LOW + 8)))
    known = level(low, high + 1, LevelKind.NAKED_POC)
    levels = Said(lambda asked: [known] if asked == 1 else [])
    make = partial(CascadeOperator, ASSET, UNITS, PARAMS, levels)
    outputs = run(make(), script.seconds(1800))
    levels.asked = 0
    assert run_with_restarts(make, script.seconds(1800)) == outputs
    crossed = [one.record for one in outputs if isinstance(one.record, Cascade)][-1]
    assert crossed.swept_level is not None
    far = script.mirrored(LOW + 5)
    assert (crossed.swept_level.kind, crossed.swept_level.ticks) == ("naked_poc", far)
