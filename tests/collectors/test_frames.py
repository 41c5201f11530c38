"""Strict reading of JSON, batching and addresses."""

import json

import msgspec
import pytest

from collectors import frames
from collectors.messages import Rejected, Trades
from collectors.venue import Channel, Stream
from runtime.errors import PayloadError
from schemas.instruments import Instrument, make_instrument
from schemas.market import Kind


def streams(count: int) -> list[Stream]:
    return [Stream(f"s{number}", Channel.TRADES, build(f"X{number}")) for number in range(count)]


def build(asset: str, tick: str = "0.1", lot: str = "1") -> Instrument:
    return make_instrument(
        venue="v",
        kind=Kind.SPOT,
        venue_symbol=f"{asset}Q",
        asset=asset,
        quote="Q",
        venue_tick=tick,
        venue_lot=lot,
    )


@pytest.mark.parametrize(
    "text", ['{"a":[1,{"b":"c"}]}', ' {"a" : 1.5e3}\n', "{}", '{"é":"\\u00e9"}']
)
def test_a_json_object_is_read_as_any_parser_reads_it(text: str) -> None:
    assert frames.read_document(text.encode()) == json.loads(text)


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (b'{"a":"\\ud800"}', "malformed_json"),
        (b'{"a":1}{}', "malformed_json"),
        (b'{"a":NaN}', "malformed_json"),
        (b'{"a":Infinity}', "malformed_json"),
        (b'{"a":' + b"1" * 100_000 + b"}", "malformed_json"),
        (b'{"a":' * 100_000, "malformed_json"),
        (b'{"a":"\xff"}', "malformed_json"),
        ('{"a":1}'.encode("utf-16"), "malformed_json"),
        (b'\xef\xbb\xbf{"a":1}', "malformed_json"),
        (b"", "malformed_json"),
        (b"[]", "unexpected_shape"),
        (b"7", "unexpected_shape"),
    ],
)
def test_all_else_is_rejected(frame: bytes, reason: str) -> None:
    found = frames.read_document(frame)
    assert isinstance(found, Rejected)
    assert found.reason == reason
    assert len(found.detail) < 300


@pytest.mark.parametrize("frame", [b'{"a":1,"a":2}', b'{"a":1,"\\u0061":2}'])
def test_of_duplicate_keys_the_last_wins(frame: bytes) -> None:
    assert frames.read_document(frame) == {"a": 2}


def test_rows_are_gathered_by_stream_and_keep_their_order() -> None:
    one, two = streams(2)
    row_a, row_b, row_c = (1, 1, 1, 1, 1, 0), (2, 1, 1, 1, 2, 0), (3, 1, 1, 1, 3, 0)
    bad = Rejected("invalid_price", "")
    found = frames.gather([(one, row_a), bad, (two, row_b), (one, row_c)])
    assert found == [Trades(one, [row_a, row_c]), Trades(two, [row_b]), bad]


@pytest.mark.parametrize(
    ("count", "sizes"), [(0, []), (1, [1]), (3, [3]), (4, [3, 1]), (7, [3, 3, 1])]
)
def test_batches_lose_and_repeat_nothing(count: int, sizes: list[int]) -> None:
    all_streams = streams(count)
    found = frames.batches(all_streams, 3)
    assert [len(batch) for batch in found] == sizes
    assert [one for batch in found for one in batch] == all_streams
    assert [len(plan.streams) for plan in frames.spread(all_streams, 3, "/p")] == sizes
    named = [name for names in frames.requests(all_streams, 3).values() for name in names]
    assert named == [one.name for one in all_streams]


@pytest.mark.parametrize(
    ("url", "is_there"),
    [
        ("wss://h.example/ws", True),
        ("wss://H.EXAMPLE:8443/ws/x?y=1", True),
        ("https://h.example/ws?kind=a", True),
        ("https://h.example/ws?kind=b", False),
        ("wss://h.example.evil/ws", False),
        ("wss://x@h.example/other", False),
        ("http://[", False),
        ("", False),
    ],
)
def test_an_address_is_known_by_host_path_and_query(url: str, is_there: bool) -> None:
    assert frames.is_at(url, ("h.example",), ("/ws",), {"kind": "a"}) is is_there


def test_words_are_found_in_a_venues_sentence_once_each() -> None:
    found = frames.words('error:x,topic:[a.B] "a.B" {c}')
    assert found == ["error", "x", "topic", "a.B", "c"]


class Row(msgspec.Struct):
    asset: str
    tick: str = "0.1"
    lot: str = "1"


DECODER = msgspec.json.Decoder(Row)


def instruments(*rows: str) -> list[Instrument]:
    raws = [msgspec.Raw(row.encode()) for row in rows]
    return frames.read_instruments(
        raws, DECODER, lambda row: build(row.asset, row.tick, row.lot) if row.asset != "-" else None
    )


def test_one_row_that_cannot_be_read_does_not_take_the_others_with_it() -> None:
    bad = ['{"asset":7}', '{"asset":""}', "{}"]
    bad += [f'{{"asset":"B","tick":"{tick}"}}' for tick in ("0", "-1", "NaN", "x", "1e-30", "")]
    found = instruments('{"asset":"A"}', *bad, '{"asset":"C"}')
    assert [one.asset for one in found] == ["A", "C"]


def test_rows_of_other_kinds_are_no_fault() -> None:
    assert instruments('{"asset":"-"}', '{"asset":"-"}') == []
    assert instruments() == []


def test_a_list_of_which_nothing_can_be_read_is_a_payload_error() -> None:
    with pytest.raises(PayloadError):
        instruments("{}", "{}")
