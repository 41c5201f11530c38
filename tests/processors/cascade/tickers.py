"""Tickers as cascades need them."""

from schemas.market import FeedState, Kind
from schemas.tickers import TICKERS_SCHEMA, TickerBatch
from tests.processors.seconds.builders import ASSET


def ticker(instrument: tuple[str, str], open_interest: str | None, time_us: int) -> TickerBatch:
    """Return what is known of one perpetual: its open interest at a time."""
    return TickerBatch(
        schema=TICKERS_SCHEMA,
        venue=instrument[0],
        kind=Kind.LINEAR_PERPETUAL,
        symbol=instrument[1],
        venue_symbol=instrument[1],
        asset=ASSET,
        quote="USDT",
        session="s",
        sequence=0,
        receive_time_us=time_us,
        watermark_us=time_us,
        feed_state=FeedState.LIVE,
        stream="tickers",
        open_interest=open_interest,
        open_interest_time_us=time_us,
    )
