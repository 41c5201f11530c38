"""The outbox: in order, bounded, on disk while the log is away, sent again until the log has it."""

import asyncio
import random
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from collectors.outbox.outbox import TOPIC_OF_BATCH, Outbox
from collectors.outbox.spool import Spool
from collectors.session.outcome import Drop
from runtime.backoff import Backoff
from runtime.bus.protocol import Outgoing
from runtime.errors import BusError, PayloadError
from schemas.topics import QUALITY, TOPICS, TRADES
from tests.collectors.spooled import (
    ASSETS,
    BASE_US,
    batch,
    gaps_on_record,
    no_file_larger_than,
    number_of,
    numbers,
)

DEADLINE_SECONDS = 60.0


class FlakyLog:
    """Refuses the first sends, then keeps everything."""

    def __init__(self, refusals: int = 0) -> None:
        self.refusals = refusals
        self.kept: list[Outgoing] = []

    async def send(self, records: Sequence[Outgoing]) -> list[int]:
        await asyncio.sleep(0)
        if self.refusals:
            self.refusals -= 1
            raise BusError("away")
        self.kept += records
        return list(range(len(records)))


class AbsentLog(FlakyLog):
    """Is away until it is set to be there; a send waits or is refused."""

    def __init__(self, *, waits: bool = False) -> None:
        super().__init__()
        self.waits = waits
        self.there = asyncio.Event()
        self.asked = asyncio.Event()

    async def send(self, records: Sequence[Outgoing]) -> list[int]:
        self.asked.set()
        if self.waits:
            await self.there.wait()
        elif not self.there.is_set():
            raise BusError("away")
        return await super().send(records)


class ErringLog(FlakyLog):
    """Fails at random, having kept the records or not."""

    def __init__(self, chance: random.Random) -> None:
        super().__init__()
        self.chance = chance
        self.unclear = 0

    async def send(self, records: Sequence[Outgoing]) -> list[int]:
        if self.chance.random() < 0.4:
            raise BusError("away")
        offsets = await super().send(records)
        if self.chance.random() < 0.1:
            self.unclear += len(records)
            raise BusError("kept, and nobody heard of it")
        return offsets


class Hours:
    """Time that a test lets pass."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


OpenSpool = Callable[[int], Spool]


@pytest.fixture
def open_spool(tmp_path: Path) -> Iterator[OpenSpool]:
    """Open the test's spool with so many bytes; what is open before is closed."""
    opened: list[Spool] = []

    def open_(max_bytes: int) -> Spool:
        while opened:
            opened.pop().close()
        opened.append(Spool(tmp_path / "spool", max_bytes, segment_bytes=20_000))
        return opened[0]

    yield open_
    while opened:
        opened.pop().close()


def outbox(
    log: FlakyLog, spool: Spool | None = None, time: Hours | None = None, **bounds: int
) -> Outbox:
    backoff = Backoff(0.001, 0.001, lambda: 0.0)
    return Outbox(log, backoff, spool, monotonic=time or Hours(), **bounds)


def put(box: Outbox, *which: int) -> None:
    for number in which:
        box.put_batches([batch(number)])


def once(log: FlakyLog) -> list[int]:
    """Return the numbers that the log has, each where it came first."""
    return list(dict.fromkeys(numbers(log.kept)))


