"""CVD by the second where feeds come and go (definitions 5.0, 5.5)."""

from schemas.market import FeedState, Scope
from tests.processors.builders import BINANCE, BUY, MINUTE, NOON, SECOND, Runner, Stream

PRICE = 600_000


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
