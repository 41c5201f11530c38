"""How far the sink had come in the log, noted in the store just before a backup of it.

What the sink has committed is in the tables. So a restored store holds, beside its rows, offsets
that nothing of it lies behind: reading on there loses nothing, and what comes twice replaces
itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from runtime.bus.protocol import TopicPartition
from sinks.clickhouse.client import DATABASE, QueryError, Store
from sinks.clickhouse.native import block, column
from sinks.clickhouse.rows import TEXT, TIME

TABLE = "sink_positions_log"
_NOTED = f"""
SELECT topic, partition, next_offset, epoch, toUnixTimestamp64Micro(noted_time)
FROM {DATABASE}.{TABLE} FINAL
WHERE revision = (SELECT max(revision) FROM {DATABASE}.{TABLE})
"""  # noqa: S608  # our own
_TYPES = {
    "topic": TEXT,
    "partition": "UInt32",
    "revision": "UInt64",
    "epoch": "UInt64",
    "next_offset": "Int64",
    "noted_time": TIME,
}


@dataclass(frozen=True, slots=True)
class Positions:
    """Next offsets by topic partition of the log of one epoch, as they were at a time."""

    epoch: int
    noted_us: int
    offsets: Mapping[TopicPartition, int]


def note(store: Store, positions: Positions) -> None:
    """Write positions into the store; those noted later replace them.

    Raises:
        StoreError: not written.
    """
    count, us = len(positions.offsets), positions.noted_us
    if not count:
        return
    values: dict[str, list[object]] = {
        "topic": [topic for topic, _ in positions.offsets],
        "partition": [partition for _, partition in positions.offsets],
        "revision": [us] * count,
        "epoch": [positions.epoch] * count,
        "next_offset": list(positions.offsets.values()),
        "noted_time": [us] * count,
    }
    columns = [column(name, type_, values[name]) for name, type_ in _TYPES.items()]
    store.insert(TABLE, list(_TYPES), block(columns, count), f"{TABLE}/{us}")


def noted(store: Store) -> Positions | None:
    """Return the positions that were noted last, None where there are none.

    Raises:
        StoreError: the store is away.
    """
    try:
        rows = store.query(_NOTED).rows
    except QueryError:  # a store from before the table was there
        return None
    if not rows:
        return None
    offsets = {(str(topic), int(number)): int(offset) for topic, number, offset, _, _ in rows}
    return Positions(int(rows[0][3]), int(rows[0][4]), offsets)
