"""OKX: which streams there are and where, what is sent, and how its frames are read and kept."""

import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors import frames
from collectors.books.book import Book
from collectors.messages import BookUpdate, Liquidations, Message, Rejected
from collectors.venue import Channel, Feed, Parser, Stream
from collectors.venues.okx.wire import MAX_LEVELS
from schemas.books import BookState
from schemas.instruments import Instrument, make_instrument
from schemas.liquidations import PriceKind, SamplingClass
from tests.contract.venue_cases import FEEDS, cases, compact, parser_of, plain, streams_of

SWAP, SPOT = FEEDS["okx.swap"], FEEDS["okx.spot"]
BOTH = pytest.mark.parametrize("feed", [SWAP, SPOT], ids=["swap", "spot"])
NAME = "BTC-USDT-SWAP"
PER_SWAP = [
    ("trades", Channel.TRADES),
    ("books", Channel.BOOK),
    ("bbo-tbt", Channel.TOP),
    ("funding-rate", Channel.TICKER),
    ("mark-price", Channel.TICKER),
    ("index-tickers", Channel.TICKER),
    ("open-interest", Channel.TICKER),
]


def instruments(feed: Feed, count: int) -> list[Instrument]:
    tail = "-SWAP" if feed is SWAP else ""
    return [
        make_instrument(
            venue="okx",
            kind=feed.kind,
            venue_symbol=f"C{number}-USDT{tail}",
            asset=f"C{number}",
            quote="USDT",
            venue_tick="0.1",
            venue_lot="1",
        )
        for number in range(count)
    ]


def stream_named(name: str, feed: Feed = SWAP) -> Stream:
    return next(stream for stream in streams_of(feed) if stream.name == name)


def arguments(messages: list[str]) -> list[dict[str, str]]:
    return [arg for message in messages for arg in json.loads(message)["args"]]


def test_a_swap_has_seven_streams_and_all_swaps_have_one_of_liquidations() -> None:
    streams = SWAP.streams(instruments(SWAP, 2))
    assert [(one.name, one.channel) for one in streams[:7]] == [
        (f"{name}:C0-USDT-SWAP", channel) for name, channel in PER_SWAP
    ]
    assert {one.instrument.symbol for one in streams[7:14] if one.instrument} == {"C1-USDT-PERP"}
    assert streams[14:] == [Stream("liquidation-orders:SWAP", Channel.LIQUIDATIONS, None)]


def test_a_spot_pair_has_trades_book_and_best_prices() -> None:
    streams = SPOT.streams(instruments(SPOT, 1))
    assert [one.name for one in streams] == [
        "trades:C0-USDT",
        "books:C0-USDT",
        "bbo-tbt:C0-USDT",
    ]
    assert SPOT.liquidations is None


@BOTH
def test_without_instruments_there_are_no_streams_and_no_connections(feed: Feed) -> None:
    assert feed.streams([]) == []
    assert feed.plan([]) == []


