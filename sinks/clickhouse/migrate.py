"""Bring a store's tables and views to this program's version."""

from collections.abc import Sequence

from runtime.errors import ConfigurationError
from schemas.migrations import Migration, load
from sinks.clickhouse.client import DATABASE, QueryError, Store
from sinks.clickhouse.native import block, column

_BOOKKEEPING = f"""
CREATE TABLE IF NOT EXISTS {DATABASE}.schema_migrations
(
    name String,
    checksum String,
    applied_time DateTime('UTC') DEFAULT now('UTC')
)
ENGINE = ReplacingMergeTree
ORDER BY name
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
"""


def apply(store: Store, migrations: Sequence[Migration] | None = None) -> list[str]:
    """Apply what is missing and return the names of the files that were applied.

    Afterwards unqualified names are looked up in the database `perptape`. Safe to repeat, and to
    repeat after it broke off.

    Raises:
        ConfigurationError: an applied file has changed, or the store knows one that we do not.
        StoreError: the store is away or refuses a statement.
    """
    wanted = load() if migrations is None else list(migrations)
    try:
        missing = _missing(store, wanted)
    except QueryError:  # there is nothing yet; where all is there, no right to make it is needed
        # chDB's default database is an overlay without refreshable views: name the engine.
        store.command(f"CREATE DATABASE IF NOT EXISTS {DATABASE} ENGINE = Atomic")
        store.command(_BOOKKEEPING)
        missing = _missing(store, wanted)
    store.use(DATABASE)
    for migration in missing:
        for step in migration.steps:
            store.command(step)
        _remember(store, migration)
    return [migration.name for migration in missing]


def _remember(store: Store, migration: Migration) -> None:
    columns = [
        column("name", "String", [migration.name]),
        column("checksum", "String", [migration.checksum]),
    ]
    names = [item.name for item in columns]
    store.insert("schema_migrations", names, block(columns, 1), token=migration.name)


def _missing(store: Store, wanted: Sequence[Migration]) -> list[Migration]:
    sql = f"SELECT name, checksum FROM {DATABASE}.schema_migrations FINAL"  # noqa: S608  # our own
    rows = store.query(sql).rows
    applied = {str(name): str(checksum) for name, checksum in rows}
    unknown = sorted(applied.keys() - {migration.name for migration in wanted})
    if unknown:
        raise ConfigurationError(
            f"the store has the migration {unknown[0]}, which this perptape does not know: "
            "use the newer version that made it"
        )
    for migration in wanted:
        if applied.get(migration.name, migration.checksum) != migration.checksum:
            raise ConfigurationError(
                f"the migration {migration.name} was applied to this store with another content; "
                "restore the file, changes belong into a new one"
            )
    return [migration for migration in wanted if migration.name not in applied]