async def until(reached: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not reached():
            await asyncio.sleep(0.001)


async def test_records_refused_by_the_log_are_sent_again_in_order() -> None:
    log = FlakyLog(refusals=3)
    box = outbox(log)
    put(box, *range(5))
    await box.flush()
    assert numbers(log.kept) == [0, 1, 2, 3, 4]
    assert box.sent == 5


async def test_a_record_the_log_will_never_take_does_not_hold_the_others_up() -> None:
    class Picky(FlakyLog):
        async def send(self, records: Sequence[Outgoing]) -> list[int]:
            if any(len(record.value or b"") > 5_000 for record in records):
                raise PayloadError("too_large", "a record of more than 5,000 bytes")
            return await super().send(records)

    log = Picky()
    box = outbox(log)
    put(box, 0, 1)
    box.put_drops("test", [Drop("oversized", "", b"x" * 60_000, 60_000, BASE_US)])
    put(box, 2, 3)
    await box.flush()
    assert numbers(log.kept) == [0, 1, 2, 3]
    assert box.dropped == 1


async def test_a_full_outbox_gives_up_the_oldest_and_puts_the_gap_on_record() -> None:
    log = FlakyLog()
    box = outbox(log, max_records=3)
    put(box, *range(9))
    assert box.dropped == 6
    await box.flush()
    assert numbers(log.kept) == [6, 7, 8]
    assert gaps_on_record(log.kept) == {
        "BTC": (2, BASE_US + 0, BASE_US + 3),
        "ETH": (2, BASE_US + 1, BASE_US + 4),
        "SOL": (2, BASE_US + 2, BASE_US + 5),
    }
    assert log.kept[-1].topic == QUALITY.name


async def test_what_has_no_asset_is_given_up_on_record_without_one() -> None:
    log = FlakyLog()
    box = outbox(log, max_records=1)
    box.put_drops("venue/0", [Drop("malformed", "", b"x", 1, BASE_US) for _ in range(4)])
    await box.flush()
    assert gaps_on_record([one for one in log.kept if one.topic == QUALITY.name]) == {
        "": (3, BASE_US, BASE_US)
    }


def test_every_type_of_batch_has_a_topic_of_its_own_type_keyed_by_asset() -> None:
    assert TOPIC_OF_BATCH
    for kind, topic in TOPIC_OF_BATCH.items():
        assert TOPICS[topic.name] is topic
        assert topic.record is kind
        assert topic.key == "asset"


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("memory", [0, 7, 10_000])
async def test_a_log_that_fails_at_random_gets_everything_in_order(
    seed: int, memory: int, open_spool: OpenSpool
) -> None:
    chance = random.Random(seed)
    log = ErringLog(chance)
    box = outbox(log, open_spool(10**7), memory_records=memory)
    sender = asyncio.create_task(box.run())
    for number in range(600):
        put(box, number)
        if chance.random() < 0.3:
            await asyncio.sleep(0)
        if chance.random() < 0.01:
            await asyncio.sleep(0.003)
    sender.cancel()
    await asyncio.gather(sender, return_exceptions=True)
    async with asyncio.timeout(DEADLINE_SECONDS):
        await box.flush()
    assert once(log) == list(range(600))
    assert len(log.kept) - 600 <= log.unclear
    assert (box.dropped, box.spooled, box.spool_bytes, box.waiting) == (0, 0, 0, 0)


async def test_a_log_that_was_away_gets_all_of_it_once_and_in_order(
    open_spool: OpenSpool, tmp_path: Path
) -> None:
    log = AbsentLog()
    box = outbox(log, open_spool(10**7), memory_records=100)
    sender = asyncio.create_task(box.run())
    put(box, *range(100))
    await log.asked.wait()
    assert box.spooled == 0
    put(box, *range(100, 3_000))
    assert box.spooled == 3_000
    assert box.spool_bytes > 500_000
    assert box.waiting == 0
    log.there.set()
    await until(lambda: box.sent == 3_000)
    assert numbers(log.kept) == list(range(3_000))
    put(box, 3_000)
    assert box.spooled == 0
    await until(lambda: box.sent == 3_001)
    assert not list((tmp_path / "spool").glob("*.spool"))
    sender.cancel()
    await asyncio.gather(sender, return_exceptions=True)


async def test_what_a_slow_log_takes_in_the_end_is_not_sent_twice(open_spool: OpenSpool) -> None:
    log = AbsentLog(waits=True)
    box = outbox(log, open_spool(10**7), memory_records=10)
    put(box, 0, 1, 2)
    sender = asyncio.create_task(box.run())
    await log.asked.wait()
    put(box, *range(3, 20))
    assert box.spooled == 20
    log.there.set()
    await until(lambda: box.sent == 20)
    assert numbers(log.kept) == list(range(20))
    sender.cancel()
    await asyncio.gather(sender, return_exceptions=True)


async def test_a_few_records_go_to_disk_when_the_log_is_away_for_seconds(
    open_spool: OpenSpool,
) -> None:
    log, time = AbsentLog(), Hours()
    box = outbox(log, open_spool(10**7), time)
    put(box, 0)
    sender = asyncio.create_task(box.run())
    await log.asked.wait()
    time.now = 1.9
    put(box, 1)
    assert (box.spooled, box.waiting) == (0, 2)
    time.now = 2.0
    await until(lambda: box.spooled == 2)
    put(box, 2)
    assert (box.spooled, box.waiting) == (3, 0)
    log.there.set()
    await until(lambda: box.sent == 3)
    assert numbers(log.kept) == [0, 1, 2]
    sender.cancel()
    await asyncio.gather(sender, return_exceptions=True)


async def test_what_an_earlier_process_left_is_sent_before_anything_new(
    open_spool: OpenSpool,
) -> None:
    away = outbox(AbsentLog(), open_spool(10**7))
    put(away, *range(30))
    await away.flush(0.02)
    assert (away.spooled, away.waiting) == (30, 0)
    away.close()
    log = FlakyLog(refusals=2)
    box = outbox(log, open_spool(10**7))
    put(box, *range(30, 40))
    await box.flush()
    assert numbers(log.kept) == list(range(40))


async def test_what_waits_when_it_is_closed_is_there_at_the_next_start(
    open_spool: OpenSpool,
) -> None:
    first = outbox(FlakyLog(), open_spool(10**7))
    put(first, 0, 1)
    first.close()
    box = outbox(log := FlakyLog(), open_spool(10**7))
    await box.flush()
    assert numbers(log.kept) == [0, 1]


async def test_without_a_spool_a_deadline_ends_the_flush_and_says_what_is_lost() -> None:
    box = outbox(AbsentLog(waits=True))
    put(box, 0, 1)
    async with asyncio.timeout(DEADLINE_SECONDS):
        await box.flush(0.02)
    assert (box.waiting, box.sent) == (2, 0)


async def test_a_full_spool_drops_its_oldest_and_puts_the_bounds_on_record(
    open_spool: OpenSpool,
) -> None:
    log = AbsentLog()
    box = outbox(log, open_spool(200_000), memory_records=0)
    put(box, *range(30))
    sender = asyncio.create_task(box.run())
    await log.asked.wait()
    put(box, *range(30, 3_000))
    assert box.spool_bytes <= 200_000
    log.there.set()
    await until(lambda: not box.spooled)
    sender.cancel()
    await asyncio.gather(sender, return_exceptions=True)
    await box.flush()
    arrived = numbers(log.kept)
    assert arrived[:30] == list(range(30))  # they were in flight when they were dropped
    lost = range(30, 3_000 - (len(arrived) - 30))
    assert arrived[30:] == list(range(lost.stop, 3_000))
    assert box.dropped == len(lost) > 2_000
    found = gaps_on_record(log.kept)
    assert len(found) == len(ASSETS)
    for place, asset in enumerate(ASSETS):
        mine = [BASE_US + number for number in lost if number % len(ASSETS) == place]
        assert found[asset.decode()] == (len(mine), mine[0], mine[-1])


async def test_a_disk_that_refuses_leaves_the_memory_and_is_tried_again(
    open_spool: OpenSpool,
) -> None:
    log, time = AbsentLog(), Hours()
    box = outbox(log, open_spool(10**7), time, memory_records=2, max_records=6)
    put(box, 0, 1, 2)
    assert box.spooled == 3
    with capture_logs() as logs, no_file_larger_than(100):
        put(box, *range(3, 12))
    assert [entry["event"] for entry in logs] == ["spool_refused", "outbox_full_oldest_dropped"]
    assert (box.spooled, box.waiting, box.dropped) == (3, 6, 3)
    put(box, 12)
    assert (box.spooled, box.waiting, box.dropped) == (3, 6, 4)
    time.now = 5.0
    put(box, 13)
    assert box.waiting == 0
    log.there.set()
    await box.flush()
    assert numbers(log.kept) == [0, 1, 2, *range(7, 14)]
    assert gaps_on_record(log.kept) == {
        "BTC": (2, BASE_US + 3, BASE_US + 6),
        "ETH": (1, BASE_US + 4, BASE_US + 4),
        "SOL": (1, BASE_US + 5, BASE_US + 5),
    }


async def test_a_disk_that_takes_a_part_of_what_is_in_flight_costs_nothing(
    open_spool: OpenSpool,
) -> None:
    log, time = AbsentLog(waits=True), Hours()
    box = outbox(log, open_spool(10**7), time)
    put(box, 0, 1)
    box.put_drops("test", [Drop("oversized", "", b"x" * 60_000, 60_000, BASE_US)])
    put(box, 2, 3)
    sender = asyncio.create_task(box.run())
    await log.asked.wait()
    time.now = 2.0
    with no_file_larger_than(30_000):
        put(box, 4)
    assert (box.spooled, box.waiting) == (2, 4)
    time.now = 7.0
    put(box, 5)
    assert (box.spooled, box.waiting) == (7, 0)
    sender.cancel()
    await asyncio.gather(sender, return_exceptions=True)
    box.close()
    await outbox(later := FlakyLog(), open_spool(10**7)).flush()
    assert numbers(later.kept) == list(range(6))
    assert len(later.kept) == 7


@pytest.mark.parametrize(("place", "least"), [(0.67, 4), (0.0, 0)])
async def test_damage_found_at_the_start_is_put_on_record(
    place: float, least: int, open_spool: OpenSpool, tmp_path: Path
) -> None:
    away = outbox(AbsentLog(), open_spool(10**7))
    put(away, *range(10))
    away.close()
    (path,) = (tmp_path / "spool").glob("*.spool")
    data = bytearray(path.read_bytes())
    data[4 + int(len(data) * place)] ^= 1
    path.write_bytes(data)
    box = outbox(log := FlakyLog(), open_spool(10**7))
    await box.flush()
    arrived = numbers(log.kept)
    assert arrived == list(range(len(arrived)))
    assert least <= len(arrived) < 10
    (gap,) = gaps_on_record(log.kept).values()
    assert gap[0] == box.dropped == 10 - len(arrived)


async def test_what_is_in_flight_when_the_spool_drops_it_is_delivered_and_not_called_lost(
    open_spool: OpenSpool,
) -> None:
    log = AbsentLog(waits=True)
    box = outbox(log, open_spool(100_000), memory_records=3)
    put(box, 0, 1, 2)
    sender = asyncio.create_task(box.run())
    await log.asked.wait()
    put(box, *range(3, 400))
    assert box.dropped > 50
    log.there.set()
    await until(lambda: not box.spooled)
    sender.cancel()
    await asyncio.gather(sender, return_exceptions=True)
    await box.flush()
    arrived = numbers(log.kept)
    assert arrived[:3] == [0, 1, 2]
    assert arrived[3:] == list(range(3 + box.dropped, 400))
    assert sum(count for count, _, _ in gaps_on_record(log.kept).values()) == box.dropped


@pytest.mark.parametrize("seed", range(5))
async def test_starts_and_kills_at_random_lose_nothing_that_went_through_the_disk(
    seed: int, tmp_path: Path
) -> None:
    chance = random.Random(seed)
    arrived: list[Outgoing] = []
    unclear = kills = 0
    for turn in range(6):
        spool = Spool(tmp_path / str(turn), 10**7, segment_bytes=chance.choice((300, 5_000)))
        log = ErringLog(chance)
        log.kept = arrived
        box = outbox(log, spool, memory_records=0)
        sender = asyncio.create_task(box.run())
        for number in range(turn * 100, turn * 100 + 100):
            put(box, number)
            await asyncio.sleep(0.002 if chance.random() < 0.03 else 0)
        # As a kill leaves it: nothing is closed, nothing is sent any more.
        shutil.copytree(tmp_path / str(turn), tmp_path / str(turn + 1))
        sender.cancel()
        await asyncio.gather(sender, return_exceptions=True)
        unclear += log.unclear
        kills += 1
        spool.close()
    there = FlakyLog()
    there.kept = arrived
    last = outbox(there, Spool(tmp_path / "6", 10**7))
    await last.flush()
    last.close()
    assert once(there) == list(range(600))
    assert len(arrived) - 600 <= unclear + kills * 100
    assert {one.topic for one in arrived} == {TRADES.name}
    assert [number_of(one) for one in arrived] == numbers(arrived)
