"""A process that writes batches to a log and prints each one's name once it was acknowledged.

    python -m tests.runtime.bus.writer_process DIRECTORY NAME BATCHES

Several sends are under way at once. A batch is one record in each of three partitions; a value says
what it is and carries a checksum.
"""

import asyncio
import itertools
import sys
import zlib

from runtime.bus.embedded import EmbeddedBus
from runtime.bus.protocol import Outgoing
from schemas.topics import TRADES

PARTITIONS = (0, 1, 2)
SENDERS = 4


def value_of(name: str, batch: int) -> bytes:
    body = f"{name}:{batch}:".encode() + b"x" * (batch * 37 % 3_000)
    return b"%08x" % zlib.crc32(body) + body


def read_value(value: bytes) -> tuple[str, int]:
    """Return name and batch of a value; fails where the value is not whole."""
    checksum, body = value[:8], value[8:]
    assert int(checksum, 16) == zlib.crc32(body), "torn value"
    name, batch, _ = body.split(b":", 2)
    return name.decode(), int(batch)


async def _send(bus: EmbeddedBus, name: str, batches: "itertools.islice[int]") -> None:
    for batch in batches:
        value = value_of(name, batch)
        await bus.send([Outgoing(TRADES.name, b"BTC", value, batch, p) for p in PARTITIONS])
        sys.stdout.write(f"{batch}\n")
        sys.stdout.flush()


async def main(directory: str, name: str, batches: int) -> None:
    todo = itertools.islice(itertools.count(), batches)
    async with await EmbeddedBus.open(directory) as bus:
        await asyncio.gather(*(_send(bus, name, todo) for _ in range(SENDERS)))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
