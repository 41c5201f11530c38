"""The contract of a log: ordered partitions, durable sends, consumer groups with offsets.

Every implementation passes `tests/contract/bus_contract.py` unchanged. Delivery is at least once:
a consumer commits after its work, and what it had not committed comes again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

TopicPartition = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A record to be appended.

    `partition` is chosen from the key with murmur2 where it is None. `value` None is a tombstone:
    it removes the key from a compacted topic. `timestamp_us` is event time; Kafka keeps it to the
    millisecond, and the time of the append instead in compacted topics. `schema_name` is for its
    header where it is no record of the topic's schema.
    """

    topic: str
    key: bytes
    value: bytes | None
    timestamp_us: int
    partition: int | None = None
    schema_name: str | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """A record as it was read; offsets of a partition rise, with holes only in compacted topics."""

    topic: str
    partition: int
    offset: int
    timestamp_us: int
    key: bytes
    value: bytes | None


class Rebalance(Protocol):
    """Hears which partitions a consumer is given and which it loses, inside its `poll`.

    Nobody else works on a partition that is about to be lost before `revoked` has returned, unless
    this process was away for longer than a member may be.
    """

    async def assigned(self, places: frozenset[TopicPartition]) -> None:
        """Partitions are read from now on, from their group's offsets unless `seek` says else."""
        ...

    async def revoked(self, places: frozenset[TopicPartition]) -> None:
        """Partitions go away: commit what is done of them."""
        ...


class Consumer(Protocol):
    """Reads partitions in order and remembers, per group, how far its work has come."""

    async def poll(self, max_records: int, timeout_seconds: float) -> list[Record]:
        """Return the next records, at least one unless the time is out.

        Order holds inside a partition. Where retention has removed the position, reading goes on
        at the oldest record that is left.

        Raises:
            BusError: the log cannot be read.
        """
        ...

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Store, durably, the next offset to read of each partition (for the consumer's group).

        Raises:
            BusError: not stored.
        """
        ...

    async def committed(self, topic: str, partition: int) -> int | None:
        """Return the group's next offset to read, or None where it never committed."""
        ...

    def seek(self, topic: str, partition: int, offset: int) -> None:
        """Read this partition from `offset` on at the next poll."""
        ...

    def position(self, topic: str, partition: int) -> int:
        """Return the offset that the next poll would read first."""
        ...

    def left(self, topic: str, partition: int) -> int | None:
        """Return how many records the newest poll left to read, None before that is known."""
        ...

    def pause(self, topic: str, partition: int) -> None:
        """Read nothing more of this partition until `resume`; its position stays."""
        ...

    def resume(self, topic: str, partition: int) -> None:
        """Read on in a partition that was paused; nothing where it was not."""
        ...

    async def close(self) -> None:
        """Give the consumer's resources back; nothing is committed."""
        ...


class Sender(Protocol):
    """Somewhere that records can be appended."""

    async def send(self, records: Sequence[Outgoing]) -> list[int]:
        """Append records, in order inside each partition, durably, and return their offsets.

        Raises:
            BusError: not all were appended, perhaps none: the same records may be sent again, and
                those that were are then there twice.
            PayloadError: a record that no log takes (too large); sending it again does not help,
                and nothing was appended.
            ConfigurationError: an unknown topic or partition, or one that we may not write to and
                never could; nothing was appended there.
        """
        ...


class Bus(Sender, Protocol):
    """A log of the topics in the registry."""

    @property
    def epoch(self) -> int:
        """A number that is larger for a log created later; it leads every revision."""
        ...

    async def consumer(
        self,
        topics: Sequence[str],
        *,
        group: str | None = None,
        partitions: Sequence[int] | None = None,
        rebalance: Rebalance | None = None,
    ) -> Consumer:
        """Open a consumer at its group's committed offsets, otherwise at the oldest record.

        Args:
            topics: registry names.
            group: who commits; None reads without a group, from the oldest record. On a log that
                several machines share, the members of a group share the partitions.
            partitions: only these, whoever else reads them; by default all.
            rebalance: told by the first `poll` what is read, and by later ones what changes.
        """
        ...

    async def end_offsets(self, topic: str) -> list[int]:
        """Return, per partition, the offset that the next record will get."""
        ...

    async def close(self) -> None:
        """Finish what was sent and close the log."""
        ...
