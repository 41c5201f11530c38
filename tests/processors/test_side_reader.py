"""What is beside the trades is read as far as the trades have come, and no further."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from processors import side_reader
from processors.side_reader import SideReader
from runtime.bus.embedded import EmbeddedBus
from runtime.bus.protocol import Outgoing, Record
from schemas.topics import BOOKS, LIQUIDATIONS
from tests.faults.processor_process import BUS

SIDES = (BOOKS.name, LIQUIDATIONS.name)
SECOND = 1_000_000


@pytest.fixture
async def bus(tmp_path: Path) -> AsyncIterator[EmbeddedBus]:
    async with await EmbeddedBus.open(tmp_path, settings=BUS) as opened:
        yield opened


async def write(bus: EmbeddedBus, topic: str, number: int, *seconds: int) -> None:
    records = [Outgoing(topic, b"BTC", b"%d" % at, at * SECOND, number) for at in seconds]
    await bus.send(records)


def times(records: Iterator[Record]) -> list[tuple[str, int]]:
    return [(one.topic, one.timestamp_us // SECOND) for one in records]


async def test_records_of_all_topics_come_in_order_of_time_up_to_a_time(bus: EmbeddedBus) -> None:
    await write(bus, BOOKS.name, 1, 1, 3, 5)
    await write(bus, LIQUIDATIONS.name, 1, 2, 4, 6)
    reader = SideReader(bus, SIDES)
    reader.hold(1, {})
    await reader.fetch({1: 4 * SECOND})
    assert times(reader.due(1, 4 * SECOND)) == [
        (BOOKS.name, 1),
        (LIQUIDATIONS.name, 2),
        (BOOKS.name, 3),
        (LIQUIDATIONS.name, 4),
    ]
    await reader.fetch({1: 9 * SECOND})
    assert times(reader.due(1, 9 * SECOND)) == [(BOOKS.name, 5), (LIQUIDATIONS.name, 6)]
    await write(bus, BOOKS.name, 1, 8)
    await reader.fetch({1: 9 * SECOND})
    assert times(reader.due(1, 7 * SECOND)) == []
    assert times(reader.due(1, 8 * SECOND)) == [(BOOKS.name, 8)]
    await reader.close()


async def test_a_topic_that_has_nothing_is_not_waited_for(bus: EmbeddedBus) -> None:
    reader = SideReader(bus, SIDES)
    reader.hold(0, {})
    await reader.fetch({0: 4 * SECOND})
    assert times(reader.due(0, 4 * SECOND)) == []
    await reader.close()


async def test_reading_begins_where_the_state_ends_also_anew(bus: EmbeddedBus) -> None:
    await write(bus, BOOKS.name, 1, *range(1, 9))
    reader = SideReader(bus, SIDES)
    reader.hold(1, {BOOKS.name: 5})
    await reader.fetch({1: 7 * SECOND})
    assert times(reader.due(1, 6 * SECOND)) == [(BOOKS.name, 6)]
    reader.hold(1, {BOOKS.name: 2})
    await reader.fetch({1: 4 * SECOND})
    assert times(reader.due(1, 4 * SECOND)) == [(BOOKS.name, 3), (BOOKS.name, 4)]
    await reader.close()


async def test_partitions_come_and_go_and_nothing_of_the_others_is_lost(bus: EmbeddedBus) -> None:
    for number in (1, 2):
        await write(bus, BOOKS.name, number, *range(1, 9))
    reader = SideReader(bus, SIDES)
    reader.hold(1, {})
    await reader.fetch({1: 3 * SECOND})
    assert len(times(reader.due(1, 3 * SECOND))) == 3
    reader.hold(2, {})
    await reader.fetch({1: 5 * SECOND, 2: 2 * SECOND})
    assert times(reader.due(1, 5 * SECOND)) == [(BOOKS.name, 4), (BOOKS.name, 5)]
    assert times(reader.due(2, 2 * SECOND)) == [(BOOKS.name, 1), (BOOKS.name, 2)]
    reader.drop(1)
    await reader.fetch({2: 8 * SECOND})
    assert len(times(reader.due(2, 8 * SECOND))) == 6
    await reader.close()


async def test_what_waits_for_its_trades_is_bounded(
    bus: EmbeddedBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(side_reader, "MOST_WAITING", 20)
    monkeypatch.setattr(side_reader, "POLL_RECORDS", 10)
    for number in (1, 2):
        await write(bus, BOOKS.name, number, *range(1, 401))
    reader = SideReader(bus, SIDES)
    reader.hold(1, {})
    reader.hold(2, {})
    most = 0
    for at in range(1, 401):
        await reader.fetch({1: at * SECOND})
        assert times(reader.due(1, at * SECOND)) == [(BOOKS.name, at)]
        most = max(most, len(reader._waiting[BOOKS.name, 2]))
    assert 20 <= most < 40
    for at in range(1, 401):
        await reader.fetch({2: at * SECOND})
        assert times(reader.due(2, at * SECOND)) == [(BOOKS.name, at)]
    await reader.close()
