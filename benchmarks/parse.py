"""What it costs to turn a frame into trades, in units of `orjson.loads` of the same frame.

The target is 1.2 at most. Both are measured in turn, round by round, in one process, so that a
busy machine slows both; a ratio is the median over the rounds. Recorded frames are those of the
recordings where they can be had; documented frames are made here in the shapes of today. Books,
which are most of what is recorded and of no use, are measured by the frame.
"""

import gc
import gzip
import json
import os
import random
import statistics
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from operator import truediv
from pathlib import Path
from typing import Any

import orjson
import zstandard

from collectors.messages import Trades
from collectors.venue import Feed, Parser
from collectors.venues import binance, bybit, hyperliquid, okx
from schemas.instruments import make_instrument

CAPTURES = Path(
    os.environ.get("PERPTAPE_CAPTURES", Path(__file__).parents[2] / "shared" / "captures")
)
ROUNDS = 31
FRAMES = 2_000
NOW_MS = 1_795_168_800_000

BYBIT_LINEAR, BYBIT_SPOT = bybit.FEEDS
OKX_SWAP, OKX_SPOT = okx.FEEDS
HYPERLIQUID = hyperliquid.PERP


def dump(document: Any) -> bytes:
    """Write a frame as venues do."""
    return json.dumps(document, separators=(",", ":")).encode()


def price(random_: random.Random) -> str:
    """Draw a BTC price near the touch."""
    return f"9125{random_.randrange(10)}.{random_.randrange(10)}0"


def quantity(random_: random.Random) -> str:
    """Draw a quantity: small ones are common, large ones vary."""
    return f"{(1 + int(random_.expovariate(1 / 60))) / 1_000:.3f}"


def aggregate(random_: random.Random, number: int) -> bytes:
    """Make one merged trade of Binance USD-M."""
    size = quantity(random_)
    data = {"e": "aggTrade", "E": NOW_MS + number, "a": 3_511_220_417 + number, "s": "BTCUSDT"}
    data |= {"p": price(random_), "q": size, "nq": size, "f": 8_301_112_010, "l": 8_301_112_014}
    data |= {"T": NOW_MS + number - 140, "m": random_.random() < 0.5, "st": 1}
    return dump({"stream": "btcusdt@aggTrade", "data": data})


def spot_trade(random_: random.Random, number: int) -> bytes:
    """Make one spot trade of Binance, in microseconds."""
    data = {"e": "trade", "E": NOW_MS * 1_000 + number, "s": "BTCUSDT", "t": 5_600_123_456 + number}
    data |= {"p": f"{price(random_)}000000", "q": f"{quantity(random_)}00000"}
    data |= {"T": NOW_MS * 1_000 + number, "m": random_.random() < 0.5, "M": True}
    return dump({"stream": "btcusdt@trade", "data": data})


def bybit_trades(random_: random.Random, number: int) -> bytes:
    """Make a burst of fills of Bybit, twelve on average."""
    side = random_.choice(["Buy", "Sell"])
    rows = [
        {
            "T": NOW_MS + number, "s": "BTCUSDT", "S": side, "v": quantity(random_),
            "p": price(random_), "L": "MinusTick",
            "i": str(uuid.UUID(int=random_.getrandbits(128))),
            "BT": False, "RPI": random_.random() < 0.05, "seq": 330_001_001 + number,
        }
        for _ in range(1 + int(random_.expovariate(1 / 11.5)))
    ]  # fmt: skip
    topic = "publicTrade.BTCUSDT"
    return dump({"topic": topic, "type": "snapshot", "ts": NOW_MS + number, "data": rows})


def okx_trade(random_: random.Random, number: int) -> bytes:
    """Make one merged trade of an OKX swap."""
    row = {"instId": "BTC-USDT-SWAP", "tradeId": str(880_000_123 + number)}
    row |= {"px": price(random_)[:-1], "sz": f"{1 + random_.randrange(300)}"}
    row |= {"side": random_.choice(["buy", "sell"]), "ts": str(NOW_MS + number)}
    row |= {"count": "1", "source": "0"}
    arg = {"channel": "trades", "instId": "BTC-USDT-SWAP"}
    return dump({"arg": arg, "data": [row | {"seqId": 71_200_345_011 + number}]})


def hyperliquid_trades(random_: random.Random, number: int) -> bytes:
    """Make the fills of one order of Hyperliquid, five or six on average."""
    side, action = random_.choice("AB"), f"0x{random_.randbytes(32).hex()}"
    rows = [
        {
            "coin": "BTC", "side": side, "px": f"{price(random_)[:-3]}.0",
            "sz": f"{quantity(random_)}00", "time": NOW_MS + number, "hash": action,
            "tid": random_.getrandbits(50),
            "users": [f"0x{random_.randbytes(20).hex()}", f"0x{random_.randbytes(20).hex()}"],
        }
        for _ in range(1 + int(random_.expovariate(1 / 4.9)))
    ]  # fmt: skip
    return dump({"channel": "trades", "data": rows})


