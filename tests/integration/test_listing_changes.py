"""The venue's list of instruments changes while we collect: one comes, one goes."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import aiohttp
import msgspec
import pytest

from collectors import feed_runner
from collectors.collector import Collector, CollectorSettings
from collectors.registry import choose_feeds
from runtime.bus.protocol import Outgoing
from runtime.clock import SystemClock, WarpedClock
from schemas.instruments import Instrument
from schemas.market import COVERING_STATES, FeedState
from schemas.ops import QualityEvent, QualityKind
from schemas.topics import INSTRUMENTS, QUALITY, TRADES
from schemas.trades import TradeBatch
from simulator.faults import Drop, RestHang, RestWrong
from simulator.market import ScriptedMarket
from simulator.server import Simulator
from simulator.sources import ScriptedSource

START_US = 1_800_000_000_000_000
FEED = "binance.spot"
LISTING = "/api/v3/exchangeInfo"
HISTORY = "/api/v3/historicalTrades"


class Log:
    """Keeps what is sent."""

    def __init__(self) -> None:
        self.records: list[Outgoing] = []

    async def send(self, records: Sequence[Outgoing]) -> list[int]:
        self.records += records
        return [0] * len(records)

    def batches(self, asset: str) -> list[TradeBatch]:
        values = [one.value or b"" for one in self.records if one.topic == TRADES.name]
        found = [msgspec.json.decode(value, type=TradeBatch) for value in values]
        return [one for one in found if one.asset == asset]

    def statuses(self, asset: str) -> list[str]:
        values = [one.value or b"" for one in self.records if one.topic == INSTRUMENTS.name]
        found = [msgspec.json.decode(value, type=Instrument) for value in values]
        return [one.status for one in found if one.asset == asset]

    def gaps(self, kind: QualityKind) -> list[tuple[int | None, int | None]]:
        values = [one.value or b"" for one in self.records if one.topic == QUALITY.name]
        found = [msgspec.json.decode(value, type=QualityEvent) for value in values]
        return [(one.first_id, one.last_id) for one in found if one.kind is kind]


async def until(condition: Callable[[], bool], seconds: float = 40) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.05)


async def listing_without(simulator: Simulator, symbol: str) -> bytes:
    rest_url, _ = simulator.addresses[FEED]
    async with aiohttp.ClientSession() as http, http.get(rest_url + LISTING) as answer:
        listing = msgspec.json.decode(await answer.read())
    listing["symbols"] = [one for one in listing["symbols"] if one["symbol"] != symbol]
    return msgspec.json.encode(listing)


async def collected(
    watch: Callable[[Simulator, Log], Awaitable[None]],
    before: Callable[[Simulator, Log], Awaitable[None]] | None = None,
) -> Log:
    clock = WarpedClock(START_US, 4.0)
    market = ScriptedMarket(3, ("BTC", "ETH"), START_US, rate=6.0)
    log, stop = Log(), asyncio.Event()
    async with Simulator(
        [ScriptedSource(market)], clock=clock, session_clock=SystemClock()
    ) as simulator:
        wrong = simulator.apply(
            RestWrong(feed=FEED, path=LISTING, body=await listing_without(simulator, "ETHUSDT"))
        )
        settings = CollectorSettings(
            assets=("BTC", "ETH"),
            quotes=("USDT",),
            addresses=simulator.addresses,
            refresh_seconds=0.2,
        )
        running = asyncio.create_task(
            Collector(choose_feeds([FEED]), settings, log, clock).run(stop)
        )
        try:
            await until(lambda: sum(len(one.rows) for one in log.batches("BTC")) > 20)
            assert not log.batches("ETH")
            if before is not None:
                await before(simulator, log)
            simulator.lift(wrong)
            await watch(simulator, log)
        finally:
            stop.set()
            await running
    return log


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_runner, "LEAST_REFRESH_SECONDS", 0.1)


async def test_an_instrument_that_comes_is_collected_and_the_others_lose_nothing() -> None:
    async def watch(simulator: Simulator, log: Log) -> None:
        await until(lambda: sum(len(one.rows) for one in log.batches("ETH")) > 20)
        seen = sum(len(one.rows) for one in log.batches("BTC"))
        await until(lambda: sum(len(one.rows) for one in log.batches("BTC")) > seen + 20)
        await until(lambda: not missing(log))

    log = await collected(watch)
    assert not missing(log)
    assert len({one.session for one in log.batches("BTC")}) == 2


def missing(log: Log) -> set[int]:
    ids = {row[4] for one in log.batches("BTC") for row in one.rows}
    numbers = {one for one in ids if isinstance(one, int)}
    return set(range(min(numbers), max(numbers) + 1)) - numbers


async def test_an_instrument_that_goes_is_said_to_be_gone() -> None:
    async def watch(simulator: Simulator, log: Log) -> None:
        await until(lambda: bool(log.batches("ETH")))
        body = await listing_without(simulator, "ETHUSDT")
        simulator.apply(RestWrong(feed=FEED, path=LISTING, body=body))
        await until(lambda: log.batches("ETH")[-1].feed_state is FeedState.NOT_LISTED)
        assert log.batches("BTC")[-1].feed_state in (FeedState.LIVE, FeedState.QUIET)

    log = await collected(watch)
    assert log.statuses("ETH")[0] == "trading"
    assert "not_listed" in log.statuses("ETH")
    assert set(log.statuses("BTC")) == {"trading"}


async def test_an_instrument_that_is_gone_is_said_to_be_so_until_it_is_listed_again() -> None:
    async def watch(simulator: Simulator, log: Log) -> None:
        await until(lambda: bool(log.batches("ETH")))
        body = await listing_without(simulator, "ETHUSDT")
        wrong = simulator.apply(RestWrong(feed=FEED, path=LISTING, body=body))
        await until(lambda: log.batches("ETH")[-1].feed_state is FeedState.NOT_LISTED)
        before = {one.session for one in log.batches("ETH")}

        def since_the_cut() -> list[TradeBatch]:
            return [one for one in log.batches("ETH") if one.session not in before]

        assert simulator.drop_connections(FEED)
        await until(lambda: len(since_the_cut()) > 5)
        assert {one.feed_state for one in since_the_cut()} == {FeedState.NOT_LISTED}
        simulator.lift(wrong)
        await until(lambda: log.batches("ETH")[-1].feed_state in COVERING_STATES)
        await until(lambda: log.statuses("ETH")[-1] == "trading")

    log = await collected(watch)
    assert log.statuses("ETH") == ["trading", "not_listed", "trading"]


async def test_a_gap_that_is_open_when_connections_are_planned_anew_is_repaired() -> None:
    async def lose_trades(simulator: Simulator, log: Log) -> None:
        hanging = simulator.apply(RestHang(feed=FEED, path=HISTORY))
        simulator.apply(Drop(feed=FEED, stream="btcusdt@trade", count=2))
        await until(lambda: bool(log.gaps(QualityKind.GAP)) and hanging.touched > 0)

    async def watch(simulator: Simulator, log: Log) -> None:
        await until(lambda: bool(log.batches("ETH")))
        (hanging,) = [one for one in simulator.applied if isinstance(one.fault, RestHang)]
        simulator.lift(hanging)
        await until(lambda: log.gaps(QualityKind.GAP_REPAIRED) == log.gaps(QualityKind.GAP), 20)
        await until(lambda: not missing(log))

    log = await collected(watch, lose_trades)
    assert log.gaps(QualityKind.GAP_PERMANENT) == []
    assert not missing(log)
