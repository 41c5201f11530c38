"""What the doctor says of machine, settings and processes, from what is seen of them."""

from pathlib import Path

import pytest

from runtime.cli.doctor.configured import (
    feeds_problem,
    judge_receiver,
    judge_settings,
    unknown,
)
from runtime.cli.doctor.findings import State, duration
from runtime.cli.doctor.machine import (
    LOCK,
    judge_disks,
    judge_packages,
    pinned,
)
from runtime.cli.doctor.processes import Processes, judge_page, judge_processes, judge_spool
from runtime.cli.doctor.thresholds import DISK_FREE_BYTES, SPOOLED_US
from runtime.disk import free_bytes
from runtime.settings import AssetGrid, Settings, load_settings

NOW_US = 1_800_000_000_000_000
OK, WARN, WRONG = State.OK, State.WARN, State.WRONG
SECRET, ADDRESS = "of sixteen signs or more", "http://127.0.0.1:9/hook"


def test_pins_are_read_without_extras_hashes_and_conditions() -> None:
    lock = (
        "one==1.2.3 \\\n    --hash=sha256:00\n"
        "two[extra]==4.5\n"
        'three==6 ; sys_platform == "win32" \\\n    --hash=sha256:00\n'
    )
    assert pinned(lock) == {"one": "1.2.3", "two": "4.5"}
    assert {"aiokafka", "chdb", "msgspec"} <= pinned(LOCK.read_text()).keys()


@pytest.mark.parametrize(
    ("found", "state", "words"),
    [
        ({"one": "1", "two": "2"}, OK, "2 packages as locked"),
        ({"one": "1", "two": "3"}, WARN, "two 3 (locked 2)"),
        ({"one": "1", "two": None}, WRONG, "not installed: two"),
    ],
)
def test_packages_are_judged_by_the_lock(
    found: dict[str, str | None], state: State, words: str
) -> None:
    finding = judge_packages({"one": "1", "two": "2"}, found)
    assert finding.state is state
    assert words in finding.sees
    assert bool(finding.do) == (state is not OK)


def test_without_a_lock_there_is_nothing_to_compare() -> None:
    assert judge_packages({}, {}).state is OK


@pytest.mark.parametrize(
    ("free", "state", "words"),
    [
        ({"log": DISK_FREE_BYTES, "spool": 2**40}, OK, "4.7 GiB for the log"),
        ({"log": DISK_FREE_BYTES - 1, "spool": 2**40}, WRONG, "space for the log;"),
        ({"log": 1, "store": 1}, WRONG, "space for the log and store;"),
        ({"log": 2**40, "spool": 2**33}, OK, ""),
        ({"log": 2**40, "spool": 2**33 - 1}, WARN, "lower spool_bytes"),
    ],
)
def test_disks_are_judged_as_the_alert_does(free: dict[str, int], state: State, words: str) -> None:
    finding = judge_disks(free, spool_bytes=2**33)
    assert finding.state is state
    assert words in finding.sees + finding.do


def test_room_is_that_of_the_next_folder_that_exists(tmp_path: Path) -> None:
    assert free_bytes(tmp_path / "not" / "yet") > 0


def test_variables_that_name_no_setting_are_found() -> None:
    names = ["PERPTAPE_ASETS", "perptape_bus", "PERPTAPE_KAFKA__ACKS", "PERPTAPE_KAFKA__INSTANCE"]
    more = ["PERPTAPE_GRIDS__BTC__TICK", "PERPTAPE_GRIDS__BTC__TOCK", "PERPTAPE_GRIDS", "PATH"]
    assert unknown([*names, *more, "PERPTAPE_BUS__HOST"]) == [
        "PERPTAPE_ASETS",
        "PERPTAPE_BUS__HOST",
        "PERPTAPE_GRIDS__BTC__TOCK",
        "PERPTAPE_KAFKA__ACKS",
    ]