def levels(random_: random.Random, count: int) -> list[tuple[str, str]]:
    """Make one side of a book."""
    return [(price(random_), quantity(random_)) for _ in range(count)]


def binance_book(random_: random.Random, number: int) -> bytes:
    """Make one step of a book of Binance USD-M, as sent each 100 ms."""
    time = NOW_MS + number
    data = {"e": "depthUpdate", "E": time, "T": time - 3, "s": "BTCUSDT", "U": time, "u": time}
    data |= {"pu": time, "b": levels(random_, 30), "a": levels(random_, 30)}
    return dump({"stream": "btcusdt@depth@100ms", "data": data})


def binance_ticker(random_: random.Random, number: int) -> bytes:
    """Make one best bid and ask of Binance USD-M, the shortest frame there is."""
    data = {"e": "bookTicker", "u": 11_800_000_009_144 + number, "s": "BTCUSDT"}
    data |= {"b": price(random_), "B": quantity(random_), "a": price(random_)}
    data |= {"A": quantity(random_), "T": NOW_MS + number, "E": NOW_MS + number}
    return dump({"stream": "btcusdt@bookTicker", "data": data})


def bybit_book(random_: random.Random, number: int) -> bytes:
    """Make one step of a book of Bybit."""
    data = {"s": "BTCUSDT", "b": levels(random_, 8), "a": levels(random_, 8), "u": number}
    topic = "orderbook.200.BTCUSDT"
    return dump({"topic": topic, "type": "delta", "ts": NOW_MS + number, "data": data})


def okx_book(random_: random.Random, number: int) -> bytes:
    """Make one step of a book of OKX."""
    sides = {side: [[*one, "0", "3"] for one in levels(random_, 8)] for side in ("asks", "bids")}
    data = [sides | {"ts": str(NOW_MS + number), "checksum": -855196043, "seqId": number}]
    arg = {"channel": "books", "instId": "BTC-USDT-SWAP"}
    return dump({"arg": arg, "action": "update", "data": data})


def hyperliquid_book(random_: random.Random, number: int) -> bytes:
    """Make one book of Hyperliquid, twenty levels a side."""
    sides = [[{"px": px, "sz": sz, "n": 3} for px, sz in levels(random_, 20)] for _ in range(2)]
    data = {"coin": "BTC", "time": NOW_MS + number, "levels": sides}
    return dump({"channel": "l2Book", "data": data})


def hftbacktest(name: str, mark: bytes) -> Iterator[bytes]:
    """Read the frames with a mark out of a file of `<receive time> <frame>` lines."""
    with gzip.open(CAPTURES / name) as lines:
        yield from (line.split(b" ", 1)[1].strip() for line in lines if mark in line)


def cryptofeed(name: str, mark: str) -> Iterator[bytes]:
    """Read the received frames with a mark out of a compressed file of JSON lines."""
    data = zstandard.ZstdDecompressor().stream_reader((CAPTURES / name).read_bytes()).read()
    lines = (json.loads(line) for line in data.decode().splitlines())
    yield from (line["data"].encode() for line in lines if mark in str(line.get("data"))[:120])


def outcomes(name: str) -> Iterator[bytes]:
    """Read Hyperliquid's frames of outcome markets, which are in the same format."""
    data = zstandard.ZstdDecompressor().stream_reader((CAPTURES / name).read_bytes()).read()
    yield from (dump(json.loads(line)["payload"]) for line in data.decode().splitlines())


def parser_of(feed: Feed, tick: str, lot: str, *symbols: str) -> Parser:
    """Return a parser that carries these symbols on one grid."""
    instruments = [
        make_instrument(
            venue=feed.venue,
            kind=feed.kind,
            venue_symbol=symbol,
            asset=symbol,
            quote="USDT",
            venue_tick=tick,
            venue_lot=lot,
        )
        for symbol in symbols
    ]
    return feed.parser(feed.streams(list(instruments)), feed.memory())


Maker = Callable[[random.Random, int], bytes]


@dataclass(frozen=True)
class Case:
    """Frames of one feed and the parser that reads them."""

    feed: str
    source: str
    parser: Parser
    frames: Sequence[bytes]


def documented() -> list[Case]:
    """Make frames in today's shapes."""
    made: list[tuple[Feed, Maker, str, str, str]] = [
        (binance.USDM, aggregate, "0.1", "0.001", "BTCUSDT"),
        (binance.SPOT, spot_trade, "0.01", "0.00001", "BTCUSDT"),
        (BYBIT_LINEAR, bybit_trades, "0.1", "0.001", "BTCUSDT"),
        (OKX_SWAP, okx_trade, "0.1", "0.01", "BTC-USDT-SWAP"),
        (HYPERLIQUID, hyperliquid_trades, "0.1", "0.00001", "BTC"),
    ]
    random_ = random.Random(7)  # noqa: S311 - seeded on purpose
    return [
        Case(
            feed.name,
            "documented",
            parser_of(feed, tick, lot, symbol),
            [make(random_, number) for number in range(FRAMES)],
        )
        for feed, make, tick, lot, symbol in made
    ]


