"""What the embedded host makes of the input log: what every other run is held to."""

import asyncio
from pathlib import Path

from processors.host import BusHost
from runtime.bus.embedded import EmbeddedBus, EmbeddedBusSettings
from runtime.cli.parts import engine_params
from runtime.settings import load_settings
from tests.kafka.finals import Finals, read_finals
from tests.kafka.logs import input_log
from tests.kafka.services import feed

_made: dict[bool, Finals] = {}


async def undisturbed(folder: Path, *, toolkit: bool = False) -> Finals:
    """Return the finals of the embedded host, made once in a session, in the first folder given.

    Args:
        folder: where.
        toolkit: whether all operators are at work, or footprint and CVD alone.
    """
    if toolkit not in _made:
        records = await asyncio.to_thread(input_log)
        settings = EmbeddedBusSettings(synchronous="NORMAL")
        async with await EmbeddedBus.open(folder / "log", settings=settings) as bus:
            await feed(bus, records)
            host = BusHost(bus, engine_params(load_settings(toolkit=toolkit)))
            await host.drain()
            await host.close()
            _made[toolkit] = await read_finals(bus, str(folder / "log"), folder / "store")
    return _made[toolkit]