@pytest.mark.parametrize(
    ("settings", "odd", "feeds", "state", "words"),
    [
        (load_settings(), [], "", OK, "an embedded log, an embedded store"),
        (load_settings(), ["PERPTAPE_ASETS"], "", WARN, "PERPTAPE_ASETS"),
        (load_settings(), [], "unknown feed 'x'", WRONG, "unknown feed 'x'"),
        (load_settings(assets=()), [], "", WRONG, "no asset"),
        (load_settings(metrics_port=8123), [], "", WRONG, "both 8123"),
        (
            load_settings(grids={"PEPE": AssetGrid(tick="1", lot="1", row_size="1")}),
            [],
            "",
            WARN,
            "PEPE",
        ),
    ],
)
def test_settings_that_cannot_be_meant_are_named(
    settings: Settings, odd: list[str], feeds: str, state: State, words: str
) -> None:
    finding = judge_settings(settings, odd, feeds)
    assert finding.state is state
    assert words in finding.sees


def test_feeds_that_are_none_are_named() -> None:
    assert not feeds_problem(load_settings())
    assert "binance.margin" in feeds_problem(load_settings(feeds=("binance.margin",)))


@pytest.mark.parametrize(
    ("url", "secret", "state"),
    [("", "", OK), (ADDRESS, SECRET, OK), ("", SECRET, WARN), (ADDRESS, "", WRONG)],
)
def test_the_receiver_of_alerts_is_judged_and_not_shown(
    url: str, secret: str, state: State
) -> None:
    given = load_settings(alert_webhook_url=url, alert_webhook_secret=secret)
    finding = judge_receiver(given)
    assert finding.state is state
    assert "hook" not in finding.sees.replace("alert_webhook", "")
    assert SECRET not in finding.sees


@pytest.mark.parametrize(
    ("settings", "seen", "runs", "state", "words"),
    [
        (load_settings(), Processes(), False, WARN, "nothing is running; newest record 3.0 h ago"),
        (
            load_settings(),
            Processes(7, "127.0.0.1:8123"),
            True,
            OK,
            "process 7 has the store and serves",
        ),
        (load_settings(), Processes(7), True, WARN, "process 7 has the store, not serving it"),
        (load_settings(), Processes(collects=True), True, OK, "nobody has the store"),
        (load_settings(bus="kafka://b:1"), Processes(), True, OK, "running"),
    ],
)
def test_what_runs_is_said(
    settings: Settings, seen: Processes, runs: bool, state: State, words: str
) -> None:
    finding = judge_processes(settings, seen, "3.0 h ago", runs=runs)
    assert finding.state is state
    assert words in finding.sees
    assert bool(finding.do) == (state is not OK)


PAGE = (
    'perptape_build_info{{service="collect",version="1"}} 1.0\n'
    "perptape_collector_messages_total 1200\nperptape_collector_connected_connections {}\n"
)


@pytest.mark.parametrize(
    ("port", "page", "runs", "state", "words"),
    [
        (0, None, True, OK, "off"),
        (9100, None, True, WRONG, "no answer at 127.0.0.1:9100"),
        (9100, None, False, WARN, "no answer at 127.0.0.1:9100"),
        (9100, PAGE.format(4), True, OK, "1,200 messages received"),
        (9100, PAGE.format(0), True, WRONG, "no connection is up"),
        (9100, "something_else 1\n", True, WRONG, "none of ours"),
    ],
)
def test_the_metrics_page_is_judged(
    port: int, page: str | None, runs: bool, state: State, words: str
) -> None:
    finding = judge_page(load_settings(metrics_port=port), page, runs=runs)
    assert finding.state is state
    assert words in finding.sees


@pytest.mark.parametrize(
    ("age_us", "collects", "state"),
    [
        (None, True, OK),
        (SPOOLED_US, True, WARN),
        (SPOOLED_US + 1, True, WRONG),
        (SPOOLED_US * 99, False, WARN),
    ],
)
def test_what_waits_on_disk_is_wrong_once_it_lasts(
    age_us: int | None, collects: bool, state: State
) -> None:
    since_us = None if age_us is None else NOW_US - age_us
    seen = Processes(collects=collects, spooled_bytes=12_345, spooled_since_us=since_us)
    finding = judge_spool(seen, NOW_US)
    assert finding.state is state
    assert ("12,345 bytes" in finding.sees) == (age_us is not None)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (119, "119 s"), (120, "2 min"), (7_199, "120 min"), (7_200, "2.0 h"),
     (172_799, "48.0 h"), (172_800, "2 days")],
)  # fmt: skip
def test_spans_are_in_words(seconds: int, words: str) -> None:
    assert duration(seconds * 1_000_000) == words
