"""What is still to be compared, and which parts are known once that is done. Pure.

State: a digest for each part of the store, and the hours of each day of a dataset that new parts
touch; both are bounded by what the store has.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from schemas.units import US_PER_DAY
from sinks.parquet.datasets import Dataset
from sinks.parquet.parts import Part


@dataclass(slots=True)
class Unit:
    """Hours of a day of a dataset, and the parts that touch them."""

    dataset: str
    day_us: int
    hours: set[int] = field(default_factory=set)
    parts: set[str] = field(default_factory=set)


class Pending:
    """Turns new parts into days to compare, and compared days into known parts.

    Args:
        known: digests of parts, by dataset, whose rows are all in files.
    """

    def __init__(self, known: Mapping[str, Iterable[str]]) -> None:
        self.known = {name: set(digests) for name, digests in known.items()}
        self._units: dict[tuple[str, int], Unit] = {}
        self._days_left: dict[tuple[str, str], int] = {}

    def __len__(self) -> int:
        return len(self._units)

    def saw(self, dataset: Dataset, parts: Iterable[Part]) -> int:
        """Take in the parts that a table has now; return how many days the new ones touch."""
        there = {part.digest: part for part in parts}
        known = self.known.setdefault(dataset.name, set())
        known.intersection_update(there)
        touched = set()
        for digest, part in there.items():
            if digest in known or (dataset.name, digest) in self._days_left:
                continue
            days = self._touch(dataset, part)
            self._days_left[dataset.name, digest] = len(days)
            touched |= days
        return len(touched)

    def forget(self, dataset: str) -> None:
        """Take all parts of a dataset for new ones."""
        self.known.pop(dataset, None)

    def take(self) -> Unit | None:
        """Return what to compare next, the newest day first; None where there is nothing."""
        if not self._units:
            return None
        return self._units.pop(max(self._units, key=lambda key: (key[1], key[0])))

    def put_back(self, unit: Unit) -> None:
        """Take a unit back that could not be compared."""
        there = self._units.setdefault((unit.dataset, unit.day_us), unit)
        there.hours |= unit.hours
        there.parts |= unit.parts

    def done(self, unit: Unit) -> None:
        """Know the parts of a unit that touch nothing else; all files of it are in place."""
        for digest in unit.parts:
            left = self._days_left[unit.dataset, digest] - 1
            self._days_left[unit.dataset, digest] = left
            if not left:
                del self._days_left[unit.dataset, digest]
                self.known.setdefault(unit.dataset, set()).add(digest)

    def _touch(self, dataset: Dataset, part: Part) -> set[int]:
        days = set()
        for hour_us in part.hours(dataset):
            day_us = hour_us // US_PER_DAY * US_PER_DAY
            unit = self._units.setdefault((dataset.name, day_us), Unit(dataset.name, day_us))
            unit.hours.add(hour_us)
            unit.parts.add(part.digest)
            days.add(day_us)
        return days
