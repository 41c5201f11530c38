"""The pieces around the state machine: windows, baseline, tape, watch, context, venues."""

import random
from dataclasses import replace

import msgspec
import pytest

from processors.cascade.baseline import Baseline
from processors.cascade.context import change, depth_of, interest_of
from processors.cascade.params import DEFAULT
from processors.cascade.tape import NO_FLOW, Tape, flow_of
from processors.cascade.venues import (
    Part,
    attribution_of,
    confidence_of,
    precedes,
    totals_of,
)
from processors.cascade.watch import Watch
from processors.cascade.windows import LiquidationWindow, greatest_l10
from processors.seconds.second import MemberSecond
from processors.trades import Trade
from schemas.books import ASK_COVERED, BID_COVERED
from schemas.cascades import Attribution, CascadeBar, CascadeLevel, ConfidenceClass
from schemas.liquidations import LiquidatedSide, SamplingClass
from schemas.market import FeedState
from schemas.units import US_PER_DAY, US_PER_MINUTE, US_PER_SECOND
from tests.processors.cascade.tickers import ticker
from tests.processors.seconds.builders import (
    BINANCE,
    BYBIT,
    DOWN,
    LIVE,
    NOON_SECOND,
    OKX,
    There,
    book,
    member,
    plainly,
    second,
    trade,
)

LONG, SHORT = LiquidatedSide.LONG, LiquidatedSide.SHORT
ALL, LARGEST = SamplingClass.ALL, SamplingClass.MAX_PER_SECOND
NOON_US = NOON_SECOND * US_PER_SECOND
A, B, O = (":".join(one) for one in (BINANCE, BYBIT, OKX))  # noqa: E741


# --- windows


def test_windows_are_half_open_and_rows_of_one_time_are_one_episode() -> None:
    window = LiquidationWindow()
    for at, usd in ((0, 1), (0, 2), (50_000_000, 4), (59_999_999, 8)):
        window.take(NOON_US + at, usd)
    window.advance(NOON_US + 60_000_000)
    assert (window.l10, window.l60, window.episodes60) == (12, 15, 3)
    window.advance(NOON_US + 61_000_000)
    assert (window.l10, window.l60, window.episodes60) == (8, 12, 2)
    window = LiquidationWindow(plainly(window.dump()))
    assert (window.l10, window.l60, window.episodes60) == (8, 12, 2)
    window.advance(NOON_US + 200_000_000)
    assert (window.l10, window.l60, window.episodes60) == (0, 0, 0)
    assert plainly(window.dump()) == [[], [], []]


@pytest.mark.parametrize("seed", range(3))
def test_windows_are_those_of_a_plain_sum(seed: int) -> None:
    chance = random.Random(seed)
    window, rows = LiquidationWindow(), list[tuple[int, int]]()
    for number in range(400):
        start_us = NOON_US + number * US_PER_SECOND
        for at in sorted(chance.randrange(3) * 400_000 for _ in range(chance.choice([0, 0, 2]))):
            rows.append((start_us + at, chance.randrange(100)))
            window.take(*rows[-1])
        end_us = start_us + US_PER_SECOND
        window.advance(end_us)
        last10 = [usd for at, usd in rows if end_us - 10_000_000 <= at < end_us]
        last60 = [(at, usd) for at, usd in rows if end_us - 60_000_000 <= at < end_us]
        assert (window.l10, window.l60) == (sum(last10), sum(usd for _, usd in last60))
        assert window.episodes60 == len({at for at, _ in last60})
        sums = [
            sum(usd for at, usd in last60 if until - 10_000_000 <= at < until)
            for until in range(end_us - 50_000_000, end_us + 1, US_PER_SECOND)
        ]
        assert greatest_l10(window.episodes(), end_us) == max(sums)


