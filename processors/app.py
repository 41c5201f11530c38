"""The host under Faust: several processes share the partitions of one group on Kafka.

It does what `processors.host` does, with Faust for membership, assignment and fetching; outputs and
snapshots go through our own bus. What Faust must not do, and how it is kept from it, is in
`processors.faust`.

A round of work, a restore and a revocation exclude one another with a lock: Faust takes partitions
away while a round may be under way. What fails in any of them ends `run`, uncommitted.
"""

import asyncio
import dataclasses
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

import structlog

from processors.asset import EngineParams
from processors.faust.application import App, make_app
from processors.faust.reader import Fetched, Reader
from processors.faust.watchdog import Watchdog
from processors.partitions import SOURCE, HostSettings, LeaseError, Partitions
from runtime.bus.kafka.failures import explain, explained
from runtime.bus.kafka.settings import KafkaSettings
from runtime.bus.protocol import Bus
from runtime.errors import BusError, PerptapeError
from runtime.failpoint import failpoint
from runtime.metrics import Metrics, ProcessorMetrics

TICK_SECONDS = 0.2
LAG_SECONDS = 5.0
LEAVE_SECONDS = 15.0
FAILED_SECONDS = 5.0
"""How long a host that failed takes to leave: it has nothing left to save."""

STILL_SECONDS = 60.0
LEASE_SHARE = 0.9
"""How much of the session time a round may take: the rest is for the heart's last beat."""

_log = structlog.get_logger(__name__)


