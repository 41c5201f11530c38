"""`perptape doctor`: look at everything at once, each part within its time, and judge."""

import asyncio
from contextlib import closing
from dataclasses import dataclass

from rich.console import Console

from runtime.bus.look import LogSeen
from runtime.cli.doctor import log as logs
from runtime.cli.doctor.asking import QUERY_SECONDS, Asker
from runtime.cli.doctor.configured import look_at_settings
from runtime.cli.doctor.data import DataSeen, look_at_data
from runtime.cli.doctor.findings import Finding, ago, warn, well, wrong
from runtime.cli.doctor.machine import look_at_machine
from runtime.cli.doctor.processes import (
    Processes,
    judge_page,
    judge_processes,
    judge_spool,
    look_at_processes,
)
from runtime.cli.doctor.quality import judge_data
from runtime.cli.doctor.screen import as_json, show
from runtime.cli.doctor.store import MIGRATE, StoreSeen, judge_store, look_at_store
from runtime.cli.doctor.thresholds import SILENT_US
from runtime.cli.parts import there_is_a_log
from runtime.cli.stages import stage
from runtime.clock import SystemClock
from runtime.errors import PerptapeError
from runtime.settings import EMBEDDED, Settings

LOG_SECONDS = 10.0
"""How long the log may take."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What was seen of a store that answers."""

    store: StoreSeen
    asker: Asker
    data: DataSeen | None


async def run_doctor(settings: Settings, console: Console, *, json: bool = False) -> bool:
    """Print the state of everything; return whether nothing is wrong."""
    findings = await examine(settings, SystemClock().now_us())
    if json:
        console.out(as_json(findings), highlight=False)
    else:
        show(console, findings)
    return well(findings)


async def examine(settings: Settings, now_us: int) -> list[Finding]:
    """Return what there is to say, without disturbing anything that runs."""
    findings = [*look_at_machine(settings), *look_at_settings(settings)]
    log, store, processes = await asyncio.gather(
        _log(settings, now_us), asyncio.to_thread(_store, settings), _processes(settings)
    )
    seen = log if isinstance(log, LogSeen) else None
    newest_us = None if seen is None else logs.newest_us(seen)
    if isinstance(processes, Finding):
        findings.append(processes)
        processes = Processes()
    runs = are_running(settings, processes, seen, now_us)
    newest = "" if newest_us is None else ago(now_us, newest_us)
    findings += [
        judge_processes(settings, processes, newest, runs=runs),
        judge_page(settings, processes.page, runs=runs),
        judge_spool(processes, now_us),
        *([log] if isinstance(log, Finding) else logs.judge_log(settings, log, now_us, runs=runs)),
    ]
    if isinstance(store, Finding):
        return [*findings, store]
    findings += judge_store(settings, store.store, store.asker, now_us, runs=runs)
    return findings + (judge_data(store.data, runs=runs) if store.data is not None else [])


def are_running(settings: Settings, processes: Processes, log: LogSeen | None, now_us: int) -> bool:
    """Say whether anything runs: here, or on other machines around a cluster."""
    if processes.any:
        return True
    if log is None or settings.bus == EMBEDDED:
        return False
    newest_us = logs.newest_us(log)
    fresh = newest_us is not None and now_us - newest_us < SILENT_US
    return fresh or any((log.members or {}).values())


async def _processes(settings: Settings) -> Processes | Finding:
    try:
        return await look_at_processes(settings)
    except OSError as error:
        return wrong("processes", str(error), "give this user the right to read the folders")


async def _log(settings: Settings, now_us: int) -> LogSeen | Finding:
    if not there_is_a_log(settings):
        return warn("log", f"{settings.log}: never made", "`perptape up` makes it")
    do = "see that it runs and that its disk has room; data waits in the spool meanwhile"
    try:
        async with asyncio.timeout(LOG_SECONDS):
            return await logs.look_at_log(settings, now_us)
    except PerptapeError as error:
        return wrong("log", str(error), do)
    except TimeoutError:
        return wrong("log", f"{settings.bus}: no answer within {LOG_SECONDS:.0f} s", do)


def _store(settings: Settings) -> Stored | Finding:
    if not settings.clickhouse_url and not (settings.store / "metadata").is_dir():
        return warn("store", f"{settings.store}: never made", "`perptape up` makes it")
    access = stage("sinks.clickhouse.access")
    try:
        held = access.holder(settings.stored_in)
        if held is not None and not held[1]:
            sees = f"{settings.store}: process {held[0]} has it and does not serve it"
            return warn("store", sees, "ask when that process has ended, or run `perptape up`")
        reader = access.open_reader(settings.stored_in, QUERY_SECONDS)
    except (PerptapeError, OSError) as error:
        do = "see that it runs, and the setting clickhouse_url or store"
        return wrong("store", str(error), do)
    with closing(reader):
        return _ask(reader)


def _ask(reader: object) -> Stored | Finding:
    asker = Asker(reader)  # type: ignore[arg-type]  # known at run time
    seen = look_at_store(asker)
    if not seen.applied:
        problem = asker.problems.get("migrations", "it has no tables of ours")
        return wrong("store", problem, MIGRATE)
    until_us = seen.quality_us or seen.trade_us
    return Stored(seen, asker, None if until_us is None else look_at_data(asker, until_us))
