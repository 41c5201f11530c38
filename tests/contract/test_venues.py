"""The contract of `collectors.venue.Feed`, over every venue module there is."""

import json
from collections import Counter
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.messages import (
    BookUpdate,
    Ignored,
    Liquidations,
    Message,
    Refused,
    Rejected,
    TickerValues,
    Top,
    Trades,
)
from collectors.venue import Channel, Feed, Gap, Parser, Request, Stream
from runtime.errors import PayloadError
from schemas.instruments import Instrument, make_instrument
from schemas.liquidations import ORDER_PRICE
from schemas.market import (
    ANOTHER_ORDER,
    CLASS_MASK,
    EXCLUDED_CLASSES,
    OFF_GRID,
    FeedState,
    Kind,
    OrderClass,
)
from schemas.trades import TRADES_SCHEMA, TradeBatch, TradeRow
from tests.contract import venue_cases
from tests.contract.venue_cases import FEEDS, Case, cases, compact, parser_of, plain, streams_of

REASONS = {
    "malformed_json", "unexpected_shape", "unknown_symbol", "wrong_channel", "invalid_price",
    "invalid_quantity", "invalid_time", "invalid_side", "oversized",
}  # fmt: skip
HOSTILE = [
    b"", b" ", b"\x00", b"\xff\xfe", b"null", b"true", b"0", b'""', b"[]", b"{}", b"[[]]", b"pong2",
    b"[" * 100_000, b'{"a":' * 100_000, b'{"data":' + b"[" * 50_000 + b"]" * 50_000 + b"}",
    b'{"x":' + b"9" * 100_000 + b"}", b'{"x":' + b"9" * 400 + b"}", b'{"x":1e999}',
    b'{"x":-Infinity}', b'{"x":NaN}', b'{"\xed\xa0\x80":1}', b'{"x":"\\ud800"}',
    b'{"x":"' + b"y" * 1_000_000 + b'"}',
]  # fmt: skip
"""Frames that no feed may raise for; none of them has trades."""

every_feed = pytest.mark.parametrize("feed", FEEDS.values(), ids=FEEDS.keys())
every_case = pytest.mark.parametrize(
    ("feed", "case"),
    [
        pytest.param(feed, case, id=f"{feed.name}: {case.name}")
        for feed in FEEDS.values()
        for case in cases(feed)
    ],
)


def many_streams(feed: Feed, count: int) -> list[Stream]:
    instruments = [
        make_instrument(
            venue=feed.venue,
            kind=feed.kind,
            venue_symbol=f"C{number}-USDT",
            asset=f"C{number}",
            quote="USDT",
            venue_tick="0.1",
            venue_lot="1",
        )
        for number in range(count)
    ]
    return feed.streams(instruments)


def check_row(row: TradeRow) -> None:
    time_us, ticks, lots, side, trade_id, flags = row
    assert [type(number) for number in (time_us, ticks, lots, side, flags)] == [int] * 5
    assert 1_230_768_000_000_000 <= time_us < 4_102_444_800_000_000
    assert 0 < ticks < 2**63
    assert 0 < lots < 2**63
    assert side in (1, -1)
    assert isinstance(trade_id, int | str)
    order_class = OrderClass(flags & CLASS_MASK)
    assert flags & ~ANOTHER_ORDER in (order_class, order_class | OFF_GRID)
    assert not flags & OFF_GRID or order_class in EXCLUDED_CLASSES


