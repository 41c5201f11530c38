"""The commands of a desk on a real broker, as their users run them, and what they say of it."""

import asyncio
import json
import os
import re
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec

from deploy.kafka import Cluster
from deploy.kafka.ports import free_ports
from runtime.bus.kafka.bus import KafkaBus
from runtime.bus.protocol import Outgoing
from schemas.ops import DeadLetter
from schemas.topics import CVD, DEADLETTER, FOOTPRINTS, TOPICS, TRADES
from schemas.trades import TradeBatch
from sinks.clickhouse.batches import SPLITTERS
from tests.kafka.finals import read_all
from tests.kafka.scrape import scrape, total
from tests.kafka.services import (
    BROKER,
    ENDED,
    INTERRUPTED,
    PROCESSORS,
    PROGRAM,
    ROOT,
    SETTINGS,
    SINK,
    Desk,
    desk,
    environment,
    fresh_topics,
    lag_of,
    until,
    work_off,
)

STAGES = {
    "collect": ("collect", "--venues", "simulated", "--assets", "BTC"),
    "process": ("process",),
    "process plain": ("process", "--host", "plain"),
    "sink": ("sink", "clickhouse"),
}
WORKS = {
    "collect": "perptape_bus_sent_records_total",
    "process": "perptape_processor_held_partitions",
    "process plain": "perptape_processor_held_partitions",
    "sink": "perptape_sink_rows_total",
}
"""What is above zero once a stage works."""

OUTAGE_SECONDS = 5.0
ASSETS = "BTC,ETH"
COLLECTED_SECONDS = 20
BOUND_SECONDS = 90.0
"""Within so much a command gives up on a broker; starting takes some of it on a busy machine."""

POISON = {
    "foreign": b"\x00\x01 not one of ours",
    "truncated": b'{"schema":"trades.v1","venue":"binance","kind":"linear_perp',
    "future": b'{"schema":"trades.v2",',  # completed with the fields of a real record below
}


