"""`perptape doctor`: how the machine, the log and the store stand, in one screen."""

import asyncio
import importlib.metadata
import shutil
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from runtime.cli.alert_rules import load_alert_rules
from runtime.cli.lag import lags, readers
from runtime.cli.parts import open_bus
from runtime.cli.stages import stage
from runtime.errors import PerptapeError
from runtime.settings import EMBEDDED, Settings
from schemas.topics import TOPICS

LOW_DISK_BYTES = 2 * 2**30
SHOWN = ("aiokafka", "chdb", "clickhouse-connect", "faust-streaming", "msgspec", "websockets")

Finding = tuple[str, bool, str]
"""What was looked at, whether it is well, and what there is to say."""


async def run_doctor(settings: Settings, console: Console) -> bool:
    """Print the state of everything; return whether all is well."""
    findings = [_python(), _disk(settings.store), _alerts(settings)]
    findings += [*await _log(settings), *await _store(settings)]
    table = Table(show_header=False, box=None)
    for name, well, detail in findings:
        table.add_row("[green]ok[/]" if well else "[red]!![/]", name, detail)
    console.print(table)
    return all(well for _, well, _ in findings)


def _python() -> Finding:
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in SHOWN)
    return "python", True, f"{sys.version.split()[0]}; {versions}"


def _disk(path: Path) -> Finding:
    existing = next(folder for folder in (path, *path.absolute().parents) if folder.exists())
    free = shutil.disk_usage(existing).free
    return "disk", free > LOW_DISK_BYTES, f"{free / 2**30:.1f} GiB free at {existing}"


def _alerts(settings: Settings) -> Finding:
    try:
        rules = load_alert_rules(settings.alert_rules).rules
    except PerptapeError as error:
        return "alerts", False, str(error)
    posted = "posted" if settings.alert_webhook_url.get_secret_value() else "not posted"
    return "alerts", True, f"{len(rules)} rules of {settings.alert_rules or 'perptape'}, {posted}"


async def _log(settings: Settings) -> list[Finding]:
    where = settings.bus
    if settings.bus == EMBEDDED:
        where = str(settings.log)
        if not settings.log.is_dir():
            return [("log", True, f"{where}: nothing yet; `perptape up` makes it")]
    findings: list[Finding] = []
    try:
        async with open_bus(settings) as bus:
            counts = [
                f"{topic.removeprefix('md.').rpartition('.')[0]} "
                f"{sum(await bus.end_offsets(topic)):,}"
                for topic in TOPICS
            ]
            findings.append(("log", True, f"{where}: {', '.join(counts)}"))
            for group in readers(settings):
                behind = sum(lag.records for lag in await lags(bus, group))
                findings.append((f"reader {group}", True, f"{behind:,} records not acknowledged"))
    except PerptapeError as error:
        findings.append(("log", False, str(error)))
    return findings


STORE_SQL = """
SELECT (SELECT count() FROM trades_log), (SELECT count() FROM footprints_log),
       (SELECT max(event_time) FROM trades_log)
"""


async def _store(settings: Settings) -> list[Finding]:
    if not settings.clickhouse_url and not settings.store.is_dir():
        return [("store", True, f"{settings.store}: nothing yet; `perptape up` makes it")]
    try:
        return [await asyncio.to_thread(_ask_store, settings)]
    except PerptapeError as error:
        return [("store", False, str(error))]


def _ask_store(settings: Settings) -> Finding:
    reader = stage("sinks.clickhouse.access").open_reader(settings.stored_in)
    try:
        trades, bars, newest = reader.query(STORE_SQL).rows[0]
    finally:
        reader.close()
    stored = f"{trades:,} trades, {bars:,} bar records, newest {newest}"
    return "store", True, f"{settings.store_name}: {stored}"
