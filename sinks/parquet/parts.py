"""What the store's tables consist of, as far as it tells what has changed in them.

The engine writes rows as parts, which never change: an insert adds one, a merge puts one in the
place of others. So whatever happened to a table since it was looked at (live data, late revisions,
repairs, backfills of old days) is in parts that were not there, and a part knows from when to when
its rows are. Reads the store only, and no rows of it.
"""

from dataclasses import dataclass

from schemas.units import US_PER_DAY, US_PER_HOUR, US_PER_SECOND
from sinks.clickhouse.access import Reader
from sinks.clickhouse.client import DATABASE
from sinks.parquet.datasets import SUFFIX, Dataset, Reach
from sinks.parquet.plan import EPOCH, day_at

_PARTS = f"""
SELECT table, hash_of_all_files, toUnixTimestamp(min_time), toUnixTimestamp(max_time)
FROM system.parts
WHERE database = '{DATABASE}' AND endsWith(table, '{SUFFIX}') AND active AND rows > 0
"""  # noqa: S608  # our own


@dataclass(frozen=True, slots=True)
class Part:
    """Rows that came or were merged together.

    Args:
        digest: of all of its files: parts with the same one are the same.
        first_us: time of its first row, down to the second.
        last_us: time of its last row, likewise.
    """

    digest: str
    first_us: int
    last_us: int

    def hours(self, dataset: Dataset) -> range:
        """Return the starts of the hours whose files may have changed with it."""
        first_us, last_us = self.first_us, self.last_us
        if dataset.reach is not Reach.HOUR:
            first_us = _first_day(first_us, dataset.reach) * US_PER_DAY
            last_us = _last_day(last_us, dataset.reach) * US_PER_DAY + US_PER_DAY - 1
        return range(first_us // US_PER_HOUR * US_PER_HOUR, last_us + 1, US_PER_HOUR)


def list_parts(reader: Reader) -> dict[str, list[Part]]:
    """Return the parts of every table that has rows, by the name of its dataset.

    Raises:
        QueryError: the store refuses.
        StoreError: the store is away.
    """
    found: dict[str, list[Part]] = {}
    for table, digest, first, last in reader.query(_PARTS).rows:
        part = Part(digest, first * US_PER_SECOND, last * US_PER_SECOND)
        found.setdefault(table.removesuffix(SUFFIX), []).append(part)
    return found


def _first_day(time_us: int, reach: Reach) -> int:
    """Return the day that a time is in, or the first of its month, counted since 1970."""
    day = day_at(time_us)
    return (day.replace(day=1) if reach is Reach.MONTH else day).toordinal() - EPOCH.toordinal()


def _last_day(time_us: int, reach: Reach) -> int:
    first = _first_day(time_us, reach)
    if reach is not Reach.MONTH:
        return first
    return _first_day((first + 31) * US_PER_DAY, reach) - 1
