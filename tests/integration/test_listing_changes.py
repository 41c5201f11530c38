"""The venue's list of instruments changes while we collect: one comes, one goes."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from collectors import connection, feed_runner
from collectors.collector import Collector, CollectorSettings
from collectors.outbox.outbox import Outbox
from collectors.recorded.contents import Source
from collectors.recorded.replay import Replay
from collectors.registry import all_feeds, choose_feeds
from collectors.rest import OnFrame
from collectors.venue import Feed
from runtime.backoff import Backoff
from runtime.bus.protocol import Outgoing
from runtime.clock import SystemClock, WarpedClock
from runtime.recordings import RecordedFrame, RecordingWriter
from schemas.instruments import Instrument
from schemas.market import COVERING_STATES, FeedState
from schemas.ops import QualityEvent, QualityKind
from schemas.topics import INSTRUMENTS, QUALITY, TRADES
from schemas.trades import TradeBatch
from simulator.fault_log import Applied
from simulator.faults import Drop, Fault, RestHang, RestWrong
from simulator.market import ScriptedMarket
from simulator.server import Simulator
from simulator.sources import ScriptedSource

START_US = 1_800_000_000_000_000
FEED = "binance.spot"
LISTING = "/api/v3/exchangeInfo"
HISTORY = "/api/v3/historicalTrades"
PATIENCE_US = 20_000_000
"""Of the market's time: longer than a connection waits for what is not acknowledged."""


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

    def events(self, kind: QualityKind) -> list[QualityEvent]:
        values = [one.value or b"" for one in self.records if one.topic == QUALITY.name]
        found = [msgspec.json.decode(value, type=QualityEvent) for value in values]
        return [one for one in found if one.kind is kind]

    def gaps(self, kind: QualityKind) -> list[tuple[int | None, int | None]]:
        return [(one.first_id, one.last_id) for one in self.events(kind)]


async def until(condition: Callable[[], bool], seconds: float = 120) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.05)


async def listing_without(simulator: Simulator, symbol: str) -> bytes:
    rest_url, _ = simulator.addresses[FEED]
    async with aiohttp.ClientSession() as http, http.get(rest_url + LISTING) as answer:
        listing = msgspec.json.decode(await answer.read())
    listing["symbols"] = [one for one in listing["symbols"] if one["symbol"] != symbol]
    return msgspec.json.encode(listing)


def with_ether(document: Any) -> Any:
    """Add to each list what it says of Bitcoin, of Ether."""
    if isinstance(document, dict):
        return {name: with_ether(value) for name, value in document.items()}
    if not isinstance(document, list):
        return document
    texts = [msgspec.json.encode(one) for one in document if isinstance(one, dict)]
    more = [text.replace(b"BTC", b"ETH") for text in texts if b"BTC" in text]
    return [*map(with_ether, document), *map(msgspec.json.decode, more)]


async def listing_with_ether(simulator: Simulator, feed: Feed) -> RestWrong:
    """Let a feed that has no Ether list it: a subscription to it is refused."""
    request = next(feed.instruments())
    url = simulator.addresses[feed.name][0] + request.path
    headers = {"Content-Type": "application/json"}
    async with (
        aiohttp.ClientSession(headers=headers) as http,
        http.request(request.method, url, data=request.body) as answer,
    ):
        listing = with_ether(msgspec.json.decode(await answer.read()))
    path = request.path.partition("?")[0]
    return RestWrong(feed=feed.name, path=path, body=msgspec.json.encode(listing))


