"""A store that only clients over HTTP make and fill, and the engine itself beside it.

One for all tests of this package, which has no other: the engine has one directory at a time.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from schemas.topics import DEADLETTER
from sinks.clickhouse.client import Store, open_store
from sinks.clickhouse.migrate import apply
from sinks.clickhouse.sink import ClickHouseSink
from tests.deploy.grafana_store import everything
from tests.sinks.clickhouse.http.serving import serving
from tests.sinks.clickhouse.memory_bus import MemoryBus

SECONDS = 20
DEADLINE_SECONDS = 60


@dataclass(frozen=True)
class Path:
    """The engine, the address it is served at, our client there, and what came in that way."""

    engine: Store
    address: str
    remote: Store
    applied: list[str]
    bus: MemoryBus


@pytest.fixture(scope="package")
def path(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    engine = open_store(tmp_path_factory.mktemp("http") / "store")
    assert engine.path is not None
    with serving(engine.path, writable=True) as address:
        remote = open_store(address)
        applied = apply(remote)
        engine.command("SYSTEM STOP MERGES")  # rows are counted as they were inserted
        bus = everything(SECONDS)
        asyncio.run(asyncio.wait_for(ClickHouseSink(bus, remote).drain(), DEADLINE_SECONDS))
        assert bus.log(DEADLETTER.name, 0) == []
        engine.use("perptape")
        yield Path(engine, address, remote, applied, bus)
        remote.close()
    engine.close()
