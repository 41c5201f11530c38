"""A copy of the whole database that the engine itself makes, and a store made of it.

The engine copies a state of each table that no insert is half in, beside a sink that goes on. An
embedded store is copied into a folder; a server puts it on its disk `backups`, under a name. A
copy with an earlier one as base has only what that one has not; restored, it needs it again, where
it was. Nothing of a store is overwritten: a copy is a new one, and is restored where there is no
database yet.
"""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from runtime.errors import ConfigurationError, StoreError
from sinks.clickhouse.client import DATABASE, QueryError, Store, is_address

DISK = "backups"
"""The disk of a server that copies lie on (`deploy/clickhouse/config.xml`)."""

ALREADY_EXISTS, NOT_FOUND = 598, 599
LOOK_SECONDS = 0.2
_UNDER_WAY = {"CREATING_BACKUP", "RESTORING"}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
LOOKED_AT = "system.backups"
"""The table of the engine that says how a copy stands."""

_STATE = f"""
SELECT toString(status), error, num_files, total_size FROM {LOOKED_AT} WHERE id = {{id:String}}
"""  # noqa: S608  # our own


@dataclass(frozen=True, slots=True)
class Copied:
    """What a copy holds, or what was restored from it: files and bytes (those of its base too)."""

    files: int
    size_bytes: int


class Place:
    """Where copies of a store lie: beside one another in a folder, or on a server's disk.

    Args:
        target: the folder of an embedded store, or a server's address.
        name: of the copy: a folder to be made, or to be read; a plain name with a server.

    Raises:
        ConfigurationError: no such name can be.
    """

    def __init__(self, target: Path | str, name: str) -> None:
        self._on_server = is_address(str(target))
        self.folder = Path() if self._on_server else Path(name).resolve().parent
        self.name = name if self._on_server else Path(name).resolve().name
        if set("'\\") & set(str(self.folder)):
            raise ConfigurationError(f"no quote or backslash in the name of a folder: {name}")

    @property
    def options(self) -> dict[str, str]:
        """What the embedded engine has to be opened with, to read and write there."""
        return {} if self._on_server else {"backups.allowed_path": f"{self.folder}/"}

    def sql(self, name: str | None = None) -> str:
        """Return how the engine is told of this copy, or of another one beside it.

        Raises:
            ConfigurationError: no such name can be.
        """
        wanted = self.name if name is None else name
        if not _NAME.fullmatch(wanted):
            raise ConfigurationError(
                f"a backup is named by letters, digits, '.', '_' and '-', not {wanted!r}"
            )
        if self._on_server:
            return f"Disk('{DISK}', '{wanted}/')"
        return f"File('{self.folder / wanted}/')"


def back_up(
    store: Store,
    place: Place,
    base: str | None = None,
    *,
    sleep: Callable[[float], None] = time.sleep,
) -> Copied:
    """Copy the database; return what the copy holds.

    Args:
        store: with a database.
        place: where nothing is yet.
        base: the name of an earlier copy beside it.
        sleep: waits between two looks at how it stands.

    Raises:
        ConfigurationError: there is such a copy already, or no such base.
        StoreError: it failed; there is no copy.
    """
    since = "" if base is None else f"SETTINGS base_backup = {place.sql(base)}"
    return _run(store, f"BACKUP DATABASE {DATABASE} TO {place.sql()} {since} ASYNC", sleep)


def restore(store: Store, place: Place, *, sleep: Callable[[float], None] = time.sleep) -> Copied:
    """Make the database from a copy; return what was read.

    Raises:
        ConfigurationError: the store has a database already, or there is no such copy.
        StoreError: it failed; what is there of the database is of no use.
    """
    if has_database(store):
        raise ConfigurationError(
            f"there is a database {DATABASE} already: restore into a store that has none "
            "(another folder, or another server)"
        )
    return _run(store, f"RESTORE DATABASE {DATABASE} FROM {place.sql()} ASYNC", sleep)


def has_database(store: Store) -> bool:
    """Say whether there is anything of ours in a store."""
    asked = {"name": DATABASE}
    return bool(
        store.query("SELECT 1 FROM system.databases WHERE name = {name:String}", asked).rows
    )


def _run(store: Store, sql: str, sleep: Callable[[float], None]) -> Copied:
    """Have the engine begin, and wait for its end: a request over HTTP may not take so long."""
    try:
        number = str(store.query(sql).rows[0][0])
    except QueryError as error:
        raise _explained(str(error)) from error
    while True:
        rows = store.query(_STATE, {"id": number}).rows
        if not rows:
            raise StoreError("the engine has forgotten the backup: it was started anew meanwhile")
        state, error_text, files, size_bytes = rows[0]
        if state not in _UNDER_WAY:
            break
        sleep(LOOK_SECONDS)
    if error_text:
        raise _explained(" ".join(str(error_text).partition("Stack trace")[0].split())[:500])
    return Copied(int(files), int(size_bytes))


def _explained(text: str) -> ConfigurationError | StoreError:
    if f"Code: {ALREADY_EXISTS}." in text:
        return ConfigurationError("there is a backup of that name already: choose another one")
    if f"Code: {NOT_FOUND}." in text:
        return ConfigurationError(f"there is no such backup, or it is not whole: {text}")
    return StoreError(text)
