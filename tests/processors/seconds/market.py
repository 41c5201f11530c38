"""A small market in all four topics, as its collectors would write it, and what is joined of it."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from processors.feeds import Feeds
from processors.operator import Cause
from processors.seconds.joiner import Joiner
from processors.seconds.second import Second
from schemas.books import BOOKS_SCHEMA, BookBatch, BookState
from schemas.liquidations import (
    LIQUIDATIONS_SCHEMA,
    LiquidationBatch,
    LiquidationUnit,
    PriceKind,
    SamplingClass,
)
from schemas.market import FeedState, Kind, TradeIds
from schemas.tickers import TICKERS_SCHEMA, TickerBatch
from schemas.trades import TRADES_SCHEMA, BatchHeader, TradeBatch, TradeRow
from tests.processors.builders import NOON, SECOND, UNITS
from tests.processors.seconds.builders import plainly

TOPICS = ("trades", "books", "liquidations", "tickers")
Instrument = tuple[str, Kind, str]
BINANCE: Instrument = ("binance", Kind.LINEAR_PERPETUAL, "BTC-USDT-PERP")
BYBIT: Instrument = ("bybit", Kind.LINEAR_PERPETUAL, "BTC-USDT-PERP")
BINANCE_SPOT: Instrument = ("binance", Kind.SPOT, "BTC-USDT")
DELAY_US = 40_000

Record = tuple[str, BatchHeader]
"""A topic and a batch in it."""


@dataclass
class Market:
    """Some seconds of some instruments.

    Attributes:
        outages: instrument, topic, first and last second in which nothing comes of a stream.
    """

    seconds: int = 30
    instruments: Sequence[Instrument] = (BINANCE, BYBIT, BINANCE_SPOT)
    outages: Sequence[tuple[Instrument, str, int, int]] = ()
    seed: int = 1

    def logs(self) -> dict[str, list[BatchHeader]]:
        """Return the batches of each topic in the order of their receipt."""
        logs: dict[str, list[BatchHeader]] = {topic: [] for topic in TOPICS}
        for topic in TOPICS:
            for instrument in self.instruments:
                if instrument[1] is not Kind.SPOT or topic in ("trades", "books"):
                    logs[topic] += self._stream(topic, instrument)
            logs[topic].sort(key=lambda batch: batch.receive_time_us)
        return logs

    def _stream(self, topic: str, instrument: Instrument) -> list[BatchHeader]:
        chance = random.Random(f"{self.seed}/{topic}/{instrument}")
        found, sequence, session, next_id = [], 0, 0, 1
        time_us = NOON + chance.randrange(SECOND // 2)
        while time_us < NOON + self.seconds * SECOND:
            number = (time_us - NOON) // SECOND
            if any(
                (instrument, topic) == (of, where) and first <= number <= last
                for of, where, first, last in self.outages
            ):
                session, sequence = number, 0
            else:
                said = header(instrument, session, sequence, time_us)
                batch, next_id = make(topic, said, time_us, chance, next_id)
                found.append(batch)
                sequence += 1
            time_us += chance.randrange(SECOND // 10, SECOND // 3)
        return found


def header(instrument: Instrument, session: int, sequence: int, time_us: int) -> dict[str, Any]:
    """Return what every batch of an instrument says, received a little after its time."""
    venue, kind, symbol = instrument
    return {
        "venue": venue,
        "kind": kind,
        "symbol": symbol,
        "venue_symbol": symbol,
        "asset": "BTC",
        "quote": "USDT",
        "session": f"s{session}",
        "sequence": sequence,
        "receive_time_us": time_us + DELAY_US,
        "watermark_us": time_us,
        "feed_state": FeedState.LIVE,
    }


def make(
    topic: str, header: dict[str, Any], time_us: int, chance: random.Random, next_id: int
) -> tuple[BatchHeader, int]:
    """Return a batch with what came up to a time, and the next id."""
    if topic == "trades":
        rows = [
            (time_us - n, 6_000_000 + chance.randrange(-9, 10), 5, chance.choice((1, -1)), 0, 0)
            for n in sorted((chance.randrange(90_000) for _ in range(3)), reverse=True)
        ]
        numbered: list[TradeRow] = [(*row[:4], next_id + n, row[5]) for n, row in enumerate(rows)]
        return TradeBatch(
            schema=TRADES_SCHEMA,
            tick="0.01",
            lot="0.001",
            stream="trades",
            trade_ids=TradeIds.SEQUENTIAL,
            rows=numbered,
            **header,
        ), next_id + 3
    if topic == "books":
        mid = 6_000_000 + chance.randrange(-9, 10)
        return book_batch(header, time_us, [(mid - 1, 3)], [(mid + 1, 4)]), next_id
    if topic == "liquidations":
        liquidated = [(time_us - 5, "60000.5", 7, chance.choice((1, -1)), 0, 0)]
        return liquidation_batch(header, liquidated if chance.random() < 0.2 else []), next_id
    return TickerBatch(
        schema=TICKERS_SCHEMA, stream="ticker", mark_price="60000", **header
    ), next_id


def book_batch(header: dict[str, Any], time_us: int, bids: Any, asks: Any) -> BookBatch:
    """Return a book record."""
    return BookBatch(
        schema=BOOKS_SCHEMA,
        tick="0.01",
        lot="0.001",
        stream="book",
        event_time_us=time_us,
        update_id=1,
        book_epoch=1,
        book_valid=True,
        book_state=BookState.LIVE,
        bids=bids,
        asks=asks,
        bands=[],
        bid_levels=len(bids),
        ask_levels=len(asks),
        top_stream="book",
        top_epoch=1,
        tops=[],
        **header,
    )


def liquidation_batch(header: dict[str, Any], rows: Any) -> LiquidationBatch:
    """Return some liquidations."""
    return LiquidationBatch(
        schema=LIQUIDATIONS_SCHEMA,
        lot="0.001",
        stream="liquidations",
        price_kind=PriceKind.BANKRUPTCY,
        unit=LiquidationUnit.ORDER,
        sampling_class=SamplingClass.ALL,
        method="stream",
        rows=rows,
        **header,
    )


def in_turn(logs: dict[str, list[BatchHeader]]) -> list[Record]:
    """Return all records in the order of their receipt."""
    records = [(topic, batch) for topic in TOPICS for batch in logs[topic]]
    return sorted(records, key=lambda record: record[1].receive_time_us)


def interleaved(
    logs: dict[str, list[BatchHeader]], seed: int, most_ahead_us: int = 20 * SECOND
) -> list[Record]:
    """Return all records in some other order of topics, none much ahead of the others."""
    chance = random.Random(seed)
    left = {topic: list(batches) for topic, batches in logs.items()}
    found: list[Record] = []
    while waiting := {topic: of[0].receive_time_us for topic, of in left.items() if of}:
        first_us = min(waiting.values())
        allowed = [topic for topic, us in waiting.items() if us <= first_us + most_ahead_us]
        topic = chance.choice(allowed)
        for _ in range(chance.randrange(1, 40)):
            if left[topic] and left[topic][0].receive_time_us <= first_us + most_ahead_us:
                found.append((topic, left[topic].pop(0)))
    return found


class Join:
    """A joiner with the feeds of its trades."""

    def __init__(self) -> None:
        self.feeds = Feeds(UNITS)
        self.joiner = Joiner("BTC", UNITS, self.feeds, 1)
        self.offsets = dict.fromkeys(TOPICS, 0)
        self.findings: list[Any] = []

    def take(self, records: Iterable[Record]) -> list[Second]:
        """Take records in and return the seconds that are over."""
        found: list[Second] = []
        for topic, batch in records:
            cause = Cause(topic, 0, self.offsets[topic], 1)
            self.offsets[topic] += 1
            if isinstance(batch, TradeBatch):
                accepted, _ = self.feeds.accept(batch)
                self.joiner.take_trades(accepted, cause)
            elif isinstance(batch, BookBatch):
                self.findings += self.joiner.take_book(batch, cause)
            elif isinstance(batch, LiquidationBatch):
                self.findings += self.joiner.take_liquidations(batch, cause)
            elif isinstance(batch, TickerBatch):
                self.findings += self.joiner.take_ticker(batch, cause)
            found += self.joiner.due()
        return found

    def restarted(self) -> "Join":
        """Return what continues from a snapshot of this one."""
        other = Join()
        feeds, seconds = self.feeds.snapshot(), self.joiner.snapshot()
        other.feeds.restore(plainly(feeds.head), feeds.parts)
        other.joiner.restore(plainly(seconds.head), seconds.parts)
        other.offsets = dict(self.offsets)
        return other
