"""Each stage as a process of its own, over the embedded log: no broker is needed for that."""

import json
import re
from pathlib import Path

import pytest

from tests.cli.program import ask, run, running

LAG = re.compile(r"^\s*(\S+)\s+(md\.\S+)\s+all\s+([\d,]+)\s+([\d,]+)\s+([\d,]+)\s*$", re.MULTILINE)


def lags(folder: Path) -> dict[tuple[str, str], tuple[int, int]]:
    """Return the end and the lag of every group and topic, as `perptape lag` prints them."""
    done = run(folder, "lag")
    assert done.returncode == 0, done.stderr
    return {
        (group, topic): (int(end.replace(",", "")), int(lag.replace(",", "")))
        for group, topic, _, end, lag in LAG.findall(done.stdout)
    }


def test_collect_process_and_sink_one_after_the_other_make_the_tape(tmp_path: Path) -> None:
    words = ("--venues", "simulated", "--assets", "BTC,ETH", "--speed", "4", "--seconds", "6")
    collected = run(tmp_path, "collect", *words)
    assert collected.returncode == 0, collected.stderr
    before = lags(tmp_path)
    end, lag = before["processors", "md.norm.trades.v1"]
    assert lag == end > 0

    with running(tmp_path, "process", "--seconds", "5") as worker:
        with running(tmp_path, "sink", "clickhouse", "--seconds", "9") as sink:
            assert sink.wait(60) == 0
        assert worker.wait(60) == 0

    after = lags(tmp_path)
    assert after["processors", "md.norm.trades.v1"] == (end, 0)
    assert {topic: lag for (group, topic), (_, lag) in after.items()} == dict.fromkeys(
        [topic for _, topic in after], 0
    )
    [row] = ask(tmp_path, "SELECT count() AS bars, sum(is_final) AS final FROM footprint_bars")
    assert int(row["bars"]) > 0
    assert "no dead letters" in run(tmp_path, "deadletter", "list").stdout


def test_only_the_feeds_of_a_venue_are_collected(tmp_path: Path) -> None:
    words = ("--venues", "simulated", "--assets", "BTC", "--venue", "okx", "--venue", "bybit")
    done = run(tmp_path, "collect", *words, "--seconds", "3")
    assert done.returncode == 0, done.stderr
    done = run(tmp_path, "sink", "clickhouse", "--seconds", "3")
    assert done.returncode == 0, done.stderr
    rows = ask(tmp_path, "SELECT DISTINCT venue FROM instruments ORDER BY venue")
    assert json.dumps(rows) == '[{"venue": "bybit"}, {"venue": "okx"}]'


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["collect", "--venue", "mtgox"], "unknown venue 'mtgox'"),
        (["migrate", "--cluster", "tape"], "set clickhouse_url to one of them"),
        (["collect", "--venue", "okx", "--feeds", "okx.spot"], "choose one"),
        (["process", "--host", "faust"], "the host faust needs Kafka"),
        (["topics", "apply"], "the embedded log makes its topics itself"),
        (["lag", "--bus", "kafka://"], "setting bus"),
        (["lag", "--bus", "nats://localhost"], "setting bus"),
        (["deadletter", "replay"], "say which"),
    ],
)
def test_what_cannot_be_meant_ends_with_one_line_and_code_2(
    tmp_path: Path, words: list[str], says: str
) -> None:
    done = run(tmp_path, *words)
    assert done.returncode == 2
    assert says in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
