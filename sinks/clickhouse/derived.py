"""What tables of derived records share: whose rows they are, how complete, and made of what."""

from collections.abc import Sequence, Sized
from typing import Any

import msgspec

from schemas.lineage import Completeness, DerivedHeader
from sinks.clickhouse.rows import INPUTS, LINEAGE, STATUSES, TEXT, Source, inputs_of

SCOPE = "Enum8('venue' = 1, 'perp' = 2, 'spot' = 3)"
STATUS = "Enum8('complete' = 1, 'partial' = 2, 'gap' = 3)"
LIQUIDATED_SIDE = "Enum8('long' = 1, 'short' = -1)"

Columns = tuple[tuple[str, str], ...]

SERIES: Columns = (("scope", SCOPE), ("venue", TEXT), ("symbol", TEXT))
HEADER: Columns = (
    ("asset", TEXT),
    ("revision", "UInt64"),
    ("is_final", "Bool"),
    ("method", TEXT),
    ("params", TEXT),
    *INPUTS,
    *LINEAGE,
)
COMPLETENESS: Columns = (
    ("status", STATUS),
    ("venues_expected", "Array(String)"),
    ("venues_complete", "Array(String)"),
    ("venues_partial", "Array(String)"),
    ("coverage_ms", "Map(String, Int64)"),
    ("feed_states", "Map(String, String)"),
)


def header_of(record: DerivedHeader, source: Source) -> tuple[Any, ...]:
    """Return the values of `HEADER`."""
    return (
        record.asset,
        record.revision,
        record.is_final,
        record.method,
        record.params,
        *inputs_of(record.inputs),
        source.partition,
        source.offset,
    )


def completeness_of(about: Completeness) -> tuple[Any, ...]:
    """Return the values of `COMPLETENESS`."""
    return (
        STATUSES[about.status],
        about.venues_expected,
        about.venues_complete,
        about.venues_partial,
        about.coverage_ms,
        {member: state.value for member, state in about.feed_states.items()},
    )


def prefixed(prefix: str, columns: Columns) -> Columns:
    """Return the columns with `prefix_` before each name."""
    return tuple((f"{prefix}_{name}", type_) for name, type_ in columns)


def arrays(prefix: str, columns: Columns) -> Columns:
    """Return a column of arrays for each field of rows that are in a list of the record."""
    return tuple((f"{prefix}_{name}", f"Array({type_})") for name, type_ in columns)


def nullable(prefix: str, columns: Columns) -> Columns:
    """Return a column that may be null for each field of a struct that may be missing."""
    return tuple(
        (f"{prefix}_{name}", type_ if "Nullable" in type_ else f"Nullable({type_})")
        for name, type_ in columns
    )


def transposed(items: Sequence[msgspec.Struct], columns: Sized) -> Sequence[Sequence[Any]]:
    """Return the fields of structs as parallel lists, one for each column."""
    if not items:
        return ((),) * len(columns)
    return list(zip(*map(msgspec.structs.astuple, items), strict=True))


def values_of(item: msgspec.Struct | None, columns: Columns) -> tuple[Any, ...]:
    """Return the fields of a struct, or a null for each column where it is missing."""
    return (None,) * len(columns) if item is None else msgspec.structs.astuple(item)