@BOTH
@pytest.mark.parametrize("count", [1, 28, 29, 300])
def test_a_connection_has_fewer_than_thirty_books_and_all_of_an_instrument(
    feed: Feed, count: int
) -> None:
    plans = feed.plan(feed.streams(instruments(feed, count)))
    assert len(plans) == -(-count // 28)
    homes: dict[str, set[int]] = {}
    for number, plan in enumerate(plans):
        assert plan.path == "/ws/v5/public"
        assert len(plan.streams) <= feed.limits.streams_per_connection
        assert sum(one.channel is Channel.BOOK for one in plan.streams) < 30
        for one in plan.streams:
            if one.instrument is not None:
                homes.setdefault(one.instrument.symbol, set()).add(number)
    assert len(homes) == count
    assert all(len(home) == 1 for home in homes.values())


@pytest.mark.parametrize("count", [1, 28, 29, 56])
def test_liquidations_are_on_the_last_connection_beside_what_is_there(count: int) -> None:
    plans = SWAP.plan(SWAP.streams(instruments(SWAP, count)))
    wide = [stream for plan in plans for stream in plan.streams if stream.instrument is None]
    assert [one.name for one in wide] == ["liquidation-orders:SWAP"]
    assert plans[-1].streams[-1] == wide[0]
    assert len(plans) == -(-count // 28)


def test_what_is_sent_names_channel_and_instrument_index_or_type() -> None:
    sent = SWAP.subscribe(SWAP.streams(instruments(SWAP, 1)))
    assert [json.loads(message)["op"] for message in sent] == ["subscribe"]
    assert arguments(sent) == [
        {"channel": "trades", "instId": "C0-USDT-SWAP"},
        {"channel": "books", "instId": "C0-USDT-SWAP"},
        {"channel": "bbo-tbt", "instId": "C0-USDT-SWAP"},
        {"channel": "funding-rate", "instId": "C0-USDT-SWAP"},
        {"channel": "mark-price", "instId": "C0-USDT-SWAP"},
        {"channel": "index-tickers", "instId": "C0-USDT"},
        {"channel": "open-interest", "instId": "C0-USDT-SWAP"},
        {"channel": "liquidation-orders", "instType": "SWAP"},
    ]


@BOTH
def test_a_full_connection_asks_for_everything_once_in_less_than_64_kilobytes(feed: Feed) -> None:
    plan = feed.plan(feed.streams(instruments(feed, 300)))[-2]
    sent = feed.subscribe(plan.streams)
    asked = Counter(tuple(sorted(one.items())) for one in arguments(sent))
    assert len(asked) == len(plan.streams)
    assert set(asked.values()) == {1}
    assert sum(map(len, sent)) < 64_000
    assert [json.loads(message)["id"] for message in sent] == [
        str(number) for number in range(1, len(sent) + 1)
    ]


@pytest.mark.parametrize(
    ("name", "argument"),
    [
        (f"books:{NAME}", {"channel": "books", "instId": NAME}),
        (f"index-tickers:{NAME}", {"channel": "index-tickers", "instId": "BTC-USDT"}),
        ("liquidation-orders:SWAP", {"channel": "liquidation-orders", "instType": "SWAP"}),
    ],
)
def test_a_stream_is_left_and_asked_for_again(name: str, argument: dict[str, str]) -> None:
    sent = [json.loads(message) for message in SWAP.resubscribe(stream_named(name))]
    assert [(one["op"], one["args"]) for one in sent] == [
        ("unsubscribe", [argument]),
        ("subscribe", [argument]),
    ]
    assert all(one["id"].isalnum() and len(one["id"]) <= 32 for one in sent)


@BOTH
def test_nothing_is_polled_and_books_begin_in_the_stream(feed: Feed) -> None:
    assert feed.polls(instruments(feed, 3)) == []
    assert [feed.snapshot(stream) for stream in streams_of(feed)] == [None] * len(streams_of(feed))
    assert not feed.book.chain.is_fetched
    assert feed.book.depth == 400


def test_liquidations_are_said_to_be_incomplete_and_not_at_a_traded_price() -> None:
    rule = SWAP.liquidations
    assert rule is not None
    assert rule.sampling_class is SamplingClass.INCOMPLETE
    assert rule.price_kind is PriceKind.BANKRUPTCY


def closing(name: str) -> bytes:
    detail = {"side": "sell", "posSide": "long", "bkPx": "9.1", "sz": "2", "ts": "1795168800312"}
    row = {"instId": name, "details": [detail]}
    return compact({"arg": {"channel": "liquidation-orders", "instType": "SWAP"}, "data": [row]})


def test_liquidations_of_instruments_on_other_connections_are_read() -> None:
    plans = SWAP.plan(SWAP.streams(instruments(SWAP, 29)))
    shared = SWAP.memory()
    parsers = [SWAP.parser(plan.streams, shared) for plan in plans]
    (message,) = parsers[-1].parse(closing("C0-USDT-SWAP"))
    assert isinstance(message, Liquidations)
    assert message.instrument.symbol == "C0-USDT-PERP"
    assert message.stream.instrument is None
    assert plain(parsers[-1].parse(closing("C29-USDT-SWAP"))) == [{"ignored": "other_liquidations"}]
    assert plain(parsers[0].parse(closing("C0-USDT-SWAP"))) == [{"ignored": "liquidation-orders"}]


def test_runs_share_nothing() -> None:
    first = SWAP.plan(SWAP.streams(instruments(SWAP, 29)))
    SWAP.parser(first[0].streams, SWAP.memory())
    alone = SWAP.parser(first[-1].streams, SWAP.memory())
    assert plain(alone.parse(closing("C0-USDT-SWAP"))) == [{"ignored": "other_liquidations"}]


CLEAN = [
    "book",
    "book that begins",
    "book whose ids begin anew",
    "book that has not changed",
    "book as in 2022, without ids",
    "best prices",
    "no best bid",
    "best prices as in 2022, without an id",
]
CLEAN_SWAP = [
    "mark price",
    "index price goes to the swap on it",
    "open interest in base coin",
    "funding with what was settled",
    "funding as in 2021",
]
FRAMES = {
    (feed.name, case.name): case
    for feed in (SWAP, SPOT)
    for case in cases(feed)
    if case.name in CLEAN or (case.name in CLEAN_SWAP and feed is SWAP)
}


def no_careful_reading(frame: bytes) -> Any:
    raise AssertionError(f"read carefully: {frame!r}")


def with_new_keys(value: Any) -> Any:
    if isinstance(value, dict):
        known = {key: with_new_keys(one) for key, one in value.items()}
        return {"new": {"a:b": [1, None]}, **known, "newer": "x:y é"}
    return [with_new_keys(one) for one in value] if isinstance(value, list) else value


@pytest.mark.parametrize(("feed", "name"), FRAMES)
def test_clean_frames_of_every_channel_are_read_the_fast_way_whatever_came_before(
    feed: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frames, "read_document", no_careful_reading)
    case = FRAMES[feed, name]
    parser = parser_of(FEEDS[feed])
    trade = next(one for one in cases(FEEDS[feed]) if one.name == "buy")
    for one in (case, trade, case, case, trade):
        assert plain(parser.parse(one.frame)) == one.expect
    assert plain(parser.parse(compact(with_new_keys(case.document)))) == case.expect


SNIPPETS = [
    b"", b'"', b"{", b"}", b"[", b"]", b"0", b"-", b".", b"9" * 20, b"e9", b"nan", b"\\n", b"null",
    b"true", b'"1"', b" ", b"\xff", '"é"'.encode(), b'"event":"x",', b'"data":[],', b'"seqId":1,',
    b'"ts":"",', b'["1","2"],', b'"arg":{},', b"1.0", b"\\ud800",
]  # fmt: skip
PARSERS = {"okx.swap": parser_of(SWAP), "okx.spot": parser_of(SPOT)}


@settings(max_examples=600, deadline=None, derandomize=True)
@given(data=st.data())
def test_what_the_fast_way_takes_the_careful_way_reads_the_same(data: st.DataObject) -> None:
    feed, name = data.draw(st.sampled_from(list(FRAMES)))
    frame = FRAMES[feed, name].frame
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(frame)))
        end = data.draw(st.integers(start, min(len(frame), start + 6)))
        frame = frame[:start] + data.draw(st.sampled_from(SNIPPETS)) + frame[end:]
    parser: Any = PARSERS[feed]
    careful = plain(parser._read_carefully(frame))
    found = plain(parser.parse(frame))
    skipped = "ignored" in found[0] and careful == [{"rejected": "malformed_json"}]
    assert found == careful or skipped


