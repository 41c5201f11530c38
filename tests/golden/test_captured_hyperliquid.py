"""Every recorded Hyperliquid frame through the parser, against a reading by `json` and `Decimal`.

What the frames come to (counts, sums, ids) also equals `captured/hyperliquid.json`, which holds
numbers only.
"""

import dataclasses
import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import zstandard

from collectors.books.book import Book
from collectors.messages import (
    BookUpdate,
    Ignored,
    Message,
    Rejected,
    TickerValues,
    Top,
    Trades,
)
from collectors.venues.hyperliquid import PERP, SPOT, HyperliquidFeed
from schemas.instruments import Instrument, make_instrument
from tests.captures import capture, needs_captures
from tests.golden import recorded

pytestmark = needs_captures

GOLDEN = Path(__file__).parent / "captured" / "hyperliquid.json"
OUTCOMES = "hyperliquid/hip4_france_sweden_ws_"
BTC_2025 = "hyperliquid/hftbacktest_btc_20250126.gz"
SINGLE = "hyperliquid/tardis_node_frames_hyperliquid.jsonl"


def by_hand(
    *coins: str, tick: str = "0.00000001", lot: str = "0.00000001", feed: HyperliquidFeed = PERP
) -> list[Instrument]:
    return [
        make_instrument(
            venue="hyperliquid",
            kind=feed.kind,
            venue_symbol=coin,
            asset=f"A{number}",
            quote="USDC",
            venue_tick=tick,
            venue_lot=lot,
        )
        for number, coin in enumerate(coins)
    ]


def parse(
    instruments: Sequence[Instrument], frames: Iterable[bytes], feed: HyperliquidFeed = PERP
) -> list[Message]:
    """Return one message a frame, which is what every recorded frame gives."""
    parser = feed.parser(feed.streams(instruments), feed.memory())
    found = []
    for frame in frames:
        (message,) = parser.parse(frame)
        found.append(message)
    return found


def outcomes(channel: str) -> list[tuple[str, bytes]]:
    """Return receive time and frame of one channel of the outcome markets."""
    lines = recorded.zst_lines(f"{OUTCOMES}{channel}.jsonl.zst")
    return [(line["ts"], json.dumps(line["payload"]).encode()) for line in lines]


def coins_of(frames: Iterable[bytes]) -> list[str]:
    found = set()
    for frame in frames:
        data = json.loads(frame)["data"]
        found |= {row["coin"] for row in (data if isinstance(data, list) else [data])}
    return sorted(found)


def kind_of(message: Message) -> str:
    what = type(message).__name__
    if isinstance(message, Ignored):
        return f"{what} {message.what}"
    return f"{what} {message.reason}" if isinstance(message, Rejected) else what


def levels_of(side: Iterable[Any]) -> list[tuple[Decimal, Decimal]]:
    """Read levels of the wire or of a message: price and quantity, exactly."""
    return [
        (Decimal(level["px"]), Decimal(level["sz"]))
        if isinstance(level, dict)
        else (Decimal(level[0]), Decimal(repr(level[1])))
        for level in side
    ]


def summary(messages: Sequence[Message]) -> dict[str, Any]:
    """Say what messages come to, exactly: by kind, and by stream."""
    streams: dict[str, dict[str, Any]] = {}
    for message in messages:
        match message:
            case Trades():
                add_trades(streams.setdefault(message.stream.name, {}), message)
            case BookUpdate():
                sides = [*message.bids, *message.asks]
                add_levels(streams.setdefault(message.stream.name, {}), message.last_id, sides)
            case Top():
                sides = [level for level in (message.bid, message.ask) if level is not None]
                add_levels(streams.setdefault(message.stream.name, {}), message.update_id, sides)
            case TickerValues():
                add_values(streams.setdefault("activeAssetCtx", {}), message)
    return {"kinds": dict(sorted(Counter(map(kind_of, messages)).items())), "streams": streams}


