"""Every recorded trade through its venue's parser, against a few lines that read the file alone."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from typing import Any

import pytest

from collectors.messages import Message, Rejected, Trades
from collectors.venue import Channel, Feed, Stream
from schemas.instruments import Instrument, make_instrument
from schemas.market import CLASS_MASK, OrderClass
from tests.captures import capture, needs_captures
from tests.contract.venue_cases import FEEDS, drive
from tests.golden import recorded
from tests.golden.recorded import Item, total

pytestmark = needs_captures

USDM = "binance/usdm/"
SPOT = "binance/spot/"


def by_hand(feed: Feed, *symbols: str) -> list[Instrument]:
    """Make instruments whose grids are finer than any number of the recordings."""
    return [
        make_instrument(
            venue=feed.venue,
            kind=feed.kind,
            venue_symbol=symbol,
            asset=f"A{number}",
            quote="Q",
            venue_tick="0.00000001",
            venue_lot="0.00000001",
        )
        for number, symbol in enumerate(symbols)
    ]


def parse(feed: Feed, instruments: Iterable[Instrument], frames: list[bytes]) -> list[Message]:
    trades = [one for one in feed.streams(list(instruments)) if one.channel is Channel.TRADES]
    parser = feed.parser(trades, feed.memory())
    return [message for frame in frames for message in parser.parse(frame)]


def items(messages: list[Message]) -> Iterator[Item]:
    """Turn our rows back into the venue's units."""
    for message in messages:
        if isinstance(message, Trades):
            one = message.stream.instrument
            assert one is not None
            tick, lot = Decimal(one.venue_tick), Decimal(one.venue_lot)
            for _, ticks, lots, side, trade_id, _ in message.rows:
                word = "buy" if side > 0 else "sell"
                yield one.venue_symbol, trade_id, word, ticks * tick, lots * lot


def rejections(messages: list[Message]) -> Counter[str]:
    return Counter(message.reason for message in messages if isinstance(message, Rejected))


def agree(
    messages: list[Message], frames: list[bytes], reader: Callable[[bytes], Iterator[Item]]
) -> int:
    """Hold our rows to the independent reading, symbol by symbol, and return how many there are."""
    ours = total(items(messages))
    theirs = total(item for frame in frames for item in reader(frame))
    assert ours == theirs
    assert sum(one.buys for one in ours.values()) > 0
    return sum(len(one.ids) for one in ours.values())


def fills(frame: bytes) -> Iterator[Item]:
    return recorded.binance(frame, "trade")


def aggregates(frame: bytes) -> Iterator[Item]:
    return recorded.binance(frame, "aggTrade")


@pytest.mark.parametrize(
    ("name", "feed", "trades"),
    [
        (f"{USDM}hftbacktest_usdm_btcusdt_20230404.dat.gz", "binance.usdm-fills", 2_197),
        (f"{USDM}hftbacktest_usdm_btcusdt_20240718.gz", "binance.usdm-fills", 974),
        (f"{USDM}hftbacktest_usdm_btcusdt_20240719.gz", "binance.usdm-fills", 9_727),
        (f"{USDM}hftbacktest_usdm_btcusdt_20240808.gz", "binance.usdm-fills", 21_313),
        (f"{SPOT}hftbacktest_spot_btcusdt_20240808.gz", "binance.spot", 9_757),
    ],
)
def test_minutes_of_binance_fills(name: str, feed: str, trades: int) -> None:
    frames = recorded.hftbacktest(name)
    messages = parse(FEEDS[feed], by_hand(FEEDS[feed], "BTCUSDT"), frames)
    assert agree(messages, frames, fills) == trades
    assert rejections(messages) == Counter()
    ids = [trade_id for _, trade_id, *_ in items(messages)]
    assert ids == list(range(int(ids[0]), int(ids[0]) + trades))


def test_minutes_of_binance_fills_are_on_the_grid_of_their_day() -> None:
    feed = FEEDS["binance.usdm-fills"]
    frames = recorded.hftbacktest(f"{USDM}hftbacktest_usdm_btcusdt_20240808.gz")
    instrument = make_instrument(
        venue="binance",
        kind=feed.kind,
        venue_symbol="BTCUSDT",
        asset="BTC",
        quote="USDT",
        venue_tick="0.10",
        venue_lot="0.001",
    )
    messages = parse(feed, [instrument], frames)
    assert agree(messages, frames, fills) == 21_313
    assert rejections(messages) == Counter()


