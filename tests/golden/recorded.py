"""Frames as they lie in the recordings, and trades read from them without any code of ours.

Nothing here but `json`, `Decimal` and the files' own formats (see the recordings' README).
"""

import gzip
import io
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import zstandard

from tests.captures import capture

Item = tuple[str, int | str, str, Decimal, Decimal]
"""`symbol, id, side, price, quantity` of one trade in the venue's own words and units."""


@dataclass
class Total:
    """What a set of trades of one symbol comes to."""

    ids: list[int | str] = field(default_factory=list)
    buys: int = 0
    sells: int = 0
    bought: Decimal = Decimal(0)
    sold: Decimal = Decimal(0)
    notional: Decimal = Decimal(0)


def total(items: Iterable[Item]) -> dict[str, Total]:
    """Add up trades by symbol, exactly."""
    totals: dict[str, Total] = defaultdict(Total)
    for symbol, trade_id, side, price, quantity in items:
        one = totals[symbol]
        one.ids.append(trade_id)
        one.notional += price * quantity
        if side == "buy":
            one.buys += 1
            one.bought += quantity
        else:
            one.sells += 1
            one.sold += quantity
    return dict(totals)


def hftbacktest(name: str) -> list[bytes]:
    """Return the frames of a file of `<receive time> <frame>` lines."""
    with gzip.open(capture(name)) as lines:
        return [line.split(b" ", 1)[1].strip() for line in lines]


def zst_lines(name: str) -> list[dict[str, Any]]:
    """Return the documents of a compressed file of JSON lines."""
    with capture(name).open("rb") as file, zstandard.ZstdDecompressor().stream_reader(file) as raw:
        return [json.loads(line) for line in io.TextIOWrapper(raw, encoding="utf-8")]


def tardis(name: str) -> list[bytes]:
    """Return the single frames of a file, as they stand in it."""
    lines = capture(name).read_text(encoding="utf-8").splitlines()
    return [line.split('"frame":', 1)[1][:-1].encode() for line in lines]


def binance(frame: bytes, event: str) -> Iterator[Item]:
    """Read a Binance frame of one event; an id without a fill (`NA`) is no trade."""
    data = json.loads(frame).get("data", {})
    if data.get("e") == event and data.get("X") != "NA":
        side = "sell" if data["m"] else "buy"
        trade_id = data["a" if event == "aggTrade" else "t"]
        yield data["s"], trade_id, side, Decimal(data["p"]), Decimal(data["q"])


def bybit(frame: bytes) -> Iterator[Item]:
    """Read a Bybit frame."""
    document = json.loads(frame)
    if document.get("topic", "").startswith("publicTrade"):
        for row in document["data"]:
            yield row["s"], row["i"], row["S"].lower(), Decimal(row["p"]), Decimal(row["v"])


def okx(frame: bytes) -> Iterator[Item]:
    """Read an OKX frame of `trades`."""
    document = json.loads(frame)
    if document.get("arg", {}).get("channel") == "trades":
        for row in document.get("data", []):
            price, size = Decimal(row["px"]), Decimal(row["sz"])
            yield row["instId"], int(row["tradeId"]), row["side"], price, size


def hyperliquid(frame: bytes) -> Iterator[Item]:
    """Read a Hyperliquid frame."""
    document = json.loads(frame)
    if document.get("channel") == "trades":
        for row in document["data"]:
            side = {"B": "buy", "A": "sell"}[row["side"]]
            yield row["coin"], row["tid"], side, Decimal(row["px"]), Decimal(row["sz"])
