"""The fast way is taken for what venues send today, and says what the careful way says."""

import json
from typing import Any

import pytest

from collectors import frames
from collectors.frames import CarefulParser
from collectors.venue import Feed, Trades
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
    "hyperliquid.perp": ["taker sold", "taker bought twice", "thousands"],
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
    "binance.usdm": "before nq and st were sent",
    "binance.usdm-fills": "before st was sent",
    "binance.spot": "milliseconds",
    "bybit.linear": "without RPI and seq, as in 2023",
    "bybit.spot": "as in 2023",
    "okx.swap": "as in 2022",
    "hyperliquid.perp": "without users, as in 2024",
}


@pytest.mark.parametrize("name", OLDER)
def test_older_frames_are_read_the_fast_way_from_the_second_on(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed = FEEDS[name]
    case = case_of(feed, OLDER[name])
    parser = parser_of(feed)
    assert plain(parser.parse(case.frame)) == case.expect
    monkeypatch.setattr(frames, "read_document", no_careful_reading)
    assert plain(parser.parse(case.frame)) == case.expect


@every_feed
def test_the_careful_way_says_the_same_of_every_frame(feed: Feed) -> None:
    parser = parser_of(feed)
    assert isinstance(parser, CarefulParser)
    for case in cases(feed):
        assert plain(parser._read_carefully(case.frame)) == case.expect, case.name


@every_feed
def test_no_key_can_stand_in_for_one_that_is_missing(feed: Feed) -> None:
    """The count of colons is right, but a key that is read is there twice and another never."""
    case = case_of(feed, FIRST[feed.name][0])
    document = json.loads(case.frame)
    row = document["data"] if isinstance(document["data"], dict) else document["data"][0]
    for gone in list(row):
        for doubled in list(row):
            if doubled == gone:
                continue
            pairs = [(key, value) for key, value in row.items() if key != gone]
            text = "{" + ",".join(member(*pair) for pair in [*pairs, (doubled, row[doubled])]) + "}"
            frame = compact(document).replace(compact(row), text.encode(), 1)
            messages = parser_of(feed).parse(frame)
            assert plain(messages) == [{"rejected": "malformed_json"}], (gone, doubled)


def member(key: str, value: Any) -> str:
    return compact({key: value}).decode()[1:-1]


@every_feed
def test_a_colon_inside_a_text_costs_speed_and_nothing_else(feed: Feed) -> None:
    case = case_of(feed, FIRST[feed.name][0])
    document = json.loads(case.frame)
    document["note"] = "a:b:c"
    messages = parser_of(feed).parse(compact(document))
    assert plain(messages) == case.expect
    assert isinstance(messages[0], Trades)