def cryptofeed(name: str) -> tuple[dict[str, bytes], dict[str, list[bytes]]]:
    """Return a recording's REST bodies by address and its frames by connection's address."""
    addresses: dict[str, str] = {}
    bodies: dict[str, bytes] = {}
    frames: dict[str, list[bytes]] = {}
    for line in recorded.zst_lines(name):
        if line["t"] == "http":
            bodies[line["url"]] = line["data"].encode()
        elif line["t"] == "connect":
            addresses[line["conn"]] = line["addr"]
        elif line["t"] == "recv":
            frames.setdefault(addresses[line["conn"]], []).append(line["data"].encode())
    return bodies, frames


def listed(feed: Feed, bodies: dict[str, bytes], path: str) -> dict[str, Instrument]:
    """Return what `instruments()` makes of the one recorded body that the feed owns."""
    found = [body for url, body in bodies.items() if feed.owns(url) and path in url]
    assert len(found) == 1
    return {one.venue_symbol: one for one in drive(feed, lambda _: found[0])}


def test_binance_futures_aggregates_of_2021_with_the_listing_of_that_day() -> None:
    feed = FEEDS["binance.usdm"]
    bodies, connections = cryptofeed(f"{USDM}cryptofeed_BINANCE_FUTURES.jsonl.zst")
    ((address, frames),) = connections.items()
    assert feed.owns(address)
    instruments = listed(feed, bodies, "exchangeInfo")
    assert len(instruments) == 117
    assert instruments["BTCUSDT"].venue_tick == "0.01"
    assert (instruments["1000SHIBUSDT"].asset, instruments["1000SHIBUSDT"].lot) == ("SHIB", "1000")
    assert (instruments["1INCHUSDT"].asset, instruments["1INCHUSDT"].lot) == ("1INCH", "1")
    assert not {"DEFIUSDT", "BTCSTUSDT"} & set(instruments)
    messages = parse(feed, instruments.values(), frames)
    assert agree(messages, frames, aggregates) == 91
    assert rejections(messages) == Counter()


def test_binance_spot_of_2021_has_only_the_merged_stream_which_is_refused() -> None:
    feed = FEEDS["binance.spot"]
    bodies, connections = cryptofeed(f"{SPOT}cryptofeed_BINANCE.jsonl.zst")
    ((address, frames),) = connections.items()
    assert feed.owns(address)
    instruments = listed(feed, bodies, "exchangeInfo")
    assert len(instruments) == 1_222
    assert instruments["LRCBTC"].venue_tick == "0.00000001"
    messages = parse(feed, instruments.values(), frames)
    assert rejections(messages) == Counter(wrong_channel=2)
    assert not any(isinstance(message, Trades) for message in messages)


@pytest.mark.parametrize(("feed", "trades"), [("bybit.linear", 221), ("bybit.spot", 11)])
def test_bybit_with_the_listing_of_that_day(feed: str, trades: int) -> None:
    one = FEEDS[feed]
    bodies, connections = cryptofeed("bybit/cryptofeed_BYBIT_btc_sol.jsonl.zst")
    frames = [frame for url, sent in connections.items() if one.owns(url) for frame in sent]
    instruments = listed(one, bodies, "instruments-info")
    messages = parse(one, instruments.values(), frames)
    assert rejections(messages) == Counter()
    found = total(items(messages))
    assert found == total(item for frame in frames for item in recorded.bybit(frame))
    assert sum(len(each.ids) for each in found.values()) == trades