def add(one: dict[str, Any], name: str, value: int | Decimal) -> None:
    """Add to a sum; decimals are kept as text."""
    if isinstance(value, int):
        one[name] = one.get(name, 0) + value
    else:
        one[name] = str(Decimal(one.get(name, 0)) + value)


def add_trades(one: dict[str, Any], message: Trades) -> None:
    for time_us, ticks, lots, side, trade_id, _ in message.rows:
        add(one, "rows", 1)
        add(one, "buys", int(side > 0))
        add(one, "lots", lots)
        add(one, "tick_lots", ticks * lots)
        add(one, "ids", int(trade_id))
        one.setdefault("first_us", time_us)
        one["last_us"] = time_us


def add_levels(one: dict[str, Any], number: int, levels: Sequence[Any]) -> None:
    add(one, "messages", 1)
    add(one, "levels", len(levels))
    add(one, "quantity", sum((size for _, size in levels_of(levels)), Decimal(0)))
    add(one, "notional", sum((price * size for price, size in levels_of(levels)), Decimal(0)))
    one.setdefault("first_id", number)
    one["last_id"] = number


def add_values(one: dict[str, Any], message: TickerValues) -> None:
    add(one, "messages", 1)
    for name in ("mark_price", "index_price", "funding_rate", "open_interest"):
        add(one, name, Decimal(getattr(message, name) or 0))


def agree_with_golden(name: str, messages: Sequence[Message]) -> None:
    assert json.loads(GOLDEN.read_text(encoding="utf-8"))[name] == summary(messages)


def same_levels(message: Message, frame: bytes) -> None:
    """Hold a book or best prices to the frame, level by level."""
    data = json.loads(frame)["data"]
    if isinstance(message, BookUpdate):
        assert message.snapshot
        assert message.last_id == data["time"]
        assert [levels_of(message.bids), levels_of(message.asks)] == [
            levels_of(side) for side in data["levels"]
        ]
        number, stream = message.last_id, f"l2Book:{data['coin']}"
    else:
        assert isinstance(message, Top)
        number, stream = message.update_id, f"bbo:{data['coin']}"
        for ours, theirs in zip((message.bid, message.ask), data["bbo"], strict=True):
            assert (ours is None) == (theirs is None)
            if ours is not None:
                assert levels_of([ours]) == levels_of([theirs])
    assert (number, message.event_time_us) == (data["time"], data["time"] * 1_000)
    assert message.stream.name == stream


def same_trades(messages: Sequence[Message], frames: Iterable[bytes]) -> int:
    """Hold all rows to the frames', in order, and return how many there are."""
    theirs = [
        (
            f"trades:{row['coin']}",
            (row["time"] * 1_000, {"B": 1, "A": -1}[row["side"]], row["tid"]),
            (Decimal(row["px"]), Decimal(row["sz"])),
        )
        for frame in frames
        if json.loads(frame)["channel"] == "trades"
        for row in json.loads(frame)["data"]
    ]
    ours = [
        (
            message.stream.name,
            (time_us, side, trade_id),
            (ticks * Decimal(one.venue_tick), lots * Decimal(one.venue_lot)),
        )
        for message in messages
        if isinstance(message, Trades) and (one := message.stream.instrument) is not None
        for time_us, ticks, lots, side, trade_id, _ in message.rows
    ]
    assert ours == theirs
    return len(ours)


def steps_of(instrument: Instrument, levels: Iterable[Any]) -> list[tuple[int, int]]:
    """Read levels in ticks and lots; a number that is none of them is an error."""
    tick, lot = Decimal(instrument.venue_tick), Decimal(instrument.venue_lot)
    steps = [(price / tick, size / lot) for price, size in levels_of(levels)]
    assert all(int(ticks) == ticks and int(lots) == lots for ticks, lots in steps)
    return [(int(ticks), int(lots)) for ticks, lots in steps]


