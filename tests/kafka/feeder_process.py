"""A process that sends the input log through an outbox with a spool, as a collector would.

    python -m tests.kafka.feeder_process LOG FOLDER SECONDS

It spreads the log (`logs.write_log`) over so many seconds; a file FOLDER/hurry makes it send the
rest at once. FOLDER holds its spool and how far it has come, so that the next one goes on after a
kill: what was neither in the log nor in the spool is put again, and a tail may be there twice. It
ends with 0 when everything has been sent.
"""

import asyncio
import os
import random
import sys
import time
from pathlib import Path

from collectors.outbox.outbox import Outbox
from collectors.outbox.spool import Spool
from runtime.backoff import Backoff
from runtime.bus.protocol import Outgoing
from runtime.cli.parts import open_bus
from runtime.errors import PerptapeError
from runtime.log import configure_logging
from runtime.settings import load_settings
from tests.kafka.logs import read_log

SPOOL_BYTES = 64 * 2**20
MEMORY_RECORDS = 100
AWAY_SECONDS = 0.5
STEP_SECONDS = 0.02


class Feeder:
    """Puts records of the log, and keeps how many of them are safe.

    Args:
        records: the log.
        box: to be fed.
        path: where the number is kept.
    """

    def __init__(self, records: list[Outgoing], box: Outbox, path: Path) -> None:
        self.records = records
        self.put = int(path.read_bytes() or b"0") if path.exists() else 0
        self._box = box
        self._path = path
        self._safe_before = self.put - box.spooled

    def go_on(self, until: int) -> None:
        """Put records up to a number of them, and keep how many are in the log or on disk."""
        self._box._put(self.records[self.put : until])  # as all of its `put_*` do
        self.put = max(self.put, until)
        self.keep()

    def keep(self) -> None:
        """Write down how many records need not be put again."""
        safe = self._safe_before + self._box.sent + self._box.spooled
        new = self._path.with_suffix(".new")
        new.write_text(str(min(safe, self.put)))
        os.replace(new, self._path)  # noqa: PTH105


async def main(log: Path, folder: Path, seconds: float) -> None:
    settings = load_settings()
    configure_logging(settings.log_level)
    async with open_bus(settings) as bus:
        spool = Spool(folder / "spool", SPOOL_BYTES)
        box = Outbox(
            *(bus, Backoff(0.05, 0.5, random.random), spool),
            memory_records=MEMORY_RECORDS,
            away_seconds=AWAY_SECONDS,
        )
        feeder = Feeder(read_log(log), box, folder / "position")
        sender = asyncio.create_task(box.run())
        first, started, total = feeder.put, time.monotonic(), len(feeder.records)
        hurry = folder / "hurry"
        while feeder.put < total and not hurry.exists():  # costs microseconds
            due = first + int((time.monotonic() - started) / seconds * total)
            feeder.go_on(min(max(due, feeder.put), total))
            await asyncio.sleep(STEP_SECONDS)
        feeder.go_on(total)
        while box.waiting or box.spooled:
            await asyncio.sleep(STEP_SECONDS)
            feeder.keep()
        sender.cancel()
        await asyncio.gather(sender, return_exceptions=True)
        box.close()
        assert not box.dropped


if __name__ == "__main__":
    try:
        asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])))
    except PerptapeError as error:  # it is started again
        sys.exit(f"{type(error).__name__}: {error}")
