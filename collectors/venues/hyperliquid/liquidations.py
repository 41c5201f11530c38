"""Hyperliquid's liquidations: transactions of the explorer, joined to the trades they led to.

There is no stream of liquidations. A trade carries the hash of the transaction that crossed the
book, and the explorer shows every transaction: the trades with the hash of a `liquidate` are the
forced ones. The two come over different connections, in either order. What is found is a function
of the order of their frames alone: the trades of the last minute are kept, and so are the hashes,
each by the time that the venue gave.

Source: the confirmation of the maintainer of https://github.com/nktkas/hyperliquid (17, 18), and
public code that reads the stream, of 2025 and 2026: the shape of a `liquidate` differs between
them, so only its type is read. Nobody has shown that the explorer leaves no transaction out, and
what the backstop takes over without a trade in the book is not seen: class `incomplete`.
"""

import re
from collections import deque
from collections.abc import Sequence, Set
from decimal import Decimal
from itertools import islice

import msgspec
from msgspec import Struct

from collectors import grid
from collectors.grid import Lane, Milliseconds
from collectors.messages import Alive, Ignored, LiquidationItem, Liquidations, Message, Rejected
from collectors.venue import Stream
from collectors.venues.hyperliquid.trades import trades_by_transaction
from schemas.instruments import Instrument
from schemas.liquidations import LiquidatedSide
from schemas.trades import TradeRow
from schemas.units import US_PER_SECOND, plain

KEPT_US = 60 * US_PER_SECOND
KEPT_BYTES = 32 * 2**20
"""Of frames of trades: about 100,000 trades, at a thousand a second more than a minute."""
WAITING_FRAMES = 4_096
"""Normally they wait until the next block; while the explorer is away, the newest of them do."""
OPEN_TRANSACTIONS = 10_000
TOLD_TRADES = 50_000


_HEAD = b'[{"action":{'
_MARK = b'"liquidate"'
_TRANSACTION = re.compile(r"0x(?!0{64})[0-9a-f]{64}")
_TRANSACTIONS = re.compile(_TRANSACTION.pattern.encode())
_TIME_KEY = b'"time"'
_TIME = re.compile(rb'"time"\s*:\s*(\d{13})\b')
_ITEMS = msgspec.json.Decoder(list[object])

Found = dict[str, tuple[Instrument, list[LiquidationItem]]]
"""Liquidations by symbol."""


class _Chunk(Struct):
    """Frames of trades that came together; the transactions in each are found when looked for."""

    time_us: int
    size: int
    frames: list[bytes]
    transactions: list[set[bytes]] | None = None

    def among(self, wanted: Set[bytes]) -> list[bytes]:
        """Return the frames that have one of these transactions."""
        if self.transactions is None:
            self.transactions = [set(_TRANSACTIONS.findall(frame)) for frame in self.frames]
        return [
            frame
            for frame, found in zip(self.frames, self.transactions, strict=True)
            if not wanted.isdisjoint(found)
        ]


