"""Bars that were worked off anew into the tables: which of them, and with the trades behind them.

Of the bars of a span a final one is taken where there is none, and where it is complete, over no
fewer venues, and the one that is there is not complete, not final or over fewer: as a further
version, with reason `gap_repair`. Where asked for (a fault of ours was mended) it also takes the
place of a complete one that says something else, with reason `code`. So the same again changes
nothing (definitions 5.0, finality).

Missing trades of these bars go in first, then what they have beside the steps of the CVD. A bar
that knows of fewer trades than the table would break the sums of both: then nothing is changed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from runtime.errors import ConfigurationError
from sinks.clickhouse.client import Store
from sinks.clickhouse.rebuild.adjust import adjust_rebuilt
from sinks.clickhouse.rebuild.staging import ADMITTED, BARS, TRADES

_KEY = "asset, scope, venue, symbol, interval_seconds, row_size, bar_start"
_LINEAGE = {
    "revision",
    "version",
    "reason",
    "method",
    "params",
    "log_time",
    "inputs_topic",
    "inputs_partition",
    "inputs_first_offset",
    "inputs_last_offset",
    "log_partition",
    "log_offset",
    "coverage_ms",
    "feed_states",
    "ref_close_ticks",  # of whatever other markets there were
}
"""What a bar may differ in and still say the same."""

_SPAN = """
asset = {asset:String} AND bar_start >= fromUnixTimestamp64Micro({from_us:Int64}, 'UTC')
AND bar_end <= fromUnixTimestamp64Micro({until_us:Int64}, 'UTC')
"""
_ADMIT = """
INSERT INTO {admitted} ({names})
SELECT {values}
FROM (SELECT *, {told} AS told FROM {bars} FINAL WHERE is_final AND status != 'gap' AND {span}) AS n
LEFT JOIN
(
    SELECT {key}, revision AS old_revision, version AS old_version, {told} AS old_told,
           is_final AND status = 'complete' AS old_whole, venues_expected AS old_expected
    FROM footprints_log FINAL WHERE {span}
) AS o USING ({key})
WHERE old_revision = 0
   OR (status = 'complete' AND hasAll(venues_expected, old_expected)
       AND (NOT old_whole OR length(venues_expected) > length(old_expected)
            OR ({{replace:Bool}} AND told != old_told)))
"""
_REASON = "multiIf(old_revision = 0, n.reason, old_whole, 'code', 'gap_repair')"
_VALUES = {
    "revision": "greatest(n.revision, old_revision + 1)",
    "version": "greatest(n.version, toUInt32(old_version + 1))",
    "reason": _REASON,
}
_MEMBERS = f"""
SELECT DISTINCT asset, venue, symbol FROM {ADMITTED}
WHERE scope = 'venue' AND interval_seconds = {{base:UInt32}} ORDER BY ALL
"""  # noqa: S608  # our own
_OF_MEMBER = """
asset = {asset:String} AND venue = {venue:String} AND symbol = {symbol:String}
AND event_time >= fromUnixTimestamp64Micro({from_us:Int64}, 'UTC')
AND event_time < fromUnixTimestamp64Micro({until_us:Int64}, 'UTC')
"""
_IN_ADMITTED = f"""
{_OF_MEMBER} AND toStartOfInterval(event_time, toIntervalSecond({{base:UInt32}})) IN
(
    SELECT bar_start FROM {ADMITTED}
    WHERE scope = 'venue' AND interval_seconds = {{base:UInt32}}
      AND asset = {{asset:String}} AND venue = {{venue:String}} AND symbol = {{symbol:String}}
)
"""  # noqa: S608
_UNKNOWN = f"""
SELECT count(), toString(min(event_time)) FROM trades_log FINAL WHERE {_IN_ADMITTED}
AND trade_id NOT IN (SELECT trade_id FROM {TRADES} WHERE {_OF_MEMBER})
"""  # noqa: S608
_MISSING = f"""
FROM {TRADES} FINAL WHERE {_IN_ADMITTED}
AND trade_id NOT IN (SELECT trade_id FROM trades_log WHERE {_OF_MEMBER})
"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class Span:
    """What is rebuilt: whole bars of [from_us, until_us), of a base interval."""

    from_us: int
    until_us: int
    base_seconds: int


@dataclass(frozen=True, slots=True)
class Merged:
    """How much went into the tables, and how many bars were worked off."""

    bars: int
    trades: int
    worked_off: int


def merge(store: Store, span: Span, *, replace: bool) -> Merged:
    """Take what is better into the tables.

    Args:
        store: with a filled staging.
        span: only bars inside.
        replace: also complete bars that say something else.

    Raises:
        ConfigurationError: there are trades that the rebuilt bars do not know of; nothing changed.
        StoreError: the store is away or refuses; the same may be done again.
    """
    times = {"from_us": span.from_us, "until_us": span.until_us}
    worked_off = 0
    columns = _columns(store, "footprints_log")
    admit = _admit_sql(columns)
    assets = [row[0] for row in store.query(f"SELECT DISTINCT asset FROM {BARS} ORDER BY ALL").rows]  # noqa: S608
    for asset in assets:
        asked = {**times, "asset": asset}
        sql = f"SELECT count() FROM {BARS} FINAL WHERE is_final AND {_SPAN}"  # noqa: S608
        worked_off += int(store.query(sql, asked).rows[0][0])
        store.command(admit, {**asked, "replace": replace})
    members = [
        {**times, "base": span.base_seconds, "asset": asset, "venue": venue, "symbol": symbol}
        for asset, venue, symbol in store.query(_MEMBERS, {"base": span.base_seconds}).rows
    ]
    for member in members:
        _refuse_fewer(store, member)
    trades = sum(_add_trades(store, member) for member in members)
    for asset in assets:
        adjust_rebuilt(store, {**times, "base": span.base_seconds, "asset": asset})
    names = ", ".join(columns)
    bars = int(store.query(f"SELECT count() FROM {ADMITTED}").rows[0][0])  # noqa: S608
    store.command(f"INSERT INTO footprints_log ({names}) SELECT {names} FROM {ADMITTED}")  # noqa: S608
    return Merged(bars, trades, worked_off)


def _admit_sql(names: Sequence[str]) -> str:
    said = ", ".join(name for name in names if name not in _LINEAGE)
    return _ADMIT.format(
        admitted=ADMITTED,
        bars=BARS,
        key=_KEY,
        span=_SPAN,
        names=", ".join(names),
        values=", ".join(_VALUES.get(name, name) for name in names),
        told=f"cityHash64(toString(tuple({said})))",
    )


def _refuse_fewer(store: Store, member: dict[str, object]) -> None:
    count, first = store.query(_UNKNOWN, member).rows[0]
    if count:
        raise ConfigurationError(
            f"{member['venue']}:{member['symbol']} has {count} trades, the first of {first}, in "
            "bars that would be rebuilt without them: recordings of more, or of the same stream, "
            "are needed; nothing was changed"
        )


def _add_trades(store: Store, member: dict[str, object]) -> int:
    missing = int(store.query(f"SELECT count() {_MISSING}", member).rows[0][0])
    if missing:
        names = ", ".join(_columns(store, "trades_log"))
        store.command(f"INSERT INTO trades_log ({names}) SELECT {names} {_MISSING}", member)
    return missing


def _columns(store: Store, table: str) -> list[str]:
    rows = store.query(
        "SELECT name FROM system.columns WHERE database = currentDatabase()"
        " AND table = {table:String} ORDER BY position",
        {"table": table},
    ).rows
    return [str(row[0]) for row in rows]