def check_messages(messages: list[Message]) -> None:  # noqa: C901  # one case a kind
    """Hold every message to what the contract says of it, whatever the frame was."""
    assert messages
    for message in messages:
        msgspec.json.encode(message)
        match message:
            case Trades(_, rows):
                assert rows
                for row in rows:
                    check_row(row)
            case BookUpdate(_, _, time_us, last_id, bids, asks):
                assert 0 <= time_us < 4_102_444_800_000_000
                assert type(last_id) is int
                check_levels([*bids, *asks])
            case Top(_, time_us, _, bid, ask):
                assert 0 <= time_us < 4_102_444_800_000_000
                check_levels([level for level in (bid, ask) if level is not None])
            case Liquidations(_, instrument, rows):
                assert rows
                for liquidation in rows:
                    check_liquidation(liquidation, instrument)
            case TickerValues():
                check_ticker(message)
            case Rejected(reason, detail):
                assert reason in REASONS
                assert len(detail) < 1_000
            case Ignored(what):
                assert what.isidentifier() or what.replace("-", "_").isidentifier()


def check_levels(levels: list[Any]) -> None:
    for level in levels:
        assert type(level[0]) is str
        assert type(level[1]) is float
        assert 0 <= level[1] < float("inf")


def check_liquidation(row: Any, instrument: Instrument) -> None:
    time_us, price, lots, side, flags = row
    assert 1_230_768_000_000_000 <= time_us < 4_102_444_800_000_000
    assert Decimal(price) > 0
    assert 0 < lots < 2**63
    assert side in (1, -1)
    assert flags in (0, ORDER_PRICE)
    assert instrument.symbol


def check_ticker(message: TickerValues) -> None:
    texts = (message.mark_price, message.index_price, message.open_interest)
    assert all(Decimal(text) >= 0 for text in texts if text is not None)
    rates = (message.funding_rate, message.settled_funding_rate)
    assert all(abs(Decimal(rate)) < 10 for rate in rates if rate is not None)
    interval = message.funding_interval_seconds
    assert interval is None or 0 < interval <= 7 * 86_400


def read(parser: Parser, frame: bytes) -> list[Message]:
    messages = list(parser.parse(frame))
    check_messages(messages)
    return messages


def test_every_venue_module_has_feeds_and_every_feed_a_name_of_its_own() -> None:
    assert len(venue_cases.modules()) >= 4
    names = [feed.name for feed in venue_cases.all_feeds()]
    assert len(set(names)) == len(names)


def test_no_product_of_a_venue_is_collected_twice_by_default() -> None:
    products = Counter((feed.venue, feed.kind) for feed in FEEDS.values() if feed.default)
    assert set(products.values()) == {1}


def test_every_fixture_is_of_a_feed() -> None:
    assert {path.stem for path in venue_cases.FIXTURES.glob("*.jsonl")} == set(FEEDS)


@every_feed
def test_settings_of_a_feed_are_usable(feed: Feed) -> None:
    assert feed.name.startswith(f"{feed.venue}.")
    assert feed.ws_url.startswith("wss://")
    assert feed.rest_url.startswith("https://")
    assert not feed.ws_url.endswith("/")
    assert not feed.rest_url.endswith("/")
    assert feed.limits.streams_per_connection >= feed.limits.names_per_request >= 1
    assert feed.limits.control_interval_seconds > 0
    assert feed.limits.connect_interval_seconds > 0
    assert 0 < feed.ping_seconds < 30
    assert feed.skew_us >= 500_000


@every_feed
def test_instruments_are_those_of_the_fixture_on_both_grids(feed: Feed) -> None:
    found = venue_cases.instruments_of(feed)
    shown = [
        {name: getattr(one, name) for name in venue_cases.lines(feed)[0]["instruments"][0]}
        for one in found
    ]
    assert shown == venue_cases.lines(feed)[0]["instruments"]
    assert {(one.venue, one.kind, one.status) for one in found} == {
        (feed.venue, feed.kind, "trading")
    }


@every_feed
def test_a_listing_that_comes_twice_is_one_instrument(feed: Feed) -> None:
    answer = venue_cases.lines(feed)[0]["calls"][-1]["answer"]
    once = venue_cases.drive(feed, lambda _: compact(answer))
    twice = venue_cases.drive(feed, lambda _: compact(doubled(answer)))
    assert once
    assert twice == once


