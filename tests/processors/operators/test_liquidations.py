"""Liquidations per second and minute, their bounds and clusters (definitions 5.9, 5.16)."""

import random
from collections.abc import Sequence
from fractions import Fraction

import msgspec
import pytest

from processors.liquidation.params import LiquidationParams
from processors.operators.liquidations import LiquidationOperator
from processors.seconds.columns import Columns
from processors.seconds.second import Liquidation, MemberSecond, Second
from processors.seconds.sides import liquidations_of
from schemas.lineage import Status
from schemas.liquidation_flow import (
    LIQUIDATION_FLOW_TOPIC,
    LiquidationCluster,
    LiquidationFlow,
    LiquidationSeries,
    LiquidationSums,
)
from schemas.liquidations import BACKLOG, ORDER_PRICE, LiquidatedSide, PriceKind, SamplingClass
from schemas.market import FeedState, Kind, Scope
from schemas.units import round_half_even
from tests.processors.builders import NOON
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
    member,
    run,
    run_with_restarts,
    second,
    trade,
)
from tests.processors.seconds.market import header, liquidation_batch

LONG, SHORT = LiquidatedSide.LONG, LiquidatedSide.SHORT
ALL, LATEST = SamplingClass.ALL, SamplingClass.LATEST_PER_SECOND
LARGEST, INCOMPLETE = SamplingClass.MAX_PER_SECOND, SamplingClass.INCOMPLETE
SAMPLING = {BINANCE: LARGEST, BYBIT: ALL, OKX: INCOMPLETE}


def row(
    number: int,
    usd_cents: int,
    side: LiquidatedSide = LONG,
    *,
    at_us: int = 0,
    price: str = "60000",
    qty: int = 1,
    flags: int = 0,
    kind: PriceKind = PriceKind.BANKRUPTCY,
) -> Liquidation:
    time_us = (NOON_SECOND + number) * 1_000_000 + at_us
    notional = usd_cents * UNITS.notional_per_cent
    return Liquidation(time_us, side, qty, notional, price, kind, ALL, flags)


def there(
    number: int,
    instrument: tuple[str, str],
    *rows: Liquidation,
    sold: int = 0,
    bought: int = 0,
    feed: There = LIVE,
    sampling: SamplingClass | None = None,
) -> MemberSecond:
    """Return an instrument that told of rows while aggressors took so many cents at price 1000."""
    trades = [
        trade(number, 1000, cents, side, instrument=instrument)
        for cents, side in ((sold, -1), (bought, 1))
        if cents
    ]
    one = member(instrument, liquidations=rows, trades=trades, there=feed)
    one.sampling = sampling or SAMPLING[instrument]
    return one


def operator(**params: int) -> LiquidationOperator:
    return LiquidationOperator(ASSET, UNITS, LiquidationParams(**params))


def flows(seconds: Sequence[Second], interval: int = 60, **params: int) -> list[LiquidationFlow]:
    outputs = run(operator(**params), seconds)
    assert {one.topic for one in outputs} <= {LIQUIDATION_FLOW_TOPIC}
    records = [one.record for one in outputs if isinstance(one.record, LiquidationFlow)]
    return [one for one in records if one.interval_seconds == interval]


def series(flow: LiquidationFlow, name: str) -> LiquidationSeries:
    """Return a series by venue, or by composition."""
    found = [one for one in flow.series if name in (one.venue, one.composition)]
    assert len(found) == 1
    return found[0]


def long_of(flow: LiquidationFlow, name: str) -> LiquidationSums:
    sums = series(flow, name).long
    assert sums is not None
    return sums


def minute(rows: dict[int, MemberSecond], sampling: SamplingClass | None = None) -> list[Second]:
    """Return a minute of one instrument, in which some seconds are given."""
    key = next(iter(rows.values())).key
    instrument = (key.venue, key.symbol)
    return [second(n, rows.get(n) or there(n, instrument, sampling=sampling)) for n in range(60)]


