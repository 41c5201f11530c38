"""The rows of definitions 5.16 on liquidations, through an engine with all operators on."""

from collections.abc import Sequence

import pytest

from processors.operator import Output
from schemas.liquidation_flow import LiquidationFlow
from schemas.liquidations import LiquidationRow
from schemas.market import Scope
from tests.processors.builders import NOON, SECOND
from tests.processors.seconds.market import BINANCE, Market, header, in_turn, liquidation_batch
from tests.processors.test_toolkit import Run

AT = NOON + 20 * SECOND


def told(*batches: Sequence[LiquidationRow]) -> list[tuple[int, int, int]]:
    """Return count, lots and cents of longs of the second that rows are in."""
    logs = Market(60, instruments=[BINANCE]).logs()
    logs["liquidations"] = [
        liquidation_batch(header(BINANCE, 9, number, at_us), [])
        for number, at_us in enumerate(range(NOON, NOON + 60 * SECOND, SECOND))
    ]
    sent = [
        liquidation_batch(header(BINANCE, 10 + number, 0, AT + SECOND // 2 + number), rows)
        for number, rows in enumerate(batches)
    ]
    records = sorted(
        [*in_turn(logs), *(("liquidations", batch) for batch in sent)],
        key=lambda record: record[1].receive_time_us,
    )
    return [sums for output in Run().feed(records).outputs for sums in _longs(output)]


def _longs(output: Output) -> list[tuple[int, int, int]]:
    record = output.record
    if not isinstance(record, LiquidationFlow) or record.interval_seconds != 1:
        return []
    return [
        (one.long.count, one.long.qty_lots, one.long.obs_usd_cents)
        for one in record.series
        if one.scope is Scope.VENUE and one.long is not None
    ]


@pytest.mark.parametrize(("price", "cents"), [("60100", 12_020_000), ("59000", 11_800_000)])
def test_a_long_of_two_coins(price: str, cents: int) -> None:
    """5.16, Binance at its average fill, and Bybit at its bankruptcy price: 2 coins."""
    assert told([(AT, price, 2000, 1, 0, 0)]) == [(1, 2000, cents)]


def test_one_liquidation_stored_for_both_parties_is_one_fill() -> None:
    """5.16, Hyperliquid archive: the same row twice, in two records, is counted once."""
    row = (AT, "60000", 2000, 1, 0, 0)
    assert told([row], [row]) == [(1, 2000, 12_000_000)]


def test_two_equal_liquidations_of_one_record_are_two() -> None:
    """Their occurrences tell them apart."""
    rows = [(AT, "60000", 2000, 1, occurrence, 0) for occurrence in range(2)]
    assert told(rows) == [(2, 4000, 24_000_000)]
