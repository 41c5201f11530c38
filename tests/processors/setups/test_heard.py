"""What setups hear of CVD (definitions 5.0 constant composition, 5.13)."""

from collections.abc import Iterable

from processors.operators.cvd_structure import CvdStructureOperator
from processors.seconds.second import MemberSecond
from processors.setups.heard import Heard
from processors.trades import Trade
from schemas.units import US_PER_MINUTE
from tests.processors.operators.footprint_bars import PRICE
from tests.processors.seconds.builders import (
    BINANCE,
    BINANCE_SPOT,
    BYBIT,
    DOWN,
    OKX,
    UNITS,
    member,
    second,
    trade,
)

AWAY = 60 * 21 + 30
"""The second in which one of three perpetuals was not there."""


def members(number: int) -> Iterable[MemberSecond]:
    """Return one buyer who buys a lot more every minute, steady sellers, and spot beside them."""

    def traded(instrument: tuple[str, str], qty: int, side: int) -> list[Trade]:
        return [] if number % 60 else [trade(number, PRICE, qty, side, instrument=instrument)]

    yield member(BINANCE, trades=traded(BINANCE, 1 + number // 60, 1))
    yield member(BYBIT, trades=traded(BYBIT, 10, -1))
    yield member(OKX, trades=traded(OKX, 1000, -1)) if number != AWAY else member(OKX, there=DOWN)
    yield member(BINANCE_SPOT, trades=traded(BINANCE_SPOT, 1 + number, 1))


def test_a_venue_that_goes_away_or_comes_back_changes_no_cvd() -> None:
    operator, heard = CvdStructureOperator(UNITS), Heard(())
    changes: list[list[int | None]] = []
    for number in range(60 * 42):
        one = second(number, *members(number))
        one.events.extend(operator.on_second(one))
        heard.take(one)
        if number % 60 == 59:
            changes.append([heard.cvd_change(one.end_us, n * US_PER_MINUTE) for n in (1, 5)])
    assert changes[:15] == [[None, None]] * 15
    assert changes[15:19] == [[15, None]] * 4
    assert changes[19:] == [[15, 75]] * 23
