"""The tables of the store's own tests, with every published example in them."""

import asyncio
from collections.abc import Iterator

import pytest

from schemas.topics import TOPICS, TRADES
from sinks.clickhouse.access import Reader, open_reader
from sinks.clickhouse.batches import SPLITTERS
from sinks.clickhouse.client import Store
from tests.sinks.clickhouse.conftest import store
from tests.sinks.clickhouse.published import documents, put
from tests.sinks.clickhouse.records import DAY_US, batch, trade

__all__ = ["store"]

MINUTES = 4
EVERY_US = 60_000_000
ODD_ASSETS = ("007", "1000", "xyz:GOLD", "币安", "A B", "")
"""Names of which readers could make something else, as they take them from the path."""


@pytest.fixture(scope="module")
def filled(store: Store) -> Store:
    """Every example, and `BTC` with trades of two days at two venues, a batch of them twice."""
    trades = [
        batch("BTC", [trade(n, DAY_US + day + n * EVERY_US, n + 1) for n in range(MINUTES)], venue)
        for venue in ("binance", "okx")
        for day in (0, 86_400_000_000)
    ]

    odd = [batch(asset, [trade(1)]) for asset in ODD_ASSETS]

    async def fill() -> None:
        for name in SPLITTERS:
            await put(store, TOPICS[name], *documents(TOPICS[name], "EX"))
        await put(store, TRADES, *trades, trades[0], *odd, batch("NOWHERE", [trade(1)], venue=""))

    asyncio.run(fill())
    return store


@pytest.fixture(scope="module")
def reader(filled: Store) -> Iterator[Reader]:
    assert filled.path is not None
    opened = open_reader(filled.path)
    yield opened
    opened.close()
