"""The partitions that a process has: their engines, what they send, and when they are saved.

Both hosts (`processors.host` on any bus, `processors.app` under Faust) only move records: they say
which partitions come and go, hand records over and read on where they are told to. Order of every
round: outputs sent, finished parts sent, snapshot sent, then the input may be committed. After a
crash at any point the newest snapshot is restored and the log read on from there; outputs sent
again are the same records under the same identity and revision.
"""

import asyncio
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import msgspec
import structlog

from processors.asset import EngineParams
from processors.engine import SIDES, Engine
from processors.operator import Output
from processors.side_reader import SideReader
from processors.snapshots import Snapshots, read_snapshots
from runtime.bus.committed import committed_by
from runtime.bus.protocol import Bus, Outgoing, Record
from runtime.errors import PerptapeError
from runtime.failpoint import failpoint
from runtime.metrics import Metrics, ProcessorMetrics
from schemas.ops import PAYLOAD_LIMIT_BYTES, DeadLetter, QualityEvent, QualityKind
from schemas.topics import DEADLETTER, TRADES

GROUP = "processors"
SOURCE = TRADES.name
LATE_KINDS = {QualityKind.LATE, QualityKind.TOO_LATE}
SLICE_RECORDS = 16
"""How many records are worked off before others (sockets, heartbeats) get their turn."""

WORK_SHARE = 0.3
"""Of a lease, after which a round works nothing more off: there is still to be sent and saved."""

_log = structlog.get_logger(__name__)
_encode = msgspec.json.encode


@dataclass(frozen=True, slots=True)
class HostSettings:
    """How much is done between two snapshots, and how much at a time.

    A snapshot is due after `snapshot_records` input records of a partition or
    `snapshot_seconds` of log time, whichever is first. More than `poison_limit` records that make
    an operator fail stop the host, and so does a round that took longer than `lease_seconds`, where
    the group may by then have given the partitions to somebody else; None where there is no group.
    A slow machine works less off in a round instead.
    """

    snapshot_records: int = 5000
    snapshot_seconds: int = 15
    poll_records: int = 500
    poison_limit: int = 100
    lease_seconds: float | None = None


@dataclass(slots=True)
class _Partition:
    engine: Engine
    snapshots: Snapshots
    since_snapshot: int = 0
    since_waiting: int = 0
    snapshot_time_us: int = 0
    missing: int | None = None
    quiet_before: int = 0
    poison: set[tuple[str, int]] = field(default_factory=set)

    @property
    def next_offset(self) -> int:
        return self.engine.next_offset(SOURCE)


class OperatorError(PerptapeError):
    """An operator failed on too many records: a fault of ours, not of the data."""


class LeaseError(PerptapeError):
    """Our process stood still for so long that its partitions may be somebody else's."""


