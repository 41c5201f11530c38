"""Several processes on one log: killed writers, writers at once, a reader beside a writer."""

import asyncio
import random
import sys
import time
from asyncio.subprocess import PIPE, Process
from pathlib import Path

import pytest

from runtime.bus.embedded import EmbeddedBus
from runtime.bus.protocol import Record
from schemas.topics import TRADES
from tests.runtime.bus.writer_process import PARTITIONS, read_value

DEADLINE_SECONDS = 60.0
ROOT = Path(__file__).parents[3]


async def start_writer(directory: Path, name: str, batches: int) -> Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.runtime.bus.writer_process"),
        *(str(directory), name, str(batches)),
        cwd=ROOT,
        stdout=PIPE,
    )


async def acknowledged(writer: Process, count: int) -> list[int]:
    assert writer.stdout is not None
    return [int(await writer.stdout.readline()) for _ in range(count)]


async def rest_of(writer: Process) -> list[int]:
    """Return what was acknowledged before the process ended; its last line may be cut."""
    assert writer.stdout is not None
    text = (await writer.stdout.read()).decode()
    await writer.wait()
    return [int(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


async def read_all(bus: EmbeddedBus) -> dict[int, list[Record]]:
    consumer = await bus.consumer([TRADES.name])
    found: dict[int, list[Record]] = {partition: [] for partition in PARTITIONS}
    while records := await consumer.poll(1_000, 0):
        for record in records:
            found[record.partition].append(record)
    return found


def batches_in(records: list[Record], name: str) -> list[int]:
    values = [read_value(record.value or b"") for record in records]
    return [batch for writer, batch in values if writer == name]


async def test_a_killed_writer_loses_no_acknowledged_record_and_tears_none(tmp_path: Path) -> None:
    chance = random.Random(20_261)
    promised: dict[str, set[int]] = {}
    for turn in range(5):
        name = f"turn{turn}"
        writer = await start_writer(tmp_path, name, 1_000_000)
        promised[name] = set(await acknowledged(writer, chance.randrange(1, 150)))
        writer.kill()
        promised[name] |= set(await rest_of(writer))
        assert writer.returncode == -9
        async with await EmbeddedBus.open(tmp_path) as bus:
            found = await read_all(bus)
            ends = await bus.end_offsets(TRADES.name)
        for name, batches in promised.items():
            in_first = batches_in(found[0], name)
            assert len(in_first) == len(set(in_first))
            assert batches <= set(in_first)
            # A batch is in all of its partitions or in none, also the unacknowledged ones.
            assert all(batches_in(found[p], name) == in_first for p in PARTITIONS)
        for partition in PARTITIONS:
            offsets = [record.offset for record in found[partition]]
            assert offsets == list(range(ends[partition]))


async def test_two_processes_write_at_once_without_losing_or_mixing(tmp_path: Path) -> None:
    writers = {name: await start_writer(tmp_path, name, 150) for name in ("one", "two")}
    for writer in writers.values():
        assert sorted(await rest_of(writer)) == list(range(150))
        assert writer.returncode == 0
    async with await EmbeddedBus.open(tmp_path) as bus:
        found = await read_all(bus)
    for partition in PARTITIONS:
        assert [record.offset for record in found[partition]] == list(range(300))
        for name in writers:
            assert sorted(batches_in(found[partition], name)) == list(range(150))


async def test_a_reader_sees_records_while_another_process_writes(tmp_path: Path) -> None:
    async with await EmbeddedBus.open(tmp_path) as bus:
        consumer = await bus.consumer([TRADES.name], partitions=[1])
        writer = await start_writer(tmp_path, "other", 200)
        found: list[Record] = []
        seen_before_the_end = False
        deadline = time.monotonic() + DEADLINE_SECONDS
        while len(found) < 200:
            assert time.monotonic() < deadline, f"only {len(found)} records came"
            found += await consumer.poll(20, 1.0)
            seen_before_the_end = seen_before_the_end or (
                bool(found) and writer.returncode is None and len(found) < 200
            )
        await rest_of(writer)
    assert [record.offset for record in found] == list(range(200))
    assert sorted(batches_in(found, "other")) == list(range(200))
    assert seen_before_the_end


@pytest.mark.parametrize("count", [4])
async def test_several_openers_of_a_new_directory_make_one_log(tmp_path: Path, count: int) -> None:
    opened = await asyncio.gather(*(EmbeddedBus.open(tmp_path / "new") for _ in range(count)))
    assert len({bus.epoch for bus in opened}) == 1
    for bus in opened:
        await bus.close()
