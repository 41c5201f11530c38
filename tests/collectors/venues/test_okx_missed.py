"""OKX: fetching missed trades back, page by page, and saying whether anything is still missing."""

import json
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from collectors.venue import Channel, Found, Gap, Request, Stream
from collectors.venues.okx.rest import MAX_PAGES, PAGE_TRADES
from runtime.errors import PayloadError
from tests.contract.venue_cases import FEEDS, streams_of

SWAP = FEEDS["okx.swap"]
STREAM = next(one for one in streams_of(SWAP) if one.channel is Channel.TRADES)
NOW_MS = 1_795_168_800_000

Row = dict[str, Any]


def fill(trade_id: int, **changed: object) -> Row:
    row = {"instId": "BTC-USDT-SWAP", "side": "sell", "sz": "42.5", "px": "91250.4"}
    row |= {"source": "0", "tradeId": str(trade_id), "ts": str(NOW_MS + trade_id)}
    return row | changed


def row_of(trade_id: int) -> tuple[int, int, int, int, int, int]:
    return ((NOW_MS + trade_id) * 1_000, 912_504, 4_250, -1, trade_id, 0)


def gap(first_id: int | None, last_id: int | None, stream: Stream = STREAM) -> Gap:
    return Gap(stream, NOW_MS * 1_000, NOW_MS * 1_000 + 1, first_id, last_id)


