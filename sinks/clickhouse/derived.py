"""What the outputs of the order-flow toolkit have in common, as columns."""

from collections.abc import Sequence
from typing import Any

import msgspec

from schemas.lineage import Completeness, DerivedHeader
from sinks.clickhouse.rows import INPUTS, LINEAGE, STATUSES, TEXT, Source, inputs_of

SCOPE = "Enum8('venue' = 1, 'perp' = 2, 'spot' = 3)"
STATUS = "Enum8('complete' = 1, 'partial' = 2, 'gap' = 3)"
LIQUIDATED_SIDE = "Enum8('long' = 1, 'short' = -1)"

HEADER = (
    ("asset", TEXT),
    ("revision", "UInt64"),
    ("is_final", "Bool"),
    ("method", TEXT),
    ("params", TEXT),
    *INPUTS,
    *LINEAGE,
)
COMPLETENESS = (
    ("status", STATUS),
    ("venues_expected", "Array(String)"),
    ("venues_complete", "Array(String)"),
    ("venues_partial", "Array(String)"),
    ("coverage_ms", "Map(String, Int64)"),
    ("feed_states", "Map(String, String)"),
)


def header_of(record: DerivedHeader, source: Source) -> tuple[Any, ...]:
    """Return what a record says of itself, in the order of `HEADER`."""
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
    """Return who stands behind a record, in the order of `COMPLETENESS`."""
    return (
        STATUSES[about.status],
        about.venues_expected,
        about.venues_complete,
        about.venues_partial,
        about.coverage_ms,
        {member: state.value for member, state in about.feed_states.items()},
    )


def transposed(items: Sequence[msgspec.Struct], width: int) -> Sequence[Sequence[Any]]:
    """Return rows as parallel lists, one for each of their `width` fields."""
    if not items:
        return ((),) * width
    return list(zip(*map(msgspec.structs.astuple, items), strict=True))