class FaustHost:
    """Runs the engines of the partitions of the trades topic that the group gives to this process.

    Args:
        bus_name: `kafka://host:port,host:port`.
        kafka: how to connect, and this process's name in the group.
        bus: where outputs and snapshots go.
        params: of the operators.
        settings: when snapshots are due; `lease_seconds` None becomes 0.9 of the session.
        metrics: where to count; None counts for nobody.
        still_seconds: after so long without progress the process is ended.
        end: what ends it.
    """

    def __init__(
        self,
        bus_name: str,
        kafka: KafkaSettings,
        bus: Bus,
        params: EngineParams,
        settings: HostSettings | None = None,
        metrics: ProcessorMetrics | None = None,
        *,
        still_seconds: float = STILL_SECONDS,
        end: Callable[[int], object] = os._exit,
    ) -> None:
        self._bus_name = bus_name
        self._kafka = kafka
        self._bus = bus
        settings = settings or HostSettings()
        self._lease = settings.lease_seconds or LEASE_SHARE * kafka.session_seconds
        self._settings = dataclasses.replace(settings, lease_seconds=self._lease)
        self._metrics = metrics or Metrics().processor
        self._partitions = Partitions(bus, params, self._settings, self._metrics)
        self._watchdog = Watchdog(still_seconds, end)
        self._lock = asyncio.Lock()
        self._assigned: frozenset[int] = frozenset()
        self._fetched: asyncio.Queue[Sequence[Fetched]] = asyncio.Queue(1)
        self._turns: dict[int, int] = {}
        self._turn = 0
        self._working = False
        self._trades = 0

    @property
    def trades(self) -> int:
        """Trades counted since the log began, over the partitions held now or at the end."""
        return self._partitions.trades or self._trades

    async def run(self, stop: asyncio.Event) -> None:
        """Work until told to stop, then take a last snapshot, commit it and leave the group.

        Raises:
            BusError: the log cannot be read or written, or Faust gave up.
            OperatorError: more records than `poison_limit` make an operator fail.
            LeaseError: this process stood still for too long.
        """
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._working, self._turned_at = True, time.monotonic()
        async with self._faust() as app:
            tasks: list[asyncio.Future[Any]] = [
                asyncio.create_task(work)
                for work in (
                    stop.wait(),
                    self._start(app),
                    self._work_off(),
                    self._turn_over(app),
                    self._measure(),
                )
            ]
            first = [self._failed, *tasks]
            try:
                await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
                for one in first:
                    if one.done():
                        one.result()
                await self._save_last()
            finally:
                self._working = False
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    @asynccontextmanager
    async def _faust(self) -> AsyncIterator[App]:
        most = self._settings.poll_records
        app = make_app(self._bus_name, self._kafka, most, self)
        self._reader = cast(Reader, app.consumer)
        self._watchdog.start()
        patience = FAILED_SECONDS
        try:
            yield app
            patience = LEAVE_SECONDS
        finally:
            leaving = asyncio.create_task(app.stop())
            await asyncio.wait([leaving], timeout=patience)
            if leaving.done() and leaving.exception() is None:
                self._watchdog.stop()
            else:  # what still runs of it would keep the process
                _log.warning("faust_not_stopped", after_seconds=patience)
                self._watchdog.hurry(FAILED_SECONDS)

    async def _start(self, app: App) -> None:
        """Start Faust, and stay."""
        try:
            with explained(self._bus_name):
                await app.start()
        except PerptapeError:
            raise
        except Exception as error:  # whatever it is, there is no Faust
            raise BusError(f"Faust did not start: {error!r}") from error
        await asyncio.get_running_loop().create_future()

    async def _turn_over(self, app: App) -> None:
        """Notice that the loop stood still, and that Faust has crashed."""
        while True:
            self._check_awake()
            self._turned_at = self._watchdog.turned_at = time.monotonic()
            if app.crashed:
                raise explain(app.crash_reason or RuntimeError("crashed"), "Faust")
            await asyncio.sleep(TICK_SECONDS)

    def _check_awake(self) -> None:
        """Raise an error where the group may have given our partitions to somebody else."""
        passed = time.monotonic() - self._turned_at
        if passed > self._lease:
            raise LeaseError(
                f"this process stood still for {passed:.0f} s, where partitions are lent for "
                f"{self._lease:.0f} s: somebody else may have them now"
            )

    async def _measure(self) -> None:
        """Measure the lag; tell the watchdog when nothing waits."""
        while True:
            ends = await self._bus.end_offsets(SOURCE)
            held = self._partitions.numbers
            lags = {number: ends[number] - self._partitions.next_offset(number) for number in held}
            for number, lag in lags.items():
                self._metrics.lag.labels(str(number)).set(lag)
            behind = [number for number, lag in lags.items() if lag > 0]
            if held == self._assigned and not await self._reader.any_wait(behind, ends):
                self._watchdog.moved_at = time.monotonic()
            await asyncio.sleep(min(LAG_SECONDS, self._watchdog.seconds / 4))

    # --- the work

    async def _work_off(self) -> None:
        """Work off what is fetched, as it was fetched; what fails in here ends the host."""
        while True:
            fetched = await self._fetched.get()
            await self._guarded(self._work(fetched))

    async def _guarded(self, work: Awaitable[None]) -> None:
        try:
            await work
        except Exception as error:  # whatever it is, `run` raises it
            if self._working:
                self._working = False
                self._failed.set_exception(error)

    async def _work(self, fetched: Sequence[Fetched]) -> None:
        async with self._lock:
            turns = self._turns
            records = [record for turn, record in fetched if turn == turns.get(record.partition)]
            if not records or not self._working:
                return
            self._check_awake()
            seeks, saved = await self._partitions.work(records)
            self._watchdog.moved_at = time.monotonic()
            await self._seek(seeks)
            await self._commit(saved)

    async def _seek(self, places: Mapping[int, int]) -> None:
        """Read partitions at these offsets; what was fetched of them before is left alone."""
        if places:
            self._turn += 1
            self._turns.update(dict.fromkeys(places, self._turn))
            await self._reader.move(places, self._turn)

    async def _commit(self, offsets: Mapping[int, int]) -> None:
        """Commit; one that fails is made up for by the next, and costs nothing meanwhile."""
        if not offsets or not self._working:
            return
        self._check_awake()
        failpoint("before_commit")
        try:
            await self._reader.store(offsets)
        except BusError as error:
            _log.warning("processor_commit_failed", error=str(error))
        failpoint("after_commit")

    async def _save_last(self) -> None:
        async with self._lock:
            if self._failed.done():
                self._failed.result()
            self._check_awake()
            self._trades = self._partitions.trades
            await self._commit(await self._partitions.give_up(self._partitions.numbers))
            self._working = False

    # --- what Faust's consumer says

    async def take_in(self, fetched: Sequence[Fetched]) -> None:
        """Put what was fetched in line, where there is room for one fetch."""
        await self._fetched.put(fetched)

    def assigned(self, numbers: frozenset[int]) -> None:
        """Hear which partitions are ours; `place` restores them."""
        self._assigned = numbers
        self._watchdog.moved_at = time.monotonic()

    async def place(self) -> dict[int, int]:
        """Restore what is ours, have it read where its state ends, and return where that is."""
        places: dict[int, int] = {}

        async def restore() -> None:
            async with self._lock:
                missing = sorted(self._assigned - self._partitions.numbers)
                for number in missing:
                    if not self._working or number not in self._assigned:
                        break  # it may take long, and the group may want them back meanwhile
                    await self._partitions.take([number])
                    # A large state may have held the loop up; the heart beats in another thread.
                    self._turned_at = self._watchdog.moved_at = time.monotonic()
                    await asyncio.sleep(0)
                if missing:
                    self._note()
                held = self._partitions.numbers & self._assigned
                places.update((number, self._partitions.next_offset(number)) for number in held)
                await self._seek(places)

        await self._guarded(restore())
        return places

    async def revoked(self) -> None:
        """Save all partitions, which the group takes back, and let go of them."""
        self._assigned = frozenset()
        await self._guarded(self._give_up())

    async def _give_up(self) -> None:
        async with self._lock:
            self._turns.clear()
            held = self._partitions.numbers
            if not self._working or not held:
                return
            self._check_awake()
            try:
                await self._commit(await self._partitions.give_up(held))
            except BusError as error:
                _log.warning("partitions_given_up_unsaved", error=str(error))
            self._watchdog.moved_at = time.monotonic()
            self._note()

    def _note(self) -> None:
        self._metrics.rebalances.inc()
        self._metrics.held.set(len(self._partitions.numbers))
