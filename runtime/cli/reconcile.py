"""`perptape reconcile`: bars beside the venue's own klines or trade files, classed and stored."""

import shutil
import tempfile
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from runtime.cli.backfill import Paths, opened_store
from runtime.cli.stages import stage
from runtime.clock import SystemClock
from runtime.errors import ConfigurationError
from runtime.settings import Settings
from schemas.instruments import Instrument
from schemas.reconciliations import Comparison, Conservation, Totals
from schemas.units import US_PER_SECOND

SHOWN = 20


async def run_reconcile(
    settings: Settings,
    console: Console,
    paths: Sequence[Path],
    asked: Any,  # collectors.dumps.market.Asked
) -> bool:
    """Compare and store; return whether no bar is broken.

    Raises:
        ConfigurationError: options are missing or wrong.
        PayloadError: a file cannot be used, with its line.
        StoreError: the store is away.
    """
    files = Paths.of(paths).files
    with opened_store(settings) as store:
        found = [_compare(store, path, asked) for path in files]
    classes: Counter[Conservation] = Counter()
    grid = Table("file", "bar", "class", "cause", header_style="bold")
    for path, comparisons in zip(files, found, strict=True):
        classes.update(one.conservation for one in comparisons)
        for one in comparisons:
            if one.conservation is not Conservation.EXACT and grid.row_count < SHOWN:
                start = datetime.fromtimestamp(one.theirs.start_us / US_PER_SECOND, tz=UTC)
                shown = (path.name, f"{start:%Y-%m-%d %H:%M:%S}", one.conservation, one.cause)
                grid.add_row(*map(str, shown))
    if grid.row_count:
        console.print(grid)
    counts = ", ".join(f"{classes[one]:,} {one.value}" for one in Conservation)
    console.print(f"{sum(classes.values()):,} bars compared: {counts}", highlight=False)
    return not classes[Conservation.BROKEN]


def _compare(store: Any, path: Path, asked: Any) -> list[Comparison]:
    against, interval, theirs, instrument, merges = _theirs(store, path, asked)
    market = (instrument.asset, instrument.venue, instrument.symbol)
    last_us = max(one.start_us for one in theirs)
    span = (min(one.start_us for one in theirs), last_us + interval * US_PER_SECOND)
    tables = stage("sinks.clickhouse.reconcile")
    ours = tables.own_totals(store, market, interval, span)
    streams = tables.streams_of(store, market, span)
    merged = {stream for stream in streams if _merges(stream)}
    with_trades = bool(streams) and bool(merged) is merges
    compare = stage("processors.measures.conservation").compare
    found = [compare(one, ours.get(one.start_us), with_trades=with_trades) for one in theirs]
    revision = SystemClock().now_us()
    tables.note_comparisons(store, market, interval, (against, path.name), found, revision)
    return found


def _merges(stream: str) -> bool:
    """Say whether a stream's trades are not single fills, as klines count them."""
    return stream.endswith("@aggTrade") or stream.startswith("trades:")


def _theirs(store: Any, path: Path, asked: Any) -> tuple[str, int, list[Totals], Instrument, bool]:
    """Read a file: against what, the seconds of a bar, the bars, of what, whether fills merge."""
    klines = stage("collectors.dumps.klines")
    if klines.is_klines(path):
        interval, theirs = klines.read_klines(path)
        return "klines", interval, theirs, _kline_instrument(path, asked), False
    folder = Path(tempfile.mkdtemp(prefix="perptape-reconcile-"))
    try:
        module = stage("collectors.dumps.held")
        contracts = stage("sinks.clickhouse.backfill.tables").contract_sizes(store)
        identity = module.identity_of(path)
        held = module.hold(path, identity, asked, contracts, folder / "columns")
        interval, theirs = klines.sums_of(held)
        if not theirs:
            raise ConfigurationError(f"{path}: there is no whole minute in it")
        stream = held.market.stream
        return "trades", interval, theirs, held.instrument, _merges(stream)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _kline_instrument(path: Path, asked: Any) -> Instrument:
    """Name the instrument of a kline file; its grids are of no importance."""
    name = stage("collectors.dumps.names").read_name(path)
    if asked.kind is None:
        raise ConfigurationError(
            f"{path}: klines do not say their kind: pass --kind (spot or linear_perpetual)"
        )
    named: Instrument = stage("collectors.dumps.market").instrument_named(
        asked.venue or "binance", asked.kind, asked.symbol or name.symbol
    )
    return named
