"""Which files of a day are not what the store has now."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from schemas.units import US_PER_HOUR
from sinks.clickhouse.access import Reader
from sinks.parquet.datasets import Dataset, Reach
from sinks.parquet.files import day_folder, made, name_of, path_of
from sinks.parquet.plan import Partition, partitions_of


@dataclass(slots=True)
class Difference:
    """What to write, what to remove, and how many files are as they should be."""

    changed: list[Partition] = field(default_factory=list)
    gone: list[Path] = field(default_factory=list)
    unchanged: int = 0


def compare(reader: Reader, dataset: Dataset, root: Path, hours: Iterable[int]) -> Difference:
    """Compare the fingerprints of hours with those in the footers of their files.

    An hour of which the store has no rows at all keeps its files, as then it has dropped them;
    but where revisions move rows between hours, it is such a revision that took the last one.
    Where the store drops old rows by itself, no file is removed, or replaced by one with fewer
    rows: it drops those of an hour a few at a time.

    Raises:
        QueryError: the store refuses.
        StoreError: the store went away.
    """
    found = Difference()
    hours = sorted(hours)
    there = [
        partition
        for from_us, until_us in _runs(hours)
        for partition in partitions_of(reader, dataset, from_us, until_us)
    ]
    for partition in there:
        if _is_to_be_written(dataset, path_of(root, partition), partition):
            found.changed.append(partition)
        else:
            found.unchanged += 1
    if not dataset.expires:
        filled = sorted({partition.hour_us for partition in there})
        among = filled if dataset.reach is Reach.HOUR else hours
        wanted = {path_of(root, partition) for partition in there}
        found.gone += (path for path in _files(dataset, root, among) if path not in wanted)
    return found


def _is_to_be_written(dataset: Dataset, path: Path, partition: Partition) -> bool:
    before = made(path)
    if before is None:
        return True
    if dataset.expires and before.rows > partition.rows:
        return False
    return before.fingerprint != partition.fingerprint


def _files(dataset: Dataset, root: Path, hours: Iterable[int]) -> Iterator[Path]:
    """Yield the files of these hours, of whatever assets and venues."""
    folders = "asset=*/venue=*" if dataset.by_venue else "asset=*"
    for hour_us in hours:
        yield from sorted(day_folder(root, hour_us).glob(f"{folders}/{name_of(hour_us)}"))


def _runs(hours: list[int]) -> Iterator[tuple[int, int]]:
    """Yield the spans that hours next to each other make up."""
    from_us = until_us = hours[0]
    for hour_us in hours:
        if hour_us != until_us:
            yield from_us, until_us
            from_us = hour_us
        until_us = hour_us + US_PER_HOUR
    yield from_us, until_us
