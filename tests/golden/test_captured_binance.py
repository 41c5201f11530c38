"""Every recorded channel of Binance through its parser, against a reading of the files alone.

What our messages come to is counted and summed; so is what `json` and `Decimal` read from the same
frames; both must equal the golden file. Books are then proved: built from recorded snapshots and
changes, they must show what the venue's own best-price stream showed at the same update.
"""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

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
from collectors.venues.binance import SPOT, USDM, USDM_FILLS, BinanceFeed
from schemas.books import BookState
from schemas.instruments import Instrument, make_instrument
from schemas.units import plain
from tests.captures import capture, needs_captures
from tests.golden import recorded

pytestmark = needs_captures

GOLDEN = json.loads((Path(__file__).parent / "captured" / "binance.json").read_text("utf-8"))
USDM_DIR = "binance/usdm/"
SPOT_DIR = "binance/spot/"
FINE = "0.00000001"


@dataclass(frozen=True)
class Recording:
    """Files of one recorder, one after another, and the feed and grid that read them."""

    feed: BinanceFeed
    files: tuple[str, ...]
    symbols: tuple[str, ...] = ("BTCUSDT",)
    tick: str = FINE
    lot: str = FINE


BTC = ("0.1", "0.001")
RECORDINGS = {
    "usdm 2023-04-04": Recording(
        USDM_FILLS, (f"{USDM_DIR}hftbacktest_usdm_btcusdt_20230404.dat.gz",), ("BTCUSDT",), *BTC
    ),
    "usdm 2024-07-18 and 19": Recording(
        USDM_FILLS,
        (
            f"{USDM_DIR}hftbacktest_usdm_btcusdt_20240718.gz",
            f"{USDM_DIR}hftbacktest_usdm_btcusdt_20240719.gz",
        ),
        ("BTCUSDT",),
        *BTC,
    ),
    "usdm 2024-08-08": Recording(
        USDM_FILLS, (f"{USDM_DIR}hftbacktest_usdm_btcusdt_20240808.gz",), ("BTCUSDT",), *BTC
    ),
    "spot 2024-08-08": Recording(
        SPOT,
        (f"{SPOT_DIR}hftbacktest_spot_btcusdt_20240808.gz",),
        ("BTCUSDT",),
        "0.01",
        "0.000001",  # old orders lie on a finer grid than new ones
    ),
    "usdm 2021-07-22": Recording(
        USDM,
        (f"{USDM_DIR}cryptofeed_BINANCE_FUTURES.jsonl.zst",),
        ("SUSHIUSDT", "AKROUSDT", "KEEPUSDT", "CTKUSDT"),
    ),
    "spot 2021-10-12": Recording(
        SPOT,
        (f"{SPOT_DIR}cryptofeed_BINANCE.jsonl.zst",),
        ("NKNUSDT", "BLZETH", "LRCBTC", "RUNEEUR"),
    ),
    "usdm single frames": Recording(
        USDM,
        (f"{USDM_DIR}tardis_node_frames_binance_usdm.jsonl",),
        ("BTCUSDT", "ETHUSDT", "BTCBUSD_210129"),
    ),
    "spot single frames": Recording(
        SPOT,
        (f"{SPOT_DIR}tardis_node_frames_binance_spot.jsonl",),
        ("BNBBTC", "BTCUSDT", "BTCUSDC", "GNTBTC"),
    ),
    "liquidation 2026-10-09": Recording(
        USDM, ("cross-venue/liquidation_frames_2026-10-09.jsonl",), ("BTCUSDT",), *BTC
    ),
}
WHOLE = [name for name in RECORDINGS if "20" in name and "liquidation" not in name]
"""Those in which books can be built."""


@dataclass(frozen=True)
class Event:
    """A frame, or the body of a snapshot of a symbol's book."""

    body: bytes
    snapshot_of: str = ""


