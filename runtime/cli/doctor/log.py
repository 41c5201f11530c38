"""The log: its topics, how old its records are, who is behind, snapshots, dead letters."""

import asyncio
from collections.abc import Sequence

from runtime.bus.log_look import look
from runtime.bus.look import INPUT, LETTERS, LogSeen, Saved, Waiting
from runtime.cli.doctor.findings import Finding, ago, duration, ok, warn, wrong
from runtime.cli.doctor.thresholds import (
    PROCESSOR_LAG_RECORDS,
    SILENT_US,
    SINK_LAG_RECORDS,
    SNAPSHOT_US,
    STUCK_US,
    WEBHOOK_US,
)
from runtime.cli.lag import STORE, WEBHOOK, read_by, readers
from runtime.cli.stages import stage
from runtime.settings import EMBEDDED, Settings
from schemas.topics import BOOKS, LIQUIDATIONS, QUALITY, TICKERS, TRADES
from schemas.units import US_PER_MINUTE

INPUTS = (TRADES, BOOKS, LIQUIDATIONS, TICKERS, QUALITY)
"""What collectors write all the time; the summaries of `QUALITY` come every 10 s."""

RUNS = {STORE: "`perptape sink clickhouse`", WEBHOOK: "`perptape sink webhook`"}
PATIENCE_US = {WEBHOOK: WEBHOOK_US}
"""How long records may wait for a group, where it is not as long as for the others."""

RUNBOOK = {
    "processors": "ProcessorBehind in deploy/README.md: another worker, or see its last lines",
    STORE: "SinkBehind in deploy/README.md: inserts fail or are slow, see its last lines",
}
CLOCK_AHEAD_US = US_PER_MINUTE


async def look_at_log(settings: Settings, now_us: int) -> LogSeen:
    """See how the log stands, without being part of it.

    Raises:
        ConfigurationError: it is not what it must be, or will not have us.
        BusError: it cannot be read.
    """
    groups = {group: read_by(group) for group in readers(settings)}
    if settings.bus == EMBEDDED:
        return await asyncio.to_thread(look, settings.log, groups, now_us)
    kafka = stage("runtime.bus.kafka.look")
    seen: LogSeen = await kafka.look(settings.bus, settings.kafka, groups, now_us)
    return seen


def newest_us(seen: LogSeen) -> int | None:
    """Return when collectors last wrote anything."""
    times = [one.newest_us for topic in INPUTS if (one := seen.topics.get(topic.name))]
    return max((time for time in times if time is not None), default=None)


def judge_log(settings: Settings, seen: LogSeen, now_us: int, *, runs: bool) -> list[Finding]:
    """Judge a log that answers."""
    return [
        judge_topics(settings, seen),
        judge_inputs(seen, now_us, runs=runs),
        judge_market_time(seen),
        *(judge_waiting(group, seen, now_us, runs=runs) for group in readers(settings)),
        judge_saved(seen.saved, now_us),
        judge_letters(seen),
    ]


def judge_topics(settings: Settings, seen: LogSeen) -> Finding:
    """Judge whether the topics are as the registry says."""
    where = str(settings.log) if settings.bus == EMBEDDED else settings.bus
    if seen.differences:
        more = f" (and {len(seen.differences) - 1} more)" if len(seen.differences) > 1 else ""
        do = "`perptape topics diff` has all of it, `perptape topics apply` mends what can be"
        if settings.bus == EMBEDDED:
            do = "start a new log in another folder: partitions cannot be changed in place"
        return wrong("log", f"{where}: {seen.differences[0]}{more}", do)
    records = sum(one.records for one in seen.topics.values())
    used = sum(one.records > 0 for one in seen.topics.values())
    return ok("log", f"{where}: {records:,} records in {used} of {len(seen.topics)} topics")


def judge_inputs(seen: LogSeen, now_us: int, *, runs: bool) -> Finding:
    """Judge the age of what collectors write: where they live, none is silent for a minute."""
    name = "input"
    ages = {
        topic.name.split(".")[2]: now_us - one.newest_us
        for topic in INPUTS
        if (one := seen.topics.get(topic.name)) and one.newest_us is not None
    }
    if not ages:
        return warn(name, "nothing was collected yet", "`perptape up`, or `perptape collect`")
    newest = min(ages.values())
    sees = ", ".join(f"{topic} {ago(0, -age)}" for topic, age in ages.items())
    if runs and newest > SILENT_US:
        do = "the collectors are dead or cut off: see whether they run, and their last lines"
        return wrong(name, sees, do)
    silent = [topic for topic, age in ages.items() if age - newest > SILENT_US]
    if runs and silent:
        do = f"nobody collects {', '.join(silent)} any more: meant so, or see the feeds below"
        return warn(name, sees, do)
    return ok(name, sees)


