"""Every feed there is, and the hand-written frames that fix what each must make of its wire.

A fixture is one file of JSON lines per feed. Its first line holds the REST calls that
`instruments()` makes, their answers and the instruments expected; each further line holds a frame
(`frame` as an object, `text` where it is none) and the messages expected of it.
"""

import json
import pkgutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from collectors import venues
from collectors.messages import (
    Alive,
    BookUpdate,
    Heartbeat,
    Ignored,
    Leaving,
    Level,
    Liquidations,
    Listed,
    Message,
    Refused,
    Rejected,
    Subscribed,
    TickerValues,
    Top,
    Trades,
)
from collectors.venue import Feed, Parser, Stream
from schemas.instruments import Instrument

FIXTURES = Path(__file__).parents[1] / "fixtures" / "venues"


def modules() -> list[str]:
    """Return the name of every venue module."""
    return [found.name for found in pkgutil.iter_modules(venues.__path__)]


def all_feeds() -> list[Feed]:
    """Return the feeds of every venue module."""
    found: list[Feed] = []
    for name in modules():
        found += import_module(f"{venues.__name__}.{name}").FEEDS
    return found


FEEDS = {feed.name: feed for feed in all_feeds()}


@dataclass(frozen=True)
class Case:
    """One frame and what must come of it."""

    name: str
    frame: bytes
    document: Any
    expect: list[dict[str, Any]]


def lines(feed: Feed) -> list[dict[str, Any]]:
    """Return the fixture of a feed."""
    text = (FIXTURES / f"{feed.name}.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def cases(feed: Feed) -> list[Case]:
    """Return the frames of a feed's fixture."""
    return [
        Case(
            line["case"],
            line["text"].encode() if "text" in line else compact(line["frame"]),
            line.get("frame"),
            line["expect"],
        )
        for line in lines(feed)[1:]
    ]


def compact(document: Any) -> bytes:
    """Write a document as venues do: no spaces, characters as they are."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def drive(feed: Feed, answer: Callable[[Any], bytes]) -> list[Instrument]:
    """Run `instruments()` against somebody who answers its requests."""
    calls = feed.instruments()
    request = next(calls)
    while True:
        try:
            request = calls.send(answer(request))
        except StopIteration as stop:
            instruments: list[Instrument] = stop.value
            return instruments


def instruments_of(feed: Feed) -> list[Instrument]:
    """Return the instruments of the fixture, and check the requests on the way."""
    expected = iter(lines(feed)[0]["calls"])

    def answer(request: Any) -> bytes:
        call = next(expected)
        assert request.path == call["path"]
        assert request.method == call.get("method", "GET")
        assert request.body is None or json.loads(request.body) == call["body"]
        return compact(call["answer"])

    found = drive(feed, answer)
    assert next(expected, None) is None, "not every call of the fixture was made"
    return found


def streams_of(feed: Feed) -> list[Stream]:
    """Return the streams of the fixture's instruments."""
    return feed.streams(instruments_of(feed))


def parser_of(feed: Feed) -> Parser:
    """Return a new parser that carries the fixture's streams."""
    return feed.parser(streams_of(feed), feed.memory())


def plain(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """Write messages as fixtures do; the words of a detail are free."""
    return [_plain(message) for message in messages]


def _plain(message: Message) -> dict[str, Any]:  # noqa: C901  # one case a kind
    match message:
        case Trades(stream, rows, merged):
            shown = {"trades": stream.name, "rows": [list(row) for row in rows]}
            return shown if merged is None else {**shown, "merged": list(merged)}
        case BookUpdate() | Top():
            return _plain_book(message)
        case Liquidations(stream, instrument, rows):
            return {
                "liquidations": stream.name,
                "symbol": instrument.symbol,
                "rows": [list(row) for row in rows],
            }
        case TickerValues():
            return _plain_ticker(message)
        case Rejected(reason):
            return {"rejected": reason}
        case Ignored(what):
            return {"ignored": what}
        case Subscribed(names):
            return {"subscribed": list(names)}
        case Refused(_, names):
            return {"refused": list(names)}
        case Alive(stream):
            return {"alive": stream.name}
        case Leaving():
            return {"leaving": True}
        case Listed():
            return {"listed": True}
        case Heartbeat():
            return {"heartbeat": True}


def _plain_book(message: BookUpdate | Top) -> dict[str, Any]:
    if isinstance(message, Top):
        return {
            "top": message.stream.name,
            "time": message.event_time_us,
            "id": message.update_id,
            "bid": None if message.bid is None else list(message.bid[:2]),
            "ask": None if message.ask is None else list(message.ask[:2]),
        }
    return {
        "book": message.stream.name,
        "snapshot": message.snapshot,
        "time": message.event_time_us,
        "last": message.last_id,
        "first": message.first_id,
        "previous": message.previous_id,
        "bids": _levels(message.bids),
        "asks": _levels(message.asks),
    }


def _levels(levels: Sequence[Level]) -> list[list[Any]]:
    return [list(level[:2]) for level in levels]


def _plain_ticker(message: TickerValues) -> dict[str, Any]:
    about = ("stream", "instrument", "event_time_us")
    values = {
        name: getattr(message, name) for name in message.__struct_fields__ if name not in about
    }
    return {
        "ticker": message.stream.name,
        "symbol": message.instrument.symbol,
        "time": message.event_time_us,
        "values": {name: value for name, value in values.items() if value not in (None, False)},
    }
