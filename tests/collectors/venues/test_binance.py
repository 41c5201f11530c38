"""What Binance's feeds ask for: routes, requests, polls, missed trades."""

import json
from collections.abc import Callable, Generator
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest

from collectors.messages import BookUpdate, TickerValues
from collectors.venue import Call, Channel, Found, Gap, Plan, Request, Stream
from collectors.venues.binance import FEEDS, SPOT, USDM, USDM_FILLS, BinanceFeed
from runtime.errors import PayloadError
from schemas.instruments import Instrument, make_instrument
from schemas.liquidations import LiquidationUnit, PriceKind, SamplingClass

MS = 1_795_132_800_000
every_feed = pytest.mark.parametrize("feed", FEEDS, ids=lambda feed: feed.name)


def instrument(feed: BinanceFeed, symbol: str = "BTCUSDT", scale: str = "1") -> Instrument:
    return make_instrument(
        venue="binance",
        kind=feed.kind,
        venue_symbol=symbol,
        asset=symbol.removesuffix("USDT"),
        quote="USDT",
        venue_tick="0.1",
        venue_lot="0.001",
        multiplier=Decimal(scale),
    )


def many(feed: BinanceFeed, count: int) -> list[Instrument]:
    return [instrument(feed, f"C{number}USDT") for number in range(count)]


def stream_of(feed: BinanceFeed, channel: Channel, one: Instrument | None = None) -> Stream:
    streams = feed.streams([one or instrument(feed)])
    return next(each for each in streams if each.channel is channel and each.instrument)


def names(plans: list[Plan]) -> dict[str, set[str]]:
    """Return the names of the streams on each path."""
    found: dict[str, set[str]] = {}
    for plan in plans:
        found.setdefault(plan.path, set()).update(stream.name for stream in plan.streams)
    return found


def test_usdm_streams_are_spread_over_the_routes_that_serve_them() -> None:
    assert names(USDM.plan(USDM.streams([instrument(USDM)]))) == {
        "/market/stream": {
            "!contractInfo", "btcusdt@aggTrade", "btcusdt@forceOrder", "btcusdt@markPrice@1s",
        },
        "/public/stream": {"btcusdt@depth@100ms", "btcusdt@bookTicker"},
    }  # fmt: skip


def test_single_fills_come_on_the_public_route_and_the_rest_as_ever() -> None:
    assert names(USDM_FILLS.plan(USDM_FILLS.streams([instrument(USDM)]))) == {
        "/market/stream": {"!contractInfo", "btcusdt@forceOrder", "btcusdt@markPrice@1s"},
        "/public/stream": {"btcusdt@trade", "btcusdt@depth@100ms", "btcusdt@bookTicker"},
    }


def test_spot_has_one_route_and_neither_liquidations_nor_tickers() -> None:
    assert names(SPOT.plan(SPOT.streams([instrument(SPOT)]))) == {
        "/stream?timeUnit=MICROSECOND": {
            "btcusdt@trade", "btcusdt@depth@100ms", "btcusdt@bookTicker",
        }
    }  # fmt: skip
    assert SPOT.liquidations is None
    assert SPOT.polls([instrument(SPOT)]) == []


@every_feed
def test_what_makes_one_record_is_on_one_connection(feed: BinanceFeed) -> None:
    streams = feed.streams(many(feed, 301))
    plans = feed.plan(streams)
    carried = [stream for plan in plans for stream in plan.streams]
    assert len(carried) == len(streams)
    assert set(carried) == set(streams)
    assert all(len(plan.streams) <= feed.limits.streams_per_connection for plan in plans)
    for pair in ({Channel.BOOK, Channel.TOP}, {Channel.LIQUIDATIONS, Channel.TICKER}):
        for plan in plans:
            first, second = (
                {one.instrument for one in plan.streams if one.channel is each and one.instrument}
                for each in pair
            )
            assert first == second or feed.liquidations is None


