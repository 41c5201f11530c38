"""Tickers, books and seconds as the tests of context and positioning need them."""

from collections.abc import Iterable

from processors.seconds.second import MemberSecond, Second
from schemas.market import DataSource, FeedState, Kind
from schemas.tickers import TICKERS_SCHEMA, TickerBatch
from schemas.units import US_PER_MINUTE, US_PER_SECOND
from tests.processors.seconds.builders import BINANCE, NOON_SECOND, member, second

NOON_US = NOON_SECOND * US_PER_SECOND
MINUTE = 60
SECOND_US, MINUTE_US = US_PER_SECOND, US_PER_MINUTE


def at(number: float) -> int:
    """Return a time in seconds after noon."""
    return NOON_US + int(number * US_PER_SECOND)


def ticker(
    number: float,
    interest: str | None = None,
    *,
    instrument: tuple[str, str] = BINANCE,
    mark: str | None = None,
    index: str | None = None,
    rate: str | None = None,
    hours: int | None = 8,
    due: float | None = None,
    settled: tuple[str, float] | None = None,
    source: DataSource = DataSource.STREAM,
    **fields: object,
) -> TickerBatch:
    """Return a ticker received so many seconds after noon, whose values were all observed then."""
    now_us = at(number)
    values: dict[str, object] = {
        "mark_price": mark,
        "mark_time_us": now_us if mark else None,
        "index_price": index,
        "index_time_us": now_us if index else None,
        "funding_rate": rate,
        "funding_seen_us": now_us if rate else None,
        "funding_time_us": None if due is None else at(due),
        "funding_interval_seconds": hours * 3600 if rate and hours else None,
        "settled_funding_rate": settled[0] if settled else None,
        "settled_funding_time_us": at(settled[1]) if settled else None,
        "open_interest": interest,
        "open_interest_time_us": now_us if interest else None,
        "open_interest_source": source,
    }
    return TickerBatch(
        schema=TICKERS_SCHEMA,
        venue=instrument[0],
        kind=Kind.LINEAR_PERPETUAL,
        symbol=instrument[1],
        venue_symbol=instrument[1],
        asset="BTC",
        quote="USDT",
        session="s",
        sequence=int(number * 10) + 100_000,
        receive_time_us=now_us,
        watermark_us=now_us,
        feed_state=FeedState.LIVE,
        stream="ticker",
        **(values | fields),  # type: ignore[arg-type]
    )


def seconds(numbers: Iterable[int], *members: MemberSecond, **fields: object) -> list[Second]:
    """Return one second after the other that are all alike."""
    return [second(number, *(members or (member(),)), **fields) for number in numbers]
