"""Every channel that is recorded of OKX, against readings of the same frames without our code.

The books of 2022 carry a checksum over the texts of their 25 best levels a side, which proves the
book at every frame. They carry no ids: those are put in here, in the order of the frames.
"""

import json
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from collectors.books.book import Book
from collectors.messages import (
    BookUpdate,
    Ignored,
    Liquidations,
    Message,
    Rejected,
    Subscribed,
    TickerValues,
    Top,
    Trades,
)
from collectors.venue import Channel, Stream
from schemas.books import BookState
from schemas.instruments import Instrument, make_instrument
from schemas.liquidations import LiquidatedSide
from tests.captures import capture, needs_captures
from tests.contract.venue_cases import FEEDS
from tests.golden import recorded
from tests.golden.recorded import total

pytestmark = needs_captures

FEED = FEEDS["okx.swap"]
GOLDEN = Path(__file__).parent / "captured" / "okx.json"
RECORDING = "okx/cryptofeed_OKX.jsonl.zst"
FRAMES = "okx/tardis_node_frames_okx_v5.jsonl"
LIQUIDATIONS = "cross-venue/liquidation_frames_2026-10-09.jsonl"
CHECKED_LEVELS = 25

Fact = tuple[str, str, int, Any]
"""`what, symbol, time in milliseconds, value`."""


def instrument(symbol: str, tick: str, lot: str, unit: str = "1") -> Instrument:
    """Make an instrument, also of a kind that the feed does not list."""
    asset, quote = symbol.split("-")[:2]
    return make_instrument(
        venue="okx",
        kind=FEED.kind,
        venue_symbol=symbol,
        asset=asset,
        quote=quote,
        venue_tick=tick,
        venue_lot=lot,
        unit=Decimal(unit),
    )


BOOKS = [
    instrument("BTC-USDT", "0.1", "0.00000001"),
    instrument("UNI-USD-SWAP", "0.001", "1"),
    instrument("BTC-USD-220527", "0.1", "1"),
]
"""On the grids of the listings in the recording."""


def streams(instruments: Sequence[Instrument]) -> list[Stream]:
    """Name the streams of these, and the liquidations of futures as well."""
    other = Stream("liquidation-orders:FUTURES", Channel.LIQUIDATIONS, None)
    return [*FEED.streams(instruments), other]


def parse(instruments: Sequence[Instrument], frames: Iterable[bytes]) -> list[Message]:
    parser = FEED.parser(streams(instruments), FEED.memory())
    return [message for frame in frames for message in parser.parse(frame)]


def received() -> list[bytes]:
    """Return the frames of the recording."""
    return [line["data"].encode() for line in recorded.zst_lines(RECORDING) if line["t"] == "recv"]


def counts(messages: Iterable[Message]) -> dict[str, int]:
    """Count messages by kind and by stream, or by the word that tells ignored ones apart."""

    def about(message: Message) -> str:
        match message:
            case Ignored(what):
                return what
            case Rejected(reason):
                return reason
            case Subscribed(names):
                return " ".join(names)
        stream = getattr(message, "stream", None)
        return stream.name if stream is not None else ""

    found = Counter(f"{type(one).__name__} {about(one)}".strip() for one in messages)
    return dict(sorted(found.items()))


class RawBook:
    """A book of texts, as its venue describes it: nothing of ours is in it."""

    def __init__(self) -> None:
        self.sides: dict[str, dict[Decimal, tuple[str, str]]] = {"bids": {}, "asks": {}}
        self.texts: dict[tuple[Decimal, Decimal], str] = {}

    def apply(self, row: dict[str, Any]) -> None:
        """Take one row in, a whole book or a change."""
        for name, side in self.sides.items():
            for price, size, *_ in row[name]:
                self.texts[Decimal(price), Decimal(size)] = f"{price}:{size}"
                if Decimal(size):
                    side[Decimal(price)] = (price, size)
                else:
                    side.pop(Decimal(price), None)

    def best(self, name: str) -> list[tuple[Decimal, Decimal]]:
        """Return one side, best first."""
        prices = sorted(self.sides[name], reverse=name == "bids")
        return [(price, Decimal(self.sides[name][price][1])) for price in prices]


def checksum(bids: Sequence[str], asks: Sequence[str]) -> int:
    """Sum as the venue did: bid, ask, bid, ask; the longer side goes on alone; signed."""
    words: list[str] = []
    for number in range(CHECKED_LEVELS):
        words += [*bids[number : number + 1], *asks[number : number + 1]]
    value = zlib.crc32(":".join(words).encode())
    return value - 2**32 if value >= 2**31 else value


def numbered(update: BookUpdate, number: int) -> BookUpdate:
    """Give an update of 2022 the ids that it would have today."""
    previous_id = -1 if update.snapshot else number - 1
    return msgspec.structs.replace(update, last_id=number, previous_id=previous_id)


