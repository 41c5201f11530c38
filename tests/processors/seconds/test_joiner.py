"""Seconds are a function of the logs, in whatever interleaving the topics are read."""

import random
from collections import Counter
from dataclasses import replace
from itertools import pairwise

import msgspec
import pytest

from processors.seconds.second import Second
from schemas.books import BookBatch
from schemas.market import OFF_GRID, FeedState, OrderClass
from schemas.ops import QualityKind
from schemas.trades import TradeBatch
from schemas.units import US_PER_SECOND, steps_in
from tests.processors.builders import NOON, SECOND, UNITS
from tests.processors.seconds.market import (
    BINANCE,
    BINANCE_SPOT,
    BYBIT,
    Join,
    Market,
    Record,
    book_batch,
    header,
    in_turn,
    interleaved,
    liquidation_batch,
)

MARKET = Market(40)
PERP, OTHER, SPOT = (f"{one[0]}:{one[2]}" for one in (BINANCE, BYBIT, BINANCE_SPOT))


def joined(records: list[Record]) -> list[Second]:
    return Join().take(records)


def test_every_event_is_in_its_second_once_and_seconds_follow_one_another() -> None:
    logs = MARKET.logs()
    seconds = joined(in_turn(logs))
    numbers = [second.start_us // SECOND for second in seconds]
    assert numbers == list(range(numbers[0], numbers[-1] + 1))
    assert len(numbers) > 30
    last_us = seconds[-1].end_us
    trades = Counter(t for s in seconds for m in s.members.values() for t in m.trades)
    wanted = [
        row[0]
        for batch in logs["trades"]
        if isinstance(batch, TradeBatch)
        for row in batch.rows
        if row[0] < last_us
    ]
    assert set(trades.values()) == {1}
    assert sorted(trade[0] for trade in trades) == sorted(wanted)
    books = [b.time_us for s in seconds for m in s.members.values() for b in m.books]
    assert len(books) == sum(
        isinstance(b, BookBatch) and b.event_time_us < last_us for b in logs["books"]
    )
    for second in seconds:
        for member in second.members.values():
            times = [trade[0] for trade in member.trades] + [one.time_us for one in member.books]
            assert all(second.start_us <= time_us < second.end_us for time_us in times)
            assert list(member.trades) == sorted(member.trades)


@pytest.mark.parametrize("seed", range(8))
def test_the_interleaving_of_the_topics_changes_nothing(seed: int) -> None:
    outages = [(BYBIT, "books", 12, 19), (BINANCE, "trades", 15, 16), (BYBIT, "tickers", 5, 39)]
    logs = Market(60, outages=outages, seed=seed).logs()
    wanted = joined(in_turn(logs))
    found = joined(interleaved(logs, seed))
    both = min(len(wanted), len(found))
    assert both > 20
    assert found[:both] == wanted[:both]


@pytest.mark.parametrize("seed", range(4))
def test_restarts_change_nothing(seed: int) -> None:
    records = in_turn(Market(40, outages=[(BYBIT, "liquidations", 9, 14)]).logs())
    wanted = joined(records)
    chance, join, found = random.Random(seed), Join(), []
    for record in records:
        found += join.take([record])
        if chance.random() < 0.05:
            join = join.restarted()
    assert found == wanted


def test_what_was_taken_over_is_a_sum_beside_the_trades_and_a_block_is_nothing() -> None:
    """An insurance fill off the venue's grid was at most at the tick above."""
    logs = Market(40).logs()
    place, batch = next(
        (n, one) for n, one in enumerate(logs["trades"]) if isinstance(one, TradeBatch) and n > 30
    )
    classes = (OrderClass.ADL, OrderClass.INSURANCE | OFF_GRID, OrderClass.BLOCK)
    rows = [(*row[:5], int(flags)) for row, flags in zip(batch.rows, classes, strict=True)]
    logs["trades"][place] = msgspec.structs.replace(batch, rows=rows)
    ticks = [row[1] * steps_in(batch.tick, UNITS.tick) for row in rows]
    lots = [row[2] * steps_in(batch.lot, UNITS.lot) for row in rows]
    worth = ticks[0] * lots[0] + (ticks[1] + steps_in(batch.tick, UNITS.tick)) * lots[1]
    join, found = Join(), []
    for record in in_turn(logs):
        found += join.take([record])
        if record[1].receive_time_us // SECOND == batch.receive_time_us // SECOND:
            join = join.restarted()
    told = [(s, m) for s in found for m in s.members.values() if m.taken_over]
    assert sum(one.taken_over for _, one in told) == worth
    assert {one.name for _, one in told} == {f"{batch.venue}:{batch.symbol}"}
    times = {row[0] for row in rows}
    assert {s.start_us // SECOND for s, _ in told} <= {time_us // SECOND for time_us in times}
    assert not times & {trade[0] for s, one in told for trade in one.trades}


def test_a_stream_that_was_away_is_a_gap_and_never_a_quiet_second() -> None:
    seconds = joined(in_turn(Market(90, outages=[(BYBIT, "trades", 20, 29)]).logs()))
    at = {(second.start_us - NOON) // SECOND: second.members[OTHER] for second in seconds}
    away, there = at[25].trade_stream, at[15].trade_stream
    assert away is not None
    assert there is not None
    assert (away.covered_us, away.state, at[25].trades) == (0, FeedState.STALE, [])
    assert (there.complete, there.state) == (True, FeedState.LIVE)
    assert at[25].book is not None
    other = [second.members[PERP].trade_stream for second in seconds[15:40]]
    assert all(stream is not None and stream.complete for stream in other)


def test_a_book_whose_stream_is_away_is_not_shown_as_it_was() -> None:
    seconds = joined(in_turn(Market(80, outages=[(BYBIT, "books", 20, 29)]).logs()))
    at = {(second.start_us - NOON) // SECOND: second.members[OTHER] for second in seconds}
    assert at[18].book is not None
    assert at[25].book is None
    assert at[32].book is not None


def test_a_topic_that_has_nothing_is_waited_for_and_then_left_out() -> None:
    logs = MARKET.logs()
    logs["tickers"] = []
    seconds = joined(in_turn(logs))
    newest_us = max(batch.receive_time_us for batch in logs["trades"])
    assert seconds[-1].end_us <= newest_us - 29 * SECOND
    assert seconds[-1].end_us > newest_us - 32 * SECOND
    assert seconds[-1].members[PERP].ticker_stream is None


def test_a_topic_that_ends_holds_the_others_up_for_a_while_only() -> None:
    logs = Market(200, outages=[(BINANCE, "tickers", 30, 199), (BYBIT, "tickers", 30, 199)]).logs()
    seconds = joined(in_turn(logs))
    newest_us = max(batch.receive_time_us for batch in logs["trades"])
    assert newest_us - 95 * SECOND < seconds[-1].end_us < newest_us - 85 * SECOND


def test_spot_has_no_liquidations_and_no_ticker() -> None:
    spot = joined(in_turn(MARKET.logs()))[10].members[SPOT]
    assert (spot.liquidation_stream, spot.ticker_stream, spot.ticker) == (None, None, None)
    assert spot.book_stream is not None


def test_what_is_sent_again_changes_nothing() -> None:
    records = in_turn(MARKET.logs())
    doubled = [one for n, record in enumerate(records) for one in (record, records[max(0, n - 9)])]
    wanted, found = joined(records), joined(doubled)
    assert [without(second) for second in found] == [without(second) for second in wanted]


def without(second: Second) -> Second:
    """Return a second without its offsets, which are others where records are there twice."""
    return replace(second, inputs=[])


def test_liquidations_that_a_venue_repeats_after_a_reconnect_count_once() -> None:
    logs = MARKET.logs()
    first = next(b for b in logs["liquidations"] if b.venue == "bybit" and getattr(b, "rows", None))
    again = msgspec.structs.replace(first, session="s77", sequence=0)
    logs["liquidations"].insert(logs["liquidations"].index(first) + 2, again)
    wanted, found = joined(in_turn(MARKET.logs())), joined(in_turn(logs))
    count = [
        sum(len(member.liquidations) for s in seconds for member in s.members.values())
        for seconds in (wanted, found)
    ]
    assert count[0] == count[1] > 5


def test_a_liquidation_of_a_second_that_is_over_is_told_and_left_out() -> None:
    join = Join()
    join.take(in_turn(MARKET.logs()))
    late_us = NOON + 5 * SECOND
    said = header(BYBIT, 3, 0, NOON + 40 * SECOND)
    join.take([("liquidations", liquidation_batch(said, [(late_us, "60000", 1, 1, 0, 0)]))])
    assert [(f.kind, f.from_us, f.times) for f in join.findings if f.kind is QualityKind.LATE] == [
        (QualityKind.LATE, late_us, 1)
    ]


@pytest.mark.parametrize(
    ("bids", "asks", "why"),
    [
        ([(100, 1)], [(100, 1)], "crossed book"),
        ([(99, 1), (100, 1)], [(101, 1)], "out of order"),
        ([(99, 1), (99, 1)], [(101, 1)], "out of order, double"),
        ([(99, 0)], [(101, 1)], "not above zero"),
        ([(-1, 1)], [(101, 1)], "not above zero"),
        ([(99, 1 << 60)], [(101, 1)], "beyond all bounds"),
        ([(n, 1) for n in range(100, 40, -1)], [(101, 1)], "more than 50"),
    ],
)
def test_a_book_that_cannot_be_is_refused_and_changes_nothing(
    bids: list[tuple[int, int]], asks: list[tuple[int, int]], why: str
) -> None:
    records = in_turn(MARKET.logs())
    join = Join()
    found = join.take(records[:300])
    said = header(BINANCE, 0, 10_000, NOON + 20 * SECOND)
    before = join.joiner.snapshot()
    with pytest.raises(ValueError, match=why):
        join.take([("books", book_batch(said, NOON + 20 * SECOND, bids, asks))])
    assert join.joiner.snapshot() == before
    found += join.take(records[300:])
    assert [without(s) for s in found] == [without(s) for s in joined(records)]


@pytest.mark.parametrize("time_us", [0, 60 * SECOND, 4_102_444_800 * SECOND])
def test_times_of_1970_and_2100_are_refused(time_us: int) -> None:
    said = header(BINANCE, 0, 0, NOON)
    with pytest.raises(ValueError, match="received at"):
        Join().take([("liquidations", liquidation_batch(said, [(time_us, "1", 1, 1, 0, 0)]))])
    with pytest.raises(ValueError, match="received at"):
        Join().take([("books", book_batch(said, time_us or 1, [(1, 1)], [(2, 1)]))])


def test_a_book_whose_time_the_venue_has_not_said_is_of_its_receipt() -> None:
    records = in_turn(MARKET.logs())
    said = header(BINANCE, 7, 0, NOON + 12 * SECOND)
    snapshot = book_batch(said, 0, [(5_999_000, 1)], [(5_999_001, 1)])
    at = next(n for n, (_, one) in enumerate(records) if one.receive_time_us > NOON + 12 * SECOND)
    found = joined([*records[:at], ("books", snapshot), *records[at:]])
    second = next(one for one in found if one.start_us == NOON + 12 * SECOND)
    times = [book.time_us for book in second.members["binance:BTC-USDT-PERP"].books]
    assert said["receive_time_us"] in times


@pytest.mark.parametrize(("price", "qty"), [("0", 1), ("60000", 0), ("9" * 18, 10**9)])
def test_a_liquidation_that_cannot_be_is_refused(price: str, qty: int) -> None:
    said = header(BINANCE, 0, 0, NOON)
    with pytest.raises(ValueError, match="liquidation of"):
        Join().take([("liquidations", liquidation_batch(said, [(NOON, price, qty, 1, 0, 0)]))])


def test_a_pause_of_everybody_is_passed_over() -> None:
    logs = Market(20).logs()
    later = Market(30).logs()
    for topic, batches in later.items():
        for batch in batches:
            shift = 7200 * SECOND
            fields = {
                "receive_time_us": batch.receive_time_us + shift,
                "watermark_us": batch.watermark_us + shift,
                "session": "later",
            }
            if isinstance(batch, TradeBatch):
                fields["rows"] = [
                    (row[0] + shift, *row[1:4], int(row[4]) + 10**6, row[5]) for row in batch.rows
                ]
            elif isinstance(batch, BookBatch):
                fields["event_time_us"] = batch.event_time_us + shift
            elif hasattr(batch, "rows"):
                fields["rows"] = [(row[0] + shift, *row[1:]) for row in batch.rows]
            logs[topic].append(msgspec.structs.replace(batch, **fields))
    numbers = [second.start_us // US_PER_SECOND for second in joined(in_turn(logs))]
    jumps = [after - before for before, after in pairwise(numbers)]
    assert max(jumps) > 7000
    assert len(numbers) < 100