class Venue:
    """Answers as the venue does: what is older than `after`, the newest first."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = sorted(rows, key=lambda row: -int(row["tradeId"]))
        self.asked: list[int] = []

    def __call__(self, request: Request) -> bytes:
        assert request.method == "GET"
        assert request.weight == 1
        parts = urlsplit(request.path)
        assert parts.path == "/api/v5/market/history-trades"
        query = {name: value for name, (value,) in parse_qs(parts.query).items()}
        after, limit = int(query.pop("after")), int(query.pop("limit"))
        assert query == {"instId": "BTC-USDT-SWAP", "type": "1"}
        assert limit == PAGE_TRADES
        self.asked.append(after)
        older = [row for row in self.rows if int(row["tradeId"]) < after]
        return body(older[:limit])


def body(rows: Sequence[object]) -> bytes:
    return json.dumps({"code": "0", "msg": "", "data": rows}).encode()


def fetch(wanted: Gap, answer: Callable[[Request], bytes]) -> Found:
    calls = SWAP.missed(wanted)
    assert calls is not None
    request = next(calls)
    while True:
        try:
            request = calls.send(answer(request))
        except StopIteration as stop:
            found: Found = stop.value
            return found


def test_a_small_gap_takes_one_call_and_gives_the_rows_by_time() -> None:
    venue = Venue([fill(trade_id) for trade_id in range(900, 1_100)])
    found = fetch(gap(1_000, 1_003), venue)
    assert found == Found([row_of(trade_id) for trade_id in range(1_000, 1_004)], True)
    assert venue.asked == [1_005]


def test_a_larger_gap_is_paged_from_its_end_to_its_begin() -> None:
    venue = Venue([fill(trade_id) for trade_id in range(500, 2_000)])
    found = fetch(gap(1_000, 1_249), venue)
    assert [row[4] for row in found.rows] == list(range(1_000, 1_250))
    assert found.complete
    assert venue.asked == [1_251, 1_151, 1_051]


def test_merged_rows_are_counted_by_what_they_cover() -> None:
    rows = [fill(1_002, count="3"), fill(1_003), fill(1_009, count="6")]
    found = fetch(gap(1_000, 1_009), Venue(rows))
    assert [row[4] for row in found.rows] == [1_002, 1_003, 1_009]
    assert found.complete


def test_a_row_across_the_begin_or_the_end_of_a_gap_is_left_out_and_leaves_it_open() -> None:
    begin = fetch(
        gap(1_000, 1_004),
        Venue([fill(999), fill(1_001, count="2"), *map(fill, range(1_002, 1_006))]),
    )
    assert [row[4] for row in begin.rows] == [1_001, 1_002, 1_003, 1_004]
    assert begin.complete
    across = [fill(998), fill(1_001, count="3"), *map(fill, range(1_002, 1_006))]
    first = fetch(gap(1_000, 1_004), Venue(across))
    assert [row[4] for row in first.rows] == [1_002, 1_003, 1_004]
    assert not first.complete
    beyond = [fill(999), fill(1_000), fill(1_005, count="5")]
    last = fetch(gap(1_000, 1_004), Venue(beyond))
    assert [row[4] for row in last.rows] == [1_000]
    assert not last.complete


def test_ids_that_the_venue_left_out_are_no_trades_where_its_list_has_both_neighbours() -> None:
    rows = [fill(999), fill(1_001), fill(1_004), fill(1_005)]
    found = fetch(gap(1_000, 1_004), Venue(rows))
    assert [row[4] for row in found.rows] == [1_001, 1_004]
    assert found.complete


def test_a_list_that_is_behind_the_stream_may_lack_the_newest_trades() -> None:
    venue = Venue([fill(trade_id) for trade_id in range(990, 1_003)])
    found = fetch(gap(1_000, 1_004), venue)
    assert [row[4] for row in found.rows] == [1_000, 1_001, 1_002]
    assert not found.complete


def test_a_list_that_ends_inside_a_gap_leaves_it_open() -> None:
    venue = Venue([fill(trade_id) for trade_id in range(1_002, 1_100)])
    found = fetch(gap(1_000, 1_004), venue)
    assert [row[4] for row in found.rows] == [1_002, 1_003, 1_004]
    assert not found.complete
    assert venue.asked == [1_006, 1_002]


@pytest.mark.parametrize(
    "bad", [fill(1_001, side="x"), fill(1_001, sz="0"), fill(1_001, px=None), 7, {}]
)
def test_a_row_that_cannot_be_read_leaves_the_others_and_the_gap_open(bad: object) -> None:
    rows = [fill(1_003), fill(1_002), bad, fill(1_000), fill(999)]
    found = fetch(gap(1_000, 1_002), lambda _: body(rows))
    assert [row[4] for row in found.rows] == [1_000, 1_002]
    assert not found.complete


def test_a_row_of_another_instrument_is_none_of_the_gap() -> None:
    rows = [fill(1_002), fill(1_001), fill(1_000, instId="ETH-USDC-SWAP"), fill(999)]
    found = fetch(gap(1_000, 1_001), lambda _: body(rows))
    assert [row[4] for row in found.rows] == [1_001]
    assert not found.complete


def test_the_same_page_again_ends_the_search() -> None:
    asked: list[Request] = []

    def repeat(request: Request) -> bytes:
        asked.append(request)
        return body([fill(1_900), fill(1_899)])

    found = fetch(gap(1_000, 1_900), repeat)
    assert [row[4] for row in found.rows] == [1_899, 1_900]
    assert not found.complete
    assert len(asked) == 2


def test_a_gap_without_end_takes_a_bounded_number_of_calls() -> None:
    asked: list[Request] = []

    def older(request: Request) -> bytes:
        asked.append(request)
        after = int(parse_qs(urlsplit(request.path).query)["after"][0])
        return body([fill(trade_id) for trade_id in range(after - PAGE_TRADES, after)])

    found = fetch(gap(1, 10_000_000), older)
    assert len(asked) == MAX_PAGES
    assert len(found.rows) == MAX_PAGES * PAGE_TRADES - 1
    assert not found.complete


@pytest.mark.parametrize(
    "answer",
    [b"", b"[]", b"{", b'{"code":"50011","msg":"Too Many Requests","data":[]}', b'{"code":0}'],
)
def test_an_answer_that_cannot_be_read_is_a_payload_error(answer: bytes) -> None:
    with pytest.raises(PayloadError):
        fetch(gap(1_000, 1_001), lambda _: answer)


def test_a_refusal_is_passed_on_in_the_venues_words() -> None:
    with pytest.raises(PayloadError, match="50011: Too Many"):
        fetch(gap(1, 2), lambda _: b'{"code":"50011","msg":"Too Many Requests","data":[]}')


@pytest.mark.parametrize(
    "wanted",
    [
        gap(None, None),
        gap(1_000, None),
        gap(1_000, 1_001, Stream("liquidation-orders:SWAP", Channel.LIQUIDATIONS, None)),
    ],
)
def test_there_is_no_way_without_ids_or_an_instrument(wanted: Gap) -> None:
    assert SWAP.missed(wanted) is None