def doubled(value: Any) -> Any:
    """Return the document with every list in it said twice."""
    if isinstance(value, dict):
        return {key: doubled(one) for key, one in value.items()}
    return [doubled(one) for one in value * 2] if isinstance(value, list) else value


@every_feed
@pytest.mark.parametrize(
    "body",
    [
        b"", b"[]", b"null", b"{", b"<html>", b"\xff", b"[" * 50_000, b"{}",
        b'{"code":"50011","msg":"Too Many Requests","data":[]}',
        b'{"retCode":10006,"retMsg":"Too many visits","result":{"list":[]}}',
        b'{"code":-1003,"msg":"banned"}', b'{"code":"0","data":[{"x":1}]}',
        b'{"retCode":0,"result":{"list":[{"x":1}]}}', b'{"symbols":[{"x":1}]}',
        b'{"universe":[{"x":1}]}', b'{"code":"0","data":7}', b'{"retCode":0,"result":[]}',
    ],
)  # fmt: skip
def test_an_answer_that_cannot_be_read_is_a_payload_error(feed: Feed, body: bytes) -> None:
    with pytest.raises(PayloadError):
        venue_cases.drive(feed, lambda _: body)


@every_feed
def test_every_stream_has_one_name_and_its_instrument(feed: Feed) -> None:
    instruments = venue_cases.instruments_of(feed)
    streams = streams_of(feed)
    assert len({stream.name for stream in streams}) == len(streams)
    named = {one.instrument.symbol for one in streams if one.instrument is not None}
    assert named == {one.symbol for one in instruments}


@every_feed
def test_a_feed_has_every_channel_that_its_kind_of_market_has(feed: Feed) -> None:
    channels = {stream.channel for stream in streams_of(feed)}
    assert channels >= {Channel.TRADES, Channel.BOOK, Channel.TOP}
    perpetual = {Channel.LIQUIDATIONS, Channel.TICKER}
    if feed.kind is Kind.SPOT:
        assert not channels & perpetual
        assert feed.liquidations is None
    else:
        assert channels >= perpetual
        assert feed.liquidations is not None


@every_feed
@pytest.mark.parametrize("count", [0, 1, 199, 200, 201, 650])
def test_a_plan_carries_every_stream_once_within_the_limits(feed: Feed, count: int) -> None:
    streams = many_streams(feed, count)
    plans = feed.plan(streams)
    planned = Counter(stream.name for plan in plans for stream in plan.streams)
    assert planned == Counter(stream.name for stream in streams)
    assert all(0 < len(plan.streams) <= feed.limits.streams_per_connection for plan in plans)
    assert all(plan.path.startswith("/") for plan in plans)


@every_feed
def test_a_plan_keeps_together_what_makes_one_record(feed: Feed) -> None:
    for together in ({Channel.BOOK, Channel.TOP}, {Channel.TICKER}):
        homes: dict[str, set[int]] = {}
        for number, plan in enumerate(feed.plan(many_streams(feed, 201))):
            for stream in plan.streams:
                if stream.channel in together and stream.instrument is not None:
                    homes.setdefault(stream.instrument.symbol, set()).add(number)
        assert all(len(numbers) == 1 for numbers in homes.values())


@every_feed
def test_subscriptions_ask_for_every_stream_once_and_never_too_many_at_once(feed: Feed) -> None:
    plan = max(feed.plan(many_streams(feed, 201)), key=lambda one: len(one.streams))
    asked: Counter[str] = Counter()
    for message in feed.subscribe(plan.streams):
        items = items_of(json.loads(message))
        assert 1 <= len(items) <= feed.limits.names_per_request
        asked.update(json.dumps(item) for item in items)
    assert sum(asked.values()) == len(plan.streams)
    assert set(asked.values()) == {1}
    assert feed.subscribe([]) == []


def items_of(document: Any) -> list[Any]:
    """Return what one subscription message asks for."""
    for key in ("params", "args"):
        if key in document:
            return list(document[key])
    return [document["subscription"]]


