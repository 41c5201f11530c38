"""What a log and its store hold in the end, as hashes that two runs can be compared by.

    python -m tests.kafka.finals store BUS STORE

stores what the log still has for the store and prints the hashes of its views; a process of its
own, because the embedded engine admits one folder per process.

`EXACT` compares everything but the log's epoch and the places of outputs: right where two runs had
the same input at the same offsets. `VALUES` compares what is promised where input records came
twice: every value of every identity; which of the records led to it, and that trades came again, is
left out.
"""

import asyncio
import hashlib
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from runtime.bus.protocol import Bus, Record
from runtime.cli.parts import open_bus
from runtime.log import configure_logging
from runtime.settings import load_settings
from schemas.cvd import CvdStep
from schemas.footprints import FootprintBar
from schemas.lineage import OFFSET_BITS, DerivedHeader
from schemas.ops import DeadLetter, QualityEvent, QualityKind
from schemas.topics import CVD, DEADLETTER, FOOTPRINTS, QUALITY, TOPICS
from sinks.clickhouse.access import Reader, open_reader
from sinks.clickhouse.client import open_store
from sinks.clickhouse.migrate import apply
from sinks.clickhouse.sink import ClickHouseSink

ROOT = Path(__file__).parents[2]
SILENT_SECONDS = 60.0
STORE_SECONDS = 600.0
Identity = tuple[Any, ...]


class Kind(Enum):
    """How much must be equal."""

    EXACT = "exact"
    VALUES = "values"


EXACT, VALUES = Kind.EXACT, Kind.VALUES

VIEWS: Mapping[str, dict[Kind, tuple[str, str]]] = {
    "trades": {EXACT: ("*", ""), VALUES: ("* EXCEPT (log_partition, log_offset)", "")},
    "footprints": {
        EXACT: ("* EXCEPT (log_partition, log_offset) REPLACE (REVISION)", ""),
        VALUES: (
            "* EXCEPT (log_partition, log_offset, revision, inputs_topic, inputs_partition,"
            " inputs_first_offset, inputs_last_offset)",
            "",
        ),
    },
    "footprint_bars": {EXACT: ("* REPLACE (REVISION)", ""), VALUES: ("* EXCEPT (revision)", "")},
    "footprint_rows": {EXACT: ("* REPLACE (REVISION)", ""), VALUES: ("* EXCEPT (revision)", "")},
    "cvd": {EXACT: ("* REPLACE (REVISION)", ""), VALUES: ("* EXCEPT (revision)", "")},
    "cvd_adjustments": {EXACT: ("* REPLACE (REVISION)", ""), VALUES: ("* EXCEPT (revision)", "")},
    "instruments": {EXACT: ("*", ""), VALUES: ("*", "")},
    "quality": {EXACT: ("*", ""), VALUES: ("*", "WHERE kind != 'duplicate'")},
    "feed_summaries": {EXACT: ("*", ""), VALUES: ("*", "")},
}
"""What is compared of each view, and which rows of it."""

_REVISION = f"bitAnd(revision, {(1 << OFFSET_BITS) - 1}) AS revision"


def columns_of(view: str, kind: Kind) -> tuple[str, str]:
    """Return what to select of a view, and the condition."""
    columns, condition = VIEWS[view][kind]
    return columns.replace("REVISION", _REVISION), condition


Hashes = dict[str, str]
Records = dict[Identity, bytes]


@dataclass(frozen=True, slots=True)
class Finals:
    """What a log and its store hold in the end.

    `topics` has the final records of every output topic by identity, `tables` a hash of every view
    where there is a store; `repeated` counts the records that came again, with the same identity,
    revision and bytes.
    """

    topics: Mapping[Kind, Mapping[str, Records]]
    records: Counter[str]
    repeated: Counter[str]
    store: Path | None
    tables: Mapping[Kind, Hashes]
    rows: Mapping[str, int]

    def hashes(self, kind: Kind) -> Hashes:
        """Return a hash of every topic and view."""
        topics = {topic: _hash(finals) for topic, finals in self.topics[kind].items()}
        return topics | self.tables.get(kind, {})


