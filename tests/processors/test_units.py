"""The grids of an asset, and rows that do not fit the ticks of its venues."""

from decimal import Decimal

import msgspec
import pytest

from processors.units import AssetUnits, fallback_units
from schemas.market import Scope
from tests.processors.builders import (
    BINANCE,
    BUY,
    NOON,
    OKX,
    PARAMS,
    SECOND,
    SELL,
    Runner,
    Stream,
    merged,
)


@pytest.mark.parametrize(
    ("price", "tick", "row_size"),
    [
        ("65000", "0.1", "5"),
        ("83.2", "0.001", "0.005"),
        ("83.2", "0.01", "0.01"),
        ("0.5", "0.0001", "0.0001"),
        ("0.9", "0.00004", "0.00008"),
        ("2600", "0.25", "0.25"),
        ("0.00001", "0.00000001", "0.00000001"),
    ],
)
def test_a_row_is_about_a_basis_point_and_whole_ticks(price: str, tick: str, row_size: str) -> None:
    units = fallback_units(Decimal(price), Decimal(tick), Decimal("0.001"))
    assert units.row_size == row_size


def test_rows_that_are_not_whole_ticks_of_a_venue_have_no_imbalances_and_say_why() -> None:
    """Binance has ticks of 0.1 and OKX of 0.5: rows of 0.2 fit the one, those of 1 fit both."""
    units = {"BTC": AssetUnits(tick="0.01", lot="0.001", row_size="0.2")}
    logs = []
    for of, step in ((BINANCE, 5), (OKX, 1)):
        stream = Stream(of)
        log = stream.quiet(NOON - SECOND, NOON)
        rows = [
            stream.row(NOON + SECOND + i, (24_000 + i) * step, qty, side)
            for i in range(6)
            for qty, side in ((100, BUY), (10, SELL))
        ]
        log.append(stream.batch(NOON + 2 * SECOND, rows))
        logs.append(log + stream.quiet(NOON + 3 * SECOND, NOON + 70 * SECOND))
    run = Runner(msgspec.structs.replace(PARAMS, units=units)).feed(merged(*logs))
    why = {
        (bar.scope, bar.venue, bar.row_size): bar.null_reasons.get("imbalances", "")
        for bar in run.bars(bar_start_us=NOON, interval_seconds=60)
    }

    assert why == {
        (Scope.VENUE, "binance", "0.2"): "",
        (Scope.VENUE, "binance", "1"): "",
        (Scope.VENUE, "okx", "0.2"): "row_tick_mismatch",
        (Scope.VENUE, "okx", "1"): "",
        (Scope.PERP, "", "0.2"): "row_tick_mismatch",
        (Scope.PERP, "", "1"): "",
    }