def take(book: Book, instrument: Instrument, update: BookUpdate) -> bool:
    """Put an update into a book and hold the book to it; say whether it was newer."""
    if not book.take(update, update.event_time_us):
        return False
    assert book.valid
    assert book.bids.top(100) == steps_of(instrument, update.bids)
    assert book.asks.top(100) == steps_of(instrument, update.asks)
    is_uncrossed(book)
    return True


def is_uncrossed(book: Book) -> None:
    if book.bids.best and book.asks.best:
        assert book.bids.best[0] < book.asks.best[0]


def listing() -> dict[str, Instrument]:
    """Return what `instruments()` makes of the recorded `meta` call."""
    bodies = cassette("sdk_cassette_meta_l2_snapshot.yaml")
    calls = PERP.instruments()
    next(calls)
    with pytest.raises(StopIteration) as stop:
        calls.send(next(body for body in bodies if b'"universe"' in body))
    return {one.venue_symbol: one for one in stop.value.value}


def cassette(name: str) -> list[bytes]:
    """Return the answers of a file of recorded REST calls."""
    text = capture(f"hyperliquid/{name}").read_text(encoding="utf-8")
    found = re.findall(r"string: '(.*?)'\n", text, re.DOTALL)
    return [re.sub(r"\s*\n\s*", "", body).encode() for body in found]


def test_seconds_of_btc_of_2025_trades_and_books_of_twenty_levels() -> None:
    frames = recorded.hftbacktest(BTC_2025)
    messages = parse([listing()["BTC"]], frames)
    assert same_trades(messages, frames) == 64
    btc = listing()["BTC"]
    book = Book(dataclasses.replace(PERP.book, depth=20), btc)
    times = []
    for message, frame in zip(messages, frames, strict=True):
        if isinstance(message, BookUpdate):
            same_levels(message, frame)
            assert take(book, btc, message) == (message.last_id not in times)
            times.append(message.last_id)
    assert times == sorted(times)
    assert (book.epoch, book.gaps, book.repeated) == (1, 0, len(times) - len(set(times)))
    agree_with_golden("btc_2025", messages)


def test_hours_of_trades_of_outcome_markets() -> None:
    frames = [frame for _, frame in outcomes("trades")]
    messages = parse(by_hand(*coins_of(frames)), frames)
    assert same_trades(messages, frames) == 2_434
    agree_with_golden("outcome_trades", messages)


@pytest.mark.parametrize("channel", ["l2book", "bbo"])
def test_fast_books_and_best_prices_of_outcome_markets(channel: str) -> None:
    frames = [frame for _, frame in outcomes(channel)]
    messages = parse(by_hand(*coins_of(frames)), frames)
    assert len(frames) == 3_000
    for message, frame in zip(messages, frames, strict=True):
        same_levels(message, frame)
    agree_with_golden(f"outcome_{channel}", messages)


def test_books_with_best_prices_between_them_are_always_valid_and_never_crossed() -> None:
    both = sorted(outcomes("l2book") + outcomes("bbo"), key=lambda pair: pair[0])
    last_book = max(receive for receive, frame in both if b'"l2Book"' in frame)
    frames = [frame for receive, frame in both if receive <= last_book]
    instruments = by_hand(*coins_of(frames))
    books = {one.venue_symbol: Book(PERP.book, one) for one in instruments}
    taken: Counter[str] = Counter()
    for message in parse(instruments, frames):
        assert isinstance(message, BookUpdate | Top)
        one = message.stream.instrument
        assert one is not None
        book = books[one.venue_symbol]
        if isinstance(message, BookUpdate):
            taken["books"] += take(book, one, message)
        elif book.touch(message):
            taken["tops"] += 1
            for side, level in ((book.bids, message.bid), (book.asks, message.ask)):
                assert level is None or side.top(1) == steps_of(one, [level])
            is_uncrossed(book)
        assert book.valid or book.epoch == 0
    assert taken == json.loads(GOLDEN.read_text(encoding="utf-8"))["books_and_tops"]