def test_listing_changes_are_on_the_first_market_connection_only() -> None:
    plans = USDM.plan(USDM.streams(many(USDM, 200)))
    on = [
        number for number, plan in enumerate(plans) if "!contractInfo" in names([plan])[plan.path]
    ]
    assert len(plans) > 3
    assert on == [0]
    assert plans[0].path == "/market/stream"


@every_feed
def test_without_instruments_nothing_is_subscribed(feed: BinanceFeed) -> None:
    assert feed.streams([]) == []
    assert feed.plan([]) == []
    assert feed.polls([]) == []


@every_feed
def test_a_stream_is_left_and_asked_for_again_under_numbers_of_its_own(feed: BinanceFeed) -> None:
    streams = feed.streams(many(feed, 40))
    parser = feed.parser(streams, feed.memory())
    numbers = {json.loads(text)["id"] for text in feed.subscribe(streams)}
    for stream in streams:
        leave, join = (json.loads(text) for text in feed.resubscribe(stream))
        assert (leave["method"], join["method"]) == ("UNSUBSCRIBE", "SUBSCRIBE")
        assert leave["params"] == join["params"] == [stream.name]
        assert not {leave["id"], join["id"]} & numbers
        assert 0 < leave["id"] < join["id"] < 2**53
        numbers |= {leave["id"], join["id"]}
        (reply,) = parser.parse(msgspec.json.encode({"result": None, "id": join["id"]}))
        assert getattr(reply, "names", None) == (stream.name,)


@pytest.mark.parametrize(
    ("feed", "path", "weight"),
    [
        (USDM, "/fapi/v1/depth?symbol=BTCUSDT&limit=1000", 20),
        (USDM_FILLS, "/fapi/v1/depth?symbol=BTCUSDT&limit=1000", 20),
        (SPOT, "/api/v3/depth?symbol=BTCUSDT&limit=5000", 250),
    ],
)
def test_a_snapshot_is_as_deep_as_the_rule_says(feed: BinanceFeed, path: str, weight: int) -> None:
    call = feed.snapshot(stream_of(feed, Channel.BOOK))
    assert call is not None
    assert call.request == Request(path, weight=weight)
    assert path.endswith(f"limit={feed.book.snapshot_levels}")


def snapshot_call(feed: BinanceFeed, one: Instrument | None = None) -> Call:
    call = feed.snapshot(stream_of(feed, Channel.BOOK, one))
    assert call is not None
    return call


def test_a_usdm_snapshot_has_the_time_of_the_matching_engine() -> None:
    body = (
        b'{"lastUpdateId":11800000000500,"E":1795132800200,"T":1795132800190,'
        b'"bids":[["91250.30","4.218"]],"asks":[["91250.40","1.905"],["91250.50","2"]]}'
    )
    assert snapshot_call(USDM).read(body) == (
        BookUpdate(
            stream_of(USDM, Channel.BOOK),
            True,
            1_795_132_800_190_000,
            11_800_000_000_500,
            [("91250.30", 4.218)],
            [("91250.40", 1.905), ("91250.50", 2.0)],
        ),
    )


def test_a_spot_snapshot_has_no_time() -> None:
    body = b'{"lastUpdateId":71000000100,"bids":[["91231.06000000","0.5"]],"asks":[]}'
    (update,) = snapshot_call(SPOT).read(body)
    assert isinstance(update, BookUpdate)
    assert (update.snapshot, update.event_time_us, update.last_id) == (True, 0, 71_000_000_100)


@pytest.mark.parametrize(
    "body",
    [
        b"", b"[]", b'{"code":-1003,"msg":"banned"}', b'{"lastUpdateId":1}', b"[" * 50_000,
        b'{"lastUpdateId":1,"bids":[["1","-1"]],"asks":[]}',
        b'{"lastUpdateId":1,"bids":[["1","nan"]],"asks":[]}',
        b'{"lastUpdateId":1,"bids":[["1","inf"]],"asks":[]}',
        b'{"lastUpdateId":1,"bids":[],"asks":[' + b'["1","1"],' * 20_000 + b'["1","1"]]}',
    ],
)  # fmt: skip
def test_a_snapshot_that_cannot_be_read_is_a_payload_error(body: bytes) -> None:
    with pytest.raises(PayloadError):
        snapshot_call(USDM).read(body)