@pytest.mark.parametrize(
    ("limit", "from_s", "onset_s"),
    [(9, 0, 0), (10, 0, 30), (29, 0, 30), (30, 0, 59), (40, 0, None)],
)
def test_onset_is_the_row_that_takes_a_minute_past_the_limit(
    limit: int, from_s: int, onset_s: int | None
) -> None:
    """Equal does not pass; at 60 s the first row has left the sum again."""
    window = LiquidationWindow()
    for at, usd in ((0, 10), (30, 20), (59, 10), (60, 10)):
        window.take(NOON_US + at * US_PER_SECOND, usd)
    window.advance(NOON_US + 61 * US_PER_SECOND)
    found = window.onset(limit, NOON_US + from_s * US_PER_SECOND)
    assert found == (None if onset_s is None else NOON_US + onset_s * US_PER_SECOND)


def test_onset_before_the_time_that_is_asked_for_does_not_count() -> None:
    window = LiquidationWindow()
    for at in (0, 40):
        window.take(NOON_US + at * US_PER_SECOND, 10)
    assert window.onset(9, NOON_US + US_PER_SECOND) == NOON_US + 40 * US_PER_SECOND


# --- baseline


def minute_of(baseline: Baseline, minute: int, *sums: tuple[tuple[str, str], int, There]) -> None:
    """Let a minute pass in which instruments told of so many long cents."""
    for n in range(60):
        at = minute * 60 + n
        baseline.close((NOON_SECOND + at) * US_PER_SECOND)
        for instrument, usd, there in sums:
            baseline.take(
                member(instrument, there=there), [usd if n == 7 else 0, 2 * usd if n == 8 else 0]
            )


def close(baseline: Baseline, minute: int) -> None:
    baseline.close(NOON_US + minute * US_PER_MINUTE)


def test_p99_is_the_nearest_rank_over_whole_minutes() -> None:
    baseline = Baseline(7, 100, 1)
    for n in range(99):
        minute_of(baseline, n, (BYBIT, n + 1, LIVE))
    close(baseline, 99)
    assert baseline.p99([B], LONG) is None
    minute_of(baseline, 99, (BYBIT, 100, LIVE))
    close(baseline, 100)
    assert (baseline.p99([B], LONG), baseline.p99([B], SHORT)) == (99, 198)
    minute_of(baseline, 100, (BYBIT, 101, LIVE))
    close(baseline, 101)
    assert baseline.p99([B], LONG) == 100


def test_p99_is_over_the_minutes_that_all_of_the_instruments_were_there_in() -> None:
    baseline = Baseline(7, 1, 1)
    minute_of(baseline, 0, (BYBIT, 1, LIVE), (BINANCE, 10, LIVE))
    minute_of(baseline, 1, (BYBIT, 5, LIVE), (BINANCE, 100, DOWN))
    minute_of(baseline, 2, (BYBIT, 2, LIVE))
    close(baseline, 3)
    assert baseline.p99([A, B], LONG) == 11
    assert baseline.p99([B], LONG) == 5
    assert baseline.p99([A], LONG) == 10
    assert baseline.p99([O], LONG) is None
    assert baseline.p99([], LONG) is None


def test_who_has_too_few_blocks_is_left_out_of_the_sum() -> None:
    """One that has just joined does not take away what is known of the others."""
    baseline = Baseline(7, 3, 1)
    for n in range(4):
        joined = [(OKX, 1000, LIVE)] if n > 1 else []
        minute_of(baseline, n, (BYBIT, 5, LIVE), (BINANCE, 10, LIVE), *joined)
    close(baseline, 4)
    assert baseline.p99([O], LONG) is None
    assert baseline.p99([A, B, O], LONG) == baseline.p99([A, B], LONG) == 15
    minute_of(baseline, 4, (BYBIT, 5, LIVE), (BINANCE, 10, LIVE), (OKX, 1000, LIVE))
    close(baseline, 5)
    assert baseline.p99([A, B, O], LONG) == 1015


