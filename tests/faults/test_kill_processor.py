"""Processors killed at any moment: the final records are those of a run without a kill."""

import asyncio
import os
import random
import signal
import sys
from pathlib import Path

import msgspec
import pytest

from runtime.bus.embedded import EmbeddedBus
from runtime.bus.protocol import Outgoing
from schemas.cvd import CvdStep
from schemas.footprints import FootprintBar
from schemas.lineage import OFFSET_BITS
from schemas.ops import Snapshot
from schemas.topics import CVD, FOOTPRINTS, SNAPSHOTS, TRADES
from tests.faults.processor_process import BUS
from tests.faults.processor_process import main as work_off
from tests.processors.builders import BINANCE, BYBIT, Market, identity

ROOT = Path(__file__).parents[2]
DEADLINE_SECONDS = 60.0
FAILPOINTS = ("after_outputs", "after_parts", "after_snapshot", "after_commit")
MARKET = Market(
    seed=21,
    instruments=(BINANCE, BYBIT),
    seconds=330,
    rate=6.0,
    late=0.02,
    repeat=0.02,
    hole=0.004,
    drop_batch=0.004,
)
Final = dict[tuple[object, ...], tuple[int, bytes]]


async def write_log(directory: Path) -> None:
    async with await EmbeddedBus.open(directory, settings=BUS) as bus:
        encode = msgspec.json.encode
        records = [
            Outgoing(TRADES.name, b"BTC", encode(batch), batch.receive_time_us)
            for batch in MARKET.batches()
        ]
        await bus.send(records)


async def final_records(directory: Path) -> tuple[Final, int]:
    """Return the newest final record of each identity, and how many records there are in all.

    Two records of one identity and revision must be equal. The log's own epoch is left out of the
    revision: another log was made at another time.
    """
    newest: Final = {}
    seen: dict[tuple[object, ...], bytes] = {}
    count = 0
    async with await EmbeddedBus.open(directory, settings=BUS) as bus:
        kinds: tuple[tuple[str, type[FootprintBar | CvdStep]], ...] = (
            (FOOTPRINTS.name, FootprintBar),
            (CVD.name, CvdStep),
        )
        for topic, kind in kinds:
            consumer = await bus.consumer([topic])
            while records := await consumer.poll(2_000, 0):
                for record in records:
                    assert record.value is not None
                    value = msgspec.json.decode(record.value, type=kind)
                    count += 1
                    name = (*identity(value), value.revision)
                    assert seen.setdefault(name, record.value) == record.value
                    if value.is_final:
                        offset = value.revision % (1 << OFFSET_BITS)
                        same = msgspec.structs.replace(value, revision=offset)
                        found = (offset, msgspec.json.encode(same))
                        newest[identity(value)] = max(newest.get(identity(value), found), found)
    return newest, count


async def start(directory: Path, failpoint: str = "") -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.faults.processor_process", str(directory)),
        cwd=ROOT,
        env={**os.environ, "PERPTAPE_FAILPOINT": failpoint},
    )


async def kill_when_it_works(directory: Path, chance: random.Random) -> bool:
    """Kill a processor at a random moment after it began to write; False if it was done before."""
    async with await EmbeddedBus.open(directory, settings=BUS) as bus:
        before = await bus.end_offsets(FOOTPRINTS.name)
        process = await start(directory)
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                while process.returncode is None:
                    if await bus.end_offsets(FOOTPRINTS.name) != before:
                        break
                    await asyncio.sleep(0.002)
                await asyncio.sleep(chance.random() * 0.15)
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGKILL)
        return await process.wait() == -signal.SIGKILL


async def finish(directory: Path) -> None:
    process = await start(directory)
    async with asyncio.timeout(DEADLINE_SECONDS):
        assert await process.wait() == 0


async def unbroken(directory: Path) -> Final:
    await write_log(directory)
    await work_off(str(directory))
    wanted, _ = await final_records(directory)
    assert len(wanted) > 100
    return wanted


async def test_killed_at_every_failpoint_and_at_random_the_final_records_are_the_same(
    tmp_path: Path,
) -> None:
    wanted = await unbroken(tmp_path / "unbroken")
    await write_log(tmp_path / "killed")
    chance = random.Random(7)
    kills = 0
    for count in (1, 2):
        for failpoint in FAILPOINTS:
            process = await start(tmp_path / "killed", f"{failpoint}:{count}")
            assert await process.wait() in {-signal.SIGKILL, 0}
            kills += process.returncode != 0
    kills += await kill_when_it_works(tmp_path / "killed", chance)
    await finish(tmp_path / "killed")
    found, _ = await final_records(tmp_path / "killed")

    assert kills >= 8
    assert found == wanted


async def test_what_was_done_is_not_done_again(tmp_path: Path) -> None:
    await unbroken(tmp_path)
    _, before = await final_records(tmp_path)
    await finish(tmp_path)
    _, after = await final_records(tmp_path)

    assert after == before


@pytest.mark.long
async def test_a_hundred_kills_leave_the_final_records_the_same(tmp_path: Path) -> None:
    wanted = await unbroken(tmp_path / "unbroken")
    chance = random.Random(8)
    kills = turn = 0
    while kills < 100:
        turn += 1
        directory = tmp_path / f"killed {turn}"
        await write_log(directory)
        killed = True
        while killed and kills < 100:
            if chance.random() < 0.5:
                point = f"{chance.choice(FAILPOINTS)}:{chance.randrange(1, 4)}"
                process = await start(directory, point)
                killed = await process.wait() == -signal.SIGKILL
            else:
                killed = await kill_when_it_works(directory, chance)
            kills += killed
        await finish(directory)
        found, _ = await final_records(directory)
        assert found == wanted


async def test_a_snapshot_of_other_code_is_left_alone_and_the_log_is_read_from_its_start(
    tmp_path: Path,
) -> None:
    wanted = await unbroken(tmp_path)
    async with await EmbeddedBus.open(tmp_path, settings=BUS) as bus:
        reader = await bus.consumer([SNAPSHOTS.name])
        older = []
        for record in await reader.poll(10_000, 5):
            if record.value is not None and b"/" not in record.key:
                head = msgspec.json.decode(record.value, type=Snapshot)
                value = msgspec.json.encode(msgspec.structs.replace(head, code_version="0"))
                older.append(Outgoing(record.topic, record.key, value, 0, record.partition))
        assert older
        await bus.send(older)
    await finish(tmp_path)
    found, _ = await final_records(tmp_path)

    assert found == wanted
