"""What the doctor sees in a store: feeds, refusals, gaps, books and clocks, within their spans."""

import asyncio
from contextlib import closing

import pytest
from msgspec import structs

from runtime.cli.doctor.asking import Asker
from runtime.cli.doctor.data import DataSeen, Stream, look_at_data
from runtime.cli.doctor.store import look_at_store
from runtime.cli.doctor.thresholds import BOOKS_US, GAPS_US, REFUSED_US
from schemas.market import FeedState
from schemas.migrations import load
from schemas.ops import FeedSummary, QualityEvent, QualityKind
from schemas.topics import QUALITY
from schemas.units import US_PER_SECOND
from sinks.clickhouse.access import Reader
from sinks.clickhouse.client import DATABASE, open_store
from sinks.clickhouse.migrate import apply
from tests.sinks.clickhouse.published import put

NOW_US = 1_800_000_000_000_000
TEN_US = 10 * US_PER_SECOND
SUMMARY = FeedSummary(
    feed_state=FeedState.LIVE, interval_us=TEN_US, messages=1, items=1, duplicates=0,
    out_of_order=0, gaps=0, resyncs=0, reconnects=0, refusals=0, rejected=0, late=(0, 0, 0, 0),
    lag_p50_us=None, lag_p99_us=None, clock_offset_us=None, watermark_lag_us=None, crossed_us=0,
    invalid_us=0,
)  # fmt: skip


def event(
    kind: QualityKind, venue: str, age_us: int, detail: str = "", stream: str = "trades"
) -> QualityEvent:
    at_us = NOW_US - age_us
    return QualityEvent(
        kind=kind, venue=venue, symbol="BTC-USDT", asset="BTC", stream=stream, session="s",
        from_us=at_us, to_us=at_us, count=1, detail=detail, log_time_us=at_us,
    )  # fmt: skip


def summary(venue: str, age_us: int, stream: str = "trades", **changes: object) -> QualityEvent:
    """Return a summary of the ten seconds that ended so long ago."""
    said = event(QualityKind.SUMMARY, venue, age_us, stream=stream)
    changed = structs.replace(SUMMARY, **changes)
    return structs.replace(said, from_us=said.to_us - TEN_US, summary=changed)


def told() -> list[QualityEvent]:
    state = QualityKind.FEED_STATE
    return [
        *(summary("okx", TEN_US * number, clock_offset_us=-70_000) for number in range(12)),
        *(summary("bybit", TEN_US * number, clock_offset_us=3_000) for number in range(12)),
        *(
            summary("okx", TEN_US * number, "books", invalid_us=TEN_US)
            for number in range(BOOKS_US // TEN_US)
        ),
        event(state, "okx", 25 * US_PER_SECOND, "live -> quiet"),
        event(state, "bybit", 3 * US_PER_SECOND, "live -> down"),
        event(state, "binance", 3 * 3_600 * US_PER_SECOND, "live -> down"),
        event(QualityKind.REFUSED, "bybit", REFUSED_US + 1, "too long ago"),
        event(QualityKind.REFUSED, "okx", REFUSED_US, "an older one"),
        event(QualityKind.REFUSED, "okx", REFUSED_US - 1, "403: not from here"),
        event(QualityKind.GAP_PERMANENT, "okx", GAPS_US),
        event(QualityKind.GAP_PERMANENT, "okx", GAPS_US + 1),
        event(QualityKind.GAP_REPAIRED, "okx", 1),
    ]


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> DataSeen:
    store = open_store(tmp_path_factory.mktemp("seen") / "store")
    with closing(store):
        apply(store)
        asyncio.run(put(store, QUALITY, *told()))
        store.use(DATABASE)
        asker = Asker(Reader(store, guarded=False, exclusive=True))
        there = look_at_store(asker)
        assert there.applied == {one.name: one.checksum for one in load()}
        assert there.quality_us == NOW_US - 1
        assert there.trade_us is None
        found = look_at_data(asker, NOW_US)
    assert not asker.problems
    return found


def test_a_stream_is_as_its_newest_word_says(seen: DataSeen) -> None:
    second = US_PER_SECOND
    assert list(seen.streams) == [
        Stream("bybit", "BTC-USDT", "trades", "live", NOW_US - 3 * second, NOW_US),
        Stream("okx", "BTC-USDT", "books", "live", 0, NOW_US),
        Stream("okx", "BTC-USDT", "trades", "live", NOW_US - 25 * second, NOW_US),
    ]


def test_refusals_and_gaps_count_within_their_spans(seen: DataSeen) -> None:
    assert list(seen.refused) == [("okx", "403: not from here", NOW_US - REFUSED_US + 1)]
    assert list(seen.gaps) == [("okx", 1, 2)]


def test_a_book_that_was_invalid_all_along_and_a_clock_that_is_late_are_seen(
    seen: DataSeen,
) -> None:
    assert list(seen.books) == [("okx", "BTC-USDT")]
    assert seen.clock == ("okx trades", -70_000)
    assert seen.broken == (0, "")