def test_notional_of_a_trade_in_these_tests_is_in_cents() -> None:
    """Price 1000 ticks of 0.01 is 10; a lot of 0.001 of it is one cent."""
    assert UNITS.notional_per_cent == 1000


@pytest.mark.parametrize(
    ("sampling", "price", "usd"),
    [(LARGEST, "60100", 12_020_000), (ALL, "59000", 11_800_000)],
)
def test_a_long_of_two_coins_is_counted_at_its_own_price(
    sampling: SamplingClass, price: str, usd: int
) -> None:
    """Definitions 5.16: Binance SELL 2 at ap 60,100 and Bybit Buy 2 at 59,000 are longs."""
    told = there(3, BINANCE, row(3, usd, price=price, qty=2000), sampling=sampling)
    flow = flows(minute({3: told}, sampling))[0]
    sums, one = long_of(flow, "binance"), series(flow, "binance")
    assert (sums.count, sums.qty_lots, sums.obs_usd_cents) == (1, 2000, usd)
    assert one.short is not None
    assert (one.short.count, one.short.obs_usd_cents, one.sampling) == (0, 0, sampling)


@pytest.mark.parametrize(("side", "upper"), [(LONG, 700), (SHORT, 900)])
def test_the_upper_bound_is_what_aggressors_took_in_the_closing_direction(
    side: LiquidatedSide, upper: int
) -> None:
    """A closed long sells; trades of the other direction bound nothing."""
    flow = flows(minute({3: there(3, BYBIT, row(3, 500, side), sold=700, bought=900)}))[0]
    one = series(flow, "bybit")
    sums = one.long if side is LONG else one.short
    assert sums is not None
    assert (sums.obs_usd_cents, sums.ub_usd_cents) == (500, upper)
    assert sums.null_reasons == {"est": "measured"}


def test_what_aggressors_took_is_by_side_and_the_unknown_apart() -> None:
    trades = [trade(0, 10, 3, 1), trade(0, 7, 2, -1), trade(0, 5, 100, 0)]
    columns = Columns(trades)
    assert (columns.aggressor_notional, columns.unknown_notional) == ((30, 14), 500)
    assert Columns(trades[2:]).aggressor_notional == Columns([]).aggressor_notional == (0, 0)
    assert Columns(trades[:2]).unknown_notional == Columns([]).unknown_notional == 0


@pytest.mark.parametrize("side", [LONG, SHORT])
def test_a_trade_of_unknown_side_may_have_been_the_liquidation_and_is_in_the_bound(
    side: LiquidatedSide,
) -> None:
    """Definitions 5.9: what leaves out a taker that may have been liquidated bounds nothing."""
    told = there(3, BYBIT, row(3, 500, side), sold=100, bought=100)
    told.trades = [*told.trades, trade(3, 1000, 450, 0, instrument=BYBIT)]
    one = series(flows(minute({3: told}))[0], "bybit")
    sums = one.long if side is LONG else one.short
    assert sums is not None
    assert (sums.ub_usd_cents, sums.bounds_inconsistent) == (550, False)


@pytest.mark.parametrize("side", [LONG, SHORT])
def test_what_insurance_took_over_is_in_the_bound_of_either_side(side: LiquidatedSide) -> None:
    """Definitions 5.9: a position that was taken over closed without an order in the book."""
    told = there(3, BYBIT, row(3, 500, side), sold=100, bought=100)
    told.taken_over = 450 * UNITS.notional_per_cent
    for interval in (1, 60):
        one = series(flows(minute({3: told}), interval)[0], "bybit")
        sums = one.long if side is LONG else one.short
        assert sums is not None
        assert (sums.ub_usd_cents, sums.bounds_inconsistent) == (550, False)


