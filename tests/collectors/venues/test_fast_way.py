"""The fast way is taken for all that venues send and sent, and says what the careful way says."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors import frames
from collectors.frames import CarefulParser
from collectors.venue import Feed
from tests.contract.venue_cases import FEEDS, Case, cases, compact, parser_of, plain

every_feed = pytest.mark.parametrize("feed", FEEDS.values(), ids=FEEDS.keys())

FIRST = {
    "binance.usdm": ["taker bought", "taker sold", "scaled coin keeps the venue's grid"],
    "binance.usdm-fills": ["taker bought", "taker sold", "retail price improvement"],
    "binance.spot": ["taker sold, microseconds", "taker bought, microseconds"],
    "bybit.linear": [
        "two fills of one sell order",
        "buy",
        "retail price improvement",
        "block trade",
    ],
    "bybit.spot": ["sell", "buy", "retail price improvement"],
    "okx.swap": ["sell of 42.5 contracts", "buy", "retail price improvement"],
    "okx.spot": ["sell", "buy", "retail price improvement"],
    "hyperliquid.perp": [
        "taker sold",
        "taker bought twice",
        "fills of two orders of one block, then slices",
        "thousands",
    ],
    "hyperliquid.spot": ["taker sold", "taker bought"],
}
"""Frames in the shape that each venue documents today."""


def case_of(feed: Feed, name: str) -> Case:
    return next(case for case in cases(feed) if case.name == name)


def no_careful_reading(frame: bytes) -> Any:
    raise AssertionError(f"read carefully: {frame!r}")


@every_feed
def test_todays_frames_are_read_the_fast_way_from_the_first_on(
    feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frames, "read_document", no_careful_reading)
    for name in FIRST[feed.name]:
        case = case_of(feed, name)
        assert plain(parser_of(feed).parse(case.frame)) == case.expect


OLDER = {
    "binance.usdm": ["before nq and st were sent", "a key that is new"],
    "binance.usdm-fills": ["before st was sent"],
    "binance.spot": ["milliseconds", "with order ids, as in 2021"],
    "bybit.linear": ["without RPI and seq, as in 2023", "push time as text"],
    "bybit.spot": ["as in 2023"],
    "okx.swap": ["before source and seqId were sent", "as in 2022", "several trades in one frame"],
    "okx.spot": [],
    "hyperliquid.perp": ["without users, as in 2024"],
    "hyperliquid.spot": [],
}
"""Frames in shapes of other years."""


@every_feed
def test_older_frames_are_read_the_fast_way_from_the_first_on(
    feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frames, "read_document", no_careful_reading)
    for name in OLDER[feed.name]:
        case = case_of(feed, name)
        assert plain(parser_of(feed).parse(case.frame)) == case.expect


@every_feed
def test_a_key_of_tomorrow_costs_nothing(feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "read_document", no_careful_reading)
    for name in FIRST[feed.name]:
        case = case_of(feed, name)
        frame = compact(with_new_keys(case.document))
        assert plain(parser_of(feed).parse(frame)) == case.expect


def with_new_keys(value: Any) -> Any:
    """Return the document with a key more in each object, before and after those it has."""
    if isinstance(value, dict):
        known = {key: with_new_keys(one) for key, one in value.items()}
        return {"new": {"a:b": [1, None]}, **known, "newer": "x:y"}
    return [with_new_keys(one) for one in value] if isinstance(value, list) else value


BOOKS = {
    "binance.usdm": ["depth", "best bid and ask"],
    "binance.usdm-fills": [],
    "binance.spot": ["best bid and ask, which has no event", "partial depth, which has no event"],
    "bybit.linear": ["book"],
    "bybit.spot": [],
    "okx.swap": ["book"],
    "okx.spot": [],
    "hyperliquid.perp": ["book"],
    "hyperliquid.spot": ["best prices"],
}


@every_feed
def test_books_are_known_by_their_head_after_trades_and_after_books(
    feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frames, "read_document", no_careful_reading)
    parser = parser_of(feed)
    trade = case_of(feed, FIRST[feed.name][0])
    for name in BOOKS[feed.name]:
        book = case_of(feed, name)
        for case in (book, book, trade, trade, book):
            assert plain(parser.parse(case.frame)) == case.expect


@every_feed
def test_the_careful_way_says_the_same_of_every_frame(feed: Feed) -> None:
    parser = parser_of(feed)
    assert isinstance(parser, CarefulParser)
    for case in cases(feed):
        assert plain(parser._read_carefully(case.frame)) == case.expect, case.name


SNIPPETS = [
    b"", b'"', b",", b":", b"{", b"}", b"0", b"-", b".", b"\\n", b"\\u00e9", b"\x7f", b"null",
    b"true", b"false", b'"1"', b" ", b"\xff", '"é"'.encode(), b'"e":"x",', b'"data":[],',
]  # fmt: skip
PARSERS = {name: parser_of(feed) for name, feed in FEEDS.items()}


@settings(max_examples=300, deadline=None, derandomize=True)
@given(data=st.data())
@pytest.mark.parametrize("name", FEEDS)
def test_what_the_fast_way_takes_the_careful_way_reads_the_same(
    name: str, data: st.DataObject
) -> None:
    frame = case_of(FEEDS[name], data.draw(st.sampled_from(FIRST[name]))).frame
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(frame)))
        end = data.draw(st.integers(start, min(len(frame), start + 3)))
        frame = frame[:start] + data.draw(st.sampled_from(SNIPPETS)) + frame[end:]
    parser = PARSERS[name]
    assert isinstance(parser, CarefulParser)
    careful = plain(parser._read_carefully(frame))
    found = plain(parser.parse(frame))
    skipped = "ignored" in found[0] and careful == [{"rejected": "malformed_json"}]
    assert found == careful or skipped
