"""Tickers to columns of `tickers_log`: the last of each second, with what was known by then."""

from schemas.tickers import TICKERS_SCHEMA, TickerBatch
from schemas.units import US_PER_SECOND
from sinks.clickhouse.native import scaled
from sinks.clickhouse.rows import (
    GRID,
    KIND,
    KINDS,
    LINEAGE,
    TEXT,
    TIME,
    Piece,
    Source,
    TupleTable,
    day_of,
    reader,
)

_PRICE, _WHEN = f"Nullable({GRID})", f"Nullable({TIME})"
_TABLE = TupleTable(
    "tickers_log",
    (
        ("asset", TEXT),
        ("venue", TEXT),
        ("kind", KIND),
        ("symbol", TEXT),
        ("second_start", TIME),
        ("revision", "UInt64"),
        ("quote", TEXT),
        ("stream", TEXT),
        ("session", TEXT),
        ("sequence", "Int64"),
        ("receive_time", TIME),
        ("watermark_time", TIME),
        ("clock_skew_us", "Int64"),
        ("feed_state", TEXT),
        ("mark_price", _PRICE),
        ("mark_time", _WHEN),
        ("index_price", _PRICE),
        ("index_time", _WHEN),
        ("funding_rate", _PRICE),
        ("funding_time", _WHEN),
        ("funding_interval_seconds", "Nullable(Int64)"),
        ("funding_seen_time", _WHEN),
        ("settled_funding_rate", _PRICE),
        ("settled_funding_time", _WHEN),
        ("open_interest", _PRICE),
        ("open_interest_halved", "Bool"),
        ("open_interest_time", _WHEN),
        ("open_interest_source", TEXT),
        *LINEAGE,
    ),
)
_read = reader(TickerBatch, TICKERS_SCHEMA)


def ticker_pieces(value: bytes, source: Source) -> list[Piece]:
    """Turn one ticker into the row of the second in which it was received.

    Raises:
        msgspec.MsgspecError, ValueError, PayloadError: the record cannot be used.
    """
    batch = _read(value)
    second_us = batch.receive_time_us // US_PER_SECOND * US_PER_SECOND
    row = (
        batch.asset,
        batch.venue,
        KINDS[batch.kind],
        batch.symbol,
        second_us,
        source.revision,
        batch.quote,
        batch.stream,
        batch.session,
        batch.sequence,
        batch.receive_time_us,
        batch.watermark_us,
        batch.clock_skew_us,
        batch.feed_state.value,
        _exact(batch.mark_price),
        batch.mark_time_us,
        _exact(batch.index_price),
        batch.index_time_us,
        _exact(batch.funding_rate),
        batch.funding_time_us,
        batch.funding_interval_seconds,
        batch.funding_seen_us,
        _exact(batch.settled_funding_rate),
        batch.settled_funding_time_us,
        _exact(batch.open_interest),
        batch.open_interest_halved,
        batch.open_interest_time_us,
        batch.open_interest_source.value,
        source.partition,
        source.offset,
    )
    replaces = (batch.venue, batch.kind, batch.symbol, second_us)
    return [Piece(_TABLE, day_of(second_us), source, (row,), replaces)]


def _exact(text: str | None) -> int | None:
    return None if text is None else scaled(text)