def book_frame(
    *, asks: list[Any], previous: int, last: int, action: str = "update", ts: int = 0
) -> bytes:
    row: dict[str, Any] = {"asks": asks, "bids": [], "ts": str(1_795_168_800_000 + ts)}
    row |= {"prevSeqId": previous, "seqId": last}
    return compact({"arg": {"channel": "books", "instId": NAME}, "action": action, "data": [row]})


@pytest.mark.parametrize("size", ["1", 1.5])
def test_a_book_of_too_many_levels_is_refused_both_ways(size: object) -> None:
    level: Any = ["97000.5", size, "0", "1"]
    fits = book_frame(asks=[level] * MAX_LEVELS, previous=1, last=2)
    (update,) = PARSERS["okx.swap"].parse(fits)
    assert isinstance(update, BookUpdate)
    assert len(update.asks) == MAX_LEVELS
    more = book_frame(asks=[level] * (MAX_LEVELS + 1), previous=1, last=2)
    (rejected,) = PARSERS["okx.swap"].parse(more)
    assert isinstance(rejected, Rejected)
    assert rejected.reason == "oversized"


def keep(parser: Parser, book: Book, frame: bytes) -> list[Message]:
    messages = list(parser.parse(frame))
    for message in messages:
        if isinstance(message, BookUpdate):
            book.take(message, message.event_time_us)
    return messages


