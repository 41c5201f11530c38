"""One squeeze of longs on three venues, which each name its side in another way.

The frames are of the same seconds of 2026-10-09: `SELL` is the closing order on Binance, `Buy` the
position on Bybit, and OKX says both. Then the rows of definitions 5.16.
"""

import json
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest

from collectors.messages import Liquidations
from collectors.registry import all_feeds
from schemas.instruments import Instrument, make_instrument
from schemas.liquidations import LiquidatedSide, PriceKind, SamplingClass
from tests.captures import capture, needs_captures

FRAMES = "cross-venue/liquidation_frames_2026-10-09.jsonl"
FEEDS = {name: all_feeds()[name] for name in ("binance.usdm", "bybit.linear", "okx.swap")}


@dataclass(frozen=True)
class Liquidation:
    """One liquidation in words and exact numbers; `quantity` in base coin."""

    time_us: int
    side: LiquidatedSide
    quantity: Decimal
    price: Decimal


def bitcoin(name: str) -> Instrument:
    """Make the venue's perpetual of BTC in USDT on its grid of 2026."""
    feed = FEEDS[name]
    on_okx = feed.venue == "okx"
    return make_instrument(
        venue=feed.venue,
        kind=feed.kind,
        venue_symbol="BTC-USDT-SWAP" if on_okx else "BTCUSDT",
        asset="BTC",
        quote="USDT",
        venue_tick="0.1",
        venue_lot="0.01" if on_okx else "0.001",
        unit=Decimal("0.01") if on_okx else Decimal(1),
    )


def read(name: str, *frames: str) -> list[Liquidation]:
    """Return the liquidations of BTC that a venue's parser finds in frames."""
    feed, instrument = FEEDS[name], bitcoin(name)
    parser = feed.parser(feed.streams([instrument]), feed.memory())
    messages = [message for frame in frames for message in parser.parse(frame.encode())]
    found = [message for message in messages if isinstance(message, Liquidations)]
    assert {message.instrument for message in found} <= {instrument}
    lot = Decimal(instrument.lot)
    return [
        Liquidation(time_us, LiquidatedSide(side), lots * lot, Decimal(price))
        for message in found
        for time_us, price, lots, side, _ in message.rows
    ]


def recorded() -> dict[str, list[str]]:
    """Return the recorded frames by feed."""
    feeds = {"binance": "binance.usdm", "bybit": "bybit.linear", "okx": "okx.swap"}
    found: dict[str, list[str]] = {}
    for line in capture(FRAMES).read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        found.setdefault(feeds[row["venue"]], []).append(row["raw"])
    return found


def binance(document: Any) -> list[Liquidation]:
    """Read a frame of Binance without any code of ours: what was filled, at its average."""
    order = document["data"]["o"]
    assert order["S"] == "SELL"
    quantity, price = Decimal(order["z"]), Decimal(order["ap"])
    return [Liquidation(order["T"] * 1_000, LiquidatedSide.LONG, quantity, price)]


def bybit(document: Any) -> list[Liquidation]:
    """Read a frame of Bybit without any code of ours."""
    assert {row["S"] for row in document["data"]} == {"Buy"}
    return [
        Liquidation(row["T"] * 1_000, LiquidatedSide.LONG, Decimal(row["v"]), Decimal(row["p"]))
        for row in document["data"]
    ]


def okx(document: Any) -> list[Liquidation]:
    """Read what a frame of OKX has of BTC without any code of ours; a contract is 0.01 BTC."""
    rows = [
        row
        for one in document["data"]
        if one["instId"] == "BTC-USDT-SWAP"
        for row in one["details"]
    ]
    assert {row["posSide"] for row in rows} <= {"long"}
    return [
        Liquidation(
            int(row["ts"]) * 1_000,
            LiquidatedSide.LONG,
            Decimal(row["sz"]) / 100,
            Decimal(row["bkPx"]),
        )
        for row in rows
    ]


@needs_captures
@pytest.mark.parametrize(
    ("name", "reader", "rows"),
    [("binance.usdm", binance, 1), ("bybit.linear", bybit, 2), ("okx.swap", okx, 1)],
)
def test_all_three_venues_say_that_longs_were_liquidated(name: str, reader: Any, rows: int) -> None:
    frames = recorded()[name]
    found = read(name, *frames)
    assert found == [one for frame in frames for one in reader(json.loads(frame))]
    assert Counter(one.side for one in found) == {LiquidatedSide.LONG: rows}


@needs_captures
def test_the_squeeze_adds_up_over_the_venues_at_prices_of_one_market() -> None:
    found = [one for name, frames in recorded().items() for one in read(name, *frames)]
    assert sum(one.quantity for one in found) == Decimal("0.3195")
    assert all(Decimal(82_000) < one.price < Decimal(83_000) for one in found)
    times = [one.time_us for one in found]
    assert max(times) - min(times) < 2_000_000


def forced(side: str) -> str:
    """Make Binance's frame of the definitions: 2 of 2 filled at 60,100, ordered at 60,000."""
    order = {
        "s": "BTCUSDT", "S": side, "o": "LIMIT", "f": "IOC", "q": "2", "p": "60000", "ap": "60100",
        "X": "FILLED", "l": "2", "z": "2", "T": 1_795_168_800_000,
    }  # fmt: skip
    data = {"e": "forceOrder", "E": 1_795_168_800_001, "o": order}
    return json.dumps({"stream": "!forceOrder@arr", "data": data}, separators=(",", ":"))


def all_liquidation(side: str) -> str:
    """Make Bybit's frame of the definitions."""
    row = {"T": 1_795_168_800_000, "s": "BTCUSDT", "S": side, "v": "2", "p": "59000"}
    document = {"topic": "allLiquidation.BTCUSDT", "type": "snapshot", "ts": 1, "data": [row]}
    return json.dumps(document, separators=(",", ":"))


@pytest.mark.parametrize(
    ("name", "frame", "side", "price", "notional"),
    [
        ("binance.usdm", forced("SELL"), LiquidatedSide.LONG, 60_100, 120_200),
        ("binance.usdm", forced("BUY"), LiquidatedSide.SHORT, 60_100, 120_200),
        ("bybit.linear", all_liquidation("Buy"), LiquidatedSide.LONG, 59_000, 118_000),
        ("bybit.linear", all_liquidation("Sell"), LiquidatedSide.SHORT, 59_000, 118_000),
    ],
)
def test_the_rows_of_the_definitions(
    name: str, frame: str, side: LiquidatedSide, price: int, notional: int
) -> None:
    (found,) = read(name, frame)
    assert found == Liquidation(1_795_168_800_000_000, side, Decimal(2), Decimal(price))
    assert found.quantity * found.price == notional


def test_each_venue_states_what_its_price_is_and_how_much_it_tells() -> None:
    rules = {name: feed.liquidations for name, feed in FEEDS.items()}
    kinds = {name: rule and (rule.price_kind, rule.sampling_class) for name, rule in rules.items()}
    assert kinds["binance.usdm"] == (PriceKind.FILL_AVERAGE, SamplingClass.MAX_PER_SECOND)
    assert kinds["bybit.linear"] == (PriceKind.BANKRUPTCY, SamplingClass.ALL)
    assert rules["okx.swap"] is not None
    assert rules["okx.swap"].price_kind is PriceKind.BANKRUPTCY
