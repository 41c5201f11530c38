"""Which files there are, and in which pieces their rows are asked for. Reads the store only."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from schemas.units import US_PER_DAY, US_PER_HOUR, US_PER_SECOND
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
EPOCH = date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class Asked:
    """Which rows: from a day, until before a day, of these assets; None and empty say all."""

    from_day: date | None = None
    until_day: date | None = None
    assets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Partition:
    """The rows of one file: those of an hour, of an asset, and perhaps of a venue.

    Args:
        hour_us: the start of the hour.
        asset: of all rows.
        venue: of all rows, None where they may be of several.
        rows: how many there are.
        fingerprint: of their keys and revisions and the form of the file; equal rows have equal
            ones, and others, but for chance, another.
    """

    hour_us: int
    asset: str
    venue: str | None
    rows: int
    fingerprint: str


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


def day_at(time_us: int) -> date:
    """Return the day (UTC) that a time is in."""
    return date.fromordinal(EPOCH.toordinal() + time_us // US_PER_DAY)


def start_of(day: date) -> int:
    """Return the first microsecond of a day."""
    return (day.toordinal() - EPOCH.toordinal()) * US_PER_DAY


def partitions_of(
    reader: Reader, dataset: Dataset, from_us: int, until_us: int, assets: Sequence[str] = ()
) -> list[Partition]:
    """Return the files of a span of whole hours, in order of time, asset and venue.

    A fingerprint takes the revision of a row for its content: of two rows with the same key and
    revision the store itself keeps any.
    """
    among = " AND asset IN {assets:Array(String)}" if assets else ""
    sql = (
        f"SELECT intDiv(toUnixTimestamp64Micro({dataset.time}), {US_PER_HOUR}) * {US_PER_HOUR} "  # noqa: S608
        f"AS hour_us, {dataset.partition}, count(), "
        f"hex(sum(cityHash64({dataset.key}, {dataset.time}, revision))) "
        f"FROM {dataset.table} FINAL WHERE {_SPAN.format(time=dataset.time)}{among} "
        f"GROUP BY hour_us, {dataset.partition} ORDER BY hour_us, {dataset.partition}"
    )
    asked: dict[str, Any] = {"from_us": from_us, "until_us": until_us}
    rows = reader.query(sql, {**asked, "assets": list(assets)} if assets else asked).rows
    return [
        Partition(
            hour_us=row[0],
            asset=row[1],
            venue=row[2] if dataset.by_venue else None,
            rows=row[-2],
            fingerprint=f"{dataset.form}-{row[-2]}-{row[-1]}",
        )
        for row in rows
    ]


def pieces_of(
    reader: Reader, dataset: Dataset, partition: Partition, limit_rows: int
) -> Iterator[tuple[int, int]]:
    """Cut a file's hour into spans of about so many rows; a minute is not cut."""
    from_us, until_us = partition.hour_us, partition.hour_us + US_PER_HOUR
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