def test_bybit_lists_crypto_perpetuals_only_and_scales_their_coins() -> None:
    feed = FEEDS["bybit.linear"]
    bodies, _ = cryptofeed("bybit/cryptofeed_BYBIT_btc_sol.jsonl.zst")
    instruments = listed(feed, bodies, "instruments-info")
    rows = json.loads(next(body for url, body in bodies.items() if feed.owns(url)))["result"]
    wanted = [
        row["symbol"]
        for row in rows["list"]
        if row["contractType"] == "LinearPerpetual" and row["symbolType"] in ("", "innovation")
    ]
    assert list(instruments) == wanted
    assert len({one.symbol for one in instruments.values()}) == len(wanted) == 582
    assert instruments["SHIB1000USDT"].asset == "SHIB"
    assert instruments["1000000MOGUSDT"].asset == "MOG"
    assert [instruments[name].asset for name in ("1INCHUSDT", "2ZUSDT", "0GUSDT", "4USDT")] == [
        "1INCH", "2Z", "0G", "4",
    ]  # fmt: skip
    assert not [one.asset for one in instruments.values() if "1000" in one.asset]


def test_okx_spot_with_the_listing_of_that_day() -> None:
    feed = FEEDS["okx.spot"]
    bodies, connections = cryptofeed("okx/cryptofeed_OKX.jsonl.zst")
    ((address, frames),) = connections.items()
    assert feed.owns(address)
    assert FEEDS["okx.swap"].owns(address)
    instruments = listed(feed, bodies, "instruments")
    assert len(instruments) == 513
    messages = parse(feed, instruments.values(), frames)
    spot = [frame for frame in frames if b'"instId":"BTC-USDT"' in frame]
    assert agree(messages, spot, recorded.okx) == 69
    assert rejections(messages) == Counter(unknown_symbol=5)


def test_okx_lists_linear_swaps_only() -> None:
    feed = FEEDS["okx.swap"]
    bodies, _ = cryptofeed("okx/cryptofeed_OKX.jsonl.zst")
    instruments = listed(feed, bodies, "instruments")
    assert len(instruments) == 126
    assert instruments["BTC-USDT-SWAP"].lot == "0.01"
    assert instruments["DOGE-USDT-SWAP"].lot == "1000"
    assert not {"UNI-USD-SWAP", "BTC-USD-SWAP", "BTC-USD-220527"} & set(instruments)


def test_okx_contracts_that_we_do_not_list_are_read_all_the_same() -> None:
    feed = FEEDS["okx.swap"]
    _, connections = cryptofeed("okx/cryptofeed_OKX.jsonl.zst")
    frames = next(iter(connections.values()))
    symbols = ("BTC-USDT", "UNI-USD-SWAP", "BTC-USD-220527")
    messages = parse(feed, by_hand(feed, *symbols), frames)
    assert agree(messages, frames, recorded.okx) == 74
    assert rejections(messages) == Counter()


@pytest.mark.parametrize(
    ("feed", "name", "listed_symbols"),
    [
        ("okx.swap", "okx/nautilus_http_get_instruments_swap.json", 2),
        ("okx.spot", "okx/nautilus_http_get_instruments_spot.json", 5),
    ],
)
def test_okx_listings_of_2024(feed: str, name: str, listed_symbols: int) -> None:
    instruments = drive(FEEDS[feed], lambda _: capture(name).read_bytes())
    assert len(instruments) == listed_symbols
    lots = {one.venue_symbol: one.lot for one in instruments}
    assert lots.get("BTC-USDT-SWAP", "0.0001") == "0.0001"
    assert lots.get("ETH-USDT-SWAP", "0.001") == "0.001"


def hyperliquid_listing() -> list[Instrument]:
    """Return what `instruments()` makes of the recorded `meta` call."""
    text = capture("hyperliquid/sdk_cassette_meta_l2_snapshot.yaml").read_text(encoding="utf-8")
    body = re.search(r"string: '(\{\"universe\".*?)'\n", text, re.DOTALL)
    assert body
    return drive(FEEDS["hyperliquid.perp"], lambda _: re.sub(r"\s*\n\s*", "", body[1]).encode())


def test_hyperliquid_with_a_recorded_listing() -> None:
    instruments = {one.venue_symbol: one for one in hyperliquid_listing()}
    assert instruments["BTC"].venue_lot == "0.00001"
    assert (instruments["kPEPE"].asset, instruments["kPEPE"].lot) == ("PEPE", "1000")
    frames = recorded.hftbacktest("hyperliquid/hftbacktest_btc_20250126.gz")
    messages = parse(FEEDS["hyperliquid.perp"], instruments.values(), frames)
    assert agree(messages, frames, recorded.hyperliquid) == 64
    assert rejections(messages) == Counter()


