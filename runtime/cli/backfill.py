"""`perptape backfill`: official files of the venues through the footprint operator into the store.

A group of files whose bars hang together is read whole before anything of it is stored: what is
broken leaves no trace. A finished group is on record in the store, by name, size and content of
its files, and is passed over by the next run.
"""

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from runtime.cli.parts import engine_params
from runtime.cli.stages import stage
from runtime.clock import SystemClock
from runtime.errors import ConfigurationError, PayloadError
from runtime.failpoint import failpoint
from runtime.settings import Settings
from schemas.footprints import FootprintBar
from schemas.lineage import InputRange, epoch_at
from schemas.units import US_PER_DAY, US_PER_SECOND

TERMS = """Terms of the files: Binance puts data.binance.vision under CC BY-NC-SA 4.0 with terms of
August 2026 that exclude commercial use and live trading without a written licence; Bybit and OKX
offer theirs under their general terms, Tardis under your subscription. perptape reads what is on
disk and fetches nothing: whether you may use it is for your desk to decide."""

ENDINGS = (".csv", ".csv.gz", ".csv.zst", ".zip", ".parquet")


@dataclass(frozen=True, slots=True)
class Paths:
    """Files that were named, those in named folders with them."""

    files: list[Path]

    @classmethod
    def of(cls, named: Sequence[Path]) -> "Paths":
        """Look into folders.

        Raises:
            ConfigurationError: there is nothing to read.
        """
        files: list[Path] = []
        for path in named:
            inside = path.rglob("*") if path.is_dir() else (path,)
            files += [one for one in sorted(inside) if one == path or one.name.endswith(ENDINGS)]
        missing = next((path for path in files if not path.is_file()), None)
        if missing is not None:
            raise ConfigurationError(f"{missing}: there is no such file")
        if not files:
            raise ConfigurationError(f"no files ending in {', '.join(ENDINGS)} there")
        return cls(files)


async def run_backfill(
    settings: Settings,
    console: Console,
    paths: Sequence[Path],
    asked: Any,  # collectors.dumps.market.Asked
    *,
    again: bool = False,
) -> None:
    """Load files into the store.

    Raises:
        ConfigurationError: options are missing or wrong; nothing of that group was loaded.
        PayloadError: a file cannot be used, with its line; nothing of its group was loaded.
        StoreError: the store is away; the next run goes on there.
    """
    files = Paths.of(paths).files
    with opened_store(settings) as store:
        work = _Backfill(settings, store, asked, console)
        wanted = [path for path in files if work.is_wanted(path, again=again)]
        for group in stage("collectors.dumps.groups").groups_of(wanted):
            work.load(group)
    passed = len(files) - len(wanted)
    note = f"; {passed} of {len(files)} files were loaded before" if passed else ""
    console.print(
        f"{work.read:,} trades read, {work.trades:,} trades and {work.bars:,} bars stored{note}",
        highlight=False,
    )


@contextmanager
def opened_store(settings: Settings) -> Iterator[Any]:
    """Open the store, bring its tables to this version, and close it in the end."""
    store = stage("sinks.clickhouse.client").open_store(settings.stored_in)
    try:
        stage("sinks.clickhouse.migrate").apply(store)
        yield store
    finally:
        store.close()


