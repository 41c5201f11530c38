"""Operator state in the compacted topic of snapshots: how it is written, read and thinned out.

A head names the input offsets it covers; parts, written before it, never change. The newest head is
the one that covers most: a worker that was thought dead may have written an older one after it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec
import structlog

from processors.engine import Engine
from runtime.bus.protocol import Bus, Outgoing, Record
from runtime.errors import BusError
from runtime.failpoint import failpoint
from schemas.ops import SNAPSHOT_PART_SCHEMA, Snapshot
from schemas.topics import SNAPSHOTS

CODE_VERSION = "7"
"""Raised whenever the state of a snapshot changes its form or its meaning."""

PRUNE_PARTS = 1000
READ_RECORDS = 500
SILENT_SECONDS = 30.0
"""How long nothing may come from the topic before its end."""

_log = structlog.get_logger(__name__)
_encode = msgspec.json.encode
_decode = msgspec.json.Decoder(Snapshot).decode


@dataclass(slots=True)
class Stored:
    """What the topic holds of one partition that this code and this log can use."""

    head: Snapshot | None = None
    parts: dict[str, bytes] = field(default_factory=dict)


async def read_snapshots(bus: Bus, numbers: Sequence[int], source: str) -> dict[int, Stored]:
    """Read what there is of these partitions.

    Raises:
        BusError: the log cannot be read to its end.
    """
    found = {number: Stored() for number in numbers}
    if not numbers:
        return found
    topic = SNAPSHOTS.name
    ends = await bus.end_offsets(topic)
    reader = await bus.consumer([topic], partitions=numbers)
    try:
        while late := [one for one in numbers if reader.position(topic, one) < ends[one]]:
            records = await reader.poll(READ_RECORDS, SILENT_SECONDS)
            if not records:
                raise BusError(f"nothing more comes from {topic} {late[0]} before its end")
            for record in records:
                _take(found[record.partition], record, bus.epoch, source)
    finally:
        await reader.close()
    return found


def _take(stored: Stored, record: Record, epoch: int, source: str) -> None:
    name = record.key.decode("utf-8", "replace").partition("/")[2]
    if name and record.value is None:
        stored.parts.pop(name, None)
    elif name and record.value is not None:
        stored.parts[name] = record.value
    elif record.value is not None:
        head = _usable(record.value, record.partition, epoch, source)
        covered = -1 if stored.head is None else sum(stored.head.offsets.values())
        if head is not None and sum(head.offsets.values()) >= covered:
            stored.head = head


def _usable(value: bytes, number: int, epoch: int, source: str) -> Snapshot | None:
    """Return a head of this code and this log."""
    try:
        head = _decode(value)
    except msgspec.MsgspecError as error:
        _say_unusable(number, str(error))
        return None
    if head.code_version != CODE_VERSION:
        _say_unusable(number, f"of code version {head.code_version}, this is {CODE_VERSION}")
        return None
    if head.epoch != epoch or source not in head.offsets:
        _say_unusable(number, f"of the log of epoch {head.epoch}, this is {epoch}")
        return None
    return head


def _say_unusable(number: int, why: str) -> None:
    _log.warning(
        "snapshot_unusable",
        partition=number,
        reason=why,
        doing="using another one, or starting again from the oldest record of the log",
    )


class Snapshots:
    """The snapshots of one partition.

    Args:
        bus: the log.
        number: of the partition.
        source: the input topic.
    """

    def __init__(self, bus: Bus, number: int, source: str) -> None:
        self._bus = bus
        self._number = number
        self._source = source
        self._parts: set[str] = set()
        self._pruned = 0

    def restore(self, engine: Engine, stored: Stored) -> bool:
        """Have an engine continue from what was stored; return whether there is any to use."""
        self._parts = set(stored.parts)
        if stored.head is None:
            return False
        try:
            engine.restore(bytes(stored.head.state), stored.parts)
        except (ValueError, KeyError, TypeError) as error:
            _say_unusable(self._number, str(error))
            return False
        return True

    async def write(self, engine: Engine) -> int:
        """Store the engine's state, durably, and return its size in bytes.

        Raises:
            BusError: not stored.
        """
        state, parts = engine.snapshot()
        if parts:
            await self._bus.send([self._part(name, value) for name, value in parts.items()])
            self._parts |= set(parts)
        failpoint("after_parts")
        head = Snapshot(
            partition=self._number,
            code_version=CODE_VERSION,
            epoch=self._bus.epoch,
            offsets=engine.offsets,
            state=msgspec.Raw(state),
        )
        value = _encode(head)
        key = str(self._number).encode()
        await self._bus.send([Outgoing(SNAPSHOTS.name, key, value, 0, self._number)])
        failpoint("after_snapshot")
        return len(value) + sum(map(len, parts.values()))

    async def prune(self, engine: Engine) -> None:
        """Remove parts that no window needs any more, now and then."""
        if len(self._parts) < self._pruned + PRUNE_PARTS:
            return
        stale = sorted(part for part in self._parts if not engine.keeps(part))
        if stale:
            await self._bus.send([self._part(name, None) for name in stale])
            self._parts -= set(stale)
        self._pruned = len(self._parts)

    def _part(self, name: str, value: bytes | None) -> Outgoing:
        key = f"{self._number}/{name}".encode()
        return Outgoing(SNAPSHOTS.name, key, value, 0, self._number, SNAPSHOT_PART_SCHEMA)
