"""Estimated trapped positions (`md.flow.trapped.v1`). Source: definitions 5.11, 5.12."""

from typing import Literal

import msgspec

from schemas.lineage import Completeness, DerivedHeader
from schemas.liquidations import LiquidatedSide

TRAPPED_TOPIC = "md.flow.trapped.v1"
TRAPPED_SCHEMA = "trapped.v1"


class TrappedRow(msgspec.Struct, frozen=True, array_like=True):
    """`[row_ticks, side, est_usd_cents, loss_usd_cents, share, since_us]`.

    Positions of `side` opened at prices of `[row_ticks, row_ticks + row size)`, in dollars at the
    present price. `loss_usd_cents` is what they have lost since, from the middle of the row;
    `share` what they are of open interest, null where that is not known; `since_us` the minute in
    which the first of them was opened.
    """

    row_ticks: int
    side: LiquidatedSide
    est_usd_cents: int
    loss_usd_cents: int
    share: float | None
    since_us: int


class TrappedPositions(DerivedHeader, frozen=True, kw_only=True):
    """Who is under water at the end of the minute `[minute_start_us, minute_start_us + 60 s)`.

    Identity: `asset, minute_start_us`. An estimate: who opened a position is not known. Longs are
    taken to be opened by takers where open interest rose while the price rose (shorts while it
    fell), and trapped while their whole row is above (below) the price.

    `price_ticks` is the close of the minute over all perpetuals, null where there is none; then
    there are no rows. `open_interest_lots` is over `venues`. `move` is 1 where the minute ends a
    rise, -1 where a fall, 0 otherwise, null where that is not known; `placed_lots` is what was
    added in it. `rows` are sorted by side, longs first, and price; of each side at most the largest
    so many (parameters), while `long_usd_cents` and `short_usd_cents` are all of them.
    `completeness` is of the tickers; its status is partial also where trades are missing.
    """

    schema: str = TRAPPED_SCHEMA
    kind: Literal["estimate"] = "estimate"
    minute_start_us: int
    map_start_us: int
    tick: str
    lot: str
    row_size_ticks: int
    price_ticks: int | None
    venues: list[str]
    completeness: Completeness
    open_interest_lots: int | None
    change_lots: int | None
    move: int | None
    placed_lots: int
    skipped_minutes: int
    long_usd_cents: int | None
    short_usd_cents: int | None
    rows: list[TrappedRow]
    null_reasons: dict[str, str]
