"""Whether the rows of an aggregate are wide enough for imbalances: definitions 5.3."""

from collections.abc import Collection
from functools import cache

from schemas.footprints import FootprintBar
from schemas.market import Scope
from tests.processors.builders import (
    BINANCE,
    BUY,
    BYBIT,
    MINUTE,
    NOON,
    SECOND,
    SELL,
    Runner,
    Stream,
    merged,
)

FINER = "rows_finer_than_twice_the_cross_venue_basis"
MINUTES = 70


@cache
def traded(first: Collection[int], second: Collection[int]) -> Runner:
    """Let two venues trade two coins of quote apart, in some minutes each."""
    logs = []
    for of, price, minutes in ((BINANCE, 600_000, first), (BYBIT, 600_020, second)):
        stream = Stream(of)
        log = stream.quiet(NOON - SECOND, NOON)
        for minute in range(MINUTES):
            start_us = NOON + minute * MINUTE
            if minute in minutes:
                rows = [
                    stream.row(start_us + SECOND, price, 10, BUY),
                    stream.row(start_us + SECOND, price - 10, 10, SELL),
                ]
                log.append(stream.batch(start_us + 2 * SECOND, rows))
            log += stream.quiet(start_us + 10 * SECOND, start_us + MINUTE, 10 * SECOND)
        logs.append(log)
    return Runner().feed(merged(*logs))


def why_not(run: Runner, row_size: str, interval_seconds: int = 60) -> list[str]:
    """Return of every bar over the venues why it has no imbalances, nothing where it has."""
    bars = run.bars(scope=Scope.PERP, row_size=row_size, interval_seconds=interval_seconds)
    ours = sorted((bar for bar in bars if bar.bar_start_us >= NOON), key=_start)
    assert all(bar.imbalances_valid is ("imbalances" not in bar.null_reasons) for bar in ours)
    return [bar.null_reasons.get("imbalances", "") for bar in ours]


def _start(bar: FootprintBar) -> int:
    return bar.bar_start_us


def test_minutes_in_which_one_venue_trades_alone_say_nothing_of_the_basis() -> None:
    run = traded(range(MINUTES), (3, 4, 8))
    assert why_not(run, "1")[:3] == [""] * 3
    assert set(why_not(run, "1")[3:68]) == {FINER}
    assert set(why_not(run, "5")) == {""}


def test_the_basis_is_that_of_the_last_sixty_bars() -> None:
    run = traded(range(MINUTES), (3,))
    assert why_not(run, "1")[:66] == [""] * 3 + [FINER] * 60 + [""] * 3


def test_one_venue_alone_is_valid_in_all_rows() -> None:
    run = traded(range(MINUTES), ())
    assert set(why_not(run, "1") + why_not(run, "1", 300)) == {""}


def test_venues_that_never_trade_in_the_same_minute_have_no_basis() -> None:
    run = traded(range(0, MINUTES, 2), range(1, MINUTES, 2))
    assert set(why_not(run, "1")) == {""}
    assert set(why_not(run, "5", 300)) == {"no_cross_venue_basis"}