@dataclass(frozen=True, slots=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    error: str
    seconds: float

    def error_line(self) -> str:
        """Return what it says on standard error, which is one line."""
        lines = [line for line in self.error.splitlines() if not line.startswith("{")]
        assert len(lines) == 1, self.error
        return lines[0]


async def call(folder: Path, told: Mapping[str, str], *arguments: str) -> Done:
    """Run `perptape ARGUMENTS` to its end."""
    started = time.monotonic()
    process = await asyncio.create_subprocess_exec(
        *(*PROGRAM, *arguments),
        cwd=folder,
        env={**os.environ, **told, "PYTHONPATH": str(ROOT), "COLUMNS": "250"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(2 * BOUND_SECONDS):
            out, error = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    seconds = time.monotonic() - started
    return Done(process.returncode, out.decode(), error.decode(), seconds)


async def call_all(
    folder: Path, told: Mapping[str, str], commands: Mapping[str, tuple[str, ...]]
) -> dict[str, Done]:
    """Run commands side by side, each in a folder of its own."""
    folders = [folder / name for name in commands]
    for one in folders:
        one.mkdir(parents=True)
    done = await asyncio.gather(
        *(
            call(one, told, *arguments)
            for one, arguments in zip(folders, commands.values(), strict=True)
        )
    )
    return dict(zip(commands, done, strict=True))


async def test_nobody_starts_where_no_broker_answers(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        mute = silent.getsockname()[1]
        commands = {**STAGES, "lag": ("lag",), "topics": ("topics", "diff")}
        closed, quiet = await asyncio.gather(
            call_all(tmp_path / "closed", environment(f"kafka://127.0.0.1:{port}"), commands),
            call_all(
                tmp_path / "mute",
                environment(f"kafka://127.0.0.1:{mute}"),
                {"sink": STAGES["sink"]},
            ),
        )
    for name, done in {**closed, "mute": quiet["sink"]}.items():
        assert done.code == 1, (name, done)
        assert done.error_line().startswith("perptape: "), name
        assert str(mute if name == "mute" else port) in done.error_line(), name
        assert done.seconds < BOUND_SECONDS, name
        say(f"{name}: gives up after {done.seconds:.1f} s: {done.error_line()}")


async def test_a_desk_from_missing_topics_to_replayed_dead_letters(
    make_kafka: Callable[..., Cluster], tmp_path: Path
) -> None:
    cluster = await asyncio.to_thread(make_kafka, properties=BROKER)
    name = f"kafka://{cluster.bootstrap}"
    told = environment(name)
    await assert_refused_without_topics(tmp_path, told)

    ports = dict(zip(("collect", "process", "sink"), free_ports(3), strict=True))
    async with (
        await KafkaBus.open(name, SETTINGS) as bus,
        desk(tmp_path / "desk", name, supervised=False) as at,
    ):
        simulated = ["--venues", "simulated", "--assets", ASSETS, "--speed", "2"]
        stages = {
            "collect": ["collect", *simulated, "--seconds", str(COLLECTED_SECONDS)],
            "process": ["process"],
            "sink": ["sink", "clickhouse", "--store", str(at.store)],
        }
        for stage, arguments in stages.items():
            at.add(stage, arguments, {"METRICS_PORT": ports[stage]}).start()
        await until(partial(everything_moves, ports), "all stages move", BOUND_SECONDS)
        assert_metrics(ports)
        await poison(bus)
        await until(partial(all_buried, bus), "poison is in the dead letters", BOUND_SECONDS)
        assert await total(ports["sink"], "perptape_sink_deadletters_total") == len(POISON)
        await assert_replayed(bus, tmp_path, told)

        assert await at.services["collect"].wait(BOUND_SECONDS) == 0, at.services["collect"].tail()
        await work_off(bus, [at.services["process"]])
        await finish_sink(bus, at)
        await assert_nothing_lost(bus, at, tmp_path, told)


async def test_what_stages_say_in_an_outage_is_little_and_they_end_in_time(
    make_kafka: Callable[..., Cluster], tmp_path: Path
) -> None:
    cluster = await asyncio.to_thread(make_kafka, properties=BROKER)
    name = await fresh_topics(cluster.bootstrap)
    ports = dict(zip(STAGES, free_ports(len(STAGES)), strict=True))
    hasty = SETTINGS.model_copy(update={"send_timeout_seconds": 6})
    async with desk(tmp_path, name, hasty, supervised=False) as at:
        for stage, arguments in STAGES.items():
            at.add(stage, [*arguments], {"METRICS_PORT": ports[stage]}).start()
        for stage in STAGES:
            await until(partial(total, ports[stage], WORKS[stage]), f"{stage} works")
        cluster.kill(1)
        await asyncio.sleep(OUTAGE_SECONDS)
        for stage in STAGES:
            at.services[stage].send(signal.SIGTERM)
        for stage in STAGES:
            assert await at.services[stage].wait(BOUND_SECONDS) in ENDED
            told = at.services[stage].log.read_text()
            assert "Traceback" not in told, told
            assert '"logger":"aiokafka' not in told, told
            assert len(told.splitlines()) < 20, told


async def assert_refused_without_topics(folder: Path, told: Mapping[str, str]) -> None:
    """Assert that nothing starts without topics, and make them."""
    refused = await call_all(folder / "refused", told, {**STAGES, "diff": ("topics", "diff")})
    missing = refused.pop("diff")
    assert missing.code == 1
    assert missing.out.count("the topic is missing") == len(TOPICS)
    for name, done in refused.items():
        assert done.code == 2, (name, done)
        assert "perptape topics apply" in done.error_line(), name
        assert "missing" in done.error_line(), name
    assert (await call(folder, told, "topics", "apply")).code == 0
    same = await call(folder, told, "topics", "diff")
    assert (same.code, same.out.strip()) == (0, f"{len(TOPICS)} topics are as the registry says")


# --- metrics

EXPORTED: dict[str, dict[str, tuple[str, ...]]] = {
    "collect": {
        "throughput": ("perptape_collector_messages_total", "perptape_collector_trades_total"),
        "sent": ("perptape_bus_sent_records_total", "perptape_bus_send_seconds_count"),
        "lag": ("perptape_collector_venue_to_receive_seconds_count",),
    },
    "process": {
        "throughput": ("perptape_processor_records_total", "perptape_processor_trades_total"),
        "sent": ("perptape_processor_outputs_total", "perptape_bus_sent_records_total"),
        "group": ("perptape_processor_held_partitions", "perptape_processor_rebalances_total"),
        "snapshots": ("perptape_processor_snapshot_seconds_count",),
    },
    "sink": {
        "throughput": ("perptape_sink_rows_total", "perptape_sink_insert_seconds_count"),
    },
}
"""What must be above zero once a stage works."""

QUIET: dict[str, tuple[str, ...]] = {
    "collect": ("perptape_collector_spooled_records", "perptape_collector_dropped_records"),
    "process": (),
    "sink": (),
}
"""What must be there, and zero."""

LAGS = {"process": "perptape_processor_lag_records", "sink": "perptape_sink_lag_records"}
ERRORS = {
    "collect": (
        "perptape_collector_rejected_total",
        "perptape_collector_reconnects_total",
        "perptape_collector_findings_total",
    ),
    "process": (
        "perptape_processor_late_trades_total",
        "perptape_processor_duplicate_trades_total",
    ),
    "sink": ("perptape_sink_insert_failures_total", "perptape_sink_deadletters_total"),
}
"""Counters of what goes wrong: announced from the start, with samples once something has."""


async def everything_moves(ports: Mapping[str, int]) -> bool:
    """Say whether every stage has done something of everything."""
    for stage, groups in EXPORTED.items():
        found = await asyncio.to_thread(scrape, ports[stage])
        for names in groups.values():
            if not all(sum(found.get(name, {}).values()) > 0 for name in names):
                return False
        if stage in LAGS and not found.get(LAGS[stage]):
            return False
    return True


def assert_metrics(ports: Mapping[str, int]) -> None:
    """Assert that lag and errors are exported, with values that can be."""
    for stage, port in ports.items():
        found = scrape(port)
        (build,) = found["perptape_build_info"]
        assert dict(build)["service"] == stage
        assert found["process_cpu_seconds_total"]
        for name in QUIET[stage]:
            assert set(found[name].values()) == {0.0}, name
        for name in ERRORS[stage]:
            assert f"# TYPE {name.removesuffix('_total')}" in announced(port), name
    lags = scrape(ports["process"])[LAGS["process"]]
    assert len(lags) == TRADES.partitions
    # Below zero where work went on between asking for the end and looking at the position.
    assert all(-500 < lag < 2_000 for lag in lags.values()), lags
    lags = scrape(ports["sink"])[LAGS["sink"]]
    assert {dict(labels)["topic"] for labels in lags} >= {FOOTPRINTS.name, CVD.name, TRADES.name}
    assert all(0 <= lag < 5_000 for lag in lags.values()), lags


def announced(port: int) -> str:
    """Return the page of a process as it is."""
    with socket.create_connection(("127.0.0.1", port), timeout=30.0) as connection:
        connection.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        parts = []
        while part := connection.recv(2**16):
            parts.append(part)
    return b"".join(parts).decode()


# --- dead letters


async def poison(bus: KafkaBus) -> None:
    """Send records to the trades that nobody can use."""
    real = next(one.value for one in await read_all(bus, TRADES.name) if one.value)
    future = POISON["future"] + real.split(b",", 1)[1]
    assert json.loads(future)["schema"] == "trades.v2"
    now_us = time.time_ns() // 1000
    for value in (POISON["foreign"], POISON["truncated"], future):
        await bus.send([Outgoing(TRADES.name, b"BTC", value, now_us)])


async def letters(bus: KafkaBus) -> list[DeadLetter]:
    """Return every dead letter."""
    records = await read_all(bus, DEADLETTER.name)
    return [msgspec.json.decode(record.value or b"", type=DeadLetter) for record in records]


async def all_buried(bus: KafkaBus, times: int = 1) -> bool:
    """Say whether both processor and sink have set the poison aside, so many times each."""
    return len(await letters(bus)) >= 2 * len(POISON) * times


async def assert_replayed(bus: KafkaBus, folder: Path, told: Mapping[str, str]) -> None:
    """Assert that dead letters are listed, and can be sent again."""
    found = await letters(bus)
    assert len(found) == 2 * len(POISON), found
    origins = {letter.origin for letter in found}
    assert len(origins) == len(POISON)
    reasons = sorted(letter.reason for letter in found)
    assert reasons == sorted(2 * ["undecodable", "unknown_schema", "unreadable_record"])
    listed = await call(folder, told, "deadletter", "list")
    assert listed.code == 0
    assert all(origin in listed.out for origin in origins)

    again = await call(folder, told, "deadletter", "replay", "--reason", "unreadable_record")
    assert (again.code, again.out.strip()) == (0, "2 sent once more, 0 could not be"), again
    one = await call(folder, told, "deadletter", "replay", "--origin", min(origins))
    assert (one.code, one.out.strip()) == (0, "1 sent once more, 0 could not be"), one
    await until(partial(all_buried, bus, 2), "they are set aside again", BOUND_SECONDS)


# --- the end

COUNTED = """
SELECT sum(trades) FROM footprint_bars
WHERE interval_seconds = 60 AND scope = 'venue'
  AND (asset, row_size) IN (SELECT asset, min(row_size) FROM footprint_bars GROUP BY asset)
"""
ROWS = "SELECT count() FROM trades WHERE order_class NOT IN ('adl', 'insurance', 'block')"


async def finish_sink(bus: KafkaBus, at: Desk) -> None:
    """Stop the sink when it has everything."""

    async def stored() -> bool:
        return await lag_of(bus, SINK) == 0

    await until(stored, "the sink has everything", BOUND_SECONDS)
    assert await at.services["sink"].stop() == INTERRUPTED, at.services["sink"].tail()


async def assert_nothing_lost(
    bus: KafkaBus, at: Desk, folder: Path, told: Mapping[str, str]
) -> None:
    """Assert that no lag is left, and that every trade of the log is in tables and bars once."""
    lag = await call(folder, told, "lag")
    assert lag.code == 0
    rows = re.findall(r"^ *(processors|sink\.clickhouse)\s.*\s([\d,]+)\s*$", lag.out, re.MULTILINE)
    assert len(rows) == 1 + len(SPLITTERS), lag.out
    assert {left for _, left in rows} == {"0"}, lag.out
    assert await lag_of(bus, PROCESSORS) == 0

    identities = set()
    for record in await read_all(bus, TRADES.name):
        try:
            batch = msgspec.json.decode(record.value or b"", type=TradeBatch)
        except msgspec.MsgspecError:
            continue
        if batch.schema == "trades.v1":
            identities |= {(batch.venue, batch.symbol, row[4]) for row in batch.rows}
    sql = f"SELECT (SELECT count() FROM trades) AS trades, ({COUNTED}) AS counted, ({ROWS}) AS rows"
    asked = await call(folder, told, "query", sql, "--format", "json", "--store", str(at.store))
    assert asked.code == 0, asked
    (row,) = json.loads(asked.out)
    assert row == {"trades": len(identities), "counted": row["rows"], "rows": row["rows"]}
    say(f"{len(identities)} trades collected, all of them stored and counted once")


def say(text: str) -> None:
    """Print a figure; shown with `-s`."""
    sys.stdout.write(f"{text}\n")
