"""What a group has committed, asked from outside of it."""

from collections.abc import Sequence

from runtime.bus.protocol import Bus


async def committed_by(
    bus: Bus, group: str, topic: str, partitions: Sequence[int]
) -> dict[int, int | None]:
    """Return the next offset that a group has committed of each partition, None where none is.

    Raises:
        BusError: the log cannot be read.
    """
    reader = await bus.consumer([topic], group=group, partitions=partitions)
    try:
        return {number: await reader.committed(topic, number) for number in partitions}
    finally:
        await reader.close()
