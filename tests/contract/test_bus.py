"""The embedded log keeps the contract of a log."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from runtime.bus.embedded import EmbeddedBus
from runtime.bus.protocol import Bus
from tests.contract.bus_contract import *  # noqa: F403 - every test of the contract
from tests.contract.bus_contract import BusFactory
from tests.contract.rewind_contract import *  # noqa: F403 - every test of this contract


@pytest.fixture
async def bus_factory(tmp_path: Path) -> AsyncIterator[BusFactory]:
    opened: list[EmbeddedBus] = []

    async def open_bus() -> Bus:
        opened.append(await EmbeddedBus.open(tmp_path / "log"))
        return opened[-1]

    yield open_bus
    for bus in opened:
        await bus.close()