@lru_cache(maxsize=1)
def events(name: str) -> list[Event]:
    """Return what was recorded, in its order."""
    return [event for file in RECORDINGS[name].files for event in _events(file)]


def _events(file: str) -> Iterator[Event]:
    for kind, read in READERS.items():
        if kind in file:
            yield from read(file)


def _hftbacktest(file: str) -> Iterator[Event]:
    for frame in recorded.hftbacktest(file):
        yield Event(frame, "BTCUSDT" if frame.startswith(b'{"lastUpdateId"') else "")


def _tardis(file: str) -> Iterator[Event]:
    yield from map(Event, recorded.tardis(file))


def _several_venues(file: str) -> Iterator[Event]:
    for text in capture(file).read_text("utf-8").splitlines():
        line = json.loads(text)
        if line["venue"] == "binance":
            yield Event(line["raw"].encode())


def _cryptofeed(file: str) -> Iterator[Event]:
    for line in recorded.zst_lines(file):
        if line["t"] == "recv":
            yield Event(line["data"].encode())
        elif line["t"] == "http" and "/depth" in line["url"]:
            (symbol,) = parse_qs(urlsplit(line["url"]).query)["symbol"]
            yield Event(line["data"].encode(), symbol)


READERS = {
    "hftbacktest": _hftbacktest,
    "tardis": _tardis,
    "cross-venue": _several_venues,
    "cryptofeed": _cryptofeed,
}


def instruments(recording: Recording) -> list[Instrument]:
    return [
        make_instrument(
            venue="binance",
            kind=recording.feed.kind,
            venue_symbol=symbol,
            asset=f"A{number}",
            quote="Q",
            venue_tick=recording.tick,
            venue_lot=recording.lot,
        )
        for number, symbol in enumerate(recording.symbols)
    ]


class Facts:
    """Counts, first and last numbers, and exact sums, by kind and symbol."""

    def __init__(self) -> None:
        self.found: dict[str, dict[str, Any]] = {}

    def add(self, kind: str, symbol: str, ends: dict[str, int], sums: dict[str, Decimal]) -> None:
        """Count one: numbers whose first and last are kept, numbers that are summed."""
        fact = self.found.setdefault(f"{kind} {symbol}", {"count": 0})
        fact["count"] += 1
        for key, number in ends.items():
            fact.setdefault(f"first_{key}", number)
            fact[f"last_{key}"] = number
        for key, value in sums.items():
            fact[key] = fact.get(key, Decimal(0)) + value

    def shown(self) -> dict[str, dict[str, Any]]:
        """Write sums as text."""
        return {
            name: {
                key: plain(value) if isinstance(value, Decimal) else value
                for key, value in fact.items()
            }
            for name, fact in sorted(self.found.items())
        }


def number(value: float) -> Decimal:
    """Return the decimal that the venue wrote: floats are the nearest to at most 15 digits."""
    return Decimal(repr(value))


def our_facts(messages: Sequence[Message]) -> dict[str, dict[str, Any]]:
    facts = Facts()
    for message in messages:
        match message:
            case BookUpdate():
                _add_book(facts, message)
            case Top():
                _add_top(facts, message)
            case Trades(stream, rows):
                _add_trades(facts, stream, rows)
            case TickerValues():
                _add_ticker(facts, message)
            case Liquidations():
                _add_liquidations(facts, message)
            case _:
                _add_other(facts, message)
    return facts.shown()


def _add_other(facts: Facts, message: Message) -> None:
    match message:
        case Rejected(reason):
            facts.add("rejected", reason, {}, {})
        case Ignored(what):
            facts.add("ignored", what, {}, {})
        case _:
            raise AssertionError(message)


def _add_top(facts: Facts, top: Top) -> None:
    assert top.bid is not None
    assert top.ask is not None
    ends = {"time_us": top.event_time_us, "id": top.update_id}
    sums = {"bids": Decimal(top.bid[0]), "bid_qty": number(top.bid[1])}
    sums |= {"asks": Decimal(top.ask[0]), "ask_qty": number(top.ask[1])}
    facts.add("top", symbol_of(top.stream), ends, sums)


