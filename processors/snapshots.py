"""Operator state in the compacted topic of snapshots: how it is written, read and thinned out.

A head names the input offsets it covers; parts, written before it, never change. The newest head is
the one that covers most: a worker that was thought dead may have written an older one after it.
"""

from dataclasses import dataclass, field

import msgspec
import structlog

from processors.engine import Engine
from runtime.bus.protocol import Bus, Outgoing
from runtime.errors import BusError
from runtime.failpoint import failpoint
from schemas.ops import Snapshot
from schemas.topics import SNAPSHOTS

CODE_VERSION = "3"
"""Raised whenever the state of a snapshot changes its form or its meaning."""

PRUNE_PARTS = 1000
SILENT_SECONDS = 30.0
_log = structlog.get_logger(__name__)
_encode = msgspec.json.encode
_decode = msgspec.json.Decoder(Snapshot).decode


@dataclass(slots=True)
class Stored:
    """What the topic holds of one partition."""

    head: Snapshot | None = None
    parts: dict[str, bytes] = field(default_factory=dict)


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

    async def restore(self, engine: Engine) -> bool:
        """Have an engine continue from the newest snapshot; return whether there is one to use.

        Raises:
            BusError: the log cannot be read.
        """
        stored = await self._read()
        self._parts = set(stored.parts)
        if stored.head is None:
            return False
        try:
            engine.restore(bytes(stored.head.state), stored.parts)
        except (ValueError, KeyError, TypeError) as error:
            self._say_unusable(str(error))
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
            offsets={self._source: engine.last_offset},
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
        return Outgoing(SNAPSHOTS.name, key, value, 0, self._number)

    async def _read(self) -> Stored:
        stored = Stored()
        number, topic = self._number, SNAPSHOTS.name
        end = (await self._bus.end_offsets(topic))[number]
        reader = await self._bus.consumer([topic], partitions=[number])
        try:
            while reader.position(topic, number) < end:
                records = await reader.poll(500, SILENT_SECONDS)
                for record in records:
                    self._take(stored, record.key.decode("utf-8", "replace"), record.value)
                if not records:
                    raise BusError(f"nothing more comes from {topic} {number} before its end")
        finally:
            await reader.close()
        return stored

    def _take(self, stored: Stored, key: str, value: bytes | None) -> None:
        name = key.partition("/")[2]
        if name and value is None:
            stored.parts.pop(name, None)
        elif name and value is not None:
            stored.parts[name] = value
        elif value is not None:
            head = self._usable(value)
            if head is not None and (
                stored.head is None
                or head.offsets[self._source] >= stored.head.offsets[self._source]
            ):
                stored.head = head

    def _usable(self, value: bytes) -> Snapshot | None:
        """Return a head of this code and this log."""
        try:
            head = _decode(value)
        except msgspec.MsgspecError as error:
            self._say_unusable(str(error))
            return None
        if head.code_version != CODE_VERSION:
            self._say_unusable(f"of code version {head.code_version}, this is {CODE_VERSION}")
            return None
        if head.epoch != self._bus.epoch or self._source not in head.offsets:
            self._say_unusable(f"of the log of epoch {head.epoch}, this is {self._bus.epoch}")
            return None
        return head

    def _say_unusable(self, why: str) -> None:
        _log.warning(
            "snapshot_unusable",
            partition=self._number,
            reason=why,
            doing="using an earlier one, or starting again from the oldest record of the log",
        )