def test_hours_of_hyperliquid_outcomes_in_the_same_wire_format() -> None:
    feed = FEEDS["hyperliquid.perp"]
    lines = recorded.zst_lines("hyperliquid/hip4_france_sweden_ws_trades.jsonl.zst")
    frames = [json.dumps(line["payload"]).encode() for line in lines]
    coins = sorted({row["coin"] for line in lines for row in line["payload"]["data"]})
    messages = parse(feed, by_hand(feed, *coins), frames)
    assert agree(messages, frames, recorded.hyperliquid) == 2_434
    assert rejections(messages) == Counter()
    unknown = parse(feed, by_hand(feed, "BTC"), frames)
    assert rejections(unknown) == Counter(unknown_symbol=2_434)


@pytest.mark.parametrize(
    ("name", "feed", "reader", "symbols", "trades", "refused"),
    [
        (
            f"{USDM}tardis_node_frames_binance_usdm.jsonl", "binance.usdm-fills", fills,
            ("BTCUSDT", "ETHUSDT"), 3, {"wrong_channel": 1},
        ),
        (
            f"{SPOT}tardis_node_frames_binance_spot.jsonl", "binance.spot", fills,
            ("BNBBTC",), 2, {},
        ),
        (
            "bybit/tardis_node_frames_bybit_v5.jsonl", "bybit.linear", recorded.bybit,
            ("BTCUSD", "BTCUSDT", "LTCUSDT", "BTCUSDC"), 9, {},
        ),
        (
            "okx/tardis_node_frames_okx_v5.jsonl", "okx.swap", recorded.okx,
            ("CRV-USDT", "FIL-USD-220325", "BTC-USDT-SWAP"), 3, {"wrong_channel": 1},
        ),
        (
            "hyperliquid/tardis_node_frames_hyperliquid.jsonl", "hyperliquid.perp",
            recorded.hyperliquid, ("BTC", "FXS"), 6, {},
        ),
    ],
)  # fmt: skip
def test_single_frames_of_many_years(
    name: str,
    feed: str,
    reader: Callable[[bytes], Iterator[Item]],
    symbols: tuple[str, ...],
    trades: int,
    refused: dict[str, Any],
) -> None:
    frames = recorded.tardis(name)
    messages = parse(FEEDS[feed], by_hand(FEEDS[feed], *symbols), frames)
    assert agree(messages, frames, reader) == trades
    assert rejections(messages) == Counter(refused)


def test_a_take_over_by_the_insurance_fund_is_its_own_class_off_the_grid() -> None:
    feed = FEEDS["binance.usdm-fills"]
    frames = recorded.tardis(f"{USDM}tardis_node_frames_binance_usdm.jsonl")
    messages = parse(feed, by_hand(feed, "ETHUSDT", "BTCUSDT"), frames)
    classes = Counter(
        OrderClass(row[5] & CLASS_MASK).name
        for message in messages
        if isinstance(message, Trades)
        for row in message.rows
    )
    assert classes == {"INSURANCE": 1, "UNKNOWN": 1, "MARKET": 1}


def test_an_aggregate_of_2019_without_an_id_is_refused() -> None:
    feed = FEEDS["binance.usdm"]
    frames = recorded.tardis(f"{USDM}tardis_node_frames_binance_usdm.jsonl")
    messages = parse(
        feed, by_hand(feed, "BTCUSDT"), [frame for frame in frames if b"aggT" in frame]
    )
    assert rejections(messages) == Counter(unexpected_shape=1)


def test_streams_of_a_recording_are_told_apart_by_their_own_names() -> None:
    feed = FEEDS["bybit.linear"]
    _, connections = cryptofeed("bybit/cryptofeed_BYBIT_btc_sol.jsonl.zst")
    frames = [frame for url, sent in connections.items() if feed.owns(url) for frame in sent]
    streams: list[Stream] = [
        message.stream
        for message in parse(feed, by_hand(feed, "BTCUSDT", "SOLUSDT"), frames)
        if isinstance(message, Trades)
    ]
    assert {one.name for one in streams} == {"publicTrade.BTCUSDT", "publicTrade.SOLUSDT"}
