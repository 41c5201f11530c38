"""Alerts from the command line: rules are checked, and posts survive a kill."""

import asyncio
import re
import signal
import tomllib
from pathlib import Path

import pytest

from tests.cli.program import run
from tests.sinks.webhook.receiver import (
    SECRET,
    TOKEN,
    Loopback,
    alert,
    letters,
    listening,
    log,
    put,
)

BAD = '[[rules]]\nname = "night"\nsource = "cascade"\nstates = ["on"]\n'
SAYS = "alert rules of rules.toml: rule 'night', states: 'on' is none of idle, building"


@pytest.mark.parametrize(
    "arguments",
    [
        ["alerts", "check", "rules.toml"],
        ["alerts", "check"],
        ["process", "--seconds", "1"],
        ["up", "--venues", "simulated", "--seconds", "1", "--http-port", "0"],
    ],
)
def test_a_wrong_rule_is_named_and_nothing_starts(tmp_path: Path, arguments: list[str]) -> None:
    (tmp_path / "rules.toml").write_text(BAD)
    done = run(tmp_path, *arguments, PERPTAPE_ALERT_RULES="rules.toml")
    assert done.returncode == 2
    assert done.stderr.startswith(f"perptape: {SAYS}")
    assert done.stderr.count("\n") == 1


def test_the_doctor_finds_a_wrong_rule(tmp_path: Path) -> None:
    (tmp_path / "rules.toml").write_text(BAD)
    done = run(tmp_path, "doctor", PERPTAPE_ALERT_RULES="rules.toml")
    assert done.returncode == 1
    assert "rule 'night', states" in done.stdout


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "setting alert_rules: rules.toml: No such file"),
        (b"\xff\xfe", "setting alert_rules: rules.toml is no text in UTF-8"),
        (b"[[rules", "alert rules of rules.toml: no TOML: "),
    ],
)
def test_a_file_that_cannot_be_read_is_named(
    tmp_path: Path, content: bytes | None, says: str
) -> None:
    if content is not None:
        (tmp_path / "rules.toml").write_bytes(content)
    done = run(tmp_path, "alerts", "check", "rules.toml")
    assert done.returncode == 2
    assert done.stderr.startswith(f"perptape: {says}")


def test_the_rules_that_are_shipped_can_be_printed_changed_and_checked(tmp_path: Path) -> None:
    printed = run(tmp_path, "alerts", "default")
    assert len(tomllib.loads(printed.stdout)["rules"]) >= 10
    (tmp_path / "mine.toml").write_text(printed.stdout)
    for arguments in (["alerts", "check"], ["alerts", "check", "mine.toml"]):
        checked = run(tmp_path, *arguments)
        assert checked.returncode == 0, checked.stderr
        assert "cascade-active" in checked.stdout
        assert "obs_usd_cents at least 100,000,000" in checked.stdout
    none = run(tmp_path, "alerts", "check", PERPTAPE_ALERT_RULES="off")
    assert none.returncode == 0
    assert "cascade" not in none.stdout


@pytest.mark.parametrize(
    ("url", "secret", "named"),
    [
        ("", SECRET, "alert_webhook_url"),
        (f"desk/{TOKEN}", SECRET, "alert_webhook_url"),
        (f"http://127.0.0.1:9/{TOKEN}", "", "alert_webhook_secret"),
    ],
)
def test_a_receiver_that_is_not_set_up_is_named_and_not_shown(
    tmp_path: Path, url: str, secret: str, named: str
) -> None:
    done = run(
        *(tmp_path, "sink", "webhook"),
        PERPTAPE_ALERT_WEBHOOK_URL=url,
        PERPTAPE_ALERT_WEBHOOK_SECRET=secret,
    )
    assert done.returncode == 2
    assert done.stderr.startswith(f"perptape: setting {named}: ")
    assert TOKEN not in done.stdout + done.stderr
    assert not (tmp_path / "data").exists()


async def test_up_posts_alerts_where_an_address_is_set(tmp_path: Path) -> None:
    words = ("up", "--venues", "simulated", "--assets", "BTC", "--log", "log", "--seconds", "4")
    async with listening() as receiver:
        async with log(tmp_path) as bus:
            await put(bus, alert("1"))
        done = await asyncio.to_thread(
            lambda: run(
                tmp_path,
                *words,
                PERPTAPE_HTTP_PORT="0",
                PERPTAPE_ALERT_WEBHOOK_URL=receiver.url,
                PERPTAPE_ALERT_WEBHOOK_SECRET=SECRET,
            )
        )
    assert done.returncode == 0, done.stderr
    assert receiver.keys == ["1"]
    assert TOKEN not in done.stdout + done.stderr
    lag = run(tmp_path, "lag", "--log", "log", PERPTAPE_ALERT_WEBHOOK_URL=receiver.url)
    assert re.search(r"sink.webhook +md.ops.alerts.v1 +all +1 +1 +0", lag.stdout)
    assert "sink.webhook" not in run(tmp_path, "lag", "--log", "log").stdout


async def post(folder: Path, receiver: Loopback, **environment: str) -> tuple[int, str]:
    """Run `perptape sink webhook` for some seconds; return its code and all that it said."""
    words = ("sink", "webhook", "--log", "log", "--seconds", "3")
    done = await asyncio.to_thread(
        lambda: run(
            folder,
            *words,
            PERPTAPE_ALERT_WEBHOOK_URL=receiver.url,
            PERPTAPE_ALERT_WEBHOOK_SECRET=SECRET,
            PERPTAPE_LOG_LEVEL="debug",
            **environment,
        )
    )
    return done.returncode, done.stdout + done.stderr


async def test_a_kill_between_post_and_commit_repeats_the_post_with_its_key(
    tmp_path: Path,
) -> None:
    async with listening(200, 200, 401) as receiver:
        async with log(tmp_path) as bus:
            bodies = await put(bus, alert("1"), alert("2"), alert("3"))
        killed = await post(tmp_path, receiver, PERPTAPE_FAILPOINT="webhook_before_commit:2")
        assert killed[0] == -signal.SIGKILL
        assert receiver.keys == ["1", "2"]
        ended = await post(tmp_path, receiver)
        assert ended[0] == 0
        receiver.answers.append(500)
        async with log(tmp_path) as bus:
            await put(bus, alert("4"))
        again = await post(tmp_path, receiver)
        assert receiver.keys == ["1", "2", "2", "3", "4", "4"]
        assert [post.body for post in receiver.posts[:4]] == [*bodies[:2], *bodies[1:]]
        async with log(tmp_path) as bus:
            reasons = [letter.reason for letter in await letters(bus)]
    said = killed[1] + ended[1] + again[1]
    assert "webhook_away" in said
    assert SECRET not in said
    assert TOKEN not in said
    # The third answer, a refusal, was that to the repeated post of 2.
    assert reasons == ["webhook_refused"]