def in_venue_units(book: Book, one: Instrument) -> dict[str, list[tuple[Decimal, Decimal]]]:
    tick, lot = Decimal(one.venue_tick), Decimal(one.venue_lot)
    sides = {"bids": book.bids, "asks": book.asks}
    return {
        name: [(ticks * tick, lots * lot) for ticks, lots in side.top(len(side.keys))]
        for name, side in sides.items()
    }


def follow(one: Instrument, frames: Iterable[bytes]) -> dict[str, Any]:
    """Rebuild a book, prove it at every frame, and say what it came to."""
    parser = FEED.parser(streams([one]), FEED.memory())
    book, raw = Book(FEED.book, one), RawBook()
    summary: dict[str, Any] = {"frames": 0, "checksums": 0, "levels": 0}
    for frame in frames:
        document = json.loads(frame)
        (row,) = document["data"]
        (update,) = parser.parse(frame)
        assert isinstance(update, BookUpdate)
        assert update.snapshot is (document["action"] == "snapshot")
        assert update.event_time_us == int(row["ts"]) * 1_000
        assert (update.last_id, update.previous_id) == (0, -1)
        summary["frames"] += 1
        summary["levels"] += len(update.bids) + len(update.asks)
        assert book.take(numbered(update, summary["frames"]), update.event_time_us)
        assert book.valid
        raw.apply(row)
        found = in_venue_units(book, one)
        assert found == {name: raw.best(name) for name in raw.sides}
        texts = {
            name: [raw.texts[level] for level in levels[:CHECKED_LEVELS]]
            for name, levels in found.items()
        }
        assert checksum(texts["bids"], texts["asks"]) == row["checksum"]
        summary["checksums"] += 1
    summary |= {f"{name}_levels": len(levels) for name, levels in found.items()}
    summary |= {f"{name}_size": str(sum(q for _, q in levels)) for name, levels in found.items()}
    summary |= {f"{name}_best": str(levels[0][0]) for name, levels in found.items()}
    return summary | {"epoch": book.epoch, "gaps": book.gaps, "repeated": book.repeated}


def of_book(one: Instrument) -> list[bytes]:
    begin = f'{{"arg":{{"channel":"books","instId":"{one.venue_symbol}"}},"action"'.encode()
    return [frame for frame in received() if frame.startswith(begin)]


def golden() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(GOLDEN.read_text(encoding="utf-8"))
    return found


@pytest.mark.parametrize("one", BOOKS, ids=[one.venue_symbol for one in BOOKS])
def test_a_recorded_book_has_every_checksum_of_its_venue(one: Instrument) -> None:
    assert follow(one, of_book(one)) == golden()["books"][one.venue_symbol]


def test_all_recorded_checksums_are_of_these_books() -> None:
    summed = sum(b'"checksum":' in frame for frame in received())
    assert sum(len(of_book(one)) for one in BOOKS) == summed == 290
    assert sum(book["checksums"] for book in golden()["books"].values()) == 290


def test_a_recorded_book_is_not_used_on_the_word_of_updates_without_ids() -> None:
    (one, *_) = BOOKS
    book = Book(FEED.book, one)
    updates = [update for update in parse([one], of_book(one)) if isinstance(update, BookUpdate)]
    states = []
    for update in updates[:2]:
        book.take(update, update.event_time_us)
        states.append(book.state)
    assert states == [BookState.LIVE, BookState.GAP]


def test_a_recording_gives_the_messages_that_it_gave() -> None:
    messages = parse(BOOKS, received())
    assert counts(messages) == golden()["recording"]
    assert len(messages) == len(received())


def trades(messages: Iterable[Message]) -> Iterator[recorded.Item]:
    for message in messages:
        if isinstance(message, Trades) and message.stream.instrument is not None:
            one = message.stream.instrument
            tick, lot = Decimal(one.venue_tick), Decimal(one.venue_lot)
            for _, ticks, lots, side, trade_id, _ in message.rows:
                word = "buy" if side > 0 else "sell"
                yield one.venue_symbol, trade_id, word, ticks * tick, lots * lot


def test_recorded_trades_are_those_of_the_frames() -> None:
    messages = parse(BOOKS, received())
    ours = total(trades(messages))
    assert ours == total(item for frame in received() for item in recorded.okx(frame))
    assert {
        symbol: {
            "first": one.ids[0],
            "last": one.ids[-1],
            "count": len(one.ids),
            "bought": str(one.bought),
            "sold": str(one.sold),
        }
        for symbol, one in ours.items()
    } == golden()["trades"]
    assert not any(message.merged for message in messages if isinstance(message, Trades))


SINGLE = [
    instrument("BTC-USDT-SWAP", "0.1", "0.01", "0.01"),
    instrument("WNCG-USDT-SWAP", "0.0001", "1"),
    instrument("SOS-USDT-SWAP", "0.0000001", "1"),
    instrument("FIL-USDT-220325", "0.001", "1", "0.1"),
    instrument("FIL-USD-220325", "0.001", "1"),
    instrument("XRP-USD-230929", "0.00001", "1"),
    instrument("CRV-USDT", "0.001", "0.000001"),
    instrument("CELO-USDT-SWAP", "0.0001", "1"),
]


