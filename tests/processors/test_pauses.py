"""Gaps: a log that stops and goes on days later, a venue that is away for minutes."""

from functools import cache

import pytest

from processors.asset import EngineParams
from processors.operators.footprint import FootprintParams
from schemas.lineage import Status
from schemas.market import Scope
from tests.processors.builders import (
    BINANCE,
    BUY,
    BYBIT,
    MINUTE,
    NOON,
    OKX,
    SECOND,
    UNITS,
    Runner,
    Stream,
    merged,
)

HOUR = 60 * MINUTE
STOP = NOON + 10 * MINUTE + 30 * SECOND
PARAMS = EngineParams(
    toolkit=False,
    footprint=FootprintParams(wide_seconds=(300, 3600, 86_400), row_factors=(1,)),
    units={"BTC": UNITS},
)


@cache
def paused(hours: int) -> Runner:
    """Trade a lot every ten seconds on either venue, stop, and go on."""
    resume = STOP + hours * HOUR
    logs = []
    for of in (BINANCE, BYBIT):
        stream = Stream(of)
        log = stream.quiet(NOON - SECOND, NOON)
        for start_us, end_us in ((NOON, STOP), (resume, resume + MINUTE)):
            for time_us in range(start_us, end_us, 10 * SECOND):
                row = stream.row(time_us, 600_000, 1, BUY)
                log.append(stream.batch(time_us + SECOND, [row]))
            stream.reconnect()
        logs.append(log + stream.quiet(resume + 2 * MINUTE, resume + 3 * MINUTE))
    return Runner(PARAMS).feed(merged(*logs))


@pytest.mark.parametrize("hours", [25, 80])
@pytest.mark.parametrize(("scope", "venue", "venues"), [("venue", "bybit", 1), ("perp", "", 2)])
def test_bars_of_the_minute_of_the_stop_become_final_however_long_the_pause(
    scope: str, venue: str, venues: int, hours: int
) -> None:
    run = paused(hours)
    bars = run.bars(scope=Scope(scope), venue=venue)
    lots = {
        seconds: [
            (bar.buy_lots, (bar.bar_start_us - NOON) // MINUTE)
            for bar in sorted(bars, key=lambda bar: bar.bar_start_us)
            if bar.interval_seconds == seconds and bar.bar_start_us < STOP and bar.buy_lots
        ]
        for seconds in (60, 300, 3600, 86_400)
    }
    stop = run.bar(scope=Scope(scope), venue=venue, bar_start_us=NOON + 10 * MINUTE)

    assert lots == {
        60: [*((6 * venues, minute) for minute in range(10)), (3 * venues, 10)],
        300: [(30 * venues, 0), (30 * venues, 5), (3 * venues, 10)],
        3600: [(63 * venues, 0)],
        86_400: [(63 * venues, -720)],
    }
    assert (stop.version, stop.completeness.status) == (1, Status.PARTIAL)
    assert {bar.version for bar in bars} == {1}


def test_bars_of_a_pause_of_days_add_up_to_the_steps_of_its_cvd() -> None:
    run = paused(80)
    steps = [run.series(start_us, Scope.PERP, "all").step for start_us in run.steps()]
    bars = run.bars(scope=Scope.PERP, interval_seconds=60)

    assert sum(step.delta_lots for step in steps if step is not None) == 2 * (63 + 6)
    assert sum(bar.delta_lots for bar in bars) == 2 * (63 + 6)
    assert sum(bar.bar_start_us < STOP for bar in bars) == 12  # the first one before noon


def test_the_bars_after_a_gap_have_no_previous_close_until_one_has_traded() -> None:
    """Binance is away in the minutes 2 to 4, trades again in minute 6; OKX always does."""
    away, there = Stream(BINANCE), Stream(OKX)
    log = away.quiet(NOON - SECOND, NOON + 110 * SECOND)
    log.append(away.batch(NOON + 111 * SECOND, [away.row(NOON + 110 * SECOND, 600_000, 1, BUY)]))
    away.reconnect()
    log += away.quiet(NOON + 5 * MINUTE, NOON + 6 * MINUTE + SECOND)
    again_us = NOON + 6 * MINUTE + SECOND
    log.append(away.batch(again_us + SECOND, [away.row(again_us, 600_070, 1, BUY)]))
    log += away.quiet(again_us + 2 * SECOND, NOON + 11 * MINUTE)
    other = there.quiet(NOON - SECOND, NOON)
    for second in range(1, 11 * 60):
        row = there.row(NOON + second * SECOND - SECOND // 2, 120_000, 1, BUY)
        other.append(there.batch(NOON + second * SECOND, [row]))
    run = Runner().feed(merged(log, other))

    def before(interval_seconds: int, scope: Scope, venue: str) -> list[int | str]:
        bars = run.bars(scope=scope, venue=venue, interval_seconds=interval_seconds, row_size="1")
        ours = sorted((bar.bar_start_us, bar) for bar in bars if bar.bar_start_us >= NOON)
        return [bar.ref_close_ticks or bar.null_reasons["ref_close"] for _, bar in ours]

    assert before(60, Scope.VENUE, "binance")[:9] == [
        "no_earlier_trade", "no_earlier_trade", 6_000_000,
        *["gap_before"] * 4, 6_000_700, 6_000_700,
    ]  # fmt: skip
    assert before(60, Scope.PERP, "")[1:6] == [6_000_000] * 5
    assert before(300, Scope.VENUE, "binance")[:2] == ["no_earlier_trade", 6_000_000]