def test_more_told_than_traded_is_inconsistent_and_only_what_was_told_is_published() -> None:
    flow = flows(minute({3: there(3, BINANCE, row(3, 500), sold=499)}))[0]
    sums = long_of(flow, "binance")
    assert (sums.bounds_inconsistent, sums.obs_usd_cents, sums.ub_usd_cents) == (True, 500, None)
    assert sums.est_usd_cents is sums.est_count is None
    assert sums.null_reasons["ub_usd_cents"] == "bounds_inconsistent"
    assert long_of(flow, "all").ub_usd_cents is None
    assert long_of(flow, "all").bounds_inconsistent


def test_cents_are_rounded_once_so_that_no_sum_is_above_its_bound() -> None:
    """Definitions 5.0: two fills of 1.6 cents are 3.2, which is 3; each alone would be 2."""
    told = [(NOON, "16", 1, 1, occurrence, 0) for occurrence in range(2)]
    batch = liquidation_batch(header((BYBIT[0], Kind.LINEAR_PERPETUAL, BYBIT[1]), 0, 0, NOON), told)
    one = member(
        BYBIT,
        liquidations=liquidations_of(batch, UNITS),
        trades=[trade(0, 1600, 1, -1, instrument=BYBIT) for _ in range(2)],
    )
    one.sampling = ALL
    (flow,) = flows([second(0, one)], 1)
    sums = long_of(flow, "bybit")
    assert (sums.obs_usd_cents, sums.ub_usd_cents) == (3, 3)
    assert not sums.bounds_inconsistent


def test_as_much_told_as_traded_is_consistent() -> None:
    sums = long_of(flows(minute({3: there(3, BINANCE, row(3, 500), sold=500)}))[0], "binance")
    assert (sums.bounds_inconsistent, sums.ub_usd_cents, sums.est_usd_cents) == (False, 500, 500)


@pytest.mark.parametrize("sampling", [LATEST, LARGEST])
def test_half_the_seconds_of_a_throttled_feed_stand_for_more(sampling: SamplingClass) -> None:
    """Definitions 5.9: T = 60, k = 30 is 41.589; of equal sizes both rules make the same."""
    rows = {
        n: there(n, BINANCE, row(n, 1000), sold=9000, sampling=sampling) for n in range(0, 60, 2)
    }
    rows |= {n: there(n, BINANCE, sampling=sampling) for n in range(1, 60, 2)}
    sums = long_of(flows(minute(rows))[0], "binance")
    assert (sums.report_seconds, sums.obs_usd_cents, sums.ub_usd_cents) == (30, 30_000, 270_000)
    assert sums.est_count == pytest.approx(41.589, abs=0.0005)
    assert sums.est_usd_cents == 41_589
    assert sums.est_count_limit is None


def test_the_largest_of_a_second_is_estimated_by_rank_and_the_latest_by_mean() -> None:
    found = []
    for sampling in (LATEST, LARGEST):
        rows = {
            n: there(n, BINANCE, row(n, 1000 * (1 + n % 7)), sold=99_000, sampling=sampling)
            for n in range(50)
        } | {n: there(n, BINANCE, sampling=sampling) for n in range(50, 60)}
        found.append(long_of(flows(minute(rows))[0], "binance"))
    latest, largest = found
    assert latest.est_count == largest.est_count
    assert latest.est_usd_cents is not None
    assert largest.est_usd_cents is not None
    assert largest.obs_usd_cents < largest.est_usd_cents < latest.est_usd_cents


def test_a_report_in_every_second_leaves_the_bounds_and_a_lower_limit() -> None:
    """Definitions 5.9: for k = T only the limit, 181.32 events."""
    rows = {n: there(n, BINANCE, row(n, 1000), sold=9000) for n in range(60)}
    sums = long_of(flows(minute(rows))[0], "binance")
    assert sums.est_count is sums.est_usd_cents is None
    assert sums.est_count_limit == pytest.approx(181.32, abs=0.005)
    assert sums.null_reasons["est"] == "saturated"
    assert (sums.obs_usd_cents, sums.ub_usd_cents) == (60_000, 540_000)


