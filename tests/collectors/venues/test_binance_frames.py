"""Binance's frames that are no trades: the fast way is taken and says what the careful way says."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors import frames
from collectors.messages import BookUpdate, Ignored, Rejected, Top
from collectors.venue import Channel, Feed
from collectors.venues.binance import FEEDS, SPOT, USDM
from collectors.venues.binance.wire import MAX_LEVELS
from tests.contract.venue_cases import Case, cases, compact, instruments_of, parser_of, plain

every_feed = pytest.mark.parametrize("feed", FEEDS, ids=lambda feed: feed.name)
FAST = {
    "binance.usdm": [
        "depth", "depth before ps and st were sent", "depth of a scaled coin stays in the venue's "
        "units", "depth of a symbol that is not ASCII", "best bid and ask", "no bid",
        "best bid and ask before ps and st were sent", "a long was liquidated",
        "liquidation of a scaled coin is in coins", "mark price",
        "mark price of a scaled coin is of one coin",
    ],
    "binance.usdm-fills": ["depth", "best bid and ask", "a long was liquidated", "mark price"],
    "binance.spot": ["depth, microseconds", "best bid and ask, which has no event", "no ask"],
}  # fmt: skip
TRADE = {
    "binance.usdm": "taker bought",
    "binance.usdm-fills": "taker bought",
    "binance.spot": "taker bought, microseconds",
}
PARSERS = {feed.name: parser_of(feed) for feed in FEEDS}


def case_of(feed: Feed, name: str) -> Case:
    return next(case for case in cases(feed) if case.name == name)


def no_careful_reading(frame: bytes) -> Any:
    raise AssertionError(f"read carefully: {frame!r}")


@every_feed
def test_frames_of_today_are_read_the_fast_way_before_and_after_trades(
    feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frames, "read_document", no_careful_reading)
    trade = case_of(feed, TRADE[feed.name])
    for name in FAST[feed.name]:
        one = case_of(feed, name)
        parser = parser_of(feed)
        for case in (one, one, trade, trade, one):
            assert plain(parser.parse(case.frame)) == case.expect


@every_feed
def test_the_careful_way_says_the_same_of_every_frame(feed: Feed) -> None:
    parser = parser_of(feed)
    assert isinstance(parser, frames.CarefulParser)
    for case in cases(feed):
        assert plain(parser._read_carefully(case.frame)) == case.expect, case.name


SNIPPETS = [
    b"", b'"', b",", b":", b"{", b"}", b"[", b"]", b"0", b"-", b".", b"\\n", b"\\u00e9",
    b"nan", b"null", b"true", b'"1"', b" ", b"\xff", '"é"'.encode(), b'"e":"x",', b'"st":2,',
]  # fmt: skip


@settings(max_examples=400, deadline=None, derandomize=True)
@given(data=st.data())
@pytest.mark.parametrize("feed", FEEDS, ids=lambda feed: feed.name)
def test_what_the_fast_way_takes_the_careful_way_reads_the_same(
    feed: Feed, data: st.DataObject
) -> None:
    frame = case_of(feed, data.draw(st.sampled_from(FAST[feed.name]))).frame
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(frame)))
        end = data.draw(st.integers(start, min(len(frame), start + 3)))
        frame = frame[:start] + data.draw(st.sampled_from(SNIPPETS)) + frame[end:]
    parser = PARSERS[feed.name]
    assert isinstance(parser, frames.CarefulParser)
    careful = plain(parser._read_carefully(frame))
    found = plain(parser.parse(frame))
    skipped = "ignored" in found[0] and careful == [{"rejected": "malformed_json"}]
    assert found == careful or skipped


@every_feed
def test_a_frame_cut_anywhere_is_refused(feed: Feed) -> None:
    parser = parser_of(feed)
    for name in FAST[feed.name]:
        frame = case_of(feed, name).frame
        for at in range(len(frame)):
            assert plain(parser.parse(frame[:at])) == [{"rejected": "malformed_json"}]


@every_feed
def test_bytes_that_are_no_text_are_refused_wherever_they_are(feed: Feed) -> None:
    parser = parser_of(feed)
    for name in FAST[feed.name]:
        frame = case_of(feed, name).frame
        parser.parse(frame)
        for at in range(1, len(frame)):
            broken = frame[:at] + b"\xff" + frame[at:]
            assert plain(parser.parse(broken)) == [{"rejected": "malformed_json"}], broken


@pytest.mark.parametrize("side", ["b", "a"])
def test_the_levels_of_one_frame_are_bounded(side: str) -> None:
    parser = parser_of(USDM)
    document = case_of(USDM, "depth").document
    level = ["91250.30", "1"]
    data = document["data"] | {side: [level] * MAX_LEVELS}
    (update,) = parser.parse(compact(document | {"data": data}))
    assert isinstance(update, BookUpdate)
    data = document["data"] | {side: [level] * (MAX_LEVELS + 1)}
    (message,) = parser.parse(compact(document | {"data": data}))
    assert isinstance(message, Rejected)
    assert message.reason == "oversized"


@pytest.mark.parametrize(
    ("name", "channel", "word"),
    [
        ("depth", Channel.BOOK, "depth"),
        ("best bid and ask", Channel.TOP, "bookTicker"),
        ("a long was liquidated", Channel.LIQUIDATIONS, "forceOrder"),
        ("mark price", Channel.TICKER, "markPrice"),
    ],
)
def test_what_a_connection_does_not_carry_is_ignored(
    name: str, channel: Channel, word: str
) -> None:
    streams = [one for one in USDM.streams(instruments_of(USDM)) if one.channel is not channel]
    parser = USDM.parser(streams, USDM.memory())
    frame = case_of(USDM, name).frame
    assert list(parser.parse(frame)) == [Ignored(word)]
    assert list(parser._read_carefully(frame)) == [Ignored(word)]


def test_a_name_at_the_head_says_only_what_to_try() -> None:
    document = case_of(USDM, "depth").document
    frame = compact(document | {"stream": "1000pepeusdt@bookTicker"})
    assert plain(parser_of(USDM).parse(frame)) == [{"rejected": "unexpected_shape"}]
    other = case_of(USDM, "depth of a scaled coin stays in the venue's units").document
    frame = compact(other | {"stream": "btcusdt@depth@100ms"})
    (update,) = parser_of(USDM).parse(frame)
    assert isinstance(update, BookUpdate)
    assert update.stream.name == "1000pepeusdt@depth@100ms"


def test_best_prices_that_are_under_no_name_are_no_best_prices() -> None:
    document = case_of(SPOT, "best bid and ask, which has no event").document
    parser = parser_of(SPOT)
    assert isinstance(parser.parse(compact(document))[0], Top)
    renamed = compact(document).replace(b'"stream"', b'"strean"')
    assert plain(parser.parse(renamed)) == [{"rejected": "unexpected_shape"}]
