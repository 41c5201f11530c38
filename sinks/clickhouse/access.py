"""Reading a store, whoever has it: through the process that serves it, or by opening the folder."""

import json
import os
from pathlib import Path
from typing import Any

import msgspec

from runtime.errors import ConfigurationError, StoreError
from sinks.clickhouse.client import (
    DATABASE,
    QueryError,
    Store,
    Table,
    connect_embedded,
    held_by,
    is_address,
    open_store,
)
from sinks.clickhouse.guard import check_readable
from sinks.clickhouse.handles import ReadLimits
from sinks.clickhouse.server import ADDRESS_FILE

_HOW_TO_MAKE_ONE = "`make demo` makes one, `perptape up` makes one of live data"


class _Address(msgspec.Struct, frozen=True):
    host: str
    port: int
    pid: int


class Reader:
    """Answers queries; unqualified names are those of the public views.

    Args:
        store: the connection to use.
        guarded: the other side checks what is asked; otherwise it is checked here.
        exclusive: while this reader is open, no other process can have the store.
    """

    def __init__(self, store: Store, *, guarded: bool, exclusive: bool) -> None:
        self._store = store
        self._guarded = guarded
        self.exclusive = exclusive

    def query(self, sql: str, parameters: dict[str, Any] | None = None) -> Table:
        """Answer one query; `{name:Type}` in it stands for a parameter.

        Raises:
            QueryError: it is not a query that reads the store, or the engine refuses it.
            StoreError: the store went away.
        """
        if not self._guarded:
            check_readable(sql)
        return self._store.query(sql.rstrip().rstrip(";"), parameters)

    def arrow_stream(self, sql: str, parameters: dict[str, Any] | None = None) -> bytes:
        """Answer one query as an Arrow stream; without rows it still names the columns.

        Raises:
            QueryError: as for `query`.
            StoreError: the store went away.
        """
        if not self._guarded:
            check_readable(sql)
        return self._store.arrow_stream(sql, parameters)

    def close(self) -> None:
        """Give the store back."""
        self._store.close()


def open_reader(target: Path | str, seconds: int = ReadLimits().seconds) -> Reader:
    """Open a store for reading: a server by its http(s) address, or the store of a folder.

    That is asked over HTTP where a living process serves it, else it is opened.

    Args:
        target: the address or the folder.
        seconds: how long one query may take.

    Raises:
        ConfigurationError: there is no store, or a process has it and does not serve it.
        StoreError: the server does not answer.
    """
    if isinstance(target, str) and is_address(target):
        server = open_store(target, seconds)
        server.use(DATABASE)
        return Reader(server, guarded=False, exclusive=False)
    path = Path(target).resolve()
    if not (path / "metadata").is_dir():
        raise ConfigurationError(f"there is no store in {target}; {_HOW_TO_MAKE_ONE}")
    address = _address(path)
    if address is not None:
        try:
            served = open_store(f"http://{address.host}:{address.port}", seconds)
        except StoreError:
            pass  # the process ended without removing its address, and its number may be another's
        else:
            served.use(DATABASE)
            return Reader(served, guarded=True, exclusive=False)
    return _open_folder(path, ReadLimits(seconds=seconds))


def _open_folder(path: Path, limits: ReadLimits) -> Reader:
    store = Store(connect_embedded(path), path)
    try:
        if not store.query(f"SELECT 1 FROM system.databases WHERE name = '{DATABASE}'").rows:  # noqa: S608
            raise ConfigurationError(f"the store in {path} holds no data; {_HOW_TO_MAKE_ONE}")
        store.use(DATABASE)
        for statement in limits.statements():
            store.command(statement)
    except (ConfigurationError, QueryError, StoreError):
        store.close()
        raise
    return Reader(store, guarded=False, exclusive=_server_of(path) is None)


def holder(target: Path | str) -> tuple[int, str] | None:
    """Return the other process that has the store of a folder, and where it serves it, if it does.

    Raises:
        OSError: the folder cannot be read.
    """
    if is_address(str(target)):
        return None
    path = Path(target).resolve()
    pid = held_by(path)
    if pid is None or pid == os.getpid():
        return None
    address = _server_of(path)
    return pid, "" if address is None else f"{address.host}:{address.port}"


def _address(path: Path) -> _Address | None:
    """Return where another process serves this folder; asking ourselves could block us."""
    address = _server_of(path)
    return None if address is None or address.pid == os.getpid() else address


def _server_of(path: Path) -> _Address | None:
    """Return where a living process says that it serves this folder."""
    try:
        text = (path / ADDRESS_FILE).read_bytes()
        address = msgspec.convert(json.loads(text), _Address)
    except (FileNotFoundError, ValueError, msgspec.ValidationError):
        return None
    try:
        os.kill(address.pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass  # it lives, under another user
    return address


def open_beside(target: Path | str) -> Reader:
    """Open a store for reading without ever holding its folder, which others need.

    Raises:
        StoreError: the server does not answer, or no process serves the folder now.
    """
    if not is_address(str(target)):
        address = _address(Path(target).resolve())
        if address is None:
            raise StoreError(f"no process serves the store in {target}; `perptape up` does")
        target = f"http://{address.host}:{address.port}"
    return open_reader(target)
