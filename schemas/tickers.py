"""The ticker record (`md.norm.tickers.v1`): mark, index, funding and open interest as last known.

Source: definitions 5.12.
"""

from schemas.market import DataSource
from schemas.trades import BatchHeader

TICKERS_SCHEMA = "tickers.v1"


class TickerBatch(BatchHeader, frozen=True, kw_only=True):
    """Everything that is known of one perpetual's context; null where the venue has not said.

    Prices are decimal text in quote per base coin, `open_interest` in base coin counted on one side
    (`open_interest_halved` where the venue counts both and it was halved here), rates are fractions
    per `funding_interval_seconds`; positive means that longs pay. `funding_rate` is the estimate
    for the settlement at `funding_time_us`, `settled_funding_rate` what was paid at
    `settled_funding_time_us`. The times beside a value are the venue's where it gives one, else of
    receipt; a value is as old as its time says, however new the record.
    """

    stream: str
    mark_price: str | None = None
    mark_time_us: int | None = None
    index_price: str | None = None
    index_time_us: int | None = None
    funding_rate: str | None = None
    funding_time_us: int | None = None
    funding_interval_seconds: int | None = None
    funding_seen_us: int | None = None
    settled_funding_rate: str | None = None
    settled_funding_time_us: int | None = None
    open_interest: str | None = None
    open_interest_halved: bool = False
    open_interest_time_us: int | None = None
    open_interest_source: DataSource = DataSource.STREAM
