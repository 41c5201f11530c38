"""A stream that the venue refuses: the others go on, and it is asked for again now and then."""

import json
from itertools import pairwise

from collectors.registry import all_feeds
from collectors.session.line import LONGEST_REFUSED_US
from collectors.session.session import Session
from collectors.venue import Channel
from collectors.venues.okx import wire
from schemas.instruments import make_instrument
from schemas.units import US_PER_SECOND

BASE_US = 1_800_000_000_000_000
SWAPS = all_feeds()["okx.swap"]
NEW = make_instrument(
    venue="okx",
    kind=SWAPS.kind,
    venue_symbol="NEW-USDT-SWAP",
    asset="NEW",
    quote="USDT",
    venue_tick="0.1",
    venue_lot="1",
)
STREAMS = SWAPS.streams([NEW])
(INDEX,) = [one for one in STREAMS if one.name.startswith(wire.INDEX)]
(BOOK,) = [one for one in STREAMS if one.channel is Channel.BOOK]
DETAIL = "Wrong URL or channel:{channel},instId:{instId} doesn't exist."


def refusal(*names: str) -> bytes:
    (stream,) = [one for one in STREAMS if one.name in names]
    text = DETAIL.format(**wire.argument(stream))
    return json.dumps({"event": "error", "code": "60018", "msg": text}).encode()


def acknowledgement(name: str) -> bytes:
    (stream,) = [one for one in STREAMS if one.name == name]
    return json.dumps({"event": "subscribe", "arg": wire.argument(stream)}).encode()


def subscribed(*refused: str) -> Session:
    """Return a session in which everything is acknowledged but some streams, which are refused."""
    session = Session(SWAPS, STREAMS, "s", BASE_US, instruments=[NEW])
    for stream in STREAMS:
        if stream.name not in refused:
            session.on_frame(acknowledgement(stream.name), BASE_US)
    for name in refused:
        out = session.on_frame(refusal(name), BASE_US)
        assert [one.names for one in out.refused] == [(name,)]
    return session


def asked_again(session: Session, name: str, seconds: int, *, refuses: bool) -> list[int]:
    """Let time pass; return the seconds at which a stream was asked for again."""
    asked = []
    for second in range(1, seconds):
        now_us = BASE_US + second * US_PER_SECOND
        again = [one.stream.name for one in session.on_tick(now_us).resubscribes]
        if name in again:
            asked.append(second)
            if refuses:
                session.on_frame(refusal(name), now_us)
    return asked


def test_a_refused_stream_is_not_waited_for_and_the_others_are() -> None:
    session = subscribed(INDEX.name)
    line = session.line(0)
    assert line.unacknowledged == []
    assert not line.ready  # a connection that has it is not given up for this one
    assert not line.expects(INDEX.name)
    assert all(line.expects(one.name) for one in STREAMS if one != INDEX)


def test_a_refused_stream_is_asked_for_ever_more_rarely() -> None:
    session = subscribed(INDEX.name)
    waits = [b - a for a, b in pairwise(asked_again(session, INDEX.name, 20_000, refuses=True))]
    assert waits[:3] == [20, 40, 80]
    assert waits[-1] == LONGEST_REFUSED_US // US_PER_SECOND


def test_a_refused_book_is_asked_for_no_more_often_for_being_a_book() -> None:
    session = subscribed(BOOK.name)
    assert asked_again(session, BOOK.name, 100, refuses=True) == [10, 30, 70]


def test_a_stream_that_is_acknowledged_in_the_end_is_expected_again() -> None:
    session = subscribed(BOOK.name)
    session.on_frame(acknowledgement(BOOK.name), BASE_US + 10 * US_PER_SECOND)
    assert session.line(0).expects(BOOK.name)


def test_a_refused_stream_that_speaks_all_the_same_is_left_alone() -> None:
    session = subscribed(INDEX.name)
    session.line(0).hear(INDEX, BASE_US + US_PER_SECOND)
    assert asked_again(session, INDEX.name, 60, refuses=False) == []
    assert session.line(0).expects(INDEX.name)
