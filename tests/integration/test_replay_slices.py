"""A replay that its log cannot hold: it is stored slice by slice, and nothing of it is missing."""

import sqlite3
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from runtime.bus.embedded import EmbeddedBusSettings
from runtime.bus.log_file import FILE_NAME
from runtime.settings import Settings
from tests.captures import needs_captures
from tests.integration.stored import opened, play, settings_of
from tests.integration.test_backfill import FILES, FIRST_TRADES, record
from tests.integration.test_rebuild import BARS_SQL

OTHERS_SQL = """
SELECT (SELECT count() FROM trades), (SELECT count() FROM events), (SELECT count() FROM bars),
       (SELECT groupArray((step_start, scope, cvd_1h)) FROM
        (SELECT step_start, scope, cvd_1h FROM cvd WHERE is_final ORDER BY step_start, scope))
"""


def played(settings: Settings, recording: Path, *, keep_log: bool) -> list[Any]:
    play(settings, recording, keep_log=keep_log)
    with opened(settings.store) as store:
        return [store.query(sql).rows for sql in (BARS_SQL, OTHERS_SQL)]


def held_bytes(settings: Settings) -> int:
    """Return what the fullest partition has."""
    with closing(sqlite3.connect(settings.log / FILE_NAME)) as log:
        return int(log.execute("SELECT max(bytes) FROM partitions").fetchone()[0])


@needs_captures
def test_a_recording_larger_than_the_log_is_stored_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(tmp_path / "own.ptrec.zst", FILES[:1])
    at_once, sliced = settings_of(tmp_path / "at once"), settings_of(tmp_path / "sliced")
    wanted = played(at_once, tmp_path / "own.ptrec.zst", keep_log=True)
    whole_bytes = held_bytes(at_once)
    eager = partial(EmbeddedBusSettings, maintenance_seconds=0.01)
    monkeypatch.setattr("runtime.cli.parts.EmbeddedBusSettings", eager)
    monkeypatch.setattr("runtime.cli.replay.SCRATCH_BYTES", whole_bytes // 3)
    monkeypatch.setattr("runtime.cli.replay.SLICE_BYTES", whole_bytes // 20)
    assert played(sliced, tmp_path / "own.ptrec.zst", keep_log=False) == wanted
    assert wanted[1][0][0] == FIRST_TRADES
    assert held_bytes(sliced) < whole_bytes / 2
