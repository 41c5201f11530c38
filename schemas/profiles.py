"""Volume profiles (`md.flow.profiles.v1`): what traded at which price. Source: definitions 5.2."""

from enum import StrEnum

import msgspec

from schemas.footprints import ValueArea
from schemas.lineage import Completeness, DerivedHeader
from schemas.market import Scope

PROFILE_SCHEMA = "profile.v1"


class ProfileWindow(StrEnum):
    """Over which time."""

    SESSION = "session"
    """The UTC day."""
    FOUR_HOURS = "4h"
    """Aligned to 00:00 UTC."""
    ROLLING_24H = "rolling_24h"
    """The 24 hours up to every step of some minutes."""
    COMPOSITE_7D = "composite_7d"
    """Seven UTC days, the last of which ends it."""
    COMPOSITE_30D = "composite_30d"


class ProfileRow(msgspec.Struct, frozen=True, array_like=True):
    """What traded in `[row_ticks, row_ticks + row size)`."""

    row_ticks: int
    sell_lots: int
    buy_lots: int
    unknown_lots: int


class Node(msgspec.Struct, frozen=True, array_like=True):
    """A high or low volume node: adjacent rows `[low_ticks, high_ticks)`.

    `row_ticks` is the row with the most (of a low node: the least) in it, `lots` that row's total,
    `prominence` how far the smoothed profile stands out there, as a share of its greatest row.
    """

    low_ticks: int
    high_ticks: int
    row_ticks: int
    lots: int
    prominence: float


class NakedPoc(msgspec.Struct, frozen=True, array_like=True):
    """The POC row `[low_ticks, high_ticks)` of a past session that nothing has traded through.

    `all_seen` is false once a stream of the scope was missing: then it may have been.
    """

    low_ticks: int
    high_ticks: int
    session_start_us: int
    all_seen: bool


class PriorSession(msgspec.Struct, frozen=True):
    """The session before this one that anything traded in; none if too little was seen of it."""

    session_start_us: int
    poc_ticks: int
    val_ticks: int
    vah_ticks: int
    high_ticks: int
    low_ticks: int


class CommonProfile(msgspec.Struct, frozen=True, kw_only=True):
    """The same over those venues alone that were complete over the whole window so far."""

    venues: list[str]
    sell_lots: int
    buy_lots: int
    unknown_lots: int
    poc_ticks: int | None
    value_area: ValueArea | None


class VolumeProfile(DerivedHeader, frozen=True, kw_only=True):
    """One profile of one scope over `[window_start_us, window_end_us)`.

    Identity: `asset, scope, venue, symbol, window, window_start_us`; `venue` and `symbol` are empty
    over venues, where rows are of all members (`common` has those of constant composition). While
    `is_final` is false it holds what the window has until `until_time_us`; `completeness` is over
    that time.

    `rows` are those that traded, upwards; between them nothing did. They are `row_ticks` high: the
    asset's row, doubled as often as it takes to publish no more rows than the parameters allow from
    the lowest to the highest. `poc_ticks`, `value_area` (method `single` at 70 % unless the
    parameters say otherwise) and nodes are of these rows. `naked_pocs` and `prior` come with
    sessions alone.

    A field that cannot be known is null, and `null_reasons` says why: `prices` (nothing traded, or
    a gap; with it go `vwap`, `high_ticks`, `low_ticks`, `poc_ticks`, `value_area`), `common`,
    `prior`.
    """

    schema: str = PROFILE_SCHEMA
    scope: Scope
    venue: str
    symbol: str
    window: ProfileWindow
    window_start_us: int
    window_end_us: int
    until_time_us: int
    tick: str
    lot: str
    row_size: str
    row_ticks: int
    completeness: Completeness
    buy_lots: int
    sell_lots: int
    unknown_lots: int
    trades: int
    vwap: float | None
    high_ticks: int | None
    low_ticks: int | None
    rows: list[ProfileRow]
    poc_ticks: int | None
    value_area: ValueArea | None
    high_nodes: list[Node]
    low_nodes: list[Node]
    common: CommonProfile | None
    prior: PriorSession | None
    naked_pocs: list[NakedPoc]
    null_reasons: dict[str, str]
