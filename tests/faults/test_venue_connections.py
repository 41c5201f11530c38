"""Connections to venues: pairs, planned ends, refusals, outages, streams that never say a word."""

import time
from collections.abc import Iterable

import pytest

from collectors.venue import Channel
from schemas.books import BookBatch
from schemas.market import FeedState
from schemas.ops import QualityEvent, QualityKind
from simulator.catalogue import FEEDS
from simulator.faults import (
    Close,
    Drop,
    Fault,
    HalfOpen,
    Maintenance,
    MaxAge,
    Refuse,
    RestHang,
    Silence,
)
from tests.faults.venues.bench import Bench, bench, hurry
from tests.faults.venues.witness import GAPLESS, Rows, Witness, excuse, symbols_of

PERP = ("binance.usdm", "bybit.linear", "okx.swap", "hyperliquid.perp")
SPOT = ("binance.spot", "bybit.spot", "okx.spot", "hyperliquid.spot")
PERP_NOW = (PERP, pytest.param(SPOT, marks=pytest.mark.long))
SPOT_NOW = (pytest.param(PERP, marks=pytest.mark.long), SPOT)
"""What the usual run has, and what is left to the long one."""

ANNOUNCING = ("binance.spot", "okx.swap", "okx.spot")
"""Feeds whose venue says beforehand that it will close a connection."""

OUTAGE_SECONDS = 2.0
MOST_OUTAGE_CPU = 0.6
"""Of a core, the simulated market included."""

TROUBLE = (
    QualityKind.GAP,
    QualityKind.GAP_PERMANENT,
    QualityKind.FEED_STATE,
    QualityKind.RESYNC,
)


async def _until_noted(at: Bench, feeds: Iterable[str], kind: QualityKind, since_us: int) -> None:
    tapes = [at.log.tape(feed) for feed in feeds]
    await at.until(lambda: all(tape.since(kind, since_us) for tape in tapes), kind.value)


def _missing(at: Bench, feed: str) -> list[str]:
    """Return what the tape of a feed says wrongly of its trades and books."""
    witness, tape = Witness(at.now_us()), at.log.tape(feed)
    wrong = []
    for symbol in symbols_of(feed):
        rows = Rows(batch for batch in tape.trades if batch.venue_symbol == symbol)
        wrong += witness.wrong_trades(feed, symbol, rows, ())
        books = [one for one in tape.books if one.venue_symbol == symbol and one.book_valid]
        wrong += witness.wrong_books(feed, symbol, books, restarted=False)
    return wrong


def _between(records: Iterable[BookBatch], from_us: int, to_us: int) -> list[BookBatch]:
    return [one for one in records if from_us <= one.receive_time_us <= to_us]


def _troubles(at: Bench, feed: str, from_us: int, to_us: int) -> list[QualityEvent]:
    """Return what must not be on record where another connection carried everything."""
    return [
        event
        for event in at.log.tape(feed).events
        if event.kind in TROUBLE and from_us <= event.log_time_us <= to_us
    ]


def _assert_nothing_happened(at: Bench, feed: str, from_us: int, to_us: int) -> None:
    tape = at.log.tape(feed)
    assert _troubles(at, feed, from_us, to_us) == []
    books = _between(tape.books, from_us, to_us)
    assert books
    assert all(book.book_valid for book in books), feed
    states = {
        batch.feed_state for batch in tape.trades if from_us <= batch.receive_time_us <= to_us
    }
    assert states <= {FeedState.LIVE, FeedState.QUIET}, feed
    assert len({batch.session for batch in tape.trades if batch.rows}) == 1
    assert _missing(at, feed) == []