class Partitions:
    """Engines by partition of the trades topic.

    Args:
        bus: where outputs and snapshots go.
        params: of the operators.
        settings: when snapshots are due.
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
        self._params = params
        self._settings = settings or HostSettings()
        self._metrics = metrics or Metrics().processor
        self._held: dict[int, _Partition] = {}
        self._sides = SideReader(bus, SIDES if params.toolkit else ())

    @property
    def numbers(self) -> frozenset[int]:
        """The partitions that are held."""
        return frozenset(self._held)

    @property
    def trades(self) -> int:
        """Trades counted so far over the partitions held, since the log began."""
        return sum(partition.engine.trades for partition in self._held.values())

    def next_offset(self, number: int) -> int:
        """Return the offset that a partition is to be read at."""
        return self._held[number].next_offset

    async def take(self, numbers: Iterable[int]) -> dict[int, int]:
        """Restore these partitions and return the offset to read each at.

        Raises:
            BusError: the log cannot be read.
        """
        wanted = sorted(set(numbers) - set(self._held))
        await self._restore(wanted)
        return {number: self.next_offset(number) for number in wanted}

    async def give_up(self, numbers: Iterable[int]) -> dict[int, int]:
        """Save these partitions and let go of them; return what may be committed of each.

        Raises:
            BusError: not saved; they are let go of all the same.
        """
        wanted = sorted(set(numbers) & set(self._held))
        try:
            return await self._save_changed(wanted)
        finally:
            for number in wanted:
                del self._held[number]
                self._sides.drop(number)
                self._metrics.let_go(number)
            if not self._held:
                await self._sides.close()

    async def save(self) -> dict[int, int]:
        """Save every partition that changed; return what may be committed of each.

        Raises:
            BusError: not saved.
        """
        return await self._save_changed(sorted(self._held))

    async def work(self, records: Sequence[Record]) -> tuple[dict[int, int], dict[int, int]]:
        """Work records off, in order, and save the partitions that are due.

        Records of partitions that are not held are left alone.

        Returns:
            The offsets to read on at of partitions where that is not after the last record, and
            what may be committed of partitions that were saved; both as the next offset.

        Raises:
            BusError: outputs or a snapshot were not stored; nothing may be committed.
            OperatorError: more records than `poison_limit` make an operator fail.
            LeaseError: it took too long.
        """
        started = time.monotonic()
        outgoing: list[Outgoing] = []
        seeks: dict[int, int] = {}
        newest: dict[int, Record] = {}
        await self._fetch_sides(records)
        fetched = time.monotonic()
        for index, record in enumerate(records):
            number = record.partition
            if number not in self._held or number in seeks:
                continue
            if self._share_is_used(fetched):
                seeks[number] = self.next_offset(number)
            elif not await self._reach(record, outgoing) or not await self._step(record, outgoing):
                seeks[number] = self.next_offset(number)
                newest.pop(number, None)
            else:
                newest[number] = record
            if index % SLICE_RECORDS == SLICE_RECORDS - 1:
                await asyncio.sleep(0)
        self._check_lease(started)
        if outgoing:
            await self._bus.send(outgoing)
        failpoint("after_outputs")
        self._check_lease(started)
        saved = await self._save_due(newest)
        return seeks, saved

    async def _fetch_sides(self, records: Sequence[Record]) -> None:
        if not self._params.toolkit:
            return
        until_us: dict[int, int] = {}
        for record in records:
            if record.partition in self._held:
                newest_us = until_us.get(record.partition, 0)
                until_us[record.partition] = max(newest_us, record.timestamp_us)
        if until_us:
            await self._sides.fetch(until_us)

    async def _reach(self, record: Record, outgoing: list[Outgoing]) -> bool:
        """Work off what is beside the trades up to a record of theirs; False as in `_step`."""
        partition = self._held[record.partition]
        for side in self._sides.due(record.partition, record.timestamp_us):
            outputs = await self._outputs(partition, side)
            if outputs is None:
                return False
            if record.offset >= partition.quiet_before:
                outgoing += _encoded(outputs)
        return True

    def _share_is_used(self, fetched: float) -> bool:
        """Say whether no more is to be worked off in a round; never before its first record."""
        lent = self._settings.lease_seconds
        return lent is not None and time.monotonic() - fetched > WORK_SHARE * lent

    def _check_lease(self, started: float) -> None:
        passed, lent = time.monotonic() - started, self._settings.lease_seconds
        if lent is not None and passed > lent:
            raise LeaseError(
                f"a round took {passed:.0f} s, where partitions are lent for {lent:.0f} s: "
                "somebody else may have them now"
            )

    async def _step(self, record: Record, outgoing: list[Outgoing]) -> bool:
        """Work one record off; False if the partition must be read again at its next offset."""
        partition = self._held[record.partition]
        if record.offset > partition.next_offset and partition.missing != partition.next_offset:
            partition.missing = partition.next_offset
            return False  # looked for once: retention may have removed it
        outputs = await self._outputs(partition, record)
        if outputs is None:
            # What was sent up to here is of the old state; it is the same when it comes again.
            return False
        if record.offset >= partition.quiet_before:
            outgoing += _encoded(outputs)
        return True

    async def _outputs(self, partition: _Partition, record: Record) -> list[Output] | None:
        """Return what a record leads to; None when it broke the engine, which is then restored."""
        value = record.value or b""
        number = record.partition
        if (record.topic, record.offset) in partition.poison:
            partition.engine.offsets[record.topic] = record.offset
            partition.since_snapshot += 1
            return [_poisoned(record)]
        trades, started = partition.engine.trades, time.perf_counter()
        try:
            outputs = partition.engine.process(record.topic, number, record.offset, value)
        except Exception:
            # The guard around an operator call: whatever it is, the record is put aside, the
            # state goes back to the last snapshot, and the log is read again without it.
            _log.exception(
                "operator_failed", topic=record.topic, partition=number, offset=record.offset
            )
            partition.poison.add((record.topic, record.offset))
            if len(partition.poison) > self._settings.poison_limit:
                raise OperatorError(
                    f"operators failed on more than {self._settings.poison_limit} records of "
                    f"partition {number}; the last was offset {record.offset}"
                ) from None
            await self._restore([number])
            return None
        partition.since_snapshot += 1
        partition.since_waiting += 1
        seconds = time.perf_counter() - started
        self._metrics.worked(number, partition.engine.trades - trades, seconds)
        self._count(number, outputs)
        return outputs

    def _count(self, number: int, outputs: Sequence[Output]) -> None:
        counts = self._metrics
        for output in outputs:
            counts.outputs.labels(output.topic).inc()
            record = output.record
            if isinstance(record, QualityEvent) and record.kind in LATE_KINDS:
                counts.late.labels(str(number)).inc(record.count)
            elif isinstance(record, QualityEvent) and record.kind is QualityKind.DUPLICATE:
                counts.duplicates.labels(str(number)).inc(record.count)

    async def _restore(self, numbers: Sequence[int]) -> None:
        stored = await read_snapshots(self._bus, numbers, SOURCE)
        fresh = []
        for number in numbers:
            engine = Engine(self._params, self._bus.epoch)
            snapshots = Snapshots(self._bus, number, SOURCE)
            # In a thread: a large state takes seconds, in which the heart must go on beating.
            if not await asyncio.to_thread(snapshots.restore, engine, stored.pop(number)):
                engine = Engine(self._params, self._bus.epoch)
                fresh.append(number)
            previous = self._held.get(number)
            poison = previous.poison if previous else set()
            self._held[number] = _Partition(engine, snapshots, poison=poison)
            self._sides.hold(number, {topic: engine.next_offset(topic) for topic in SIDES})
        for number, offset in (await self._said_before(fresh)).items():
            self._held[number].quiet_before = offset

    async def _said_before(self, numbers: Sequence[int]) -> dict[int, int]:
        """Return up to where the outputs of partitions were sent: what the group has committed.

        Without a snapshot they are made once more, of what the log still has: without its first
        hours and without the topics that are kept for less. Sent again, they would take the place
        of those that knew more.
        """
        found = await committed_by(self._bus, GROUP, SOURCE, numbers) if numbers else {}
        return {number: offset or 0 for number, offset in found.items()}

    async def _save_changed(self, numbers: Iterable[int]) -> dict[int, int]:
        """Save what changed, after what was held back for its pace was sent."""
        saved = {}
        for number in numbers:
            partition = self._held[number]
            if partition.since_waiting:
                waiting = _encoded(partition.engine.waiting(SOURCE, number))
                if waiting and partition.next_offset > partition.quiet_before:
                    await self._bus.send(waiting)
                partition.since_waiting = 0
            if partition.since_snapshot:
                await self._save(number)
                saved[number] = partition.next_offset
        return saved

    async def _save_due(self, newest: dict[int, Record]) -> dict[int, int]:
        settings = self._settings
        saved = {}
        for number, record in sorted(newest.items()):
            partition = self._held[number]
            passed = record.timestamp_us - partition.snapshot_time_us
            if (
                partition.since_snapshot >= settings.snapshot_records
                or passed >= settings.snapshot_seconds * 1_000_000
            ):
                partition.snapshot_time_us = record.timestamp_us
                await self._save(number)
                saved[number] = partition.next_offset
        return saved

    async def _save(self, number: int) -> None:
        partition = self._held[number]
        started = time.perf_counter()
        size = await partition.snapshots.write(partition.engine)
        self._metrics.saved(number, size, time.perf_counter() - started)
        partition.since_snapshot = 0
        await partition.snapshots.prune(partition.engine)


def _encoded(outputs: Sequence[Output]) -> list[Outgoing]:
    return [
        Outgoing(output.topic, output.key.encode(), _encode(output.record), output.timestamp_us)
        for output in outputs
    ]


def _poisoned(record: Record) -> Output:
    value = record.value or b""
    origin = f"{record.topic}/{record.partition}/{record.offset}"
    letter = DeadLetter(
        origin=origin,
        reason="operator_failed",
        detail="an operator raised on this record; see the log of the processor",
        receive_time_us=record.timestamp_us,
        size_bytes=len(value),
        payload=value[:PAYLOAD_LIMIT_BYTES].decode("utf-8", "replace"),
    )
    return Output(DEADLETTER.name, origin, letter, record.timestamp_us)
