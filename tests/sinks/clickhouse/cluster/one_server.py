"""The engine as the only server of a cluster, with what it has no part for left out.

The embedded engine has Distributed tables, but no queue of statements for `ON CLUSTER`, no Keeper
and nobody to replicate to: `ON CLUSTER` goes, and a replicated table is made as a plain one. The
cluster `twice` has the same server as two shards: nothing can be told apart in it, but what the
engine refuses of several shards is refused of these.
"""

import re
from pathlib import Path
from typing import Any

import clickhouse_connect

from runtime.errors import StoreError
from sinks.clickhouse.client import Store

ONCE, TWICE = "once", "twice"

_SHARD = (
    "<shard><internal_replication>true</internal_replication>"
    "<replica><host>127.0.0.1</host><port>9000</port></replica></shard>"
)
_CONFIG = f"""
<clickhouse>
  <tcp_port>9000</tcp_port>
  <remote_servers><{ONCE}>{_SHARD}</{ONCE}><{TWICE}>{_SHARD}{_SHARD}</{TWICE}></remote_servers>
  <macros><shard>01</shard><replica>a</replica></macros>
</clickhouse>
"""
_ON_CLUSTER = re.compile(r" ON CLUSTER '\w+'")
_REPLICATED = re.compile(r"\bReplicated(\w*MergeTree)\('[^']*', '[^']*'(?:, )?")


class OneServer(Store):
    """A store whose statements for every server go to the one that there is."""

    def __init__(self, folder: Path) -> None:
        config = folder / "config.xml"
        config.write_text(_CONFIG)
        path = folder / "store"
        path.mkdir()
        client = clickhouse_connect.get_client(
            interface="chdb", path=f"{path}?config-file={config}", tz_mode="aware"
        )
        super().__init__(client, path)

    def command(self, sql: str, parameters: dict[str, Any] | None = None) -> None:
        plain = _REPLICATED.sub(r"\1(", without_cluster(sql))
        plain = plain.replace(" replicated_deduplication", " non_replicated_deduplication")
        super().command(plain, parameters)

    def refusal_of(self, sql: str) -> str:
        """Return how the engine refuses a statement that is otherwise as it was written."""
        try:
            super().command(without_cluster(sql))
        except StoreError as error:
            return str(error)
        return ""


def without_cluster(sql: str) -> str:
    plain, count = _ON_CLUSTER.subn("", sql)
    assert count <= 1
    return plain