class Join:
    """What the parsers of one run share: the trades of the last minute, and hashes to look for.

    Bounded in time by `KEPT_US` and in size by `WAITING_FRAMES`, `KEPT_BYTES`, `OPEN_TRANSACTIONS`
    and `TOLD_TRADES`; the oldest go first. Time is that of the newest frame, and may fall: a
    subscription begins with old trades. Trades are many and liquidations are few, so that a trade
    costs next to nothing here: its frame is kept as it came, and read again if it has a hash that
    is looked for.

    Attributes:
        waiting: where parsers put the frames of trades that they have read.
        lanes: where the trades of each coin go, of all parsers.
    """

    def __init__(self) -> None:
        self.waiting: deque[bytes] = deque(maxlen=WAITING_FRAMES)
        self.lanes: dict[str, Lane] = {}
        self._chunks: deque[_Chunk] = deque()
        self._size = 0
        self._fresh = 0
        """Chunks, the newest, that were not compared with any hash yet."""
        self._now_us = 0
        self._open: dict[bytes, int] = {}
        self._opened: set[bytes] = set()
        """Hashes that the older chunks were not compared with yet."""
        self._told: dict[tuple[str, TradeRow], None] = {}

    def open(self, transaction: str, time_us: int) -> None:
        """Look for the trades of a transaction, those that came and those to come."""
        self._store()
        self._now_us = time_us
        name = transaction.encode()
        if name not in self._open:
            self._open[name] = time_us
            self._opened.add(name)

    def take(self) -> Found:
        """Return the trades of open transactions that were not returned before."""
        self._store()
        self._expire()
        found: Found = {}
        first_fresh = max(0, len(self._chunks) - self._fresh)
        start = 0 if self._opened else first_fresh
        for index, chunk in enumerate(islice(self._chunks, start, None), start):
            wanted = self._opened if index < first_fresh else self._open.keys()
            for frame in chunk.among(wanted) if wanted else ():
                self._tell(frame, found)
        self._fresh = 0
        self._opened.clear()
        return found

    def _store(self) -> None:
        """Take over the frames that wait, and give up what is too old or too much."""
        if not self.waiting:
            return
        frames = list(self.waiting)
        self.waiting.clear()
        size = sum(map(len, frames))
        self._now_us = _time_us(frames[-1]) or self._now_us
        self._chunks.append(_Chunk(self._now_us, size, frames))
        self._size += size
        self._fresh += 1
        while self._chunks and (
            self._size > KEPT_BYTES or self._now_us - self._chunks[0].time_us > KEPT_US
        ):
            self._size -= self._chunks.popleft().size

    def _tell(self, frame: bytes, found: Found) -> None:
        """Add what a frame has of open transactions, each trade once: they may be repeated."""
        for transaction, item in trades_by_transaction(self.lanes, frame):
            if not isinstance(item, tuple) or str(transaction).encode() not in self._open:
                continue
            stream, row = item
            one = stream.instrument
            if one is None or (one.symbol, row) in self._told:
                continue
            if len(self._told) >= TOLD_TRADES:
                del self._told[next(iter(self._told))]
            self._told[one.symbol, row] = None
            found.setdefault(one.symbol, (one, []))[1].append(_liquidation(one, row))

    def _expire(self) -> None:
        while self._open:
            oldest, time_us = next(iter(self._open.items()))
            if self._now_us - time_us <= KEPT_US and len(self._open) <= OPEN_TRANSACTIONS:
                return
            del self._open[oldest]
            self._opened.discard(oldest)


def _time_us(frame: bytes) -> int:
    """Return the time of the last trade of a frame; 0 where it cannot be seen at a glance."""
    found = _TIME.match(frame, max(0, frame.rfind(_TIME_KEY)))
    return int(found[1]) * 1_000 if found else 0


def _liquidation(instrument: Instrument, row: TradeRow) -> LiquidationItem:
    """Turn a forced trade into a liquidation: who had to sell was long."""
    time_us, ticks, lots, side, _, _ = row
    price = plain(ticks * Decimal(instrument.tick))
    return time_us, price, lots, LiquidatedSide.SHORT if side > 0 else LiquidatedSide.LONG, 0


class _Action(Struct):
    """What a transaction does."""

    type: object = None


class _Transaction(Struct):
    """A transaction of any kind."""

    action: _Action
    hash: object = None
    time: object = None


class _Closing(Struct):
    """A transaction that closes somebody's position by force."""

    hash: str
    time: Milliseconds


class Explorer:
    """Reads the frames of the explorer's transactions, which are arrays without an envelope."""

    def __init__(self, stream: Stream, join: Join) -> None:
        self._stream = stream
        self._join = join

    def parse(self, frame: bytes) -> Sequence[Message]:
        """Read a frame; one that begins as usual and has no liquidation costs one search."""
        if frame.startswith(_HEAD) and _MARK not in frame:
            return self._answer([])
        return self.parse_carefully(frame)

    def parse_carefully(self, frame: bytes) -> Sequence[Message]:
        """Read all transactions of a frame; one that is none leaves the others."""
        try:
            items = _ITEMS.decode(frame)
        except (ValueError, RecursionError) as error:
            return (Rejected("malformed_json", grid.brief(error)),)
        if not items:
            return (Ignored("no_transactions"),)
        rejected = [found for item in items if (found := self._read(item)) is not None]
        return self._answer(rejected[:1])

    def _read(self, item: object) -> Rejected | None:
        try:
            transaction = msgspec.convert(item, _Transaction)
            if transaction.action.type != "liquidate":
                return None
            closing = msgspec.convert(item, _Closing)
        except ValueError as error:
            return Rejected("unexpected_shape", grid.brief(error))
        if not _TRANSACTION.fullmatch(closing.hash):
            return Rejected("unexpected_shape", f"hash is {grid.shown(closing.hash)}")
        self._join.open(closing.hash, closing.time * 1_000)
        return None

    def _answer(self, rejected: Sequence[Rejected]) -> Sequence[Message]:
        found = [
            Liquidations(self._stream, instrument, rows)
            for instrument, rows in self._join.take().values()
        ]
        return [*found, *rejected] or (Alive(self._stream),)