def _add_liquidations(facts: Facts, message: Liquidations) -> None:
    for time, price, lots, side, flags in message.rows:
        sums = {"price": Decimal(price), "qty": lots * Decimal(message.instrument.lot)}
        sums["longs"] = Decimal(side > 0)
        ends = {"time_us": time, "flags": flags}
        facts.add("liquidation", symbol_of(message.stream), ends, sums)


def symbol_of(stream: Stream) -> str:
    assert stream.instrument is not None
    return stream.instrument.venue_symbol


def _add_book(facts: Facts, update: BookUpdate) -> None:
    assert not update.snapshot
    ends = {"time_us": update.event_time_us, "id": update.last_id}
    sums = {"first_ids": Decimal(update.first_id), "previous_ids": Decimal(update.previous_id)}
    for side, levels in (("bid", update.bids), ("ask", update.asks)):
        sums[f"{side}_levels"] = Decimal(len(levels))
        sums[f"{side}s"] = sum((Decimal(level[0]) for level in levels), Decimal(0))
        sums[f"{side}_qty"] = sum((number(level[1]) for level in levels), Decimal(0))
    facts.add("book", symbol_of(update.stream), ends, sums)


def _add_trades(facts: Facts, stream: Stream, rows: Sequence[Any]) -> None:
    assert stream.instrument is not None
    tick, lot = Decimal(stream.instrument.venue_tick), Decimal(stream.instrument.venue_lot)
    for time, ticks, lots, side, trade_id, _ in rows:
        ends = {"time_us": time, "id": trade_id}
        sums = {"prices": ticks * tick, "delta": side * lots * lot, "qty": lots * lot}
        facts.add("trade", symbol_of(stream), ends, sums)


def _add_ticker(facts: Facts, values: TickerValues) -> None:
    sums = {
        "mark": Decimal(values.mark_price or 0),
        "index": Decimal(values.index_price or 0),
        "rate": Decimal(values.funding_rate or 0),
    }
    ends = {"time_us": values.event_time_us, "next_us": values.funding_time_us or 0}
    facts.add("ticker", symbol_of(values.stream), ends, sums)


def their_facts(name: str) -> dict[str, dict[str, Any]]:
    """Read the frames of a recording without anything of ours."""
    recording = RECORDINGS[name]
    is_spot = recording.feed is SPOT
    facts = Facts()
    for event in events(name):
        if not event.snapshot_of:
            document = json.loads(event.body)
            _read_alone(facts, document["data"], document["stream"], is_spot=is_spot)
    return facts.shown()


def _read_alone(facts: Facts, data: dict[str, Any], stream: str, *, is_spot: bool) -> None:
    channel = stream.split("@")[1]
    if channel == "depth":
        time = data["E" if is_spot else "T"] * 1000
        sums = {"first_ids": Decimal(data["U"]), "previous_ids": Decimal(data.get("pu", 0))}
        for side, key in (("bid", "b"), ("ask", "a")):
            sums[f"{side}_levels"] = Decimal(len(data[key]))
            sums[f"{side}s"] = sum((Decimal(price) for price, _ in data[key]), Decimal(0))
            sums[f"{side}_qty"] = sum((Decimal(qty) for _, qty in data[key]), Decimal(0))
        facts.add("book", data["s"], {"time_us": time, "id": data["u"]}, sums)
    elif channel == "bookTicker":
        ends = {"time_us": data.get("T", 0) * 1000, "id": data["u"]}
        sums = {"bids": Decimal(data["b"]), "bid_qty": Decimal(data["B"])}
        sums |= {"asks": Decimal(data["a"]), "ask_qty": Decimal(data["A"])}
        facts.add("top", data["s"], ends, sums)
    elif channel == "markPrice":
        times = {"time_us": data["E"] * 1000, "next_us": data["T"] * 1000}
        sums = {"mark": Decimal(data["p"]), "index": Decimal(data.get("i", 0))}
        facts.add("ticker", data["s"], times, sums | {"rate": Decimal(data["r"])})
    elif data.get("e") == "forceOrder":
        order = data["o"]
        sums = {"price": Decimal(order["ap"]), "qty": Decimal(order["z"])}
        sums["longs"] = Decimal(order["S"] == "SELL")
        ends = {"time_us": order["T"] * 1000, "flags": 0}
        facts.add("liquidation", order["s"], ends, sums)
    elif channel in ("trade", "aggTrade"):
        qty = Decimal(data["q"])
        ends = {"time_us": data["T"] * 1000, "id": data.get("t", data.get("a"))}
        sums = {"prices": Decimal(data["p"]), "delta": -qty if data["m"] else qty, "qty": qty}
        facts.add("trade", data["s"], ends, sums)


