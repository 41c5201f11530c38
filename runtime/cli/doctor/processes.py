"""What runs: who has the store, who collects into the spool, what the metrics page says."""

import asyncio
import http.client
from dataclasses import dataclass
from typing import Any

from runtime.cli.doctor.findings import Finding, ago, ok, warn, wrong
from runtime.cli.doctor.thresholds import SPOOLED_US
from runtime.cli.health import duties, page_address, page_of
from runtime.cli.stages import stage
from runtime.settings import EMBEDDED, Settings


@dataclass(frozen=True, slots=True)
class Processes:
    """What can be told of processes on this machine.

    `store_pid` has the embedded store and serves it at `served`, empty where it does not.
    `page` is the metrics page, None where no port is set or nobody answers.
    """

    store_pid: int | None = None
    served: str = ""
    collects: bool = False
    spooled_bytes: int = 0
    spooled_since_us: int | None = None
    page: str | None = None

    @property
    def any(self) -> bool:
        """Whether something of ours is seen to run on this machine."""
        return self.store_pid is not None or self.collects or self.page is not None


async def look_at_processes(settings: Settings) -> Processes:
    """See what runs on this machine.

    Raises:
        OSError: a folder cannot be read.
    """
    spool = await asyncio.to_thread(stage("collectors.outbox.look").look, settings.spool)
    holder: Any = None
    if not settings.clickhouse_url and settings.store.is_dir():
        holder = await asyncio.to_thread(stage("sinks.clickhouse.access").holder, settings.store)
    pid, served = holder or (None, "")
    return Processes(
        store_pid=pid,
        served=served,
        collects=spool.is_held,
        spooled_bytes=spool.waiting_bytes,
        spooled_since_us=spool.since_us,
        page=await asyncio.to_thread(_page, settings),
    )


def _page(settings: Settings) -> str | None:
    if not settings.metrics_port:
        return None
    try:
        return page_of(settings)
    except (OSError, http.client.HTTPException):
        return None


def judge_processes(settings: Settings, seen: Processes, newest: str, *, runs: bool) -> Finding:
    """Judge what runs.

    Args:
        settings: of the deployment.
        seen: on this machine.
        newest: how old the newest record of the log is, in words; empty where there is none.
        runs: whether something runs, here or elsewhere.
    """
    if not runs:
        do = "start it: `perptape up`, or the services; what is said below is of then"
        old = f"; newest record {newest}" if newest else ""
        return warn("processes", f"nothing is running{old}", do)
    if settings.clickhouse_url or settings.bus != EMBEDDED:
        return ok("processes", f"running; newest record {newest}")
    if seen.store_pid is None:
        return ok("processes", "a collector is running, nobody has the store")
    if not seen.served:
        do = "`perptape up` serves it; until then only that process can answer"
        return warn("processes", f"process {seen.store_pid} has the store, not serving it", do)
    return ok("processes", f"process {seen.store_pid} has the store and serves it at {seen.served}")


def judge_page(settings: Settings, page: str | None, *, runs: bool) -> Finding:
    """Judge the metrics page of the process with these settings."""
    name, where = "metrics", page_address(settings)
    if not settings.metrics_port:
        return ok(name, "off: metrics_port is 0")
    if page is None and not runs:
        return warn(name, f"no answer at {where}", "nothing runs that would answer")
    if page is None:
        do = "its process was started with other settings, is still starting, or has ended"
        return wrong(name, f"no answer at {where}", do)
    troubles = [f"{duty.what}: {duty.trouble}" for duty in duties(page) if duty.trouble]
    if troubles:
        return wrong(name, f"{where}: {', '.join(troubles)}", "look at that process's last lines")
    counts = ", ".join(f"{duty.done:,.0f} {duty.what}" for duty in duties(page))
    return ok(name, f"{where}: {counts}")


def judge_spool(seen: Processes, now_us: int) -> Finding:
    """Judge what waits on disk for the log."""
    if seen.spooled_since_us is None:
        return ok("spool", "empty")
    sees = f"{seen.spooled_bytes:,} bytes wait, since {ago(now_us, seen.spooled_since_us)}"
    if not seen.collects:
        return warn("spool", sees, "nothing: they are sent at the next start of the collector")
    if now_us - seen.spooled_since_us > SPOOLED_US:
        return wrong(
            "spool", sees, "the log cannot be written: see what is said of it, and its disk"
        )
    return warn("spool", sees, "nothing yet: they are sent when the log takes records again")
