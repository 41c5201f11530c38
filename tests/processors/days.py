"""Days of one asset at a modest rate, in all topics, and how large an engine becomes over them."""

import gc
import json
import random
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from math import exp
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace

from processors.asset import EngineParams
from processors.engine import Engine
from schemas.books import BANDS_BP, BookBatch, BookState
from schemas.liquidations import LiquidationBatch
from schemas.market import Kind, TradeIds
from schemas.tickers import TICKERS_SCHEMA, TickerBatch
from schemas.topics import BOOKS, LIQUIDATIONS, TICKERS, TRADES
from schemas.trades import TRADES_SCHEMA, BatchHeader, TradeBatch, TradeRow
from tests.processors.builders import SECOND
from tests.processors.seconds.market import (
    BINANCE,
    BINANCE_SPOT,
    BYBIT,
    Instrument,
    book_batch,
    header,
    liquidation_batch,
)

MIDNIGHT = 1_704_067_200 * SECOND
"""2024-01-01 00:00 UTC, where the first day begins."""

DAY_SECONDS = 86_400
PARAMS = EngineParams(toolkit=True)
NAMES = {"trades": TRADES.name, "books": BOOKS.name} | {
    "liquidations": LIQUIDATIONS.name,
    "tickers": TICKERS.name,
}
LEVELS = 10
FUNDING_US = 8 * 3600 * SECOND
LOOK_US = 3600 * SECOND


class Record(NamedTuple):
    """One record of a topic, by the time of its receipt."""

    time_us: int
    number: int
    topic: str
    batch: BatchHeader


@dataclass
class Price:
    """A price that wanders and is drawn back to where it began, in ticks of 0.01."""

    chance: random.Random
    start: int = 6_000_000
    now: float = 6_000_000.0
    trend: float = 0.0

    def step(self, seconds: float) -> int:
        """Let time pass; now and then it runs in one direction for a while."""
        if self.chance.random() < seconds / 20_000:
            self.trend = self.chance.choice((-20.0, 20.0))
        elif self.chance.random() < seconds / 300:
            self.trend = 0.0
        noise = self.chance.gauss(0, 60) * seconds**0.5
        self.now += noise + self.trend * seconds - (self.now - self.start) * seconds / 40_000
        return int(self.now)


class Moment(NamedTuple):
    """A step of the market; `trend` is in ticks a second."""

    time_us: int
    seconds: int
    busy: bool
    price: int
    trend: float


@dataclass
class Days:
    """A market of three instruments, all streams of which are there most of the time.

    Attributes:
        days: how long it goes on.
        busy_minutes: of every hour something happens in so many; in the others every stream says
            that there is nothing, and books that they are silent.
        busy_seconds, quiet_seconds: between two batches of a stream; without the latter nobody is
            there in quiet minutes.
        trades: of an instrument between two batches, on average.
        outages: of each stream, a day.
        late: the share of trades that come eight seconds late.
    """

    days: int
    busy_minutes: int = 60
    busy_seconds: int = 4
    quiet_seconds: int | None = 20
    trades: float = 2.0
    outages: float = 4.0
    late: float = 0.001
    instruments: tuple[Instrument, ...] = (BINANCE, BYBIT, BINANCE_SPOT)
    spot_books: bool = False
    seed: int = 1

    def records(self) -> Iterator[Record]:
        """Yield the records of all topics in the order of their receipt."""
        chance = random.Random(self.seed)
        price = Price(chance)
        streams = [
            _Stream(self, topic, of, random.Random(f"{self.seed}/{topic}/{of}"))
            for topic in NAMES
            for of in self.instruments
            if of[1] is not Kind.SPOT or topic == "trades" or (topic == "books" and self.spot_books)
        ]
        at = 0
        while at < self.days * DAY_SECONDS:
            busy = at % 3600 < self.busy_minutes * 60
            step = self.busy_seconds if busy else self.quiet_seconds or 3600 - at % 3600
            moment = Moment(MIDNIGHT + at * SECOND, step, busy, price.step(step), price.trend)
            made = (stream.at(moment) for stream in streams)
            yield from sorted(record for record in made if record is not None)
            at += step