@every_feed
def test_to_begin_a_stream_anew_it_is_left_and_asked_for_again(feed: Feed) -> None:
    for stream in streams_of(feed):
        left, asked = map(json.loads, feed.resubscribe(stream))
        assert items_of(left) == items_of(asked)
        (message,) = feed.subscribe([stream])
        assert items_of(json.loads(message)) == items_of(asked)
        assert "unsubscribe" in json.dumps(left).lower()
        assert "unsubscribe" not in json.dumps(asked).lower()


@every_feed
def test_a_book_whose_snapshot_is_fetched_says_how(feed: Feed) -> None:
    for stream in streams_of(feed):
        if stream.channel is Channel.BOOK:
            call = feed.snapshot(stream)
            assert (call is not None) is feed.book.chain.is_fetched
            if call is not None:
                assert 0 < call.request.weight <= feed.limits.rest_weight


BODIES = [
    b"", b"{", b"<html>", b"\xff", b"[" * 50_000, b"null", b"7", b'{"code":-1121,"msg":"no"}',
    b'{"code":"50011","msg":"Too Many Requests","data":[]}',
    b'{"retCode":10006,"retMsg":"Too many visits","result":{"list":[]}}',
]  # fmt: skip


@every_feed
@pytest.mark.parametrize("body", BODIES, ids=lambda body: repr(body[:12]))
def test_a_rest_answer_that_cannot_be_read_is_a_payload_error(feed: Feed, body: bytes) -> None:
    calls = [feed.snapshot(one) for one in streams_of(feed) if one.channel is Channel.BOOK]
    calls += [poll.call for poll in feed.polls(venue_cases.instruments_of(feed))]
    for call in calls:
        if call is not None:
            with pytest.raises(PayloadError):
                call.read(body)


@every_feed
@pytest.mark.parametrize("body", BODIES, ids=lambda body: repr(body[:12]))
def test_missed_trades_that_cannot_be_read_are_a_payload_error(feed: Feed, body: bytes) -> None:
    for stream in streams_of(feed):
        calls = feed.missed(gap_of(feed, stream)) if stream.channel is Channel.TRADES else None
        if calls is not None:
            request = next(calls)
            assert isinstance(request, Request)
            assert 0 < request.weight <= feed.limits.rest_weight
            with pytest.raises(PayloadError):
                calls.send(body)


def gap_of(feed: Feed, stream: Stream) -> Gap:
    ids = (100, 120) if feed.gapless_ids else (None, None)
    return Gap(stream, 1_800_000_000_000_000, 1_800_000_001_000_000, *ids)


@every_feed
def test_polls_are_inside_the_budget_for_six_assets_and_for_six_hundred(feed: Feed) -> None:
    for count in (6, 600):
        instruments = [one.instrument for one in many_streams(feed, count) if one.instrument]
        unique = {one.symbol: one for one in instruments}
        polls = feed.polls(list(unique.values()))
        per_second = sum(poll.call.request.weight / poll.every_seconds for poll in polls)
        assert per_second <= 0.5 * feed.limits.rest_weight / feed.limits.rest_seconds


@every_feed
def test_the_fixture_has_frames_of_every_channel(feed: Feed) -> None:
    """Liquidations that are joined from two connections are in the venue's own tests."""
    keys = {
        Channel.TRADES: "trades",
        Channel.BOOK: "book",
        Channel.TOP: "top",
        Channel.LIQUIDATIONS: "liquidations",
        Channel.TICKER: "ticker",
        Channel.INSTRUMENTS: "listed",
    }
    shown = {key for case in cases(feed) for message in case.expect for key in message}
    told = {keys[stream.channel] for stream in streams_of(feed)}
    joined = {"liquidations"} if feed.memory() is not None else set()
    assert told - joined <= shown


@every_case
def test_a_frame_gives_the_messages_of_the_fixture(feed: Feed, case: Case) -> None:
    assert plain(read(parser_of(feed), case.frame)) == case.expect


