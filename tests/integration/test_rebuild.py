"""A day of bars made anew: what an undisturbed run has, once, and nothing that is less."""

import datetime
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from runtime.cli.rebuild import Asked, run_rebuild
from runtime.errors import ConfigurationError
from runtime.settings import Settings
from tests.captures import needs_captures
from tests.integration.stored import opened, play, said, settings_of
from tests.integration.test_backfill import FILES, FLOW_SQL, record, recorded_rows

HOLE_US = (1_750_510_830_000_000, 1_750_510_910_000_000)  # 13:00:30 to 13:01:50
SPAN_US = (HOLE_US[0] - 150_000_000, HOLE_US[1] + 150_000_000)
DAY = datetime.date(2025, 6, 21)
BARS_SQL = """
SELECT * EXCEPT (revision, version, reason, log_time, method, params, log_partition, log_offset,
                 inputs_topic, inputs_partition, inputs_first_offset, inputs_last_offset)
FROM footprints_log FINAL WHERE is_final AND status != 'gap'
ORDER BY scope, venue, interval_seconds, row_size, bar_start
"""
STATE_SQL = """
SELECT count(), max(revision), sum(version), (SELECT count() FROM trades_log) FROM footprints_log
"""
FAULTY_SQL = """
INSERT INTO footprints_log SELECT * REPLACE (revision + 1 AS revision, buy_lots + 1 AS buy_lots)
FROM footprints_log FINAL WHERE is_final AND status = 'complete' AND interval_seconds = 60
ORDER BY bar_start, scope, row_size LIMIT 3
"""
STRANGER_SQL = """
INSERT INTO trades_log SELECT * REPLACE ('stranger' AS trade_id)
FROM trades_log WHERE event_time > '2025-06-21 13:00:00' ORDER BY event_time LIMIT 1
"""
BROKEN_SQL = "SELECT * FROM conservation WHERE class = 'broken' ORDER BY ALL"
REASONS_SQL = (
    "SELECT reason, max(version) FROM footprints_log FINAL GROUP BY reason ORDER BY reason"
)


def desk(folder: Path) -> Settings:
    return settings_of(folder).model_copy(update={"toolkit": False})


def rebuild(folder: Path, files: Sequence[Path], *, replace: bool = False) -> str:
    asked = Asked(DAY, files, replace)
    return said(lambda console: run_rebuild(desk(folder), console, asked)).splitlines()[-1]


@dataclass(frozen=True)
class Seen:
    """What a store has: bars by identity, rows behind them, their reasons; what does not add up.

    `flow` is the delta of every minute: of its bar, and of its CVD with the adjustments.
    """

    bars: dict[tuple[Any, ...], tuple[Any, ...]]
    rows: tuple[Any, ...]
    versions: dict[str, int]
    trades: int
    broken: list[tuple[Any, ...]]
    flow: list[tuple[Any, ...]]


def look(folder: Path) -> Seen:
    with opened(folder / "store") as store:
        return Seen(
            {row[:7]: row for row in store.query(BARS_SQL).rows},
            store.query(STATE_SQL).rows[0],
            dict(store.query(REASONS_SQL).rows),
            store.query("SELECT count() FROM trades").rows[0][0],
            store.query(BROKEN_SQL).rows,
            store.query(FLOW_SQL).rows,
        )


def tell(folder: Path, sql: str) -> None:
    with opened(folder / "store") as store:
        store.command(sql)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A desk that missed nothing, and its recording `whole.ptrec.zst`."""
    folder = tmp_path_factory.mktemp("whole")
    record(folder / "whole.ptrec.zst", FILES[:1], span_us=SPAN_US)
    play(desk(folder), folder / "whole.ptrec.zst")
    return folder


@pytest.fixture(scope="module")
def missed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A desk with an outage, and its recording `holed.ptrec.zst`."""
    folder = tmp_path_factory.mktemp("holed")
    record(folder / "holed.ptrec.zst", FILES[:1], HOLE_US, SPAN_US)
    play(desk(folder), folder / "holed.ptrec.zst")
    return folder


@pytest.fixture
def holed(missed: Path, tmp_path: Path) -> Path:
    shutil.copytree(missed, tmp_path / "desk", symlinks=True)
    return tmp_path / "desk"


@needs_captures
def test_the_bars_of_an_outage_become_those_of_an_undisturbed_run(whole: Path, holed: Path) -> None:
    undisturbed, before = look(whole), look(holed)
    times = (int(row[0]) * 1000 for row in recorded_rows(FILES[:1]))
    assert before.trades < undisturbed.trades
    assert undisturbed.trades == sum(SPAN_US[0] <= time_us < SPAN_US[1] for time_us in times)

    assert "trades that were missing" in rebuild(holed, [whole / "whole.ptrec.zst"])
    after = look(holed)
    assert after.bars == undisturbed.bars
    assert after.trades == undisturbed.trades
    assert after.versions["gap_repair"] == 2
    assert after.broken == []
    assert len(after.flow) > 3
    assert all(delta == stepped for _, delta, stepped, _ in after.flow)

    assert rebuild(holed, [whole / "whole.ptrec.zst"], replace=True).startswith("0 of ")
    assert look(holed) == after


@needs_captures
def test_less_never_takes_the_place_of_more(whole: Path, holed: Path) -> None:
    before = look(whole)
    assert rebuild(whole, [holed / "holed.ptrec.zst"], replace=True).startswith("0 of ")
    assert look(whole) == before

    tell(holed, STRANGER_SQL)
    before = look(holed)
    with pytest.raises(ConfigurationError, match="has 1 trades, the first of 2025-06-21 13:00:"):
        rebuild(holed, [whole / "whole.ptrec.zst"])
    assert look(holed) == before


@needs_captures
def test_complete_bars_of_faulty_code_are_replaced_only_where_asked_and_also_from_the_log(
    whole: Path, tmp_path: Path
) -> None:
    for name in ("store", "log"):
        shutil.copytree(whole / name, tmp_path / name, symlinks=True)
    right = look(tmp_path)
    tell(tmp_path, FAULTY_SQL)
    wrong = look(tmp_path)
    assert sum(wrong.bars[key] != right.bars[key] for key in right.bars) == 3

    assert rebuild(tmp_path, []).startswith("0 of ")
    assert look(tmp_path) == wrong
    assert rebuild(tmp_path, [], replace=True).startswith("3 of ")
    mended = look(tmp_path)
    assert mended.bars == right.bars
    assert mended.versions["code"] == 2
    assert rebuild(tmp_path, [], replace=True).startswith("0 of ")
    assert look(tmp_path) == mended
