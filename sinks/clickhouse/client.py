"""The store: the ClickHouse engine inside this process (chDB) or a server over HTTP, one interface.

The embedded engine admits one process per directory and one directory per process. Every insert
goes through a temporary file of the driver's: let `TMPDIR` name a fast, private directory with room
for a block (about 1 MiB) where the system's default is not that.
"""

import fcntl
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import clickhouse_connect
import lz4.frame
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError, Error

from runtime.errors import ConfigurationError, PerptapeError, StoreError, StoreRejected
from sinks.clickhouse.native import header

DATABASE = "perptape"

REJECTED_CODES = {
    27: "CANNOT_PARSE_INPUT_ASSERTION_FAILED",
    33: "CANNOT_READ_ALL_DATA",
    53: "TYPE_MISMATCH",
    69: "ARGUMENT_OUT_OF_BOUND",
    70: "CANNOT_CONVERT_TYPE",
    117: "INCORRECT_DATA",
    321: "VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE",
    349: "CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN",
    407: "DECIMAL_OVERFLOW",
    469: "VIOLATED_CONSTRAINT",
    691: "UNKNOWN_ELEMENT_OF_ENUM",
}
"""Error codes of the engine that lie in what is in a block: sending it again cannot help."""

# Reads replace with FINAL anyway; replacing inside each block as well doubles an insert's cost.
# On a cluster the answer waits for the shards: what a server puts by for them is not stored yet.
_INSERT_SETTINGS = {
    "async_insert": 0,
    "insert_deduplicate": 1,
    "optimize_on_insert": 0,
    "distributed_foreground_insert": 1,
}
_HTTP_TIMEOUT_SECONDS = 30
_CONNECT_SECONDS = 10
_LOOK_SECONDS = 0.1
# A block of trades is a sixth of its size in lz4. On loopback that costs what it saves (50,000
# trades, 5.3 MB: 48 ms both ways; 108 ms with zstd), on a network it saves the rest.
_PACKING = "lz4"


@dataclass(frozen=True, slots=True)
class Table:
    """A query's answer."""

    column_names: list[str]
    column_types: list[str]
    rows: list[tuple[Any, ...]]


class QueryError(PerptapeError):
    """The engine refused a statement; the message is the engine's, in one line."""


class Store:
    """One connection to the store; calls on it are serial, and each blocks its thread.

    Args:
        client: the driver's client, connected.
        path: the directory of an embedded store, None for a server.
    """

    def __init__(self, client: Client, path: Path | None) -> None:
        self._client = client
        self.path = path

    def insert(self, table: str, names: Sequence[str], block: bytes, token: str) -> None:
        """Insert one Native block; the same token again within the window does nothing.

        Raises:
            StoreRejected: the engine refuses what is in the block.
            StoreError: the store is away, or the answer was unclear.
        """
        settings = {**_INSERT_SETTINGS, "insert_deduplication_token": token}
        packing = _PACKING if self.path is None else None
        try:
            self._client.raw_insert(
                f"{DATABASE}.{table}",
                names,
                lz4.frame.compress(block) if packing else block,
                settings=settings,
                fmt="Native",
                compression=packing,
            )
        except Error as error:
            if error.code in REJECTED_CODES:
                raise StoreRejected(one_line(error)) from error
            raise StoreError(one_line(error)) from error
        except (ClickHouseError, OSError, RuntimeError) as error:
            raise StoreError(one_line(error)) from error

    def command(self, sql: str, parameters: dict[str, Any] | None = None) -> None:
        """Run a statement that answers nothing.

        Raises:
            StoreError: it did not succeed.
        """
        try:
            self._client.command(sql, parameters=parameters)
        except (ClickHouseError, OSError, RuntimeError) as error:
            raise StoreError(one_line(error)) from error

    def query(self, sql: str, parameters: dict[str, Any] | None = None) -> Table:
        """Answer a query whole.

        Raises:
            QueryError: the engine refuses the query.
            StoreError: the store is away.
        """
        try:
            result = self._client.query(sql, parameters=parameters)
        except Error as error:
            if error.code is not None:
                raise QueryError(one_line(error)) from error
            raise StoreError(one_line(error)) from error
        except (ClickHouseError, OSError, RuntimeError) as error:
            raise StoreError(one_line(error)) from error
        types = [type_.name for type_ in result.column_types]
        names = list(result.column_names)
        if not names and self.path is not None:
            names, types = self._head(sql, parameters)
        return Table(names, types, [tuple(row) for row in result.result_rows])

    def arrow_stream(self, sql: str, parameters: dict[str, Any] | None = None) -> bytes:
        """Answer a query whole, as an Arrow stream.

        Raises:
            QueryError: the engine refuses the query.
            StoreError: the store is away.
        """
        try:
            return self._client.raw_query(sql, parameters=parameters, fmt="ArrowStream")
        except Error as error:
            if error.code is not None:
                raise QueryError(one_line(error)) from error
            raise StoreError(one_line(error)) from error
        except (ClickHouseError, OSError, RuntimeError) as error:
            raise StoreError(one_line(error)) from error

    def _head(self, sql: str, parameters: dict[str, Any] | None) -> tuple[list[str], list[str]]:
        """Name the columns of an empty answer, which the embedded engine leaves out."""
        data = self._client.raw_query(
            sql.rstrip("; \n"), parameters=parameters, fmt="RowBinaryWithNamesAndTypes"
        )
        columns = header(data) if data else []
        return [name for name, _ in columns], [type_ for _, type_ in columns]

    def use(self, database: str) -> None:
        """Make a database the one that unqualified names are looked up in."""
        self._client.database = database

    def close(self) -> None:
        """Give the connection back; the embedded engine lets go of its directory."""
        self._client.close()


