"""Hyperliquid's feeds: what they ask for, where, and how missed trades come back."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from collectors.messages import Message, Rejected
from collectors.venue import Call, Channel, Found, Gap, Request, Stream
from collectors.venues.hyperliquid import FEEDS, PERP, SPOT, HyperliquidFeed
from runtime.errors import PayloadError
from schemas.instruments import Instrument, make_instrument

T = 1_795_168_800_000
every_feed = pytest.mark.parametrize("feed", FEEDS, ids=lambda feed: feed.name)


def instruments(*coins: str, feed: HyperliquidFeed = PERP) -> list[Instrument]:
    return [
        make_instrument(
            venue="hyperliquid",
            kind=feed.kind,
            venue_symbol=coin,
            asset=coin,
            quote="USDC",
            venue_tick="0.1",
            venue_lot="0.00001",
        )
        for coin in coins
    ]


def asked(messages: Sequence[str]) -> list[tuple[str, Any]]:
    return [(one["method"], one["subscription"]) for one in map(json.loads, messages)]


def test_each_perpetual_has_four_streams_and_all_have_one_more() -> None:
    streams = PERP.streams(instruments("BTC", "kPEPE"))
    assert [(one.name, one.channel) for one in streams] == [
        ("trades:BTC", Channel.TRADES),
        ("l2Book:BTC", Channel.BOOK),
        ("bbo:BTC", Channel.TOP),
        ("activeAssetCtx:BTC", Channel.TICKER),
        ("trades:kPEPE", Channel.TRADES),
        ("l2Book:kPEPE", Channel.BOOK),
        ("bbo:kPEPE", Channel.TOP),
        ("activeAssetCtx:kPEPE", Channel.TICKER),
        ("explorerTxs", Channel.LIQUIDATIONS),
    ]
    assert streams[-1].instrument is None
    assert PERP.streams([]) == []


def test_each_spot_pair_has_three_streams() -> None:
    assert [one.name for one in SPOT.streams(instruments("@142", feed=SPOT))] == [
        "trades:@142",
        "l2Book:@142",
        "bbo:@142",
    ]


def test_the_explorer_has_a_connection_of_its_own_on_its_own_host() -> None:
    streams = PERP.streams(instruments("BTC", "ETH"))
    market, explorer = PERP.plan(streams)
    assert (market.path, market.at) == ("/ws", "")
    assert [one.name for one in explorer.streams] == ["explorerTxs"]
    assert (explorer.path, explorer.at) == ("/explorer/ws", "wss://rpc.hyperliquid.xyz/ws")
    assert PERP.owns(explorer.at)
    assert not SPOT.owns(explorer.at)


def test_all_that_is_listed_fits_an_address() -> None:
    streams = PERP.streams(instruments(*(f"C{number}" for number in range(178))))
    plans = PERP.plan(streams)
    spot = SPOT.streams(instruments(*(f"@{number}" for number in range(5)), feed=SPOT))
    assert len(streams) + len(spot) <= 1_000
    assert len(plans) + len(SPOT.plan(spot)) <= 10
    for plan in plans:
        assert len(plan.streams) <= PERP.limits.streams_per_connection
        coins = {one.instrument.venue_symbol for one in plan.streams if one.instrument is not None}
        if not plan.at:
            assert len(plan.streams) == 4 * len(coins)


def test_a_subscription_is_one_object_a_message_and_books_are_fast() -> None:
    assert {feed.limits.names_per_request for feed in FEEDS} == {1}
    messages = PERP.subscribe(PERP.streams(instruments("kPEPE")))
    assert asked(messages) == [
        ("subscribe", {"type": "trades", "coin": "kPEPE"}),
        ("subscribe", {"type": "l2Book", "coin": "kPEPE", "fast": True}),
        ("subscribe", {"type": "bbo", "coin": "kPEPE"}),
        ("subscribe", {"type": "activeAssetCtx", "coin": "kPEPE"}),
        ("subscribe", {"type": "explorerTxs"}),
    ]


@pytest.mark.parametrize("number", range(5))
def test_a_stream_begins_anew_with_the_same_object(number: int) -> None:
    stream = PERP.streams(instruments("BTC"))[number]
    (first, old), (second, new) = asked(PERP.resubscribe(stream))
    assert (first, second) == ("unsubscribe", "subscribe")
    assert [("subscribe", old)] == [("subscribe", new)] == asked(PERP.subscribe([stream]))


@every_feed
def test_nothing_is_polled_and_no_snapshot_is_fetched(feed: HyperliquidFeed) -> None:
    coins = instruments("BTC", feed=feed)
    calls: list[Call | None] = [feed.snapshot(stream) for stream in feed.streams(coins)]
    assert set(calls) == {None}
    assert feed.polls(coins) == []


def test_only_perpetuals_share_a_memory_and_each_run_has_its_own() -> None:
    assert SPOT.memory() is None
    assert PERP.memory() is not None
    assert PERP.memory() is not PERP.memory()


def test_a_frame_of_a_channel_that_the_connection_does_not_carry_is_ignored() -> None:
    streams = [one for one in PERP.streams(instruments("BTC")) if one.channel is Channel.TRADES]
    frame = b'{"channel":"bbo","data":{"coin":"BTC","time":1795168800000,"bbo":[null,null]}}'
    (message,) = PERP.parser(streams, PERP.memory()).parse(frame)
    assert getattr(message, "what", None) == "bbo"


def test_a_book_of_too_many_levels_is_refused() -> None:
    level = '{"px":"84143.0","sz":"1.0","n":1}'
    (most, over) = (parse_book(f"[{','.join([level] * count)}]") for count in (20_000, 20_001))
    assert not isinstance(most, Rejected)
    assert isinstance(over, Rejected)
    assert over.reason == "oversized"


def parse_book(bids: str) -> Message:
    parser = PERP.parser(PERP.streams(instruments("BTC")), None)
    data = f'{{"coin":"BTC","time":{T},"levels":[{bids},[]]}}'
    (message,) = parser.parse(f'{{"channel":"l2Book","data":{data}}}'.encode())
    return message


def row(number: int, milliseconds: int, coin: str = "BTC", **more: object) -> dict[str, object]:
    trade = {"coin": coin, "side": "B", "px": "84143.0", "sz": "0.01", "time": T + milliseconds}
    return trade | {"hash": "0x" + "ab" * 32, "tid": number} | more


def recent(feed: HyperliquidFeed, rows: object, from_ms: int, to_ms: int) -> Found:
    """Fetch what was missed from a venue whose newest trades are these."""
    stream = feed.streams(instruments("BTC", feed=feed))[0]
    calls = feed.missed(Gap(stream, (T + from_ms) * 1_000, (T + to_ms) * 1_000))
    assert calls is not None
    request = next(calls)
    assert request == Request(
        "/info", "POST", b'{"type":"recentTrades","coin":"BTC"}', request.weight
    )
    assert request.weight >= 20
    with pytest.raises(StopIteration) as stop:
        calls.send(json.dumps(rows).encode())
    found: Found = stop.value.value
    return found


def ids(found: Found) -> list[object]:
    return [one[4] for one in found.rows]


NEWEST_FIRST = [row(6, 30), row(5, 20), row(4, 20), row(3, 15), row(2, 10), row(1, 5)]


@every_feed
def test_missed_trades_come_oldest_first_and_both_ends_are_in(feed: HyperliquidFeed) -> None:
    found = recent(feed, NEWEST_FIRST, 10, 20)
    assert found.rows == [
        ((T + ms) * 1_000, 841_430, 1_000, 1, number, 0)
        for number, ms in ((2, 10), (3, 15), (4, 20), (5, 20))
    ]
    assert found.complete


@pytest.mark.parametrize(
    ("rows", "from_ms", "to_ms", "there", "complete"),
    [
        (NEWEST_FIRST, 5, 30, [1, 2, 3, 4, 5, 6], True),
        (NEWEST_FIRST, 4, 20, [1, 2, 3, 4, 5], False),
        (NEWEST_FIRST, 10, 31, [2, 3, 4, 5, 6], False),
        (NEWEST_FIRST, 11, 14, [], True),
        ([*NEWEST_FIRST, row(7, 1, px="x")], 10, 20, [2, 3, 4, 5], False),
        ([*NEWEST_FIRST, row(7, 1, coin="ETH")], 10, 20, [2, 3, 4, 5], False),
        ([*NEWEST_FIRST, None], 10, 20, [2, 3, 4, 5], False),
        ([], 10, 20, [], False),
    ],
)
def test_a_gap_is_closed_where_the_list_reaches_over_it_and_can_be_read(
    rows: list[object], from_ms: int, to_ms: int, there: list[int], complete: bool
) -> None:
    found = recent(PERP, rows, from_ms, to_ms)
    assert (ids(found), found.complete) == (there, complete)


@pytest.mark.parametrize("body", [b"", b"null", b"{}", b'{"error":"x"}', b"[" * 50_000, b"\xff"])
def test_an_answer_that_is_no_list_of_trades_is_a_payload_error(body: bytes) -> None:
    stream = PERP.streams(instruments("BTC"))[0]
    calls = PERP.missed(Gap(stream, T * 1_000, T * 1_000))
    assert calls is not None
    next(calls)
    with pytest.raises(PayloadError):
        calls.send(body)


def test_only_trades_are_missed() -> None:
    others: list[Stream] = PERP.streams(instruments("BTC"))[1:]
    assert [PERP.missed(Gap(stream, T, T)) for stream in others] == [None] * 4


def test_a_spot_listing_without_tokens_is_a_payload_error() -> None:
    for body in (b'{"universe":[]}', b'{"universe":[{"name":"@1","tokens":[1,0]}],"tokens":[]}'):
        calls = SPOT.instruments()
        next(calls)
        with pytest.raises(PayloadError):
            calls.send(body)