async def read_finals(
    bus: Bus, name: str, store: Path | None, environment: Mapping[str, str] | None = None
) -> Finals:
    """Read every output topic, have the rest of the log stored and read every view.

    Args:
        bus: the log.
        name: its address or folder.
        store: folder of the store; None reads topics only.
        environment: what the process that opens log and store is told.
    """
    records: Counter[str] = Counter()
    repeated: Counter[str] = Counter()
    topics: dict[Kind, dict[str, Records]] = {kind: {} for kind in Kind}
    for topic in _TAKE:
        values = [record.value or b"" for record in await read_all(bus, topic)]
        for kind in Kind:
            topics[kind][topic], again = _finals_of(topic, values, kind)
        records[topic], repeated[topic] = len(values), again
    if store is None:
        return Finals(topics, records, repeated, None, {}, {})
    tables = await asyncio.to_thread(_read_tables, name, store, environment or {})
    return Finals(
        topics,
        records,
        repeated,
        store,
        {kind: {v: row[1] for v, row in tables[kind.value].items()} for kind in Kind},
        {view: row[0] for view, row in tables[EXACT.value].items()},
    )


def assert_equal(found: Finals, wanted: Finals, kind: Kind) -> None:
    """Assert that two runs end the same, as far as both were looked at; say where they do not."""
    mine, theirs = found.hashes(kind), wanted.hashes(kind)
    differ = [name for name in mine if mine[name] != theirs[name]]
    assert not differ, "\n".join(_difference(name, found, wanted, kind) for name in differ)


def _difference(name: str, found: Finals, wanted: Finals, kind: Kind) -> str:
    if name in VIEWS:
        columns, condition = columns_of(name, kind)
        sql = f"SELECT formatRow('JSONEachRow', {columns}) AS line FROM {name} {condition}"
        mine, theirs = (set(_run("rows", str(one.store), sql)) for one in (found, wanted))
    else:
        mine, theirs = (
            {f"{key}: {value.decode()}" for key, value in one.topics[kind][name].items()}
            for one in (found, wanted)
        )
    only = [sorted(mine - theirs), sorted(theirs - mine)]
    shown = [[line[:700] for line in lines[:2]] for lines in only]
    return f"{name}: {len(only[0])} of ours, {len(only[1])} of theirs differ: {shown}"


def _hash(finals: Records) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for identity in sorted(finals, key=repr):
        digest.update(repr(identity).encode())
        digest.update(finals[identity])
    return digest.hexdigest()


# --- topics


async def read_all(bus: Bus, topic: str) -> list[Record]:
    """Return every record that a topic has."""
    ends = await bus.end_offsets(topic)
    consumer = await bus.consumer([topic], partitions=range(TOPICS[topic].partitions))
    records: list[Record] = []
    try:
        while any(consumer.position(topic, number) < end for number, end in enumerate(ends)):
            more = await consumer.poll(2_000, SILENT_SECONDS)
            assert more, f"nothing more comes from {topic} before its end"
            records += more
    finally:
        await consumer.close()
    return records


def _finals_of(topic: str, values: Sequence[bytes], kind: Kind) -> tuple[Records, int]:
    """Return the newest final record of each identity, and how many records came again.

    Records of one identity and revision must be the same bytes.
    """
    seen: dict[Identity, bytes] = {}
    newest: dict[Identity, int] = {}
    finals: Records = {}
    repeated = 0
    for value in values:
        identity, revision, content = _TAKE[topic](value, kind)
        name = (*identity, revision)
        repeated += name in seen
        assert seen.setdefault(name, value) == value, (
            f"{topic}: two records of {name}: {value[:3000]!r} and {seen[name][:3000]!r}"
        )
        if content is not None and revision >= newest.get(identity, -1):
            newest[identity] = revision
            finals[identity] = content
    return finals, repeated


Taken = tuple[Identity, int, bytes | None]
"""Identity, revision, and what is compared of a record: None where it is not final."""


def _take_bar(value: bytes, kind: Kind) -> Taken:
    bar = msgspec.json.decode(value, type=FootprintBar)
    identity = (
        *(bar.asset, bar.scope.value, bar.venue, bar.symbol),
        *(bar.interval_seconds, bar.row_size, bar.bar_start_us),
    )
    return identity, bar.revision, _content(bar, kind) if bar.is_final else None


