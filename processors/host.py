"""The embedded host: moves records between the log and the engines of its partitions.

Order of every round: outputs sent, finished parts sent, snapshot sent, input committed. After a
crash at any point the newest snapshot is restored and the log read on from there; outputs sent
again are the same records under the same identity and revision.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec
import structlog

from processors.engine import Engine, EngineParams
from processors.operator import Output
from runtime.bus.protocol import Bus, Consumer, Outgoing, Record
from runtime.errors import PerptapeError
from runtime.failpoint import failpoint
from schemas.ops import PAYLOAD_LIMIT_BYTES, DeadLetter, Snapshot
from schemas.topics import DEADLETTER, SNAPSHOTS, TRADES

GROUP = "processors"
CODE_VERSION = "2"
"""Raised whenever the state of a snapshot changes its form or its meaning."""

IDLE_ROUNDS = 40
"""How often in a row nothing may come before `drain` believes that nothing is left."""

_log = structlog.get_logger(__name__)
_encode = msgspec.json.encode
_decode_snapshot = msgspec.json.Decoder(Snapshot).decode


@dataclass(frozen=True, slots=True)
class HostSettings:
    """How much is done between two snapshots, and how much at a time.

    A snapshot is due after `snapshot_records` input records of a partition or
    `snapshot_seconds` of log time, whichever is first. More than `poison_limit` records that make
    an operator fail stop the host.
    """

    snapshot_records: int = 5000
    snapshot_seconds: int = 15
    poll_records: int = 500
    poison_limit: int = 100


@dataclass(slots=True)
class _Partition:
    engine: Engine
    parts: set[str]
    since_snapshot: int = 0
    since_waiting: int = 0
    snapshot_time_us: int = 0
    poison: set[int] = field(default_factory=set)
    pruned: int = 0


class OperatorError(PerptapeError):
    """An operator failed on too many records: a fault of ours, not of the data."""


class EmbeddedHost:
    """Runs the engines of every partition of the trades topic in this process."""

    def __init__(
        self, bus: Bus, params: EngineParams, settings: HostSettings | None = None
    ) -> None:
        self._bus = bus
        self._params = params
        self._settings = settings or HostSettings()
        self._partitions: dict[int, _Partition] = {}
        self._consumer: Consumer | None = None

    @property
    def trades(self) -> int:
        """Trades counted so far over all partitions, since the log began."""
        return sum(partition.engine.trades for partition in self._partitions.values())

    async def run(self, stop: asyncio.Event) -> None:
        """Work until told to stop, then take a last snapshot.

        Raises:
            BusError: the log cannot be read or written.
            OperatorError: more records than `poison_limit` make an operator fail.
        """
        await self._open()
        while not stop.is_set():
            await self._round(timeout_seconds=0.25)
        await self.close()

    async def drain(self) -> None:
        """Work off everything that the log holds now, then take a snapshot of what changed."""
        await self._open()
        ends = await self._bus.end_offsets(TRADES.name)
        idle = 0
        while any(self._position(partition) < end for partition, end in enumerate(ends)):
            idle = 0 if await self._round(timeout_seconds=0.25) else idle + 1
            if idle == IDLE_ROUNDS:
                break  # retention has removed what was left
        await self._snapshot_changed()

    async def close(self) -> None:
        """Take a last snapshot of what changed and let go of the log."""
        await self._snapshot_changed()
        if self._consumer is not None:
            await self._consumer.close()
            self._consumer = None

    async def _open(self) -> None:
        if self._consumer is None:
            self._consumer = await self._bus.consumer([TRADES.name], group=GROUP)
            ends = await self._bus.end_offsets(TRADES.name)
            for number in range(len(ends)):
                await self._restore(number)

    def _position(self, number: int) -> int:
        partition = self._partitions.get(number)
        return partition.engine.last_offset + 1 if partition else 0

    async def _restore(self, number: int) -> None:
        head, parts = await self._read_snapshot(number)
        if head is not None and head.code_version != CODE_VERSION:
            _log.warning(
                "snapshot_of_other_code",
                partition=number,
                was=head.code_version,
                wanted=CODE_VERSION,
                doing="starting again from the oldest record of the log",
            )
            head = None
        engine = Engine(self._params, self._bus.epoch)
        if head is not None:
            engine.restore(bytes(head.state), parts)
        previous = self._partitions.get(number)
        poison = previous.poison if previous else set()
        self._partitions[number] = _Partition(engine, set(parts), poison=poison)
        if self._consumer is not None and head is not None:
            self._consumer.seek(TRADES.name, number, engine.last_offset + 1)
        elif self._consumer is not None:
            self._consumer.seek(TRADES.name, number, 0)

    async def _read_snapshot(self, number: int) -> tuple[Snapshot | None, dict[str, bytes]]:
        head: Snapshot | None = None
        parts: dict[str, bytes] = {}
        end = (await self._bus.end_offsets(SNAPSHOTS.name))[number]
        reader = await self._bus.consumer([SNAPSHOTS.name], partitions=[number])
        try:
            while reader.position(SNAPSHOTS.name, number) < end:
                records = await reader.poll(500, 1.0)
                for record in records:
                    name = record.key.decode().partition("/")[2]
                    if not name:
                        head = _decode_snapshot(record.value) if record.value else None
                    elif record.value is None:
                        parts.pop(name, None)
                    else:
                        parts[name] = record.value
                if not records:
                    break
        finally:
            await reader.close()
        return head, parts

    async def _round(self, timeout_seconds: float) -> int:
        """Work off what one poll returns; return how many records that were."""
        assert self._consumer is not None  # noqa: S101  # opened by run and drain
        records = await self._consumer.poll(self._settings.poll_records, timeout_seconds)
        polled = len(records)
        outgoing: list[Outgoing] = []
        for index, record in enumerate(records):
            outputs = await self._work(record)
            if outputs is None:
                self._read_again(records[index:])
                records = records[:index]
                break
            outgoing += outputs
            if index % 16 == 15:  # short slices: the loop also serves the sockets
                await asyncio.sleep(0)
        if outgoing:
            await self._bus.send(outgoing)
        failpoint("after_outputs")
        await self._snapshot_due({record.partition: record for record in records})
        return polled

    def _read_again(self, records: Sequence[Record]) -> None:
        assert self._consumer is not None  # noqa: S101  # opened by run and drain
        for number in {record.partition for record in records}:
            self._consumer.seek(TRADES.name, number, self._position(number))

    async def _work(self, record: Record) -> list[Outgoing] | None:
        """Return what a record leads to; None when it broke the engine, which is then restored."""
        partition = self._partitions[record.partition]
        value = record.value or b""
        if record.offset in partition.poison:
            partition.engine.last_offset = record.offset
            partition.since_snapshot += 1
            return _encoded([_poisoned(record)])
        try:
            outputs = partition.engine.process(record.topic, record.partition, record.offset, value)
        except Exception:
            # The guard around an operator call: whatever it is, the record is put aside, the
            # state goes back to the last snapshot, and the log is read again without it.
            _log.exception("operator_failed", partition=record.partition, offset=record.offset)
            partition.poison.add(record.offset)
            if len(partition.poison) > self._settings.poison_limit:
                raise OperatorError(
                    f"operators failed on more than {self._settings.poison_limit} records of "
                    f"partition {record.partition}; the last was offset {record.offset}"
                ) from None
            await self._restore(record.partition)
            return None
        partition.since_snapshot += 1
        partition.since_waiting += 1
        return _encoded(outputs)

    async def _snapshot_changed(self) -> None:
        """Take a snapshot of what changed, after what was held back for its pace was sent."""
        for number, partition in sorted(self._partitions.items()):
            if partition.since_waiting:
                waiting = _encoded(partition.engine.waiting(TRADES.name, number))
                if waiting:
                    await self._bus.send(waiting)
                partition.since_waiting = 0
            if partition.since_snapshot:
                await self._snapshot(number)

    async def _snapshot_due(self, newest: dict[int, Record]) -> None:
        settings = self._settings
        for number, record in sorted(newest.items()):
            partition = self._partitions[number]
            passed = record.timestamp_us - partition.snapshot_time_us
            if (
                partition.since_snapshot >= settings.snapshot_records
                or passed >= settings.snapshot_seconds * 1_000_000
            ):
                partition.snapshot_time_us = record.timestamp_us
                await self._snapshot(number)

    async def _snapshot(self, number: int) -> None:
        partition = self._partitions[number]
        state, parts = partition.engine.snapshot()
        if parts:
            await self._bus.send([_part(number, name, value) for name, value in parts.items()])
            partition.parts |= set(parts)
        failpoint("after_parts")
        head = Snapshot(
            partition=number,
            code_version=CODE_VERSION,
            offsets={TRADES.name: partition.engine.last_offset},
            state=msgspec.Raw(state),
        )
        key = str(number).encode()
        await self._bus.send([Outgoing(SNAPSHOTS.name, key, _encode(head), 0, number)])
        failpoint("after_snapshot")
        if self._consumer is not None:
            await self._consumer.commit({(TRADES.name, number): partition.engine.last_offset + 1})
        failpoint("after_commit")
        partition.since_snapshot = 0
        await self._prune(number, partition)

    async def _prune(self, number: int, partition: _Partition) -> None:
        """Remove parts that no window needs any more, now and then."""
        if len(partition.parts) < partition.pruned + 1000:
            return
        stale = sorted(part for part in partition.parts if not partition.engine.keeps(part))
        if stale:
            await self._bus.send([_part(number, name, None) for name in stale])
            partition.parts -= set(stale)
        partition.pruned = len(partition.parts)


def _part(number: int, name: str, value: bytes | None) -> Outgoing:
    return Outgoing(SNAPSHOTS.name, f"{number}/{name}".encode(), value, 0, number)


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
