"""Setting a group back in the log, so that it reads once more what it had read.

A group is never set forward: that would lose what lies between. What retention has removed
meanwhile is told.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from runtime.bus.committed import committed_by
from runtime.bus.protocol import Bus, TopicPartition


class Rewindable(Bus, Protocol):
    """A log whose groups can be set back; both are."""

    async def offsets_at(self, topic: str, time_us: int) -> list[int]:
        """Return, per partition, the first offset of a time or later; the end where none is.

        The embedded log goes by the time of the append, Kafka by the time in the record.

        Raises:
            BusError: the log cannot be read.
            ConfigurationError: an unknown topic.
        """
        ...

    async def set_positions(self, group: str, offsets: Mapping[TopicPartition, int]) -> None:
        """Commit for a group that nobody works in.

        Raises:
            BusError: not stored.
            ConfigurationError: somebody works in the group; nothing was stored.
        """
        ...


@dataclass(frozen=True, slots=True)
class Step:
    """One partition: where the group stood, and from where it reads on.

    `is_cut` says that this is the oldest record that is left, and that there were older ones.
    """

    topic: str
    partition: int
    committed: int
    target: int
    is_cut: bool

    @property
    def records(self) -> int:
        """How many records are read again."""
        return self.committed - self.target


async def plan(bus: Bus, group: str, wanted: Mapping[TopicPartition, int]) -> list[Step]:
    """Return what is to be set back; partitions that were never committed begin at their oldest.

    Raises:
        BusError: the log cannot be read.
    """
    steps = []
    for topic in dict.fromkeys(topic for topic, _ in wanted):
        numbers = [number for name, number in wanted if name == topic]
        oldest = await _oldest(bus, topic, numbers)
        for number, committed in (await committed_by(bus, group, topic, numbers)).items():
            if committed is not None and wanted[topic, number] < committed:
                target = min(committed, max(wanted[topic, number], oldest[number]))
                is_cut = 0 < oldest[number] == target
                steps.append(Step(topic, number, committed, target, is_cut))
    return steps


async def set_back(bus: Rewindable, group: str, steps: Sequence[Step]) -> None:
    """Do what was planned, all at once.

    Raises:
        BusError: not stored.
        ConfigurationError: somebody works in the group; nothing was stored.
    """
    offsets = {(step.topic, step.partition): step.target for step in steps if step.records}
    if offsets:
        await bus.set_positions(group, offsets)


async def _oldest(bus: Bus, topic: str, numbers: Sequence[int]) -> dict[int, int]:
    consumer = await bus.consumer([topic], partitions=numbers)
    try:
        return {number: consumer.position(topic, number) for number in numbers}
    finally:
        await consumer.close()