@every_feed
def test_what_came_before_does_not_change_what_a_frame_means(feed: Feed) -> None:
    parser = parser_of(feed)
    for case in [*cases(feed), *reversed(cases(feed))]:
        assert plain(read(parser, case.frame)) == case.expect, case.name


@every_feed
def test_a_frame_may_have_its_keys_in_any_order_and_white_space(feed: Feed) -> None:
    for case in cases(feed):
        if case.document is None:
            continue
        spaced = json.dumps(turned(case.document), indent=2).encode()
        assert plain(read(parser_of(feed), spaced)) == case.expect, case.name


def turned(value: Any) -> Any:
    """Return the document with the keys of every object in reverse order."""
    if isinstance(value, dict):
        return {key: turned(value[key]) for key in reversed(value)}
    return [turned(one) for one in value] if isinstance(value, list) else value


@every_feed
def test_a_fixture_has_each_kind_of_trade_and_answer_that_matters(feed: Feed) -> None:
    expected = [message for case in cases(feed) for message in case.expect]
    rows = [row for message in expected if "trades" in message for row in message["rows"]]
    assert {row[3] for row in rows} == {1, -1}
    for kind in ("subscribed", "refused"):
        assert any(kind in message for message in expected), kind
    assert feed.ping is None or any("heartbeat" in message for message in expected)


@every_feed
def test_a_refusal_names_streams_of_the_connection_or_none(feed: Feed) -> None:
    names = {stream.name for stream in streams_of(feed)}
    for case in cases(feed):
        for message in read(parser_of(feed), case.frame):
            if isinstance(message, Refused):
                assert set(message.names) <= names


@every_feed
@pytest.mark.parametrize("frame", HOSTILE, ids=lambda frame: repr(frame[:12]))
def test_a_frame_of_nonsense_is_rejected_and_nothing_else(feed: Feed, frame: bytes) -> None:
    parser = parser_of(feed)
    for _ in range(2):
        assert {type(message) for message in read(parser, frame)} <= {Rejected, Ignored}


def with_duplicates(value: Any, first: Any) -> str:
    """Write a document with each key twice, first with a wrong value and then with its own."""
    if isinstance(value, dict):
        members = [
            f"{json.dumps(key)}:{text}"
            for key, inner in value.items()
            for text in (json.dumps(first), with_duplicates(inner, first))
        ]
        return "{" + ",".join(members) + "}"
    if isinstance(value, list):
        return "[" + ",".join(with_duplicates(one, first) for one in value) + "]"
    return json.dumps(value)


@every_feed
@pytest.mark.parametrize("first", [None, 7, "8", [], {"e": "x"}, False])
def test_of_duplicate_keys_the_last_wins_wherever_they_are(feed: Feed, first: Any) -> None:
    for case in cases(feed):
        if case.document is not None:
            frame = with_duplicates(case.document, first).encode()
            assert plain(read(parser_of(feed), frame)) == case.expect, frame


@every_feed
def test_bytes_that_are_no_text_are_refused_wherever_they_are(feed: Feed) -> None:
    good = next(case for case in cases(feed) if "trades" in case.expect[0])
    parser = parser_of(feed)
    read(parser, good.frame)
    for at in range(1, len(good.frame)):
        frame = good.frame[:at] + b"\xff" + good.frame[at:]
        assert plain(read(parser, frame)) == [{"rejected": "malformed_json"}], frame


@every_feed
def test_a_frame_cut_anywhere_is_refused(feed: Feed) -> None:
    good = next(case for case in cases(feed) if "trades" in case.expect[0])
    parser = parser_of(feed)
    for at in range(len(good.frame)):
        assert plain(read(parser, good.frame[:at])) == [{"rejected": "malformed_json"}]


