"""The depth heat map (`md.flow.heatmap.v1`): one column of rows per instrument and second.

Source: definitions 5.6 (heat map).
"""

import msgspec

from schemas.lineage import DerivedHeader

HEATMAP_SCHEMA = "heatmap.v1"


class HeatRow(msgspec.Struct, frozen=True, array_like=True):
    """What rests in `[row_ticks, row_ticks + row size)` on one side."""

    row_ticks: int
    notional_usd_cents: int


class HeatColumn(msgspec.Struct, frozen=True, kw_only=True):
    """One instrument's valid book at the end of the second, in rows, best row first.

    The rows are of the best levels that book records show: `bid_deepest_ticks` and
    `ask_deepest_ticks` say how far. The last row of a side may hold more than is shown, beyond it
    nothing is known; between the best prices and there, a row that is missing is empty.
    """

    venue: str
    symbol: str
    bids: list[HeatRow]
    asks: list[HeatRow]
    bid_deepest_ticks: int | None
    ask_deepest_ticks: int | None


class HeatmapStep(DerivedHeader, frozen=True, kw_only=True):
    """The books of an asset at the end of one second `[step_start_us, step_start_us + 1 s)`.

    Identity: `asset, step_start_us, row_size`. An instrument without a valid book has no column but
    its reason in `null_reasons`, by name; a second in which none has one is not sent.
    """

    schema: str = HEATMAP_SCHEMA
    step_start_us: int
    row_size: str
    row_ticks: int
    tick: str
    columns: list[HeatColumn]
    null_reasons: dict[str, str]