def test_only_books_have_snapshots() -> None:
    for stream in USDM.streams([instrument(USDM)]):
        assert (USDM.snapshot(stream) is None) == (stream.channel is not Channel.BOOK)


def test_symbols_in_addresses_are_escaped() -> None:
    path = snapshot_call(USDM, instrument(USDM, "币安人生USDT")).request.path
    assert path.isascii()
    assert parse_qs(urlsplit(path).query)["symbol"] == ["币安人生USDT"]


def poll_of(path: str, one: Instrument) -> tuple[Call, float]:
    found = [poll for poll in USDM.polls([one]) if poll.call.request.path.startswith(path)]
    assert len(found) == 1
    return found[0].call, found[0].every_seconds


def test_open_interest_is_polled_and_written_in_coins() -> None:
    one = instrument(USDM, "1000PEPEUSDT", "1000")
    call, seconds = poll_of("/fapi/v1/openInterest", one)
    assert call.request == Request("/fapi/v1/openInterest?symbol=1000PEPEUSDT", weight=1)
    assert seconds == 5
    body = b'{"openInterest":"81234.567","symbol":"1000PEPEUSDT","time":1795132799870}'
    assert call.read(body) == (
        TickerValues(
            stream=stream_of(USDM, Channel.TICKER, one),
            instrument=one,
            event_time_us=1_795_132_799_870_000,
            open_interest="81234567",
        ),
    )


@pytest.mark.parametrize("count", [1, 20, 44, 100, 700])
def test_open_interest_takes_a_third_of_the_weight_at_most(count: int) -> None:
    polls = USDM.polls(many(USDM, count))
    asked = [poll for poll in polls if "openInterest" in poll.call.request.path]
    assert len(asked) == count
    assert {poll.every_seconds for poll in asked} == {max(5, count / (1_600 / 60 / 3))}
    share = sum(poll.call.request.weight * 60 / poll.every_seconds for poll in asked)
    assert share <= USDM.limits.rest_weight / 3 + 1e-6


@pytest.mark.parametrize("count", [1, 300, 700, 2_000])
def test_funding_stays_inside_its_own_pool_of_calls(count: int) -> None:
    polls = [poll for poll in USDM.polls(many(USDM, count)) if "funding" in poll.call.request.path]
    assert len(polls) == count + 1
    assert sum(300 / poll.every_seconds for poll in polls) <= 500


def test_a_symbol_without_a_funding_interval_of_its_own_has_eight_hours() -> None:
    ours = [instrument(USDM, "BTCUSDT"), instrument(USDM, "ETHUSDT")]
    (poll,) = (one for one in USDM.polls(ours) if "fundingInfo" in one.call.request.path)
    assert poll.every_seconds == 3_600
    assert poll.stream.instrument is None
    rows = [{"symbol": "ETHUSDT", "fundingIntervalHours": 4, "adjustedFundingRateCap": "0.02"}]
    rows += [{"symbol": "XYZUSD_PERP", "fundingIntervalHours": 1}]
    found = poll.call.read(json.dumps(rows).encode())
    assert [
        (one.instrument.venue_symbol, one.stream.name, one.funding_interval_seconds)
        for one in found
        if isinstance(one, TickerValues)
    ] == [
        ("BTCUSDT", "btcusdt@markPrice@1s", 28_800),
        ("ETHUSDT", "ethusdt@markPrice@1s", 14_400),
    ]


def test_a_funding_interval_of_nothing_is_not_told() -> None:
    call = USDM.polls([instrument(USDM)])[0].call
    assert list(call.read(b'[{"symbol":"BTCUSDT","fundingIntervalHours":0}]')) == []


