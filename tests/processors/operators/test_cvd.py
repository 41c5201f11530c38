"""CVD by the second where feeds come and go (definitions 5.0, 5.5)."""

from schemas.cvd import CvdSeries, CvdStep
from schemas.market import FeedState, Scope
from tests.processors.builders import (
    BINANCE,
    BINANCE_SPOT,
    BUY,
    MINUTE,
    NOON,
    SECOND,
    SELL,
    Runner,
    Stream,
)

PRICE = 600_000
BOTH = (Scope.PERP, "all")


def test_a_trade_of_seconds_that_were_passed_over_is_an_adjustment() -> None:
    """The feed is there, but not live, for two minutes; then it fetches what it missed."""
    stream = Stream(BINANCE)
    log = [
        stream.batch(NOON + n * SECOND, state=FeedState.STALE, watermark_us=NOON)
        for n in range(120)
    ]
    missed = stream.row(NOON + 60 * SECOND, PRICE, 7, BUY)
    log.append(stream.batch(NOON + 120 * SECOND, [missed]))
    for n in range(121, 200):
        at_us = NOON + n * SECOND
        log.append(stream.batch(at_us, [stream.row(at_us - SECOND // 10, PRICE, 1, BUY)]))
    run = Runner().feed(log)
    steps = run.steps()
    last = max(steps)
    [adjust] = [one for step in steps.values() for one in step.adjustments]
    assert (adjust.bar_start_us, adjust.delta_lots, adjust.trades) == (NOON + MINUTE, 7, 1)
    series = run.series(last, Scope.VENUE, "binance")
    traded = (last - NOON) // SECOND - 119
    for measure in (series.day, series.anchored, series.rolling[0]):
        assert measure is not None
        assert measure.delta_lots == 7 + traded


def outage() -> tuple[Runner, Stream]:
    """Let a perpetual be down from second 30 on, beside spot that is there all the time."""
    spot, perp = Stream(BINANCE_SPOT), Stream(BINANCE)
    log = []
    for n in range(1000):
        at_us = NOON + n * SECOND + SECOND // 2
        log.append(spot.batch(at_us, [spot.row(at_us - SECOND // 10, 10 * PRICE, 10, BUY)]))
        if n < 30:
            log.append(perp.batch(at_us, [perp.row(at_us - SECOND // 10, PRICE, 5, SELL)]))
        elif n % 5 == 0:
            log.append(perp.batch(at_us, state=FeedState.DOWN, watermark_us=NOON + 30 * SECOND))
    return Runner().feed(log), perp


def newest(run: Runner, *, is_final: bool = True) -> list[CvdSeries]:
    """Return the newest series of the perpetual, and of all perpetuals."""
    steps = [one.record for one in run.outputs if isinstance(one.record, CvdStep)]
    step = [one for one in steps if one.is_final is is_final][-1]
    assert step.step_start_us > NOON + 960 * SECOND
    return [
        one
        for one in step.series
        if one.symbol == BINANCE.symbol or (one.scope, one.composition) == BOTH
    ]


def test_a_window_in_which_a_venue_was_not_there_is_null() -> None:
    run, _ = outage()
    for series in newest(run) + newest(run, is_final=False):
        assert (series.step, series.rolling[0]) == (None, None)
        assert [one and one.delta_lots for one in series.rolling[1:]] == [-150] * 4
        assert series.rolling_venues == [0, 1, 1, 1, 1]
        assert series.day == series.anchored == series.rolling[1]
    for start, step in run.steps().items():
        [everyone] = [one for one in step.series if (one.scope, one.composition) == BOTH]
        assert (everyone.rolling[0] is None) == (start > NOON + (29 + 899) * SECOND)


def test_what_was_fetched_of_a_window_that_was_null_is_in_it() -> None:
    run, perp = outage()
    missed = perp.row(NOON + 500 * SECOND, PRICE, 3, SELL)
    log = [perp.batch(NOON + 1000 * SECOND, [missed], watermark_us=NOON + 30 * SECOND)]
    log += Stream(BINANCE_SPOT, session="s1").quiet(NOON + 1001 * SECOND, NOON + 1060 * SECOND)
    for series in newest(run.feed(log)):
        assert series.rolling[0] is not None
        assert (series.rolling[0].delta_lots, series.rolling_venues[0]) == (-3, 1)
