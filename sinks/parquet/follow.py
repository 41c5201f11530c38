"""Keeping a folder of Parquet files as the tables are, round by round.

A round asks which parts are new, compares the days that these touch, newest first, and writes what
differs. Days that are left when the next round is due wait for it; but a round deals with one more
than there are datasets, so that old days come to their turn however long the newest ones take.

State in memory: that of `Pending`. What is known on disk lags behind: a round that breaks off, at
any point, is made up for by comparing more.
"""

import itertools
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import structlog

from runtime.failpoint import failpoint
from runtime.metrics import Metrics, ParquetMetrics
from sinks.clickhouse.access import Reader
from sinks.clickhouse.client import QueryError
from sinks.parquet.compare import compare
from sinks.parquet.datasets import Dataset, find_datasets, store_of
from sinks.parquet.files import discard_unfinished
from sinks.parquet.parts import list_parts
from sinks.parquet.pending import Pending, Unit
from sinks.parquet.plan import Partition
from sinks.parquet.state import Kept, State, load_state, save_state
from sinks.parquet.write import write

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class FollowSettings:
    """How long a round may go on with old days, and how many rows are asked for at once."""

    round_seconds: float = 300.0
    limit_rows: int | None = None


class Follower:
    """Brings one folder to what one store has.

    Args:
        out: the folder; nobody else writes to it.
        settings: bounds.
        metrics: where to count; None counts for nobody.
        monotonic: seconds of any origin, for the length of a round.
    """

    def __init__(
        self,
        out: Path,
        settings: FollowSettings | None = None,
        metrics: ParquetMetrics | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._out = out
        self._settings = settings or FollowSettings()
        self._metrics = metrics or Metrics().parquet
        self._monotonic = monotonic
        self._saved: State | None = None
        self._pending = Pending({})
        self._refused: set[tuple[str, int]] = set()

    @property
    def pending(self) -> int:
        """How many days of datasets are to be compared."""
        return len(self._pending)

    def round(self, reader: Reader) -> Generator[None, None, None]:
        """Do one round in steps of bounded length; closing the iterator leaves whole files only.

        A day that the store refuses to answer for is left for the next round.

        Raises:
            ConfigurationError: the folder was filled from another store, or pyarrow is missing.
            QueryError: the store does not say what it has.
            StoreError: the store went away.
            OSError: the folder cannot be written.
        """
        due = self._monotonic() + self._settings.round_seconds
        datasets = self._look(reader)
        self._metrics.pending.set(self.pending)
        yield
        refused: list[Unit] = []
        try:
            for _ in self._turns(len(datasets) + 1, due):
                unit = self._pending.take()
                if unit is None:
                    break
                try:
                    yield from self._bring(reader, datasets, unit)
                except BaseException as error:
                    refused.append(unit)
                    if not isinstance(error, QueryError):
                        raise
                    self._note(unit, error)
        finally:
            for unit in refused:
                self._pending.put_back(unit)
            self._metrics.pending.set(self.pending)
        self._save(datasets)

    def _turns(self, least: int, due: float) -> Iterator[int]:
        """Count until the next round is due, and up to a number even so."""
        for number in itertools.count():
            if number >= least and self._monotonic() >= due:
                return
            yield number

    def _look(self, reader: Reader) -> dict[str, Dataset]:
        """Ask for tables and parts, and return the datasets."""
        datasets = find_datasets(reader)
        store = store_of(reader)
        if self._saved is None or self._saved.store != store:
            self._saved = self._load(store, datasets)
        parts = list_parts(reader, datasets.values())
        for name, dataset in datasets.items():
            kept = self._saved.datasets.get(name)
            if kept is not None and kept.form != dataset.form:
                self._pending.forget(name)
            self._pending.saw(dataset, parts.get(name, []))
        return datasets

    def _load(self, store: str, datasets: Mapping[str, Dataset]) -> State:
        """Read what the folder has; a dataset whose own folder is missing has nothing.

        A folder that has nothing yet is that of this store from now on.
        """
        state = load_state(self._out, store)
        if not state.datasets:
            save_state(self._out, state)
        there = {name: kept for name, kept in state.datasets.items() if (self._out / name).is_dir()}
        self._pending = Pending({name: kept.parts for name, kept in there.items()})
        for name in datasets:
            discard_unfinished(self._out / name)
        return State(store=store, datasets=there)

    def _save(self, datasets: Mapping[str, Dataset]) -> None:
        """Keep what is known, where it is not what was kept."""
        known = {
            name: Kept(datasets[name].form, sorted(digests))
            for name, digests in sorted(self._pending.known.items())
            if digests and name in datasets
        }
        if self._saved is not None and known != self._saved.datasets:
            state = State(store=self._saved.store, datasets=known)
            save_state(self._out, state)
            self._saved = state

    def _bring(
        self, reader: Reader, datasets: Mapping[str, Dataset], unit: Unit
    ) -> Generator[None, None, None]:
        """Bring the files of a unit to what the store has."""
        dataset = datasets.get(unit.dataset)
        if dataset is not None:
            files = self._metrics.files
            root = self._out / dataset.name
            found = compare(reader, dataset, root, unit.hours)
            files.labels(dataset.name, "unchanged").inc(found.unchanged)
            yield
            for partition in found.changed:
                yield from self._write(reader, dataset, partition, root)
            for path in found.gone:
                path.unlink(missing_ok=True)
                files.labels(dataset.name, "removed").inc()
        self._pending.done(unit)
        self._refused.discard((unit.dataset, unit.day_us))

    def _write(
        self, reader: Reader, dataset: Dataset, partition: Partition, root: Path
    ) -> Generator[None, None, None]:
        started = time.perf_counter()
        rows = 0
        for file in write(reader, dataset, partition, root, self._settings.limit_rows):
            rows = file.rows
            yield
        failpoint("parquet_after_file")
        self._metrics.files.labels(dataset.name, "written").inc()
        self._metrics.rows.labels(dataset.name).inc(rows)
        self._metrics.write_seconds.labels(dataset.name).observe(time.perf_counter() - started)

    def _note(self, unit: Unit, error: QueryError) -> None:
        """Count a refusal; of those of one day in a row only the first is logged."""
        self._metrics.failures.labels("refused").inc()
        key = (unit.dataset, unit.day_us)
        if key not in self._refused:
            self._refused.add(key)
            _log.warning("parquet_day_refused", dataset=unit.dataset, error=str(error))
