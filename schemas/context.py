"""Context and positioning (`md.flow.context.v1`): open interest, funding, basis, quadrants.

Source: definitions 5.12.
"""

from enum import StrEnum

import msgspec

from schemas.lineage import Completeness, DerivedHeader

CONTEXT_TOPIC = "md.flow.context.v1"
CONTEXT_SCHEMA = "context.v1"


class PriceInterest(StrEnum):
    """Price against open interest; conventions: every contract has a long and a short."""

    NEW_LONGS = "new_longs"
    SHORT_COVERING = "short_covering"
    NEW_SHORTS = "new_shorts"
    LONG_CLOSING = "long_closing"
    NEUTRAL = "neutral"


class BookFlow(StrEnum):
    """What rests in the book against who takes."""

    ALIGNED_BID = "aligned_bid"
    ALIGNED_OFFER = "aligned_offer"
    SELLING_INTO_BIDS = "selling_into_bids"
    BUYING_INTO_OFFERS = "buying_into_offers"
    NEUTRAL = "neutral"


class OpenInterest(msgspec.Struct, frozen=True, kw_only=True):
    """Open interest of one instrument, or of those named in `venues`, counted on one side.

    `usd_cents` is at each venue's own mark price, null where one of them has none that is young
    enough. `oldest_time_us` is when the oldest of the observations was made, `oldest_age_us` how
    old it is now. `halved` names those whose venue
    counts both sides and was halved, `polled` those that were asked for and not streamed.
    """

    lots: int
    usd_cents: int | None
    oldest_time_us: int
    oldest_age_us: int
    halved: list[str]
    polled: list[str]
    venues: list[str]


class InterestChange(msgspec.Struct, frozen=True, array_like=True):
    """`[window_seconds, start_lots, change_lots, change, venues]` over a window ending now.

    In base coin: in dollars open interest falls with the price without a position being closed.
    `change` is the share of `start_lots`. Only instruments that are known at both ends, in
    `venues`, are in it; without any, the three numbers are null.
    """

    window_seconds: int
    start_lots: int | None
    change_lots: int | None
    change: float | None
    venues: list[str]


class PriceQuadrant(msgspec.Struct, frozen=True, array_like=True):
    """`[window_seconds, quadrant, price_change_bp, atr_bp, reference]`.

    `reference` is the instrument whose book mid is the price: of an aggregate the one with the
    greatest open interest at the start of the window. `atr_bp` is the average true range of bars as
    long as the window.
    """

    window_seconds: int
    quadrant: PriceInterest | None
    price_change_bp: float | None
    atr_bp: float | None
    reference: str


class FundingRate(msgspec.Struct, frozen=True, kw_only=True):
    """One funding rate; positive means that longs pay. Rates are fractions.

    `rate_interval` is as the venue says it, per `interval_h`. `rate_8h` and `rate_annual` (simple,
    8760 hours) are null where the interval is not known. `settlement_time_us` is when it will be,
    or was, paid; `age_us` how long ago the venue said it, null for a settled rate.
    """

    rate_interval: str
    interval_h: float | None
    rate_8h: float | None
    rate_annual: float | None
    settlement_time_us: int | None
    age_us: int | None


class InstrumentContext(msgspec.Struct, frozen=True, kw_only=True):
    """One perpetual.

    `basis_bp` is (mid - index) / index with the middle of the book, never with a mark price, which
    may contain the index. `obi` is the imbalance of the book's 0.2 % band, weighted by time over
    30 s. `refused` says which fields of the newest ticker could not be and why: their last good
    values stay, and age. `null_reasons` has keys of this record, `quadrant_<seconds>` and
    `change_<seconds>`.
    """

    venue: str
    symbol: str
    open_interest: OpenInterest | None
    changes: list[InterestChange]
    quadrants: list[PriceQuadrant]
    predicted: FundingRate | None
    settled: FundingRate | None
    mark_price: str | None
    mark_age_us: int | None
    index_price: str | None
    index_age_us: int | None
    best_bid_ticks: int | None
    best_ask_ticks: int | None
    basis_bp: float | None
    obi: float | None
    refused: dict[str, str]
    null_reasons: dict[str, str]


class AggregateContext(msgspec.Struct, frozen=True, kw_only=True):
    """All perpetuals of the asset; `composition` as in `CvdSeries`.

    `common` takes only instruments whose ticker was there over the whole window of each measure,
    for levels that is this minute so far. `funding_rate_8h` is weighted by open interest in
    dollars over `funding_venues`, those that have both.
    """

    composition: str
    open_interest: OpenInterest | None
    changes: list[InterestChange]
    quadrants: list[PriceQuadrant]
    funding_rate_8h: float | None
    funding_venues: list[str]
    null_reasons: dict[str, str]


class BookFlowQuadrant(msgspec.Struct, frozen=True, kw_only=True):
    """Resting orders (x, `obi`) against taker flow (y, `cvd_normalised`) over perpetuals.

    `obi_weights` is what each venue's imbalance counts: its taker volume of the last 15 minutes,
    at most a half. `cvd_lots` is the rolling 30 minutes of `cvd_venues` (composition `common`),
    `cvd_p95_lots` the 95th percentile of its size over 30 days, `cvd_samples` of how many minutes.
    """

    quadrant: BookFlow | None
    obi: float | None
    obi_weights: dict[str, float]
    cvd_lots: int | None
    cvd_p95_lots: int | None
    cvd_normalised: float | None
    cvd_samples: int
    cvd_venues: list[str]
    null_reasons: dict[str, str]


class MarketContext(DerivedHeader, frozen=True, kw_only=True):
    """Context of one asset at `as_of_us`, the end of a second.

    Identity: `asset, minute_start_us`. Every 10 s it is sent as it stands (`is_final` false), at
    the end of the minute it is final; a minute whose end nobody saw has no final record. The final
    records are the trail of one point a minute: a reader takes as many as it wants to show.
    `completeness` is that of the tickers over the minute so far.
    """

    schema: str = CONTEXT_SCHEMA
    minute_start_us: int
    as_of_us: int
    tick: str
    lot: str
    completeness: Completeness
    instruments: list[InstrumentContext]
    perp: list[AggregateContext]
    book_flow: BookFlowQuadrant
