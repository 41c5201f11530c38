"""A process that puts numbered batches into an outbox with a spool, and is killed meanwhile.

    python -m tests.faults.spool_process DIRECTORY SEED FIRST COUNT

It writes each number to its standard output once `put` has returned for it. Its log is a file
that fails at random; with a COUNT of 0 it does not fail, and everything that is left is sent.
Where it is killed is said by `PERPTAPE_FAILPOINT`, or done from outside.
"""

import asyncio
import os
import random
import sys
from collections.abc import Sequence
from pathlib import Path

import structlog

from collectors.outbox.outbox import Outbox
from collectors.outbox.spool import Spool
from runtime.backoff import Backoff
from runtime.bus.protocol import Outgoing
from runtime.errors import BusError
from tests.collectors.spooled import batch, numbers

SPOOL_BYTES = 50 * 2**20
SEGMENT_BYTES = 20_000
READ_RECORDS = 50
"""No more of these batches are in one file, so no more are read at a time."""

NUMBER_BYTES = 8


class FileLog:
    """Appends the numbers of records to a file, or refuses at random."""

    def __init__(self, path: Path, chance: random.Random, failing: float) -> None:
        self.handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self.chance = chance
        self.failing = failing

    async def send(self, records: Sequence[Outgoing]) -> list[int]:
        await asyncio.sleep(0)
        if self.chance.random() < self.failing:
            raise BusError("away")
        data = b"".join(number.to_bytes(NUMBER_BYTES) for number in numbers(records))
        assert os.write(self.handle, data) == len(data)
        return list(range(len(records)))


async def main(directory: Path, seed: int, first: int, count: int) -> None:
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    chance = random.Random(seed)
    log = FileLog(directory / "log", chance, 0.5 if count else 0.0)
    spool = Spool(directory / "spool", SPOOL_BYTES, segment_bytes=SEGMENT_BYTES)
    box = Outbox(log, Backoff(0.004, 0.02, chance.random), spool, memory_records=0)
    sender = asyncio.create_task(box.run())
    for number in range(first, first + count):
        box.put_batches([batch(number)])
        os.write(1, number.to_bytes(NUMBER_BYTES))
        await asyncio.sleep(0.001 if chance.random() < 0.02 else 0)
    sender.cancel()
    await asyncio.gather(sender, return_exceptions=True)
    await box.flush()
    box.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), *map(int, sys.argv[2:])))
