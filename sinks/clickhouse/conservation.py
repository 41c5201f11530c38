"""Ask the store whether what it has adds up. Source: definitions 5.14."""

from collections.abc import Callable
from typing import Any, Protocol

from schemas.units import US_PER_MINUTE
from sinks.clickhouse.client import DATABASE, Table

LOOK_BACK_US = 70 * US_PER_MINUTE
"""A bar of an hour is looked at for ten minutes, twice at the sink's pace."""
SETTLE_US = 3 * US_PER_MINUTE
"""A correction changes several records, the last of them within 30 s; the sink lingers for 10 s."""

LONGEST_SECONDS = 5
_FROM_BROKEN = f"""
    FROM {DATABASE}.conservation
    WHERE class = 'broken'
        AND bar_start >= fromUnixTimestamp64Micro({{from_us:Int64}}, 'UTC')
        AND bar_start < fromUnixTimestamp64Micro({{until_us:Int64}}, 'UTC') - interval_seconds
"""
_COUNT = f"""
    SELECT count() {_FROM_BROKEN}
    SETTINGS max_execution_time = {LONGEST_SECONDS}, max_threads = 1
"""
_BROKEN = f"""
    SELECT asset, toString(scope), venue, symbol, interval_seconds, toString(bar_start), broken,
           count() OVER ()
    {_FROM_BROKEN}
    ORDER BY bar_start DESC, asset, scope, venue, symbol LIMIT 1
"""


class Readable(Protocol):
    """What answers queries: `sinks.clickhouse.client.Store`, `sinks.clickhouse.access.Reader`."""

    def query(self, sql: str, parameters: dict[str, Any]) -> Table:
        """Answer a query whole; QueryError or StoreError where it cannot."""
        ...


def count_broken_bars(store: Readable, now_us: Callable[[], int]) -> int:
    """Return how many final bars of the last 70 minutes are broken.

    Bars that began within them and have been over for three minutes: of a minute, five, fifteen and
    an hour. What is longer is made of these. Takes five seconds of one core at most; of twelve
    assets with seven series each (an hour out of twelve) it took one to three.

    Args:
        store: migrated.
        now_us: tells the time of the bars.

    Raises:
        QueryError: the store refused, or it took longer.
        StoreError: the store is away.
    """
    now = now_us()
    times = {"from_us": now - LOOK_BACK_US - SETTLE_US, "until_us": now - SETTLE_US}
    return int(store.query(_COUNT, times).rows[0][0])


def newest_broken_bar(store: Readable, now_us: int, look_back_us: int) -> tuple[int, str]:
    """Return how many final bars of a span are broken, and the newest of them in words.

    The same bars as those of `count_broken_bars` over another span; how long it may take is for
    whoever opened the store to say.

    Raises:
        QueryError: the store refused, or it took too long.
        StoreError: the store is away.
    """
    times = {"from_us": now_us - look_back_us - SETTLE_US, "until_us": now_us - SETTLE_US}
    rows = store.query(_BROKEN, times).rows
    if not rows:
        return 0, ""
    asset, scope, venue, symbol, seconds, start, broken, count = rows[0]
    named = " ".join(filter(None, (asset, scope, venue, symbol, f"{seconds} s")))
    return int(count), f"{named} of {start.partition('.')[0]}: {', '.join(broken)}"
