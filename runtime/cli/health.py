"""`perptape health`: does the process beside this one make progress, for health checks.

It reads that process's metrics page. A page that answers says only that a thread is alive, so what
counts is that the stage's own counter has moved within `SILENT_SECONDS`, or that nothing waits for
it. What earlier calls saw is kept in a file in the folder for temporary files.
"""

import asyncio
import contextlib
import http.client
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console

from runtime.cli.lag import lags
from runtime.cli.parts import open_bus
from runtime.errors import ConfigurationError, PerptapeError
from runtime.settings import Settings

SILENT_SECONDS = 60.0
"""Streams with nothing to say send a record each second: a minute without one is a fault."""

ANSWER_SECONDS = 5.0
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # compared with, not bound
Page = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Duty:
    """What a stage says of itself: how much is done, whether it has nothing to do, what is wrong.

    `group` is asked after in the log before idleness is believed: a sink that cannot read or insert
    does not measure its lag anew.
    """

    what: str
    done: float
    idle: bool = False
    group: str = ""
    trouble: str = ""


class Seen(msgspec.Struct, frozen=True):
    """What an earlier call saw; `moved` is the time (monotonic) of the newest progress."""

    done: float = 0
    moved: float | None = None


def run_health(settings: Settings, console: Console) -> bool:
    """Print how the process with these settings does and return whether it makes progress.

    Raises:
        ConfigurationError: it serves no metrics.
    """
    if not settings.metrics_port:
        raise ConfigurationError("health asks the metrics page: set metrics_port, as its process")
    try:
        text = page_of(settings)
    except (OSError, http.client.HTTPException) as error:
        console.print(f"no answer at {page_address(settings)}: {error!r}", highlight=False)
        return False
    path = Path(tempfile.gettempdir()) / f"perptape-health-{settings.metrics_port}.json"
    before, after, well = _load(path), {}, True
    for duty in duties(text):
        after[duty.what] = seen = look(duty, before.get(duty.what, Seen()), time.monotonic())
        problem = duty.trouble or still(seen, time.monotonic())
        if problem and duty.idle and not duty.trouble:
            problem = asyncio.run(_waiting(settings, duty.group)) if duty.group else ""
        console.print(f"{duty.done:,.0f} {duty.what}: {problem or 'well'}", highlight=False)
        well = well and not problem
    _store(path, after)
    return well


def look(duty: Duty, before: Seen, now: float) -> Seen:
    """Return what to remember of this call."""
    if duty.done != before.done:  # fewer than before: the process is another one, at work
        return Seen(duty.done, now)
    if before.moved is not None and before.moved > now:  # the machine has started anew since
        return Seen(before.done)
    return before


def still(seen: Seen, now: float) -> str:
    """Say for how long nothing has moved, where that is too long; empty where it is not."""
    if seen.moved is None:
        return "none yet"
    return f"none for {now - seen.moved:.0f} s" if now - seen.moved > SILENT_SECONDS else ""


def duties(text: str) -> list[Duty]:
    """Return what the stages of a process say of themselves on its metrics page."""
    page: dict[str, float] = {}
    service = ""
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            page[sample.name] = page.get(sample.name, 0) + sample.value
            if sample.name == "perptape_build_info":
                service = sample.labels["service"]
    if service not in _STAGES:
        return [Duty("of a perptape", 0, trouble="this page is none of ours")]
    return [read(page) for read in _STAGES[service]]


def _collecting(page: Page) -> Duty:
    connected = page.get("perptape_collector_connected_connections", 0) > 0
    done = page.get("perptape_collector_messages_total", 0)
    return Duty("messages received", done, trouble="" if connected else "no connection is up")


def _processing(page: Page) -> Duty:
    """A member that was given no partitions, or has worked off all of its own, is idle."""
    joined = page.get("perptape_processor_rebalances_total", 0) > 0
    held = page.get("perptape_processor_held_partitions", 0) > 0
    lag = page.get("perptape_processor_lag_records", 1 if held else 0)
    done = page.get("perptape_processor_records_total", 0)
    return Duty("records worked off", done, idle=joined and not (held and lag))


def _sinking(page: Page) -> Duty:
    done = page.get("perptape_sink_rows_total", 0)
    idle = page.get("perptape_sink_lag_records") == 0
    return Duty("rows stored", done, idle=idle, group="sink.clickhouse")


def _posting(page: Page) -> Duty:
    """The log is asked between attempts too: a receiver that is away is no fault of ours."""
    return Duty("looks for alerts", page.get("perptape_webhook_polls_total", 0))


def _following(page: Page) -> Duty:
    """Waiting for the store is a step too: that it is away is no fault of ours."""
    return Duty("steps of the files", page.get("perptape_parquet_turns_total", 0))


_STAGES: Mapping[str, Iterable[Callable[[Page], Duty]]] = {
    "collect": (_collecting,),
    "process": (_processing,),
    "sink": (_sinking,),
    "webhook": (_posting,),
    "parquet": (_following,),
    "up": (_collecting, _processing, _sinking),
}


async def _waiting(settings: Settings, group: str) -> str:
    """Say what waits in the log for a group, or why that is unknown; empty where nothing does."""
    try:
        async with open_bus(settings) as bus:
            left = sum(lag.records for lag in await lags(bus, group))
    except PerptapeError as error:
        return str(error)
    return f"none, and {left:,} records wait" if left else ""


def page_address(settings: Settings) -> str:
    """Return where the process with these settings serves its metrics, `host:port`."""
    host = _EVERYWHERE.get(settings.metrics_host, settings.metrics_host)
    return f"{host}:{settings.metrics_port}"


def page_of(settings: Settings) -> str:
    """Return the metrics page of the process with these settings.

    Raises:
        OSError, http.client.HTTPException: it does not answer.
    """
    connection = http.client.HTTPConnection(page_address(settings), timeout=ANSWER_SECONDS)
    with contextlib.closing(connection):
        connection.request("GET", "/metrics")
        return connection.getresponse().read().decode()


def _load(path: Path) -> dict[str, Seen]:
    with contextlib.suppress(OSError, msgspec.MsgspecError):
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Seen])
    return {}


def _store(path: Path, seen: Mapping[str, Seen]) -> None:
    """Replace the file as a whole: a call may be killed, and the name may be a link of others'."""
    handle, name = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(handle, "wb") as file:
        file.write(msgspec.json.encode(seen))
    Path(name).replace(path)
