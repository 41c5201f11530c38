"""Instruments and quality events to columns of `instruments_log` and `quality_log`."""

import msgspec

from schemas.instruments import Instrument
from schemas.ops import QualityEvent, QualityKind
from sinks.clickhouse.native import scaled
from sinks.clickhouse.rows import (
    GRID,
    KINDS,
    LINEAGE,
    TEXT,
    TIME,
    Piece,
    Source,
    TupleTable,
    month_of,
)

_INSTRUMENTS = TupleTable(
    "instruments_log",
    (
        ("venue", TEXT),
        ("kind", "Enum8('spot' = 1, 'linear_perpetual' = 2, 'inverse_perpetual' = 3)"),
        ("symbol", TEXT),
        ("revision", "UInt64"),
        ("venue_symbol", "String"),
        ("asset", TEXT),
        ("quote", TEXT),
        ("venue_tick", GRID),
        ("venue_lot", GRID),
        ("tick", GRID),
        ("lot", GRID),
        ("status", TEXT),
        *LINEAGE,
    ),
)
_QUALITY_KINDS = {kind: number for number, kind in enumerate(QualityKind, start=1)}
_QUALITY = TupleTable(
    "quality_log",
    (
        ("asset", TEXT),
        ("venue", TEXT),
        ("symbol", TEXT),
        (
            "kind",
            f"Enum8({', '.join(f'{kind.value!r} = {n}' for kind, n in _QUALITY_KINDS.items())})",
        ),
        ("stream", TEXT),
        ("session", TEXT),
        ("from_time", TIME),
        ("to_time", TIME),
        ("log_time", TIME),
        ("revision", "UInt64"),
        ("count", "Int64"),
        ("detail", "String"),
        *LINEAGE,
    ),
)
_ALL = 0
_instrument = msgspec.json.Decoder(Instrument)
_quality = msgspec.json.Decoder(QualityEvent)


def instrument_pieces(value: bytes, source: Source) -> list[Piece]:
    """Turn one instrument into its row.

    Raises:
        msgspec.MsgspecError, ValueError: the record cannot be used.
    """
    record = _instrument.decode(value)
    row = (
        record.venue,
        KINDS[record.kind],
        record.symbol,
        source.revision,
        record.venue_symbol,
        record.asset,
        record.quote,
        scaled(record.venue_tick),
        scaled(record.venue_lot),
        scaled(record.tick),
        scaled(record.lot),
        record.status,
        source.partition,
        source.offset,
    )
    return [Piece(_INSTRUMENTS, _ALL, source, (row,))]


def quality_pieces(value: bytes, source: Source) -> list[Piece]:
    """Turn one quality event into its row.

    Raises:
        msgspec.MsgspecError, ValueError: the record cannot be used.
    """
    record = _quality.decode(value)
    row = (
        record.asset,
        record.venue,
        record.symbol,
        _QUALITY_KINDS[record.kind],
        record.stream,
        record.session,
        record.from_us,
        record.to_us,
        record.log_time_us,
        source.revision,
        record.count,
        record.detail,
        source.partition,
        source.offset,
    )
    return [Piece(_QUALITY, month_of(record.from_us), source, (row,))]
