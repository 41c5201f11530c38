"""The host on any bus: one task that polls, has records worked off, and commits.

It is what runs in `perptape up`, on the embedded log and on Kafka alike; several of them share the
partitions of one group. `processors.app` is the same under Faust.
"""

import asyncio
import time
from collections.abc import Sequence

import structlog

from processors.asset import EngineParams
from processors.partitions import GROUP, SOURCE, HostSettings, Partitions
from runtime.bus.protocol import Bus, Consumer, TopicPartition
from runtime.errors import BusError
from runtime.failpoint import failpoint
from runtime.metrics import Metrics, ProcessorMetrics

IDLE_ROUNDS = 40
"""How often in a row nothing may come before `drain` believes that nothing is left."""

POLL_SECONDS = 0.25
LAG_SECONDS = 5.0
_log = structlog.get_logger(__name__)


class BusHost:
    """Runs the engines of the partitions of the trades topic that it is given.

    Args:
        bus: the log.
        params: of the operators.
        settings: when snapshots are due, and how much is read at once.
        metrics: where to count; None counts for nobody.
    """

    def __init__(
        self,
        bus: Bus,
        params: EngineParams,
        settings: HostSettings | None = None,
        metrics: ProcessorMetrics | None = None,
    ) -> None:
        self._bus = bus
        self._settings = settings or HostSettings()
        self._metrics = metrics or Metrics().processor
        self._partitions = Partitions(bus, params, self._settings, self._metrics)
        self._consumer: Consumer | None = None
        self._next_lag = 0.0
        self._trades = 0

    @property
    def trades(self) -> int:
        """Trades counted since the log began, over the partitions held now or at the end."""
        return self._partitions.trades or self._trades

    async def run(self, stop: asyncio.Event) -> None:
        """Work until told to stop, then take a last snapshot.

        Raises:
            BusError: the log cannot be read or written.
            OperatorError: more records than `poison_limit` make an operator fail.
            LeaseError: this process stood still for too long.
        """
        consumer = await self._open()
        while not stop.is_set():
            await self._round(consumer)
            await self._measure_lag()
        await self.close()

    async def drain(self) -> None:
        """Work off everything that the log holds now, then take a snapshot of what changed.

        For a host that has all partitions.
        """
        await self.work_off()
        await self._commit(await self._partitions.save())

    async def work_off(self) -> None:
        """Work off everything that the log holds now; for a host that has all partitions."""
        consumer = await self._open()
        ends = await self._bus.end_offsets(SOURCE)
        idle = 0
        while self._left(ends):
            idle = 0 if await self._round(consumer) else idle + 1
            if idle == IDLE_ROUNDS:
                break  # retention has removed what was left

    async def left(self) -> int:
        """Return how many records of the trades topic are not worked off; of all partitions."""
        return self._left(await self._bus.end_offsets(SOURCE))

    def _left(self, ends: Sequence[int]) -> int:
        return sum(max(0, end - self._position(number)) for number, end in enumerate(ends))

    async def close(self) -> None:
        """Take a last snapshot of what changed and let go of the log."""
        consumer = self._consumer
        if consumer is not None:
            self._trades = self._partitions.trades
            await self._commit(await self._partitions.give_up(self._partitions.numbers))
            self._consumer = None
            await consumer.close()

    # What the consumer tells, inside its poll.

    async def assigned(self, places: frozenset[TopicPartition]) -> None:
        """Restore partitions and read each where its state ends."""
        positions = await self._partitions.take(number for _, number in places)
        if self._consumer is not None:
            for number, offset in positions.items():
                self._consumer.seek(SOURCE, number, offset)
        self._note()

    async def revoked(self, places: frozenset[TopicPartition]) -> None:
        """Save partitions and let go of them.

        Whoever gets them goes on at the newest snapshot in any case, so that one that cannot be
        written now costs some work and no more.
        """
        try:
            await self._commit(await self._partitions.give_up(number for _, number in places))
        except BusError as error:
            _log.warning("partitions_given_up_unsaved", error=str(error))
        self._note()

    def _note(self) -> None:
        self._metrics.rebalances.inc()
        self._metrics.held.set(len(self._partitions.numbers))

    async def _open(self) -> Consumer:
        if self._consumer is None:
            self._consumer = await self._bus.consumer([SOURCE], group=GROUP, rebalance=self)
        return self._consumer

    def _position(self, number: int) -> int:
        held = number in self._partitions.numbers
        return self._partitions.next_offset(number) if held else 0

    async def _round(self, consumer: Consumer) -> int:
        """Work off what one poll returns; return how many records that were."""
        records = await consumer.poll(self._settings.poll_records, POLL_SECONDS)
        if records:
            seeks, saved = await self._partitions.work(records)
            for number, offset in seeks.items():
                consumer.seek(SOURCE, number, offset)
            await self._commit(saved)
        return len(records)

    async def _commit(self, offsets: dict[int, int]) -> None:
        """Commit; one that fails is made up for by the next, and costs nothing meanwhile."""
        if self._consumer is None or not offsets:
            return
        failpoint("before_commit")
        try:
            await self._consumer.commit({(SOURCE, n): offset for n, offset in offsets.items()})
        except BusError as error:
            _log.warning("processor_commit_failed", error=str(error))
        failpoint("after_commit")

    async def _measure_lag(self) -> None:
        now = time.monotonic()
        if now < self._next_lag:
            return
        self._next_lag = now + LAG_SECONDS
        ends = await self._bus.end_offsets(SOURCE)
        for number in self._partitions.numbers:
            lag = ends[number] - self._partitions.next_offset(number)
            self._metrics.lag.labels(str(number)).set(lag)