@pytest.mark.parametrize(("sampling", "why"), [(ALL, "measured"), (INCOMPLETE, "sampling_unknown")])
def test_what_needs_no_estimate_or_admits_none_has_none(sampling: SamplingClass, why: str) -> None:
    told = {n: there(n, OKX, sampling=sampling) for n in range(60)}
    told[3] = there(3, OKX, row(3, 1000), sold=9000, sampling=sampling)
    sums = long_of(flows(minute(told))[0], "okx")
    assert (sums.est_count, sums.est_usd_cents, sums.null_reasons["est"]) == (None, None, why)
    assert (sums.obs_usd_cents, sums.ub_usd_cents) == (1000, 9000)


def test_a_rule_that_changes_within_the_minute_is_no_rule() -> None:
    told = {3: there(3, BINANCE, row(3, 10), sold=100, sampling=LATEST)}
    found = flows(minute(told))[0]
    assert series(found, "binance").sampling is None
    assert long_of(found, "binance").null_reasons["est"] == "sampling_unknown"


def test_over_venues_bounds_are_added_and_the_share_of_full_feeds_is_told() -> None:
    """Definitions 5.9: [sum obs, sum ub] with the share from `all` venues, no estimate."""
    seconds = [
        second(
            n,
            there(n, BINANCE, *([row(n, 300)] if n == 5 else []), sold=20),
            there(n, BYBIT, *([row(n, 100)] if n == 6 else []), sold=10),
            member(BINANCE_SPOT, trades=[trade(n, 1000, 99, -1, instrument=BINANCE_SPOT)]),
        )
        for n in range(60)
    ]
    flow = flows(seconds)[0]
    both = long_of(flow, "all")
    assert (both.obs_usd_cents, both.ub_usd_cents, both.count) == (400, 1800, 2)
    assert (both.all_share, both.est_usd_cents, both.est_count) == (0.25, None, None)
    assert {one.scope for one in flow.series} == {Scope.VENUE, Scope.PERP}
    assert long_of(flow, "common") == both
    assert series(flow, "all").sampling is None
    assert (long_of(flow, "binance").all_share, long_of(flow, "bybit").all_share) == (0.0, 1.0)


def test_what_was_repeated_from_before_is_not_counted_as_of_now() -> None:
    rows = row(3, 500, flags=BACKLOG), row(3, 70, at_us=1, flags=ORDER_PRICE)
    told = there(3, BYBIT, *rows, sold=1000)
    sums = long_of(flows(minute({3: told}))[0], "bybit")
    assert (sums.count, sums.obs_usd_cents, sums.order_price_count) == (1, 70, 1)
    assert series(flows(minute({3: told}))[0], "bybit").backlog_count == 1


def test_a_quiet_minute_is_a_real_zero() -> None:
    flow = flows([second(n, there(n, BYBIT)) for n in range(60)])[0]
    sums = long_of(flow, "bybit")
    assert (sums.count, sums.obs_usd_cents, sums.ub_usd_cents) == (0, 0, 0)
    assert sums.all_share is None
    assert sums.null_reasons["all_share"] == "nothing_told"
    assert flow.completeness.status is Status.COMPLETE


def test_a_quiet_second_sends_nothing_and_a_told_one_its_own_record() -> None:
    seconds = [second(0, there(0, BINANCE)), second(1, there(1, BINANCE, row(1, 5), sold=9))]
    found = flows(seconds, 1)
    assert [one.window_start_us for one in found] == [(NOON_SECOND + 1) * 1_000_000]
    sums = long_of(found[0], "binance")
    assert (sums.obs_usd_cents, sums.ub_usd_cents) == (5, 9)
    assert sums.null_reasons["est"] == "saturated"


