"""Frames of one Binance USD-M book: made in the documented shape, or read from a recording.

What is made: 20 bids and 20 asks a frame, most of them near the best prices (a tenth of a per cent)
and again and again the same, quantities that hardly repeat, every tenth one a removal, ids in an
unbroken chain, prices that wander. What is recorded is `@depth@0ms`, so its frames are of all
sizes; they are renamed to the stream that is subscribed to today.
"""

import gzip
import json
import os
import random
from bisect import insort
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from collectors.venue import Channel, Stream
from collectors.venues import binance
from schemas.instruments import Instrument, make_instrument

CAPTURES = Path(
    os.environ.get("PERPTAPE_CAPTURES", Path(__file__).parents[2] / "shared" / "captures")
)
RECORDING = "binance/usdm/hftbacktest_usdm_btcusdt_20240808.gz"
LEVELS = 20
DEPTH = 1_000
NOW_MS = 1_795_168_800_000
FEED = binance.USDM

_OPENING_TICKS = 912_500
_NEAR_TICKS = 60.0
_REMOVED = 0.1


@dataclass(frozen=True)
class BookFrames:
    """A snapshot as REST answers it, and the frames that follow it without a hole."""

    source: str
    snapshot: bytes
    frames: list[bytes]


def instrument() -> Instrument:
    """Return the perpetual that all frames are of."""
    return make_instrument(
        venue=FEED.venue,
        kind=FEED.kind,
        venue_symbol="BTCUSDT",
        asset="BTC",
        quote="USDT",
        venue_tick="0.1",
        venue_lot="0.001",
    )


def stream() -> Stream:
    """Return the stream of its book."""
    return next(one for one in FEED.streams([instrument()]) if one.channel is Channel.BOOK)


@dataclass
class _Side:
    """One side while frames are made: `sign` 1 bids, -1 asks; keys grow towards the best."""

    sign: int
    random: random.Random
    keys: list[int] = field(default_factory=list)

    def fill(self, best: int) -> None:
        key = best
        for _ in range(DEPTH):
            insort(self.keys, key)
            key -= 1 + int(self.random.expovariate(2.0))

    def change(self, best: int) -> list[tuple[str, str]]:
        """Draw what changes: first what a move of the best price takes away and brings."""
        keys, draw = self.keys, self.random
        changed = {}
        while keys[-1] > best:
            changed[keys.pop()] = 0
        if keys[-1] != best:
            changed[best] = self._lots()
            keys.append(best)
        while len(changed) < LEVELS:
            key = best - 1 - int(draw.expovariate(1 / _NEAR_TICKS))
            there = key in keys[-DEPTH // 2 :]
            if there and draw.random() < _REMOVED:
                keys.remove(key)
                changed[key] = 0
            else:
                changed[key] = self._lots()
                if not there:
                    insort(keys, key)
        ordered = sorted(changed, reverse=True)[:LEVELS]
        return [self._text(key, changed[key]) for key in ordered]

    def whole(self) -> list[tuple[str, str]]:
        return [self._text(key, self._lots()) for key in reversed(self.keys)]

    def _lots(self) -> int:
        return 1 + int(self.random.lognormvariate(5.0, 2.0))

    def _text(self, key: int, lots: int) -> tuple[str, str]:
        ticks = abs(key)
        return f"{ticks // 10}.{ticks % 10}0", f"{lots // 1000}.{lots % 1000:03d}"


def made(count: int, seed: int = 7) -> BookFrames:
    """Make so many frames; the same seed makes the same ones."""
    draw = random.Random(seed)  # noqa: S311  # seeded on purpose
    bids, asks = _Side(1, draw), _Side(-1, draw)
    bids.fill(_OPENING_TICKS)
    asks.fill(-_OPENING_TICKS - 1)
    first_id = 5_200_000_000_000
    snapshot: dict[str, object] = {"lastUpdateId": first_id, "E": NOW_MS, "T": NOW_MS}
    snapshot |= {"bids": bids.whole(), "asks": asks.whole()}
    frames, best, last_id = [], _OPENING_TICKS, first_id
    for number in range(count):
        best += draw.choice((-2, -1, 0, 0, 0, 0, 1, 2))
        time, next_id = NOW_MS + 100 * number, last_id + draw.randrange(40, 400)
        data = {"e": "depthUpdate", "E": time, "T": time - 3, "s": "BTCUSDT"}
        data |= {"U": last_id + 1, "u": next_id, "pu": last_id}
        data |= {"b": bids.change(best), "a": asks.change(-best - 1), "st": 1}
        frames.append(_dump({"stream": "btcusdt@depth@100ms", "data": data}))
        last_id = next_id
    return BookFrames(f"made, {LEVELS}+{LEVELS} levels", _dump(snapshot), frames)


def recorded(count: int) -> BookFrames:
    """Read the first frames of the recording that its snapshot does not hold yet."""
    with gzip.open(CAPTURES / RECORDING) as lines:
        bodies = (line.split(b" ", 1)[1].strip() for line in lines)
        return _after_snapshot(bodies, count)


def _after_snapshot(bodies: Iterable[bytes], count: int) -> BookFrames:
    snapshot, last_id, frames = b"", 0, list[bytes]()
    for body in bodies:
        if not body.startswith(b'{"stream"'):
            snapshot, last_id = body, json.loads(body)["lastUpdateId"]
            frames = [one for one in frames if json.loads(one)["data"]["u"] >= last_id]
        elif b"@depth@0ms" in body[:40]:
            frames.append(body.replace(b"@depth@0ms", b"@depth@100ms", 1))
        if snapshot and len(frames) >= count:
            break
    return BookFrames("recorded", snapshot, frames)


def _dump(document: object) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()
