"""Files into the store, by the program: the bars of a recording, once, and whole or not at all."""

import json
import signal
import subprocess
from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import count
from pathlib import Path

import pytest
import zstandard

from runtime.recordings import RecordedFrame, RecordingWriter
from tests.captures import capture, needs_captures
from tests.cli.program import ask, run
from tests.collectors.dumps.files import AGGREGATES, put

FILES = [
    f"binance/spot/cryptologysac_LTCUSDT_2025-06-21_{hour}h_trades.csv.zst"
    for hour in ("06", "09", "12")
]
TRADES, FIRST_TRADES = 24_682, 4_311
BARS_ONLY = {"PERPTAPE_TOOLKIT": "false"}
OPTIONS = ("--venue", "binance", "--kind", "spot", "--symbol", "LTCUSDT")
SAME_STREAM = ("--stream", "{lower}@trade")
URL = "wss://stream.binance.com/stream?timeUnit=MICROSECOND"
HOLE_US = (1_750_510_830_000_000, 1_750_511_120_000_000)  # 13:00:30 to 13:05:20

BARS_SQL = """
SELECT * EXCEPT (revision, version, reason, log_time, method, params, log_partition, log_offset,
                 inputs_topic, inputs_partition, inputs_first_offset, inputs_last_offset,
                 status, venues_expected, venues_complete, venues_partial, coverage_ms, feed_states,
                 ref_close, ref_close_ticks)
FROM footprints WHERE is_final ORDER BY scope, venue, interval_seconds, row_size, bar_start
"""
STATE_SQL = """
SELECT (SELECT count() FROM trades_log) AS trade_rows, (SELECT count() FROM trades) AS trades,
       (SELECT count() FROM footprints_log) AS bar_rows,
       (SELECT max(revision) FROM footprints_log) AS revision,
       (SELECT count() FROM backfills) AS files
"""
SEAMS_SQL = """
SELECT toString(status) AS status, version, reason, toUnixTimestamp(bar_start) AS start
FROM footprint_bars WHERE interval_seconds = 60 AND scope = 'venue' ORDER BY start, row_size
"""
FLOW_SQL = """
SELECT bar.minute AS minute, bar.delta AS delta,
       ifNull(step.delta, 0) + ifNull(more.delta, 0) AS stepped, ifNull(more.delta, 0) AS adjusted
FROM
(
    SELECT bar_start AS minute, any(buy_lots - sell_lots) AS delta FROM footprints_log FINAL
    WHERE scope = 'venue' AND interval_seconds = 60 AND is_final AND status != 'gap' GROUP BY minute
) AS bar
LEFT JOIN
(
    SELECT CAST(toStartOfMinute(step_start) AS DateTime64(6, 'UTC')) AS minute,
           sum(delta_lots_step) AS delta
    FROM cvd_log FINAL WHERE scope = 'venue' AND is_final GROUP BY minute
) AS step USING (minute)
LEFT JOIN
(
    SELECT bar_start AS minute, sum(cvd_adjustments_log.delta_lots) AS delta
    FROM cvd_adjustments_log FINAL GROUP BY minute
) AS more USING (minute)
ORDER BY minute
"""


def recorded_rows(files: Sequence[str]) -> Iterator[list[str]]:
    for name in files:
        data = capture(name).read_bytes()
        text = zstandard.ZstdDecompressor().decompressobj().decompress(data).decode()
        for line in text.splitlines()[1:]:
            yield line.split(",")


