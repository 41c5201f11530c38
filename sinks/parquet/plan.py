"""Which files an export has, and in which pieces their rows are asked for. Reads the store only."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from schemas.units import US_PER_DAY, US_PER_SECOND
from sinks.clickhouse.access import Reader
from sinks.parquet.datasets import Dataset

FLAT_ROWS = 200_000
"""Rows asked for at once, where each has a few hundred bytes."""

LONG_ROWS = 10_000
"""The same for rows with lists, of which a book has some ten kilobytes."""

_STEP_US = 60 * US_PER_SECOND
_SPAN = (
    "{time} >= fromUnixTimestamp64Micro({{from_us:Int64}}, 'UTC') "
    "AND {time} < fromUnixTimestamp64Micro({{until_us:Int64}}, 'UTC')"
)
_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class Asked:
    """Which rows: from a day, until before a day, of these assets; None and empty say all."""

    from_day: date | None = None
    until_day: date | None = None
    assets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Partition:
    """The rows of one file."""

    day: date
    asset: str
    venue: str | None
    rows: int

    @property
    def span_us(self) -> tuple[int, int]:
        """The day, from its first microsecond to that after its last."""
        start_us = (self.day - _EPOCH).days * US_PER_DAY
        return start_us, start_us + US_PER_DAY


def days_of(reader: Reader, dataset: Dataset, asked: Asked) -> list[date]:
    """Return the days that have rows, in order."""
    conditions, parameters = ["1"], dict[str, Any]()
    if asked.assets:
        conditions.append("asset IN {assets:Array(String)}")
        parameters["assets"] = list(asked.assets)
    if asked.from_day is not None:
        conditions.append(f"toDate({dataset.time}) >= {{from_day:Date}}")
        parameters["from_day"] = asked.from_day
    if asked.until_day is not None:
        conditions.append(f"toDate({dataset.time}) < {{until_day:Date}}")
        parameters["until_day"] = asked.until_day
    sql = (
        f"SELECT DISTINCT toDate({dataset.time}) AS day FROM {dataset.table} "  # noqa: S608
        f"WHERE {' AND '.join(conditions)} ORDER BY day"
    )
    return [row[0] for row in reader.query(sql, parameters).rows]


def partitions_of(
    reader: Reader, dataset: Dataset, day: date, assets: Sequence[str]
) -> list[Partition]:
    """Return the files of a day, in order."""
    from_us, until_us = Partition(day, "", None, 0).span_us
    among = " AND asset IN {assets:Array(String)}" if assets else ""
    sql = (
        f"SELECT {dataset.partition}, count() FROM {dataset.table} FINAL "  # noqa: S608
        f"WHERE {_SPAN.format(time=dataset.time)}{among} "
        f"GROUP BY {dataset.partition} ORDER BY {dataset.partition}"
    )
    asked = {"from_us": from_us, "until_us": until_us}
    rows = reader.query(sql, {**asked, "assets": list(assets)} if assets else asked).rows
    return [Partition(day, row[0], row[1] if dataset.by_venue else None, row[-1]) for row in rows]


def pieces_of(
    reader: Reader, dataset: Dataset, partition: Partition, limit_rows: int
) -> Iterator[tuple[int, int]]:
    """Cut a file's day into spans of about so many rows; a minute is not cut."""
    from_us, until_us = partition.span_us
    if partition.rows > limit_rows:
        sql = (
            f"SELECT intDiv(toUnixTimestamp64Micro({dataset.time}), {_STEP_US}) * {_STEP_US} "  # noqa: S608
            f"AS step_us, count() FROM {dataset.table} FINAL WHERE {where(dataset)} "
            "GROUP BY step_us ORDER BY step_us"
        )
        held = 0
        for step_us, rows in reader.query(sql, bounds(partition, from_us, until_us)).rows:
            if held and held + rows > limit_rows:
                yield from_us, step_us
                from_us, held = step_us, 0
            held += rows
    yield from_us, until_us


def where(dataset: Dataset) -> str:
    """Return the condition for the rows of one file in a span, with the names of `bounds`."""
    named = [f"{name} = {{{name}:String}}" for name in dataset.partition.split(", ")]
    return " AND ".join([*named, _SPAN.format(time=dataset.time)])


def bounds(partition: Partition, from_us: int, until_us: int) -> dict[str, Any]:
    """Return the values for `where`."""
    named = {"asset": partition.asset, "from_us": from_us, "until_us": until_us}
    return named if partition.venue is None else {**named, "venue": partition.venue}


def day_of(text: str) -> date:
    """Read a day.

    Raises:
        ValueError: it is not written YYYY-MM-DD.
    """
    return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).date()
