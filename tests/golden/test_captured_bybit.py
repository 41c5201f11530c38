"""Every recorded channel of Bybit through its parser, against a few lines that read the file alone.

What came out is also held to `captured/bybit.json`, so that no number changes unnoticed; `summary`
makes it.
"""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from collectors.books.book import Book
from collectors.messages import (
    BookUpdate,
    Ignored,
    Liquidations,
    Message,
    Rejected,
    TickerValues,
    Top,
    Trades,
)
from collectors.venue import Channel, Stream
from collectors.venues.bybit import DEPTH, FEEDS, BybitFeed
from schemas.books import BookLevel
from schemas.instruments import Instrument, make_instrument
from tests.captures import needs_captures
from tests.golden import recorded

pytestmark = needs_captures

MINUTE = "bybit/cryptofeed_BYBIT_btc_sol.jsonl.zst"
SINGLE = "bybit/tardis_node_frames_bybit_v5.jsonl"
GOLDEN = Path(__file__).parent / "captured" / "bybit.json"
LINEAR, SPOT = FEEDS

both_feeds = pytest.mark.parametrize("feed", FEEDS, ids=lambda feed: feed.name)


@dataclass
class Recording:
    """What is recorded of one feed: its listing and its frames with their receive times."""

    instruments: list[Instrument]
    frames: list[tuple[int, bytes]]

    def streams(self, feed: BybitFeed) -> list[Stream]:
        return feed.streams(self.instruments)

    def messages(self, feed: BybitFeed) -> Iterator[tuple[int, dict[str, Any], Message]]:
        """Return receive time, document and each message of every frame."""
        parser = feed.parser(self.streams(feed), feed.memory())
        for receive_us, frame in self.frames:
            for message in parser.parse(frame):
                yield receive_us, json.loads(frame), message


def minute(feed: BybitFeed, symbols: Sequence[str] = ("BTCUSDT", "SOLUSDT")) -> Recording:
    """Read the minute of 2026-08-09 with the listing of that day."""
    addresses: dict[str, str] = {}
    found = Recording([], [])
    for line in recorded.zst_lines(MINUTE):
        if line["t"] == "connect":
            addresses[line["conn"]] = line["addr"]
        elif line["t"] == "http" and feed.owns(line["url"]):
            steps = feed.instruments()
            next(steps)
            with pytest.raises(StopIteration) as stop:
                steps.send(line["data"].encode())
            found.instruments = [one for one in stop.value.value if one.venue_symbol in symbols]
        elif line["t"] == "recv" and feed.owns(addresses[line["conn"]]):
            receive_us = int(Decimal(str(line["ts"])) * 1_000_000)
            found.frames.append((receive_us, line["data"].encode()))
    return found


def single(feed: BybitFeed) -> Recording:
    """Read the single frames of 2023 to 2025 on a grid that is finer than any number of them."""
    frames = recorded.tardis(SINGLE)
    symbols = sorted({json.loads(frame)["topic"].rpartition(".")[2] for frame in frames})
    instruments = [
        make_instrument(
            venue="bybit",
            kind=feed.kind,
            venue_symbol=symbol,
            asset=symbol,
            quote="Q",
            venue_tick="0.00000001",
            venue_lot="0.00000001",
        )
        for symbol in symbols
    ]
    return Recording(instruments, [(0, frame) for frame in frames])


@dataclass
class Reference:
    """One book kept in two plain dictionaries."""

    sides: tuple[dict[Decimal, Decimal], dict[Decimal, Decimal]] = field(
        default_factory=lambda: ({}, {})
    )
    last: int = 0

    def take(self, document: dict[str, Any]) -> None:
        data = document["data"]
        if document["type"] == "snapshot":
            self.sides = ({}, {})
        else:
            assert data["u"] == self.last + 1
        self.last = data["u"]
        for side, changes, keep in zip(self.sides, (data["b"], data["a"]), (1, -1), strict=True):
            for price, quantity in changes:
                if Decimal(quantity):
                    side[Decimal(price)] = Decimal(quantity)
                else:
                    side.pop(Decimal(price), None)
            for price in sorted(side, key=lambda one: one * keep)[:-DEPTH]:
                del side[price]

    def levels(self) -> tuple[list[tuple[Decimal, Decimal]], ...]:
        """Return both sides, best first."""
        bids, asks = self.sides
        return sorted(bids.items(), reverse=True), sorted(asks.items())


def unfold(one: Instrument, levels: Sequence[BookLevel]) -> list[tuple[Decimal, Decimal]]:
    """Turn levels of ours into the venue's numbers."""
    tick, lot = Decimal(one.venue_tick), Decimal(one.venue_lot)
    return [(ticks * tick, lots * lot) for ticks, lots in levels]