def test_single_frames_of_2024_and_2025() -> None:
    frames = recorded.tardis(SINGLE)
    coins = coins_of(frame for frame in frames if b"@" not in frame)
    messages = parse(by_hand(*coins), [frame for frame in frames if b"@" not in frame])
    assert same_trades(messages, frames) == 6
    books = [message for message in messages if isinstance(message, BookUpdate)]
    for message, frame in zip(books, [one for one in frames if b"l2Book" in one], strict=True):
        same_levels(message, frame)
    assert [len(message.bids) for message in books] == [0, 2]
    agree_with_golden("single", messages)


def test_single_frames_of_spot() -> None:
    frames = [frame for frame in recorded.tardis(SINGLE) if b"@" in frame]
    messages = parse(by_hand("@2", "@162", feed=SPOT), frames, SPOT)
    same_levels(messages[1], frames[1])
    agree_with_golden("single_spot", messages)


def all_contexts() -> bytes:
    """Return the one recorded frame of all contexts."""
    packed = capture("hyperliquid/nautilus_ws_all_dexs_asset_ctxs.json.zst").read_bytes()
    return zstandard.ZstdDecompressor().stream_reader(packed).read()


def contexts() -> list[dict[str, Any]]:
    """Return what a frame of all contexts has of the first dex."""
    found: list[dict[str, Any]] = dict(json.loads(all_contexts())["data"]["ctxs"])[""]
    return found


def test_contexts_of_all_perpetuals_of_the_first_dex() -> None:
    """They were recorded together; here each comes in the frame of its coin."""
    found = contexts()
    frames = [
        json.dumps({"channel": "activeAssetCtx", "data": {"coin": f"C{at}", "ctx": ctx}}).encode()
        for at, ctx in enumerate(found)
    ]
    messages = parse(by_hand(*(f"C{at}" for at in range(len(found)))), frames)
    values = [message for message in messages if isinstance(message, TickerValues)]
    for message in values:
        ctx = found[int(message.stream.name.removeprefix("activeAssetCtx:C"))]
        texts = (message.mark_price, message.index_price, message.funding_rate)
        wanted = (ctx["markPx"], ctx["oraclePx"], ctx["funding"], ctx["openInterest"])
        assert [Decimal(text or "nan") for text in (*texts, message.open_interest)] == [
            Decimal(text) for text in wanted
        ]
        assert message.funding_interval_seconds == 3_600
    assert len(values) == len(found) == 230
    agree_with_golden("contexts", messages)


def test_a_frame_of_all_contexts_is_of_no_use() -> None:
    (message,) = parse(by_hand("BTC"), [all_contexts()])
    assert message == Ignored("allDexsAssetCtxs")


def test_a_recorded_listing_puts_every_coin_on_its_grids() -> None:
    (body,) = [body for body in cassette("sdk_cassette_meta_l2_snapshot.yaml") if b"univ" in body]
    instruments = listing()
    universe = json.loads(body)["universe"]
    assert list(instruments) == [row["name"] for row in universe]
    for row in universe:
        one = instruments[row["name"]]
        assert Decimal(one.venue_lot) == Decimal(10) ** -row["szDecimals"]
        assert Decimal(one.venue_tick) == Decimal(10) ** (row["szDecimals"] - 6)


def test_a_fetched_book_of_2023_is_in_the_shape_of_the_stream() -> None:
    bodies = cassette("sdk_cassette_meta_l2_snapshot.yaml")
    (body,) = [body for body in bodies if b'"levels"' in body]
    frame = b'{"channel":"l2Book","data":' + body + b"}"
    (message,) = parse([listing()["DYDX"]], [frame])
    same_levels(message, frame)
    assert isinstance(message, BookUpdate)
    dydx = listing()["DYDX"]
    assert take(Book(dataclasses.replace(PERP.book, depth=20), dydx), dydx, message)
    agree_with_golden("dydx_2023", [message])