@asynccontextmanager
async def collecting(
    market: ScriptedMarket,
    feed: str,
    faults: Callable[[Simulator], Awaitable[Fault]],
    on_frame: OnFrame | None = None,
) -> AsyncIterator[tuple[Simulator, Applied, Log]]:
    """Collect Bitcoin and Ether from a simulated feed, with one fault from the beginning."""
    clock = WarpedClock(START_US, 4.0)
    log, stop = Log(), asyncio.Event()
    async with Simulator(
        [ScriptedSource(market)], clock=clock, session_clock=SystemClock()
    ) as simulator:
        applied = simulator.apply(await faults(simulator))
        settings = CollectorSettings(
            assets=("BTC", "ETH"),
            quotes=("USDT", "USDC"),
            addresses=simulator.addresses,
            refresh_seconds=0.2,
            on_frame=on_frame,
        )
        running = asyncio.create_task(
            Collector(choose_feeds([feed]), settings, log, clock).run(stop)
        )
        try:
            yield simulator, applied, log
        finally:
            stop.set()
            await running


async def collected(
    watch: Callable[[Simulator, Log], Awaitable[None]],
    before: Callable[[Simulator, Log], Awaitable[None]] | None = None,
) -> Log:
    async def without_ether(simulator: Simulator) -> Fault:
        body = await listing_without(simulator, "ETHUSDT")
        return RestWrong(feed=FEED, path=LISTING, body=body)

    market = ScriptedMarket(3, ("BTC", "ETH"), START_US, rate=6.0)
    async with collecting(market, FEED, without_ether) as (simulator, wrong, log):
        await until(lambda: sum(len(one.rows) for one in log.batches("BTC")) > 20)
        assert not log.batches("ETH")
        if before is not None:
            await before(simulator, log)
        simulator.lift(wrong)
        await watch(simulator, log)
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


@pytest.mark.parametrize("name", ["okx.spot", "bybit.spot", "hyperliquid.perp"])
async def test_what_is_gone_and_refused_does_not_take_the_others_down(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "ACKNOWLEDGE_SECONDS", 0.5)
    gate = connection.ConnectGate
    monkeypatch.setattr(feed_runner, "ConnectGate", lambda seconds: gate(seconds / 10))
    feed = all_feeds()[name]
    market = ScriptedMarket(3, ("BTC",), START_US, rate=6.0)

    async def listed(simulator: Simulator) -> Fault:
        return await listing_with_ether(simulator, feed)

    frames: list[RecordedFrame] = []
    async with collecting(market, name, listed, frames.append) as (simulator, wrong, log):
        await until(lambda: "trading" in log.statuses("ETH"))
        await until(lambda: bool(log.events(QualityKind.CONNECTED)))
        simulator.lift(wrong)
        await until(lambda: "not_listed" in log.statuses("ETH"))
        refused = len(log.events(QualityKind.REFUSED))
        cut_us = frames[-1].receive_time_us
        simulator.drop_connections(name)

        def since_the_cut(asset: str, log: Log = log) -> list[TradeBatch]:
            batches = log.batches(asset)
            return [one for one in batches if int(one.session.partition("@")[2]) > cut_us]

        await until(lambda: sum(len(one.rows) for one in since_the_cut("BTC")) > 0)
        opened_us = since_the_cut("BTC")[0].receive_time_us
        await until(lambda: since_the_cut("BTC")[-1].receive_time_us > opened_us + PATIENCE_US)
        assert len({one.session for one in since_the_cut("BTC")}) == 1
        assert {one.feed_state for one in since_the_cut("ETH")} == {FeedState.NOT_LISTED}
        assert len(log.events(QualityKind.REFUSED)) == refused
        until_us = min(since_the_cut(asset)[-1].receive_time_us for asset in ("BTC", "ETH"))

    played = await replayed(frames, tmp_path)
    for asset in ("BTC", "ETH"):
        live, again = since_the_cut(asset), since_the_cut(asset, played)
        assert [one for one in again if one.receive_time_us <= until_us] == [
            one for one in live if one.receive_time_us <= until_us
        ]


async def replayed(frames: Sequence[RecordedFrame], folder: Path) -> Log:
    log = Log()
    writer = RecordingWriter(folder, now_us=lambda: START_US)
    for frame in frames:
        writer.write(frame)
    writer.close()
    await Replay([Source(folder)]).run(Outbox(log, Backoff(0.1, 1.0, lambda: 0.5)))
    return log
