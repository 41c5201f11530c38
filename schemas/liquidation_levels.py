"""Estimated liquidation levels (`md.flow.liquidation_levels.v1`). Source: definitions 5.11."""

from typing import Literal

import msgspec

from schemas.lineage import Completeness, DerivedHeader
from schemas.liquidations import LiquidatedSide

LIQUIDATION_LEVELS_TOPIC = "md.flow.liquidation_levels.v1"
LIQUIDATION_LEVELS_SCHEMA = "liquidation_levels.v1"


class LevelRow(msgspec.Struct, frozen=True, array_like=True):
    """`[row_ticks, side, est_usd_cents, low_usd_cents, high_usd_cents, since_us]`.

    Positions of `side` that would be liquidated at prices of `[row_ticks, row_ticks + row size)`,
    in dollars at the middle of the row. Low and high are the least and the most that the weightings
    of leverage give, not bounds of the truth. `since_us` is the minute of the oldest of them.
    """

    row_ticks: int
    side: LiquidatedSide
    est_usd_cents: int
    low_usd_cents: int
    high_usd_cents: int
    since_us: int


class LiquidationLevels(DerivedHeader, frozen=True, kw_only=True):
    """The map of one asset at the end of the minute `[minute_start_us, minute_start_us + 60 s)`.

    Identity: `asset, minute_start_us`. An estimate from open interest, footprint and an assumed
    spread of leverage, all positions isolated: cross margin, hedges and added margin make any level
    wrong. Never to be mixed with measured positions. It knows of positions that were opened since
    `map_start_us` only.

    `rows` are sorted by side, longs first, and price; of each side the largest, down to a share of
    the total (parameters). `long_usd_cents` and `short_usd_cents` are all rows, also those that
    are not published. `open_interest_start_lots` and `change_lots` are those of the minute, over
    `venues`, null where no venue is known at both ends; `placed_lots` is what of it was spread.
    `skipped_minutes` counts the minutes since `map_start_us` that could not be judged.
    `completeness` is of the tickers; its status is partial also where trades are missing.
    """

    schema: str = LIQUIDATION_LEVELS_SCHEMA
    kind: Literal["estimate"] = "estimate"
    minute_start_us: int
    map_start_us: int
    tick: str
    lot: str
    row_size_ticks: int
    venues: list[str]
    completeness: Completeness
    open_interest_start_lots: int | None
    change_lots: int | None
    placed_lots: int
    skipped_minutes: int
    long_usd_cents: int
    short_usd_cents: int
    rows: list[LevelRow]
    null_reasons: dict[str, str]
