"""Collectors against the simulator over real sockets: every feed, and what venues do to us."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path

import msgspec

from collectors.collector import Collector, CollectorSettings
from collectors.registry import choose_feeds
from runtime.bus.embedded import EmbeddedBus
from runtime.clock import SystemClock, WarpedClock
from schemas.market import FeedState, Side
from schemas.ops import DeadLetter, QualityEvent, QualityKind
from schemas.topics import DEADLETTER, INSTRUMENTS, QUALITY, TRADES, Topic
from schemas.trades import TradeBatch
from simulator.market import ScriptedMarket
from simulator.server import Simulator
from simulator.sources import ScriptedSource

START_US = 1_800_000_000_000_000
FEEDS = (
    "binance.usdm",
    "binance.spot",
    "bybit.linear",
    "bybit.spot",
    "okx.swap",
    "okx.spot",
    "hyperliquid.perp",
    "hyperliquid.spot",
)
Key = tuple[str, int, Decimal, int]
"""Feed, venue time, price and side: what merged and single fills have in common."""


class Bench:
    """A simulated market, a collector on it, and the log they fill."""

    def __init__(self, simulator: Simulator, collector: Collector, bus: EmbeddedBus) -> None:
        self.simulator = simulator
        self.collector = collector
        self.bus = bus

    async def until(self, condition: Callable[[], Awaitable[bool]], seconds: float = 120) -> None:
        async with asyncio.timeout(seconds):
            while not await condition():
                await asyncio.sleep(0.05)

    def trades(self, feed: str) -> int:
        return sum(
            stats.trades
            for name, stats in self.collector.connections.items()
            if name.startswith(feed)
        )

    async def until_more(self, feed: str, trades: int) -> None:
        before = self.trades(feed)

        async def more() -> bool:
            return self.trades(feed) >= before + trades

        await self.until(more)

    async def records(self, topic: Topic) -> list[bytes]:
        consumer = await self.bus.consumer([topic.name])
        ends = await self.bus.end_offsets(topic.name)
        values = []
        while any(consumer.position(topic.name, p) < end for p, end in enumerate(ends)):
            values += [record.value or b"" for record in await consumer.poll(1000, 0.5)]
        await consumer.close()
        return values


@asynccontextmanager
async def bench(
    folder: Path, feeds: tuple[str, ...], *, seed: int = 3, speed: float = 4.0, rate: float = 4.0
) -> AsyncIterator[Bench]:
    clock = WarpedClock(START_US, speed)
    market = ScriptedMarket(seed, ("BTC", "ETH"), START_US, rate=rate)
    bus = await EmbeddedBus.open(folder)
    stop = asyncio.Event()
    try:
        async with Simulator(
            [ScriptedSource(market)], clock=clock, session_clock=SystemClock()
        ) as simulator:
            settings = CollectorSettings(
                assets=("BTC", "ETH"), quotes=("USDT", "USDC"), addresses=simulator.addresses
            )
            collector = Collector(choose_feeds(feeds), settings, bus, clock)
            running = asyncio.create_task(collector.run(stop))
            try:
                yield Bench(simulator, collector, bus)
            finally:
                stop.set()
                await running
    finally:
        await bus.close()


def collected(batches: list[TradeBatch]) -> dict[Key, Decimal]:
    sums: dict[Key, Decimal] = defaultdict(Decimal)
    for batch in batches:
        feed = f"{batch.venue}:{batch.symbol}"
        for event_time_us, price, qty, side, _, _ in batch.rows:
            key = (feed, event_time_us // 1000, price * Decimal(batch.tick), side)
            sums[key] += qty * Decimal(batch.lot)
    return sums


def sent(seed: int, rate: float, until_us: int) -> dict[Key, Decimal]:
    """Return what the same seed trades: the market is its own witness."""
    names = {
        "binance.usdm": "binance:{}-USDT-PERP",
        "binance.spot": "binance:{}-USDT",
        "bybit.linear": "bybit:{}-USDT-PERP",
        "bybit.spot": "bybit:{}-USDT",
        "okx.swap": "okx:{}-USDT-PERP",
        "okx.spot": "okx:{}-USDT",
        "hyperliquid.perp": "hyperliquid:{}-USDC-PERP",
        "hyperliquid.spot": "hyperliquid:{}-USDC",
    }
    sums: dict[Key, Decimal] = defaultdict(Decimal)
    for trade in ScriptedMarket(seed, ("BTC", "ETH"), START_US, rate=rate):
        if trade.time_us > until_us:
            return sums
        listed = trade.instrument
        name = names[trade.feed].format(listed.asset)
        side = 1 if trade.side is Side.BUY else -1
        key = (name, trade.time_us // 1000, trade.price_ticks * listed.tick, side)
        sums[key] += trade.qty_lots * listed.lot * listed.contract
    raise AssertionError("the market ended")


async def test_every_feed_collects_what_its_venue_sent(tmp_path: Path) -> None:
    async with bench(tmp_path, FEEDS) as at:

        async def enough() -> bool:
            return all(at.trades(feed) >= 60 for feed in FEEDS)

        await at.until(enough)
        await asyncio.sleep(0.2)
        instruments = await at.records(INSTRUMENTS)
        batches = [msgspec.json.decode(v, type=TradeBatch) for v in await at.records(TRADES)]
    assert len(instruments) == 2 * len(FEEDS)
    got = collected(batches)
    last_ms = max(key[1] for key in got)
    expected = sent(3, 4.0, (last_ms + 1) * 1000)
    for name in {key[0] for key in got}:
        times = [key[1] for key in got if key[0] == name]
        first, last = min(times) + 1, max(times) - 1
        mine = {k: v for k, v in got.items() if k[0] == name and first <= k[1] <= last}
        theirs = {k: v for k, v in expected.items() if k[0] == name and first <= k[1] <= last}
        assert mine == theirs, name
    assert not await _dead_letters(tmp_path)


async def test_sequences_of_a_session_have_no_holes(tmp_path: Path) -> None:
    async with bench(tmp_path, ("bybit.linear", "okx.spot")) as at:
        await at.until_more("bybit.linear", 30)
        batches = [msgspec.json.decode(v, type=TradeBatch) for v in await at.records(TRADES)]
    sequences = defaultdict(list)
    for batch in batches:
        sequences[batch.session, batch.symbol].append(batch.sequence)
    assert sequences
    for numbers in sequences.values():
        assert numbers == list(range(len(numbers)))


async def test_a_dropped_connection_comes_back_and_says_that_it_was_away(tmp_path: Path) -> None:
    async with bench(tmp_path, ("bybit.linear", "okx.swap"), speed=1.0, rate=20.0) as at:
        await at.until_more("bybit.linear", 20)
        at.simulator.drop_connections("bybit.linear")

        async def is_back() -> bool:
            found = [msgspec.json.decode(v, type=TradeBatch) for v in await at.records(TRADES)]
            return len({batch.session for batch in found if batch.venue == "bybit"}) == 2

        await at.until(is_back)
        batches = [msgspec.json.decode(v, type=TradeBatch) for v in await at.records(TRADES)]
        events = [msgspec.json.decode(v, type=QualityEvent) for v in await at.records(QUALITY)]
    bybit = [batch for batch in batches if batch.venue == "bybit"]
    assert FeedState.DOWN in {batch.feed_state for batch in bybit}
    assert FeedState.DOWN not in {batch.feed_state for batch in batches if batch.venue == "okx"}
    bybit_events = [event for event in events if (event.venue, event.asset) == ("bybit", "BTC")]
    kinds = [event.kind for event in bybit_events if not event.symbol]
    assert kinds == [QualityKind.CONNECTED, QualityKind.DISCONNECTED, QualityKind.CONNECTED]


BAD_FRAMES = {
    b"{not json": "malformed_json",
    b'{"stream":"btcusdt@trade","data":{"e":"trade","s":"BTCUSDT","t":7}}': "unexpected_shape",
    b'{"stream":"btcusdt@trade","data":{"e":"trade","E":1800000001000000,"s":"BTCUSDT","t":7,'
    b'"p":"60000.001","q":"1","T":1800000001000000,"m":true,"M":true}}': "invalid_price",
    b'{"stream":"btcusdt@trade","data":{"e":"trade","E":1800000001000000,"s":"BTCUSDT","t":8,'
    b'"p":"60000.00","q":"-1","T":1800000001000000,"m":true,"M":true}}': "invalid_quantity",
    b'{"stream":"btcusdt@trade","data":{"e":"trade","E":1800000001000000,"s":"BTCUSDT","t":9,'
    b'"p":"' + b"9" * 400 + b'","q":"1","T":1800000001000000,"m":true,"M":true}}': "invalid_price",
    b'{"stream":"nopeusdt@trade","data":{"e":"trade","E":1800000001000000,"s":"NOPEUSDT","t":1,'
    b'"p":"1.00","q":"1","T":1800000001000000,"m":true,"M":true}}': "unknown_symbol",
    b'{"stream":"btcusdt@aggTrade","data":{"e":"aggTrade","E":1800000001000000,"s":"BTCUSDT","a":1,'
    b'"p":"60000.00","q":"1","f":1,"l":1,"T":1800000001000000,"m":true,"M":true}}': "wrong_channel",
    b'"' + b"x" * 20_000_000 + b'"': "oversized",
}


async def test_bad_frames_are_dead_letters_and_nothing_else_is_lost(tmp_path: Path) -> None:
    async with bench(tmp_path, ("binance.spot",)) as at:
        await at.until_more("binance.spot", 10)
        for frame in BAD_FRAMES:
            at.simulator.inject("binance.spot", frame)

        async def all_counted() -> bool:
            (stats,) = at.collector.connections.values()
            return sum(stats.rejected.values()) >= len(BAD_FRAMES)

        await at.until(all_counted)
        await at.until_more("binance.spot", 10)
        (stats,) = at.collector.connections.values()
        batches = [msgspec.json.decode(v, type=TradeBatch) for v in await at.records(TRADES)]
    assert stats.connects == 1
    letters = await _dead_letters(tmp_path)
    assert sorted(letter.reason for letter in letters) == sorted(BAD_FRAMES.values())
    assert sorted(letter.size_bytes for letter in letters) == sorted(map(len, BAD_FRAMES))
    got = collected(batches)
    times = [key[1] for key in got]
    first, last = min(times) + 1, max(times) - 1
    expected = sent(3, 4.0, (last + 2) * 1000)
    names = {key[0] for key in got}
    inside = {k: v for k, v in got.items() if first <= k[1] <= last}
    assert inside == {k: v for k, v in expected.items() if first <= k[1] <= last and k[0] in names}


async def test_a_venue_that_is_away_does_not_hold_the_others_up(tmp_path: Path) -> None:
    async with bench(tmp_path, ("bybit.linear", "okx.swap")) as at:
        at.simulator.refuse("okx.swap")
        await at.until_more("bybit.linear", 20)
        assert at.trades("okx.swap") == 0
        at.simulator.refuse("okx.swap", False)
        await at.until_more("okx.swap", 5)


async def _dead_letters(folder: Path) -> list[DeadLetter]:
    bus = await EmbeddedBus.open(folder)
    consumer = await bus.consumer([DEADLETTER.name])
    records = await consumer.poll(1000, 0.2)
    await consumer.close()
    await bus.close()
    return [msgspec.json.decode(record.value or b"", type=DeadLetter) for record in records]
