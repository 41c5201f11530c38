"""The heat map: dollars by footprint row, from valid books alone (definitions 5.6)."""

from dataclasses import replace

import msgspec

from processors.operators.imbalance import ImbalanceOperator
from processors.seconds.second import Second
from schemas.heatmap import HeatmapStep
from tests.processors.seconds.builders import (
    ASSET,
    BYBIT,
    DOWN,
    UNITS,
    book,
    member,
    run,
    second,
)

WORKED = book(0, [(10_000, 3), (9_990, 5)], [(10_010, 2), (10_030, 6)])


def heatmaps(*seconds: Second) -> list[HeatmapStep]:
    return [
        one.record
        for one in run(ImbalanceOperator(ASSET, UNITS), seconds)
        if isinstance(one.record, HeatmapStep)
    ]


def test_heat_map_rows_are_dollars_by_footprint_row() -> None:
    """Row 1 is 100 ticks: 99.90 to 99.99 lies in 99, 100.00 to 100.30 in 100."""
    (step,) = heatmaps(second(0, member(books=[WORKED])))
    (column,) = step.columns
    assert [tuple(msgspec.to_builtins(row)) for row in column.bids] == [(10_000, 30), (9_900, 50)]
    assert [tuple(msgspec.to_builtins(row)) for row in column.asks] == [(10_000, 80)]
    assert (column.bid_deepest_ticks, column.ask_deepest_ticks) == (9_990, 10_030)
    assert (step.row_ticks, step.row_size) == (100, "1")


def test_a_heat_map_row_is_rounded_once_half_to_even_on_the_assets_grid() -> None:
    coarse = replace(book(0, [(1_000, 1), (999, 1)], []), tick_factor=10, lot_factor=25)
    (step,) = heatmaps(second(0, member(books=[coarse])))
    # 10,000 ticks x 25 lots / 1000 = 250 cents; 9,990 x 25 / 1000 = 249.75
    assert [row.notional_usd_cents for row in step.columns[0].bids] == [250, 250]


def test_missing_books_are_absent_from_the_heat_map_and_seconds_without_any_are_too() -> None:
    dead = member(BYBIT, there=DOWN)
    step, *rest = heatmaps(second(0, member(books=[WORKED]), dead), second(1, dead))
    assert [column.venue for column in step.columns] == ["binance"]
    assert step.null_reasons == {"bybit:BTC-USDT-PERP": "feed_down"}
    assert rest == []
