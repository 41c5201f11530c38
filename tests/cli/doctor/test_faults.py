"""The doctor over what a short run left: all is well, and each fault that is put in is named."""

import json
import shutil
from pathlib import Path

import msgspec
import pytest

from runtime.bus.embedded import EmbeddedBus
from runtime.bus.protocol import Outgoing
from runtime.cli.doctor import machine
from runtime.cli.doctor.findings import Finding, State
from runtime.cli.doctor.run import examine
from runtime.clock import SystemClock
from runtime.settings import Settings, load_settings
from schemas.ops import DeadLetter, QualityEvent, QualityKind
from schemas.topics import DEADLETTER, FOOTPRINTS, QUALITY, TRADES
from schemas.units import US_PER_MINUTE, US_PER_SECOND
from sinks.clickhouse.client import open_store
from tests.cli.program import run
from tests.sinks.clickhouse.published import put
from tests.sinks.clickhouse.records import bar, price_rows

Found = dict[str, Finding]


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with what a run of some seconds left."""
    folder = tmp_path_factory.mktemp("left")
    words = ("--venues", "simulated", "--assets", "BTC", "--http-port", "0", "--seconds", "4")
    done = run(folder, "up", *words)
    assert done.returncode == 0, done.stderr
    return folder


def told(folder: Path, **more: object) -> Settings:
    data = {name: folder / "data" / name for name in ("log", "spool", "store")}
    return load_settings(**{**data, **more})


async def look(settings: Settings) -> Found:
    return {one.name: one for one in await examine(settings, SystemClock().now_us())}


def wrong(found: Found) -> set[str]:
    return {name for name, one in found.items() if one.state is State.WRONG}


@pytest.fixture
def copied_log(left: Path, tmp_path: Path) -> Path:
    """Return a copy of the log that may be spoiled."""
    shutil.copytree(left / "data" / "log", tmp_path / "log")
    return tmp_path / "log"


async def test_what_a_run_left_is_well_though_nothing_runs(left: Path) -> None:
    found = await look(told(left))
    assert not wrong(found)
    assert found["processes"].sees.startswith("nothing is running; newest record ")
    assert {"feed binance", "feed bybit", "feed hyperliquid", "feed okx"} <= found.keys()
    for name in ("log", "input", "reader processors", "reader sink.clickhouse", "snapshots"):
        assert found[name].state is State.OK, found[name]
    for name in ("store", "migrations", "parts", "rows", "gaps", "books", "conservation"):
        assert found[name].state is State.OK, found[name]


async def test_nothing_that_was_never_made_is_wrong(tmp_path: Path) -> None:
    found = await look(told(tmp_path))
    assert not wrong(found)
    for name in ("log", "store"):
        assert "never made" in found[name].sees
        assert "perptape up" in found[name].do
    assert not (tmp_path / "data").exists()


async def test_a_dead_letter_is_found(tmp_path: Path, copied_log: Path) -> None:
    letter = DeadLetter(
        origin="okx/okx.perp", reason="malformed_json", detail="", receive_time_us=0,
        size_bytes=1, payload="",
    )  # fmt: skip
    async with await EmbeddedBus.open(copied_log) as bus:
        await bus.send([Outgoing(DEADLETTER.name, b"okx", msgspec.json.encode(letter), 0)])
    found = await look(told(tmp_path, log=copied_log))
    assert wrong(found) == {"dead letters"}
    assert "1 malformed_json" in found["dead letters"].sees
    assert "deadletter list" in found["dead letters"].do


async def test_a_worker_that_is_far_behind_is_found(tmp_path: Path, copied_log: Path) -> None:
    before_s = SystemClock().now_us() // US_PER_SECOND - 300
    async with await EmbeddedBus.open(copied_log, clock=lambda: before_s) as bus:
        await bus.send([Outgoing(TRADES.name, b"", b"{}", 1, 0)] * 5_001)
    found = await look(told(tmp_path, log=copied_log))
    assert "reader processors" in wrong(found)
    assert "partition 0: 5,001" in found["reader processors"].sees
    assert "another worker" in found["reader processors"].do


async def test_a_disk_without_room_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "DISK_FREE_BYTES", 1 << 62)
    found = await look(told(tmp_path))
    assert wrong(found) == {"disk"}
    assert "spool and log and store" in found["disk"].do


async def test_a_log_that_does_not_answer_is_found(tmp_path: Path) -> None:
    found = await look(told(tmp_path, bus="kafka://127.0.0.1:9"))
    assert wrong(found) == {"log"}
    assert "127.0.0.1:9" in found["log"].sees


async def test_gaps_broken_bars_and_a_missing_migration_are_found(left: Path) -> None:
    settings = told(left)
    now_us = SystemClock().now_us()
    gap = QualityEvent(
        kind=QualityKind.GAP_PERMANENT, venue="okx", symbol="BTC-USDT-PERP", asset="BTC",
        stream="trades", session="s", from_us=now_us, to_us=now_us, count=1, detail="lost",
        log_time_us=now_us,
    )  # fmt: skip
    start_us = now_us - now_us % US_PER_MINUTE - 30 * US_PER_MINUTE
    spoiled = bar(
        "SPOILED", price_rows(), is_final=True, delta_lots=10**6,
        bar_start_us=start_us, bar_end_us=start_us + US_PER_MINUTE,
    )  # fmt: skip
    store = open_store(settings.store)
    try:
        await put(
            store,
            QUALITY,
            *(msgspec.structs.replace(gap, log_time_us=now_us + number) for number in range(4)),
        )
        await put(store, FOOTPRINTS, spoiled)
        store.command(
            "ALTER TABLE perptape.schema_migrations DELETE WHERE name = '0021_alerts.sql' "
            "SETTINGS mutations_sync = 1"
        )
    finally:
        store.close()

    done = run(left, "doctor", "--json")

    assert done.returncode == 1, done.stderr
    found = {one["name"]: one for one in json.loads(done.stdout)}
    assert {name for name, one in found.items() if one["state"] == "wrong"} == {
        "gaps",
        "conservation",
        "migrations",
    }
    assert "okx 4 in an hour (4 in 15 min)" in found["gaps"]["sees"]
    assert "SPOILED" in found["conservation"]["sees"]
    assert "not applied: 0021_alerts.sql" in found["migrations"]["sees"]
    assert "perptape migrate" in found["migrations"]["do"]