class _Stream:
    """One stream of one instrument."""

    def __init__(self, of: Days, topic: str, instrument: Instrument, chance: random.Random) -> None:
        self._of, self._topic, self._instrument, self._chance = of, topic, instrument, chance
        self._number = chance.randrange(1000)
        self._session = self._sequence = self._trade = 0
        self._down_until_us = 0
        self._interest = 50_000.0
        self._late_us = chance.randrange(SECOND)
        self._last: list[TradeRow] = []

    def at(self, now: Moment) -> Record | None:
        """Return the batch of a step, none where the stream is down."""
        if now.time_us < self._down_until_us:
            return None
        nobody = not now.busy and not self._of.quiet_seconds
        if nobody or self._chance.random() < self._of.outages * now.seconds / DAY_SECONDS:
            away_seconds = 0 if nobody else self._chance.randrange(10, 200)
            self._down_until_us = now.time_us + away_seconds * SECOND
            self._session, self._sequence = self._session + 1, 0
            return None
        said = header(self._instrument, self._session, self._sequence, now.time_us + self._late_us)
        self._sequence += 1
        made = getattr(self, f"_{self._topic}")(said, now)
        return Record(said["receive_time_us"], self._number, self._topic, made)

    def _trades(self, said: dict[str, Any], now: Moment) -> TradeBatch:
        chance, opaque, trend = self._chance, self._instrument is BYBIT, now.trend
        rows: list[TradeRow] = []
        count = int(chance.expovariate(1 / self._of.trades)) + (4 if trend else 0)
        for _ in range(count if now.busy else 0):
            self._trade += 1
            side = chance.choice((1, -1)) if chance.random() < 0.7 else (1 if trend > 0 else -1)
            ago_us = (
                8 * SECOND if chance.random() < self._of.late else chance.randrange(SECOND // 2)
            )
            row = (said["watermark_us"] - ago_us, now.price + chance.randrange(-50, 51))
            lots = int(chance.paretovariate(1.1) * 20) % 20_000 + 1
            rows.append((*row, lots, side, f"b{self._trade:x}" if opaque else self._trade, 0))
        if self._last and chance.random() < 0.01:
            rows.append(self._last[-1])
        self._last = rows or self._last
        ids = TradeIds.OPAQUE if opaque else TradeIds.SEQUENTIAL
        return TradeBatch(
            schema=TRADES_SCHEMA, tick="0.01", lot="0.001", stream="trades", trade_ids=ids,
            rows=sorted(rows), **said,
        )  # fmt: skip

    def _books(self, said: dict[str, Any], now: Moment) -> BookBatch:
        chance, time_us = self._chance, said["watermark_us"]
        mid = now.price - now.price % 10 + chance.choice((-10, 0, 10))
        bids, asks = (
            [(mid + sign * 10 * n, int(exp(chance.gauss(7, 1))) + 1) for n in range(1, LEVELS + 1)]
            for sign in (-1, 1)
        )
        if not now.busy:
            silent = book_batch(said, time_us, [], [])
            return replace(silent, book_valid=False, book_state=BookState.SILENT)
        bands = [(width, 10**5, 10**5, 6 * 10**11, 6 * 10**11, 3) for width in BANDS_BP]
        top = (time_us - 1000, *bids[0], *asks[0])
        return replace(book_batch(said, time_us, bids, asks), bands=bands, tops=[top])

    def _liquidations(self, said: dict[str, Any], now: Moment) -> LiquidationBatch:
        chance, rows = self._chance, []
        count = chance.randrange(4) if now.trend else chance.random() < 0.02
        for occurrence in range(count if now.busy else 0):
            lots = int(chance.paretovariate(1.2) * 1_000) % 500_000 + 1
            at_us = said["watermark_us"] - chance.randrange(3 * SECOND)
            side = -1 if now.trend > 0 else 1
            rows.append((at_us, f"{now.price / 100:.2f}", lots, side, occurrence, 0))
        return liquidation_batch(said, sorted(rows))

    def _tickers(self, said: dict[str, Any], now: Moment) -> TickerBatch:
        chance, time_us = self._chance, said["watermark_us"]
        self._interest += chance.gauss(0, 3) - abs(now.trend) / 5
        self._interest += (50_000 - self._interest) / 2000
        return TickerBatch(
            schema=TICKERS_SCHEMA,
            stream="ticker",
            mark_price=f"{now.price / 100:.2f}",
            mark_time_us=time_us,
            index_price=f"{(now.price + chance.randrange(-900, 900)) / 100:.2f}",
            index_time_us=time_us,
            funding_rate="0.0001",
            funding_time_us=time_us - time_us % FUNDING_US + FUNDING_US,
            funding_interval_seconds=FUNDING_US // SECOND,
            funding_seen_us=time_us,
            open_interest=f"{self._interest:.3f}",
            open_interest_time_us=time_us,
            **said,
        )


Sizes = dict[str, int]
"""Bytes of state by owner: `name` of what changes, `name, parts` of what is kept of the rest."""


class Watched:
    """An engine over days, with snapshots and parts as in production.

    `sizes` has the largest of every owner of each day, `blocks` the most of Python's blocks.
    """

    def __init__(self, snapshot_seconds: int = 60) -> None:
        self.engine = Engine(PARAMS, 1)
        self.parts: dict[str, bytes] = {}
        self.made: Counter[str] = Counter()
        self.sizes: list[Sizes] = []
        self.blocks: list[int] = []
        self._head = b""
        self._every_us = snapshot_seconds * SECOND
        self._next_us = 0

    def day(self, records: Iterator[Record], end_us: int) -> Record | None:
        """Work off the records of a day, and look every hour; return the first one after it."""
        self.sizes.append({})
        self.blocks.append(0)
        look_us = 0
        for record in records:
            if record.time_us >= end_us:
                return record
            self.take(record)
            if record.time_us >= look_us:
                look_us = record.time_us - record.time_us % LOOK_US + LOOK_US
                self.look()
        return None

    def take(self, record: Record) -> None:
        """Take one record in."""
        topic = NAMES[record.topic]
        offset = self.engine.next_offset(topic)
        value = msgspec.json.encode(record.batch)
        self.made.update(one.topic for one in self.engine.process(topic, 0, offset, value))
        if record.time_us >= self._next_us:
            self._next_us = record.time_us + self._every_us
            self._store()

    def _store(self) -> None:
        self._head, parts = self.engine.snapshot()
        self.parts |= parts

    def _prune(self) -> None:
        self.parts = {name: value for name, value in self.parts.items() if self.engine.keeps(name)}

    def restart(self) -> None:
        """Continue from what is stored."""
        self._store()
        self._prune()
        self.engine = Engine(PARAMS, 1)
        self.engine.restore(self._head, self.parts)

    def look(self) -> None:
        """Note how large everything is."""
        self._store()
        self._prune()
        ((_, _, heads),) = json.loads(self._head)["assets"]
        found = Counter({name: len(json.dumps(head)) for name, head in heads.items()})
        for name, value in self.parts.items():
            found[f"{name.split('/')[1]}, parts"] += len(value)
        for name, size in found.items():
            self.sizes[-1][name] = max(size, self.sizes[-1].get(name, 0))
        gc.collect()
        self.blocks[-1] = max(self.blocks[-1], sys.getallocatedblocks())

    def table(self) -> str:
        """Return the sizes as a table in kilobytes, a column a day."""
        names = sorted({name for sizes in self.sizes for name in sizes})
        rows = [(name, [sizes.get(name, 0) / 1e3 for sizes in self.sizes]) for name in names]
        rows.append(("blocks, thousands", [blocks / 1e3 for blocks in self.blocks]))
        days = "".join(f"{day:>9}" for day in range(1, len(self.sizes) + 1))
        lines = [f"{'state in kB, by day':<28}{days}"]
        lines += [f"{name:<28}" + "".join(f"{one:>9.1f}" for one in row) for name, row in rows]
        return "\n".join(lines)


def watched(market: Days) -> Iterator[Watched]:
    """Let an engine work a market off, restarted every midnight; yield it after each day."""
    found, records = Watched(), market.records()
    for day in range(1, market.days + 1):
        first = found.day(records, MIDNIGHT + day * DAY_SECONDS * SECOND)
        yield found
        found.restart()
        if first is not None:
            found.take(first)