@both_feeds
def test_books_are_whole_from_their_snapshot_on_and_equal_to_a_plain_one(feed: BybitFeed) -> None:
    found = minute(feed)
    books: dict[str, Book] = {}
    references: dict[str, Reference] = {}
    updates: Counter[str] = Counter()
    for receive_us, document, message in found.messages(feed):
        if not isinstance(message, BookUpdate):
            continue
        one = message.stream.instrument
        assert one is not None
        book = books.setdefault(message.stream.name, Book(feed.book, one))
        reference = references.setdefault(message.stream.name, Reference())
        assert book.take(message, receive_us)
        reference.take(document)
        assert book.valid
        assert (book.last_id, book.event_time_us) == (reference.last, document["cts"] * 1_000)
        sides = tuple(unfold(one, side.top(DEPTH + 1)) for side in (book.bids, book.asks))
        assert sides == reference.levels()
        updates[message.stream.name] += 1
    assert {(book.gaps, book.repeated, book.epoch) for book in books.values()} == {(0, 0, 1)}
    assert updates == {
        name: count for name, count in documents(found).items() if name.startswith("orderbook.200")
    }
    assert len(updates) == (2 if feed is LINEAR else 1)


def documents(found: Recording) -> Counter[str]:
    """Count frames by topic."""
    return Counter(json.loads(frame).get("topic", "reply") for _, frame in found.frames)


def test_best_prices_of_books_are_those_of_the_tickers_about_that_time() -> None:
    found = minute(LINEAR)
    instruments = {one.venue_symbol: one for one in found.instruments}
    books: dict[str, Book] = {}
    near: list[bool] = []
    for receive_us, document, message in found.messages(LINEAR):
        name = document.get("topic", "").rpartition(".")[2]
        if isinstance(message, BookUpdate):
            books.setdefault(name, Book(LINEAR.book, instruments[name]))
            books[name].take(message, receive_us)
        elif document.get("topic") == f"tickers.{name}" and name in books:
            near += list(nearness(instruments[name], books[name], document["data"]))
    assert len(near) > 300
    assert sum(near) / len(near) > 0.9


def nearness(one: Instrument, book: Book, ticker: dict[str, str]) -> Iterator[bool]:
    """Compare the best prices that a ticker has with the book's: near always, equal mostly."""
    for side, key in ((book.bids, "bid1Price"), (book.asks, "ask1Price")):
        if key in ticker:
            price = unfold(one, side.top(1))[0][0]
            assert abs(price / Decimal(ticker[key]) - 1) < Decimal("0.0005")
            yield price == Decimal(ticker[key])


@both_feeds
def test_trades_of_a_minute_are_the_venues(feed: BybitFeed) -> None:
    found = minute(feed)
    ours: list[recorded.Item] = []
    for _, _, message in found.messages(feed):
        if isinstance(message, Trades) and (one := message.stream.instrument) is not None:
            for _, ticks, lots, side, trade_id, _ in message.rows:
                ((price, size),) = unfold(one, [(ticks, lots)])
                word = "buy" if side > 0 else "sell"
                ours.append((one.venue_symbol, trade_id, word, price, size))
    assert ours == [item for _, frame in found.frames for item in recorded.bybit(frame)]
    assert ours


def ticker_of(data: dict[str, str]) -> dict[str, Any]:
    """Read what a ticker of 2026 has of ours, without any code of ours."""
    decimals = {
        "markPrice": "mark_price",
        "indexPrice": "index_price",
        "fundingRate": "funding_rate",
        "singleOpenInterest": "open_interest",
    }
    wanted: dict[str, Any] = {
        ours: Decimal(data[key]) for key, ours in decimals.items() if key in data
    }
    if "nextFundingTime" in data:
        wanted["funding_time_us"] = int(data["nextFundingTime"]) * 1_000
    if "fundingIntervalHour" in data:
        wanted["funding_interval_seconds"] = int(data["fundingIntervalHour"]) * 3_600
    return wanted


def values_of(message: TickerValues) -> dict[str, Any]:
    """Return the values of ours that are there, numbers as numbers."""
    names = set(message.__struct_fields__) - {"stream", "instrument", "event_time_us"}
    found = {name: getattr(message, name) for name in names}
    return {
        name: Decimal(value) if isinstance(value, str) else value
        for name, value in found.items()
        if value not in (None, False)
    }


def test_tickers_of_a_minute_are_the_venues() -> None:
    counts: Counter[str] = Counter()
    found = minute(LINEAR)
    for _, document, message in found.messages(LINEAR):
        if isinstance(message, TickerValues):
            assert message.event_time_us == document["ts"] * 1_000
            assert values_of(message) == ticker_of(document["data"])
            counts["values"] += 1
        elif message == Ignored("ticker_unchanged"):
            assert not ticker_of(document["data"])
            counts["nothing of ours"] += 1
    assert all(count > 50 for count in counts.values())
    topics = documents(found)
    assert counts.total() == topics["tickers.BTCUSDT"] + topics["tickers.SOLUSDT"]