def theirs(frame: bytes) -> Iterator[Fact]:
    """Read a frame of the channels that we use."""
    document = json.loads(frame)
    arg = document.get("arg", {})
    for row in document.get("data", []):
        time_ms = int(row.get("ts", 0))
        yield from their_row(arg["channel"], arg.get("instId", ""), time_ms, row)


VALUES = {
    "mark-price": "markPx",
    "index-tickers": "idxPx",
    "open-interest": "oiCcy",
    "funding-rate": "fundingRate",
}


def their_row(channel: str, symbol: str, time_ms: int, row: dict[str, Any]) -> Iterator[Fact]:
    if "fundingTime" in row:
        yield "due", symbol, time_ms, int(row["fundingTime"])
    if VALUES.get(channel) in row:
        yield channel, symbol, time_ms, Decimal(row[VALUES[channel]])
    if channel == "bbo-tbt":
        for side in ("bids", "asks"):
            yield side, symbol, time_ms, [(Decimal(p), float(q)) for p, q, *_ in row[side]]
    for one in row.get("details", ()):
        closed = (one["side"], Decimal(one["bkPx"]), Decimal(one["sz"]))
        yield channel, row["instId"], int(one["ts"]), closed
    if channel == "trades":
        traded = (row["side"], Decimal(row["px"]), Decimal(row["sz"]))
        yield f"{channel} {row['tradeId']}", symbol, time_ms, traded


def ours(message: Message) -> Iterator[Fact]:
    """Say the same of a message."""
    match message:
        case TickerValues():
            yield from our_values(message)
        case Top(stream, time_us, _, bid, ask) if stream.instrument is not None:
            for name, level in (("bids", bid), ("asks", ask)):
                levels = [] if level is None else [(Decimal(level[0]), level[1])]
                yield name, stream.instrument.venue_symbol, time_us // 1_000, levels
        case Liquidations(_, one, rows):
            for time_us, price, lots, side, _ in rows:
                word = "sell" if side == LiquidatedSide.LONG else "buy"
                closed = (word, Decimal(price), lots * Decimal(one.venue_lot))
                yield "liquidation-orders", one.venue_symbol, time_us // 1_000, closed
        case Trades(stream, rows) if stream.instrument is not None:
            for row, item in zip(rows, trades([message]), strict=True):
                symbol, trade_id, *traded = item
                yield f"trades {trade_id}", symbol, row[0] // 1_000, tuple(traded)


def our_values(message: TickerValues) -> Iterator[Fact]:
    channel, _, symbol = message.stream.name.partition(":")
    time_ms = message.event_time_us // 1_000
    values = {
        "mark-price": message.mark_price,
        "index-tickers": message.index_price,
        "open-interest": message.open_interest,
        "funding-rate": message.funding_rate,
    }
    if channel == "index-tickers":
        symbol = f"{message.instrument.asset}-{message.instrument.quote}"
    if message.funding_time_us is not None:
        yield "due", symbol, time_ms, message.funding_time_us // 1_000
    for name, value in values.items():
        if value is not None:
            assert name == channel
            yield name, symbol, time_ms, Decimal(value)


def carried(frame: bytes) -> bool:
    """Say whether a frame is of what `SINGLE` carries, and was not made from a REST poll."""
    document = json.loads(frame)
    arg = document.get("arg", {})
    if "generated" in arg:
        return False
    symbols = {one.venue_symbol for one in SINGLE} | {f"{one.asset}-{one.quote}" for one in SINGLE}
    return arg.get("instId", "") in symbols or arg.get("channel") == "liquidation-orders"


def test_single_frames_of_every_channel_say_what_they_say() -> None:
    frames = [frame for frame in recorded.tardis(FRAMES) if carried(frame)]
    messages = parse(SINGLE, frames)
    found = [fact for message in messages for fact in ours(message)]
    expected = [fact for frame in frames for fact in theirs(frame)]
    assert found == expected
    assert Counter(fact[0].split(" ")[0] for fact in found) == golden()["facts"]


def test_single_frames_give_the_messages_that_they_gave() -> None:
    messages = parse(SINGLE, recorded.tardis(FRAMES))
    assert counts(messages) == golden()["frames"]


def test_liquidations_of_one_moment_are_a_long_and_a_short() -> None:
    lines = capture(LIQUIDATIONS).read_text(encoding="utf-8").splitlines()
    frames = [one["raw"].encode() for one in map(json.loads, lines) if one["venue"] == "okx"]
    messages = parse(SINGLE, frames)
    assert [fact for message in messages for fact in ours(message)] == [
        fact for frame in frames for fact in theirs(frame)
    ]
    assert [
        [message.instrument.symbol, *map(list, message.rows)]
        for message in messages
        if isinstance(message, Liquidations)
    ] == golden()["liquidations"]