def _take_step(value: bytes, kind: Kind) -> Taken:
    step = msgspec.json.decode(value, type=CvdStep)
    identity = (step.asset, step.step_start_us)
    return identity, step.revision, _content(step, kind) if step.is_final else None


def _content(record: FootprintBar | CvdStep | DerivedHeader, kind: Kind) -> bytes:
    if kind is VALUES:
        same = msgspec.structs.replace(record, revision=0, inputs=[])
    else:
        same = msgspec.structs.replace(record, revision=record.revision % (1 << OFFSET_BITS))
    return msgspec.json.encode(same)


def _take_derived(value: bytes, kind: Kind, record: type[DerivedHeader]) -> Taken:
    """Take a record of the toolkit: it is made once, so that all of it is its identity."""
    derived = msgspec.json.decode(value, type=record)
    content = _content(derived, kind)
    return (derived.asset, content), 0, content if derived.is_final else None


def _take_event(value: bytes, kind: Kind) -> Taken:
    event = msgspec.json.decode(value, type=QualityEvent)
    left_out = kind is VALUES and event.kind is QualityKind.DUPLICATE
    return (value,), 0, None if left_out else value


def _take_letter(value: bytes, kind: Kind) -> Taken:
    letter = msgspec.json.decode(value, type=DeadLetter)
    return (letter.origin, letter.reason), 0, value


_TAKE: Mapping[str, Callable[[bytes, Kind], Taken]] = {
    FOOTPRINTS.name: _take_bar,
    CVD.name: _take_step,
    QUALITY.name: _take_event,
    DEADLETTER.name: _take_letter,
    **{
        topic.name: partial(_take_derived, record=topic.record)
        for topic in TOPICS.values()
        if issubclass(topic.record, DerivedHeader)
    },
}


# --- tables


def _read_tables(
    bus: str, store: Path, environment: Mapping[str, str]
) -> dict[str, dict[str, tuple[int, str]]]:
    (line,) = _run("store", bus, str(store), environment=environment)
    found: dict[str, dict[str, tuple[int, str]]] = json.loads(line)
    return found


def _run(*arguments: str, environment: Mapping[str, str] | None = None) -> list[str]:
    """Run this module and return the lines that it prints."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.kafka.finals", *arguments],
        cwd=ROOT,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        timeout=STORE_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.splitlines()


def _main(what: str, *arguments: str) -> None:
    configure_logging("warning")  # to standard error
    if what == "rows":
        store, sql = arguments
        with closing(open_reader(Path(store))) as reader:
            lines = [str(line).strip() for (line,) in reader.query(sql).rows]
    else:
        bus, store = arguments
        asyncio.run(_store(bus, Path(store)))
        with closing(open_reader(Path(store))) as reader:
            hashes = {
                kind.value: {view: _ask(reader, view, kind) for view in VIEWS} for kind in Kind
            }
        lines = [json.dumps(hashes)]
    sys.stdout.write("\n".join(lines))


async def _store(bus_name: str, store: Path) -> None:
    """Store what the log has and the store has not."""
    given = {"bus": bus_name} if "://" in bus_name else {"log": Path(bus_name)}
    target = open_store(store)
    try:
        apply(target)
        async with open_bus(load_settings(**given)) as bus:
            await ClickHouseSink(bus, target).drain()
    finally:
        target.close()


def _ask(reader: Reader, view: str, kind: Kind) -> tuple[int, str]:
    """Return how many rows a view has, and a hash that does not depend on their order."""
    columns, condition = columns_of(view, kind)
    sql = (
        "SELECT count() AS rows, concat(hex(groupBitXor(sipHash64(line))), '-',"
        " hex(sum(cityHash64(line)))) AS hash FROM"
        f" (SELECT formatRow('RowBinary', {columns}) AS line FROM {view} {condition})"
    )
    ((rows, hashed),) = reader.query(sql).rows
    return rows, hashed


if __name__ == "__main__":
    _main(*sys.argv[1:])
