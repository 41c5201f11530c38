"""The worked examples of definitions 5.4, 5.14 and 5.16 that concern footprints and CVD."""

import msgspec
import pytest

from processors.asset import EngineParams
from processors.operators.footprint import FootprintParams
from processors.units import AssetUnits
from schemas.cvd import CvdStep
from schemas.footprints import FootprintBar, Mark, Stack
from schemas.lineage import Status
from schemas.market import FeedState, Scope
from schemas.ops import QualityEvent, QualityKind
from tests.processors.builders import (
    BINANCE,
    BUY,
    BYBIT,
    MINUTE,
    NOON,
    OKX,
    PARAMS,
    SECOND,
    SELL,
    UNKNOWN,
    Instrument,
    Runner,
    Stream,
    merged,
)
from tests.processors.measures.bars import WORKED

MIDNIGHT = NOON + 12 * 60 * MINUTE
PRICE = 600_000
LOT = 1000
"""Lots in one coin: quantities of the examples are coins."""


def one_minute(*trades: tuple[int, int], start_us: int = NOON) -> Runner:
    """Feed trades `(coins, side)` of one feed, a second apart, and let the minute end."""
    stream = Stream(BINANCE)
    log = stream.quiet(start_us - 2 * SECOND, start_us + SECOND)
    for index, (coins, side) in enumerate(trades):
        time_us = start_us + (1 + index) * SECOND
        log.append(stream.batch(time_us + SECOND, [stream.row(time_us, PRICE, coins * LOT, side)]))
    log += stream.quiet(start_us + 30 * SECOND, start_us + 70 * SECOND)
    return Runner().feed(log)


@pytest.mark.parametrize(
    ("trades", "highest", "lowest", "close"),
    [
        ([(5, BUY), (8, SELL), (4, BUY)], 5, -3, 1),
        ([(2, SELL), (1, BUY)], 0, -2, -1),
    ],
)
def test_delta_path(trades: list[tuple[int, int]], highest: int, lowest: int, close: int) -> None:
    bar = one_minute(*trades).bar(bar_start_us=NOON, scope=Scope.VENUE)

    assert bar.delta_max_lots == highest * LOT
    assert bar.delta_min_lots == lowest * LOT
    assert bar.delta_lots == close * LOT


def test_unknown_side_is_volume_and_never_delta() -> None:
    run = one_minute((3, BUY), (2, UNKNOWN), (1, SELL))
    bar = run.bar(bar_start_us=NOON, scope=Scope.PERP)
    total = bar.buy_lots + bar.sell_lots + bar.unknown_lots
    step = run.series(NOON + 10 * SECOND, Scope.PERP, "all").anchored

    assert (total, bar.delta_lots) == (6 * LOT, 2 * LOT)
    assert bar.delta_lots / (bar.buy_lots + bar.sell_lots) == 0.5
    assert bar.trades_unknown == 1
    assert step is not None
    assert (step.delta_lots, step.volume_lots) == (2 * LOT, 4 * LOT)


def test_a_trade_exactly_at_the_edge_belongs_to_the_next_bar() -> None:
    stream = Stream(BINANCE)
    edge = NOON + MINUTE
    log = stream.quiet(NOON - SECOND, edge)
    log.append(stream.batch(edge + SECOND, [stream.row(edge, PRICE, 7, BUY)]))
    log += stream.quiet(edge + 2 * SECOND, edge + 70 * SECOND)
    run = Runner().feed(log)

    assert run.bar(bar_start_us=NOON, scope=Scope.VENUE).buy_lots == 0
    assert run.bar(bar_start_us=edge, scope=Scope.VENUE).buy_lots == 7