def test_the_newest_settled_rate_is_told() -> None:
    one = instrument(USDM)
    call, seconds = poll_of("/fapi/v1/fundingRate", one)
    assert call.request == Request("/fapi/v1/fundingRate?symbol=BTCUSDT&limit=1", weight=1)
    assert seconds == 600
    body = (
        b'[{"symbol":"BTCUSDT","fundingRate":"-0.00010000","fundingTime":1795132800004,'
        b'"markPrice":"","rateType":"NORMAL"}]'
    )
    assert call.read(body) == (
        TickerValues(
            stream=stream_of(USDM, Channel.TICKER),
            instrument=one,
            event_time_us=0,
            settled_funding_rate="-0.0001",
            settled_funding_time_us=1_795_132_800_004_000,
        ),
    )
    assert call.read(b"[]") == ()


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/fapi/v1/openInterest", b'{"code":-1121,"msg":"Invalid symbol."}'),
        ("/fapi/v1/openInterest", b'{"openInterest":"-1","symbol":"BTCUSDT","time":1795132799870}'),
        ("/fapi/v1/openInterest", b'{"openInterest":"1","symbol":"ETHUSDT","time":1795132799870}'),
        ("/fapi/v1/openInterest", b'{"openInterest":"1","symbol":"BTCUSDT","time":5}'),
        ("/fapi/v1/fundingInfo", b'{"code":-1003,"msg":"banned"}'),
        ("/fapi/v1/fundingInfo", b'[{"symbol":"BTCUSDT"}]'),
        ("/fapi/v1/fundingRate", b'{"code":-1003,"msg":"banned"}'),
        (
            "/fapi/v1/fundingRate",
            b'[{"symbol":"BTCUSDT","fundingRate":"x","fundingTime":1795132800004}]',
        ),
        ("/fapi/v1/fundingRate", b'[{"symbol":"X","fundingRate":"0","fundingTime":1795132800004}]'),
        ("/fapi/v1/fundingRate", b'[{"symbol":"BTCUSDT","fundingRate":"0","fundingTime":1}]'),
    ],
)  # fmt: skip
def test_an_answer_to_a_poll_that_cannot_be_read_is_a_payload_error(path: str, body: bytes) -> None:
    call, _ = poll_of(path, instrument(USDM))
    with pytest.raises(PayloadError):
        call.read(body)


def test_ids_are_known_to_be_gapless_where_missed_ones_can_be_fetched() -> None:
    assert [feed.gapless_ids for feed in FEEDS] == [True, False, True]


def test_liquidations_are_the_largest_of_each_second() -> None:
    rule = USDM.liquidations
    assert rule is not None
    assert (rule.price_kind, rule.unit, rule.sampling_class, rule.method) == (
        PriceKind.FILL_AVERAGE, LiquidationUnit.ORDER, SamplingClass.MAX_PER_SECOND, "forceOrder",
    )  # fmt: skip


def gap(feed: BinanceFeed, first: int | None, last: int | None) -> Gap:
    return Gap(stream_of(feed, Channel.TRADES), MS * 1_000, MS * 1_000 + 9, first, last)


def fetch(
    calls: Generator[Request, bytes, Found] | None, answer: Callable[[Request], bytes]
) -> tuple[Found, list[Request]]:
    """Answer the requests until everything was fetched."""
    assert calls is not None
    asked: list[Request] = []
    body: bytes | None = None
    while True:
        try:
            request = next(calls) if body is None else calls.send(body)
        except StopIteration as stop:
            return stop.value, asked
        asked.append(request)
        body = answer(request)


def aggregate(number: int) -> dict[str, Any]:
    row = {
        "a": number,
        "p": "91250.40",
        "q": "0.275",
        "nq": "0.1",
        "f": 1,
        "l": 2,
        "T": MS + number,
    }
    return {**row, "m": number % 2 == 0}