def state(book: Book) -> BookState:
    return book.state


def fresh_book() -> tuple[Parser, Book]:
    book = Book(SWAP.book, streams_of(SWAP)[0].instrument or instruments(SWAP, 1)[0])
    parser = parser_of(SWAP)
    whole = [["97000.5", "1", "0", "1"], ["97000.6", "2", "0", "1"]]
    keep(parser, book, book_frame(asks=whole, previous=-1, last=100, action="snapshot"))
    assert state(book) is BookState.LIVE
    return parser, book


def test_a_book_goes_on_over_ids_that_begin_anew_and_signs_of_life() -> None:
    parser, book = fresh_book()
    keep(parser, book, book_frame(asks=[["97000.5", "0", "0", "0"]], previous=100, last=170, ts=1))
    assert plain(keep(parser, book, book_frame(asks=[], previous=170, last=170, ts=2))) == [
        {"alive": f"books:{NAME}"}
    ]
    keep(parser, book, book_frame(asks=[["97000.7", "3", "0", "1"]], previous=170, last=3, ts=3))
    keep(parser, book, book_frame(asks=[["97000.8", "4", "0", "1"]], previous=3, last=9, ts=4))
    assert state(book) is BookState.LIVE
    assert book.last_id == 9
    assert book.asks.top(4) == [(970_006, 200), (970_007, 300), (970_008, 400)]


@pytest.mark.parametrize("previous", [99, 101, -1])
def test_a_book_that_does_not_follow_is_a_gap_until_it_begins_again(previous: int) -> None:
    parser, book = fresh_book()
    one = [["97000.7", "3", "0", "1"]]
    keep(parser, book, book_frame(asks=one, previous=previous, last=170, ts=1))
    assert state(book) is BookState.GAP
    keep(parser, book, book_frame(asks=one, previous=170, last=171, ts=2))
    assert state(book) is BookState.GAP
    keep(parser, book, book_frame(asks=one, previous=-1, last=180, action="snapshot", ts=3))
    assert state(book) is BookState.LIVE
    assert book.asks.top(2) == [(970_007, 300)]


def test_a_refused_update_is_noticed_by_the_next_one() -> None:
    parser, book = fresh_book()
    keep(parser, book, book_frame(asks=[["97000.5", "-1", "0", "1"]], previous=100, last=170, ts=1))
    keep(parser, book, book_frame(asks=[["97000.5", "2", "0", "1"]], previous=170, last=171, ts=2))
    assert state(book) is BookState.GAP
