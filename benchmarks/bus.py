"""The embedded log against plain SQLite and a plain file: appends and reads of 2 kB values.

All three sync the disk once per batch, so the ratios say what the log adds, whatever the disk.
`file` is what the disk gives, `sqlite` is one table without partitions, groups or other threads.

    python -m benchmarks.bus
"""

import asyncio
import os
import sqlite3
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from runtime.bus.embedded import EmbeddedBus
from runtime.bus.protocol import Outgoing
from schemas.topics import TRADES

VALUE_BYTES = 2_000
BATCHES = {1: 1_000, 20: 10_000, 200: 40_000}
"""Records appended for each batch size: enough for about a second each."""
SENDERS = 64
KEYS = [f"ASSET{number}".encode() for number in range(24)]


def _values() -> list[bytes]:
    return [os.urandom(VALUE_BYTES) for _ in range(64)]


def _rate(count: int, seconds: float) -> dict[str, float]:
    return {
        "records_per_second": count / seconds,
        "megabytes_per_second": count * VALUE_BYTES / seconds / 1e6,
    }


def _chunks(values: Sequence[bytes], count: int, batch: int) -> list[list[tuple[int, bytes]]]:
    return [
        [(number, values[number % len(values)]) for number in range(start, start + batch)]
        for start in range(0, count, batch)
    ]


def plain_sqlite(directory: Path, chunks: Sequence[list[tuple[int, bytes]]]) -> tuple[float, float]:
    """Return seconds to write chunks with `executemany` and to read them back."""
    connection = sqlite3.connect(directory / "plain.sqlite3", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE records (id INTEGER PRIMARY KEY, value BLOB)")
    started = time.perf_counter()
    for chunk in chunks:
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("INSERT INTO records VALUES (?, ?)", chunk)
        connection.execute("COMMIT")
    written = time.perf_counter()
    found, after = 0, -1
    while rows := connection.execute(
        "SELECT id, value FROM records WHERE id > ? ORDER BY id LIMIT 500", (after,)
    ).fetchall():
        found, after = found + len(rows), rows[-1][0]
    read = time.perf_counter()
    connection.close()
    if found != sum(map(len, chunks)):
        raise RuntimeError(f"plain sqlite returned {found} records")
    return written - started, read - written


def plain_file(directory: Path, chunks: Sequence[list[tuple[int, bytes]]]) -> tuple[float, float]:
    """Return seconds to append chunks to a file, synced each, and to read it back in pieces."""
    path = directory / "plain.log"
    with path.open("wb", buffering=0) as file:
        started = time.perf_counter()
        for chunk in chunks:
            file.write(b"".join(value for _, value in chunk))
            os.fsync(file.fileno())
        written = time.perf_counter()
    with path.open("rb", buffering=0) as file:
        while file.read(500 * VALUE_BYTES):
            continue
    return written - started, time.perf_counter() - written


async def embedded(
    directory: Path, chunks: Sequence[list[tuple[int, bytes]]], senders: int
) -> tuple[float, float]:
    """Return seconds to send chunks (so many at once) and to read them back with one consumer."""
    async with await EmbeddedBus.open(directory / "log") as bus:
        batches = iter(
            [Outgoing(TRADES.name, KEYS[number % len(KEYS)], value, 1) for number, value in chunk]
            for chunk in chunks
        )

        async def sender() -> None:
            for batch in batches:
                await bus.send(batch)

        started = time.perf_counter()
        await asyncio.gather(*(sender() for _ in range(senders)))
        written = time.perf_counter()
        consumer = await bus.consumer([TRADES.name])
        found = 0
        while records := await consumer.poll(500, 0):
            found += len(records)
        read = time.perf_counter()
    if found != sum(map(len, chunks)):
        raise RuntimeError(f"the log returned {found} records")
    return written - started, read - written


async def wake_milliseconds(directory: Path, rounds: int = 200) -> float:
    """Return the median time from a send's call to its record in a waiting poll, same process."""
    delays = []
    async with await EmbeddedBus.open(directory / "wake") as bus:
        consumer = await bus.consumer([TRADES.name])
        for number in range(rounds):
            polling = asyncio.create_task(consumer.poll(1, 10.0))
            await asyncio.sleep(0.002)
            started = time.perf_counter()
            await bus.send([Outgoing(TRADES.name, b"BTC", b"x" * VALUE_BYTES, number)])
            await polling
            delays.append(time.perf_counter() - started)
    return sorted(delays)[rounds // 2] * 1e3


def _case(batch: int, count: int, senders: int) -> list[dict[str, object]]:
    chunks = _chunks(_values(), count, batch)
    with tempfile.TemporaryDirectory(prefix="perptape-bench-") as name:
        directory = Path(name)
        file = plain_file(directory, chunks)
        sqlite = plain_sqlite(directory, chunks)
        ours = asyncio.run(embedded(directory, chunks, senders))
    return [
        {
            "path": path,
            "batch": batch,
            "senders": senders,
            **_rate(count, ours[index]),
            "ratio_to_sqlite": sqlite[index] / ours[index],
            "ratio_to_file": file[index] / ours[index],
        }
        for index, path in enumerate(("append", "read"))
    ]


def run() -> list[dict[str, object]]:
    """Measure every batch size with one sender, then single records from many senders."""
    rows = [row for batch, count in BATCHES.items() for row in _case(batch, count, 1)]
    rows += _case(1, 10 * BATCHES[1], SENDERS)
    with tempfile.TemporaryDirectory(prefix="perptape-bench-") as name:
        rows.append(
            {"path": "send to poll", "milliseconds": asyncio.run(wake_milliseconds(Path(name)))}
        )
    return rows


def main() -> None:
    """Print the table."""
    print(
        f"{'path':<14}{'batch':>6}{'senders':>8}{'records/s':>12}{'MB/s':>8}{'/sqlite':>9}{'/file':>8}"
    )
    for row in run():
        if "milliseconds" in row:
            print(f"{row['path']:<14}{row['milliseconds']:.2f} ms (median)")
        else:
            print(
                f"{row['path']:<14}{row['batch']:>6}{row['senders']:>8}"
                f"{row['records_per_second']:>12,.0f}{row['megabytes_per_second']:>8.1f}"
                f"{row['ratio_to_sqlite']:>9.2f}{row['ratio_to_file']:>8.2f}"
            )


if __name__ == "__main__":
    main()
