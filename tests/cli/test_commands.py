"""The command line as a user meets it: what it prints, where data goes, exit codes."""

import signal
from pathlib import Path

import pytest

from tests.captures import capture, needs_captures
from tests.cli.program import ask, run, running, wait_for

README = (Path(__file__).parents[2] / "README.md").read_text()
HYPERLIQUID = "hyperliquid/hftbacktest_btc_20250126.gz"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["query", "SELECT 1"], "perptape up"),
        (["up", "--feeds", "binance.margin"], "binance.margin"),
        (["up", "--feeds", "binance.usdm,binance.usdm-fills"], "the same trades"),
        (["up", "--speed", "5"], "--venues simulated"),
        (["up", "--scenario", "cascade"], "--venues simulated"),
        (["up", "--venues", "simulated", "--scenario", "mayhem"], "no scenario mayhem"),
        (["replay", "missing.gz"], "missing.gz"),
        (["frobnicate"], "frobnicate"),
    ],
)
def test_wrong_use_is_one_line_and_exit_code_2(
    tmp_path: Path, arguments: list[str], said: str
) -> None:
    done = run(tmp_path, *arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_wrong_setting_is_named_with_exit_code_2(tmp_path: Path) -> None:
    done = run(tmp_path, "up", PERPTAPE_LINGER_MS="soon")
    assert done.returncode == 2
    assert done.stderr.startswith("perptape: setting linger_ms:")
    assert done.stderr.count("\n") == 1


def test_up_serves_its_store_while_it_runs_and_ends_with_130(tmp_path: Path) -> None:
    with running(
        *(tmp_path, "up", "--venues", "simulated", "--speed", "10"),
        *("--assets", "BTC", "--http-port", "0"),
    ) as process:
        sql = (
            "SELECT asset, scope, count() AS bars FROM footprint_bars WHERE interval_seconds = 60 "
            "AND is_final AND status = 'complete' GROUP BY ALL HAVING bars >= 2 ORDER BY ALL"
        )
        rows = wait_for(tmp_path, sql, process)
        ladder = run(tmp_path, "watch", str(rows[0]["asset"]), "--once")
        assert ladder.returncode == 0, ladder.stderr
        assert "value area" in ladder.stdout
        seen = run(tmp_path, "doctor")
        assert seen.returncode == 0, seen.stdout
        assert f"process {process.pid} has the store and serves it at 127.0.0.1:" in seen.stdout
        second = run(tmp_path, "up", "--venues", "simulated", "--http-port", "0")
        assert second.returncode == 2
        assert "in use" in second.stderr
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=60)
        assert process.returncode == 130, errors
        assert "Traceback" not in errors
        assert "is collecting BTC." in output
    counts = ask(
        tmp_path,
        "SELECT (SELECT count() FROM trades) AS trades, (SELECT uniq(venue) FROM trades) AS venues,"
        " (SELECT count() FROM cvd) AS steps",
    )
    assert counts[0]["trades"] > 500
    assert counts[0]["venues"] == 4
    assert counts[0]["steps"] > 100
    left = run(tmp_path, "doctor")
    assert left.returncode == 0, left.stdout
    assert "nothing is running" in left.stdout

    away = {"PERPTAPE_CLICKHOUSE_URL": "http://reader:not-a-secret@127.0.0.1:9"}
    ill = run(tmp_path, "doctor", **away)
    assert ill.returncode == 1
    assert "http://127.0.0.1:9 does not answer" in ill.stdout
    assert "not-a-secret" not in ill.stdout
    assert run(tmp_path, "query", "SELECT 1", **away).returncode == 1
    assert run(tmp_path, "query", "SELECT 1", "--store", "data/store", **away).returncode == 0


def test_a_recording_is_replayed_into_the_same_trades(tmp_path: Path) -> None:
    recorded = run(tmp_path, "record", "own.ptrec.zst", "--venues", "simulated", "--seconds", "4")
    assert recorded.returncode == 0, recorded.stderr
    played = run(tmp_path, "replay", "own.ptrec.zst")
    assert played.returncode == 0, played.stderr
    first = ask(tmp_path, "SELECT venue, kind, count() AS n FROM trades GROUP BY ALL ORDER BY ALL")
    assert len({(row["venue"], row["kind"]) for row in first}) >= 5
    assert run(tmp_path, "replay", "own.ptrec.zst").returncode == 0
    again = ask(tmp_path, "SELECT venue, kind, count() AS n FROM trades GROUP BY ALL ORDER BY ALL")
    assert again == first
    block = README.partition("```sql")[2].partition("```")[0]
    queries = [sql for sql in block.split(";\n") if sql.strip()]
    assert len(queries) == 5
    for sql in queries:
        done = run(tmp_path, "query", sql)
        assert done.returncode == 0, done.stderr


def test_a_recording_is_not_replayed_into_the_store_of_a_live_log(tmp_path: Path) -> None:
    assert run(tmp_path, "record", "own.ptrec.zst", "--venues", "simulated", "--seconds", "2")
    assert run(tmp_path, "up", "--venues", "simulated", "--seconds", "2").returncode == 0
    away = {"PERPTAPE_CLICKHOUSE_URL": "http://127.0.0.1:9"}
    for options in ([], ["--store", str(tmp_path / "data/store")]):
        refused = run(tmp_path, "replay", "own.ptrec.zst", *options)
        assert refused.returncode == 2
        assert "data/store is the store of a live log" in refused.stderr
    assert run(tmp_path, "replay", "own.ptrec.zst", **away).returncode == 2
    played = run(tmp_path, "replay", "own.ptrec.zst", "--store", "another", **away)
    assert "stored in another" in played.stdout
    held = "SELECT count() > 0 AS held FROM trades"
    assert (
        run(tmp_path, "query", held, "--store", "another", "--format", "csv").stdout == "held\n1\n"
    )


def test_a_recording_that_breaks_off_is_stored_up_to_there(tmp_path: Path) -> None:
    run(tmp_path, "record", "own.ptrec.zst", "--venues", "simulated", "--seconds", "4")
    whole = (tmp_path / "own.ptrec.zst").read_bytes()
    (tmp_path / "cut.ptrec.zst").write_bytes(whole[: len(whole) * 2 // 3])
    done = run(tmp_path, "replay", "cut.ptrec.zst")
    assert done.returncode == 1
    assert "cut.ptrec.zst" in done.stderr
    assert ask(tmp_path, "SELECT count() AS n FROM trades")[0]["n"] > 0


def test_a_query_that_is_wrong_says_why_in_one_line(tmp_path: Path) -> None:
    assert run(tmp_path, "record", "own.ptrec.zst", "--venues", "simulated", "--seconds", "2")
    assert run(tmp_path, "replay", "own.ptrec.zst").returncode == 0
    done = run(tmp_path, "query", "SELECT nothing FROM trades")
    assert done.returncode == 1
    assert "nothing" in done.stderr
    assert done.stderr.count("\n") == 1
    written = run(tmp_path, "query", "DROP TABLE trades_log")
    assert written.returncode == 1


@needs_captures
def test_a_recording_that_does_not_say_its_venue_asks_for_it(tmp_path: Path) -> None:
    path = str(capture(HYPERLIQUID))
    asked = run(tmp_path, "replay", path)
    assert asked.returncode == 2
    assert "--venue" in asked.stderr
    done = run(tmp_path, "replay", path, "--venue", "hyperliquid", "--kind", "linear_perpetual")
    assert done.returncode == 0, done.stderr
    assert ask(tmp_path, "SELECT uniqExact(venue) AS n FROM trades")[0]["n"] == 1
