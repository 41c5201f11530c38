"""What the store's tables consist of, as far as it tells what has changed in them.

The engine writes rows as parts, which never change: an insert adds one, a merge puts one in the
place of others. So whatever happened to a table since it was looked at (live data, late revisions,
repairs, backfills of old days) is in parts that were not there, and a part knows from when to when
its rows are. Reads the store only, and no rows of it.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from schemas.units import US_PER_DAY, US_PER_HOUR
from sinks.clickhouse.access import Reader
from sinks.parquet.datasets import Dataset, Reach
from sinks.parquet.plan import EPOCH, day_at

_DIGEST_BYTES = 8


@dataclass(frozen=True, slots=True)
class Part:
    """Rows that came or were merged together.

    Args:
        digest: of its name, times and number of rows: parts with the same one are the same. A name
            alone may come again, where a store was set back to an earlier copy.
        first_us: time of its first row.
        last_us: time of its last row.
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


def list_parts(reader: Reader, datasets: Iterable[Dataset]) -> dict[str, list[Part]]:
    """Return the parts of tables, by the names of the datasets that have rows.

    The engine answers from what it has in memory of each part. (`system.parts` says the same, but
    those who may read the tables may not always read that.)

    Raises:
        QueryError: the store refuses.
        StoreError: the store is away.
    """
    sql = " UNION ALL ".join(
        f"SELECT '{dataset.name}', _part, count(), toUnixTimestamp64Micro(min({dataset.time})), "  # noqa: S608
        f"toUnixTimestamp64Micro(max({dataset.time})) FROM {dataset.table} GROUP BY _part"
        for dataset in datasets
    )
    found: dict[str, list[Part]] = {}
    for name, *of_part in reader.query(sql).rows if sql else ():
        text = " ".join(map(str, of_part))
        digest = hashlib.blake2b(text.encode(), digest_size=_DIGEST_BYTES).hexdigest()
        found.setdefault(name, []).append(Part(digest, *of_part[-2:]))
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