def test_a_venue_down_for_a_minute_is_a_gap_partial_in_all_and_not_in_common() -> None:
    """Definitions 5.16, dead venue: null, never zero."""
    seconds = [
        second(n, there(n, BYBIT, row(n, 10), sold=20), there(n, BINANCE, feed=DOWN))
        for n in range(60)
    ]
    flow = flows(seconds)[0]
    dead, both, common = (series(flow, name) for name in ("binance", "all", "common"))
    assert (dead.status, dead.long, dead.short, dead.venues) == (Status.GAP, None, None, [])
    assert (both.status, both.venues) == (Status.PARTIAL, ["bybit:BTC-USDT-PERP"])
    assert (common.status, common.long) == (Status.COMPLETE, both.long)
    assert flow.completeness.feed_states["binance:BTC-USDT-PERP"] is FeedState.DOWN


def test_a_venue_that_dies_in_the_middle_keeps_what_it_told_and_loses_its_upper_bound() -> None:
    seconds = [
        second(
            n,
            there(n, BYBIT),
            there(n, BINANCE, *([row(n, 10)] if n < 30 else []), feed=LIVE if n < 30 else DOWN),
        )
        for n in range(60)
    ]
    flow = flows(seconds)[0]
    dying = series(flow, "binance")
    assert dying.long is not None
    assert (dying.status, dying.long.obs_usd_cents) == (Status.PARTIAL, 300)
    assert dying.long.ub_usd_cents is None
    assert dying.long.null_reasons["ub_usd_cents"] == "trades_incomplete"
    assert dying.long.null_reasons["est"] == "partial"
    assert long_of(flow, "all").obs_usd_cents == 300
    assert long_of(flow, "all").ub_usd_cents is None
    assert long_of(flow, "common").obs_usd_cents == 0
    assert long_of(flow, "common").ub_usd_cents == 0


def test_a_minute_that_nobody_was_there_in_is_not_sent() -> None:
    assert flows([second(n, there(n, BYBIT, feed=DOWN)) for n in range(60)]) == []


def test_what_was_told_in_a_minute_that_nobody_was_there_in_is_partial_and_not_lost() -> None:
    """A feed that reconnects all the time covers no second, but its rows happened."""
    seconds = [second(n, there(n, BYBIT, feed=DOWN)) for n in range(60)]
    seconds[7] = second(7, there(7, BYBIT, row(7, 500), feed=DOWN))
    for interval in (1, 60):
        (flow,) = flows(seconds, interval)
        for name in ("bybit", "all"):
            assert series(flow, name).status is Status.PARTIAL
            assert long_of(flow, name).obs_usd_cents == 500
        assert series(flow, "common").status is Status.GAP