def record(
    path: Path,
    files: Sequence[str],
    hole_us: tuple[int, int] = (0, 0),
    span_us: tuple[int, int] = (0, 2**63),
) -> None:
    """Write what a recorder would have of these trades in a span, with a pong each second."""
    ticks = count(1)
    recorder = RecordingWriter(path, now_us=lambda: next(ticks))
    pong_us = 0
    for ms, price, qty, side, number in recorded_rows(files):
        time_us = int(ms) * 1000
        if not span_us[0] <= time_us < span_us[1]:
            continue
        pong_us = pong_us or time_us
        while pong_us < time_us:
            if not hole_us[0] <= pong_us < hole_us[1]:
                recorder.write(RecordedFrame(pong_us, "c~0", "pong", URL, b""))
            pong_us += 1_000_000
        if hole_us[0] <= time_us < hole_us[1]:
            continue
        trade = {"e": "trade", "E": time_us, "s": "LTCUSDT", "t": int(number), "p": price}
        trade |= {"q": qty, "T": time_us, "m": side == "sell", "M": True}
        frame = json.dumps({"stream": "ltcusdt@trade", "data": trade}).encode()
        recorder.write(RecordedFrame(time_us, "c~0", "recv", URL, frame))
    recorder.close()


def good(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stderr
    return done.stdout


def backfill(folder: Path, files: Sequence[Path], *options: str) -> str:
    named = map(str, files)
    return good(run(folder, "backfill", *named, "--store", str(folder / "data/store"), *options))


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("loaded")
    said = backfill(folder, list(map(capture, FILES)), *OPTIONS)
    assert f"{TRADES:,} trades read, {TRADES:,} trades and" in said
    return folder


@needs_captures
@pytest.mark.parametrize("hours", [1, pytest.param(3, marks=pytest.mark.long)])
def test_files_and_a_recording_of_the_same_hours_give_equal_bars(
    hours: int, tmp_path: Path
) -> None:
    played_in, filed_in = tmp_path / "played", tmp_path / "filed"
    for folder in (played_in, filed_in):
        folder.mkdir()
    record(played_in / "a.ptrec.zst", FILES[:hours])
    good(run(played_in, "replay", "a.ptrec.zst", **BARS_ONLY))
    backfill(filed_in, list(map(capture, FILES[:hours])), *OPTIONS)

    def named(folder: Path) -> dict[tuple[object, ...], dict[str, object]]:
        names = ("scope", "venue", "interval_seconds", "row_size", "bar_start")
        return {tuple(bar[name] for name in names): bar for bar in ask(folder, BARS_SQL)}

    theirs, ours = named(played_in), named(filed_in)
    assert len(theirs) > 300 * hours
    assert theirs.keys() <= ours.keys()
    assert {key: ours[key] for key in theirs} == theirs
    # A replay ends with its last frame: it has not closed the last minute and the wide bars.
    assert len(ours) - len(theirs) < 60


@needs_captures
def test_files_whose_ids_go_on_leave_no_seam(loaded: Path) -> None:
    bars = ask(loaded, SEAMS_SQL)
    partial = {bar["start"] for bar in bars if bar["status"] != "complete"}
    assert partial == {bars[0]["start"], bars[-1]["start"]}
    sources = "SELECT DISTINCT toString(source) AS source, session FROM trades"
    assert {row["source"] for row in ask(loaded, sources)} == {"dump"}


@needs_captures
def test_a_second_run_changes_nothing_and_not_even_one_that_loads_again(loaded: Path) -> None:
    before = ask(loaded, STATE_SQL)
    said = backfill(loaded, list(map(capture, FILES)), *OPTIONS)
    assert "3 of 3 files were loaded before" in said
    assert ask(loaded, STATE_SQL) == before
    said = backfill(loaded, list(map(capture, FILES)), *OPTIONS, "--again")
    assert "0 trades and 0 bars stored" in said
    assert ask(loaded, STATE_SQL) == before


@needs_captures
def test_a_file_closes_what_a_live_run_missed_and_nothing_else(
    tmp_path: Path, loaded: Path
) -> None:
    record(tmp_path / "a.ptrec.zst", FILES[:1], HOLE_US)
    good(run(tmp_path, "replay", "a.ptrec.zst", **BARS_ONLY))
    files = [capture(FILES[0])]
    live = {bar["start"]: bar for bar in ask(tmp_path, SEAMS_SQL)}
    collected = ask(tmp_path, STATE_SQL)[0]["trades"]
    refused = run(tmp_path, "backfill", *map(str, files), *OPTIONS)
    assert refused.returncode == 2
    assert "trades of the stream ltcusdt@trade" in refused.stderr
    backfill(tmp_path, files, *OPTIONS, *SAME_STREAM)
    closed = {bar["start"]: bar for bar in ask(tmp_path, SEAMS_SQL)}
    assert ask(tmp_path, STATE_SQL)[0]["trades"] == FIRST_TRADES
    missed = range(HOLE_US[0] // 60_000_000 * 60, HOLE_US[1] // 1_000_000, 60)
    for start, bar in live.items():
        if start in missed:
            assert bar["status"] != "complete"
            assert closed[start]["status"] == "complete"
            assert (closed[start]["version"], closed[start]["reason"]) == (2, "dump_reconcile")
        elif bar["status"] == "complete":
            assert closed[start] == bar
    flow = ask(tmp_path, FLOW_SQL)
    assert len(flow) >= 115
    assert all(minute["delta"] == minute["stepped"] for minute in flow)
    assert sum(minute["adjusted"] != 0 for minute in flow) == len(missed)
    (added,) = ask(tmp_path, "SELECT sum(trades) AS trades FROM cvd_adjustments")
    assert added["trades"] == FIRST_TRADES - collected > 0
    values = BARS_SQL.replace("is_final", "is_final AND interval_seconds = 60 AND row_size < 0.05")
    filed = {(bar["scope"], bar["bar_start"]): bar for bar in ask(loaded, values)}
    whole = [bar for bar in ask(tmp_path, values) if bar["bar_start"] < "2025-06-21T13:59"]
    assert len(whole) == 2 * 115
    for bar in whole:
        assert bar == filed[bar["scope"], bar["bar_start"]]


def klines(start_s: int, end_s: int) -> list[str]:
    """Sum the recorded trades as the venue does, apart from anything of ours."""
    sums: dict[int, list[Decimal]] = {}
    for ms, price, qty, side, _ in recorded_rows(FILES):
        minute = int(ms) // 60_000
        if start_s <= minute * 60 < end_s:
            bar = sums.setdefault(minute, [Decimal(price)] * 4 + [Decimal(0)] * 3)
            bar[1], bar[2] = max(bar[1], Decimal(price)), min(bar[2], Decimal(price))
            bar[3] = Decimal(price)
            bar[4] += Decimal(qty)
            bar[5] += Decimal(qty) if side == "buy" else 0
            bar[6] += 1
    return [
        f"{minute * 60_000},{bar[0]},{bar[1]},{bar[2]},{bar[3]},{bar[4]},"
        f"{minute * 60_000 + 59_999},0,{bar[6]},{bar[5]},0,0"
        for minute, bar in sorted(sums.items())
    ]


KLINES = "LTCUSDT-1m-2025-06-21.zip"
CLASSES_SQL = """
SELECT toString(class) AS class, cause, against, count() AS n FROM reconciliations
GROUP BY ALL ORDER BY ALL
"""


@needs_captures
def test_bars_are_compared_with_klines_and_with_trade_files(loaded: Path) -> None:
    lines = klines(1_750_507_500, 1_750_535_940)  # 12:05 to 19:59: whole minutes
    put(loaded, KLINES, "\n".join(lines) + "\n")
    done = run(loaded, "reconcile", KLINES, "--kind", "spot")
    assert f"{len(lines)} bars compared: {len(lines)} exact, 0 explained" in good(done)
    done = run(loaded, "reconcile", str(capture(FILES[0])), *OPTIONS)
    assert "0 explained, 0 tolerance, 0 broken" in good(done)
    fields = lines[7].split(",")
    fields[5] = str(Decimal(fields[5]) + Decimal("0.001"))
    put(loaded, KLINES, "\n".join([*lines[:7], ",".join(fields), *lines[8:]]) + "\n")
    done = run(loaded, "reconcile", KLINES, "--kind", "spot")
    assert done.returncode == 1
    assert f"{len(lines) - 1} exact, 0 explained, 0 tolerance, 1 broken" in done.stdout
    stored = [row for row in ask(loaded, CLASSES_SQL) if row["against"] == "klines"]
    assert stored == [
        {"class": "broken", "cause": "differs: total", "against": "klines", "n": 1},
        {"class": "exact", "cause": "", "against": "klines", "n": len(lines) - 1},
    ]


@needs_captures
def test_a_broken_kline_is_said_with_its_line(loaded: Path) -> None:
    lines = klines(1_750_507_500, 1_750_507_800)
    put(loaded, KLINES, "\n".join([*lines[:3], lines[3].replace(",", ",x", 2)]) + "\n")
    done = run(loaded, "reconcile", KLINES, "--kind", "spot")
    assert done.returncode == 1
    assert "line 4: expected a plain decimal" in done.stderr


DAYS = [f"BTCUSDT-aggTrades-2025-06-{day}.zip" for day in (21, 22)]
DAY_MS = 86_400_000


def next_day(text: str) -> str:
    head, *lines = text.splitlines()
    later = [line.split(",") for line in lines]
    for fields in later:
        fields[0], fields[5] = str(int(fields[0]) + 3), str(int(fields[5]) + DAY_MS)
    return "\n".join([head, *map(",".join, later)]) + "\n"


def test_nothing_of_a_broken_file_is_loaded_and_the_next_run_goes_on_there(tmp_path: Path) -> None:
    put(tmp_path, DAYS[0], AGGREGATES)
    second = next_day(AGGREGATES)
    broken = second.rstrip("\n").rpartition(",")[0] + "\n"
    put(tmp_path, DAYS[1], broken)
    done = run(tmp_path, "backfill", *DAYS)
    assert done.returncode == 1
    assert "2025-06-22.zip line 4: expected 7 columns, there are 6" in done.stderr
    days = "SELECT toString(toDate(event_time)) AS day, count() AS n FROM trades GROUP BY day"
    assert ask(tmp_path, days) == [{"day": "2025-06-21", "n": 3}]
    bars = "SELECT DISTINCT toString(toDate(bar_start)) AS day FROM footprint_bars"
    assert ask(tmp_path, bars) == [{"day": "2025-06-21"}]
    put(tmp_path, DAYS[1], second)
    assert "3 trades read, 3 trades and" in good(run(tmp_path, "backfill", *DAYS))
    whole = """
    SELECT toString(toDate(bar_start)) AS day, toString(status) AS status, trades
    FROM footprint_bars WHERE interval_seconds = 86400 AND scope = 'venue' AND row_size = 10
    ORDER BY day
    """
    assert ask(tmp_path, whole) == [
        {"day": "2025-06-21", "status": "complete", "trades": 3},
        {"day": "2025-06-22", "status": "complete", "trades": 3},
    ]


def test_a_run_that_was_killed_is_made_up_for_by_the_next(tmp_path: Path) -> None:
    put(tmp_path, DAYS[0], AGGREGATES)
    put(tmp_path, DAYS[1], next_day(AGGREGATES))
    for point in ("backfill_before_bars", "backfill_before_record"):
        around = {"PERPTAPE_FAILPOINT": point, "TMPDIR": str(tmp_path)}
        killed = run(tmp_path, "backfill", *DAYS, **around)
        assert killed.returncode == -signal.SIGKILL
    assert ask(tmp_path, "SELECT count() AS n FROM backfills") == [{"n": 0}]
    good(run(tmp_path, "backfill", *DAYS))
    state = """
    SELECT (SELECT count() FROM trades) AS stored, (SELECT count() FROM backfills) AS files,
           sum(trades) AS in_bars, countIf(reason != '') AS reasons
    FROM footprint_bars WHERE scope = 'venue' AND interval_seconds = 60 AND row_size = 10
    """
    assert ask(tmp_path, state) == [{"stored": 6, "files": 2, "in_bars": 6, "reasons": 0}]


def test_the_help_names_the_terms_of_the_files(tmp_path: Path) -> None:
    said = " ".join(good(run(tmp_path, "backfill", "--help")).split())
    assert "CC BY-NC-SA 4.0" in said
    assert "for your desk to decide" in said
