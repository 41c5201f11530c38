"""`perptape rebuild`: the bars of a day made anew, from recordings or from the trades in the log.

They are stored beside the tables; then what is better than what those have takes its place. Trades
and footprint bars: everything else stays as it was said at the time.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from runtime.cli.backfill import opened_store
from runtime.cli.backup import existing_bus
from runtime.cli.rebuild_work import DayOfBars
from runtime.cli.replay import play, read_recordings
from runtime.cli.stages import stage
from runtime.clock import SystemClock
from runtime.errors import BusError, ConfigurationError
from runtime.settings import Settings
from schemas.lineage import InputRange, epoch_at
from schemas.topics import TRADES
from schemas.units import US_PER_DAY, US_PER_HOUR, US_PER_SECOND

BEFORE_US = US_PER_HOUR
"""How much of the log before the day is read: the feeds are known when it begins."""

AFTER_US = US_PER_HOUR
"""How much after it: the last bars are closed, and what came late is in."""

READ_RECORDS = 500
SILENT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be rebuilt: a day (UTC), from recordings or, without any, from the log."""

    day: date
    files: Sequence[Path]
    replace: bool

    @property
    def from_us(self) -> int:
        """Its first microsecond."""
        begin = datetime(self.day.year, self.day.month, self.day.day, tzinfo=UTC)
        return int(begin.timestamp()) * US_PER_SECOND

    @property
    def until_us(self) -> int:
        """The first one after it."""
        return self.from_us + US_PER_DAY

    @property
    def inputs(self) -> list[InputRange]:
        """What its bars say that they were made of."""
        names = [path.name for path in self.files] or [f"rebuild/{TRADES.name}"]
        return [InputRange(name, 0, 0, 0) for name in names]


def day_of(text: str) -> date:
    """Read a day.

    Raises:
        ConfigurationError: it is none.
    """
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise ConfigurationError(f"expected a day like 2026-11-20, was {text!r}") from error


async def run_rebuild(settings: Settings, console: Console, asked: Asked) -> None:
    """Make the bars of a day anew and store those that are better.

    Raises:
        ConfigurationError: there is nothing to make them of, the store is in use, or it has trades
            that the new bars would not know of; nothing was changed.
        PayloadError: a recording is broken; nothing was changed.
        BusError: the log cannot be read; nothing was changed.
        StoreError: the store is away; the same may be done again.
    """
    merging = stage("sinks.clickhouse.rebuild.merge")
    beside = stage("sinks.clickhouse.rebuild.staging").staging
    span = merging.Span(asked.from_us, asked.until_us, settings.base_interval_seconds)
    replay = _recordings(console, asked.files) if asked.files else None
    if replay is None:
        await _see_log(settings)
    with opened_store(settings) as store, beside(store) as tables:
        times = (asked.from_us, asked.until_us)
        epoch = epoch_at(SystemClock().now_us() / US_PER_SECOND)
        work = DayOfBars(settings, store, tables, times, epoch, asked.inputs)
        if replay is not None:
            broken = await play(replay, work, console)
            if broken is not None:
                raise broken
        else:
            await _read_log(settings, work, asked)
        work.flush()
        merged = await asyncio.to_thread(merging.merge, store, span, replace=asked.replace)
    console.print(
        f"{merged.bars:,} of {merged.worked_off:,} bars of {asked.day} stored, and "
        f"{merged.trades:,} trades that were missing"
        + (f"; {work.unusable:,} batches could not be used" if work.unusable else ""),
        highlight=False,
    )


async def _see_log(settings: Settings) -> None:
    """Make sure that there is a log, before a store is made for nothing."""
    async with existing_bus(settings) as log:
        if log is None:
            raise ConfigurationError(f"there is no log in {settings.log}: name recordings")


def _recordings(console: Console, files: Sequence[Path]) -> Any:
    source = stage("collectors.recorded.replay").Source
    return read_recordings(console, [source(path) for path in files])


async def _read_log(settings: Settings, work: DayOfBars, asked: Asked) -> None:
    """Work the trades of a day off that the desk's log still has."""
    async with existing_bus(settings) as log:
        if log is None:
            raise BusError(f"the log in {settings.log} is gone")
        starts = await log.offsets_at(TRADES.name, asked.from_us - BEFORE_US)
        ends = await log.end_offsets(TRADES.name)
        consumer = await log.consumer([TRADES.name], partitions=range(len(ends)))
        try:
            for number, start in enumerate(starts):
                consumer.seek(TRADES.name, number, start)
            left = {number for number, end in enumerate(ends) if starts[number] < end}
            while left:
                records = await consumer.poll(READ_RECORDS, SILENT_SECONDS)
                if not records:
                    raise BusError(f"nothing more comes from {TRADES.name} before its end")
                for one in records:
                    if one.partition in left and one.value is not None:
                        work.take(one.value)
                    is_late = one.timestamp_us > asked.until_us + AFTER_US
                    if one.offset + 1 >= ends[one.partition] or is_late:
                        left.discard(one.partition)
        finally:
            await consumer.close()
