"""The schema on a ClickHouse cluster: what one statement of a migration becomes there. Pure.

The files stay as they are for one server. A table `x_log` becomes `x_log_local`, replicated within
its shard, and `x_log` a Distributed table over the local ones, so that whatever reads or writes
`x_log` is the same program and the same views. Each shard knows blocks again by their tokens, as
many as one server does.

- **Sharding**: FINAL replaces within a shard, so all rows of one key have to be on one. Rows go by
  the hash of their asset, which also keeps together what views join; tables whose key has no asset
  go by a part of their key. Nothing moves when a shard is added: an asset whose hash then leads
  elsewhere has its old rows twice if they are sent again.
- **Paths in Keeper** are made of the table's name, not of `{uuid}`: a statement that is repeated
  because one server failed would give that server another identifier, and so a replica set of its
  own, without a word. The price is that a dropped table is made anew only after `DROP ... SYNC`.
- **Bookkeeping** is one replica set over all servers, whatever their shard.

Every server needs the macros `shard` and `replica`, and every shard `internal_replication`.

Tried on the embedded engine 26.9, not on a cluster: its parser reads every statement, it takes
every replicated table up to asking for Keeper, and the sink, views and tokens work over Distributed
tables of one shard. `ON CLUSTER`, several shards and replicas were not there to be tried.
"""

import re

from runtime.errors import ConfigurationError
from sinks.clickhouse.client import DATABASE

LOCAL = "_local"

_CREATE_TABLE = re.compile(
    r"CREATE TABLE IF NOT EXISTS (?P<table>\w+_log)\n"
    r"(?P<columns>\(\n.*?\n\))\n"
    r"ENGINE = (?P<engine>\w*MergeTree)(?:\((?P<arguments>[^()]*)\))?\n"
    r"(?P<rest>.*)",
    re.DOTALL,
)
_CREATE_VIEW = re.compile(r"CREATE OR REPLACE VIEW (?P<view>\w+) AS\s(?P<query>.*)", re.DOTALL)
_ALTER_COLUMNS = re.compile(
    r"ALTER TABLE (?P<table>\w+_log)\s(?P<changes>\s*(?:ADD|MODIFY|DROP|RENAME) COLUMN\b.*)",
    re.DOTALL,
)
_OTHER_CHANGE = re.compile(r"\b(?:ADD|MODIFY|DROP|CLEAR|MATERIALIZE)\s+(?!COLUMN\b)[A-Z]+\b")
_KEY = re.compile(r"^ORDER BY \((.*)\)$", re.MULTILINE)
_CLUSTER = re.compile(r"[\w.-]+|\{\w+\}", re.ASCII)

_TABLES_PATH = "/clickhouse/tables/{database}/{table}"
_SHARDED_BY = {
    "backfills_log": "cityHash64(file)",
    "instruments_log": "cityHash64(venue, symbol)",
    "sink_positions_log": "cityHash64(topic)",
}
"""Tables whose key has no asset."""


def clustered(statement: str, cluster: str) -> list[str]:
    """Return the statements that do on a cluster what one does on a server, in order.

    Args:
        statement: a step of a migration.
        cluster: its name in the servers' configuration, or a macro that stands for it in braces.

    Raises:
        ConfigurationError: there is no rule for such a statement, or that is no name.
    """
    check_cluster(cluster)
    if found := _CREATE_TABLE.fullmatch(statement):
        return _tables(found, cluster)
    if found := _CREATE_VIEW.fullmatch(statement):
        return [
            f"CREATE OR REPLACE VIEW {found['view']} ON CLUSTER '{cluster}' AS\n{found['query']}"
        ]
    if (found := _ALTER_COLUMNS.fullmatch(statement)) and not _OTHER_CHANGE.search(statement):
        return [
            f"ALTER TABLE {table} ON CLUSTER '{cluster}' {found['changes'].strip()}"
            for table in (found["table"] + LOCAL, found["table"])
        ]
    raise ConfigurationError(f"there is no rule for a cluster: {' '.join(statement.split())[:80]}")


def clustered_database(cluster: str) -> str:
    """Return the statement that makes the database on every server.

    Raises:
        ConfigurationError: that is no name of a cluster.
    """
    check_cluster(cluster)
    return f"CREATE DATABASE IF NOT EXISTS {DATABASE} ON CLUSTER '{cluster}' ENGINE = Atomic"


def clustered_bookkeeping(statement: str, cluster: str) -> str:
    """Return the statement that makes the table of applied files, the same on every server.

    Its comment says for which cluster, so that nobody adds a table to a single server of it.

    Raises:
        ConfigurationError: that is no name of a cluster, or not such a statement.
    """
    check_cluster(cluster)
    head, columns, rest = statement.strip().partition("\n(")
    replicated = _replicated("ReplacingMergeTree", "", "all", "{shard}-{replica}")
    rest, count = re.subn(r"\bReplacingMergeTree\b", lambda _: replicated, columns + rest)
    if not count:
        raise ConfigurationError("there is no rule for a cluster: the table of applied files")
    return f"{head} ON CLUSTER '{cluster}'{rest}\nCOMMENT '{layout_of(cluster)}'"


def layout_of(cluster: str) -> str:
    """Return what the table of applied files says of where the tables are; nothing for a server."""
    return f"the cluster {cluster}" if cluster else ""


def check_cluster(name: str) -> None:
    """Let a name pass that can stand in a statement.

    Raises:
        ConfigurationError: it is empty, or has other signs.
    """
    if not _CLUSTER.fullmatch(name):
        raise ConfigurationError(f"{name!r} is not the name of a cluster")


def _tables(found: re.Match[str], cluster: str) -> list[str]:
    table, rest = found["table"], found["rest"]
    window = "non_replicated_deduplication_window"
    if window not in rest:
        raise ConfigurationError(f"{table} does not say how many blocks it knows again")
    engine = _replicated(found["engine"], found["arguments"] or "", "{shard}", "{replica}")
    local = (
        f"CREATE TABLE IF NOT EXISTS {table}{LOCAL} ON CLUSTER '{cluster}'\n{found['columns']}\n"
        f"ENGINE = {engine}\n{rest.replace(window, 'replicated_deduplication_window')}"
    )
    shards = f"'{cluster}', '{DATABASE}', '{table}{LOCAL}', {_sharding(table, rest)}"
    whole = (
        f"CREATE TABLE IF NOT EXISTS {table} ON CLUSTER '{cluster}' AS {DATABASE}.{table}{LOCAL}\n"
        f"ENGINE = Distributed({shards})"
    )
    return [local, whole]


def _replicated(engine: str, arguments: str, shard: str, replica: str) -> str:
    given = [f"'{_TABLES_PATH}/{shard}'", f"'{replica}'", *([arguments] if arguments else [])]
    return f"Replicated{engine}({', '.join(given)})"


def _sharding(table: str, rest: str) -> str:
    """Return what rows are spread by: all rows of a key give the same number."""
    key = _KEY.search(rest)
    if key is not None and "asset" in key[1].split(", "):
        return "cityHash64(asset)"
    if table in _SHARDED_BY:
        return _SHARDED_BY[table]
    raise ConfigurationError(
        f"{table} has no asset in its key: say in cluster.py how it is sharded"
    )
