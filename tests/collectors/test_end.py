"""The end of a collector: whatever it is of, what the log did not take is in the spool."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from collectors.collector import Collector, CollectorSettings
from collectors.outbox.spool import Spool
from runtime.bus.protocol import Outgoing, Sender
from runtime.clock import SystemClock
from runtime.errors import ConfigurationError
from tests.collectors.spooled import batch

RECORDS = 30


class DenyingLog:
    """A log that we may not write to."""

    async def send(self, records: Sequence[Outgoing]) -> list[int]:
        raise ConfigurationError("you may not write here")


class DeafLog:
    """A log that never answers."""

    def __init__(self) -> None:
        self.asked = 0

    async def send(self, records: Sequence[Outgoing]) -> list[int]:
        self.asked += 1
        await asyncio.Event().wait()
        return []


def collector(log: Sender, folder: Path) -> Collector:
    """Return a collector of no feeds that has some records already."""
    settings = CollectorSettings(assets=(), quotes=(), addresses={})
    made = Collector([], settings, log, SystemClock(), spool=Spool(folder, 10**7))
    made.outbox.put_batches([batch(number) for number in range(RECORDS)])
    return made


def left(folder: Path) -> int:
    spool = Spool(folder, 10**7)
    try:
        return spool.records
    finally:
        spool.close()


async def test_a_log_that_denies_us_ends_it_and_costs_nothing(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="may not write"):
        await collector(DenyingLog(), tmp_path).run(asyncio.Event())
    assert left(tmp_path) == RECORDS


async def test_a_collector_that_is_told_to_end_twice_loses_nothing(tmp_path: Path) -> None:
    log = DeafLog()
    running = asyncio.create_task(collector(log, tmp_path).run(asyncio.Event()))
    for times in (1, 2):
        async with asyncio.timeout(30):
            while log.asked < times:
                await asyncio.sleep(0)
        running.cancel()
    await asyncio.wait({running})
    assert left(tmp_path) == RECORDS
