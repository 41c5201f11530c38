"""Structure of cumulative volume delta (`md.flow.cvd_structure.v1`): one record a minute.

Source: definitions 5.5.
"""

from enum import StrEnum

import msgspec

from schemas.cvd import Cumulative
from schemas.lineage import Completeness, DerivedHeader
from schemas.market import Scope

CVD_STRUCTURE_SCHEMA = "cvd_structure.v1"

SIZE_CLASSES_USD = (0, 1_000, 10_000, 100_000)
"""Least dollars of a sweep of each class, in the order of `CvdStructureSeries.sizes`."""


class Reset(StrEnum):
    """When a cumulative delta begins anew: never, at 00:00 UTC, on Monday 00:00 UTC, by session.

    Sessions begin at hours of the day that the parameters say: 0, 8 and 16 UTC.
    """

    NONE = "none"
    DAY = "day"
    WEEK = "week"
    SESSION = "session"


class ConvictionState(StrEnum):
    """How the delta of spot and that of perpetuals stand to each other."""

    CONFIRMED = "confirmed"
    PERP_ONLY = "perp_only"
    SPOT_ONLY = "spot_only"
    OPPOSED = "opposed"
    FLAT = "flat"


class CvdCandle(msgspec.Struct, frozen=True, array_like=True):
    """One minute of a cumulative delta: in lots, and in hundredths of the quote at each trade."""

    open_lots: int
    high_lots: int
    low_lots: int
    close_lots: int
    open_usd_cents: int
    high_usd_cents: int
    low_usd_cents: int
    close_usd_cents: int


class SizeClass(msgspec.Struct, frozen=True, array_like=True):
    """What sweeps of one class of dollars add up to; those without a side do not count."""

    delta_lots: int
    delta_usd_cents: int
    volume_lots: int
    volume_usd_cents: int
    sweeps: int


class ResetSeries(msgspec.Struct, frozen=True, kw_only=True):
    """The candle of one reset mode. `venues` are the instruments behind it.

    `intact` says whether all of these were there since `anchor_us`; otherwise the level has lost
    what was missed. `candle` is null where nobody was there in the minute, or, of `common`, since
    the anchor.
    """

    reset: Reset
    anchor_us: int
    intact: bool
    venues: list[str]
    candle: CvdCandle | None


class CvdShare(msgspec.Struct, frozen=True, kw_only=True):
    """CVD over a rolling window, and as a share of buy + sell in it; null where unknown."""

    window_seconds: int
    delta_lots: int | None
    share: float | None
    venues: list[str]


class CvdStructureSeries(msgspec.Struct, frozen=True, kw_only=True):
    """One instrument (`composition` empty), or an aggregate over `all` or over `common`.

    `all` adds what complete and partial instruments had; `common` only those that were complete
    over the whole window of each measure: the minute, the time since an anchor, a rolling window.
    `path_resolution_us` is how fine the path behind high and low is: 0 each trade, otherwise steps
    in which the order of trades between venues does not matter. `sizes` and `sizes_day` (since
    00:00 UTC) are by `SIZE_CLASSES_USD`. `normalised` is CVD over half an hour divided by P95 of
    its absolute value over 30 d, within 1.5. `null_reasons` are by `minute`, `candles.<reset>`,
    `sizes_day`, `shares.<window>` and `normalised`.
    """

    scope: Scope
    venue: str
    symbol: str
    composition: str
    completeness: Completeness
    path_resolution_us: int
    minute: Cumulative | None
    candles: list[ResetSeries]
    sizes: list[SizeClass] | None
    sizes_day: list[SizeClass] | None
    shares: list[CvdShare]
    normalised: float | None
    null_reasons: dict[str, str]


class Conviction(msgspec.Struct, frozen=True, kw_only=True):
    """Spot of one quote currency against all perpetuals, over the constant ones of each."""

    quote: str
    window_seconds: int
    state: ConvictionState | None
    spot_share: float | None
    perp_share: float | None
    spot_venues: list[str]
    perp_venues: list[str]
    null_reasons: dict[str, str]


class CvdStructure(DerivedHeader, frozen=True, kw_only=True):
    """All series of an asset over one minute `[bar_start_us, bar_end_us)`.

    Identity: `asset, bar_start_us`. A level of one reset mode is never compared with another's.
    """

    schema: str = CVD_STRUCTURE_SCHEMA
    bar_start_us: int
    bar_end_us: int
    lot: str
    series: list[CvdStructureSeries]
    convictions: list[Conviction]