def test_single_frames_of_many_years_are_the_venues() -> None:
    read: Counter[str] = Counter()
    for _, document, message in single(LINEAR).messages(LINEAR):
        data = document["data"]
        match message:
            case TickerValues() if "openInterest" in data:
                assert values_of(message)["open_interest"] == Decimal(data["openInterest"]) / 2
                assert message.open_interest_halved
            case Top():
                assert document["type"] == "snapshot"
                assert (message.update_id, message.event_time_us) == (data["u"], 0)
                assert [message.bid, message.ask] == [
                    (side[0][0], float(side[0][1])) for side in (data["b"], data["a"])
                ]
            case Liquidations():
                ((time_us, price, lots, side, flags),) = message.rows
                (row,) = data
                assert (time_us, Decimal(price)) == (row["T"] * 1_000, Decimal(row["p"]))
                assert lots == Decimal(row["v"]) * 10**8
                assert (row["S"], side, flags) == ("Sell", -1, 0)
            case Rejected(reason):
                assert reason == "unexpected_shape"
                assert (document["topic"], document["type"]) == ("orderbook.1.BTCUSDT", "delta")
        read[type(message).__name__] += 1
    assert read == {
        "Trades": 4, "Top": 2, "TickerValues": 4, "Liquidations": 1, "Rejected": 3, "Ignored": 7,
    }  # fmt: skip


def test_books_of_fifty_levels_are_read_where_they_are_carried() -> None:
    instruments = single(LINEAR).instruments
    frames = [frame for frame in recorded.tardis(SINGLE) if b"orderbook.50" in frame]
    streams = [Stream(f"orderbook.50.{one.venue_symbol}", Channel.BOOK, one) for one in instruments]
    parser = LINEAR.parser(streams, None)
    for frame in frames:
        data = json.loads(frame)["data"]
        (message,) = parser.parse(frame)
        assert isinstance(message, BookUpdate)
        assert message.last_id == data["u"]
        for levels, texts in ((message.bids, data["b"]), (message.asks, data["a"])):
            assert [(price, str(size)) for price, size in levels] == [
                (price, str(float(size))) for price, size in texts
            ]
    assert len(frames) == 4


def summary(found: Recording, feed: BybitFeed) -> dict[str, Any]:
    """Count and add up what comes of a recording: by stream, and by what is refused or not used."""
    streams: dict[str, dict[str, Any]] = {}
    others: Counter[str] = Counter()
    for _, _, message in found.messages(feed):
        match message:
            case Rejected(reason):
                others[f"rejected {reason}"] += 1
            case Ignored(what):
                others[f"ignored {what}"] += 1
            case Trades() | BookUpdate() | Top() | Liquidations() | TickerValues():
                add(streams.setdefault(message.stream.name, {}), message)
            case _:
                others[type(message).__name__.lower()] += 1
    return {"streams": dict(sorted(streams.items())), "others": dict(sorted(others.items()))}


def add(
    total: dict[str, Any],
    message: Trades | BookUpdate | Top | Liquidations | TickerValues,
) -> None:
    """Add one message to what its stream comes to."""
    total["messages"] = total.get("messages", 0) + 1
    for name, value in numbers(message):
        if name.startswith("last"):
            total[name] = value
        elif name.startswith("first"):
            total.setdefault(name, value)
        else:
            total[name] = total.get(name, 0) + value


def numbers(
    message: Trades | BookUpdate | Top | Liquidations | TickerValues,
) -> Iterator[tuple[str, int | str]]:
    """Name the numbers of a message; those that begin with `first` or `last` are not added up."""
    match message:
        case Trades(_, rows):
            for time_us, ticks, lots, side, _, _ in rows:
                yield from of_row(time_us, lots, side)
                yield "tick_lots", ticks * lots
        case Liquidations(_, _, rows):
            for time_us, price, lots, side, _ in rows:
                yield from of_row(time_us, lots, side)
                yield "last_price", price
        case TickerValues():
            for name, value in values_of(message).items():
                yield from ((name, 1), (f"first_{name}", str(value)), (f"last_{name}", str(value)))
        case _:
            yield from of_book(message)


def of_row(time_us: int, lots: int, side: int) -> Iterator[tuple[str, int]]:
    yield from (("rows", 1), ("lots", lots), ("delta_lots", lots * side), ("last_time_us", time_us))


def of_book(message: BookUpdate | Top) -> Iterator[tuple[str, int]]:
    if isinstance(message, BookUpdate):
        yield from (("snapshots", int(message.snapshot)), ("bids", len(message.bids)))
        yield from (("asks", len(message.asks)), ("last_time_us", message.event_time_us))
        yield from (("first_id", message.last_id), ("last_id", message.last_id))
    else:
        yield from (("first_id", message.update_id), ("last_id", message.update_id))


def summaries() -> dict[str, Any]:
    return {
        "minute of linear": summary(minute(LINEAR), LINEAR),
        "minute of spot": summary(minute(SPOT), SPOT),
        "single frames as linear": summary(single(LINEAR), LINEAR),
        "single frames as spot": summary(single(SPOT), SPOT),
    }


def test_nothing_of_what_comes_out_has_changed() -> None:
    assert summaries() == json.loads(GOLDEN.read_text(encoding="utf-8"))
