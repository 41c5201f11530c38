"""The embedded log seen from outside: what is there, and that nothing of it is changed."""

import asyncio
import hashlib
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from runtime.bus.embedded import EmbeddedBus
from runtime.bus.log_file import FILE_NAME
from runtime.bus.log_look import is_log, look
from runtime.bus.look import LETTERS_US, Saved, Seen, Waiting
from runtime.bus.protocol import Outgoing
from runtime.errors import BusError, ConfigurationError
from schemas.ops import DeadLetter
from schemas.topics import DEADLETTER, SNAPSHOTS, TOPICS, TRADES
from schemas.units import US_PER_SECOND

NOW_S = 1_800_000_000
NOW_US = NOW_S * US_PER_SECOND
GROUPS = {"readers": (TRADES.name,)}


def trades(*times_us: int, partition: int = 3) -> list[Outgoing]:
    return [Outgoing(TRADES.name, b"BTC", b"{}", time_us, partition) for time_us in times_us]


def letter(reason: str) -> Outgoing:
    said = DeadLetter(
        origin="o", reason=reason, detail="", receive_time_us=0, size_bytes=0, payload=""
    )
    return Outgoing(DEADLETTER.name, b"o", msgspec.json.encode(said), 0)


async def append(folder: Path, second: int, *records: Outgoing, committed: int = 0) -> None:
    """Append records at a second of the log's clock, and commit so many of the trades."""
    async with await EmbeddedBus.open(folder, clock=lambda: second) as bus:
        if records:
            await bus.send(records)
        if committed:
            reader = await bus.consumer([TRADES.name], group="readers", partitions=[3])
            await reader.commit({(TRADES.name, 3): committed})


async def test_a_log_shows_its_newest_records_what_waits_and_what_was_saved(tmp_path: Path) -> None:
    await append(tmp_path, NOW_S - 50, *trades(1, 2), committed=1)
    await append(tmp_path, NOW_S - 40, *trades(3))
    saved = Outgoing(SNAPSHOTS.name, b"3", b"{}", 0, 3)
    await append(tmp_path, NOW_S - 20, *trades(7, partition=5), saved)

    seen = look(tmp_path, GROUPS, NOW_US)

    assert seen.topics[TRADES.name] == Seen(4, NOW_US - 20_000_000, market_us=7)
    assert [one for one in seen.waiting if one.records] == [
        Waiting("readers", TRADES.name, 3, records=2, oldest_us=NOW_US - 50_000_000),
        Waiting("readers", TRADES.name, 5, records=1, oldest_us=NOW_US - 20_000_000),
    ]
    assert seen.saved == [
        Saved(3, NOW_US - 40_000_000, NOW_US - 20_000_000),
        Saved(5, NOW_US - 20_000_000, None),
    ]
    assert set(seen.topics) == set(TOPICS)
    assert seen.members is None
    assert not seen.differences


async def test_dead_letters_of_the_last_hour_are_counted_by_reason(tmp_path: Path) -> None:
    hour_s = LETTERS_US // US_PER_SECOND
    await append(tmp_path, NOW_S - hour_s - 1, letter("too_old"))
    await append(tmp_path, NOW_S - hour_s, letter("malformed"), letter("malformed"))
    await append(tmp_path, NOW_S, Outgoing(DEADLETTER.name, b"o", b"not json", 0))

    assert look(tmp_path, GROUPS, NOW_US).letters == {"malformed": 2, "unreadable": 1}


def state(folder: Path) -> dict[str, bytes]:
    return {
        path.name: hashlib.sha256(path.read_bytes()).digest() for path in sorted(folder.iterdir())
    }


async def test_a_look_changes_nothing(tmp_path: Path) -> None:
    await append(tmp_path, NOW_S, *trades(1, 2), committed=1)
    before = state(tmp_path)

    look(tmp_path, GROUPS, NOW_US)

    assert state(tmp_path) == before


async def test_what_a_killed_process_left_is_read_and_left(tmp_path: Path) -> None:
    await append(tmp_path, NOW_S, *trades(1))
    statement = (
        f"UPDATE partitions SET next_offset = 9 WHERE topic = '{TRADES.name}' AND partition = 3"
    )
    killed = (
        "import os, signal, sqlite3, sys\n"
        "log = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "log.execute(sys.argv[2])\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    words = [sys.executable, "-c", killed, str(tmp_path / FILE_NAME), statement]
    await asyncio.to_thread(subprocess.run, words, check=False)
    before = state(tmp_path)
    assert f"{FILE_NAME}-wal" in before

    assert look(tmp_path, GROUPS, NOW_US).topics[TRADES.name].records == 9

    after = state(tmp_path)
    for name in (FILE_NAME, f"{FILE_NAME}-wal"):
        assert after[name] == before[name]


async def test_a_log_that_is_written_meanwhile_is_seen_up_to_then(tmp_path: Path) -> None:
    async with await EmbeddedBus.open(tmp_path, clock=lambda: NOW_S) as bus:
        await bus.send(trades(1))
        assert look(tmp_path, GROUPS, NOW_US).topics[TRADES.name].records == 1
        await bus.send(trades(2))
        assert look(tmp_path, GROUPS, NOW_US).topics[TRADES.name].records == 2


async def test_topics_of_other_partitions_differ_and_new_ones_do_not(tmp_path: Path) -> None:
    fewer = {TRADES.name: TRADES}
    bus = await EmbeddedBus.open(tmp_path, topics=fewer)
    await bus.close()
    assert not look(tmp_path, GROUPS, NOW_US).differences

    wider = {TRADES.name: replace(TRADES, partitions=TRADES.partitions + 1)}
    assert look(tmp_path, GROUPS, NOW_US, wider).differences == [
        f"{TRADES.name}: partitions is {TRADES.partitions}, wanted {TRADES.partitions + 1}"
    ]


def test_what_is_no_log_is_refused_by_name(tmp_path: Path) -> None:
    assert not is_log(tmp_path)
    (tmp_path / FILE_NAME).write_bytes(b"nothing of ours" * 100)
    with pytest.raises(BusError, match="damaged or is not a log"):
        look(tmp_path, GROUPS, NOW_US)


async def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    await append(tmp_path, NOW_S)
    with sqlite3.connect(tmp_path / FILE_NAME) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(ConfigurationError, match="newer perptape"):
        look(tmp_path, GROUPS, NOW_US)
