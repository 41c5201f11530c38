"""`perptape health`: progress of the process beside it, by its metrics page."""

import asyncio
import io
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from runtime.bus.protocol import Outgoing
from runtime.cli.health import SILENT_SECONDS, Seen, duties, look, run_health, still
from runtime.cli.parts import open_bus
from runtime.errors import ConfigurationError
from runtime.metrics import Metrics, MetricsServer, serve_metrics
from runtime.settings import Settings, load_settings
from schemas.topics import TRADES

Serve = Callable[[Metrics], MetricsServer]


@pytest.fixture
def serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    running: list[MetricsServer] = []

    def start(metrics: Metrics) -> MetricsServer:
        running.append(serve_metrics(metrics, 0))
        return running[-1]

    yield start
    for server in running:
        server.stop()


def metrics_of(service: str) -> Metrics:
    metrics = Metrics()
    metrics.describe_process(service=service, version="1")
    return metrics


def settings_of(tmp_path: Path, port: int) -> Settings:
    everywhere = "0.0.0.0"  # noqa: S104  # as in a container; nothing is bound here
    return load_settings(metrics_port=port, metrics_host=everywhere, log=tmp_path / "log")


def health(settings: Settings) -> tuple[bool, str]:
    said = io.StringIO()
    return run_health(settings, Console(file=said, width=200)), said.getvalue()


def a_minute_passes(tmp_path: Path, port: int) -> None:
    """Put what was seen so far further back."""
    path = tmp_path / f"perptape-health-{port}.json"
    seen = msgspec.json.decode(path.read_bytes(), type=dict[str, Seen])
    earlier = time.monotonic() - SILENT_SECONDS - 1
    moved = {what: Seen(one.done, one.moved and earlier) for what, one in seen.items()}
    path.write_bytes(msgspec.json.encode(moved))


def test_a_collector_is_well_while_messages_come(tmp_path: Path, serve: Serve) -> None:
    metrics = metrics_of("collect")
    settings = settings_of(tmp_path, serve(metrics).port)
    assert health(settings) == (False, "0 messages received: no connection is up\n")
    metrics.collector.connected.labels("okx", "okx.swap").inc()
    assert health(settings) == (False, "0 messages received: none yet\n")
    metrics.collector.messages.labels("okx", "okx.swap").inc(3)
    assert health(settings) == (True, "3 messages received: well\n")
    assert health(settings)[0], "less than a minute ago"
    a_minute_passes(tmp_path, settings.metrics_port)
    assert health(settings) == (False, "3 messages received: none for 61 s\n")
    metrics.collector.messages.labels("okx", "okx.spot").inc()
    assert health(settings)[0]


def test_a_collector_without_a_connection_is_not_well(tmp_path: Path, serve: Serve) -> None:
    metrics = metrics_of("collect")
    metrics.collector.messages.labels("okx", "okx.swap").inc(3)
    assert health(settings_of(tmp_path, serve(metrics).port)) == (
        False,
        "3 messages received: no connection is up\n",
    )


@pytest.mark.parametrize(
    ("joined", "held", "lag", "well"),
    [
        (False, 0, None, False),
        (True, 0, None, True),
        (True, 0, 5, True),
        (True, 6, None, False),
        (True, 6, 0, True),
        (True, 6, 5, False),
    ],
)
def test_a_worker_may_stand_still_only_where_nothing_waits_for_it(
    tmp_path: Path, serve: Serve, joined: bool, held: int, lag: int | None, well: bool
) -> None:
    metrics = metrics_of("process")
    metrics.processor.rebalances.inc(joined)
    metrics.processor.held.set(held)
    if lag is not None:
        metrics.processor.lag.labels("3").set(lag)
    assert health(settings_of(tmp_path, serve(metrics).port))[0] is well


def test_a_worker_that_works_off_records_is_well_however_many_wait(
    tmp_path: Path, serve: Serve
) -> None:
    metrics = metrics_of("process")
    metrics.processor.lag.labels("3").set(1_000_000)
    metrics.processor.records.labels("3").inc()
    assert health(settings_of(tmp_path, serve(metrics).port))[0]