def test_those_that_were_hardly_there_together_have_no_sum() -> None:
    baseline = Baseline(7, 2, 1)
    for n in range(5):
        away = (DOWN, LIVE) if n < 2 else (LIVE, DOWN if n < 4 else LIVE)
        minute_of(baseline, n, (BYBIT, 5, away[0]), (BINANCE, 10, away[1]))
    close(baseline, 5)
    assert (baseline.p99([A], LONG), baseline.p99([B], LONG)) == (10, 5)
    assert baseline.p99([A, B], LONG) is None


def test_a_minute_with_a_hole_in_time_is_no_block() -> None:
    baseline = Baseline(7, 1, 1)
    baseline.close(NOON_US)
    baseline.take(member(BYBIT), [9, 9])
    close(baseline, 5)
    assert baseline.p99([B], LONG) is None


def test_blocks_older_than_the_days_are_forgotten_and_hours_are_parts() -> None:
    baseline = Baseline(1, 1, 1)
    minute_of(baseline, 0, (BYBIT, 900, LIVE))
    minute_of(baseline, 1, (BYBIT, 500, LIVE))
    for n in range(2, 1440, 20):
        minute_of(baseline, n, (BYBIT, 1, LIVE))
    stored = dict[str, bytes]()
    for at, p99 in ((1440, 900), (1441, 500), (1442, 1)):
        close(baseline, at)
        assert baseline.p99([B], LONG) == p99
        stored |= baseline.take_parts()
        again = Baseline(1, 1, 1)
        again.load(plainly(baseline.dump()), stored)
        assert again.p99([B], LONG) == p99
    assert len(stored) == 24
    close(baseline, 1500)
    assert [name for name in sorted(stored) if not baseline.keeps(name)] == [min(stored)]


@pytest.mark.parametrize("minutes", [0, 3])
def test_parts_that_are_ahead_of_the_head_are_not_taken_for_the_past(minutes: int) -> None:
    """A worker may die between its parts and its head; it begins again with the head before."""
    baseline = Baseline(7, 1, 1)
    for n in range(minutes):
        minute_of(baseline, n, (BYBIT, 5, LIVE))
    close(baseline, minutes)
    head = plainly(baseline.dump())
    for n in range(minutes, 130):
        minute_of(baseline, n, (BYBIT, 900, LIVE))
    close(baseline, 130)
    again = Baseline(7, 1, 1)
    again.load(head, baseline.take_parts())
    assert again.p99([B], LONG) == (5 if minutes else None)


def test_blocks_before_a_change_of_sampling_are_forgotten() -> None:
    """Definitions 5.9: sums across a sampling change are not compared."""
    baseline, stored = Baseline(7, 1, 1), dict[str, bytes]()
    for n in range(70):
        minute_of(baseline, n, (BYBIT, 100, LIVE), (BINANCE, 1, LIVE))
    assert baseline.p99([B], LONG) == 100
    stored |= baseline.take_parts()
    baseline.restart(B)
    assert baseline.p99([B], LONG) is None
    assert baseline.p99([A], LONG) == 1
    minute_of(baseline, 71, (BYBIT, 7, LIVE), (BINANCE, 1, LIVE))
    close(baseline, 72)
    again = Baseline(7, 1, 1)
    again.load(plainly(baseline.dump()), stored)
    for one in (baseline, again):
        assert (one.p99([B], LONG), one.p99([A, B], LONG), one.p99([A], LONG)) == (7, 8, 1)


def test_the_watch_tells_who_samples_otherwise_than_before() -> None:
    watch, found = Watch(5), []
    for number, sampling in enumerate([LARGEST, LARGEST, ALL]):
        perps = [sampled(BINANCE, sampling)]
        found.append(watch.take(second(number, *perps), perps))
        watch = Watch(5, plainly(watch.dump()))
    assert found == [[], [], [A]]


# --- tape


