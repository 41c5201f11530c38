"""Quality by the minute: summaries of ten seconds, put together."""

from typing import Any

import pytest
from msgspec import structs

from schemas.market import FeedState
from schemas.ops import FeedSummary, QualityEvent, QualityKind
from schemas.topics import QUALITY
from schemas.units import US_PER_MINUTE, US_PER_SECOND
from sinks.clickhouse.client import Store
from tests.sinks.clickhouse.published import found, one, put
from tests.sinks.clickhouse.records import DAY_US

TEN = 10 * US_PER_SECOND


def summary(asset: str, number: int, session: str = "s1", **changes: Any) -> QualityEvent:
    """Return the summary of ten seconds, the first of them at the start of the day."""
    says: dict[str, Any] = {
        "feed_state": FeedState.LIVE,
        "interval_us": TEN,
        "messages": 10 + number,
        "items": 20,
        "duplicates": 1,
        "out_of_order": 2,
        "gaps": 0,
        "resyncs": 0,
        "reconnects": 0,
        "refusals": 0,
        "rejected": 0,
        "late": (1, 2, 3, 4),
        "lag_p50_us": 1000 * (number + 1),
        "lag_p99_us": 5000 - number,
        "clock_offset_us": 0,
        "watermark_lag_us": 7,
        "crossed_us": 0,
        "invalid_us": 3,
    }
    return QualityEvent(
        kind=QualityKind.SUMMARY,
        venue="okx",
        symbol="A",
        asset=asset,
        stream="trades",
        session=session,
        from_us=DAY_US + number * TEN,
        to_us=DAY_US + (number + 1) * TEN,
        count=1,
        detail="",
        log_time_us=DAY_US + (number + 1) * TEN,
        summary=FeedSummary(**{**says, **changes}),
    )


def moved(event: QualityEvent, seconds: int) -> QualityEvent:
    """Return a summary of so many seconds later."""
    by_us = seconds * US_PER_SECOND
    return structs.replace(event, from_us=event.from_us + by_us, to_us=event.to_us + by_us)


async def test_a_whole_minute_is_put_together(store: Store) -> None:
    events = [summary("WHOLE", number) for number in range(6)]
    events[2] = summary("WHOLE", 2, gaps=2, resyncs=1, reconnects=3, refusals=4, rejected=5)
    await put(store, QUALITY, *events, summary("WHOLE", 6))

    first = found(store, "SELECT * FROM data_quality WHERE asset = 'WHOLE' ORDER BY minute_start")

    assert len(first) == 2
    minute = first[0]
    assert (minute["venue"], minute["stream"], minute["feed_state"]) == ("okx", "trades", "live")
    assert (minute["coverage_ms"], minute["coverage"], minute["summaries"]) == (60_000, 1.0, 6)
    assert (minute["messages"], minute["items"]) == (75, 120)
    assert (minute["gaps"], minute["resyncs"], minute["reconnects"]) == (2, 1, 3)
    assert (minute["refusals"], minute["rejected"]) == (4, 5)
    assert (minute["duplicates"], minute["out_of_order"]) == (6, 12)
    assert (minute["late"], minute["late_more"]) == (60, 24)
    assert (minute["lag_p50_us"], minute["lag_p99_us"]) == (3000, 5000)
    assert (minute["watermark_lag_us"], minute["invalid_us"]) == (7, 18)


async def test_time_without_a_live_feed_is_not_covered(store: Store) -> None:
    states = ("live", "stale", "down", "quiet", "down")
    events = [summary("DOWN", n, feed_state=FeedState(state)) for n, state in enumerate(states)]
    await put(store, QUALITY, *events)

    minute = one(store, "SELECT * FROM data_quality WHERE asset = 'DOWN'")

    assert minute["coverage_ms"] == 20_000
    assert minute["feed_state"] == "down"
    assert minute["feed_states"] == ["down", "live", "quiet", "stale"]


