"""A log in memory: just enough of the bus to feed a sink and to see what it does."""

import asyncio
from collections.abc import Mapping, Sequence

import msgspec

from runtime.bus.protocol import Consumer, Outgoing, Rebalance, Record, TopicPartition
from schemas.topics import TOPICS, partition_of


class MemoryBus:
    def __init__(self, epoch: int = 7, events: list[tuple[str, object]] | None = None) -> None:
        self.epoch = epoch
        self.events = [] if events is None else events
        self.logs: dict[TopicPartition, list[Record]] = {}
        self.offsets: dict[tuple[str, TopicPartition], int] = {}
        self.member: MemoryConsumer | None = None

    def log(self, topic: str, partition: int) -> list[Record]:
        return self.logs.setdefault((topic, partition), [])

    def put(self, topic: str, *records: msgspec.Struct | bytes, key: str = "BTC") -> None:
        partition = partition_of(key.encode(), TOPICS[topic].partitions)
        for record in records:
            value = record if isinstance(record, bytes) else msgspec.json.encode(record)
            log = self.log(topic, partition)
            log.append(Record(topic, partition, len(log), 1_000_000, key.encode(), value))

    async def send(self, records: Sequence[Outgoing]) -> list[int]:
        offsets = []
        for item in records:
            log = self.log(item.topic, 0)
            offsets.append(len(log))
            log.append(Record(item.topic, 0, len(log), item.timestamp_us, item.key, item.value))
        return offsets

    async def consumer(
        self,
        topics: Sequence[str],
        *,
        group: str | None = None,
        partitions: Sequence[int] | None = None,
        rebalance: Rebalance | None = None,
    ) -> Consumer:
        self.member = MemoryConsumer(self, topics, group or "", rebalance)
        return self.member

    async def end_offsets(self, topic: str) -> list[int]:
        return [len(self.log(topic, partition)) for partition in range(TOPICS[topic].partitions)]

    async def close(self) -> None:
        pass


class MemoryConsumer:
    def __init__(
        self, bus: MemoryBus, topics: Sequence[str], group: str, rebalance: Rebalance | None
    ) -> None:
        self._bus = bus
        self._group = group
        self._rebalance = rebalance
        self._told = False
        self.taken: frozenset[TopicPartition] = frozenset()
        self._positions = {
            (topic, partition): bus.offsets.get((group, (topic, partition)), 0)
            for topic in topics
            for partition in range(TOPICS[topic].partitions)
        }

    async def poll(self, max_records: int, timeout_seconds: float) -> list[Record]:
        found: list[Record] = []
        await self._tell()
        for key, position in self._positions.items():
            records = self._bus.log(*key)[position : position + max_records - len(found)]
            self._positions[key] = position + len(records)
            found += records
        await asyncio.sleep(0 if found else 0.001)
        return found

    async def _tell(self) -> None:
        """Say what the group gives at the first poll, and what it has taken since."""
        if self._rebalance is None:
            return
        if not self._told:
            self._told = True
            await self._rebalance.assigned(frozenset(self._positions))
        taken, self.taken = self.taken, frozenset()
        if taken:
            await self._rebalance.revoked(taken)
            self._positions = {k: v for k, v in self._positions.items() if k not in taken}

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        self._bus.events.append(("commit", dict(offsets)))
        for key, offset in offsets.items():
            self._bus.offsets[(self._group, key)] = offset

    async def committed(self, topic: str, partition: int) -> int | None:
        return self._bus.offsets.get((self._group, (topic, partition)))

    def seek(self, topic: str, partition: int, offset: int) -> None:
        self._positions[(topic, partition)] = offset

    def position(self, topic: str, partition: int) -> int:
        return self._positions[(topic, partition)]

    def left(self, topic: str, partition: int) -> int | None:
        return len(self._bus.log(topic, partition)) - self._positions[(topic, partition)]

    def pause(self, topic: str, partition: int) -> None:
        raise NotImplementedError("the sink never pauses")

    def resume(self, topic: str, partition: int) -> None:
        raise NotImplementedError("the sink never pauses")

    async def close(self) -> None:
        pass