def test_flow_of_a_second_is_a_plain_sum() -> None:
    chance = random.Random(3)
    trades: list[Trade] = [
        trade(0, chance.randrange(1, 99), chance.randrange(1, 99), chance.choice([-1, 0, 1]))
        for _ in range(500)
    ]
    found = flow_of(member(trades=trades))
    assert found.bought == sum(one[3] * one[4] for one in trades if one[5] > 0)
    assert found.sold == sum(one[3] * one[4] for one in trades if one[5] < 0)
    assert found.sideless == sum(one[3] * one[4] for one in trades if one[5] == 0)
    assert found.delta == sum(one[4] * one[5] for one in trades)
    assert (found.high, found.low) == (max(one[3] for one in trades), min(one[3] for one in trades))
    assert found.last == trades[-1][3]
    assert flow_of(member()) == NO_FLOW
    over = replace(member(), taken_over=7)
    assert flow_of(over) == NO_FLOW._replace(sideless=7)
    assert [flow_of(over).closing(sign) for sign in (1, -1)] == [7, 7]


def tape_of(prices: dict[int, list[int]], minutes: int, holes: tuple[int, ...] = ()) -> Tape:
    """Return a tape after so many minutes with these prices in them, restored now and then."""
    tape = Tape(DEFAULT)
    for at in range(minutes * 60):
        if at in holes:
            continue
        ticks = prices.get(at // 60, []) if at % 60 == 5 else []
        trades = [trade(at, price, 1, at_us=n) for n, price in enumerate(ticks)]
        tape.take((NOON_SECOND + at) * US_PER_SECOND, member(BYBIT, trades=trades))
        if at % 97 == 0:
            tape = Tape(DEFAULT, plainly(tape.dump()))
    return tape


def true_ranges(prices: dict[int, list[int]], minutes: int, *holes: int) -> int | None:
    """Return the sum of a tape's true ranges at the end of a minute."""
    return tape_of(prices, minutes, holes).true_ranges(NOON_US + minutes * US_PER_MINUTE)


def test_true_ranges_are_of_fourteen_minutes_each_with_the_close_before_it() -> None:
    prices = {n: [100, 103, 99, 101] for n in range(15)}
    assert true_ranges(prices, 13) is None
    assert true_ranges(prices, 14) == true_ranges(prices, 15) == 14 * 4
    prices[14] = [110, 112]
    assert true_ranges(prices, 15) == 13 * 4 + 112 - 101


def test_a_minute_without_trades_has_no_range_and_a_gap_after_it_counts() -> None:
    prices = {n: [100] for n in range(16)}
    prices[7] = []
    prices[8] = [90]
    assert true_ranges(prices, 15) == 10 + 10
    assert true_ranges({0: [100]}, 15) == 0
    assert true_ranges({}, 15) is None


def test_a_missing_second_costs_its_minute_a_range_and_the_next_a_close_before() -> None:
    """Second 100 is in minute 1: minutes 2 to 15 are the first fourteen that are whole."""
    prices = {n: [100, 101] if n < 2 else [200, 201] for n in range(40)}
    assert true_ranges(prices, 16, 100) == 14
    assert true_ranges(prices, 15, 100) is None
    assert true_ranges(prices, 19, 1000) is None


@pytest.mark.parametrize("jump", [False, True])
def test_the_last_price_is_not_known_across_a_break(jump: bool) -> None:
    """Definitions 5.0: a cascade that begins behind it is not measured from before it."""
    tape, found = Tape(DEFAULT), []
    told = {0: [trade(0, 100, 1)], 7: [trade(7, 90, 1)]}
    for at in (0, 1, *(() if jump else (2, 3)), 4, 7, 8):
        there = DOWN if at in (2, 3) else LIVE
        one = member(BYBIT, trades=told.get(at, ()), there=there)
        tape.take((NOON_SECOND + at) * US_PER_SECOND, one)
        found.append(tape.last)
    assert found == [100, 100, *([] if jump else [None, None]), None, 90, 90]


PIVOT = [5, 6, 7, 9, 9, 8, 7]


@pytest.mark.parametrize(
    ("highs", "found"),
    [
        (PIVOT, 9),
        ([9, *PIVOT[1:]], None),
        ([5, 6, 7, 9, 10, 8, 7], None),
        ([5, 6, 7, 9, 9, 9, 9], 9),
    ],
)
def test_a_pivot_is_above_its_left_and_not_below_its_right(
    highs: list[int], found: int | None
) -> None:
    """Definitions 5.5; it is known when the third minute after it closes."""
    for sign in (1, -1):
        prices = {n: [100 + sign * high] for n, high in enumerate(highs)}
        assert tape_of(prices, 6).levels(sign) == []
        expected = (
            []
            if found is None
            else [CascadeLevel("pivot", 100 + sign * found, NOON_US + 7 * US_PER_MINUTE)]
        )
        assert tape_of(prices, 7).levels(sign) == expected
        assert tape_of(prices, 7, holes=(61,)).levels(sign) == []


def test_a_pivot_needs_trades_in_every_minute() -> None:
    prices = {n: [100 + high] for n, high in enumerate(PIVOT)}
    prices[1] = []
    assert tape_of(prices, 7).levels(1) == []


@pytest.mark.parametrize("hole", [None, 100])
def test_extremes_of_a_whole_day_are_levels_of_the_next(hole: int | None) -> None:
    tape, quiet = Tape(DEFAULT), member(BYBIT)
    midnight = NOON_SECOND + 43_200
    levels: list[list[CascadeLevel]] = []
    for at in range(2 * 86_400 + 61):
        if at == hole:
            continue
        low, high = (90, 110) if at < 86_400 else (95, 105)
        ticks = {500: [low, high], 30_000: [100]}.get(at % 86_400, [])
        one = member(BYBIT, trades=[trade(at, price, 1) for price in ticks]) if ticks else quiet
        tape.take((midnight + at) * US_PER_SECOND, one)
        if at in (86_399, 86_400, 86_470, 2 * 86_400):
            levels.append(tape.levels(1) + tape.levels(-1))
    day_us = midnight * US_PER_SECOND + US_PER_DAY
    first = [CascadeLevel("prior_day", 110, day_us), CascadeLevel("prior_day", 90, day_us)]
    second_us = day_us + US_PER_DAY
    after = [CascadeLevel("prior_day", 105, second_us), CascadeLevel("prior_day", 95, second_us)]
    expected = [] if hole else first
    assert levels == [expected, expected, expected, after]


def test_levels_of_a_day_do_not_outlive_a_jump_over_the_next() -> None:
    tape, traded = Tape(DEFAULT), member(BYBIT, trades=[trade(0, 7, 1)])
    midnight = NOON_SECOND + 43_200
    for at in [*range(86_400), *range(3 * 86_400, 3 * 86_400 + 60)]:
        tape.take((midnight + at) * US_PER_SECOND, traded)
        if at == 86_399:
            assert len([one for one in tape.levels(1) if one.kind == "prior_day"]) == 1
    assert [one for one in tape.levels(1) if one.kind == "prior_day"] == []


def test_flow_and_minutes_are_over_sixty_seconds_and_know_whether_trades_are_missing() -> None:
    tape = Tape(DEFAULT)
    bars: list[CascadeBar] = []
    for at in range(120):
        there = (500_000, FeedState.LIVE) if at == 30 else LIVE
        one = member(BYBIT, trades=[trade(at, 10, at, 1), trade(at, 9, 1, -1)], there=there)
        _, bar = tape.take((NOON_SECOND + at) * US_PER_SECOND, one)
        if bar is not None:
            bars.append(bar)
        assert tape.traded is (at >= 90)
        assert tape.flow60(1) == 10 * sum(range(max(0, at - 59), at + 1))
        assert tape.flow60(-1) == 9 * min(at + 1, 60)
    assert [bar.is_complete for bar in bars] == [False, True]
    assert [bar.delta_lots for bar in bars] == [sum(range(60)) - 60, sum(range(60, 120)) - 60]
    assert (bars[1].high_ticks, bars[1].low_ticks, bars[1].close_ticks) == (10, 9, 9)
    tape.take((NOON_SECOND + 130) * US_PER_SECOND, member(BYBIT))
    assert (tape.flow60(1), tape.flow60(-1), tape.traded) == (0, 0, False)


def test_who_leads_is_by_the_last_hour_of_the_clock() -> None:
    """What was before an outage of two hours says nothing of who leads now."""
    tape = tape_of({n: [100] for n in range(50)}, 50)
    assert tape.notional == 50 * 100
    tape.take((NOON_SECOND + 40 * 60 + 60 * 60) * US_PER_SECOND, member(BYBIT))
    assert tape.notional == 10 * 100
    tape.take((NOON_SECOND + 3 * 60 * 60) * US_PER_SECOND, member(BYBIT))
    assert tape.notional == 0


# --- watch


def sampled(
    instrument: tuple[str, str], sampling: SamplingClass, there: There = LIVE
) -> MemberSecond:
    one = member(instrument, there=there)
    one.sampling = sampling
    return one


def test_every_full_feed_away_for_more_than_five_seconds_suspends() -> None:
    watch = Watch(5)
    found = []
    for number in range(9):
        there = LIVE if number == 0 else DOWN
        perps = [sampled(BYBIT, ALL, there), sampled(BINANCE, LARGEST)]
        watch.take(second(number, *perps), perps)
        watch = Watch(5, plainly(watch.dump())) if number % 2 else watch
        watch.take(second(number, *perps), perps)
        found.append((watch.suspended(A), watch.suspended(B)))
    assert found[:6] == [("", "")] * 6
    assert found[6:] == [("liquidation_feeds", "price_feed")] * 3
    assert watch.telling() == (A,)


def test_one_full_feed_is_enough_and_without_any_every_other_counts() -> None:
    watch = Watch(5)
    for number in range(9):
        perps = [sampled(BYBIT, ALL, DOWN), sampled(OKX, ALL), sampled(BINANCE, LARGEST, DOWN)]
        watch.take(second(number, *perps), perps)
    assert watch.suspended(O) == ""
    watch = Watch(5)
    for number in range(9):
        perps = [sampled(BINANCE, LARGEST, DOWN), sampled(OKX, SamplingClass.INCOMPLETE)]
        watch.take(second(number, *perps), perps)
    assert watch.suspended(O) == ""
    assert watch.suspended(None) == "price_feed"


def test_a_feed_that_tells_nothing_is_not_expected() -> None:
    watch = Watch(5)
    perps = [sampled(BINANCE, SamplingClass.UNAVAILABLE)]
    watch.take(second(0, *perps), perps)
    assert watch.suspended(A) == "liquidation_feeds"


# --- open interest and depth


def test_open_interest_counts_up_to_thirty_seconds_of_age() -> None:
    end_us = NOON_US + US_PER_MINUTE
    perps = [
        member(BINANCE, ticker=ticker(BINANCE, "12.5", end_us - 30_000_000)),
        member(BYBIT, ticker=ticker(BYBIT, "3", end_us - 30_000_001)),
        member(OKX, ticker=ticker(OKX, None, end_us)),
    ]
    lots, ages = interest_of(perps, "0.001", end_us, 30)
    assert lots == {A: 12_500}
    assert ages == {A: 30_000_000, B: 30_000_001}


def test_a_venue_whose_clock_is_ahead_makes_no_open_interest_fresh() -> None:
    """It is as old as its receipt at least, as everywhere (`processors.context.ticker`)."""
    told = ticker(BINANCE, "12.5", NOON_US)
    told = msgspec.structs.replace(told, open_interest_time_us=NOON_US + 300_000_000)
    for age_us, known in ((30_000_000, True), (31_000_000, False)):
        lots, ages = interest_of([member(BINANCE, ticker=told)], "0.001", NOON_US + age_us, 30)
        assert (ages, bool(lots)) == ({A: age_us}, known)


def test_change_is_over_what_is_known_both_times() -> None:
    assert change({"a": 100, "b": 300}, {"b": 270, "c": 9}) == (-0.1, ["b"])
    assert change({"a": 100}, {"c": 9}) == (None, [])


def test_depth_is_what_rests_in_the_way_where_the_book_is_known_to_the_edge() -> None:
    bands = [(20, 1, 2, 0, 0, 3), (50, 30, 40, 0, 0, BID_COVERED)]
    known = book(0, [(99, 1)], [(101, 1)], bands=bands)
    perps = [member(BINANCE, books=[known]), member(BYBIT)]
    assert depth_of(perps, -1, 50) == {A: 30}
    assert depth_of(perps, 1, 50) == {}
    assert depth_of(perps, 1, 20) == {A: 2}
    assert BID_COVERED != ASK_COVERED


# --- venues


@pytest.mark.parametrize(
    ("first", "other", "apart_us", "claimed"),
    [
        (A, B, 1_500_001, True),
        (A, B, 1_500_000, False),
        (B, A, 1_500_001, True),
        (A, O, 2_000_000, False),
        (A, O, 2_000_001, True),
        ("hyperliquid:BTC-PERP", B, 1_300_000, False),
        ("hyperliquid:BTC-PERP", B, 1_300_001, True),
    ],
)
def test_order_is_claimed_beyond_the_sum_of_resolutions(
    first: str, other: str, apart_us: int, claimed: bool
) -> None:
    """Definitions 5.10, trap 20: what is not surely later is simultaneous."""
    assert precedes(first, NOON_US, other, NOON_US + apart_us) is claimed
    expected = Attribution.ORDERED if claimed else Attribution.SIMULTANEOUS
    found, after = attribution_of({first: NOON_US, other: NOON_US + apart_us})
    assert found is expected
    assert after == {first: [other] if claimed else [], other: []}


def test_two_first_ones_are_simultaneous_though_both_precede_a_third() -> None:
    found, after = attribution_of({A: 0, B: 1_000_000, O: 9_000_000})
    assert found is Attribution.SIMULTANEOUS
    assert after == {A: [O], B: [O], O: []}
    assert attribution_of({A: 0})[0] is Attribution.UNKNOWN


def test_confidence_counts_venues_and_asks_for_a_full_feed() -> None:
    assert confidence_of([], []) is None
    assert confidence_of([A, O], []) is ConfidenceClass.THROTTLED_ONLY
    assert confidence_of([B], [B]) is ConfidenceClass.SINGLE_VENUE
    assert confidence_of([B, "bybit:BTC-USDC-PERP"], [B]) is ConfidenceClass.SINGLE_VENUE
    assert confidence_of([A, B], [B]) is ConfidenceClass.MULTI_VENUE


def test_totals_add_bounds_only_where_every_part_has_them() -> None:
    parts = {
        A: Part(episodes=1, notional=300_000, closing=500_000, traded=True),
        B: Part(episodes=2, notional=100_000, closing=99_000, traded=True),
    }
    found = totals_of(parts, {A: LARGEST, B: ALL}, 1000)
    assert [one.ub_usd_cents for one in found.venues] == [500, None]
    assert [one.bounds_inconsistent for one in found.venues] == [False, True]
    assert [one.share for one in found.venues] == [0.75, 0.25]
    assert (found.usd_cents, found.upper_usd_cents, found.all_share) == (400, None, 0.25)
    parts[B].closing = 100_000
    assert totals_of(parts, {A: LARGEST, B: ALL}, 1000).upper_usd_cents == 600
    parts[A].traded = False
    assert totals_of(parts, {A: LARGEST, B: ALL}, 1000).upper_usd_cents is None
    assert totals_of({}, {}, 1000).upper_usd_cents is None