def test_a_sink_that_says_that_nothing_waits_is_believed_when_the_log_says_so_too(
    tmp_path: Path, serve: Serve
) -> None:
    metrics = metrics_of("sink")
    metrics.sink.lag.labels(TRADES.name, "0").set(0)
    metrics.sink.rows.labels("trades_log").inc(7)
    settings = settings_of(tmp_path, serve(metrics).port)
    assert health(settings) == (True, "7 rows stored: well\n")
    a_minute_passes(tmp_path, settings.metrics_port)
    assert health(settings) == (True, "7 rows stored: well\n")

    async def send() -> None:
        async with open_bus(settings) as bus:
            await bus.send([Outgoing(TRADES.name, b"BTC", b"{}", 1)])

    asyncio.run(send())
    assert health(settings) == (False, "7 rows stored: none, and 1 records wait\n")


def test_a_sink_whose_log_is_away_is_not_well(tmp_path: Path, serve: Serve) -> None:
    metrics = metrics_of("sink")
    metrics.sink.lag.labels(TRADES.name, "0").set(0)
    (tmp_path / "log").write_text("not a folder")
    well, said = health(settings_of(tmp_path, serve(metrics).port))
    assert not well
    assert "0 rows stored: " in said


def test_up_is_well_when_all_of_its_stages_are(tmp_path: Path, serve: Serve) -> None:
    metrics = metrics_of("up")
    settings = settings_of(tmp_path, serve(metrics).port)
    metrics.collector.connected.labels("okx", "okx.swap").inc()
    metrics.collector.messages.labels("okx", "okx.swap").inc()
    metrics.processor.records.labels("3").inc()
    well, said = health(settings)
    assert not well
    assert said.splitlines()[-1] == "0 rows stored: none yet"
    metrics.sink.rows.labels("trades_log").inc()
    assert health(settings)[0]


def test_a_process_that_does_not_answer_is_not_well(tmp_path: Path, serve: Serve) -> None:
    server = serve_metrics(metrics_of("collect"), 0)
    server.stop()
    well, said = health(settings_of(tmp_path, server.port))
    assert not well
    assert said.startswith(f"no answer at 127.0.0.1:{server.port}: ")


def test_a_page_of_something_else_is_not_well() -> None:
    assert [duty.trouble for duty in duties("# nothing\n")] == ["this page is none of ours"]


def test_without_a_port_it_says_what_to_set() -> None:
    with pytest.raises(ConfigurationError, match="metrics_port"):
        run_health(load_settings(metrics_port=0), Console(file=io.StringIO()))


def test_a_process_that_was_started_anew_counts_as_progress() -> None:
    (duty,) = duties('perptape_build_info{service="process"} 1\n')
    assert look(duty, Seen(100, 5.0), 90.0) == Seen(0, 90.0)


def test_times_of_before_a_start_of_the_machine_do_not_count() -> None:
    (duty,) = duties('perptape_build_info{service="process"} 1\n')
    seen = look(duty, Seen(0, 5000.0), 90.0)
    assert seen == Seen(0, None)
    assert still(seen, 90.0) == "none yet"


def test_a_webhook_is_well_while_it_looks_for_alerts_whatever_its_receiver_does(
    tmp_path: Path, serve: Serve
) -> None:
    metrics = metrics_of("webhook")
    metrics.webhook.polls.inc()
    settings = settings_of(tmp_path, serve(metrics).port)
    assert health(settings)[0]
    a_minute_passes(tmp_path, settings.metrics_port)
    metrics.webhook.attempts.labels("server_error").inc()
    well, said = health(settings)
    assert not well
    assert "looks for alerts: none for 61 s" in said
    metrics.webhook.polls.inc()
    assert health(settings)[0]


def test_a_parquet_sink_is_well_while_it_takes_steps(tmp_path: Path, serve: Serve) -> None:
    metrics = metrics_of("parquet")
    settings = settings_of(tmp_path, serve(metrics).port)
    assert health(settings) == (False, "0 steps of the files: none yet\n")
    metrics.parquet.turns.inc()
    assert health(settings)[0]
    a_minute_passes(tmp_path, settings.metrics_port)
    assert health(settings) == (False, "1 steps of the files: none for 61 s\n")
