"""The Parquet sink: files of all tables that follow the store while it fills.

It follows the store and not the log, because the store is what settles revisions and deliveries
that are repeated. A row is in its file by the end of the round that begins after it was stored:
after `round_seconds` at most, and the time that a round takes.

Each round writes what there is of the open hour anew; a file that nothing new touches is left
alone. Measured on six assets (1.4 million rows an hour, the engine's work included): 24 s of a
processor to write an hour once, so 2.5 minutes for the twelve rounds of an hour, 4 % of one. Rounds
each minute would be a fifth of one, which is why they are not the default.

It never opens the folder of an embedded store, which is for the process that fills it.
"""

import asyncio
import random
import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import structlog

from runtime.backoff import Backoff
from runtime.clock import Clock, SystemClock
from runtime.errors import StoreError
from runtime.metrics import Metrics, ParquetMetrics
from runtime.worker import in_worker
from schemas.units import US_PER_SECOND
from sinks.clickhouse.access import Reader
from sinks.clickhouse.client import QueryError
from sinks.parquet.files import alone_in
from sinks.parquet.follow import Follower, FollowSettings

_BEGUN = {"store": "parquet_store_away", "folder": "parquet_folder_unwritable"}
_OVER = {"store": "parquet_store_back", "folder": "parquet_folder_writable"}
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ParquetSettings:
    """How often the store is looked at, and how failures are waited out."""

    round_seconds: float = 300.0
    first_retry_seconds: float = 1.0
    longest_retry_seconds: float = 30.0
    tick_seconds: float = 5.0
    limit_rows: int | None = None


class ParquetSink:
    """Keeps the files of one folder as the tables of one store are.

    Args:
        open_store: returns a reader, or raises StoreError while there is none.
        out: the folder; made when missing.
        settings: bounds and delays.
        metrics: where to count; None counts for nobody.
        clock: what is shown as the time of the newest complete round.
        chance: decides how long is waited after a failure, in [0, 1).
    """

    def __init__(
        self,
        open_store: Callable[[], Reader],
        out: Path,
        *,
        settings: ParquetSettings | None = None,
        metrics: ParquetMetrics | None = None,
        clock: Clock | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._open = open_store
        self._out = out
        self._settings = settings or ParquetSettings()
        self._metrics = metrics or Metrics().parquet
        self._clock = clock or SystemClock()
        self._backoff = Backoff(
            self._settings.first_retry_seconds, self._settings.longest_retry_seconds, chance
        )
        bounds = FollowSettings(self._settings.round_seconds, self._settings.limit_rows)
        self._follower = Follower(out, bounds, self._metrics)
        self._reader: Reader | None = None
        self._trouble = ""

    async def run(self, stop: asyncio.Event) -> None:
        """Follow until `stop`; what is not written by then is written by the next start.

        Raises:
            ConfigurationError: another one writes to the folder, it cannot be made, it was filled
                from another store, or pyarrow is missing.
        """
        with alone_in(self._out):
            worker = ThreadPoolExecutor(1, thread_name_prefix="parquet")
            try:
                while not stop.is_set():
                    await self._rest(stop, await self._turn(worker, stop))
            finally:
                await in_worker(worker, self._hang_up)
                worker.shutdown()

    async def _turn(self, worker: ThreadPoolExecutor, stop: asyncio.Event) -> float:
        """Do a round, and return how many seconds are left until the next."""
        began, began_us = time.monotonic(), self._clock.now_us()
        try:
            if self._reader is None:
                self._reader = await in_worker(worker, self._open)
            await self._round(worker, stop, self._follower.round(self._reader))
        except (StoreError, QueryError) as error:
            await in_worker(worker, self._hang_up)
            return self._failed("store", error)
        except OSError as error:
            return self._failed("folder", error)
        if self._trouble and not stop.is_set():
            _log.warning(_OVER[self._trouble])
            self._trouble = ""
        self._backoff.reset()
        if not self._follower.pending and not stop.is_set():
            self._metrics.complete.set(began_us / US_PER_SECOND)
        return began + self._settings.round_seconds - time.monotonic()

    async def _round(
        self,
        worker: ThreadPoolExecutor,
        stop: asyncio.Event,
        steps: Generator[None, None, None],
    ) -> None:
        try:
            while not stop.is_set() and await in_worker(worker, _step, steps):
                self._show_life()
        finally:
            await in_worker(worker, steps.close)

    def _failed(self, kind: str, error: Exception) -> float:
        """Count a round that broke off; of those in a row for one reason the first is logged."""
        self._metrics.failures.labels(kind).inc()
        if self._trouble != kind:
            self._trouble = kind
            _log.warning(_BEGUN[kind], folder=str(self._out), error=str(error))
        return self._backoff.next_seconds()

    async def _rest(self, stop: asyncio.Event, seconds: float) -> None:
        """Wait, and show meanwhile that we live."""
        until = time.monotonic() + seconds
        while not stop.is_set() and (left := until - time.monotonic()) > 0:
            self._show_life()
            try:
                async with asyncio.timeout(min(left, self._settings.tick_seconds)):
                    await stop.wait()
            except TimeoutError:
                continue

    def _show_life(self) -> None:
        """Count a step, but none while the folder fails: that is for somebody to set right."""
        if self._trouble != "folder":
            self._metrics.turns.inc()

    def _hang_up(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.close()


def _step(steps: Generator[None, None, None]) -> bool:
    """Take a step; say whether there was one (StopIteration cannot pass through a future)."""
    for _ in steps:
        return True
    return False
