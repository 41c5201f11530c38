"""The footprint bar (`md.flow.footprints.v1`): one record replaces one bar whole.

Source: definitions 5.2, 5.3.
"""

from enum import IntFlag

import msgspec

from schemas.lineage import Completeness, InputRange
from schemas.market import Scope

FOOTPRINT_SCHEMA = "footprint.v1"


class Mark(IntFlag):
    """What is remarkable about a footprint row, as bits of its `marks`."""

    BUY_IMBALANCE = 1
    SELL_IMBALANCE = 2
    ZERO_BUY = 4
    ZERO_SELL = 8
    BUY_IMBALANCE_H = 16
    SELL_IMBALANCE_H = 32


class Row(msgspec.Struct, frozen=True, array_like=True):
    """One price bucket `[row_ticks, row_ticks + row size)`; quantities in lots of the bar's `lot`.

    `agree_buy` and `agree_sell` count, on rows of an aggregate, the member venues whose own
    footprint has the same diagonal imbalance there.
    """

    row_ticks: int
    sell_lots: int
    buy_lots: int
    unknown_lots: int
    trades_sell: int
    trades_buy: int
    sell_usd_cents: int
    buy_usd_cents: int
    marks: int = 0
    agree_buy: int = 0
    agree_sell: int = 0


class ValueArea(msgspec.Struct, frozen=True):
    """The rows that hold `share` of the volume: their lowest and their highest edge."""

    val_ticks: int
    vah_ticks: int
    share: float


class Stack(msgspec.Struct, frozen=True):
    """A run of adjacent rows with the same imbalance; `side` 1 buy, -1 sell; edges as rows."""

    side: int
    low_row_ticks: int
    high_row_ticks: int
    count: int
    dominant_lots: int
    min_ratio: float | None
    max_ratio: float | None


class FootprintBar(msgspec.Struct, frozen=True, kw_only=True):
    """One bar of one scope at one interval and row size.

    Identity: `asset, scope, venue, symbol, interval_seconds, row_size, bar_start_us`; `venue` and
    `symbol` are empty over venues. Window `[bar_start_us, bar_end_us)` of venue time. `revision`
    grows with the input that caused the record; `version` is 0 while provisional, 1 when final, 2
    and up after corrections, whose `reason` says why. Prices are `*_ticks * tick`, quantities
    `*_lots * lot` (base coin), both grids being the asset's, equal for all its venues.

    A field that cannot be known is null, and `null_reasons` says of its group why: `prices` (a bar
    without trades, or a gap, whose volumes are zero and unknown), `rows` (more than are published),
    `ref_close` (the close of the last bar before it that traded: none did, a bar since was a gap,
    or this is a correction), `delta_path` (a late trade, once the order of the bar's trades is no
    longer held), `imbalances` (`imbalances_valid` false: the rows are not whole ticks of a venue
    that traded, or those of an aggregate are finer than twice the cross-venue basis, or it is not
    known). `value_areas` are by method: `single`, `two_row`, `at_most`. `*_usd_cents` are
    hundredths of the quote currency, all taken as dollars at par.
    """

    schema: str = FOOTPRINT_SCHEMA
    asset: str
    scope: Scope
    venue: str
    symbol: str
    interval_seconds: int
    row_size: str
    row_ticks: int
    tick: str
    lot: str
    bar_start_us: int
    bar_end_us: int
    revision: int
    version: int
    is_final: bool
    reason: str
    method: str
    params: str
    inputs: list[InputRange]
    log_time_us: int
    completeness: Completeness

    open_ticks: int | None
    high_ticks: int | None
    low_ticks: int | None
    close_ticks: int | None
    ref_close_ticks: int | None
    vwap: float | None
    buy_lots: int
    sell_lots: int
    unknown_lots: int
    excluded_lots: dict[str, int]
    delta_lots: int
    delta_min_lots: int | None
    delta_max_lots: int | None
    delta_since_high_lots: int | None
    delta_since_low_lots: int | None
    trades_buy: int
    trades_sell: int
    trades_unknown: int
    buy_usd_cents: int
    sell_usd_cents: int

    rows: list[Row]
    poc_ticks: int | None
    value_areas: dict[str, ValueArea]
    imbalances_valid: bool
    stacks: list[Stack]
    stacks_h: list[Stack]
    unfinished_high: bool | None
    unfinished_low: bool | None
    exhaustion_high: bool | None
    exhaustion_low: bool | None
    ratio_high: float | None
    ratio_low: float | None
    null_reasons: dict[str, str]
