"""The simulator as its tests see it: a scripted market under a clock moved by hand."""

from collections.abc import AsyncIterator

import pytest

from simulator import ScriptedMarket, ScriptedSource, Simulator
from tests.simulator.support import START_US, ManualClock, Stage


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    clock = ManualClock()
    source = ScriptedSource(ScriptedMarket(5, start_us=START_US))
    async with Simulator([source], clock=clock) as simulator:
        yield Stage(simulator, clock)
