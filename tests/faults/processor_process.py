"""A process that works a log off and leaves.

    python -m tests.faults.processor_process DIRECTORY

Where it is killed is said by `PERPTAPE_FAILPOINT`, or done from outside.
"""

import asyncio
import sys

from processors.host import BusHost
from processors.partitions import HostSettings
from runtime.bus.embedded import EmbeddedBus, EmbeddedBusSettings
from tests.processors.builders import PARAMS

SETTINGS = HostSettings(snapshot_records=120, snapshot_seconds=3600, poll_records=50)
BUS = EmbeddedBusSettings(synchronous="NORMAL")


async def main(directory: str) -> None:
    async with await EmbeddedBus.open(directory, settings=BUS) as bus:
        host = BusHost(bus, PARAMS, SETTINGS)
        await host.drain()
        await host.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