@pytest.mark.parametrize("feeds", PERP_NOW, ids=["perp", "spot"])
async def test_one_connection_of_a_pair_is_cut_and_nothing_is_lost_or_twice(
    feeds: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    hurry(monkeypatch)
    async with bench(feeds, connections=2) as at:
        began_us = await _until_paired(at, feeds)
        for feed in feeds:
            at.apply(Close(feed=feed, code=1006, count=1))
        await _until_noted(at, feeds, QualityKind.DISCONNECTED, began_us)
        await _until_noted(at, feeds, QualityKind.CONNECTED, began_us)
        await at.until_recovered(feeds)
        healed_us = at.now_us()
    for feed in feeds:
        _assert_nothing_happened(at, feed, began_us, healed_us)


@pytest.mark.parametrize("feeds", SPOT_NOW, ids=["perp", "spot"])
async def test_one_connection_of_a_pair_is_half_open_and_nothing_is_lost_or_twice(
    feeds: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    hurry(monkeypatch)
    async with bench(feeds, connections=2) as at:
        began_us = await _until_paired(at, feeds)
        for feed in feeds:
            at.apply(HalfOpen(feed=feed, count=1))
        await _until_noted(at, feeds, QualityKind.STALE, began_us)
        await _until_noted(at, feeds, QualityKind.CONNECTED, began_us)
        await at.until_recovered(feeds)
        healed_us = at.now_us()
    for feed in feeds:
        _assert_nothing_happened(at, feed, began_us, healed_us)


async def _until_paired(at: Bench, feeds: Iterable[str]) -> int:
    """Wait until every group has both connections, and every book is there; return the time."""
    await at.until(
        lambda: all(at.connects(feed) == 2 * len(at.states(feed)) > 0 for feed in feeds), "pairs"
    )
    await at.until_recovered(feeds)
    return at.now_us()


async def test_an_announced_disconnect_is_overtaken(monkeypatch: pytest.MonkeyPatch) -> None:
    hurry(monkeypatch)
    async with bench(ANNOUNCING) as at:
        await at.until_recovered(ANNOUNCING)
        began_us = at.now_us()
        planned = [at.apply(Maintenance(feed=feed, after_seconds=3.0)) for feed in ANNOUNCING]
        await _until_noted(at, ANNOUNCING, QualityKind.LEAVING, began_us)
        await _until_noted(at, ANNOUNCING, QualityKind.ROTATED, began_us)
        await at.until(lambda: all(one.ended_us is not None for one in planned), "the closing")
        await at.until_recovered(ANNOUNCING)
        healed_us = at.now_us()
    for feed in ANNOUNCING:
        assert not at.log.tape(feed).since(QualityKind.DISCONNECTED, began_us)
        _assert_nothing_happened(at, feed, began_us, healed_us)


@pytest.mark.parametrize("feeds", PERP_NOW, ids=["perp", "spot"])
async def test_a_connection_is_replaced_before_the_venue_ends_it(
    feeds: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    hurry(monkeypatch)
    old = [MaxAge(feed=feed, seconds=8.0) for feed in feeds]
    async with bench(feeds, lifetime_seconds=3.0, before=old) as at:
        await at.until_recovered(feeds)
        began_us = at.now_us()
        for _ in range(2):
            await _until_noted(at, feeds, QualityKind.ROTATED, at.now_us())
        await at.until_recovered(feeds)
        healed_us = at.now_us()
        assert [applied.touched for applied in at.simulator.applied] == [0] * len(feeds)
    for feed in feeds:
        assert at.connects(feed) >= 3
        _assert_nothing_happened(at, feed, began_us, healed_us)


@pytest.mark.parametrize("status", [pytest.param(418, marks=pytest.mark.long), 429])
async def test_a_venue_that_says_when_to_come_back_is_not_asked_before(
    status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    hurry(monkeypatch)
    feeds = ("binance.usdm", "okx.swap", "bybit.spot")
    wait = 1
    async with bench(feeds) as at:
        await at.until_recovered(feeds)
        refused = [
            at.apply(Refuse(feed=feed, status=status, retry_after_seconds=wait, rest=False))
            for feed in feeds
        ]
        groups = {feed: len(at.states(feed)) for feed in feeds}
        began = time.monotonic()
        for feed in feeds:
            at.apply(Close(feed=feed, code=1006))
        await at.until(lambda: all(one.touched >= 3 for one in refused), "attempts")
        passed = time.monotonic() - began
        for one in refused:
            assert one.touched <= groups[one.fault.feed] * (1 + passed / wait)
            at.simulator.lift(one)
        await at.until_recovered(feeds)
        for feed in feeds:
            details = {e.detail for e in at.log.tape(feed).since(QualityKind.RATE_LIMITED, 0)}
            assert len(details) == 1
            assert f"(HTTP {status})" in details.pop()


@pytest.mark.parametrize(
    ("status", "words"), [(403, "by location"), (429, "too many requests"), (451, "geo-block")]
)
async def test_a_list_of_instruments_that_is_refused_is_a_problem_in_plain_words(
    status: int, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    hurry(monkeypatch)
    refuse = Refuse(feed="bybit.linear", status=status, retry_after_seconds=1)
    async with bench(("bybit.linear", "okx.spot"), before=[refuse]) as at:
        await at.until_healthy("okx.spot", at.now_us())
        assert words in at.collector.problems["bybit.linear"]
        assert f"HTTP {status}" in at.collector.problems["bybit.linear"]
        assert "okx.spot" not in at.collector.problems
        assert at.connects("bybit.linear") == 0


async def test_an_outage_of_all_venues_costs_little(monkeypatch: pytest.MonkeyPatch) -> None:
    hurry(monkeypatch)
    async with bench(FEEDS) as at:
        await at.until(lambda: all(at.connects(feed) for feed in FEEDS), "connections")
        refused = [at.apply(Refuse(feed=feed)) for feed in FEEDS]
        for feed in FEEDS:
            at.apply(Close(feed=feed, code=1006))
        await at.until(lambda: all(one.touched for one in refused), "refusals")
        began, cpu = time.monotonic(), time.process_time()
        await at.until(lambda: time.monotonic() - began > OUTAGE_SECONDS, "the end")
        cpu, passed = time.process_time() - cpu, time.monotonic() - began
        assert cpu < MOST_OUTAGE_CPU * passed
        for one in refused:
            at.simulator.lift(one)
        await at.until_recovered(FEEDS)


async def test_a_stream_that_is_acknowledged_and_then_silent_is_on_record(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hurry(monkeypatch)
    monkeypatch.setattr("collectors.session.line.FIRST_WORD_US", 6_000_000)
    silent = {
        "okx.swap": "bbo-tbt:BTC-USDT-SWAP",
        "bybit.spot": "orderbook.1.BTCUSDT",
        "hyperliquid.perp": "bbo:BTC",
        "binance.spot": "btcusdt@bookTicker",
    }
    mute: list[Fault] = [Silence(feed=feed, stream=name) for feed, name in silent.items()]
    async with bench(tuple(silent), before=mute) as at:
        await _until_noted(at, silent, QualityKind.SILENT, 0)
        for applied in tuple(at.simulator.applied):
            at.simulator.lift(applied)
        await at.until_recovered(silent)
        for feed, name in silent.items():
            tape = at.log.tape(feed)
            assert {event.stream for event in tape.since(QualityKind.SILENT, 0)} == {name}
            assert at.connects(feed) == len(at.states(feed))
            tops = [book.tops for book in tape.books[-10:] if book.top_stream == name]
            assert any(tops), feed


async def test_a_repair_that_is_cut_off_with_its_connection_still_comes_to_an_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hurry(monkeypatch)
    async with bench(GAPLESS) as at:
        await at.until_recovered(GAPLESS)
        began_us = at.now_us()
        hanging = [at.apply(RestHang(feed=feed)) for feed in GAPLESS]
        for feed in GAPLESS:
            name = at.stream(feed, Channel.TRADES)
            at.apply(Drop(feed=feed, stream=name, every=2, count=2))
        await _until_noted(at, GAPLESS, QualityKind.GAP, began_us)
        await at.until(lambda: all(one.touched for one in hanging), "calls that hang")
        for feed in GAPLESS:
            at.apply(Close(feed=feed, code=1006))
        await _until_noted(at, GAPLESS, QualityKind.DISCONNECTED, began_us)
        for one in hanging:
            at.simulator.lift(one)
        await at.until_recovered(GAPLESS)
    witness = Witness(at.now_us())
    for feed in GAPLESS:
        tape = at.log.tape(feed)
        given_up = tape.since(QualityKind.GAP_PERMANENT, 0)
        for symbol in symbols_of(feed):
            rows = Rows(batch for batch in tape.trades if batch.venue_symbol == symbol)
            excuses = [excuse(gap) for gap in given_up]
            assert witness.wrong_trades(feed, symbol, rows, excuses) == []
