"""A process that works under Faust until SIGTERM.

    python -m tests.kafka.faust_process BUS INSTANCE

Where it is killed is said by `PERPTAPE_FAILPOINT`, or done from outside. An empty instance makes it
a member of the group that nobody knows again.
"""

import asyncio
import signal
import sys
from itertools import count

from processors.app import FaustHost
from processors.asset import EngineParams
from processors.partitions import HostSettings
from runtime.bus.kafka.bus import KafkaBus
from runtime.bus.kafka.settings import KafkaSettings
from runtime.errors import PerptapeError
from schemas.topics import PARTITIONS, partition_of
from tests.processors.builders import PARAMS, UNITS

SETTINGS = KafkaSettings(session_seconds=6, send_timeout_seconds=20)
HOST = HostSettings(snapshot_records=120, snapshot_seconds=3600, poll_records=50)


def _asset_of(partition: int) -> str:
    names = (f"COIN{number}" for number in count())
    return next(name for name in names if partition_of(name.encode(), PARTITIONS) == partition)


ASSETS = tuple(_asset_of(partition) for partition in range(PARTITIONS))
"""The asset of each partition."""

ENGINE = EngineParams(toolkit=False, footprint=PARAMS.footprint, units=dict.fromkeys(ASSETS, UNITS))


async def main(bus_name: str, instance: str) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    settings = SETTINGS.model_copy(update={"instance": instance})
    async with await KafkaBus.open(bus_name, settings) as bus:
        await FaustHost(bus_name, settings, bus, ENGINE, HOST).run(stop)


if __name__ == "__main__":
    try:
        asyncio.run(main(*sys.argv[1:]))
    except PerptapeError as error:
        sys.exit(f"{type(error).__name__}: {error}")
