"""A store with everything in it: a market through the whole toolkit, and the published examples."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from msgspec import structs

from processors.measures.conservation import compare
from schemas import examples
from schemas.reconciliations import Totals
from schemas.topics import (
    BOOKS,
    DEADLETTER,
    INSTRUMENTS,
    LIQUIDATIONS,
    TICKERS,
    TOPICS,
    TRADES,
)
from schemas.units import US_PER_MINUTE
from sinks.clickhouse.batches import SPLITTERS
from sinks.clickhouse.client import Store, open_store
from sinks.clickhouse.migrate import apply
from sinks.clickhouse.reconcile import note_comparisons, own_totals
from sinks.clickhouse.sink import ClickHouseSink
from tests.processors.builders import NOON
from tests.processors.seconds.market import BYBIT, Market, in_turn
from tests.processors.test_toolkit import Run
from tests.sinks.clickhouse.memory_bus import MemoryBus

SECONDS = 130
START_MS = NOON // 1000
END_MS = START_MS + SECONDS * 1000
EXAMPLES_START_MS = int(datetime(2026, 11, 21, tzinfo=UTC).timestamp() * 1000)
EXAMPLES_END_MS = int(datetime(2026, 11, 22, tzinfo=UTC).timestamp() * 1000)
_READ = {"trades": TRADES, "books": BOOKS, "liquidations": LIQUIDATIONS, "tickers": TICKERS}


async def filled(folder: Path) -> Store:
    """Return a store with the market at noon of one day and the examples of another year."""
    bus = everything()
    store = open_store(folder)
    apply(store)
    await ClickHouseSink(bus, store).drain()
    assert bus.log(DEADLETTER.name, 0) == []
    compared(store)
    return store


def everything(seconds: int = SECONDS) -> MemoryBus:
    """Return a log of the market, of what the toolkit makes of it, and of all examples."""
    bus = MemoryBus()
    market = Market(seconds, outages=[(BYBIT, "books", 20, 31)])
    logs = market.logs()
    for name, batches in logs.items():
        bus.put(_READ[name].name, *batches)
    for output in Run().feed(in_turn(logs)).outputs:
        if output.topic in SPLITTERS:
            bus.put(output.topic, output.record)
    for name in SPLITTERS:
        bus.put(name, *(json.dumps(record).encode() for record in shown(name)))
    bus.put(INSTRUMENTS.name, *map(listed, market.instruments))
    return bus


def compared(store: Store) -> None:
    """Compare a minute of the market with files of another opinion: one more coin was bought."""
    market, minute_us = ("BTC", "bybit", "BTC-USDT-PERP"), NOON
    ours = own_totals(store, market, 60, (minute_us, minute_us + US_PER_MINUTE))[minute_us]
    names = ("start_us", "total", "taker_buy", "high", "low", "trades")
    same = Totals(**{name: getattr(ours, name) for name in names})
    other = structs.replace(same, total=same.total + 1, taker_buy=same.taker_buy + 1)
    for source, theirs in ((("klines", "a.zip"), same), (("trades", "b.zip"), other)):
        found = [compare(theirs, ours, with_trades=False)]
        note_comparisons(store, market, 60, source, found, revision=1)


def shown(topic: str) -> list[dict[str, Any]]:
    """Return the published examples of a topic."""
    return list(examples.load(TOPICS[topic].schema_name).values())


def listed(instrument: tuple[str, str, str]) -> bytes:
    """Return an instrument of the market as it is announced."""
    venue, kind, symbol = instrument
    example = next(one for one in shown(INSTRUMENTS.name) if one["asset"] == "BTC")
    return msgspec.json.encode({**example, "venue": venue, "kind": kind, "symbol": symbol})
