"""The cascade over sockets: simulated venues, collectors, embedded log and engine find the same."""

import asyncio
import heapq
from operator import itemgetter
from pathlib import Path

import msgspec
import pytest

from collectors.collector import Collector, CollectorSettings
from collectors.registry import choose_feeds
from processors.asset import EngineParams
from processors.engine import SIDES, Engine
from runtime.bus.embedded import EmbeddedBus
from runtime.clock import SystemClock, WarpedClock
from schemas.cascades import Cascade, CascadeState
from schemas.topics import TRADES
from schemas.trades import BatchHeader
from schemas.units import US_PER_SECOND
from simulator.scenarios.acts.cascade import LiquidationCascade
from simulator.scenarios.scenario import Scenario
from simulator.server import Simulator
from simulator.sources import ScriptedSource
from tests.scenarios.playing import SEED, START_US, Player, minute_us

ONE = Scenario(
    "one-cascade",
    "as early as its low allows",
    ((10, LiquidationCascade(asset="ETH", usd=8_000_000.0)),),
)
FEEDS = ("binance.usdm", "bybit.linear", "okx.swap", "binance.spot")
SPEED = 10.0
ENDS_US = minute_us(13) + 10 * US_PER_SECOND
"""The minute of the reclaim is over."""

WAIT_US = 40 * US_PER_SECOND
"""Without books a second is over when thirty have gone by."""

SKEW_SECONDS = 2
"""Orders wait for a slot of the simulator and a frame of the venue before they are told of."""


async def collect(folder: Path) -> None:
    """Let collectors fill the log in a folder from the simulated venues."""
    clock = WarpedClock(START_US, SPEED)
    market = ONE.market(SEED, START_US, ONE.assets, feeds=FEEDS)
    bus = await EmbeddedBus.open(folder)
    stop = asyncio.Event()
    try:
        source = ScriptedSource(market, feeds=FEEDS)
        async with Simulator([source], clock=clock, session_clock=SystemClock()) as simulator:
            settings = CollectorSettings(
                assets=ONE.assets, quotes=("USDT",), addresses=simulator.addresses
            )
            collector = Collector(choose_feeds(FEEDS), settings, bus, clock)
            running = asyncio.create_task(collector.run(stop))
            await clock.sleep_until_us(ENDS_US)
            stop.set()
            await running
    finally:
        await bus.close()


async def from_log(folder: Path) -> list[tuple[int, str, bytes]]:
    """Return the records of the log by time of receipt: time, topic and value."""
    bus = await EmbeddedBus.open(folder)
    header = msgspec.json.Decoder(BatchHeader)
    topics: list[list[tuple[int, str, bytes]]] = []
    try:
        for topic in (TRADES.name, *SIDES):
            consumer = await bus.consumer([topic])
            ends = await bus.end_offsets(topic)
            found: list[tuple[int, str, bytes]] = []
            while any(consumer.position(topic, p) < end for p, end in enumerate(ends)):
                for record in await consumer.poll(5000, 0.5):
                    value = record.value or b""
                    found.append((header.decode(value).receive_time_us, topic, value))
            await consumer.close()
            topics.append(sorted(found, key=itemgetter(0)))
    finally:
        await bus.close()
    return list(heapq.merge(*topics, key=itemgetter(0)))


def changes(records: list[object]) -> list[Cascade]:
    """Return the records of liquidated longs that change the state."""
    return [one for one in records if isinstance(one, Cascade) and one.previous_state is not None]


@pytest.mark.long
async def test_sockets_collectors_and_log_lead_to_the_same_states(tmp_path: Path) -> None:
    await collect(tmp_path)
    engine = Engine(EngineParams(toolkit=True), 1)
    outputs: list[object] = []
    for _, topic, value in await from_log(tmp_path):
        offset = engine.next_offset(topic)
        outputs += [one.record for one in engine.process(topic, 0, offset, value)]
    found = changes(outputs)
    market = ONE.market(SEED, START_US, ONE.assets, feeds=FEEDS, slot_us=US_PER_SECOND)
    fast = Player(market).run(ENDS_US + WAIT_US)
    wanted = changes([one.record for one in fast.outputs])
    reached = [one.state for one in wanted if one.state is not CascadeState.COOLDOWN]
    assert reached[-1] is CascadeState.RECLAIMED
    assert [one.state for one in found][: len(reached)] == reached
    [truth] = ONE.truths(START_US)
    for one, step in zip(found, truth.steps, strict=False):
        skew_us = SKEW_SECONDS * US_PER_SECOND
        assert step.from_us <= one.time_us <= step.until_us + skew_us, (one.state, one.time_us)
        assert one.liquidated_side.name.lower() == truth.side
    assert found[-1].reference == wanted[-1].reference
    assert found[-1].swept_level is not None
