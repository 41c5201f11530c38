"""Cumulative volume delta (`md.flow.cvd.v1`): one record per asset and second (definitions 5.5)."""

import msgspec

from schemas.lineage import InputRange, Status
from schemas.market import Scope

CVD_SCHEMA = "cvd.v1"

WINDOWS = (900, 1800, 3600, 14_400, 86_400)
"""Rolling windows in seconds, in the order of `CvdSeries.rolling`."""


class Cumulative(msgspec.Struct, frozen=True, array_like=True):
    """`[delta_lots, delta_usd_cents, volume_lots, volume_usd_cents]` over one window.

    Cents are hundredths of the quote currency, all of them taken as dollars at par.
    Volume is buy + sell (never unknown), so that delta / volume is the share of definitions 5.5.
    """

    delta_lots: int
    delta_usd_cents: int
    volume_lots: int
    volume_usd_cents: int


class CvdSeries(msgspec.Struct, frozen=True, kw_only=True):
    """One series at one step.

    `composition` is empty for a single instrument, `all` for the sum over complete and partial
    members, `common` for the members that were complete over the whole window of each measure;
    a measure without such a member is null, also that of an instrument that was not there at any
    time of the window. `status` is that of the step itself, `venues` the members behind it,
    `rolling_venues` how many members stand behind each rolling window.
    """

    scope: Scope
    venue: str
    symbol: str
    composition: str
    status: Status
    step: Cumulative | None
    day: Cumulative | None
    anchored: Cumulative | None
    rolling: list[Cumulative | None]
    venues: list[str]
    rolling_venues: list[int]


class CvdStep(msgspec.Struct, frozen=True, kw_only=True):
    """All series of an asset at the end of one second `[step_start_us, step_start_us + 1 s)`.

    Identity: `asset, step_start_us`. `day` restarts at 00:00 UTC, `anchored` never (mode `none`,
    counted from `anchor_us`), `rolling` holds one entry per window of `WINDOWS` ending with this
    step. While `is_final` is false it holds what the second has so far. After it was final, later
    trades come as `adjustments` of the minutes they belong to, in the next final step, and are
    contained in every later cumulative value.
    """

    schema: str = CVD_SCHEMA
    asset: str
    step_start_us: int
    lot: str
    anchor_us: int
    revision: int
    is_final: bool
    method: str
    params: str
    inputs: list[InputRange]
    log_time_us: int
    series: list[CvdSeries]
    adjustments: list["CvdAdjust"]


class CvdAdjust(msgspec.Struct, frozen=True, kw_only=True):
    """What late trades add to one past minute of one instrument, once it was final.

    A consumer adds it to the steps it holds, or reads the corrected footprint bar of that minute.
    """

    venue: str
    symbol: str
    bar_start_us: int
    delta_lots: int
    delta_usd_cents: int
    volume_lots: int
    volume_usd_cents: int
    trades: int
