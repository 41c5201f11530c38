"""The store: whether it answers, its tables, its parts, its newest rows."""

from collections.abc import Mapping
from dataclasses import dataclass

from runtime.cli.doctor.asking import Asker
from runtime.cli.doctor.findings import Finding, ago, ok, some, warn, wrong
from runtime.cli.doctor.thresholds import PARTS, STALE_US
from runtime.settings import Settings
from schemas.migrations import load

_TABLES = "SELECT name, checksum FROM schema_migrations FINAL ORDER BY name"
_PARTS = """
SELECT count() AS parts, table, partition FROM system.parts
WHERE active AND database = 'perptape'
GROUP BY table, partition ORDER BY parts DESC LIMIT 1
"""
_NEWEST = """
SELECT (SELECT toUnixTimestamp64Micro(max(event_time)) FROM trades_log),
       (SELECT toUnixTimestamp64Micro(max(from_time)) FROM feed_summaries_log),
       (SELECT toUnixTimestamp64Micro(max(from_time)) FROM quality_log)
"""
ACCESS_DENIED = "Code: 497."
MIGRATE = "`perptape migrate` (and every start of `perptape up`) brings the tables to this version"


@dataclass(frozen=True, slots=True)
class StoreSeen:
    """A store that answers.

    `applied` has the checksum of each migration. `parts` is the most in one partition, and of which
    table. Times of the newest trade, and of the newest word on quality, are None without any.
    """

    applied: Mapping[str, str]
    parts: tuple[int, str] = (0, "")
    trade_us: int | None = None
    quality_us: int | None = None


def look_at_store(asker: Asker) -> StoreSeen:
    """See how the store stands."""
    applied = {str(name): str(checksum) for name, checksum in asker.ask("migrations", _TABLES)}
    parts = [(int(count), f"{table} {place}") for count, table, place in asker.ask("parts", _PARTS)]
    [(trade_us, summary_us, event_us)] = asker.ask("rows", _NEWEST) or [(0, 0, 0)]
    return StoreSeen(
        applied=applied,
        parts=parts[0] if parts else (0, ""),
        trade_us=trade_us or None,
        quality_us=max(summary_us, event_us) or None,
    )


def judge_store(
    settings: Settings, seen: StoreSeen, asker: Asker, now_us: int, *, runs: bool
) -> list[Finding]:
    """Judge a store that answers."""
    wanted = {migration.name: migration.checksum for migration in load()}
    found = {
        "migrations": judge_migrations(seen.applied, wanted),
        "parts": judge_parts(seen.parts),
        "rows": judge_rows(seen, now_us, runs=runs),
    }
    problems = {name: unanswered(name, text) for name, text in asker.problems.items()}
    if ACCESS_DENIED in asker.problems.get("parts", ""):
        problems["parts"] = ok(
            "parts", "not for this user to see; ClickHouse's own metrics have it"
        )
    return [ok("store", settings.store_name), *({**found, **problems}[name] for name in found)]


def unanswered(name: str, problem: str) -> Finding:
    """Say that a question to the store had no answer."""
    return wrong(name, problem, "see the migrations above, the store's own messages, and its load")


def judge_migrations(applied: Mapping[str, str], wanted: Mapping[str, str]) -> Finding:
    """Judge the tables by the files that made them."""
    name = "migrations"
    foreign = sorted(applied.keys() - wanted.keys())
    if foreign:
        do = "use the newer perptape that made it"
        return wrong(name, f"unknown here: {some(foreign)}", do)
    changed = sorted(one for one in applied if applied[one] != wanted[one])
    if changed:
        do = "restore the file: changes belong into a new one"
        return wrong(name, f"applied with another content: {some(changed)}", do)
    missing = sorted(wanted.keys() - applied.keys())
    if missing:
        return wrong(name, f"not applied: {some(missing)}", MIGRATE)
    return ok(name, f"all {len(wanted)} applied")


def judge_parts(parts: tuple[int, str]) -> Finding:
    """Judge the parts of the partition that has most."""
    count, where = parts
    if count > PARTS:
        do = "StorePartsHigh in deploy/README.md: merges do not keep up, see the disk"
        return wrong("parts", f"{count:,} in {where}", do)
    return ok("parts", f"{count:,} at most in one partition" if count else "none yet")


def judge_rows(seen: StoreSeen, now_us: int, *, runs: bool) -> Finding:
    """Judge the newest rows: while something runs there are summaries every 10 s."""
    if seen.quality_us is None:
        trade = seen.trade_us
        sees = "none yet" if trade is None else f"newest trade {ago(now_us, trade)}, no live data"
        return warn("rows", sees, "`perptape up` collects, `perptape sink clickhouse` stores")
    sees = f"newest word on the feeds {ago(now_us, seen.quality_us)}"
    if seen.trade_us is not None:
        sees = f"newest trade {ago(now_us, seen.trade_us)}, {sees}"
    if runs and now_us - seen.quality_us > STALE_US:
        do = "nothing new arrives: see the log's input and the reader sink.clickhouse above"
        return wrong("rows", sees, do)
    return ok("rows", sees)