def parse(name: str) -> list[Message]:
    recording = RECORDINGS[name]
    feed = recording.feed
    parser = feed.parser(feed.streams(instruments(recording)), feed.memory())
    return [
        message
        for event in events(name)
        if not event.snapshot_of
        for message in parser.parse(event.body)
    ]


def is_value(name: str) -> bool:
    return not name.startswith(("ignored", "rejected"))


@pytest.mark.parametrize("name", RECORDINGS)
def test_every_recorded_channel_is_read_as_it_stands_in_the_file(name: str) -> None:
    ours, theirs = our_facts(parse(name)), their_facts(name)
    assert ours == GOLDEN[name]["messages"]
    refused = GOLDEN[name]["refused_trades"]
    assert {key: fact for key, fact in ours.items() if is_value(key)} == {
        key: fact for key, fact in theirs.items() if key not in refused
    }


def test_the_golden_file_is_of_the_recordings() -> None:
    assert list(GOLDEN) == list(RECORDINGS)
    kinds = {key.split()[0] for golden in GOLDEN.values() for key in golden["messages"]}
    assert kinds == {"book", "top", "trade", "ticker", "liquidation", "ignored", "rejected"}


class Proof:
    """One symbol's book by our state machine, and by a plain dictionary of decimals."""

    def __init__(self, recording: Recording, stream: Stream) -> None:
        assert stream.instrument is not None
        self.recording = recording
        self.stream = stream
        self.book = Book(recording.feed.book, stream.instrument)
        self.states: Counter[str] = Counter()
        self.tops: dict[int, Any] = {}
        self.bests: dict[int, Any] = {}
        self.sides: tuple[dict[Decimal, Decimal], ...] = ({}, {})
        self.snapshot_id: int | None = None
        self.early: list[dict[str, Any]] = []
        self.id = 0

    def take_snapshot(self, body: bytes, clock: int) -> None:
        call = self.recording.feed.snapshot(self.stream)
        assert call is not None
        (snapshot,) = call.read(body)
        assert isinstance(snapshot, BookUpdate)
        assert self.book.take_snapshot(snapshot, clock)
        document = json.loads(body)
        self.snapshot_id = document["lastUpdateId"]
        for side, key in zip(self.sides, ("bids", "asks"), strict=True):
            put(side, document[key])
        for data in self.early:
            self.apply_alone(data)

    def take(self, message: Message, data: dict[str, Any], clock: int) -> None:
        if isinstance(message, Top):
            self.tops[message.update_id] = data
        elif isinstance(message, BookUpdate):
            self.book.take(message, clock)
            self.states[self.book.state] += 1
            self.follow(data)
            if self.snapshot_id is None:
                self.early.append(data)
            else:
                self.apply_alone(data)
                self.bests[self.book.last_id] = (self.book.bids.best, self.book.asks.best)

    def follow(self, data: dict[str, Any]) -> None:
        """Hold the chain to the venue's words: `pu` is the last `u`, on spot `U` the next."""
        if self.id:
            assert data.get("pu", data["U"] - 1) == self.id
        self.id = data["u"]

    def apply_alone(self, data: dict[str, Any]) -> None:
        """Apply what comes after the snapshot; on spot not what ends with it."""
        assert self.snapshot_id is not None
        if data["u"] >= self.snapshot_id + (self.recording.feed is SPOT):
            put(self.sides[0], data["b"])
            put(self.sides[1], data["a"])

    def compare(self) -> dict[str, Any]:
        """Compare every level, and every best price that the venue told of an update of ours."""
        tick, lot = Decimal(self.recording.tick), Decimal(self.recording.lot)
        book = self.book
        for side, alone in zip((book.bids, book.asks), self.sides, strict=True):
            assert {side.sign * key * tick: lots * lot for key, lots in side.lots.items()} == alone
            assert sorted(side.lots) == side.keys
        both = [update_id for update_id in self.tops if update_id in self.bests]
        for update_id in both:
            data = self.tops[update_id]
            told = ((data["b"], data["B"]), (data["a"], data["A"]))
            assert self.bests[update_id] == tuple(
                (Decimal(price) / tick, Decimal(qty) / lot) for price, qty in told
            )
        return {
            "bests_compared": len(both),
            "gaps": book.gaps,
            "epoch": book.epoch,
            "last_id": book.last_id,
            "states": dict(sorted(self.states.items())),
            "bid_levels": len(book.bids.keys),
            "ask_levels": len(book.asks.keys),
            "bids": [list(level) for level in book.bids.top(3)],
            "asks": [list(level) for level in book.asks.top(3)],
        }


