"""A collector killed while records go through its spool: what `put` returned for is not lost."""

import asyncio
import os
import random
import signal
import sys
from pathlib import Path

import pytest

from tests.faults.spool_process import NUMBER_BYTES, READ_RECORDS

ROOT = Path(__file__).parents[2]
DEADLINE_SECONDS = 60.0
FAILPOINTS = (
    "spool_before_write",
    "spool_after_write",
    "spool_after_commit",
    "spool_before_delete",
)
ENDLESS = 10**7


def as_numbers(data: bytes) -> list[int]:
    whole = len(data) - len(data) % NUMBER_BYTES
    places = range(0, whole, NUMBER_BYTES)
    return [int.from_bytes(data[place : place + NUMBER_BYTES]) for place in places]


async def run(
    directory: Path, seed: int, first: int, count: int, failpoint: str = "", kill_at: int = 0
) -> tuple[list[int], int]:
    """Run the process and return the numbers it was told are safe, and how it ended.

    With `kill_at` it is killed once it has said so many.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.faults.spool_process"),
        *(str(directory), str(seed), str(first), str(count)),
        cwd=ROOT,
        env={**os.environ, "PERPTAPE_FAILPOINT": failpoint},
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    said = b""
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            if kill_at:
                said += await process.stdout.readexactly(kill_at * NUMBER_BYTES)
                process.send_signal(signal.SIGKILL)
            said += await process.stdout.read()
            ended = await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return as_numbers(said), ended


async def killed_and_drained(directory: Path, chance: random.Random, turns: list[str]) -> None:
    """Kill a process at each failpoint (at random where it is empty); check what came of it."""
    safe: list[int] = []
    for failpoint in turns:
        first = safe[-1] + 10 if safe else 0
        kill_at = 0 if failpoint else chance.randrange(1, 2_000)
        seed = chance.randrange(10**6)
        said, ended = await run(directory, seed, first, ENDLESS, failpoint, kill_at)
        assert ended == -signal.SIGKILL
        assert said == list(range(first, first + len(said)))
        safe += said
    assert (await run(directory, 0, 0, 0))[1] == 0

    arrived = as_numbers((directory / "log").read_bytes())
    once = list(dict.fromkeys(arrived))
    assert once == sorted(once)
    assert set(safe) <= set(once)
    assert len(once) - len(safe) <= len(turns)  # put, and killed before that could be said
    assert not list((directory / "spool").glob("*.spool"))
    assert len(arrived) - len(once) <= READ_RECORDS * len(turns)


async def test_killed_at_every_failpoint_and_at_random_nothing_that_was_put_is_lost(
    tmp_path: Path,
) -> None:
    chance = random.Random(5)
    turns = [f"{name}:{count}" for name in FAILPOINTS for count in (1, chance.randrange(2, 9))]
    turns += [""] * 6
    chance.shuffle(turns)
    await killed_and_drained(tmp_path, chance, turns)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(20))
async def test_twenty_kills_in_a_row_lose_nothing(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    turns = []
    for _ in range(20):
        name = chance.choice(FAILPOINTS)
        turns.append(f"{name}:{chance.randrange(1, 40)}" if chance.random() < 0.5 else "")
    await killed_and_drained(tmp_path, chance, turns)