def is_address(target: str) -> bool:
    """Say whether this is a server's address, and not a folder."""
    return target.startswith(("http://", "https://"))


def open_store(
    target: Path | str,
    wait_seconds: int = _HTTP_TIMEOUT_SECONDS,
    options: Mapping[str, str] | None = None,
    *,
    patience_seconds: float = 0.0,
) -> Store:
    """Open a directory (embedded engine, made when missing) or an http(s) address.

    Args:
        target: the directory or the address.
        wait_seconds: how long an answer over HTTP may take.
        options: of the embedded engine's own configuration; the first who opens it decides.
        patience_seconds: how long to wait for a process that has the directory to let go of it.

    Raises:
        ConfigurationError: the directory is in use by another process, or cannot be used.
        StoreError: the server cannot be reached.
    """
    if is_address(str(target)):
        return Store(_connect_http(str(target), wait_seconds), None)
    path = Path(target).resolve()
    return Store(connect_embedded(path, options, patience_seconds), path)


def connect_embedded(
    path: Path, options: Mapping[str, str] | None = None, patience_seconds: float = 0.0
) -> Client:
    """Open the engine on a directory.

    Raises:
        ConfigurationError: another process has it, this process has another one, or no permission.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        _refuse_when_held(path, patience_seconds)
        return clickhouse_connect.get_client(
            interface="chdb", path=str(path), tz_mode="aware", chdb_options=dict(options or {})
        )
    except (ClickHouseError, OSError) as error:
        raise ConfigurationError(
            f"the store {path} cannot be opened: {one_line(error)}; if another perptape uses it, "
            "stop that one first"
        ) from error


def _connect_http(url: str, wait_seconds: int) -> Client:
    parts = urlsplit(url)
    try:
        return clickhouse_connect.get_client(
            host=parts.hostname or "127.0.0.1",
            port=parts.port or (8443 if parts.scheme == "https" else 8123),
            secure=parts.scheme == "https",
            username=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password or ""),
            connect_timeout=min(_CONNECT_SECONDS, wait_seconds),
            send_receive_timeout=wait_seconds,
            autogenerate_session_id=False,
            tz_mode="aware",
        )
    except (ClickHouseError, OSError) as error:
        where = f"{parts.scheme}://{parts.hostname}:{parts.port or ''}".rstrip(":")
        raise StoreError(f"the store at {where} does not answer: {one_line(error)}") from error


def held_by(path: Path) -> int | None:
    """Return the process that has a store's directory open, None where nobody has.

    The engine's own lock is asked for, and given back at once.

    Raises:
        OSError: it cannot be asked.
    """
    try:
        with (path / "status").open("rb") as status:
            holder = status.readline().decode("ascii", "replace").removeprefix("PID:").strip()
            if holder == str(os.getpid()):
                return os.getpid()
            fcntl.flock(status, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return None
    except BlockingIOError:
        return int(holder) if holder.isdigit() else 0
    return None


def _refuse_when_held(path: Path, patience_seconds: float) -> None:
    """Ask the engine's own lock first: its refusal would write to standard error."""
    deadline = time.monotonic() + patience_seconds
    while (holder := held_by(path)) is not None and holder != os.getpid():
        if time.monotonic() >= deadline:
            raise ConfigurationError(
                f"the store {path} is in use by another perptape (pid {holder}); "
                "query it through `perptape query`, or stop that process first"
            )
        time.sleep(_LOOK_SECONDS)


def one_line(error: BaseException) -> str:
    """Return an error's message without line breaks, address and version trailer."""
    text = " ".join(str(error).split())
    start = text.find("Code: ")
    text = text[start:] if start > 0 else text
    return text.split(" (version ", 1)[0].split(" (for url ", 1)[0][:500]
