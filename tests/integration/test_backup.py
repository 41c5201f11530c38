"""A store copied, restored elsewhere and brought up to its log: nothing missing or twice."""

import asyncio
import shutil
from dataclasses import dataclass
from functools import partial
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from runtime.bus.embedded import EmbeddedBus
from runtime.cli.backup import run_backup, run_restore
from runtime.cli.rewind import run_rewind
from runtime.errors import ConfigurationError, StoreError
from sinks.clickhouse.batches import SPLITTERS
from sinks.clickhouse.sink import GROUP
from tests.integration.stored import (
    Content,
    content,
    opened,
    said,
    settings_of,
    sink_on,
    views,
    work_off,
)
from tests.sinks.clickhouse.markets import ROUGH

MARKET = ROUGH.but(seconds=130)


def back_up(folder: Path, name: str, base: str | None = None, store: str = "store") -> str:
    where = str(folder / "backups" / name)
    return said(lambda console: run_backup(settings_of(folder, store), console, where, base))


def restore(folder: Path, name: str, store: str) -> str:
    where = str(folder / "backups" / name)
    return said(lambda console: run_restore(settings_of(folder, store), console, where))


def rewind(folder: Path, store: str, since: str | None = None) -> str:
    return said(lambda console: run_rewind(settings_of(folder, store), console, since))


@dataclass(frozen=True)
class Desk:
    """Its folder, and what its store had at the first copy and in the end."""

    folder: Path
    early: Content
    late: Content


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    folder = tmp_path_factory.mktemp("desk")
    batches = MARKET.batches()
    half = len(batches) // 2
    asyncio.run(work_off(folder, batches[:half], folder / "store"))
    assert "in the backup" in back_up(folder, "monday")
    early = content(folder / "store")
    asyncio.run(work_off(folder, batches[half:], folder / "store"))
    back_up(folder, "tuesday", "monday")
    return Desk(folder, early, content(folder / "store"))


def test_a_restored_store_has_every_row_of_every_table_and_answers_every_view(desk: Desk) -> None:
    said_ = restore(desk.folder, "tuesday", "restored")

    assert "restored from" in said_
    assert content(desk.folder / "restored") == desk.late
    assert sum(rows > 0 for rows, _ in desk.late.values()) > 12
    assert views(desk.folder / "restored") == views(desk.folder / "store")


def test_a_copy_on_top_of_another_has_only_what_is_new(desk: Desk) -> None:
    back_up(desk.folder, "whole")
    sizes = {
        name: sum(one.stat().st_size for one in (desk.folder / "backups" / name).rglob("*"))
        for name in ("tuesday", "whole")
    }

    assert sizes["tuesday"] < 0.9 * sizes["whole"]


def test_what_came_after_the_copy_comes_again_and_nothing_twice(desk: Desk) -> None:
    restore(desk.folder, "monday", "older")
    assert content(desk.folder / "older") == desk.early != desk.late
    asyncio.run(sink_on(desk.folder, "older"))
    assert content(desk.folder / "older") == desk.early  # the log says that all is stored

    assert "records are read once more" in rewind(desk.folder, "older")
    asyncio.run(sink_on(desk.folder, "older"))

    assert content(desk.folder / "older") == desk.late


def records(folder: Path) -> int:
    """Count what a sink from the oldest record on has to read."""

    async def count() -> int:
        async with await EmbeddedBus.open(folder / "log") as bus:
            ends = [await bus.end_offsets(topic) for topic in SPLITTERS]
        return sum(map(sum, ends))

    return asyncio.run(count())


def test_a_time_after_everything_sets_nothing_back(desk: Desk) -> None:
    assert rewind(desk.folder, "store", "2099-01-01").startswith("0 records")


def test_no_group_is_set_back_while_somebody_works_in_it(desk: Desk) -> None:
    async def while_working() -> None:
        async with await EmbeddedBus.open(desk.folder / "log") as bus:
            member = await bus.consumer(["md.norm.trades.v1"], group=GROUP)
            before = await member.committed("md.norm.trades.v1", 0)
            with pytest.raises(ConfigurationError, match="somebody works in the group"):
                await run_rewind_quietly(desk.folder)
            assert await member.committed("md.norm.trades.v1", 0) == before
            await member.close()

    asyncio.run(while_working())
    asked = rewind(desk.folder, "store", "2020-01-01")
    assert asked.startswith(f"{records(desk.folder):,} records")


async def run_rewind_quietly(folder: Path) -> None:
    await run_rewind(settings_of(folder), Console(file=StringIO()), "2020-01-01")


def test_nothing_is_overwritten(desk: Desk) -> None:
    with pytest.raises(ConfigurationError, match="there is a backup of that name already"):
        back_up(desk.folder, "monday")
    with pytest.raises(ConfigurationError, match="there is a database perptape already"):
        restore(desk.folder, "monday", "store")
    assert content(desk.folder / "store") == desk.late


def test_a_copy_that_is_not_there_or_not_whole_is_refused(desk: Desk) -> None:
    with pytest.raises(ConfigurationError, match="there is no such backup"):
        restore(desk.folder, "sunday", "nothing")
    shutil.copytree(desk.folder / "backups" / "monday", desk.folder / "backups" / "torn")
    (desk.folder / "backups" / "torn" / ".backup").unlink()
    with pytest.raises((ConfigurationError, StoreError)):
        restore(desk.folder, "torn", "nothing")
    with pytest.raises(ConfigurationError, match="there is no store"):
        back_up(desk.folder, "empty", store="missing")


def test_positions_of_another_log_are_refused(desk: Desk, tmp_path: Path) -> None:
    # The links inside a store are relative: a copy has to keep them as links.
    shutil.copytree(desk.folder / "store", tmp_path / "store", symlinks=True)
    later = partial(EmbeddedBus.open, tmp_path / "log", clock=lambda: 4_000_000_000.0)

    async def make_log() -> None:
        await (await later()).close()

    asyncio.run(make_log())
    with pytest.raises(ConfigurationError, match="is of another log"):
        rewind(tmp_path, "store")
    with opened(tmp_path / "store") as store:
        store.command("TRUNCATE TABLE sink_positions_log")
    with pytest.raises(ConfigurationError, match="say --from TIME"):
        rewind(tmp_path, "store")
