"""What an ended connection leaves behind: nothing, and that without the cycle collector."""

import gc
from collections import Counter
from collections.abc import Iterator

import pytest

from collectors.books.book import Book
from collectors.connection import Connection
from collectors.frames import CarefulParser
from collectors.grid import Steps
from collectors.session.line import Line
from collectors.session.session import Session
from simulator.faults import Close, HalfOpen
from tests.faults.venues.bench import Bench, bench, hurry

FEEDS = ("binance.usdm", "bybit.linear", "okx.swap", "hyperliquid.perp")
ROUNDS = 2
KINDS = (Connection, Line, Session, CarefulParser, Book, Steps)
"""What there is a fixed number of for each connection that is up."""


@pytest.fixture
def uncollected() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def alive() -> Counter[str]:
    found = [type(one) for one in gc.get_objects() if issubclass(type(one), KINDS)]
    return Counter(kind.__name__ for kind in found)


async def reconnected(at: Bench, rounds: int) -> None:
    """Wait until every group was connected so often, and is."""

    def is_up(name: str) -> bool:
        stats = at.collector.connections[name]
        return stats.connects >= rounds and stats.state == "connected"

    await at.until(
        lambda: len({name.partition("/")[0] for name in at.collector.connections}) == len(FEEDS),
        "all feeds",
    )
    await at.until(lambda: all(map(is_up, at.collector.connections)), f"{rounds} connects")


@pytest.mark.usefixtures("uncollected")
async def test_ended_connections_are_gone_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    hurry(monkeypatch)
    monkeypatch.setattr("collectors.collector.LONGEST_RETRY_SECONDS", 0.2)
    async with bench(FEEDS) as at:
        await reconnected(at, 1)
        await at.until_recovered(FEEDS)  # a call that is out holds what its answer is for
        before = alive()
        for number in range(ROUNDS):
            for feed in FEEDS:
                at.apply(Close(feed=feed, code=1006))
            await reconnected(at, number + 2)
        await at.until(lambda: alive() == before, "nothing of them is left")


@pytest.mark.usefixtures("uncollected")
async def test_connections_that_fall_silent_are_gone_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hurry(monkeypatch)
    monkeypatch.setattr("collectors.collector.LONGEST_RETRY_SECONDS", 0.2)
    monkeypatch.setattr("collectors.connection.DEAD_SECONDS", 1.0)
    async with bench(FEEDS) as at:
        await reconnected(at, 1)
        await at.until_recovered(FEEDS)  # a call that is out holds what its answer is for
        before = alive()
        for feed in FEEDS:
            at.apply(HalfOpen(feed=feed))
        await reconnected(at, 2)
        await at.until(lambda: alive() == before, "nothing of them is left")