def judge_market_time(seen: LogSeen) -> Finding:
    """Judge the times in the newest trades by when they were appended."""
    trades = seen.topics.get(INPUT)
    if trades is None or trades.newest_us is None or trades.market_us is None:
        return ok("market time", "no trades yet")
    ahead = trades.market_us - trades.newest_us
    if abs(ahead) <= CLOCK_AHEAD_US:
        return ok("market time", "as this machine's clock, to the minute")
    sees = f"{duration(ahead)} {'ahead of' if ahead > 0 else 'behind'} this machine's clock"
    do = "`chronyc tracking`, if no market was simulated at another speed"
    return warn("market time", sees, do)


def judge_waiting(group: str, seen: LogSeen, now_us: int, *, runs: bool) -> Finding:
    """Judge how far a group of readers is behind."""
    name = f"reader {group}"
    mine = [one for one in seen.waiting if one.group == group and one.records > 0]
    waiting = sum(one.records for one in mine)
    members = None if seen.members is None else seen.members.get(group, 0)
    shared = "" if members is None else f", {members} in the group"
    if not mine:
        return ok(name, f"0 records wait{shared}")
    oldest = min((one.oldest_us for one in mine if one.oldest_us is not None), default=None)
    since = "" if oldest is None else f", the oldest from {ago(now_us, oldest)}"
    sees = f"{waiting:,} records wait{since}{shared}"
    stuck = oldest is not None and now_us - oldest > PATIENCE_US.get(group, STUCK_US)
    far = far_behind(group, mine)
    starts = RUNS.get(group, "`perptape process`")
    if far and (stuck or oldest is None):
        return wrong(name, f"{sees}; {far}", RUNBOOK.get(group, RUNBOOK["processors"]))
    if runs and (stuck or members == 0):
        return wrong(name, sees, f"start {starts}, or see the last lines of that which runs")
    if stuck:
        return warn(name, sees, f"they wait for `perptape up`, or {starts}")
    return ok(name, sees)


def far_behind(group: str, waiting: Sequence[Waiting]) -> str:
    """Say where more records wait than may; empty where nowhere."""
    if group == "processors":
        worst = max(waiting, key=lambda one: one.records)
        text = f"partition {worst.partition}: {worst.records:,}"
        return text if worst.records > PROCESSOR_LAG_RECORDS else ""
    topics: dict[str, int] = {}
    for one in waiting:
        topics[one.topic] = topics.get(one.topic, 0) + one.records
    topic = max(topics, key=topics.__getitem__)
    return f"{topic}: {topics[topic]:,}" if topics[topic] > SINK_LAG_RECORDS else ""


def judge_saved(saved: Sequence[Saved], now_us: int) -> Finding:
    """Judge how long before its newest input each partition was saved."""
    name, do = "snapshots", "SnapshotOld in deploy/README.md: the worker is stuck, or cannot write"
    if not saved:
        return ok(name, "none needed yet")
    late = {
        one.partition: one.input_us - one.snapshot_us
        for one in saved
        if one.snapshot_us is not None
    }
    never = [one.partition for one in saved if one.snapshot_us is None]
    worst = max(late, key=late.__getitem__, default=None)
    if worst is not None and late[worst] > SNAPSHOT_US:
        return wrong(
            name, f"partition {worst}: saved {duration(late[worst])} before its newest input", do
        )
    if never:
        numbers = ", ".join(map(str, never))
        return warn(
            name, f"partitions {numbers}: never saved", "`perptape process` saves every 15 s"
        )
    newest = max(one.snapshot_us for one in saved if one.snapshot_us is not None)
    return ok(name, f"of {len(saved)} partitions, the newest {ago(now_us, newest)}")


def judge_letters(seen: LogSeen) -> Finding:
    """Judge what could not be used in the last hour."""
    count = sum(seen.letters.values())
    if not count:
        return ok("dead letters", "none in the last hour")
    reasons = sorted(seen.letters.items(), key=lambda item: (-item[1], item[0]))
    words = ", ".join(f"{number:,} {reason}" for reason, number in reasons[:5])
    sees = f"{'at least ' if count >= LETTERS else ''}{count:,} in the last hour: {words}"
    return wrong(
        "dead letters", sees, "`perptape deadletter list` says why; `deadletter replay` mends"
    )
