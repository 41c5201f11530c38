"""Which files of a day are not what the store has now."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from schemas.units import US_PER_HOUR
from sinks.clickhouse.access import Reader
from sinks.parquet.datasets import Dataset
from sinks.parquet.files import made, name_of, path_of
from sinks.parquet.plan import Partition, partitions_of


@dataclass(slots=True)
class Difference:
    """What to write, what to remove, and how many files are as they should be."""

    changed: list[Partition] = field(default_factory=list)
    gone: list[Path] = field(default_factory=list)
    unchanged: int = 0


def compare(reader: Reader, dataset: Dataset, root: Path, hours: Iterable[int]) -> Difference:
    """Compare the fingerprints of hours with those in the footers of their files.

    An hour of which the store has no rows at all keeps its files: rows vanish only when
    the store drops old ones. Where it does so by itself, no file is removed either, or replaced by
    one with fewer rows, since it drops the rows of an hour a few at a time.

    Raises:
        QueryError: the store refuses.
        StoreError: the store went away.
    """
    found = Difference()
    for from_us, until_us in _runs(sorted(hours)):
        there = partitions_of(reader, dataset, from_us, until_us)
        for partition in there:
            if _is_to_be_written(dataset, path_of(root, partition), partition):
                found.changed.append(partition)
            else:
                found.unchanged += 1
        if not dataset.expires:
            found.gone += _gone(dataset, root, there)
    return found


def _is_to_be_written(dataset: Dataset, path: Path, partition: Partition) -> bool:
    before = made(path)
    if before is None:
        return True
    if dataset.expires and before.rows > partition.rows:
        return False
    return before.fingerprint != partition.fingerprint


def _gone(dataset: Dataset, root: Path, there: Iterable[Partition]) -> Iterator[Path]:
    """Yield files of the same hours, of assets and venues that have no rows in them any more."""
    wanted = {path_of(root, partition) for partition in there}
    folders = "asset=*/venue=*" if dataset.by_venue else "asset=*"
    for day, hour_us in sorted({(one.day, one.hour_us) for one in there}):
        place = root / f"date={day.isoformat()}"
        for path in sorted(place.glob(f"{folders}/{name_of(hour_us)}")):
            if path not in wanted:
                yield path


def _runs(hours: list[int]) -> Iterator[tuple[int, int]]:
    """Yield the spans that hours next to each other make up."""
    from_us = until_us = hours[0]
    for hour_us in hours:
        if hour_us != until_us:
            yield from_us, until_us
            from_us = hour_us
        until_us = hour_us + US_PER_HOUR
    yield from_us, until_us