def test_a_minute_that_a_jump_leaves_open_is_sent_as_partial_and_the_hole_is_no_minute() -> None:
    seconds = [second(n, there(n, BYBIT, row(n, 1), sold=9)) for n in (0, 1, 190, 191)]
    found = flows([*seconds, *[second(n, there(n, BYBIT)) for n in range(192, 240)]])
    starts = [(one.window_start_us // 1_000_000 - NOON_SECOND) for one in found]
    assert starts == [0, 180]
    assert [one.interval_seconds for one in found] == [60, 60]
    assert [series(one, "bybit").status for one in found] == [Status.PARTIAL, Status.PARTIAL]
    assert [long_of(one, "all").obs_usd_cents for one in found] == [2, 2]
    assert [one.completeness.coverage_ms["bybit:BTC-USDT-PERP"] for one in found] == [2000, 50_000]


# --- clusters


def clusters(
    rows: dict[int, list[MemberSecond]], until: int = 40, **params: int
) -> list[LiquidationCluster]:
    seconds = [second(n, *rows.get(n, [there(n, BYBIT)])) for n in range(until)]
    return [one for flow in flows(seconds, 1, **params) for one in flow.clusters]


def test_rows_within_the_gap_are_one_cluster_with_its_range_and_largest() -> None:
    rows = {
        1: [there(1, BYBIT, row(1, 500, price="60000", qty=3))],
        6: [
            there(6, BYBIT, row(6, 900, price="59999.5")),
            there(6, BINANCE, row(6, 900, price="101", kind=PriceKind.FILL_AVERAGE)),
        ],
    }
    (found,) = clusters(rows)
    start_us = (NOON_SECOND + 1) * 1_000_000
    assert found.id == f"liquidations:BTC:{start_us}:long"
    assert (found.start_us, found.end_us) == (start_us, start_us + 5_000_000)
    assert (found.low_price, found.high_price) == ("101", "60000")
    assert (found.count, found.qty_lots, found.obs_usd_cents) == (3, 5, 2300)
    assert (found.largest.member, found.largest.usd_cents) == ("binance:BTC-USDT-PERP", 900)
    assert found.largest.price_kind is PriceKind.FILL_AVERAGE
    assert found.venues_usd_cents == {"binance:BTC-USDT-PERP": 900, "bybit:BTC-USDT-PERP": 1400}
    assert found.end_reason == "gap"


@pytest.mark.parametrize(("later_us", "counts"), [(0, [4]), (1, [2, 2])])
def test_the_gap_itself_still_belongs_and_a_microsecond_more_does_not(
    later_us: int, counts: list[int]
) -> None:
    rows = {
        n: [there(n, BYBIT, row(n, 1, at_us=at), row(n, 1, at_us=at))]
        for n, at in ((1, 0), (6, later_us))
    }
    assert [one.count for one in clusters(rows, cluster_least_rows=1)] == counts


def test_both_sides_have_clusters_of_their_own_and_small_ones_are_not_told() -> None:
    three = [row(2, 1, SHORT, at_us=at) for at in range(3)]
    found = clusters({2: [there(2, BYBIT, row(2, 9), row(2, 9), *three)]})
    assert [(one.liquidated_side, one.count) for one in found] == [(SHORT, 3)]


def test_a_cluster_without_an_end_is_cut_at_its_length() -> None:
    found = clusters({n: [there(n, BYBIT, row(n, 1))] for n in range(25)}, cluster_most_seconds=10)
    assert [(one.count, one.end_reason) for one in found] == [
        (10, "length"),
        (10, "length"),
        (5, "gap"),
    ]


def test_an_outage_of_everybody_ends_a_cluster_and_one_of_somebody_is_noted() -> None:
    down = {n: [there(n, BYBIT, row(n, 1)), there(n, BINANCE, feed=DOWN)] for n in range(3)}
    down[3] = [there(3, BYBIT, feed=DOWN), there(3, BINANCE, feed=DOWN)]
    (found,) = clusters(down)
    assert found.end_reason == "feed"
    assert found.partial_venues == ["binance:BTC-USDT-PERP", "bybit:BTC-USDT-PERP"]


def test_a_jump_in_time_ends_a_cluster_as_nobody_could_tell() -> None:
    seconds = [second(n, there(n, BYBIT, row(n, 1))) for n in (0, 1, 2, 5, 6, 7)]
    seconds += [second(n, there(n, BYBIT)) for n in range(8, 20)]
    found = [one for flow in flows(seconds, 1) for one in flow.clusters]
    assert [(one.count, one.end_reason) for one in found] == [(3, "feed"), (3, "gap")]


# --- everything at random


def random_seconds(seed: int, count: int = 400) -> list[Second]:
    chance = random.Random(seed)
    found, at = [], 0
    for _ in range(count):
        at += 1 if chance.random() < 0.98 else chance.randrange(2, 90)
        members = []
        for instrument in (BINANCE, BYBIT, OKX):
            feed = LIVE if chance.random() < 0.97 else (chance.randrange(10**6), FeedState.DOWN)
            times = sorted(chance.randrange(10**6) for _ in range(chance.choice([0, 0, 0, 1, 3])))
            rows = [
                row(
                    at,
                    chance.randrange(1, 5000),
                    chance.choice([LONG, SHORT]),
                    at_us=at_us,
                    price=f"{chance.randrange(1, 10**6)}.5",
                    flags=chance.choice([0, 0, 0, BACKLOG, ORDER_PRICE]),
                )
                for at_us in times
                if at_us < feed[0]
            ]
            sold, bought = chance.randrange(9000), chance.randrange(9000)
            members.append(there(at, instrument, *rows, feed=feed, sold=sold, bought=bought))
        found.append(second(at, *members))
    return found


@pytest.mark.parametrize("seed", range(4))
def test_sums_and_bounds_are_those_of_a_plain_count(seed: int) -> None:
    seconds = random_seconds(seed)
    found = flows(seconds)
    assert len(found) > 4
    for flow in found:
        inside = [
            one for one in seconds if flow.window_start_us <= one.start_us < flow.window_end_us
        ]
        total = 0
        for instrument in (BINANCE, BYBIT, OKX):
            members = [one.members[":".join(instrument)] for one in inside]
            counted = [
                each
                for one in members
                for each in one.liquidations
                if each.side is LONG and not each.flags & BACKLOG
            ]
            taken = sum(
                Fraction(each[3] * each[4], 1000)
                for one in members
                for each in one.trades
                if each[5] < 0
            )
            whole = len(inside) == 60 and all(
                one.trade_stream is not None and one.trade_stream.complete for one in members
            )
            sums = long_of(flow, instrument[0])
            assert sums.count == len(counted)
            assert sums.obs_usd_cents == sum(each.notional for each in counted) // 1000
            upper = round_half_even(taken.numerator, taken.denominator)
            consistent = whole and sums.obs_usd_cents <= upper
            assert sums.ub_usd_cents == (upper if consistent else None)
            assert ("ub_usd_cents" in sums.null_reasons) is not consistent
            if sums.est_usd_cents is not None:
                assert sums.obs_usd_cents <= sums.est_usd_cents <= upper
            total += sums.obs_usd_cents
        assert long_of(flow, "all").obs_usd_cents == total


@pytest.mark.parametrize("seed", range(3))
def test_clusters_are_those_of_a_plain_walk(seed: int) -> None:
    """Without outages: every row is in one cluster, cut just where the gap is larger."""
    chance = random.Random(seed)
    rows: dict[int, list[MemberSecond]] = {}
    times = []
    for n in range(300):
        rows[n] = [there(n, BYBIT), there(n, BINANCE)]
        if chance.random() < 0.2:
            at = [chance.randrange(10**6) for _ in range(2)]
            times += [(NOON_SECOND + n) * 10**6 + one for one in at]
            rows[n] = [
                there(n, one, row(n, 1, at_us=us))
                for one, us in zip((BYBIT, BINANCE), at, strict=True)
            ]
    times.sort()
    expected: list[list[int]] = []
    for time_us in times:
        if expected and time_us - expected[-1][-1] <= 5_000_000:
            expected[-1].append(time_us)
        else:
            expected.append([time_us])
    found = clusters(rows, until=320, cluster_least_rows=1)
    assert [(one.start_us, one.end_us, one.count) for one in found] == [
        (one[0], one[-1], len(one)) for one in expected
    ]


def test_a_restart_changes_nothing() -> None:
    seconds = random_seconds(9)
    assert run_with_restarts(operator, seconds) == run(operator(), seconds)


def test_a_record_comes_back_from_json_as_it_went() -> None:
    for one in run(operator(), random_seconds(2, 100)):
        text = msgspec.json.encode(one.record)
        assert msgspec.json.decode(text, type=LiquidationFlow) == one.record


@pytest.mark.parametrize(
    "params",
    [
        {"cluster_gap_seconds": 0},
        {"cluster_least_rows": 0},
        {"cluster_most_seconds": 5},
    ],
)
def test_parameters_that_make_no_clusters_are_refused(params: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="cluster"):
        LiquidationParams(**params)
