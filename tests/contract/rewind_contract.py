"""What setting a group back does on every log: import beside a `bus_factory` fixture."""

import time

import pytest

from runtime.bus.protocol import Bus
from runtime.bus.set_back import Rewindable, plan, set_back
from runtime.errors import ConfigurationError
from schemas.topics import TRADES
from tests.contract.bus_contract import BusFactory
from tests.contract.bus_helpers import DEADLINE_SECONDS, outgoing

P = 5
PLACE = (TRADES.name, P)


@pytest.fixture
async def rewindable(bus_factory: BusFactory) -> Rewindable:
    return await bus_factory()  # type: ignore[return-value]  # every log of ours is one


async def committed(bus: Bus, group: str) -> int | None:
    consumer = await bus.consumer([TRADES.name], group=group, partitions=[P])
    try:
        return await consumer.committed(*PLACE)
    finally:
        await consumer.close()


async def read_by(bus: Bus, group: str, offset: int) -> None:
    """Have the group commit an offset, and leave it."""
    consumer = await bus.consumer([TRADES.name], group=group, partitions=[P])
    await consumer.commit({PLACE: offset})
    await consumer.close()


async def test_a_group_is_set_back_and_never_forward(rewindable: Rewindable, mark: str) -> None:
    offsets = await rewindable.send([outgoing(mark, one, partition=P) for one in range(6)])
    await read_by(rewindable, mark, offsets[4])

    assert await plan(rewindable, mark, {PLACE: offsets[5]}) == []
    steps = await plan(rewindable, mark, {PLACE: offsets[1]})
    assert [step.records for step in steps] == [3]
    await set_back(rewindable, mark, steps)
    assert await committed(rewindable, mark) == offsets[1]

    consumer = await rewindable.consumer([TRADES.name], group=mark, partitions=[P])
    [first, *_] = await consumer.poll(10, DEADLINE_SECONDS)
    await consumer.close()
    assert first.offset == offsets[1]


async def test_a_group_that_never_committed_stays_so(rewindable: Rewindable, mark: str) -> None:
    await rewindable.send([outgoing(mark, 1, partition=P)])
    assert await plan(rewindable, mark, {PLACE: 0}) == []
    assert await committed(rewindable, mark) is None


async def test_a_group_with_a_member_is_not_set_back(rewindable: Rewindable, mark: str) -> None:
    offsets = await rewindable.send([outgoing(mark, one, partition=P) for one in range(3)])
    await read_by(rewindable, mark, offsets[2])
    steps = await plan(rewindable, mark, {PLACE: offsets[0]})
    member = await rewindable.consumer([TRADES.name], group=mark)
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not await member.poll(1, 1.0) and time.monotonic() < deadline:
        pass  # a member is one once its group has given it something

    with pytest.raises(ConfigurationError, match="somebody works in the group"):
        await set_back(rewindable, mark, steps)
    assert await committed(rewindable, mark) == offsets[2]

    await member.close()
    await set_back(rewindable, mark, steps)
    assert await committed(rewindable, mark) == offsets[0]


async def test_a_time_is_where_the_first_record_of_it_or_later_is(
    rewindable: Rewindable, mark: str
) -> None:
    await rewindable.send([outgoing(mark, one, partition=P) for one in range(3)])
    ends = await rewindable.end_offsets(TRADES.name)

    assert await rewindable.offsets_at(TRADES.name, 4_000_000_000_000_000) == ends
    assert (await rewindable.offsets_at(TRADES.name, 0))[P] < ends[P]