def books() -> list[Case]:
    """Make frames of books and of best prices."""
    made: list[tuple[Feed, str, Maker, str]] = [
        (binance.USDM, "book", binance_book, "BTCUSDT"),
        (binance.USDM, "best prices", binance_ticker, "BTCUSDT"),
        (BYBIT_LINEAR, "book", bybit_book, "BTCUSDT"),
        (OKX_SWAP, "book", okx_book, "BTC-USDT-SWAP"),
        (HYPERLIQUID, "book", hyperliquid_book, "BTC"),
    ]
    random_ = random.Random(7)  # noqa: S311 - seeded on purpose
    return [
        Case(
            feed.name,
            source,
            parser_of(feed, "0.1", "0.001", symbol),
            [make(random_, number) for number in range(FRAMES)],
        )
        for feed, source, make, symbol in made
    ]


def captured() -> list[Case]:
    """Read the trade frames of the recordings; a short one is repeated."""
    usdm = hftbacktest("binance/usdm/hftbacktest_usdm_btcusdt_20240808.gz", b"@trade")
    spot = hftbacktest("binance/spot/hftbacktest_spot_btcusdt_20240808.gz", b"@trade")
    merged = cryptofeed("binance/usdm/cryptofeed_BINANCE_FUTURES.jsonl.zst", "@aggTrade")
    linear = cryptofeed("bybit/cryptofeed_BYBIT_btc_sol.jsonl.zst", "publicTrade")
    okx_spot = cryptofeed("okx/cryptofeed_OKX.jsonl.zst", '"trades","instId":"BTC-USDT"')
    hip4 = outcomes("hyperliquid/hip4_france_sweden_ws_trades.jsonl.zst")
    coins = [f"#{number}" for number in range(6_700, 6_800)]
    fine = "0.00000001"
    old = ["SUSHIUSDT", "AKROUSDT", "KEEPUSDT", "CTKUSDT"]
    read: list[tuple[Feed, Iterator[bytes], str, str, list[str]]] = [
        (binance.USDM, merged, fine, fine, old),
        (binance.USDM_FILLS, usdm, "0.1", "0.001", ["BTCUSDT"]),
        (binance.SPOT, spot, "0.01", "0.00001", ["BTCUSDT"]),
        (BYBIT_LINEAR, linear, "0.01", "0.001", ["BTCUSDT", "SOLUSDT"]),
        (OKX_SPOT, okx_spot, "0.1", fine, ["BTC-USDT"]),
        (HYPERLIQUID, hip4, "0.00001", "1", coins),
    ]
    cases = []
    for feed, found, tick, lot, symbols in read:
        parser = parser_of(feed, tick, lot, *symbols)
        frames = [frame for frame in found if trades_in(parser, frame)]
        frames *= -(-FRAMES // len(frames))
        cases.append(Case(feed.name, "captured", parser, frames))
    return cases


def trades_in(parser: Parser, frame: bytes) -> int:
    """Count the trades of a frame."""
    return sum(len(one.rows) for one in parser.parse(frame) if isinstance(one, Trades))


def measure(case: Case) -> dict[str, Any]:
    """Time both readings of the same frames in turn; without trades, a frame is the unit."""
    trades = sum(trades_in(case.parser, frame) for frame in case.frames)
    readings: tuple[Callable[[bytes], object], ...] = (orjson.loads, case.parser.parse)
    spent: list[list[float]] = [[], []]
    for _ in range(ROUNDS):
        for reading, times in zip(readings, spent, strict=True):
            began = time.perf_counter()
            for frame in case.frames:
                reading(frame)
            times.append(time.perf_counter() - began)
    base, ours = (statistics.median(times) for times in spent)
    units = trades or len(case.frames)
    return {
        "feed": case.feed,
        "frames": case.source,
        "trades": trades,
        "bytes": round(statistics.mean(map(len, case.frames))),
        "unit": "trade" if trades else "frame",
        "orjson_ns": round(base / units * 1e9),
        "ns": round(ours / units * 1e9),
        "ratio": round(statistics.median(map(truediv, spent[1], spent[0])), 2),
    }


def run() -> list[dict[str, Any]]:
    """Measure every case and return one row each."""
    cases = documented() + books() + (captured() if CAPTURES.is_dir() else [])
    gc.collect()
    gc.freeze()  # the frames are not part of what is measured
    try:
        return [measure(case) for case in cases]
    finally:
        gc.unfreeze()


def main() -> None:
    """Print one line per case."""
    if not CAPTURES.is_dir():
        print("recorded frames not found; documented shapes only", file=sys.stderr)
    print(
        f"{'feed':<20}{'frames':<26}{'trades':>7}{'bytes':>6}{'per':>7}"
        f"{'orjson':>10}{'ours':>10}{'ratio':>7}"
    )
    for row in run():
        print(
            f"{row['feed']:<20}{row['frames']:<26}{row['trades']:>7}{row['bytes']:>6}"
            f"{row['unit']:>7}{row['orjson_ns']:>7} ns{row['ns']:>7} ns{row['ratio']:>7.2f}"
        )


if __name__ == "__main__":
    main()