async def test_states_and_coverage_are_those_of_the_minute_and_counts_where_a_summary_began(
    store: Store,
) -> None:
    """An outage from 00:01:03 to 00:02:03, seen by summaries that begin three seconds late."""
    events = [
        moved(summary("OUTAGE", n, feed_state=FeedState("down" if 6 <= n < 12 else "live")), 3)
        for n in range(18)
    ]
    await put(store, QUALITY, *events)

    minutes = found(
        store, "SELECT * FROM data_quality WHERE asset = 'OUTAGE' ORDER BY minute_start"
    )

    assert [one["coverage_ms"] for one in minutes] == [57_000, 3_000, 57_000, 3_000]
    assert [one["feed_states"] for one in minutes] == [["live"], *[["down", "live"]] * 2, ["live"]]
    assert [one["feed_state"] for one in minutes] == ["live", "down", "live", "live"]
    assert [one["summaries"] for one in minutes] == [6, 6, 6, 0]
    assert [one["items"] for one in minutes] == [120, 120, 120, 0]
    assert [one["lag_p99_us"] for one in minutes] == [5000, 4994, 4988, None]


async def test_minutes_without_a_hole_are_covered_whole_however_summaries_lie(store: Store) -> None:
    lasting = 10_700_000
    at = [(DAY_US + n * lasting, DAY_US + (n + 1) * lasting) for n in range(40)]
    events = [structs.replace(summary("LONG", 0), from_us=a, to_us=b) for a, b in at]
    await put(store, QUALITY, *events)

    minutes = found(store, "SELECT * FROM data_quality WHERE asset = 'LONG' ORDER BY minute_start")

    assert [one["coverage_ms"] for one in minutes] == [*[60_000] * 7, 8_000]
    assert sum(one["summaries"] for one in minutes) == 40


async def test_two_connections_at_once_cover_no_more_than_the_minute(store: Store) -> None:
    events = [summary("TWICE", number, session) for number in range(4) for session in ("a", "b")]
    await put(store, QUALITY, *events)

    minute = one(store, "SELECT * FROM data_quality WHERE asset = 'TWICE'")

    assert (minute["coverage_ms"], minute["sessions"], minute["summaries"]) == (40_000, 2, 8)


async def test_a_lag_that_nobody_knows_is_null(store: Store) -> None:
    await put(store, QUALITY, summary("UNKNOWN", 0, lag_p50_us=None, lag_p99_us=None))

    minute = one(store, "SELECT * FROM data_quality WHERE asset = 'UNKNOWN'")

    assert (minute["lag_p50_us"], minute["lag_p99_us"]) == (None, None)


@pytest.mark.parametrize("minutes", [1, 600])
async def test_filters_reach_days_and_key(store: Store, minutes: int) -> None:
    await put(store, QUALITY, summary("PLAN", 6 * minutes))
    at = f"fromUnixTimestamp64Micro({DAY_US + minutes * US_PER_MINUTE})"
    sql = f"SELECT summaries FROM data_quality WHERE asset = 'PLAN' AND minute_start = {at}"
    assert one(store, sql) == {"summaries": 1}

    plan = "\n".join(
        row[0]
        for row in store.query(
            "EXPLAIN indexes = 1 SELECT * FROM data_quality WHERE asset = 'PLAN'"
            " AND venue = 'okx' AND minute_start >= '2026-09-21 00:00:00'"
        ).rows
    )

    reads = plan.split("ReadFromMergeTree")[1:]
    assert len(reads) == 2  # of the minute in which a summary began, and of the next one
    for read in reads:
        days, keys = read.split("Min-Max", 1)[1].split("PrimaryKey", 1)
        assert "FINAL: 1" in read
        assert "Condition: true" not in days.split("Partition", 1)[0]
        assert "asset in ['PLAN', 'PLAN']" in keys
        assert "venue in ['okx', 'okx']" in keys
        assert "from_time" in keys.split("Condition:", 1)[1]