def put(side: dict[Decimal, Decimal], levels: Sequence[Sequence[str]]) -> None:
    for price, qty in levels:
        if Decimal(qty):
            side[Decimal(price)] = Decimal(qty)
        else:
            side.pop(Decimal(price), None)


def prove(name: str) -> dict[str, dict[str, Any]]:
    """Build every book of a recording both ways."""
    recording = RECORDINGS[name]
    streams = recording.feed.streams(instruments(recording))
    parser = recording.feed.parser(streams, recording.feed.memory())
    proofs = {
        symbol_of(stream): Proof(recording, stream)
        for stream in streams
        if stream.channel is Channel.BOOK
    }
    for clock, event in enumerate(events(name), 1):
        if event.snapshot_of:
            proofs[event.snapshot_of].take_snapshot(event.body, clock)
            continue
        for message in parser.parse(event.body):
            if isinstance(message, BookUpdate | Top):
                data = json.loads(event.body)["data"]
                proofs[symbol_of(message.stream)].take(message, data, clock)
    return {symbol: proof.compare() for symbol, proof in proofs.items()}


@pytest.mark.parametrize("name", WHOLE)
def test_books_are_the_venues_from_the_snapshot_to_the_end(name: str) -> None:
    found = prove(name)
    assert found == GOLDEN[name]["books"]
    for book in found.values():
        assert (book["gaps"], book["epoch"]) == (0, 1)
        assert set(book["states"]) <= {BookState.LIVE, BookState.NO_SNAPSHOT}
        assert book["states"][BookState.LIVE] > 0


@pytest.mark.parametrize("name", [name for name in WHOLE if "2021" not in name])
def test_hundreds_of_best_prices_of_the_venue_are_those_of_the_book(name: str) -> None:
    assert GOLDEN[name]["books"]["BTCUSDT"]["bests_compared"] > 300


def test_the_liquidation_of_2026_closed_a_long_position() -> None:
    (message,) = parse("liquidation 2026-10-09")
    assert isinstance(message, Liquidations)
    assert message.rows == [(1_791_565_602_120_000, "82651.9", 190, 1, 0)]
