"""A few engine handles and their threads; each runs one statement at a time."""

import asyncio
import queue
import re
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import chdb
from clickhouse_connect.driver.client import Client

from runtime.failpoint import failpoint
from sinks.clickhouse.encodings import packed
from sinks.clickhouse.native import empty_block
from sinks.clickhouse.request import TRAILING_FORMAT, Request

_connect: Callable[[str], Any] = chdb.connect
_SELECT = re.compile(r"[\s(]*(?:SELECT|WITH)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ReadLimits:
    """What one query may take, how many run at once and how many requests may be under way."""

    seconds: int = 30
    rows: int = 1_000_000
    result_bytes: int = 512 * 2**20
    memory_bytes: int = 4 * 2**30
    handles: int = 3
    waiting: int = 64

    def statements(self) -> list[str]:
        """Return the `SET` statements, the last of which locks the settings."""
        return [
            f"SET max_execution_time = {self.seconds}",
            f"SET max_result_rows = {self.rows}",
            f"SET max_result_bytes = {self.result_bytes}",
            f"SET max_memory_usage = {self.memory_bytes}",
            "SET result_overflow_mode = 'throw'",
            "SET output_format_json_quote_64bit_integers = 1",
            "SET readonly = 1",
        ]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a statement gave, packed as was asked."""

    body: bytes
    rows: int
    elapsed_ns: int


class Handles:
    """The handles of one directory.

    Args:
        store: the directory, resolved.
        limits: preset on every handle before it is locked.
        writable: leaves the handles unlocked.
        connect: opens the directory with the sink's checks; held while the handles live.
    """

    def __init__(
        self,
        store: Path,
        limits: ReadLimits,
        *,
        writable: bool,
        connect: Callable[[Path], Client],
    ) -> None:
        self._anchor = connect(store)
        self._free: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._count = limits.handles
        self._threads = ThreadPoolExecutor(limits.handles, thread_name_prefix="clickhouse-read")
        for _ in range(limits.handles):
            handle = _connect(str(store))
            for statement in () if writable else limits.statements():
                handle.query(statement)
            self._free.put(handle)

    async def run(self, request: Request) -> Answer:
        """Run a statement on the next free handle.

        Raises:
            RuntimeError: the engine's refusal.
        """
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._run, request)

    def close(self) -> None:
        """Wait for what runs and close all."""
        self._threads.shutdown(wait=True, cancel_futures=True)
        for _ in range(self._count):
            self._free.get().close()
        self._anchor.close()

    def _run(self, request: Request) -> Answer:
        handle = self._free.get()
        try:
            # A query may have left another database behind: name it each time (0.3 ms).
            handle.query(f"USE `{request.database}`")
            if request.data is not None:
                return _insert(handle, request, request.data)
            result = handle.query(request.sql, request.format, params=request.parameters)
            body = result.bytes() or b""
            if not body and request.format == "Native":
                body = _native_head(handle, request)
            body = packed(body, request.encoding)
            return Answer(body, result.rows_read(), int(result.elapsed() * 1e9))
        finally:
            self._free.put(handle)


def _insert(handle: Any, request: Request, data: bytes) -> Answer:
    settings = ", ".join(f"{name} = '{_escaped(value)}'" for name, value in request.settings)
    clause = f" SETTINGS {settings}" if settings else ""
    with tempfile.NamedTemporaryFile(suffix=".insert") as file:
        file.write(data)
        file.flush()
        source = f"FROM INFILE '{_escaped(file.name)}'{clause} FORMAT {request.format}"
        result = handle.query(f"{request.sql} {source}", "TabSeparated")
    failpoint("served_insert")
    return Answer(b"", result.rows_read(), int(result.elapsed() * 1e9))


def _native_head(handle: Any, request: Request) -> bytes:
    """Name the columns of an empty answer, which the engine leaves out in this format."""
    if not _SELECT.match(request.sql):
        return b""
    sql = TRAILING_FORMAT.sub("", request.sql)
    result = handle.query(sql, "RowBinaryWithNamesAndTypes", params=request.parameters)
    return empty_block(result.bytes() or b"")


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("'", "\\'")
