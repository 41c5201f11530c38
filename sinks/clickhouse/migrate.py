"""Bring a store's tables and views to this program's version."""

from collections.abc import Sequence

from runtime.errors import ConfigurationError
from schemas.migrations import Migration, load
from sinks.clickhouse.client import DATABASE, QueryError, Store
from sinks.clickhouse.cluster import (
    clustered,
    clustered_bookkeeping,
    clustered_database,
    layout_of,
)
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


_LAYOUT = f"""
SELECT comment FROM system.tables WHERE database = '{DATABASE}' AND name = 'schema_migrations'
"""  # noqa: S608  # our own

# chDB's default database is an overlay without refreshable views: name the engine.
_MAKE_DATABASE = f"CREATE DATABASE IF NOT EXISTS {DATABASE} ENGINE = Atomic"


def apply(
    store: Store, migrations: Sequence[Migration] | None = None, *, cluster: str = ""
) -> list[str]:
    """Apply what is missing and return the names of the files that were applied.

    Afterwards unqualified names are looked up in the database `perptape`. Safe to repeat, and to
    repeat after it broke off; one process at a time.

    Args:
        store: connected; of a cluster, any of its servers, and the same one each time.
        migrations: the files, by default all.
        cluster: its name, where the tables are to be on all servers of one.

    Raises:
        ConfigurationError: an applied file has changed, the store knows one that we do not, or it
            is of a cluster and none is named, or the other way round.
        StoreError: the store is away or refuses a statement.
    """
    wanted = load() if migrations is None else list(migrations)
    try:
        missing = _missing(store, wanted)
    except QueryError:  # there is nothing yet; where all is there, no right to make it is needed
        store.command(clustered_database(cluster) if cluster else _MAKE_DATABASE)
        made = clustered_bookkeeping(_BOOKKEEPING, cluster) if cluster else _BOOKKEEPING
        store.command(made)
        missing = _missing(store, wanted)
    store.use(DATABASE)
    if missing:
        _refuse_other_layout(store, cluster)
    for migration in missing:
        for statement in _statements(migration, cluster):
            store.command(statement)
        _remember(store, migration)
    return [migration.name for migration in missing]


def _statements(migration: Migration, cluster: str) -> list[str]:
    if not cluster:
        return list(migration.steps)
    return [one for step in migration.steps for one in clustered(step, cluster)]


def _refuse_other_layout(store: Store, cluster: str) -> None:
    """Do not make a table of one server in a cluster, where the others would lack it."""
    found = store.query(_LAYOUT).rows
    made_for = str(found[0][0]) if found else ""
    if made_for == layout_of(cluster):
        return
    if made_for:
        raise ConfigurationError(
            f"tables are missing in the store, which is of {made_for}: "
            "run `perptape migrate --cluster` with that name"
        )
    raise ConfigurationError(
        f"the store is of a single server, and does not become one of the cluster {cluster}: "
        "fill one that has no database perptape"
    )


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