def venue_of(make: Callable[[int], dict[str, Any]], newest: int, *holes: int) -> Any:
    """Be a venue whose newest trade has this id and that has lost some."""

    def answer(request: Request) -> bytes:
        query = parse_qs(urlsplit(request.path).query)
        first, limit = int(query["fromId"][0]), int(query["limit"][0])
        last = min(newest, first + limit + len(holes) - 1)
        ids = [one for one in range(first, last + 1) if one not in holes][:limit]
        return json.dumps([make(one) for one in ids]).encode()

    return answer


def test_missed_aggregates_are_fetched_by_id_page_by_page() -> None:
    found, asked = fetch(USDM.missed(gap(USDM, 101, 2_600)), venue_of(aggregate, 9_999))
    assert found.complete
    assert [row[4] for row in found.rows] == list(range(101, 2_601))
    assert found.rows[0] == ((MS + 101) * 1_000, 912_504, 275, 1, 101, 0)
    assert found.rows[1][3] == -1
    assert asked == [
        Request(f"/fapi/v1/aggTrades?symbol=BTCUSDT&fromId={first}&limit=1000", weight=20)
        for first in (101, 1_101, 2_101)
    ]


def test_missed_spot_trades_are_fetched_by_id() -> None:
    def make(number: int) -> dict[str, Any]:
        row = {"id": number, "price": "91231.10000000", "qty": "0.00200000", "quoteQty": "1"}
        return {**row, "time": MS + number, "isBuyerMaker": True, "isBestMatch": True}

    found, asked = fetch(SPOT.missed(gap(SPOT, 7, 9)), venue_of(make, 9))
    assert found == Found([((MS + n) * 1_000, 912_311, 2, -1, n, 0) for n in (7, 8, 9)], True)
    path = "/api/v3/historicalTrades?symbol=BTCUSDT&fromId=7&limit=1000"
    assert asked == [Request(path, weight=25)]


@pytest.mark.parametrize("holes", [(5,), (1, 2), (9, 10)])
def test_what_the_venue_has_lost_leaves_a_gap_incomplete(holes: tuple[int, ...]) -> None:
    found, _ = fetch(USDM.missed(gap(USDM, 1, 10)), venue_of(aggregate, 50, *holes))
    assert not found.complete
    assert [row[4] for row in found.rows] == [one for one in range(1, 11) if one not in holes]


def test_a_row_that_cannot_be_read_is_missing_and_the_others_are_kept() -> None:
    def answer(_: Request) -> bytes:
        return json.dumps([aggregate(1), aggregate(2) | {"p": "0.05"}, aggregate(3)]).encode()

    found, _ = fetch(USDM.missed(gap(USDM, 1, 3)), answer)
    assert not found.complete
    assert [row[4] for row in found.rows] == [1, 3]


@pytest.mark.parametrize("page", [[], [aggregate(3)]])
def test_a_venue_that_does_not_go_on_is_asked_once(page: list[Any]) -> None:
    found, asked = fetch(USDM.missed(gap(USDM, 100, 200)), lambda _: json.dumps(page).encode())
    assert found == Found([], False)
    assert len(asked) == 1


def test_a_very_long_gap_is_not_fetched_for_ever() -> None:
    found, asked = fetch(USDM.missed(gap(USDM, 1, 10**9)), venue_of(aggregate, 10**9))
    assert len(asked) == 50
    assert len(found.rows) == 50_000
    assert not found.complete


def test_missed_trades_without_ids_cannot_be_fetched() -> None:
    assert USDM.missed(gap(USDM, None, None)) is None
    assert USDM_FILLS.missed(gap(USDM_FILLS, 1, 3)) is None


@pytest.mark.parametrize("body", [b"", b'{"code":-4166,"msg":"too old"}', b'[{"a":1}]', b"null"])
def test_missed_trades_that_cannot_be_read_are_a_payload_error(body: bytes) -> None:
    with pytest.raises(PayloadError):
        fetch(USDM.missed(gap(USDM, 1, 3)), lambda _: body)
