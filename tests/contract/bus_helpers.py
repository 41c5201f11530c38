"""How tests of a log send records of their own and read until they have come."""

import time
from collections.abc import Iterator, Sequence

import pytest

from runtime.bus.protocol import Bus, Consumer, Outgoing, Record
from schemas.topics import TRADES

DEADLINE_SECONDS = 60.0
QUIET_SECONDS = 0.2


def outgoing(
    mark: str, number: int, *, key: str = "BTC", partition: int | None = None, topic: str = ""
) -> Outgoing:
    value = f"{mark}:{number}".encode()
    return Outgoing(topic or TRADES.name, key.encode(), value, 1_000 + number, partition)


def numbers(records: Sequence[Record], mark: str) -> list[int]:
    """Return what a test sent, as the numbers it gave, in the order they were read."""
    start = mark.encode() + b":"
    return [
        int(record.value[len(start) :])
        for record in records
        if record.value is not None and record.value.startswith(start)
    ]


def polls() -> Iterator[float]:
    """Yield poll times until the deadline, then fail."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while (left := deadline - time.monotonic()) > 0:
        yield min(left, 1.0)
    pytest.fail(f"not seen within {DEADLINE_SECONDS} s")


async def read_numbers(
    consumer: Consumer, mark: str, count: int, max_records: int = 500
) -> list[int]:
    """Poll until `count` of a test's records have come."""
    found: list[int] = []
    for seconds in polls():
        found += numbers(await consumer.poll(max_records, seconds), mark)
        if len(found) >= count:
            break
    return found


async def read_to_end(bus: Bus, topic: str) -> list[Record]:
    """Read all there is in a topic, from the oldest record."""
    consumer = await bus.consumer([topic])
    ends = await bus.end_offsets(topic)
    found: list[Record] = []
    while any(consumer.position(topic, number) < end for number, end in enumerate(ends)):
        records = await consumer.poll(500, 5 * QUIET_SECONDS)
        if not records:
            break  # compaction has removed what was last
        found += records
    await consumer.close()
    return found


async def at_end(bus: Bus, topic: str = TRADES.name, group: str | None = None) -> Consumer:
    """Open a consumer that stands behind all that is in a topic."""
    consumer = await bus.consumer([topic], group=group)
    for partition, offset in enumerate(await bus.end_offsets(topic)):
        consumer.seek(topic, partition, offset)
    return consumer