class _Backfill:
    """Loads groups of files one after the other; counts what was read and what was stored."""

    def __init__(self, settings: Settings, store: Any, asked: Any, console: Console) -> None:
        self._params = engine_params(settings)
        self._store = store
        self._asked = asked
        self._console = console
        self._epoch = epoch_at(SystemClock().now_us() / US_PER_SECOND)
        self._held = stage("collectors.dumps.held")
        self._batches = stage("collectors.dumps.batches")
        self._tables = stage("sinks.clickhouse.backfill.tables")
        self._identities: dict[Path, Any] = {}
        self.read = self.trades = self.bars = 0

    def is_wanted(self, path: Path, *, again: bool) -> bool:
        """Say whether a file is to be loaded: it was not before, or is asked for again."""
        identity = self._identities[path] = self._held.identity_of(path)
        known = (identity.name, identity.size_bytes, identity.sha256)
        return again or not self._tables.is_loaded(self._store, *known)

    def load(self, paths: Sequence[Path]) -> None:
        """Read a group of files, then store it job by job."""
        folder = Path(tempfile.mkdtemp(prefix="perptape-backfill-"))
        try:
            with _progress(self._console) as progress:
                contracts = self._tables.contract_sizes(self._store)
                held = [
                    self._hold(path, contracts, folder / str(number), progress)
                    for number, path in enumerate(paths)
                ]
                for job in self._batches.jobs_of(held):
                    self._load_job(job, progress)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _hold(self, path: Path, contracts: Any, store: Path, progress: Progress) -> Any:
        task = progress.add_task(f"read {path.name}", count="0 trades")

        def show(trades: int) -> None:
            progress.update(task, count=f"{trades:,} trades")

        identity = self._identities[path]
        held = self._held.hold(path, identity, self._asked, contracts, store, show)
        self.read += held.trades
        return held

    def _load_job(self, job: Sequence[Any], progress: Progress) -> None:
        asset = job[0].market.asset
        task = progress.add_task(f"make bars of {asset}", count="0 trades")
        bars = self._bars(job, lambda trades: progress.update(task, count=f"{trades:,} trades"))
        from_us, until_us = self._batches.span_of(job)
        stored = self._tables.stored_bars(
            self._store, asset, from_us - from_us % US_PER_DAY, until_us + US_PER_DAY
        )
        inputs = [InputRange(one.identity.session, 0, 0, one.trades - 1) for one in job]
        admitted = stage("sinks.clickhouse.backfill.admission").admit(bars, stored, inputs)
        task = progress.add_task(f"store {asset}", count=f"{len(admitted):,} bars")
        base_seconds = self._params.footprint.interval_seconds
        loading = stage("sinks.clickhouse.backfill.load")
        streams = {(one.market.venue, one.instrument.symbol): one.market.stream for one in job}
        loaded = loading.store_job(
            self._store,
            self._batches.job_batches(job),
            admitted,
            streams,
            base_seconds=base_seconds,
            epoch=self._epoch,
        )
        first_us = from_us - from_us % (base_seconds * US_PER_SECOND)
        asked = {"asset": asset, "from_us": first_us, "until_us": until_us, "base": base_seconds}
        stage("sinks.clickhouse.rebuild.adjust").adjust_filed(self._store, asked)
        failpoint("backfill_before_record")
        loading.note_loaded(self._store, [_record(one) for one in job], self._epoch)
        self.trades += loaded.trades
        self.bars += loaded.bars

    def _bars(self, job: Sequence[Any], show: Any) -> list[FootprintBar]:
        asset = job[0].market.asset
        first = next(batch for batch in self._batches.job_batches(job) if batch.rows)
        units = stage("processors.units").units_of(
            first, known_units(self._params, self._store, asset)
        )
        rebuild = stage("processors.rebuild").Rebuild(
            asset, units, self._params.footprint, self._epoch
        )
        bars: list[FootprintBar] = []
        try:
            for batch in self._batches.job_batches(job):
                bars += rebuild.take(batch)
                show(rebuild.trades)
        except ValueError as error:
            names = ", ".join(one.identity.name for one in job)
            raise PayloadError("broken_file", f"{names}: {error}") from error
        if rebuild.duplicates:
            self._console.print(f"{asset}: {rebuild.duplicates:,} trades came twice in the files")
        return bars


def known_units(params: Any, store: Any, asset: str) -> dict[str, Any]:
    """Return the grids of settings, else those of the bars that the store has of an asset."""
    known = dict(params.units)
    tables = stage("sinks.clickhouse.backfill.tables")
    found = None if asset in known else tables.grids_of(store, asset)
    if found is not None:
        tick, lot, row_size = found
        units = stage("processors.units").AssetUnits
        known[asset] = units(tick=tick, lot=lot, row_size=row_size)
    return known


def _record(one: Any) -> Any:  # of collectors.dumps.held.Held
    return stage("sinks.clickhouse.backfill.load").LoadedFile(
        file=one.identity.name,
        size_bytes=one.identity.size_bytes,
        sha256=one.identity.sha256,
        format=one.layout.format.name,
        asset=one.market.asset,
        venue=one.market.venue,
        symbol=one.instrument.symbol,
        stream=one.market.stream,
        session=one.identity.session,
        from_time=one.span[0],
        to_time=one.span[1],
        trades=one.trades,
        skipped=one.skipped,
    )


def _progress(console: Console) -> Progress:
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        TextColumn("{task.fields[count]}"),
    )
    return Progress(*columns, TimeElapsedColumn(), console=console)
