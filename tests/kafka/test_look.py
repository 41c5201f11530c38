"""A log on Kafka seen from outside: what is there, and that no group is joined for it."""

import time
from collections.abc import Callable

import msgspec

from deploy.kafka import Cluster
from runtime.bus.kafka.look import look
from runtime.bus.look import LogSeen, Saved, Seen
from runtime.bus.protocol import Outgoing
from schemas.ops import DeadLetter
from schemas.topics import DEADLETTER, EPOCHS, SNAPSHOTS, TRADES
from tests.kafka.faulty import HASTY, opened

GROUPS = {"readers": (TRADES.name,)}
FEW = {topic.name: topic for topic in (TRADES, DEADLETTER, EPOCHS, SNAPSHOTS)}
MS = 1000


async def seen_at(address: str, now_us: int) -> LogSeen:
    return await look(f"kafka://{address}", HASTY, GROUPS, now_us, FEW)


def letter(now_us: int, age_seconds: int) -> Outgoing:
    said = DeadLetter(
        origin="o",
        reason="malformed",
        detail="",
        receive_time_us=now_us,
        size_bytes=0,
        payload="",
    )
    then_us = now_us - age_seconds * 1_000_000
    return Outgoing(DEADLETTER.name, b"o", msgspec.json.encode(said), then_us)


async def check_a_log(address: str) -> None:
    now_us = time.time_ns() // 1000 // MS * MS
    assert (await seen_at(address, now_us)).differences  # nothing is made yet: named, no hang
    async with opened(address, topics=FEW) as bus:
        trades = [Outgoing(TRADES.name, b"", b"{}", now_us + one * MS, 3) for one in range(5)]
        await bus.send([*trades, letter(now_us, 3_601), letter(now_us, 3_599)])
        await bus.send([Outgoing(SNAPSHOTS.name, b"3", b"{}", 0, 3)])
        member = await bus.consumer([TRADES.name], group="readers")
        await member.commit({(TRADES.name, 3): 2})

        seen = await seen_at(address, now_us)
        after = await member.committed(TRADES.name, 3)
        await member.close()

    assert not seen.differences
    assert seen.members == {"readers": 1}
    assert seen.topics[TRADES.name] == Seen(5, now_us + 4 * MS, now_us + 4 * MS)
    [waiting] = [one for one in seen.waiting if one.records]
    assert (waiting.partition, waiting.records, waiting.oldest_us) == (3, 3, now_us + 2 * MS)
    assert seen.letters == {"malformed": 1}
    [saved] = seen.saved
    assert isinstance(saved, Saved)
    assert (saved.partition, saved.input_us) == (3, now_us + 4 * MS)
    assert saved.snapshot_us is not None
    assert after == 2
    left = await seen_at(address, now_us)
    assert left.members == {"readers": 0}
    assert [one.records for one in left.waiting if one.records] == [3]


async def test_a_log_is_seen_without_a_part_in_it(make_kafka: Callable[..., Cluster]) -> None:
    await check_a_log(make_kafka().bootstrap)