def test_cvd_of_a_day_starts_anew_at_midnight() -> None:
    stream = Stream(BINANCE)
    log = stream.quiet(MIDNIGHT - 5 * SECOND, MIDNIGHT)
    rows = [
        stream.row(MIDNIGHT - 1000, PRICE, 2 * LOT, BUY),
        stream.row(MIDNIGHT, PRICE, 3 * LOT, SELL),
    ]
    log.append(stream.batch(MIDNIGHT + SECOND // 4, rows))
    log += stream.quiet(MIDNIGHT + SECOND, MIDNIGHT + 5 * SECOND)
    run = Runner().feed(log)
    old = run.series(MIDNIGHT - SECOND, Scope.PERP, "all")
    new = run.series(MIDNIGHT, Scope.PERP, "all")

    assert old.day is not None
    assert new.day is not None
    assert (old.day.delta_lots, new.day.delta_lots) == (2 * LOT, -3 * LOT)
    assert new.rolling[0] is not None
    assert new.rolling[0].delta_lots == -LOT


def test_a_dead_venue_is_a_gap_of_its_own_partial_in_all_and_not_in_common() -> None:
    """Venue B is down for a whole minute (and the minute around it)."""
    alive, dead = Stream(BINANCE), Stream(BYBIT)
    end = NOON + 4 * MINUTE
    a = alive.quiet(NOON, end)
    for time_us in range(NOON + 20 * SECOND, end, 20 * SECOND):
        a.append(alive.batch(time_us + 1, [alive.row(time_us, PRICE, 5, BUY)]))
    a.sort(key=lambda batch: batch.receive_time_us)
    a = [msgspec.structs.replace(batch, sequence=place) for place, batch in enumerate(a)]
    b = dead.quiet(NOON, NOON + 90 * SECOND)
    b.append(dead.batch(NOON + 91 * SECOND, state=FeedState.DOWN, watermark_us=b[-1].watermark_us))
    dead.reconnect()
    b += dead.quiet(NOON + 190 * SECOND, end)
    run = Runner().feed(merged(a, b))
    minute = NOON + 2 * MINUTE
    own = run.bar(bar_start_us=minute, venue="bybit")
    both = run.bar(bar_start_us=minute, scope=Scope.PERP)
    second = minute + 19 * SECOND + SECOND

    assert own.completeness.status is Status.GAP
    assert own.open_ticks is own.vwap is own.delta_min_lots is None
    assert own.null_reasons["prices"] == "gap"
    assert own.completeness.feed_states == {"bybit:BTC-USDT-PERP": FeedState.DOWN}
    assert both.completeness.status is Status.PARTIAL
    assert both.completeness.venues_complete == ["binance:BTC-USDT-PERP"]
    assert both.buy_lots == 15
    step = run.series(second, Scope.VENUE, "bybit")
    assert (step.status, step.step) == (Status.GAP, None)
    everyone = run.series(second, Scope.PERP, "all")
    common = run.series(second, Scope.PERP, "common")
    assert everyone.status is Status.PARTIAL
    assert common.venues == ["binance:BTC-USDT-PERP"]
    assert common.step == run.series(second, Scope.VENUE, "binance").step
    assert common.step is not None
    assert common.step.delta_lots == 5


# --- 5.14


def late_by(seconds: float) -> tuple[Runner, int]:
    """Let one trade of the first minute arrive late; return the run and how many bars closed."""
    stream = Stream(BINANCE)
    time_us = NOON + 59 * SECOND + SECOND // 2
    arrival = time_us + int(seconds * SECOND)
    log = stream.quiet(NOON - SECOND, NOON + 10 * SECOND)
    log.append(stream.batch(NOON + 11 * SECOND, [stream.row(NOON + 10 * SECOND, PRICE, 4, BUY)]))
    log += stream.quiet(NOON + 12 * SECOND, arrival - SECOND // 2)
    log.append(stream.batch(arrival, [stream.row(time_us, PRICE + 50, 3, SELL)]))
    log += stream.quiet(arrival + SECOND, max(arrival, NOON + MINUTE) + 10 * SECOND)
    return Runner().feed(log), time_us


def test_a_trade_1_5_seconds_late_is_in_the_first_final_bar() -> None:
    run, _ = late_by(1.5)
    bar = run.bar(bar_start_us=NOON, scope=Scope.PERP)

    assert (bar.version, bar.sell_lots, bar.completeness.status) == (1, 3, Status.COMPLETE)
    assert not any(step.adjustments for step in run.steps().values())


def test_a_trade_10_seconds_late_makes_version_2_and_adjusts_the_cvd() -> None:
    run, _ = late_by(10)
    bar = run.bar(bar_start_us=NOON, scope=Scope.PERP)
    (adjust,) = [a for step in run.steps().values() for a in step.adjustments]
    newest = run.series(max(run.steps()), Scope.PERP, "all")

    assert (bar.version, bar.reason, bar.sell_lots) == (2, "late", 3)
    assert (bar.close_ticks, bar.delta_max_lots, bar.delta_lots) == (6_000_500, 4, 1)
    assert (adjust.bar_start_us, adjust.delta_lots, adjust.volume_lots, adjust.trades) == (
        NOON, -3, 3, 1,
    )  # fmt: skip
    assert newest.anchored is not None
    assert newest.anchored.delta_lots == 1


def test_a_trade_two_minutes_late_corrects_sums_and_leaves_the_path_unknown() -> None:
    run, _ = late_by(130)
    bar = run.bar(bar_start_us=NOON, scope=Scope.VENUE)

    assert (bar.version, bar.sell_lots, bar.close_ticks) == (2, 3, 6_000_500)
    assert bar.delta_max_lots is None
    assert bar.null_reasons["delta_path"] == "order_of_late_trades_unknown"


def test_a_trade_25_hours_late_is_refused_on_record() -> None:
    stream = Stream(BINANCE)
    log = stream.quiet(NOON, NOON + 5 * SECOND)
    old = NOON - 25 * 60 * MINUTE
    log.append(stream.batch(NOON + 6 * SECOND, [stream.row(old, PRICE, 4, BUY)]))
    log += stream.quiet(NOON + 7 * SECOND, NOON + 70 * SECOND)
    run = Runner().feed(log)
    (event,) = run.records(QualityEvent)

    assert isinstance(event, QualityEvent)
    assert (event.kind, event.from_us, event.count) == (QualityKind.TOO_LATE, old, 1)
    assert not any(bar.buy_lots for bar in run.bars())


@pytest.mark.parametrize("of", [BINANCE, BYBIT])
def test_duplicates_after_a_reconnect_are_dropped_and_counted(of: Instrument) -> None:
    stream = Stream(of)
    log = stream.quiet(NOON - SECOND, NOON + 5 * SECOND)
    rows = [stream.row(NOON + 5 * SECOND + i, PRICE, 4, BUY) for i in range(3)]
    log.append(stream.batch(NOON + 6 * SECOND, rows))
    stream.reconnect()
    rows.append(stream.row(NOON + 6 * SECOND, PRICE, 1, BUY))
    log.append(stream.batch(NOON + 7 * SECOND, rows))
    log += stream.quiet(NOON + 8 * SECOND, NOON + 70 * SECOND)
    run = Runner().feed(log)
    events = [e for e in run.records(QualityEvent) if isinstance(e, QualityEvent)]

    assert [(e.kind, e.count) for e in events if e.count] == [(QualityKind.DUPLICATE, 3)]
    assert run.bar(bar_start_us=NOON, scope=Scope.PERP).buy_lots == 13


def test_a_venue_down_for_40_seconds_over_two_bars_makes_both_partial() -> None:
    stream, other = Stream(BINANCE), Stream(OKX)
    log = stream.quiet(NOON - SECOND, NOON + 40 * SECOND)
    down = log[-1].watermark_us
    log.append(stream.batch(NOON + 41 * SECOND, state=FeedState.DOWN, watermark_us=down))
    stream.reconnect()
    log += stream.quiet(NOON + 80 * SECOND, NOON + 200 * SECOND)
    run = Runner().feed(merged(log, other.quiet(NOON - SECOND, NOON + 200 * SECOND)))
    bars = [
        run.bar(bar_start_us=start, scope=scope, venue=venue)
        for start in (NOON, NOON + MINUTE)
        for scope, venue in ((Scope.VENUE, "binance"), (Scope.PERP, ""))
    ]
    gaps = [
        e for e in run.records(QualityEvent)
        if isinstance(e, QualityEvent) and e.kind is QualityKind.GAP
    ]  # fmt: skip

    assert [bar.completeness.status for bar in bars] == [Status.PARTIAL] * 4
    assert [bar.completeness.coverage_ms["binance:BTC-USDT-PERP"] for bar in bars] == [
        39_500, 39_500, 40_500, 40_500,
    ]  # fmt: skip
    assert [(gap.from_us, gap.to_us) for gap in gaps] == [(down, down + 40 * SECOND)]
    assert run.bar(bar_start_us=NOON + 2 * MINUTE, venue="binance").completeness.status is (
        Status.COMPLETE
    )


def test_a_trade_ahead_of_our_clock_keeps_its_time_and_does_not_silence_its_feed() -> None:
    stream = Stream(BYBIT)
    log = stream.quiet(NOON - SECOND, NOON + 5 * SECOND)
    ahead = NOON + 9 * MINUTE
    log.append(stream.batch(NOON + 6 * SECOND, [stream.row(ahead, PRICE, 4, BUY)]))
    log.append(stream.batch(NOON + 7 * SECOND, [stream.row(NOON + 6 * SECOND, PRICE, 2, SELL)]))
    log += stream.quiet(NOON + 8 * SECOND, NOON + 10 * MINUTE + 5 * SECOND)
    run = Runner().feed(log)

    assert run.bar(bar_start_us=NOON, scope=Scope.PERP).sell_lots == 2
    assert run.bar(bar_start_us=ahead, scope=Scope.PERP).buy_lots == 4
    assert run.bar(bar_start_us=ahead, scope=Scope.PERP).version == 1


def test_no_trades_on_a_quiet_feed_is_a_complete_zero_bar_also_in_wider_bars() -> None:
    stream = Stream(BINANCE)
    run = Runner().feed(stream.quiet(NOON - SECOND, NOON + 7 * MINUTE))
    for interval in (60, 300):
        bar = run.bar(bar_start_us=NOON, interval_seconds=interval, scope=Scope.PERP)
        assert bar.completeness.status is Status.COMPLETE
        assert bar.completeness.feed_states == {BINANCE.name: FeedState.QUIET}
        assert (bar.buy_lots, bar.open_ticks, bar.rows) == (0, None, [])
        assert bar.null_reasons["prices"] == "no_trades"


def test_one_side_only_has_zero_flags_and_no_imbalance() -> None:
    stream = Stream(BINANCE)
    log = stream.quiet(NOON - SECOND, NOON + SECOND)
    rows = [stream.row(NOON + SECOND + i, PRICE + 10 * i, 4, BUY) for i in range(3)]
    log += [
        stream.batch(NOON + 2 * SECOND, rows),
        *stream.quiet(NOON + 3 * SECOND, NOON + 70 * SECOND),
    ]
    bar = Runner().feed(log).bar(bar_start_us=NOON, scope=Scope.VENUE)

    assert [row.marks for row in bar.rows] == [0, Mark.ZERO_BUY, Mark.ZERO_BUY]
    assert bar.delta_lots == bar.buy_lots == 12


def test_the_first_bar_is_partial_and_cumulative_values_start_at_its_first_trade() -> None:
    stream = Stream(BINANCE)
    start = NOON + 20 * SECOND
    log = [stream.batch(start, [stream.row(start - SECOND // 4, PRICE, 3, SELL)])]
    log += stream.quiet(start + SECOND, NOON + 70 * SECOND)
    run = Runner().feed(log)
    bar = run.bar(bar_start_us=NOON, scope=Scope.VENUE)
    steps = run.steps()
    first = run.series(min(steps), Scope.PERP, "all").anchored

    assert (bar.completeness.status, bar.version) == (Status.PARTIAL, 1)
    assert bar.null_reasons["ref_close"] == "no_earlier_trade"
    assert min(steps) == steps[min(steps)].anchor_us == NOON + 19 * SECOND
    assert first is not None
    assert first.delta_lots == -3


def test_the_previous_close_is_that_of_the_bar_of_the_same_interval() -> None:
    stream = Stream(BINANCE)
    log = stream.quiet(NOON - SECOND, NOON)
    for minute in range(11):
        time_us = NOON + minute * MINUTE + 30 * SECOND
        log += stream.quiet(time_us - 29 * SECOND, time_us)
        log.append(stream.batch(time_us + 1, [stream.row(time_us, PRICE + minute, 1, BUY)]))
        log += stream.quiet(time_us + SECOND, time_us + 30 * SECOND)
    run = Runner().feed(log)

    assert run.bar(bar_start_us=NOON + 3 * MINUTE, scope=Scope.PERP).ref_close_ticks == 6_000_020
    wide = run.bar(bar_start_us=NOON + 5 * MINUTE, scope=Scope.PERP, interval_seconds=300)
    assert (wide.ref_close_ticks, wide.close_ticks) == (6_000_040, 6_000_090)


def test_a_late_trade_between_two_venues_takes_its_place_in_the_merged_path() -> None:
    """A's trade comes late and lies after A's last, but before B's last one."""
    a, b = Stream(BINANCE), Stream(OKX)
    first = a.quiet(NOON - SECOND, NOON + 10 * SECOND)
    first.append(a.batch(NOON + 11 * SECOND, [a.row(NOON + 10 * SECOND, PRICE, 5, BUY)]))
    first += a.quiet(NOON + 12 * SECOND, NOON + 70 * SECOND)
    first.append(a.batch(NOON + 71 * SECOND, [a.row(NOON + 20 * SECOND, PRICE, 9, SELL)]))
    first += a.quiet(NOON + 72 * SECOND, NOON + 80 * SECOND)
    second = b.quiet(NOON - SECOND, NOON + 30 * SECOND)
    second.append(b.batch(NOON + 31 * SECOND, [b.row(NOON + 30 * SECOND, 120_000, 1, BUY)]))
    second += b.quiet(NOON + 32 * SECOND, NOON + 80 * SECOND)
    bar = Runner().feed(merged(first, second)).bar(bar_start_us=NOON, scope=Scope.PERP)

    assert (bar.version, bar.delta_max_lots, bar.delta_min_lots) == (2, 6, -4)
    assert bar.delta_lots == 6


def test_a_delisted_feed_closes_its_bar_and_holds_nothing_up() -> None:
    gone, stays = Stream(BINANCE), Stream(OKX)
    log = gone.quiet(NOON - SECOND, NOON + 20 * SECOND)
    log.append(gone.batch(NOON + 21 * SECOND, [gone.row(NOON + 20 * SECOND, PRICE, 5, BUY)]))
    log.append(gone.batch(NOON + 22 * SECOND, state=FeedState.NOT_LISTED))
    run = Runner().feed(merged(log, stays.quiet(NOON - SECOND, NOON + 190 * SECOND)))
    bars = {bar.bar_start_us: bar for bar in run.bars(scope=Scope.PERP, row_size="1")}

    assert run.bar(bar_start_us=NOON, venue="binance").buy_lots == 5
    assert bars[NOON].buy_lots == 5
    assert bars[NOON].completeness.status is Status.PARTIAL
    assert bars[NOON + MINUTE].completeness.venues_expected == [OKX.name]
    assert bars[NOON + MINUTE].completeness.status is Status.COMPLETE
    assert not run.bars(bar_start_us=NOON + MINUTE, venue="binance")
    assert bars[NOON + MINUTE].log_time_us == NOON + 123 * SECOND


def test_a_hole_in_the_sequence_numbers_is_not_covered_until_the_batch_comes() -> None:
    stream = Stream(BINANCE)
    log = stream.quiet(NOON - SECOND, NOON + 62 * SECOND)
    without = [batch for batch in log if batch.sequence != 31]
    healed = [*without[:33], log[31], *without[33:]]
    rest = stream.quiet(NOON + 63 * SECOND, NOON + 70 * SECOND)
    states = [
        Runner().feed([*part, *rest]).bar(bar_start_us=NOON, scope=Scope.VENUE).completeness
        for part in (log, without, healed)
    ]

    assert [state.coverage_ms[BINANCE.name] for state in states] == [60_000, 58_000, 60_000]


# --- 5.4


def test_the_worked_bar_fed_as_trades_is_the_published_record() -> None:
    """Of every level one buy and one sell; a price of the example is a tick here, a lot a unit."""
    params = EngineParams(
        footprint=FootprintParams(wide_seconds=(300,), row_factors=(1, 2, 5)),
        units={"BTC": AssetUnits(tick="0.1", lot="0.001", row_size="2")},
    )
    stream = Stream(BINANCE)
    log = stream.quiet(NOON - SECOND, NOON + SECOND)
    rows = []
    for index, (price, (sell, buy)) in enumerate(WORKED.items()):
        rows.append(stream.row(NOON + SECOND + 2 * index, price, sell, SELL))
        rows.append(stream.row(NOON + SECOND + 2 * index + 1, price, buy, BUY))
    rows.append(stream.row(NOON + SECOND, 64_040, 1, BUY, flags=3))
    log.append(stream.batch(NOON + 2 * SECOND, rows))
    log += stream.quiet(NOON + 3 * SECOND, NOON + 6 * MINUTE)
    run = Runner(params).feed(log)
    for scope, interval in ((Scope.VENUE, 60), (Scope.PERP, 60), (Scope.PERP, 300)):
        bar = run.bar(bar_start_us=NOON, scope=scope, interval_seconds=interval, row_size="2")
        _check_worked(bar)
    coarse = run.bar(bar_start_us=NOON, scope=Scope.PERP, row_size="4")
    assert [(r.row_ticks, r.sell_lots, r.buy_lots) for r in coarse.rows] == [
        (64_040, 920, 155), (64_080, 150, 1010), (64_120, 18, 240),
    ]  # fmt: skip
    assert coarse.poc_ticks == 64_080
    coarsest = run.bar(bar_start_us=NOON, scope=Scope.PERP, row_size="10")
    assert [(r.row_ticks, r.sell_lots, r.buy_lots) for r in coarsest.rows] == [
        (64_000, 1040, 755), (64_100, 48, 650),
    ]  # fmt: skip


def _check_worked(bar: FootprintBar) -> None:
    buy, sell = Mark.BUY_IMBALANCE, Mark.SELL_IMBALANCE
    buy_h, sell_h = Mark.BUY_IMBALANCE_H, Mark.SELL_IMBALANCE_H
    assert [(r.row_ticks, r.sell_lots, r.buy_lots, Mark(r.marks)) for r in bar.rows] == [
        (64_040, 380, 60, sell | sell_h),
        (64_060, 540, 95, sell_h),
        (64_080, 120, 600, buy_h),
        (64_100, 30, 410, buy | buy_h),
        (64_120, 18, 240, buy | buy_h),
    ]
    assert (bar.sell_lots, bar.buy_lots, bar.delta_lots) == (1088, 1405, 317)
    assert bar.excluded_lots == {"adl": 1}
    assert bar.poc_ticks == 64_080
    assert bar.stacks == []
    assert bar.stacks_h == [Stack(1, 64_080, 64_120, 3, 1250, 5.0, 410 / 30)]
    areas = {n: (a.val_ticks, a.vah_ticks, round(a.share, 6)) for n, a in bar.value_areas.items()}
    assert areas == {
        "single": (64_060, 64_120, 0.720016),
        "two_row": (64_040, 64_100, 0.720016),
        "at_most": (64_060, 64_100, 0.543522),
    }
    assert (bar.unfinished_high, bar.unfinished_low) == (True, True)
    assert (bar.exhaustion_high, bar.exhaustion_low) == (True, False)
    assert (bar.ratio_high, bar.ratio_low) == (410 / 240, 540 / 380)
    assert (bar.open_ticks, bar.close_ticks) == (64_040, 64_120)
    assert bar.vwap == 15_974_026.0 * 10 / 2493 / 10
    assert bar.trades_buy == bar.trades_sell == 5


def test_params_of_the_tests_are_those_of_the_record() -> None:
    run = one_minute((1, BUY))
    bar = run.bar(bar_start_us=NOON, scope=Scope.PERP)
    step = run.records(CvdStep)[-1]

    assert (bar.tick, bar.lot, bar.row_ticks) == ("0.01", "0.001", 100)
    assert isinstance(step, CvdStep)
    assert step.params != bar.params
    assert PARAMS.footprint.row_factors == (1, 5)
