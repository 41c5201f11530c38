"""A server that goes away in the middle of an insert and comes back: nothing is lost or doubled."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from socket import create_server

import pytest

from schemas.topics import CVD, DEADLETTER, TRADES
from sinks.clickhouse.client import Store, open_store
from sinks.clickhouse.migrate import apply
from sinks.clickhouse.server import StoreServer
from sinks.clickhouse.sink import ClickHouseSink
from tests.sinks.clickhouse.memory_bus import MemoryBus
from tests.sinks.clickhouse.records import DAY_US, batch, step, trade

DEADLINE_SECONDS = 60
CUT_BYTES = 4000
"""Behind the headers of an insert of trades, within its block."""

SERVER = """
import asyncio, sys
from pathlib import Path
from sinks.clickhouse.server import StoreServer

async def main(path, port):
    server = StoreServer(Path(path), port=int(port), writable=True)
    await server.start()
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    await server.stop()

asyncio.run(main(*sys.argv[1:]))
"""


def free_port() -> int:
    with closing(create_server(("127.0.0.1", 0))) as socket:
        port: int = socket.getsockname()[1]
        return port


def log() -> MemoryBus:
    bus = MemoryBus()
    for n in range(4):
        bus.put(TRADES.name, batch(f"DIES{n}", [trade(i, DAY_US + n) for i in range(500)]))
        bus.put(CVD.name, step(f"DIES{n}", DAY_US + n * 1_000_000))
    return bus


def stored(store: Store) -> dict[str, tuple[int, int]]:
    """Return rows of every filled table: with and without what was replaced."""
    tables = ("perptape.trades_log", "perptape.cvd_log", "perptape.cvd_adjustments_log")
    counts = {}
    for table in tables:
        (every,) = store.query(f"SELECT count() FROM {table}").rows[0]
        (final,) = store.query(f"SELECT count() FROM {table} FINAL").rows[0]
        counts[table] = (every, final)
    return counts


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    store = open_store(tmp_path / "store")
    apply(store)
    store.close()
    return tmp_path / "store"


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, int]]:
    """Return what is stored when nothing dies."""
    store = open_store(tmp_path_factory.mktemp("undisturbed") / "store")
    apply(store)
    asyncio.run(ClickHouseSink(log(), store).drain())
    found = stored(store)
    store.close()
    return found


@contextmanager
def server(folder: Path, port: int, failpoint: str = "") -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", SERVER, str(folder), str(port)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PERPTAPE_FAILPOINT": failpoint},
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            if process.poll() is None:
                process.communicate("\n", timeout=DEADLINE_SECONDS)


def test_a_server_that_is_killed_after_an_insert_and_before_its_answer(
    expected: dict[str, tuple[int, int]], folder: Path
) -> None:
    port, bus = free_port(), log()
    lives: list[subprocess.Popen[str]] = []
    with ExitStack() as stack:
        lives.append(stack.enter_context(server(folder, port, "served_insert:2")))
        remote = stack.enter_context(closing(open_store(f"http://127.0.0.1:{port}")))

        async def restart(_: float) -> None:
            if len(lives) == 1:
                assert await asyncio.to_thread(lives[0].wait, DEADLINE_SECONDS) == -signal.SIGKILL
                lives.append(stack.enter_context(server(folder, port)))

        sink = ClickHouseSink(bus, remote, sleep=restart)
        asyncio.run(asyncio.wait_for(sink.drain(), DEADLINE_SECONDS))

        assert len(lives) == 2
        assert stored(remote) == expected
    assert bus.log(DEADLETTER.name, 0) == []


async def test_a_server_that_goes_away_within_a_request(
    expected: dict[str, tuple[int, int]], folder: Path
) -> None:
    port, bus = free_port(), log()
    served = StoreServer(folder, port=port, writable=True)
    await served.start()
    remote = await asyncio.to_thread(open_store, f"http://127.0.0.1:{port}")
    await served.stop()
    cuts: list[bytes] = []

    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError):
            cuts.append(await reader.readexactly(CUT_BYTES))
        writer.transport.abort()

    cutter = await asyncio.start_server(cut, "127.0.0.1", port)
    stages = iter(("refuses", "still refuses", "is back"))

    async def next_stage(_: float) -> None:
        """Stop cutting requests off, refuse connections for a while, and be there again."""
        stage = next(stages)
        if stage == "refuses":
            cutter.close()
            await cutter.wait_closed()
        elif stage == "is back":
            await served.start()

    sink = ClickHouseSink(bus, remote, sleep=next_stage)
    try:
        await asyncio.wait_for(sink.drain(), DEADLINE_SECONDS)
        assert await asyncio.to_thread(stored, remote) == expected
    finally:
        await asyncio.to_thread(remote.close)
        await served.stop()

    assert cuts
    assert all(b"\r\nContent-Encoding: lz4\r\n" in cut for cut in cuts)
    assert next(stages, "no more") == "no more"
    assert bus.log(DEADLETTER.name, 0) == []
