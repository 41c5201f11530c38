"""What all record-to-column mappings share: where a record stood, pieces, tables, partitions.

A record becomes pieces: its rows for one table and one partition of that table, which is what an
insert may hold together.
"""

import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeVar

import msgspec

from runtime.errors import PayloadError
from schemas.lineage import InputRange, Status, revision_of
from schemas.market import Kind, Scope
from schemas.units import US_PER_DAY, US_PER_SECOND
from sinks.clickhouse.native import GRID_DECIMALS, Column, column

KINDS = {Kind.SPOT: 1, Kind.LINEAR_PERPETUAL: 2, Kind.INVERSE_PERPETUAL: 3}
SCOPES = {Scope.VENUE: 1, Scope.PERP: 2, Scope.SPOT: 3}
STATUSES = {Status.COMPLETE: 1, Status.PARTIAL: 2, Status.GAP: 3}

TIME = "DateTime64(6, 'UTC')"
TEXT = "LowCardinality(String)"
KIND = "Enum8('spot' = 1, 'linear_perpetual' = 2, 'inverse_perpetual' = 3)"
GRID = f"Decimal(38, {GRID_DECIMALS})"

LINEAGE = (("log_partition", "UInt32"), ("log_offset", "Int64"))
INPUTS = (
    ("inputs_topic", "Array(String)"),
    ("inputs_partition", "Array(Int64)"),
    ("inputs_first_offset", "Array(Int64)"),
    ("inputs_last_offset", "Array(Int64)"),
)

_END_US = 4_102_444_800 * US_PER_SECOND  # 2100-01-01; a day number of the engine ends in 2149


@dataclass(frozen=True, slots=True)
class Source:
    """Where a record was read."""

    epoch: int
    partition: int
    offset: int

    @property
    def revision(self) -> int:
        """A number that grows along the log, and with each log made later."""
        return revision_of(self.epoch, self.offset)


class Piece(NamedTuple):
    """Rows of one record for one partition of one table; the table knows what a row is.

    Of pieces for one table with equal `replaces` the last has the rows of all: the table would
    keep only those, and the others need not be sent to it.
    """

    table: "Table"
    part: int
    source: Source
    rows: Sequence[Any]
    replaces: Hashable | None = None


class Versioned(Protocol):
    """A record that says which schema it is of."""

    @property
    def schema(self) -> str:
        """Name and major version."""
        ...


R = TypeVar("R", bound=Versioned)


def reader(record: type[R], schema: str) -> Callable[[bytes], R]:
    """Return a function that reads records of one schema.

    It raises msgspec.MsgspecError where the bytes are not such a record, and PayloadError where
    they say that they are of another schema: they may fit this one and mean something else.
    """
    decode = msgspec.json.Decoder(record).decode

    def read(value: bytes) -> R:
        found = decode(value)
        if found.schema != schema:
            raise PayloadError(
                "unknown_schema", f"expected schema {schema}, was {found.schema[:40]}"
            )
        return found

    return read


class Table(Protocol):
    """One physical table of the store."""

    @property
    def name(self) -> str:
        """The table's name in the database."""
        ...

    def encode(self, pieces: Sequence[Piece]) -> list[Column]:
        """Turn pieces of this table into columns.

        Raises:
            OverflowError, TypeError, ValueError, AttributeError: a value does not fit its column.
        """
        ...


@dataclass(frozen=True)
class TupleTable:
    """A table whose pieces hold complete rows as tuples in the order of `columns`."""

    name: str
    columns: tuple[tuple[str, str], ...]

    def encode(self, pieces: Sequence[Piece]) -> list[Column]:
        """Turn pieces of this table into columns."""
        rows = [row for piece in pieces for row in piece.rows]
        return [
            column(name, type_, values)
            for (name, type_), values in zip(self.columns, zip(*rows, strict=True), strict=True)
        ]


def inputs_of(ranges: Sequence[InputRange]) -> tuple[list[str], list[int], list[int], list[int]]:
    """Return input ranges as parallel lists, in the order of `INPUTS`."""
    return (
        [item.topic for item in ranges],
        [item.partition for item in ranges],
        [item.first_offset for item in ranges],
        [item.last_offset for item in ranges],
    )


def day_of(time_us: int) -> int:
    """Return the partition of tables kept by day.

    Raises:
        ValueError: not a time between 1970 and 2100.
    """
    if not 0 <= time_us < _END_US:
        raise ValueError(f"expected a time before 2100 in microseconds, was {time_us}")
    return time_us // US_PER_DAY


def month_of(time_us: int) -> int:
    """Return the partition of tables kept by month, e.g. 202611.

    Raises:
        ValueError: not a time between 1970 and 2100.
    """
    parts = time.gmtime(day_of(time_us) * (US_PER_DAY // US_PER_SECOND))
    return parts.tm_year * 100 + parts.tm_mon
