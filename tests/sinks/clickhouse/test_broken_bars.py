"""The sink asks whether bars add up: what it says, when, and what it does without an answer."""

import asyncio
import math
from collections.abc import Callable

import msgspec
import pytest

from runtime.errors import StoreError
from runtime.metrics import Metrics
from schemas.footprints import FootprintBar
from schemas.topics import FOOTPRINTS
from schemas.units import US_PER_MINUTE
from sinks.clickhouse.client import Store
from sinks.clickhouse.conservation import (
    LOOK_BACK_US,
    SETTLE_US,
    count_broken_bars,
    newest_broken_bar,
)
from sinks.clickhouse.sink import ClickHouseSink, SinkSettings
from tests.sinks.clickhouse.memory_bus import MemoryBus
from tests.sinks.clickhouse.published import put
from tests.sinks.clickhouse.records import DAY_US, bar, price_rows

GAUGE = "perptape_sink_broken_bars"


def minute(
    asset: str, start_us: int, wrong_lots: int = 0, *, is_final: bool = True
) -> FootprintBar:
    delta = bar(asset, price_rows()).delta_lots + wrong_lots
    end_us = start_us + US_PER_MINUTE
    times = {"bar_start_us": start_us, "bar_end_us": end_us}
    return bar(asset, price_rows(), is_final=is_final, delta_lots=delta, **times)


@pytest.mark.parametrize(
    ("age_us", "found"),
    [
        (US_PER_MINUTE + SETTLE_US - 1, 0),
        (US_PER_MINUTE + SETTLE_US + 1, 1),
        (LOOK_BACK_US + SETTLE_US, 1),
        (LOOK_BACK_US + SETTLE_US + 1, 0),
    ],
)
async def test_broken_bars_of_the_last_hour_are_counted_once_they_have_settled(
    store: Store, age_us: int, found: int
) -> None:
    await put(
        store,
        FOOTPRINTS,
        minute("COUNTED", DAY_US, wrong_lots=1),
        minute("COUNTED", DAY_US + US_PER_MINUTE, wrong_lots=1, is_final=False),
        minute("COUNTED", DAY_US - US_PER_MINUTE),
    )

    assert count_broken_bars(store, lambda: DAY_US + age_us) == found


@pytest.mark.parametrize(("age_minutes", "found"), [(62, 0), (64, 1), (72, 1), (74, 0)])
async def test_a_broken_bar_of_an_hour_is_counted_for_ten_minutes_once_it_has_settled(
    store: Store, age_minutes: int, found: int
) -> None:
    start_us = DAY_US + 120 * US_PER_MINUTE
    hour = {"interval_seconds": 3600, "bar_end_us": start_us + 60 * US_PER_MINUTE}
    wrong = minute("HOURLY", start_us, wrong_lots=1)
    await put(store, FOOTPRINTS, msgspec.structs.replace(wrong, **hour))

    assert count_broken_bars(store, lambda: start_us + age_minutes * US_PER_MINUTE) == found


async def run(metrics: Metrics, store: Store, broken_bars: Callable[[], int] | None) -> None:
    """Let a sink run over an empty log, where every look at the clock is a second later."""
    looks: list[float] = [0.0]

    def later() -> float:
        looks[0] += 1
        return looks[0]

    stop = asyncio.Event()
    sink = ClickHouseSink(
        MemoryBus(),
        store,
        settings=SinkSettings(poll_seconds=0.001, check_seconds=60),
        metrics=metrics.sink,
        broken_bars=broken_bars,
        monotonic=later,
    )
    running = asyncio.create_task(sink.run(stop))
    async with asyncio.timeout(60):
        while looks[0] < 400:
            await asyncio.sleep(0.001)
    stop.set()
    await running


async def test_the_sink_asks_at_its_pace(store: Store) -> None:
    asked: list[int] = []

    def answer() -> int:
        asked.append(1)
        return 3

    metrics = Metrics()
    assert math.isnan(metrics.registry.get_sample_value(GAUGE) or 0)
    await run(metrics, store, answer)

    assert 4 <= len(asked) <= 6
    assert metrics.registry.get_sample_value(GAUGE) == 3


async def test_what_cannot_be_answered_is_not_known_and_stops_nothing(store: Store) -> None:
    def refuse() -> int:
        raise StoreError("took longer")

    metrics = Metrics()
    metrics.sink.broken_bars.set(2)
    await run(metrics, store, refuse)

    assert math.isnan(metrics.registry.get_sample_value(GAUGE) or 0)


async def test_a_sink_without_a_check_knows_of_nothing(store: Store) -> None:
    metrics = Metrics()
    await run(metrics, store, None)

    assert math.isnan(metrics.registry.get_sample_value(GAUGE) or 0)


async def test_the_newest_broken_bar_of_a_span_is_named_with_their_number(store: Store) -> None:
    day_us = DAY_US + 24 * 60 * US_PER_MINUTE
    assert newest_broken_bar(store, day_us, 60 * US_PER_MINUTE) == (0, "")
    await put(
        store,
        FOOTPRINTS,
        minute("NAMED", day_us, wrong_lots=1),
        minute("NAMED", day_us + US_PER_MINUTE, wrong_lots=1),
        minute("NAMED", day_us + 2 * US_PER_MINUTE),
    )
    settled_us = day_us + 2 * US_PER_MINUTE + SETTLE_US + 1
    count, words = newest_broken_bar(store, settled_us, 60 * US_PER_MINUTE)
    assert count == 2
    assert words.startswith("NAMED ")
    assert words.endswith(" 00:01:00: delta")
    assert newest_broken_bar(store, settled_us, US_PER_MINUTE + 1)[0] == 1
