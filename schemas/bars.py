"""Bars that trades close (`md.flow.bars.v1`): tick, volume, notional, range and delta bars.

Source: definitions 5.1.
"""

from enum import StrEnum

from schemas.lineage import Completeness, DerivedHeader
from schemas.market import Scope

BAR_SCHEMA = "bar.v1"


class BarRule(StrEnum):
    """What closes a bar."""

    TICK = "tick"
    """So many trades."""
    VOLUME = "volume"
    """So many coins traded."""
    NOTIONAL = "notional"
    """So much quote traded."""
    RANGE = "range"
    """A trade that would take high less low beyond the threshold; it opens the next bar."""
    DELTA = "delta"
    """Buys less sells this far from zero, on either side."""


class BarClose(StrEnum):
    """Why a bar ended."""

    OPEN = "open"
    """It has not."""
    THRESHOLD = "threshold"
    DAY = "day"
    """00:00 UTC came first."""


class TradeBar(DerivedHeader, frozen=True, kw_only=True):
    """One bar of one scope under one rule; it holds at least one trade.

    Identity: `asset, scope, venue, symbol, rule, threshold, split, day_start_us, index`; `venue`
    and `symbol` are empty over venues, where the trades are those of all members in tape order
    (time, member, rank). `threshold` is decimal text: trades, coins, quote, price or coins. `index`
    counts from 0 in every UTC day. While `is_final` is false it holds what it has so far.

    Its life `[bar_start_us, bar_end_us]` begins where the bar before ended, or with the day, and
    ends with the trade that closed it, or the day; while open, with the newest second. Trades of
    one microsecond may lie on both sides of an edge: their order decides. `completeness` is over
    all seconds that its life touches, so that a break between two bars makes the later partial.
    `aligned` says whether nothing was missed since the day began: then, and only then, a rebuild of
    the whole day finds bars with these edges.

    Overshoot is what the closing trade added beyond the threshold, in the unit of the rule; null
    (`null_reasons`: `overshoot_lots`, `overshoot_usd_cents`) while open, when the day closed the
    bar, and for rules that count in something else. With `split` a volume bar cuts the trade that
    closes it: every part has its own lots, and the trade counts in the bar that it begins in.
    """

    schema: str = BAR_SCHEMA
    scope: Scope
    venue: str
    symbol: str
    rule: BarRule
    threshold: str
    split: bool
    tick: str
    lot: str
    day_start_us: int
    index: int
    bar_start_us: int
    bar_end_us: int
    first_trade_time_us: int
    last_trade_time_us: int
    closed_by: BarClose
    aligned: bool
    completeness: Completeness

    open_ticks: int
    high_ticks: int
    low_ticks: int
    close_ticks: int
    vwap: float
    buy_lots: int
    sell_lots: int
    unknown_lots: int
    delta_lots: int
    delta_min_lots: int
    delta_max_lots: int
    delta_since_high_lots: int
    delta_since_low_lots: int
    trades_buy: int
    trades_sell: int
    trades_unknown: int
    buy_usd_cents: int
    sell_usd_cents: int
    unknown_usd_cents: int
    overshoot_lots: int | None
    overshoot_usd_cents: int | None
    null_reasons: dict[str, str]
