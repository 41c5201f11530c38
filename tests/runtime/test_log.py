"""Lines of the log: their form, what libraries add to it, and what must never be in it."""

import json
import logging
import sys
import warnings
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
import structlog

from runtime.errors import ConfigurationError
from runtime.log import HIDDEN, configure_logging

Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)
    structlog.contextvars.clear_contextvars()
    structlog.reset_defaults()


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Lines:
    written: list[dict[str, Any]] = []

    def read() -> list[dict[str, Any]]:
        written.extend(json.loads(line) for line in capsys.readouterr().err.splitlines())
        return written

    return read


def test_an_event_is_one_json_line_with_time_level_service_and_version(lines: Lines) -> None:
    configure_logging("INFO", json=True, service="collector", version="0.1.0")
    structlog.get_logger("runtime.test").info("feed_connected", venue="bybit", partition=3)
    [line] = lines()
    at = datetime.fromisoformat(line.pop("ts"))
    assert at.utcoffset() == timedelta(0)
    assert line == {
        "level": "info",
        "event": "feed_connected",
        "logger": "runtime.test",
        "service": "collector",
        "version": "0.1.0",
        "venue": "bybit",
        "partition": 3,
    }


def test_service_and_version_are_left_out_where_they_were_not_given(lines: Lines) -> None:
    configure_logging(json=True)
    structlog.get_logger().info("started")
    assert not {"service", "version"} & lines()[0].keys()


def test_the_standard_librarys_records_have_the_same_form(lines: Lines) -> None:
    configure_logging("INFO", json=True, service="sink")
    logging.getLogger("library").warning("lost %s", "broker-1", extra={"topic": "t"})
    [line] = lines()
    assert (line["event"], line["level"], line["logger"]) == (
        "lost broker-1",
        "warning",
        "library",
    )
    assert (line["service"], line["topic"]) == ("sink", "t")


@pytest.mark.parametrize(("level", "told"), [("INFO", 0), ("WARNING", 0), ("DEBUG", 1)])
def test_the_kafka_client_speaks_at_debug_only(lines: Lines, level: str, told: int) -> None:
    configure_logging(level, json=True)
    logging.getLogger("aiokafka.consumer.fetcher").error("not ready")
    assert len(lines()) == told


def test_lines_below_the_level_are_left_out(lines: Lines) -> None:
    configure_logging("WARNING", json=True)
    structlog.get_logger().info("ours")
    logging.getLogger("theirs").info("theirs")
    structlog.get_logger().warning("kept")
    assert [line["event"] for line in lines()] == ["kept"]


def test_a_logger_made_before_the_level_was_set_follows_it(lines: Lines) -> None:
    logger = structlog.get_logger("early")
    configure_logging("ERROR", json=True)
    logger.info("dropped")
    configure_logging("debug", json=True)
    logger.debug("kept")
    assert [line["event"] for line in lines()] == ["kept"]


def test_configuring_twice_writes_each_line_once(lines: Lines) -> None:
    configure_logging(json=True)
    configure_logging(json=True)
    structlog.get_logger().info("once")
    assert len(lines()) == 1


def test_an_exception_is_one_line_with_its_traceback(lines: Lines) -> None:
    configure_logging(json=True)
    try:
        raise ValueError("broken")
    except ValueError:
        structlog.get_logger().exception("step_failed")
    [line] = lines()
    assert line["exception"].endswith("ValueError: broken")


def test_bound_context_is_in_every_line(lines: Lines) -> None:
    configure_logging(json=True)
    structlog.contextvars.bind_contextvars(venue="okx")
    structlog.get_logger().info("one")
    assert lines()[0]["venue"] == "okx"


def test_warnings_become_lines(lines: Lines) -> None:
    configure_logging(json=True)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old way", UserWarning, stacklevel=1)
    assert "old way" in lines()[0]["event"]


def test_values_that_json_has_no_form_for_are_written_as_text(lines: Lines) -> None:
    configure_logging(json=True)
    structlog.get_logger().info(
        "odd", number=2**80, text="\ud800", what={1}, kind=ValueError, raw=b"\xff"
    )
    [line] = lines()
    assert (line["number"], line["what"], line["raw"]) == (2**80, "{1}", "\ufffd")


def test_without_a_choice_a_stream_that_is_no_terminal_gets_json(lines: Lines) -> None:
    configure_logging()
    structlog.get_logger().info("plain")
    assert lines()[0]["event"] == "plain"


def test_a_terminal_gets_the_console_form(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    configure_logging()
    try:
        raise ValueError("password=hunter2")
    except ValueError:
        structlog.get_logger().exception("step_failed", venue="okx")
    text = capsys.readouterr().err
    assert "step_failed" in text
    assert "Traceback" in text
    assert not text.startswith("{")
    assert "hunter2" not in text


@pytest.mark.parametrize(
    "name",
    ["password", "api_key", "apikey", "API-Key", "token", "bot_token", "secret", "Authorization"],
)
def test_a_field_named_like_a_secret_is_hidden(lines: Lines, name: str) -> None:
    configure_logging(json=True)
    structlog.get_logger().info(
        "connecting", **{name: "hunter2"}, nested={"a": [{name: "hunter2"}]}
    )
    [line] = lines()
    assert line[name] == HIDDEN
    assert line["nested"] == {"a": [{name: HIDDEN}]}


@pytest.mark.parametrize(
    "text",
    [
        "password=hunter2",
        "user=x&api_key=hunter2&y=1",
        '{"token": "hunter2"}',
        "Authorization: Bearer hunter2",
        "https://user:hunter2@host:8443/db",
        "clickhouse://default:hunter2@host",
    ],
)
def test_a_secret_inside_a_text_is_hidden(lines: Lines, text: str) -> None:
    configure_logging(json=True)
    structlog.get_logger().info(text, error=text, raw=text.encode(), many=[text])
    logging.getLogger("library").error("failed: %s", text)
    assert "hunter2" not in json.dumps(lines())
    assert json.dumps(lines()).count(HIDDEN) == 5


def test_a_secret_inside_a_traceback_is_hidden(lines: Lines) -> None:
    configure_logging(json=True)
    try:
        raise ValueError("https://user:hunter2@host refused")
    except ValueError:
        logging.getLogger("library").exception("failed")
    assert "hunter2" not in lines()[0]["exception"]


@pytest.mark.parametrize(
    "fields",
    [{"key": "BTC"}, {"symbol": "TOKEN-USDT"}, {"url": "https://host:8443/a"}, {"keys": 3}],
)
def test_what_is_no_secret_is_left_as_it_is(lines: Lines, fields: dict[str, object]) -> None:
    configure_logging(json=True)
    structlog.get_logger().info("plain", **fields)
    assert fields.items() <= lines()[0].items()


def test_what_is_nested_without_end_is_cut(lines: Lines) -> None:
    configure_logging(json=True)
    endless: list[object] = []
    endless.append(endless)
    structlog.get_logger().info("odd", value=endless)
    assert "[too deep]" in json.dumps(lines()[0]["value"])


def test_an_unknown_level_is_a_configuration_error() -> None:
    with pytest.raises(ConfigurationError, match="'LOUD'"):
        configure_logging("LOUD")