@every_feed
def test_rows_travel_in_a_batch_and_come_back_the_same(feed: Feed) -> None:
    for case in cases(feed):
        for message in read(parser_of(feed), case.frame):
            if isinstance(message, Trades):
                assert message.stream.instrument is not None
                batch = batch_of(feed, message, message.stream.instrument)
                again = msgspec.json.decode(msgspec.json.encode(batch), type=TradeBatch)
                assert again.rows == message.rows


def batch_of(feed: Feed, message: Trades, instrument: Instrument) -> TradeBatch:
    return TradeBatch(
        schema=TRADES_SCHEMA,
        venue=instrument.venue,
        kind=instrument.kind,
        symbol=instrument.symbol,
        venue_symbol=instrument.venue_symbol,
        asset=instrument.asset,
        quote=instrument.quote,
        session="s",
        sequence=0,
        receive_time_us=1,
        watermark_us=1,
        feed_state=FeedState.LIVE,
        tick=instrument.tick,
        lot=instrument.lot,
        stream=message.stream.name,
        trade_ids=feed.trade_ids,
        rows=message.rows,
    )


@every_feed
def test_a_feed_owns_its_own_addresses_and_none_of_another_venue(feed: Feed) -> None:
    sockets = [plan.at or feed.ws_url + plan.path for plan in feed.plan(streams_of(feed))]
    request = next(feed.instruments())
    for url in (*sockets, feed.rest_url + request.path):
        assert feed.owns(url)
        assert {other.venue for other in FEEDS.values() if other.owns(url)} == {feed.venue}


@every_feed
@pytest.mark.parametrize("url", ["", "x", "wss://", "http://[::1", "wss://example.com/ws", "\x00"])
def test_a_feed_owns_no_address_of_nobody(feed: Feed, url: str) -> None:
    assert not feed.owns(url)


PARSERS = {name: parser_of(feed) for name, feed in FEEDS.items()}
FRAMES = {name: [case.frame for case in cases(feed)] for name, feed in FEEDS.items()}
DOCUMENTS = {
    name: [case.document for case in cases(feed) if isinstance(case.document, dict)]
    for name, feed in FEEDS.items()
}
SNIPPETS = [
    b"", b'"', b",", b":", b"{", b"}", b"[", b"]", b"0", b"-", b".", b"e9", b"\\", b"\\ud800",
    b"\xff", b"null", b"true", b"1e400", b"\x00", b"9" * 400, b" ", '"é"'.encode(),
]  # fmt: skip
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False)
    | st.text(max_size=8)
    | st.sampled_from(["", "0", "-1", "1e5", "9" * 400, "0.0000000001", "\ud800", "NaN", "1_0"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(data=st.data())
@pytest.mark.parametrize("name", FEEDS)
def test_no_mutation_of_a_frame_makes_a_parser_raise(name: str, data: st.DataObject) -> None:
    frame = data.draw(st.sampled_from(FRAMES[name]))
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(frame)))
        end = data.draw(st.integers(start, min(len(frame), start + 8)))
        frame = frame[:start] + data.draw(st.sampled_from(SNIPPETS)) + frame[end:]
    read(PARSERS[name], frame)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(data=st.data())
@pytest.mark.parametrize("name", FEEDS)
def test_no_value_in_any_place_makes_a_parser_raise(name: str, data: st.DataObject) -> None:
    document = json.loads(compact(data.draw(st.sampled_from(DOCUMENTS[name]))))
    node: Any = document
    while True:
        key = data.draw(st.sampled_from(list(node) if isinstance(node, dict) else range(len(node))))
        inner = node[key]
        if not isinstance(inner, dict | list) or not inner or data.draw(st.booleans()):
            break
        node = inner
    node[key] = data.draw(values)
    read(PARSERS[name], json.dumps(document).encode())


@settings(max_examples=100, deadline=None, derandomize=True)
@given(frame=st.binary(max_size=64))
@pytest.mark.parametrize("name", FEEDS)
def test_no_bytes_make_a_parser_raise(name: str, frame: bytes) -> None:
    read(PARSERS[name], frame)
