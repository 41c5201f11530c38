"""A stream that dies for one instrument: its book, its best prices, its ticker."""

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from collectors.registry import all_feeds
from collectors.session.answers import call_key
from collectors.session.outcome import Outcome
from collectors.session.session import Session
from collectors.silence import CHANNEL_SILENT_SECONDS, Silence
from collectors.venue import Channel
from schemas.books import BookBatch
from schemas.instruments import Instrument, make_instrument
from schemas.liquidations import LiquidationBatch
from schemas.market import Kind
from schemas.units import US_PER_SECOND

BASE_US = 1_800_000_000_000_000
STEP_US = 100_000
USDM = all_feeds()["binance.usdm"]
BITCOIN = make_instrument(
    venue="binance",
    kind=Kind.LINEAR_PERPETUAL,
    venue_symbol="BTCUSDT",
    asset="BTC",
    quote="USDT",
    venue_tick="0.1",
    venue_lot="0.001",
)
Times = Callable[[float], bool]
"""Whether something comes at this many seconds."""


def session_of(instrument: Instrument, *channels: Channel) -> Session:
    streams = [one for one in USDM.streams([instrument]) if one.channel in channels]
    return Session(USDM, streams, "s", BASE_US, instruments=[instrument])


def frame(name: str, kind: str, time_us: int, **data: Any) -> bytes:
    at = {"e": kind, "E": time_us // 1000, "T": time_us // 1000, "s": "BTCUSDT", "st": 1}
    return json.dumps({"stream": f"btcusdt@{name}", "data": {**at, **data}}).encode()


def top(number: int, time_us: int) -> bytes:
    level = {"b": "100.0", "B": f"{1 + number % 9}", "a": "100.1", "A": "1"}
    return frame("bookTicker", "bookTicker", time_us, u=number, **level)


def depth(number: int, time_us: int) -> bytes:
    ids = {"U": number, "u": number, "pu": number - 1}
    bids = [["100.0", f"{1 + number % 9}"]]
    return frame("depth@100ms", "depthUpdate", time_us, **ids, b=bids, a=[["100.1", "1"]])


def mark(time_us: int) -> bytes:
    price = {"p": "100.0", "i": "100.0", "P": "100.0", "r": "0.0001"}
    return frame("markPrice@1s", "markPriceUpdate", time_us, **price)


def renewed(session: Session, channel: Channel, until: int, **comes: Times) -> list[int]:
    """Play so many seconds; return those in which the stream of a channel was begun anew."""
    found: list[int] = []
    writers: dict[str, Callable[[int, int], bytes]] = {
        "top": top,
        "depth": depth,
        "mark": lambda _, time_us: mark(time_us),
    }

    def see(out: Outcome, number: int, now_us: int) -> None:
        found.extend(
            (now_us - BASE_US) // US_PER_SECOND
            for one in out.resubscribes
            if one.stream.channel is channel
        )
        for ask in out.asks:
            body = {"lastUpdateId": number, "E": 1, "T": now_us // 1000, "bids": [], "asks": []}
            body |= {"bids": [["99.0", "1"]], "asks": [["101.0", "1"]]}
            session.on_answer(call_key(ask.request), json.dumps(body).encode(), now_us)

    for number in range(1, until * US_PER_SECOND // STEP_US):
        now_us = BASE_US + number * STEP_US
        for name, at in comes.items():
            if at(number * STEP_US / US_PER_SECOND):
                see(session.on_frame(writers[name](number, now_us), now_us), number, now_us)
        session.on_heartbeat(now_us)
        see(session.on_tick(now_us), number, now_us)
    return found


def always(_: float) -> bool:
    return True


def first_seconds(seconds: float) -> bool:
    return seconds < 10


def never(_: float) -> bool:
    return False


@pytest.mark.parametrize(
    ("speaks", "seconds"),
    [(first_seconds, [15, 17, 21, 29, 45, 77]), (never, [10, 11, 13, 17, 25, 41, 73])],
)
def test_a_book_that_says_nothing_while_prices_move_is_asked_for_ever_later(
    speaks: Times, seconds: list[int]
) -> None:
    session = session_of(BITCOIN, Channel.BOOK, Channel.TOP)
    assert renewed(session, Channel.BOOK, 120, top=always, depth=speaks) == seconds


def test_a_book_that_speaks_again_has_its_snapshot_at_once() -> None:
    session = session_of(BITCOIN, Channel.BOOK, Channel.TOP)
    renewed(session, Channel.BOOK, 60, top=always, depth=lambda at: at < 10 or at > 59)
    book = session.on_tick(BASE_US + 61 * US_PER_SECOND).batches[-1]
    assert isinstance(book, BookBatch)
    assert book.book_valid


def test_of_a_market_that_does_not_move_a_silent_book_is_normal() -> None:
    session = session_of(BITCOIN, Channel.BOOK, Channel.TOP)
    assert renewed(session, Channel.BOOK, 120, top=first_seconds, depth=first_seconds) == []


def test_best_prices_that_stop_while_the_book_moves_are_asked_for_ever_later() -> None:
    session = session_of(BITCOIN, Channel.BOOK, Channel.TOP)
    assert renewed(session, Channel.TOP, 400, top=first_seconds, depth=always) == [70, 130, 250]
    quiet = session_of(BITCOIN, Channel.BOOK, Channel.TOP)
    assert renewed(quiet, Channel.TOP, 400, top=first_seconds, depth=first_seconds) == []


def test_a_ticker_that_stops_is_asked_for_again() -> None:
    session = session_of(BITCOIN, Channel.TICKER)
    assert renewed(session, Channel.TICKER, 700, mark=first_seconds) == [310, 610]
    steady = session_of(BITCOIN, Channel.TICKER)
    assert renewed(steady, Channel.TICKER, 700, mark=lambda at: round(at * 10) % 900 == 1) == []


def test_a_stream_of_all_transactions_always_moves_and_needs_no_acknowledgement() -> None:
    feed = all_feeds()["hyperliquid.perp"]
    coin = msgspec.structs.replace(BITCOIN, venue="hyperliquid", venue_symbol="BTC")
    streams = [one for one in feed.streams([coin]) if one.channel is Channel.LIQUIDATIONS]
    session = Session(feed, streams, "s", BASE_US, instruments=[coin], shared=feed.memory())
    silence = Silence(session.line(0))
    assert silence.look(0.0) == ""
    orders = {"action": {"type": "order"}, "hash": "0x" + "1" * 64, "time": BASE_US // 1000}
    now_us = BASE_US + US_PER_SECOND
    shown = session.on_frame(json.dumps([orders], separators=(",", ":")).encode(), now_us)
    assert [type(one) for one in shown.batches] == [LiquidationBatch]
    session.on_frame(b'{"channel":"pong"}', now_us + US_PER_SECOND)
    assert silence.look(CHANNEL_SILENT_SECONDS) == ""
    assert silence.look(2 * CHANNEL_SILENT_SECONDS) == ""
    assert silence.look(2 * CHANNEL_SILENT_SECONDS + 1) == "no word on any stream: a dead route"


def test_no_liquidation_for_long_is_normal() -> None:
    silence = Silence(session_of(BITCOIN, Channel.LIQUIDATIONS).line(0))
    assert [silence.look(hours * 3_600.0) for hours in range(3)] == ["", "", ""]
