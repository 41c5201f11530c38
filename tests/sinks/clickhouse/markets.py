"""Random markets, worked off by an engine and stored: what views say beside raw trades."""

import asyncio
from dataclasses import dataclass

import msgspec

from processors.asset import EngineParams
from processors.operators.footprint import FootprintParams
from schemas.footprints import FootprintBar
from sinks.clickhouse.client import Store
from sinks.clickhouse.sink import ClickHouseSink
from tests.processors.builders import ALL, UNITS, Market, Runner
from tests.processors.oracle import Fact, facts
from tests.sinks.clickhouse.memory_bus import MemoryBus

CALM = Market(seconds=760, rate=0.7, instruments=ALL)
ROUGH = CALM.but(seed=5, late=0.01, repeat=0.05, hole=0.004, drop_batch=0.01)
UNPUBLISHED_SECONDS = 600
"""An interval that the stored engine does not publish; another engine says what it would be."""


@dataclass(frozen=True)
class Worked:
    """A market: the asset it is stored as, its engine, its trades, and its ten-minute bars."""

    asset: str
    run: Runner
    trades: list[Fact]
    wide: dict[tuple[object, ...], FootprintBar]


def worked(store: Store, asset: str, market: Market) -> Worked:
    """Work a market off, store all that was said of it under an asset, and return it."""
    batches = market.batches()
    run = Runner().feed(batches)
    bus = MemoryBus()
    for output in run.outputs:
        bus.put(output.topic, msgspec.structs.replace(output.record, asset=asset))
    asyncio.run(ClickHouseSink(bus, store).drain())
    footprint = FootprintParams(wide_seconds=(UNPUBLISHED_SECONDS,), row_factors=(1, 5))
    other = Runner(EngineParams(toolkit=False, footprint=footprint, units={"BTC": UNITS}))
    wide = other.feed(batches).bars(interval_seconds=UNPUBLISHED_SECONDS)
    return Worked(asset, run, facts(batches), {bar_key(bar): bar for bar in wide})


def bar_key(bar: FootprintBar) -> tuple[object, ...]:
    """Return what a row of a view about the same bar begins with."""
    return bar.scope.value, bar.venue, bar.symbol, float(bar.row_size), bar.bar_start_us
